/* Clocks run forward and agree, sleeps last as long as asked, timers fire as often as set. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "guest.h"

static volatile sig_atomic_t fired, last_value;

static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    fired++;
    last_value = info->si_value.sival_int;
}

static int64_t now(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int main(void)
{
    struct timespec t = { 0, 5000000 }, res;
    struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };
    int64_t a = now(CLOCK_MONOTONIC), b = a;
    int backwards = 0;

    for (int i = 0; i < 1000; i++, a = b) {
        b = now(CLOCK_MONOTONIC);
        backwards += b < a;
    }
    SHOW(backwards);
    a = now(CLOCK_MONOTONIC);
    CALL(nanosleep(&t, NULL));
    FACT(now(CLOCK_MONOTONIC) - a >= 5000000);
    a = now(CLOCK_MONOTONIC) + 5000000;
    t = (struct timespec){ a / 1000000000, a % 1000000000 };
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    FACT(now(CLOCK_MONOTONIC) >= a);
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){ 1, 0 }, NULL));
    SHOW(clock_nanosleep(99, 0, &t, NULL) == EINVAL);
    CALL(nanosleep(&(struct timespec){ 0, 1000000000 }, NULL));
    CALL(nanosleep(&(struct timespec){ -1, 0 }, NULL));
    CALL(clock_gettime(99, &t));
    CALL(syscall(SYS_clock_gettime, CLOCK_REALTIME, 16)); /* the vDSO would fault */
    CALL(clock_getres(CLOCK_MONOTONIC, &res));
    SHOW(res.tv_nsec);
    struct timeval tv;
    CALL(gettimeofday(&tv, NULL));
    FACT(llabs(now(CLOCK_REALTIME) / 1000000000 - tv.tv_sec) <= 1);
    FACT(llabs(time(NULL) - tv.tv_sec) <= 1);
    FACT(tv.tv_sec > 1600000000);
    FACT(now(CLOCK_PROCESS_CPUTIME_ID) > 0);
    FACT(now(CLOCK_BOOTTIME) >= now(CLOCK_MONOTONIC) - 1000000000);
    struct tms tms;
    FACT(times(&tms) > 0);

    timer_t id;
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
                           .sigev_signo = SIGRTMIN,
                           .sigev_value.sival_int = 77 };
    struct itimerspec it = { { 0, 2000000 }, { 0, 2000000 } }, left;
    sigaction(SIGRTMIN, &sa, NULL);
    sigaction(SIGALRM, &sa, NULL);
    CALL(timer_create(CLOCK_MONOTONIC, &ev, &id));
    CALL(timer_settime(id, 0, &it, NULL));
    while (fired < 3)
        pause();
    SHOW(last_value);
    CALL(timer_gettime(id, &left));
    SHOW(left.it_interval.tv_nsec);
    CALL(timer_delete(id));
    CALL(timer_settime(id, 0, &it, NULL));
    fired = 0;
    struct itimerval once = { { 0, 0 }, { 0, 2000 } }, old;
    CALL(setitimer(ITIMER_REAL, &once, NULL));
    while (!fired)
        ;
    CALL(getitimer(ITIMER_REAL, &old));
    SHOW(old.it_value.tv_usec);
    SHOW(alarm(100));
    FACT(alarm(0) >= 99);
    struct tm tm;
    time_t when = 1000000000;
    char text[64];
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&when, &tm));
    puts(text);
    return 0;
}
