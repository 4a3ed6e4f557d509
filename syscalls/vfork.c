/*
 * How a vfork parent waits: it reads from a pipe that ends when the child closes its write end, at execve or
 * at its death.
 */
#include "syscalls/vfork.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/fd.h"

static void drop(int *fd)
{
    if (*fd >= 0)
        fd_release(*fd);
}

int vfork_open(struct process *p)
{
    int fd[2], r;

    r = (int)HOST_RAW(SYS_pipe2, fd, O_CLOEXEC);
    if (r < 0)
        return r;
    r = fd_own(fd[0], &p->gate_r);
    if (r < 0) {
        close(fd[0]);
    } else {
        r = fd_own(fd[1], &p->gate_w);
        if (r >= 0)
            return 0;
    }
    close(fd[1]);
    drop(&p->gate_r);
    return r;
}

void vfork_child(struct process *p, bool vfork)
{
    int w;

    vfork_done(p);
    if (!vfork)
        return;
    drop(&p->gate_r);
    w = fcntl(p->gate_w, F_DUPFD_CLOEXEC, 0);
    if (w >= 0 && fd_own(w, &p->vfork_fd) < 0)
        close(w);
    drop(&p->gate_w);
}

void vfork_done(struct process *p)
{
    drop(&p->vfork_fd);
}

void vfork_wait(struct process *p, bool child)
{
    char c;

    drop(&p->gate_w);
    if (child)
        while (HOST_RAW(SYS_read, p->gate_r, &c, 1) == -EINTR)
            ;
    drop(&p->gate_r);
}
