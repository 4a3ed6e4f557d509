/* skip-native */
/*
 * Many threads run the same code while it changes: it is written and announced, mapped over, made for the first time by
 * threads that end, fork, are signalled, or wait in the host's kernel where the code was.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "guest.h"

#define PAGE 4096
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define WORKERS 3
#define SLOTS 24
#define SLOT_WORDS 96 /* they begin at every place in a line, and some reach into the next page */
#define ROUNDS 150
#define RET 0x00008067u
#define ECALL 0x00000073u
#define NOP 0x00000013u

static __thread sigjmp_buf back;
static uint32_t *code;
static atomic_int stop, right, wrong, wanted[SLOTS];

static void on_signal(int sig)
{
    siglongjmp(back, sig);
}

static uint32_t li(int v)
{
    return 0x00000513u | (uint32_t)v << 20; /* addi a0, zero, v */
}

/* A call of `to` from `at`. */
static uint32_t jal(const uint32_t *at, const uint32_t *to)
{
    uint32_t d = (uint32_t)((const char *)to - (const char *)at);

    return 0xefu | (d & 0xff000) | (d >> 11 & 1) << 20 | (d >> 1 & 0x3ff) << 21 | (d >> 20 & 1) << 31;
}

static uint32_t *pages(size_t n)
{
    uint32_t *p = mmap(NULL, n * PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(1);
    return p;
}

static void announce(uint32_t *at, size_t words)
{
    __builtin___clear_cache((char *)at, (char *)(at + words));
}

static int run(const void *at)
{
    return ((int (*)(void))at)();
}

static uint32_t *slot(int k)
{
    return code + k * SLOT_WORDS;
}

/* A function that returns k * 64 + version, and behind it one that calls it. */
static void emit(int k, int version)
{
    uint32_t *at = slot(k), *caller = at + 16;

    at[1] = RET;
    at[0] = li(k * 64 + version);
    caller[0] = 0x000082b3u; /* add t0, ra, zero */
    caller[1] = jal(caller + 1, at);
    caller[2] = 0x000280b3u; /* add ra, t0, zero */
    caller[3] = RET;
}

static void start(pthread_t t[WORKERS], void *(*body)(void *))
{
    atomic_store(&stop, 0);
    atomic_store(&right, 0);
    atomic_store(&wrong, 0);
    for (long k = 0; k < WORKERS; k++)
        if (pthread_create(&t[k], NULL, body, (void *)k))
            exit(1);
}

static void finish(pthread_t t[WORKERS])
{
    atomic_store(&stop, 1);
    for (int k = 0; k < WORKERS; k++)
        pthread_join(t[k], NULL);
}

static void *caller(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop))
        for (int k = 0; k < SLOTS; k++) {
            int least = atomic_load(&wanted[k]); /* announced before it was said */
            int v = run(slot(k) + 16 * (k & 1));
            int most = atomic_load(&wanted[k]) + 1;

            if (v < k * 64 + least || v > k * 64 + most)
                atomic_fetch_add(&wrong, 1);
            else
                atomic_fetch_add(&right, 1);
        }
    return NULL;
}

/* What is called is as new as what was said to be there, and no newer than what is being written. */
static int rewritten(void)
{
    pthread_t t[WORKERS];

    for (int k = 0; k < SLOTS; k++) {
        emit(k, 0);
        atomic_store(&wanted[k], 0);
    }
    announce(code, SLOTS * SLOT_WORDS);
    start(t, caller);
    for (int version = 1; version < 40; version++)
        for (int k = 0; k < SLOTS; k++) {
            *(volatile uint32_t *)slot(k) = li(k * 64 + version);
            announce(slot(k), 1);
            atomic_store(&wanted[k], version);
        }
    while (atomic_load(&right) < 1000)
        sched_yield();
    finish(t);
    return atomic_load(&wrong);
}

/* It returns what the slot does, or there is nothing. */
static void visit(int k)
{
    if (sigsetjmp(back, 1) == 0 && run(slot(k)) / 64 != k)
        atomic_fetch_add(&wrong, 1);
}

