/*
 * Signals from the host to the guest: which host handlers stand behind the guest's actions, what a host
 * handler records, and delivery at safe points. The calls of the guest are in sigcalls.c, the frame in
 * sigframe.c. Rules: kernel/signal.c, arch/riscv/kernel/signal.c.
 */
#include "syscalls/signal.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "mem/fault.h"
#include "syscalls/host.h"
#include "syscalls/thread.h"
#include "syscalls/trace.h"

/* task.caught without a signal: the thread leaves. */
#define CAUGHT_LEAVE (-1)

#define DFL_IGNORED (SIG_BIT(SIGCHLD) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGCONT))
#define DFL_STOPS (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))

/* The task that this thread runs; read by the handler. */
static _Thread_local struct task *current_task __attribute__((tls_model("initial-exec")));

/* Holds a SIGSEGV or SIGBUS back; the second of a kind is dropped, as in the kernel. */
IN_HANDLER static void hold(struct task *t, int sig, const siginfo_t *info)
{
    if (t->held & SIG_BIT(sig))
        return;
    t->held_info[sig == SIGBUS] = *info;
    __atomic_fetch_or(&t->held, SIG_BIT(sig), __ATOMIC_RELEASE);
}

int signal_take_held(struct task *t, uint64_t set, siginfo_t *info)
{
    uint64_t ready = __atomic_load_n(&t->held, __ATOMIC_ACQUIRE) & set;
    int sig = ready ? __builtin_ctzll(ready) + 1 : 0;

    if (sig) {
        *info = t->held_info[sig == SIGBUS];
        __atomic_fetch_and(&t->held, ~SIG_BIT(sig), __ATOMIC_RELAXED);
    }
    return sig;
}

/*
 * Runs on the alternate stack with everything masked. The interrupted context gets all signals blocked: the
 * next one stays in the host's queue until this one has been delivered.
 */
IN_HANDLER static void on_host_signal(int sig, siginfo_t *info, void *ucontext)
{
    ucontext_t *uc = ucontext;
    struct task *t = current_task;
    uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP], all = ~FAULT_SIGNALS;

    if (!t)
        return;
    if (thread_leaves(t)) { /* most likely sent to say so */
        t->caught = t->caught ? t->caught : CAUGHT_LEAVE;
    } else if (t->caught) { /* only a SIGSEGV or SIGBUS that was sent gets here */
        hold(t, sig, info);
        return;
    } else {
        t->caught_info = *info;
        t->caught = sig;
        vm_kick(t->nh);
    }
    memcpy(&uc->uc_sigmask, &all, sizeof all);
    if (rip - (uint64_t)(uintptr_t)host_call_begin <
        (uint64_t)(uintptr_t)host_call_end - (uint64_t)(uintptr_t)host_call_begin)
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)host_call_skip;
}

/* True when the default action of `sig` ends the process. */
static bool dfl_is_deadly(int sig)
{
    return !((DFL_IGNORED | DFL_STOPS) & SIG_BIT(sig));
}

void signal_apply(struct process *p, int sig)
{
    const struct rv_sigaction *act = &p->sighand->act[sig];
    uint64_t flags = act->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART);

    if ((FAULT_SIGNALS | SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP)) & SIG_BIT(sig))
        return;
    if (act->handler == RV_SIG_IGN)
        host_sigaction(sig, HOST_SIG_IGN, flags);
    else if (act->handler != RV_SIG_DFL)
        host_sigaction(sig, on_host_signal, flags);
    else if (p->watch_deaths && dfl_is_deadly(sig))
        host_sigaction(sig, on_host_signal, 0);
    else
        host_sigaction(sig, HOST_SIG_DFL, flags);
}

void signal_watch_deaths(struct process *p)
{
    if (__atomic_load_n(&p->watch_deaths, __ATOMIC_RELAXED))
        return;
    pthread_mutex_lock(&p->sighand->lock);
    __atomic_store_n(&p->watch_deaths, true, __ATOMIC_RELAXED);
    for (int sig = 1; sig <= RV_NSIG; sig++)
        if (p->sighand->act[sig].handler == RV_SIG_DFL)
            signal_apply(p, sig);
    pthread_mutex_unlock(&p->sighand->lock);
}

int signal_init(struct task *t, uint64_t mask, uint64_t ignored)
{
    struct process *p = t->proc;

    for (int sig = 1; sig <= RV_NSIG; sig++)
        if (host_sigaction_get(sig) == HOST_SIG_IGN || ignored & SIG_BIT(sig))
            p->sighand->act[sig].handler = RV_SIG_IGN;
        else if (p->watch_deaths)
            signal_apply(p, sig);
    t->sigmask = mask;
    host_sigmask(mask & ~FAULT_SIGNALS);
    return fault_install(on_host_signal);
}

int signal_thread_attach(struct task *t)
{
    current_task = t;
    return fault_thread_init();
}

void signal_thread_bind(struct task *t)
{
    current_task = t;
}

void signal_thread_detach(void)
{
    current_task = NULL;
}

void signal_clear_handlers(struct process *p)
{
    for (int sig = 1; sig <= RV_NSIG; sig++) {
        struct rv_sigaction *act = &p->sighand->act[sig];

        if (act->handler == RV_SIG_DFL && !act->flags)
            continue;
        *act = (struct rv_sigaction){ .handler = act->handler == RV_SIG_IGN ? RV_SIG_IGN : RV_SIG_DFL };
        signal_apply(p, sig);
    }
}

