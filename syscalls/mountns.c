#include "syscalls/mountns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/util.h"
#include "syscalls/linux.h"

/* From <sys/mount.h>, which does not go with <linux/mount.h>. */
enum { MS_REC_SLAVE = 1 << 14 | 1 << 19, PROPAGATION_PRIVATE = 1 << 18 };

struct job {
    struct mountns_folder *f;
    size_t n;
    bool *placed; /* of each */
    int64_t ns;   /* or -errno */
};

/* A copy of the mount that the folder is in, beginning with it: only if it is still that folder. */
static int64_t copy_mount(const struct mountns_folder *f)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSYMFOLLOW | (f->ro ? MOUNT_ATTR_RDONLY : 0),
                               .propagation = PROPAGATION_PRIVATE };
    int64_t fd = HOST_RAW(SYS_open_tree, AT_FDCWD, f->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), r;
    struct stat is, was;

    if (fd < 0)
        return fd;
    r = HOST_RAW(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof attr);
    if (r == 0 && HOST_RAW(SYS_fstat, fd, &is) == 0 && HOST_RAW(SYS_fstat, f->fd, &was) == 0 &&
        is.st_dev == was.st_dev && is.st_ino == was.st_ino)
        return fd;
    HOST_RAW(SYS_close, fd);
    return r < 0 ? r : -ESTALE;
}

static int64_t put_in_place(struct mountns_folder *f)
{
    int64_t r = HOST_RAW(SYS_move_mount, f->mount, "", AT_FDCWD, f->path, MOVE_MOUNT_F_EMPTY_PATH);

    if (r < 0) {
        HOST_RAW(SYS_close, f->mount);
        f->mount = -1;
    }
    return r;
}

/* The one with the longest path of those that are not in their places yet; NULL: none. */
static struct mountns_folder *innermost(const struct job *j, const bool *placed)
{
    struct mountns_folder *longest = NULL;

    for (struct mountns_folder *f = j->f; f < j->f + j->n; f++)
        if (f->mount >= 0 && !placed[f - j->f] && (!longest || strlen(f->path) > strlen(longest->path)))
            longest = f;
    return longest;
}

/*
 * All are copied before any is put in its place, and what lies in another is put there before that one, which covers it: so
 * no way leads from one into another.
 */
static int64_t make_mounts(const struct job *j)
{
    int64_t r = HOST_RAW(SYS_mount, NULL, "/", NULL, MS_REC_SLAVE, NULL), done = 0;
    struct mountns_folder *f;

    if (r < 0)
        return r;
    for (size_t i = 0; i < j->n; i++) {
        int64_t fd = copy_mount(&j->f[i]);

        j->f[i].mount = (int)MAX(fd, -1);
        r = MIN(r, fd);
    }
    while ((f = innermost(j, j->placed))) {
        int64_t is = put_in_place(f);

        j->placed[f - j->f] = true;
        r = MIN(r, is);
        done += is == 0;
    }
    return j->n && !done ? r : HOST_RAW(SYS_openat, AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
}

/* In a process that shares memory and descriptors, and has a limit of these of its own. */
static int work(void *arg)
{
    struct job *j = arg;
    struct rlimit all;

    if (HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &all) == 0) {
        all.rlim_cur = all.rlim_max;
        HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, &all, NULL);
    }
    j->ns = make_mounts(j);
    return 0;
}

enum { STACK = 64 << 10 };

static int64_t run(struct job *j, char *stack, int flags)
{
    int pid;

    j->ns = -ECHILD;
    memset(j->placed, 0, j->n * sizeof *j->placed);
    pid = clone(work, stack + STACK, flags | CLONE_NEWNS | CLONE_VM | CLONE_VFORK | CLONE_FILES,
                j); /* no signal */
    if (pid < 0)
        return -errno;
    while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
        ;
    return j->ns;
}

int mountns_make(struct mountns_folder *f, size_t n)
{
    struct job j = { .f = f, .n = n, .placed = calloc(n + 1, sizeof *j.placed) };
    char *stack = malloc(STACK);
    int64_t ns;

    for (size_t i = 0; i < n; i++)
        f[i].mount = -1;
    ns = stack && j.placed ? run(&j, stack, 0) : -ENOMEM;
    if (ns == -EPERM)
        ns = run(&j, stack, CLONE_NEWUSER);
    free(stack);
    free(j.placed);
    for (size_t i = 0; ns < 0 && i < n; i++) /* the last step failed */
        if (f[i].mount >= 0) {
            HOST_RAW(SYS_close, f[i].mount);
            f[i].mount = -1;
        }
    return (int)ns;
}
