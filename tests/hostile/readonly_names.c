/* What is granted read-only is changed by name. */
#include "hostile.h"
#include <sys/xattr.h>
#include <utime.h>

int main(int argc, char **argv)
{
    const char *file = argv[4];
    struct stat st;
    char other[PATH_MAX], old[64] = "";

    (void)argc;
    snprintf(other, sizeof other, "%s.other", file);
    TRY(stat(file, &st) == 0 && pread(open(file, O_RDONLY), old, 1, 0) == 1 && open(file, O_WRONLY) >= 0);
    TRY(open(file, O_RDWR) >= 0);
    TRY(open(file, O_RDONLY | O_TRUNC) >= 0);
    TRY(truncate(file, 3) == 0);
    TRY(chmod(file, 0600) == 0);
    TRY(chown(file, getuid(), getgid()) == 0);
    TRY(utime(file, NULL) == 0);
    TRY(setxattr(file, "user.x", "y", 1, 0) == 0);
    TRY(symlink("x", other) == 0);
    TRY(open(other, O_WRONLY | O_CREAT, 0666) >= 0);
    TRY(mkdir(other, 0777) == 0);
    TRY(rename(file, other) == 0);
    TRY(unlink(file) == 0);
    return reached_any;
}
