/* box: --overlay ov */
/* A folder of the overlay leads out: by links in it, by one that takes a folder's place, and to the overlay itself. */
#include "hostile.h"

int main(int argc, char **argv)
{
    char name[PATH_MAX];
    int got = 0, fd;
    pid_t pid;

    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    TRY(symlink(argv[1], "low/secret") == 0 && reads_secret(open("low/secret", O_RDONLY)));
    TRY(reads_secret(open("low/secret", O_RDWR)));
    TRY(truncate("low/secret", 3) == 0);
    TRY(chmod("low/secret", 0777) == 0);
    TRY(rename("low", "moved") == 0 && reads_secret(open("moved/../../outside/secret", O_RDONLY)));
    TRY(reads_secret(open("moved/secret", O_RDONLY)));
    fd = open("moved", O_RDONLY | O_DIRECTORY);
    for (const char *const *to =
             (const char *const[]){ "..", "../..", "../../..", "../../lock", "../../../pieces", NULL };
         *to; to++)
        TRY(faccessat(fd, *to, F_OK, 0) == 0 && openat(fd, *to, O_RDONLY) >= 0 &&
            fchdir(openat(fd, *to, O_RDONLY)) == 0 &&
            (access("pieces", F_OK) == 0 || access("0.src", F_OK) == 0 || access("9.src", F_OK) == 0));
    if (chdir(argv[3]) < 0)
        return 2;
    snprintf(name, sizeof name, "%s/../ov/files", argv[3]);
    TRY(open(name, O_RDONLY) >= 0);
    snprintf(name, sizeof name, "%s/../ov/pieces/x", argv[3]);
    TRY(symlink("/", name) == 0);
    /* folders that are below, copied up while they become links */
    if (symlink("../../outside", "deep/link") < 0)
        return 2;
    pid = fork();
    if (pid == 0)
        for (;;) {
            syscall(SYS_renameat2, AT_FDCWD, "deep/a", AT_FDCWD, "deep/link", 2 /* RENAME_EXCHANGE */);
            close(open("deep/a/b/new", O_WRONLY | O_CREAT, 0600));
        }
    for (int i = 0; i < 1500 && !got; i++) {
        got = reads_secret(open("deep/a/secret", O_RDWR)) || (unlink("deep/a/secret"), 0);
        close(open("deep/a/made", O_RDWR | O_CREAT, 0600));
        chmod("deep/a/secret", 0777);
        rename("deep/a/made", "deep/a/secret");
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    TRY(got);
    return reached_any;
}
