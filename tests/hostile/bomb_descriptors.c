/* box: --fds 64 */
/* Descriptors of every kind until there are no more; noahv goes on with its own. outside: nothing is tried. */
#include "hostile.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

static int one_more(int kind, const char *name)
{
    int two[2];

    switch (kind) {
    case 0:
        return dup(0);
    case 1:
        return open(name, O_RDONLY);
    case 2:
        return pipe(two);
    case 3:
        return socketpair(AF_UNIX, SOCK_STREAM, 0, two);
    case 4:
        return epoll_create1(0);
    case 5:
        return eventfd(0, 0);
    case 6:
        return timerfd_create(CLOCK_MONOTONIC, 0);
    case 7:
        return inotify_init();
    default:
        return fcntl(0, F_DUPFD, 3);
    }
}

/* Into a socket that nobody reads from: more than the table holds. */
static void in_flight(int sock, int fd)
{
    char room[CMSG_SPACE(sizeof fd)] = { 0 }, c = 0;
    struct iovec io = { &c, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int n = 0;

    *h = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    while (n < 100000 && sendmsg(sock, &m, MSG_DONTWAIT) == 1)
        n++;
    TRY(n == 100000);
}

int main(int argc, char **argv)
{
    char text[64];
    int two[2], n, fd;

    (void)argc;
    for (int kind = 0; kind < 9; kind++) {
        for (n = 0; n < 1000 && one_more(kind, argv[4]) >= 0;)
            n++;
        TRY(n > 64);
        TRY(open("/proc/self/status", O_RDONLY) >= 0);
        TRY(dup2(0, 64) == 64);
        for (fd = 3; fd < 64; fd++)
            close(fd);
        fd = open("/proc/self/stat", O_RDONLY);
        TRY(fd != 3 || read(fd, text, sizeof text) <= 0);
        close(fd);
    }
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, two) < 0)
        return 2;
    in_flight(two[0], 0);
    return reached_any;
}
