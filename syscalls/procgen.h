/*
 * Generated files of /proc: text on its way into them, lines of the host's file that they derive from, and the files
 * that tell of memory (procmaps.c).
 */
#ifndef NOAHV_SYSCALLS_PROCGEN_H
#define NOAHV_SYSCALLS_PROCGEN_H

#include <limits.h>

#include "base/buf.h"
#include "syscalls/linux.h"

/* A file being written: text is gathered in `b`. */
struct gen {
    int fd;
    struct buf b;
    char mem[2 * PATH_MAX];
};

void gen_start(struct gen *g, int fd);
void gen_flush(struct gen *g);

/* After each line: keeps room for the longest one. */
void gen_line_done(struct gen *g);

/* Guest bytes [from, to), as far as they can be read, and no more than the arguments of an execve have. */
#define GEN_GUEST_MAX ((uint64_t)6 << 20)
void gen_guest(struct task *t, struct gen *g, gva_t from, gva_t to);

/* procmaps.c: is anything of the file mapped that descriptor `fd` is open on? */
bool maps_have(struct task *t, int fd);

/* The host's name of the memfd with what gen_maps has written. */
#define MAPS_NAME "proc-maps"

/* Is `fd` open on that? */
bool maps_is(int fd);

/* ioctl PROCMAP_QUERY on it (fs/proc/task_mmu.c do_procmap_query): `arg` is a struct procmap_query. */
int64_t maps_query(struct task *t, gva_t arg);

/* Lines of a host file. */
struct lines {
    int fd;
    size_t at, n;
    char mem[2 * PATH_MAX];
};

/* 0 or -errno; then there are none. */
int lines_open(struct lines *l, int dirfd, const char *name);
void lines_close(struct lines *l);

/* The next line without its newline; NULL at the end. A line longer than the buffer comes in pieces. */
char *lines_next(struct lines *l);

/* procmaps.c: each from the host's file, which the last one exchanges for another. */
void gen_maps(struct task *t, struct gen *g, struct lines *host);
void gen_smaps(struct task *t, struct gen *g, struct lines *host);
void gen_smaps_rollup(struct task *t, struct gen *g, struct lines *host);

#endif
