/*
 * A view is made: the root is a real folder on the host, for this box alone, that holds an empty place for each piece, so
 * that listing it works; nobody may write there.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/mountns.h"
#include "syscalls/overlay.h"
#include "syscalls/viewtree.h"

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
    struct mount m = { .kind = kind, .root.fd = -1, .dir = -1, .upper = -1, .ro = ro, .dst = strdup(dst) };

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
    int r = own_path(AT_FDCWD, src, 0, &m->root.fd);

    if (r == 0)
        r = view_host_path(m->root.fd, path);
    if (r == 0)
        r = (m->src = strdup(path)) ? (int)HOST_RAW(SYS_fstat, m->root.fd, &st) : -ENOMEM;
    m->dev = r == 0 && !procfs_is_on(m->root.fd) ? st.st_dev : 0;
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

/* Is something mounted in a piece, or below it? */
static bool find_crossed(struct view *v, const char *dir)
{
    bool found = false;

    for (size_t i = 0; i < v->n; i++) {
        const char *rel = place_below(dir, v->mount[i].src);

        v->mount[i].crossed |= rel && *rel;
        found |= rel != NULL;
    }
    return found;
}

static int cover_procs(struct view *v, char *why)
{
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    char line[2 * PATH_MAX];
    struct mntent e;
    int r = 0;

    while (mounts && r == 0 && getmntent_r(mounts, &e, line, sizeof line))
        if (find_crossed(v, e.mnt_dir) && strcmp(e.mnt_type, "proc") == 0)
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
    else if (*parent && fstatat(in->root.fd, parent, &st, 0) < 0)
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
    return fstatat(in->root.fd, rel, &st, 0) < 0 ? no_place(in, dst, -errno, why) : 0;
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
    int r = keep_own(overlay_add(v->overlay, src, dst, m->root.fd), &m->upper);

    if (r == 0)
        r = view_host_path(m->upper, path);
    if (r == 0 && !(m->upper_src = strdup(path)))
        r = -ENOMEM;
    return r;
}

/* A file that may be written is copied up at once, into an upper layer of its folder; the copy is the piece then. */
static int cover_file(const struct view *v, struct mount *m)
{
    struct mount folder = { .kind = PLACE_BIND, .root.fd = m->dir, .dir = -1, .upper = -1 };
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
    fd_release(m->root.fd);
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
    if (m->ro || fstat(m->root.fd, &st) < 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
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
        r = view_host_path(v->overlay, path);
    for (size_t i = 0; r == 0 && i < v->n; i++)
        r = cover_piece(v, path, &v->mount[i], why);
    return r;
}

/* --- Mounts ------------------------------------------------------------------------------------------- */

static bool is_folder(const struct mount *m)
{
    return (m->kind == PLACE_BIND || m->kind == PLACE_TMPFS) && m->dir < 0 && !overlaid(m);
}

/* What is mounted below a folder would not be there in a mount of its own. */
static size_t to_enclose(struct view *v, struct mountns_folder f[PLACES_MAX], struct mount *of[PLACES_MAX])
{
    size_t n = 0;

    for (struct mount *m = v->mount; m < v->mount + v->n; m++)
        if (is_folder(m) && !m->crossed) {
            f[n] = (struct mountns_folder){ .path = m->src, .fd = m->root.fd, .ro = m->ro };
            of[n++] = m;
        }
    return n;
}

/* Takes the mount for the piece, if the kernel calls it what it is on the host: in some chroots it does not. */
static int take_mount(const struct view *v, struct mount *m, int mount)
{
    char path[PATH_MAX];
    int r = view_host_path(mount, path);

    if (r == 0 && strcmp(path, m->src) != 0)
        r = -ENOENT;
    if (r == 0)
        r = fd_renew(m->root.fd, mount);
    if (r < 0)
        return r;
    m->root.m = m;
    m->root.dev = m->dev;
    m->root.clear = !view_covers(v, m->dst);
    return 0;
}

int view_enclose(struct view *v, const struct mount **left)
{
    struct mountns_folder f[PLACES_MAX];
    struct mount *of[PLACES_MAX];
    size_t n = to_enclose(v, f, of);
    int r = n ? keep_own(mountns_make(f, n), &v->mountns) : 0;

    for (size_t i = 0; i < n; i++)
        if (f[i].mount >= 0) {
            if (r == 0)
                take_mount(v, of[i], f[i].mount);
            HOST_RAW(SYS_close, f[i].mount);
        }
    *left = NULL;
    for (const struct mount *m = v->mount; r == 0 && m < v->mount + v->n; m++)
        if (is_folder(m) && !m->root.m)
            *left = m;
    return *left ? -EXDEV : r;
}

int view_create(const struct noahv_policy *p, struct view **out, char *why)
{
    struct view *v = calloc(1, sizeof *v);
    struct policy_place list[PLACES_MAX];
    size_t n = policy_places(p, list);
    int r;

    if (!v)
        return -ENOMEM;
    v->overlay = v->lock = v->mountns = -1;
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
        if (v->mount[i].root.fd >= 0)
            fd_release(v->mount[i].root.fd);
        if (v->mount[i].dir >= 0)
            fd_release(v->mount[i].dir);
        if (v->mount[i].upper >= 0)
            fd_release(v->mount[i].upper);
        free(v->mount[i].dst);
        free(v->mount[i].src);
        free(v->mount[i].upper_src);
    }
    if (v->mountns >= 0)
        fd_release(v->mountns);
    if (v->lock >= 0)
        fd_release(v->lock);
    if (v->overlay >= 0)
        fd_release(v->overlay);
    free(v);
}
