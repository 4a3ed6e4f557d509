/*
 * Recovery from host faults. One process-wide handler for SIGSEGV and SIGBUS: a fault at an instruction of
 * the access table (access.h), or in an engine's code, is recovered; a signal that somebody sent goes to the
 * next handler in line, whatever its siginfo claims; every other fault is a bug of ours and ends the process
 * with a line on standard error and status 125.
 */
#ifndef NOAHV_MEM_FAULT_H
#define NOAHV_MEM_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef void (*fault_next_fn)(int sig, siginfo_t *info, void *ucontext);

/*
 * Asked about a fault outside the table: true when the context has been changed so that execution can go on.
 * Async-signal-safe.
 */
typedef bool (*fault_engine_fn)(void *ucontext, uint64_t addr);
void fault_set_engine(fault_engine_fn fn);

/*
 * Installs the handler, which runs on the alternate stack; idempotent. `next` gets the signals that are no
 * faults; a later call may replace it, NULL leaves it as it was (at first: the default action). -errno.
 */
int fault_install(fault_next_fn next);

/*
 * Gives the calling thread its alternate signal stack (idempotent; -errno); fault_thread_exit brings back the
 * one it had before.
 */
int fault_thread_init(void);
void fault_thread_exit(void);

#endif
