/*
 * What the host's kernel lets a box call at all.
 */
#ifndef NOAHV_SYSCALLS_FILTER_H
#define NOAHV_SYSCALLS_FILTER_H

#include <seccomp.h>

#include "policy/policy.h"

/* A filter as a program for seccomp(2): an array of struct sock_filter. Without and with a network. */
extern const struct filter_image {
    const void *at;
    size_t bytes;
} filter_image[2] __attribute__((visibility("hidden")));

/* Makes it anew: 0 and a context to be released, or a negative errno. For an audit each call of the list is notified. */
int filter_make(bool net, bool audit, scmp_filter_ctx *out);

/* For this process and all that it forks. 0, or a negative errno. */
int filter_load(const struct noahv_policy *p);

#endif
