/*
 * The system call trace, in strace's own words: one line per call, signal and end, each written whole.
 *
 * With `follow` every line begins with the pid, as strace -f -o writes it. A tracer belongs to a process and
 * may be used by all its threads at once; calls in progress are kept per thread.
 */
#ifndef NOAHV_SYSCALLS_TRACE_H
#define NOAHV_SYSCALLS_TRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct parcel;
struct sysent;
struct task;
struct trace;

/*
 * Writes to fd, which is taken over on success and hidden from the guest. filter: names and %classes,
 * comma-separated; a leading `!` negates, a leading `trace=` is skipped; NULL: everything. -EINVAL: a word of
 * the filter means nothing.
 */
int trace_open(struct trace **out, int fd, bool follow, const char *filter);

/* Closes the descriptor too. NULL is fine. */
void trace_close(struct trace *tr);

/*
 * Around each call: `e` may be NULL (no such call), `a` are the six registers, `result` is what the handler
 * returned, internal errors included.
 */
void trace_enter(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a);
void trace_leave(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a, int64_t result);

/* A signal is about to be delivered, or to end the process. */
void trace_signal(struct task *t, const siginfo_t *info);

/* The thread ends: sig 0: by itself, with `status`; else killed by the signal. */
void trace_exit(struct task *t, int status, int sig);

/* The descriptor it writes to. */
int trace_fd(const struct trace *tr);

/* Over a handover (handover.h). */
void trace_put(const struct trace *tr, struct parcel *p);
int trace_get(struct trace **out, struct parcel *p);

/* An execve is about to succeed, and this memory to go. */
void trace_exec(struct task *t);

/* First thing in a forked child: goes on when following, else the child is not traced. */
void trace_fork_child(struct task *t);

#endif
