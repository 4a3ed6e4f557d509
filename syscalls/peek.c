/*
 * Calls on another process's memory: process_vm_readv and writev, process_madvise; and kcmp. Addresses are the other
 * guest's, so its window must be found; noahv's own memory is nowhere in reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/iovec.h"
#include "syscalls/mm.h"
#include "syscalls/procfs.h"

/*
 * The window of a noahv process as its maps show it: an unbroken run of mappings as long as a window with its
 * guards, which begins with an inaccessible one. 0: there is none.
 */
static uint64_t find_window(FILE *maps, uint64_t total)
{
    uint64_t start = 0, end = 0, from, to;
    char line[512], prot[8];
    bool guard = false;

    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, prot) != 3)
            continue; /* the rest of a long line */
        if (from != end) {
            if (guard && end - start == total)
                break;
            start = from;
            guard = prot[0] == '-' && to - from >= GSTAGE_GUARD;
        }
        end = to;
    }
    return guard && end - start == total ? start + GSTAGE_GUARD : 0;
}

/* fopen() would take the lowest number, which the guest may miss or use at the same time. */
static FILE *open_maps(int pid, int *err)
{
    char name[32];
    int64_t fd;
    FILE *f;

    snprintf(name, sizeof name, "%d/maps", pid);
    fd = HOST_RAW(SYS_openat, procfs_dir(), name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *err = fd == -ENOENT ? -ESRCH : fd == -EACCES ? -EPERM : (int)fd;
        return NULL;
    }
    fd = fd_lift((int)fd);
    f = fdopen((int)fd, "r");
    if (!f) {
        *err = -ENOMEM;
        HOST_RAW(SYS_close, fd);
    }
    return f;
}

int mm_window_of(struct task *t, int pid, uint64_t *shift)
{
    uint64_t own = (uint64_t)(uintptr_t)t->mem->gs.window, other;
    int err = 0;
    FILE *maps;

    *shift = 0;
    if (pid == 0 || pid == t->tid || pid == HOST_RAW(SYS_getpid))
        return 0;
    maps = open_maps(pid, &err);
    if (!maps)
        return err;
    other = find_window(maps, t->mem->gs.size + 2 * GSTAGE_GUARD);
    fclose(maps);
    if (!other)
        return -EPERM; /* not a guest, or one with another address space */
    *shift = other - own;
    return 0;
}

/* An address of the other guest; NULL stays that. */
static void shift_vectors(struct iovecs *io, uint64_t shift)
{
    for (size_t i = 0; i < io->n; i++)
        if (io->v[i].iov_base)
            io->v[i].iov_base = (void *)((uintptr_t)io->v[i].iov_base + shift);
}

static int64_t vm_call(struct task *t, long nr, int pid, gva_t lvec, uint64_t liovcnt, gva_t rvec,
                       uint64_t riovcnt, uint64_t flags)
{
    struct iovecs local, remote;
    uint64_t shift;
    int64_t r;

    if (flags)
        return -EINVAL;
    r = iovecs_in(t, &local, lvec, liovcnt);
    if (r < 0)
        return r;
    r = iovecs_in(t, &remote, rvec, riovcnt);
    if (r == 0) {
        r = mm_window_of(t, pid, &shift);
        shift_vectors(&remote, r == 0 ? shift : 0);
        if (r == 0)
            r = HOST(t, nr, pid, local.v, local.n, remote.v, remote.n, 0);
        iovecs_free(&remote);
    }
    iovecs_free(&local);
    return r;
}

int64_t sys_process_vm_readv(struct task *t, int pid, gva_t lvec, uint64_t liovcnt, gva_t rvec,
                             uint64_t riovcnt, uint64_t flags)
{
    return vm_call(t, SYS_process_vm_readv, pid, lvec, liovcnt, rvec, riovcnt, flags);
}

int64_t sys_process_vm_writev(struct task *t, int pid, gva_t lvec, uint64_t liovcnt, gva_t rvec,
                              uint64_t riovcnt, uint64_t flags)
{
    return vm_call(t, SYS_process_vm_writev, pid, lvec, liovcnt, rvec, riovcnt, flags);
}

/* The process behind a pidfd, from its fdinfo: > 0, or -errno. */
static int pid_of(int pidfd)
{
    char name[40], text[512];
    const char *at;
    int64_t fd, n;

    snprintf(name, sizeof name, "self/fdinfo/%d", pidfd);
    fd = HOST_RAW(SYS_openat, procfs_dir(), name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fd == -ENOENT ? -EBADF : (int)fd;
    n = HOST_RAW(SYS_read, fd, text, sizeof text - 1);
    HOST_RAW(SYS_close, fd);
    text[MAX(n, 0)] = '\0';
    at = strstr(text, "\nPid:\t");
    if (!at)
        return -EBADF;
    return atoi(at + 6) > 0 ? atoi(at + 6) : -ESRCH;
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

int64_t sys_process_madvise(struct task *t, int pidfd, gva_t vec, uint64_t vlen, int advice, uint32_t flags)
{
    struct iovecs io;
    uint64_t shift;
    int64_t r;
    int pid;

    if (flags)
        return -EINVAL;
    r = iovecs_in(t, &io, vec, vlen);
    if (r < 0)
        return r;
    pid = fd_is_own(pidfd) ? -EBADF : pid_of(pidfd);
    r = pid < 0 ? pid : mm_window_of(t, pid, &shift);
    /* mm/madvise.c process_madvise_remote_valid */
    if (r == 0 && advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED &&
        advice != MADV_COLLAPSE)
        r = -EINVAL;
    if (r == 0) {
        shift_vectors(&io, shift);
        r = HOST(t, SYS_process_madvise, pidfd, io.v, io.n, advice, 0);
    }
    iovecs_free(&io);
    return r;
}

/* kernel/kcmp.c: descriptors are numbers here, but for the slot of an epoll. */
int64_t sys_kcmp(struct task *t, int pid1, int pid2, int type, uint64_t idx1, uint64_t idx2)
{
    int self = (int)HOST_RAW(SYS_getpid);
    bool files = type == KCMP_FILE || type == KCMP_EPOLL_TFD;

    if ((files && pid1 == self && fd_is_own((int)idx1)) ||
        (type == KCMP_FILE && pid2 == self && fd_is_own((int)idx2)))
        return -EBADF;
    if (type == KCMP_EPOLL_TFD)
        idx2 = span(t, idx2, sizeof(struct kcmp_epoll_slot));
    return HOST(t, SYS_kcmp, pid1, pid2, type, idx1, idx2);
}
