/* Children that share memory: vfork, posix_spawn, clone with CLONE_VM; what they see, change, and leave by execve. */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "guest.h"

extern char **environ;

static char self[4096];
static atomic_int shared, word;
static char stack[2][65536] __attribute__((aligned(16)));

static void sees(const char *what, pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, __WALL) != pid)
        printf("%s: not waited for\n", what);
    else
        printf("%s: status %x\n", what, status);
}

/* --- vfork and posix_spawn -------------------------------------------------------------------------------- */

static void vforks(void)
{
    struct rlimit no_core = { 0, 0 };
    char *volatile memory = NULL;
    pid_t pid;

    shared = 0;
    pid = vfork();
    if (pid == 0) {
        shared = 1;
        memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memory[7] = 8;
        sched_yield();
        shared = 2;
        _exit(3);
    }
    SHOW(shared); /* and not 0 or 1: the child has run to its end */
    SHOW(memory[7]);
    sees("vfork and exit", pid);

    setrlimit(RLIMIT_CORE, &no_core);
    pid = vfork();
    if (pid == 0) {
        raise(SIGKILL);
        _exit(3);
    }
    sees("vfork and kill", pid);
    pid = vfork();
    if (pid == 0) {
        *(volatile int *)16 = 1;
        _exit(3);
    }
    sees("vfork and fault", pid);

    pid = vfork();
    if (pid == 0) {
        char *const argv[] = { self, (char *)"status", (char *)"4", NULL };

        execve("/nonexistent", argv, environ);
        shared = errno;
        execve(self, argv, environ);
        _exit(5);
    }
    FACT(shared == ENOENT);
    sees("vfork and execve", pid);
}

static void spawns(void)
{
    char *const argv[] = { self, (char *)"descriptors", NULL };
    char *const env[] = { (char *)"A=1", (char *)"B=two words", NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int keep = dup2(0, 10), lose = fcntl(0, F_DUPFD_CLOEXEC, 20);

    printf("posix_spawn of a missing file -> %s\n",
           strerrorname_np(posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ)));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 1, 11);
    fflush(stdout);
    SHOW(posix_spawn(&pid, self, &actions, NULL, argv, env));
    sees("posix_spawn", pid);
    close(keep);
    close(lose);
}

/* What the host's execve keeps, and what must cross: masks, ignored and pending signals, limits, ids, names. */
static void crossing(void)
{
    char *const argv[] = { (char *)"another name", (char *)"state", NULL };
    struct rlimit small = { 123 << 20, 456 << 20 };
    sigset_t set;
    pid_t pid;

    fflush(stdout);
    pid = vfork();
    if (pid == 0) {
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGSEGV);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGUSR1);
        signal(SIGUSR2, SIG_IGN);
        signal(SIGBUS, SIG_IGN);
        setrlimit(RLIMIT_AS, &small);
        execve(self, argv, environ);
        _exit(5);
    }
    sees("crossing", pid);
}

static int state(const char *name)
{
    struct rlimit as;
    sigset_t set;
    char comm[16];

    sigprocmask(SIG_BLOCK, NULL, &set);
    SHOW(sigismember(&set, SIGUSR1) + sigismember(&set, SIGSEGV) * 2 + sigismember(&set, SIGUSR2) * 4);
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
    FACT(signal(SIGUSR2, SIG_DFL) == SIG_IGN);
    FACT(signal(SIGBUS, SIG_DFL) == SIG_IGN);
    FACT(signal(SIGHUP, SIG_DFL) == SIG_DFL);
    getrlimit(RLIMIT_AS, &as);
    SHOW(as.rlim_cur >> 20);
    SHOW(as.rlim_max >> 20);
    FACT(strcmp(name, "another name") == 0);
    prctl(PR_GET_NAME, comm);
    printf("%s\n", comm);
    fflush(stdout);
    return 0;
}

static int descriptors(void)
{
    SHOW(fcntl(10, F_GETFD));
    CALL(fcntl(20, F_GETFD));
    SHOW(fcntl(11, F_GETFD));
    for (char **e = environ; *e; e++)
        printf("%s\n", *e);
    fflush(stdout);
    return 6;
}

/* A library's favourite: ended with its parent, and so not when it has only exec'ed. */
static void parent_death_signal(void)
{
    char *const argv[] = { self, (char *)"status", (char *)"7", NULL };
    pid_t pid = vfork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execve(self, argv, environ);
        _exit(5);
    }
    sees("with PR_SET_PDEATHSIG", pid);
}

/* --- Side by side ----------------------------------------------------------------------------------------- */

static void note(int sig)
{
    (void)sig;
    shared = 77;
}

static int writes_and_waits(void *arg)
{
    (void)arg;
    shared = getpid() == gettid() && getpid() == word ? 1 : -1;
    free(malloc(1 << 20));
    while (shared == 1)
        sched_yield();
    signal(SIGUSR1, note);
    if (chdir("/") < 0)
        return 1;
    return 8;
}

