/*
 * futex(2) on guest memory, and robust lists, which the host kernel cannot walk because their links are guest
 * addresses. Private futexes are private to the host process, shared ones follow the shared mapping, so the
 * host's own futexes serve.
 */
#include "syscalls/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "mem/access.h"
#include "syscalls/box.h"
#include "syscalls/clock.h"
#include "syscalls/share.h"

/* All architectures share these numbers. */
enum { NR_FUTEX_WAITV = 449, NR_FUTEX_REQUEUE = 456 };

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

/* struct robust_list_head (include/uapi/linux/futex.h) */
struct robust_head {
    uint64_t list;
    int64_t futex_offset;
    uint64_t pending;
};

/* The word of the lock that is just being taken, or left. */
static gva_t pending_word(const struct robust_head *head)
{
    return (head->pending & ~(uint64_t)1) + (uint64_t)head->futex_offset;
}

/* The owner, a thread, died: marks the word and wakes one waiter (handle_futex_death). */
static void futex_death(struct task *t, gva_t uaddr, pid_t owner, bool pending)
{
    uint32_t old;

    if ((uaddr & 3) || get_user(t->mem, &old, uaddr))
        return;
    if (pending && !old) {
        HOST_RAW(SYS_futex, span(t, uaddr, 4), FUTEX_WAKE, 1);
        return;
    }
    while ((old & FUTEX_TID_MASK) == (uint32_t)owner) {
        uint32_t dead = (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        bool done;

        if (!access_cas32(gmem_span(t->mem, uaddr, 4), &old, dead, &done))
            return;
        if (done) {
            if (old & FUTEX_WAITERS)
                HOST_RAW(SYS_futex, span(t, uaddr, 4), FUTEX_WAKE, 1);
            return;
        }
    }
}

/*
 * A process that SIGKILL ended has not walked its lists. Whoever waits for a lock that it held looks now and then
 * whether its owner is there, and does for it what it owed. That the word is such a lock, and no other number, tells the
 * waiter's own list, in which it has put it down as pending (glibc: nptl/pthread_mutex_lock.c).
 */
static bool is_pending(struct task *t, gva_t uaddr)
{
    struct robust_head head;

    return t->robust_list && get_user(t->mem, &head, t->robust_list) == 0 && head.pending &&
           pending_word(&head) == uaddr;
}

/* It has ended: the host knows no such thread, or one without memory, whose parent has not asked for it yet. */
static bool is_gone(struct task *t, pid_t tid)
{
    char byte;
    struct iovec local = { &byte, 1 }, remote = { NULL, 1 };

    if (t->proc->box)
        return !box_lives(t, tid);
    return HOST_RAW(SYS_tkill, tid, 0) == -ESRCH ||
           HOST_RAW(SYS_process_vm_readv, tid, &local, 1, &remote, 1, 0) == -ESRCH;
}

static void bury_owner(struct task *t, gva_t uaddr)
{
    uint32_t word;
    pid_t owner;

    if (get_user(t->mem, &word, uaddr))
        return;
    owner = (pid_t)(word & FUTEX_TID_MASK);
    if (owner && owner != t->tid && is_gone(t, owner))
        futex_death(t, uaddr, owner, false);
}

#define LOOK_NS (NS_PER_S / 20)

/* FUTEX_WAIT and FUTEX_WAIT_BITSET, in pieces. */
static int64_t wait_for_owner(struct task *t, gva_t uaddr, int op, uint32_t val, gva_t timeout, uint32_t mask)
{
    bool relative = (op & FUTEX_CMD_MASK) == FUTEX_WAIT;
    clockid_t clock = op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    int64_t end = INT64_MAX, piece, r = 0;

    if (timeout && (r = clock_in(t, timeout, &end)) < 0)
        return r;
    if (timeout && relative)
        end += clock_ns(clock);
    op = (op & ~FUTEX_CMD_MASK) | FUTEX_WAIT_BITSET;
    do {
        struct timespec ts;

        bury_owner(t, uaddr); /* the word is another one then, and the host says so */
        piece = MIN(end, clock_ns(clock) + LOOK_NS);
        ts = (struct timespec){ piece / NS_PER_S, piece % NS_PER_S };
        r = HOST(t, SYS_futex, span(t, uaddr, 4), op, val, &ts, 0, relative ? FUTEX_BITSET_MATCH_ANY : mask);
    } while (r == -ETIMEDOUT && piece < end);
    return r;
}

int64_t sys_futex(struct task *t, gva_t uaddr, int op, uint32_t val, gva_t timeout, gva_t uaddr2,
                  uint32_t val3)
{
    uint64_t arg4, word = span(t, uaddr, 4), word2 = 0;
    int cmd = op & FUTEX_CMD_MASK;

    switch (cmd) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        if (is_pending(t, uaddr)) {
            bury_owner(t, uaddr);
            if (cmd == FUTEX_WAIT_BITSET || op == FUTEX_WAIT) /* of a PI lock, the host knows the owner */
                return wait_for_owner(t, uaddr, op, val, timeout, val3);
        }
        arg4 = span(t, timeout, 16);
        break;
    case FUTEX_WAIT_REQUEUE_PI:
        arg4 = span(t, timeout, 16);
        break;
    default:
        arg4 = timeout; /* val2, a number, or unused */
        break;
    }
    switch (cmd) {
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_WAKE_OP:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_CMP_REQUEUE_PI:
        word2 = span(t, uaddr2, 4);
        break;
    default:
        break;
    }
    return HOST(t, SYS_futex, word, op, val, arg4, word2, val3);
}

