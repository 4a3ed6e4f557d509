/*
 * Socket addresses, and the calls that take nothing else of interest: bind, connect, sendto. Rules about addresses are
 * the policy's (box.c); a local socket's path is walked as every path of a box or of a root.
 */
#include "syscalls/sockaddr.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/view.h"

/* Where the path leads, as a name that needs no directory. */
static int local_resolve(struct task *t, struct path *p, const char *path, enum address_use use)
{
    unsigned how = use == ADDRESS_BIND ? PATH_ENTRY | PATH_MAKE : PATH_FOLLOW;
    int r;

    p->dirfd = AT_FDCWD;
    memcpy(p->name, path, strlen(path) + 1);
    r = path_resolve(t, p, how);
    return r < 0 ? r : path_flatten(p);
}

/* The address becomes one that leads to the same file on the host. */
static int64_t local_path(struct task *t, struct address *a, enum address_use use)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->sa;
    char path[sizeof un->sun_path + 1] = "";
    size_t n;
    int r;

    if (a->len <= offsetof(struct sockaddr_un, sun_path) || a->len > sizeof *un || !un->sun_path[0])
        return 0;
    memcpy(path, un->sun_path, a->len - offsetof(struct sockaddr_un, sun_path));
    r = local_resolve(t, &a->path, path, use);
    if (r < 0)
        return r == -EEXIST ? -EADDRINUSE : r;
    n = strlen(a->path.name);
    if (n >= sizeof un->sun_path)
        return -ENAMETOOLONG;
    memcpy(un->sun_path, a->path.name, n + 1);
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

int64_t address_in(struct task *t, struct address *a, gva_t guest, int len, enum address_use use)
{
    bool box = t->proc->box;
    int64_t r = 0;

    a->path.hold = -1;
    a->path.changed = NULL;
    a->len = 0;
    if (len < 0 || (size_t)len > sizeof a->sa)
        return -EINVAL;
    if (copy_in(t->mem, &a->sa, guest, (size_t)len))
        return -EFAULT;
    a->len = (socklen_t)len;
    if ((!box && !root_on(&t->proc->root)) || a->len < sizeof a->sa.ss_family)
        return 0;
    /* bind and UDP's sendmsg take AF_UNSPEC for AF_INET (net/ipv4/af_inet.c, udp.c); connect dissolves with it. */
    if (box && a->sa.ss_family == AF_UNSPEC && use != ADDRESS_CONNECT)
        a->sa.ss_family = AF_INET;
    if (box)
        r = box_may_reach(t, use == ADDRESS_BIND ? NET_LISTEN : NET_CONNECT, (struct sockaddr *)&a->sa,
                          a->len);
    return r == 0 && a->sa.ss_family == AF_UNIX ? local_path(t, a, use) : r;
}

void address_done(struct address *a)
{
    path_done(&a->path);
}

static int64_t with_address(struct task *t, long nr, int fd, gva_t addr, int addrlen, enum address_use use)
{
    struct address a;
    int64_t r;

    if (fd_is_own(fd))
        return -EBADF;
    r = address_in(t, &a, addr, addrlen, use);
    if (r == 0)
        r = HOST(t, nr, fd, &a.sa, a.len);
    address_done(&a);
    return r;
}

int64_t sys_bind(struct task *t, int fd, gva_t addr, int addrlen)
{
    return with_address(t, SYS_bind, fd, addr, addrlen, ADDRESS_BIND);
}

int64_t sys_connect(struct task *t, int fd, gva_t addr, int addrlen)
{
    return with_address(t, SYS_connect, fd, addr, addrlen, ADDRESS_CONNECT);
}

int64_t sys_sendto(struct task *t, int fd, gva_t buf, uint64_t len, uint32_t flags, gva_t addr, int addrlen)
{
    struct address a = { .path = { .hold = -1 } };
    int64_t r = 0;

    if (fd_is_own(fd))
        return -EBADF;
    if (addr)
        r = address_in(t, &a, addr, addrlen, ADDRESS_SEND);
    if (r == 0)
        do
            r = HOST(t, SYS_sendto, fd, span(t, buf, len), len, flags, addr ? &a.sa : NULL, a.len);
        while (r == -EFAULT && gmem_resolve(t->mem, buf, len));
    address_done(&a);
    return r;
}
