/*
 * Messages and socket options: what has pointers inside is copied and rewritten, data and control messages
 * otherwise go directly between guest memory and the host kernel. Sockets are the host's own.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "syscalls/box.h"
#include "syscalls/clock.h"
#include "syscalls/fd.h"
#include "syscalls/iovec.h"
#include "syscalls/linux.h"
#include "syscalls/sockaddr.h"

/* --- Messages ---------------------------------------------------------------------------------------- */

/* Control data of one sendmsg: the kernel's own limit, net.core.optmem_max, is 128 KiB today. */
#define CONTROL_MAX ((size_t)128 << 10)
#define CONTROL_FEW 512

struct message {
    struct msghdr host;
    struct iovecs io;
    gva_t name;    /* the guest's: msg_name is the host's */
    char *control; /* few, or allocated; NULL: the guest's own is used */
    char few[CONTROL_FEW];
};

/* net/socket.c copy_msghdr_from_user: the header, name and vector. */
static int message_in(struct task *t, struct message *m, gva_t guest)
{
    struct msghdr *h = &m->host;
    int r;

    m->control = NULL;
    m->name = 0;
    if (get_user(t->mem, h, guest))
        return -EFAULT;
    if (!h->msg_name)
        h->msg_namelen = 0;
    if ((int)h->msg_namelen < 0)
        return -EINVAL;
    h->msg_namelen = MIN(h->msg_namelen, (socklen_t)sizeof(struct sockaddr_storage));
    m->name = (gva_t)(uintptr_t)h->msg_name;
    h->msg_name = gmem_span(t->mem, (gva_t)(uintptr_t)h->msg_name, h->msg_namelen);
    if (h->msg_iovlen > IOVECS_MAX)
        return -EMSGSIZE;
    r = iovecs_in(t, &m->io, (gva_t)(uintptr_t)h->msg_iov, h->msg_iovlen);
    h->msg_iov = m->io.v;
    return r;
}

static void message_free(struct message *m)
{
    if (m->control != m->few)
        free(m->control);
    iovecs_free(&m->io);
}

#ifndef SOL_RDS
#define SOL_RDS 276
#endif

/* One header and its data, all of which the caller has seen to lie in the buffer. */
static int check_control(struct task *t, const struct cmsghdr *c, const unsigned char *data, size_t len)
{
    int fd;

    if (c->cmsg_level == SOL_RDS) /* RDMA: addresses of memory */
        return -EINVAL;
    if (!box_may_option(t, c->cmsg_level, c->cmsg_type))
        return -EPERM;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    for (; len >= sizeof fd; data += sizeof fd, len -= sizeof fd) {
        memcpy(&fd, data, sizeof fd);
        if (fd_is_own(fd))
            return -EBADF;
    }
    return 0;
}

/*
 * -EBADF when a descriptor of noahv's is about to be sent. Walks as the kernel does (for_each_cmsghdr, CMSG_OK in
 * include/linux/socket.h): the C library's macros stop at a last header whose padding is cut off.
 */
static int check_rights(struct task *t, const struct msghdr *h)
{
    const unsigned char *at = h->msg_control;
    size_t left = h->msg_controllen;
    int r = 0;

    while (r == 0 && left >= sizeof(struct cmsghdr)) {
        struct cmsghdr c;

        memcpy(&c, at, sizeof c);
        if (c.cmsg_len < sizeof c || c.cmsg_len > left)
            return 0; /* the kernel refuses it all */
        r = check_control(t, &c, at + sizeof c, c.cmsg_len - sizeof c);
        at += MIN(CMSG_ALIGN(c.cmsg_len), left);
        left -= MIN(CMSG_ALIGN(c.cmsg_len), left);
    }
    return r;
}

