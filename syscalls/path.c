/*
 * Copies guest paths and recognises, by any route of directories to them, the /proc files that are special.
 * Resolves nothing else: symbolic links, mounts and permissions are the host kernel's. A symbolic link as the
 * last component is followed by the kernel only; fs.c looks at what such an open led to.
 */
#include "syscalls/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"

/* The special node that (dirfd, name) names; base points at the last component inside name. */
static enum proc_node classify(int dirfd, char *name, char *base)
{
    char keep = *base;
    enum proc_node node;
    int64_t dir;

    if (base == name) {
        dir = HOST_RAW(SYS_openat, dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    } else {
        *base = '\0'; /* "/", "dir/" */
        dir = HOST_RAW(SYS_openat, dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *base = keep;
    }
    if (dir < 0)
        return PROC_NONE;
    node = procfs_node((int)dir, base);
    HOST_RAW(SYS_close, dir);
    return node;
}

/* The host's link to noahv becomes its link to the guest's program: links both, so every call agrees. */
static int lead_to_exe(struct task *t, struct path *p)
{
    int fd = __atomic_load_n(&t->proc->exe_fd, __ATOMIC_RELAXED);

    if (fd < 0)
        return -ENOENT;
    p->dirfd = AT_FDCWD;
    p->virt = PROC_NONE;
    snprintf(p->name, sizeof p->name, "/proc/self/fd/%d", fd);
    return 0;
}

int path_in(struct task *t, int dirfd, gva_t guest, struct path *out)
{
    ssize_t len = copy_str(t->mem, out->name, guest, sizeof out->name);
    size_t end;
    char *base;

    out->dirfd = dirfd;
    out->virt = PROC_NONE;
    if (len < 0)
        return (int)len;
    if (out->name[0] != '/' && fd_is_own(dirfd))
        return -EBADF;

    end = (size_t)len;
    while (end > 0 && out->name[end - 1] == '/')
        end--;
    if (end == 0)
        return 0;
    out->name[end] = '\0';
    base = strrchr(out->name, '/');
    base = base ? base + 1 : out->name;
    if (procfs_name(base) != PROC_NONE)
        out->virt = classify(dirfd, out->name, base);
    if (out->virt == PROC_ABSENT)
        return -ENOENT;
    if (end < (size_t)len) {
        if (out->virt != PROC_NONE)
            return -ENOTDIR;
        out->name[end] = '/';
    }
    return out->virt == PROC_EXE ? lead_to_exe(t, out) : 0;
}
