/*
 * A guest root: DIR laid over the host's file system. A name is looked up in DIR first, component by component,
 * and on the host when DIR has none; absolute symbolic links, wherever they stand, begin at the guest's "/",
 * and ".." ends there. What exists on neither side is made where its directory is: in DIR, if it has that.
 * A directory that both have is listed as DIR has it. /proc, /sys and /dev are the host's alone.
 *
 * The result is a name for the host kernel to look up once more: this is a view, not a wall. Whoever can rename
 * things meanwhile gets what he made.
 */
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/path.h"

#define LINKS_MAX 40 /* MAXSYMLINKS of the kernel */

enum side { SIDE_ROOT, SIDE_HOST };

/* A look-up under way. `at` is canonical: no links, no "..", no '/' at its end; "" is "/". */
struct walk {
    const struct root *r;
    char at[PATH_MAX];
    size_t len;       /* of at */
    size_t host_from; /* below a directory of the host that the guest holds: length of its name */
    enum side side;   /* where `at` is */
    char rest[2 * PATH_MAX];
    const char *next; /* in rest: what is left to look up */
    bool slash, dot;  /* it ends in '/', in a component "." */
    int links;
};

int root_open(struct root *r, const char *dir)
{
    char link[32], path[PATH_MAX];
    int64_t fd, n;

    fd = HOST_RAW(SYS_openat, AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return (int)fd;
    snprintf(link, sizeof link, "self/fd/%d", (int)fd);
    n = HOST_RAW(SYS_readlinkat, procfs_dir(), link, path, sizeof path - 1);
    if (n == 1) { /* "/" */
        HOST_RAW(SYS_close, fd);
        return 0;
    }
    if (n > 0) {
        path[n] = '\0';
        r->path = strdup(path);
        r->len = (size_t)n;
        n = r->path ? fd_own((int)fd, &r->fd) : -ENOMEM;
    }
    if (n < 0) {
        HOST_RAW(SYS_close, fd);
        free(r->path);
        r->path = NULL;
        return (int)n;
    }
    return 0;
}

void root_close(struct root *r)
{
    if (r->fd >= 0)
        fd_release(r->fd);
    free(r->path);
    *r = (struct root){ .fd = -1 };
}

void root_renew(const struct root *r)
{
    int64_t fd = root_on(r) ? fd_open(AT_FDCWD, r->path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    fd_renew(r->fd, (int)fd);
    HOST_RAW(SYS_close, fd);
}

static bool inside(const struct root *r, const char *path)
{
    return strncmp(path, r->path, r->len) == 0 && (path[r->len] == '/' || !path[r->len]);
}

size_t root_guest_path(const struct root *r, char *path)
{
    size_t n = strlen(path);

    if (!root_on(r) || !inside(r, path))
        return n;
    n -= r->len;
    memmove(path, path + r->len, n + 1);
    if (n)
        return n;
    memcpy(path, "/", 2);
    return 1;
}

/* --- Looking up ----------------------------------------------------------------------------------------- */

/* Reads the link `at` on one side: its length, 0 when it is something else. */
static int64_t read_link(const struct walk *w, enum side side, char *to, size_t cap)
{
    int64_t n;

    if (side == SIDE_ROOT)
        n = HOST_RAW(SYS_readlinkat, w->r->fd, w->at + 1, to, cap);
    else
        n = HOST_RAW(SYS_readlinkat, AT_FDCWD, w->at, to, cap);
    if (n == (int64_t)cap)
        return -ENAMETOOLONG;
    return n == -EINVAL ? 0 : n;
}

/* Looks for `at` where its directory is, and below the root's also on the host; sets w->side if it exists. */
static int64_t look(struct walk *w, char *to, size_t cap)
{
    int64_t n;

    if (!w->len)
        return 0;
    n = read_link(w, w->side, to, cap);
    if (n != -ENOENT || w->side == SIDE_HOST)
        return n;
    n = read_link(w, SIDE_HOST, to, cap);
    if (n != -ENOENT)
        w->side = SIDE_HOST;
    return n;
}

static void go_top(struct walk *w)
{
    w->at[w->len = 0] = '\0';
    w->side = SIDE_ROOT;
    w->host_from = SIZE_MAX;
}

static int go_up(struct walk *w)
{
    char link[PATH_MAX], *slash = strrchr(w->at, '/');
    int64_t n;

    if (!slash)
        return 0;
    if (w->len + 2 >= sizeof w->at)
        return -ENAMETOOLONG;
    memcpy(w->at + w->len, "/.", 3); /* must be a directory */
    n = read_link(w, w->side, link, sizeof link);
    *slash = '\0';
    w->len = (size_t)(slash - w->at);
    if (w->len < w->host_from) {
        w->host_from = SIZE_MAX;
        w->side = SIDE_ROOT;
    }
    return n < 0 ? (int)n : (int)MIN(look(w, link, sizeof link), 0);
}

/* The next component of rest: its length, 0 at the end. *last: none follows. */
static size_t component(struct walk *w, const char **c, bool *last)
{
    const char *end;
    size_t n;

    *c = w->next + strspn(w->next, "/");
    n = strcspn(*c, "/");
    end = *c + n + strspn(*c + n, "/");
    *last = !*end;
    if (n && *last) {
        w->slash = end > *c + n;
        w->dot = n == 1 && **c == '.';
    }
    w->next = *c + n;
    return n;
}

/* Puts the link's text before what is left. */
static int follow(struct walk *w, const char *to, size_t n)
{
    size_t left = strlen(w->next) + 1;

    if (++w->links > LINKS_MAX)
        return -ELOOP;
    if (n + left > sizeof w->rest)
        return -ENAMETOOLONG;
    memmove(w->rest + n, w->next, left);
    memcpy(w->rest, to, n);
    w->next = w->rest;
    if (*to == '/')
        go_top(w);
    return 0;
}

/* One name below `at`; the last may be missing: then `at` is where it would be made. */
static int go_down(struct walk *w, const char *c, size_t n, bool last, enum path_last how)
{
    enum side side = w->side;
    size_t len = w->len;
    char to[PATH_MAX];
    int64_t r;

    if (len + 1 + n >= sizeof w->at)
        return -ENAMETOOLONG;
    w->at[len] = '/';
    memcpy(w->at + len + 1, c, n);
    w->at[w->len = len + 1 + n] = '\0';
    r = look(w, to, sizeof to);
    if (r == -ENOENT && last)
        return 0;
    if (r <= 0 || (last && (how == PATH_ENTRY || (how == PATH_NOFOLLOW && !w->slash))))
        return (int)MIN(r, 0);
    if (how == PATH_NO_LINKS)
        return -ELOOP;
    w->at[w->len = len] = '\0';
    w->side = side;
    return follow(w, to, (size_t)r);
}

/* --- What is the host's alone ----------------------------------------------------------------------------- */

static bool is_host_dir(const char *name, size_t n)
{
    static const char *const dirs[] = { "proc", "sys", "dev" };

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (n == strlen(dirs[i]) && memcmp(name, dirs[i], n) == 0)
            return true;
    return false;
}

/* False when ".." leads up to "/" from a directory `depth` below it. Links are not looked at: those that lie in
 * /proc, /sys and /dev and lead out of them count as places below. */
static bool stays_below(const char *rest, int depth)
{
    while (depth > 0 && *(rest += strspn(rest, "/"))) {
        size_t n = strcspn(rest, "/");

        if (n == 2 && memcmp(rest, "..", 2) == 0)
            depth--;
        else if (n != 1 || *rest != '.')
            depth++;
        rest += n;
    }
    return depth > 0;
}

/* At "/" before a component that is the host's: its whole name is, as it stands, for links in /proc may lead
 * where no name does. */
static bool is_hosts(const struct walk *w, const char *c, size_t n)
{
    return !w->len && is_host_dir(c, n) && stays_below(c + n, 1);
}

bool root_is_plain(const char *name)
{
    size_t n = strlen(name);

    return n && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           !is_host_dir(name, n) && procfs_name(name) == PROC_NONE;
}

/* --- From and to the host --------------------------------------------------------------------------------- */

static int walk(struct walk *w, struct path *p, enum path_last how)
{
    const char *c, *tail;
    bool last = false;
    int r = 0;

    while (r == 0) {
        size_t n = component(w, &c, &last);

        if (!n)
            break;
        if (is_hosts(w, c, n)) {
            p->dirfd = AT_FDCWD;
            return (size_t)snprintf(p->name, sizeof p->name, "/%s", c) < sizeof p->name ? 0 : -ENAMETOOLONG;
        }
        if (n == 2 && memcmp(c, "..", 2) == 0)
            r = go_up(w);
        else if (n != 1 || *c != '.')
            r = go_down(w, c, n, last, how);
    }
    if (r < 0)
        return r;
    tail = w->dot ? "/." : w->slash ? "/" : "";
    p->dirfd = w->side == SIDE_ROOT ? w->r->fd : AT_FDCWD;
    if (w->side == SIDE_ROOT)
        r = snprintf(p->name, sizeof p->name, "%s%s", w->len ? w->at + 1 : ".", tail);
    else
        r = snprintf(p->name, sizeof p->name, "%s%s", w->at, tail);
    return (size_t)r < sizeof p->name ? 0 : -ENAMETOOLONG;
}

/* The host's name of a directory, AT_FDCWD included: its length, or < 0 when it has none. */
static int64_t dir_path(int dirfd, char *out, size_t cap)
{
    char link[32];
    int64_t n;

    if (dirfd == AT_FDCWD) {
        n = HOST_RAW(SYS_getcwd, out, cap) - 1;
    } else {
        snprintf(link, sizeof link, "self/fd/%d", dirfd);
        n = HOST_RAW(SYS_readlinkat, procfs_dir(), link, out, cap - 1);
        out[MAX(n, 0)] = '\0';
    }
    return n > 0 && out[0] == '/' ? n : -ENOENT;
}

/* True when the host's look-up from a directory of its own meets nothing that begins at "/" and no way up. */
static bool stays_beneath(const struct path *p, enum path_last how)
{
    struct open_how oh = { .flags = O_PATH | O_CLOEXEC | (how == PATH_FOLLOW ? 0 : O_NOFOLLOW),
                           .resolve = RESOLVE_BENEATH };
    int64_t fd = HOST_RAW(SYS_openat2, p->dirfd, p->name, &oh, sizeof oh);

    if (fd >= 0)
        HOST_RAW(SYS_close, fd);
    return fd != -EXDEV && fd != -ELOOP && fd != -EAGAIN && fd != -ENOSYS;
}

/* Where a relative name starts; 1: the host may look it up as it is. */
static int start_at_dir(struct walk *w, const struct path *p, enum path_last how)
{
    int64_t n = dir_path(p->dirfd, w->at, sizeof w->at);
    const char *first = w->at + 1;
    int depth = 0;

    if (n < 0)
        return 1;
    if (inside(w->r, w->at)) {
        w->len = root_guest_path(w->r, w->at);
        if (w->len == 1)
            go_top(w);
        return 0;
    }
    for (const char *s = w->at; *s; s++)
        depth += *s == '/';
    if (is_host_dir(first, strcspn(first, "/")) && stays_below(p->name, depth))
        return 1;
    if (stays_beneath(p, how))
        return 1;
    if (n == 1) { /* up from "/", or by a link that begins there */
        go_top(w);
        return 0;
    }
    w->host_from = w->len = (size_t)n;
    w->side = SIDE_HOST;
    return 0;
}

/* A whole name whose first component DIR has not, and that has no link and no way up: it is the host's as it stands. */
static bool is_whole(const struct root *r, const struct path *p, enum path_last how)
{
    struct open_how oh = { .flags = O_PATH | O_CLOEXEC | (how == PATH_FOLLOW ? 0 : O_NOFOLLOW),
                           .resolve = RESOLVE_NO_SYMLINKS };
    const char *c = p->name + strspn(p->name, "/");
    size_t n = strcspn(c, "/");
    char first[NAME_MAX + 1], link[1];
    int64_t fd;

    if (*p->name != '/' || !n || n > NAME_MAX || strstr(c, "..") || is_host_dir(c, n))
        return false;
    snprintf(first, sizeof first, "%.*s", (int)n, c);
    if (HOST_RAW(SYS_readlinkat, r->fd, first, link, sizeof link) != -ENOENT)
        return false;
    fd = HOST_RAW(SYS_openat2, AT_FDCWD, p->name, &oh, sizeof oh);
    if (fd >= 0)
        HOST_RAW(SYS_close, fd);
    return fd >= 0;
}

int root_resolve(const struct root *r, struct path *p, enum path_last how)
{
    struct walk w;
    int err;

    if (is_whole(r, p, how)) {
        p->dirfd = AT_FDCWD;
        return 0;
    }
    w.r = r;
    w.slash = w.dot = false;
    w.links = 0;
    w.next = w.rest;
    go_top(&w);
    if (p->name[0] != '/') {
        err = start_at_dir(&w, p, how);
        if (err)
            return MIN(err, 0);
    }
    memcpy(w.rest, p->name, strlen(p->name) + 1);
    return walk(&w, p, how);
}
