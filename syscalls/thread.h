/*
 * The threads of a guest process: one host thread, one hart and one task each. Who starts, who ends, who ends
 * the others, and which of them goes on with a new image.
 *
 * The first task runs on the thread of whoever called noahv_linux_exec(); the others have threads of noahv's. Its
 * host thread is the leader of the process, and stays to the last: it carries the process's id, and reports its end.
 */
#ifndef NOAHV_SYSCALLS_THREAD_H
#define NOAHV_SYSCALLS_THREAD_H

#include "syscalls/linux.h"

struct exec;

/* What clone and clone3 ask for, in one form (kernel/fork.c: struct kernel_clone_args). */
struct clone {
    uint64_t flags; /* without CSIGNAL */
    int exit_signal;
    gva_t pidfd, parent_tid, child_tid, sp; /* sp 0: the caller's */
    uint64_t tls;
    uint64_t cgroup;
    pid_t set_tid[32]; /* MAX_PID_NS_LEVEL */
    unsigned nr_set_tid;
};

/* The list of tasks of a process, with its first one; threads_destroy waits for those that are ending. */
void threads_init(struct process *p, struct task *first);
void threads_destroy(struct process *p);

/* clone with CLONE_THREAD: the new thread's id or -errno. Every host signal is blocked. */
int64_t thread_create(struct task *t, const struct clone *c);

/* In a fork child, which has this thread alone. */
void threads_forked(struct task *t);

/* Around a fork, in the parent: no thread is half way through a change that the child would find. */
void threads_fork_prepare(struct task *t);
void threads_fork_done(struct process *p);

/* True when the task must not run guest code any more. */
static inline bool thread_leaves(const struct task *t)
{
    return atomic_load_explicit(&t->leave, memory_order_relaxed);
}

/* This thread ends, and the process with `status` should no other end after it. */
void thread_exit(struct task *t, int status);

/* The exit of a task that leaves: NOAHV_EXIT_HALT at its end, or (the leader, after execve) guest code goes on. */
void thread_leave(struct task *t, struct noahv_exit *x);

/*
 * execve, before the point of no return: ends all other threads. 1: t is the leader, and alone; it goes on by itself.
 * 0: `x` has been taken over (and emptied), the leader goes on with it, t leaves. -ERESTARTNOINTR: t itself must leave.
 */
int threads_exec(struct task *t, struct exec *x);

/* Waits for host threads whose tasks have ended, so that the host sees as few threads as the guest does. */
void threads_reap(struct process *p);

/* The task of the process with this id is looked for under p->lock: its robust list. false: there is none. */
bool thread_robust_list(struct process *p, pid_t tid, gva_t *head);

#endif
