/*
 * Files by name and what they are: openat, openat2, stat, directory listings, and the calls that tell a name or
 * change the root. The rest of the calls that take a path cross unchanged (pass.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "syscalls/box.h"
#include "syscalls/exec.h"
#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/overlay.h"
#include "syscalls/path.h"
#include "syscalls/procfs.h"
#include "syscalls/view.h"

/* Linux 5.10 (include/linux/statfs.h). */
enum { ST_NOSYMFOLLOW = 0x2000 };

/* --- Open -------------------------------------------------------------------------------------------- */

/*
 * What the host opened may be a special file of /proc after all: by a symbolic link, or through an O_PATH
 * descriptor of one. An O_PATH descriptor itself gives no access.
 */
static int64_t check_opened(struct task *t, int64_t fd, int flags)
{
    enum proc_node node;
    char link[32];
    int64_t r;

    if (fd < 0 || flags & O_PATH)
        return fd;
    node = procfs_opened((int)fd);
    if (node == PROC_NONE)
        return fd;
    fd = fd_lift((int)fd); /* the number is for the file that takes its place */
    snprintf(link, sizeof link, "self/fd/%d", (int)fd);
    r = procfs_open(t, node, procfs_dir(), link, flags & ~(O_CREAT | O_EXCL));
    HOST_RAW(SYS_close, fd);
    return r;
}

static bool opens_special(enum proc_node node, int flags)
{
    return node >= PROC_MAPS && !(flags & O_PATH);
}

static enum path_last open_last(int flags)
{
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return PATH_ENTRY;
    return flags & O_NOFOLLOW ? PATH_NOFOLLOW : PATH_FOLLOW;
}

/* Nobody writes to a program that runs (fs/namei.c get_write_access): the host runs another one. */
static bool is_running(struct task *t, const struct path *p, struct stat *file)
{
    struct stat exe;

    return HOST_RAW(SYS_newfstatat, p->dirfd, p->name, file, 0) == 0 && t->proc->exe_fd >= 0 &&
           HOST_RAW(SYS_fstat, t->proc->exe_fd, &exe) == 0 && file->st_ino == exe.st_ino &&
           file->st_dev == exe.st_dev;
}

static int64_t open_host(struct task *t, const struct path *p, const struct open_how *how, bool two)
{
    if (two)
        return HOST(t, SYS_openat2, p->dirfd, p->name, how, sizeof *how);
    return HOST(t, SYS_openat, p->dirfd, p->name, how->flags, how->mode);
}

/* What another process runs shows by its mark (exec_mark), once it is open: so it is emptied only then. */
static int64_t open_program(struct task *t, const struct path *p, const struct open_how *how, bool two)
{
    struct open_how first = *how;
    int64_t fd, r = 0;

    first.flags &= ~(uint64_t)O_TRUNC;
    fd = open_host(t, p, &first, two);
    if (fd < 0)
        return fd;
    if (exec_marked((int)fd))
        r = -ETXTBSY;
    else if (how->flags & O_TRUNC)
        r = HOST_RAW(SYS_ftruncate, fd, 0);
    if (r == 0)
        return fd;
    HOST_RAW(SYS_close, fd);
    return r;
}

/* The host's open; `two`: openat2. */
static int64_t open_at(struct task *t, const struct path *p, const struct open_how *how, bool two)
{
    int flags = (int)how->flags, access = flags & O_ACCMODE;
    struct stat file = { 0 };

    if ((access != O_RDONLY || flags & O_TRUNC) && !(flags & O_PATH) &&
        (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL)) {
        if (is_running(t, p, &file))
            return -ETXTBSY;
        if (S_ISREG(file.st_mode) && file.st_mode & 0111 && access != O_RDONLY)
            return open_program(t, p, how, two);
    }
    return open_host(t, p, how, two);
}

int64_t sys_truncate(struct task *t, gva_t path, int64_t length)
{
    struct stat file;
    struct path p;
    int64_t r = path_in(t, AT_FDCWD, path, PATH_FOLLOW | PATH_CHANGE, &p);

    if (r == 0 && length >= 0 && is_running(t, &p, &file))
        r = -ETXTBSY;
    if (r == 0)
        r = path_flatten(&p);
    if (r == 0)
        r = HOST(t, SYS_truncate, p.name, length);
    path_done(&p);
    return r;
}

