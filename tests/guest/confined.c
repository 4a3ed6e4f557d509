/* skip-native */
/* noahv's memory stays closed to the guest: /proc/PID/mem by every road that hides its name. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest.h"

#define OPEN_TREE_CLONE_ 1

static char text[PATH_MAX];

static const char *name(const char *fmt, int n)
{
    snprintf(text, sizeof text, fmt, n);
    return text;
}

static int refused(int dir, const char *path)
{
    int r = openat(dir, path, O_RDONLY) == -1 && errno == EACCES;

    return r && openat(dir, path, O_RDWR) == -1 && errno == EACCES;
}

static void plainly(void)
{
    int dir = open("/proc/self", O_PATH | O_DIRECTORY), mem = open("/proc/self/mem", O_PATH);

    FACT(refused(AT_FDCWD, "/proc/self/mem"));
    FACT(refused(AT_FDCWD, name("/proc/%d/mem", getpid())));
    FACT(refused(AT_FDCWD, name("/proc/%d/mem", getppid())));
    FACT(refused(AT_FDCWD, "/proc/thread-self/mem"));
    FACT(refused(AT_FDCWD, "/proc/self/root/proc/self/task/../mem"));
    FACT(refused(dir, "mem"));
    FACT(refused(AT_FDCWD, name("/proc/self/fd/%d", mem)));
    FACT(refused(dir, name("fd/%d", mem)));
    symlink("/proc/self/mem", "link");
    FACT(refused(AT_FDCWD, "link"));
    symlink("/proc/self", "dir");
    FACT(refused(AT_FDCWD, "dir/mem"));
    FACT(refused(AT_FDCWD, "dir/task/../mem"));
}

/* With no descriptor to spare for a look at what is opened. */
static void when_full(void)
{
    struct rlimit r = { 64, 64 };
    int fd, last = -1;

    setrlimit(RLIMIT_NOFILE, &r);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    for (int spare = 0; spare < 5; spare++) {
        fd = open("/proc/self/mem", O_RDWR);
        FACT(fd == -1);
        fd = open("link", O_RDWR);
        FACT(fd == -1);
        close(last--);
    }
}

/* A namespace where one may mount; where the host allows none, there is nothing to be refused. */
static void mounted(int allowed)
{
    int tree, file = open("bound", O_CREAT | O_RDWR, 0600);

    close(file);
    FACT(!allowed || mount("/proc/self/mem", "bound", NULL, MS_BIND, NULL) == -1 ||
         refused(AT_FDCWD, "bound"));
    tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc/self/mem", OPEN_TREE_CLONE_);
    FACT(tree == -1 || refused(AT_FDCWD, name("/proc/self/fd/%d", tree)));
    mkdir("tasks", 0700);
    FACT(!allowed || mount("/proc/self", "tasks", NULL, MS_BIND, NULL) == -1 ||
         refused(AT_FDCWD, "tasks/mem"));
}

/* A root of the guest's making, whose /proc tells lies about descriptors and processes. */
static void rooted(int allowed)
{
    int dir = open("/proc/self", O_PATH | O_DIRECTORY), mem = openat(dir, "mem", O_PATH);

    mkdir("root", 0700);
    mkdir("root/proc", 0700);
    mkdir(name("root/proc/%d", getpid()), 0700);
    mkdir("root/proc/self", 0700);
    mkdir("root/proc/self/fd", 0700);
    for (int i = 0; i < 1024; i++)
        symlink("/nothing", name("root/proc/self/fd/%d", i));
    FACT(!allowed || chroot("root") == -1 || refused(dir, name("fd/%d", mem)));
}

/* A child with the caller's descriptors claims every number it can get: noahv's own are not among them. */
static void shared_table(void)
{
    int status, found = 0, taken = 0;
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        for (int fd = 900; fd < 1100; fd++)
            taken += dup2(0, fd) == fd;
        _exit(taken);
    }
    waitpid((pid_t)pid, &status, 0);
    for (int fd = 900; fd < 1100; fd++)
        found += fcntl(fd, F_GETFD) != -1;
    FACT(found > 0 && found == WEXITSTATUS(status));
    FACT(refused(AT_FDCWD, "link"));
}

static void in_child(void (*body)(int), int allowed)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        body(allowed);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
}

int main(void)
{
    int allowed;

    plainly();
    allowed = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    in_child(mounted, allowed);
    in_child(rooted, allowed);
    shared_table();
    when_full();
    return 0;
}
