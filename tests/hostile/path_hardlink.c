/* A second name, in a folder that may be written, for a file that may not, or is not there at all. */
#include "hostile.h"

int main(int argc, char **argv)
{
    char name[PATH_MAX], fd_name[64];
    int fd;

    (void)argc;
    snprintf(name, sizeof name, "%s/second", argv[3]);
    TRY(link(argv[1], name) == 0);
    unlink(name);
    fd = open(argv[4], O_RDONLY); /* granted, read-only */
    TRY(link(argv[4], name) == 0);
    unlink(name);
    snprintf(fd_name, sizeof fd_name, "/proc/self/fd/%d", fd);
    TRY(linkat(AT_FDCWD, fd_name, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0);
    unlink(name);
    TRY(linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH) == 0);
    unlink(name);
    return reached_any;
}
