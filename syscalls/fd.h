/*
 * Descriptors. The guest's number N is the host's number N, so that fork, SCM_RIGHTS and /proc work by
 * themselves; the few that noahv keeps for itself live at high numbers and are hidden: for the guest they are
 * closed.
 */
#ifndef NOAHV_SYSCALLS_FD_H
#define NOAHV_SYSCALLS_FD_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FD_OWN_MAX 256

/*
 * noahv's descriptors. The table goes with the host's own table of descriptors: processes that share those share it,
 * at the same address. Whole pages, so that it can be.
 */
extern struct fd_own_table {
    atomic_int floor; /* no own descriptor is below it */
    struct {
        atomic_int fd; /* -1: free */
        int *holder;   /* in the process that made it its own */
    } at[FD_OWN_MAX];
} __attribute__((aligned(4096))) fd_own_table;

/* fd_is_own for a number that is not below the floor. */
bool fd_own_find(int fd);

static inline bool fd_is_own(int fd)
{
    return fd >= atomic_load_explicit(&fd_own_table.floor, memory_order_relaxed) && fd_own_find(fd);
}

/* 0, or -EBADF for an own descriptor; whether the others are open is the host kernel's to say. */
static inline int fd_check(int fd)
{
    return fd_is_own(fd) ? -EBADF : 0;
}

/* The same for the directory of a path: AT_FDCWD is no descriptor. */
static inline int fd_check_at(int dirfd)
{
    return fd_check(dirfd);
}

/*
 * Makes `fd` noahv's own: moves it to a high number with close-on-exec and stores that in *holder, which is
 * kept up to date when the guest claims the number. The new number, or -errno; then fd is unchanged.
 */
int fd_own(int fd, int *holder);

/* The same of a descriptor that stays the guest's: a second one, however few the guest may have. */
int fd_hold(int fd, int *holder);

/* An own descriptor gets another file, which `fd` is open on, and keeps its number. 0 or -errno, then it is as it was. */
int fd_renew(int high, int fd);

/* Closes an own descriptor and sets its holder to -1. */
void fd_release(int fd);

/* The guest claims number `fd` (dup3): an own descriptor there moves away. 0 or -errno. */
int fd_vacate(int fd);

/* Before a clone whose child is to have the same descriptors in a memory of its own. 0 or -errno. */
int fd_table_share(void);

/* After the process has got descriptors of its own, while nothing else runs in its memory: no one shares the table. */
void fd_table_part(void);

/* In the child of a fork: what other threads of the parent were at with the table has no end here. */
void fd_table_forked(void);

/* Lowest own number at or above `from`, or -1. */
int fd_own_next(int from);

/* openat for noahv itself, beyond the guest's limit if need be: a descriptor or -errno. */
int64_t fd_open(int dirfd, const char *name, int flags);

/* Around every look at the host's RLIMIT_NOFILE, and change of it, for the guest. */
void fd_limit_lock(void);
void fd_limit_unlock(void);

/*
 * In a box: no guest thread closes or replaces a descriptor from freeze to thaw. For noahv to open one, at whatever
 * number, and make it its own, before a guest can put another in its place.
 */
void fd_freeze(void);
void fd_thaw(void);

/* Moves a descriptor in use during one call to a number the guest will not miss, close-on-exec: the new
 * number, or `fd` itself if there is no room. */
int fd_lift(int fd);

#endif
