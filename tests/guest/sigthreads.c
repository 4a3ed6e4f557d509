/* Signals among threads: who gets them, masks of each, waiting for them, faults, cancellation, many at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "guest.h"

static atomic_int handled_by, ready, stop;

static void who(int sig)
{
    (void)sig;
    handled_by = gettid();
}

static sigset_t only(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static void *waits_for_stop(void *arg)
{
    *(pid_t *)arg = gettid();
    ready++;
    while (!stop)
        sched_yield();
    return NULL;
}

static void handler(int sig, void (*fn)(int), int flags)
{
    struct sigaction act = { .sa_handler = fn, .sa_flags = flags };

    sigaction(sig, &act, NULL);
}

/* --- Who gets a signal ------------------------------------------------------------------------------------ */

static void to_the_process(void)
{
    const sigset_t usr1 = only(SIGUSR1);
    pid_t tid = 0;
    pthread_t t;

    handler(SIGUSR1, who, 0);
    ready = stop = handled_by = 0;
    pthread_create(&t, NULL, waits_for_stop, &tid);
    while (!ready)
        sched_yield();
    /* The main thread does not want it: the other one runs the handler, busy as it is. */
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    kill(getpid(), SIGUSR1);
    while (!handled_by)
        sched_yield();
    FACT(handled_by == tid);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    /* One that is meant for a thread stays with it. */
    handled_by = 0;
    pthread_kill(t, SIGUSR1);
    while (!handled_by)
        sched_yield();
    FACT(handled_by == tid);
    handled_by = 0;
    pthread_kill(pthread_self(), SIGUSR1);
    FACT(handled_by == gettid());
    stop = 1;
    pthread_join(t, NULL);
}

static void *blocked_signals(void *arg)
{
    sigset_t set;

    (void)arg;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    return (void *)(long)(sigismember(&set, SIGUSR1) + 2 * sigismember(&set, SIGUSR2));
}

static void masks(void)
{
    const sigset_t usr2 = only(SIGUSR2);
    void *inherited;
    sigset_t set;
    pthread_t t;

    pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    pthread_create(&t, NULL, blocked_signals, NULL);
    pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
    pthread_join(t, &inherited);
    SHOW((long)inherited);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    SHOW(sigismember(&set, SIGUSR2));
}

/* A signal for a thread that blocks it is pending there, and nowhere else. */
static void *looks_at_pending(void *arg)
{
    const sigset_t usr1 = only(SIGUSR1);
    sigset_t set;

    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    ready = 1;
    while (!stop)
        sched_yield();
    sigpending(&set);
    handled_by = 0;
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    *(int *)arg = sigismember(&set, SIGUSR1) + 2 * (handled_by == gettid());
    return NULL;
}

static void pending(void)
{
    int result = 0;
    sigset_t set;
    pthread_t t;

    ready = stop = 0;
    pthread_create(&t, NULL, looks_at_pending, &result);
    while (!ready)
        sched_yield();
    pthread_kill(t, SIGUSR1);
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
    stop = 1;
    pthread_join(t, NULL);
    SHOW(result);
}

/* --- Waiting ------------------------------------------------------------------------------------------------ */

static void *signal_server(void *arg)
{
    const sigset_t set = only(SIGUSR2);
    int sum = 0;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        siginfo_t info;

        if (sigwaitinfo(&set, &info) == SIGUSR2)
            sum += info.si_value.sival_int;
        ready++;
    }
    return (void *)(long)sum;
}

static void serving(void)
{
    const sigset_t usr2 = only(SIGUSR2);
    void *sum;
    pthread_t t;

    ready = 0;
    pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    pthread_create(&t, NULL, signal_server, NULL);
    for (int i = 0; i < 100; i++) {
        sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = i });
        while (ready <= i)
            sched_yield();
    }
    pthread_join(t, &sum);
    SHOW((long)sum);
    pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
}

static void *suspended(void *arg)
{
    const sigset_t usr1 = only(SIGUSR1);
    sigset_t none;

    (void)arg;
    sigemptyset(&none);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    ready = 1;
    while (!handled_by)
        sigsuspend(&none);
    return NULL;
}

static void suspending(void)
{
    pthread_t t;

    ready = handled_by = 0;
    pthread_create(&t, NULL, suspended, NULL);
    while (!ready)
        sched_yield();
    pthread_kill(t, SIGUSR1);
    pthread_join(t, NULL);
    FACT(handled_by != gettid());
}

/* --- Faults --------------------------------------------------------------------------------------------------- */

static __thread sigjmp_buf back;
static __thread volatile uintptr_t fault_at;
static __thread volatile int on_altstack;

