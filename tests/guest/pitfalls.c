/*
 * What programs trip over under other emulators, one function each: every signal, kinds of faults, events next to a
 * hole, /proc by way of directories, robust locks, all of the address space, terminals, socket options, short transfers,
 * advice, heaps, stops, wake-ups, namespaces.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <termios.h>

#include "guest.h"

#define PAGE 4096

static volatile sig_atomic_t got, code;
static void *volatile where;
static sigjmp_buf back;

static void count(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    got += sig == info->si_signo;
}

static void all_signals(void)
{
    struct sigaction sa = { .sa_sigaction = count, .sa_flags = SA_SIGINFO };
    int sent = 0;

    for (int sig = SIGRTMIN; sig <= 64; sig++) {
        sent += sigaction(sig, &sa, NULL) == 0;
        syscall(SYS_tgkill, getpid(), gettid(), sig);
    }
    FACT(got == sent && sent == 64 - SIGRTMIN + 1);
}

/* The two that C libraries keep for themselves are ordinary ones to the kernel. */
static void library_signals(void)
{
    uint64_t two = (uint64_t)3 << 31, old, pending = 0;
    siginfo_t info;

    CALL(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &two, &old, 8));
    for (int sig = 32; sig <= 33; sig++)
        CALL(syscall(SYS_tgkill, getpid(), gettid(), sig));
    CALL(syscall(SYS_rt_sigpending, &pending, 8));
    SHOW(pending >> 31);
    CALL(syscall(SYS_rt_sigtimedwait, &two, &info, NULL, 8));
    CALL(syscall(SYS_rt_sigtimedwait, &two, &info, NULL, 8));
    SHOW(info.si_code);
    CALL(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8));
}

static void fault(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    got = sig;
    code = info->si_code;
    where = info->si_addr;
    siglongjmp(back, 1);
}

static void touch(const char *what, volatile char *p, int write)
{
    got = code = 0;
    where = NULL;
    if (sigsetjmp(back, 1) == 0) {
        if (write)
            *p = 1;
        else
            (void)*p;
    }
    printf("%s: signal %d code %d, exact %d\n", what, got, code, where == (void *)p);
}

static void faults(void)
{
    struct sigaction sa = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
    char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("short", O_RDWR | O_CREAT, 0600);
    char *q;

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    mprotect(p + PAGE, PAGE, PROT_NONE);
    munmap(p + 2 * PAGE, PAGE);
    touch("read-only", p + 5, 1);
    touch("none", p + PAGE + 7, 0);
    touch("hole", p + 2 * PAGE + 9, 0);
    touch("null", NULL, 0);
    if (ftruncate(fd, 10))
        return;
    q = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    touch("in the file", q + 4000, 1);
    touch("past the file", q + PAGE + 3, 1);
#ifdef __riscv
    touch("far", (volatile char *)0x1234567890abcdef, 0);
#else
    puts("far: signal 11 code 1, exact 1"); /* #GP on x86 tells neither */
#endif
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    close(fd);
}

/* An array of events that ends where memory does. */
static void events(void)
{
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct epoll_event e = { .events = EPOLLIN }, *v = (struct epoll_event *)(p + PAGE) - 64;
    struct timespec none = { 0, 0 };
    int ep = epoll_create1(0), fd[64], ok = 0, n;

    munmap(p + PAGE, PAGE);
    for (int i = 0; i < 64; i++) {
        fd[i] = eventfd(1, 0);
        e.data.u64 = 0x123456789abcdef0ull * (unsigned)(i + 1);
        epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
    }
    CALL(n = epoll_wait(ep, v, 64, 0));
    for (int i = 0; i < n; i++)
        ok += v[i].events == EPOLLIN && v[i].data.u64 == 0x123456789abcdef0ull * (unsigned)(i + 1);
    SHOW(ok);
    CALL(epoll_pwait2(ep, v, 64, &none, NULL));
    for (int i = 0; i < 64; i++)
        close(fd[i]);
    close(ep);
}

static int mentions(int fd, const char *what)
{
    static char text[65536];
    size_t len = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return strstr(text, what) != NULL;
}

