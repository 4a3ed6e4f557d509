/* poll, ppoll, select, pselect: readiness, hang-ups, timeouts, bad descriptors. */
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <time.h>

#include "guest.h"

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int main(void)
{
    int fd[2];
    struct pollfd p[3];
    struct timespec ts = { 0, 5000000 };
    struct timeval tv = { 0, 5000 };
    fd_set r, w;
    int64_t a;

    CALL(pipe(fd));
    p[0] = (struct pollfd){ .fd = fd[0], .events = POLLIN };
    p[1] = (struct pollfd){ .fd = fd[1], .events = POLLOUT };
    p[2] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = 7 };
    CALL(poll(p, 3, 0));
    printf("%x %x %x\n", p[0].revents, p[1].revents, p[2].revents);
    a = now();
    CALL(poll(p, 1, 5));
    FACT(now() - a >= 5000000);
    a = now();
    CALL(ppoll(p, 1, &ts, NULL));
    FACT(now() - a >= 5000000);
    SHOW(ts.tv_nsec);
    a = now();
    CALL(select(0, NULL, NULL, NULL, &tv));
    FACT(now() - a >= 5000000);
    SHOW(tv.tv_usec);
    CALL(write(fd[1], "x", 1));
    CALL(poll(p, 3, -1));
    printf("%x %x\n", p[0].revents, p[1].revents);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(fd[0], &r);
    FD_SET(fd[1], &w);
    CALL(select(fd[1] + 1, &r, &w, NULL, NULL));
    printf("%d %d\n", FD_ISSET(fd[0], &r), FD_ISSET(fd[1], &w));
    CALL(pselect(fd[1] + 1, &r, NULL, NULL, &(struct timespec){ 0, 0 }, NULL));
    close(fd[1]);
    p[1].fd = 50;
    CALL(poll(p, 2, 0));
    printf("%x %x\n", p[0].revents, p[1].revents);
    /* Closed, and below 64: bits past the kernel's table go unseen, and its size is the parent's doing. */
    FD_SET(50, &r);
    CALL(select(100, &r, NULL, NULL, NULL));
    CALL(poll((struct pollfd *)8, 1, 0));
    CALL(ppoll(p, 1, &(struct timespec){ 0, -1 }, NULL));
    CALL(poll(NULL, 0, 0));
    fd[1] = open("/dev/null", O_RDWR);
    p[0] = (struct pollfd){ .fd = fd[1], .events = POLLIN | POLLOUT };
    CALL(poll(p, 1, -1));
    printf("%x\n", p[0].revents);
    return 0;
}
