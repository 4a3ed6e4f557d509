/*
 * A box that is watched, for noahv policy learn: what it uses is written down where it is decided about.
 */
#ifndef NOAHV_SYSCALLS_LEARN_H
#define NOAHV_SYSCALLS_LEARN_H

#include <sys/socket.h>

#include "policy/record.h"
#include "syscalls/linux.h"

/* Is this process watched? Whoever calls what follows has asked. */
bool learning(const struct task *t);

/* A line of the record. `text` belongs to a link, else it is "". */
void learn(struct task *t, enum policy_access a, const char *object, const char *text);

/* The same of a path as the program gave it, made absolute. */
void learn_path(struct task *t, enum policy_access a, int dirfd, const char *name);

/* An address of the internet, or an abstract one. */
void learn_address(struct task *t, enum net_use use, const struct sockaddr *sa, socklen_t len);

#endif