static void proc(void)
{
    char path[64], link[512];
    int self = open("/proc/self", O_RDONLY | O_DIRECTORY),
        task = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
    ssize_t n = readlinkat(self, "exe", link, sizeof link - 1);

    link[n > 0 ? n : 0] = '\0';
    FACT(strstr(link, "/pitfalls"));
    snprintf(path, sizeof path, "%d/exe", (int)gettid());
    n = readlinkat(task, path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    FACT(strstr(link, "/pitfalls"));
    FACT(mentions(openat(self, "maps", O_RDONLY), "/pitfalls\n"));
    FACT(mentions(openat(self, "maps", O_RDONLY), "[heap]"));
    FACT(!mentions(openat(self, "maps", O_RDONLY), "/noahv\n"));
    FACT(mentions(openat(self, "status", O_RDONLY), "Name:\tpitfalls\n"));
    snprintf(path, sizeof path, "%d/comm", (int)gettid());
    FACT(mentions(openat(task, path, O_RDONLY), "pitfalls\n"));
    FACT(mentions(openat(self, "cmdline", O_RDONLY), "pitfalls"));
    FACT(!mentions(openat(self, "cmdline", O_RDONLY), "noahv --"));
    close(self);
    close(task);
}

static void executed(void)
{
    int fd = open("text", O_WRONLY | O_CREAT, 0700);
    char *const argv[] = { "x", NULL };

    CALL(write(fd, "not a program\n", 14));
    close(fd);
    CALL(execve("text", argv, NULL));
    CALL(execve("/tmp", argv, NULL));
    CALL(execve("/nonexistent", argv, NULL));
    CALL(execve("text/x", argv, NULL));
    CALL(execve("", argv, NULL));
    CALL(execve((char *)8, argv, NULL));
    CALL(chmod("text", 0600));
    if (geteuid())
        CALL(execve("text", argv, NULL));
    else
        puts("execve(\"text\", argv, NULL) -> EACCES");
}

/* A lock in shared memory outlives the process that held it, however that ends. */
static void robust_after(const char *what, int sig, pthread_mutex_t *m, atomic_int *held)
{
    pid_t pid;

    *held = 0;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(m);
        *held = 1;
        if (!sig)
            _exit(0);
        for (;;)
            pause();
    }
    while (!*held && sig)
        sched_yield();
    if (sig)
        kill(pid, sig);
    guest_wait(what, pid);
    SHOW(pthread_mutex_lock(m) == EOWNERDEAD);
    SHOW(pthread_mutex_consistent(m));
    SHOW(pthread_mutex_unlock(m));
}

/* And the process that already waits for it hears of that. */
static void robust_waiter(pthread_mutex_t *m, atomic_int *held)
{
    pid_t owner, waiter;

    *held = 0;
    fflush(stdout);
    owner = fork();
    if (owner == 0) {
        pthread_mutex_lock(m);
        *held = 1;
        for (;;)
            pause();
    }
    while (!*held)
        sched_yield();
    waiter = fork();
    if (waiter == 0)
        _exit(pthread_mutex_lock(m) == EOWNERDEAD ? 7 : 1);
    while (!(*(volatile unsigned *)m & FUTEX_WAITERS))
        sched_yield();
    kill(owner, SIGKILL);
    guest_wait("the waiter", waiter);
    guest_wait("its owner", owner);
}

static void robust(void)
{
    pthread_mutex_t *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(m, &attr);
    robust_after("owner exits", 0, m, (atomic_int *)(m + 1));
    robust_after("owner is ended", SIGTERM, m, (atomic_int *)(m + 1));
    robust_after("owner is timed", SIGPROF, m, (atomic_int *)(m + 1));
    robust_after("owner is killed", SIGKILL, m, (atomic_int *)(m + 1));
    robust_waiter(m, (atomic_int *)(m + 1));
}

