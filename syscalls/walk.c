/*
 * Paths in a box: walked here one component at a time, since only here it is known what a symbolic link or ".." means
 * in a tree of pieces. Each look at a component goes from the root of its piece downwards without following a link,
 * so that a race with a rename or a new link can make it fail, but not lead it astray.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "policy/places.h"
#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/learn.h"
#include "syscalls/overlay.h"
#include "syscalls/share.h"
#include "syscalls/view.h"

#define LINKS_MAX 40 /* MAXSYMLINKS */
#define RACES_MAX 16 /* how often a path that changed under the walk is walked again */

/* What may be at the end of a walk. */
enum walk_end { WALK_FOLLOW = 1 /* a link there is followed */, WALK_ENTRY = 2 /* it need not exist */ };

struct walk {
    struct task *t;
    const struct view *v;
    char at[PATH_MAX];   /* tidy guest path of what was reached, without links */
    char rest[PATH_MAX]; /* what is still to walk */
    const struct mount *m;
    const char *rel; /* at, below the root of m */
    bool up;         /* it is in the upper layer of m */
    int fd;          /* O_PATH of what was reached; -1: a name that does not exist, in a folder that does */
    struct stat st;  /* of what was reached */
    uint32_t type;   /* S_IFMT of it; 0: does not exist */
    int links;
    bool slash; /* the path ends with one */
    bool magic; /* a link below /proc to what has no path: the object is behind the link itself */
};

static void walk_close(struct walk *w)
{
    if (w->fd >= 0)
        HOST_RAW(SYS_close, w->fd);
    w->fd = -1;
}

/* --- The walk ----------------------------------------------------------------------------------------- */

/* Something that is not in the box at all, as against what is missing in a piece of it. */
static int64_t absent(struct walk *w)
{
    char at[2 * PATH_MAX], remedy[4 * PATH_MAX + 32];

    snprintf(at, sizeof at, "%s%s%s", w->at, *w->rest ? "/" : "", w->rest);
    if (learning(w->t) && w->t->proc->box->running && w->m->kind != PLACE_PROC)
        learn_path(w->t, ACCESS_ABSENT, AT_FDCWD, at);
    if (w->m->kind != PLACE_EMPTY || policy_expects_absent(w->t->proc->box->policy, at))
        return -ENOENT;
    snprintf(remedy, sizeof remedy, "--ro-bind %s %s", at, at);
    return box_refuse(w->t, -ENOENT, &(struct refusal){ "files", at, "outside the box", remedy });
}

