/*
 * The two calls on extended attributes whose arguments come in a structure that holds an address, and those that become
 * such a call. The others cross unchanged (pass.c).
 */
#include <errno.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/path.h"

/* Linux 6.13; the C library's headers are older (include/uapi/linux/xattr.h). */
enum { HOST_SETXATTRAT = 463, HOST_GETXATTRAT = 464, HOST_LISTXATTRAT = 465 };

struct host_xattr_args {
    uint64_t value;
    uint32_t size, flags;
};

static int64_t xattr_call(struct task *t, long nr, int dirfd, gva_t path, int at_flags, gva_t name,
                          gva_t args, uint64_t usize)
{
    struct host_xattr_args x;
    struct path p;
    int64_t r = copy_struct_in(t->mem, &x, sizeof x, sizeof x, args, usize);

    if (r < 0)
        return r;
    if (path || !(at_flags & AT_EMPTY_PATH)) {
        r = path_in(t, dirfd, path, path_last_at(at_flags), &p);
    } else {
        p.dirfd = dirfd;
        p.name[0] = '\0';
        p.hold = -1;
        p.changed = NULL;
        r = fd_check_at(dirfd);
    }
    if (r < 0)
        return r;
    x.value = span(t, x.value, x.size);
    r = HOST(t, nr, p.dirfd, p.name, at_flags, span(t, name, 0), &x, sizeof x);
    path_done(&p);
    return r;
}

int64_t sys_setxattrat(struct task *t, int dirfd, gva_t path, int at_flags, gva_t name, gva_t args,
                       uint64_t usize)
{
    return xattr_call(t, HOST_SETXATTRAT, dirfd, path, at_flags, name, args, usize);
}

int64_t sys_getxattrat(struct task *t, int dirfd, gva_t path, int at_flags, gva_t name, gva_t args,
                       uint64_t usize)
{
    return xattr_call(t, HOST_GETXATTRAT, dirfd, path, at_flags, name, args, usize);
}

bool xattr_looks(long nr)
{
    return nr == SYS_getxattr || nr == SYS_lgetxattr || nr == SYS_listxattr || nr == SYS_llistxattr;
}

static int64_t look_at(struct task *t, long nr, const struct path *p, const uint64_t *host)
{
    struct host_xattr_args x = { .value = host[2], .size = (uint32_t)MIN(host[3], UINT32_MAX) };
    int flags = nr == SYS_lgetxattr || nr == SYS_llistxattr ? AT_SYMLINK_NOFOLLOW : 0;

    if (nr == SYS_listxattr || nr == SYS_llistxattr)
        return HOST(t, HOST_LISTXATTRAT, p->dirfd, p->name, flags, host[1], host[2]);
    return HOST(t, HOST_GETXATTRAT, p->dirfd, p->name, flags, host[1], &x, sizeof x);
}

int64_t xattr_look(struct task *t, long nr, struct path *p, const uint64_t *host)
{
    int64_t r = p->dirfd == AT_FDCWD ? -ENOSYS : look_at(t, nr, p, host);

    if (r != -ENOSYS)
        return r;
    r = path_flatten(p);
    return r < 0 ? r : HOST(t, nr, p->name, host[1], host[2], host[3]);
}