/* Any address of 38 bits: either memory or not, and the program goes on. */
static void everywhere(void)
{
    int good = 0, other = 0;

    for (uint64_t gib = 1; gib < 256; gib++) {
        char *at = (char *)(gib << 30);
        char *p =
            mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (p == at)
            good += *p == 0 && munmap(p, PAGE) == 0;
        else
            other += p == MAP_FAILED && errno == EEXIST;
    }
    SHOW(good + other);
    CALL(mmap((void *)-PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED
             ? -1
             : 0);
}

static void terminals(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave, fds[2];
    struct winsize ws = { 25, 80, 0, 0 };
    struct pollfd in = { .events = POLLIN };
    struct termios t;
    char c2[64] = ""; /* struct termios2 */

    grantpt(master);
    unlockpt(master);
    CALL(slave = ioctl(master, 0x5441 /* TIOCGPTPEER */, O_RDWR | O_NOCTTY) >= 0 ? 0 : -1);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    in.fd = slave;
    CALL(ioctl(slave, 0x802c542a /* TCGETS2 */, c2));
    CALL(tcgetattr(slave, &t));
    FACT(memcmp(c2, &t, 16) == 0);
    cfmakeraw(&t);
    CALL(tcsetattr(slave, TCSADRAIN, &t));
    CALL(ioctl(slave, TIOCSWINSZ, &ws));
    memset(&ws, 0, sizeof ws);
    CALL(ioctl(master, TIOCGWINSZ, &ws));
    printf("%d %d\n", ws.ws_row, ws.ws_col);
    CALL(write(master, "ab", 2));
    CALL(poll(&in, 1, -1)); /* the line discipline takes its time */
    CALL(ioctl(slave, FIONREAD, &fds[0]));
    SHOW(fds[0]);
    if (pipe(fds))
        return;
    CALL(ioctl(fds[0], TCGETS, &t));
    CALL(ioctl(fds[0], 0xdeadbeef, &t));
    CALL(ioctl(master, 0xdeadbeef, &t));
    CALL(ioctl(99, 0xdeadbeef, &t));
    CALL(isatty(slave));
    CALL(isatty(fds[0]));
}

/* Every option of the level, as far as both machines tell the same: its length, and whether it is known. */
static void options(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), u[2], one = 1;
    struct timeval tv = { 2, 500000 }, old = { 0, 0 };
    struct linger l = { 1, 7 };
    unsigned char value[256];
    socklen_t len;
    unsigned known = 0, bytes = 0;

    for (int opt = 1; opt < 80; opt++) {
        len = sizeof value;
        if (getsockopt(s, SOL_SOCKET, opt, value, &len) == 0) {
            known++;
            bytes += len;
        }
    }
    SHOW(known);
    SHOW(bytes);
    CALL(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    len = sizeof old;
    CALL(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &old, &len));
    printf("%d %d %d\n", (int)len, (int)old.tv_sec, (int)old.tv_usec);
    CALL(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    len = 4;
    memset(&l, 0, sizeof l);
    CALL(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &len));
    printf("%d %d %d\n", (int)len, l.l_onoff, l.l_linger);
    CALL(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    CALL(setsockopt(s, IPPROTO_TCP, 9999, &one, sizeof one));
    CALL(setsockopt(s, 12345, 1, &one, sizeof one));
    CALL(socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ? 0 : -1);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, u))
        return;
    CALL(setsockopt(u[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 1000 }, sizeof tv));
    CALL(read(u[0], value, 1));
}

/* Six bytes and then nothing. */
static void edges(void)
{
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
         *end = p + PAGE;
    int fd = open("edge", O_RDWR | O_CREAT, 0600), fds[2];

    munmap(end, PAGE);
    memcpy(end - 6, "sixsix", 6);
    CALL(write(fd, end - 6, 100));
    CALL(write(fd, end, 1));
    CALL(pread(fd, end - 3, 100, 0));
    CALL(lseek(fd, 0, SEEK_CUR));
    if (pipe(fds))
        return;
    CALL(write(fds[1], end - 6, 100));
    CALL(write(fds[1], "0123456789", 10));
    CALL(read(fds[0], end - 3, 10));
    CALL(read(fds[0], end, 0));
    CALL(getcwd(end - 1, 100) ? 0 : -1);
    CALL(syscall(SYS_getrandom, end - 4, 100, 0));
}

/* What discards memory, what is no advice, and what is advice about nothing. */
static void advice(void)
{
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(p, 7, 3 * PAGE);
    munmap(p + PAGE, PAGE);
    CALL(madvise(p, PAGE, 12345));
    SHOW(p[9]);
    CALL(madvise(p, 3 * PAGE, MADV_DONTNEED)); /* what is there is discarded, and the hole told */
    printf("%d %d\n", p[9], p[2 * PAGE + 9]);
    munmap(p, 3 * PAGE);
}

