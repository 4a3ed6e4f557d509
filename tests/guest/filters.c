/* System call filters of the program's own: what they see, every answer, what may be installed, who inherits. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "guest.h"

#ifdef __riscv
#define ARCH 0xc00000f3
#else
#define ARCH AUDIT_ARCH_X86_64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(v, then) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, 0, 1), BPF_STMT(BPF_RET | BPF_K, then)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define INSTALL(insns) install(insns, COUNT(insns))

static int install(struct sock_filter *insns, size_t n)
{
    struct sock_fprog prog = { (unsigned short)n, insns };

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

/* One filter, in a child, which then makes the calls. */
static void child(const char *what, struct sock_filter *insns, size_t n, void (*body)(void))
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (install(insns, n))
            printf("%s\n", strerrorname_np(errno));
        body();
        fflush(stdout);
        _exit(0);
    }
    guest_wait(what, pid);
}

static void getppid_(void)
{
    CALL(syscall(SYS_getppid) > 0 ? 0 : -1);
}

static void answers(void)
{
    struct sock_filter f[] = { LOAD(arch),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
                               LOAD(nr),
                               IS(SYS_getppid, 0),
                               ALLOW };
    static const unsigned ret[] = { SECCOMP_RET_ALLOW,        SECCOMP_RET_LOG,
                                    SECCOMP_RET_ERRNO | 42,   SECCOMP_RET_ERRNO | 0xffff,
                                    SECCOMP_RET_ERRNO,        SECCOMP_RET_TRACE | 7,
                                    SECCOMP_RET_TRAP | 9,     SECCOMP_RET_KILL_THREAD,
                                    SECCOMP_RET_KILL_PROCESS, 0x12340000 };
    char what[32];

    for (size_t i = 0; i < COUNT(ret); i++) {
        f[5].k = ret[i];
        snprintf(what, sizeof what, "%08x", ret[i]);
        child(what, f, COUNT(f), getppid_);
    }
}

static void on_sys(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    printf("signal %d code %d errno %d arch %d nr %d\n", sig, info->si_code, info->si_errno,
           info->si_arch == ARCH, info->si_syscall == SYS_getppid);
    FACT(info->si_call_addr != NULL);
}

static void caught(void)
{
    struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

    sigaction(SIGSYS, &sa, NULL);
    syscall(SYS_getppid);
}

/* By arguments: 64 bits of them, in halves; and by arithmetic on them. */
static void arguments_(void)
{
    CALL(syscall(SYS_lseek, -1, 0x100000001, 0));
    CALL(syscall(SYS_lseek, -1, 0x200000001, 0));
    CALL(syscall(SYS_lseek, -1, 0x300000001, 0));
    CALL(syscall(SYS_lseek, -1, 5, 7));
}

static void arguments(void)
{
    struct sock_filter high[] = { LOAD(nr),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 1, 0),
                                  ALLOW,
                                  BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                           offsetof(struct seccomp_data, args[1]) + 4),
                                  BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 1),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODATA),
                                  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 2, 0, 1),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOANO),
                                  ALLOW };
    /* errno = ((len - whence) * 2 ^ 3) / 5, from scratch memory */
    struct sock_filter sums[] = { LOAD(nr),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 1, 0),
                                  ALLOW,
                                  LOAD(args[2]),
                                  BPF_STMT(BPF_ST, 3),
                                  BPF_STMT(BPF_LDX | BPF_MEM, 3),
                                  BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
                                  BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
                                  BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 1),
                                  BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 3),
                                  BPF_STMT(BPF_LDX | BPF_IMM, 5),
                                  BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
                                  BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
                                  BPF_STMT(BPF_MISC | BPF_TAX, 0),
                                  BPF_STMT(BPF_LD | BPF_IMM, 0),
                                  BPF_STMT(BPF_MISC | BPF_TXA, 0),
                                  BPF_STMT(BPF_RET | BPF_A, 0) };
    struct sock_filter zero[] = { LOAD(nr), BPF_STMT(BPF_LDX | BPF_IMM, 0),
                                  BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW };

    child("high", high, COUNT(high), arguments_);
    child("sums", sums, COUNT(sums), arguments_);
    child("division by zero", zero, COUNT(zero), arguments_);
}

static void refused(void)
{
    struct sock_filter ok[] = { ALLOW }, none[] = { LOAD(nr) },
                       beyond[] = { BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW };
    struct sock_filter far[] = { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), ALLOW };
    struct sock_filter unread[] = { BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW };
    struct sock_filter half[] = { LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), BPF_STMT(BPF_ST, 0),
                                  BPF_STMT(BPF_LD | BPF_MEM, 0), ALLOW };
    struct sock_filter scratch[] = { BPF_STMT(BPF_ST, 16), ALLOW },
                       by0[] = { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW };
    struct sock_filter shift[] = { BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW };
    struct sock_filter odd[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW };
    struct sock_filter past[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW };
    struct sock_filter byte[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), ALLOW };
    struct sock_filter mod[] = { BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW };
    unsigned action = SECCOMP_RET_ERRNO;

    CALL(INSTALL(none));
    CALL(INSTALL(beyond));
    CALL(INSTALL(far));
    CALL(INSTALL(unread));
    CALL(INSTALL(half));
    CALL(INSTALL(scratch));
    CALL(INSTALL(by0));
    CALL(INSTALL(shift));
    CALL(INSTALL(odd));
    CALL(INSTALL(past));
    CALL(INSTALL(byte));
    CALL(INSTALL(mod));
    CALL(install(ok, 0));
    CALL(install(ok, 5000));
    CALL(install((void *)8, 1));
    CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, NULL));
    CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
    CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &action));
    CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    action = 1;
    CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    CALL(syscall(SYS_seccomp, 99, 0, NULL));
    CALL(prctl(PR_SET_SECCOMP, 5, 0, 0, 0));
    CALL(prctl(PR_GET_SECCOMP));
}

