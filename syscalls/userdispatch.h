/*
 * System calls that the program takes for its own: dispatch.c asks before each.
 */
#ifndef NOAHV_SYSCALLS_USERDISPATCH_H
#define NOAHV_SYSCALLS_USERDISPATCH_H

#include "syscalls/linux.h"

/* 0 or -errno. It is off in a new task and after execve. */
int64_t user_dispatch_prctl(struct task *t, uint64_t mode, gva_t offset, uint64_t len, gva_t selector);

/* Is call `nr` of a task with user_dispatch.on not to be made? Then its registers are as they must be. */
bool user_dispatch_takes(struct task *t, uint64_t nr);

#endif
