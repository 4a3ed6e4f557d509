/* Stacks without an end: of a process, of a thread, of a signal handler, and none at all. outside: nothing is tried. */
#include "hostile.h"
#include <pthread.h>

static volatile int depth;

static int deeper(volatile int *above)
{
    volatile int here[64] = { 0 };

    here[depth++ & 63] = above[0];
    return depth < 0 ? 0 : deeper(here) + here[1];
}

static void *overflow(void *arg)
{
    volatile int start = 0;

    deeper(&start);
    return arg;
}

static void on_signal(int sig)
{
    (void)sig;
    overflow(NULL);
}

static void in_process(void)
{
    overflow(NULL);
}

static void in_thread(void)
{
    pthread_t t;

    pthread_create(&t, NULL, overflow, NULL);
    pthread_join(t, NULL);
}

/* Which is blocked then. */
static void in_handler(void)
{
    static char small[8192];
    stack_t s = { small, 0, sizeof small };
    struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

    sigaltstack(&s, NULL);
    sigaction(SIGSEGV, &a, NULL);
    overflow(NULL);
}

static void nowhere(void)
{
    signal(SIGUSR1, on_signal);
#ifdef __riscv
    __asm__ volatile("mv sp, %0; mv a0, %1; li a1, 10; li a7, 129; ecall; unimp"
                     :
                     : "r"(-16L), "r"(getpid()));
#endif
}

static int dies(void (*of)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        of();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

int main(void)
{
    TRY(!dies(in_process));
    TRY(!dies(in_thread));
    TRY(!dies(in_handler));
    TRY(!dies(nowhere));
    return reached_any;
}
