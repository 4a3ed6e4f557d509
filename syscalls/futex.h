/* Futexes: the call, and what a dying or exec'ing task owes to those it shares them with. */
#ifndef NOAHV_SYSCALLS_FUTEX_H
#define NOAHV_SYSCALLS_FUTEX_H

#include "syscalls/linux.h"

/* kernel/futex/core.c exit_robust_list, kernel/fork.c mm_release. Forgets both lists. */
void futex_exit(struct task *t);

#endif
