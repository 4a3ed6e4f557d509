/* SIGSEGV and SIGBUS that look like faults but were sent: queued, at the end of a child, by a descriptor, to one just born. */
#include <fcntl.h>
#include <sys/syscall.h>

#include "guest.h"

static void with_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d code %d\n", sig, info->si_code);
}

static void queue(int sig, int code, void *addr)
{
    siginfo_t info = { .si_code = code };

    info.si_addr = addr;
    CALL(syscall(SYS_rt_sigqueueinfo, getpid(), sig, &info));
}

static void all_codes(void)
{
    static int here;

    for (int code = 0; code < 6; code++) {
        queue(SIGSEGV, code, NULL);
        queue(SIGBUS, code, &here);
        queue(SIGSEGV, code, (void *)0x123456789abc);
    }
    queue(SIGSEGV, SI_KERNEL, NULL);
    queue(SIGSEGV, SI_QUEUE, NULL);
    CALL(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGSEGV, &(siginfo_t){ .si_code = SEGV_ACCERR }));
    CALL(syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, getpid(), 0), SIGSEGV,
                 &(siginfo_t){ .si_signo = SIGSEGV, .si_code = SEGV_MAPERR }, 0));
}

/* clone lets its caller choose the signal of the child's end. */
static void child_ends(int sig)
{
    int status;
    long pid = syscall(SYS_clone, sig, 0, 0, 0, 0);

    if (pid == 0)
        _exit(9);
    FACT(waitpid((pid_t)pid, &status, __WALL) == pid);
    SHOW(WEXITSTATUS(status));
}

static void by_descriptor(int sig)
{
    int fds[2];

    CALL(pipe(fds));
    CALL(fcntl(fds[0], F_SETSIG, sig));
    CALL(fcntl(fds[0], F_SETOWN, getpid()));
    CALL(fcntl(fds[0], F_SETFL, O_ASYNC));
    CALL(write(fds[1], "x", 1));
}

/* It is sent before the child has done anything. */
static void newborn(void)
{
    int ended = 0;

    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
            for (;;)
                pause();
        kill(pid, i % 2 ? SIGSEGV : SIGBUS);
        ended += waitpid(pid, &status, 0) == pid && WTERMSIG(status) == (i % 2 ? SIGSEGV : SIGBUS);
    }
    SHOW(ended);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = with_info, .sa_flags = SA_SIGINFO };
    siginfo_t info;
    sigset_t set;

    setvbuf(stdout, NULL, _IONBF, 0);
    newborn();
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    all_codes();
    child_ends(SIGSEGV);
    child_ends(SIGBUS);
    by_descriptor(SIGSEGV);

    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    CALL(sigprocmask(SIG_BLOCK, &set, NULL));
    queue(SIGSEGV, SEGV_ACCERR, NULL);
    queue(SIGSEGV, SEGV_MAPERR, NULL);
    puts("blocked");
    CALL(sigprocmask(SIG_UNBLOCK, &set, NULL));

    CALL(sigprocmask(SIG_BLOCK, &set, NULL));
    queue(SIGSEGV, SEGV_MAPERR, NULL);
    CALL(sigwaitinfo(&set, &info));
    SHOW(info.si_code);
    CALL(sigprocmask(SIG_UNBLOCK, &set, NULL));

    signal(SIGSEGV, SIG_IGN);
    queue(SIGSEGV, SEGV_MAPERR, NULL);
    puts("ignored");
    signal(SIGBUS, SIG_DFL);
    queue(SIGBUS, BUS_ADRERR, NULL);
    puts("not reached");
    return 0;
}
