/* Names in a folder that is open, current, or looked at again and again, which become links to what is outside. */
#include "hostile.h"

enum { SECRET_SIZE = 11 };

static int got_link, got_stat, got_folder, got_up, denied;

/* As far as where Landlock alone says no. */
static int opens(int dir, const char *name, int flags)
{
    int fd = openat(dir, name, flags);

    denied |= fd < 0 && errno == EACCES;
    return fd;
}

static void look(int dir, const char *name, const char *folder)
{
    char below[PATH_MAX];
    struct stat st;
    int fd;

    got_link |= reads_secret(opens(dir, name, O_RDONLY));
    got_link |= reads_secret(opens(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    got_stat |= fstatat(dir, name, &st, 0) == 0 && st.st_size == SECRET_SIZE;
    fd = opens(dir, folder, O_RDONLY | O_DIRECTORY);
    got_folder |= reads_secret(opens(fd, "secret", O_RDONLY));
    close(fd);
    snprintf(below, sizeof below, "%s/secret", folder);
    for (int i = 0; i < 4; i++)
        got_folder |= fstatat(dir, below, &st, AT_SYMLINK_NOFOLLOW) == 0;
    got_folder |= reads_secret(opens(dir, below, O_RDONLY));
}

static void up(int dir)
{
    struct stat st;
    int fd = opens(dir, "..", O_RDONLY | O_DIRECTORY);

    got_up |= reads_secret(opens(dir, "../outside/secret", O_RDONLY));
    got_up |= reads_secret(opens(fd, "outside/secret", O_RDONLY));
    got_up |= fstatat(fd, "outside", &st, AT_SYMLINK_NOFOLLOW) == 0;
    close(fd);
}

int main(int argc, char **argv)
{
    char file[PATH_MAX], folder[PATH_MAX];
    int dir;
    pid_t pid;

    (void)argc;
    if (chdir(argv[3]) < 0 || mkdir("folder", 0777) < 0 || symlink("../outside", "outlink") < 0 ||
        symlink("../outside/secret", "link") < 0)
        return 2;
    close(open("file", O_WRONLY | O_CREAT, 0666));
    dir = open(".", O_RDONLY | O_DIRECTORY);
    pid = fork();
    if (pid == 0)
        for (;;)
            if (syscall(SYS_renameat2, dir, "file", dir, "link", 2 /* RENAME_EXCHANGE */) < 0 ||
                syscall(SYS_renameat2, dir, "folder", dir, "outlink", 2) < 0)
                _exit(1);
    snprintf(file, sizeof file, "%s/file", argv[3]);
    snprintf(folder, sizeof folder, "%s/folder", argv[3]);
    for (int i = 0; i < 1500; i++) {
        look(dir, "file", "folder");
        look(AT_FDCWD, "file", "folder");
        look(AT_FDCWD, file, folder);
        look(dir, "link", "outlink");
        up(dir);
        up(AT_FDCWD);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    TRY(got_link);
    TRY(got_stat);
    TRY(got_folder);
    TRY(got_up);
    TRY(denied);
    return reached_any;
}
