/* box: --allow-connect 127.0.0.1:1 */
/* Datagrams and fast-open data to an address that is not granted, and with AF_UNSPEC, which UDP takes for AF_INET. */
#include "hostile.h"

int main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[5])) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(argv[5])) };
    struct iovec iov = { "x", 1 };
    struct mmsghdr m = { .msg_hdr = {
                             .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1 } };
    int udp = socket(AF_INET, SOCK_DGRAM, 0), udp6 = socket(AF_INET6, SOCK_DGRAM, 0);

    (void)argc;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
    TRY(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1);
    TRY(sendto(udp6, "x", 1, 0, (struct sockaddr *)&six, sizeof six) == 1);
    TRY(sendto(udp6, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1);
    TRY(sendmsg(udp, &m.msg_hdr, 0) == 1);
    TRY(sendmmsg(udp, &m, 1, 0) == 1);
    TRY(sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to) ==
        1);
    to.sin_family = AF_UNSPEC;
    TRY(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1);
    TRY(sendmsg(udp, &m.msg_hdr, 0) == 1);
    return reached_any;
}
