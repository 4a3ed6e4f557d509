/* Calls that a signal interrupts: EINTR without SA_RESTART, resumed with it, and those that never resume. */
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

#include "guest.h"

static int fd[2];
static volatile sig_atomic_t alarms, feed_at = 3;

static void on_alarm(int sig)
{
    (void)sig;
    if (++alarms == feed_at && write(fd[1], "x", 1) != 1)
        _exit(9);
}

static void arm(int flags)
{
    struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
    struct itimerval t = { { 0, 3000 }, { 0, 3000 } };

    alarms = 0;
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
}

static void disarm(void)
{
    struct itimerval t = { { 0, 0 }, { 0, 0 } };

    setitimer(ITIMER_REAL, &t, NULL);
}

int main(void)
{
    struct pollfd p;
    struct timespec ts = { 0, 30000000 }, rest;
    sigset_t none, alarm_only, old;
    fd_set set;
    char c;
    pid_t pid;

    CALL(pipe(fd));
    p = (struct pollfd){ .fd = fd[0], .events = POLLIN };

    arm(0);
    feed_at = 0;
    CALL(read(fd[0], &c, 1));
    FACT(alarms > 0);

    feed_at = 3;
    arm(SA_RESTART);
    CALL(read(fd[0], &c, 1));
    FACT(alarms >= 3);

    feed_at = 0;
    arm(SA_RESTART);
    CALL(poll(&p, 1, -1));
    FD_ZERO(&set);
    FD_SET(fd[0], &set);
    CALL(select(fd[0] + 1, &set, NULL, NULL, NULL));
    CALL(nanosleep(&(struct timespec){ 5, 0 }, &rest));
    FACT(rest.tv_sec < 5 && rest.tv_sec + rest.tv_nsec > 0);
    CALL(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 5, 0 }, &rest) == EINTR);
    CALL(pause());
    disarm();

    /* The race that ppoll, pselect and sigsuspend exist for: blocked outside, open inside. */
    sigemptyset(&none);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm_only, &old);
    arm(0);
    CALL(ppoll(&p, 1, NULL, &none));
    CALL(pselect(0, NULL, NULL, NULL, NULL, &none));
    CALL(sigsuspend(&none));
    int before = alarms;
    CALL(nanosleep(&ts, NULL));
    FACT(alarms == before);
    disarm();
    sigprocmask(SIG_SETMASK, &old, NULL);

    fflush(stdout);
    if ((pid = fork()) == 0) {
        nanosleep(&ts, NULL);
        _exit(3);
    }
    arm(SA_RESTART);
    guest_wait("wait restarts", pid);
    disarm();

    /* A busy loop without a system call is interrupted too. */
    arm(0);
    while (alarms < 4)
        ;
    disarm();
    FACT(alarms >= 4);
    return 0;
}
