/*
 * The guest's own system call filters: classic BPF programs that dispatch.c asks before each call.
 */
#ifndef NOAHV_SYSCALLS_SECCOMP_H
#define NOAHV_SYSCALLS_SECCOMP_H

#include <stdbool.h>
#include <stdint.h>

#include "syscalls/linux.h"

struct parcel;
struct task;

/* Whether call `nr` may be made, in a task whose seccomp_mode is not 0; else *r is the result to give. */
bool seccomp_allows(struct task *t, uint64_t nr, const uint64_t *a, int64_t *r);

/* SIGSYS instead of call `nr`, as its si_code and si_errno tell. */
void seccomp_sigsys(struct task *t, uint64_t nr, int code, int reason);

/* prctl(PR_SET_SECCOMP): 0 or -errno. */
int64_t seccomp_prctl(struct task *t, uint64_t mode, uint64_t filter);

/* seccomp_notify.c. The listener of a filter that is being installed with these flags: a descriptor or -errno. */
int64_t seccomp_listen(uint32_t flags, unsigned listener);

/* Whether any of the task's filters had a listener. */
bool seccomp_listened(const struct task *t);

/* Asks the listener about a call: true when it is to be made, else *r is the result to give. */
bool seccomp_notify(struct task *t, unsigned listener, uint64_t nr, const uint64_t *a, int64_t *r);

/* The requests of a listener whose structures are not the host's, SECCOMP_IOCTL_NOTIF_*. */
int64_t seccomp_ioctl(struct task *t, int fd, uint32_t cmd, gva_t arg);

/* The task's mode and filters, over a handover (handover.h). */
void seccomp_put(const struct task *t, struct parcel *p);
int seccomp_get(struct task *t, struct parcel *p);

/* How many filters the task has installed. */
int seccomp_count(const struct task *t);

#endif
