/* vfork really shares memory and really waits: what posix_spawn, and so every shell and make, rely on. */
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>

#include "guest.h"

static volatile int shared = 1;

static int child(void *arg)
{
    shared += *(int *)arg;
    return 6;
}

int main(void)
{
    char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int add = 100, fd[2];
    pid_t pid = vfork();

    if (pid == 0) {
        shared = 2;
        _exit(3);
    }
    SHOW(shared);
    guest_wait("vfork", pid);

    pid = clone(child, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &add);
    SHOW(shared);
    guest_wait("clone", pid);

    /* descriptors are the child's own */
    CALL(pipe(fd));
    pid = vfork();
    if (pid == 0) {
        close(fd[0]);
        close(fd[1]);
        execl("/nonexistent", "x", NULL);
        shared = errno;
        _exit(127);
    }
    SHOW(shared == ENOENT);
    guest_wait("exec in vfork", pid);
    SHOW(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, (char *[]){ "x", NULL }, NULL) == ENOENT);
    CALL(write(fd[1], "x", 1));
    SHOW(fcntl(fd[0], F_GETFD));
    return 0;
}