/* struct futex_waitv (include/uapi/linux/futex.h): younger than the C library's headers. */
struct waiter {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

#define WAITERS_MAX 128 /* FUTEX_WAITV_MAX */

/* Waiters for the host; the numbers 0 and beyond WAITERS_MAX are for it to refuse. */
static int waiters_in(struct task *t, struct waiter *w, gva_t from, unsigned n)
{
    if (n > WAITERS_MAX || !from)
        return 0;
    if (copy_in(t->mem, w, from, n * sizeof *w))
        return -EFAULT;
    for (unsigned i = 0; i < n; i++)
        w[i].uaddr = span(t, w[i].uaddr, 4);
    return 0;
}

int64_t sys_futex_waitv(struct task *t, gva_t waiters, uint32_t nr_futexes, uint32_t flags, gva_t timeout,
                        int clockid)
{
    struct waiter w[WAITERS_MAX];
    int r = waiters_in(t, w, waiters, nr_futexes);

    if (r < 0)
        return r;
    return HOST(t, NR_FUTEX_WAITV, waiters ? w : NULL, nr_futexes, flags, span(t, timeout, 16), clockid);
}

int64_t sys_futex_requeue(struct task *t, gva_t waiters, uint32_t flags, int nr_wake, int nr_requeue)
{
    struct waiter w[2];
    int r = waiters_in(t, w, waiters, ARRAY_SIZE(w));

    if (r < 0)
        return r;
    return HOST(t, NR_FUTEX_REQUEUE, waiters ? w : NULL, flags, nr_wake, nr_requeue);
}

int64_t sys_set_robust_list(struct task *t, gva_t head, uint64_t len)
{
    if (len != sizeof(struct robust_head))
        return -EINVAL;
    __atomic_store_n(&t->robust_list, head, __ATOMIC_RELAXED); /* others may ask for it */
    return 0;
}

int64_t sys_get_robust_list(struct task *t, int pid, gva_t head_out, gva_t len_out)
{
    uint64_t len = sizeof(struct robust_head);

    gva_t head = t->robust_list;

    if (pid && pid != t->tid && !thread_robust_list(t->proc, pid, &head))
        return HOST(t, SYS_kill, pid, 0) == -ESRCH ? -ESRCH : -EPERM;
    if (put_user(t->mem, len_out, &len) || put_user(t->mem, head_out, &head))
        return -EFAULT;
    return 0;
}

static void robust_walk(struct task *t, gva_t head_at)
{
    struct robust_head head;
    uint64_t entry, next;

    if (!head_at || get_user(t->mem, &head, head_at))
        return;
    entry = head.list;
    for (int limit = 2048; limit > 0 && (entry & ~(uint64_t)1) != head_at; limit--) { /* ROBUST_LIST_LIMIT */
        bool more = get_user(t->mem, &next, entry & ~(uint64_t)1) == 0;

        if (entry != head.pending && !(entry & 1)) /* bit 0: a PI futex, the host kernel's business */
            futex_death(t, entry + (uint64_t)head.futex_offset, t->tid, false);
        if (!more)
            break;
        entry = next;
    }
    if (head.pending)
        futex_death(t, pending_word(&head), t->tid, true);
}

void futex_exit(struct task *t)
{
    robust_walk(t, t->robust_list);
    t->robust_list = 0;
}

/* kernel/fork.c mm_release: not for the last one in its memory, whom nobody can be waiting for. */
void futex_clear_tid(struct task *t)
{
    static const uint32_t zero;
    struct process *p = t->proc;
    bool last;

    pthread_mutex_lock(&p->lock);
    last = p->nr_tasks == 1 && !memory_is_shared(p);
    pthread_mutex_unlock(&p->lock);
    if (t->clear_tid && !last && put_user(t->mem, t->clear_tid, &zero) == 0)
        HOST_RAW(SYS_futex, span(t, t->clear_tid, 4), FUTEX_WAKE, 1);
    t->clear_tid = 0;
}
