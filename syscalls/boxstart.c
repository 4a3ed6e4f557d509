/*
 * From an open process to a boxed one, before the first guest instruction: limits, descriptors, the view of files,
 * where the program starts. The host's own walls come last (jail.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/exec.h"
#include "syscalls/fd.h"
#include "syscalls/handover.h"
#include "syscalls/learn.h"
#include "syscalls/view.h"

/* Hard limits, so that the guest cannot raise them; never above what there is. */
static void limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit r = { soft, hard }, old;

    if (getrlimit((__rlimit_resource_t)resource, &old) < 0)
        return;
    r.rlim_max = MIN(r.rlim_max, old.rlim_max);
    r.rlim_cur = MIN(r.rlim_cur, r.rlim_max);
    setrlimit((__rlimit_resource_t)resource, &r);
}

static void set_limits(const struct noahv_policy *p)
{
    uint64_t seconds = (p->limit[LIMIT_CPU_TIME] + 999) / 1000;

    if (p->limit[LIMIT_FDS])
        limit(RLIMIT_NOFILE, p->limit[LIMIT_FDS], p->limit[LIMIT_FDS] + FD_OWN_MAX * 2);
    if (p->limit[LIMIT_FSIZE] && p->record < 0) /* the record is a file, too */
        limit(RLIMIT_FSIZE, p->limit[LIMIT_FSIZE], p->limit[LIMIT_FSIZE]);
    if (seconds)
        limit(RLIMIT_CPU, seconds, seconds + 1);
    limit(RLIMIT_MSGQUEUE, 0, 0);
    limit(RLIMIT_CORE, 0, 0);
}

/* What was open when noahv was started is nobody's grant, but for the standard three. */
static void close_inherited(void)
{
    int from = 3;

    for (;;) {
        int next = fd_own_next(from);

        if (next != from)
            HOST_RAW(SYS_close_range, from, next < 0 ? (unsigned)-1 : (unsigned)next - 1, 0);
        if (next < 0)
            return;
        from = next + 1;
    }
}

/* Descriptors that are closed could otherwise be taken by something of ours. */
static void fill_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd ? O_WRONLY : O_RDONLY);
}

static int change_dir(struct task *t, const char *at)
{
    struct path p;
    int r = view_path(t, AT_FDCWD, at, PATH_FOLLOW, &p);

    if (r == 0) {
        r = chdir(p.name) < 0 ? -errno : 0;
        path_done(&p);
    }
    return r;
}

int box_start(struct task *t, const struct noahv_policy *policy)
{
    struct noahv_vm *vm = t->proc->vm;
    struct box *b = calloc(1, sizeof *b);
    char why[VIEW_WHY_MAX] = "out of memory";
    int slot, r;

    if (!b)
        return vm_fail(vm, -ENOMEM, "out of memory");
    if (policy->nr_hosts) {
        free(b);
        return vm_fail(vm, -EINVAL, "%s has not been looked up: noahv_policy_resolve()",
                       policy->host[0].name);
    }
    b->policy = policy;
    b->leash = b->record = -1;
    folders_start(&b->folders);
    handover_forbid();
    fill_standard();
    set_limits(policy);
    r = view_create(policy, &b->view, why);
    if (r < 0) {
        free(b);
        return vm_fail(vm, -EINVAL, "%s", why);
    }
    r = policy->record < 0 ? 0 : fd_own(policy->record, &b->record);
    if (r == 0 && policy->leash >= 0)
        r = fd_own(policy->leash, &b->leash);
    close_inherited();
    t->proc->box = b;
    vm->may_translate = t->hart->may_translate = box_may_translate;
    if (r < 0)
        return vm_fail(vm, -EINVAL, "cannot keep what the box is watched by: %s", strerror(-r));
    r = box_fork(t, &slot);
    box_join(t, slot);
    return r < 0 ? vm_fail(vm, -EINVAL, "the limits leave no room for the program") : 0;
}

int box_enter(struct task *t, const char *workdir)
{
    int r = change_dir(t, "/");

    if (!workdir)
        workdir = t->proc->box->policy->workdir;
    if (r == 0 && workdir)
        r = change_dir(t, workdir);
    t->proc->box->running = r == 0;
    return r < 0 ? vm_fail(t->proc->vm, -EINVAL, "cannot start in %s of the box: %s", workdir ? workdir : "/",
                           strerror(-r))
                 : 0;
}

void box_free(struct box *b)
{
    if (!b)
        return;
    if (b->record >= 0)
        fd_release(b->record);
    folders_forget(&b->folders);
    view_free(b->view);
    if (b->leash >= 0)
        fd_release(b->leash);
    free(b);
}

/* In the box, or on the host, which makes it the box's. */
static int open_program(struct task *t, const char *path, const char *real, int *fd)
{
    char why[VIEW_WHY_MAX], place[PATH_MAX];
    int r = *path == '/' ? exec_open(t, path, fd) : -ENOENT;

    if (r != -ENOENT || !real)
        return r;
    r = exec_open_host(real, fd);
    if (r == 0 && view_add_file(t->proc->box->view, real, place, why) < 0)
        r = vm_fail(t->proc->vm, -EINVAL, "%s", why);
    return r;
}

/* The host's file that a box with nothing in it would have opened, or one of this box alone. */
static void learn_program(struct task *t, int fd, const char *real)
{
    struct stat opened, named;
    bool same = real && fstat(fd, &opened) == 0 && stat(real, &named) == 0 && opened.st_dev == named.st_dev &&
                opened.st_ino == named.st_ino;

    learn(t, ACCESS_PROGRAM, same ? real : "", "");
}

int box_open_program(struct task *t, const char *path, int *fd)
{
    char *real = realpath(path, NULL);
    int err = real ? 0 : -errno, r = open_program(t, path, real, fd);

    if (r == 0 && learning(t))
        learn_program(t, *fd, real);
    free(real);
    return r == -ENOENT && err ? err : r;
}