/* Looks at w->at: 0 with fd and type, or -errno. */
static int64_t look(struct walk *w)
{
    int64_t fd;

    walk_close(w);
    w->type = 0;
    w->m = view_mount(w->v, w->at, &w->rel);
    if (!w->m)
        return -ENOENT;
    if (w->m->kind == PLACE_PROC && !view_proc_has(w->t, w->rel))
        return -ENOENT;
    w->up = false;
    fd = overlaid(w->m) ? overlay_look(w->m, w->rel, &w->up)
                        : view_down(NULL, w->m, false, w->rel, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    w->fd = (int)fd;
    if (HOST_RAW(SYS_fstat, fd, &w->st) < 0)
        return -EIO;
    w->type = w->st.st_mode & S_IFMT;
    return 0;
}

/* Goes down to `name`, for which there is room. */
static void add_name(struct walk *w, const char *name)
{
    size_t n = strlen(w->at);

    snprintf(w->at + n, sizeof w->at - n, "/%s", name);
}

/* Puts `target` in front of what is still to walk. */
static int64_t splice_in(struct walk *w, const char *target)
{
    char all[2 * PATH_MAX];

    if (++w->links > LINKS_MAX)
        return -ELOOP;
    if (!*target)
        return -ENOENT;
    snprintf(all, sizeof all, "%s%s%s", target, *w->rest ? "/" : "", w->rest);
    if (strlen(all) >= sizeof w->rest)
        return -ENAMETOOLONG;
    memcpy(w->rest, all, strlen(all) + 1);
    if (*target == '/')
        w->at[0] = '\0';
    return 0;
}

/* A link of the host's, by the host's name; what the program made in a folder of the box's own has the box's. */
static void learn_link(const struct walk *w, const char *target)
{
    char host[2 * PATH_MAX];

    if (w->m->kind == PLACE_BIND)
        snprintf(host, sizeof host, "%s%s%s", w->m->src, *w->rel ? "/" : "", w->rel);
    else
        snprintf(host, sizeof host, "%s", w->at);
    learn(w->t, ACCESS_LINK, host, target);
}

/* Drops the last component; the root has none. */
static void up(struct walk *w)
{
    char *slash = strrchr(w->at, '/');

    if (slash)
        *slash = '\0';
}

/* The symbolic link at w->at is followed. 1: it is magic and the end of the path. */
static int64_t follow(struct walk *w)
{
    char target[PATH_MAX];
    int64_t n;

    if (w->m->kind == PLACE_PROC) {
        n = view_proc_link(w->t, w->rel, target);
        if (n == 1) {
            w->magic = true;
            return *w->rest ? -ENOTDIR : 1;
        }
    } else {
        n = HOST_RAW(SYS_readlinkat, w->fd, "", target, sizeof target - 1);
        if (n >= 0)
            target[n] = '\0';
        if (n >= 0 && learning(w->t))
            learn_link(w, target);
    }
    if (n < 0)
        return n;
    up(w);
    return splice_in(w, target);
}

/* Takes the next component off the rest; false at the end. Sets w->slash when nothing but slashes follows. */
static bool next_name(struct walk *w, char name[NAME_MAX + 2])
{
    char *from = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(from, "/"), slashes = strspn(from + n, "/");

    snprintf(name, NAME_MAX + 2, "%.*s", (int)MIN(n, (size_t)NAME_MAX + 1), from);
    if (n)
        w->slash = slashes && !from[n + slashes];
    memmove(w->rest, from + n + slashes, strlen(from + n + slashes) + 1);
    return n != 0;
}

/* One component; 1: the end, a magic link. */
static int64_t step(struct walk *w, const char *name, unsigned how)
{
    bool last = !*w->rest;
    int64_t r;

    if (w->type != S_IFDIR)
        return -ENOTDIR;
    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0) {
        up(w);
        return look(w);
    }
    if (strlen(name) > NAME_MAX || strlen(w->at) + strlen(name) + 2 > sizeof w->at)
        return -ENAMETOOLONG;
    if (overlaid(w->m) && overlay_is_own(name))
        return last && how & WALK_ENTRY ? -EPERM : -ENOENT;
    add_name(w, name);
    r = look(w);
    if (r == -ENOENT && last && how & WALK_ENTRY)
        return 0;
    if (r == -ENOENT)
        return absent(w);
    if (r == 0 && w->type == S_IFLNK &&
        (!last || (w->slash ? !(how & WALK_ENTRY) : (how & WALK_FOLLOW) != 0))) {
        bool slash = w->slash;

        r = follow(w);
        if (r == 0 && slash && !*w->rest)
            w->slash = true;
        if (r == 0 && last && slash) { /* what the link leads to must be a folder too */
            if (strlen(w->rest) + 2 > sizeof w->rest)
                return -ENAMETOOLONG;
            memcpy(w->rest + strlen(w->rest), "/", 2);
        }
        return r == 0 ? look(w) : r;
    }
    return r;
}

/* Adds all of a name that has no ".." to w->at; -ELOOP: it must be walked. */
static int64_t add_names(struct walk *w, const char *name)
{
    size_t n = strlen(w->at);
    bool dot;

    if (strlen(name) + n + 2 > sizeof w->at || strstr(name, "..") || strstr(name, OVERLAY_CUT) ||
        strstr(name, OVERLAY_NEW))
        return -ELOOP;
    while (*name) {
        size_t len = strcspn(name, "/"), slashes = strspn(name + len, "/");

        if (len > NAME_MAX)
            return -ELOOP;
        dot = len == 1 && *name == '.';
        if (len && !dot) {
            w->at[n++] = '/';
            memcpy(w->at + n, name, len);
            n += len;
            w->at[n] = '\0';
        }
        name += len + slashes;
        w->slash = (slashes || dot) && !*name;
    }
    return 0;
}

/* Most paths have no link and no "..": one look finds them. -ELOOP: this one has, walk it. */
static int64_t at_once(struct walk *w, const char *name, unsigned how)
{
    size_t base = strlen(w->at);
    int64_t r = add_names(w, name);

    if (r == 0) {
        r = look(w);
        if (r == -ENOENT && w->m->kind == PLACE_EMPTY && !(how & WALK_ENTRY))
            return absent(w); /* before any link */
    }
    if (r < 0 || w->m->kind == PLACE_PROC || w->type == S_IFLNK || (w->slash && w->type != S_IFDIR) ||
        how & WALK_ENTRY)
        r = -ELOOP;
    if (r < 0)
        w->at[base] = '\0';
    return r;
}

