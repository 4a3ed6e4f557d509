#include "syscalls/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "policy/places.h"
#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/learn.h"
#include "syscalls/overlay.h"
#include "syscalls/share.h"
#include "syscalls/view.h"

/* A walk's result is good for some eight milliseconds, by a clock that costs nothing. */
#define TICK_BITS 23

static int64_t tick(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (ts.tv_sec * 1000000000 + ts.tv_nsec) >> TICK_BITS;
}

void folders_start(struct folders *f)
{
    f->here.own = -1;
    for (int i = 0; i < FOLDERS_MAX; i++)
        f->named[i].own = -1;
}

void folders_forget(struct folders *f)
{
    folders_close_begin(f, 0, UINT32_MAX);
    folders_close_end(f, 0, UINT32_MAX);
    for (int i = 0; i < FOLDERS_MAX; i++) {
        f->named[i].f.m = NULL;
        fd_release(f->named[i].own);
    }
    f->here.f.tick = 0;
    fd_release(f->here.own);
}

static void count_closed(struct folders *f, uint64_t first, uint64_t last)
{
    if (last - first >= FOLDERS_FDS)
        last = first + FOLDERS_FDS - 1; /* that is all of them */
    for (uint64_t fd = first; fd <= last; fd++)
        __atomic_store_n(&f->closed[fd % FOLDERS_FDS], f->closed[fd % FOLDERS_FDS] + 1, __ATOMIC_SEQ_CST);
}

void folders_close_begin(struct folders *f, uint64_t first, uint64_t last)
{
    count_closed(f, first, last);
}

void folders_close_end(struct folders *f, uint64_t first, uint64_t last)
{
    count_closed(f, first, last);
    for (uint64_t fd = first; fd <= last && fd - first < FOLDERS_FDS; fd++) {
        f->plain[fd % FOLDERS_FDS] = false;
        f->at[fd % FOLDERS_FDS].m = NULL;
    }
}

void folders_moved(struct box *b)
{
    atomic_fetch_add(&b->folders.moved, 1);
}

void folders_forget_near(struct task *t)
{
    if (!t->near)
        return;
    for (int i = 0; i < FOLDERS_NEAR; i++)
        fd_release(t->near->n[i].own);
    fd_release(t->near->here.own);
    free(t->near);
    t->near = NULL;
    atomic_fetch_sub(&t->proc->box->folders.nears, 1);
}

void folders_share_cwd(struct folders *f)
{
    atomic_store(&f->cwd_shared, true);
}

void folders_changed(const struct box *b)
{
    atomic_fetch_add(&b->policy->shared->names, 1);
}

unsigned folders_names(const struct box *b)
{
    return atomic_load(&b->policy->shared->names);
}

void folders_changed_by(const struct box *b, int fd)
{
    struct stat st;

    if (HOST_RAW(SYS_fstat, fd, &st) == 0 && S_ISDIR(st.st_mode))
        folders_changed(b);
}

void folders_copied(struct task *t, int64_t fd, int64_t to)
{
    struct folders *f = &t->proc->box->folders;

    if (fd < 0 || to < 0 || fd >= FOLDERS_FDS || to >= FOLDERS_FDS || !is_single(t->proc))
        return;
    f->plain[to] = f->plain[fd];
    f->at[to] = f->at[fd];
    f->at[to].fd = (int)to;
}

bool folders_is_file(const struct task *t, uint64_t fd)
{
    return fd < FOLDERS_FDS && is_single(t->proc) && t->proc->box->folders.plain[fd];
}

/* Threads above that go without: there are only so many descriptors of noahv's. */
#define FOLDERS_NEARS_MAX 48
_Static_assert(FOLDERS_NEARS_MAX *(FOLDERS_NEAR + 1) + FOLDERS_MAX + 1 < FD_OWN_MAX * 3 / 4,
               "others are left");

/* --- Which are at hand -------------------------------------------------------------------------------- */

