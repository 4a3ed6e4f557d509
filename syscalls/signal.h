/*
 * Signals: guest actions, the host handlers behind them, delivery at safe points, and the frame.
 *
 * The host keeps queues, masks and order. A host handler only records one signal in the task and blocks all
 * others until the safe point has delivered it, so that nothing is lost and nothing is reordered.
 */
#ifndef NOAHV_SYSCALLS_SIGNAL_H
#define NOAHV_SYSCALLS_SIGNAL_H

#include "syscalls/linux.h"

#define RV_SS_AUTODISARM ((int)(1u << 31)) /* include/uapi/linux/signal.h */
#define SIG_BIT(sig) ((uint64_t)1 << ((sig)-1))

/* Never blocked on the host: the window's own faults. */
#define FAULT_SIGNALS (SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS))

/*
 * Takes over this process's signals for the guest, whose mask is given: what the host ignores stays ignored, and what
 * is in `ignored` (it ignores no SIGSEGV or SIGBUS). Once per process.
 */
int signal_init(struct task *t, uint64_t mask, uint64_t ignored);

/* Binds the calling thread to the task it runs, with an alternate stack for host handlers. -ENOMEM. */
int signal_thread_attach(struct task *t);
void signal_thread_detach(void);

/* The same thread runs another task from here on. */
void signal_thread_bind(struct task *t);

/* Takes the lowest signal of `set` that is held for the guest: its number, or 0. */
int signal_take_held(struct task *t, uint64_t set, siginfo_t *info);

/* Puts the host disposition behind the guest's action for `sig`; sighand.lock is held, or there is one task. */
void signal_apply(struct process *p, int sig);

/*
 * From now on deadly signals are caught before they kill: for a process whose end is told (trace, --stats), or has its
 * robust futexes to leave to others. SIGKILL cannot be caught.
 */
void signal_watch_deaths(struct process *p);

/* Handled signals to SIG_DFL: CLONE_CLEAR_SIGHAND. */
void signal_clear_handlers(struct process *p);

/* The same, and the alternate stack off: execve. */
void signal_exec(struct task *t);

/* The guest caused a synchronous signal at its pc; delivered at once, or deadly. */
void signal_force(struct task *t, int sig, int code, uint64_t addr);
void signal_force_info(struct task *t, const siginfo_t *info);

/* Safe point: delivers what was caught and puts the host mask back. Called before guest code runs on. */
void signal_deliver(struct task *t);

/* Changes the guest's mask: 0, or -ERESTARTNOINTR when a caught signal comes first. */
int64_t signal_set_mask(struct task *t, uint64_t mask);

/* Blocks every host signal, unless one has been caught already (false): fork. */
bool signal_freeze(struct task *t);

/* The host mask that belongs to the guest mask. */
void signal_thaw(struct task *t);

enum mask_form {
    MASK_PLAIN, /* the argument points to the mask, the next is its size */
    MASK_PAIR   /* pselect6: the argument points to { mask *, size } */
};

/*
 * A host call under a temporary signal mask: argument number `arg` of `a` is replaced by the host's form of
 * the guest mask at `mask` (0: no mask, plain call). -EINVAL unless size is 8, -EFAULT.
 */
int64_t sig_masked_call(struct task *t, gva_t mask, uint64_t size, enum mask_form form, int arg, long nr,
                        const uint64_t a[6]);

/* sigframe.c: pushes a frame for `sig` and enters the handler of `act`; false when the frame cannot be written. */
bool sigframe_push(struct task *t, int sig, const struct rv_sigaction *act, const siginfo_t *info,
                   uint64_t saved_mask);

/* sigframe.c: the mask that the frame at sp would restore; false when there is no such memory. */
bool sigframe_mask(struct task *t, uint64_t *mask);

/* sigframe.c: pops the frame at sp into registers and alternate stack; false when it is not a valid one. */
bool sigframe_pop(struct task *t);

/* sigframe.c: the alternate stack as the guest sees it, SS_ONSTACK and SS_DISABLE computed. */
struct rv_stack sigframe_altstack(const struct task *t);

/* sigcalls.c: sigaltstack(2) for a guest whose stack pointer is sp: 0, -EPERM, -EINVAL, -ENOMEM. */
int64_t sigaltstack_set(struct task *t, const struct rv_stack *s, uint64_t sp);

#endif
