/*
 * The hypervisor in one screen: run the engine, take the trap as HS-mode software, resolve what is the core's
 * own business, make an exit of everything else.
 */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "core/vm.h"

enum hs_verdict { HS_RESUME, HS_EXIT };

typedef enum hs_verdict (*hs_trap_fn)(struct noahv_hart *nh, struct noahv_exit *x);

static enum hs_verdict on_ecall(struct noahv_hart *nh, struct noahv_exit *x)
{
    const uint64_t *r = nh->hart.x;

    nh->counts.ecalls++;
    x->reason = NOAHV_EXIT_ECALL;
    x->u.ecall.nr = r[17];
    memcpy(x->u.ecall.arg, &r[10], sizeof x->u.ecall.arg);
    return HS_EXIT;
}

static enum hs_verdict on_illegal(struct noahv_hart *nh, struct noahv_exit *x)
{
    x->reason = NOAHV_EXIT_ILLEGAL;
    x->u.insn.bits = (uint32_t)nh->hart.trap.stval;
    return HS_EXIT;
}

static enum hs_verdict on_breakpoint(struct noahv_hart *nh, struct noahv_exit *x)
{
    (void)nh;
    x->reason = NOAHV_EXIT_EBREAK;
    return HS_EXIT;
}

static enum hs_verdict on_misaligned(struct noahv_hart *nh, struct noahv_exit *x)
{
    const struct trap *t = &nh->hart.trap;

    x->reason = NOAHV_EXIT_MISALIGNED;
    x->u.fault.gva = x->u.fault.gpa = t->stval;
    x->u.fault.access = t->scause == CAUSE_LOAD_MISALIGNED    ? NOAHV_READ
                        : t->scause == CAUSE_STORE_MISALIGNED ? NOAHV_WRITE
                                                              : NOAHV_EXEC;
    x->u.fault.kind = 0;
    return HS_EXIT;
}

static enum hs_verdict on_guest_page_fault(struct noahv_hart *nh, struct noahv_exit *x)
{
    const struct trap *t = &nh->hart.trap;
    gpa_t gpa = t->htval << 2 | (t->stval & 3); /* htval holds gpa >> 2 */
    int access = trap_access(t->scause);
    enum gmem_fault_kind kind = gmem_fault(nh->hart.mem, t->stval, access, t->bus);

    if (kind == GMEM_FAULT_NONE) {
        nh->counts.faults_resolved[t->scause]++;
        return HS_RESUME;
    }
    nh->counts.faults_exited[t->scause]++;
    x->reason = NOAHV_EXIT_FAULT;
    x->u.fault.gva = t->stval;
    x->u.fault.gpa = gpa;
    x->u.fault.access = (uint32_t)access;
    x->u.fault.kind = kind;
    return HS_EXIT;
}

/* One line per cause that a VU-mode hart with vsatp = Bare can take (Priv. 1.13, Trap Cause Codes). */
static const hs_trap_fn hs_trap[NR_CAUSES] = {
    [CAUSE_FETCH_MISALIGNED] = on_misaligned, [CAUSE_ILLEGAL] = on_illegal,
    [CAUSE_BREAKPOINT] = on_breakpoint,       [CAUSE_LOAD_MISALIGNED] = on_misaligned,
    [CAUSE_STORE_MISALIGNED] = on_misaligned, [CAUSE_ECALL_VU] = on_ecall,
    [CAUSE_GPF_FETCH] = on_guest_page_fault,  [CAUSE_GPF_LOAD] = on_guest_page_fault,
    [CAUSE_VIRT_INSN] = on_illegal,           [CAUSE_GPF_STORE] = on_guest_page_fault,
};

static_assert((int)GMEM_FAULT_UNMAPPED == NOAHV_FAULT_UNMAPPED, "fault kinds");
static_assert((int)GMEM_FAULT_PROTECTION == NOAHV_FAULT_PROTECTION, "fault kinds");
static_assert((int)GMEM_FAULT_BUS == NOAHV_FAULT_BUS, "fault kinds");
static_assert((int)GMEM_R == NOAHV_READ && (int)GMEM_W == NOAHV_WRITE && (int)GMEM_X == NOAHV_EXEC, "access");

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Runs guest code once; with cfg.stats, books the time on both sides. */
static enum engine_exit run_engine(struct noahv_hart *nh)
{
    enum engine_exit how;
    uint64_t from, to;

    if (LIKELY(!nh->vm->cfg.stats))
        return nh->vm->engine->run(&nh->hart);
    from = now_ns();
    if (nh->left_at)
        nh->counts.host_ns += from - nh->left_at;
    how = nh->vm->engine->run(&nh->hart);
    to = now_ns();
    nh->counts.guest_ns += to - from;
    nh->left_at = to;
    return how;
}

static enum hs_verdict take_trap(struct noahv_hart *nh, struct noahv_exit *x)
{
    const struct trap *t = &nh->hart.trap;
    hs_trap_fn fn = t->scause < NR_CAUSES ? hs_trap[t->scause] : NULL;

    BUG_ON(!fn);
    x->pc = nh->hart.pc;
    x->scause = t->scause;
    x->stval = t->stval;
    x->htval = t->htval;
    x->htinst = t->htinst;
    return fn(nh, x);
}

void vm_prepare(struct noahv_hart *nh)
{
    struct insn any;

    insn_decode(0x13 /* nop */, &any);
    atomic_store(&nh->hart.kick, 1); /* stays: it might be somebody's */
    nh->vm->engine->run(&nh->hart);
}

int vm_run(struct noahv_hart *nh, struct noahv_exit *x)
{
    struct hart *h = &nh->hart;

    for (;;) {
        if (UNLIKELY(atomic_load_explicit(&h->kick, memory_order_relaxed)) &&
            atomic_exchange_explicit(&h->kick, 0, memory_order_acquire)) {
            memset(x, 0, sizeof *x);
            x->reason = NOAHV_EXIT_KICKED;
            x->pc = h->pc;
            return 0;
        }
        if (run_engine(nh) == ENGINE_TRAP && take_trap(nh, x) == HS_EXIT)
            return 0;
    }
}
