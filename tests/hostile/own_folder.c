/* The program's own folder takes the number of each of noahv's, those of granted folders too. outside: nothing. */
/* box: --fds 1048576 */
#include "hostile.h"

/* Where there is no room above the program's limit, noahv's descriptors are below it. */
int main(int argc, char **argv)
{
    char name[2 * PATH_MAX], low[PATH_MAX];
    int here = open("/proc/self", O_RDONLY | O_DIRECTORY);
    struct stat st;

    (void)argc;
    for (int i = 0; i < 3; i++) {
        for (int fd = 3; fd < 1024; fd++)
            if (fd != here)
                dup2(here, fd);
        snprintf(name, sizeof name, "%s/root%s", argv[3], argv[1]);
        snprintf(low, sizeof low, "%s/low/file", argv[3]);
        TRY(stat(name, &st) == 0);
        TRY(reads_secret(open(name, O_RDONLY)));
        TRY(stat(low, &st) < 0);
        snprintf(name, sizeof name, "%s/maps", argv[3]);
        TRY(stat(name, &st) == 0);
    }
    return reached_any;
}
