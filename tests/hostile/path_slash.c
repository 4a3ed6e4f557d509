/*
 * A folder that becomes a link and a folder again, named with a slash at its end by calls that follow no link: it is looked
 * at and changed. outside: nothing, unless it is lucky.
 */
#include "hostile.h"
#include <sys/xattr.h>

int main(int argc, char **argv)
{
    const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
    struct stat mine;
    struct statx st;
    int seen = 0;
    pid_t pid;

    (void)argc;
    if (chdir(argv[3]) < 0 || mkdir("plain", 0777) < 0 || symlink("../outside", "link") < 0 ||
        stat("plain", &mine) < 0)
        return 2;
    pid = fork();
    if (pid == 0)
        for (;;)
            if (syscall(SYS_renameat2, AT_FDCWD, "plain", AT_FDCWD, "link", 2 /* RENAME_EXCHANGE */) < 0)
                _exit(1);
    for (int i = 0; i < 10000; i++) {
        seen |= statx(AT_FDCWD, "plain/", AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO, &st) == 0 &&
                S_ISDIR(st.stx_mode) && st.stx_ino != mine.st_ino;
        utimensat(AT_FDCWD, "plain/", times,
                  AT_SYMLINK_NOFOLLOW); /* who started the box looks at what is outside */
        fchownat(AT_FDCWD, "plain/", getuid(), getgid(), AT_SYMLINK_NOFOLLOW);
        lsetxattr("plain/", "user.reached", "x", 1, 0);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    TRY(seen);
    return reached_any;
}
