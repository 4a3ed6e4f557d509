/*
 * Several harts on the same translations: who is inside generated code, and how all are made to leave it. The rules are
 * at struct jit.
 *
 * To stop the world, `stopping` is set and then looked at who is inside; to go in without the lock, a hart says that it
 * is inside and then looks at `stopping`. Both are sequentially consistent: one of the two sees the other.
 */
#include <cpuid.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jit/internal.h"
#include "jit/jit.h"

void harts_lock(struct jit *j)
{
    if (j->shared)
        pthread_mutex_lock(&j->shared->lock);
}

void harts_unlock(struct jit *j)
{
    if (!j->shared)
        return;
    if (atomic_load_explicit(&j->stopping, memory_order_relaxed))
        atomic_store(&j->stopping, 0);
    pthread_mutex_unlock(&j->shared->lock);
}

void harts_unlock_inside(struct jit *j, struct hart *h)
{
    if (!j->shared)
        return;
    if (atomic_load_explicit(&j->stopping, memory_order_relaxed))
        atomic_store(&j->stopping, 0);
    atomic_store(&h->jit.inside, JIT_INSIDE);
    pthread_mutex_unlock(&j->shared->lock);
}

void harts_stop(struct jit *j)
{
    if (!j->shared || atomic_load(&j->stopping))
        return;
    atomic_store(&j->stopping, 1);
    for (struct hart *h = j->harts; h; h = h->jit.next) {
        unsigned inside = JIT_INSIDE;

        if (atomic_compare_exchange_strong(&h->jit.inside, &inside, JIT_AWAITED))
            jit_kick(h);
    }
    for (struct hart *h = j->harts; h; h = h->jit.next)
        while (atomic_load(&h->jit.inside) == JIT_AWAITED)
            syscall(SYS_futex, &h->jit.inside, FUTEX_WAIT_PRIVATE, JIT_AWAITED, NULL, NULL, 0);
}

void harts_leave(struct hart *h)
{
    if (atomic_exchange(&h->jit.inside, JIT_OUTSIDE) == JIT_AWAITED)
        syscall(SYS_futex, &h->jit.inside, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool harts_enter(struct jit *j, struct hart *h)
{
    atomic_store(&h->jit.inside, JIT_INSIDE);
    if (LIKELY(!atomic_load(&j->stopping) && h->jit.changes == atomic_load(&j->changes)))
        return true;
    harts_leave(h);
    return false;
}

/* A hart that has seen other code at the addresses that it is about to run: no instruction is there yet that it fetched
 * before it knew. */
static void serialize(void)
{
    unsigned a, b, c, d;

    __cpuid(0, a, b, c, d);
}

void harts_notice(struct jit *j, struct hart *h)
{
    if (h->jit.changes == atomic_load(&j->changes) || j->lost) /* then it goes in no more: harts_enter */
        return;
    h->jit.changes = atomic_load(&j->changes);
    h->jit.pair_rsp = h->jit.pair_top; /* no return leads into what is dropped */
    if (j->shared)
        serialize();
    if (h->jit.epoch == j->epoch)
        return;
    h->jit.epoch = j->epoch;
    memset(h->target, 0, sizeof h->target);
    h->target[0].pc = 2; /* where 0 would be found: whatever is looked for here, it is not that */
    madvise((void *)(uintptr_t)h->jit.victim, sizeof *h->target * JIT_VICTIMS, MADV_DONTNEED);
    ((struct hart_target *)(uintptr_t)h->jit.victim)->pc = 2;
}

enum hart_answer harts_answer(struct hart *h)
{
    struct jit *j = h->jit.state;
    enum hart_answer a;

    harts_leave(h);
    a = h->answer(h);
    if (harts_enter(j, h))
        return a;
    harts_lock(j); /* the way out is generated code too */
    harts_unlock_inside(j, h);
    return a == ANSWER_DONE ? ANSWER_KICK : a; /* where it would go on there may be something else */
}

IN_HANDLER void jit_poll(struct hart *h, bool stop)
{
    syscall(SYS_mprotect, h->poll, PAGE_BYTES, stop ? PROT_NONE : PROT_READ);
}
