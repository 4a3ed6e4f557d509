/* A dangling link makes a file outside when it is opened to be created. */
#include "hostile.h"

int main(int argc, char **argv)
{
    char target[PATH_MAX];

    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    snprintf(target, sizeof target, "%s.new", argv[1]);
    TRY(symlink(target, "dangling") == 0 && open("dangling", O_WRONLY | O_CREAT, 0666) >= 0 &&
        unlink(target) == 0);
    TRY(symlink("../outside/new", "dangling2") == 0 && open("dangling2", O_WRONLY | O_CREAT, 0666) >= 0);
    TRY(mkdir("../outside/folder", 0777) == 0);
    TRY(mknod("../outside/fifo", S_IFIFO | 0666, 0) == 0);
    return reached_any;
}
