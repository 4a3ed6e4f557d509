/*
 * Names, files and folders in the folder that is given, made as a plain one by "layers DIR make", then changed in many ways
 * by "layers DIR": what it prints is the same wherever the folder is, and however it came about.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SAY(call) say(#call, (call))

static void say(const char *what, long r)
{
    printf("%s = %s\n", what, r < 0 ? strerrorname_np(errno) : "ok");
    errno = 0;
}

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("cannot write %s: %s\n", name, strerrorname_np(errno));
    close(fd);
}

static void get(const char *name)
{
    char text[64] = "";
    int fd = open(name, O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        snprintf(text, sizeof text, "%s", strerrorname_np(errno));
    printf("%s: %s\n", name, text);
    close(fd);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything below, with types, modes, sizes, links' targets. */
static void tree(const char *at)
{
    char *names[1000], path[4096], link[256];
    DIR *d = opendir(at);
    struct dirent *e;
    struct stat st;
    int n = 0, dots = 0;

    while (d && (e = readdir(d)) && n < 1000)
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            dots++;
        else if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                 IFTODT(st.st_mode) != e->d_type || (!S_ISREG(st.st_mode) && st.st_ino != e->d_ino))
            printf("%s/%s is not what it is listed as\n", at, e->d_name);
        else
            names[n++] = strdup(e->d_name);
    printf("%s: %d and %d\n", at, n, dots);
    if (d)
        closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", at, names[i]);
        lstat(path, &st);
        memset(link, 0, sizeof link);
        if (S_ISLNK(st.st_mode) && readlink(path, link, sizeof link - 1) < 0)
            printf("no link: ");
        printf("%s %o %d %s\n", path, st.st_mode, S_ISREG(st.st_mode) ? (int)st.st_size : 0, link);
        if (S_ISDIR(st.st_mode))
            tree(path);
        free(names[i]);
    }
}

static void make(void)
{
    char name[64];

    umask(022);
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "d%d", i);
        mkdir(name, 0755);
        snprintf(name, sizeof name, "d%d/sub", i);
        mkdir(name, 0750);
        snprintf(name, sizeof name, "d%d/sub/deep", i);
        mkdir(name, 0755);
        snprintf(name, sizeof name, "d%d/sub/deep/leaf", i);
        put(name, name);
        snprintf(name, sizeof name, "f%d", i);
        put(name, name);
        snprintf(name, sizeof name, "e%d", i);
        mkdir(name, 0700);
    }
    mkdir("many", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        put(name, "x");
    }
    mkdir("pair", 0755); /* two names that have one position in the listing of a folder in two layers */
    put("pair/dc9h", "1");
    put("pair/hbjp", "2");
    mkdir("x1", 0755);
    mkdir("x2", 0755);
    put("x1/one", "1");
    put("x2/two", "2");
    symlink("f1", "tofile");
    symlink("d1/sub", "tofolder");
    symlink("nowhere", "dangling");
    mkfifo("fifo", 0640);
    setxattr("f8", "user.color", "red", 3, 0);
    chmod("f7", 0444);
    mkdir("closed", 0755);
    put("closed/inside", "text");
    chmod("closed", 0555);
}

