/* Processes that share their descriptors and nothing else: CLONE_FILES without CLONE_VM. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "guest.h"

#define NUMBERS 70000 /* to be closed, among which noahv's are */

static long same_files(void)
{
    fflush(stdout);
    return syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

static int ended(long pid)
{
    int status = -1;

    return waitpid((pid_t)pid, &status, 0) == pid ? status : -1;
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int how_many(void)
{
    int n = 0;

    for (int fd = 0; fd < NUMBERS; fd++)
        n += is_open(fd);
    return n;
}

/* The program runs itself again: the descriptors that this takes are still there. */
static int exec_self(const char *how)
{
    long pid = fork();

    if (pid == 0) {
        execl("/proc/self/exe", "samefiles", how, NULL);
        _exit(99);
    }
    return WEXITSTATUS(ended(pid));
}

/* --- What one does, the other sees ------------------------------------------------------------------------- */

static void seen_by_the_other(void)
{
    int gone = dup(1), pipes[2];
    char c = 0;
    long pid;

    SHOW(pipe2(pipes, O_CLOEXEC));
    pid = same_files();
    if (pid == 0) {
        close(gone);
        if (dup2(pipes[1], 77) != 77 || dup3(pipes[0], 78, O_CLOEXEC) != 78)
            _exit(1);
        _exit(syscall(SYS_kcmp, getpid(), getppid(), KCMP_FILES, 0, 0) == 0 ? 3 : 2);
    }
    SHOW(WEXITSTATUS(ended(pid)));
    SHOW(is_open(gone));
    SHOW(write(77, "x", 1));
    SHOW(read(78, &c, 1));
    SHOW(c);
    SHOW(exec_self("end"));
    close(77);
    close(78);
    close(pipes[0]);
    close(pipes[1]);
}

/* Both at it at a time: each number is one's alone. */
static void beside(void)
{
    atomic_int *taken = mmap(NULL, NUMBERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long pid = same_files();
    int twice = 0;

    for (int i = 0; i < 200; i++) {
        int fd = open("/proc/self/stat", O_RDONLY);

        twice += fd < 0 || atomic_exchange(&taken[fd], 1);
    }
    if (pid == 0)
        _exit(twice);
    SHOW(twice + WEXITSTATUS(ended(pid)));
    SHOW(close_range(3, ~0u, 0));
    SHOW(exec_self("end"));
    munmap(taken, NUMBERS);
}

/* --- How they part ------------------------------------------------------------------------------------------ */

enum { BY_UNSHARE, BY_CLOSE_RANGE, BY_EXECVE, BY_FORK, WAYS };

static void leave(int way)
{
    if (way == BY_UNSHARE && unshare(CLONE_FILES) < 0)
        _exit(1);
    if (way == BY_CLOSE_RANGE)
        _exit(close_range(3, ~0u, CLOSE_RANGE_UNSHARE) || is_open(90) || exec_self("end") != 5);
    if (way == BY_EXECVE) {
        execl("/proc/self/exe", "samefiles", "close", NULL);
        _exit(2);
    }
    if (way == BY_FORK) {
        long pid = fork();

        if (pid > 0)
            _exit(WEXITSTATUS(ended(pid)));
    }
    close(90);
    _exit(is_open(90) || exec_self("end") != 5);
}

static void parting(void)
{
    for (int way = 0; way < WAYS; way++) {
        long pid;

        int before = how_many();

        SHOW(dup3(1, 90, O_CLOEXEC));
        SHOW(way);
        pid = same_files();
        if (pid == 0)
            leave(way);
        SHOW(WEXITSTATUS(ended(pid)));
        SHOW(is_open(90));
        SHOW(exec_self("end"));
        close(90);
        SHOW(how_many() - before);
    }
}

/* A child that claims whatever number it gets: what the program is read from is where it was. */
static void claims_all(void)
{
    long pid = same_files();

    if (pid == 0) {
        for (int fd = 500; fd < 1100; fd++)
            dup2(1, fd);
        _exit(exec_self("end"));
    }
    SHOW(WEXITSTATUS(ended(pid)));
    SHOW(exec_self("end"));
    SHOW(close_range(3, ~0u, 0));
}

/* A child that closes whatever there is, and ends: the parent goes on. */
static void closes_all(void)
{
    long pid = same_files();

    if (pid == 0) {
        for (int fd = 3; fd < NUMBERS; fd++)
            close(fd);
        _exit(exec_self("end"));
    }
    SHOW(WEXITSTATUS(ended(pid)));
    SHOW(exec_self("end"));
}

/* The parent ends first, and its child goes on. */
static void orphan(void)
{
    int pipes[2];
    char c = 0;
    long pid;

    SHOW(pipe(pipes));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int go[2];

        if (pipe(go) < 0)
            _exit(1);
        pid = same_files();
        if (pid > 0)
            _exit(0);
        while (getppid() != 1 && syscall(SYS_kcmp, getpid(), getppid(), KCMP_FILES, 0, 0) == 0)
            sched_yield();
        c = (char)('a' + exec_self("end"));
        _exit(write(pipes[1], &c, 1) != 1);
    }
    SHOW(ended(pid));
    close(pipes[1]);
    SHOW(read(pipes[0], &c, 1));
    SHOW(c);
    close(pipes[0]);
}

/* --- Among threads ------------------------------------------------------------------------------------------ */

static atomic_bool over;

static void *looks(void *arg)
{
    char buf[64];

    while (!over)
        *(long *)arg += readlink("/proc/self/exe", buf, sizeof buf) <= 0;
    return NULL;
}

static void with_threads(void)
{
    long failed = 0;
    pthread_t t;
    int odd = 0;

    SHOW(pthread_create(&t, NULL, looks, &failed));
    for (int i = 0; i < 20; i++) {
        long pid = same_files();

        if (pid == 0)
            _exit(close(dup(1)) != 0);
        odd += ended(pid) != 0;
    }
    over = true;
    SHOW(pthread_join(t, NULL));
    SHOW(failed);
    SHOW(odd);
    SHOW(exec_self("end"));
}

int main(int argc, char **argv)
{
    int before;

    if (argc > 1 && argv[1][0] == 'c')
        return is_open(90) || exec_self("end") != 5;
    if (argc > 1)
        return 5;
    before = how_many();
    seen_by_the_other();
    beside();
    parting();
    claims_all();
    closes_all();
    orphan();
    with_threads();
    SHOW(how_many() - before);
    return 0;
}
