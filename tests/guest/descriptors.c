/* Descriptors: lowest number first, dup in all forms, close-on-exec, shared offsets, limits, bad numbers. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "guest.h"

int main(void)
{
    char text[16] = "";
    struct rlimit r;
    struct stat st;
    int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0600), a, b, pipes[2];

    SHOW(fd);
    CALL(open("file", O_RDWR | O_CREAT | O_EXCL, 0600));
    CALL(dup(fd));
    CALL(close(3));
    fd = 4;
    CALL(open("/dev/null", O_RDONLY));
    CALL(dup2(fd, 50));
    CALL(dup2(fd, fd));
    CALL(dup2(77, 5));
    CALL(dup3(fd, fd, 0));
    CALL(dup3(fd, 51, O_CLOEXEC));
    CALL(fcntl(51, F_GETFD));
    CALL(fcntl(50, F_GETFD));
    CALL(fcntl(4, F_DUPFD, 20));
    CALL(fcntl(4, F_DUPFD_CLOEXEC, 20));
    CALL(fcntl(21, F_GETFD));
    CALL(write(4, "0123456789", 10));
    CALL(lseek(50, 0, SEEK_CUR));
    CALL(pwrite(50, "AB", 2, 4));
    CALL(lseek(4, 3, SEEK_SET));
    CALL(read(20, text, 5));
    puts(text);
    CALL(lseek(4, -1, SEEK_SET));
    CALL(lseek(4, 100, SEEK_END));
    CALL(lseek(4, 0, 99));
    CALL(fcntl(4, F_GETFL) & O_ACCMODE);
    CALL(fcntl(4, F_SETFL, O_APPEND | O_NONBLOCK));
    FACT((fcntl(50, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
    CALL(write(4, "end", 3));
    CALL(fstat(4, &st));
    SHOW(st.st_size);
    CALL(pipe2(pipes, O_CLOEXEC | O_NONBLOCK));
    CALL(read(pipes[0], text, 1));
    CALL(fcntl(pipes[0], F_GETPIPE_SZ));
    CALL(lseek(pipes[0], 0, SEEK_SET));
    CALL(pread(pipes[0], text, 1, 0));
    a = fcntl(pipes[1], F_GETFD);
    b = fcntl(pipes[1], F_GETFL);
    printf("%d %o\n", a, (unsigned)b);
    struct iovec v[3] = { { text, 2 }, { NULL, 0 }, { text + 5, 3 } };
    CALL(preadv(50, v, 3, 0));
    printf("%.2s %.3s\n", text, text + 5);
    CALL(writev(pipes[1], v, 3));
    CALL(readv(pipes[0], v, 2));
    v[0].iov_len = (size_t)-1;
    CALL(readv(50, v, 3));
    CALL(readv(50, v, 5000));
    CALL(readv(50, v, -1));
    CALL(read(50, text, 0));
    CALL(close(-1));
    CALL(close(12345));
    CALL(read(-1, text, 1));
    CALL(write(1 << 30, text, 1));
    CALL(getrlimit(RLIMIT_NOFILE, &r));
    r.rlim_cur = 60;
    CALL(setrlimit(RLIMIT_NOFILE, &r));
    CALL(dup2(fd, 60));
    CALL(dup2(fd, 59));
    while ((a = dup(fd)) >= 0)
        b = a;
    SHOW(errno == EMFILE);
    SHOW(b);
    CALL(getrlimit(RLIMIT_NOFILE, &r));
    SHOW(r.rlim_cur);
    return 0;
}
