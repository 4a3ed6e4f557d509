/*
 * Calls that need no trap: whatever surrounds them is as it was. Registers of both kinds, the rounding mode, signals
 * that come in the middle, and errors.
 */
#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;
static volatile double seven = 7, three = 3;

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
    syscall(SYS_getpid); /* one inside the other */
}

/* Sums that stay in floating-point registers over the calls. */
static double sum_over_calls(int n)
{
    double a = seven, b = three, s = 0;

    for (int i = 0; i < n; i++) {
        s += a / b;
        if (syscall(SYS_getpid) != getpid())
            printf("another pid\n");
        a += b;
    }
    return s;
}

static void rounding(void)
{
    volatile double up, down;

    fesetround(FE_UPWARD);
    syscall(SYS_getppid);
    up = seven / three;
    fesetround(FE_DOWNWARD);
    syscall(SYS_getppid);
    down = seven / three;
    printf("modes kept: %d, %d\n", fegetround() == FE_DOWNWARD, up > down);
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    up = seven / three;
    syscall(SYS_getppid);
    printf("flags kept: %d\n", fetestexcept(FE_INEXACT) != 0);
}

static void storm(void)
{
    struct itimerval every = { { 0, 500 }, { 0, 500 } }, off = { { 0, 0 }, { 0, 0 } };
    struct sigaction sa;
    long wrong = 0, parent = getppid();

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_alarm;
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    while (alarms < 400)
        wrong += syscall(SYS_getppid) != parent;
    setitimer(ITIMER_REAL, &off, NULL);
    printf("wrong among signals: %ld\n", wrong);
}

static void show(long r)
{
    printf("%ld %s\n", r, strerror(errno));
}

int main(void)
{
    printf("%.17g\n", sum_over_calls(1000));
    rounding();
    storm();
    printf("%.17g\n", sum_over_calls(1000));
    show(syscall(SYS_lseek, 999, 0, 0));
    show(syscall(SYS_getcpu, (void *)8, NULL, NULL));
    errno = 0;
    show(syscall(SYS_sched_yield));
    return 0;
}
