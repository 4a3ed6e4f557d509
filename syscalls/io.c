/*
 * Scattered reads and writes: the vectors are copied and rewritten, the data goes directly between guest
 * memory and the host kernel.
 */
#include "syscalls/iovec.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"

int iovecs_in(struct task *t, struct iovecs *io, gva_t iov, uint64_t n)
{
    int r = 0;

    if (n > IOVECS_MAX)
        return -EINVAL;
    io->n = n;
    io->v = n <= IOVECS_FEW ? io->few : malloc(n * sizeof *io->v);
    if (!io->v)
        return -ENOMEM;
    if (n && copy_in(t->mem, io->v, iov, n * sizeof *io->v))
        r = -EFAULT;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct iovec *v = &io->v[i];

        if ((ssize_t)v->iov_len < 0)
            r = -EINVAL;
        else
            v->iov_base = gmem_span(t->mem, (gva_t)(uintptr_t)v->iov_base, v->iov_len);
    }
    if (r < 0)
        iovecs_free(io);
    return r;
}

void iovecs_free(struct iovecs *io)
{
    if (io->v != io->few)
        free(io->v);
}

bool iovecs_resolve(struct task *t, const struct iovecs *io)
{
    bool changed = false;

    for (size_t i = 0; i < io->n; i++) {
        gpa_t at;

        if (io->v[i].iov_base && gstage_contains(&t->mem->gs, (uintptr_t)io->v[i].iov_base, &at))
            changed |= gmem_resolve(t->mem, at, io->v[i].iov_len);
    }
    return changed;
}

/* readv and its kin: all take fd, vector, count and up to three numbers more. */
static int64_t vector_call(struct task *t, long nr, int fd, gva_t iov, uint64_t n, uint64_t pos_l,
                           uint64_t pos_h, int flags)
{
    struct iovecs io;
    int64_t r;

    if (fd_is_own(fd))
        return -EBADF;
    r = iovecs_in(t, &io, iov, n);
    if (r < 0)
        return r;
    do
        r = HOST(t, nr, fd, io.v, io.n, pos_l, pos_h, flags);
    while (r == -EFAULT && iovecs_resolve(t, &io));
    iovecs_free(&io);
    return r;
}

int64_t sys_readv(struct task *t, int fd, gva_t iov, uint64_t iovcnt)
{
    return vector_call(t, SYS_readv, fd, iov, iovcnt, 0, 0, 0);
}

int64_t sys_writev(struct task *t, int fd, gva_t iov, uint64_t iovcnt)
{
    return vector_call(t, SYS_writev, fd, iov, iovcnt, 0, 0, 0);
}

int64_t sys_preadv(struct task *t, int fd, gva_t iov, uint64_t iovcnt, int64_t pos_l, uint64_t pos_h)
{
    return vector_call(t, SYS_preadv, fd, iov, iovcnt, (uint64_t)pos_l, pos_h, 0);
}

int64_t sys_pwritev(struct task *t, int fd, gva_t iov, uint64_t iovcnt, int64_t pos_l, uint64_t pos_h)
{
    return vector_call(t, SYS_pwritev, fd, iov, iovcnt, (uint64_t)pos_l, pos_h, 0);
}

int64_t sys_preadv2(struct task *t, int fd, gva_t iov, uint64_t iovcnt, int64_t pos_l, uint64_t pos_h,
                    int flags)
{
    return vector_call(t, SYS_preadv2, fd, iov, iovcnt, (uint64_t)pos_l, pos_h, flags);
}

int64_t sys_pwritev2(struct task *t, int fd, gva_t iov, uint64_t iovcnt, int64_t pos_l, uint64_t pos_h,
                     int flags)
{
    return vector_call(t, SYS_pwritev2, fd, iov, iovcnt, (uint64_t)pos_l, pos_h, flags);
}

/* Scattered too, in either direction. */
int64_t sys_vmsplice(struct task *t, int fd, gva_t iov, uint64_t nr_segs, uint32_t flags)
{
    return vector_call(t, SYS_vmsplice, fd, iov, nr_segs, flags, 0, 0);
}
