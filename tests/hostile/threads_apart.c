/* Threads whose descriptors are not those of the others, among which noahv's would be that nobody hides. */
#include "hostile.h"
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

int main(void)
{
    const int thread = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    int left = 0;
    pthread_t t;

    if (pthread_create(&t, NULL, leave, &left) != 0 || pthread_join(t, NULL) != 0)
        return 2;
    TRY(left);
    TRY(clone(end, stack + sizeof stack, thread, NULL) > 0);
    return reached_any;
}
