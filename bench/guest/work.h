/*
 * Frame of every workload: work() is run argv[1] times (default 10, about 0.1 s natively) and returns a number
 * that is mixed into the checksum printed at the end, which must be the same on every machine.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t work(void);

static uint64_t random_state = 88172645463325252u;

/* xorshift64: the same numbers everywhere. */
static inline uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

int main(int argc, char **argv)
{
    long times = argc > 1 ? atol(argv[1]) : 10;
    uint64_t sum = 0;

    for (long i = 0; i < times; i++)
        sum = sum * 31 + work();
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}

#endif
