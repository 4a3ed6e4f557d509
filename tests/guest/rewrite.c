/* skip-native */
/*
 * Code that changes in every way there is: written and announced by fence.i or by the system call, behind mprotect,
 * mapped over, read into, through another mapping, by another process, by another thread, moved, thrown away.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "guest.h"

#define PAGE 4096
#define ROUNDS 200
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

static sigjmp_buf back;

static void on_signal(int sig)
{
    siglongjmp(back, sig);
}

/* A function that returns v, which is below 2048. */
static void emit(uint32_t *at, int v)
{
    at[0] = 0x00000513u | (uint32_t)v << 20; /* addi a0, zero, v */
    at[1] = 0x00008067;                      /* ret */
}

static int run(const void *at)
{
    return ((int (*)(void))at)();
}

/* What it returns, or the signal that it ends in, negative. */
static int try(const void *at)
{
    int sig = sigsetjmp(back, 1);

    return sig ? -sig : run(at);
}

static void fence_i(void)
{
    __asm__ volatile("fence.i" ::: "memory");
}

static uint32_t *pages(int prot, int flags)
{
    uint32_t *p = mmap(NULL, 2 * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(1);
    return p;
}

/* In both pages, and across them. */
static int by(void (*announce)(uint32_t *at))
{
    uint32_t *p = pages(RWX, MAP_PRIVATE), *const at[] = { p + 10, p + 1023, p + 1500 };
    int right = 0;

    for (int v = 0; v < ROUNDS; v++) {
        for (size_t k = 0; k < COUNT(at); k++) {
            emit(at[k], v + (int)k);
            announce(at[k]);
        }
        for (size_t k = 0; k < COUNT(at); k++)
            right += run(at[k]) == v + (int)k;
    }
    munmap(p, 2 * PAGE);
    return right;
}

static void announce_fence(uint32_t *at)
{
    (void)at;
    fence_i();
}

static void announce_cache(uint32_t *at)
{
    __builtin___clear_cache((char *)at, (char *)(at + 2));
}

static void announce_all(uint32_t *at)
{
    (void)at;
    if (syscall(259 /* riscv_flush_icache */, 0, 0, 0))
        exit(1);
}

static void announce_local(uint32_t *at)
{
    if (syscall(259, at, at + 2, 1))
        exit(1);
}

static void announce_protect(uint32_t *at)
{
    char *page = (char *)((uintptr_t)at & -(uintptr_t)PAGE);

    if (mprotect(page, PAGE, PROT_READ | PROT_WRITE) || mprotect(page, PAGE, RWX))
        exit(1);
}

/* Never writable and executable at once; its neighbour in the page stays what it is. */
static int toggled(void)
{
    uint32_t *p = pages(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    int right = 0;

    emit(p + 100, 7);
    for (int v = 0; v < ROUNDS; v++) {
        emit(p, v);
        mprotect(p, PAGE, PROT_READ | PROT_EXEC);
        fence_i();
        right += run(p) == v && run(p + 100) == 7;
        mprotect(p, PAGE, PROT_READ | PROT_WRITE);
        right += try(p) == -SIGSEGV;
    }
    return right;
}

static int file(int v)
{
    uint32_t code[PAGE / 4] = { 0 };
    int fd = memfd_create("code", 0);

    emit(code, v);
    if (write(fd, code, sizeof(code)) != sizeof(code))
        exit(1);
    return fd;
}

static int mapped_over(void)
{
    uint32_t *p = pages(RWX, MAP_PRIVATE);
    int right = 0, fd[2] = { file(1000), file(1001) };

    for (int v = 0; v < ROUNDS; v++) {
        if (mmap(p, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd[v & 1], 0) != p)
            exit(1);
        right += run(p) == 1000 + (v & 1);
    }
    munmap(p, PAGE);
    SHOW(try(p));
    return right;
}

static int read_into(void)
{
    uint32_t *p = pages(RWX, MAP_PRIVATE);
    int right = 0, fd[2] = { file(1000), file(1001) };

    for (int v = 0; v < ROUNDS; v++) {
        if (pread(fd[v & 1], p, 8, 0) != 8)
            exit(1);
        fence_i();
        right += run(p) == 1000 + (v & 1);
    }
    return right;
}

/* Writable here, executable there. */
static int mapped_twice(void)
{
    int fd = file(0), right = 0;
    uint32_t *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *x = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

    for (int v = 0; v < ROUNDS; v++) {
        emit(w, v);
        fence_i();
        right += run(x) == v;
    }
    emit(w, 5);
    if (pwrite(fd, w, 8, 512) != 8)
        exit(1);
    fence_i();
    SHOW(run(x) + run(x + 128));
    return right;
}

static int by_another_process(void)
{
    uint32_t *p = pages(RWX, MAP_SHARED);
    int right = 0;

    for (int v = 0; v < 10; v++) {
        pid_t pid = fork();

        if (pid == 0) {
            emit(p, v);
            fence_i();
            _exit(run(p));
        }
        guest_wait("another process", pid);
        fence_i();
        right += run(p) == v;
    }
    return right;
}

/* Private code is everybody's own after a fork. */
static int own_code(void)
{
    uint32_t *p = pages(RWX, MAP_PRIVATE);
    int right = 0;

    emit(p, 1);
    fence_i();
    right += run(p) == 1;
    for (int v = 2; v < 6; v++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (int k = 0; k < ROUNDS; k++) {
                emit(p, v + k);
                fence_i();
                if (run(p) != v + k)
                    _exit(99);
            }
            _exit(v);
        }
        right += run(p) == v - 1;
        emit(p, v);
        fence_i();
        right += run(p) == v;
        guest_wait("child with code of its own", pid);
    }
    return right;
}

static int moved(void)
{
    uint32_t *p = pages(RWX, MAP_PRIVATE), *to = pages(PROT_NONE, MAP_PRIVATE);

    emit(p, 3);
    fence_i();
    SHOW(run(p));
    if (mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
        exit(1);
    SHOW(try(p));
    return run(to);
}

static int thrown_away(void)
{
    uint32_t *p = pages(RWX, MAP_PRIVATE);

    emit(p, 4);
    fence_i();
    SHOW(run(p));
    mprotect(p, PAGE, PROT_READ | PROT_EXEC);
    SHOW(run(p));
    CALL(madvise(p, PAGE, MADV_DONTNEED));
    return try(p);
}

static uint32_t *shared_code;
static atomic_int ready, done;

/* Runs what it is told is there, without a system call of its own. */
static void *runner(void *right)
{
    for (int v = 1; v <= ROUNDS; v++) {
        while (atomic_load(&ready) != v)
            ;
        *(int *)right += run(shared_code) == v;
        atomic_store(&done, v);
    }
    return NULL;
}

static int by_another_thread(void)
{
    pthread_t thread;
    int right = 0;

    shared_code = pages(RWX, MAP_PRIVATE);
    if (pthread_create(&thread, NULL, runner, &right))
        exit(1);
    for (int v = 1; v <= ROUNDS; v++) {
        emit(shared_code, v);
        announce_cache(shared_code);
        atomic_store(&ready, v);
        while (atomic_load(&done) != v)
            ;
    }
    pthread_join(thread, NULL);
    return right;
}

int main(void)
{
    signal(SIGSEGV, on_signal);
    signal(SIGILL, on_signal);
    SHOW(by(announce_fence));
    SHOW(by(announce_cache));
    SHOW(by(announce_all));
    SHOW(by(announce_local));
    SHOW(by(announce_protect));
    SHOW(toggled());
    SHOW(mapped_over());
    SHOW(read_into());
    SHOW(mapped_twice());
    SHOW(by_another_process());
    SHOW(own_code());
    SHOW(moved());
    SHOW(thrown_away());
    SHOW(by_another_thread());
    return 0;
}
