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

/* What a new task's hart has that its creator's has not: its result, stack and thread pointer. */
void thread_registers(struct hart *h, const struct clone *c);

/*
 * A host thread; out NULL: detached. Before the first one of the process: thread_host_init. With every signal blocked,
 * because the C library takes signal 33 for itself, and unblocks it and 32, when it makes its first thread, which
 * therefore is one that runs no guest code.
 */
int thread_host(pthread_t *out, void *(*body)(void *), void *arg);
void thread_host_init(struct process *p);

/* Runs guest code on the calling host thread until the process ends, as no caller of the library does. */
_Noreturn void process_run(struct task *t);

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

/* The same of a signal that is for this thread alone; nothing that it has caught is left. */
void thread_die(struct task *t, int sig);

/* The exit of a task that leaves: NOAHV_EXIT_HALT at its end, or (the leader, after execve) guest code goes on. */
void thread_leave(struct task *t, struct noahv_exit *x);

/*
 * execve, before the point of no return: ends all other threads. 1: t is the leader, and alone; it goes on by itself.
 * 0: `x` has been taken over (and emptied), the leader goes on with it, t leaves. -ERESTARTNOINTR: t itself must leave.
 */
int threads_exec(struct task *t, struct exec *x);

/* Waits for host threads whose tasks have ended, so that the host sees as few threads as the guest does. */
void threads_reap(struct process *p);

/* Waits also for those that are ending just now. */
void threads_settle(struct task *t);

/* The task of the process with this id is looked for under p->lock: its robust list. false: there is none. */
bool thread_robust_list(struct process *p, pid_t tid, gva_t *head);

#endif
