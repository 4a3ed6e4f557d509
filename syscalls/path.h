/*
 * Paths on their way from the guest to the host kernel. There is one name space, the host's; only a few names
 * under /proc mean something else for the guest (procfs.h).
 */
#ifndef NOAHV_SYSCALLS_PATH_H
#define NOAHV_SYSCALLS_PATH_H

#include <fcntl.h>
#include <limits.h>

#include "syscalls/linux.h"
#include "syscalls/procfs.h"

struct path {
    int dirfd; /* pass these two to the host ... */
    char name[PATH_MAX];
    enum proc_node virt; /* ... except to open it: then PROC_MAPS and above are for procfs_open */
};

/*
 * Copies and resolves the path at `guest`, relative to dirfd: 0, or -EFAULT, -ENAMETOOLONG, -EBADF (dirfd is
 * noahv's), -ENOENT, -ENOTDIR (names under /proc that the guest does not have). The empty path is passed on.
 * /proc/self/exe has become a name that leads to the guest's program.
 */
int path_in(struct task *t, int dirfd, gva_t guest, struct path *out);

#endif
