/*
 * What a box has written to its overlay: told, and made so in the files below. The upper layer is a hostile program's
 * work: names, types, modes and depth are taken as they are and nothing in it is followed. Every folder is reached from
 * the one above, by a name that is no link.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "noahv.h"
#include "policy/overlay.h"
#include "policy/policy.h"

#define DEPTH_MAX 200 /* three descriptors each */
#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct job {
    noahv_change_visit_fn visit;
    void *opaque;
    bool apply;
    bool refused; /* something */
    unsigned depth;
    char path[2 * PATH_MAX]; /* in the box */
};

/* A folder in all three trees. */
struct level {
    struct level *above; /* NULL: the folder `to` is open */
    const char *name;    /* in it */
    int up, low;         /* low: -1 where there is none */
    bool merged;         /* names of low count, but for those that are cut off */
    int to;              /* what is to be changed; -1: not needed yet */
    mode_t mode;
    bool set_mode; /* of `to`, in the end */
};

/* Names in a folder, in order. */
struct names {
    char **at;
    size_t n;
};

/* --- Reading ------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->at[i]);
    free(s->at);
    *s = (struct names){ 0 };
}

static int add_name(struct names *s, const char *name)
{
    char **at;

    if (!(s->n & (s->n - 1))) { /* there is room for a power of two */
        at = realloc(s->at, (s->n ? 2 * s->n : 1) * sizeof *s->at);
        if (!at)
            return -ENOMEM;
        s->at = at;
    }
    s->at[s->n] = strdup(name);
    return s->at[s->n] ? (s->n++, 0) : -ENOMEM;
}

/* Those of an open folder, but for the overlay's own. */
static int read_names(int fd, struct names *s)
{
    int copy = openat(fd, ".", FOLDER);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    int r = 0;

    if (!d) {
        r = -errno;
        if (copy >= 0)
            close(copy);
        return r;
    }
    while (r == 0 && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !overlay_is_own(e->d_name))
            r = add_name(s, e->d_name);
    closedir(d);
    if (s->n)
        qsort(s->at, s->n, sizeof *s->at, by_name);
    return r;
}

static bool has_name(const struct names *s, const char *name)
{
    return s->n && bsearch(&name, s->at, s->n, sizeof *s->at, by_name);
}

/* The names that are cut off in an upper folder. */
static int read_cuts(int up, struct names *s)
{
    int fd = openat(up, OVERLAY_CUT, FOLDER), r = 0;

    if (fd >= 0) {
        r = read_names(fd, s);
        close(fd);
    }
    return r;
}

/*
 * Opens a regular file or a folder of the upper layer, which its owner may have closed to himself; it is as before
 * afterwards.
 */
static int open_own(int dir, const char *name, int flags)
{
    int at = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd;
    char link[32];
    struct stat st;

    if (at < 0)
        return -errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    if (fstat(at, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        close(at);
        return -EINVAL;
    }
    fd = open(link, flags | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && chmod(link, (st.st_mode & 07777) | 0700) == 0) {
        fd = open(link, flags | O_CLOEXEC);
        chmod(link, st.st_mode & 07777);
    }
    fd = fd < 0 ? -errno : fd;
    close(at);
    return fd;
}

/* --- Comparing ---------------------------------------------------------------------------------------- */

/* What counts of a mode. */
static mode_t mode_of(const struct stat *st)
{
    return st->st_mode & (S_ISDIR(st->st_mode) ? 01777 : 0777);
}

static bool same_bytes(int a, int b)
{
    char x[16384], y[sizeof x];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(a, x, sizeof x, at)) > 0) {
        if (pread(b, y, (size_t)n, at) != n || memcmp(x, y, (size_t)n) != 0)
            return false;
        at += n;
    }
    return n == 0;
}