/* The younger filter is asked first, the stricter answer wins; a child and what it executes keep them. */
static void inherited(void)
{
    struct sock_filter a[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_ERRNO | 11), ALLOW };
    struct sock_filter b[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_ERRNO | 22), ALLOW };
    struct sock_filter c[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_LOG), ALLOW };
    struct sock_fprog prog = { COUNT(b), b };
    char line[80];
    FILE *f;

    CALL(INSTALL(a));
    CALL(syscall(SYS_getppid));
    SHOW(errno);
    CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
    CALL(INSTALL(c));
    CALL(syscall(SYS_getppid));
    SHOW(errno);
    CALL(prctl(PR_GET_SECCOMP));
    CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "Seccomp", 7))
            fputs(line, stdout);
    if (f)
        fclose(f);
    fflush(stdout);
    execl("/proc/self/exe", "filters", "again", NULL);
}

static pthread_barrier_t turn;

static void *second(void *arg)
{
    (void)arg;
    CALL(syscall(SYS_getppid) > 0 ? 0 : -1);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    CALL(syscall(SYS_getppid) > 0 ? 0 : -1);
    CALL(prctl(PR_GET_SECCOMP));
    return NULL;
}

/* Threads: one for all, and a new one has its creator's; not over the head of one that has other filters. */
static void together(void)
{
    struct sock_filter f[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_ERRNO | 5), ALLOW };
    struct sock_filter g[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_ERRNO | 6), ALLOW };
    struct sock_fprog prog = { COUNT(f), f };
    pthread_t thread;

    pthread_barrier_init(&turn, NULL, 2);
    pthread_create(&thread, NULL, second, NULL);
    pthread_barrier_wait(&turn);
    CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog));
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, second, NULL);
    pthread_barrier_wait(&turn);
    CALL(INSTALL(g));
    CALL(syscall(SYS_getppid) > 0 ? 0 : -1);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
}

static int *said; /* by a thread that goes on all the same */

static void *filtered(void *arg)
{
    struct sock_filter f[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_KILL_THREAD), ALLOW };

    INSTALL(f);
    syscall(SYS_getppid);
    *said = 1;
    return arg;
}

static void *strictly(void *arg)
{
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    syscall(SYS_getppid);
    *said = 2;
    return arg;
}

/* The thread alone dies; the last one takes the process along. */
static void one_of_two(void)
{
    struct sock_filter f[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_KILL_THREAD), ALLOW };
    pthread_t thread;
    int none = 0;

    said = &none;
    pthread_create(&thread, NULL, filtered, NULL);
    CALL(pthread_join(thread, NULL));
    pthread_create(&thread, NULL, strictly, NULL);
    CALL(pthread_join(thread, NULL));
    SHOW(none);
    fflush(stdout);
    INSTALL(f);
    syscall(SYS_getppid);
}

static void *says_no_more(void *arg)
{
    pthread_barrier_wait(&turn);
    pthread_join(*(pthread_t *)arg, NULL); /* the leader is gone */
    puts("the other one");
    fflush(stdout);
    filtered(NULL);
    return NULL;
}

static void *goes(void *arg)
{
    pthread_barrier_wait(&turn);
    pthread_join(*(pthread_t *)arg, NULL);
    puts("the other one");
    fflush(stdout);
    syscall(SYS_exit, 5);
    return NULL;
}

static void leader_of_two(void *(*other)(void *))
{
    pthread_t self = pthread_self(), thread;

    said = (int[]){ 0 };
    pthread_barrier_init(&turn, NULL, 2);
    pthread_create(&thread, NULL, other, &self);
    pthread_barrier_wait(&turn);
    filtered(NULL);
}

static void both(void)
{
    leader_of_two(says_no_more);
}

static void leader(void)
{
    leader_of_two(goes);
}

static void strict(void)
{
    CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    fflush(stdout);
    syscall(SYS_write, 1, "still\n", 6);
    syscall(SYS_exit, 3);
}

static void too_strict(void)
{
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
    struct sock_filter ok[] = { ALLOW }, trap[] = { LOAD(nr), IS(SYS_getppid, SECCOMP_RET_TRAP | 9), ALLOW };

    (void)argv;
    if (argc > 1) {
        CALL(syscall(SYS_getppid));
        SHOW(errno);
        return 0;
    }
    if (geteuid() != 0)
        CALL(INSTALL(ok));
    else
        puts("INSTALL(ok) -> EACCES");
    CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    refused();
    answers();
    child("caught", trap, COUNT(trap), caught);
    arguments();
    child("strict", ok, 0, strict);
    child("too strict", ok, 0, too_strict);
    child("together", ok, 0, together);
    child("one of two", ok, 0, one_of_two);
    child("both", ok, 0, both);
    child("the leader", ok, 0, leader);
    inherited();
    return 1;
}
