/* Filters with a listener: who decides on calls, what the listener is told, its descriptor. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "guest.h"

#ifdef __riscv
#define ARCH 0xc00000f3
#else
#define ARCH AUDIT_ARCH_X86_64
#endif

#define ASK(nr) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

static struct sock_filter asks[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ASK(SYS_getppid),
    ASK(SYS_mkdirat),
    ASK(SYS_dup),
    ASK(1000),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int install(unsigned flags)
{
    struct sock_fprog prog = { COUNT(asks), asks };

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* Where the listener is, for all who have these descriptors. */
enum { LISTENER = 40 };

static int listen_at(unsigned flags)
{
    int fd = install(flags | SECCOMP_FILTER_FLAG_NEW_LISTENER), at = fd;

    if (fd >= 0) {
        at = dup3(fd, LISTENER, O_CLOEXEC);
        close(fd);
    }
    return at;
}

static void *executes(void *arg)
{
    if (listen_at(0) != LISTENER)
        printf("no listener: %s\n", strerrorname_np(errno));
    execl("/proc/self/exe", "notify", "again", NULL);
    return arg;
}

/* By a thread that alone has the filter. */
static void asks_after_execve(void)
{
    pthread_t t;

    pthread_create(&t, NULL, executes, NULL);
    pthread_join(t, NULL);
}

/* What the child asks is decided by its parent, which has the same descriptors. What it prints comes first. */
static void ask(const char *what, void (*body)(void), void (*decide)(void))
{
    int status = 0;
    long pid;

    printf("--- %s\n", what);
    fflush(stdout);
    close_range(3, ~0u, 0);
    pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        alarm(60);
        if (body != asks_after_execve && listen_at(0) != LISTENER)
            printf("no listener: %s\n", strerrorname_np(errno));
        body();
        fflush(stdout);
        _exit(3);
    }
    while (fcntl(LISTENER, F_GETFD) < 0 && waitpid((pid_t)pid, &status, WNOHANG) == 0)
        sched_yield();
    decide();
    SHOW(waitpid((pid_t)pid, &status, 0) == pid);
    SHOW(status);
}

/* --- What becomes of a call ---------------------------------------------------------------------------- */

static struct seccomp_notif asked;

static int next(void)
{
    memset(&asked, 0, sizeof asked);
    return ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_RECV, &asked);
}

static int answer(int error, long long val, unsigned flags)
{
    struct seccomp_notif_resp a = { .id = asked.id, .error = error, .val = val, .flags = flags };

    return ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_SEND, &a);
}

static void asks_all(void)
{
    CALL(syscall(SYS_getppid));
    CALL(syscall(SYS_getppid));
    CALL(syscall(SYS_mkdirat, AT_FDCWD, "made", 0700));
    CALL(syscall(SYS_mkdirat, AT_FDCWD, "made", 0700));
    CALL(syscall(1000, 1, 2, 3, 4, 5, 6));
    CALL(syscall(1000));
    CALL(syscall(SYS_dup, 0));
}

/* Descriptors that are not open here cannot be given away. */
static int adds_closed_ones(void)
{
    struct seccomp_notif_addfd add = { .id = asked.id };
    int n = 0;

    for (int fd = 200; fd < 1100; fd++) {
        add.srcfd = (unsigned)fd;
        n += fcntl(fd, F_GETFD) < 0 &&
             (ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0 || errno != EBADF);
    }
    return n;
}

static void decides_all(void)
{
    struct pollfd p = { .fd = LISTENER, .events = POLLIN };
    struct seccomp_notif_addfd add = { .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = 1, .newfd = 50 };
    uint64_t id;

    SHOW(poll(&p, 1, 20000));
    SHOW(p.revents);
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_RECV, 8));
    SHOW(next());
    FACT(asked.data.nr == SYS_getppid && asked.data.arch == ARCH && asked.flags == 0);
    id = asked.id;
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
    CALL(answer(0, 12345, 2));
    CALL(answer(1, 1, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_SEND, 8));
    CALL(answer(0, 12345, 0));
    FACT(answer(0, 12345, 0) < 0 && (errno == EINPROGRESS || errno == ENOENT));
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));

    SHOW(next());
    CALL(answer(-EXDEV, 0, 0));

    SHOW(next());
    FACT(asked.data.nr == SYS_mkdirat && (int)asked.data.args[0] == AT_FDCWD && asked.data.args[2] == 0700);
    CALL(answer(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
    SHOW(next());
    CALL(answer(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));

    SHOW(next());
    SHOW(asked.data.nr);
    for (int i = 0; i < 6; i++)
        SHOW(asked.data.args[i]);
    CALL(answer(0, 7, 0));
    SHOW(next());
    CALL(answer(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));

    SHOW(next());
    add.id = asked.id;
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
    add.srcfd = 60;
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
    CALL(ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ADDFD, 8));
    SHOW(adds_closed_ones());
    CALL(answer(0, 50, 0));
    SHOW(fcntl(50, F_GETFD));
}

