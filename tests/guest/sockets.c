/* Sockets: pairs, loopback TCP and UDP between processes, options, descriptors passed, names, errors. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "guest.h"

static void pairs(void)
{
    int s[2], type, on = 1;
    socklen_t len = sizeof(type);
    char text[16] = "", control[CMSG_SPACE(sizeof(int))];
    struct iovec v = { text, sizeof(text) };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int pipes[2], passed;
    struct ucred cred;

    CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
    CALL(fcntl(s[0], F_GETFD));
    CALL(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len));
    SHOW(type);
    CALL(send(s[0], "ping", 4, 0));
    CALL(recv(s[1], text, 16, MSG_PEEK));
    CALL(recv(s[1], text, 16, MSG_DONTWAIT));
    CALL(recv(s[1], text, 16, MSG_DONTWAIT));
    len = sizeof(cred);
    CALL(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len));
    FACT(cred.pid == getpid() && cred.uid == getuid());

    CALL(pipe(pipes));
    memset(control, 0, sizeof(control));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &pipes[1], sizeof(int));
    v.iov_len = 2;
    CALL(sendmsg(s[0], &m, 0));
    close(pipes[1]);
    memset(control, 0, sizeof(control));
    v.iov_len = sizeof(text);
    CALL(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC));
    c = CMSG_FIRSTHDR(&m);
    FACT(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)));
    memcpy(&passed, CMSG_DATA(c), sizeof(int));
    CALL(fcntl(passed, F_GETFD));
    CALL(write(passed, "through", 7));
    CALL(read(pipes[0], text, 16));
    SHOW(m.msg_flags == MSG_CMSG_CLOEXEC);
    CALL(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    CALL(shutdown(s[0], SHUT_WR));
    CALL(recv(s[1], text, 16, 0));
    CALL(send(s[0], "x", 1, MSG_NOSIGNAL));
    CALL(sendmsg(s[0], (struct msghdr *)8, 0));
    CALL(send(pipes[0], "x", 1, 0));
}

static void tcp(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, peer;
    socklen_t len = sizeof(at);
    int on = 1, listener, client, server;
    char text[32] = "";
    pid_t pid;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    CALL(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
    CALL(bind(listener, (struct sockaddr *)&at, sizeof(at)));
    CALL(listen(listener, 5));
    CALL(getsockname(listener, (struct sockaddr *)&at, &len));
    FACT(at.sin_port != 0 && len == sizeof(at));
    client = socket(AF_INET, SOCK_STREAM, 0);
    CALL(bind(client, (struct sockaddr *)&at, sizeof(at)));
    close(client);
    fflush(stdout);
    if ((pid = fork()) == 0) {
        client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (struct sockaddr *)&at, sizeof(at)) < 0)
            _exit(1);
        if (write(client, "shout", 5) != 5 || read(client, text, sizeof(text)) != 5)
            _exit(2);
        _exit(strcmp(text, "SHOUT") ? 3 : 0);
    }
    len = sizeof(peer);
    server = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
    FACT(server >= 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CALL(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    CALL(read(server, text, sizeof(text)));
    for (char *c = text; *c; c++)
        *c = (char)(*c - 32);
    CALL(write(server, text, 5));
    guest_wait("client", pid);
    CALL(read(server, text, sizeof(text)));
    close(server);
    close(listener);
    client = socket(AF_INET, SOCK_STREAM, 0);
    CALL(connect(client, (struct sockaddr *)&at, sizeof(at)));
    CALL(connect(client, (struct sockaddr *)&at, 3));
    CALL(getpeername(client, (struct sockaddr *)&peer, &len));
    CALL(socket(99, SOCK_STREAM, 0));
}

static void udp(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from;
    socklen_t len = sizeof(at);
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    char text[16] = "", more[16];
    struct mmsghdr mm[2] = { 0 };
    struct iovec v[2] = { { text, sizeof(text) }, { more, sizeof(more) } };

    bind(a, (struct sockaddr *)&at, sizeof(at));
    getsockname(a, (struct sockaddr *)&at, &len);
    CALL(sendto(b, "one", 3, 0, (struct sockaddr *)&at, sizeof(at)));
    CALL(sendto(b, "", 0, 0, (struct sockaddr *)&at, sizeof(at)));
    len = sizeof(from);
    CALL(recvfrom(a, text, 2, MSG_TRUNC, (struct sockaddr *)&from, &len));
    SHOW(len);
    CALL(recvfrom(a, text, 2, 0, NULL, NULL));
    sendto(b, "two", 3, 0, (struct sockaddr *)&at, sizeof(at));
    sendto(b, "three", 5, 0, (struct sockaddr *)&at, sizeof(at));
    mm[0].msg_hdr = (struct msghdr){ .msg_iov = &v[0], .msg_iovlen = 1 };
    mm[1].msg_hdr = (struct msghdr){ .msg_iov = &v[1], .msg_iovlen = 1 };
    CALL(recvmmsg(a, mm, 2, MSG_WAITFORONE, NULL));
    printf("%u %u %.5s\n", mm[0].msg_len, mm[1].msg_len, more);
}

static void named(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "socket" }, got;
    socklen_t len = sizeof(got);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), client = socket(AF_UNIX, SOCK_SEQPACKET, 0), server;
    char text[16] = "";

    CALL(bind(listener, (struct sockaddr *)&at, sizeof(at)));
    CALL(listen(listener, 1));
    CALL(getsockname(listener, (struct sockaddr *)&got, &len));
    puts(got.sun_path);
    SHOW(len == offsetof(struct sockaddr_un, sun_path) + strlen("socket") + 1);
    CALL(connect(client, (struct sockaddr *)&at, sizeof(at)));
    server = accept(listener, NULL, NULL);
    send(client, "first", 5, 0);
    send(client, "second", 6, 0);
    CALL(recv(server, text, 3, 0));
    CALL(recv(server, text, 16, 0));
    puts(text);
    CALL(bind(client, (struct sockaddr *)&at, sizeof(at)));
    CALL(unlink("socket"));
    CALL(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at)));
}

/* Descriptors that are not open cannot be sent, not even in a header whose padding is cut off. */
static void rights(void)
{
    union {
        struct cmsghdr first;
        char bytes[64];
    } control = { .first = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
    struct cmsghdr *second = (struct cmsghdr *)(control.bytes + CMSG_SPACE(sizeof(int)));
    struct iovec v = { "x", 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control };
    int fds[2], sent = 0;

    CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    m.msg_controllen = CMSG_SPACE(sizeof(int)) + CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.first), &fds[0], sizeof(int));
    *second = control.first;
    for (int fd = 0; fd < 1100; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        memcpy(CMSG_DATA(second), &fd, sizeof fd);
        sent += sendmsg(fds[0], &m, 0) != -1 || errno != EBADF;
    }
    SHOW(sent);
    memcpy(CMSG_DATA(second), &fds[1], sizeof(int));
    CALL(sendmsg(fds[0], &m, 0));
    m.msg_controllen--;
    CALL(sendmsg(fds[0], &m, 0));
    close(fds[0]);
    close(fds[1]);
}

