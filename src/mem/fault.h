/*
 * Recovery from host faults. One process-wide handler for SIGSEGV and SIGBUS: a fault at an instruction of
 * the access table (access.h), or inside code that an engine registered, is recovered; every other one goes
 * to the next handler in line (signals sent by kill), or is a bug of ours.
 */
#ifndef NOAHV_MEM_FAULT_H
#define NOAHV_MEM_FAULT_H

#include <signal.h>

typedef void (*fault_next_fn)(int sig, siginfo_t *info, void *ucontext);

/* Installs the handler on the alternate stack; idempotent. `next` gets what is not ours (NULL: default action). */
int fault_install(fault_next_fn next);

/* Gives the calling thread its alternate signal stack; fault_thread_exit frees it. */
int fault_thread_init(void);
void fault_thread_exit(void);

#endif
