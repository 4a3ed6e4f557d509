/*
 * The pieces a box's file tree consists of, and where they come from. The root is a real folder on the host, made
 * for this box, that holds an empty place for each piece, so that listing it works; nobody may write there.
 */
#include "syscalls/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/places.h"
#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/learn.h"
#include "syscalls/overlay.h"

struct view {
    struct mount mount[PLACES_MAX]; /* in no order: view_mount() takes the longest dst */
    size_t n;
    char temp[256]; /* the folder on the host: "root", "tmp0", "tmp1" ... */
    int nr_tmps;
    int overlay; /* own descriptor of the folder of --overlay, which is locked; or -1 */
    int lock;    /* and of what is locked while names in it change (O_PATH) */
};

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

/* The host's path of a descriptor, as the kernel prints it. */
static int host_path(int fd, char out[PATH_MAX])
{
    char link[48];
    int64_t n;

    if (fd == AT_FDCWD) {
        n = HOST_RAW(SYS_getcwd, out, PATH_MAX) - 1;
        if (n < 0)
            return (int)n + 1;
    } else {
        snprintf(link, sizeof link, "thread-self/fd/%d", fd);
        n = HOST_RAW(SYS_readlinkat, procfs_dir(), link, out, PATH_MAX - 1);
        if (n < 0)
            return n == -ENOENT ? -EBADF : (int)n;
        out[n] = '\0';
    }
    if (n == 1) /* the host's root */
        out[0] = '\0';
    return 0;
}

int view_place(const struct view *v, int fd, char out[PATH_MAX])
{
    char host[PATH_MAX];
    int r = host_path(fd, host);

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

    if (host_path(fd, path) < 0)
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
    int root = up ? m->upper : m->fd;
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

/* --- Making them -------------------------------------------------------------------------------------- */

/* An own descriptor of a path, resolved as the host does it. */
static int own_path(int dirfd, const char *name, int flags, int *holder)
{
    int64_t fd = HOST_RAW(SYS_openat, dirfd, name, O_PATH | O_CLOEXEC | flags);
    int r;

    *holder = -1;
    if (fd < 0)
        return (int)fd;
    r = fd_own((int)fd, holder);
    if (r < 0)
        HOST_RAW(SYS_close, fd);
    return MIN(r, 0);
}

/* The next piece, nothing of it open yet; NULL: there are too many. */
static struct mount *add(struct view *v, enum place_kind kind, const char *dst, bool ro)
{
    size_t i = v->n;
    struct mount m = { .kind = kind, .fd = -1, .dir = -1, .upper = -1, .ro = ro, .dst = strdup(dst) };

    if (v->n == PLACES_MAX || !m.dst) {
        free(m.dst);
        return NULL;
    }
    v->mount[v->n++] = m;
    return &v->mount[i];
}

/* Opens a piece's source; a file gets its folder too. */
static int open_source(struct mount *m, const char *src)
{
    char path[PATH_MAX];
    struct stat st = { 0 };
    int r = own_path(AT_FDCWD, src, 0, &m->fd);

    if (r == 0)
        r = host_path(m->fd, path);
    if (r == 0)
        r = (m->src = strdup(path)) ? (int)HOST_RAW(SYS_fstat, m->fd, &st) : -ENOMEM;
    m->dev = r == 0 && !procfs_is_on(m->fd) ? st.st_dev : 0;
    if (r < 0 || S_ISDIR(st.st_mode))
        return r;
    m->name = strrchr(m->src, '/') + 1;
    snprintf(path, sizeof path, "%.*s", (int)(m->name - m->src), m->src);
    return own_path(AT_FDCWD, path, O_DIRECTORY, &m->dir);
}

static int add_bind(struct view *v, enum place_kind kind, const char *src, const char *dst, bool ro,
                    char *why)
{
    struct mount *m = add(v, kind, dst, ro);
    int r = m ? open_source(m, src) : -EMFILE;

    if (r < 0)
        snprintf(why, VIEW_WHY_MAX, "cannot give the box %s: %s", src, strerror(-r));
    return r;
}

static int add_tmpfs(struct view *v, const char *dst, char *why)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/tmp%d", v->temp, v->nr_tmps++);
    if (mkdir(path, 0700) < 0 || chmod(path, 01777) < 0) {
        snprintf(why, VIEW_WHY_MAX, "cannot make a folder for %s: %s", dst, strerror(errno));
        return -errno;
    }
    return add_bind(v, PLACE_TMPFS, path, dst, false, why);
}

