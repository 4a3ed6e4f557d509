/*
 * Which host calls a box makes: each waits at the host's seccomp until it has been counted here and goes on.
 */
#ifndef NOAHV_CLI_AUDIT_H
#define NOAHV_CLI_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct noahv_policy;

/* Host numbers end before; seccomp tells of none above the filter's list. */
#define AUDIT_CALLS_MAX 1024

struct audit {
    const struct noahv_policy *policy;
    int most;     /* distinct calls that may be made; -1: any */
    int listener; /* -1: not taken yet, or the box has ended */
    bool taken;
    bool counts; /* the close that ends the lock-down has been seen */
    uint64_t made[AUDIT_CALLS_MAX];
};

/* Takes the listener of process `child` when there is one. 0, or -errno: the box can only be ended. */
int audit_take(struct audit *a, pid_t child);

/* Counts a call that waits at the listener, and lets it go on. */
void audit_answer(struct audit *a);

/* Says what was made; true, after a line, if it was too much. */
bool audit_report(const struct audit *a);

#endif
