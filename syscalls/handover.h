/*
 * execve by way of the host's: what noahv knows of a process crosses, in a file, to a noahv that begins anew in the
 * same process. So is done where the memory belongs to other processes too.
 */
#ifndef NOAHV_SYSCALLS_HANDOVER_H
#define NOAHV_SYSCALLS_HANDOVER_H

#include "syscalls/linux.h"

struct exec;

/* A sequence of values that is read as it was written. */
struct parcel {
    char *at; /* owned */
    size_t len, cap, pos;
    bool bad; /* out of memory, or read beyond the end; then everything read is 0 */
};

void parcel_put(struct parcel *p, const void *from, size_t n);
void parcel_get(struct parcel *p, void *to, size_t n);
void parcel_put_u64(struct parcel *p, uint64_t v);
uint64_t parcel_get_u64(struct parcel *p);

/* At most `max` bytes, NUL included, on the heap: the caller's. NULL: p->bad. */
char *parcel_get_str(struct parcel *p, size_t max);
void parcel_put_str(struct parcel *p, const char *s);

/* A descriptor that stays open over execve; -1 is none. It comes back as an ordinary number, not one of noahv's own. */
void parcel_put_fd(struct parcel *p, int fd);
int parcel_get_fd(struct parcel *p);

/* True when this program has said that it can begin so (noahv_linux_resume). */
bool handover_ready(void);

/* From now on it is not: the host's execve is out of a box's reach, and its children get copies of the memory. */
void handover_forbid(void);

/* Does not return, but for -errno: then nothing has changed. */
int handover_exec(struct task *t, struct exec *x);

/* After a child that shared the memory has gone so: frees what it needed until then. */
void handover_reclaim(struct process *child);

#endif
