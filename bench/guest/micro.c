/*
 * Single costs, measured from inside: micro hello | getppid | pipe | fork COMMAND... | fault. Prints nanoseconds of
 * CPU time per operation (hello: a line of text; what counts there is seen from outside). The command is
 * `micro nothing`, behind a launcher where the machine needs one to run it. And micro threads: how many times as fast
 * as one after the other two threads are that have nothing to do with each other.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* CPU time so far in nanoseconds, of this process and of the children that it has waited for: on a busy machine the
 * clock on the wall says little. */
static double spent(void)
{
    static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
    struct rusage use;
    double sum = 0;

    for (int i = 0; i < 2; i++) {
        getrusage(whose[i], &use);
        sum += (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e9 +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e3;
    }
    return sum;
}

static int getppids(void)
{
    for (int i = 0; i < 300000; i++)
        syscall(SYS_getppid);
    return 300000;
}

/* One byte to and fro between two processes: one operation is a round trip. */
static int pipes(void)
{
    int there[2], back[2], n = 10000;
    char c = 'x';

    if (pipe(there) || pipe(back))
        exit(1);
    if (fork() == 0) {
        close(there[1]);
        while (read(there[0], &c, 1) == 1)
            if (write(back[1], &c, 1) != 1)
                break;
        _exit(0);
    }
    for (int i = 0; i < n; i++)
        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
            exit(1);
    close(there[1]);
    wait(NULL);
    return n;
}

static char **again; /* the command that starts this program once more */

static int forks(void)
{
    int status;

    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            execvp(again[0], again);
            _exit(1);
        }
        if (waitpid(pid, &status, 0) != pid || status != 0)
            exit(1);
    }
    return 200;
}

static int faults(void)
{
    const size_t pages = 16384;
    char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(1);
    for (size_t i = 0; i < pages; i++)
        p[i * 4096] = 1;
    munmap(p, pages * 4096);
    return (int)pages;
}

static void *count(void *arg)
{
    uint64_t x = 88172645463325252u, *seen = calloc(4096, sizeof *seen), most = 0;

    for (int i = 0; seen && i < 30000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        most = ++seen[x % 4096] > most ? seen[x % 4096] : most;
    }
    free(seen);
    *(uint64_t *)arg = most;
    return NULL;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The time of two threads one after the other, over that of two at once. */
static double gain(void)
{
    double start = seconds(), middle;
    pthread_t t[2];
    uint64_t most[4];

    for (int i = 0; i < 2; i++) {
        pthread_create(&t[i], NULL, count, &most[i]);
        pthread_join(t[i], NULL);
    }
    middle = seconds();
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, count, &most[2 + i]);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    return most[0] == most[3] ? (middle - start) / (seconds() - middle) : 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } cost[] = { { "getppid", getppids }, { "pipe", pipes }, { "fork", forks }, { "fault", faults } };
    const char *what = argc > 1 ? argv[1] : "hello";

    if (strcmp(what, "nothing") == 0)
        return 0;
    for (size_t i = 0; i < sizeof(cost) / sizeof(cost[0]); i++)
        if (strcmp(what, cost[i].name) == 0) {
            double start;
            int n;

            again = argv + 2;
            start = spent();
            n = cost[i].run();

            printf("%.1f\n", (spent() - start) / n);
            return 0;
        }
    if (strcmp(what, "threads") == 0)
        printf("%.3f\n", gain());
    else
        puts("hello");
    return 0;
}
