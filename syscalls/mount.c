/*
 * mount, whose first argument is a path of the guest's for some requests and a word of the file system's for others.
 * In a box there is no such call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "syscalls/path.h"

/* What old programs put above the flags (include/uapi/linux/mount.h). */
#define MGC_MASK 0xffff0000u
#define MGC_VALUE 0xc0ed0000u

#define PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

enum source {
    SOURCE_REMOUNT, /* not used: options of the mount at the target change */
    SOURCE_PROPAGATION, /* not used: it, or those below it, are shared with other namespaces from then on, or not */
    SOURCE_PATH,        /* what appears at the target */
    SOURCE_WORD         /* the file system's to read: often a device, by its name */
};

/* fs/namespace.c path_mount, in its order */
static enum source source_of(uint64_t flags)
{
    if ((flags & MGC_MASK) == MGC_VALUE)
        flags &= ~(uint64_t)MGC_MASK;
    if (flags & MS_REMOUNT)
        return SOURCE_REMOUNT;
    if (flags & MS_BIND)
        return SOURCE_PATH;
    if (flags & PROPAGATION)
        return SOURCE_PROPAGATION;
    return flags & MS_MOVE ? SOURCE_PATH : SOURCE_WORD;
}

/* copy_mount_string; *out: the copy, or NULL of NULL */
static int copy_word(struct task *t, char to[PATH_MAX], gva_t from, const char **out)
{
    ssize_t n = from ? copy_str(t->mem, to, from, PATH_MAX) : 0;

    *out = from ? to : NULL;
    return n == -ENAMETOOLONG ? -EINVAL : (int)MIN(n, 0);
}

/* copy_mount_options: a page, or what there is of one. It need not be text. */
static int copy_data(struct task *t, char to[PAGE_BYTES], gva_t from, const char **out)
{
    size_t n = from ? copy_in_some(t->mem, to, from, PAGE_BYTES) : 0;

    *out = from ? to : NULL;
    if (from)
        memset(to + n, 0, PAGE_BYTES - n);
    return from && !n ? -EFAULT : 0;
}

/* fs/super.c lookup_bdev: a name that leads to a device under a root leads the host there too; other words stay. */
static int find_device(struct task *t, struct path *p)
{
    char word[PATH_MAX];
    struct stat st;
    int r;

    if (!root_on(&t->proc->root))
        return 0;
    memcpy(word, p->name, sizeof word);
    r = *word ? path_resolve(t, p, PATH_FOLLOW) : -ENOENT;
    if (r == 0 && HOST_RAW(SYS_newfstatat, p->dirfd, p->name, &st, 0) == 0 && S_ISBLK(st.st_mode))
        return path_flatten(p);
    memcpy(p->name, word, sizeof word);
    return 0;
}

/* p->name is the guest's word; what the host gets of it. */
static int find_source(struct task *t, struct path *p, enum source what)
{
    int r = 0;

    if (what == SOURCE_WORD)
        return find_device(t, p);
    if (what == SOURCE_PATH)
        r = path_resolve(t, p, PATH_FOLLOW);
    return r < 0 ? r : path_flatten(p);
}

/* The guest's "/", to which DIR's own name has become. */
static bool is_top(struct task *t, const struct path *p)
{
    return root_on(&t->proc->root) && p->dirfd == t->proc->root.fd && p->name[0] == '.' &&
           (!p->name[1] || p->name[1] == '/');
}

int64_t sys_mount(struct task *t, gva_t source, gva_t target, gva_t fstype, uint64_t flags, gva_t data)
{
    struct path from = { .dirfd = AT_FDCWD, .hold = -1 }, to = { .hold = -1 };
    const char *type, *word, *options;
    char type_copy[PATH_MAX], data_copy[PAGE_BYTES];
    enum source what = source_of(flags);
    bool top = false;
    int64_t r;

    r = copy_word(t, type_copy, fstype, &type);
    if (r == 0)
        r = copy_word(t, from.name, source, &word);
    if (r == 0)
        r = copy_data(t, data_copy, data, &options);
    if (r == 0)
        r = path_in(t, AT_FDCWD, target, PATH_FOLLOW, &to);
    if (r == 0) {
        top = is_top(t, &to);
        r = path_flatten(&to);
    }
    if (r == 0 && word)
        r = find_source(t, &from, what);
    if (r == 0)
        r = HOST(t, SYS_mount, word, to.name, type, flags, options);
    /* No mount is at DIR: the one that it is laid over. */
    if (r == -EINVAL && top && what == SOURCE_PROPAGATION)
        r = HOST(t, SYS_mount, word, "/", type, flags, options);
    path_done(&from);
    path_done(&to);
    return r;
}
