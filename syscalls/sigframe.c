/*
 * The signal frame on the guest's stack, bit for bit as arch/riscv/kernel/signal.c lays it out without the V
 * extension: siginfo, ucontext, an empty extension header. What a handler finds and what rt_sigreturn reads.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "syscalls/signal.h"

/* include/uapi/asm/{sigcontext,ucontext,ptrace}.h of riscv */
struct rv_sigcontext {
    uint64_t pc, x[31]; /* x1..x31 */
    uint64_t f[32];
    uint32_t fcsr;
    uint8_t q_state_room[256]; /* the union is sized for quad precision */
    uint32_t reserved;         /* 0, or rt_sigreturn refuses */
    uint32_t end_magic, end_size;
};

struct rv_ucontext {
    uint64_t flags, link;
    struct rv_stack stack;
    uint64_t sigmask;
    uint8_t sigmask_room[120];
    uint8_t pad[8];
    struct rv_sigcontext mc;
};

struct rv_sigframe {
    siginfo_t info;
    struct rv_ucontext uc;
};
static_assert(sizeof(siginfo_t) == 128, "siginfo");
static_assert(offsetof(struct rv_sigframe, uc.stack) == 144, "uc_stack");
static_assert(offsetof(struct rv_sigframe, uc.sigmask) == 168, "uc_sigmask");
static_assert(offsetof(struct rv_sigframe, uc.mc) == 304, "sc_regs");
static_assert(offsetof(struct rv_sigframe, uc.mc.f) == 560, "fpregs");
static_assert(offsetof(struct rv_sigframe, uc.mc.fcsr) == 816, "fcsr");
static_assert(offsetof(struct rv_sigframe, uc.mc.reserved) == 1076, "reserved");
static_assert(sizeof(struct rv_sigframe) == 1088, "rt_sigframe");

static bool on_altstack(const struct task *t, uint64_t sp)
{
    return !(t->altstack.flags & RV_SS_AUTODISARM) && sp > t->altstack.sp &&
           sp - t->altstack.sp <= t->altstack.size;
}

/* Where the frame goes (get_sigframe); 0 when an alternate stack would overflow. */
static gva_t frame_place(const struct task *t, const struct rv_sigaction *act)
{
    uint64_t sp = t->hart->x[2];
    gva_t at = (sp - sizeof(struct rv_sigframe)) & ~(gva_t)15;

    if (on_altstack(t, sp) && !on_altstack(t, at))
        return 0;
    if ((act->flags & SA_ONSTACK) && t->altstack.size && !on_altstack(t, sp))
        at = (t->altstack.sp + t->altstack.size - sizeof(struct rv_sigframe)) & ~(gva_t)15;
    return at;
}

/* The alternate stack as sigaltstack reports it: SS_ONSTACK is computed, SS_DISABLE when there is none. */
struct rv_stack sigframe_altstack(const struct task *t)
{
    struct rv_stack s = t->altstack;

    s.pad = 0;
    if (!s.size)
        s.flags |= SS_DISABLE;
    else if (on_altstack(t, t->hart->x[2]))
        s.flags |= SS_ONSTACK;
    return s;
}

bool sigframe_push(struct task *t, int sig, const struct rv_sigaction *act, const siginfo_t *info,
                   uint64_t saved_mask)
{
    struct hart *h = t->hart;
    struct rv_sigframe f;
    gva_t at = frame_place(t, act);

    if (!at)
        return false;
    memset(&f, 0, sizeof f);
    f.info = *info;
    f.uc.stack = sigframe_altstack(t);
    f.uc.sigmask = saved_mask;
    f.uc.mc.pc = h->pc;
    memcpy(f.uc.mc.x, &h->x[1], sizeof f.uc.mc.x);
    memcpy(f.uc.mc.f, h->f, sizeof f.uc.mc.f);
    f.uc.mc.fcsr = h->fcsr;
    if (copy_out(t->mem, at, &f, sizeof f))
        return false;

    if (t->altstack.flags & RV_SS_AUTODISARM)
        t->altstack = (struct rv_stack){ .flags = SS_DISABLE };
    h->x[1] = t->proc->mm->sigreturn;
    h->x[2] = at;
    h->x[10] = (uint64_t)sig;
    h->x[11] = at + offsetof(struct rv_sigframe, info);
    h->x[12] = at + offsetof(struct rv_sigframe, uc);
    h->pc = act->handler;
    return true;
}

bool sigframe_mask(struct task *t, uint64_t *mask)
{
    return get_user(t->mem, mask, t->hart->x[2] + offsetof(struct rv_sigframe, uc.sigmask)) == 0;
}

bool sigframe_pop(struct task *t)
{
    struct hart *h = t->hart;
    struct rv_ucontext uc;

    if (get_user(t->mem, &uc, h->x[2] + offsetof(struct rv_sigframe, uc)))
        return false;
    if (uc.mc.reserved || uc.mc.end_magic || uc.mc.end_size)
        return false;
    h->pc = uc.mc.pc & ~(uint64_t)1; /* sepc has no bit 0 */
    memcpy(&h->x[1], uc.mc.x, sizeof uc.mc.x);
    memcpy(h->f, uc.mc.f, sizeof uc.mc.f);
    h->fcsr = uc.mc.fcsr & 0xff;
    h->resv_addr = RESV_NONE;
    sigaltstack_set(t, &uc.stack, h->x[2]);
    return true;
}
