/* fork, exit codes, wait in its variants, pipes between processes, stop and continue, orphans' pids. */
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "guest.h"

static pid_t spawn(int (*body)(void))
{
    pid_t pid;

    fflush(stdout);
    if ((pid = fork()) == 0)
        _exit(body());
    return pid;
}

static int returns_7(void)
{
    return 7;
}

static int returns_big(void)
{
    return 0x1234;
}

static int aborts(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    abort();
}

static int crashes(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    return *(volatile int *)16;
}

static int stops(void)
{
    sigset_t go;
    int sig;

    sigemptyset(&go);
    sigaddset(&go, SIGUSR1);
    sigprocmask(SIG_BLOCK, &go, NULL);
    raise(SIGSTOP);
    sigwait(&go, &sig); /* so that the parent can see it continued, not ended */
    return 4;
}

static volatile int global = 1;

static int writes_memory(void)
{
    global = 2;
    return global;
}

static pid_t parent;

static int knows_parent(void)
{
    return getppid() == parent && getpid() != parent ? 0 : 1;
}

static int grandchild(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(11);
    return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) + 1 : 1;
}

static int run_atexit(void)
{
    return global + 20;
}

static void pipes(void)
{
    int fd[2];
    char text[32];
    ssize_t n;
    pid_t pid;
    long sum = 0;

    CALL(pipe(fd));
    fflush(stdout);
    if ((pid = fork()) == 0) {
        close(fd[0]);
        for (int i = 0; i < 20000; i++)
            if (write(fd[1], "0123456789", 10) != 10)
                _exit(1);
        _exit(0);
    }
    close(fd[1]);
    while ((n = read(fd[0], text, sizeof(text))) > 0)
        sum += n;
    SHOW(sum);
    guest_wait("writer", pid);
    close(fd[0]);
    pipe(fd) == 0 ? close(fd[0]) : 0;
    signal(SIGPIPE, SIG_IGN);
    CALL(write(fd[1], "x", 1));
    close(fd[1]);
}

static void wait_variants(void)
{
    int status;
    siginfo_t info;
    struct rusage usage;
    pid_t pid = spawn(stops), other;

    CALL(waitpid(pid, &status, WUNTRACED) == pid);
    FACT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CALL(waitpid(pid, &status, WNOHANG));
    CALL(kill(pid, SIGCONT));
    CALL(waitpid(pid, &status, WCONTINUED) == pid);
    CALL(kill(pid, SIGUSR1));
    guest_wait("continued", pid);

    pid = spawn(returns_7);
    CALL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    FACT(info.si_pid == pid && info.si_signo == SIGCHLD && info.si_code == CLD_EXITED);
    SHOW(info.si_status);
    CALL(wait4(pid, &status, 0, &usage) == pid);
    SHOW(status);
    FACT(usage.ru_maxrss > 0);
    CALL(waitpid(pid, &status, 0));
    CALL(waitpid(-1, &status, WNOHANG));
    CALL(wait4(-1, NULL, 0x40000000 | 0x100, NULL));
    pid = spawn(returns_7);
    other = spawn(returns_big);
    FACT(waitpid(other, NULL, 0) == other);
    FACT(wait(NULL) == pid);
    FACT(wait(NULL) == -1 && errno == ECHILD);
}

/* Where the kernel clears the thread's id at its end; a child has no such place. */
static void tid_address(void)
{
    int *at = NULL, here, status;
    pid_t pid;

    FACT(syscall(SYS_set_tid_address, &here) == getpid());
    FACT(prctl(PR_GET_TID_ADDRESS, &at) == -1 || at == &here);
    fflush(stdout);
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(prctl(PR_GET_TID_ADDRESS, &at) == 0 && at ? 1 : 0);
    waitpid(pid, &status, 0);
    SHOW(WEXITSTATUS(status));
}

/* Whose group may be changed: that of a child which has not called execve, and of no other. */
static void groups(int (*calls_execve)(void))
{
    int up[2], down[2], status;
    char c;
    pid_t pid;

    if (pipe(up) || pipe(down))
        return;
    pid = fork();
    if (pid == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        close(down[1]);
        if (calls_execve())
            execl("/proc/self/exe", "process", "waits", NULL);
        if (write(1, "x", 1) == 1 && read(0, &c, 1) == 0)
            _exit(6);
        _exit(7);
    }
    close(down[0]);
    if (read(up[0], &c, 1) != 1)
        return;
    printf("%c\n", c);
    CALL(setpgid(pid, pid));
    CALL(setpgid(pid, getpgrp()));
    FACT(getpgid(pid) == getpgrp() || getpgid(pid) == pid);
    close(down[1]);
    FACT(waitpid(pid, &status, 0) == pid);
    SHOW(WEXITSTATUS(status));
    close(up[0]);
    close(up[1]);
}

static int by_execve(void)
{
    return 1;
}

static int in_a_session(void)
{
    return setsid() < 0;
}

static int without(void)
{
    return 0;
}

/* What groups() runs: its own children have not called execve. */
static int waits(void)
{
    pid_t pid = fork();
    char c;

    if (pid == 0)
        for (;;)
            pause();
    c = setpgid(pid, pid) == 0 ? 'y' : 'n';
    kill(pid, SIGKILL);
    return write(1, &c, 1) == 1 && read(0, &c, 1) == 0 ? 8 : 9;
}

int main(int argc, char **argv)
{
    static int (*const body[])(void) = { returns_7,    returns_big, aborts,     crashes,
                                         knows_parent, grandchild,  run_atexit, writes_memory };

    (void)argv;
    if (argc > 1)
        return waits();
    parent = getpid();
    for (size_t i = 0; i < COUNT(body); i++) {
        printf("body %zu ", i);
        guest_wait("ends", spawn(body[i]));
    }
    SHOW(global);
    pipes();
    wait_variants();
    FACT(getpgrp() > 0 && getsid(0) > 0);
    pid_t pid = spawn(returns_7);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    CALL(kill(pid, 0));
    guest_wait("zombie", pid);
    CALL(kill(pid, 0));
    tid_address();
    fflush(stdout);
    groups(without);
    groups(by_execve);
    groups(in_a_session);
    return 0;
}
