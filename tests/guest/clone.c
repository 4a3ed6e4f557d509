/* clone and clone3 themselves: what they refuse, exit signals, ids that they store, pidfds, raw threads. */
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "guest.h"

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static long clone3(const void *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

/* riscv64 and x86-64 order the last two arguments differently. */
static long raw_clone(unsigned long flags, pid_t *ptid, pid_t *ctid)
{
#ifdef __riscv
    return syscall(SYS_clone, flags, 0, ptid, 0, ctid);
#else
    return syscall(SYS_clone, flags, 0, ptid, ctid, 0);
#endif
}

/* --- What is refused -------------------------------------------------------------------------------------- */

static long with_flags(unsigned long long flags)
{
    struct clone_args a = { .flags = flags, .exit_signal = flags & CLONE_THREAD ? 0 : SIGCHLD };

    return clone3(&a, sizeof a);
}

static void refusals(void)
{
    struct clone_args a = { .exit_signal = SIGCHLD };
    unsigned char big[256] = { 0 };
    pid_t tid = 0;
    static char stack[64];

    CALL(clone3(&a, 63));
    CALL(clone3(&a, 4097));
    CALL(clone3((void *)16, sizeof a));
    big[200] = 1;
    CALL(clone3(big, sizeof big));
    CALL(with_flags(CLONE_THREAD));
    CALL(with_flags(CLONE_THREAD | CLONE_SIGHAND));
    CALL(with_flags(CLONE_SIGHAND));
    CALL(with_flags(CLONE_FS | CLONE_NEWNS));
    CALL(with_flags(CLONE_FS | CLONE_NEWUSER));
    CALL(with_flags(CLONE_DETACHED));
    CALL(with_flags(CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND));
    CALL(with_flags(THREAD | CLONE_NEWPID));
    CALL(with_flags(1ull << 40));
    CALL(with_flags(SIGCHLD));
    a.exit_signal = 65;
    CALL(clone3(&a, sizeof a));
    a.exit_signal = SIGCHLD;
    a.flags = CLONE_PARENT;
    CALL(clone3(&a, sizeof a));
    a.flags = 0;
    a.stack = (uintptr_t)stack;
    CALL(clone3(&a, sizeof a));
    a.stack = 0;
    a.stack_size = 64;
    CALL(clone3(&a, sizeof a));
    a.stack_size = 0;
    a.set_tid_size = 1;
    CALL(clone3(&a, sizeof a));
    a.set_tid = (uintptr_t)&tid;
    a.set_tid_size = 33;
    CALL(clone3(&a, sizeof a));
    a.set_tid_size = 0;
    CALL(clone3(&a, sizeof a));
    a.set_tid_size = 1; /* 0 is no id */
    CALL(clone3(&a, sizeof a));
    a.set_tid = 0;
    a.set_tid_size = 0;
    a.flags = CLONE_INTO_CGROUP;
    a.cgroup = 1u << 31;
    CALL(clone3(&a, sizeof a));
    CALL(raw_clone(CLONE_THREAD | SIGCHLD, NULL, NULL));
    CALL(raw_clone(CLONE_SIGHAND | SIGCHLD, NULL, NULL));
    CALL(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, &tid, NULL));
}

/* --- Forks -------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t got;

static void note(int sig)
{
    got = sig;
}

static void exit_signals(void)
{
    const int signals[] = { 0, SIGCHLD, SIGUSR1, SIGRTMIN + 3 };

    for (unsigned i = 0; i < COUNT(signals); i++) {
        int status = 0;
        long pid;

        signal(signals[i], note);
        got = 0;
        fflush(stdout);
        pid = raw_clone((unsigned long)signals[i], NULL, NULL);
        if (pid == 0)
            _exit(11);
        printf("exit signal %d:\n", signals[i] > SIGRTMIN ? -1 : signals[i]);
        FACT(waitpid((pid_t)pid, &status, __WALL) == pid);
        FACT(got == signals[i]);
        SHOW(WEXITSTATUS(status));
    }
    signal(SIGCHLD, SIG_DFL);
}

static void stored_ids(void)
{
    static pid_t ptid, *ctid;
    const unsigned long long flags =
        CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PIDFD;
    struct clone_args a = { .flags = flags, .exit_signal = SIGCHLD };
    struct pollfd p = { .events = POLLIN };
    int pidfd = -1, status = 0;
    long pid;

    ctid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    a.parent_tid = (uintptr_t)&ptid;
    a.child_tid = (uintptr_t)ctid;
    a.pidfd = (uintptr_t)&pidfd;
    fflush(stdout);
    pid = clone3(&a, sizeof a);
    if (pid == 0)
        _exit(*ctid == getpid() ? 12 : 1);
    FACT(pid == ptid);
    FACT(pidfd > 2);
    p.fd = pidfd;
    SHOW(poll(&p, 1, 20000));
    FACT(waitpid((pid_t)pid, &status, 0) == pid);
    SHOW(WEXITSTATUS(status));
    FACT(*ctid == pid); /* not cleared by who was alone in its memory */
    close(pidfd);
}

