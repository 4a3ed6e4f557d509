/* /proc/self/smaps and pagemap: how much of a mapping is in memory, by every road to it, and the sums of smaps_rollup. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "guest.h"

#define PAGE 4096ul

static char text[1 << 18];

static const char *contents(int dirfd, const char *path)
{
    int fd = openat(dirfd, path, O_RDONLY);
    size_t len = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

/* The entry of the mapping that starts at p. */
static const char *entry(const char *path, const void *p)
{
    char start[32];
    const char *at;

    snprintf(start, sizeof start, "%08" PRIxPTR "-", (uintptr_t)p);
    at = strstr(contents(AT_FDCWD, path), start);
    return at ? at : "";
}

static long field(const char *from, const char *key)
{
    char line[40];
    const char *at;

    snprintf(line, sizeof line, "\n%s:", key);
    at = strstr(from, line);
    return at ? strtol(at + strlen(line), NULL, 10) : -1;
}

static void show(const char *what, const char *path, const void *p)
{
    const char *e = entry(path, p), *flags = strstr(e, "\nVmFlags: ");

    printf("%s: size %ld, page %ld, rss %ld, anonymous %ld, locked %ld, %.9s\n", what, field(e, "Size"),
           field(e, "KernelPageSize"), field(e, "Rss"), field(e, "Anonymous"), field(e, "Locked"),
           flags ? flags + 10 : "no flags");
}

/* Pages with nothing next to them. */
static char *alone(size_t pages, int prot, int flags, int fd)
{
    char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(p, (pages + 2) * PAGE);
    p = mmap(p + PAGE, pages * PAGE, prot, flags | MAP_FIXED, fd, 0);
    madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
    return p;
}

/* Which of the pages are there. */
static void present(const char *what, int fd, const char *p, size_t pages, int by_position)
{
    uint64_t entry[64] = { 0 };
    off_t at = (off_t)((uintptr_t)p / PAGE * 8);

    if (by_position) {
        FACT(lseek(fd, at, SEEK_SET) == at);
        for (size_t i = 0; i < pages; i++)
            if (read(fd, &entry[i], 8) != 8)
                printf("short ");
        FACT(lseek(fd, 0, SEEK_CUR) == at + (off_t)pages * 8);
    } else {
        SHOW(pread(fd, entry, pages * 8, at));
    }
    printf("%s: ", what);
    for (size_t i = 0; i < pages; i++)
        putchar(entry[i] >> 63 ? 'x' : '.');
    putchar('\n');
}

static void pagemap(void)
{
    int fd = open("/proc/self/pagemap", O_RDONLY), other;
    char *p = alone(16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), c[16];

    present("none", fd, p, 16, 0);
    p[2 * PAGE] = p[3 * PAGE] = p[9 * PAGE] = 1;
    present("three", fd, p, 16, 1);
    other = dup(fd);
    close(fd);
    munmap(p + 3 * PAGE, PAGE);
    present("two", other, p, 16, 0);
    CALL(pread(other, c, 4, 0));
    CALL(pread(other, c, 8, 4));
    CALL(pread(other, (void *)8, 8, 0));
    CALL(pread(other, c, 8, -8));
    close(other);
    munmap(p, 16 * PAGE);
}

int main(void)
{
    int fd = memfd_create("shared", 0), self = open("/proc/self", O_RDONLY | O_DIRECTORY);
    char *p = alone(64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), *q, path[64];
    long before, after;

    show("untouched", "/proc/self/smaps", p);
    memset(p + 5 * PAGE, 1, 16 * PAGE);
    snprintf(path, sizeof path, "/proc/%d/task/%d/smaps", (int)getpid(), (int)gettid());
    show("written", path, p);
    CALL(mlock(p, 8 * PAGE));
    CALL(munlock(p, 8 * PAGE));
    CALL(madvise(p + 5 * PAGE, 4 * PAGE, MADV_DONTNEED));
    show("some given back", "/proc/self/smaps", p);
    CALL(mprotect(p, 64 * PAGE, PROT_READ));
    show("read-only", "/proc/thread-self/smaps", p);
    CALL(mprotect(p, 64 * PAGE, PROT_READ | PROT_EXEC));
    show("code", "/proc/self/smaps", p);

    CALL(ftruncate(fd, 8 * PAGE));
    q = alone(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    memset(q, 1, 3 * PAGE);
    show("shared", "/proc/self/smaps", q);
    FACT(strstr(entry("/proc/self/smaps", q), "/memfd:shared (deleted)\nSize:"));

    before = field(contents(self, "smaps_rollup"), "Rss");
    FACT(strstr(text, " ---p 00000000 00:00 0   ") && strstr(text, "   [rollup]\nRss:"));
    FACT(field(text, "Size") == -1 && !strstr(text, "VmFlags"));
    p = alone(512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memset(p, 1, 512 * PAGE);
    after = field(contents(self, "smaps_rollup"), "Rss");
    FACT(after - before >= 2048 && after - before < 2560);
    contents(self, "smaps");
    FACT(strstr(text, "[heap]\nSize:") || !strstr(text, "[heap]"));
    FACT(strstr(text, "[stack]\nSize:"));
    FACT(strstr(text, "/smaps\nSize:"));
    FACT(!strstr(text, "noahv\n"));
    CALL(openat(self, "smaps/", O_RDONLY));
    pagemap();
    return 0;
}
