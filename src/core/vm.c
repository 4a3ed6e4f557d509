/*
 * The vm and its harts: creation, destruction, the last error. Running is in run.c, the public face in api.c.
 */
#include "core/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include "interp/interp.h"
#include "isa/insn.h"

#define IDLE_MAX 16 /* harts that wait for a new thread: each holds tables, perhaps translations */
#include "jit/jit.h"

int vm_fail(struct noahv_vm *vm, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(vm->error, sizeof vm->error, fmt, ap);
    va_end(ap);
    return err;
}

/* In pages of its own, which are touched as they are used: most of a hart is a table. */
static struct noahv_hart *hart_alloc(void)
{
    void *p =
        mmap(NULL, sizeof(struct noahv_hart), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* A hart that has ended, as new but for its translations; NULL: there is none. */
static struct noahv_hart *reuse(struct noahv_vm *vm)
{
    struct noahv_hart *h;

    pthread_mutex_lock(&vm->lock);
    h = vm->idle;
    if (h) {
        vm->idle = h->next;
        vm->nr_idle--;
    }
    pthread_mutex_unlock(&vm->lock);
    if (h && h->fences != atomic_load(&vm->mem.fences))
        vm->engine->flush(&h->hart);
    return h;
}

int vm_hart_create(struct noahv_vm *vm, struct noahv_hart **out)
{
    struct noahv_hart *h = reuse(vm);

    if (!h)
        h = hart_alloc();
    if (!h)
        return vm_fail(vm, -ENOMEM, "out of memory for a hart");
    h->vm = vm;
    h->hart.mem = &vm->mem;
    h->hart.window = vm->mem.gs.window;
    h->hart.limit = vm->mem.limit;
    h->hart.counting |= vm->cfg.stats != 0;
    h->hart.jit.options = (vm->cfg.harden & NOAHV_HARDEN_SPECTRE ? JIT_HARDEN_SPECTRE : 0) |
                          (vm->cfg.perf_map ? JIT_PERF_MAP : 0) | (vm->cfg.eager ? 0 : JIT_COLD);
    h->hart.may_translate = vm->may_translate;
    h->hart.jit.shared = &vm->shared;
    h->hart.jit.own = false;
    hart_reset(&h->hart);

    pthread_mutex_lock(&vm->lock);
    h->hart.alone = !vm->harts;
    for (struct noahv_hart *other = vm->harts; other; other = other->next)
        if (atomic_exchange(&other->hart.alone, false))
            vm->engine->kick(&other->hart); /* not for the guest: to make its code anew */
    h->next = vm->harts;
    vm->harts = h;
    pthread_mutex_unlock(&vm->lock);
    *out = h;
    return 0;
}

static void list_remove(struct noahv_hart *h)
{
    struct noahv_hart **p = &h->vm->harts;

    while (*p != h)
        p = &(*p)->next;
    *p = h->next;
}

static void hart_free(struct noahv_hart *h)
{
    h->vm->engine->free(&h->hart);
    interp_free(&h->hart);
    munmap(h, sizeof *h);
}

void vm_hart_destroy(struct noahv_hart *h)
{
    struct noahv_vm *vm = h->vm;

    pthread_mutex_lock(&vm->lock);
    list_remove(h);
    pthread_mutex_unlock(&vm->lock);
    hart_free(h);
}

void vm_hart_end(struct noahv_hart *h)
{
    struct noahv_vm *vm = h->vm;
    bool keep;

    pthread_mutex_lock(&vm->lock);
    list_remove(h);
    vm_counts_add(&vm->ended, &h->counts);
    vm->ended_instret += h->hart.instret;
    keep = vm->nr_idle < IDLE_MAX;
    if (keep) {
        h->counts = (struct vm_counts){ 0 };
        h->left_at = 0;
        h->hart.instret = 0;
        h->hart.task = NULL;
        h->hart.answer = NULL;
        atomic_store(&h->hart.kick, 0);
        h->fences = atomic_load(&vm->mem.fences);
        h->next = vm->idle;
        vm->idle = h;
        vm->nr_idle++;
    }
    pthread_mutex_unlock(&vm->lock);
    if (!keep)
        hart_free(h);
}

bool vm_hart_part(struct noahv_hart *h)
{
    bool parted = h->hart.jit.own;

    h->hart.jit.own = true;
    if (!parted && !atomic_load(&h->hart.alone))
        h->vm->engine->free(&h->hart); /* by a thread that is not killed alone */
    return parted;
}

void vm_hart_join(struct noahv_hart *h, bool parted)
{
    h->hart.jit.own = parted;
}

void vm_idle_free(struct noahv_vm *vm)
{
    struct noahv_hart *h;

    while ((h = vm->idle)) {
        vm->idle = h->next;
        hart_free(h);
    }
    vm->nr_idle = 0;
}

void vm_counts_add(struct vm_counts *to, const struct vm_counts *from)
{
    to->ecalls += from->ecalls;
    for (unsigned i = 0; i < NR_CAUSES; i++) {
        to->faults_resolved[i] += from->faults_resolved[i];
        to->faults_exited[i] += from->faults_exited[i];
    }
    to->guest_ns += from->guest_ns;
    to->host_ns += from->host_ns;
}

size_t vm_translations(struct noahv_vm *vm)
{
    struct noahv_hart *const list[] = { vm->harts, vm->idle };
    size_t sum = atomic_load(&vm->shared.granted);

    pthread_mutex_lock(&vm->lock);
    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        for (const struct noahv_hart *h = list[i]; h; h = h->next)
            sum += atomic_load(&h->hart.jit.granted);
    pthread_mutex_unlock(&vm->lock);
    return sum;
}

IN_HANDLER void vm_kick(struct noahv_hart *h)
{
    atomic_store(&h->hart.kick, 1);
    h->vm->engine->kick(&h->hart);
}

void vm_kick_others(struct noahv_hart *h)
{
    pthread_mutex_lock(&h->vm->lock);
    for (struct noahv_hart *o = h->vm->harts; o; o = o->next)
        if (o != h)
            vm_kick(o);
    pthread_mutex_unlock(&h->vm->lock);
}

void vm_fork_prepare(struct noahv_hart *h)
{
    pthread_mutex_lock(&h->vm->shared.lock);
    h->vm->engine->fork(&h->hart);
    pthread_mutex_lock(&h->vm->lock);
    gmem_fork_prepare(&h->vm->mem);
}

void vm_fork_done(struct noahv_vm *vm)
{
    gmem_fork_done(&vm->mem, false);
    pthread_mutex_unlock(&vm->lock);
    pthread_mutex_unlock(&vm->shared.lock);
}

void vm_forked(struct noahv_hart *h)
{
    struct noahv_vm *vm = h->vm;
    struct noahv_hart *other, *next;

    gmem_fork_done(&vm->mem, true);
    pthread_mutex_unlock(&vm->lock); /* locked by this very thread: vm_fork_prepare */
    pthread_mutex_unlock(&vm->shared.lock);
    atomic_store(&h->hart.jit.granted, 0); /* its memory is the parent's still */
    atomic_store(&vm->shared.granted, 0);
    vm->engine->forked(&h->hart);
    for (other = vm->harts; other; other = next) {
        next = other->next;
        if (other != h)
            hart_free(other);
    }
    h->next = NULL;
    vm->harts = h;
    h->hart.jit.own = false; /* whose memory it shared: vm_hart_part */
    vm_idle_free(vm);
}

uint64_t vm_hwprobe_ext0(void)
{
    return isa_hwprobe_ima_ext0();
}

uint64_t vm_hwcap(void)
{
    return isa_hwcap();
}
