/*
 * The folders that a boxed program looked into last. A name in one of them takes one host call instead of a walk: it is
 * looked up in a descriptor of noahv's own of that folder, and no link there is followed.
 *
 * What is kept is what a walk has found, and only for a moment. It is forgotten when this process closes or changes the
 * directory it began at, when anything in the box makes, moves or removes a name, and when the process has heard of
 * others by any call but those on files. So it is only the host's other processes whose renaming may go unnoticed, for
 * FOLDER_TICKS of time, and the guest never reaches a folder that it could not have kept open itself.
 *
 * Of a folder that is a mount of its own (mountns.h) a name without ".." is given to the host whole, from its root or, where
 * no other piece lies below that, from the working directory: such names need no other folder at hand.
 *
 * A descriptor's copy (fcntl) is what it is; of an open folder it is told by its device that it is not of /proc, where it is that
 * of its piece.
 *
 * Where there are threads, each has the two folders at hand that it looked into last (where something is looked for, the
 * one around it is asked about the way), and no other's, by descriptors of noahv's, which no guest can close: so they wait
 * for nobody.
 */
#ifndef NOAHV_SYSCALLS_FOLDERS_H
#define NOAHV_SYSCALLS_FOLDERS_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct box;
struct mount;
struct stat;
struct task;

#define FOLDERS_MAX 16
#define FOLDERS_MISSED 16
#define FOLDERS_FDS 64
#define FOLDER_NAME_MAX 240

/* A folder in which names are no more than the host's: no piece of the box, no layer, not of /proc. */
struct folder {
    int fd;                /* of it: the program's, or noahv's own (O_PATH) */
    const struct mount *m; /* NULL: not known */
    uint64_t dev;
    bool clear; /* no piece anywhere below it, either */
    int64_t tick;
};

/* One by name: as the program named it, from dirfd, by `len` bytes up to the last slash. */
struct named_folder {
    struct folder f;
    int dirfd, own;    /* own: noahv's descriptor, used or not; -1: none yet */
    unsigned since[4]; /* how often dirfd, names, news, f.fd had changed */
    uint64_t used;     /* when it was, last */
    unsigned len;
    char name[FOLDER_NAME_MAX];
};

/* An absolute name that a walk did not find. The C library asks for /etc/localtime with each time it prints. */
struct absent_name {
    char name[48]; /* "": none */
    unsigned since[2];
    int64_t tick;
};

/* The regular file that was looked at last: what is opened by that name is one. */
struct seen_file {
    int dirfd;
    char name[FOLDER_NAME_MAX]; /* "": none */
};

/* The working directory's path in the box. */
struct cwd_place {
    char at[FOLDER_NAME_MAX];
    unsigned since[4]; /* as of a named_folder */
    int64_t tick;      /* 0: not known */
};

/* Those of a thread that is not alone; here: the working directory. */
#define FOLDERS_NEAR 2
struct near_folders {
    struct named_folder n[FOLDERS_NEAR], here;
    struct cwd_place cwd;
    unsigned last;   /* which of them was used last */
    uint64_t missed; /* which was asked for last and not there */
    bool used;       /* the last one that was found was of use: so may be the next */
    int64_t useless; /* when one could not be kept */
};

struct folders {
    struct folder at[FOLDERS_FDS]; /* what the program has open */
    struct named_folder named[FOLDERS_MAX], here;
    struct absent_name absent;
    struct cwd_place cwd;
    uint64_t uses;                   /* of those */
    uint64_t missed[FOLDERS_MISSED]; /* which were asked for last and not there, */
    uint64_t useless;                /* ... and which of those cannot be kept, */
    int64_t useless_at;              /* for this while */
    unsigned
        closed[FOLDERS_FDS]; /* how often closing a descriptor of this number, modulo, has begun or ended */
    atomic_uint nears;       /* how many threads have some */
    struct seen_file file;
    bool plain[FOLDERS_FDS]; /* a regular file was opened as this number */
    atomic_uint moved;       /* how often the working directory was changed */
    atomic_bool
        cwd_shared; /* ... which may happen elsewhere, too: another process has the same, or a thread another */
    atomic_uint heard; /* how often a call may have told something of others */
};

void folders_start(struct folders *f);
/* Around what makes descriptors of these numbers something else, between fd_freeze and fd_thaw. */
void folders_close_begin(struct folders *f, uint64_t first, uint64_t last);
void folders_close_end(struct folders *f, uint64_t first, uint64_t last);

/* What is open as this number: a regular file, which tells no news of others, or a folder not of /proc? */
bool folders_is_file(const struct task *t, uint64_t fd);
bool folders_is_folder(struct task *t, int fd);

/* The working directory was changed, or may not have been. */
void folders_moved(struct box *b);

/* From now on the working directory is no more that of this process alone and as a whole. */
void folders_share_cwd(struct folders *f);

/* The thread's own, at its end; and when the program is another one. */
void folders_forget_near(struct task *t);

/* Before the end; and when the program is another one. */
void folders_forget(struct folders *f);

/* `to` was free, and is what `fd` is now: a copy. */
void folders_copied(struct task *t, int64_t fd, int64_t to);

/* A name was made, moved, removed, or became another's to look at: for all processes of the box. */
void folders_changed(const struct box *b);

/* What is open as `fd` was changed by this descriptor: of a folder, maybe who may go through it. */
void folders_changed_by(const struct box *b, int fd);

/* How often that has happened. */
unsigned folders_names(const struct box *b);

/* `fd` was opened as `name`, by the way down to `at` of the box, in `m`, which was begun when `names` was their count. */
void folders_opened(struct task *t, int fd, int dirfd, const char *name, const struct mount *m,
                    const char *at, unsigned names);

/*
 * The folder of `name`, if it is at hand: *leaf is its last component, which is neither "." nor "..". NULL: walk. It stays
 * until the call has been made, which asks for one.
 */
const struct folder *folder_of(struct task *t, int dirfd, const char *name, const char **leaf);

/* What a walk would give. FOLDER_WALK: only a walk can tell. `flags`: nothing is written, made or merely named (O_PATH). */
#define FOLDER_WALK INT64_MIN
/* An absolute name was looked for in vain, where none can be made. */
void folder_absent(struct task *t, const char *name);

/* view_place of the working directory. */
int folders_cwd(struct task *t, char out[PATH_MAX]);
int64_t folder_stat(struct task *t, int dirfd, const char *name, bool follow, struct stat *st);
int64_t folder_open(struct task *t, int dirfd, const char *name, int flags);
int64_t folder_readlink(struct task *t, int dirfd, const char *name, char *out, uint64_t size);

#endif