/* In memory if the host lets us. */
static int make_temp(struct view *v, struct policy_shared *s, char *why)
{
    const char *tmp = getenv("TMPDIR");
    const char *const dirs[] = { "/dev/shm", tmp && *tmp == '/' ? tmp : "/tmp", "/tmp" };
    char path[sizeof v->temp + 8];

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        if ((size_t)snprintf(v->temp, sizeof s->temp, "%s/noahv-XXXXXX", dirs[i]) >= sizeof s->temp ||
            !mkdtemp(v->temp))
            continue;
        snprintf(s->temp, sizeof s->temp, "%.*s", (int)sizeof s->temp - 1, v->temp);
        snprintf(path, sizeof path, "%s/root", v->temp);
        if (mkdir(path, 0755) == 0)
            return 0;
    }
    snprintf(why, VIEW_WHY_MAX, "cannot make a temporary folder in /dev/shm or /tmp: %s", strerror(errno));
    return -errno;
}

static int add_root(struct view *v, bool ro, char *why)
{
    char path[sizeof v->temp + 8];
    struct mount *m = add(v, PLACE_EMPTY, "", ro);
    int r;

    snprintf(path, sizeof path, "%s/root", v->temp);
    r = m ? open_source(m, path) : -EMFILE;
    if (r < 0)
        snprintf(why, VIEW_WHY_MAX, "cannot open its temporary folder: %s", strerror(-r));
    return r;
}

static int add_proc(struct view *v, const char *src, const char *dst, char *why)
{
    struct mount *m = add(v, PLACE_PROC, dst, true);
    int r = m ? open_source(m, src) : -EMFILE;

    if (r < 0)
        snprintf(why, VIEW_WHY_MAX, "a box needs the host's %s: %s", src, strerror(-r));
    return r;
}

static bool is_place(const struct view *v, const char *dst)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->mount[i].dst, dst) == 0)
            return true;
    return false;
}

/* A piece of the host's that is, or holds, a /proc: that one is the box's view of it, too. */
static int cover_proc(struct view *v, const char *src, char *why)
{
    size_t n = v->n;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct mount *m = &v->mount[i];
        const char *rel = m->kind == PLACE_BIND && m->dir < 0 ? place_below(src, m->src) : NULL;
        char dst[PATH_MAX];

        if (!rel)
            continue;
        snprintf(dst, sizeof dst, "%s%s%s", m->dst, *rel ? "/" : "", rel);
        if (!*rel) {
            m->kind = PLACE_PROC;
            m->ro = true;
        } else if (!is_place(v, dst)) {
            r = add_proc(v, src, dst, why);
        }
    }
    return r;
}

static int cover_procs(struct view *v, char *why)
{
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    char line[2 * PATH_MAX];
    struct mntent e;
    int r = 0;

    while (mounts && r == 0 && getmntent_r(mounts, &e, line, sizeof line))
        if (strcmp(e.mnt_type, "proc") == 0)
            r = cover_proc(v, e.mnt_dir, why);
    if (mounts)
        endmntent(mounts);
    return r;
}

static int add_place(struct view *v, const struct policy_place *p, char *why)
{
    switch (p->kind) {
    case PLACE_TMPFS:
        return add_tmpfs(v, p->dst, why);
    case PLACE_PROC:
        return add_proc(v, "/proc", p->dst, why);
    case PLACE_EMPTY:
        return add_root(v, p->ro, why);
    case PLACE_DEVICE:
        if (access(p->src, F_OK) < 0)
            return 0;
        break;
    default:
        break;
    }
    return add_bind(v, p->kind, p->src, p->dst, p->ro, why);
}

