/*
 * Raw host calls: sigaction and sigprocmask as the kernel has them.
 */
#include "syscalls/host.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/linux.h"

/* The x86-64 kernel's struct sigaction (arch/x86/include/uapi/asm/signal.h). */
struct host_ksigaction {
    host_handler_fn handler;
    uint64_t flags;
    void (*restorer)(void);
    uint64_t mask;
};

#define HOST_SA_RESTORER 0x04000000u

void host_restorer(void);

int host_sigaction(int sig, host_handler_fn fn, uint64_t flags)
{
    struct host_ksigaction sa = { fn, HOST_SA_RESTORER, host_restorer, ~(uint64_t)0 };

    if (fn != HOST_SIG_DFL && fn != HOST_SIG_IGN)
        sa.flags |= SA_SIGINFO | SA_ONSTACK;
    sa.flags |= flags;
    return (int)HOST_RAW(SYS_rt_sigaction, sig, &sa, NULL, 8);
}

host_handler_fn host_sigaction_get(int sig)
{
    struct host_ksigaction sa = { 0 };

    if (HOST_RAW(SYS_rt_sigaction, sig, NULL, &sa, 8) < 0)
        return HOST_SIG_DFL;
    return sa.handler;
}

uint64_t host_sigmask(uint64_t mask)
{
    uint64_t old = 0;

    HOST_RAW(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, 8);
    return old;
}

uint64_t host_sigmask_get(void)
{
    uint64_t mask = 0;

    HOST_RAW(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
    return mask;
}
