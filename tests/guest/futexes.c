/* Futexes beyond what pthreads use: waits on several, requeues, bit sets, owners that die, priority inheritance. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "guest.h"

struct waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

#define ALL 0xfffffffful /* the mask is a long */

enum { NR_WAITV = 449, NR_WAKE = 454, NR_WAIT = 455, NR_REQUEUE = 456, SIZE_U32 = 2, PRIVATE = 128 };

static atomic_uint words[4];
static atomic_int started, woken;

static long futex(atomic_uint *at, int op, unsigned val, const void *timeout, atomic_uint *at2, unsigned val3)
{
    return syscall(SYS_futex, at, op, val, timeout, at2, val3);
}

static void fill(struct waitv *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        w[i] = (struct waitv){ .uaddr = (uintptr_t)&words[i], .flags = SIZE_U32 | PRIVATE };
}

static void *waits_on_all(void *arg)
{
    struct waitv w[4];

    fill(w, 4);
    started = 1;
    for (;;) {
        long r = syscall(NR_WAITV, w, 4, 0, NULL, 0);

        if (r >= 0 || errno == EAGAIN) {
            *(long *)arg = r >= 0 ? r : 2;
            return NULL;
        }
    }
}

static void waiting_on_several(void)
{
    struct timespec soon = { 0, 0 };
    struct waitv w[4];
    long which = -1;
    pthread_t t;

    fill(w, 4);
    clock_gettime(CLOCK_MONOTONIC, &soon);
    CALL(syscall(NR_WAITV, w, 4, 0, &soon, CLOCK_MONOTONIC));
    CALL(syscall(NR_WAITV, w, 0, 0, NULL, 0));
    CALL(syscall(NR_WAITV, w, 129, 0, NULL, 0));
    CALL(syscall(NR_WAITV, w, 4, 1, NULL, 0));
    CALL(syscall(NR_WAITV, (void *)16, 4, 0, NULL, 0));
    CALL(syscall(NR_WAITV, NULL, 4, 0, NULL, 0));
    w[3].val = 1;
    CALL(syscall(NR_WAITV, w, 4, 0, NULL, 0));
    w[3].flags = 99;
    CALL(syscall(NR_WAITV, w, 4, 0, NULL, 0));
    w[3] = (struct waitv){ .uaddr = 16, .flags = SIZE_U32 | PRIVATE };
    CALL(syscall(NR_WAITV, w, 4, 0, NULL, 0));
    pthread_create(&t, NULL, waits_on_all, &which);
    while (!started)
        sched_yield();
    words[2] = 1;
    while (syscall(NR_WAKE, &words[2], ALL, 1, SIZE_U32 | PRIVATE) == 0 && which < 0)
        sched_yield();
    pthread_join(t, NULL);
    SHOW(which);
    words[2] = 0;
}

static void *waits_new_way(void *arg)
{
    atomic_uint *at = arg;

    started++;
    while (*at == 0)
        syscall(NR_WAIT, at, 0, ALL, SIZE_U32 | PRIVATE, NULL, 0);
    woken++;
    return NULL;
}

static void new_calls(void)
{
    struct timespec past = { 0, 0 };
    struct waitv pair[2];
    pthread_t t[2];

    started = woken = 0;
    CALL(syscall(NR_WAIT, &words[0], 1, ALL, SIZE_U32 | PRIVATE, NULL, 0));
    CALL(syscall(NR_WAIT, &words[0], 0, 0, SIZE_U32 | PRIVATE, NULL, 0));
    CALL(syscall(NR_WAIT, &words[0], 0, ALL, SIZE_U32 | PRIVATE, &past, CLOCK_MONOTONIC));
    CALL(syscall(NR_WAIT, (void *)16, 0, ALL, SIZE_U32, NULL, 0));
    CALL(syscall(NR_WAKE, (char *)words + 1, ALL, 1, SIZE_U32 | PRIVATE));
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, waits_new_way, &words[0]);
    while (started < 2)
        sched_yield();
    fill(pair, 2);
    pair[0].val = 7;
    CALL(syscall(NR_REQUEUE, pair, 0, 0, 2));
    CALL(syscall(NR_REQUEUE, (void *)16, 0, 0, 2));
    words[0] = 1;
    while (woken < 2) {
        pair[0].val = 1;
        syscall(NR_REQUEUE, pair, 0, 1, 1); /* who waits at the first word now waits at the second */
        syscall(NR_WAKE, &words[1], ALL, 1, SIZE_U32 | PRIVATE);
        sched_yield();
    }
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    SHOW(woken);
    words[0] = 0;
}

