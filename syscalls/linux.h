/*
 * The Linux personality inside: one guest process per host process, one guest task per host thread, each
 * with its own hart. Everything that a handler may use is declared here or in the headers of its room
 * (path.h, fd.h, signal.h, mm.h, trace.h).
 */
#ifndef NOAHV_SYSCALLS_LINUX_H
#define NOAHV_SYSCALLS_LINUX_H

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "core/vm.h"
#include "loader/loader.h"
#include "mem/copy.h"
#include "syscalls/abi.h"
#include "syscalls/host.h"
#include "syscalls/sysent.h"

/* Results below the guest's sight. A call that was not made, or that the host set up for a restart: deliver the
 * signal and run the ecall again (include/linux/errno.h). */
#define ERESTARTNOINTR 513
#define EJUSTRETURN 600 /* registers are set already: execve, rt_sigreturn */

struct exec;
struct box;
struct trace;
struct seccomp_filter;

/* arch/riscv/include/asm/auxvec.h AT_VECTOR_SIZE */
#define MM_AUXV_WORDS 66

/* The guest's view of its address space beyond gmem: what brk, mmap and /proc need. */
struct mm {
    pthread_mutex_t
        lock;          /* guards all that follows, and changes of mappings that first look for a free range */
    atomic_uint users; /* processes that run in this memory */
    struct layout layout; /* where this image went */
    struct image image;
    struct stack_info stack;
    uint64_t auxv[MM_AUXV_WORDS]; /* as /proc tells it; the program may have written over its own */
    gva_t brk_start, brk;         /* brk is byte-exact, as the guest set it */
    gva_t mmap_top;               /* mmap searches downwards from here */
    gva_t sigreturn;              /* the vDSO's trampoline */
    bool aslr;                    /* of new images; personality(ADDR_NO_RANDOMIZE) clears it */
    unsigned mdwe;                /* prctl(PR_SET_MDWE)'s bits */
    int lock_future;              /* mlockall's flags with MCL_FUTURE, or 0; a fork child begins with 0 */
};

/* The directory that is laid over the host's file system (path.h). */
struct root {
    int fd;     /* own descriptor (O_PATH), or -1 */
    char *path; /* the host's canonical name of it, owned; NULL: there is none */
    size_t len;
    bool left; /* the guest has changed its root */
};

/* The ids of the POSIX timers (timer.c). */
struct timers {
    int *id; /* owned */
    unsigned n, cap;
};

/* Actions for signals; shared by processes made with CLONE_SIGHAND. */
struct sighand {
    pthread_mutex_t lock; /* guards act, and the host's dispositions behind it */
    atomic_uint users;
    struct rv_sigaction act[RV_NSIG + 1]; /* by signal number; [0] unused */
};

struct process {
    struct noahv_vm *vm;
    struct gmem *mem;
    struct sighand *sighand;
    struct mm *mm;
    struct root root;
    int exe_fd; /* own descriptor of the program, or -1 */
    int log_fd; /* own copy of standard error for noahv's messages, or -1 */
    char comm[16];
    uint32_t personality;
    struct rlimit as_limit, data_limit; /* its RLIMIT_AS, RLIMIT_DATA: the window is larger than any */
    struct rlimit stack_limit;          /* its RLIMIT_STACK: the host's is for noahv's own stack */
    struct trace *trace;                /* NULL: not tracing */
    struct box *box;                    /* NULL: open */
    struct exec *handed_exec;           /* handover_reclaim */
    char *handed_parcel;
    bool landlocked;                         /* restricted by a ruleset of the guest's */
    bool has_pagemap;                        /* has opened one (pagemap.h) */
    bool execve_marked;                      /* linux_mark_execve */
    bool watch_deaths;                       /* catch deadly signals too (signal_watch_deaths) */
    _Atomic uint64_t noted[NR_SYS / 64 + 1]; /* note_once: a bit per call */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct task *tasks, *first; /* all that have not ended; the one inside the vm's os_state */
    struct task *ended;         /* to be waited for by threads_reap */
    unsigned nr_tasks, nr_suspended;
    struct timers timers;
    bool files_apart;     /* a thread has descriptors of its own: noahv's do not move any more */
    bool files_shared;    /* another process has the same ones, or had: nor do they then */
    bool parked;          /* the leader has ended, as far as the guest can see */
    struct task *exec_by; /* is ending the others, for its execve; then with */
    struct exec *exec;    /* ... what the leader is to run, under exec_mask */
    uint64_t exec_mask;
    int exec_seccomp; /* its seccomp_mode and filter */
    struct seccomp_filter *exec_filter;
    bool exiting; /* all are to end, and how has been said */
    int exit_status, exit_signal;
};

/* prctl(PR_SET_SYSCALL_USER_DISPATCH), see userdispatch.h */
struct user_dispatch {
    bool on;
    gva_t
        offset; /* of the code whose calls are made: its length may reach around the end of the address space */
    uint64_t len;
    gva_t selector; /* a byte that says what becomes of other calls, or 0 */
};