/* A folder that is there already will do, a link to one will not: it would be the host's. */
static int make_folder(const char *path)
{
    struct stat st;

    if (mkdir(path, 0755) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Makes the folders on the way to `rel` in a piece of our own; `path` is what is then to be made. */
static int make_way(const struct mount *in, const char *rel, char path[PATH_MAX])
{
    char *slash;
    int r = 0;

    if ((size_t)snprintf(path, PATH_MAX, "%s/%s", in->src, rel) >= PATH_MAX)
        return -ENAMETOOLONG;
    for (slash = path + strlen(in->src); r == 0 && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        r = make_folder(path);
        *slash = '/';
    }
    return r;
}

/* Makes the empty file or folder that a piece covers. */
static int make_place(const struct mount *in, const char *rel, bool folder)
{
    char path[PATH_MAX];
    int r = make_way(in, rel, path), fd;

    if (r < 0 || folder)
        return r < 0 ? r : make_folder(path);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* The piece around a place, which has a name in it. */
static const struct mount *around(const struct view *v, const char *dst, const char **rel)
{
    char parent[PATH_MAX];
    const struct mount *in;

    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(dst, '/') - dst), dst);
    in = view_mount(v, parent, rel);
    *rel = place_below(dst, in->dst);
    return in;
}

static int no_place(const struct mount *in, const char *dst, int err, char *why)
{
    snprintf(why, VIEW_WHY_MAX, "there is no place for %s in the folder that is granted as %s: %s", dst,
             *in->dst ? in->dst : "/", strerror(-err));
    return err;
}

/* A place in the piece around it. In a folder of the host's nothing is made: the way to it must be there. */
static int place(const struct view *v, const char *dst, bool folder, char *why)
{
    const struct mount *in;
    char parent[PATH_MAX];
    const char *rel;
    struct stat st;
    int r = 0;

    if (!*dst) {
        if (!folder)
            snprintf(why, VIEW_WHY_MAX, "the root of a box must be a folder");
        return folder ? 0 : -ENOTDIR;
    }
    in = around(v, dst, &rel);
    snprintf(parent, sizeof parent, "%.*s", (int)MAX(strrchr(dst, '/') - rel, 0), rel);
    if (in->dir >= 0)
        r = -ENOTDIR;
    else if (place_below(in->src, v->temp))
        r = make_place(in, rel, folder);
    else if (*parent && fstatat(in->fd, parent, &st, 0) < 0)
        r = -errno;
    return r < 0 ? no_place(in, dst, r, why) : 0;
}

/* A folder that is nothing but a place; one of the host's folder's own will do. */
static int place_dir(const struct view *v, const char *dst, char *why)
{
    const struct mount *in;
    const char *rel;
    struct stat st;
    int r = place(v, dst, true, why);

    if (r < 0 || !*dst)
        return r;
    in = around(v, dst, &rel);
    return fstatat(in->fd, rel, &st, 0) < 0 ? no_place(in, dst, -errno, why) : 0;
}

/* A symbolic link, in a piece of our own. */
static int place_link(const struct view *v, const struct policy_place *link, char *why)
{
    char path[PATH_MAX];
    const struct mount *in;
    const char *rel;
    int r = *link->dst ? 0 : -EEXIST;

    if (r == 0) {
        in = around(v, link->dst, &rel);
        r = place_below(in->src, v->temp) ? make_way(in, rel, path) : -EROFS;
    }
    if (r == 0 && symlink(link->src, path) < 0)
        r = -errno;
    if (r < 0)
        snprintf(why, VIEW_WHY_MAX, "there is no place for the link %s: %s", *link->dst ? link->dst : "/",
                 strerror(-r));
    return r;
}

/* Folders and links that are nothing but a place. */
static int place_others(const struct view *v, const struct noahv_policy *p, char *why)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->nr_places; i++)
        if (p->place[i].kind == PLACE_DIR)
            r = place_dir(v, p->place[i].dst, why);
        else if (p->place[i].kind == PLACE_LINK)
            r = place_link(v, &p->place[i], why);
    return r;
}

/* At its own path, or where that does not exist in the box, in its root. */
int view_add_file(struct view *v, const char *host, char out[PATH_MAX], char *why)
{
    struct mount *m;
    char *dst;
    int r = add_bind(v, PLACE_BIND, host, host, true, why);

    if (r < 0)
        return r;
    m = &v->mount[v->n - 1];
    if (place(v, m->dst, m->dir < 0, why) < 0) {
        dst = strdup(strrchr(host, '/'));
        if (!dst)
            return -ENOMEM;
        free(m->dst);
        m->dst = dst;
    }
    snprintf(out, PATH_MAX, "%s", m->dst);
    return 0;
}

/* As on every Linux, where the folder is ours. */
static void link_streams(const struct view *v)
{
    static const char *const links[][2] = { { "/proc/self/fd", "fd" },
                                            { "/proc/self/fd/0", "stdin" },
                                            { "/proc/self/fd/1", "stdout" },
                                            { "/proc/self/fd/2", "stderr" } };
    char path[sizeof v->temp + 32];

    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        snprintf(path, sizeof path, "%s/root/dev/%s", v->temp, links[i][1]);
        if (symlink(links[i][0], path) < 0)
            return; /* there is no such folder */
    }
}

/* --- Overlays ----------------------------------------------------------------------------------------- */

/* A descriptor that becomes noahv's own. */
static int keep_own(int fd, int *holder)
{
    int r = fd < 0 ? fd : fd_own(fd, holder);

    if (r < 0 && fd >= 0)
        close(fd);
    return MIN(r, 0);
}

/* A piece gets its upper layer. */
static int cover(const struct view *v, struct mount *m, const char *src, const char *dst)
{
    char path[PATH_MAX];
    int r = keep_own(overlay_add(v->overlay, src, dst, m->fd), &m->upper);

    if (r == 0)
        r = host_path(m->upper, path);
    if (r == 0 && !(m->upper_src = strdup(path)))
        r = -ENOMEM;
    return r;
}

