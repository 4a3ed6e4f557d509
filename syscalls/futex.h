/* Futexes: the call, and what a dying or exec'ing task owes to those it shares them with. */
#ifndef NOAHV_SYSCALLS_FUTEX_H
#define NOAHV_SYSCALLS_FUTEX_H

#include "syscalls/linux.h"

/* kernel/futex/core.c exit_robust_list: marks what the task holds, and forgets the list. */
void futex_exit(struct task *t);

/* kernel/fork.c mm_release, where others share the memory: the thread's word becomes 0, who waits for it wakes. */
void futex_clear_tid(struct task *t);

#endif
