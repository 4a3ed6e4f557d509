/*
 * Threads: creation, end, exit of the whole process, execve among several. Forks are in task.c, signals between
 * threads are the host's.
 *
 * Host threads are made by pthread_create: C code runs on them, and a thread-local area that the C library knows
 * can be had in no other way. So the host kernel's clear_child_tid belongs to the C library, and the guest's is
 * written here, shortly before the thread ends (kernel/fork.c mm_release does it a little earlier than that, too).
 *
 * Lock order: process.lock, mm.lock, sighand.lock, the vm's, the memory's.
 */
#include "syscalls/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem/fault.h"
#include "syscalls/box.h"
#include "syscalls/exec.h"
#include "syscalls/futex.h"
#include "syscalls/host.h"
#include "syscalls/share.h"
#include "syscalls/signal.h"
#include "syscalls/timer.h"
#include "syscalls/trace.h"

#define THREAD_STACK ((size_t)512 << 10) /* thread-local buffers are part of it */

/* How a new thread learns what it is, and its creator what became of it. Guarded by process.lock. */
struct start {
    struct task *task;
    const struct clone *clone;
    pid_t tid;
    int err;
    bool done;
};

static bool is_leader(const struct task *t)
{
    return t == t->proc->first;
}

/* One task, and nothing under way; p->lock is there. */
static void list_init(struct process *p, struct task *first)
{
    pthread_cond_init(&p->changed, NULL);
    p->tasks = p->first = first;
    p->ended = NULL;
    p->nr_tasks = 1;
    p->nr_suspended = 0;
    p->parked = p->exiting = false;
    p->exec_by = NULL;
    p->exec = NULL;
}

void threads_init(struct process *p, struct task *first)
{
    pthread_mutex_init(&p->lock, NULL);
    list_init(p, first);
}

/* --- The end of one thread ----------------------------------------------------------------------------- */

/*
 * The host wakes who joins a thread (Linux: mm_release, at the start of exit_mm) before it takes the thread out of the
 * group (__unhash_process), and unshare and setns count the group. A number that has another owner by now is not
 * waited for without end.
 */
static void await_unhashed(pid_t tid)
{
    for (int i = 0; i < 10000 && HOST_RAW(SYS_tgkill, getpid(), tid, 0) == 0; i++)
        HOST_RAW(SYS_sched_yield);
}

