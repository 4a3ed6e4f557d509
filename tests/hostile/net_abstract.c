/* Abstract names, which all of the host shares. */
#include "hostile.h"

static int use(int (*call)(int, const struct sockaddr *, socklen_t), const char *name)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), r;

    snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s", name);
    r = call(fd, (struct sockaddr *)&un, (socklen_t)(sizeof un.sun_family + 1 + strlen(name)));
    close(fd);
    return r == 0;
}

int main(void)
{
    char name[32];

    snprintf(name, sizeof name, "hostile-%d", getpid());
    TRY(use(bind, name));
    TRY(use(connect, "/tmp/.X11-unix/X0"));
    return reached_any;
}
