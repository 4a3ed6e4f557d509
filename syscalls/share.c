/*
 * Processes that share their memory. The host's clone gets CLONE_VM too, so the child runs C code in its parent's
 * memory, and needs a thread-local area that the C library knows: it borrows that of a host thread which the host
 * kernel suspends meanwhile (CLONE_VFORK). For vfork that is the thread which called; for a child that runs
 * beside its parent it is one made to be suspended.
 *
 * The descriptors of noahv stay where they are as long as memory is shared (own_may_move): there is one table of
 * their numbers, but each process may have descriptors of its own.
 */
#include "syscalls/share.h"

#include <errno.h>
#include <linux/sched.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/fault.h"
#include "syscalls/handover.h"
#include "syscalls/host.h"
#include "syscalls/path.h"
#include "syscalls/signal.h"
#include "syscalls/trace.h"

#define STACK_BYTES ((size_t)512 << 10)

/* Done by the child itself, or not for the host at all. */
#define NOT_FOR_HOST (CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND)

/* Who waits for the child to begin; guarded by the parent's process.lock. */
struct answer {
    bool given;
    int64_t pid; /* or -errno */
};

/* Lives as long as the child needs the memory. */
struct child {
    struct process proc;
    struct task task;
    struct clone clone;
    struct process *parent;
    struct answer *answer; /* NULL once it has been given */
    uint8_t *stack;
};

/* --- Creation ------------------------------------------------------------------------------------------ */

static struct sighand *sighand_copy(struct sighand *from)
{
    struct sighand *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    atomic_init(&s->users, 1);
    pthread_mutex_lock(&from->lock);
    memcpy(s->act, from->act, sizeof s->act);
    pthread_mutex_unlock(&from->lock);
    return s;
}

static void sighand_drop(struct sighand *s)
{
    if (atomic_fetch_sub(&s->users, 1) == 1)
        free(s);
}

static void child_free(struct child *v)
{
    if (!v)
        return;
    handover_reclaim(&v->proc);
    if (v->stack && v->stack != MAP_FAILED) {
        /* Where the child left its frames, by execve or exit: whatever is mapped here next is no stack. */
        ASAN_UNPOISON_MEMORY_REGION(v->stack, STACK_BYTES);
        munmap(v->stack, STACK_BYTES);
    }
    free(v->proc.timers.id);
    if (v->proc.sighand)
        sighand_drop(v->proc.sighand);
    free(v);
}

/* kernel/fork.c copy_process, for what is the guest's. */
static void task_init(struct child *v, const struct task *t)
{
    struct task *n = &v->task;

    *n = (struct task){
        .proc = &v->proc,
        .mem = t->mem,
        .sigmask = t->sigmask,
        .altstack = t->altstack,
        .filter = t->filter,
        .seccomp_mode = t->seccomp_mode,
        .clear_tid = v->clone.flags & CLONE_CHILD_CLEARTID ? v->clone.child_tid : 0,
    };
    if (!(v->clone.flags & CLONE_VFORK))
        n->altstack = (struct rv_stack){ .flags = SS_DISABLE };
}

static struct child *child_new(struct task *t, const struct clone *c)
{
    struct process *p = t->proc;
    struct child *v = calloc(1, sizeof *v);

    if (!v)
        return NULL;
    v->clone = *c;
    v->parent = p;
    v->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (v->stack == MAP_FAILED || mprotect(v->stack, PAGE_BYTES, PROT_NONE) < 0) {
        child_free(v);
        return NULL;
    }
    pthread_mutex_lock(&p->lock);
    v->proc = *p;
    v->proc.timers = (struct timers){ 0 };
    v->proc.execve_marked = false;
    task_init(v, t);
    pthread_mutex_unlock(&p->lock);
    if (c->flags & CLONE_SIGHAND)
        atomic_fetch_add(&p->sighand->users, 1);
    else
        v->proc.sighand = sighand_copy(p->sighand);
    if (!v->proc.sighand) {
        child_free(v);
        return NULL;
    }
    threads_init(&v->proc, &v->task);
    return v;
}

static void bind_hart(struct task *n, struct noahv_hart *nh, const struct clone *c)
{
    n->nh = nh;
    n->hart = &nh->hart;
    n->hart->task = n;
    thread_registers(n->hart, c);
}

/* --- The child ------------------------------------------------------------------------------------------ */

static void give_answer(struct child *v, int64_t pid)
{
    if (!v->answer)
        return;
    pthread_mutex_lock(&v->parent->lock);
    v->answer->pid = pid;
    v->answer->given = true;
    v->answer = NULL;
    pthread_cond_broadcast(&v->parent->changed);
    pthread_mutex_unlock(&v->parent->lock);
}

static int child_main(void *arg)
{
    struct child *v = arg;
    struct task *t = &v->task;

    t->tid = (pid_t)HOST_RAW(SYS_gettid);
    signal_thread_bind(t);
    if (v->clone.flags & CLONE_PARENT_SETTID)
        put_user(t->mem, v->clone.parent_tid, &t->tid);
    if (v->clone.flags & CLONE_NEWNS && !(v->clone.flags & CLONE_FILES)) /* else it is the parent's, too */
        root_renew(&v->proc.root);
    if (v->clone.flags & CLONE_CLEAR_SIGHAND)
        signal_clear_handlers(&v->proc);
    if (t->proc->trace)
        trace_fork_child(t);
    give_answer(v, t->tid);
    process_run(t);
}

