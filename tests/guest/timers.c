/* POSIX timers: for the process and for one thread, over fork and execve; memory that forks leave out. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "guest.h"

static char self[4096];
static atomic_int rung_in, rings;

static void ring(int sig)
{
    (void)sig;
    rung_in = gettid();
    rings++;
}

/* The kernel's own ids: the C library has others. */
static int create(int tid)
{
    struct sigevent e = { .sigev_notify = tid ? SIGEV_THREAD_ID : SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    int id = -1;

    e._sigev_un._tid = tid;
    return syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id) < 0 ? -1 : id;
}

static long set(int id, long first_ns, long then_ns)
{
    const struct itimerspec t = { { 0, then_ns }, { 0, first_ns } };

    return syscall(SYS_timer_settime, id, 0, &t, NULL);
}

static void *waits(void *arg)
{
    int id = create(gettid());

    (void)arg;
    set(id, 1000000, 0);
    while (!rings)
        sched_yield();
    FACT(rung_in == gettid());
    CALL(syscall(SYS_timer_delete, id));
    CALL(syscall(SYS_timer_delete, id));
    return NULL;
}

static int executed(int id)
{
    struct itimerspec t;

    /* No timer has crossed. One that had would ring, and end this process. */
    CALL(syscall(SYS_timer_gettime, id, &t));
    SHOW(create(0) >= 0);
    fflush(stdout);
    return 0;
}

static void over_fork_and_execve(void)
{
    struct itimerspec t;
    int id = create(0), other = create(0);
    char number[16];
    pid_t pid;

    set(id, 500000000, 0);
    snprintf(number, sizeof number, "%d", id);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        CALL(syscall(SYS_timer_gettime, id, &t)); /* a child has none */
        id = create(0);
        set(id, 500000000, 500000000);
        snprintf(number, sizeof number, "%d", id);
        fflush(stdout);
        execl(self, self, number, NULL);
        _exit(1);
    }
    guest_wait("over execve", pid);
    CALL(syscall(SYS_timer_delete, id));
    CALL(syscall(SYS_timer_delete, other));
    CALL(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, 16));
    CALL(syscall(SYS_timer_create, 77, NULL, &id));
}

/* --- MADV_DONTFORK ------------------------------------------------------------------------------------------ */

static void left_out(void)
{
    const size_t page = 4096;
    char *p = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char in_core[8];
    pid_t pid;

    memset(p, 5, 8 * page);
    CALL(madvise(p + 2 * page, 3 * page, MADV_DONTFORK));
    CALL(madvise(p + 3 * page, page, MADV_DOFORK));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 8; i++)
            printf("%d", mincore(p + (size_t)i * page, page, in_core) == 0);
        printf(" %d %d %d\n", p[0], p[3 * page], p[7 * page]);
        CALL(write(1, p + 2 * page, 1));
        /* The hole is as good as any other free memory. */
        FACT(mmap(p + 2 * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
             p + 2 * page);
        SHOW(p[2 * page]);
        fflush(stdout);
        *(volatile char *)(p + 4 * page) = 1;
        _exit(0);
    }
    guest_wait("left out", pid);
    SHOW(p[2 * page] + p[4 * page]);
    CALL(madvise(p + 2 * page, 3 * page, MADV_DOFORK));
    pid = fork();
    if (pid == 0)
        _exit(p[2 * page] + p[4 * page]);
    guest_wait("and in again", pid);
}

int main(int argc, char **argv)
{
    pthread_t t;

    if (argc > 1)
        return executed(atoi(argv[1]));
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 1;
    signal(SIGUSR1, ring);
    pthread_create(&t, NULL, waits, NULL);
    pthread_join(t, NULL);
    over_fork_and_execve();
    left_out();
    return 0;
}
