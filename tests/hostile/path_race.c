/* A folder that becomes a link and a folder again, during look-ups through it. outside: nothing, unless it is lucky. */
#include "hostile.h"

int main(int argc, char **argv)
{
    int got = 0;
    pid_t pid;

    (void)argc;
    if (chdir(argv[3]) < 0 || mkdir("plain", 0777) < 0 || symlink("../outside", "link") < 0)
        return 2;
    close(open("plain/secret", O_WRONLY | O_CREAT, 0666));
    pid = fork();
    if (pid == 0)
        for (;;)
            if (syscall(SYS_renameat2, AT_FDCWD, "plain", AT_FDCWD, "link", 2 /* RENAME_EXCHANGE */) < 0)
                _exit(1);
    for (int i = 0; i < 3000 && !got; i++)
        got = reads_secret(open("plain/secret", O_RDONLY));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    TRY(got);
    return reached_any;
}
