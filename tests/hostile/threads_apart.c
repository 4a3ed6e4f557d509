/* Threads whose descriptors are not those of the others, or processes' that are: noahv's would be among them, unhidden. */
#include "hostile.h"
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>

static char stack[1 << 16] __attribute__((aligned(16)));

static int end(void *arg)
{
    syscall(SYS_exit, arg == NULL);
    return 0;
}

static void *leave(void *arg)
{
    *(int *)arg = unshare(CLONE_FILES) == 0;
    return NULL;
}

static void *close_apart(void *arg)
{
    *(int *)arg = syscall(SYS_close_range, 100, 200, CLOSE_RANGE_UNSHARE) == 0;
    return NULL;
}

static int in_thread(void *(*body)(void *))
{
    int done = 0;
    pthread_t t;

    return pthread_create(&t, NULL, body, &done) == 0 && pthread_join(t, NULL) == 0 && done;
}

int main(void)
{
    const int thread = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    long pid;

    TRY(in_thread(leave));
    TRY(in_thread(close_apart));
    TRY(clone(end, stack + sizeof stack, thread, NULL) > 0);
    pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    TRY(pid > 0);
    return reached_any;
}
