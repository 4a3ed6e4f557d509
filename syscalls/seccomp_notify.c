/*
 * SECCOMP_RET_USER_NOTIF: a listener of the guest's decides on calls. It is a real one of the host's, so that it can be
 * waited for, passed on and inherited: on the host, its filter hands it the calls of 64 Ki numbers from NOTIFY_CALLS on,
 * which the host has not, and lets the others through. A call that the guest's filter wants to be asked about is made
 * with such a number. The listener's side, ioctl, translates. Rules: kernel/seccomp.c.
 *
 * Each listener that a task has had has numbers of its own: what a closed one is asked is not for the next.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioctl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/seccomp.h"

/* Below bit 30, which marks the numbers of x32. */
#define NOTIFY_CALLS 0x20000000u
#define LISTENER_BITS 16
#define LISTENERS_MAX (NOTIFY_CALLS >> LISTENER_BITS)

/* What SECCOMP_USER_NOTIF_FLAG_CONTINUE becomes: the call is made here, not by the host. */
#define GO_ON INT64_C(0x6e6f6168765f676f)

/* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is left out: who waits so could not be made to leave by its process's end. */
int64_t seccomp_listen(uint32_t flags, unsigned listener)
{
    const uint32_t left_out = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    uint32_t first = NOTIFY_CALLS + (listener << LISTENER_BITS);
    struct sock_filter insns[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first + (1u << LISTENER_BITS), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = { ARRAY_SIZE(insns), insns };

    if (listener >= LISTENERS_MAX)
        return -ENOMEM;
    return HOST_RAW(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                    (flags & ~left_out) | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
}

bool seccomp_notify(struct task *t, unsigned listener, uint64_t nr, const uint64_t *a, int64_t *r)
{
    long first = (long)NOTIFY_CALLS + ((long)listener << LISTENER_BITS);

    *r = -ENOSYS;
    if (nr < 1u << LISTENER_BITS)
        *r = HOST(t, first + (long)nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    return *r == GO_ON;
}

/* --- The listener --------------------------------------------------------------------------------------- */

static int64_t receive(struct task *t, int fd, gva_t arg)
{
    struct seccomp_notif n;
    int64_t r;

    if (get_user(t->mem, &n, arg) ||
        put_user(t->mem, arg, &n)) /* nothing is lost by what cannot be written */
        return -EFAULT;
    r = HOST(t, SYS_ioctl, fd, SECCOMP_IOCTL_NOTIF_RECV, &n);
    if (r < 0)
        return r;
    n.data.nr &= (1 << LISTENER_BITS) - 1;
    n.data.arch = AUDIT_ARCH_RISCV64;
    n.data.instruction_pointer = 0; /* the host's is noahv's own */
    return put_user(t->mem, arg, &n) ? -EFAULT : r;
}

static int64_t answer(struct task *t, int fd, gva_t arg)
{
    struct seccomp_notif_resp a;

    if (get_user(t->mem, &a, arg))
        return -EFAULT;
    if (a.flags == SECCOMP_USER_NOTIF_FLAG_CONTINUE && !a.error && !a.val) {
        a.flags = 0;
        a.val = GO_ON;
    }
    return HOST(t, SYS_ioctl, fd, SECCOMP_IOCTL_NOTIF_SEND, &a);
}

static int64_t add_fd(struct task *t, int fd, gva_t arg)
{
    struct seccomp_notif_addfd a;

    if (get_user(t->mem, &a, arg))
        return -EFAULT;
    if (fd_is_own((int)a.srcfd) ||
        (a.flags & SECCOMP_ADDFD_FLAG_SETFD && (int64_t)a.newfd >= atomic_load(&fd_own_table.floor)))
        return -EBADF; /* there are noahv's own in the other process, too */
    return HOST(t, SYS_ioctl, fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

int64_t seccomp_ioctl(struct task *t, int fd, uint32_t cmd, gva_t arg)
{
    switch (cmd) {
    case SECCOMP_IOCTL_NOTIF_RECV:
        return receive(t, fd, arg);
    case SECCOMP_IOCTL_NOTIF_SEND:
        return answer(t, fd, arg);
    default:
        return add_fd(t, fd, arg);
    }
}
