/*
 * SECCOMP_RET_USER_NOTIF: a listener of the guest's decides on calls. It is a real one of the host's, so that it can be
 * waited for, passed on and inherited: on the host, its filter hands it the calls with the numbers from NOTIFY_CALLS on,
 * which the host has not, and lets the others through. A call that the guest's filter wants to be asked about is made
 * with such a number. The listener's side, ioctl, translates. Rules: kernel/seccomp.c.
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

/* 2^29 numbers below bit 30, which marks those of x32. */
#define NOTIFY_CALLS 0x20000000u
#define NOTIFY_CALLS_END 0x40000000u

/* What SECCOMP_USER_NOTIF_FLAG_CONTINUE becomes: the call is made here, not by the host. */
#define GO_ON INT64_C(0x6e6f6168765f676f)

int64_t seccomp_listen(uint32_t flags)
{
    struct sock_filter insns[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NOTIFY_CALLS, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NOTIFY_CALLS_END, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = { ARRAY_SIZE(insns), insns };

    return HOST_RAW(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                    (flags & ~SECCOMP_FILTER_FLAG_LOG) | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
}

bool seccomp_notify(struct task *t, uint64_t nr, const uint64_t *a, int64_t *r)
{
    *r = -ENOSYS;
    if (nr < NOTIFY_CALLS_END - NOTIFY_CALLS)
        *r = HOST(t, (long)(NOTIFY_CALLS + nr), a[0], a[1], a[2], a[3], a[4], a[5]);
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
    n.data.nr -= (int)NOTIFY_CALLS;
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
    if (fd_is_own((int)a.srcfd))
        return -EBADF;
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
