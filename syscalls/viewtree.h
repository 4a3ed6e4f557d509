/*
 * What a view consists of, for those who make it (viewmake.c) and look things up in it (view.c).
 */
#ifndef NOAHV_SYSCALLS_VIEWTREE_H
#define NOAHV_SYSCALLS_VIEWTREE_H

#include "policy/places.h"
#include "syscalls/view.h"

struct view {
    struct mount mount[PLACES_MAX]; /* in no order: view_mount() takes the longest dst */
    size_t n;
    char temp[256]; /* the folder on the host: "root", "tmp0", "tmp1" ... */
    int nr_tmps;
    int overlay; /* own descriptor of the folder of --overlay, which is locked; or -1 */
    int lock;    /* and of what is locked while names in it change (O_PATH) */
    int mountns; /* own descriptor of the namespace that pieces are mounts of their own in; or -1 */
};

/* The host's path of a descriptor, or of the working directory (AT_FDCWD), as the kernel prints it: "" is the root. 0, or -errno. */
int view_host_path(int fd, char out[PATH_MAX]);

#endif
