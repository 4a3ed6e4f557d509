/* box: --overlay ov */
/* The files below are changed, by every way to what was opened for reading, and by links. outside: nothing. */
#include "hostile.h"
#include <pthread.h>
#include <sys/xattr.h>

static int low, mine, at;

static void *swap(void *arg)
{
    for (;;) {
        syscall(SYS_dup3, low, at, 0);
        syscall(SYS_dup3, mine, at, 0);
        for (int fd = at + 1; fd < at + 9; fd++)
            syscall(SYS_dup3, low, fd, 0);
    }
    return arg;
}

static void change(int fd)
{
    fchmod(fd, 0777);
    fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH);
    futimens(fd, (struct timespec[]){ { 1, 0 }, { 1, 0 } });
    fsetxattr(fd, "user.x", "y", 1, 0);
}

int main(int argc, char **argv)
{
    char name[PATH_MAX];
    pthread_t t;
    void *map;
    int fd, n;

    (void)argc;
    if (chdir(argv[3]) < 0 || (low = open("low/file", O_RDONLY)) < 0)
        return 2;
    TRY((map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, low, 0)) != MAP_FAILED);
    TRY((map = mmap(NULL, 1, PROT_READ, MAP_SHARED, low, 0)) != MAP_FAILED &&
        mprotect(map, 1, PROT_READ | PROT_WRITE) == 0);
    TRY(ftruncate(low, 0) == 0);
    TRY(write(low, "x", 1) == 1);
    snprintf(name, sizeof name, "/proc/self/fd/%d", low);
    if ((fd = open(name, O_RDWR)) >= 0 && write(fd, "changed", 7) < 0)
        return 2;
    linkat(low, "", AT_FDCWD, "by_fd", AT_EMPTY_PATH);
    linkat(AT_FDCWD, name, AT_FDCWD, "by_link", AT_SYMLINK_FOLLOW);
    linkat(AT_FDCWD, "low/second", AT_FDCWD, "by_name", 0);
    for (const char *const *to = (const char *const[]){ "by_fd", "by_link", "by_name", NULL }; *to; to++)
        if ((fd = open(*to, O_RDWR | O_TRUNC)) >= 0 && write(fd, "changed", 7) < 0)
            return 2;
    change(open("low/second", O_RDONLY));
    change(open("low/second", O_PATH));
    change(open("low", O_RDONLY | O_DIRECTORY));
    rename("low/second", "moved");
    truncate("moved", 0);
    rename("low", "gone");
    truncate("gone/file", 0);
    n = unlink("gone/file") + rmdir("sub") + unlink("lowlink");
    symlink("gone", "low");
    truncate("low/other", 0);
    mine = open("mine", O_RDWR | O_CREAT, 0600);
    low = open("deep/a/b/file", O_RDONLY);
    at = dup(mine);
    if (n || low < 0 || pthread_create(&t, NULL, swap, NULL) != 0)
        return 2;
    for (int i = 0; i < 2000; i++) {
        change(at);
        linkat(at, "", AT_FDCWD, "swapped", AT_EMPTY_PATH);
        fd = open("swapped", O_WRONLY);
        truncate("swapped", 0);
        unlink("swapped");
        snprintf(name, sizeof name, "deep/a/%d", i % 20); /* copied up while numbers are swapped */
        truncate(name, 0);
        rename(name, "deep/a/x");
    }
    return reached_any;
}
