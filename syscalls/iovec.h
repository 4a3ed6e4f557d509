/*
 * Guest I/O vectors as the host kernel takes them: copied once, each base a span.
 */
#ifndef NOAHV_SYSCALLS_IOVEC_H
#define NOAHV_SYSCALLS_IOVEC_H

#include <sys/uio.h>

#include "syscalls/linux.h"

#define IOVECS_MAX 1024 /* UIO_MAXIOV */
#define IOVECS_FEW 8    /* kept without allocation */

struct iovecs {
    struct iovec *v; /* few, or allocated */
    size_t n;
    struct iovec few[IOVECS_FEW];
};

/* 0, -EFAULT, -EINVAL (more than IOVECS_MAX, or a negative length), -ENOMEM. Free with iovecs_free if 0. */
int iovecs_in(struct task *t, struct iovecs *io, gva_t iov, uint64_t n);
void iovecs_free(struct iovecs *io);

/* Grows the stack where a vector lies in its unmapped part; true when a call that gave EFAULT is worth making
 * again. */
bool iovecs_resolve(struct task *t, const struct iovecs *io);

#endif