static unsigned closings(const struct folders *all, int fd)
{
    return __atomic_load_n(&all->closed[(unsigned)fd % FOLDERS_FDS], __ATOMIC_SEQ_CST);
}

/* How often it has happened that what `n` is named by may mean another folder. */
static void count_changes(const struct box *b, const struct named_folder *n, unsigned now[4])
{
    const struct folders *all = &b->folders;

    now[0] = n->dirfd == AT_FDCWD ? atomic_load(&all->moved) : closings(all, n->dirfd);
    now[1] = n->len ? folders_names(b) : 0;
    now[2] = n->len ? atomic_load(&all->heard) : 0;
    now[3] = n->f.fd == n->own ? 0 : closings(all, n->f.fd);
}

/* Pieces that are names in the folder `at`, or anywhere below it. */
static bool holds_piece(const struct view *v, const char *at, bool below)
{
    for (size_t i = 0; i < view_mounts(v); i++) {
        const char *rel = place_below(view_mount_at(v, i)->dst, at);

        if (rel && *rel && (below || !strchr(rel, '/')))
            return true;
    }
    return false;
}

/* Is `fd` a folder to be kept? It lies in `m`, is `at` in the box, and what fstat says. */
static bool is_kept(const struct view *v, struct folder *f, int fd, const struct mount *m, const char *at,
                    const struct stat *st)
{
    f->m = NULL;
    if ((m->kind != PLACE_BIND && m->kind != PLACE_TMPFS) || overlaid(m) || m->dir >= 0 ||
        holds_piece(v, at, false) || (st->st_dev != m->dev && procfs_is_on(fd)))
        return false;
    f->m = m;
    f->dev = st->st_dev;
    f->clear = !holds_piece(v, at, true);
    return true;
}

/* Walks to a folder: an O_PATH descriptor, if it is one to be kept. */
static int64_t find(struct task *t, int dirfd, const char *name, struct folder *f)
{
    const struct mount *m;
    char at[PATH_MAX];
    struct stat st;
    int64_t fd = view_folder(t, dirfd, name, &st, &m, at);

    if (fd < 0 || is_kept(t->proc->box->view, f, (int)fd, m, at, &st))
        return fd;
    HOST_RAW(SYS_close, fd);
    return -EXDEV;
}

static bool fill_named(struct task *t, struct named_folder *n, int dirfd, const char *name, unsigned len)
{
    struct folder f = { .tick = tick() };
    char dot[] = ".";
    int64_t fd, r;

    n->f.m = NULL;
    n->f.fd = n->own;
    n->dirfd = dirfd;
    n->len = len;
    memcpy(n->name, name, len);
    n->name[len] = '\0';
    count_changes(t->proc->box, n, n->since); /* before the walk: what changes during it counts */
    fd = find(t, dirfd, len ? n->name : dot, &f);
    if (fd < 0)
        return false;
    r = n->own >= 0 ? fd_renew(n->own, (int)fd) : fd_hold((int)fd, &n->own);
    HOST_RAW(SYS_close, fd);
    if (r < 0)
        return false;
    n->f = f;
    n->f.fd = n->own;
    return true;
}

/* What the program has open is looked at itself. */
static bool fill_open(struct task *t, struct folder *f, int dirfd)
{
    struct folder new = { .fd = dirfd, .tick = tick() };
    int64_t fd = find(t, dirfd, ".", &new);

    if (fd < 0)
        return false;
    HOST_RAW(SYS_close, fd);
    *f = new;
    return true;
}