/* Copies the control data of a message to be sent, so that what is checked is what is sent. */
static int control_in(struct task *t, struct message *m)
{
    struct msghdr *h = &m->host;
    gva_t guest = (gva_t)(uintptr_t)h->msg_control;

    h->msg_control = NULL;
    if (!h->msg_controllen)
        return 0;
    if (h->msg_controllen > CONTROL_MAX)
        return -ENOBUFS;
    m->control = h->msg_controllen <= CONTROL_FEW ? m->few : malloc(h->msg_controllen);
    if (!m->control)
        return -ENOMEM;
    if (copy_in(t->mem, m->control, guest, h->msg_controllen))
        return -EFAULT;
    h->msg_control = m->control;
    return check_rights(t, h);
}

static int64_t send_one(struct task *t, int fd, gva_t msg, uint32_t flags)
{
    struct address a = { .path = { .hold = -1 } };
    struct message m;
    int64_t r = message_in(t, &m, msg);

    if (r < 0)
        return r;
    r = control_in(t, &m);
    if (r == 0 && m.name) {
        r = address_in(t, &a, m.name, (int)m.host.msg_namelen, ADDRESS_SEND);
        m.host.msg_name = &a.sa;
        m.host.msg_namelen = a.len;
    }
    if (r == 0)
        do
            r = HOST(t, SYS_sendmsg, fd, &m.host, flags);
        while (r == -EFAULT && iovecs_resolve(t, &m.io));
    address_done(&a);
    message_free(&m);
    return r;
}

/* The fields that the kernel writes back, and only these. */
static int message_out(struct task *t, const struct msghdr *h, gva_t guest, bool named)
{
    uint32_t namelen = h->msg_namelen, flags = (uint32_t)h->msg_flags;
    uint64_t controllen = h->msg_controllen;
    int r = 0;

    if (named)
        r |= put_user(t->mem, guest + offsetof(struct msghdr, msg_namelen), &namelen);
    r |= put_user(t->mem, guest + offsetof(struct msghdr, msg_flags), &flags);
    r |= put_user(t->mem, guest + offsetof(struct msghdr, msg_controllen), &controllen);
    return r ? -EFAULT : 0;
}

static int64_t recv_one(struct task *t, int fd, gva_t msg, uint32_t flags, int *msg_flags)
{
    struct message m;
    int64_t r = message_in(t, &m, msg);

    if (r < 0)
        return r;
    m.host.msg_control = gmem_span(t->mem, (gva_t)(uintptr_t)m.host.msg_control, m.host.msg_controllen);
    iovecs_resolve(t, &m.io); /* beforehand: a datagram that met a fault is gone */
    r = HOST(t, SYS_recvmsg, fd, &m.host, flags);
    if (r >= 0 && message_out(t, &m.host, msg, m.host.msg_name != NULL))
        r = -EFAULT;
    *msg_flags = m.host.msg_flags;
    message_free(&m);
    return r;
}

int64_t sys_sendmsg(struct task *t, int fd, gva_t msg, uint32_t flags)
{
    return fd_is_own(fd) ? -EBADF : send_one(t, fd, msg, flags);
}

int64_t sys_recvmsg(struct task *t, int fd, gva_t msg, uint32_t flags)
{
    int msg_flags;

    return fd_is_own(fd) ? -EBADF : recv_one(t, fd, msg, flags, &msg_flags);
}

/* struct mmsghdr: a msghdr, then how many bytes went; padded to 64. */
enum { MMSG_LEN = sizeof(struct msghdr), MMSG_BYTES = 64 };

/* An open socket, for a vector of no messages: 0, -EBADF, -ENOTSOCK. */
static int64_t check_socket(struct task *t, int fd)
{
    int type;
    socklen_t len = sizeof type;

    return HOST(t, SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len);
}

/* net/socket.c __sys_sendmmsg: as many as can be sent; an error only if that is none. */
int64_t sys_sendmmsg(struct task *t, int fd, gva_t msgvec, uint32_t vlen, uint32_t flags)
{
    uint32_t done = 0;
    int64_t r = 0;

    if (fd_is_own(fd))
        return -EBADF;
    if (!vlen)
        return check_socket(t, fd);
    for (vlen = MIN(vlen, IOVECS_MAX); done < vlen; done++) {
        gva_t at = msgvec + (gva_t)done * MMSG_BYTES;
        uint32_t len;

        r = send_one(t, fd, at, flags);
        if (r < 0)
            break;
        len = (uint32_t)r;
        r = put_user(t->mem, at + MMSG_LEN, &len);
        if (r < 0)
            break;
    }
    return done ? (int64_t)done : r;
}

