/* epoll, eventfd, timerfd and signalfd together, as an event loop uses them. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "guest.h"

static void wait_for(int ep, int timeout)
{
    struct epoll_event got[8];
    int n = epoll_wait(ep, got, 8, timeout);

    printf("epoll_wait: %d", n);
    for (int i = 0; i < n; i++)
        printf(" [%x %llx]", got[i].events, (unsigned long long)got[i].data.u64);
    printf("\n");
}

int main(void)
{
    struct epoll_event e = { .events = EPOLLIN, .data.u64 = 0x1111222233334444 };
    struct itimerspec it = { { 0, 0 }, { 0, 3000000 } };
    struct signalfd_siginfo info;
    int ep = epoll_create1(EPOLL_CLOEXEC), ev = eventfd(3, EFD_NONBLOCK), tm, sg, fd[2];
    uint64_t count;
    sigset_t set;

    SHOW(fcntl(ep, F_GETFD));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    wait_for(ep, -1);
    CALL(read(ev, &count, 8));
    SHOW(count);
    CALL(read(ev, &count, 8));
    CALL(read(ev, &count, 4));
    wait_for(ep, 0);
    wait_for(ep, 3);
    count = 5;
    CALL(write(ev, &count, 8));
    e = (struct epoll_event){ .events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 7 };
    CALL(epoll_ctl(ep, EPOLL_CTL_MOD, ev, &e));
    wait_for(ep, 0);
    wait_for(ep, 0);
    CALL(epoll_ctl(ep, EPOLL_CTL_DEL, ev, NULL));
    CALL(epoll_ctl(ep, EPOLL_CTL_DEL, ev, NULL));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &e));
    CALL(epoll_wait(ep, &e, 0, 0));
    CALL(epoll_wait(ep, (struct epoll_event *)8, 1, 0));

    tm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    e = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 0xffffffffffffffff };
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, tm, &e));
    CALL(timerfd_settime(tm, 0, &it, NULL));
    wait_for(ep, -1);
    CALL(read(tm, &count, 8));
    SHOW(count);
    CALL(timerfd_gettime(tm, &it));
    SHOW(it.it_value.tv_nsec);

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sg = signalfd(-1, &set, SFD_NONBLOCK);
    e.data.u64 = 3;
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, sg, &e));
    raise(SIGUSR1);
    wait_for(ep, -1);
    CALL(read(sg, &info, sizeof(info)));
    FACT(info.ssi_signo == SIGUSR1 && info.ssi_pid == (uint32_t)getpid());
    CALL(read(sg, &info, sizeof(info)));

    CALL(pipe(fd));
    e = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.fd = 42 };
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &e));
    CALL(write(fd[1], "ab", 2));
    wait_for(ep, -1);
    wait_for(ep, 0);
    CALL(write(fd[1], "c", 1));
    wait_for(ep, 0);
    close(fd[1]);
    wait_for(ep, 0);
    sigset_t none;
    sigemptyset(&none);
    CALL(epoll_pwait(ep, &e, 1, 0, &none));
    return 0;
}