/* Where a walk of `name` from dirfd begins. */
static int64_t begin(struct walk *w, struct task *t, int dirfd, const char *name)
{
    int64_t r;

    w->t = t;
    w->v = t->proc->box->view;
    w->at[0] = w->rest[0] = '\0';
    w->m = NULL;
    w->up = false;
    w->fd = -1;
    w->type = 0;
    w->links = 0;
    w->slash = w->magic = false;
    if (strlen(name) >= sizeof w->rest)
        return -ENAMETOOLONG;
    if (!*name)
        return -ENOENT;
    if (*name == '/')
        return 0;
    r = dirfd == AT_FDCWD ? folders_cwd(t, w->at) : view_place(w->v, dirfd, w->at);
    if (r < 0)
        return r == -ENOENT && dirfd != AT_FDCWD ? view_check_dir(t, dirfd) ?: -ENOENT : r;
    return 0;
}

/* Walks `name` from dirfd. On success w->fd is the caller's to close. */
static int64_t walk(struct walk *w, struct task *t, int dirfd, const char *name, unsigned how)
{
    char component[NAME_MAX + 2];
    int64_t r = begin(w, t, dirfd, name);

    if (r < 0)
        return r;
    r = at_once(w, name, how);
    if (r != -ELOOP)
        return r;
    w->slash = false;
    snprintf(w->rest, sizeof w->rest, "%s", name);
    r = look(w);
    while (r == 0 && next_name(w, component))
        r = step(w, component, how);
    if (r == 0 && w->slash && w->type && w->type != S_IFDIR && !(how & WALK_ENTRY))
        r = -ENOTDIR;
    if (r < 0)
        walk_close(w);
    return MIN(r, 0);
}

/* --- What calls get ----------------------------------------------------------------------------------- */

/* Keeps a descriptor for one call. Where there is one thread, nobody can put another in its place. */
static int64_t keep(const struct walk *w, int64_t fd, struct path *out)
{
    if (is_single(w->t->proc)) {
        out->hold = (int)fd;
        return 0;
    }
    return MIN(fd_own((int)fd, &out->hold), 0);
}

/* The object itself, by our descriptor of it: its name may change hands meanwhile. */
static int64_t by_object(struct walk *w, struct path *out)
{
    int64_t r;

    if (w->magic) {
        snprintf(out->name, sizeof out->name, "/proc/%s", w->rel);
        walk_close(w);
        return 0;
    }
    r = keep(w, w->fd, out);
    if (r < 0) {
        walk_close(w);
        return r;
    }
    w->fd = -1;
    snprintf(out->name, sizeof out->name, "/proc/self/fd/%d", out->hold);
    return 0;
}

/*
 * Its name in its folder, for calls that follow no link; and those that change the folder, which is in the upper layer. For
 * the former no slash is at its end: the host would follow a link that has come to stand there since.
 */
static int64_t by_name(struct walk *w, bool entry, struct path *out)
{
    char folder[PATH_MAX];
    const char *slash;
    int64_t fd;

    walk_close(w);
    if (!*w->rel) { /* a piece: what stands at its place in the skeleton is not it */
        if (w->m->dir >= 0)
            snprintf(out->name, sizeof out->name, "/proc/self/fd/%d/%s", w->m->dir, w->m->name);
        else
            snprintf(out->name, sizeof out->name, "/proc/self/fd/%d/.", w->up ? w->m->upper : w->m->root.fd);
        return 0;
    }
    slash = strrchr(w->rel, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - w->rel) : 0, w->rel);
    fd = overlaid(w->m) && entry ? overlay_dir(w->v, w->m, folder)
                                 : view_down(NULL, w->m, w->up, folder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    if (keep(w, fd, out) < 0) {
        HOST_RAW(SYS_close, fd);
        return -EMFILE;
    }
    out->dirfd = out->hold;
    snprintf(out->name, sizeof out->name, "%.*s%s", NAME_MAX, slash ? slash + 1 : w->rel,
             entry && w->slash ? "/" : "");
    return 0;
}