static int timeout_out(struct task *t, gva_t timeout, int64_t end)
{
    int64_t left = MAX(end - clock_ns(CLOCK_MONOTONIC), 0);
    struct timespec ts = { left / NS_PER_S, left % NS_PER_S };

    return put_user(t->mem, timeout, &ts);
}

/*
 * net/socket.c do_recvmmsg: the timeout is looked at after each message, so the first may block for ever; an
 * error after the first message ends the call with what there is.
 */
int64_t sys_recvmmsg(struct task *t, int fd, gva_t msgvec, uint32_t vlen, uint32_t flags, gva_t timeout)
{
    uint32_t done = 0, once = flags & ~(uint32_t)MSG_WAITFORONE;
    int64_t r = 0, end = 0;
    int msg_flags = 0;

    if (fd_is_own(fd))
        return -EBADF;
    if (timeout && (r = clock_in(t, timeout, &end)) < 0)
        return r;
    end += clock_ns(CLOCK_MONOTONIC);
    if (!vlen)
        return check_socket(t, fd);
    for (vlen = MIN(vlen, IOVECS_MAX); done < vlen && !(msg_flags & MSG_OOB);) {
        gva_t at = msgvec + (gva_t)done * MMSG_BYTES;
        uint32_t len;

        r = recv_one(t, fd, at, once, &msg_flags);
        if (r < 0)
            break;
        len = (uint32_t)r;
        r = put_user(t->mem, at + MMSG_LEN, &len);
        if (r < 0)
            break;
        done++;
        if (flags & MSG_WAITFORONE)
            once |= MSG_DONTWAIT;
        if (timeout && clock_ns(CLOCK_MONOTONIC) >= end)
            break;
    }
    if (timeout && done && timeout_out(t, timeout, end))
        return -EFAULT;
    return done ? (int64_t)done : r;
}

/* --- Options ----------------------------------------------------------------------------------------- */

/* Options whose value holds addresses: by number, since the kernel's headers that name them clash. */
struct option {
    int level, name;
};

enum { L_IP = 0, L_TCP = 6, L_IPV6 = 41, L_SCTP = 132, L_PACKET = 263, L_XDP = 283 };

static const struct option refused_set[] = {
    { L_IP, 128 },  /* EBT_SO_SET_ENTRIES */
    { L_IP, 129 },  /* EBT_SO_SET_COUNTERS */
    { SOL_RDS, 2 }, /* RDS_GET_MR */
    { SOL_RDS, 7 }, /* RDS_GET_MR_FOR_DEST */
    { L_XDP, 4 },   /* XDP_UMEM_REG */
};

static const struct option refused_get[] = {
    { L_IP, 129 },   /* EBT_SO_GET_ENTRIES */
    { L_IP, 131 },   /* EBT_SO_GET_INIT_ENTRIES */
    { L_TCP, 35 },   /* TCP_ZEROCOPY_RECEIVE: maps pages */
    { L_SCTP, 111 }, /* SCTP_SOCKOPT_CONNECTX3 */
};

/* Their value is a struct sock_fprog. */
static const struct option filters[] = {
    { SOL_SOCKET, SO_ATTACH_FILTER },
    { SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF },
    { L_PACKET, 22 }, /* PACKET_FANOUT_DATA of PACKET_FANOUT_CBPF; an eBPF one is a number of 4 bytes */
};

/* A table of packet filters, with the address that the old one's counters are written to. */
struct table_option {
    struct option option;
    size_t counters; /* where it stands; the number of counters is in the word before */
};

static const struct table_option tables[] = {
    { { L_IP, 64 }, 88 },   /* IPT_SO_SET_REPLACE */
    { { L_IP, 96 }, 72 },   /* ARPT_SO_SET_REPLACE */
    { { L_IPV6, 64 }, 88 }, /* IP6T_SO_SET_REPLACE */
};

