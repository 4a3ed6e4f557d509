/*
 * Descriptors at the edges of their table: numbers never opened in poll and select, a table that is full at execve;
 * and the program's own file, which cannot be written while it runs.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "guest.h"

static void polled(void)
{
    struct pollfd p[400], few[3] = { { 1, POLLOUT, 0 }, { -5, POLLIN, 7 }, { 0x7ffffff0, POLLIN, 0 } };
    int invalid = 0;

    for (int i = 0; i < 400; i++)
        p[i] = (struct pollfd){ 900 + i, POLLIN, 0 };
    CALL(poll(p, 400, 10000));
    for (int i = 0; i < 400; i++)
        invalid += p[i].revents == POLLNVAL && p[i].fd == 900 + i;
    SHOW(invalid);
    CALL(poll(few, 3, 10000));
    printf("%d %d %d\n", few[0].revents, few[1].revents, few[2].revents);
    CALL(poll(few, 1u << 21, 0));
}

/* A child's table is as large as what it has open. */
static void selected(void)
{
    struct timeval none = { 0, 0 };
    fd_set r, w;

    FD_ZERO(&w);
    FD_SET(1, &w);
    FD_ZERO(&r);
    FD_SET(900, &r);
    CALL(select(1024, &r, &w, NULL, &none));
    printf("%d %d\n", FD_ISSET(900, &r) != 0, FD_ISSET(1, &w) != 0);
    FD_SET(1010, &r);
    CALL(select(1024, &r, NULL, NULL, &none));
    CALL(select(INT_MAX, &r, NULL, NULL, &none)); /* no more is looked at than there can be */
    printf("%d\n", FD_ISSET(1010, &r) != 0);
    FD_SET(50, &r);
    CALL(select(INT_MAX, &r, NULL, NULL, &none));
    CALL(select(1024, &r, NULL, NULL, &none));
    CALL(dup2(1, 100));
    FD_CLR(50, &r);
    FD_SET(120, &r);
    CALL(select(1024, &r, NULL, NULL, &none));
    FD_CLR(120, &r);
    FD_SET(200, &r);
    CALL(select(1024, &r, NULL, NULL, &none));
}

static int open_count(void)
{
    int n = 0;

    for (int fd = 3; fd < 64; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void full(void)
{
    struct rlimit r;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &r);
    for (int i = 0; i < 20; i++)
        fcntl(1, F_DUPFD_CLOEXEC, 3);
    while (dup(1) >= 0)
        ;
    SHOW(open_count());
    CALL(open("/dev/null", O_RDONLY));
    fflush(stdout);
    execl("/proc/self/exe", "tables", "again", NULL);
    puts(strerrorname_np(errno));
}

static void busy(void)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    exe[n > 0 ? n : 0] = '\0';
    CALL(open(exe, O_WRONLY));
    CALL(open(exe, O_RDWR | O_TRUNC));
    CALL(open(exe, O_RDONLY | O_TRUNC));
    CALL(open(exe, O_WRONLY | O_CREAT, 0600));
    CALL(truncate(exe, 0));
    CALL(truncate(exe, -1));
    CALL(open(exe, O_WRONLY | O_CREAT | O_EXCL, 0600));
    CALL(symlink(exe, "link"));
    CALL(open("link", O_WRONLY));
    CALL(open("/proc/self/exe", O_RDWR));
    FACT(open(exe, O_RDONLY) >= 0);
    FACT(open(exe, O_PATH | O_RDWR) >= 0);
}

/* A program that somebody writes to cannot be run. */
static void written(void)
{
    char *const argv[] = { "copy", NULL };
    int from = open("/proc/self/exe", O_RDONLY), to = open("copy", O_WRONLY | O_CREAT, 0700);
    char buf[65536];
    ssize_t n;

    while ((n = read(from, buf, sizeof buf)) > 0)
        if (write(to, buf, (size_t)n) != n)
            return;
    CALL(execv("copy", argv));
    CALL(execveat(-1, "", argv, NULL, AT_EMPTY_PATH));
    CALL(execveat(99, "copy", argv, NULL, 0));
    CALL(close(to));
    CALL(unlink("copy"));
}

int main(int argc, char **argv)
{
    pid_t pid;

    (void)argv;
    if (argc > 1) {
        SHOW(open_count());
        return 0;
    }
    polled();
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        selected();
        fflush(stdout);
        _exit(0);
    }
    guest_wait("select", pid);
    busy();
    written();
    full();
    return 1;
}