static void *waits_for_bit(void *arg)
{
    started++;
    while (words[3] == 0)
        futex(&words[3], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (unsigned)(uintptr_t)arg);
    woken++;
    return NULL;
}

static void old_calls(void)
{
    struct timespec none = { 0, 0 };
    pthread_t t;

    CALL(futex(&words[3], FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0));
    CALL(futex(&words[3], FUTEX_WAIT_PRIVATE, 0, &none, NULL, 0));
    CALL(futex(&words[3], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0));
    CALL(futex((atomic_uint *)((char *)words + 2), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
    CALL(futex((atomic_uint *)16, FUTEX_WAIT, 0, NULL, NULL, 0));
    CALL(futex(&words[3], FUTEX_WAKE_OP, 1, (void *)1, &words[1],
               FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
    SHOW(words[1]);
    words[1] = 0;
    CALL(futex(&words[3], FUTEX_CMP_REQUEUE, 1, (void *)1, &words[1], 9));
    CALL(futex(&words[3], 77, 1, NULL, NULL, 0));
    started = woken = 0;
    pthread_create(&t, NULL, waits_for_bit, (void *)4);
    while (!started)
        sched_yield();
    CALL(futex(&words[3], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 3));
    words[3] = 1;
    while (!woken) {
        futex(&words[3], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 6);
        sched_yield();
    }
    pthread_join(t, NULL);
    words[3] = 0;
}

/* --- Robust and priority-inheriting mutexes --------------------------------------------------------------- */

static pthread_mutex_t *mutex(int robust, int pshared, int protocol)
{
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, robust);
    pthread_mutexattr_setpshared(&attr, pshared);
    pthread_mutexattr_setprotocol(&attr, protocol);
    pthread_mutex_init(m, &attr);
    return m;
}

static void *dies_with_it(void *m)
{
    pthread_mutex_lock(m);
    return NULL;
}

static void owners_that_die(void)
{
    pthread_mutex_t *m = mutex(PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_NONE);
    pthread_t t;
    pid_t pid;

    pthread_create(&t, NULL, dies_with_it, m);
    pthread_join(t, NULL);
    FACT(pthread_mutex_lock(m) == EOWNERDEAD);
    SHOW(pthread_mutex_consistent(m));
    pthread_mutex_unlock(m);
    pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(m);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    FACT(pthread_mutex_lock(m) == EOWNERDEAD);
    pthread_mutex_unlock(m); /* without making it consistent: it is of no use any more */
    FACT(pthread_mutex_lock(m) == ENOTRECOVERABLE);
}

static int guarded;

static void *adds(void *m)
{
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(m);
        guarded++;
        pthread_mutex_unlock(m);
    }
    return NULL;
}

static void inheriting(void)
{
    pthread_mutex_t *m = mutex(PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT);
    pthread_t t[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, adds, m);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    SHOW(guarded);
}

static void lists(void)
{
    void *head = NULL;
    size_t len = 0;

    CALL(syscall(SYS_get_robust_list, 0, &head, &len));
    FACT(head && len == 24);
    CALL(syscall(SYS_set_robust_list, head, 23));
    CALL(syscall(SYS_get_robust_list, 0, (void *)16, &len));
    CALL(syscall(SYS_get_robust_list, 1 << 30, &head, &len));
}

int main(void)
{
    waiting_on_several();
    new_calls();
    old_calls();
    owners_that_die();
    inheriting();
    lists();
    return 0;
}
