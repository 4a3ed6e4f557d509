/* Times in nanoseconds, for calls that noahv makes in pieces. */
#ifndef NOAHV_SYSCALLS_CLOCK_H
#define NOAHV_SYSCALLS_CLOCK_H

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "syscalls/linux.h"

#define NS_PER_S 1000000000

/* Seconds that cannot pass; keeps sums in range as the kernel's timespec64_add_safe does. */
#define FOREVER_S ((int64_t)1 << 32)

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    HOST_RAW(SYS_clock_gettime, clock, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* A guest's timespec, which must be normal: 0, -EFAULT or -EINVAL. */
static inline int clock_in(struct task *t, gva_t at, int64_t *ns)
{
    struct timespec ts;

    if (get_user(t->mem, &ts, at))
        return -EFAULT;
    if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NS_PER_S)
        return -EINVAL;
    *ns = MIN(ts.tv_sec, FOREVER_S) * NS_PER_S + ts.tv_nsec;
    return 0;
}

#endif