/* The view of a box opens what it finds itself. */
static int64_t open_boxed(struct task *t, int dirfd, gva_t path, int flags, uint32_t mode)
{
    char name[PATH_MAX];
    ssize_t len = copy_str(t->mem, name, path, sizeof name);

    if (len < 0)
        return len;
    return *name != '/' && fd_is_own(dirfd) ? -EBADF : view_open(t, dirfd, name, flags, mode);
}

int64_t sys_openat(struct task *t, int dirfd, gva_t path, int flags, uint32_t mode)
{
    const struct open_how plain = { .flags = (uint32_t)flags, .mode = mode };
    struct path p;
    unsigned how;
    int64_t r;

    if (t->proc->box)
        return open_boxed(t, dirfd, path, flags, mode);
    how = open_last(flags) | (flags & O_CREAT ? 0 : PATH_TRY);
    r = path_in(t, dirfd, path, how, &p);
    do {
        if (r < 0)
            return r;
        if (opens_special(p.virt, flags))
            return procfs_open(t, p.virt, p.dirfd, p.name, flags);
        r = open_at(t, &p, &plain, false);
    } while (path_again(t, dirfd, path, how, &p, &r));
    return check_opened(t, r, flags);
}

static enum path_last open2_last(const struct open_how *h)
{
    if (h->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        return PATH_BENEATH;
    return h->resolve & RESOLVE_NO_SYMLINKS ? PATH_NO_LINKS : open_last((int)h->flags);
}

int64_t sys_openat2(struct task *t, int dirfd, gva_t path, gva_t how, uint64_t usize)
{
    struct open_how h;
    struct path p;
    int r = copy_struct_in(t->mem, &h, sizeof h, sizeof h, how, usize);

    if (r < 0)
        return r;
    if (t->proc->box) /* what resolve flags would make of the kernel's walk, ours does not know */
        return h.resolve ? -ENOSYS : open_boxed(t, dirfd, path, (int)h.flags, (uint32_t)h.mode);
    r = path_in(t, dirfd, path, open2_last(&h), &p);
    if (r < 0)
        return r;
    if (opens_special(p.virt, (int)h.flags))
        return procfs_open(t, p.virt, p.dirfd, p.name, (int)h.flags);
    return check_opened(t, open_at(t, &p, &h, true), (int)h.flags);
}

/* --- Stat -------------------------------------------------------------------------------------------- */

static int64_t stat_out(struct task *t, gva_t to, const struct stat *st)
{
    struct rv_stat rv = {
        .dev = st->st_dev,
        .ino = st->st_ino,
        .mode = st->st_mode,
        .nlink = (uint32_t)st->st_nlink,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .rdev = st->st_rdev,
        .size = st->st_size,
        .blksize = (int32_t)st->st_blksize,
        .blocks = st->st_blocks,
        .atime = st->st_atim.tv_sec,
        .atime_nsec = (uint64_t)st->st_atim.tv_nsec,
        .mtime = st->st_mtim.tv_sec,
        .mtime_nsec = (uint64_t)st->st_mtim.tv_nsec,
        .ctime = st->st_ctim.tv_sec,
        .ctime_nsec = (uint64_t)st->st_ctim.tv_nsec,
    };

    return put_user(t->mem, to, &rv);
}

static int64_t stat_boxed(struct task *t, int dirfd, gva_t path, gva_t statbuf, int flags)
{
    char name[PATH_MAX];
    struct stat st;
    ssize_t len = 0;
    int64_t r;

    *name = '\0';
    if (path || !(flags & AT_EMPTY_PATH)) /* since 6.11 NULL is "" then */
        len = copy_str(t->mem, name, path, sizeof name);
    if (len < 0)
        return len;
    if (*name != '/' && fd_is_own(dirfd))
        return -EBADF;
    if (*name && flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
        return -EINVAL;
    r = *name ? view_stat(t, dirfd, name, !(flags & AT_SYMLINK_NOFOLLOW), &st)
              : HOST(t, SYS_newfstatat, dirfd, "", &st, flags);
    if (r == 0 && !*name)
        overlay_tell(t->proc->box->view, dirfd, &st);
    return r < 0 ? r : stat_out(t, statbuf, &st);
}

static unsigned stat_how(int flags)
{
    return path_last_at(flags) | PATH_TRY | (flags & AT_EMPTY_PATH ? PATH_EMPTY : 0);
}

static int64_t stat_path(struct task *t, int dirfd, gva_t path, int flags, struct path *p)
{
    unsigned how = stat_how(flags);

    p->hold = -1;
    if (path || !(flags & AT_EMPTY_PATH)) /* since 6.11 NULL is "" then */
        return path_in(t, dirfd, path, how, p);
    p->dirfd = dirfd;
    p->name[0] = '\0';
    return path_resolve(t, p, how);
}

static int64_t stat_unboxed(struct task *t, int dirfd, gva_t path, gva_t statbuf, int flags)
{
    struct stat st = { 0 };
    struct path p;
    int64_t r = stat_path(t, dirfd, path, flags, &p);

    if (r == 0)
        do
            r = HOST(t, SYS_newfstatat, p.dirfd, p.name, &st, flags);
        while (path_again(t, dirfd, path, stat_how(flags), &p, &r));
    path_done(&p);
    return r < 0 ? r : stat_out(t, statbuf, &st);
}

int64_t sys_newfstatat(struct task *t, int dirfd, gva_t path, gva_t statbuf, int flags)
{
    return t->proc->box ? stat_boxed(t, dirfd, path, statbuf, flags)
                        : stat_unboxed(t, dirfd, path, statbuf, flags);
}

int64_t sys_fstat(struct task *t, int fd, gva_t statbuf)
{
    struct stat st = { 0 };
    int64_t r = fd_check(fd);

    if (r == 0)
        r = HOST(t, SYS_fstat, fd, &st);
    if (r == 0 && t->proc->box)
        overlay_tell(t->proc->box->view, fd, &st);
    return r < 0 ? r : stat_out(t, statbuf, &st);
}

int64_t sys_statx(struct task *t, int dirfd, gva_t path, uint32_t flags, uint32_t mask, gva_t statxbuf)
{
    struct statx stx = { 0 };
    struct path p;
    int64_t r = stat_path(t, dirfd, path, (int)flags, &p);

    if (r == 0)
        do
            r = HOST(t, SYS_statx, p.dirfd, p.name, flags, mask, &stx);
        while (path_again(t, dirfd, path, stat_how((int)flags), &p, &r));
    path_done(&p);
    if (r < 0)
        return r;
    if (p.ino) {
        stx.stx_nlink = OVERLAY_NLINK;
        stx.stx_ino = p.ino;
        stx.stx_dev_major = major(p.dev);
        stx.stx_dev_minor = minor(p.dev);
    }
    return put_user(t->mem, statxbuf, &stx);
}

/* That the host follows no link there, which is a box's own doing (mountns.h), is not told. */
static int64_t statfs_out(struct task *t, gva_t to, struct statfs *fs)
{
    if (t->proc->box)
        fs->f_flags &= ~ST_NOSYMFOLLOW;
    return put_user(t->mem, to, fs);
}

int64_t sys_statfs(struct task *t, gva_t path, gva_t buf)
{
    struct statfs fs = { 0 };
    struct path p;
    int64_t r = path_in(t, AT_FDCWD, path, PATH_FOLLOW, &p);

    if (r == 0)
        r = path_flatten(&p);
    if (r == 0)
        r = HOST(t, SYS_statfs, p.name, &fs);
    path_done(&p);
    return r < 0 ? r : statfs_out(t, buf, &fs);
}

int64_t sys_fstatfs(struct task *t, int fd, gva_t buf)
{
    struct statfs fs = { 0 };
    int64_t r = fd_check(fd);

    if (r == 0)
        r = HOST(t, SYS_fstatfs, fd, &fs);
    return r < 0 ? r : statfs_out(t, buf, &fs);
}

/* --- Names that go and move --------------------------------------------------------------------------- */

int64_t sys_unlinkat(struct task *t, int dirfd, gva_t path, int flags)
{
    struct path p;
    int64_t r = path_in(t, dirfd, path, PATH_ENTRY, &p);

    if (r == 0)
        r = overlaid(p.mount) ? overlay_unlink(t, &p, flags) : HOST(t, SYS_unlinkat, p.dirfd, p.name, flags);
    path_done(&p);
    return r;
}

int64_t sys_renameat2(struct task *t, int olddirfd, gva_t oldpath, int newdirfd, gva_t newpath,
                      uint32_t flags)
{
    struct path old, new = { .hold = -1 };
    int64_t r = path_in(t, olddirfd, oldpath, PATH_ENTRY, &old);

    if (r == 0)
        r = path_in(t, newdirfd, newpath, PATH_ENTRY, &new);
    if (r == 0 && old.mount != new.mount)
        r = -EXDEV;
    if (r == 0)
        r = overlaid(old.mount) ? overlay_rename(t, &old, &new, flags)
                                : HOST(t, SYS_renameat2, old.dirfd, old.name, new.dirfd, new.name, flags);
    path_done(&old);
    path_done(&new);
    return r;
}

/* --- Names that the host tells, and the root --------------------------------------------------------- */

int64_t sys_getcwd(struct task *t, gva_t buf, uint64_t size)
{
    char path[PATH_MAX];
    int64_t n = t->proc->box ? view_cwd(t, path) : HOST(t, SYS_getcwd, path, sizeof path);

    if (n < 0)
        return n;
    n = (int64_t)root_guest_path(&t->proc->root, path) + 1;
    if ((uint64_t)n > size)
        return -ERANGE;
    return copy_out(t->mem, buf, path, (size_t)n) ? -EFAULT : n;
}

static int64_t readlink_boxed(struct task *t, int dirfd, gva_t path, gva_t buf, int bufsiz)
{
    char name[PATH_MAX], link[PATH_MAX];
    int64_t r = copy_str(t->mem, name, path, sizeof name);

    if (r < 0)
        return r;
    if (*name != '/' && fd_is_own(dirfd))
        return -EBADF;
    r = view_readlink(t, dirfd, name, link);
    if (r < 0)
        return r;
    r = MIN(r, bufsiz);
    return copy_out(t->mem, buf, link, (size_t)r) ? -EFAULT : r;
}

/* The links of /proc lead to what the host calls by its own names. */
int64_t sys_readlinkat(struct task *t, int dirfd, gva_t path, gva_t buf, int bufsiz)
{
    char link[PATH_MAX + 1];
    struct path p;
    int64_t n;

    if (bufsiz <= 0)
        return -EINVAL;
    if (t->proc->box)
        return readlink_boxed(t, dirfd, path, buf, bufsiz);
    n = path_in(t, dirfd, path, PATH_NOFOLLOW | PATH_TRY, &p);
    if (n == 0)
        do
            n = HOST(t, SYS_readlinkat, p.dirfd, p.name, link, sizeof link - 1);
        while (path_again(t, dirfd, path, PATH_NOFOLLOW, &p, &n));
    if (n < 0)
        return n;
    link[n] = '\0';
    if (root_on(&t->proc->root) && procfs_is_link(p.dirfd, p.name))
        n = (int64_t)root_guest_path(&t->proc->root, link);
    n = MIN(n, bufsiz);
    return copy_out(t->mem, buf, link, (size_t)n) ? -EFAULT : n;
}

/* From then on "/" is what the host says, with nothing laid over it. */
static int64_t root_changed(struct task *t, int64_t r)
{
    if (r == 0)
        t->proc->root.left = true;
    return r;
}

int64_t sys_chdir(struct task *t, gva_t path)
{
    struct path p;
    int64_t r = path_in(t, AT_FDCWD, path, PATH_FOLLOW, &p);

    if (r == 0)
        r = path_flatten(&p);
    if (r == 0)
        r = HOST(t, SYS_chdir, p.name);
    path_done(&p);
    if (t->proc->box)
        folders_moved(t->proc->box);
    return r;
}

/* In a box what is looked at is what becomes the working directory: no other thread puts another there meanwhile. */
int64_t sys_fchdir(struct task *t, int fd)
{
    int64_t r;

    if (fd_is_own(fd))
        return -EBADF;
    if (!t->proc->box)
        return HOST(t, SYS_fchdir, fd);
    fd_freeze();
    r = view_check_dir(t, fd);
    if (r == 0)
        r = HOST(t, SYS_fchdir, fd);
    fd_thaw();
    folders_moved(t->proc->box);
    return r;
}

int64_t sys_chroot(struct task *t, gva_t path)
{
    struct path p;
    int r = path_in(t, AT_FDCWD, path, PATH_FOLLOW, &p);

    if (r == 0)
        r = path_flatten(&p);
    return r < 0 ? r : root_changed(t, HOST(t, SYS_chroot, p.name));
}

int64_t sys_pivot_root(struct task *t, gva_t new_root, gva_t put_old)
{
    struct path new, old;
    int r = path_in(t, AT_FDCWD, new_root, PATH_FOLLOW, &new);

    if (r == 0)
        r = path_in(t, AT_FDCWD, put_old, PATH_FOLLOW, &old);
    if (r == 0)
        r = path_flatten(&new);
    if (r == 0)
        r = path_flatten(&old);
    return r < 0 ? r : root_changed(t, HOST(t, SYS_pivot_root, new.name, old.name));
}

/* --- Directories ------------------------------------------------------------------------------------- */

/* struct linux_dirent64, as bytes: ino 8, offset 8, length 2, type 1, name. */
enum { DENT_RECLEN = 16, DENT_NAME = 19 };

/* One call's worth of records; the C library asks for 32 KiB at most. */
#define DENTS_MAX 32768

/* Drops noahv's own descriptors from the records of an fd directory; returns the bytes that stay. */
static int64_t hide_own(char *dents, int64_t len)
{
    int64_t kept = 0;
    uint16_t reclen;

    for (int64_t at = 0; at + DENT_NAME < len; at += reclen) {
        const char *name = dents + at + DENT_NAME;

        memcpy(&reclen, dents + at + DENT_RECLEN, sizeof reclen);
        if (*name >= '0' && *name <= '9' && fd_is_own(atoi(name)))
            continue;
        memmove(dents + kept, dents + at, reclen);
        kept += reclen;
    }
    return kept;
}

static int64_t proc_dents(struct task *t, int fd, gva_t dirent, uint32_t count)
{
    char *dents = malloc(DENTS_MAX);
    int64_t r, kept;

    if (!dents)
        return -ENOMEM;
    do { /* again if nothing was left: 0 would mean the end */
        r = HOST(t, SYS_getdents64, fd, dents, MIN(count, DENTS_MAX));
        kept = r > 0 ? hide_own(dents, r) : r;
        if (kept > 0 && t->proc->box)
            kept = view_proc_filter(t, fd, dents, kept);
    } while (r > 0 && kept == 0);
    if (kept > 0 && copy_out(t->mem, dirent, dents, (size_t)kept))
        kept = -EFAULT;
    free(dents);
    return kept;
}

static int64_t host_dents(struct task *t, int fd, gva_t dirent, uint32_t count)
{
    int64_t r;

    do
        r = HOST(t, SYS_getdents64, fd, span(t, dirent, count), count);
    while (r == -EFAULT && gmem_resolve(t->mem, dirent, count));
    return r;
}

/* What it is of, and what is in it, of one and the same: no other thread puts another descriptor in its place meanwhile. */
static int64_t dents_boxed(struct task *t, int fd, gva_t dirent, uint32_t count)
{
    bool known = folders_is_folder(t, fd);
    int64_t r;

    if (view_overlay(t->proc->box->view) && !procfs_is_on(fd) &&
        (r = overlay_dents(t, fd, dirent, count)) != 1)
        return r;
    fd_freeze();
    r = !known && procfs_is_on(fd) ? proc_dents(t, fd, dirent, count) : host_dents(t, fd, dirent, count);
    fd_thaw();
    return r;
}

int64_t sys_getdents64(struct task *t, int fd, gva_t dirent, uint32_t count)
{
    if (fd_is_own(fd))
        return -EBADF;
    if (t->proc->box)
        return dents_boxed(t, fd, dirent, count);
    return procfs_is_fd_dir(fd) ? proc_dents(t, fd, dirent, count) : host_dents(t, fd, dirent, count);
}
