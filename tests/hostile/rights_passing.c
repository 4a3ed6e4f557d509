/* box: 0<folder */
/* A folder outside comes by way of a local socket, and is used as if it were granted. */
#include "hostile.h"

int main(void)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { "x", 1 };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    char byte;
    int sv[2], fd = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
        return 2;
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                           .cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(c), &(int){ 0 }, sizeof fd);
    if (sendmsg(sv[0], &m, 0) != 1)
        return 2;
    iov.iov_base = &byte;
    if (recvmsg(sv[1], &m, 0) != 1)
        return 2;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    TRY(reads_secret(openat(fd, "secret", O_RDONLY)));
    return reached_any;
}