static void files(void)
{
    struct stat st, before;
    struct statx stx;
    char text[16] = "";
    int old = open("f0", O_RDONLY), fd;
    char *map;

    SAY(fd = open("f0", O_WRONLY | O_APPEND));
    SAY(write(fd, "+", 1));
    get("f0");
    SAY(pread(old, text, 2, 0));
    SAY(open("f0", O_WRONLY | O_CREAT | O_EXCL, 0600));
    SAY(open("f0/x", O_WRONLY | O_CREAT, 0600));
    SAY(open("d0", O_WRONLY));
    SAY(open("d0", O_RDONLY | O_CREAT, 0600));
    SAY(open("none/x", O_WRONLY | O_CREAT, 0600));
    SAY(truncate("f1", 1));
    get("tofile");
    stat("d5", &before); /* what is written to a file in it does not change a folder */
    put("d5/sub/deep/leaf", "leaf");
    SAY(chmod("d5/sub/deep", 0700));
    stat("d5", &st);
    printf("d5 is the same: %d\n", st.st_ino == before.st_ino && st.st_dev == before.st_dev &&
                                       st.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                                       st.st_mode == before.st_mode &&
                                       st.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    SAY(fd = open("d5", O_RDONLY));
    fstat(fd, &st);
    printf("d5 is open: %d\n", st.st_ino == before.st_ino && st.st_dev == before.st_dev);
    syscall(SYS_fstat, fd, &st);
    printf("d5 is still open: %d\n", st.st_ino == before.st_ino && st.st_dev == before.st_dev);
    statx(AT_FDCWD, "d5", 0, STATX_INO, &stx);
    printf("d5 is itself: %d\n",
           stx.stx_ino == before.st_ino && makedev(stx.stx_dev_major, stx.stx_dev_minor) == before.st_dev);
    statx(fd, "", AT_EMPTY_PATH, STATX_INO, &stx);
    printf("d5 is itself: %d\n",
           stx.stx_ino == before.st_ino && makedev(stx.stx_dev_major, stx.stx_dev_minor) == before.st_dev);
    SAY(unlink("d5/sub/deep/leaf")); /* but what goes does */
    stat("d5/sub/deep", &st);
    printf("deep has changed: %d\n",
           st.st_mtim.tv_sec >= before.st_mtim.tv_sec && st.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
    SAY(fd = open("tofile", O_RDWR | O_TRUNC));
    SAY(write(fd, "through", 7));
    get("f1");
    SAY(open("tofile", O_WRONLY | O_NOFOLLOW));
    SAY(fd = open("dangling", O_WRONLY | O_CREAT, 0600));
    get("nowhere");
    SAY(fd = open("d0/sub/deep/leaf", O_RDWR));
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    map[0] = 'D';
    get("d0/sub/deep/leaf");
    SAY(chmod("f2", 0600));
    SAY(chmod("d0/sub", 0700));
    SAY(chown("f3", getuid(), getgid()));
    SAY(utimensat(AT_FDCWD, "f4", (struct timespec[]){ { 1, 2 }, { 3, 4 } }, 0));
    SAY(utimensat(AT_FDCWD, "tofolder", (struct timespec[]){ { 1, 2 }, { 5, 6 } }, AT_SYMLINK_NOFOLLOW));
    stat("f4", &st);
    printf("%ld.%ld\n", (long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    lstat("tofolder", &st);
    printf("%ld.%ld\n", (long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    SAY(open("f7", O_WRONLY | O_TRUNC)); /* what is refused changes nothing */
    SAY(open("f7/", O_WRONLY | O_CREAT | O_TRUNC, 0600));
    get("f7");
    SAY(chmod("f7", 0644));
    SAY(open("f7", O_WRONLY));
    SAY(fd = open("closed/inside", O_WRONLY));
    SAY(write(fd, "T", 1));
    SAY(open("closed/new", O_WRONLY | O_CREAT, 0600));
    SAY(unlink("closed/inside"));
    SAY(rename("closed/inside", "moved"));
    SAY(rmdir("closed"));
    /* by descriptors that were opened to be read */
    SAY(fd = open("f5", O_RDONLY));
    SAY(lseek(fd, 1, SEEK_SET));
    SAY(fchmod(fd, 0640));
    SAY(fstat(fd, &st));
    printf("%o\n", st.st_mode);
    SAY(read(fd, text, 1));
    printf("%.1s\n", text);
    SAY(futimens(fd, (struct timespec[]){ { 1, 0 }, { 7, 0 } }));
    stat("f5", &st);
    printf("%o %ld\n", st.st_mode, (long)st.st_mtime);
    SAY(fd = open("d2", O_RDONLY | O_DIRECTORY));
    SAY(fchmod(fd, 0700));
    SAY(fchown(fd, getuid(), getgid()));
    SAY(mkdirat(fd, "made", 0711));
    SAY(fd = open("f8", O_PATH));
    SAY(fchmod(fd, 0600));
    SAY(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
    SAY(setxattr("f8", "user.shape", "round", 5, 0));
    SAY(getxattr("f8", "user.color", text, sizeof text));
    printf("%.3s\n", text);
    SAY(fsetxattr(open("f8", O_RDONLY), "user.color", "blue", 4, 0));
    SAY(removexattr("f8", "user.shape"));
    printf("%ld\n", (long)listxattr("f8", NULL, 0));
    SAY(fd = open("d0", O_TMPFILE | O_RDWR, 0600));
    SAY(write(fd, "unnamed", 7));
    SAY(open("d3/sub/", O_TMPFILE | O_RDWR, 0600));
}

static void names(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "socket" };
    int s = socket(AF_UNIX, SOCK_STREAM, 0);

    SAY(unlink("none"));
    SAY(unlink("d0"));
    SAY(rmdir("d0"));
    SAY(rmdir("f0"));
    SAY(unlink("f0/"));
    SAY(unlink("tofolder/"));
    SAY(rmdir("tofolder/"));
    SAY(rename("tofolder/", "x"));
    SAY(mkdir("f1/", 0700));
    SAY(mkdir("dangling/", 0700));
    SAY(mkdir("slash/", 0700));
    SAY(rmdir("slash/"));
    SAY(symlink("x", "new/"));
    SAY(link("f1", "new/"));
    SAY(link("f1/", "new"));
    SAY(open("f1/", O_RDONLY));
    SAY(open("f1/", O_WRONLY | O_CREAT, 0600));
    SAY(open("tofolder/", O_RDONLY | O_NOFOLLOW));
    SAY(access("f1/", F_OK));
    SAY(chmod("f1/", 0600));
    SAY(unlink("f0"));
    SAY(unlink("f0"));
    SAY(access("f0", F_OK));
    put("f0", "new");
    get("f0");
    SAY(rmdir("e0"));
    SAY(mkdir("e0", 0711));
    SAY(mkdir("e0", 0711));
    SAY(mkdir("f1", 0711));
    SAY(symlink("x", "f1"));
    SAY(mknod("f1", S_IFREG | 0600, 0));
    SAY(mknod("pipe2", S_IFIFO | 0600, 0));
    SAY(bind(s, (void *)&un, sizeof un));
    SAY(bind(s, (void *)&un, sizeof un));
    SAY(link("f1", "hard"));
    SAY(link("tofile", "hardlink"));
    SAY(link("f1", "f2"));
    SAY(link("d1", "hardfolder"));
    SAY(linkat(AT_FDCWD, "tofile", AT_FDCWD, "hard2", AT_SYMLINK_FOLLOW));
    put("hard", "linked");
    get("f1");
    get("hard2");
    SAY(rename("f1", "f2"));
    SAY(rename("f2", "d1"));
    SAY(rename("d1", "f2"));
    SAY(rename("d1", "d2"));
    SAY(rename("d1", "d1/sub/in"));
    SAY(rename("d1/sub", "d1"));
    SAY(rename("f2", "none/x"));
    SAY(rename("none", "x"));
    SAY(rename("f3", "f3"));
    SAY(rename("f3/", "x"));
    SAY(rename("f3", "d3/sub/f3"));
    SAY(rename("d1", "e1"));
    SAY(rename("e2/", "e3/"));
    SAY(rename("d4", "gone/"));
    SAY(renameat2(AT_FDCWD, "e4", AT_FDCWD, "e5", 1 /* RENAME_NOREPLACE */));
    SAY(renameat2(AT_FDCWD, "e4", AT_FDCWD, "e9", 1));
    SAY(renameat2(AT_FDCWD, "d5", AT_FDCWD, "f5", 2 /* RENAME_EXCHANGE */));
    SAY(renameat2(AT_FDCWD, "d6", AT_FDCWD, "d7", 2));
    SAY(renameat2(AT_FDCWD, "x1", AT_FDCWD, "x2", 2));
    put("d6/sub/deep/leaf2", "x");
    SAY(unlink("d7/sub/deep/leaf"));
    SAY(rmdir("d7/sub/deep"));
    SAY(rename("d7/sub", "e6"));
    SAY(mkdir("d7/sub", 0700));
    SAY(rename("fifo", "fifo2"));
    SAY(rename("tofolder", "tofolder2"));
    SAY(chdir("d8/sub"));
    SAY(rename("../sub/deep", "../../deep"));
    SAY(unlink("../../deep/leaf"));
    SAY(rmdir("../../deep"));
    SAY(mkdir("../../deep", 0700));
    SAY(chdir(".."));
    SAY(rmdir("sub"));
    SAY(mkdir("sub", 0711));
    SAY(chdir(".."));
    SAY(mkdir("d8", 0700));
    SAY(rmdir("d8"));
}

/* A folder is read in pieces that hold two names, or that start anew after each. */
static void small(void)
{
    int fd = open("pair", O_RDONLY), n = 0, again = 0;
    char buf[64];
    DIR *d = opendir("pair");
    struct dirent *e;
    long r;

    close(open("pair/more", O_WRONLY | O_CREAT, 0600));
    while ((r = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0)
        for (long at = 0; at < r; at += ((struct dirent *)(buf + at))->d_reclen)
            n++;
    printf("in small pieces: %d\n", n);
    close(fd);
    for (int i = 0; i < 20 && (e = readdir(d));
         i++) { /* a position between two that are one is before both */
        again |= strcmp(e->d_name, "dc9h") == 0 ? 1 : strcmp(e->d_name, "hbjp") == 0 ? 2 : 0;
        if (i < 10)
            seekdir(d, telldir(d));
    }
    printf("both: %d\n", again);
    closedir(d);
}

/* A long folder is read in pieces, while names come and go; a position found again; a second reader. */
static void listing(void)
{
    static char seen[400];
    DIR *d = opendir("many");
    struct dirent *e;
    long at = -1;
    char next[256] = "", name[300];
    int n = 0, twice = 0, missed = 0;

    for (int i = 0; (e = readdir(d)); i++) {
        if (*e->d_name != '.' && *e->d_name != 'n') {
            twice += seen[atoi(e->d_name)]++;
            n++;
        }
        if (i == 20) {
            at = telldir(d);
            e = readdir(d);
            snprintf(next, sizeof next, "%s", e->d_name);
            seekdir(d, at);
        }
        if (i >= 100 && i < 130) { /* what has been seen goes, something new comes */
            if (*e->d_name != 'n') {
                snprintf(name, sizeof name, "many/%s", e->d_name);
                unlink(name);
            }
            snprintf(name, sizeof name, "many/new%d", i);
            put(name, "y");
        }
    }
    for (int i = 0; i < 300; i++)
        missed += !seen[i];
    printf("%d entries, %d twice, %d missed\n", n, twice, missed);
    seekdir(d, at);
    e = readdir(d);
    printf("again: %d\n", e && strcmp(e->d_name, next) == 0);
    rewinddir(d);
    for (n = 0; readdir(d);)
        n++;
    printf("%d\n", n > 270);
    closedir(d);
    printf("%ld\n", syscall(SYS_getdents64, open("many", O_RDONLY), name, 8) < 0 ? (long)errno : 0);
}

/* Processes and threads change the same names at once. Nothing is lost, and nothing comes back. */
static void *appends(void *arg)
{
    for (int i = 0; i < 50; i++) {
        int fd = open("e7/log", O_WRONLY | O_APPEND);

        if (fd < 0 || write(fd, "x", 1) != 1)
            printf("append: %s\n", strerrorname_np(errno));
        close(fd);
    }
    return arg;
}

static void at_once(void)
{
    struct stat st;
    int won = 0, status;
    pthread_t t;

    put("e7/log", "");
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            pthread_create(&t, NULL, appends, NULL);
            appends(NULL);
            pthread_join(t, NULL);
            exit(0);
        }
    while (wait(&status) > 0)
        ;
    stat("e7/log", &st);
    printf("%d bytes\n", (int)st.st_size);
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            int wins = 0;
            char name[32];

            for (int k = 30; k < 100; k++) {
                snprintf(name, sizeof name, "many/%d", k);
                close(open(name, O_WRONLY));
                wins += unlink(name) == 0;
                close(open(name, O_WRONLY));
            }
            exit(wins);
        }
    while (wait(&status) > 0)
        won += WEXITSTATUS(status);
    for (int k = 30; k < 100; k++) {
        char name[32];

        snprintf(name, sizeof name, "many/%d", k);
        if (access(name, F_OK) == 0)
            printf("%s is back\n", name);
    }
    printf("each once: %d\n", won <= 70 && won >= 40);
    for (int k = 0; k < 300; k++) { /* which of them are left is chance */
        char name[32];

        snprintf(name, sizeof name, "many/%d", k);
        unlink(name);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || chdir(argv[1]) < 0)
        return 2;
    umask(022);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2)
        make();
    if (argc != 3) {
        tree(".");
        files();
        tree(".");
        names();
        tree(".");
        small();
        listing();
        at_once();
        return chmod("closed", 0755) < 0;
    }
    return 0;
}
