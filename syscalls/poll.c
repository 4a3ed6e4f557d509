/*
 * Waiting for descriptors: ppoll, pselect6 and epoll, with their temporary signal masks. epoll_event is the
 * one structure whose layout differs: the host packs it.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/signal.h"

int64_t sys_ppoll(struct task *t, gva_t fds, uint32_t nfds, gva_t timeout, gva_t sigmask, uint64_t sigsetsize)
{
    const uint64_t a[6] = { span(t, fds, (uint64_t)nfds * 8), nfds, span(t, timeout, 16), 0, 8 };

    return sig_masked_call(t, sigmask, sigsetsize, MASK_PLAIN, 3, SYS_ppoll, a);
}

int64_t sys_pselect6(struct task *t, int nfds, gva_t readfds, gva_t writefds, gva_t exceptfds, gva_t timeout,
                     gva_t sig)
{
    /* fs/select.c core_sys_select: the kernel touches no more than the descriptor table has bits. */
    uint64_t bytes = nfds > 0 ? ((uint64_t)nfds + 63) / 64 * 8 : 0;
    const uint64_t a[6] = { (uint64_t)nfds,           span(t, readfds, bytes),
                            span(t, writefds, bytes), span(t, exceptfds, bytes),
                            span(t, timeout, 16),     0 };
    struct {
        gva_t mask;
        uint64_t size;
    } pair = { 0, 8 };

    if (sig && get_user(t->mem, &pair, sig))
        return -EFAULT;
    return sig_masked_call(t, pair.mask, pair.size, MASK_PAIR, 5, SYS_pselect6, a);
}

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