/* CLONE_CLEAR_SIGHAND takes handlers away and leaves what is ignored. */
static void cleared_handlers(void)
{
    struct clone_args a = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
    struct sigaction act;
    int status = 0, r = 0;
    long pid;

    signal(SIGUSR1, note);
    signal(SIGUSR2, SIG_IGN);
    pid = clone3(&a, sizeof a);
    if (pid == 0) {
        sigaction(SIGUSR1, NULL, &act);
        r += act.sa_handler == SIG_DFL;
        sigaction(SIGUSR2, NULL, &act);
        _exit(r + 2 * (act.sa_handler == SIG_IGN));
    }
    waitpid((pid_t)pid, &status, 0);
    SHOW(WEXITSTATUS(status));
    signal(SIGUSR2, SIG_DFL);
}

/* --- Ids that are chosen ------------------------------------------------------------------------------------ */

/* With a stack of its own, where the child runs the body, which does not return. */
static long clone3_body(struct clone_args *args, void (*body)(void))
{
#ifdef __riscv
    register uintptr_t a0 __asm__("a0") = (uintptr_t)args;
    register uintptr_t a1 __asm__("a1") = sizeof *args;
    register void (*a2)(void) __asm__("a2") = body;
    register uintptr_t a7 __asm__("a7") = SYS_clone3;

    __asm__ volatile("ecall\n bnez a0, 1f\n jalr a2\n 1:"
                     : "+r"(a0), "+r"(a1), "+r"(a2)
                     : "r"(a7)
                     : "memory", "ra");
    return (long)a0;
#else
    register long rax __asm__("rax") = SYS_clone3;

    __asm__ volatile("syscall\n test %%rax, %%rax\n jnz 1f\n call *%%rdx\n 1:"
                     : "+r"(rax)
                     : "D"(args), "S"(sizeof *args), "d"(body)
                     : "memory", "rcx", "r11");
    return rax;
#endif
}

static _Atomic pid_t chosen;
static atomic_int word;

static void tell_chosen(void)
{
    chosen = (pid_t)syscall(SYS_getpid);
    syscall(SYS_exit, 0);
}

/* Which id is free is known in a namespace of one's own: its first process asks for 77. */
static void choose(unsigned long long flags)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t want = 77;
    struct clone_args a = {
        .flags = flags,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
        .set_tid = (uintptr_t)&want,
        .set_tid_size = 1,
    };
    int status = 0;
    long pid;

    chosen = 0;
    pid = clone3_body(&a, tell_chosen);
    printf("flags %llx:\n", flags);
    FACT(pid < 0 || pid == 77);
    FACT(pid < 0 || waitpid(77, &status, 0) == 77);
    FACT(pid < 0 || chosen == (flags & CLONE_VM ? 77 : 0));
    a.flags |= CLONE_INTO_CGROUP;
    a.cgroup = 1000; /* not open */
    SHOW(clone3_body(&a, tell_chosen));
}

static void tell_thread(void)
{
    if (syscall(SYS_getpid) == 1)
        chosen = (pid_t)syscall(SYS_gettid);
    syscall(SYS_exit, 0);
}

static void choose_thread(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t want = 99;
    struct clone_args a = {
        .flags = THREAD,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
        .set_tid = (uintptr_t)&want,
        .set_tid_size = 1,
    };
    long tid;

    for (int i = 0; i < 3; i++) {
        chosen = 0;
        tid = clone3_body(&a, tell_thread);
        while (tid > 0 && (!chosen || syscall(SYS_tgkill, 1, 99, 0) == 0))
            sched_yield();
        FACT(tid < 0 || (tid == 99 && chosen == 99));
    }
    want = 1;
    tid = clone3_body(&a, tell_thread);
    FACT(tid == -EEXIST || tid == -EPERM);
    word = 5; /* stays, as nothing has been there to clear it */
    a.flags |= CLONE_CHILD_CLEARTID;
    a.child_tid = (uintptr_t)&word;
    tid = clone3_body(&a, tell_thread);
    FACT(tid == -EEXIST || tid == -EPERM);
    CALL(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &(struct timespec){ 0, 20000000 }, NULL, 0));
    want = -1;
    SHOW(clone3_body(&a, tell_thread));
    a.set_tid_size = 32;
    SHOW(clone3_body(&a, tell_thread));
}

static void chosen_ids(void)
{
    pid_t pid;
    int may;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        may = unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
        pid = fork();
        if (pid == 0) {
            FACT(!may || getpid() == 1);
            choose(0);
            choose(CLONE_VM);
            choose(CLONE_VM | CLONE_VFORK);
            if (may)
                choose_thread();
            fflush(stdout);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

/* --- A thread without a library --------------------------------------------------------------------------- */

static atomic_int stage;
static pid_t tids[2];

static int bare_thread(void *arg)
{
    (void)arg;
    stage = gettid() == tids[0] && gettid() == word ? 1 : -1;
    return 0;
}

static void bare(void)
{
    char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int old, tid;

    tid = clone(bare_thread, stack + 65536,
                THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, NULL, &tids[0],
                NULL, &word);
    /* The word is cleared, and a waiter woken, when the thread is gone. */
    while ((old = word) != 0 || !stage)
        syscall(SYS_futex, &word, FUTEX_WAIT, old ? old : tid, NULL, NULL, 0);
    FACT(tid > 0 && tid == tids[0]);
    SHOW(stage);
    while (syscall(SYS_tgkill, getpid(), tid, 0) == 0) /* the word comes a little earlier than that */
        sched_yield();
    CALL(syscall(SYS_tgkill, getpid(), tid, 0));
    munmap(stack, 65536);
}

int main(void)
{
    refusals();
    exit_signals();
    stored_ids();
    cleared_handlers();
    chosen_ids();
    bare();
    return 0;
}