void signal_exec(struct task *t)
{
    signal_clear_handlers(t->proc);
    t->altstack = (struct rv_stack){ .flags = SS_DISABLE };
}

/* What the default action does, here because the host's handler stood in its place. */
static void default_action(struct task *t, int sig)
{
    if (DFL_IGNORED & SIG_BIT(sig))
        return;
    if (DFL_STOPS & SIG_BIT(sig))
        HOST_RAW(SYS_kill, getpid(), SIGSTOP);
    else
        process_die(t, sig);
}

/* The action for a signal that is about to be delivered; one with SA_RESETHAND is given once. */
static struct rv_sigaction take_action(struct process *p, int sig)
{
    struct rv_sigaction act;

    pthread_mutex_lock(&p->sighand->lock);
    act = p->sighand->act[sig];
    if (act.handler != RV_SIG_DFL && act.handler != RV_SIG_IGN && (act.flags & SA_RESETHAND)) {
        p->sighand->act[sig].handler = RV_SIG_DFL;
        signal_apply(p, sig);
    }
    pthread_mutex_unlock(&p->sighand->lock);
    return act;
}

/* Enters the handler of an action that has one. */
static void enter_handler(struct task *t, int sig, const struct rv_sigaction *act, const siginfo_t *info)
{
    uint64_t block = act->mask | (act->flags & SA_NODEFER ? 0 : SIG_BIT(sig));

    if (!sigframe_push(t, sig, act, info, t->restore_mask ? t->saved_mask : t->sigmask)) {
        process_die(t, SIGSEGV);
        return;
    }
    t->restore_mask = false;
    t->sigmask = (t->sigmask | block) & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
}

static void deliver_one(struct task *t, int sig, const siginfo_t *info)
{
    const struct rv_sigaction act = take_action(t->proc, sig);

    if (act.handler == RV_SIG_IGN)
        return;
    trace_signal(t, info);
    if (act.handler == RV_SIG_DFL)
        default_action(t, sig);
    else
        enter_handler(t, sig, &act, info);
}

void signal_force_info(struct task *t, const siginfo_t *info)
{
    int sig = info->si_signo;
    const struct rv_sigaction act = take_action(t->proc, sig);

    trace_signal(t, info);
    if (act.handler == RV_SIG_DFL || act.handler == RV_SIG_IGN || (t->sigmask & SIG_BIT(sig)))
        process_die(t, sig);
    else
        enter_handler(t, sig, &act, info);
    signal_thaw(t);
}

void signal_force(struct task *t, int sig, int code, uint64_t addr)
{
    siginfo_t info = { .si_signo = sig, .si_code = code };

    memcpy(&info.si_addr, &addr, sizeof addr);
    signal_force_info(t, &info);
}

void signal_deliver(struct task *t)
{
    siginfo_t info;
    int sig;

    while ((t->caught || t->restore_mask || (t->held & ~t->sigmask)) && !thread_leaves(t)) {
        if (t->caught) {
            info = t->caught_info;
            sig = t->caught;
            if (t->sigmask & SIG_BIT(sig) & FAULT_SIGNALS)
                hold(t, sig, &info);
            else
                deliver_one(t, sig, &info);
            t->caught = 0; /* the host blocks everything up to here */
        } else if ((sig = signal_take_held(t, ~t->sigmask, &info)) != 0) {
            deliver_one(t, sig, &info);
        } else {
            t->restore_mask = false;
            t->sigmask = t->saved_mask;
        }
        signal_thaw(t);
    }
}

bool signal_freeze(struct task *t)
{
    uint64_t all = ~FAULT_SIGNALS;

    return HOST(t, SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8) == 0;
}

void signal_thaw(struct task *t)
{
    uint64_t host = t->sigmask & ~FAULT_SIGNALS;

    /* Not made when a signal has been caught meanwhile: the safe point ahead delivers it first. */
    HOST(t, SYS_rt_sigprocmask, SIG_SETMASK, &host, NULL, 8);
}

int64_t signal_set_mask(struct task *t, uint64_t mask)
{
    uint64_t guest = mask & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP)), host = guest & ~FAULT_SIGNALS;
    int64_t r = HOST(t, SYS_rt_sigprocmask, SIG_SETMASK, &host, NULL, 8);

    if (r == 0)
        t->sigmask = guest;
    return r;
}

int64_t sig_masked_call(struct task *t, gva_t mask, uint64_t size, enum mask_form form, int arg, long nr,
                        const uint64_t a[6])
{
    uint64_t b[6], guest, host;
    struct {
        const uint64_t *at;
        uint64_t size;
    } pair = { &host, sizeof host };
    int64_t r;

    if (!mask)
        return host_call(t, nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (size != sizeof guest)
        return -EINVAL;
    if (get_user(t->mem, &guest, mask))
        return -EFAULT;
    guest &= ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
    host = guest & ~FAULT_SIGNALS;
    memcpy(b, a, sizeof b);
    b[arg] = form == MASK_PAIR ? (uint64_t)(uintptr_t)&pair : (uint64_t)(uintptr_t)&host;

    t->saved_mask = t->sigmask;
    t->sigmask = guest;
    t->restore_mask = true;
    r = host_call(t, nr, b[0], b[1], b[2], b[3], b[4], b[5]);
    if (!t->caught || r == -ERESTARTNOINTR) {
        t->sigmask = t->saved_mask;
        t->restore_mask = false;
    }
    return r;
}
