/* A service of this machine behind a local socket: a file outside, by name and through a link. */
#include "hostile.h"

static int reach(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    r = connect(fd, (struct sockaddr *)&un, sizeof un);
    close(fd);
    return r == 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    TRY(reach(argv[7]));
    TRY(reach("../outside/socket"));
    TRY(symlink(argv[7], "link") == 0 && reach("link"));
    return reached_any;
}
