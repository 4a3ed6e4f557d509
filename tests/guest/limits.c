/* Limits that a program puts on itself must not hit what noahv does for it: children, /proc, paths, execve. */
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/resource.h>

#include "guest.h"

static void limit(int what, rlim_t n)
{
    struct rlimit r = { n, n };

    CALL(setrlimit(what, &r));
}

static void child(const char *what)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        volatile int sum = 0;

        for (int i = 0; i < 100; i++)
            sum += i;
        _exit(sum == 4950 ? 7 : 8);
    }
    guest_wait(what, pid);
}

/* The stack's limit goes to children of all kinds, and stays over execve. */
static void stack(void)
{
    struct rlimit r;

    CALL(getrlimit(RLIMIT_STACK, &r));
    SHOW(r.rlim_cur);
}

static void spawn(char *prog)
{
    pid_t pid;

    fflush(stdout);
    CALL(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char *[]){ prog, "spawned", NULL }, NULL));
    guest_wait("spawned", pid);
}

static void all(const char *what)
{
    char text[PATH_MAX];
    int fd = open("/proc/self/status", O_RDONLY);

    FACT(fd == -1 ? errno == EMFILE : read(fd, text, sizeof text) > 100);
    close(fd);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    CALL(access(text, F_OK));
    CALL(rename(text, text));
    child(what);
}

int main(int argc, char **argv)
{
    limit(RLIMIT_CORE, 0);
    if (argc > 1) {
        stack();
        if (strcmp(argv[1], "again") == 0)
            all("after execve");
        return 0;
    }
    limit(RLIMIT_STACK, 1 << 17);
    all("stack");
    spawn(argv[0]);
    limit(RLIMIT_FSIZE, 1 << 20);
    all("file size");
    limit(RLIMIT_DATA, 1 << 20);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_AS, (rlim_t)1 << 30);
    all("memory");
    limit(RLIMIT_NOFILE, 8);
    all("descriptors");
    fflush(stdout);
    execv("/proc/self/exe", (char *[]){ argv[0], "again", NULL });
    return 1;
}