/* A heap of one gibibyte, and one that breathes by odd numbers of bytes. */
static void heaps(void)
{
    char *start = sbrk(0), *end = start + ((size_t)1 << 30);
    int dirty = 0;

    CALL(brk(end));
    start[0] = end[-1] = 1;
    CALL(brk(start));
    CALL(brk(end));
    SHOW(start[0] + end[-1]);
    CALL(brk(start));
    for (int i = 0; i < 200; i++) {
        char *p = sbrk(10000);

        for (int k = (int)(-(uintptr_t)p % PAGE); k < 10000; k++) /* from the first page that is new */
            dirty += p[k];
        memset(p, 3, 10000);
        sbrk(i % 2 ? -9993 : -10000);
    }
    SHOW(dirty);
}

/* A stop and a continue that no handler sees are no interruption. */
static void stopped(void)
{
    int fds[2], status;
    char c = 0;
    pid_t pid;

    CALL(pipe(fds));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int ok = nanosleep(&(struct timespec){ 0, 20000000 }, NULL) == 0;

        ok += read(fds[0], &c, 1) == 1;
        _exit(ok + c);
    }
    for (int i = 0; i < 5; i++) {
        kill(pid, SIGSTOP);
        FACT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
        kill(pid, SIGCONT);
        FACT(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
    }
    CALL(write(fds[1], "\1", 1));
    guest_wait("stopped and continued", pid);
}

/* What comes between a look and a sleep ends the sleep: a thousand signals a second, each waited for. */
static void wake_ups(void)
{
    const struct itimerval khz = { { 0, 1000 }, { 0, 1000 } };
    struct sigaction sa = { .sa_sigaction = count, .sa_flags = SA_SIGINFO };
    sigset_t alarms, open, old;
    int seen = 0;

    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarms, &old);
    open = old;
    sigdelset(&open, SIGALRM);
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &khz, NULL);
    for (int i = 0; i < 600; i++) {
        got = 0;
        if (i % 3 == 0)
            sigsuspend(&open);
        else if (i % 3 == 1)
            ppoll(NULL, 0, NULL, &open);
        else
            pselect(0, NULL, NULL, NULL, NULL, &open);
        seen += got == 1;
    }
    setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
    signal(SIGALRM, SIG_IGN);
    sigprocmask(SIG_SETMASK, &old, NULL);
    SHOW(seen);
}

static void *nothing(void *arg)
{
    return arg;
}

/* Natively: the host's kernel wakes who joins a thread before it forgets the thread. */
static void await_forgotten(void)
{
#ifndef __riscv
    while (unshare(CLONE_THREAD) != 0)
        sched_yield();
#endif
}

/* A thread that has been joined is not counted any more, however soon the question comes. */
static void joined(void)
{
    int alone = 0;

    for (int i = 0; i < 500; i++) {
        pthread_t t;

        pthread_create(&t, NULL, nothing, NULL);
        pthread_join(t, NULL);
        await_forgotten();
        alone += unshare(CLONE_THREAD) == 0; /* EINVAL beside a second thread */
    }
    SHOW(alone);
}

static void namespaces(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        pthread_t t;

        pthread_create(&t, NULL, nothing, NULL);
        pthread_join(t, NULL); /* as if there had never been one */
        await_forgotten();
        CALL(unshare(CLONE_NEWUSER));
        CALL(unshare(CLONE_NEWUTS));
        CALL(sethostname("inside", 6));
        CALL(unshare(CLONE_NEWPID));
        fflush(stdout);
        pid = fork();
        if (pid == 0)
            _exit(getpid() == 1 && getppid() == 0 ? 3 : 4);
        guest_wait("first of its namespace", pid);
        CALL(setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS));
        fflush(stdout);
        _exit(5);
    }
    guest_wait("in a namespace", pid);
}

static void machine(void)
{
    int lines = 0;
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && fgets(line, sizeof line, f))
        lines += strncmp(line, "isa\t\t: rv64i", 12) == 0;
    fclose(f);
#ifdef __riscv
    FACT(lines == sysconf(_SC_NPROCESSORS_ONLN));
    CALL(syscall(SYS_rseq, NULL, 32, 0, 0xf1401073)); /* none at all, or one that really aborts */
#else
    puts("yes: lines == sysconf(_SC_NPROCESSORS_ONLN)");
    puts("syscall(SYS_rseq, NULL, 32, 0, 0xf1401073) -> ENOSYS");
#endif
}

int main(void)
{
    all_signals();
    library_signals();
    faults();
    events();
    proc();
    executed();
    robust();
    everywhere();
    terminals();
    options();
    edges();
    advice();
    heaps();
    stopped();
    wake_ups();
    joined();
    namespaces();
    machine();
    return 0;
}
