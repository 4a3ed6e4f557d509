/*
 * Reads of /proc/self/pagemap. The position is the guest's; it is moved for the length of a host call. readv and its kin
 * are not looked at: they find what noahv has at the guest's low addresses, nothing.
 */
#include "syscalls/pagemap.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/fd.h"
#include "syscalls/procfs.h"

enum { ENTRY = 8 }; /* bytes for each page (Documentation/admin-guide/mm/pagemap.rst) */

int64_t pagemap_open(struct task *t, int dirfd, const char *name, int flags)
{
    int64_t fd = HOST_RAW(SYS_openat, dirfd, name, flags);

    if (fd >= 0)
        __atomic_store_n(&t->proc->has_pagemap, true, __ATOMIC_RELAXED);
    return fd;
}

bool pagemap_read(struct task *t, const struct sysent *e, const uint64_t *a, int64_t *r)
{
    const uint64_t end = (t->mem->limit >> PAGE_SHIFT) * ENTRY;
    const uint64_t shift = ((uint64_t)(uintptr_t)t->mem->gs.window >> PAGE_SHIFT) * ENTRY;
    bool reads = e && e->host_nr == SYS_read, preads = e && e->host_nr == SYS_pread64;
    int fd = (int)a[0];
    int64_t at;

    if (!(reads || preads) || fd_is_own(fd) || procfs_opened(fd) != PROC_PAGEMAP)
        return false;
    at = preads ? (int64_t)a[3] : HOST_RAW(SYS_lseek, fd, 0, SEEK_CUR);
    if (at < 0) {
        *r = -EINVAL;
        return true;
    }
    *r = (uint64_t)at < end ? HOST(t, SYS_pread64, fd, span(t, a[1], a[2]), MIN(a[2], end - (uint64_t)at),
                                   (uint64_t)at + shift)
                            : 0;
    if (reads && *r > 0)
        HOST_RAW(SYS_lseek, fd, at + *r, SEEK_SET);
    return true;
}
