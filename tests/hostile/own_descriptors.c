/* Descriptors of noahv's own: none may be seen, read, copied, sent or taken the place of. outside: nothing. */
#include "hostile.h"

int main(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    struct stat st;

    while ((e = readdir(d)))
        TRY(atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(d));
    closedir(d);
    for (int fd = 3; fd < 4096; fd++) {
        TRY(fstat(fd, &st) == 0);
        TRY(fcntl(fd, F_DUPFD, 0) >= 0);
        TRY(openat(fd, "..", O_RDONLY) >= 0);
    }
    return reached_any;
}
