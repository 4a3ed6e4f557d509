/* mmap, mprotect, mremap, madvise, munmap: what is there, what faults, and what the fault says. */
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "guest.h"

#define PAGE 4096u

static sigjmp_buf back;
static volatile int got_code;
static void *volatile got_addr;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got_code = info->si_code;
    got_addr = info->si_addr;
    siglongjmp(back, sig);
}

static const char *code_name(int sig, int code)
{
    if (sig == SIGBUS)
        return code == BUS_ADRERR ? "BUS_ADRERR" : "BUS_?";
    return code == SEGV_MAPERR ? "SEGV_MAPERR" : code == SEGV_ACCERR ? "SEGV_ACCERR" : "SEGV_?";
}

/* Reads or writes one byte and says what came of it. */
static void touch(const char *what, volatile char *at, int write)
{
    int sig = sigsetjmp(back, 1);

    if (sig) {
        printf("%s: %s, address %s\n", what, code_name(sig, got_code), got_addr == at ? "exact" : "WRONG");
        return;
    }
    if (write)
        *at = 'w';
    printf("%s: %d\n", what, *at);
}

static char *map(size_t pages, int prot)
{
    return mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void protections(void)
{
    char *p = map(4, PROT_READ | PROT_WRITE);

    FACT(p != MAP_FAILED && ((uintptr_t)p & (PAGE - 1)) == 0);
    touch("read fresh", p, 0);
    touch("write", p + PAGE, 1);
    CALL(mprotect(p + PAGE, PAGE, PROT_READ));
    touch("read read-only", p + PAGE, 0);
    touch("write read-only", p + PAGE + 17, 1);
    CALL(mprotect(p, PAGE, PROT_NONE));
    touch("read none", p + PAGE - 1, 0);
    touch("write none", p + 5, 1);
    CALL(munmap(p + 2 * PAGE, PAGE));
    touch("read hole", p + 2 * PAGE + 8, 0);
    touch("write hole", p + 3 * PAGE - 1, 1);
    touch("beyond hole", p + 3 * PAGE, 1);
    CALL(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE));
    touch("before hole, after failed mprotect", p, 1);
    CALL(munmap(p, 4 * PAGE));
    CALL(munmap(p, 4 * PAGE));
    CALL(munmap(p + 1, PAGE));
    CALL(munmap(p, 0));
    CALL(mprotect(p + 1, PAGE, PROT_READ));
    FACT(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    FACT(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
    FACT(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0) == MAP_FAILED &&
         errno == EINVAL);
    FACT(mmap(NULL, (size_t)1 << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
         errno == ENOMEM);
}

static void fixed(void)
{
    char *p = map(8, PROT_READ | PROT_WRITE), *q;

    memset(p, 1, 8 * PAGE);
    q = mmap(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    FACT(q == p + 2 * PAGE);
    printf("fixed replaces: %d %d %d\n", p[2 * PAGE - 1], p[2 * PAGE], p[3 * PAGE]);
    q = mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    FACT(q == MAP_FAILED && errno == EEXIST);
    munmap(p + 4 * PAGE, PAGE);
    q = mmap(p + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FACT(q == p + 4 * PAGE); /* a hint that is free is taken */
    CALL(madvise(p, PAGE, MADV_DONTNEED));
    printf("after DONTNEED: %d %d\n", p[0], p[PAGE]);
    CALL(madvise(p + 1, PAGE, MADV_DONTNEED));
    munmap(p, 8 * PAGE);
}

static void remap(void)
{
    char *p = map(2, PROT_READ | PROT_WRITE), *q;

    strcpy(p + PAGE, "moved along");
    q = mremap(p, 2 * PAGE, 512 * PAGE, MREMAP_MAYMOVE);
    FACT(q != MAP_FAILED);
    printf("grown: %s, tail %d\n", q + PAGE, q[511 * PAGE]);
    if (q != p)
        touch("old place", p, 0);
    else
        printf("old place: SEGV_MAPERR, address exact\n");
    p = mremap(q, 512 * PAGE, PAGE, 0);
    FACT(p == q);
    touch("cut off", q + PAGE, 0);
    char *to = map(4, PROT_READ | PROT_WRITE);
    p[0] = 'x';
    FACT(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE) == to + PAGE);
    printf("fixed: %c %d\n", to[PAGE], to[2 * PAGE]);
    FACT(mremap(to, 4 * PAGE, 8 * PAGE, MREMAP_FIXED) == MAP_FAILED && errno == EINVAL);
}

static void files(void)
{
    FILE *f = tmpfile();
    int fd = fileno(f);
    char *shared, *private, text[8] = "";

    CALL(ftruncate(fd, PAGE + 100));
    shared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    strcpy(shared + 10, "shared");
    CALL(pread(fd, text, 7, 10));
    printf("%s %s\n", text, private + 10);
    strcpy(private + 10, "secret");
    printf("%s\n", shared + 10);
    touch("tail of last page", shared + 2 * PAGE - 1, 0);
    touch("beyond end of file", shared + 2 * PAGE, 0);
    CALL(msync(shared, PAGE, MS_SYNC));
    CALL(madvise(private, PAGE, MADV_DONTNEED));
    printf("%s\n", private + 10);
    CALL(munmap(shared, 3 * PAGE));
    FACT(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED && errno == EINVAL);
    fclose(f);
    printf("%s\n", private + 10);
}

static void shared_with_child(void)
{
    int *counter = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        *counter = 5;
        *own = 6;
        _exit(0);
    }
    guest_wait("child", pid);
    printf("shared %d, private %d\n", *counter, *own);
}

/* System calls get guest memory through the same protections. */
static void kernel_side(void)
{
    char *p = map(3, PROT_READ | PROT_WRITE);
    int fd[2];

    CALL(pipe(fd));
    mprotect(p, PAGE, PROT_READ);
    munmap(p + 2 * PAGE, PAGE);
    CALL(write(fd[1], p + 2 * PAGE, 1));
    CALL(write(fd[1], p + 2 * PAGE - 5, 5));
    CALL(read(fd[0], p, 5));
    CALL(read(fd[0], p + PAGE, 5));
    CALL(write(fd[1], (void *)-4096, 10));
    CALL(write(fd[1], NULL, 0));
    CALL(pipe((int *)(void *)p));
    CALL(pipe((int *)(p + 2 * PAGE - 4)));
    struct iovec bad = { p + 2 * PAGE, 1 };
    CALL(writev(fd[1], &bad, 1));
    CALL(writev(fd[1], (struct iovec *)(void *)(p + 2 * PAGE), 1));
    CALL(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED));
    unsigned char resident[2] = { 0, 0 };
    p[PAGE] = 1;
    CALL(mincore(p + PAGE, PAGE, resident));
    SHOW(resident[0] & 1);
    CALL(mincore(p + 2 * PAGE, PAGE, resident));
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    protections();
    fixed();
    remap();
    files();
    shared_with_child();
    kernel_side();
    touch("null", NULL, 0);
    touch("null write", (char *)8, 1);
    return 0;
}
