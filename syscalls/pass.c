/*
 * The generic road of a call that means the same on the host: each argument is marshalled by its kind, one
 * raw host call is made, its result is the guest's. Nothing with nested pointers or another layout comes here.
 */
#include <errno.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/path.h"
#include "syscalls/view.h"

/* The host copies of what a call names by string: two paths at most (renameat2), three strings (request_key). */
struct pass {
    struct path path[2];
    char str[3][PATH_MAX];
    unsigned paths, strs;
    int hold; /* own descriptor of what is changed, or -1 */
};

/* A string that is no path: a name of an attribute, of a message queue ... Longer than PATH_MAX is an error
 * everywhere on Linux. */
static int marshal_str(struct task *t, struct pass *p, uint64_t a, uint64_t *out)
{
    ssize_t n;
    char *to;

    BUG_ON(!p); /* names_strings() chose the road */
    to = p->str[p->strs % ARRAY_SIZE(p->str)];
    *out = 0;
    if (!a)
        return 0;
    n = copy_str(t->mem, to, a, sizeof p->str[0]);
    if (n < 0)
        return (int)n;
    p->strs++;
    *out = (uint64_t)(uintptr_t)to;
    return 0;
}

/* How argument i, a path, is looked up: what becomes of a symbolic link at its end, and more (path.h). */
static unsigned path_how(const struct sysent *e, int i, const uint64_t *a)
{
    unsigned how = kind_desc[e->kind[i]].size, last = how & PATH_LAST, use = how & ~(unsigned)PATH_LAST;

    for (int k = i + 1; k < e->nargs; k++) {
        const struct kind_desc *d = &kind_desc[e->kind[k]];

        if (d->marshal != M_LINK)
            continue;
        if (a[k] & AT_EMPTY_PATH)
            use |= PATH_EMPTY;
        if (last == PATH_FOLLOW && (a[k] & d->size))
            last = PATH_NOFOLLOW;
        else if (last == PATH_NOFOLLOW && (a[k] & AT_SYMLINK_FOLLOW))
            last = PATH_FOLLOW;
    }
    return last | use;
}

/* A descriptor of what is changed: in a box another one, that stays what it is. */
static int hold_changed(struct task *t, struct pass *p, int fd, uint64_t *host)
{
    int r;

    BUG_ON(!p);
    if (!t->proc->box)
        return fd_check(fd);
    r = (int)view_hold(t, fd, &p->hold);
    *host = (uint64_t)(int64_t)p->hold;
    return r;
}

/* A path, with the directory descriptor before it when there is one. A NULL path stays NULL (utimensat). */
static int marshal_path(struct task *t, const struct sysent *e, struct pass *p, int i, const uint64_t *a,
                        uint64_t *host)
{
    bool at = i > 0 && kind_desc[e->kind[i - 1]].marshal == M_DIRFD;
    struct path *to;
    int r;

    BUG_ON(!p);
    to = &p->path[p->paths % ARRAY_SIZE(p->path)];
    if (!a[i]) {
        host[i] = 0;
        if (at && t->proc->box && kind_desc[e->kind[i]].size & PATH_CHANGE)
            return hold_changed(t, p, (int)host[i - 1], &host[i - 1]);
        return at ? fd_check_at((int)host[i - 1]) : 0;
    }
    r = path_in(t, at ? (int)host[i - 1] : AT_FDCWD, a[i], path_how(e, i, a), to);
    if (r == 0 && !at && !xattr_looks(e->host_nr))
        r = path_flatten(to);
    if (r < 0)
        return r;
    p->paths++;
    if (at)
        host[i - 1] = (uint64_t)(int64_t)to->dirfd;
    host[i] = (uint64_t)(uintptr_t)to->name;
    return 0;
}

/* As the kernel sees a length: an int's upper half is no part of it. */
static uint64_t length(uint8_t kind, uint64_t v)
{
    return kind_desc[kind].bytes == 4 ? (uint32_t)v : v;
}

static int marshal(struct task *t, const struct sysent *e, struct pass *p, const uint64_t *a, uint64_t *host)
{
    int r = 0;

    for (int i = 0; i < e->nargs && r == 0; i++) {
        const struct kind_desc *k = &kind_desc[e->kind[i]];

        host[i] = a[i];
        switch (k->marshal) {
        case M_FD:
            r = fd_is_own((int)a[i]) ? -EBADF : 0;
            break;
        case M_CFD:
            r = hold_changed(t, p, (int)a[i], &host[i]);
            break;
        case M_DIRFD:
        case M_VAL:
        case M_LINK:
            break;
        case M_PATH:
            r = marshal_path(t, e, p, i, a, host);
            break;
        case M_STR:
            r = marshal_str(t, p, a[i], &host[i]);
            break;
        case M_BUF:
            host[i] = span(t, a[i], i + 1 < e->nargs ? length(e->kind[i + 1], a[i + 1]) : 0);
            break;
        case M_PTR:
            host[i] = span(t, a[i], k->size);
            break;
        default:
            BUG_ON("a row with M_OWN arguments is passed through");
        }
    }
    return r;
}

bool pass_names_strings(const struct sysent *e)
{
    for (int i = 0; i < e->nargs; i++) {
        uint8_t m = kind_desc[e->kind[i]].marshal;

        if (m == M_PATH || m == M_STR || m == M_CFD)
            return true;
    }
    return false;
}

int64_t pass_strings(struct task *t, const struct sysent *e, const uint64_t *a)
{
    uint64_t host[SYS_ARGS_MAX] = { 0 };
    struct pass p;
    int64_t r;

    p.paths = p.strs = 0;
    p.hold = -1;
    r = marshal(t, e, &p, a, host);
    if (r == 0 && p.paths == 2 && p.path[0].mount != p.path[1].mount)
        r = -EXDEV; /* link and rename, from one piece of a box's view to another */
    if (r == 0 && xattr_looks(e->host_nr) && p.paths)
        r = xattr_look(t, e->host_nr, &p.path[0], host);
    else if (r == 0)
        r = host_call(t, e->host_nr, host[0], host[1], host[2], host[3], host[4], host[5]);
    for (unsigned i = 0; i < p.paths; i++)
        path_done(&p.path[i]);
    if (p.hold >= 0) {
        folders_changed_by(t->proc->box, p.hold);
        fd_release(p.hold);
    }
    return r;
}

int pass_plain(struct task *t, const struct sysent *e, const uint64_t *a, uint64_t host[SYS_ARGS_MAX])
{
    return marshal(t, e, NULL, a, host);
}
