/*
 * execve: from a path to a fresh image in the guest's address space, in place. Used by the guest's calls and
 * to start the first program.
 */
#ifndef NOAHV_SYSCALLS_EXEC_H
#define NOAHV_SYSCALLS_EXEC_H

#include "syscalls/linux.h"

/* Strings of argv or envp on the host heap. */
struct strv {
    char **at; /* owned, NULL-terminated; each string owned */
    size_t n, cap;
    uint64_t bytes; /* as they will count on the new stack */
};

/* NULL-terminated, if it is not yet: -ENOMEM. */
int strv_init(struct strv *v);
int strv_push(struct strv *v, const char *s);
int strv_push_first(struct strv *v, const char *s);
void strv_free(struct strv *v);

/* A program about to be run. */
struct exec {
    int fd;        /* the ELF file, opened for reading; -1 before exec_prepare. Owned. */
    int interp_fd; /* its dynamic loader; -1: static. Owned. */
    char *execfn;  /* AT_EXECFN: the path as given. Owned. */
    struct strv argv, envp;
    char why[LOADER_WHY_MAX]; /* cause of a failure, for people; may be empty */
};

void exec_free(struct exec *x);

/* The same but for its descriptors, which are those of a process that has gone. */
void exec_free_memory(struct exec *x);

/*
 * With x->fd open on the file as given, and execfn, argv, envp set: follows #! lines, validates and opens the
 * dynamic loader, so that x->fd is the ELF file to map and argv what it gets. -errno as execve(2) returns it;
 * nothing of the guest has changed.
 */
int exec_prepare(struct task *t, struct exec *x);

/* Opens a file for execution, by the guest's name for it: regular, executable. */
int exec_open(struct task *t, const char *name, int *fd);

/* The same for a path of the host's. */
int exec_open_host(const char *path, int *fd);

/* Is a program that runs, in this process or another of noahv's, the file that `fd` is open on? */
bool exec_marked(int fd);

/*
 * The point of no return: replaces the guest's image by x. 0, or -errno with x->why set, after which the process
 * can only die.
 */
int exec_commit(struct task *t, struct exec *x);

/* The rest of execve, when t is the only task of its process: commits (or dies) and frees x. */
void exec_run(struct task *t, struct exec *x);

#endif