/* --- Signals, ends, who inherits ------------------------------------------------------------------------ */

static volatile sig_atomic_t got;

static void note(int sig)
{
    got += sig;
}

static void asks_and_is_woken(void)
{
    struct sigaction act = { .sa_handler = note };

    sigaction(SIGUSR1, &act, NULL);
    act.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &act, NULL);
    CALL(syscall(SYS_getppid));
    SHOW(got);
    CALL(syscall(SYS_getppid));
    SHOW(got);
}

static void wakes(void)
{
    uint64_t first;

    SHOW(next());
    first = asked.id;
    kill((pid_t)asked.pid, SIGUSR1);
    while (ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ID_VALID, &first) == 0)
        sched_yield();
    CALL(answer(0, 1, 0));
    SHOW(next());
    first = asked.id;
    kill((pid_t)asked.pid, SIGUSR2);
    while (ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ID_VALID, &first) == 0)
        sched_yield();
    SHOW(next());
    FACT(asked.id != first);
    CALL(answer(0, 2, 0));
}

static void asks_once(void)
{
    CALL(syscall(SYS_getppid));
}

static void kills(void)
{
    uint64_t id;

    SHOW(next());
    id = asked.id;
    kill((pid_t)asked.pid, SIGKILL);
    while (ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0)
        sched_yield();
    CALL(answer(0, 1, 0));
}

static void closes(void)
{
    SHOW(next());
    close(LISTENER);
}

/* A child and what it executes ask the same listener; a second one there cannot be. */
static void asks_again(void)
{
    pid_t pid;

    CALL(listen_at(0));
    CALL(install(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER));
    CALL(install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
    CALL(install(0)); /* the youngest decides, and has no listener */
    CALL(syscall(SYS_getppid));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "notify", "again", NULL);
        _exit(99);
    }
    guest_wait("child", pid);
}

static void nothing(void)
{
}

/* The one that was closed is asked, and no other. */
static void closed_and_other(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        SHOW(listen_at(0) == LISTENER);
        close(LISTENER);
        asks[1].k = 1001;
        SHOW(listen_at(SECCOMP_FILTER_FLAG_LOG) == LISTENER);
        CALL(syscall(SYS_getppid));
        fflush(stdout);
        _exit(4);
    }
    guest_wait("closed, and another", pid);
}

static void decides_exit(void)
{
    SHOW(next());
    CALL(answer(0, 3, 0));
}

static void asks_by_exec(void)
{
    pid_t pid;

    fflush(stdout);
    pid = vfork();
    if (pid == 0) {
        execl("/proc/self/exe", "notify", "again", NULL);
        _exit(99);
    }
    guest_wait("child", pid);
}

static void decides_one(void)
{
    SHOW(next());
    CALL(answer(0, 77, 0));
}

static void *asks_in_thread(void *arg)
{
    CALL(syscall(SYS_getppid));
    return arg;
}

static void asks_by_thread(void)
{
    pthread_t t;

    pthread_create(&t, NULL, asks_in_thread, NULL);
    pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
    unsigned action = SECCOMP_RET_USER_NOTIF;

    if (argc > 1 && argv[1])
        return (int)syscall(SYS_getppid) & 0xff;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    ask("decisions", asks_all, decides_all);
    ask("signals", asks_and_is_woken, wakes);
    ask("a killed one", asks_once, kills);
    ask("a closed listener", asks_once, closes);
    ask("one listener", asks_again, nothing);
    ask("execve", asks_by_exec, decides_one);
    ask("execve by a thread", asks_after_execve, decides_exit);
    closed_and_other();
    ask("a thread", asks_by_thread, decides_one);
    return 0;
}
