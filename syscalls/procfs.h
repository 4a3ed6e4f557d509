/*
 * The files of /proc that would show noahv where the guest must see itself, and those that would open noahv's
 * memory to it. path.c recognises them by name, fs.c by what an open really led to (a symbolic link).
 */
#ifndef NOAHV_SYSCALLS_PROCFS_H
#define NOAHV_SYSCALLS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task;

enum proc_node {
    PROC_NONE, /* nothing special: the host's own file */
    PROC_EXE,  /* link to the guest program */
    PROC_MAPS, /* from here to PROC_CPUINFO: generated on open */
    PROC_SMAPS,
    PROC_SMAPS_ROLLUP,
    PROC_AUXV,
    PROC_CMDLINE,
    PROC_ENVIRON,
    PROC_STAT,
    PROC_STATM,
    PROC_STATUS,
    PROC_CPUINFO,
    PROC_PAGEMAP, /* the host's, seen from elsewhere (pagemap.h) */
    PROC_DENIED,  /* exists, open gives -EACCES */
    PROC_ABSENT   /* -ENOENT */
};

/* Remembers the host's /proc; once, before guest code runs. */
void procfs_start(void);

/* The same for a descriptor of it that is there already; it is taken over. -1: there is none. */
void procfs_adopt(int fd);

/* It, for lookups that the guest must not lead astray: "self/fd/3". -1: none. */
int procfs_dir(void);

/* The host's path of a descriptor: length, or < 0. `out` is terminated. */
int64_t procfs_path_of(int fd, char *out, size_t cap);

/* What a last path component may be, by its name alone; PROC_NONE for nearly all. */
enum proc_node procfs_name(const char *base);

/* What it is, given the directory (a descriptor, O_PATH will do) that holds it. */
enum proc_node procfs_node(int dirfd, const char *base);

/* What an open descriptor is, however it was come by. */
enum proc_node procfs_opened(int fd);

/* True when (dirfd, name) is a link of /proc, whose text the host makes up. */
bool procfs_is_link(int dirfd, const char *name);

/* True when `fd` is something of a /proc. */
bool procfs_is_on(int fd);

/* True when `fd` is a directory of this process's descriptors in /proc: fd or fdinfo. */
bool procfs_is_fd_dir(int fd);

/*
 * Opens a special file with open's flags: a new descriptor, or -errno. (dirfd, name) is the host's own file,
 * from which some contents derive.
 */
int64_t procfs_open(struct task *t, enum proc_node node, int dirfd, const char *name, int flags);

#endif
