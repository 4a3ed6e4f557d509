/*
 * The folders of a box as mounts of their own: the host kernel follows no symbolic link below one, and writes nothing
 * below one that is read-only. So a name that has no ".." in it leads nowhere else, and needs no walk.
 *
 * They stand in a mount namespace of which no process is part, each on the folder that it shows: what is open below one
 * has the name that it has on the host (fs/d_path.c), and nothing of the host's is changed, nor anybody's user or group.
 */
#ifndef NOAHV_SYSCALLS_MOUNTNS_H
#define NOAHV_SYSCALLS_MOUNTNS_H

#include <stdbool.h>
#include <stddef.h>

struct mountns_folder {
    const char *path; /* on the host, without a link on its way */
    int fd;           /* of it (O_PATH) */
    bool ro;
    int mount; /* out: the same, of the mount, the caller's to close; -1: it is another folder by now, or was not to be had */
};

/*
 * Makes them, and the namespace: the caller's to close, and with it go their names. -errno: not one could be made. This host
 * does not let us, or is older than Linux 5.14.
 */
int mountns_make(struct mountns_folder *f, size_t n);

#endif
