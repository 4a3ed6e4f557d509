/*
 * The public face of vm, hart and memory: check arguments, call inside. noahv_linux_* live with the Linux
 * personality.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/vm.h"
#include "interp/interp.h"
#include "isa/insn.h"
#include "jit/jit.h"
#include "mem/copy.h"
#include "mem/fault.h"

#define ADDRESS_BITS_MIN 30
#define ADDRESS_BITS_MAX 38

/* Text for noahv_last_error(NULL): a failed creation leaves no vm to ask. */
static _Thread_local char create_error[256];

void noahv_config_init(struct noahv_config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    cfg->size = sizeof *cfg;
    cfg->address_bits = ADDRESS_BITS_MAX;
}

static void nothing(struct hart *h)
{
    (void)h;
}

static const struct engine engine_interp = {
    interp_run, interp_flush, interp_free, nothing, nothing, nothing
};
static const struct engine engine_jit = { jit_run, jit_flush, jit_free, jit_kick, jit_fork, jit_forked };

static const struct engine engine_lockstep = { lockstep_run, jit_flush, jit_free,
                                               jit_kick,     jit_fork,  lockstep_forked };

/* The engine that cfg asks for; NULL when this host cannot run it. */
static const struct engine *choose_engine(const struct noahv_config *cfg)
{
    switch (cfg->engine) {
    case NOAHV_ENGINE_JIT:
        return &engine_jit;
    case NOAHV_ENGINE_LOCKSTEP:
        return &engine_lockstep;
    case NOAHV_ENGINE_INTERP:
        return &engine_interp;
    default:
        return NULL;
    }
}

static int create_fail(struct noahv_vm *vm, int err, const char *what)
{
    snprintf(create_error, sizeof create_error, "cannot create a vm: %s: %s", what, strerror(-err));
    free(vm);
    return err;
}

int noahv_vm_create(const struct noahv_config *cfg, struct noahv_vm **out)
{
    struct noahv_vm *vm;
    int r;

    if (!out)
        return create_fail(NULL, -EINVAL, "nowhere to store it");
    vm = calloc(1, sizeof *vm);
    if (!vm)
        return create_fail(NULL, -ENOMEM, "its record");
    noahv_config_init(&vm->cfg);
    if (cfg)
        vm->cfg = *cfg;
    if (vm->cfg.size != sizeof vm->cfg)
        return create_fail(vm, -EINVAL, "config.size is not that of this library's struct noahv_config");
    if (vm->cfg.address_bits < ADDRESS_BITS_MIN || vm->cfg.address_bits > ADDRESS_BITS_MAX)
        return create_fail(vm, -EINVAL, "config.address_bits is not in 30..38");
    if (vm->cfg.harden & ~NOAHV_HARDEN_SPECTRE)
        return create_fail(vm, -EINVAL, "config.harden has bits beyond those of enum noahv_harden");
    vm->engine = choose_engine(&vm->cfg);
    if (!vm->engine)
        return create_fail(vm, -EINVAL, "config.engine is not one of enum noahv_engine");
    if (vm->cfg.perf_map && vm->engine != &engine_interp && (r = jit_perf_map_begin()) < 0)
        return create_fail(vm, r, "a perf map in /tmp");
    r = gmem_init(&vm->mem, (uint64_t)1 << vm->cfg.address_bits);
    if (r < 0)
        return create_fail(vm, r, "reserving the guest's address space (is a limit set with ulimit -v?)");
    r = fault_install(NULL);
    if (r == 0)
        r = fault_thread_init();
    if (r < 0) {
        gmem_destroy(&vm->mem);
        return create_fail(vm, r, "signal handlers for guest-page faults");
    }
    pthread_mutex_init(&vm->lock, NULL);
    pthread_mutex_init(&vm->shared.lock, NULL);
    *out = vm;
    return 0;
}

void noahv_vm_destroy(struct noahv_vm *vm)
{
    if (!vm)
        return;
    if (vm->os)
        vm->os->destroy(vm->os_state);
    while (vm->harts)
        vm_hart_destroy(vm->harts);
    vm_idle_free(vm);
    gmem_destroy(&vm->mem);
    pthread_mutex_destroy(&vm->lock);
    pthread_mutex_destroy(&vm->shared.lock);
    free(vm);
}

const char *noahv_last_error(const struct noahv_vm *vm)
{
    return vm ? vm->error : create_error;
}

int noahv_hart_create(struct noahv_vm *vm, struct noahv_hart **out)
{
    return vm && out ? vm_hart_create(vm, out) : -EINVAL;
}