static uint64_t hash(int dirfd, const char *name, unsigned len)
{
    uint64_t h = (uint64_t)(unsigned)dirfd + 1;

    for (unsigned i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001b3;
    return h;
}

/* A folder is kept that is asked for twice; one that cannot be is not tried again soon. */
static bool is_worth_it(struct folders *all, uint64_t which)
{
    uint64_t *missed = &all->missed[which % FOLDERS_MISSED];
    bool again = which == *missed;

    *missed = which;
    return again && (which != all->useless || all->useless_at != tick());
}

static const struct folder *open_folder(struct task *t, int dirfd)
{
    struct folders *all = &t->proc->box->folders;
    struct folder *f = &all->at[dirfd];
    uint64_t which = hash(dirfd, "", 0);

    if (f->m && f->tick == tick())
        return f;
    if (!f->m && !is_worth_it(all, which))
        return NULL;
    if (fill_open(t, f, dirfd))
        return f;
    f->m = NULL;
    all->useless = which;
    all->useless_at = tick();
    return NULL;
}

static struct named_folder *by_name(struct folders *all, int dirfd, const char *name, unsigned len)
{
    for (struct named_folder *n = all->named; n < all->named + FOLDERS_MAX; n++)
        if (n->f.m && n->dirfd == dirfd && n->len == len && memcmp(n->name, name, len) == 0)
            return n;
    return NULL;
}

static bool is_true(const struct box *b, const struct named_folder *n)
{
    unsigned now[4];

    count_changes(b, n, now);
    return n->f.tick == tick() && memcmp(now, n->since, sizeof now) == 0;
}

/* The place of one that is not true any more, or was not used for longest. */
static struct named_folder *next_place(struct box *b)
{
    struct named_folder *oldest = NULL;

    for (struct named_folder *n = b->folders.named; n < b->folders.named + FOLDERS_MAX; n++) {
        if (!n->f.m || !is_true(b, n))
            return n;
        if (!oldest || n->used < oldest->used)
            oldest = n;
    }
    return oldest;
}

static const struct folder *named_at_hand(struct box *b, int dirfd, const char *name, unsigned len)
{
    struct named_folder *n = by_name(&b->folders, dirfd, name, len);

    if (!n || !is_true(b, n))
        return NULL;
    n->used = ++b->folders.uses;
    return &n->f;
}

static const struct folder *named_folder(struct task *t, int dirfd, const char *name, unsigned len)
{
    struct box *b = t->proc->box;
    struct folders *all = &b->folders;
    struct named_folder *n = by_name(all, dirfd, name, len);
    uint64_t which = hash(dirfd, name, len);

    if (!is_worth_it(all, which))
        return NULL;
    if (!n)
        n = next_place(b);
    n->used = ++all->uses;
    if (fill_named(t, n, dirfd, name, len))
        return &n->f;
    all->useless = which;
    all->useless_at = tick();
    return NULL;
}

static struct near_folders *near_of(struct task *t)
{
    struct folders *all = &t->proc->box->folders;

    if (t->near)
        return t->near;
    if (atomic_fetch_add(&all->nears, 1) < FOLDERS_NEARS_MAX)
        t->near = calloc(1, sizeof *t->near);
    if (!t->near)
        atomic_fetch_sub(&all->nears, 1);
    for (int i = 0; t->near && i < FOLDERS_NEAR; i++)
        t->near->n[i].own = -1;
    if (t->near)
        t->near->here.own = -1;
    return t->near;
}

static bool is_at_hand(const struct box *b, const struct named_folder *n, int dirfd, const char *name,
                       unsigned len)
{
    return n->f.m && n->dirfd == dirfd && n->len == len && memcmp(n->name, name, len) == 0 && is_true(b, n);
}

/* For a thread that is not alone: what it has itself. */
static const struct folder *near_folder(struct task *t, int dirfd, const char *name, unsigned len)
{
    struct near_folders *near = near_of(t);
    uint64_t which;
    bool filled;

    for (unsigned i = 0; near && i < FOLDERS_NEAR; i++)
        if (is_at_hand(t->proc->box, &near->n[i], dirfd, name, len)) {
            near->last = i;
            near->used = true;
            return &near->n[i].f;
        }
    if (!near)
        return NULL;
    which = hash(dirfd, name, len);
    if ((near->missed != which && !near->used) || near->useless == tick()) {
        near->missed = which;
        return NULL;
    }
    near->missed = which;
    near->used = false;
    near->last = (near->last + 1) % FOLDERS_NEAR;
    fd_freeze();
    filled = fill_named(t, &near->n[near->last], dirfd, name, len);
    fd_thaw();
    if (filled)
        return &near->n[near->last].f;
    near->useless = tick();
    return NULL;
}

/* --- Where the host follows no link ------------------------------------------------------------------- */

/*
 * The working directory, if all that lies below it is the host's, by a descriptor of noahv's: no other is surely of the piece's
 * mount.
 */
static const struct folder *whole_here(struct task *t)
{
    struct folders *all = &t->proc->box->folders;
    bool single = is_single(t->proc);
    struct near_folders *near = single ? NULL : near_of(t);
    struct named_folder *n = single ? &all->here : near ? &near->here : NULL;

    if (!n)
        return NULL;
    if (!is_true(t->proc->box, n)) {
        if (!single)
            fd_freeze();
        if (!fill_named(t, n, AT_FDCWD, "", 0))
            n->f.tick = tick(); /* is that it is none */
        if (!single)
            fd_thaw();
    }
    return n->f.m && n->f.m->root.m && n->f.clear ? &n->f : NULL;
}

/* All of a name without empty components or dots is looked up by the host, from the piece's root or from the working directory. */
static const struct folder *whole_of(struct task *t, int dirfd, const char *name, const char **rest)
{
    const struct folder *f = NULL;
    const struct mount *m;
    const char *below;

    if (*name == '/') {
        m = view_mount(t->proc->box->view, name, &below);
        f = m && m->root.m && *below ? &m->root : NULL;
    } else {
        below = name;
        f = dirfd == AT_FDCWD ? whole_here(t) : NULL;
    }
    if (f)
        *rest = below;
    return f;
}

/* A name's last component, and whether none is empty, "." or "..". */
struct leaf {
    const char *at;
    size_t len;
    bool plain, plain_way; /* it; those before */
};

static struct leaf leaf_of(const char *name)
{
    struct leaf l = { .plain_way = true };
    const char *end;

    for (l.at = name + (*name == '/');; l.at = end + 1) {
        size_t dots = *l.at != '.' ? 0 : l.at[1] != '.' ? 1 : 2;

        l.plain = l.at[dots] && l.at[dots] != '/';
        end = strchrnul(l.at, '/');
        if (!*end)
            break;
        l.plain_way &= l.plain;
    }
    l.len = (size_t)(end - l.at);
    return l;
}

const struct folder *folder_of(struct task *t, int dirfd, const char *name, const char **leaf)
{
    const struct leaf l = leaf_of(name);
    unsigned len = (unsigned)(l.at - name);
    const struct folder *f = NULL;

    *leaf = l.at;
    if (!l.plain || len >= FOLDER_NAME_MAX || l.len > NAME_MAX || learning(t))
        return NULL;
    if (*name == '/')
        dirfd = AT_FDCWD;
    else if (dirfd == AT_FDCWD && atomic_load(&t->proc->box->folders.cwd_shared))
        return NULL;
    if (is_single(t->proc)) {
        if (!len && dirfd != AT_FDCWD)
            return dirfd >= 0 && dirfd < FOLDERS_FDS ? open_folder(t, dirfd) : NULL;
        f = named_at_hand(t->proc->box, dirfd, name, len);
    }
    if (!f && l.plain_way)
        f = whole_of(t, dirfd, name, leaf);
    if (!f)
        f = is_single(t->proc) ? named_folder(t, dirfd, name, len) : near_folder(t, dirfd, name, len);
    return f;
}

bool folders_is_folder(struct task *t, int fd)
{
    return fd >= 0 && fd < FOLDERS_FDS && is_single(t->proc) && t->proc->box->folders.at[fd].m;
}

int folders_cwd(struct task *t, char out[PATH_MAX])
{
    struct box *b = t->proc->box;
    struct cwd_place *c = &b->folders.cwd;
    const struct named_folder here = { .dirfd = AT_FDCWD, .f.fd = -1, .own = -1, .len = 1 };
    unsigned now[4];
    size_t n;
    int r;

    if ((!is_single(t->proc) && !t->near) || atomic_load(&b->folders.cwd_shared))
        return view_place(b->view, AT_FDCWD, out);
    if (!is_single(t->proc))
        c = &t->near->cwd;
    count_changes(b, &here, now);
    if (c->tick == tick() && memcmp(c->since, now, sizeof now) == 0) {
        memcpy(out, c->at, sizeof c->at);
        return 0;
    }
    r = view_place(b->view, AT_FDCWD, out);
    n = strlen(out);
    if (r == 0 && n < sizeof c->at) {
        memcpy(c->at, out, n + 1);
        memcpy(c->since, now, sizeof now);
        c->tick = tick();
    }
    return r;
}

/* --- What is asked of a name in one ------------------------------------------------------------------- */

static void count_news(const struct box *b, unsigned now[2])
{
    now[0] = folders_names(b);
    now[1] = atomic_load(&b->folders.heard);
}

void folder_absent(struct task *t, const char *name)
{
    struct absent_name *a = &t->proc->box->folders.absent;
    size_t n = strlen(name);

    if (*name != '/' || n >= sizeof a->name || learning(t) || !is_single(t->proc))
        return;
    memcpy(a->name, name, n + 1);
    a->tick = tick();
    count_news(t->proc->box, a->since);
}

static bool is_absent(struct task *t, const char *name)
{
    const struct absent_name *a = &t->proc->box->folders.absent;
    unsigned now[2];

    if (*name != '/' || strcmp(a->name, name) != 0)
        return false;
    count_news(t->proc->box, now);
    return a->tick == tick() && memcmp(now, a->since, sizeof now) == 0;
}

/* What `leaf` is, in a folder that is at hand, or NULL. */
static int64_t look_at(const struct folder *f, const char *leaf, bool follow, struct stat *st)
{
    int64_t r = f ? HOST_RAW(SYS_newfstatat, f->fd, leaf, st, AT_SYMLINK_NOFOLLOW) : FOLDER_WALK;

    if (r == 0 && follow && S_ISLNK(st->st_mode))
        return FOLDER_WALK;
    return r == 0 || r == -ENOENT ? r : FOLDER_WALK;
}

static void see_file(struct seen_file *s, int dirfd, const char *name)
{
    size_t n = strlen(name);

    if (n >= sizeof s->name)
        n = 0;
    s->dirfd = dirfd;
    memcpy(s->name, name, n);
    s->name[n] = '\0';
}

int64_t folder_stat(struct task *t, int dirfd, const char *name, bool follow, struct stat *st)
{
    const struct folder *f;
    const char *leaf;
    int64_t r;

    if (is_absent(t, name))
        return -ENOENT;
    f = folder_of(t, dirfd, name, &leaf);
    r = look_at(f, leaf, follow, st);
    if (r == 0 && S_ISREG(st->st_mode) && is_single(t->proc))
        see_file(&t->proc->box->folders.file, dirfd, name);
    return r;
}

/*
 * `fd`, which `name` was opened as, is one to be kept, as the one around it; by its name, too, as long as it stays open.
 * names: how often they had changed before.
 */
static void keep_open(struct task *t, struct folder f, int fd, int dirfd, const char *name, unsigned names)
{
    struct folders *all = &t->proc->box->folders;
    unsigned len = (unsigned)strlen(name);
    struct named_folder *n;

    f.fd = fd;
    if (!f.tick) /* by all of the name, now */
        f.tick = tick();
    all->at[fd] = f;
    while (len && name[len - 1] == '/')
        len--;
    if (len + 1 >= FOLDER_NAME_MAX || (*name != '/' && dirfd == AT_FDCWD && atomic_load(&all->cwd_shared)))
        return;
    n = next_place(t->proc->box);
    n->f = f;
    n->used = ++all->uses;
    n->dirfd = *name == '/' ? AT_FDCWD : dirfd;
    n->len = len + 1;
    memcpy(n->name, name, len);
    n->name[len] = '/';
    count_changes(t->proc->box, n, n->since);
    n->since[1] = names;
}

void folders_opened(struct task *t, int fd, int dirfd, const char *name, const struct mount *m,
                    const char *at, unsigned names)
{
    struct folder f = { .tick = tick() };
    struct stat st;

    if (fd >= FOLDERS_FDS || learning(t) || !is_single(t->proc) || HOST_RAW(SYS_fstat, fd, &st) < 0)
        return;
    t->proc->box->folders.plain[fd] = S_ISREG(st.st_mode);
    if (S_ISDIR(st.st_mode) && is_kept(t->proc->box->view, &f, fd, m, at, &st))
        keep_open(t, f, fd, dirfd, name, names);
}

/* What was just opened, by one thread, as `fd`. From a mount of its own a folder is one of that mount, whatever the host has done. */
static void opened_in(struct task *t, const struct folder *f, int fd, int dirfd, const char *name, int flags,
                      unsigned names)
{
    struct folders *all = &t->proc->box->folders;
    bool is_folder = flags & O_DIRECTORY && f->m->root.m && (f == &f->m->root || f == &all->here.f);
    struct stat st = { .st_dev = f->dev };

    all->plain[fd] = dirfd == all->file.dirfd && strcmp(name, all->file.name) == 0;
    if (all->plain[fd] || (!is_folder && HOST_RAW(SYS_fstat, fd, &st) < 0))
        return;
    all->plain[fd] = S_ISREG(st.st_mode);
    if ((is_folder || S_ISDIR(st.st_mode)) && f->clear && f->dev == st.st_dev)
        keep_open(t, *f, fd, dirfd, name, names);
}

static int64_t open_in(struct task *t, int dirfd, const char *name, int flags)
{
    unsigned names = folders_names(t->proc->box);
    const struct folder *f;
    const char *leaf;
    int64_t r;

    if (is_absent(t, name))
        return -ENOENT;
    f = folder_of(t, dirfd, name, &leaf);
    r = f ? HOST(t, SYS_openat, f->fd, leaf, flags | O_NOFOLLOW) : FOLDER_WALK;
    if (r >= 0 && r < FOLDERS_FDS &&
        is_single(t->proc)) /* else it is any thread's to change what it is open as */
        opened_in(t, f, (int)r, dirfd, name, flags, names);
    return r == -ELOOP || r == -ENOTDIR ? FOLDER_WALK : r;
}

/* "f/" is no name in a folder, but opens nothing else than "f" does with O_DIRECTORY. */
int64_t folder_open(struct task *t, int dirfd, const char *name, int flags)
{
    char bare[FOLDER_NAME_MAX];
    size_t n = strlen(name);

    if (n > 1 && n <= sizeof bare && name[n - 1] == '/') {
        memcpy(bare, name, n - 1);
        bare[n - 1] = '\0';
        name = bare;
        flags |= O_DIRECTORY;
    }
    return open_in(t, dirfd, name, flags);
}

int64_t folder_readlink(struct task *t, int dirfd, const char *name, char *out, uint64_t size)
{
    const char *leaf;
    const struct folder *f = folder_of(t, dirfd, name, &leaf);
    int64_t r = f ? HOST_RAW(SYS_readlinkat, f->fd, leaf, out, size) : FOLDER_WALK;

    return r >= 0 || r == -EINVAL || r == -ENOENT ? r : FOLDER_WALK;
}
