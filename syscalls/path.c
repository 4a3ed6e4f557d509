/*
 * Copies guest paths and recognises, by any route of directories to them, the /proc files that are special.
 * Without a root it resolves nothing else: symbolic links, mounts and permissions are the host kernel's. A
 * symbolic link as the last component is followed by the kernel only; fs.c looks at what such an open led to.
 */
#include "syscalls/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/view.h"

/* The special node that (dirfd, name) names; base points at the last component inside name. */
static enum proc_node classify(int dirfd, char *name, char *base)
{
    char keep = *base;
    enum proc_node node;
    int64_t dir;

    if (base == name) {
        dir = fd_open(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    } else {
        *base = '\0'; /* "/", "dir/" */
        dir = fd_open(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
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

/* p->name as it stands, from p->dirfd, for special files. */
static int recognise(struct task *t, struct path *p)
{
    size_t len = strlen(p->name), end = len;
    char *base;

    while (end > 0 && p->name[end - 1] == '/')
        end--;
    if (end == 0)
        return 0;
    p->name[end] = '\0';
    base = strrchr(p->name, '/');
    base = base ? base + 1 : p->name;
    if (procfs_name(base) != PROC_NONE)
        p->virt = classify(p->dirfd, p->name, base);
    if (p->virt == PROC_ABSENT)
        return -ENOENT;
    if (end < len) {
        if (p->virt != PROC_NONE)
            return -ENOTDIR;
        p->name[end] = '/';
    }
    return p->virt == PROC_EXE ? lead_to_exe(t, p) : 0;
}

int path_resolve(struct task *t, struct path *p, unsigned how)
{
    enum path_last last = how & PATH_LAST;
    char boxed[PATH_MAX];
    int r = 0;

    p->virt = PROC_NONE;
    p->hold = -1;
    p->mount = NULL;
    p->ino = 0;
    p->tried = false;
    p->changed = NULL;
    if (p->name[0] != '/' && fd_is_own(p->dirfd))
        return -EBADF;
    if (t->proc->box) {
        memcpy(boxed, p->name, strlen(p->name) + 1);
        return view_path(t, p->dirfd, boxed, how & ~(unsigned)PATH_TRY, p);
    }
    if (how & PATH_TRY && last == PATH_NOFOLLOW && root_on(&t->proc->root) && root_is_plain(p->name))
        p->tried = true;
    else if (p->name[0] && last != PATH_BENEATH && root_on(&t->proc->root))
        r = root_resolve(&t->proc->root, p, last);
    return r < 0 ? r : recognise(t, p);
}

void path_done(struct path *p)
{
    if (fd_is_own(p->hold))
        fd_release(p->hold);
    else if (p->hold >= 0)
        HOST_RAW(SYS_close, p->hold);
    if (p->changed)
        folders_changed(p->changed);
}

int path_in(struct task *t, int dirfd, gva_t guest, unsigned how, struct path *out)
{
    ssize_t len = copy_str(t->mem, out->name, guest, sizeof out->name);

    out->dirfd = dirfd;
    out->hold = -1;
    out->changed = NULL;
    out->tried = false;
    return len < 0 ? (int)len : path_resolve(t, out, how);
}

bool path_again(struct task *t, int dirfd, gva_t guest, unsigned how, struct path *p, int64_t *r)
{
    if (*r != -ENOENT || !p->tried)
        return false;
    *r = path_in(t, dirfd, guest, how & ~(unsigned)PATH_TRY, p);
    return *r == 0;
}

int path_before_dots(const char *name)
{
    size_t at = strlen(name), dots = 0;

    while (at && name[at - 1] == '/')
        at--;
    for (; at && name[at - 1] == '.'; at--)
        dots++;
    return dots && dots <= 2 && (!at || name[at - 1] == '/') ? (int)at : -1;
}

int path_flatten(struct path *p)
{
    char prefix[32];
    size_t n, len = strlen(p->name) + 1;

    if (p->dirfd == AT_FDCWD || p->name[0] == '/')
        return 0;
    n = (size_t)snprintf(prefix, sizeof prefix, "/proc/self/fd/%d/", p->dirfd);
    if (n + len > sizeof p->name)
        return -ENAMETOOLONG;
    memmove(p->name + n, p->name, len);
    memcpy(p->name, prefix, n);
    p->dirfd = AT_FDCWD;
    return 0;
}