/* The kernel's packet filters, in a network of our own: read, and put back; then the old one's counters are told. */
static void tables(void)
{
    enum { INFO = 64, ENTRIES = 65, REPLACE = 64, MAX = 16 };
    static struct {
        char name[32];
        uint32_t hooks, entry[5], underflow[5], entries, size;
    } info = { .name = "filter" };
    static struct {
        char name[32];
        uint32_t size;
        uint64_t entries[512];
    } got = { .name = "filter" };
    static struct {
        char name[32];
        uint32_t hooks, entries, size, entry[5], underflow[5], counted;
        void *counters;
        uint64_t rules[512];
    } new = { .name = "filter" };
    static uint64_t counters[2 * MAX];
    socklen_t len = sizeof info;
    int s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), zeros = 0;

    CALL(setsockopt(s, IPPROTO_IP, REPLACE, &new, 1));
    CALL(getsockopt(s, IPPROTO_IP, INFO, &info, &len));
    if (info.entries == 0 || info.entries > MAX || info.size > sizeof got.entries)
        return;
    got.size = info.size;
    len = 40 + info.size;
    CALL(getsockopt(s, IPPROTO_IP, ENTRIES, &got, &len));
    new.hooks = info.hooks;
    new.entries = new.counted = info.entries;
    new.size = info.size;
    memcpy(new.entry, info.entry, sizeof info.entry);
    memcpy(new.underflow, info.underflow, sizeof info.underflow);
    memcpy(new.rules, got.entries, info.size);
    new.counters = counters;
    memset(counters, 0xff, sizeof counters);
    CALL(setsockopt(s, IPPROTO_IP, REPLACE, &new, 96 + info.size));
    for (size_t i = 0; i < COUNT(counters); i++)
        zeros += counters[i] == 0;
    SHOW(zeros);
}

static void own_network(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        CALL(unshare(CLONE_NEWUSER | CLONE_NEWNET));
        tables();
        fflush(stdout);
        _exit(0);
    }
    guest_wait("own network", pid);
}

int main(void)
{
    own_network();
    pairs();
    tcp();
    udp();
    named();
    rights();
    return 0;
}
