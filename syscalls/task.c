/*
 * Tasks: fork, exit, identity. A guest process is a host process, so waiting, groups, sessions and limits are
 * the host's. clone: kernel/fork.c; argument order CONFIG_CLONE_BACKWARDS.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/futex.h"
#include "syscalls/signal.h"
#include "syscalls/trace.h"
#include "syscalls/vfork.h"

/* Flags that need memory or signal handlers shared with the caller. */
#define CLONE_SHARES (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)

/* What a new host process must do before it is a guest process of its own. */
static void become_child(struct task *t, uint64_t flags, gva_t newsp, uint64_t tls)
{
    vm_forked(t->nh);
    t->tid = (pid_t)HOST_RAW(SYS_gettid);
    t->caught = 0;
    t->held = 0;
    t->robust_list = 0;
    if (newsp)
        t->hart->x[2] = newsp;
    if (flags & CLONE_SETTLS)
        t->hart->x[4] = tls;
    if (t->proc->trace)
        trace_fork_child(t);
}

int64_t sys_clone(struct task *t, uint64_t flags, gva_t newsp, gva_t ptid, uint64_t tls, gva_t ctid)
{
    /* Descriptors too are copied: each process keeps own ones, and knows only of its own. */
    uint64_t host_flags = flags & ~(uint64_t)(CLONE_SETTLS | CLONE_VM | CLONE_VFORK | CLONE_FILES);
    bool vfork = (flags & CLONE_VFORK) && !(flags & (CLONE_THREAD | CLONE_SIGHAND));
    int64_t pid;

    if ((flags & CLONE_SHARES) && !vfork) {
        note_once(t, SYS_clone, "clone(0x%llx): threads are not implemented: the program gets ENOSYS",
                  (unsigned long long)flags);
        return -ENOSYS;
    }
    if (flags & CLONE_FILES)
        note_once(t, SYS_clone, "clone(CLONE_FILES): the child gets a copy of the descriptors");
    if (!signal_freeze(t))
        return -ERESTARTNOINTR;
    if (vfork && vfork_open(t->proc) < 0)
        vfork = false; /* no descriptor left: the parent does not wait */
    pid = HOST_RAW(SYS_clone, host_flags, 0, span(t, ptid, 4), span(t, ctid, 4), 0);
    if (pid == 0) {
        t->clear_tid = flags & CLONE_CHILD_CLEARTID ? ctid : 0;
        become_child(t, flags, newsp, tls);
        vfork_child(t->proc, vfork);
    }
    signal_thaw(t);
    if (vfork && pid != 0)
        vfork_wait(t->proc, pid > 0);
    return pid;
}

int64_t sys_set_tid_address(struct task *t, gva_t addr)
{
    t->clear_tid = addr;
    return HOST(t, SYS_set_tid_address, span(t, addr, 4));
}

int64_t sys_exit(struct task *t, int status)
{
    process_exit(t, status);
    return -EJUSTRETURN;
}

int64_t sys_exit_group(struct task *t, int status)
{
    process_exit(t, status);
    return -EJUSTRETURN;
}

void process_exit(struct task *t, int status)
{
    struct process *p = t->proc;

    futex_exit(t);
    p->exiting = true;
    p->exit_status = status & 0xff;
    p->exit_signal = 0;
    if (p->trace)
        trace_exit(t, p->exit_status, 0);
}

void process_die(struct task *t, int sig)
{
    struct process *p = t->proc;

    if (p->exiting)
        return;
    futex_exit(t);
    p->exiting = true;
    p->exit_status = 128 + sig;
    p->exit_signal = sig;
    if (p->trace)
        trace_exit(t, 0, sig);
}