static void *visitor(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop))
        for (int k = 0; k < SLOTS; k++) {
            visit(k);
            atomic_fetch_add(&right, 1);
        }
    return NULL;
}

static int mapped_over(void)
{
    pthread_t t[WORKERS];
    size_t bytes = 4 * PAGE;

    start(t, visitor);
    for (int n = 0; n < ROUNDS; n++) {
        if (n & 1)
            munmap(code, bytes);
        if (mmap(code, bytes, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != code)
            exit(1);
        for (int k = 0; k < SLOTS; k++)
            emit(k, n & 31);
        if (n & 2)
            announce(code, SLOTS * SLOT_WORDS);
        if (n & 4)
            mprotect(code, bytes, PROT_READ | PROT_EXEC);
    }
    while (atomic_load(&right) < 1000)
        sched_yield();
    finish(t);
    mprotect(code, bytes, RWX);
    return atomic_load(&wrong);
}

/* Code that nobody has run yet: a chain of functions, each calling the next one. */
static int fresh(uint32_t *at, int n)
{
    int sum = 0;

    for (int k = 0; k < n; k++) {
        uint32_t *f = at + k * 8, *next = f + 8;

        f[0] = 0x00008293u | 0;                        /* addi t0, ra, 0 */
        f[1] = k + 1 < n ? jal(f + 1, next + 3) : NOP; /* past its prologue */
        f[2] = 0x00028067u;                            /* jr t0 */
        f[3] = li(k + 1);
        f[4] = RET;
    }
    announce(at, (size_t)n * 8);
    for (int times = 0; times < 6; times++)
        for (int k = 0; k + 1 < n; k++)
            sum += run(at + k * 8) == k + 2;
    return sum;
}

static void *short_lived(void *arg)
{
    uint32_t *own = pages(2);
    int sum = fresh(own, 200);

    if ((long)arg & 1)
        munmap(own, 2 * PAGE); /* what took its place may be another's by now */
    atomic_fetch_add(&right, sum);
    if ((long)arg % 3 == 0 && sigsetjmp(back, 1) == 0)
        run((void *)16); /* nothing is there */
    if ((long)arg & 2)
        pthread_exit(NULL);
    return NULL;
}

static int ending(void)
{
    pthread_t t[8];

    atomic_store(&right, 0);
    for (int n = 0; n < 5; n++) {
        for (long k = 0; k < (long)COUNT(t); k++)
            if (pthread_create(&t[k], NULL, short_lived, (void *)k))
                exit(1);
        for (size_t k = 0; k < COUNT(t); k++)
            pthread_join(t[k], NULL);
    }
    return atomic_load(&right);
}

static void *maker(void *arg)
{
    uint32_t *own = pages(2);

    (void)arg;
    while (!atomic_load(&stop)) {
        if (fresh(own, 60) != 6 * 59)
            atomic_fetch_add(&wrong, 1);
        atomic_fetch_add(&right, 1);
        memset(own, 0, PAGE);
    }
    munmap(own, 2 * PAGE);
    return NULL;
}

/* A child has what its parent had, whoever was making what; and has threads again. */
static void child(void)
{
    pthread_t t[WORKERS];

    if (run(slot(3)) / 64 != 3 || fresh(code + 4 * PAGE / 4, 100) != 6 * 99)
        _exit(1);
    start(t, maker);
    while (atomic_load(&right) < 3)
        sched_yield();
    finish(t);
    _exit(atomic_load(&wrong) ? 2 : 0);
}

static int forked(void)
{
    pthread_t t[WORKERS];
    int good = 0;

    start(t, maker);
    for (int n = 0; n < 12; n++) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
            child();
        if (waitpid(pid, &status, 0) == pid && status == 0)
            good++;
    }
    finish(t);
    return good - atomic_load(&wrong);
}

