/*
 * The vm and its harts: creation, destruction, the last error. Running is in run.c, the public face in api.c.
 */
#include "core/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "interp/interp.h"
#include "isa/insn.h"
#include "jit/jit.h"

int vm_fail(struct noahv_vm *vm, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(vm->error, sizeof vm->error, fmt, ap);
    va_end(ap);
    return err;
}

int vm_hart_create(struct noahv_vm *vm, struct noahv_hart **out)
{
    struct noahv_hart *h = calloc(1, sizeof *h);

    if (!h)
        return vm_fail(vm, -ENOMEM, "out of memory for a hart");
    h->vm = vm;
    h->hart.mem = &vm->mem;
    h->hart.window = vm->mem.gs.window;
    h->hart.limit = vm->mem.limit;
    h->hart.counting = vm->cfg.stats != 0;
    h->hart.jit.options = vm->cfg.harden & NOAHV_HARDEN_SPECTRE ? JIT_HARDEN_SPECTRE : 0;
    hart_reset(&h->hart);

    pthread_mutex_lock(&vm->lock);
    h->next = vm->harts;
    vm->harts = h;
    pthread_mutex_unlock(&vm->lock);
    *out = h;
    return 0;
}

void vm_hart_destroy(struct noahv_hart *h)
{
    struct noahv_vm *vm = h->vm;

    pthread_mutex_lock(&vm->lock);
    for (struct noahv_hart **p = &vm->harts; *p; p = &(*p)->next)
        if (*p == h) {
            *p = h->next;
            break;
        }
    pthread_mutex_unlock(&vm->lock);
    vm->engine->free(&h->hart);
    interp_free(&h->hart);
    free(h);
}

void vm_flush_code(struct noahv_hart *h)
{
    h->vm->engine->flush(&h->hart);
    interp_flush(&h->hart);
}

void vm_kick(struct noahv_hart *h)
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

void vm_fork_prepare(struct noahv_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    gmem_fork_prepare(&vm->mem);
}

void vm_fork_done(struct noahv_vm *vm)
{
    gmem_fork_done(&vm->mem, false);
    pthread_mutex_unlock(&vm->lock);
}

void vm_forked(struct noahv_hart *h)
{
    struct noahv_vm *vm = h->vm;
    struct noahv_hart *other, *next;

    gmem_fork_done(&vm->mem, true);
    pthread_mutex_init(&vm->lock, NULL);
    for (other = vm->harts; other; other = next) {
        next = other->next;
        if (other != h)
            vm_hart_destroy(other);
    }
    vm->engine->forked(&h->hart);
}

uint64_t vm_hwprobe_ext0(void)
{
    return isa_hwprobe_ima_ext0();
}

uint64_t vm_hwcap(void)
{
    return isa_hwcap();
}