/* What it came to is written down: an access to a file, whose type says more, or just what the call is about. */
static void learn_found(struct walk *w, enum policy_access a, int dirfd, const char *name)
{
    char target[PATH_MAX];
    int64_t n;

    if (w->m->kind == PLACE_PROC || w->magic)
        return;
    if (a == ACCESS_LOOK && w->type == S_IFLNK) {
        a = ACCESS_ENTRY;
        n = HOST_RAW(SYS_readlinkat, w->fd, "", target, sizeof target - 1);
        target[MAX(n, 0)] = '\0';
        learn_link(w, target);
    } else if (a == ACCESS_LOOK && w->type == S_IFDIR) {
        a = ACCESS_FOLDER;
    }
    learn_path(w->t, a, dirfd, name);
}

/* Of a call that opens nothing. */
enum { NR_UNLINKAT = 35 };
static enum policy_access use_of(const struct walk *w, unsigned how)
{
    bool entry = (how & PATH_LAST) == PATH_ENTRY;

    if (how & PATH_CHANGE)
        return ACCESS_WRITE;
    if (!entry || (w->type && how & PATH_MAKE))
        return ACCESS_LOOK;
    return !w->type && w->t->hart->x[17] == NR_UNLINKAT ? ACCESS_ABSENT : ACCESS_MAKE;
}

/* A name to be made or removed, or attributes to be changed, where nothing may be. */
static int64_t read_only(const struct walk *w, unsigned how)
{
    bool entry = (how & PATH_LAST) == PATH_ENTRY;

    if (!entry && !(how & PATH_CHANGE))
        return 0;
    if (entry && !*w->rel)
        return how & PATH_MAKE ? -EEXIST : -EBUSY;
    if (how & PATH_MAKE && w->type && (w->m->ro || overlaid(w->m)))
        return -EEXIST;
    if (!w->m->ro ||
        (w->magic && !entry)) /* a piece's place would go with it, and what is there get another name */
        return entry && !(how & PATH_MAKE) && view_covers(w->v, w->at) ? -EBUSY : 0;
    if (!w->type && !(how & PATH_MAKE) && policy_expects_absent(w->t->proc->box->policy, w->at))
        return -ENOENT; /* nothing to be removed */
    return -EROFS;
}

/* The special file of /proc that was reached. */
static enum proc_node node_of(struct walk *w)
{
    char *base = strrchr(w->at, '/');
    enum proc_node node;
    int64_t dir;

    if (!*w->rel || w->magic || procfs_name(base + 1) == PROC_NONE)
        return PROC_NONE;
    *base = '\0';
    dir = view_down(NULL, w->m, false, w->rel == base + 1 ? "" : w->rel, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    *base = '/';
    node = dir < 0 ? PROC_ABSENT : procfs_node((int)dir, base + 1);
    if (dir >= 0)
        HOST_RAW(SYS_close, dir);
    return node;
}

/* In an overlaid piece: copies up what is to be changed or to get another name; a folder in two layers is told as one. */
static int64_t overlay_path(struct walk *w, unsigned how, struct path *out)
{
    struct overlay_id id;
    int64_t r = 0;

    if (how & (PATH_CHANGE | PATH_LINK) && w->type && !w->up) {
        r = overlay_lift(w->v, w->m, w->rel);
        if (r == 0)
            r = look(w);
        if (r == 0 && !w->up)
            r = -ESTALE;
    }
    if (r == 0 && w->type == S_IFDIR && overlay_identity(w->v, w->fd, &id)) {
        out->dev = id.dev;
        out->ino = id.ino;
    }
    return r;
}

/* Calls that make or remove an entry have an error for these two, each its own: the host's kernel says which. */
static int64_t dots_in(struct walk *w, struct task *t, int dirfd, const char *name, int before,
                       struct path *out)
{
    char folder[PATH_MAX] = ".";
    int64_t r;

    if (before)
        snprintf(folder, sizeof folder, "%.*s", before, name);
    r = walk(w, t, dirfd, folder, WALK_FOLLOW);
    if (r == 0)
        r = w->type != S_IFDIR || w->magic ? -ENOTDIR : keep(w, w->fd, out);
    if (r == 0) {
        w->fd = -1;
        out->mount = w->m;
        out->dirfd = out->hold;
        snprintf(out->name, sizeof out->name, "%s", name + before);
    }
    walk_close(w);
    return r;
}

static int64_t path_of(struct walk *w, struct task *t, int dirfd, const char *name, unsigned how,
                       struct path *out)
{
    unsigned last = how & PATH_LAST, end = last == PATH_ENTRY    ? WALK_ENTRY
                                           : last == PATH_FOLLOW ? WALK_FOLLOW
                                                                 : 0;
    int before = last == PATH_ENTRY ? path_before_dots(name) : -1;
    int64_t r;