void threads_reap(struct process *p)
{
    struct task *t;

    pthread_mutex_lock(&p->lock);
    while ((t = p->ended)) {
        p->ended = t->next;
        pthread_mutex_unlock(&p->lock);
        pthread_join(t->thread, NULL); /* it takes no lock any more */
        await_unhashed(t->tid);
        free(t);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

/* A thread that the guest may have joined, while its host thread is still on its way out. */
static bool another_ends(const struct task *t)
{
    for (const struct task *u = t->proc->tasks; u; u = u->next)
        if (u != t && thread_leaves(u) && !is_leader(u))
            return true;
    return false;
}

void threads_settle(struct task *t)
{
    struct process *p = t->proc;

    pthread_mutex_lock(&p->lock);
    while (another_ends(t) && !thread_leaves(t))
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    threads_reap(p);
    /* Their numbers go before they leave the group: a look at all children waits for the lock held over both. */
    HOST_RAW(SYS_waitid, P_ALL, 0, 0, WEXITED | WNOHANG | WNOWAIT);
}

void threads_destroy(struct process *p)
{
    threads_reap(p);
    timers_free(p);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
}

static void list_remove(struct task **list, const struct task *t)
{
    while (*list != t)
        list = &(*list)->next;
    *list = t->next;
}

/* What is left to do for a task that runs no guest code any more, while it is still in the list. */
static void task_end(struct task *t)
{
    struct process *p = t->proc;
    int status, sig;
    bool execs;

    futex_exit(t);
    if (!p->trace)
        return;
    pthread_mutex_lock(&p->lock);
    execs = p->exec_by == t;
    status = p->exiting ? p->exit_status : t->exit_status;
    sig = p->exiting ? p->exit_signal : t->exit_signal;
    pthread_mutex_unlock(&p->lock);
    if (!execs)
        trace_exit(t, status, sig);
}

/* The end of a thread of ours: what follows in the C library needs nothing of the guest. */
static void thread_end(struct task *t)
{
    struct process *p = t->proc;
    struct noahv_hart *nh = t->nh;

    host_sigmask(~FAULT_SIGNALS);
    task_end(t);
    futex_clear_tid(t);
    host_sigmask(~(uint64_t)0);
    signal_thread_detach();
    fault_thread_exit();
    folders_forget_near(t);
    pthread_mutex_lock(&p->lock);
    t->nh = NULL; /* no more to be kicked */
    pthread_mutex_unlock(&p->lock);
    vm_hart_end(nh);
    pthread_mutex_lock(&p->lock);
    list_remove(&p->tasks, t);
    __atomic_store_n(&p->nr_tasks, p->nr_tasks - 1, __ATOMIC_RELEASE); /* is_single */
    box_threads(p);
    t->next = p->ended;
    p->ended = t;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* The end of a process whose last thread is one of ours: nobody is there to report it to but the host. */
_Noreturn static void process_end(const struct noahv_exit *x)
{
    int sig = x->u.halt.signal;

    if (sig) {
        host_sigaction(sig, HOST_SIG_DFL, 0);
        host_sigmask(~SIG_BIT(sig));
        HOST_RAW(SYS_tgkill, getpid(), gettid(), sig);
    }
    for (;;)
        HOST_RAW(SYS_exit_group, x->u.halt.status);
}

/* --- Creation ------------------------------------------------------------------------------------------- */

static void task_free(struct task *t)
{
    if (t && t->nh)
        vm_hart_destroy(t->nh);
    free(t);
}

void thread_registers(struct hart *h, const struct clone *c)
{
    h->pc += 4; /* behind the ecall */
    h->x[10] = 0;
    if (c->sp)
        h->x[2] = c->sp;
    if (c->flags & CLONE_SETTLS)
        h->x[4] = c->tls;
}

/* The new thread's task: a copy of its creator at the clone, as kernel/fork.c copy_process leaves it. */
static struct task *task_copy(const struct task *t, const struct clone *c)
{
    struct task *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    if (vm_hart_create(t->nh->vm, &n->nh) < 0) {
        task_free(n);
        return NULL;
    }
    n->proc = t->proc;
    n->mem = t->mem;
    n->hart = &n->nh->hart;
    n->hart->task = n;
    n->sigmask = t->sigmask;
    n->altstack = (struct rv_stack){ .flags = SS_DISABLE };
    n->clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0;
    hart_copy(n->hart, t->hart);
    n->hart->jit.own = t->hart->jit.own;
    thread_registers(n->hart, c);
    return n;
}

/* In the new thread: what pthread_create shares and clone was not asked to; what clone reports. */
static int thread_start(struct task *t, const struct clone *c)
{
    uint64_t apart = ~c->flags & (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM);
    int r = signal_thread_attach(t);

    if (r == 0 && apart)
        r = (int)HOST_RAW(SYS_unshare, apart);
    if (r == 0 && apart & CLONE_FILES)
        files_parted(t->proc);
    if (r < 0)
        return r;
    if (apart & CLONE_FS && t->proc->box)
        folders_share_cwd(&t->proc->box->folders);
    if (c->flags & CLONE_PARENT_SETTID)
        put_user(t->mem, c->parent_tid, &t->tid);
    if (c->flags & CLONE_CHILD_SETTID)
        put_user(t->mem, c->child_tid, &t->tid);
    return 0;
}

static void thread_run(struct task *t, struct noahv_exit *x)
{
    linux_answers(t->nh);
    do {
        if (vm_run(t->nh, x) < 0 || t->nh->vm->os->handle(t->nh, x) < 0)
            process_die(t, SIGKILL);
    } while (x->reason != NOAHV_EXIT_HALT);
}

/* The creator goes on, and s is gone. */
static void started(struct start *s, int r)
{
    struct process *p = s->task->proc;

    pthread_mutex_lock(&p->lock);
    s->err = r;
    s->done = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void *thread_main(void *arg)
{
    struct start *s = arg;
    struct task *t = s->task;
    struct process *p = t->proc;
    struct noahv_exit x;
    int r;

    pthread_mutex_lock(&p->lock);
    t->tid = s->tid = (pid_t)HOST_RAW(SYS_gettid);
    pthread_mutex_unlock(&p->lock);
    r = thread_start(t, s->clone);
    if (r < 0)
        t->clear_tid = 0; /* it has not been there */
    started(s, r);
    if (r == 0) {
        signal_thaw(t);
        thread_run(t, &x);
        if (is_leader(t)) /* of a child that this thread has forked */
            process_end(&x);
    }
    thread_end(t);
    return NULL;
}

/* A thread with an id of the guest's choosing: not what pthread_create can say. */
_Noreturn static int lent_main(void *arg)
{
    thread_main(arg);
    for (;;)
        HOST_RAW(SYS_exit, 0);
}

/*
 * The host thread that it borrows, which waits until the other has ended, when *arg is gone. Not by CLONE_VFORK, as in
 * share.c: the process could not be stopped.
 */
static void *lender_main(void *arg)
{
    struct start *s = arg;
    struct task *t = s->task;
    int word = 1; /* cleared by the host */
    uint8_t *stack =
        mmap(NULL, THREAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    const struct clone_args a = {
        .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                 CLONE_CHILD_CLEARTID,
        .child_tid = (uint64_t)(uintptr_t)&word,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = THREAD_STACK,
        .set_tid = (uint64_t)(uintptr_t)s->clone->set_tid,
        .set_tid_size = s->clone->nr_set_tid,
    };
    int64_t r = stack == MAP_FAILED ? -ENOMEM : host_clone3(&a, sizeof a, lent_main, s);

    if (r < 0) {
        t->clear_tid = 0; /* it has not been there */
        started(s, (int)r);
        thread_end(t);
    }
    for (int v = word; r > 0 && v; v = __atomic_load_n(&word, __ATOMIC_ACQUIRE))
        HOST_RAW(SYS_futex, &word, FUTEX_WAIT, v, 0);
    if (stack != MAP_FAILED) {
        ASAN_UNPOISON_MEMORY_REGION(stack, THREAD_STACK); /* frames that were left by exit */
        munmap(stack, THREAD_STACK);
    }
    return NULL;
}

_Noreturn void process_run(struct task *t)
{
    struct noahv_exit x;

    signal_thaw(t);
    thread_run(t, &x);
    process_end(&x);
}

int thread_host(pthread_t *out, void *(*body)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    pthread_attr_setdetachstate(&attr, out ? PTHREAD_CREATE_JOINABLE : PTHREAD_CREATE_DETACHED);
    r = -pthread_create(out ? out : &thread, &attr, body, arg);
    pthread_attr_destroy(&attr);
    return r;
}

static void *nothing(void *arg)
{
    return arg;
}

void thread_host_init(struct process *p)
{
    static atomic_bool done;
    pthread_t first;

    if (atomic_exchange(&done, true))
        return;
    if (pthread_create(&first, NULL, nothing, NULL) == 0)
        pthread_join(first, NULL);
    pthread_mutex_lock(&p->sighand->lock);
    signal_apply(p, 33);
    pthread_mutex_unlock(&p->sighand->lock);
    host_sigmask(~FAULT_SIGNALS);
}

int64_t thread_create(struct task *t, const struct clone *c)
{
    struct process *p = t->proc;
    struct start s = { .clone = c };
    pid_t tid;

    thread_host_init(p);
    threads_reap(p);
    s.err = box_may_thread(t);
    if (s.err < 0)
        return s.err;
    s.task = task_copy(t, c);
    if (!s.task)
        return -ENOMEM;
    pthread_mutex_lock(&p->lock);
    s.err = thread_leaves(t) ? -ERESTARTNOINTR
                             : thread_host(&s.task->thread, c->nr_set_tid ? lender_main : thread_main, &s);
    if (s.err < 0) {
        pthread_mutex_unlock(&p->lock);
        task_free(s.task);
        return s.err;
    }
    s.task->filter = t->filter; /* under the lock: another thread may be about to give all of them one */
    s.task->seccomp_mode = t->seccomp_mode;
    s.task->next = p->tasks;
    p->tasks = s.task;
    __atomic_store_n(&p->nr_tasks, p->nr_tasks + 1, __ATOMIC_RELEASE);
    box_threads(p);
    while (!s.done)
        pthread_cond_wait(&p->changed, &p->lock);
    tid = s.tid;
    pthread_mutex_unlock(&p->lock);
    return s.err < 0 ? s.err : tid;
}

/* --- Forks ---------------------------------------------------------------------------------------------- */

void threads_fork_prepare(struct task *t)
{
    struct process *p = t->proc;

    pthread_mutex_lock(&p->lock);
    pthread_mutex_lock(&p->mm->lock);
    pthread_mutex_lock(&p->sighand->lock);
    vm_fork_prepare(t->nh);
}

void threads_fork_done(struct process *p)
{
    vm_fork_done(p->vm);
    pthread_mutex_unlock(&p->sighand->lock);
    pthread_mutex_unlock(&p->mm->lock);
    pthread_mutex_unlock(&p->lock);
}

void threads_forked(struct task *t)
{
    struct process *p = t->proc;
    struct task *other;

    vm_forked(t->nh);
    pthread_mutex_unlock(&p->sighand->lock); /* this thread has locked them before the fork */
    pthread_mutex_unlock(&p->mm->lock);
    atomic_store(&p->mm->users, 1);
    atomic_store(&p->sighand->users, 1);
    while ((other = p->tasks)) {
        p->tasks = other->next;
        if (other == t)
            continue;
        folders_forget_near(other);
        if (other != p->first)
            free(other);
    }
    t->next = NULL;
    timers_forked(p);
    list_init(p, t); /* those that had ended are not to be waited for: the C library has their memory */
    pthread_mutex_unlock(&p->lock);
}

/* --- The end of several --------------------------------------------------------------------------------- */

/*
 * Makes a task leave: out of guest code by a kick, out of a host call by a signal that is never blocked. Its
 * handler sees `leave`, and no host call can begin from there on. process.lock is held.
 */
static void dismiss(struct task *t)
{
    atomic_store(&t->leave, true);
    if (!t->nh)
        return;
    vm_kick(t->nh);
    if (t->tid)
        HOST_RAW(SYS_tgkill, getpid(), t->tid, SIGSEGV);
}

static void dismiss_others(struct task *t)
{
    for (struct task *u = t->proc->tasks; u; u = u->next)
        if (u != t)
            dismiss(u);
}

static void thread_ends(struct task *t, int status, int sig)
{
    struct process *p = t->proc;

    pthread_mutex_lock(&p->lock);
    if (!p->exiting) { /* the last one's counts (kernel/exit.c synchronize_group_exit) */
        p->exit_status = status;
        p->exit_signal = sig;
    }
    t->exit_status = status;
    t->exit_signal = sig;
    atomic_store(&t->leave, true);
    pthread_mutex_unlock(&p->lock);
}

void thread_exit(struct task *t, int status)
{
    thread_ends(t, status, 0);
}

void thread_die(struct task *t, int sig)
{
    thread_ends(t, 0, sig);
}

/* Nobody will report the end but the host: the leader waits for its vfork child, and the host for the leader. */
static bool leader_suspended(const struct process *p)
{
    for (const struct task *t = p->tasks; t; t = t->next)
        if (t->suspended && is_leader(t))
            return true;
    return false;
}

static void threads_exit(struct task *t, int status, int sig)
{
    struct process *p = t->proc;
    bool alone;

    pthread_mutex_lock(&p->lock);
    if (!p->exiting && !p->exec_by) {
        p->exiting = true;
        p->exit_status = status;
        p->exit_signal = sig;
        dismiss_others(t);
    }
    atomic_store(&t->leave, true);
    alone = p->exiting && leader_suspended(p);
    pthread_mutex_unlock(&p->lock);
    if (alone)
        process_end(&(struct noahv_exit){ .u.halt = { p->exit_status, p->exit_signal } });
}

void process_exit(struct task *t, int status)
{
    threads_exit(t, status & 0xff, 0);
}

void process_die(struct task *t, int sig)
{
    threads_exit(t, 128 + sig, sig);
}

bool thread_robust_list(struct process *p, pid_t tid, gva_t *head)
{
    const struct task *t;

    pthread_mutex_lock(&p->lock);
    for (t = p->tasks; t && t->tid != tid; t = t->next)
        ;
    if (t)
        *head = __atomic_load_n(&t->robust_list, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&p->lock);
    return t;
}

/* --- execve --------------------------------------------------------------------------------------------- */

int threads_exec(struct task *t, struct exec *x)
{
    struct process *p = t->proc;
    bool leader = is_leader(t);
    struct exec *copy = NULL;

    pthread_mutex_lock(&p->lock);
    if (thread_leaves(t) || p->exec_by) {
        pthread_mutex_unlock(&p->lock);
        return -ERESTARTNOINTR;
    }
    if (!leader) {
        copy = malloc(sizeof *copy);
        if (!copy) {
            pthread_mutex_unlock(&p->lock);
            return -ENOMEM;
        }
    }
    p->exec_by = t;
    dismiss_others(t);
    while (p->nr_tasks > (leader ? 1 : 2) || (!leader && !p->parked))
        pthread_cond_wait(&p->changed, &p->lock);
    if (leader) {
        p->exec_by = NULL;
    } else {
        *copy = *x;
        *x = (struct exec){ .fd = -1, .interp_fd = -1 };
        p->exec = copy;
        p->exec_mask = t->sigmask;
        p->exec_seccomp = t->seccomp_mode;
        p->exec_filter = t->filter;
        atomic_store(&t->leave, true);
    }
    pthread_mutex_unlock(&p->lock);
    threads_reap(p);
    return leader;
}

/* The leader goes on where another thread has called execve. */
static void take_over(struct task *t, struct exec *x)
{
    struct process *p = t->proc;

    t->caught = 0;
    t->held = 0;
    t->restore_mask = false;
    t->sigmask = p->exec_mask;
    t->filter = p->exec_filter;
    t->seccomp_mode = p->exec_seccomp;
    atomic_store(&t->leave, false);
    exec_run(t, x);
    free(x);
    signal_thaw(t);
}

/* Waits until the leader is the last task; true: and has a new image to run. */
static bool leader_stays(struct task *t)
{
    struct process *p = t->proc;
    struct exec *x;

    host_sigmask(~FAULT_SIGNALS); /* what is sent to the process is for the others */
    task_end(t);
    futex_clear_tid(t);
    pthread_mutex_lock(&p->lock);
    p->parked = true;
    pthread_cond_broadcast(&p->changed);
    while (p->nr_tasks - p->nr_suspended > 1)
        pthread_cond_wait(&p->changed, &p->lock);
    p->parked = false;
    x = p->exec;
    p->exec = NULL;
    p->exec_by = NULL;
    pthread_mutex_unlock(&p->lock);
    threads_reap(p);
    if (x)
        take_over(t, x);
    return x;
}

void thread_leave(struct task *t, struct noahv_exit *x)
{
    struct process *p = t->proc;

    if (is_leader(t) && leader_stays(t) && !thread_leaves(t))
        return;
    pthread_mutex_lock(&p->lock); /* without effect for a thread that is not the last */
    x->reason = NOAHV_EXIT_HALT;
    x->u.halt.status = p->exit_status;
    x->u.halt.signal = p->exit_signal;
    pthread_mutex_unlock(&p->lock);
}
