/* Up from a granted folder, by name and by descriptor. */
#include "hostile.h"

int main(int argc, char **argv)
{
    const char *dir = argv[3], *up = "../outside/secret";
    int fd = open(dir, O_RDONLY | O_DIRECTORY), parent;

    (void)argc;
    if (chdir(dir) == 0)
        TRY(reads_secret(open(up, O_RDONLY)));
    TRY(reads_secret(openat(fd, up, O_RDONLY)));
    TRY(reads_secret(openat(fd, "sub/../../outside/secret", O_RDONLY)));
    parent = openat(fd, "..", O_RDONLY | O_DIRECTORY);
    TRY(reads_secret(openat(parent, "outside/secret", O_RDONLY)));
    TRY(fchdir(parent) == 0 && reads_secret(open("outside/secret", O_RDONLY)));
    return reached_any;
}
