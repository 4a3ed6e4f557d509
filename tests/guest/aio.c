/* Asynchronous I/O: requests and their events, vectors, notification by descriptor, contexts that end. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "guest.h"

static aio_context_t ctx;
static const struct timespec at_once;

static long submit(long n, struct iocb **list)
{
    return syscall(SYS_io_submit, ctx, n, list);
}

static long events(long min, long max, struct io_event *ev)
{
    return syscall(SYS_io_getevents, ctx, min, max, ev, min ? NULL : &at_once);
}

static struct iocb request(int op, int fd, void *buf, size_t n, long off)
{
    static int serial;
    struct iocb b = { .aio_lio_opcode = (uint16_t)op,
                      .aio_fildes = (uint32_t)fd,
                      .aio_buf = (uint64_t)(uintptr_t)buf,
                      .aio_nbytes = n,
                      .aio_offset = off,
                      .aio_data = (uint64_t)++serial,
                      .aio_key = 77 };

    return b;
}

static void files(int fd)
{
    char one[8] = "first", two[8] = "second", got[16] = "";
    struct iovec v[2] = { { got, 3 }, { got + 8, 4 } };
    struct iocb b[4] = { request(IOCB_CMD_PWRITE, fd, one, 5, 0), request(IOCB_CMD_PWRITE, fd, two, 6, 5),
                         request(IOCB_CMD_PREADV, fd, v, 2, 2), request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0) };
    struct iocb *list[4] = { &b[0], &b[1] };
    struct io_event ev[4];
    long n;

    CALL(submit(2, list));
    CALL(n = events(2, 4, ev));
    for (long i = 0; i < n; i++)
        printf("%d: %d, data %d, res %d\n", (int)i, ev[i].obj == (uint64_t)(uintptr_t)list[i],
               (int)ev[i].data, (int)ev[i].res);
    SHOW(b[0].aio_key);
    list[0] = &b[2];
    CALL(submit(1, list));
    CALL(events(1, 1, ev));
    printf("res %d: %.3s %.4s\n", (int)ev[0].res, got, got + 8);
    FACT(ev[0].obj == (uint64_t)(uintptr_t)&b[2]);
    list[0] = &b[3];
    CALL(submit(1, list));
    CALL(events(1, 1, ev));
    SHOW(ev[0].res);
}

static void bad(int fd)
{
    char text[8] = "";
    struct iocb good = request(IOCB_CMD_PREAD, fd, text, 5, 0), b = request(99, fd, text, 1, 0);
    struct iocb *list[3] = { &good, &b, &good };
    struct iovec v = { (void *)4096, 5 };
    struct io_event ev[3];
    aio_context_t other = 1;

    CALL(submit(3, list)); /* up to the bad one */
    CALL(events(0, 3, ev));
    puts(text);
    CALL(submit(1, list + 1));
    b = request(IOCB_CMD_PREAD, 99, text, 1, 0);
    CALL(submit(1, list + 1));
    b = request(IOCB_CMD_PREAD, fd, text, 1, 0);
    b.aio_reserved2 = 1;
    CALL(submit(1, list + 1));
    b = request(IOCB_CMD_PREAD, fd, (void *)4096, 5, 0);
    CALL(submit(1, list + 1));
    CALL(events(0, 3, ev));
    SHOW(ev[0].res);
    b = request(IOCB_CMD_PREADV, fd, &v, 1, 0);
    CALL(submit(1, list + 1));
    CALL(events(0, 3, ev));
    SHOW(ev[0].res);
    list[1] = (void *)4096;
    CALL(submit(1, list + 1));
    CALL(submit(1, (void *)4096));
    CALL(submit(-1, list));
    CALL(submit(0, list));
    CALL(events(3, 2, ev));
    CALL(syscall(SYS_io_getevents, ctx, -1, 2, ev, NULL));
    CALL(syscall(SYS_io_submit, 0, 1, list));
    CALL(syscall(SYS_io_destroy, 4096));
    CALL(syscall(SYS_io_setup, 8, &other));
    CALL(syscall(SYS_io_setup, 8, (void *)8));
    other = 0;
    CALL(syscall(SYS_io_setup, 0, &other));
}

/* More than one go of the host's. */
static void many(int fd)
{
    enum { MANY = 150 };
    static struct iocb b[MANY];
    static struct iocb *list[MANY];
    static struct io_event ev[MANY];
    static char text[MANY];
    int matched = 0;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            b[i] = request(IOCB_CMD_PREAD, fd, &text[i], 1, i % 11);
            list[i] = &b[i];
        }
        CALL(submit(MANY, list));
        CALL(events(MANY, MANY, ev));
        for (int i = 0; i < MANY; i++)
            matched += ((struct iocb *)(uintptr_t)ev[i].obj)->aio_data == ev[i].data && ev[i].res == 1;
    }
    SHOW(matched);
    printf("%.22s\n", text);
}

/* One that waits: notified through a descriptor, cancelled. */
static void waiting(void)
{
    int fds[2], note = eventfd(0, 0);
    struct iocb b, *list[1] = { &b };
    struct io_event ev[2];
    uint64_t count = 0;

    if (pipe(fds))
        return;
    b = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
    b.aio_flags = IOCB_FLAG_RESFD;
    b.aio_resfd = (uint32_t)note;
    CALL(submit(1, list));
    CALL(events(0, 2, ev));
    CALL(write(fds[1], "x", 1));
    CALL(events(1, 2, ev));
    SHOW(ev[0].res == POLLIN);
    CALL(read(note, &count, 8));
    SHOW(count);
    CALL(close(fds[1]));
    CALL(read(fds[0], ev, 1));
    if (pipe(fds))
        return;
    b = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
    CALL(submit(1, list));
    CALL(syscall(SYS_io_cancel, ctx, &b, ev));
    CALL(events(1, 2, ev));
    CALL(syscall(SYS_io_cancel, ctx, &b + 1, ev));
    CALL(syscall(SYS_io_cancel, ctx, NULL, NULL)); /* is looked at before the context */
    CALL(syscall(SYS_io_cancel, 0, NULL, NULL));
}

static void on_alarm(int sig)
{
    (void)sig;
}

/* The mask of io_pgetevents is in force while it waits, and only then. */
static void masked(void)
{
    struct sigaction sa = { .sa_handler = on_alarm };
    uint64_t none = 0, set = 1ull << (SIGUSR1 - 1), now = 1;
    struct {
        void *mask;
        size_t size;
    } sig = { &none, 8 };
    struct io_event ev;

    sigaction(SIGUSR1, &sa, NULL);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
    raise(SIGUSR1);
    CALL(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, NULL, &sig));
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8);
    FACT(now & set);
    sig.size = 4;
    CALL(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, &at_once, &sig));
    CALL(syscall(SYS_io_pgetevents, ctx, 0, 1, &ev, &at_once, NULL));
}

int main(void)
{
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    pid_t pid;

    CALL(syscall(SYS_io_setup, 200, &ctx));
    files(fd);
    bad(fd);
    many(fd);
    waiting();
    masked();
    fflush(stdout);
    pid = fork();
    if (pid == 0) { /* has no context */
        CALL(events(0, 1, NULL));
        CALL(syscall(SYS_io_destroy, ctx));
        ctx = 0;
        CALL(syscall(SYS_io_setup, 4, &ctx));
        files(fd);
        fflush(stdout);
        _exit(0);
    }
    guest_wait("child", pid);
    CALL(syscall(SYS_io_destroy, ctx));
    CALL(syscall(SYS_io_destroy, ctx));
    CALL(events(0, 1, NULL));
    return 0;
}
