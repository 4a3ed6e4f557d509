/*
 * The host side of signals and calls, for signal.c and thread.c: the stub's labels and raw sigaction, without
 * libc, which hides signals 32 and 33 and chooses flags of its own.
 */
#ifndef NOAHV_SYSCALLS_HOST_H
#define NOAHV_SYSCALLS_HOST_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

extern const char host_call_begin[], host_call_end[], host_call_skip[];
int64_t host_call_stub(const volatile sig_atomic_t *caught, long nr, const uint64_t a[6]);

struct clone_args;

/* clone3 for a child with a stack of its own, where it runs body(arg), which does not return: its id or -errno. */
int64_t host_clone3(const struct clone_args *args, size_t size, int (*body)(void *), void *arg);

typedef void (*host_handler_fn)(int sig, siginfo_t *info, void *ucontext);

#define HOST_SIG_DFL ((host_handler_fn)(uintptr_t)0)
#define HOST_SIG_IGN ((host_handler_fn)(uintptr_t)1)

/* HOST_SIG_DFL or HOST_SIG_IGN as `fn`, or a handler with SA_SIGINFO | SA_ONSTACK, every signal masked; extra flags added. */
int host_sigaction(int sig, host_handler_fn fn, uint64_t flags);

/* The current disposition: HOST_SIG_DFL, HOST_SIG_IGN or a handler. */
host_handler_fn host_sigaction_get(int sig);

/* Sets the calling thread's mask, all 64 signals; returns the old one. */
uint64_t host_sigmask(uint64_t mask);
uint64_t host_sigmask_get(void);

#endif
