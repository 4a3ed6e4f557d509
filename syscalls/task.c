/*
 * Tasks: clone in its forms, exit, identity. A guest process is a host process, so waiting, groups, sessions and
 * limits are the host's. clone: kernel/fork.c; argument order CONFIG_CLONE_BACKWARDS. Threads are in thread.c.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/signal.h"
#include "syscalls/thread.h"
#include "syscalls/trace.h"
#include "syscalls/vfork.h"

/* Flags that do not matter to the host: what they ask for is done here. */
#define CLONE_OURS (CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)

/* What a new host process must do before it is a guest process of its own. */
static void become_child(struct task *t, const struct clone *c)
{
    threads_forked(t);
    t->tid = (pid_t)HOST_RAW(SYS_gettid);
    t->caught = 0;
    t->held = 0;
    t->robust_list = 0;
    t->clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0;
    if (c->sp)
        t->hart->x[2] = c->sp;
    if (c->flags & CLONE_SETTLS)
        t->hart->x[4] = c->tls;
    if (c->flags & CLONE_CHILD_SETTID)
        put_user(t->mem, c->child_tid, &t->tid);
    if (t->proc->trace)
        trace_fork_child(t);
}

/*
 * The host's fork. The C library's own leaves none of its locks held in the child, whatever other threads are at;
 * what it cannot say is said to the kernel, and goes wrong should another thread be inside malloc just then.
 */
static int64_t host_fork(struct task *t, const struct clone *c)
{
    /* Descriptors too are copied: each process keeps own ones, and knows only of its own. */
    uint64_t flags = c->flags & ~(uint64_t)(CLONE_OURS | CLONE_VM | CLONE_VFORK | CLONE_FILES);
    int64_t pid;

    if (!flags && c->exit_signal == SIGCHLD) {
        pid = fork();
        return pid < 0 ? -errno : pid;
    }
    return HOST_RAW(SYS_clone, flags | (uint64_t)c->exit_signal, 0, span(t, c->pidfd, 4));
}

static int64_t process_fork(struct task *t, const struct clone *c)
{
    struct process *p = t->proc;
    bool vfork = c->flags & CLONE_VFORK;
    int64_t pid;
    pid_t tid;

    if (c->flags & CLONE_FILES)
        note_once(t, SYS_clone, "clone(CLONE_FILES): the child gets a copy of the descriptors");
    if (vfork && vfork_open(p) < 0)
        vfork = false; /* no descriptor left: the parent does not wait */
    threads_fork_prepare(p);
    pid = thread_leaves(t) ? -ERESTARTNOINTR : host_fork(t, c);
    if (pid == 0) {
        become_child(t, c);
        vfork_child(p, vfork);
    } else {
        threads_fork_done(p);
    }
    if (pid > 0 && c->flags & CLONE_PARENT_SETTID) {
        tid = (pid_t)pid;
        put_user(t->mem, c->parent_tid, &tid);
    }
    if (vfork && pid != 0)
        vfork_wait(p, pid > 0);
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
    if ((f & CLONE_THREAD) && (f & (CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD)))
        return -EINVAL;
    return 0;
}

static int64_t clone_task(struct task *t, const struct clone *c)
{
    int64_t r = clone_check(c);

    if (r < 0)
        return r;
    if ((c->flags & CLONE_VM) && !(c->flags & (CLONE_THREAD | CLONE_VFORK))) {
        note_once(t, SYS_clone,
                  "clone(0x%llx): processes that share memory are not implemented: the program "
                  "gets ENOSYS",
                  (unsigned long long)c->flags);
        return -ENOSYS;
    }
    if (!signal_freeze(t))
        return -ERESTARTNOINTR;
    r = c->flags & CLONE_THREAD ? thread_create(t, c) : process_fork(t, c);
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