static bool same_file(const struct level *l, const char *name)
{
    int a = open_own(l->up, name, O_RDONLY),
        b = openat(l->low, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool same = a >= 0 && b >= 0 && same_bytes(a, b);

    if (a >= 0)
        close(a);
    if (b >= 0)
        close(b);
    return same;
}

static bool same_link(const struct level *l, const char *name)
{
    char a[PATH_MAX], b[PATH_MAX];
    ssize_t n = readlinkat(l->up, name, a, sizeof a), m = readlinkat(l->low, name, b, sizeof b);

    return n >= 0 && n == m && memcmp(a, b, (size_t)n) == 0;
}

/* 'A', 'M', or 0: as below. */
static char differs(const struct level *l, const char *name, const struct stat *up, const struct stat *low)
{
    if (!low)
        return 'A';
    if ((up->st_mode & S_IFMT) != (low->st_mode & S_IFMT))
        return 'M';
    if (S_ISLNK(up->st_mode))
        return same_link(l, name) ? 0 : 'M';
    if (mode_of(up) != mode_of(low))
        return 'M';
    return S_ISREG(up->st_mode) && (up->st_size != low->st_size || !same_file(l, name)) ? 'M' : 0;
}

/* --- Applying ----------------------------------------------------------------------------------------- */

static void refuse(struct job *j, const char *cause)
{
    j->refused = true;
    j->visit(j->opaque, '!', j->path, cause);
}

/* The folder that is to be changed, made if need be: a descriptor or -errno. */
static int target(struct level *l)
{
    int dir, fd;

    if (l->to >= 0 || !l->above)
        return l->to;
    dir = target(l->above);
    if (dir < 0)
        return dir;
    if (mkdirat(dir, l->name, 0700) == 0)
        l->set_mode = true;
    else if (errno != EEXIST)
        return -errno;
    fd = openat(dir, l->name, FOLDER);
    return fd < 0 ? -errno : (l->to = fd);
}

/* Whatever has the name goes. */
static int clear_name(int dir, const char *name)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(st.st_mode))
        return policy_remove(dir, name);
    return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

/* A file gets its name when it is complete; it stays with the owner of what it replaces. */
static int put_file(int to, const struct level *l, const char *name, const char *temp, const struct stat *st)
{
    struct stat old;
    int from = open_own(l->up, name, O_RDONLY), fd, r;

    if (from < 0)
        return from;
    fd = openat(to, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : overlay_copy(from, fd, st->st_size);
    if (r == 0 && fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(old.st_mode) &&
        fchown(fd, old.st_uid, old.st_gid) < 0 && errno != EPERM)
        r = -errno;
    if (r == 0 && fchmod(fd, mode_of(st)) < 0)
        r = -errno;
    if (r == 0)
        futimens(fd, (struct timespec[]){ st->st_atim, st->st_mtim });
    if (fd >= 0)
        close(fd);
    close(from);
    return r;
}

static int put_link(int to, const struct level *l, const char *name, const char *temp)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(l->up, name, text, sizeof text - 1);

    if (n < 0)
        return -errno;
    text[n] = '\0';
    return symlinkat(text, to, temp) < 0 ? -errno : 0;
}

/* All but folders: made under a name of ours, then moved to theirs. */
static int put(struct level *l, const char *name, const struct stat *st)
{
    char temp[48];
    int to = target(l), r;
    struct stat old;

    if (to < 0)
        return to;
    snprintf(temp, sizeof temp, ".noahv-apply-%d", (int)getpid());
    if (S_ISREG(st->st_mode))
        r = put_file(to, l, name, temp, st);
    else if (S_ISLNK(st->st_mode))
        r = put_link(to, l, name, temp);
    else
        r = mkfifoat(to, temp, mode_of(st)) < 0 ? -errno : 0;
    if (r == 0 && fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(old.st_mode))
        r = policy_remove(to, name);
    if (r == 0 && renameat(to, temp, to, name) < 0)
        r = -errno;
    if (r < 0 && r != -EEXIST)
        unlinkat(to, temp, 0);
    return r;
}

/* A folder in the place of something else, or with another mode. */
static int put_folder(struct level *l, const char *name, struct level *below)
{
    struct stat old;
    int to = target(l), r = 0;

    if (to < 0)
        return to;
    if (fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(old.st_mode))
        r = clear_name(to, name);
    if (r == 0)
        r = MIN(target(below), 0);
    if (r == 0 && fchmod(below->to, below->mode | 0700) < 0)
        r = -errno;
    below->set_mode = r == 0;
    return r;
}

