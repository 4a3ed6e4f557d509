/*
 * The system calls about signals that the guest makes. kill and its kin pass straight to the host: guest
 * processes are host processes.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "syscalls/signal.h"

#define UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))

/* UAPI_SA_FLAGS of kernel/signal.c: what it keeps of sa_flags. */
#define RV_SA_FLAGS \
    (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | 0x800u)

int64_t sys_rt_sigaction(struct task *t, int sig, gva_t act, gva_t oact, uint64_t size)
{
    struct rv_sigaction new, old;

    if (size != sizeof(uint64_t))
        return -EINVAL;
    if (act && get_user(t->mem, &new, act))
        return -EFAULT;
    if (sig < 1 || sig > RV_NSIG || (act && (UNBLOCKABLE & SIG_BIT(sig))))
        return -EINVAL;
    pthread_mutex_lock(&t->proc->sighand->lock);
    old = t->proc->sighand->act[sig];
    if (act) {
        new.flags &= RV_SA_FLAGS;
        new.mask &= ~UNBLOCKABLE;
        t->proc->sighand->act[sig] = new;
        signal_apply(t->proc, sig);
    }
    pthread_mutex_unlock(&t->proc->sighand->lock);
    return oact && put_user(t->mem, oact, &old) ? -EFAULT : 0;
}

int64_t sys_rt_sigprocmask(struct task *t, int how, gva_t set, gva_t oset, uint64_t size)
{
    uint64_t old = t->sigmask, bits, mask = old;
    int64_t r;

    if (size != sizeof bits)
        return -EINVAL;
    if (set) {
        if (get_user(t->mem, &bits, set))
            return -EFAULT;
        switch (how) {
        case SIG_BLOCK:
            mask |= bits;
            break;
        case SIG_UNBLOCK:
            mask &= ~bits;
            break;
        case SIG_SETMASK:
            mask = bits;
            break;
        default:
            return -EINVAL;
        }
        r = signal_set_mask(t, mask);
        if (r < 0)
            return r;
    }
    return oset && put_user(t->mem, oset, &old) ? -EFAULT : 0;
}

int64_t sys_rt_sigpending(struct task *t, gva_t set, uint64_t size)
{
    uint64_t host = 0;
    int64_t r;

    if (size > sizeof host)
        return -EINVAL;
    r = HOST(t, SYS_rt_sigpending, &host, sizeof host);
    if (r < 0)
        return r;
    host = (host | t->held) & t->sigmask;
    return copy_out(t->mem, set, &host, size);
}

int64_t sys_rt_sigsuspend(struct task *t, gva_t mask, uint64_t size)
{
    const uint64_t a[6] = { 0, sizeof(uint64_t) };

    if (!mask)
        return size == sizeof(uint64_t) ? -EFAULT : -EINVAL;
    return sig_masked_call(t, mask, size, MASK_PLAIN, 0, SYS_rt_sigsuspend, a);
}

int64_t sys_rt_sigtimedwait(struct task *t, gva_t set, gva_t info, gva_t timeout, uint64_t size)
{
    uint64_t wanted;
    siginfo_t si;
    int sig;

    if (size != sizeof wanted)
        return -EINVAL;
    if (get_user(t->mem, &wanted, set))
        return -EFAULT;
    sig = signal_take_held(t, wanted, &si); /* the host does not know of these */
    if (sig)
        return info && put_user(t->mem, info, &si) ? -EFAULT : sig;
    return HOST(t, SYS_rt_sigtimedwait, &wanted, span(t, info, sizeof si), span(t, timeout, 16), size);
}

/* kernel/signal.c do_sigaltstack; sp is the guest's stack pointer. */
int64_t sigaltstack_set(struct task *t, const struct rv_stack *s, uint64_t sp)
{
    int mode = s->flags & ~RV_SS_AUTODISARM;

    if (t->altstack.size && !(t->altstack.flags & RV_SS_AUTODISARM) && sp > t->altstack.sp &&
        sp - t->altstack.sp <= t->altstack.size)
        return -EPERM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        t->altstack = (struct rv_stack){ .flags = SS_DISABLE };
        return 0;
    }
    if (s->size < RV_MINSIGSTKSZ)
        return -ENOMEM;
    t->altstack = (struct rv_stack){ .sp = s->sp, .flags = s->flags & ~(int)SS_ONSTACK, .size = s->size };
    return 0;
}

int64_t sys_sigaltstack(struct task *t, gva_t ss, gva_t oss)
{
    struct rv_stack new, old = sigframe_altstack(t);
    int64_t r = 0;

    if (ss) {
        if (get_user(t->mem, &new, ss))
            return -EFAULT;
        r = sigaltstack_set(t, &new, t->hart->x[2]);
    }
    return r == 0 && oss && put_user(t->mem, oss, &old) ? -EFAULT : r;
}

int64_t sys_rt_sigreturn(struct task *t)
{
    uint64_t mask;
    int64_t r;

    if (!sigframe_mask(t, &mask)) {
        signal_force(t, SIGSEGV, SI_KERNEL, 0);
        return -EJUSTRETURN;
    }
    r = signal_set_mask(t, mask);
    if (r < 0)
        return r; /* a signal comes first; the frame waits */
    if (!sigframe_pop(t))
        signal_force(t, SIGSEGV, SI_KERNEL, 0);
    return -EJUSTRETURN;
}

int64_t sys_restart_syscall(struct task *t)
{
    (void)t; /* the host restarts its own calls: the guest never has one to restart */
    return -EINTR;
}
