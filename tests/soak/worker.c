/*
 * A guest that never rests: worker FOLDER [exec]. Round after round it does what programs do, and gives back all that it
 * took. SIGUSR1 makes it stop (SIGSTOP) between two rounds, to be looked at; SIGTERM ends it there, with status 0. With
 * "exec" it calls execve on itself every few rounds.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(e) ((e) ? (void)0 : failed(__LINE__, #e))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

extern char **environ;
static volatile sig_atomic_t look, end, ticks, queued;
static uint32_t seed = 1;

static void failed(int line, const char *what)
{
    fprintf(stderr, "worker: line %d: %s: %m\n", line, what);
    exit(1);
}

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static void on_signal(int sig)
{
    look |= sig == SIGUSR1;
    end |= sig == SIGTERM;
    ticks += sig == SIGALRM;
    queued += sig == SIGRTMIN + 1;
}

static void wait_for(pid_t pid, int status)
{
    int got;

    CHECK(waitpid(pid, &got, 0) == pid && WIFEXITED(got) && WEXITSTATUS(got) == status);
}

static void children(void)
{
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0)
            _exit(i + 1);
        wait_for(pid, i + 1);
    }
}

static void programs(void)
{
    char *argv[] = { (char *)"worker", NULL };
    pid_t pid;

    for (int i = 0; i < 3; i++) {
        CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
        wait_for(pid, 7); /* without a folder */
    }
    CHECK(posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ) != 0);
}

static pthread_barrier_t all;

/* All of them are there at the same time: every round takes as much as any. */
static void *thread(void *arg)
{
    static __thread char local[4096];
    char *p = malloc(10000);

    memset(local, (int)(uintptr_t)arg, sizeof local);
    memset(p, 1, 10000);
    pthread_barrier_wait(&all);
    free(p);
    return local[99] == (char)(uintptr_t)arg ? arg : NULL;
}

static void threads(void)
{
    pthread_t t[8];
    void *got;

    CHECK(pthread_barrier_init(&all, NULL, COUNT(t)) == 0);
    for (uintptr_t i = 0; i < COUNT(t); i++)
        CHECK(pthread_create(&t[i], NULL, thread, (void *)(i + 1)) == 0);
    for (uintptr_t i = 0; i < COUNT(t); i++)
        CHECK(pthread_join(t[i], &got) == 0 && got == (void *)(i + 1));
    CHECK(pthread_barrier_destroy(&all) == 0);
}

static void memory(void)
{
    for (int i = 0; i < 32; i++) {
        size_t len = (2 + below(64)) * 4096;
        char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;

        CHECK(p != MAP_FAILED);
        p[below((uint32_t)len)] = 1;
        CHECK(mprotect(p, 4096, PROT_READ) == 0);
        q = mremap(p + len - 4096, 4096, 2 * 4096, MREMAP_MAYMOVE);
        CHECK(q != MAP_FAILED);
        q[8191] = 1;
        CHECK(munmap(q, 8192) == 0 && munmap(p, len) == 0);
    }
}

static void signals(void)
{
    const struct itimerval khz = { { 0, 1000 }, { 0, 1000 } };
    sigset_t alarm, old;

    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm, &old);
    ticks = queued = 0;
    setitimer(ITIMER_REAL, &khz, NULL);
    while (ticks < 20)
        sigsuspend(&old);
    setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < 20; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ i }) == 0);
    CHECK(queued == 20);
}

/* A descriptor goes through a local socket, and what it is open on through another, over epoll. */
static void sockets(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char control[CMSG_SPACE(sizeof(int))], c = 0;
    struct iovec v = { &c, 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int s[2], tcp = socket(AF_INET, SOCK_STREAM, 0), to = socket(AF_INET, SOCK_STREAM, 0), from, got;
    int ep = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN };
    socklen_t len = sizeof at;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(bind(tcp, (struct sockaddr *)&at, sizeof at) == 0 && listen(tcp, 1) == 0);
    CHECK(getsockname(tcp, (struct sockaddr *)&at, &len) == 0);
    CHECK(connect(to, (struct sockaddr *)&at, sizeof at) == 0);
    from = accept(tcp, NULL, NULL);
    *h = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(h), &from, sizeof from);
    CHECK(sendmsg(s[0], &m, 0) == 1 && recvmsg(s[1], &m, 0) == 1);
    memcpy(&got, CMSG_DATA(h), sizeof got);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, got, &e) == 0);
    CHECK(send(to, "x", 1, 0) == 1 && epoll_wait(ep, &e, 1, -1) == 1 && recv(got, &c, 1, 0) == 1);
    for (size_t i = 0; i < 2; i++)
        close(s[i]);
    close(tcp);
    close(to);
    close(from);
    close(got);
    close(ep);
}

static void files(void)
{
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct dirent *d;
    int entries = 0;
    DIR *dir;
    char *p;

    CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10 && ftruncate(fd, 8192) == 0);
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED && p[3] == '3');
    p[8000] = 1;
    CHECK(munmap(p, 8192) == 0 && close(fd) == 0);
    CHECK(rename("file", "renamed") == 0);
    dir = opendir(".");
    while (dir && (d = readdir(dir)))
        entries += strcmp(d->d_name, "renamed") == 0;
    CHECK(entries == 1 && closedir(dir) == 0 && unlink("renamed") == 0);
}

static void proc(void)
{
    static const char *const names[] = { "maps", "status", "smaps", "stat", "cmdline", "auxv" };
    char path[64], text[4096];

    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "/proc/self/%s", names[i]);
        int fd = open(path, O_RDONLY);

        CHECK(fd >= 0 && read(fd, text, sizeof text) > 0 && close(fd) == 0);
    }
}

/* Code that is written anew each time. */
static void code(void)
{
#ifdef __riscv
    uint32_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    for (uint32_t i = 0; i < 50; i++) {
        uint32_t value = below(2048);

        p[0] = value << 20 | 0x513; /* li a0, value */
        p[1] = 0x8067;              /* ret */
        __builtin___clear_cache((char *)p, (char *)(p + 2));
        CHECK(((uint32_t(*)(void))p)() == value);
    }
    CHECK(munmap(p, 4096) == 0);
#endif
}

int main(int argc, char **argv)
{
    static void (*const works[])(void) = { children, programs, threads, memory, signals,
                                           sockets,  files,    proc,    code };
    struct sigaction sa = { .sa_handler = on_signal };
    const int signals_used[] = { SIGUSR1, SIGTERM, SIGALRM, SIGRTMIN + 1 };
    sigset_t orders;

    if (argc < 2)
        return 7;
    CHECK(chdir(argv[1]) == 0);
    sigemptyset(&orders);
    sigaddset(&orders, SIGUSR1);
    sigaddset(&orders, SIGTERM);
    sigprocmask(SIG_BLOCK, &orders, NULL); /* but between two rounds; over execve too */
    for (size_t i = 0; i < COUNT(signals_used); i++)
        sigaction(signals_used[i], &sa, NULL);
    for (int round = 1; !end; round++) {
        for (size_t i = 0; i < COUNT(works); i++)
            works[i]();
        sigprocmask(SIG_UNBLOCK, &orders, NULL);
        sigprocmask(SIG_BLOCK, &orders, NULL);
        if (look) {
            look = 0;
            raise(SIGSTOP);
        }
        if (argc > 2 && round == 20 && !end)
            execv("/proc/self/exe", argv);
    }
    return 0;
}
