/* box: --timeout 1 */
/* ends: 124 the time limit of 1.000 s was reached */
/* Processes and timers that do nothing but signal each other, for ever. outside: nothing is tried. */
#include "hostile.h"
#include <sys/time.h>
#include <time.h>

static void handler(int sig)
{
    kill(0, sig);
}

int main(void)
{
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
    struct itimerspec often = { { 0, 1 }, { 0, 1 } };
    union sigval value = { 0 };
    timer_t timer;

    signal(SIGTERM, SIG_IGN);
    for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
        signal(sig, handler);
    signal(SIGALRM, handler);
    signal(SIGUSR1, handler);
    fork();
    fork();
    setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 1 }, { 0, 1 } }, NULL);
    timer_create(CLOCK_MONOTONIC, &e, &timer);
    timer_settime(timer, 0, &often, NULL);
    for (;;) {
        kill(0, SIGUSR1);
        sigqueue(getpid(), SIGRTMAX, value);
    }
}
