/* The POSIX timers of a process over execve and fork (timer.c). */
#ifndef NOAHV_SYSCALLS_TIMER_H
#define NOAHV_SYSCALLS_TIMER_H

struct process;

/* Deletes all: the new image has none. */
void timers_exec(struct process *p);

/* A child has none. */
void timers_forked(struct process *p);

void timers_free(struct process *p);

#endif
