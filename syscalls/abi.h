/*
 * Guest ABI structures that differ from the host's, or that handlers build by hand. Names are rv_ and RV_;
 * plain names are the host's, which are the same everywhere else (asm-generic on both sides).
 */
#ifndef NOAHV_SYSCALLS_ABI_H
#define NOAHV_SYSCALLS_ABI_H

#include <assert.h>
#include <signal.h>
#include <stdint.h>

#define RV_NSIG 64
#define RV_MINSIGSTKSZ 2048

/* struct sigaction of the kernel: include/uapi/asm-generic/signal.h without SA_RESTORER. */
struct rv_sigaction {
    uint64_t handler;
    uint64_t flags;
    uint64_t mask;
};
static_assert(sizeof(struct rv_sigaction) == 24, "rv_sigaction");

#define RV_SIG_DFL 0
#define RV_SIG_IGN 1

/* stack_t */
struct rv_stack {
    uint64_t sp;
    int32_t flags;
    int32_t pad;
    uint64_t size;
};
static_assert(sizeof(struct rv_stack) == 24, "rv_stack");

/* struct stat: include/uapi/asm-generic/stat.h */
struct rv_stat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, pad1;
    int64_t size;
    int32_t blksize, pad2;
    int64_t blocks;
    int64_t atime;
    uint64_t atime_nsec;
    int64_t mtime;
    uint64_t mtime_nsec;
    int64_t ctime;
    uint64_t ctime_nsec;
    uint32_t unused[2];
};
static_assert(sizeof(struct rv_stat) == 128, "rv_stat");

/* struct epoll_event: not packed on riscv64 */
struct rv_epoll_event {
    uint32_t events, pad;
    uint64_t data;
};
static_assert(sizeof(struct rv_epoll_event) == 16, "rv_epoll_event");

/* struct semid64_ds: include/uapi/asm-generic/sembuf.h; x86-64 has room after each time */
struct rv_semid_ds {
    uint64_t perm[6]; /* struct ipc64_perm, the same on both */
    int64_t otime, ctime;
    uint64_t nsems, unused[2];
};
static_assert(sizeof(struct rv_semid_ds) == 88, "rv_semid_ds");

#endif
