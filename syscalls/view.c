/*
 * What a box's file tree consists of, looked up: pieces, and what the host opens below them.
 */
#include "syscalls/viewtree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/learn.h"
#include "syscalls/overlay.h"

/* --- Looking up pieces -------------------------------------------------------------------------------- */

const struct mount *view_mount(const struct view *v, const char *at, const char **rel)
{
    const struct mount *best = NULL;
    size_t deepest = 0;

    for (size_t i = 0; i < v->n; i++)
        if (place_holds(v->mount[i].dst, at, &deepest, rel))
            best = &v->mount[i];
    return best;
}

bool view_covers(const struct view *v, const char *at)
{
    for (size_t i = 0; i < v->n; i++) {
        const char *rest = place_below(v->mount[i].dst, at);

        if (rest && *rest)
            return true;
    }
    return false;
}

int view_place_of(const struct view *v, const char *host, char out[PATH_MAX])
{
    const struct mount *best = NULL;
    const char *rest = NULL;
    size_t deepest = 0;

    for (size_t i = 0; i < v->n; i++) { /* each with its upper layer */
        const struct mount *m = &v->mount[i];

        if (place_holds(m->src, host, &deepest, &rest) ||
            (m->upper_src && place_holds(m->upper_src, host, &deepest, &rest)))
            best = m;
    }
    if (!best || *host != '/')
        return -ENOENT;
    if ((size_t)snprintf(out, PATH_MAX, "%s%s%s", best->dst, *rest ? "/" : "", rest) >= PATH_MAX)
        return -ENAMETOOLONG;
    return 0;
}

/* Is that what the descriptor is open on? What has no name below its mount's root any more is called "/", too. */
static bool is_named(int fd, const char *path)
{
    struct stat st, named;

    return HOST_RAW(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 &&
           HOST_RAW(SYS_newfstatat, AT_FDCWD, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == named.st_dev && st.st_ino == named.st_ino;
}

int view_host_path(int fd, char out[PATH_MAX])
{
    static const char unreachable[] = "(unreachable)"; /* in the namespace of the pieces, which is nobody's */
    size_t before = sizeof unreachable - 1;
    char link[48];
    int64_t n;

    if (fd == AT_FDCWD) {
        n = HOST_RAW(SYS_getcwd, out, PATH_MAX) - 1;
        if (n < 0)
            return (int)n + 1;
        if (strncmp(out, unreachable, before) == 0) { /* or where nobody's name is true any more */
            n -= (int64_t)before;
            memmove(out, out + before, (size_t)n + 1);
            if (!is_named(fd, out))
                return -ENOENT;
        }
    } else {
        snprintf(link, sizeof link, "thread-self/fd/%d", fd);
        n = HOST_RAW(SYS_readlinkat, procfs_dir(), link, out, PATH_MAX - 1);
        if (n < 0)
            return n == -ENOENT ? -EBADF : (int)n;
        out[n] = '\0';
    }
    if (n > 1)
        return 0;
    out[0] = '\0';
    return is_named(fd, "/") ? 0 : -ENOENT;
}

int view_place(const struct view *v, int fd, char out[PATH_MAX])
{
    char host[PATH_MAX];
    int r = view_host_path(fd, host);

    return r < 0 ? r : view_place_of(v, *host ? host : "/", out);
}

size_t view_mounts(const struct view *v)
{
    return v->n;
}

const struct mount *view_mount_at(const struct view *v, size_t i)
{
    return &v->mount[i];
}

int64_t view_cwd(struct task *t, char out[PATH_MAX])
{
    if (learning(t))
        learn_path(t, ACCESS_FOLDER, AT_FDCWD, ".");
    if (view_place(t->proc->box->view, AT_FDCWD, out) < 0)
        return -ENOENT;
    if (!*out)
        memcpy(out, "/", 2);
    return (int64_t)strlen(out);
}

const struct mount *view_mount_of(const struct view *v, int fd)
{
    char at[PATH_MAX];
    const char *rel;

    return view_place(v, fd, at) == 0 ? view_mount(v, at, &rel) : NULL;
}

bool view_overlay(const struct view *v)
{
    return v->overlay >= 0;
}

int view_lock(const struct view *v)
{
    return v->lock;
}

bool view_is_upper(const struct view *v, int fd)
{
    char path[PATH_MAX];

    if (view_host_path(fd, path) < 0)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->mount[i].upper_src && place_below(path, v->mount[i].upper_src))
            return true;
    return false;
}

/* A descriptor of the lower layer's: what it is open on is copied up, and the guest's number is of the copy then. */
static int64_t lift_fd(const struct view *v, int fd)
{
    int64_t flags = HOST_RAW(SYS_fcntl, fd, F_GETFL), keep = HOST_RAW(SYS_fcntl, fd, F_GETFD), new, at;
    char path[PATH_MAX];
    struct stat before, now;
    const struct mount *m;
    const char *rel;
    bool same;

    if (flags < 0 || view_place(v, fd, path) < 0 || !(m = view_mount(v, path, &rel)))
        return -ESTALE;
    new = overlay_lower(m, rel); /* it may not be what the name means any more */
    same = new >= 0 && HOST_RAW(SYS_fstat, new, &now) == 0 && HOST_RAW(SYS_fstat, fd, &before) == 0 &&
           now.st_ino == before.st_ino &&now.st_dev == before.st_dev;
    if (new >= 0)
        HOST_RAW(SYS_close, new);
    if (!same)
        return -ESTALE;
    new = overlay_lift(v, m, rel);
    if (new == 0)
        new = view_down(NULL, m, true, rel, (int)(flags & (O_PATH | O_NONBLOCK)) | O_NOFOLLOW | O_CLOEXEC, 0);
    if (new < 0)
        return new;
    at = HOST_RAW(SYS_lseek, fd, 0, SEEK_CUR);
    if (at > 0)
        HOST_RAW(SYS_lseek, new, at, SEEK_SET);
    at = HOST_RAW(SYS_dup3, new, fd, keep & FD_CLOEXEC ? O_CLOEXEC : 0);
    HOST_RAW(SYS_close, new);
    return MIN(at, 0);
}

static int64_t may_change(struct task *t, int fd)
{
    const struct view *v = t->proc->box->view;
    const struct mount *m;
    struct stat st;

    if (HOST_RAW(SYS_fstat, fd, &st) < 0)
        return -EBADF;
    m = view_mount_of(v, fd);
    if (overlaid(m) && !view_is_upper(v, fd))
        return lift_fd(v, fd);
    if (m)
        return m->ro ? -EROFS : 0;
    if (!st.st_nlink || S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode)) /* of memory, or of nobody any more */
        return 0;
    return box_refuse(
        t, -EPERM,
        &(struct refusal){ "files", "an inherited descriptor", "the file is outside the box", NULL });
}

