/* New namespaces, which would give this program privileges inside them. */
#include "hostile.h"
#include <linux/sched.h>

static int forks(unsigned long flags)
{
    struct clone_args a = { .flags = flags, .exit_signal = SIGCHLD };
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid > 0;
}

static int clones(unsigned long flags)
{
    pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid > 0;
}

int main(void)
{
    TRY(forks(CLONE_NEWUSER));
    TRY(forks(CLONE_NEWUSER | CLONE_NEWNET));
    TRY(clones(CLONE_NEWUSER));
    TRY(clones(CLONE_NEWUSER | CLONE_NEWNS));
    TRY(syscall(SYS_unshare, CLONE_NEWUSER) == 0);
    return reached_any;
}
