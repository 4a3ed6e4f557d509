/* Signals that a process sends itself: handlers, masks, order, contexts, resets. */
#include <sys/syscall.h>
#include <ucontext.h>

#include "guest.h"

static volatile sig_atomic_t order[16], n, depth, deepest;
static volatile int info_code, info_value;

static void note(int sig)
{
    order[n++ & 15] = sig;
}

static void nested(int sig)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (sig == SIGUSR1 && deepest < 2)
        raise(SIGUSR2);
    note(sig);
    depth--;
}

static void with_info(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    note(sig);
    info_code = info->si_code;
    info_value = info->si_value.sival_int;
    sigaddset(&u->uc_sigmask, SIGHUP);
}

static void print_order(const char *what)
{
    printf("%s:", what);
    for (int i = 0; i < n; i++)
        printf(" %s%d", order[i] >= SIGRTMIN ? "RT+" : "",
               order[i] >= SIGRTMIN ? order[i] - SIGRTMIN : order[i]);
    printf("\n");
    n = 0;
}

static void install(int sig, void (*fn)(int), int flags, int blocked)
{
    struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

    sigemptyset(&sa.sa_mask);
    if (blocked)
        sigaddset(&sa.sa_mask, blocked);
    sigaction(sig, &sa, NULL);
}

static int blocked(int sig)
{
    sigset_t set;

    sigprocmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, sig);
}

static void masks(void)
{
    sigset_t set, pending;

    install(SIGUSR1, note, 0, 0);
    install(SIGUSR2, note, 0, 0);
    install(SIGRTMIN, note, 0, 0);
    install(SIGRTMIN + 1, note, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    CALL(sigprocmask(SIG_BLOCK, &set, NULL));
    raise(SIGRTMIN + 1);
    raise(SIGRTMIN);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGRTMIN);
    CALL(sigpending(&pending));
    printf("pending %d %d %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2),
           sigismember(&pending, SIGRTMIN), sigismember(&pending, SIGHUP));
    print_order("while blocked");
    CALL(sigprocmask(SIG_UNBLOCK, &set, NULL));
    FACT(n == 5); /* one USR1, one USR2, three queued; which frame is built last is not ours to say */
    n = 0;
    sigaddset(&set, SIGKILL);
    sigaddset(&set, SIGSTOP);
    CALL(sigprocmask(SIG_SETMASK, &set, NULL));
    SHOW(blocked(SIGKILL));
    sigemptyset(&set);
    CALL(sigprocmask(SIG_SETMASK, &set, NULL));
    CALL(sigprocmask(77, &set, NULL));
}

static void nesting(void)
{
    install(SIGUSR1, nested, 0, 0);
    install(SIGUSR2, nested, 0, 0);
    raise(SIGUSR1);
    print_order("nested");
    deepest = 0;
    install(SIGUSR1, nested, 0, SIGUSR2);
    raise(SIGUSR1);
    print_order("deferred by sa_mask");
    install(SIGUSR1, note, SA_RESETHAND, 0);
    raise(SIGUSR1);
    struct sigaction sa;
    CALL(sigaction(SIGUSR1, NULL, &sa));
    FACT(sa.sa_handler == SIG_DFL);
    print_order("one shot");
    install(SIGUSR1, SIG_IGN, 0, 0);
    CALL(raise(SIGUSR1));
    CALL(sigaction(SIGKILL, &sa, NULL));
    CALL(sigaction(65, &sa, NULL));
    CALL(kill(getpid(), 0));
    CALL(kill(getpid(), 65));
}

static void information(void)
{
    struct sigaction sa = { .sa_sigaction = with_info, .sa_flags = SA_SIGINFO };

    install(SIGHUP, note, 0, 0);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGRTMIN, &sa, NULL);
    kill(getpid(), SIGUSR1);
    FACT(info_code == SI_USER);
    FACT(blocked(SIGHUP)); /* the handler added it to the saved mask */
    raise(SIGUSR1);
    FACT(info_code == SI_TKILL);
    CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 4711 }));
    SHOW(info_value);
    FACT(info_code == SI_QUEUE);
    sigset_t set;
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    print_order("information");
}

static void waiting(void)
{
    sigset_t set, old;
    siginfo_t info;
    const struct timespec none = { 0, 0 };

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 1; i <= 3; i++)
        sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = i });
    raise(SIGTERM);
    SHOW(sigwaitinfo(&set, &info) == SIGTERM);
    for (int i = 1; i <= 3; i++) {
        FACT(sigtimedwait(&set, &info, &none) == SIGRTMIN + 2);
        SHOW(info.si_value.sival_int);
    }
    CALL(sigtimedwait(&set, &info, &none));
    install(SIGTERM, note, 0, 0);
    raise(SIGTERM);
    CALL(sigsuspend(&old));
    print_order("sigsuspend");
    SHOW(blocked(SIGTERM));
    sigprocmask(SIG_SETMASK, &old, NULL);
}

/* A handler's frame leaves the floating-point state and the rest of the registers alone. */
static void registers(void)
{
    volatile double a = 1.25, b = 3.5;
    double c = a * b;

    install(SIGUSR1, note, 0, 0);
    for (int i = 0; i < 100; i++) {
        raise(SIGUSR1);
        c += a;
    }
    printf("%.2f\n", c);
    n = 0;
}

static void deaths(void)
{
    static const int sig[] = { SIGTERM, SIGKILL, SIGUSR1, SIGPIPE, SIGALRM };

    for (size_t i = 0; i < COUNT(sig); i++) {
        fflush(stdout);
        pid_t pid = fork();

        if (pid == 0) {
            signal(sig[i], SIG_DFL);
            kill(getpid(), sig[i]);
            _exit(99);
        }
        guest_wait(strsignal(sig[i]), pid);
    }
}

int main(void)
{
    masks();
    nesting();
    information();
    waiting();
    registers();
    deaths();
    return 0;
}
