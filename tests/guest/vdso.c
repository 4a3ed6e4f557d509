/*
 * Clocks as the C library reads them (the vDSO, where there is one) and as the kernel says: never apart, and
 * the same errors.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void compare(const char *name, clockid_t id)
{
    struct timespec before, fast, after, res, fast_res;
    int wrong = 0;

    for (int i = 0; i < 100; i++) {
        syscall(SYS_clock_gettime, id, &before);
        clock_gettime(id, &fast);
        syscall(SYS_clock_gettime, id, &after);
        wrong += ns(fast) < ns(before) || ns(fast) > ns(after) || fast.tv_nsec >= 1000000000;
    }
    syscall(SYS_clock_getres, id, &res);
    clock_getres(id, &fast_res);
    printf("%s: %d wrong, resolution %s\n", name, wrong, ns(res) == ns(fast_res) ? "same" : "differs");
}

static void say(const char *what, int result)
{
    printf("%s: %d %s\n", what, result, result < 0 ? strerror(errno) : "");
}

int main(void)
{
    struct timespec t;
    struct timeval tv = { 0 };
    struct timezone tz;
    long long start, now;

    compare("realtime", CLOCK_REALTIME);
    compare("monotonic", CLOCK_MONOTONIC);
    compare("realtime coarse", CLOCK_REALTIME_COARSE);
    compare("monotonic coarse", CLOCK_MONOTONIC_COARSE);
    compare("boottime", CLOCK_BOOTTIME);
    compare("process", CLOCK_PROCESS_CPUTIME_ID);

    say("unknown clock", clock_gettime(99, &t));
    say("unknown resolution", clock_getres(99, &t));
    say("no resolution wanted", clock_getres(CLOCK_MONOTONIC, NULL));

    clock_gettime(CLOCK_REALTIME, &t);
    start = ns(t) / 1000;
    say("gettimeofday", gettimeofday(&tv, NULL));
    now = tv.tv_sec * 1000000LL + tv.tv_usec;
    clock_gettime(CLOCK_REALTIME, &t);
    printf("between: %d\n", now >= start && now <= ns(t) / 1000);
    say("with a zone", gettimeofday(&tv, &tz));
    return 0;
}