int noahv_get_reg(const struct noahv_hart *h, int reg, uint64_t *value)
{
    if (!h || !value || reg < 0 || reg > NOAHV_REG_PC)
        return -EINVAL;
    *value = reg == NOAHV_REG_PC ? h->hart.pc : h->hart.x[reg];
    return 0;
}

int noahv_set_reg(struct noahv_hart *h, int reg, uint64_t value)
{
    if (!h || reg < 0 || reg > NOAHV_REG_PC)
        return -EINVAL;
    if (reg == NOAHV_REG_PC)
        h->hart.pc = value & ~(uint64_t)1;
    else if (reg != 0)
        h->hart.x[reg] = value;
    return 0;
}

static int check_range(struct noahv_vm *vm, uint64_t addr, uint64_t len)
{
    if (!vm)
        return -EINVAL;
    if ((addr | len) & PAGE_MASK || !len || !range_within(addr, len, vm->mem.limit))
        return vm_fail(vm, -EINVAL, "not a page range of the guest: 0x%llx, %llu bytes",
                       (unsigned long long)addr, (unsigned long long)len);
    return 0;
}

int noahv_map(struct noahv_vm *vm, uint64_t addr, uint64_t len, int access)
{
    int r = check_range(vm, addr, len);

    if (r < 0)
        return r;
    if (access & ~(NOAHV_READ | NOAHV_WRITE | NOAHV_EXEC))
        return vm_fail(vm, -EINVAL, "unknown access bits 0x%x", (unsigned)access);
    r = gmem_map(&vm->mem, addr, len, access, 0, GMEM_PLAIN, -1, 0);
    return r < 0 ? vm_fail(vm, r, "cannot map guest memory: %s", strerror(-r)) : 0;
}

int noahv_unmap(struct noahv_vm *vm, uint64_t addr, uint64_t len)
{
    int r = check_range(vm, addr, len);

    return r < 0 ? r : gmem_unmap(&vm->mem, addr, len);
}

int noahv_read(struct noahv_vm *vm, uint64_t addr, void *dst, size_t len)
{
    return vm && dst ? copy_in(&vm->mem, dst, addr, len) : -EINVAL;
}

int noahv_write(struct noahv_vm *vm, uint64_t addr, const void *src, size_t len)
{
    return vm && src ? copy_out(&vm->mem, addr, src, len) : -EINVAL;
}

int noahv_run(struct noahv_hart *h, struct noahv_exit *x)
{
    return h && x ? vm_run(h, x) : -EINVAL;
}

void noahv_kick(struct noahv_hart *h)
{
    vm_kick(h);
}

void noahv_get_stats(const struct noahv_hart *h, struct noahv_stats *out)
{
    struct vm_counts c = h->counts;
    uint64_t instret = h->hart.instret;

    pthread_mutex_lock(&h->vm->lock);
    vm_counts_add(&c, &h->vm->ended);
    instret += h->vm->ended_instret;
    pthread_mutex_unlock(&h->vm->lock);
    *out = (struct noahv_stats){
        .instructions = instret,
        .ecalls = c.ecalls,
        .fetch_faults = c.faults_resolved[CAUSE_GPF_FETCH] + c.faults_exited[CAUSE_GPF_FETCH],
        .load_faults = c.faults_resolved[CAUSE_GPF_LOAD] + c.faults_exited[CAUSE_GPF_LOAD],
        .store_faults = c.faults_resolved[CAUSE_GPF_STORE] + c.faults_exited[CAUSE_GPF_STORE],
        .guest_ns = c.guest_ns,
        .host_ns = c.host_ns,
    };
    for (int i = 0; i < NR_CAUSES; i++)
        out->faults_resolved += c.faults_resolved[i];
}

struct log_target {
    void (*fn)(void *opaque, int level, const char *line);
    void *opaque;
};

_Static_assert((int)LOG_ERROR == NOAHV_LOG_ERROR && (int)LOG_NOTE == NOAHV_LOG_NOTE, "log levels");
_Static_assert((int)LOG_JIT == NOAHV_LOG_JIT, "log levels");

static void forward_log(void *opaque, enum log_level level, const char *line)
{
    const struct log_target *t = opaque;

    t->fn(t->opaque, (int)level, line);
}

void noahv_set_log(void (*sink)(void *opaque, int level, const char *line), void *opaque,
                   enum noahv_log level)
{
    static struct log_target target; /* log_set_sink keeps its address */

    target = (struct log_target){ sink, opaque };
    log_set_sink(sink ? forward_log : NULL, &target);
    log_set_level((enum log_level)level);
}

const char *noahv_version(void)
{
    return "0.1.0";
}

const char *noahv_isa(void)
{
    return isa_string();
}
