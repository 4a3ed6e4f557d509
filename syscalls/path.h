/*
 * Paths on their way from the guest to the host kernel, and back. Without a root there is one name space, the
 * host's. With one (--root DIR) the guest sees DIR laid over the host: root.c. Either way a few names under
 * /proc mean something else for the guest (procfs.h).
 */
#ifndef NOAHV_SYSCALLS_PATH_H
#define NOAHV_SYSCALLS_PATH_H

#include <fcntl.h>
#include <limits.h>

#include "syscalls/linux.h"
#include "syscalls/procfs.h"

struct box;
struct mount;

struct path {
    int dirfd; /* pass these two to the host ... */
    char name[PATH_MAX];
    enum proc_node virt;       /* ... except to open it: then PROC_MAPS and above are for procfs_open */
    int hold;                  /* descriptor of ours that name refers to, until path_done; or -1 */
    const struct mount *mount; /* in a box: the piece that it lies in; else NULL */
    const struct box *changed; /* whose names the call changes, in a box; else NULL */
    bool tried;                /* with a root: not looked up yet; see path_again */
    uint64_t dev, ino; /* of a folder in two layers (overlay.h): as which it is known; ino 0: as it is */
};

/* A symbolic link that is the last component: what the call does with it. */
enum path_last {
    PATH_FOLLOW,   /* goes on */
    PATH_NOFOLLOW, /* stops, unless the name ends in '/' */
    PATH_ENTRY,    /* stops: the call works on the directory's entry, which it makes, moves or removes */
    PATH_NO_LINKS, /* -ELOOP, and for any other link too: openat2(RESOLVE_NO_SYMLINKS) */
    PATH_BENEATH   /* the host looks, below dirfd, and at no root: openat2(RESOLVE_BENEATH) */
};

/* Added to one of them: what a box must know besides (walk.c). */
enum path_use {
    PATH_LAST = 0xf,    /* mask of enum path_last */
    PATH_CHANGE = 0x10, /* what it names is changed, though not opened */
    PATH_MAKE = 0x20,   /* the entry is made */
    PATH_EMPTY = 0x40,  /* AT_EMPTY_PATH: "" is the directory descriptor itself */
    PATH_LINK = 0x80,   /* it gets another name: a folder's layer keeps it */
    PATH_TRY = 0x100    /* path_again() is asked when the call has been made */
};

/* Of a call with AT_* flags. */
static inline enum path_last path_last_at(int flags)
{
    return flags & AT_SYMLINK_NOFOLLOW ? PATH_NOFOLLOW : PATH_FOLLOW;
}

/*
 * Copies and resolves the path at `guest`, relative to dirfd: 0, or -EFAULT, -ENAMETOOLONG, -EBADF (dirfd is
 * noahv's), -ENOENT, -ENOTDIR (names under /proc that the guest does not have), with a root whatever a look-up
 * of the directories gives, in a box also what it does not hold. The empty path is passed on. /proc/self/exe has
 * become a name that leads to the guest's program. how: enum path_last and bits of path_use. path_done when the call
 * has been made.
 */
int path_in(struct task *t, int dirfd, gva_t guest, unsigned how, struct path *out);
void path_done(struct path *p);

/* The same for a path that noahv has: p->dirfd and p->name as the guest would give them. */
int path_resolve(struct task *t, struct path *p, unsigned how);

/*
 * With a root, a name in an open directory can mostly be passed on as it stands, by PATH_TRY: what the directory has is
 * found first anyway. True: it has not. The path has been looked up then (*r is path_in's), and the call is made again.
 */
bool path_again(struct task *t, int dirfd, gva_t guest, unsigned how, struct path *p, int64_t *r);

/* How much of a name comes before a last "." or "..", which it has then; else -1. */
int path_before_dots(const char *name);

/* For calls that take no directory descriptor: makes p->name lead there by itself. 0 or -ENAMETOOLONG. */
int path_flatten(struct path *p);

/*
 * xattr.c: the calls that read attributes by a name and take no directory. Younger hosts have others that do, which such a
 * call becomes where its path has one. `host`: its arguments.
 */
bool xattr_looks(long nr);
int64_t xattr_look(struct task *t, long nr, struct path *p, const uint64_t *host);

/* --- The root (root.c) ------------------------------------------------------------------------------ */

/* Lays `dir` over the host: 0 or -errno. "/" is no root at all. */
int root_open(struct root *r, const char *dir);
void root_close(struct root *r);

/* In another mount namespace: what DIR's name leads to there is laid over it. Where it leads nowhere, DIR as it was. */
void root_renew(const struct root *r);

static inline bool root_on(const struct root *r)
{
    return r->path && !r->left;
}

/* Is it a name in a directory, of which the kernel finds the same, if anything? */
bool root_is_plain(const char *name);

/* With a root: turns p->dirfd and p->name into where the host keeps it. */
int root_resolve(const struct root *r, struct path *p, enum path_last last);

/* A host path as the guest knows it: cuts the root off, in place. Returns the length. */
size_t root_guest_path(const struct root *r, char *path);

#endif
