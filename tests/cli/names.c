/*
 * "names DIR SEED": changes what few names in a folder mean, at random, tells each outcome and all that is there in the end.
 * "names DIR SEED quietly" says nothing, and makes no hard links, which are no more than files where there are two layers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STEPS = 120, NOREPLACE = 1, EXCHANGE = 2 };

static uint64_t state;
static int quiet;

static unsigned draw(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static void draw_path(char path[16])
{
    int n = 0;

    for (unsigned depth = 1 + draw(3); depth; depth--) {
        path[n++] = "abc"[draw(3)];
        path[n++] = '/';
    }
    path[n - (draw(12) != 0)] = '\0';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names are short. */
static void tree(const char *at)
{
    char names[16][256], path[512], text[256];
    DIR *d = opendir(at);
    struct dirent *e;
    struct stat st;
    int n = 0, fd;

    while (d && (e = readdir(d)) && n < 16)
        if (*e->d_name != '.')
            snprintf(names[n++], sizeof *names, "%s", e->d_name);
    if (d)
        closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        ssize_t len = 0;

        snprintf(path, sizeof path, "%.200s/%.200s", at, names[i]);
        lstat(path, &st);
        if (S_ISLNK(st.st_mode)) {
            len = readlink(path, text, sizeof text);
        } else if (S_ISREG(st.st_mode)) {
            fd = open(path, O_RDONLY);
            len = read(fd, text, sizeof text);
            close(fd);
        }
        printf("%s %o %.*s\n", path, st.st_mode, (int)(len > 0 ? len : 0), text);
        if (S_ISDIR(st.st_mode))
            tree(path);
    }
}

static int put(const char *path, int flags, int step)
{
    char text[16];
    int fd = open(path, flags, 0644), n = snprintf(text, sizeof text, "%d,", step);

    if (fd >= 0 && write(fd, text, (size_t)n) != n)
        printf("cannot write\n");
    return fd < 0 ? -1 : close(fd);
}

static int stat_it(const char *path)
{
    struct stat st;
    int r = stat(path, &st);

    if (r == 0 && !quiet)
        printf("%o ", st.st_mode);
    return r;
}

static int change(int step, unsigned what, const char *a, const char *b)
{
    switch (what) {
    case 0:
        return put(a, O_WRONLY | O_CREAT | O_TRUNC, step);
    case 1:
        return put(a, O_WRONLY | O_CREAT | O_APPEND, step);
    case 2:
        return put(a, O_RDWR | O_APPEND, step);
    case 3:
        return put(a, O_WRONLY | O_CREAT | O_EXCL, step);
    case 4:
        return truncate(a, step % 4);
    case 5:
        return unlink(a);
    case 6:
        return rmdir(a);
    case 7:
        return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE);
    case 8:
        return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, NOREPLACE);
    case 9:
        return quiet ? 0 : link(a, b);
    case 10:
        return symlink(b, a);
    case 11:
        return chmod(a, step & 1 ? 0755 : 0700);
    case 12:
        return stat_it(a);
    case 13:
    case 14:
    case 15:
        return rename(a, b);
    default:
        return mkdir(a, step & 1 ? 0755 : 0711);
    }
}

int main(int argc, char **argv)
{
    char a[16], b[16];

    if (argc < 3 || chdir(argv[1]) < 0)
        return 2;
    umask(022);
    state = strtoul(argv[2], NULL, 10);
    quiet = argc > 3;
    for (int i = 0; i < STEPS; i++) {
        unsigned what = draw(19);
        int r;

        draw_path(a);
        draw_path(b);
        r = change(i, what, a, b);
        if (!quiet)
            printf("%d: %u %s %s: %s\n", i, what, a, b, r < 0 ? strerrorname_np(errno) : "ok");
    }
    if (!quiet)
        tree(".");
    return 0;
}