    if (before >= 0)
        return dots_in(w, t, dirfd, name, before, out);
    r = walk(w, t, dirfd, name, end);
    if (r < 0)
        return r;
    out->mount = w->m;
    if (learning(w->t))
        learn_found(w, use_of(w, how), dirfd, name);
    if (w->m->kind == PLACE_PROC)
        out->virt = node_of(w);
    r = read_only(w, how);
    if (r == 0 && overlaid(w->m))
        r = overlay_path(w, how, out);
    if (r == 0)
        r = end == WALK_FOLLOW ? by_object(w, out) : by_name(w, last == PATH_ENTRY, out);
    walk_close(w);
    return r;
}

/* AT_EMPTY_PATH. */
static int64_t path_of_fd(struct task *t, int dirfd, unsigned how, struct path *out)
{
    struct overlay_id id;
    int64_t r = 0;

    out->dirfd = dirfd;
    out->name[0] = '\0';
    if (!(how & PATH_EMPTY))
        return 0;
    if (how & (PATH_CHANGE | PATH_LINK))
        out->mount = view_mount_of(t->proc->box->view, dirfd);
    if (overlay_identity(t->proc->box->view, dirfd, &id)) {
        out->dev = id.dev;
        out->ino = id.ino;
    }
    if (how & PATH_CHANGE || (how & PATH_LINK && overlaid(out->mount))) {
        r = view_hold(t, dirfd, &out->hold);
        out->dirfd = out->hold;
    }
    return r;
}

int view_path(struct task *t, int dirfd, const char *name, unsigned how, struct path *out)
{
    const struct folder *f;
    const char *leaf;
    struct walk w;
    int64_t r;

    out->dirfd = AT_FDCWD;
    out->virt = PROC_NONE;
    out->hold = -1;
    out->mount = NULL;
    out->ino = 0;
    out->changed = how & PATH_CHANGE || (how & PATH_LAST) == PATH_ENTRY ? t->proc->box : NULL;
    if (!*name) /* the descriptor itself, or an error of the kernel's choice */
        return (int)path_of_fd(t, dirfd, how, out);
    f = how == PATH_NOFOLLOW ? folder_of(t, dirfd, name, &leaf) : NULL;
    if (f && !strchr(leaf, '/')) { /* a link on the way is for a walk */
        out->dirfd = f->fd;
        out->mount = f->m;
        memcpy(out->name, leaf, strlen(leaf) + 1);
        return 0;
    }
    fd_freeze();
    r = path_of(&w, t, dirfd, name, how, out);
    fd_thaw();
    return (int)r;
}

int64_t view_folder(struct task *t, int dirfd, const char *name, struct stat *st, const struct mount **m,
                    char at[PATH_MAX])
{
    struct walk w;
    int64_t r = walk(&w, t, dirfd, name, WALK_FOLLOW);

    if (r == 0 && (w.type != S_IFDIR || w.magic)) {
        walk_close(&w);
        r = -ENOTDIR;
    }
    if (r < 0)
        return r;
    *st = w.st;
    *m = w.m;
    memcpy(at, w.at, strlen(w.at) + 1);
    return w.fd;
}

static void tell_absent(const struct walk *w, const char *name, int64_t r)
{
    if (r == -ENOENT && w->m && w->m->kind == PLACE_EMPTY && w->m->ro) /* nor can it be made */
        folder_absent(w->t, name);
}

int64_t view_stat(struct task *t, int dirfd, const char *name, bool follow, struct stat *st)
{
    struct walk w;
    int64_t r = folder_stat(t, dirfd, name, follow, st);

    if (r != FOLDER_WALK)
        return r;
    fd_freeze();
    r = walk(&w, t, dirfd, name, follow ? WALK_FOLLOW : 0);
    if (r == 0 && learning(t))
        learn_found(&w, ACCESS_LOOK, dirfd, name);
    if (r == 0 && w.magic)
        r = HOST_RAW(SYS_newfstatat, procfs_dir(), w.rel, st, 0);
    else if (r == 0)
        *st = w.st;
    if (r == 0 && w.up)
        overlay_tell(w.v, w.fd, st);
    walk_close(&w);
    fd_thaw();
    tell_absent(&w, name, r);
    return r;
}

/* --- Open --------------------------------------------------------------------------------------------- */

/* Something without a path, behind a link of /proc: opened anew, but for no more than it was open for. */
static int64_t open_magic(struct task *t, const struct walk *w, int flags)
{
    const char *base = strrchr(w->rel, '/');
    int64_t mode = HOST_RAW(SYS_fcntl, base ? atoi(base + 1) : -1, F_GETFL);
    int want = flags & O_ACCMODE;

    if (mode < 0)
        return -ENOENT;
    if (!(flags & O_PATH) && (mode & O_PATH || (want == O_RDWR && (mode & O_ACCMODE) != O_RDWR) ||
                              (want != O_RDWR && (mode & O_ACCMODE) != O_RDWR && want != (mode & O_ACCMODE))))
        return -EACCES;
    return HOST(t, SYS_openat, procfs_dir(), w->rel, flags & ~(O_CREAT | O_NOFOLLOW | O_TRUNC));
}

static bool writes(int flags)
{
    return !(flags & O_PATH) &&
           ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC || (flags & O_TMPFILE) == O_TMPFILE);
}

