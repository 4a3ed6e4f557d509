/* The memory of oneself and of another: process_vm_readv and writev, advice, kcmp, vmsplice; NUMA of one's pages. */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "guest.h"

#define PAGE 4096

static char *pages(int n)
{
    return mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void other(char *shared, pid_t pid)
{
    char buf[8] = "", text[] = "parent";
    struct iovec local = { buf, 6 }, remote = { shared, 6 }, none = { (void *)PAGE, 4 };

    CALL(process_vm_readv(pid, &local, 1, &remote, 1, 0));
    puts(buf);
    local.iov_base = text;
    CALL(process_vm_writev(pid, &local, 1, &remote, 1, 0));
    CALL(process_vm_readv(pid, &local, 1, &none, 1, 0));
    CALL(process_vm_readv(1, &local, 1, &remote, 1, 1));
    CALL(process_vm_readv(0x7fffffff, &local, 1, &remote, 1, 0));
    CALL(process_vm_readv(pid, &local, -1UL, &remote, 1, 0));
    CALL(process_vm_readv(pid, &local, 1, (void *)PAGE, 1, 0));
    /* The far end of every address space. */
    remote.iov_base = (void *)-PAGE;
    CALL(process_vm_readv(pid, &local, 1, &remote, 1, 0));
    CALL(syscall(SYS_kcmp, pid, pid, KCMP_VM, 0, 0));
    FACT(syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0) > 0);
    CALL(syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, 1, 1));
    FACT(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, 0, 1) != 0);
    CALL(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, 0, 99));
    CALL(syscall(SYS_kcmp, getpid(), getpid(), 99, 0, 0));
}

static void neighbours(void)
{
    char *p = pages(1), c;
    int ready[2], done[2];
    pid_t pid;

    if (pipe(ready) || pipe(done))
        return;
    strcpy(p, "parent");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        strcpy(p, "child!");
        if (write(ready[1], "", 1) != 1 || read(done[0], &c, 1) != 1)
            _exit(1);
        _exit(strcmp(p, "parent") != 0);
    }
    if (read(ready[0], &c, 1) != 1)
        return;
    other(p, pid);
    if (write(done[1], "", 1) != 1)
        return;
    guest_wait("child", pid);
}

static void self(void)
{
    char *p = pages(3), buf[PAGE];
    struct iovec local[2] = { { buf, 3 }, { buf + 100, 3 } }, remote[2] = { { p, 4 }, { p + PAGE - 4, 8 } };

    munmap(p + PAGE, PAGE);
    memcpy(p, "abcd", 4);
    memcpy(p + PAGE - 4, "efgh", 4);
    CALL(process_vm_readv(getpid(), local, 2, remote, 2, 0));
    printf("%.3s %.3s\n", buf, buf + 100);
    local[1].iov_len = 100;
    CALL(process_vm_readv(getpid(), local, 2, remote, 2, 0));
    mprotect(p, PAGE, PROT_READ);
    CALL(process_vm_writev(getpid(), local, 1, remote, 1, 0));
    CALL(process_vm_readv(getpid(), local, 2, remote + 1, 1, 0));
}

static void gifts(void)
{
    char *p = pages(2), buf[16] = "";
    struct iovec v[2] = { { p, 5 }, { p + 10, 3 } };
    int fds[2];

    strcpy(p, "moved by reference");
    if (pipe(fds))
        return;
    CALL(vmsplice(fds[1], v, 2, 0));
    CALL(read(fds[0], buf, sizeof buf));
    puts(buf);
    CALL(write(fds[1], "back", 4));
    CALL(vmsplice(fds[0], v, 1, 0));
    puts(p);
    CALL(vmsplice(fds[1], v, 5000, 0));
    CALL(vmsplice(fds[1], v, 1, 0x100));
    v[0].iov_base = (void *)PAGE;
    CALL(vmsplice(fds[1], v, 1, 0));
    CALL(vmsplice(0, v, 1, 0));
}

