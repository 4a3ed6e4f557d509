/* How threaded processes end: by exit of any thread, by signals, by execve of any thread; forks of threads. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "guest.h"

static atomic_int blocked;
static int never[2]; /* a pipe that nobody writes to */
static char self[4096];

static void *blocks_in_read(void *arg)
{
    char c;

    blocked++;
    if (read(never[0], &c, 1) == 1)
        abort();
    return arg;
}

static void *spins(void *arg)
{
    blocked++;
    for (;;)
        __asm__ volatile("" ::: "memory");
    return arg;
}

static void *sleeps(void *arg)
{
    blocked++;
    for (;;)
        pause();
    return arg;
}

static void others(void)
{
    void *(*const what[])(void *) = { blocks_in_read, spins, sleeps };

    for (unsigned i = 0; i < COUNT(what); i++) {
        pthread_t t;

        pthread_create(&t, NULL, what[i], NULL);
    }
    while (blocked < (int)COUNT(what))
        sched_yield();
}

static void in_thread(void *(*body)(void *))
{
    pthread_t t;

    pthread_create(&t, NULL, body, NULL);
    pthread_join(t, NULL);
}

/* --- exit ----------------------------------------------------------------------------------------------- */

static void main_exits(void)
{
    others();
    syscall(SYS_exit_group, 21);
}

static void *exits_22(void *arg)
{
    others();
    exit(22);
    return arg;
}

static void thread_exits(void)
{
    in_thread(exits_22);
}

static void *only_itself(void *arg)
{
    syscall(SYS_exit, 99);
    return arg;
}

static void *last_one(void *arg)
{
    while (syscall(SYS_tgkill, getpid(), (pid_t)(long)arg, 0) == 0 && blocked == 0)
        sched_yield();
    syscall(SYS_exit, 55);
    return NULL;
}

/* Which of the two statuses counts depends on the kernel: they are the same. */
static void leader_first(void)
{
    pthread_t t;

    pthread_create(&t, NULL, last_one, (void *)(long)getpid());
    blocked = 1;
    syscall(SYS_exit, 55);
}

static void *exits_group_24(void *arg)
{
    while (!blocked)
        sched_yield();
    syscall(SYS_exit_group, 24);
    return arg;
}

static void leader_gone_then_group(void)
{
    pthread_t t;

    pthread_create(&t, NULL, exits_group_24, NULL);
    blocked = 1;
    syscall(SYS_exit, 1);
}

static void thread_exit_is_not_the_end(void)
{
    in_thread(only_itself);
    _exit(25);
}

/* --- signals -------------------------------------------------------------------------------------------- */

static void *crashes(void *arg)
{
    others();
    *(volatile int *)16 = 1;
    return arg;
}

static void thread_crashes(void)
{
    in_thread(crashes);
}

static void *kills(void *arg)
{
    others();
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
    return arg;
}

static void thread_kills_all(void)
{
    in_thread(kills);
}

/* --- fork ----------------------------------------------------------------------------------------------- */

static void *forks(void *arg)
{
    pid_t pid;
    int status;

    others();
    pid = fork();
    if (pid == 0) {
        pthread_t t;

        /* Alone, and a leader; it can have threads of its own, and memory. */
        if (getpid() != gettid())
            _exit(1);
        free(malloc(1 << 20));
        pthread_create(&t, NULL, only_itself, NULL);
        pthread_join(t, NULL);
        pthread_create(&t, NULL, exits_22, NULL);
        pthread_join(t, NULL);
        _exit(2);
    }
    waitpid(pid, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) + 10 : 3);
    return arg;
}

static void thread_forks(void)
{
    in_thread(forks);
}

static void *forks_and_crashes(void *arg)
{
    pid_t pid;
    int status;

    others();
    pid = fork();
    if (pid == 0)
        *(volatile int *)16 = 1;
    waitpid(pid, &status, 0);
    _exit(WIFSIGNALED(status) ? WTERMSIG(status) + 30 : 3);
    return arg;
}

static void thread_forks_and_crashes(void)
{
    in_thread(forks_and_crashes);
}

/* --- execve --------------------------------------------------------------------------------------------- */

static void execs(void)
{
    char pid[16];

    snprintf(pid, sizeof pid, "%d", getpid());
    execv(self, (char *[]){ self, pid, NULL });
    _exit(4);
}

static void main_execs(void)
{
    others();
    execs();
}

static void *execs_in_thread(void *arg)
{
    sigset_t set;

    others();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    execs();
    return arg;
}

static void thread_execs(void)
{
    in_thread(execs_in_thread);
}

static void *execs_when_told(void *arg)
{
    while (!blocked)
        sched_yield();
    execs();
    return arg;
}

static void execs_after_leader(void)
{
    pthread_t t;

    pthread_create(&t, NULL, execs_when_told, NULL);
    blocked = 1;
    syscall(SYS_exit, 5);
}

static void *fails_to_exec(void *arg)
{
    CALL(execv("/nonexistent", (char *[]){ self, NULL }));
    return arg;
}

static void exec_fails(void)
{
    pthread_t t;

    pthread_create(&t, NULL, fails_to_exec, NULL);
    pthread_join(t, NULL);
    fflush(stdout);
    _exit(26);
}

/* The new image: same process, one thread. */
static int executed(const char *pid)
{
    sigset_t set;

    sigprocmask(SIG_BLOCK, NULL, &set);
    return atoi(pid) == getpid() && getpid() == gettid() ? 40 + sigismember(&set, SIGUSR1) : 6;
}

/* --------------------------------------------------------------------------------------------------------- */

static void each(const char *what, void (*body)(void))
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        body();
        _exit(0);
    }
    guest_wait(what, pid);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return executed(argv[1]);
    if (pipe(never) < 0 || readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 1;
#define EACH(f) each(#f, f)
    EACH(main_exits);
    EACH(thread_exits);
    EACH(leader_first);
    EACH(leader_gone_then_group);
    EACH(thread_exit_is_not_the_end);
    EACH(thread_crashes);
    EACH(thread_kills_all);
    EACH(thread_forks);
    EACH(thread_forks_and_crashes);
    EACH(main_execs);
    EACH(thread_execs);
    EACH(execs_after_leader);
    EACH(exec_fails);
    others(); /* the end of this very process, which its parent sees */
    in_thread(exits_22);
    return 0;
}
