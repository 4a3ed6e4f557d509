/*
 * Tasks: clone in its forms, exit, identity. A guest process is a host process, so waiting, groups, sessions and
 * limits are the host's. clone: kernel/fork.c; argument order CONFIG_CLONE_BACKWARDS. Threads are in thread.c.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/aio.h"
#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/handover.h"
#include "syscalls/host.h"
#include "syscalls/mm.h"
#include "syscalls/path.h"
#include "syscalls/share.h"
#include "syscalls/signal.h"
#include "syscalls/thread.h"
#include "syscalls/trace.h"

/* Flags that do not matter to the host: what they ask for is done here. */
#define CLONE_OURS (CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)

/* What a new host process must do before it is a guest process of its own. */
static void become_child(struct task *t, const struct clone *c)
{
    fd_table_forked(); /* before the first that is released */
    threads_forked(t);
    t->tid = (pid_t)HOST_RAW(SYS_gettid);
    t->caught = 0; /* of its parent: what is pending is not inherited */
    t->held = 0;
    host_sigmask(~FAULT_SIGNALS);
    t->robust_list = 0;
    t->user_dispatch.on = false;
    mm_mdwe_inherit(t->proc->mm);
    t->clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0;
    t->proc->mm->lock_future = 0;
    t->proc->execve_marked = false;
    aio_forked();
    if (!(c->flags & CLONE_FILES)) {
        fd_table_part();
        t->proc->files_shared = false;
    }
    if (c->flags & CLONE_NEWNS && !(c->flags & CLONE_FILES)) /* else it is the parent's, too */
        root_renew(&t->proc->root);
    if (c->flags & CLONE_CLEAR_SIGHAND)
        signal_clear_handlers(t->proc);
    if (c->flags & CLONE_VFORK && handover_ready())
        atomic_fetch_add(&t->proc->mm->users, 1); /* the host holds the parent until an execve of its own */
    if (c->sp)
        t->hart->x[2] = c->sp;
    if (c->flags & CLONE_SETTLS)
        t->hart->x[4] = c->tls;
    if (c->flags & CLONE_CHILD_SETTID)
        put_user(t->mem, c->child_tid, &t->tid);
    if (t->proc->trace)
        trace_fork_child(t);
}

/* What no flag of clone says. */
static int64_t fork_clone3(struct task *t, const struct clone *c, uint64_t flags)
{
    struct clone_args a = {
        .flags = flags,
        .exit_signal = (uint64_t)c->exit_signal,
        .pidfd = span(t, c->pidfd, 4),
        .set_tid = (uint64_t)(uintptr_t)c->set_tid,
        .set_tid_size = c->nr_set_tid,
        .cgroup = c->cgroup,
    };

    if (!c->nr_set_tid)
        a.set_tid = 0;
    return HOST_RAW(SYS_clone3, &a, sizeof a);
}

/* By way of the C library, which leaves none of its locks held in the child, whatever other threads are at. */
static int64_t library_fork(struct task *t, const struct clone *c)
{
    int64_t pid = fork(), fd;
    int32_t n;

    if (pid < 0)
        return -errno;
    if (pid > 0)
        host_sigmask(~FAULT_SIGNALS);
    if (pid > 0 && c->flags & CLONE_PIDFD) {
        fd = HOST_RAW(SYS_pidfd_open, pid, 0);
        n = (int32_t)fd;
        if (fd >= 0)
            put_user(t->mem, c->pidfd, &n);
    }
    return pid;
}

/* The host's fork. What the C library cannot say goes wrong should another thread be inside malloc just then. */
static int64_t host_fork(struct task *t, const struct clone *c)
{
    uint64_t flags = c->flags & ~(uint64_t)(CLONE_OURS | CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND);

    if (!handover_ready())
        flags &= ~(uint64_t)CLONE_VFORK;
    if (t->proc->nr_tasks > 1 && !(flags & ~(uint64_t)CLONE_PIDFD) && c->exit_signal == SIGCHLD)
        return library_fork(t, c);
    if (c->nr_set_tid || flags >> 32)
        return fork_clone3(t, c, flags);
    return HOST_RAW(SYS_clone, flags | (uint64_t)c->exit_signal, 0, span(t, c->pidfd, 4));
}

static int64_t process_fork(struct task *t, const struct clone *c)
{
    struct process *p = t->proc;
    int64_t pid;
    pid_t tid;
    int slot;

    pid = c->flags & CLONE_FILES ? fd_table_share() : 0;
    if (pid < 0)
        return pid;
    pid = box_fork(t, &slot);
    if (pid < 0)
        return pid;
    if (c->flags & CLONE_FS && p->box)
        folders_share_cwd(&p->box->folders);
    threads_fork_prepare(t);
    host_sigmask(~(uint64_t)0); /* a SIGSEGV that is sent to the child waits until it is one */
    pid = thread_leaves(t) ? -ERESTARTNOINTR : host_fork(t, c);
    if (pid == 0) {
        become_child(t, c);
        box_join(t, slot);
    } else {
        host_sigmask(~FAULT_SIGNALS);
        threads_fork_done(p);
        box_forked(t, slot, pid);
    }
    if (pid > 0 && c->flags & CLONE_PARENT_SETTID) {
        tid = (pid_t)pid;
        put_user(t->mem, c->parent_tid, &tid);
    }
    return pid;
}

/* kernel/fork.c copy_process: what no combination may have. */
static int clone_check(const struct clone *c)
{
    uint64_t f = c->flags;

    if ((f & CLONE_FS) && (f & (CLONE_NEWNS | CLONE_NEWUSER)))
        return -EINVAL;
    if (((f & CLONE_THREAD) && !(f & CLONE_SIGHAND)) || ((f & CLONE_SIGHAND) && !(f & CLONE_VM)))
        return -EINVAL;
    if ((f & CLONE_THREAD) && (f & (CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD | CLONE_INTO_CGROUP)))
        return -EINVAL;
    return 0;
}

