/* Mappings of files that are changed in place, flags that need a file system's consent, a personality of timeouts. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "guest.h"

#define PAGE 4096

static void show(const volatile char *p, int n)
{
    for (int i = 0; i < n; i++)
        putchar(p[i * PAGE]);
    putchar('\n');
}

static long remap(char *at, size_t len, int prot, size_t page)
{
    return syscall(SYS_remap_file_pages, at, len, prot, page, 0);
}

/* A range that shrinks may lie across several mappings: its tail goes first. */
static void shrunk(void)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    p[0] = 'm';
    CALL(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
    CALL(mremap(p, 4 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED ? -1 : 0);
    CALL(mremap(p, 3 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED ? -1 : 0);
    putchar(to[0]);
    CALL(msync(p + 2 * PAGE, PAGE, MS_ASYNC));
}

/* Sealed memory keeps its place, its protection and, when it cannot be written, its contents. */
static void sealed(void)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(p, 's', 4 * PAGE);
    CALL(mprotect(p + PAGE, PAGE, PROT_READ));
    CALL(syscall(462 /* mseal */, p, 3 * PAGE, 0));
    CALL(madvise(p, PAGE, MADV_DONTNEED));
    CALL(madvise(p + PAGE, PAGE, MADV_DONTNEED));
    CALL(madvise(p, 4 * PAGE, MADV_FREE));
    CALL(madvise(p + PAGE, PAGE, MADV_WILLNEED));
    printf("%d %c\n", p[0], p[PAGE]);
    CALL(mprotect(p, 4 * PAGE, PROT_READ));
    CALL(munmap(p + PAGE, PAGE));
    CALL(munmap(p + 3 * PAGE, PAGE));
    CALL(syscall(462, p, 4 * PAGE, 0));
    CALL(syscall(462, p + 1, PAGE, 0));
    CALL(syscall(462, p, PAGE, 1));
}

int main(void)
{
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    char page[PAGE], *p, *q;
    struct timeval tv = { 0, 10 };
    struct utsname u;

    for (int i = 0; i < 6; i++) {
        memset(page, 'a' + i, PAGE);
        if (write(fd, page, PAGE) != PAGE)
            return 1;
    }
    p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    show(p, 4);
    CALL(remap(p + PAGE, PAGE, 0, 5));
    CALL(remap(p + 2 * PAGE + 7, 2 * PAGE, 0, 0));
    show(p, 4);
    p[PAGE] = 'X';
    CALL(pread(fd, page, 1, 5 * PAGE));
    SHOW(page[0]);
    /* The pieces are mappings like any other. */
    CALL(mprotect(p + PAGE, PAGE, PROT_READ));
    FACT(mremap(p + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
    show(p, 1);
    CALL(munmap(p + 2 * PAGE, PAGE));
    CALL(remap(p, 4 * PAGE, 0, 0));
    CALL(remap(p, PAGE, PROT_READ, 0));
    CALL(remap(p, 0, 0, 0));
    CALL(remap(p, PAGE, 0, -1UL >> 12));
    CALL(remap((char *)-PAGE, PAGE, 0, 0));
    q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CALL(remap(q, PAGE, 0, 1));
    q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 1 << 7 | 1 << 9, fd, 0);
    CALL(q == MAP_FAILED ? -1 : 0);
    q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_POPULATE, fd, 0);
    CALL(q == MAP_FAILED ? -1 : 0);
    q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | 1 << 9, fd, 0);
    CALL(q == MAP_FAILED ? -1 : 0);

    CALL(select(0, NULL, NULL, NULL, &tv));
    SHOW(tv.tv_usec);
    tv.tv_usec = 10;
    SHOW(personality(STICKY_TIMEOUTS | UNAME26));
    CALL(select(0, NULL, NULL, NULL, &tv));
    SHOW(tv.tv_usec);
    uname(&u);
    printf("%.4s\n", u.release);
    SHOW(personality(0xffffffff) == (STICKY_TIMEOUTS | UNAME26));
    personality(0);
    uname(&u);
    FACT(strncmp(u.release, "2.6.", 4) != 0);
    shrunk();
    sealed();
    return 0;
}
