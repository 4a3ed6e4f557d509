/* A stack that overflows is caught on the alternate stack, again and again; without one it is death. */
#include <setjmp.h>
#include <sys/resource.h>

#include "guest.h"

static sigjmp_buf back;
static char alternate[32768];
static volatile int on_alternate;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    char here;
    stack_t now;

    (void)info;
    (void)context;
    sigaltstack(NULL, &now);
    on_alternate = &here > alternate && &here < alternate + sizeof(alternate) && now.ss_flags == SS_ONSTACK;
    siglongjmp(back, sig);
}

static int endless(int n)
{
    volatile char frame[4000];

    frame[0] = (char)n;
    if (n < 0)
        return 0;
    return endless(n + 1) + frame[0];
}

int main(void)
{
    stack_t alt = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
    stack_t small = { .ss_sp = alternate, .ss_size = 100 };
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    pid_t pid;

    CALL(sigaltstack(&small, NULL));
    CALL(sigaltstack(&alt, NULL));
    sigaction(SIGSEGV, &sa, NULL);
    for (int round = 0; round < 3; round++) {
        int sig = sigsetjmp(back, 1);

        if (sig == 0)
            return endless(0);
        printf("round %d: signal %d, on the alternate stack: %d\n", round, sig, on_alternate);
    }
    alt.ss_flags = SS_DISABLE;
    CALL(sigaltstack(&alt, NULL));
    fflush(stdout);
    if ((pid = fork()) == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        _exit(endless(0));
    }
    guest_wait("no alternate stack", pid);
    return 0;
}
