/* A file that becomes a link and a file again, in a folder that is looked into all the time. */
#include "hostile.h"

enum { TINY = 1 }; /* the size of what is inside; what is outside has more */

static pid_t swapper(const char *a, const char *b)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            if (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */) < 0)
                _exit(1);
    return pid;
}

static int is_big(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_size > TINY;
}

/* Which no box has, though the walls behind the view let it be opened. */
static int reads_init(int fd)
{
    char text[8] = "";
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    close(fd);
    return n > TINY;
}

static int lists_init(int dir)
{
    char dents[1 << 15];
    long n;

    while ((n = syscall(SYS_getdents64, dir, dents, sizeof dents)) > 0)
        for (long at = 0; at < n; at += ((struct dirent64 *)(dents + at))->d_reclen)
            if (strcmp(((struct dirent64 *)(dents + at))->d_name, "1") == 0)
                return 1;
    return 0;
}

/* The number of a folder that was looked into is one of /proc's now. */
static int becomes_proc(int dir)
{
    int proc = open("/proc", O_RDONLY | O_DIRECTORY), init;

    if (proc != dir)
        exit(2);
    init = openat(proc, "1", O_RDONLY | O_DIRECTORY);
    close(init);
    init = init >= 0 || lists_init(proc);
    close(proc);
    return init;
}

static int look_into(int flags)
{
    int dir = open("swaps", O_RDONLY | O_DIRECTORY | flags);

    for (int i = 0; i < 6; i++)
        is_big(dir, "mine");
    return dir;
}

/* A copy's number is that of /proc; so is, then, that of a folder which was opened by its whole name. */
static int copies_become_proc(const char *given)
{
    int dir = look_into(0), copy = fcntl(dir, F_DUPFD, 0), bad;

    is_big(copy, "mine");
    close(copy);
    bad = becomes_proc(copy);
    copy = fcntl(dir, F_DUPFD, 40);
    if (dup2(open("/proc", O_RDONLY | O_DIRECTORY), copy) != copy)
        exit(2);
    bad |= openat(copy, "1", O_RDONLY | O_DIRECTORY) >= 0 || lists_init(copy);
    syscall(SYS_close_range, 3, ~0u, 0);
    dir = open(given, O_RDONLY | O_DIRECTORY);
    close(dir);
    return bad | becomes_proc(dir);
}

/* So it is after execve, too. */
static int is_executed(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "as") != 0)
        return 0;
    TRY(becomes_proc(atoi(argv[2])));
    return 1;
}

static int execute(const char *name, int dir)
{
    char number[16];
    int status = 0;

    snprintf(number, sizeof number, "%d", dir);
    if (fork() == 0) {
        execl(name, name, "as", number, NULL);
        _exit(3);
    }
    wait(&status);
    return WEXITSTATUS(status) == 1;
}

int main(int argc, char **argv)
{
    int dir, fd, read_it = 0, read_init = 0, seen = 0;
    pid_t pid, other;

    if (is_executed(argc, argv))
        return reached_any;
    if (chdir(argv[3]) < 0 || mkdir("swaps", 0777) < 0 || symlink("../../outside/secret", "swaps/link") < 0 ||
        symlink("/proc/1/status", "swaps/init") < 0)
        return 2;
    fd = open("swaps/plain", O_WRONLY | O_CREAT, 0666);
    if (write(fd, "x", TINY) != TINY)
        return 2;
    close(fd);
    if (link("swaps/plain", "swaps/mine") < 0)
        return 2;
    for (int i = 0; i < 5; i++) {
        dir = look_into(0);
        close(dir);
        TRY(becomes_proc(dir));
        dir = look_into(O_CLOEXEC);
        TRY(execute(argv[0], dir));
        close(dir);
        TRY(copies_become_proc(argv[3]));
    }
    dir = look_into(0);
    pid = swapper("swaps/plain", "swaps/link");
    other = swapper("swaps/mine", "swaps/init");
    for (int i = 0; i < 20000; i++) {
        seen |= is_big(dir, "plain") || is_big(AT_FDCWD, "swaps/plain");
        read_it |= reads_secret(openat(dir, "plain", O_RDONLY));
        read_init |= reads_init(openat(dir, "mine", O_RDONLY));
    }
    kill(pid, SIGKILL);
    kill(other, SIGKILL);
    while (wait(NULL) > 0)
        ;
    TRY(seen);
    TRY(read_it);
    TRY(read_init);
    return reached_any;
}