enum { TABLE_HEADER = 96, TABLE_MAX = 32 << 20, COUNTER = 16 };

static bool listed(const struct option *o, size_t n, int level, int name)
{
    for (size_t i = 0; i < n; i++)
        if (o[i].level == level && o[i].name == name)
            return true;
    return false;
}

static const struct table_option *find_table(int level, int name)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        if (tables[i].option.level == level && tables[i].option.name == name)
            return &tables[i];
    return NULL;
}

/* The kernel gets a copy, zeros behind it: some look at a whole header, whatever the length. */
static int64_t set_table(struct task *t, int fd, const struct table_option *o, gva_t optval, uint32_t len)
{
    uint32_t counters;
    uint64_t to;
    int64_t r;
    char *copy;

    if (len > TABLE_MAX)
        return -ENOMEM;
    copy = calloc(1, MAX(len, TABLE_HEADER));
    if (!copy)
        return -ENOMEM;
    r = copy_in(t->mem, copy, optval, len);
    memcpy(&counters, copy + o->counters - 4, sizeof counters);
    memcpy(&to, copy + o->counters, sizeof to);
    to = span(t, to, (uint64_t)counters * COUNTER);
    memcpy(copy + o->counters, &to, sizeof to);
    if (r == 0)
        r = HOST(t, SYS_setsockopt, fd, o->option.level, o->option.name, copy, len);
    free(copy);
    return r;
}

static int64_t set_filter(struct task *t, int fd, int level, int name, gva_t optval)
{
    struct sock_filter *insns;
    struct sock_fprog prog;
    int64_t r;

    if (get_user(t->mem, &prog, optval))
        return -EFAULT;
    if (!prog.len || prog.len > BPF_MAXINSNS)
        return -EINVAL;
    insns = malloc(prog.len * sizeof *insns);
    if (!insns)
        return -ENOMEM;
    r = copy_in(t->mem, insns, (gva_t)(uintptr_t)prog.filter, prog.len * sizeof *insns);
    prog.filter = insns;
    if (r == 0)
        r = HOST(t, SYS_setsockopt, fd, level, name, &prog, sizeof prog);
    free(insns);
    return r;
}

int64_t sys_setsockopt(struct task *t, int fd, int level, int optname, gva_t optval, int optlen)
{
    if (fd_is_own(fd))
        return -EBADF;
    if (!box_may_option(t, level, optname))
        return -EPERM;
    if (listed(refused_set, ARRAY_SIZE(refused_set), level, optname))
        return -ENOPROTOOPT;
    if (listed(filters, ARRAY_SIZE(filters), level, optname) && optlen == (int)sizeof(struct sock_fprog))
        return set_filter(t, fd, level, optname, optval);
    if (find_table(level, optname) && optlen >= 0)
        return set_table(t, fd, find_table(level, optname), optval, (uint32_t)optlen);
    return HOST(t, SYS_setsockopt, fd, level, optname, span(t, optval, (uint64_t)MAX(optlen, 0)), optlen);
}

int64_t sys_getsockopt(struct task *t, int fd, int level, int optname, gva_t optval, gva_t optlen)
{
    uint64_t bytes;
    int64_t r;
    int len;

    if (fd_is_own(fd))
        return -EBADF;
    if (listed(refused_get, ARRAY_SIZE(refused_get), level, optname))
        return -ENOPROTOOPT;
    if (get_user(t->mem, &len, optlen))
        return -EFAULT;
    bytes = len > 0 ? (uint64_t)len : 0;
    if (level == SOL_SOCKET && optname == SO_GET_FILTER)
        bytes *= sizeof(struct sock_filter); /* len counts instructions */
    do
        r = HOST(t, SYS_getsockopt, fd, level, optname, span(t, optval, bytes), &len);
    while (r == -EFAULT && gmem_resolve(t->mem, optval, bytes));
    if (r >= 0 && put_user(t->mem, optlen, &len))
        return -EFAULT;
    return r;
}