int64_t view_hold(struct task *t, int fd, int *hold)
{
    int64_t r = fd_is_own(fd) ? -EBADF : 0;

    *hold = -1;
    fd_freeze();
    if (r == 0)
        r = may_change(t, fd);
    if (r == 0)
        r = fd_hold(fd, hold);
    fd_thaw();
    return MIN(r, 0);
}

int64_t view_check_dir(struct task *t, int fd)
{
    if (fd_is_own(fd))
        return -EBADF;
    if (view_mount_of(t->proc->box->view, fd) || HOST_RAW(SYS_fcntl, fd, F_GETFD) < 0)
        return 0;
    return box_refuse(t, -EACCES,
                      &(struct refusal){ "files", "an inherited folder", "it is outside the box", NULL });
}

/* --- Down from the root of a piece -------------------------------------------------------------------- */

/* For hosts without openat2: the same, a component at a time. */
static int64_t down_by_steps(int fd, const char *rel, int flags, uint32_t mode)
{
    int64_t dir = HOST_RAW(SYS_openat, fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), next;
    char name[NAME_MAX + 1];

    while (dir >= 0) {
        size_t n = strcspn(rel, "/");

        if (n > NAME_MAX) {
            next = -ENAMETOOLONG;
        } else {
            snprintf(name, sizeof name, "%.*s", (int)n, rel);
            next = rel[n] ? HOST_RAW(SYS_openat, dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                          : HOST_RAW(SYS_openat, dir, name, flags | O_NOFOLLOW, mode);
        }
        HOST_RAW(SYS_close, dir);
        if (!rel[n] || next < 0)
            return next;
        rel += n + 1;
        dir = next;
    }
    return dir;
}

/* What the kernel's openat2 takes of open's flags. */
#define OPEN2_FLAGS                                                                                 \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC | \
     O_DIRECT | O_LARGEFILE | 0100000 | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | \
     O_TMPFILE)

int64_t view_down(struct task *t, const struct mount *m, bool up, const char *rel, int flags, uint32_t mode)
{
    int root = up ? m->upper : m->root.fd;
    struct open_how how = { .flags = (uint64_t)(flags & OPEN2_FLAGS),
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    char link[32];
    int64_t r;

    if (!*rel) { /* the piece itself: it is what our descriptor is open on */
        snprintf(link, sizeof link, "self/fd/%d", root);
        flags &= ~(O_NOFOLLOW | O_CREAT);
        return t ? HOST(t, SYS_openat, procfs_dir(), link, flags, mode)
                 : HOST_RAW(SYS_openat, procfs_dir(), link, flags, mode);
    }
    if (m->dir >= 0)
        return -ENOTDIR;
    if (flags & O_PATH)
        how.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
        how.mode = mode & 07777;
    r = t ? HOST(t, SYS_openat2, root, rel, &how, sizeof how)
          : HOST_RAW(SYS_openat2, root, rel, &how, sizeof how);
    return r == -ENOSYS ? down_by_steps(root, rel, flags, mode) : r;
}