/* A child in the same memory makes code too, beside the others. */
static int beside(void)
{
    static char stack[1 << 16];
    pthread_t t[WORKERS];
    int good = 0, status;

    start(t, maker);
    for (int n = 0; n < 12; n++) {
        pid_t pid = syscall(SYS_clone, 0x100 | SIGCHLD, stack + sizeof(stack) - 64, 0, 0, 0);

        if (pid == 0)
            _exit(fresh(code + 4 * PAGE / 4, 60) != 6 * 59);
        if (waitpid(pid, &status, 0) == pid && status == 0)
            good++;
    }
    finish(t);
    return good - atomic_load(&wrong);
}

static atomic_int signals;

static void on_usr1(int sig)
{
    (void)sig;
    atomic_fetch_add(&signals, run(slot(5)) / 64 == 5);
}

static int signalled(void)
{
    pthread_t t[WORKERS];

    signal(SIGUSR1, on_usr1);
    start(t, maker);
    for (int n = 0; n < ROUNDS; n++) {
        int before = atomic_load(&signals);

        pthread_kill(t[n % WORKERS], SIGUSR1);
        while (atomic_load(&signals) == before)
            sched_yield();
    }
    finish(t);
    return atomic_load(&signals) - atomic_load(&wrong);
}

static int fd[2];
static atomic_int waiting;

/* Reads by an ecall that is what its translation begins with. */
static void *reader(void *arg)
{
    static char buf[WORKERS];
    long k = (long)arg;
    register long a0 __asm__("a0") = fd[0];
    register char *a1 __asm__("a1") = buf + k;
    register long a2 __asm__("a2") = 1, a7 __asm__("a7") = SYS_read;
    register const void *t1 __asm__("t1") = code + 8 * PAGE / 4;

    atomic_fetch_add(&waiting, 1);
    __asm__ volatile("jalr ra, 0(t1)"
                     : "+r"(a0), "+r"(t1)
                     : "r"(a1), "r"(a2), "r"(a7)
                     : "ra", "t0", "memory");
    atomic_fetch_add(&right, a0 == 1);
    return NULL;
}

static int under_readers(void)
{
    pthread_t t[WORKERS];
    uint32_t *at = code + 8 * PAGE / 4;
    int sum = 0;

    for (int n = 0; n < 20; n++) {
        uint32_t first = n % 2 ? NOP : ECALL;

        atomic_store(&waiting, 0);
        at[0] = ECALL;
        at[1] = RET;
        announce(at, 2);
        if (pipe(fd))
            exit(1);
        for (int warm = 0; warm < 8; warm++) /* translated before anybody waits there */
            if (write(fd[1], "", 1) != 1)
                exit(1);
        for (int warm = 0; warm < 8; warm++)
            reader((void *)0);
        atomic_store(&waiting, 0);
        start(t, reader);
        while (atomic_load(&waiting) < WORKERS)
            sched_yield();
        for (int k = 0; k < 10; k++)
            sched_yield();
        *(volatile uint32_t *)at = first;
        __asm__ volatile("fence.i" ::: "memory");
        *(volatile uint32_t *)at = ECALL;
        __asm__ volatile("fence.i" ::: "memory");
        if (write(fd[1], "abc", WORKERS) != WORKERS)
            exit(1);
        finish(t);
        sum += atomic_load(&right);
        close(fd[0]);
        close(fd[1]);
    }
    return sum;
}

int main(int argc, char **argv)
{
    pthread_t t[WORKERS];

    setvbuf(stdout, NULL, _IOLBF, 0);
    code = pages(16);
    if (argc > 1) {
        SHOW(fresh(code, 60));
        return 0;
    }
    signal(SIGSEGV, on_signal);
    signal(SIGILL, on_signal);
    SHOW(rewritten());
    SHOW(mapped_over());
    SHOW(ending());
    SHOW(forked());
    SHOW(beside());
    SHOW(signalled());
    SHOW(under_readers());
    fflush(stdout);
    start(t, maker);
    execv("/proc/self/exe", (char *[]){ argv[0], "again", NULL });
    return 1;
}
