/* A connection to this machine, by every family and call that makes one. The port listens. */
#include "hostile.h"

static int reach(int family, int type, const char *addr, int port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    int fd = socket(family, type, 0), r;

    if (family == AF_INET) {
        inet_pton(AF_INET, addr, &in.sin_addr);
        r = connect(fd, (struct sockaddr *)&in, sizeof in);
    } else {
        inet_pton(AF_INET6, addr, &in6.sin6_addr);
        r = connect(fd, (struct sockaddr *)&in6, sizeof in6);
    }
    if (fd >= 0)
        close(fd);
    return r == 0;
}

int main(int argc, char **argv)
{
    int port = atoi(argv[5]);

    (void)argc;
    TRY(reach(AF_INET, SOCK_STREAM, "127.0.0.1", port));
    TRY(reach(AF_INET, SOCK_STREAM, "0.0.0.0", port));
    TRY(reach(AF_INET6, SOCK_STREAM, "::ffff:127.0.0.1", port));
    TRY(reach(AF_INET, SOCK_DGRAM, "127.0.0.1", port));
    TRY(reach(AF_INET6, SOCK_DGRAM, "::1", port));
    return reached_any;
}