static void fault(int sig, siginfo_t *info, void *context)
{
    stack_t s;

    (void)sig, (void)context;
    fault_at = (uintptr_t)info->si_addr;
    sigaltstack(NULL, &s);
    on_altstack = s.ss_flags == SS_ONSTACK;
    siglongjmp(back, 1);
}

static void *faults(void *arg)
{
    static char altstacks[4][65536];
    long n = (long)arg;
    volatile long right = 0;
    stack_t s = { .ss_sp = altstacks[n], .ss_size = sizeof altstacks[n] };

    sigaltstack(&s, NULL);
    for (int i = 0; i < 200; i++) {
        uintptr_t at = 4096 * (uintptr_t)(n + 1) + (uintptr_t)i * 8;

        if (sigsetjmp(back, 1) == 0)
            *(volatile long *)at = 1;
        right += fault_at == at && on_altstack;
    }
    return (void *)right;
}

static void faulting(void)
{
    struct sigaction act = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    pthread_t t[4];
    long sum = 0;

    sigaction(SIGSEGV, &act, NULL);
    for (long i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, faults, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *right;

        pthread_join(t[i], &right);
        sum += (long)right;
    }
    SHOW(sum);
    signal(SIGSEGV, SIG_DFL);
}

/* --- Cancellation (signal 32) and set*id (33) ------------------------------------------------------------------ */

static int cleaned;

static void clean(void *arg)
{
    cleaned += *(int *)arg;
}

static void *cancelled_in_read(void *arg)
{
    int ten = 10;
    char c;

    pthread_cleanup_push(clean, &ten);
    ready = 1;
    if (read(*(int *)arg, &c, 1) >= 0)
        cleaned = -100;
    pthread_cleanup_pop(0);
    return NULL;
}

static void *cancelled_in_wait(void *arg)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    int hundred = 100;

    (void)arg;
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(clean, &hundred);
    ready = 1;
    for (;;)
        pthread_cond_wait(&never, &lock);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *cancelled_anywhere(void *arg)
{
    (void)arg;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    ready = 1;
    for (;;)
        __asm__ volatile("" ::: "memory");
    return NULL;
}

static void cancelling(void)
{
    void *(*const body[])(void *) = { cancelled_in_read, cancelled_in_wait, cancelled_anywhere };
    int fds[2];

    if (pipe(fds) < 0)
        return;
    for (unsigned i = 0; i < COUNT(body); i++) {
        void *result;
        pthread_t t;

        ready = 0;
        pthread_create(&t, NULL, body[i], &fds[0]);
        while (!ready)
            sched_yield();
        SHOW(pthread_cancel(t));
        pthread_join(t, &result);
        FACT(result == PTHREAD_CANCELED);
    }
    SHOW(cleaned);
}

static void set_ids(void)
{
    pid_t tid = 0;
    pthread_t t;

    ready = stop = 0;
    pthread_create(&t, NULL, waits_for_stop, &tid);
    while (!ready)
        sched_yield();
    CALL(setgid(getgid())); /* in all threads, says POSIX: the library asks each by signal 33 */
    stop = 1;
    pthread_join(t, NULL);
}

/* --- Many -------------------------------------------------------------------------------------------------------- */

#define SENDERS 4
#define EACH 2000

static atomic_int rt_received, alarms;

static void count_rt(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    rt_received += info->si_value.sival_int;
}

static void count_alarm(int sig)
{
    (void)sig;
    alarms++;
}

/* Works in all the places where a signal may come: guest code, host calls, faults of fresh memory. */
static void *sends(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        p[i % 8192] = 1;
        while (sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 }) < 0)
            sched_yield();
        pthread_kill(pthread_self(), SIGUSR1);
        munmap(p, 8192);
    }
    return NULL;
}

static void storm(void)
{
    struct sigaction act = { .sa_sigaction = count_rt, .sa_flags = SA_SIGINFO | SA_RESTART };
    struct itimerval fast = { { 0, 200 }, { 0, 200 } }, off = { { 0, 0 }, { 0, 0 } };
    pthread_t t[SENDERS];

    sigaction(SIGRTMIN, &act, NULL);
    handler(SIGALRM, count_alarm, SA_RESTART);
    setitimer(ITIMER_REAL, &fast, NULL);
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&t[i], NULL, sends, NULL);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(t[i], NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    while (rt_received < SENDERS * EACH) /* the last ones may be under way to this thread */
        sched_yield();
    SHOW(rt_received);
    FACT(alarms > 0);
}

int main(void)
{
    to_the_process();
    masks();
    pending();
    serving();
    suspending();
    faulting();
    cancelling();
    set_ids();
    storm();
    return 0;
}