static void beside(int more)
{
    struct sigaction act;
    char cwd[4096];
    pid_t pid, ptid = 0;

    signal(SIGUSR1, SIG_DFL);
    shared = 0;
    pid = clone(writes_and_waits, stack[0] + sizeof stack[0],
                CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD | more,
                NULL, &ptid, NULL, &word);
    FACT(ptid == pid);
    while (shared == 0)
        sched_yield();
    SHOW(shared);
    FACT(word == pid);
    shared = 2;
    while (word) /* cleared at its end, as its memory is not its own */
        syscall(SYS_futex, &word, FUTEX_WAIT, pid, NULL, NULL, 0);
    sees("beside", pid);
    sigaction(SIGUSR1, NULL, &act);
    printf("actions are %s\n", act.sa_handler == note ? "shared" : "its own");
    printf("the directory is %s\n", getcwd(cwd, sizeof cwd) && !cwd[1] ? "shared" : "its own");
}

static int execs_beside(void *arg)
{
    char *const argv[] = { self, (char *)"status", (char *)"9", NULL };

    (void)arg;
    shared = 1;
    execve(self, argv, environ);
    return 1;
}

static void execve_beside(void)
{
    int before = 12345;
    pid_t pid;

    shared = 0;
    pid = clone(execs_beside, stack[0] + sizeof stack[0], CLONE_VM | SIGCHLD, NULL);
    sees("execve beside", pid);
    SHOW(shared);
    SHOW(before);
}

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 70000; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* What noahv opens for it is none of the parent's, whose descriptors the child has until then. */
static void execve_with_the_same_descriptors(void)
{
    int before = open_descriptors();
    pid_t pid = clone(execs_beside, stack[0] + sizeof stack[0], CLONE_VM | CLONE_FILES | SIGCHLD, NULL);

    sees("execve with the same descriptors", pid);
    SHOW(open_descriptors() - before);
}

/* The parent takes a new image; the child keeps the memory. */
static int outlives(void *arg)
{
    int *fds = arg;
    char c;

    close(fds[1]); /* its own, as its descriptors are not shared */
    while (read(fds[0], &c, 1) == 1)
        ;
    /* Nobody holds the other end any more: the parent has exec'ed. */
    return write(fds[3], shared == 3 ? "still here\n" : "no memory\n", 11) == 11 ? 0 : 1;
}

static void parent_execs(void)
{
    char line[32] = "";
    int fds[4];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0 || pipe2(fds + 2, O_CLOEXEC) < 0)
        return;
    shared = 3;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        char *const argv[] = { self, (char *)"status", (char *)"10", NULL };

        clone(outlives, stack[0] + sizeof stack[0], CLONE_VM | SIGCHLD, fds);
        execve(self, argv, environ);
        _exit(5);
    }
    sees("the parent execs", pid);
    close(fds[1]);
    close(fds[3]);
    if (read(fds[2], line, sizeof line - 1) < 0)
        return;
    printf("%s", line);
    close(fds[0]);
    close(fds[2]);
}

/* --- Threads ---------------------------------------------------------------------------------------------- */

static void *spawns_many(void *arg)
{
    long right = 0;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        char *const argv[] = { self, (char *)"status", (char *)"13", NULL };
        pid_t pid;
        int status;

        if (posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid &&
            WEXITSTATUS(status) == 13)
            right++;
    }
    return (void *)right;
}

static void spawning_threads(void)
{
    pthread_t t[3];
    long sum = 0;

    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, spawns_many, NULL);
    for (int i = 0; i < 3; i++) {
        void *right;

        pthread_join(t[i], &right);
        sum += (long)right;
    }
    SHOW(sum);
}

static void *exits_14(void *arg)
{
    (void)arg;
    while (!shared)
        sched_yield();
    _exit(14);
}

/* The end of all does not wait for a vfork child. */
static void end_during_vfork(void)
{
    int fds[2];
    pid_t pid;
    char c;

    if (pipe(fds) < 0)
        return;
    shared = 0;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        pthread_t t;

        pthread_create(&t, NULL, exits_14, NULL);
        close(fds[1]);
        if (vfork() == 0) {
            shared = 1;
            if (read(fds[0], &c, 1) == 0) /* when the test is over */
                _exit(0);
        }
        _exit(1);
    }
    close(fds[0]);
    sees("end during vfork", pid);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        return atoi(argv[2]);
    if (argc > 1)
        return strcmp(argv[1], "state") == 0 ? state(argv[0]) : descriptors();
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 1;
    vforks();
    spawns();
    crossing();
    parent_death_signal();
    beside(0);
    execve_beside();
    execve_with_the_same_descriptors();
    parent_execs();
    spawning_threads();
    end_during_vfork();
    beside(CLONE_SIGHAND | CLONE_FS | CLONE_FILES);
    return 0;
}
