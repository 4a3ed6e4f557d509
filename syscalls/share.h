/*
 * Processes that share their memory: the children of vfork, and of clone with CLONE_VM but without CLONE_THREAD.
 *
 * The host shares the memory in the same way, so that such a child runs in the window of its parent, until its
 * execve begins a noahv of its own (handover.h) or it ends.
 */
#ifndef NOAHV_SYSCALLS_SHARE_H
#define NOAHV_SYSCALLS_SHARE_H

#include "syscalls/thread.h"

/* The child's id or -errno. Every host signal is blocked. With CLONE_VFORK the child has left the memory by then. */
int64_t share_clone(struct task *t, const struct clone *c);

/* True while another process runs in the same memory: what belongs to all of them must stay as it is. */
static inline bool memory_is_shared(const struct process *p)
{
    return atomic_load(&p->mm->users) > 1;
}

/* Nobody else goes by the descriptors of the process: what a number is, it stays from one look to the next. */
static inline bool is_single(const struct process *p)
{
    return __atomic_load_n(&p->nr_tasks, __ATOMIC_ACQUIRE) == 1 && !memory_is_shared(p);
}

/* Whether noahv's descriptors may get other numbers: one process goes by the table of them, and has them all. */
static inline bool own_may_move(const struct process *p)
{
    return !memory_is_shared(p) && !p->files_apart && !p->files_shared;
}

/* The host has given this thread descriptors of its own. */
void files_parted(struct process *p);

/* What the host's execve and exit do: descriptors that are another process's, too, are left to that. */
void files_part(struct process *p);

#endif
