/* Data moved by the kernel alone, and files that are none: sendfile, splice, tee, memfd, seals, inotify, getdents. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest.h"

int main(void)
{
    char text[256] = "", events[4096];
    int file = open("from", O_RDWR | O_CREAT, 0600), to = open("to", O_RDWR | O_CREAT, 0600), fd[2], other[2];
    off_t off = 3;
    struct inotify_event *e = (void *)events;

    CALL(write(file, "0123456789abcdef", 16));
    CALL(sendfile(to, file, &off, 5));
    SHOW(off);
    lseek(file, 0, SEEK_SET);
    CALL(sendfile(to, file, NULL, 100));
    CALL(pread(to, text, sizeof(text), 0));
    puts(text);
    CALL(sendfile(to, 99, NULL, 1));
    CALL(sendfile(to, file, (off_t *)8, 1));
    CALL(pipe(fd));
    CALL(pipe(other));
    off = 0;
    CALL(splice(file, &off, fd[1], NULL, 6, 0));
    CALL(tee(fd[0], other[1], 4, 0));
    CALL(splice(fd[0], NULL, to, NULL, 6, SPLICE_F_MOVE));
    CALL(read(other[0], text, 10));
    CALL(write(fd[1], "nine more", 9));
    CALL(ioctl(fd[0], FIONREAD, &file) == 0 && file == 9);
    off = 0;
    file = open("from", O_RDWR);
    CALL(copy_file_range(file, &off, to, NULL, 4, 0));
    CALL(lseek(to, 0, SEEK_END));

    int mem = memfd_create("box", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CALL(ftruncate(mem, 4096));
    CALL(fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    CALL(ftruncate(mem, 10));
    CALL(fcntl(mem, F_GET_SEALS));
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
    strcpy(p, "in memory");
    CALL(read(mem, text, 20));
    puts(text);
    CALL(readlink("/proc/self/fd/99", text, sizeof(text)));
    memset(text, 0, sizeof(text));
    snprintf(events, sizeof(events), "/proc/self/fd/%d", mem);
    CALL(readlink(events, text, sizeof(text)));
    puts(text);

    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CALL(inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE));
    close(open("seen", O_CREAT | O_WRONLY, 0600));
    unlink("seen");
    CALL(read(watch, events, sizeof(events)));
    printf("%x %s\n", e->mask, e->name);
    e = (void *)(events + sizeof(*e) + e->len);
    printf("%x %s\n", e->mask, e->name);
    CALL(read(watch, events, sizeof(events)));

    int dir = open(".", O_RDONLY | O_DIRECTORY);
    CALL(syscall(SYS_getdents64, dir, events, 10));
    FACT(syscall(SYS_getdents64, dir, events, sizeof(events)) > 0);
    CALL(syscall(SYS_getdents64, dir, events, sizeof(events)));
    CALL(syscall(SYS_getdents64, dir, 8, sizeof(events)));
    CALL(syscall(SYS_getdents64, to, events, sizeof(events)));
    CALL(ioctl(to, TCGETS, events));
    CALL(isatty(to) == 0 && errno == ENOTTY);
    CALL(fallocate(to, FALLOC_FL_KEEP_SIZE, 0, 8192));
    CALL(sync_file_range(to, 0, 0, SYNC_FILE_RANGE_WRITE));
    CALL(posix_fadvise(to, 0, 0, POSIX_FADV_SEQUENTIAL));
    CALL(close_range(3, ~0u, 0));
    CALL(fcntl(to, F_GETFD));
    return 0;
}
