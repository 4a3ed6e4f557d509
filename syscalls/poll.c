/*
 * Waiting for descriptors: ppoll, pselect6 and epoll, with their temporary signal masks. epoll_event is the
 * one structure whose layout differs: the host packs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/procfs.h"
#include "syscalls/procgen.h"
#include "syscalls/signal.h"

/* --- ppoll ------------------------------------------------------------------------------------------- */

#define POLL_CHUNK 64
#define POLL_MAX (1u << 20) /* sysctl fs.nr_open: no table is larger */

/* Does the guest ask for a descriptor of noahv's? The host would not say that it is closed. */
static bool polls_own(struct task *t, gva_t fds, uint32_t nfds)
{
    struct pollfd p[POLL_CHUNK];

    for (uint32_t at = 0; at < nfds && nfds <= POLL_MAX; at += POLL_CHUNK) {
        uint32_t n = MIN(nfds - at, POLL_CHUNK);

        if (copy_in(t->mem, p, fds + (gva_t)at * sizeof *p, n * sizeof *p))
            return false;
        for (uint32_t i = 0; i < n; i++)
            if (fd_is_own(p[i].fd))
                return true;
    }
    return false;
}

#define OWN_FD INT_MIN /* any negative number: the host passes over it */

/* One that is closed is news, so that nothing is waited for. */
static int64_t poll_with_own(struct task *t, gva_t fds, uint32_t nfds)
{
    const struct timespec at_once = { 0, 0 };
    struct pollfd *p = malloc(nfds * sizeof *p); /* POLL_MAX at most */
    uint32_t own = 0;
    int64_t r;

    if (!p)
        return -ENOMEM;
    r = copy_in(t->mem, p, fds, nfds * sizeof *p);
    for (uint32_t i = 0; r == 0 && i < nfds; i++)
        if (fd_is_own(p[i].fd))
            p[i].fd = OWN_FD;
    if (r == 0)
        r = HOST(t, SYS_ppoll, p, nfds, &at_once);
    for (uint32_t i = 0; r >= 0 && i < nfds; i++) {
        gva_t revents = fds + (gva_t)i * sizeof *p + offsetof(struct pollfd, revents);

        if (p[i].fd == OWN_FD) {
            p[i].revents = POLLNVAL;
            own++;
        }
        if (put_user(t->mem, revents, &p[i].revents))
            r = -EFAULT;
    }
    free(p);
    return r < 0 ? r : r + own;
}

int64_t sys_ppoll(struct task *t, gva_t fds, uint32_t nfds, gva_t timeout, gva_t sigmask, uint64_t sigsetsize)
{
    const uint64_t a[6] = { span(t, fds, (uint64_t)nfds * 8), nfds, span(t, timeout, 16), 0, 8 };

    if (polls_own(t, fds, nfds))
        return poll_with_own(t, fds, nfds);
    return sig_masked_call(t, sigmask, sigsetsize, MASK_PLAIN, 3, SYS_ppoll, a);
}

/* --- pselect6 ---------------------------------------------------------------------------------------- */

/* Numbers that the host's descriptor table has room for (fs/proc/array.c): none above them is open. */
static int host_table_size(void)
{
    int size = 1 << 20; /* what fs.nr_open is unless somebody has changed it */
    struct lines l;
    const char *line;

    if (lines_open(&l, procfs_dir(), "self/status") == 0)
        while ((line = lines_next(&l)) && sscanf(line, "FDSize: %d", &size) != 1)
            continue;
    lines_close(&l);
    return size;
}

/* Numbers that the guest's descriptor table would have room for: fs/file.c alloc_fdtable. */
static int table_size(int nfds)
{
    int highest = (nfds > FD_SETSIZE ? MIN(nfds, host_table_size()) : nfds) - 1, size = 64;

    while (highest >= size && (fd_is_own(highest) || HOST_RAW(SYS_fcntl, highest, F_GETFD) < 0))
        highest--;
    while (size <= highest)
        size *= 2;
    return size;
}