static uint64_t host_flags(const struct clone *c)
{
    return (c->flags & ~(uint64_t)NOT_FOR_HOST) | CLONE_VFORK;
}

static int64_t clone_old(struct child *v)
{
    const struct clone *c = &v->clone;
    struct gmem *m = v->proc.mem;
    int pid =
        clone(child_main, v->stack + STACK_BYTES, (int)host_flags(c) | c->exit_signal, v,
              gmem_span(m, c->flags & CLONE_PIDFD ? c->pidfd : 0, 4), NULL, gmem_span(m, c->child_tid, 4));

    return pid < 0 ? -errno : pid;
}

/* The same, and what no flag of clone says. */
static int64_t clone_new(struct child *v)
{
    const struct clone *c = &v->clone;
    struct gmem *m = v->proc.mem;
    struct clone_args a = {
        .flags = host_flags(c),
        .pidfd = (uint64_t)(uintptr_t)gmem_span(m, c->flags & CLONE_PIDFD ? c->pidfd : 0, 4),
        .child_tid = (uint64_t)(uintptr_t)gmem_span(m, c->child_tid, 4),
        .exit_signal = (uint64_t)c->exit_signal,
        .stack = (uint64_t)(uintptr_t)v->stack,
        .stack_size = STACK_BYTES,
        .set_tid = c->nr_set_tid ? (uint64_t)(uintptr_t)c->set_tid : 0,
        .set_tid_size = c->nr_set_tid,
        .cgroup = c->cgroup,
    };

    return host_clone3(&a, sizeof a, child_main, v);
}

/* Returns when the child has left the memory: its id or -errno. */
static int64_t host_clone(struct child *v)
{
    struct mm *mm = v->proc.mm;
    int64_t pid;

    atomic_fetch_add(&mm->users, 1);
    pid = v->clone.nr_set_tid || host_flags(&v->clone) >> 32 ? clone_new(v) : clone_old(v);
    atomic_fetch_sub(&mm->users, 1);
    return pid;
}

/* --- vfork ---------------------------------------------------------------------------------------------- */

/* The child runs on the hart of the suspended thread, and so on its translations. */
static int64_t vfork_child(struct task *t, struct child *v)
{
    struct process *p = t->proc;
    struct hart before;
    int64_t pid = -ERESTARTNOINTR;
    bool parted;

    pthread_mutex_lock(&p->lock);
    if (!thread_leaves(t)) {
        t->suspended = true;
        p->nr_suspended++;
    }
    pthread_mutex_unlock(&p->lock);
    if (!t->suspended)
        return pid;
    hart_copy(&before, t->hart);
    bind_hart(&v->task, t->nh, &v->clone);
    parted = vm_hart_part(t->nh);
    pid = host_clone(v);
    vm_hart_join(t->nh, parted);
    signal_thread_bind(t);
    hart_copy(t->hart, &before);
    t->hart->task = t;
    pthread_mutex_lock(&p->lock);
    t->suspended = false;
    p->nr_suspended--;
    pthread_mutex_unlock(&p->lock);
    return pid;
}

/* --- Side by side --------------------------------------------------------------------------------------- */

/* A host thread that lends itself to the child. It is none of the guest's, and no signal is for it. */
static void *lender_main(void *arg)
{
    struct child *v = arg;
    struct noahv_hart *nh = v->task.nh;
    int64_t r = signal_thread_attach(&v->task);

    host_sigmask(~(uint64_t)0);
    if (r == 0)
        r = host_clone(v);
    give_answer(v, r); /* unless the child has */
    signal_thread_detach();
    fault_thread_exit();
    vm_hart_end(nh);
    child_free(v);
    return NULL;
}

static int64_t beside_child(struct task *t, struct child *v)
{
    struct process *p = t->proc;
    struct answer a = { 0 };
    struct noahv_hart *nh;
    int r = vm_hart_create(p->vm, &nh);

    if (r < 0) {
        child_free(v);
        return r;
    }
    hart_copy(&nh->hart, t->hart);
    bind_hart(&v->task, nh, &v->clone);
    vm_hart_part(nh);
    /* cppcheck-suppress autoVariables; it is waited for below, or nobody gets to see v */
    v->answer = &a;
    pthread_mutex_lock(&p->lock);
    r = thread_leaves(t) ? -ERESTARTNOINTR : thread_host(NULL, lender_main, v);
    while (r == 0 && !a.given)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    if (r == 0)
        return a.pid;
    vm_hart_end(nh);
    child_free(v);
    return r;
}

int64_t share_clone(struct task *t, const struct clone *c)
{
    struct child *v;
    int64_t pid;

    thread_host_init(t->proc);
    v = child_new(t, c);
    if (!v)
        return -ENOMEM;
    if (!(c->flags & CLONE_VFORK))
        return beside_child(t, v);
    pid = vfork_child(t, v);
    child_free(v);
    return pid;
}
