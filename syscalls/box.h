/*
 * The box inside: what is decided about a call before the host sees it, which processes belong to the box, what
 * they may use together, and how a refusal is told. All of it does nothing for a process that is not boxed.
 */
#ifndef NOAHV_SYSCALLS_BOX_H
#define NOAHV_SYSCALLS_BOX_H

#include <sys/socket.h>

#include "policy/policy.h"
#include "syscalls/folders.h"
#include "syscalls/linux.h"

struct view;

struct box {
    const struct noahv_policy *policy;
    struct view *view;
    int member;   /* this process's slot of policy->shared */
    int leash;    /* own descriptor of a pipe: its end is the process's; -1: none */
    bool running; /* the guest: before, refusals are the caller's to tell */
    int record;   /* own descriptor: what it uses is written there (learn.h); -1: nowhere */
    struct folders folders;
};

/* What a refusal consists of. Texts are for people, and may hold anything the guest chose. */
struct refusal {
    const char *rule;   /* "files", "network", "processes", "calls", ... */
    const char *object; /* what was asked for */
    const char *cause;
    const char *remedy; /* the flag that allows it; NULL: none does */
};

/*
 * Before the first guest instruction: limits, descriptors, the view of files. 0, or -errno with the vm's text
 * set. Takes nothing over; p->box is set.
 */
int box_start(struct task *t, const struct noahv_policy *policy);
void box_free(struct box *b);

/* Opens the program that the box is for: one of its files, or one of the host's, which it is granted then. */
int box_open_program(struct task *t, const char *path, int *fd);

/* When the program is loaded: to where it starts; NULL: the root. The vm's text is set on failure. */
int box_enter(struct task *t, const char *workdir);

/*
 * The one decision per row: 0, or what the call returns instead of being made. `a` are the registers as they came;
 * what stands behind addresses is decided where it has been copied (box_may_reach, view.h).
 */
int64_t box_check(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a);

/* Is the call one for a box at all? And the requests of ioctl and options of prctl that are, for the host's filter. */
bool box_lists(uint64_t nr);
size_t box_ioctls(void);
uint64_t box_ioctl_at(size_t i);
size_t box_prctls(void);
uint64_t box_prctl_at(size_t i);

/* Tells of a refusal as the policy asks for, and returns `err`, or ends the process. */
int64_t box_refuse(struct task *t, int err, const struct refusal *r);

/* 0, or -errno: may this socket address, copied, be used? */
int64_t box_may_reach(struct task *t, enum net_use use, const struct sockaddr *sa, socklen_t len);

/* False for an option, of a socket or of one message, that sends packets elsewhere than their address says. */
bool box_may_option(struct task *t, int level, int name);

/* 0, or -EPERM for flags of clone and unshare that make namespaces. */
int64_t box_may_clone(struct task *t, uint64_t flags);

/* True for a process or thread number of this box; always outside of one. */
bool box_has(struct task *t, int pid);

/* In a box: a thread of it that has not ended. */
bool box_lives(struct task *t, int tid);

/* 0, or -ENOMEM: may the box's memory grow by so many bytes? Counts anew what there is, also for 0. */
int box_may_grow(struct task *t, uint64_t bytes);

/* May a hart's translations take more memory? hart.may_translate of a box. */
bool box_may_translate(struct hart *h, size_t bytes);

/*
 * Around a fork: a place for one process more, or -EAGAIN; then either its number (parent), or that there is none (pid <
 * 0). In the child box_join.
 */
int box_fork(struct task *t, int *slot);
void box_forked(struct task *t, int slot, int64_t pid);
void box_join(struct task *t, int slot);

/* 0 or -EAGAIN: may there be a thread more? Then, and whenever one ends, box_threads, with the number there is. */
int box_may_thread(struct task *t);
void box_threads(const struct process *p);

#endif