static void drop(struct job *j, struct level *l, const char *name)
{
    int to, r;

    j->visit(j->opaque, 'D', j->path, NULL);
    if (!j->apply)
        return;
    to = target(l);
    r = to < 0 ? to : clear_name(to, name);
    if (r < 0)
        refuse(j, strerror(-r));
}

/* --- All of it ---------------------------------------------------------------------------------------- */

static void compare(struct job *j, struct level *l);

static void compare_folder(struct job *j, struct level *l, const char *name, bool merged,
                           const struct stat *st, const struct stat *low)
{
    struct level below = {
        .above = l, .name = name, .low = -1, .merged = merged, .to = -1, .mode = mode_of(st)
    };
    char how = differs(l, name, st, low);
    int r;

    if (how)
        j->visit(j->opaque, how, j->path, NULL);
    if (j->depth == DEPTH_MAX) {
        refuse(j, "the folders in it are too deep");
        return;
    }
    below.up = open_own(l->up, name, O_RDONLY | O_DIRECTORY);
    r = MIN(below.up, 0);
    if (r == 0 && low && S_ISDIR(low->st_mode) && (below.low = openat(l->low, name, FOLDER)) < 0)
        r = -errno;
    if (r == 0 && j->apply && how)
        r = put_folder(l, name, &below);
    if (r == 0)
        compare(j, &below);
    else
        refuse(j, strerror(-r));
    if (below.to >= 0 && below.set_mode && fchmod(below.to, below.mode) < 0)
        refuse(j, strerror(errno));
    for (int i = 0; i < 3; i++) {
        int fd = (int[]){ below.up, below.low, below.to }[i];

        if (fd >= 0)
            close(fd);
    }
}

static void compare_name(struct job *j, struct level *l, const char *name, bool merged)
{
    struct stat st, low;
    bool has_low = l->low >= 0 && fstatat(l->low, name, &low, AT_SYMLINK_NOFOLLOW) == 0;
    char how;
    int r;

    if (fstatat(l->up, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        refuse(j, strerror(errno));
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        compare_folder(j, l, name, merged, &st, has_low ? &low : NULL);
        return;
    }
    how = differs(l, name, &st, has_low ? &low : NULL);
    if (!how)
        return;
    j->visit(j->opaque, how, j->path, NULL);
    if (!j->apply)
        return;
    r = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode) || S_ISFIFO(st.st_mode) ? put(l, name, &st) : -EPERM;
    if (r < 0)
        refuse(j, r == -EPERM ? "it is no file, folder, link or pipe" : strerror(-r));
}

/* Adds a name to the path; its old length, or -1 when it becomes too long. */
static ssize_t enter(struct job *j, const char *name)
{
    size_t n = strlen(j->path);

    if (n + strlen(name) + 2 > sizeof j->path) {
        refuse(j, "the path of what is in it is too long");
        return -1;
    }
    snprintf(j->path + n, sizeof j->path - n, "/%s", name);
    return (ssize_t)n;
}

static int read_level(const struct level *l, struct names *up, struct names *low, struct names *cuts)
{
    int r = read_names(l->up, up);

    if (r == 0 && l->low >= 0)
        r = read_names(l->low, low);
    return r ? r : read_cuts(l->up, cuts);
}

static void compare(struct job *j, struct level *l)
{
    struct names up = { 0 }, low = { 0 }, cuts = { 0 };
    int r = read_level(l, &up, &low, &cuts);
    ssize_t n;

    if (r < 0)
        refuse(j, strerror(-r));
    j->depth++;
    for (size_t i = 0; r == 0 && i < low.n; i++)
        if (!has_name(&up, low.at[i]) && (!l->merged || has_name(&cuts, low.at[i])) &&
            (n = enter(j, low.at[i])) >= 0) {
            drop(j, l, low.at[i]);
            j->path[n] = '\0';
        }
    for (size_t i = 0; r == 0 && i < up.n; i++)
        if ((n = enter(j, up.at[i])) >= 0) {
            compare_name(j, l, up.at[i], l->merged && !has_name(&cuts, up.at[i]));
            j->path[n] = '\0';
        }
    j->depth--;
    free_names(&up);
    free_names(&low);
    free_names(&cuts);
}

