/* box: --allow-connect 127.0.0.1:1 */
/* A service for others: bound, bound by AF_UNSPEC, never bound, at a port of the kernel's choice. */
#include "hostile.h"

static int serve(int family, int port, int bound)
{
    struct sockaddr_in in = { .sin_family = (sa_family_t)family, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, r;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    r = bound ? bind(fd, (struct sockaddr *)&in, sizeof in) : 0;
    r = r == 0 ? listen(fd, 1) : -1;
    close(fd);
    return r == 0;
}

static int receive(int port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), r = bind(fd, (struct sockaddr *)&in, sizeof in);

    close(fd);
    return r == 0;
}

int main(int argc, char **argv)
{
    int port = atoi(argv[6]); /* free */

    (void)argc;
    TRY(serve(AF_INET, port, 1));
    TRY(serve(AF_UNSPEC, port, 1));
    TRY(serve(AF_INET, 0, 1));
    TRY(serve(AF_INET, 0, 0));
    TRY(receive(port));
    return reached_any;
}
