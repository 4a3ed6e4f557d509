/* A program outside is run, of this machine's kind and of the guest's, and through an interpreter's line. */
#include "hostile.h"

static int runs(const char *path)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        execl(path, path, NULL);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 99);
}

int main(int argc, char **argv)
{
    char script[PATH_MAX];
    int fd;

    (void)argc;
    TRY(runs(argv[8]));
    snprintf(script, sizeof script, "%s/script", argv[3]);
    fd = open(script, O_WRONLY | O_CREAT, 0777);
    if (dprintf(fd, "#!%s\n", argv[8]) < 0)
        return 2;
    close(fd);
    TRY(runs(script));
    return reached_any;
}
