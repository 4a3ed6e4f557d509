/*
 * /proc/self/pagemap: the host's own file, of which the guest reads the part that is its window, at the place where its
 * addresses are.
 */
#ifndef NOAHV_SYSCALLS_PAGEMAP_H
#define NOAHV_SYSCALLS_PAGEMAP_H

#include "syscalls/linux.h"

/* Opens it: a descriptor, or -errno. From then on reads are looked at. */
int64_t pagemap_open(struct task *t, int dirfd, const char *name, int flags);

/* Of a process that has opened one: true when the call reads it; *r is the result. */
bool pagemap_read(struct task *t, const struct sysent *e, const uint64_t *a, int64_t *r);

#endif