/* Levels for the names of a piece's place, below the folder of --to. */
static void compare_at(struct job *j, struct level *above, char *rest, struct level *piece)
{
    struct level l = { .above = above, .up = -1, .low = -1, .to = -1, .mode = 0755 };

    rest += strspn(rest, "/");
    if (!*rest) {
        piece->above = above;
        piece->name = ".";
        compare(j, piece);
    } else {
        l.name = strsep(&rest, "/");
        compare_at(j, &l, rest ? rest : (char[]){ "" }, piece);
        if (l.to >= 0 && l.set_mode)
            fchmod(l.to, l.mode);
        if (l.to >= 0)
            close(l.to);
    }
    piece->above = NULL;
}

static void compare_piece(struct job *j, int up, const char *src, const char *dst, int root)
{
    struct level piece = { .up = up, .low = -1, .merged = true, .to = -1 }, top = { .to = root };
    char place[PATH_MAX];

    snprintf(j->path, sizeof j->path, "%s", strcmp(dst, "/") == 0 ? "" : dst);
    if (*src && (piece.low = open(src, FOLDER)) < 0) {
        refuse(j, strerror(errno));
        return;
    }
    snprintf(place, sizeof place, "%s", dst);
    if (root >= 0) {
        compare_at(j, &top, place, &piece);
    } else {
        piece.to = piece.low;
        if (j->apply && piece.low < 0) { /* the box's own root: there is nothing below */
            struct names any = { 0 };

            if (read_names(up, &any) == 0 && any.n) {
                snprintf(j->path, sizeof j->path, "/");
                refuse(j, "no folder of the host's was the root of the box. Name one with --to");
            }
            free_names(&any);
        } else {
            compare(j, &piece);
        }
    }
    if (piece.to >= 0 && piece.to != piece.low)
        close(piece.to);
    if (piece.low >= 0)
        close(piece.low);
}

static int all_pieces(const char *dir, const char *root, struct job *j, char *why)
{
    int overlay = overlay_open(dir, false, why), to = -1, path, up;
    char src[PATH_MAX], dst[PATH_MAX];

    if (overlay < 0)
        return overlay;
    if (root && (to = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        snprintf(why, NOAHV_WHY_MAX, "%.300s: %s", root, strerror(errno));
        close(overlay);
        return -ENOENT;
    }
    for (unsigned i = 0; overlay_piece(overlay, i, src, dst, &path) == 0; i++) {
        up = openat(path, ".", FOLDER);
        close(path);
        if (up >= 0) {
            compare_piece(j, up, src, dst, to);
            close(up);
        }
    }
    if (to >= 0)
        close(to);
    close(overlay);
    if (j->refused)
        snprintf(why, NOAHV_WHY_MAX, "%.300s: not everything could be %s", dir,
                 j->apply ? "applied" : "read");
    return j->refused ? -EPERM : 0;
}

int noahv_overlay_diff(const char *dir, noahv_change_visit_fn visit, void *opaque, char *why)
{
    struct job j = { .visit = visit, .opaque = opaque };

    return all_pieces(dir, NULL, &j, why);
}

int noahv_overlay_apply(const char *dir, const char *root, noahv_change_visit_fn visit, void *opaque,
                        char *why)
{
    struct job j = { .visit = visit, .opaque = opaque, .apply = true };

    return all_pieces(dir, root, &j, why);
}

int noahv_overlay_discard(const char *dir, char *why)
{
    static const char *const parts[] = { "lock", "files", "pieces" };
    int overlay = overlay_open(dir, false, why), r = 0;

    if (overlay < 0)
        return overlay;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
        r = policy_remove(overlay, parts[i]);
    if (r == 0 && rmdir(dir) < 0)
        r = -errno;
    close(overlay);
    if (r < 0)
        snprintf(why, NOAHV_WHY_MAX, "cannot remove %.300s: %s", dir, strerror(-r));
    return r;
}
