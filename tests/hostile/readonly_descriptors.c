/* What is granted read-only is changed by a descriptor that was opened for reading. */
#include "hostile.h"
#include <sys/xattr.h>

int main(int argc, char **argv)
{
    int fd = open(argv[4], O_RDONLY), path = open(argv[4], O_PATH);
    char name[64];

    (void)argc;
    TRY(fchmod(fd, 0644) == 0);
    TRY(fchown(fd, getuid(), getgid()) == 0);
    TRY(futimens(fd, NULL) == 0);
    TRY(syscall(SYS_utimensat, fd, NULL, NULL, 0) == 0);
    TRY(fsetxattr(fd, "user.x", "y", 1, 0) == 0);
    TRY(fchownat(path, "", getuid(), getgid(), AT_EMPTY_PATH) == 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    TRY(open(name, O_RDWR) >= 0);
    TRY(chmod(name, 0644) == 0);
    TRY(truncate(name, 1) == 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", path);
    TRY(open(name, O_WRONLY) >= 0);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    TRY(open(name, O_RDWR) >= 0);
    return reached_any;
}