/*
 * fs/select.c core_sys_select: the kernel looks at no more than the table has bits, so that a stray bit past it is
 * not -EBADF. The host's table is larger, for noahv's own numbers are high: sets longer than any fd_set are cut first, others
 * when the host has complained.
 */
int64_t sys_pselect6(struct task *t, int nfds, gva_t readfds, gva_t writefds, gva_t exceptfds, gva_t timeout,
                     gva_t sig)
{
    const int n = nfds > FD_SETSIZE ? MIN(nfds, table_size(nfds)) : nfds;
    uint64_t bytes = n > 0 ? ((uint64_t)n + 63) / 64 * 8 : 0;
    uint64_t a[6] = { (uint64_t)n, span(t, readfds, bytes), span(t, writefds, bytes),
                      span(t, exceptfds, bytes), span(t, timeout, 16) };
    struct {
        gva_t mask;
        uint64_t size;
    } pair = { 0, 8 };
    int64_t r;

    if (sig && get_user(t->mem, &pair, sig))
        return -EFAULT;
    r = sig_masked_call(t, pair.mask, pair.size, MASK_PAIR, 5, SYS_pselect6, a);
    if (r == -EBADF && table_size(n) < n) {
        a[0] = (uint64_t)table_size(n);
        r = sig_masked_call(t, pair.mask, pair.size, MASK_PAIR, 5, SYS_pselect6, a);
    }
    return r;
}

/* --- epoll ------------------------------------------------------------------------------------------- */

int64_t sys_epoll_ctl(struct task *t, int epfd, int op, int fd, gva_t event)
{
    struct rv_epoll_event rv;
    struct epoll_event ev = { 0 };

    if (op != EPOLL_CTL_DEL) {
        if (get_user(t->mem, &rv, event))
            return -EFAULT;
        ev.events = rv.events;
        ev.data.u64 = rv.data;
    }
    if (fd_is_own(epfd) || fd_is_own(fd))
        return -EBADF;
    return HOST(t, SYS_epoll_ctl, epfd, op, fd, &ev);
}

/* Events of one host call. Fewer than asked for is allowed: the rest stays ready. */
#define EVENTS_MAX 128

/* `a` has what follows the events: timeout, and room for the mask. */
static int64_t epoll_wait_common(struct task *t, long nr, int epfd, gva_t events, int maxevents,
                                 uint64_t timeout, gva_t sigmask, uint64_t sigsetsize)
{
    struct epoll_event ev[EVENTS_MAX];
    struct rv_epoll_event rv[EVENTS_MAX];
    const uint64_t a[6] = {
        (uint64_t)epfd, (uint64_t)(uintptr_t)ev, (uint64_t)MIN(maxevents, EVENTS_MAX), timeout, 0, 8
    };
    int64_t r;

    if (maxevents <= 0 || maxevents > INT_MAX / (int)sizeof(struct rv_epoll_event))
        return -EINVAL;
    if (!range_within(events, (uint64_t)maxevents * sizeof rv[0], t->mem->limit))
        return -EFAULT;
    if (fd_is_own(epfd))
        return -EBADF;
    r = sig_masked_call(t, sigmask, sigsetsize, MASK_PLAIN, 4, nr, a);
    for (int64_t i = 0; i < r; i++)
        rv[i] = (struct rv_epoll_event){ .events = ev[i].events, .data = ev[i].data.u64 };
    if (r > 0 && copy_out(t->mem, events, rv, (size_t)r * sizeof rv[0]))
        return -EFAULT;
    return r;
}

int64_t sys_epoll_pwait(struct task *t, int epfd, gva_t events, int maxevents, int timeout, gva_t sigmask,
                        uint64_t sigsetsize)
{
    return epoll_wait_common(t, SYS_epoll_pwait, epfd, events, maxevents, (uint64_t)timeout, sigmask,
                             sigsetsize);
}

int64_t sys_epoll_pwait2(struct task *t, int epfd, gva_t events, int maxevents, gva_t timeout, gva_t sigmask,
                         uint64_t sigsetsize)
{
    return epoll_wait_common(t, SYS_epoll_pwait2, epfd, events, maxevents, span(t, timeout, 16), sigmask,
                             sigsetsize);
}