static enum policy_access use_of_open(const struct walk *w, int flags)
{
    if (!w->type)
        return ACCESS_MAKE;
    if (flags & O_PATH || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || w->type == S_IFLNK)
        return ACCESS_LOOK;
    if (w->type == S_IFDIR)
        return ACCESS_LIST;
    return w->type == S_IFREG && writes(flags) ? ACCESS_WRITE : ACCESS_READ;
}

static void learn_open(struct walk *w, int flags, int dirfd, const char *name)
{
    char in_folder[PATH_MAX + 8];

    if (w->type == S_IFDIR && (flags & O_TMPFILE) == O_TMPFILE) { /* an entry without a name */
        snprintf(in_folder, sizeof in_folder, "%s/#", name);
        learn_found(w, ACCESS_MAKE, dirfd, in_folder);
    } else {
        learn_found(w, use_of_open(w, flags), dirfd, name);
    }
}

/* In an overlaid piece: what is opened to be written is in the upper layer, and what is made gets its folder there. */
static int64_t overlay_open_for(struct walk *w, int flags)
{
    const char *slash = strrchr(w->rel, '/');
    char folder[PATH_MAX];
    int64_t r = 0;

    if (w->up || !overlaid(w->m) || (!w->type && w->slash))
        return 0;
    if (!w->type) {
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - w->rel) : 0, w->rel);
        r = overlay_dir(w->v, w->m, folder);
        if (r >= 0)
            HOST_RAW(SYS_close, r);
        w->up = true;
    } else if (w->type == S_IFREG ? writes(flags) && !((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
                                  : w->type == S_IFDIR && (flags & O_TMPFILE) == O_TMPFILE && writes(flags)) {
        r = overlay_lift(w->v, w->m, w->rel);
        w->up = r == 0;
    }
    return MIN(r, 0);
}

/* What the walk found; -EAGAIN: it is not there any more, or there now. */
static int64_t open_found(struct task *t, struct walk *w, int flags, uint32_t mode)
{
    bool file = w->type == S_IFREG || w->type == S_IFDIR, creates = flags & O_CREAT && !(flags & O_PATH);
    int64_t r;

    if (w->magic)
        return open_magic(t, w, flags);
    if (creates && w->slash)
        return -EISDIR;
    if (creates && w->type && flags & O_EXCL)
        return -EEXIST;
    if (creates && w->type == S_IFDIR)
        return -EISDIR;
    if (w->m->ro && (w->type ? file && writes(flags) : true))
        return -EROFS;
    if (w->type == S_IFLNK && !(flags & O_PATH))
        return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP;
    r = view_down(t, w->m, w->up, w->rel, (w->type ? flags & ~O_CREAT : flags) | O_NOFOLLOW, mode);
    if ((r == -ELOOP && w->type != S_IFLNK) || (r == -ENOENT && w->type) || r == -EXDEV ||
        (r == -ENOTDIR && w->type == S_IFDIR))
        return -EAGAIN;
    return r;
}

/* Most opens are for reading, of what has no link and no ".." on its way: they need no look before. -ELOOP: this does. */
static int64_t open_at_once(struct task *t, int dirfd, const char *name, int flags)
{
    unsigned names = folders_names(t->proc->box);
    struct walk w;
    int64_t r;

    if (!writes(flags) && !(flags & (O_CREAT | O_PATH)) &&
        (r = folder_open(t, dirfd, name, flags)) != FOLDER_WALK)
        return r;
    if (writes(flags) || flags & (O_CREAT | O_PATH) || learning(t) || begin(&w, t, dirfd, name) < 0 ||
        add_names(&w, name) < 0 || w.slash)
        return -ELOOP;
    w.m = view_mount(w.v, w.at, &w.rel);
    if (!w.m || w.m->kind != PLACE_BIND || overlaid(w.m) || !*w.rel)
        return -ELOOP;
    r = view_down(t, w.m, false, w.rel, flags | O_NOFOLLOW, 0);
    if (r >= 0)
        folders_opened(t, (int)r, dirfd, name, w.m, w.at, names);
    return r == -ENOENT || r == -ENOTDIR || r == -EXDEV || r == -EAGAIN ? -ELOOP : r; /* a link, maybe */
}

int64_t view_open(struct task *t, int dirfd, const char *name, int flags, uint32_t mode)
{
    bool excl = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    unsigned how = (flags & O_CREAT ? WALK_ENTRY : 0) | (flags & O_NOFOLLOW || excl ? 0 : WALK_FOLLOW);
    enum proc_node node;
    struct walk w;
    int64_t r = open_at_once(t, dirfd, name, flags);

    if (r != -ELOOP)
        return r;
    r = -EAGAIN;
    if (flags & O_PATH)
        how &= ~(unsigned)WALK_ENTRY;
    for (int i = 0; r == -EAGAIN && i < RACES_MAX; i++) {
        fd_freeze();
        r = walk(&w, t, dirfd, name, how);
        if (r == 0 && learning(t))
            learn_open(&w, flags, dirfd, name);
        node = r == 0 && w.m->kind == PLACE_PROC && !(flags & O_PATH) ? node_of(&w) : PROC_NONE;
        walk_close(&w); /* its number is the lowest free one, which open() returns */
        if (r == 0)
            r = overlay_open_for(&w, flags);
        fd_thaw();
        tell_absent(&w, name, r);
        if (r < 0)
            return r;
        if (node >= PROC_MAPS)
            return procfs_open(t, node, procfs_dir(), w.rel, flags);
        r = open_found(t, &w, flags, mode);
    }
    return r == -EAGAIN ? -ELOOP : r;
}

int64_t view_readlink(struct task *t, int dirfd, const char *name, char out[PATH_MAX])
{
    struct walk w;
    int64_t r;

    if (!*name) /* of a link that is open */
        return HOST_RAW(SYS_readlinkat, dirfd, "", out, PATH_MAX - 1);
    r = view_proc_exe(t, name, out);
    if (r != -ELOOP)
        return r;
    r = folder_readlink(t, dirfd, name, out, PATH_MAX - 1);
    if (r != FOLDER_WALK)
        return r;
    fd_freeze();
    r = walk(&w, t, dirfd, name, 0);
    if (r == 0 && learning(t))
        learn_found(&w, ACCESS_LOOK, dirfd, name);
    if (r == 0 && w.type != S_IFLNK) {
        r = -EINVAL;
    } else if (r < 0) {
        /* nothing there */
    } else if (w.m->kind == PLACE_PROC) {
        r = view_proc_link(t, w.rel, out);
        if (r == 1) { /* no path of the host's: "pipe:[1]", "socket:[2]", "/memfd:x (deleted)" */
            r = HOST_RAW(SYS_readlinkat, w.fd, "", out, PATH_MAX - 1);
            if (r > 0 && *out == '/' && strncmp(out, "/memfd:", 7) != 0)
                r = snprintf(out, PATH_MAX, "outside:[%d]", atoi(strrchr(w.rel, '/') + 1));
        } else if (r == 0) {
            r = (int64_t)strlen(out);
        }
    } else {
        r = HOST_RAW(SYS_readlinkat, w.fd, "", out, PATH_MAX - 1);
    }
    walk_close(&w);
    fd_thaw();
    return r;
}
