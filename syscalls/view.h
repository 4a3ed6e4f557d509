/*
 * The files of a box: a tree made of granted pieces of the host's, and what a guest path means in it.
 *
 * The host kernel never follows a symbolic link, a ".." or a magic link for a boxed program: paths are walked here,
 * component by component, and what crosses is a way down from a piece's root, or a descriptor of the object found.
 */
#ifndef NOAHV_SYSCALLS_VIEW_H
#define NOAHV_SYSCALLS_VIEW_H

#include "policy/policy.h"
#include "syscalls/folders.h"
#include "syscalls/path.h"

struct stat;
struct view;

/* One piece. */
struct mount {
    enum place_kind kind;
    char *dst; /* place in the box: "" is the root, else "/a/b" */
    char *src; /* the host's path, as the kernel prints it: "" is the host's root */
    /* own descriptor (O_PATH) of it; its m is set where it is a mount of its own (mountns.h) */
    struct folder root;
    int dir;          /* of a file: own descriptor of its folder, for calls that follow no link; else -1 */
    const char *name; /* ... and its name there: into src */
    bool ro;
    uint64_t dev; /* what is on that device is not of a /proc; 0: not known */
    int upper;    /* under --overlay: own descriptor (O_PATH) of what is written to it (overlay.h); else -1 */
    char *upper_src; /* the host's path of that */
    bool crossed;    /* something is mounted below it */
};

/*
 * Builds the view: an empty root, /proc, a few devices, what the policy grants. `why` gets the cause of a failure
 * (VIEW_WHY_MAX bytes).
 */
#define VIEW_WHY_MAX 512
int view_create(const struct noahv_policy *p, struct view **out, char *why);
void view_free(struct view *v);

/*
 * Makes mounts of the folders that are granted (mountns.h), but for those in an overlay. 0, or -errno: *left is one that it
 * was not done for, mostly since something is mounted below it, or NULL.
 */
int view_enclose(struct view *v, const struct mount **left);

/* Adds a read-only file of the host's, the program itself: `out` gets its path in the box. */
int view_add_file(struct view *v, const char *host, char out[PATH_MAX], char *why);

/* The piece that holds a tidy guest path: the rest of the path in *rel. */
const struct mount *view_mount(const struct view *v, const char *at, const char **rel);

/* Is there a piece's place below this path? */
bool view_covers(const struct view *v, const char *at);

/* The guest's path of a descriptor, or of the working directory (AT_FDCWD): 0, or -ENOENT outside the view. */
int view_place(const struct view *v, int fd, char out[PATH_MAX]);

/* The working directory as the guest knows it: its length, or -ENOENT. */
int64_t view_cwd(struct task *t, char out[PATH_MAX]);

/* Under --overlay: is there an overlaid piece, what is locked, and is a descriptor's file in an upper layer? */
bool view_overlay(const struct view *v);
int view_lock(const struct view *v);
bool view_is_upper(const struct view *v, int fd);

/* All pieces, by number. */
size_t view_mounts(const struct view *v);
const struct mount *view_mount_at(const struct view *v, size_t i);

/* The piece that an open file lies in; NULL: none. */
const struct mount *view_mount_of(const struct view *v, int fd);

/* The guest's path of a host path: 0 or -ENOENT. */
int view_place_of(const struct view *v, const char *host, char out[PATH_MAX]);

/* walk.c: a path for a call: see path_in. */
int view_path(struct task *t, int dirfd, const char *name, unsigned how, struct path *out);

/* walk.c: an O_PATH descriptor of the folder that a name leads to, what it is, its piece, and its path in the box. */
int64_t view_folder(struct task *t, int dirfd, const char *name, struct stat *st, const struct mount **m,
                    char at[PATH_MAX]);

/* walk.c: stat, by a name that is not empty. */
int64_t view_stat(struct task *t, int dirfd, const char *name, bool follow, struct stat *st);

/* walk.c: open, openat2 without resolve flags. */
int64_t view_open(struct task *t, int dirfd, const char *name, int flags, uint32_t mode);

/* walk.c: readlink, where the answer is not the host's. */
int64_t view_readlink(struct task *t, int dirfd, const char *name, char out[PATH_MAX]);

/*
 * An own descriptor of what a guest's is open on, whose attributes are to be changed: in *hold, to be released. It is taken
 * before it is decided, so that nothing else can be put in its place. 0, or -EROFS, -EPERM.
 */
int64_t view_hold(struct task *t, int fd, int *hold);

/*
 * Opens what lies below a piece's root, or that of its upper layer, without a link on the way. `t`: a guest's own
 * open, which a signal may interrupt; NULL: a look of ours.
 */
int64_t view_down(struct task *t, const struct mount *m, bool up, const char *rel, int flags, uint32_t mode);

/* 0, or -EACCES when the descriptor is no folder of the view. */
int64_t view_check_dir(struct task *t, int fd);

/* viewproc.c: is this path below /proc one that the guest has? */
bool view_proc_has(struct task *t, const char *rel);

/*
 * viewproc.c: what a link below /proc leads to. 0: `out` is a guest path; 1: an object without one, the link itself must
 * be opened; -ENOENT, -EACCES.
 */
int view_proc_link(struct task *t, const char *rel, char out[PATH_MAX]);

/*
 * viewproc.c: readlink of "/proc/self/exe", which every program of the GNU C library asks at its start and a walk would take twenty
 * calls for: the length, or -ELOOP of other names.
 */
int64_t view_proc_exe(struct task *t, const char *name, char out[PATH_MAX]);

/* viewproc.c: drops from directory records what the guest does not have; the bytes that stay. */
int64_t view_proc_filter(struct task *t, int fd, char *dents, int64_t len);

#endif
