/*
 * Who belongs to a box, and what its processes use together: a table in memory that they share. A slot outlives its
 * process until somebody needs room; a number that the host gave away again is recognised by its start time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/mm.h"
#include "syscalls/procfs.h"

enum { SLOT_FREE = 0, SLOT_TAKEN = -1 };

/* A process as the host's /proc tells of it. */
struct life {
    char state;
    uint64_t started; /* clock ticks since boot */
};

/* The whole of a small file of /proc: its length, or < 0. */
static int64_t read_file(const char *name, char *out, size_t cap)
{
    int64_t fd = HOST_RAW(SYS_openat, procfs_dir(), name, O_RDONLY | O_CLOEXEC), n;

    if (fd < 0)
        return fd;
    n = HOST_RAW(SYS_read, fd, out, cap - 1);
    HOST_RAW(SYS_close, fd);
    out[MAX(n, 0)] = '\0';
    return n;
}

/* fs/proc/array.c do_task_stat: fields 3 and 22, counted behind the name, which may hold anything. */
static bool life_of(int pid, struct life *out)
{
    char name[32], text[1024], *at;

    snprintf(name, sizeof name, "%d/stat", pid);
    if (read_file(name, text, sizeof text) <= 0 || !(at = strrchr(text, ')')) || at[1] != ' ')
        return false;
    out->state = at[2];
    at += 2;
    for (int field = 3; field < 22 && at; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    out->started = at ? strtoull(at, NULL, 10) : 0;
    return at != NULL;
}

static struct policy_member *slot_of(const struct box *b, int pid)
{
    for (size_t i = 0; i < POLICY_MEMBERS_MAX; i++)
        if (atomic_load_explicit(&b->policy->shared->member[i].pid, memory_order_relaxed) == pid)
            return &b->policy->shared->member[i];
    return NULL;
}

/* True when the slot's process is the one that took it. */
static bool still_there(struct policy_member *m, int pid, struct life *life)
{
    uint64_t started = atomic_load(&m->started);

    return life_of(pid, life) && (!started || started == life->started);
}

/* The process of a thread. */
static int process_of(int tid)
{
    char name[32], text[1024];
    const char *at;

    snprintf(name, sizeof name, "%d/status", tid);
    if (read_file(name, text, sizeof text) <= 0)
        return -1;
    at = strstr(text, "\nTgid:\t");
    return at ? atoi(at + 7) : -1;
}

bool box_has(struct task *t, int pid)
{
    struct box *b = t->proc->box;
    struct policy_member *m;
    struct life life;

    if (!b || pid == 0 || pid == t->tid || pid == HOST_RAW(SYS_getpid))
        return true;
    if (pid < 0)
        return false;
    m = slot_of(b, pid);
    if (!m && (pid = process_of(pid)) > 0)
        m = slot_of(b, pid);
    return m && still_there(m, pid, &life);
}

bool box_lives(struct task *t, int tid)
{
    struct life life;

    return box_has(t, tid) && life_of(tid, &life) && life.state != 'Z' && life.state != 'X';
}

static void forget_memory(struct policy_member *m)
{
    atomic_store(&m->bytes, 0);
    atomic_store(&m->code, 0);
}

/* Frees the slots of processes that are gone, and forgets the memory of those that have ended. */
static void sweep(const struct box *b)
{
    for (size_t i = 0; i < POLICY_MEMBERS_MAX; i++) {
        struct policy_member *m = &b->policy->shared->member[i];
        int pid = atomic_load(&m->pid);
        struct life life;

        if (pid <= 0)
            continue;
        if (!still_there(m, pid, &life))
            atomic_compare_exchange_strong(&m->pid, &pid, SLOT_FREE);
        else if (life.state == 'Z' || life.state == 'X')
            forget_memory(m);
    }
}

static uint64_t count_tasks(const struct box *b)
{
    uint64_t n = 0;

    for (size_t i = 0; i < POLICY_MEMBERS_MAX; i++) {
        const struct policy_member *m = &b->policy->shared->member[i];

        if (atomic_load_explicit(&m->pid, memory_order_relaxed) != SLOT_FREE)
            n += MAX(atomic_load_explicit(&m->tasks, memory_order_relaxed), 1u);
    }
    if (n > atomic_load_explicit(&b->policy->shared->most_tasks, memory_order_relaxed))
        atomic_store_explicit(&b->policy->shared->most_tasks, (unsigned)n, memory_order_relaxed);
    return n;
}

/* --- Processes ---------------------------------------------------------------------------------------- */

/* The limit was met: said when the program fails because of it. */
static int pids_met(const struct box *b)
{
    uint64_t n = b->policy->limit[LIMIT_PIDS];

    if (n < POLICY_MEMBERS_MAX)
        policy_end(b->policy, NOAHV_END_LIMIT,
                   "the limit of %llu processes and threads was reached. To allow more: --pids %llu",
                   (unsigned long long)n, (unsigned long long)MIN(n * 2, POLICY_MEMBERS_MAX));
    else
        policy_end(b->policy, NOAHV_END_LIMIT,
                   "the limit of %llu processes and threads was reached, and a box has no more",
                   (unsigned long long)n);
    return -EAGAIN;
}

static int memory_met(const struct box *b)
{
    uint64_t n = b->policy->limit[LIMIT_MEMORY];
    bool mib = n % (1 << 20) == 0;

    n >>= mib ? 20 : 10;
    policy_end(b->policy, NOAHV_END_LIMIT,
               "the memory limit of %llu %siB was reached. To allow more: --memory %llu%s",
               (unsigned long long)n, mib ? "M" : "K", (unsigned long long)n * 2, mib ? "M" : "K");
    return -ENOMEM;
}

static int take_slot(const struct box *b)
{
    for (size_t i = 0; i < POLICY_MEMBERS_MAX; i++) {
        struct policy_member *m = &b->policy->shared->member[i];
        int none = SLOT_FREE;

        if (!atomic_compare_exchange_strong(&m->pid, &none, SLOT_TAKEN))
            continue;
        atomic_store(&m->started, 0);
        forget_memory(m);
        atomic_store(&m->tasks, 1);
        return (int)i;
    }
    return -EAGAIN;
}

static bool too_many(const struct box *b)
{
    uint64_t most = b->policy->limit[LIMIT_PIDS];

    return most && count_tasks(b) > most;
}

int box_fork(struct task *t, int *slot)
{
    const struct box *b = t->proc->box;

    *slot = -1;
    if (!b)
        return 0;
    fd_freeze();
    *slot = take_slot(b); /* taken first, counted then: two at once cannot both be the last */
    if (*slot >= 0 && too_many(b))
        sweep(b);
    if (*slot < 0 || too_many(b)) {
        if (*slot >= 0)
            atomic_store(&b->policy->shared->member[*slot].pid, SLOT_FREE);
        *slot = -1;
        fd_thaw();
        return pids_met(b);
    }
    if (box_may_grow(t, mm_charged(t)) < 0) { /* what the child has is a copy, sooner or later */
        atomic_store(&b->policy->shared->member[*slot].pid, SLOT_FREE);
        *slot = -1;
        fd_thaw();
        return -EAGAIN;
    }
    return 0;
}

void box_forked(struct task *t, int slot, int64_t pid)
{
    int taken = SLOT_TAKEN;

    if (slot < 0)
        return;
    atomic_compare_exchange_strong(&t->proc->box->policy->shared->member[slot].pid, &taken,
                                   pid > 0 ? (int)pid : SLOT_FREE);
    fd_thaw();
}

/*
 * The host sends SIGKILL when the pipe's last writer is gone. Who gets it is said of an open file, which a fork shares: each
 * process opens the pipe anew.
 */
static void take_leash(struct box *b, int pid)
{
    char name[32];
    int64_t fd;
    int old = b->leash;

    if (old < 0)
        return;
    snprintf(name, sizeof name, "self/fd/%d", old);
    fd = fd_open(procfs_dir(), name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    fd_release(old);
    if (fd < 0 || HOST_RAW(SYS_fcntl, fd, F_SETSIG, SIGKILL) < 0 ||
        HOST_RAW(SYS_fcntl, fd, F_SETOWN, pid) < 0 ||
        HOST_RAW(SYS_fcntl, fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0 || HOST_RAW(SYS_read, fd, name, 1) == 0 ||
        fd_own((int)fd, &b->leash) < 0)
        HOST_RAW(SYS_kill, pid, SIGKILL); /* it has happened, or will not be heard of */
}

void box_join(struct task *t, int slot)
{
    struct box *b = t->proc->box;
    struct policy_member *m;
    struct life life;
    int pid = (int)HOST_RAW(SYS_getpid);

    if (!b || slot < 0)
        return;
    take_leash(b, pid);
    fd_thaw();
    b->member = slot;
    m = &b->policy->shared->member[slot];
    atomic_store(&m->bytes, mm_charged(t));
    if (life_of(pid, &life))
        atomic_store(&m->started, life.started);
    atomic_store(&m->pid, pid);
}

int box_may_thread(struct task *t)
{
    const struct box *b = t->proc->box;
    uint64_t most = b ? b->policy->limit[LIMIT_PIDS] : 0;

    if (!most || count_tasks(b) < most)
        return 0;
    sweep(b);
    return count_tasks(b) < most ? 0 : pids_met(b);
}

void box_threads(const struct process *p)
{
    if (p->box)
        atomic_store(&p->box->policy->shared->member[p->box->member].tasks, p->nr_tasks);
}

/* --- Memory ------------------------------------------------------------------------------------------- */

static bool fits(const struct box *b, uint64_t own)
{
    uint64_t sum = own;

    for (size_t i = 0; i < POLICY_MEMBERS_MAX; i++) {
        const struct policy_member *m = &b->policy->shared->member[i];

        if ((int)i != b->member && atomic_load_explicit(&m->pid, memory_order_relaxed) != SLOT_FREE)
            sum += atomic_load_explicit(&m->bytes, memory_order_relaxed);
    }
    if (sum > b->policy->limit[LIMIT_MEMORY])
        return false;
    if (sum > atomic_load_explicit(&b->policy->shared->most_bytes, memory_order_relaxed))
        atomic_store_explicit(&b->policy->shared->most_bytes, sum, memory_order_relaxed);
    return true;
}

int box_may_grow(struct task *t, uint64_t bytes)
{
    struct box *b = t->proc->box;
    uint64_t own;

    if (!b || !b->policy->limit[LIMIT_MEMORY])
        return 0;
    own = mm_charged(t);
    if (__builtin_add_overflow(own, bytes, &bytes) || !fits(b, bytes)) {
        sweep(b);
        if (!fits(b, bytes))
            return memory_met(b);
    }
    atomic_store(&b->policy->shared->member[b->member].bytes, bytes);
    return 0;
}

/* The translations of all processes may take half as much as there may be memory, beside it. */
static bool code_fits(const struct box *b, uint64_t own)
{
    uint64_t sum = own;

    for (size_t i = 0; i < POLICY_MEMBERS_MAX; i++) {
        const struct policy_member *m = &b->policy->shared->member[i];

        if ((int)i != b->member && atomic_load_explicit(&m->pid, memory_order_relaxed) != SLOT_FREE)
            sum += atomic_load_explicit(&m->code, memory_order_relaxed);
    }
    return sum <= b->policy->limit[LIMIT_MEMORY] / 2;
}

bool box_may_translate(struct hart *h, size_t bytes)
{
    const struct task *t = h->task;
    const struct box *b = t->proc->box;
    uint64_t own = vm_translations(t->proc->vm) + bytes;

    if (!b->policy->limit[LIMIT_MEMORY])
        return true;
    if (!code_fits(b, own)) {
        sweep(b);
        if (!code_fits(b, own))
            return false;
    }
    atomic_store(&b->policy->shared->member[b->member].code, own);
    return true;
}
