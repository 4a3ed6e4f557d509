/*
 * The two layers of an overlaid piece: which of them has what a path means, and how something of the lower one gets into
 * the upper one. Removing and moving names is in overlay_names.c.
 */
#include "syscalls/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"

#define LOOK (O_PATH | O_NOFOLLOW | O_CLOEXEC)

/* --- Looking ------------------------------------------------------------------------------------------ */

/* Is the name cut off in this upper folder? */
static bool is_cut(int dir, const char *name)
{
    char at[sizeof OVERLAY_CUT + NAME_MAX + 2];
    struct stat st;

    snprintf(at, sizeof at, OVERLAY_CUT "/%s", name);
    return HOST_RAW(SYS_newfstatat, dir, at, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Down the upper layer by steps: a name that is cut off hides all that the lower one has from there on. */
int64_t overlay_find(const struct mount *m, const char *rel, bool *lower)
{
    int64_t dir = HOST_RAW(SYS_openat, m->upper, ".", LOOK | O_DIRECTORY), next;
    char name[NAME_MAX + 1];

    *lower = true;
    while (dir >= 0 && *rel) {
        size_t n = strcspn(rel, "/");

        if (n > NAME_MAX) {
            next = -ENAMETOOLONG;
        } else {
            snprintf(name, sizeof name, "%.*s", (int)n, rel);
            next = HOST_RAW(SYS_openat, dir, name, LOOK | (rel[n] ? O_DIRECTORY : 0));
            if (*lower && is_cut((int)dir, name)) /* asked last: it is cut off before it vanishes here */
                *lower = false;
        }
        HOST_RAW(SYS_close, dir);
        rel += n + (rel[n] == '/');
        dir = next;
    }
    return dir;
}

int64_t overlay_look(const struct mount *m, const char *rel, bool *up)
{
    int64_t fd = view_down(NULL, m, true, rel, LOOK, 0); /* at once, if it is in the upper layer */
    bool lower;

    *up = true;
    if (fd != -ENOENT)
        return fd;
    fd = overlay_find(m, rel, &lower);
    if (fd != -ENOENT || !lower)
        return fd;
    *up = false;
    return view_down(NULL, m, false, rel, LOOK, 0);
}

int64_t overlay_lower(const struct mount *m, const char *rel)
{
    bool lower;
    int64_t fd = overlay_find(m, rel, &lower);

    if (fd >= 0)
        HOST_RAW(SYS_close, fd);
    else if (fd != -ENOENT)
        return fd;
    return lower ? view_down(NULL, m, false, rel, LOOK, 0) : -ENOENT;
}

/*
 * A folder keeps its number when it gets a part in the upper layer: programs that walk trees compare. Only one that is
 * open there can have another than what it is told to have.
 */
bool overlay_identity(const struct view *v, int fd, struct overlay_id *id)
{
    char at[PATH_MAX];
    const char *rel;
    const struct mount *m;
    struct stat st;
    int64_t low;
    bool found;

    if (!view_overlay(v) || !view_is_upper(v, fd) || view_place(v, fd, at) < 0)
        return false;
    m = view_mount(v, at, &rel);
    low = m ? overlay_lower(m, rel) : -ENOENT;
    if (low < 0)
        return false;
    found = HOST_RAW(SYS_fstat, low, &st) == 0 && S_ISDIR(st.st_mode);
    HOST_RAW(SYS_close, low);
    *id = (struct overlay_id){ st.st_dev, st.st_ino };
    return found;
}

void overlay_tell(const struct view *v, int fd, struct stat *st)
{
    struct overlay_id id;

    if (!S_ISDIR(st->st_mode) || !overlay_identity(v, fd, &id))
        return;
    st->st_dev = id.dev;
    st->st_ino = id.ino;
    st->st_nlink = OVERLAY_NLINK;
}

/* --- The lock ----------------------------------------------------------------------------------------- */

/* Each time a description of its own: it excludes threads as well as processes, and ends with who holds it. */
int64_t overlay_lock(const struct view *v, int *hold)
{
    int64_t fd = fd_open(view_lock(v), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    *hold = -1;
    if (fd < 0)
        return fd;
    r = fd_own((int)fd, hold);
    if (r < 0) {
        HOST_RAW(SYS_close, fd);
        return r;
    }
    do
        r = HOST_RAW(SYS_flock, *hold, LOCK_EX);
    while (r == -EINTR);
    if (r < 0)
        fd_release(*hold);
    return r;
}

void overlay_unlock(const int *hold)
{
    fd_release(*hold);
}

/* --- Copying up --------------------------------------------------------------------------------------- */

/* By the link of /proc: works for descriptors of O_PATH too. */
static const char *link_of(int fd, char out[32])
{
    snprintf(out, 32, "self/fd/%d", fd);
    return out;
}

static void set_mode(int fd, uint32_t mode)
{
    char link[32];

    HOST_RAW(SYS_fchmodat, procfs_dir(), link_of(fd, link), mode & 07777);
}

/* Its group, where that is one of ours: the rest belongs to whoever runs the box. */
static void set_group(int fd, const struct stat *st)
{
    char link[32];

    HOST_RAW(SYS_fchownat, procfs_dir(), link_of(fd, link), -1, st->st_gid, 0);
}

static void set_times(int fd, const struct stat *st)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    char link[32];

    HOST_RAW(SYS_utimensat, procfs_dir(), link_of(fd, link), times, 0);
}

/* An upper folder gets something that has been in it all along: it may have to be writable, and does not change. */
struct keep {
    int dir;
    struct stat st;
    bool opened;
};

static void keep_begin(struct keep *k, int dir)
{
    k->dir = dir;
    k->opened = HOST_RAW(SYS_fstat, dir, &k->st) == 0 && (k->st.st_mode & 0300) != 0300;
    if (k->opened)
        set_mode(dir, k->st.st_mode | 0300);
}

static void keep_end(const struct keep *k)
{
    if (k->opened)
        set_mode(k->dir, k->st.st_mode);
    set_times(k->dir, &k->st);
}

/* The user's own attributes and access lists; capabilities and labels are the host's. */
static bool copied(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0;
}

static void copy_xattrs(int from, int to)
{
    enum { SIZE = 65536 };
    char *list = malloc((size_t)2 * SIZE), *value = list + SIZE;
    int64_t n = list ? HOST_RAW(SYS_flistxattr, from, list, SIZE) : 0, size;

    for (int64_t at = 0; at < n; at += (int64_t)strlen(list + at) + 1)
        if (copied(list + at) && (size = HOST_RAW(SYS_fgetxattr, from, list + at, value, SIZE)) >= 0)
            HOST_RAW(SYS_fsetxattr, to, list + at, value, size, 0);
    free(list);
}

/* What is copied up, and to where. */
struct lift {
    const struct mount *m;
    const char *rel;
    int dir; /* its upper folder */
    const char *name;
    int low; /* O_PATH of it in the lower layer */
    struct stat st;
};

/* The size that a file may have (--fsize); the signal for more is the program's, which did not write it. */
static bool too_large(const struct stat *st)
{
    struct rlimit r;

    return HOST_RAW(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &r) == 0 && (uint64_t)st->st_size > r.rlim_cur;
}

/* Filled under a name that nobody sees, then moved to its own. */
static int64_t lift_file(const struct lift *l)
{
    int64_t from, to, r;
    struct stat st;

    from = view_down(NULL, l->m, false, l->rel, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (from < 0)
        return from;
    HOST_RAW(SYS_unlinkat, l->dir, OVERLAY_NEW, 0); /* of somebody who was killed here */
    to = HOST_RAW(SYS_openat, l->dir, OVERLAY_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    r = to < 0 ? to : HOST_RAW(SYS_fstat, from, &st);
    if (r == 0 && (!S_ISREG(st.st_mode) || st.st_ino != l->st.st_ino || st.st_dev != l->st.st_dev))
        r = -ENOENT;
    if (r == 0)
        r = too_large(&st) ? -EFBIG : overlay_copy((int)from, (int)to, st.st_size);
    if (r == 0) {
        copy_xattrs((int)from, (int)to);
        set_group((int)to, &st);
        set_mode((int)to, st.st_mode);
        set_times((int)to, &st);
        r = HOST_RAW(SYS_renameat2, l->dir, OVERLAY_NEW, l->dir, l->name, 0);
    }
    if (r < 0 && to >= 0)
        HOST_RAW(SYS_unlinkat, l->dir, OVERLAY_NEW, 0);
    if (to >= 0)
        HOST_RAW(SYS_close, to);
    HOST_RAW(SYS_close, from);
    return r;
}

static int64_t lift_folder(const struct lift *l)
{
    int64_t r = HOST_RAW(SYS_mkdirat, l->dir, l->name, 0700), from, to;

    if (r < 0)
        return r;
    to = HOST_RAW(SYS_openat, l->dir, l->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0)
        return to;
    from = view_down(NULL, l->m, false, l->rel, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (from >= 0) {
        copy_xattrs((int)from, (int)to);
        HOST_RAW(SYS_close, from);
    }
    set_group((int)to, &l->st);
    set_mode((int)to, l->st.st_mode);
    set_times((int)to, &l->st);
    HOST_RAW(SYS_close, to);
    return 0;
}

static int64_t lift_link(const struct lift *l)
{
    const struct timespec times[] = { l->st.st_atim, l->st.st_mtim };
    char target[PATH_MAX];
    int64_t r = HOST_RAW(SYS_readlinkat, l->low, "", target, sizeof target - 1);

    if (r < 0)
        return r;
    target[r] = '\0';
    r = HOST_RAW(SYS_symlinkat, target, l->dir, l->name);
    if (r == 0)
        HOST_RAW(SYS_utimensat, l->dir, l->name, times, AT_SYMLINK_NOFOLLOW);
    return r;
}

/* Pipes and sockets without whoever is at their other end. */
static int64_t lift_node(const struct lift *l)
{
    int64_t r = HOST_RAW(SYS_mknodat, l->dir, l->name, (l->st.st_mode & S_IFMT) | 0600, 0), fd;

    fd = r < 0 ? r : HOST_RAW(SYS_openat, l->dir, l->name, LOOK);
    if (fd >= 0) {
        set_group((int)fd, &l->st);
        set_mode((int)fd, l->st.st_mode);
        set_times((int)fd, &l->st);
        HOST_RAW(SYS_close, fd);
    }
    return MIN(fd, 0);
}

static int64_t lift_object(const struct lift *l)
{
    struct keep keep;
    int64_t r;

    keep_begin(&keep, l->dir);
    switch (l->st.st_mode & S_IFMT) {
    case S_IFREG:
        r = lift_file(l);
        break;
    case S_IFDIR:
        r = lift_folder(l);
        break;
    case S_IFLNK:
        r = lift_link(l);
        break;
    case S_IFIFO:
    case S_IFSOCK:
        r = lift_node(l);
        break;
    default: /* a device */
        r = -EPERM;
    }
    keep_end(&keep);
    return r;
}

/* One name in an upper folder that is open; not there yet, and the lower layer's counts. */
static int64_t lift_into(const struct mount *m, const char *rel, int dir)
{
    const char *slash = strrchr(rel, '/');
    struct lift l = { .m = m, .rel = rel, .dir = dir, .name = slash ? slash + 1 : rel };
    int64_t r;

    l.low = (int)view_down(NULL, m, false, rel, LOOK, 0);
    if (l.low < 0)
        return l.low;
    r = HOST_RAW(SYS_fstat, l.low, &l.st);
    if (r == 0)
        r = lift_object(&l);
    HOST_RAW(SYS_close, l.low);
    return r;
}

/* Folders are made from above, each in the one before. */
static int64_t dir_locked(const struct mount *m, const char *rel)
{
    int64_t dir = HOST_RAW(SYS_openat, m->upper, ".", LOOK | O_DIRECTORY), next;
    const char *end = rel;
    char at[PATH_MAX];
    bool lower = true;

    while (dir >= 0 && *end) {
        const char *name = end;

        end += strcspn(end, "/");
        snprintf(at, sizeof at, "%.*s", (int)(end - rel), rel);
        lower = lower && !is_cut((int)dir, at + (name - rel));
        next = HOST_RAW(SYS_openat, dir, at + (name - rel), LOOK | O_DIRECTORY);
        if (next == -ENOENT && lower) {
            next = lift_into(m, at, (int)dir);
            if (next == 0)
                next = HOST_RAW(SYS_openat, dir, at + (name - rel), LOOK | O_DIRECTORY);
        }
        HOST_RAW(SYS_close, dir);
        dir = next;
        end += *end == '/';
    }
    return dir;
}

int64_t overlay_dir(const struct view *v, const struct mount *m, const char *rel)
{
    int64_t fd = view_down(NULL, m, true, rel, LOOK | O_DIRECTORY, 0), r;
    int hold;

    if (fd != -ENOENT)
        return fd;
    r = overlay_lock(v, &hold);
    if (r < 0)
        return r;
    fd = dir_locked(m, rel);
    overlay_unlock(&hold);
    return fd;
}

int64_t overlay_lift_locked(const struct mount *m, const char *rel)
{
    const char *slash = strrchr(rel, '/');
    char folder[PATH_MAX];
    bool lower;
    int64_t fd = overlay_find(m, rel, &lower), r;

    if (fd >= 0) {
        HOST_RAW(SYS_close, fd);
        return 0;
    }
    if (fd != -ENOENT || !lower)
        return fd;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - rel) : 0, rel);
    fd = dir_locked(m, folder);
    if (fd < 0)
        return fd;
    r = lift_into(m, rel, (int)fd);
    HOST_RAW(SYS_close, fd);
    return r;
}

int64_t overlay_lift(const struct view *v, const struct mount *m, const char *rel)
{
    int hold;
    int64_t r = overlay_lock(v, &hold);

    if (r < 0)
        return r;
    r = overlay_lift_locked(m, rel);
    overlay_unlock(&hold);
    return r;
}
