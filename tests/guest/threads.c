/* pthreads: creation, joining, thread-local storage, locks, conditions, keys, detached threads, ids. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "guest.h"

#define WORKERS 8
#define ROUNDS 10000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int plain, turn, once_ran, keys_destroyed;
static atomic_int relaxed;
static __thread int local = 7;

static void run_once(void)
{
    once_ran++;
}

static void destroy_key(void *p)
{
    (void)p;
    pthread_mutex_lock(&lock);
    keys_destroyed++;
    pthread_mutex_unlock(&lock);
}

static void *count(void *arg)
{
    long mine = (long)arg;

    pthread_once(&once, run_once);
    pthread_setspecific(key, &local);
    if (local != 7)
        return (void *)-1L;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        plain++;
        pthread_mutex_unlock(&lock);
        atomic_fetch_add_explicit(&relaxed, 1, memory_order_relaxed);
        local++;
    }
    pthread_barrier_wait(&barrier);
    return (void *)(mine * 2 + (local == 7 + ROUNDS));
}

static void counting(void)
{
    pthread_t t[WORKERS];
    long sum = 0;

    pthread_barrier_init(&barrier, NULL, WORKERS);
    pthread_key_create(&key, destroy_key);
    for (long i = 0; i < WORKERS; i++)
        SHOW(pthread_create(&t[i], NULL, count, (void *)i));
    for (int i = 0; i < WORKERS; i++) {
        void *result;

        pthread_join(t[i], &result);
        sum += (long)result;
    }
    SHOW(sum);
    SHOW(plain);
    SHOW(relaxed);
    SHOW(once_ran);
    SHOW(keys_destroyed);
    SHOW(local);
}

/* Two threads that take turns: every step waits for the other one. */
static void *other_half(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&lock);
        while (turn % 2 == 0)
            pthread_cond_wait(&turn_changed, &lock);
        turn++;
        pthread_cond_signal(&turn_changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void taking_turns(void)
{
    pthread_t t;

    pthread_create(&t, NULL, other_half, NULL);
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&lock);
        while (turn % 2)
            pthread_cond_wait(&turn_changed, &lock);
        turn++;
        pthread_cond_signal(&turn_changed);
        pthread_mutex_unlock(&lock);
    }
    pthread_join(t, NULL);
    SHOW(turn);
}

static pid_t main_pid, main_tid, thread_pid, thread_tid, thread_ppid;
static sem_t ready;

static void *ids(void *arg)
{
    (void)arg;
    thread_pid = getpid();
    thread_tid = gettid();
    thread_ppid = getppid();
    sem_post(&ready);
    return NULL;
}

static void identities(void)
{
    pthread_attr_t attr;
    pthread_t t;

    main_pid = getpid();
    main_tid = gettid();
    sem_init(&ready, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    SHOW(pthread_create(&t, &attr, ids, NULL));
    while (sem_wait(&ready) < 0)
        ;
    FACT(main_pid == main_tid);
    FACT(thread_pid == main_pid);
    FACT(thread_tid != main_tid && thread_tid > 0);
    FACT(thread_ppid == getppid());
}

/* What one thread maps, another one uses; what it protects, faults for the others. */
static void *fill(void *arg)
{
    memset(arg, 0x5a, 1 << 20);
    return NULL;
}

static void shared_heap(void)
{
    unsigned char *p = malloc(1 << 20);
    pthread_t t;

    pthread_create(&t, NULL, fill, p);
    pthread_join(t, NULL);
    FACT(p[0] == 0x5a && p[(1 << 20) - 1] == 0x5a);
    free(p);
}

/* Many short lives: ids, stacks and harts are given back. */
static void *short_life(void *arg)
{
    return (char *)arg + local;
}

static void many(void)
{
    int wrong = 0;

    for (long i = 0; i < 1000; i++) {
        pthread_t t;
        void *result;

        if (pthread_create(&t, NULL, short_life, (void *)i) || pthread_join(t, &result) ||
            (long)result != i + 7)
            wrong++;
    }
    SHOW(wrong);
}

int main(void)
{
    counting();
    taking_turns();
    identities();
    shared_heap();
    many();
    fflush(stdout);
    return 0;
}
