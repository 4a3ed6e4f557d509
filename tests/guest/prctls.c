/* Younger options of prctl: memory that is written or executed, calls that the program takes for its own. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "guest.h"

enum { USER_DISPATCH = 59, SET_MDWE = 65, GET_MDWE = 66 };

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)

static void in_child(const char *what, void (*body)(void))
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        body();
        fflush(stdout);
        _exit(0);
    }
    guest_wait(what, pid);
}

/* --- Memory that is written or executed --- */

static int map(int prot)
{
    return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static void write_or_execute(void)
{
    char *at = mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int shm = shmget(IPC_PRIVATE, 4096, 0700);

    mprotect(at + 4096, 4096, RX);
    CALL(prctl(SET_MDWE, 4, 0, 0, 0));
    CALL(prctl(SET_MDWE, 2, 0, 0, 0));
    CALL(prctl(SET_MDWE, 1, 1, 0, 0));
    CALL(prctl(GET_MDWE, 1, 0, 0, 0));
    CALL(prctl(SET_MDWE, 0, 0, 0, 0));
    CALL(prctl(SET_MDWE, 1, 0, 0, 0));
    CALL(prctl(GET_MDWE, 0, 0, 0, 0));
    CALL(prctl(SET_MDWE, 0, 0, 0, 0));
    CALL(prctl(SET_MDWE, 3, 0, 0, 0));
    CALL(prctl(SET_MDWE, 1, 0, 0, 0));
    CALL(map(RW));
    CALL(map(RX));
    CALL(map(RW | PROT_EXEC));
    CALL(mprotect(at, 4096, RX));
    CALL(mprotect(at + 4096, 4096, RX));
    CALL(mprotect(at + 4096, 4096, RW | PROT_EXEC));
    CALL(mprotect(at + 4096, 4096, RW));
    CALL(mprotect(at + 4096, 4096, RX)); /* it was, but is not any more */
    CALL(mprotect(at + 4096, 4096, PROT_READ));
    munmap(at + 3 * 4096, 4096);
    CALL(mprotect(at + 3 * 4096, 4096, RX));
    CALL(shmat(shm, NULL, SHM_EXEC) == (void *)-1 ? -1 : 0);
    CALL(shmat(shm, NULL, SHM_EXEC | SHM_RDONLY) == (void *)-1 ? -1 : 0);
    shmctl(shm, IPC_RMID, NULL);
}

/* What comes before the region that may not change has changed. */
static void part_of_it(void)
{
    char *at = mmap(NULL, 4 * 4096, RW | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pair[2];

    mprotect(at + 2 * 4096, 4096, RW);
    CALL(pipe(pair));
    CALL(write(pair[1], "byte", 4));
    CALL(prctl(SET_MDWE, 1, 0, 0, 0));
    CALL(mprotect(at, 4 * 4096, RX));
    CALL(read(pair[0], at + 4096, 1));
    CALL(read(pair[0], at + 2 * 4096, 1));
    CALL(read(pair[0], at + 3 * 4096, 1));
}

static void say_bits(void)
{
    CALL(prctl(GET_MDWE, 0, 0, 0, 0));
}

static void inherited(void)
{
    CALL(prctl(SET_MDWE, 1, 0, 0, 0));
    in_child("a child", say_bits);
    fflush(stdout);
    execl("/proc/self/exe", "prctls", "bits", NULL);
}

static void not_inherited(void)
{
    CALL(prctl(SET_MDWE, 3, 0, 0, 0));
    CALL(prctl(GET_MDWE, 0, 0, 0, 0));
    CALL(prctl(SET_MDWE, 1, 0, 0, 0));
    CALL(map(RW | PROT_EXEC));
    in_child("a child", say_bits);
    fflush(stdout);
    execl("/proc/self/exe", "prctls", "bits", NULL);
}

/* --- Calls that the program takes --- */

static volatile unsigned char selector;
static volatile int taken, wrong;
static siginfo_t last;
static uintptr_t pc;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
    selector = 0;
    taken++;
    last = *info;
#ifdef __riscv
    pc = uc->uc_mcontext.__gregs[REG_PC];
    wrong += uc->uc_mcontext.__gregs[17] != (unsigned long)info->si_syscall;
    uc->uc_mcontext.__gregs[REG_A0] = 4711;
#else
    pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    wrong += uc->uc_mcontext.gregs[REG_RAX] != info->si_syscall;
    uc->uc_mcontext.gregs[REG_RAX] = 4711;
#endif
}

static void handle(void)
{
    struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

    sigaction(SIGSYS, &sa, NULL);
}

#define ON(mode, offset, len, byte) prctl(USER_DISPATCH, (mode), (offset), (len), (byte))

static void bad_dispatch(void)
{
    CALL(ON(3, 0, 0, 0));
    CALL(ON(-1, 0, 0, 0));
    CALL(ON(0, 1, 0, 0));
    CALL(ON(0, 0, 1, 0));
    CALL(ON(0, 0, 0, &selector));
    CALL(ON(1, 16, 0, &selector));
    CALL(ON(1, 16, -8L, &selector));
    CALL(ON(1, 16, 16, -1L));
    CALL(ON(0, 0, 0, 0));
    FACT(getpid() > 0);
}

static long blocked_getpid(void)
{
    long r;

    selector = 1;
    r = syscall(SYS_getpid);
    selector = 0;
    return r;
}

/* A call that needs no look at it, were it made. */
static long blocked_close(void)
{
    long r;

    selector = 1;
    r = syscall(SYS_close, -1);
    selector = 0;
    return r;
}

static atomic_int go, done;

/* Its creator makes no call meanwhile. */
static void *in_thread(void *arg)
{
    while (!go)
        ;
    FACT(blocked_getpid() == getpid());
    done = 1;
    return arg;
}

static void dispatch(void)
{
    pthread_t thread;
    int many = 0;
    long r;

    for (int i = 0; i < 1000; i++) /* as fast as it gets */
        close(-1);
    handle();
    CALL(ON(1, 0, 0, &selector));
    FACT(getpid() > 0 && taken == 0);
    r = blocked_getpid();
    SHOW(r);
    SHOW(taken);
    SHOW(wrong);
    FACT(last.si_signo == SIGSYS && last.si_code == 2 && last.si_errno == 0 && last.si_syscall == SYS_getpid);
    FACT((uintptr_t)last.si_call_addr == pc);
    CALL(ON(1, 1, 1L << 62, &selector)); /* all code is in the range */
    FACT(blocked_getpid() == getpid() && taken == 1);
    CALL(ON(1, pc, 1, &selector)); /* this call, as seen from behind it */
    FACT(blocked_getpid() == getpid() && taken == 1);
    CALL(ON(1, pc + 1, 1, &selector));
    SHOW(blocked_getpid());
    for (int i = 0; i < 1000; i++)
        many += blocked_close() == 4711;
    SHOW(many);
    CALL(ON(1, 0, 0, &selector));
    pthread_create(&thread, NULL, in_thread, NULL);
    go = 1;
    while (!done)
        ;
    pthread_join(thread, NULL);
    fflush(stdout);
    if (fork() == 0) {
        FACT(blocked_getpid() == getpid());
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    CALL(ON(0, 0, 0, 0));
    SHOW(taken);
    FACT(blocked_getpid() == getpid() && taken == 1002);
    CALL(ON(1, 0, 0, &selector));
    fflush(stdout);
    execl("/proc/self/exe", "prctls", "free", NULL);
}

static void odd_selector(void)
{
    handle();
    ON(1, 0, 0, &selector);
    selector = 2;
    syscall(SYS_getpid);
}

static void no_selector(void)
{
    char *at = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(at, 4096);
    handle();
    ON(1, 0, 0, at);
    syscall(SYS_getpid);
}

static void masked(void)
{
    sigset_t set;

    handle();
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ON(1, 0, 0, &selector);
    selector = 1;
    syscall(SYS_getpid);
}

/* Linux 6.16: the range alone is taken. */
static void inclusive(void)
{
    int r = 0;

    handle();
    ON(1, 0, 0, &selector);
    blocked_getpid();
    ON(0, 0, 0, 0);
#ifdef __riscv
    r = ON(2, 16, 0, &selector) == -1 && errno == EINVAL && ON(2, pc, 1, &selector) == 0 &&
        blocked_getpid() == 4711 && ON(2, pc + 1, 8, &selector) == 0 && blocked_getpid() == getpid();
#else
    r = 1;
#endif
    SHOW(r);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "bits") == 0) {
        say_bits();
        return 0;
    }
    if (argc == 2) {
        FACT(blocked_getpid() == getpid());
        return 0;
    }
    in_child("written or executed", write_or_execute);
    in_child("part of it", part_of_it);
    in_child("inherited", inherited);
    in_child("not inherited", not_inherited);
    in_child("bad dispatch", bad_dispatch);
    in_child("dispatch", dispatch);
    in_child("odd selector", odd_selector);
    in_child("no selector", no_selector);
    in_child("masked", masked);
    in_child("inclusive", inclusive);
    return 0;
}