/* A file that may be written is copied up at once, into an upper layer of its folder; the copy is the piece then. */
static int cover_file(const struct view *v, struct mount *m)
{
    struct mount folder = { .kind = PLACE_BIND, .fd = m->dir, .dir = -1, .upper = -1 };
    char src[PATH_MAX], dst[PATH_MAX], path[PATH_MAX];
    int r;

    snprintf(src, sizeof src, "%.*s", (int)(m->name - m->src - 1), m->src);
    snprintf(dst, sizeof dst, "%.*s", (int)(strrchr(m->dst, '/') - m->dst), m->dst);
    if (strcmp(strrchr(m->dst, '/') + 1, m->name) != 0)
        return -EXDEV; /* what was changed could not be told by one name */
    r = cover(v, &folder, src, dst);
    if (r == 0)
        r = (int)overlay_lift(v, &folder, m->name);
    snprintf(path, sizeof path, "%s/%s", r == 0 ? folder.upper_src : "", m->name);
    free(folder.upper_src);
    if (folder.upper >= 0)
        fd_release(folder.upper);
    if (r < 0)
        return r;
    fd_release(m->fd);
    fd_release(m->dir);
    free(m->src);
    m->src = NULL;
    return open_source(m, path);
}

/* Does one of the two lie in the other? */
static bool overlap(const char *a, const char *b)
{
    return place_below(a, b) || place_below(b, a);
}

/* What may be written. What goes away with the box anyway needs no layer. */
static int cover_piece(const struct view *v, const char *overlay, struct mount *m, char *why)
{
    struct stat st;
    int r = 0;

    if (m->kind == PLACE_PROC || m->kind == PLACE_TMPFS)
        return 0;
    if (overlap(m->src, overlay)) {
        snprintf(why, VIEW_WHY_MAX,
                 "the overlay %.200s and %.200s, which the box is given, lie in one another", overlay,
                 *m->src ? m->src : "/");
        return -EINVAL;
    }
    if (m->ro || fstat(m->fd, &st) < 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
        return 0;
    r = S_ISDIR(st.st_mode) ? cover(v, m, m->kind == PLACE_EMPTY ? NULL : m->src, m->dst) : cover_file(v, m);
    if (r == -EXDEV)
        snprintf(why, VIEW_WHY_MAX,
                 "the file %.200s has another name in the box, which an overlay cannot keep", m->src);
    else if (r < 0)
        snprintf(why, VIEW_WHY_MAX, "cannot overlay %.200s: %s", m->src, strerror(-r));
    return r;
}

static int add_overlay(struct view *v, const char *dir, char *why)
{
    char path[PATH_MAX];
    int r = keep_own(overlay_open(dir, true, why), &v->overlay);

    if (r == 0 && (r = own_path(v->overlay, "lock", O_DIRECTORY | O_NOFOLLOW, &v->lock)) == 0)
        r = host_path(v->overlay, path);
    for (size_t i = 0; r == 0 && i < v->n; i++)
        r = cover_piece(v, path, &v->mount[i], why);
    return r;
}

int view_create(const struct noahv_policy *p, struct view **out, char *why)
{
    struct view *v = calloc(1, sizeof *v);
    struct policy_place list[PLACES_MAX];
    size_t n = policy_places(p, list);
    int r;

    if (!v)
        return -ENOMEM;
    v->overlay = v->lock = -1;
    r = make_temp(v, p->shared, why);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_place(v, &list[i], why);
    if (r == 0)
        r = cover_procs(v, why);
    for (size_t i = 0; r == 0 && i < v->n; i++) { /* each has its way, whatever their order */
        r = place(v, v->mount[i].dst, v->mount[i].dir < 0, why);
        if (r < 0 && v->mount[i].kind == PLACE_DEVICE) /* left out where there is none for it */
            r = 0;
    }
    if (r == 0)
        r = place_others(v, p, why);
    if (r == 0 && p->overlay)
        r = add_overlay(v, p->overlay, why);
    if (r < 0) {
        view_free(v);
        return r;
    }
    link_streams(v);
    *out = v;
    return 0;
}

void view_free(struct view *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n; i++) {
        if (v->mount[i].fd >= 0)
            fd_release(v->mount[i].fd);
        if (v->mount[i].dir >= 0)
            fd_release(v->mount[i].dir);
        if (v->mount[i].upper >= 0)
            fd_release(v->mount[i].upper);
        free(v->mount[i].dst);
        free(v->mount[i].src);
        free(v->mount[i].upper_src);
    }
    if (v->lock >= 0)
        fd_release(v->lock);
    if (v->overlay >= 0)
        fd_release(v->overlay);
    free(v);
}