static void nodes(void)
{
    char *p = pages(4);
    unsigned long mask = 1, got = 0;
    void *at[3] = { p, p + PAGE, p + 3 * PAGE };
    int status[3] = { 9, 9, 9 }, mode = 9;

    memset(p, 1, 2 * PAGE);
    CALL(syscall(SYS_get_mempolicy, &mode, &got, 1025, NULL, 0));
    SHOW(mode);
    CALL(syscall(SYS_mbind, p, 2 * PAGE, MPOL_BIND, &mask, 64, 0));
    CALL(syscall(SYS_get_mempolicy, &mode, &got, 1025, p + PAGE, MPOL_F_ADDR));
    SHOW(mode);
    CALL(syscall(SYS_get_mempolicy, &mode, NULL, 0, p + 2 * PAGE, MPOL_F_ADDR));
    SHOW(mode);
    munmap(p + 2 * PAGE, PAGE);
    CALL(syscall(SYS_get_mempolicy, &mode, NULL, 0, p + 2 * PAGE, MPOL_F_ADDR));
    CALL(syscall(SYS_mbind, p, 4 * PAGE, MPOL_BIND, &mask, 64, 0));
    CALL(syscall(SYS_mbind, p, 4 * PAGE, MPOL_DEFAULT, NULL, 0, 0));
    CALL(syscall(SYS_mbind, p + 1, PAGE, MPOL_DEFAULT, NULL, 0, 0));
    CALL(syscall(SYS_mbind, p, PAGE, 99, NULL, 0, 0));
    CALL(syscall(SYS_move_pages, 0, 3, at, NULL, status, 0));
    printf("%d %d %d\n", status[0], status[1], status[2]);
    CALL(syscall(SYS_move_pages, 0, 3, (void *)PAGE, NULL, status, 0));
    CALL(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
    CALL(syscall(SYS_set_mempolicy, 99, NULL, 0));
}

static void limits(void)
{
    struct rlimit r, old;
    char *p;

    getrlimit(RLIMIT_AS, &old);
    r = old;
    r.rlim_cur = 512 << 20;
    CALL(setrlimit(RLIMIT_AS, &r));
    CALL((p = mmap(NULL, 600 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) ==
                 MAP_FAILED
             ? -1
             : 0);
    p = mmap(NULL, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FACT(p != MAP_FAILED);
    /* In the place of what counts already. */
    FACT(mmap(p, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
    CALL(mremap(p, 100 << 20, 600 << 20, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    CALL(sbrk(600 << 20) == (void *)-1 ? -1 : 0);
    setrlimit(RLIMIT_AS, &old);
    getrlimit(RLIMIT_DATA, &old);
    r = old;
    r.rlim_cur = 64 << 20;
    CALL(setrlimit(RLIMIT_DATA, &r));
    CALL(mmap(NULL, 100 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                         : 0);
    CALL(mmap(NULL, 100 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                        : 0);
    CALL(sbrk(100 << 20) == (void *)-1 ? -1 : 0);
    setrlimit(RLIMIT_DATA, &old);
    CALL(sbrk(1 << 20) == (void *)-1 ? -1 : 0);
}

/* A line of status, in kB. */
static int locked(void)
{
    char line[128];
    int kb = -1;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmLck: %d", &kb);
    if (f)
        fclose(f);
    return kb;
}

static void locks(void)
{
    int before = locked(), after;
    char *p;
    pid_t pid;

    CALL(mlockall(MCL_FUTURE));
    p = pages(16);
    after = locked();
    SHOW(after - before);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        before = locked();
        p = pages(16);
        SHOW(locked() - before);
        fflush(stdout);
        _exit(p == MAP_FAILED);
    }
    guest_wait("child", pid);
    CALL(munlockall());
    p = pages(16);
    SHOW(locked());
}

/* Of an empty file there is nothing to be had. */
static void nothing_to_lock(void)
{
    char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd_create("empty", 0), 0);

    CALL(mlockall(MCL_CURRENT));
    CALL(munlockall());
    munmap(p, 4096);
}

int main(void)
{
    nothing_to_lock();
    self();
    neighbours();
    gifts();
    nodes();
    limits();
    locks();
    return 0;
}