struct task {
    struct task *next; /* guarded by process.lock */
    pthread_t thread;  /* of all but the first */
    atomic_bool leave; /* no more guest code, no more host calls: thread_leave() comes next */
    bool suspended; /* inside the host's vfork: nothing but the host can end it. Guarded by process.lock. */
    int exit_status, exit_signal;
    struct process *proc;
    struct noahv_hart *nh;
    struct hart *hart; /* == &nh->hart */
    struct gmem *mem;  /* == proc->mem */
    pid_t tid;

    uint64_t sigmask;    /* blocked signals: bit sig - 1 */
    uint64_t saved_mask; /* to restore after the handler of sigsuspend, ppoll, ... */
    bool restore_mask;
    struct rv_stack altstack;
    uint64_t orig_a0; /* of the call being handled, for restarts */

    /* One signal caught by the host handler and not delivered yet: until it is, the host blocks all others,
     * so the host kernel keeps queues and order. Written by the handler on this thread. */
    volatile sig_atomic_t caught;
    siginfo_t caught_info;
    uint64_t held;          /* SIGSEGV, SIGBUS that were sent while blocked or while another was caught ... */
    siginfo_t held_info[2]; /* ... and their siginfo; the handler sets bits, so they change atomically */

    gva_t clear_tid, robust_list;
    struct near_folders *near; /* folders.h */
    struct user_dispatch user_dispatch;

    /* Changed under process.lock, by any thread of the process. */
    _Atomic int seccomp_mode;              /* as prctl(PR_GET_SECCOMP) tells it */
    struct seccomp_filter *_Atomic filter; /* the youngest; NULL: none */
};

/* --- Host calls (host_call.S) ------------------------------------------------------------------------ */

/*
 * One raw host system call, made unless a caught signal is waiting: -errno, the result, or
 * -ERESTARTNOINTR when it was not made (deliver the signal, then run the ecall again). A call that the host
 * interrupted has returned -EINTR, or was set up for restart by the host under SA_RESTART, which reads as
 * -ERESTARTNOINTR.
 */
static inline int64_t host_call(struct task *t, long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                uint64_t a4, uint64_t a5)
{
    const uint64_t a[SYS_ARGS_MAX] = { a0, a1, a2, a3, a4, a5 };

    return host_call_stub(&t->caught, nr, a);
}

/* Variadic sugar: missing arguments are 0; pointers and integers are cast to uint64_t. */
#define HC_(t, nr, a, b, c, d, e, f, ...) \
    host_call(t, nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))
#define HOST(t, ...) HC_(t, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/*
 * A raw host call that no signal prevents, for noahv's own needs: -errno or the result. In line: fresh from the host's
 * kernel, the processor mispredicts a return for every function there is.
 */
#ifdef __clang_analyzer__ /* it does not know that this writes to memory */
int64_t host_raw(long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
#else
static inline int64_t host_raw(long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                               uint64_t a5)
{
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    register uint64_t r9 __asm__("r9") = a5;
    int64_t r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}
#endif
#define HR_(nr, a, b, c, d, e, f, ...) \
    host_raw(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))
#define HOST_RAW(...) HR_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/* A guest argument as a host pointer for the host kernel (gmem_span as an integer). */
static inline uint64_t span(struct task *t, gva_t addr, uint64_t len)
{
    return (uint64_t)(uintptr_t)gmem_span(t->mem, addr, len);
}

/*
 * pass.c: the generic road of HOW_PASS and HOW_SAME rows. Most need no more than their host arguments, 0 or -errno,
 * and the caller makes the call; those that name strings, or what is changed, need memory for it.
 */
int pass_plain(struct task *t, const struct sysent *e, const uint64_t *a, uint64_t host[SYS_ARGS_MAX]);
bool pass_names_strings(const struct sysent *e);
int64_t pass_strings(struct task *t, const struct sysent *e, const uint64_t *a);

/* dispatch.c: one ecall from a7, a0..a5 to a0. */
void dispatch_ecall(struct task *t);

/* dispatch.c: the same without a trap, for calls that the host answers as they are and nobody looks at. */
enum hart_answer dispatch_answer(struct hart *h);

/* linux.c: this hart is run by noahv's own loop, which need not see every call. */
void linux_answers(struct noahv_hart *h);

/* A named note under --verbose, once per process and call: "noahv: <fmt>". */
void note_once(struct task *t, uint64_t nr, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* linux.c: a process with one task, on the calling thread, as a vm's os; it has no image yet. */
int linux_attach(struct noahv_vm *vm, struct task **out);

/* linux.c: takes over `fd` for messages, a descriptor of noahv's own from then on; -EMFILE. */
int linux_keep_log(struct process *p, int fd);

/*
 * info.c: an execve in place, of which the host knows nothing, is marked for the parent's setpgid. Around a fork the mark
 * is taken off, since the child has it from the beginning and must not.
 */
void linux_mark_execve(struct process *p);
void linux_mark_forks(const struct process *p, bool forks);

/* linux.c: makes the host's limits the guest's, where they are not noahv's business. */
void linux_take_limits(struct process *p);

/*
 * linux.c: before RLIMIT_CORE is anything but 0. A core file is the host's, of noahv's process: it is there, and wait()
 * tells of it, but the registers in it are not the guest's, and its memory would not be in its place.
 */
void linux_core_without_memory(void);

/* thread.c: the guest process ends: status for exit_group, or the signal it dies of. */
void process_exit(struct task *t, int status);
void process_die(struct task *t, int sig);

#endif
