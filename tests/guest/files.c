/* Files and folders: stat in its forms, links, renames, listings, times, truncation, permissions, errors. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>

#include "guest.h"

static void list(const char *path)
{
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);

    printf("%s:", path);
    for (int i = 0; i < n; i++)
        printf(" %s(%d)", entry[i]->d_name, entry[i]->d_type);
    printf("\n");
}

static void show_stat(const char *path, int flags)
{
    struct stat st;
    struct statx sx;

    if (fstatat(AT_FDCWD, path, &st, flags) < 0) {
        printf("%s: %s\n", path, strerrorname_np(errno));
        return;
    }
    printf("%s: mode %o links %d size %lld blksize %d mtime %lld.%09ld", path, st.st_mode, (int)st.st_nlink,
           S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size, (int)st.st_blksize,
           (long long)(st.st_mtime < 2000000000 && st.st_mtime > 1600000000 ? 0 : st.st_mtime),
           st.st_mtim.tv_nsec == 5 ? 5L : 0L);
    if (statx(AT_FDCWD, path, flags, STATX_BASIC_STATS, &sx) == 0)
        printf(" statx agrees %d", sx.stx_ino == st.st_ino && sx.stx_mode == st.st_mode &&
                                       sx.stx_nlink == st.st_nlink && sx.stx_uid == st.st_uid &&
                                       sx.stx_size == (uint64_t)st.st_size &&
                                       makedev(sx.stx_dev_major, sx.stx_dev_minor) == st.st_dev);
    printf("\n");
}

/* An int in a register has no upper half. */
static void narrow(void)
{
    char text[16] = "";

    CALL(symlink("target", "narrow"));
    CALL(syscall(SYS_readlinkat, AT_FDCWD, "narrow", text, ((long)1 << 32) + sizeof text));
    CALL(syscall(SYS_readlinkat, AT_FDCWD, "narrow", text, ((long)1 << 32)));
    CALL(syscall(SYS_readlinkat, AT_FDCWD, "narrow", text, -1L));
    CALL(syscall(SYS_fchdir, ((long)1 << 32) + 99));
    puts(text);
}

int main(void)
{
    struct timespec times[2] = { { 1234567890, 5 }, { 2345678901, 5 } };
    char text[64] = "";
    struct statfs fs;
    struct stat st;
    int dir, fd, other;

    umask(022);
    CALL(mkdir("dir", 0777));
    CALL(mkdir("dir", 0777));
    dir = open("dir", O_RDONLY | O_DIRECTORY);
    FACT(dir >= 0);
    fd = openat(dir, "a", O_RDWR | O_CREAT, 0666);
    FACT(fd >= 0);
    CALL(write(fd, "hello, file", 11));
    CALL(ftruncate(fd, 5));
    CALL(pread(fd, text, 20, 1));
    puts(text);
    CALL(pwrite(fd, "!", 1, 8191));
    CALL(fallocate(fd, 0, 0, 10000) == 0 || errno == EOPNOTSUPP);
    CALL(ftruncate(fd, 8192));
    CALL(fsync(fd));
    CALL(futimens(fd, times));
    show_stat("dir/a", 0);
    CALL(linkat(dir, "a", dir, "hard", 0));
    CALL(symlinkat("a", dir, "soft"));
    CALL(symlink("nowhere", "dir/dangling"));
    show_stat("dir/soft", 0);
    show_stat("dir/soft", AT_SYMLINK_NOFOLLOW);
    show_stat("dir/dangling", 0);
    show_stat("dir", 0);
    memset(text, 0, sizeof(text));
    CALL(readlink("dir/soft", text, sizeof(text)));
    puts(text);
    CALL(readlinkat(dir, "dangling", text, 3));
    CALL(readlink("dir/a", text, sizeof(text)));
    list("dir");
    CALL(renameat(dir, "hard", AT_FDCWD, "moved"));
    CALL(rename("missing", "x"));
    CALL(renameat2(AT_FDCWD, "moved", dir, "a", RENAME_NOREPLACE));
    CALL(rename("dir", "moved"));
    CALL(rmdir("dir"));
    CALL(unlink("dir"));
    CALL(unlinkat(dir, "soft", 0));
    CALL(mkfifoat(dir, "fifo", 0640));
    show_stat("dir/fifo", 0);
    list("dir");
    CALL(access("dir/a", R_OK | W_OK));
    CALL(access("dir/none", F_OK));
    CALL(faccessat(dir, "a", X_OK, AT_EACCESS) == (getuid() ? -1 : -1));
    CALL(fchmod(fd, 0751));
    CALL(fchmodat(AT_FDCWD, "dir/fifo", 04600, 0));
    show_stat("dir/a", 0);
    CALL(chdir("dir"));
    FACT(getcwd(text, sizeof(text)) || errno == ERANGE);
    show_stat("a", 0);
    CALL(fchdir(dir));
    CALL(chdir(".."));
    CALL(open("dir/a/b", O_RDONLY));
    CALL(open("dir", O_WRONLY));
    CALL(open("dir/a", O_RDONLY | O_DIRECTORY));
    CALL(open("dir/dangling", O_RDONLY | O_NOFOLLOW));
    CALL(open("", O_RDONLY));
    CALL(open((const char *)8, O_RDONLY));
    CALL(openat(fd, "x", O_RDONLY));
    CALL(openat(99, "x", O_RDONLY));
    CALL(fstatat(fd, "", &st, AT_EMPTY_PATH));
    SHOW(st.st_size);
    CALL(truncate("dir/a", -1));
    CALL(truncate("dir/a", 3));
    other = open("dir/a", O_WRONLY | O_APPEND);
    CALL(lseek(other, 0, SEEK_SET));
    CALL(write(other, "DEF", 3));
    memset(text, 0, sizeof(text));
    struct iovec v[2] = { { text, 2 }, { text + 10, 10 } };
    CALL(lseek(fd, 0, SEEK_SET));
    CALL(readv(fd, v, 2));
    printf("%s %s\n", text, text + 10);
    CALL(flock(fd, LOCK_EX | LOCK_NB));
    CALL(flock(other, LOCK_EX | LOCK_NB));
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
    CALL(fcntl(fd, F_SETLK, &lock));
    CALL(fcntl(other, F_GETLK, &lock));
    SHOW(lock.l_type == F_UNLCK);
    CALL(copy_file_range(fd, &(off64_t){ 0 }, other, NULL, 2, 0) == -1 && errno == EBADF);
    CALL(statfs(".", &fs));
    FACT(fs.f_bsize > 0 && fs.f_namelen == 255);
    CALL(getxattr("dir/a", "user.none", text, sizeof(text)) == -1 &&
         (errno == ENODATA || errno == EOPNOTSUPP));
    memset(text, 'n', sizeof(text));
    char name[300];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    CALL(open(name, O_CREAT | O_WRONLY, 0600));
    CALL(symlink("loop", "loop"));
    CALL(open("loop", O_RDONLY));
    FACT(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    FILE *f = fopen("lines", "w+");
    for (int i = 0; i < 3000; i++)
        fprintf(f, "line %d\n", i);
    rewind(f);
    int lines = 0;
    while (fgets(name, sizeof(name), f))
        lines++;
    SHOW(lines);
    SHOW(ftell(f));
    DIR *many;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "dir/file-with-a-long-name-%03d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    lines = 0;
    many = opendir("dir");
    while (readdir(many))
        lines++;
    SHOW(lines);
    narrow();
    return 0;
}
