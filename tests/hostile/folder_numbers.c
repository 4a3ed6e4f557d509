/* Numbers that were of a granted folder, and are now of one outside, or of /proc: by every way to put another there. */
/* box: 0<folder */
/* outside: nothing */
#include "hostile.h"
#include <pthread.h>

enum { SWAPPERS = 4, LIMIT = 256 /* of a box's descriptors; noahv's are above it */ };

static char *given;
static int at;

static int finds(int dir)
{
    struct stat st;

    return fstatat(dir, "secret", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
           reads_secret(openat(dir, "secret", O_RDONLY));
}

/* Is a number shown in it that is above all of a box's? */
static int lists_own(int dir)
{
    static _Thread_local char buf[32768];
    long n = lseek(dir, 0, SEEK_SET) < 0 ? -1 : syscall(SYS_getdents64, dir, buf, sizeof buf);

    for (long i = 0; i < n; i += *(unsigned short *)(buf + i + 16))
        if (atoi(buf + i + 19) >= LIMIT)
            return 1;
    return 0;
}

/* A descriptor of the granted folder that has been used as one. */
static int known(int flags)
{
    int fd = open(given, O_RDONLY | O_DIRECTORY | flags);
    struct stat st;

    fstatat(fd, "low", &st, AT_SYMLINK_NOFOLLOW);
    fstatat(fd, "low", &st, AT_SYMLINK_NOFOLLOW);
    return fd;
}

/* The granted folder gets that number, if it is free. */
static void put_given(void)
{
    int fd = open(given, O_RDONLY | O_DIRECTORY);

    if (fd != at)
        close(fd);
}

static void *swap(void *arg)
{
    int proc = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);

    for (;;) {
        close(at);
        put_given();
        syscall(SYS_dup3, 0, at, 0);
        close(at);
        put_given();
        syscall(SYS_dup3, proc, at, 0);
    }
    return arg;
}

static int receive(int fd)
{
    char space[CMSG_SPACE(sizeof fd)], byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int pair[2], number = known(0), got;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || sendmsg(pair[0], &m, 0) != 1)
        return 0;
    close(number);
    m.msg_controllen = sizeof space;
    if (recvmsg(pair[1], &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
        return 0;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof got);
    return got == number && finds(got);
}

/* After an execve that has closed it, the lowest number is its. */
static int after_exec(char **argv)
{
    char number[16], *const args[] = { argv[0], number, NULL };
    pid_t pid = fork();
    int status = 0;

    snprintf(number, sizeof number, "%d", known(O_CLOEXEC));
    if (pid == 0) {
        execv("/proc/self/exe", args);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    close(atoi(number));
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

int main(int argc, char **argv)
{
    int fd, found = 0, shown = 0;
    pthread_t t;

    if (argc == 2) { /* after_exec */
        fd = dup(0);
        return fd == atoi(argv[1]) && finds(fd);
    }
    given = argv[3];
    fd = known(0);
    TRY(syscall(SYS_dup3, 0, fd, 0) == fd && finds(fd));
    close(fd);
    fd = known(0);
    close(fd);
    TRY(dup(0) == fd && finds(fd));
    close(fd);
    fd = known(0);
    syscall(SYS_close_range, fd, fd, 0);
    TRY(fcntl(0, F_DUPFD, 0) == fd && finds(fd));
    close(fd);
    fd = known(0);
    close(fd);
    TRY(open("/proc/self/fd", O_RDONLY | O_DIRECTORY) == fd && lists_own(fd));
    close(fd);
    TRY(receive(0));
    TRY(after_exec(argv));
    at = known(0);
    for (int i = 0; i < SWAPPERS; i++) /* more than processors: one is stopped where it hurts */
        if (at < 3 || pthread_create(&t, NULL, swap, NULL) != 0)
            return 2;
    for (int i = 0; i < 20000; i++) {
        found |= finds(at);
        shown |= lists_own(at);
    }
    TRY(found);
    TRY(shown);
    return reached_any;
}