/* A child that shares the memory must be able to leave it. */
static bool can_share(struct task *t, const struct clone *c)
{
    if (!(c->flags & CLONE_VM))
        return false;
    if (handover_ready() && !t->proc->box)
        return true;
    note_once(t, SYS_clone, "clone(0x%llx): the child gets a copy of the memory",
              (unsigned long long)c->flags);
    return false;
}

static int64_t clone_task(struct task *t, const struct clone *c)
{
    bool were_shared = t->proc->files_shared;
    int64_t r = clone_check(c);

    if (r == 0)
        r = box_may_clone(t, c->flags);
    if (r < 0)
        return r;
    if (!signal_freeze(t))
        return -ERESTARTNOINTR;
    linux_mark_forks(t->proc, true);
    if ((c->flags & (CLONE_THREAD | CLONE_FILES)) == CLONE_FILES)
        t->proc->files_shared = true; /* the child's, too */
    r = c->flags & CLONE_THREAD ? thread_create(t, c)
        : can_share(t, c)       ? share_clone(t, c)
                                : process_fork(t, c);
    if (r < 0 && is_single(t->proc)) /* no other thread has made one that does */
        t->proc->files_shared = were_shared;
    linux_mark_forks(t->proc, false); /* not in the child, which is not marked any more */
    signal_thaw(t);
    return r;
}

int64_t sys_clone(struct task *t, uint64_t flags, gva_t newsp, gva_t ptid, uint64_t tls, gva_t ctid)
{
    const struct clone c = {
        .flags = (uint32_t)flags & ~(uint64_t)CSIGNAL,
        .exit_signal = (int)(flags & CSIGNAL),
        .pidfd = ptid,
        .parent_tid = ptid,
        .child_tid = ctid,
        .sp = newsp,
        .tls = tls,
    };

    if ((flags & CLONE_PIDFD) && (flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
        return -EINVAL;
    return clone_task(t, &c);
}

/* kernel/fork.c clone3_args_valid and what comes before it. */
static int clone_args_check(const struct clone_args *a, uint64_t size)
{
    const uint64_t known = UINT32_MAX | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;

    if (a->set_tid_size > ARRAY_SIZE(((struct clone *)NULL)->set_tid) || !a->set_tid != !a->set_tid_size)
        return -EINVAL;
    if (a->exit_signal > RV_NSIG)
        return -EINVAL;
    if ((a->flags & CLONE_INTO_CGROUP) && (a->cgroup > INT_MAX || size < sizeof *a))
        return -EINVAL;
    if (a->flags & (~known | CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME)))
        return -EINVAL;
    if ((a->flags & CLONE_SIGHAND) && (a->flags & CLONE_CLEAR_SIGHAND))
        return -EINVAL;
    if ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal)
        return -EINVAL;
    return !a->stack == !a->stack_size ? 0 : -EINVAL;
}

int64_t sys_clone3(struct task *t, gva_t uargs, uint64_t size)
{
    struct clone_args a;
    struct clone c = { 0 };
    int r = copy_struct_in(t->mem, &a, sizeof a, CLONE_ARGS_SIZE_VER0, uargs, size);

    if (r == 0)
        r = clone_args_check(&a, size);
    if (r < 0)
        return r;
    if (!range_within(a.stack, a.stack_size, t->mem->limit))
        return -EINVAL;
    if (a.set_tid && copy_in(t->mem, c.set_tid, a.set_tid, a.set_tid_size * sizeof c.set_tid[0]))
        return -EFAULT;
    if ((a.flags & CLONE_INTO_CGROUP) && fd_is_own((int)a.cgroup))
        return -EBADF;
    c.flags = a.flags;
    c.exit_signal = (int)a.exit_signal;
    c.pidfd = a.pidfd;
    c.parent_tid = a.parent_tid;
    c.child_tid = a.child_tid;
    c.sp = a.stack + a.stack_size;
    c.tls = a.tls;
    c.cgroup = a.cgroup;
    c.nr_set_tid = (unsigned)a.set_tid_size;
    return clone_task(t, &c);
}

/* Some namespaces are for processes with one thread alone: those that have ended are gone before the host counts. */
int64_t sys_unshare(struct task *t, uint64_t flags)
{
    int64_t r;

    threads_settle(t);
    if (flags & CLONE_FS && t->proc->box)
        folders_share_cwd(&t->proc->box->folders);
    r = HOST(t, SYS_unshare, flags);
    if (r == 0 && flags & CLONE_NEWNS)
        root_renew(&t->proc->root);
    if (r == 0 && flags & CLONE_FILES)
        files_parted(t->proc);
    return r;
}

int64_t sys_setns(struct task *t, int fd, int kind)
{
    int64_t r;

    threads_settle(t);
    r = HOST(t, SYS_setns, fd, kind);
    if (r == 0) /* of whatever kind it was */
        root_renew(&t->proc->root);
    return r;
}

int64_t sys_set_tid_address(struct task *t, gva_t addr)
{
    t->clear_tid = addr;
    return t->tid;
}

int64_t sys_exit(struct task *t, int status)
{
    if (!signal_freeze(t)) /* what this thread has caught may be for the process: deliver it first */
        return -ERESTARTNOINTR;
    thread_exit(t, status & 0xff);
    return -EJUSTRETURN;
}

int64_t sys_exit_group(struct task *t, int status)
{
    process_exit(t, status);
    return -EJUSTRETURN;
}
