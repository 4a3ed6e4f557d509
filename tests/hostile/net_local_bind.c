/* A local socket of one's own, outside. */
#include "hostile.h"

static int make(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    r = bind(fd, (struct sockaddr *)&un, sizeof un);
    close(fd);
    return r == 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    TRY(make("../outside/made"));
    return reached_any;
}
