/*
 * libnoahv: run RISC-V 64-bit Linux programs inside this process, on a hart that traps to you.
 *
 * A vm holds guest memory and harts. noahv_run() runs one hart until it needs something: an exit, in the
 * manner of the KVM API's KVM_RUN. What an ecall means is yours to decide; noahv_linux_handle() is a
 * complete Linux personality to hand exits to.
 *
 * Errors: functions return 0 or a negative errno; noahv_last_error() has the text. Threads: a vm may be
 * used from several threads, a hart from one at a time; only noahv_kick() may be called from anywhere.
 * Addresses are guest addresses in bytes; the guest's address space begins at 0.
 */
#ifndef NOAHV_H
#define NOAHV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NOAHV_API __attribute__((visibility("default")))
#else
#define NOAHV_API
#endif

struct noahv_vm;
struct noahv_hart;

enum noahv_engine {
    NOAHV_ENGINE_JIT, /* the interpreter where the host allows no executable memory */
    NOAHV_ENGINE_INTERP,
    NOAHV_ENGINE_LOCKSTEP /* the JIT checked block by block; for finding its faults */
};

/*
 * What guest code must not do even speculatively, at some cost. Spectre: no access beyond the guest's address space and
 * its guards (variant 1), whatever is predicted of a bounds check. Where indirect branches are predicted to go (variant
 * 2) is left to the host kernel's mitigations: give each guest that others must be safe from a process of its own.
 */
enum noahv_harden { NOAHV_HARDEN_SPECTRE = 1 };

/* Configuration of a vm. Fill with noahv_config_init(), then change what you need. */
struct noahv_config {
    size_t size;           /* sizeof(struct noahv_config), for versioning */
    uint64_t address_bits; /* guest address space in bits: 30..38, default 38 (Sv39 user space) */
    int stats;             /* measure time in guest and host, and count instructions under every engine */
    int engine;            /* enum noahv_engine, default NOAHV_ENGINE_JIT */
    int harden;            /* mask of enum noahv_harden */
    int perf_map;          /* write /tmp/perf-PID.map: perf(1) then shows guest symbols */
    int eager;             /* translate what runs for the first time, not only what keeps running */
};

enum noahv_exit_reason {
    NOAHV_EXIT_ECALL = 1,  /* u.ecall: the guest called; pc is at the ecall */
    NOAHV_EXIT_FAULT,      /* u.fault: a guest-page fault the core cannot resolve */
    NOAHV_EXIT_ILLEGAL,    /* u.insn: illegal or not permitted in VU-mode */
    NOAHV_EXIT_EBREAK,     /* breakpoint; pc is at the ebreak */
    NOAHV_EXIT_MISALIGNED, /* u.fault: misaligned atomic, or jump target */
    NOAHV_EXIT_KICKED,     /* noahv_kick() */
    NOAHV_EXIT_HALT        /* u.halt: the guest program ended (set by noahv_linux_handle) */
};

enum noahv_access { NOAHV_READ = 1, NOAHV_WRITE = 2, NOAHV_EXEC = 4 };

enum noahv_fault_kind { NOAHV_FAULT_UNMAPPED = 1, NOAHV_FAULT_PROTECTION, NOAHV_FAULT_BUS };

struct noahv_exit {
    uint32_t reason;
    uint64_t pc;                           /* of the instruction that caused the exit */
    uint64_t scause, stval, htval, htinst; /* the trap as the H extension reports it into HS-mode */
    union {
        struct {
            uint64_t nr, arg[6];
        } ecall; /* a7, a0..a5 */
        struct {
            uint64_t gva, gpa;
            uint32_t access, kind;
        } fault;
        struct {
            uint32_t bits;
        } insn;
        struct {
            int status, signal;
        } halt; /* exit status, or the signal that killed it */
    } u;
};

/* Counters of a hart since its creation, and of all threads that have ended. Times are nanoseconds, 0 unless cfg.stats. */
struct noahv_stats {
    uint64_t instructions, ecalls;
    uint64_t fetch_faults, load_faults, store_faults; /* guest-page faults that reached the core */
    uint64_t faults_resolved;                         /* of these, resolved without an exit */
    uint64_t guest_ns, host_ns;
};

NOAHV_API void noahv_config_init(struct noahv_config *cfg);

/* Creates a vm with no memory mapped and no hart. cfg may be NULL. */
NOAHV_API int noahv_vm_create(const struct noahv_config *cfg, struct noahv_vm **out);
NOAHV_API void noahv_vm_destroy(struct noahv_vm *vm);

/* Text of the vm's last failure; valid until the next call on it. vm = NULL: of noahv_vm_create. */
NOAHV_API const char *noahv_last_error(const struct noahv_vm *vm);

/* Creates a hart with all registers 0. Destroyed with its vm. */
NOAHV_API int noahv_hart_create(struct noahv_vm *vm, struct noahv_hart **out);

/* General registers by number (0..31), and the pc as number NOAHV_REG_PC. */
#define NOAHV_REG_PC 32
NOAHV_API int noahv_get_reg(const struct noahv_hart *h, int reg, uint64_t *value);
NOAHV_API int noahv_set_reg(struct noahv_hart *h, int reg, uint64_t value);

/* Maps zero-filled memory; addr and len are multiples of 4096; access is a mask of enum noahv_access. */
NOAHV_API int noahv_map(struct noahv_vm *vm, uint64_t addr, uint64_t len, int access);
NOAHV_API int noahv_unmap(struct noahv_vm *vm, uint64_t addr, uint64_t len);

/* Copies between guest and host memory; -EFAULT where the guest has none (part may be copied). */
NOAHV_API int noahv_read(struct noahv_vm *vm, uint64_t addr, void *dst, size_t len);
NOAHV_API int noahv_write(struct noahv_vm *vm, uint64_t addr, const void *src, size_t len);

/* Runs the hart until an exit and fills *x. An ecall's pc is not advanced: set it, or let a handler do so. */
NOAHV_API int noahv_run(struct noahv_hart *h, struct noahv_exit *x);

/* Makes a running (or the next) noahv_run of this hart return NOAHV_EXIT_KICKED. Async-signal-safe. */
NOAHV_API void noahv_kick(struct noahv_hart *h);

NOAHV_API void noahv_get_stats(const struct noahv_hart *h, struct noahv_stats *out);

/* --- The Linux personality ------------------------------------------------------------------------ */

struct noahv_linux_config {
    size_t size;                 /* sizeof(struct noahv_linux_config) */
    const char *path;            /* the program, as execve(2) takes it */
    const char *search;          /* directories as in $PATH to look for a path without '/' in; NULL: none */
    const char *root;            /* directory laid over the host's files as the guest's "/"; NULL: none */
    const char *workdir;         /* the guest's current directory, as it names it; NULL: this process's */
    char *const *argv;           /* NULL-terminated, argv[0] included */
    char *const *envp;           /* NULL-terminated; NULL: empty */
    int no_aslr;                 /* fixed stack, PIE and mmap addresses */
    int trace_fd;                /* write a syscall trace here; -1: none. Taken over by the vm. */
    int trace_follow;            /* trace child processes too */
    struct noahv_policy *policy; /* NULL: open. The program runs in a box; the policy outlives the vm. */
    const char *trace_filter; /* names and %classes, comma-separated, leading ! negates; NULL: everything */
};

NOAHV_API void noahv_linux_config_init(struct noahv_linux_config *cfg);

/*
 * Loads a program into an empty vm as execve(2) would, and creates the hart of its first task. Installs signal
 * handlers in this process and changes its current directory if told so. -ENOENT: no such program; -EACCES,
 * -ENOEXEC ...: it or its interpreter cannot be run; -EINVAL: no such root, directory or trace filter.
 * noahv_last_error() names cause and next step.
 */
NOAHV_API int noahv_linux_exec(struct noahv_vm *vm, const struct noahv_linux_config *cfg,
                               struct noahv_hart **out);

/*
 * To be called first of all in main(), by programs that let guests start others: a guest process whose memory is
 * another's too (a vfork child) cannot be given a new image in it, so its execve begins the calling program anew.
 * 0: this is no such process. 1: it is, *vm and *hart are set, and all that is left to do is to run the hart until it
 * halts. Or -errno. In programs that do not call it, vfork children get a copy of the memory.
 */
NOAHV_API int noahv_linux_resume(int argc, char *const *argv, struct noahv_vm **vm, struct noahv_hart **hart);

/*
 * Handles one exit of a hart as the Linux kernel would: system calls, signals, faults. Returns 0 to go on; then
 * x->reason is NOAHV_EXIT_HALT once the program has ended.
 */
NOAHV_API int noahv_linux_handle(struct noahv_hart *h, struct noahv_exit *x);

/*
 * Both in turn until the program has ended, and faster: many system calls are made without an exit. Returns 0 with
 * NOAHV_EXIT_HALT, or a negative errno. noahv_kick() does not end it.
 */
NOAHV_API int noahv_linux_run(struct noahv_hart *h, struct noahv_exit *x);

/* Visits every known system call: number, name, class, level ("full", "none"). */
typedef void (*noahv_syscall_visit_fn)(void *opaque, int nr, const char *name, const char *class_name,
                                       const char *level);
NOAHV_API void noahv_linux_syscalls(noahv_syscall_visit_fn visit, void *opaque);

/* What a call at level "full" refuses all the same or does otherwise, and what the program gets; NULL: nothing. */
NOAHV_API const char *noahv_linux_limits(int nr);

/* --- Policy ----------------------------------------------------------------------------------------- */

/*
 * What a boxed program may reach. A new policy grants nothing and has limits: 256 MiB, 60 s, 64 processes, 256
 * descriptors. A box takes its whole host process along: start it in a child (fork, then noahv_linux_exec with
 * cfg.policy set), and ask noahv_policy_ended() when the child has ended.
 */
struct noahv_policy;

NOAHV_API int noahv_policy_create(struct noahv_policy **out);
NOAHV_API void noahv_policy_destroy(struct noahv_policy *p);

/* One setting by its name: "memory", "256M". -ENOENT: no such name; -EINVAL: no such value. */
NOAHV_API int noahv_policy_set(struct noahv_policy *p, const char *name, const char *value);

/* The settings of a file, a NAME = VALUE per line. -ENOENT, -EINVAL: the text begins with file and line. */
NOAHV_API int noahv_policy_load(struct noahv_policy *p, const char *path);

/*
 * Looks up the host names of rules, once: what they have for addresses then is what may be connected to. To be called
 * before a box starts, and before questions about addresses; it runs getent(1). 0, or -errno.
 */
NOAHV_API int noahv_policy_resolve(struct noahv_policy *p);

/* Text of the last failure of a call on the policy. */
NOAHV_API const char *noahv_policy_error(const struct noahv_policy *p);

/* Visits every setting: its name, what its value looks like, what it means. */
typedef void (*noahv_policy_visit_fn)(void *opaque, const char *name, const char *value, const char *meaning);
NOAHV_API void noahv_policy_settings(noahv_policy_visit_fn visit, void *opaque);

/* A limit by its name, 0: none. Times are in milliseconds. -ENOENT: no such limit. */
NOAHV_API int64_t noahv_policy_limit(const struct noahv_policy *p, const char *name);

enum noahv_end {
    NOAHV_END_OWN,   /* the program's own */
    NOAHV_END_LIMIT, /* a limit ended it, or made it fail */
    NOAHV_END_DENIED /* a refusal ended it (on-deny=kill) */
};

/* Why a box ended, with one line about it (up to cap bytes) unless it was the program's own doing. */
NOAHV_API enum noahv_end noahv_policy_ended(const struct noahv_policy *p, char *line, size_t cap);

/* The host's protections around a box: name, what it does, and why this host lacks it (NULL: it is there). */
typedef void (*noahv_layer_visit_fn)(void *opaque, const char *name, const char *what, const char *lacks);
NOAHV_API void noahv_policy_layers(noahv_layer_visit_fn visit, void *opaque);

/* The host calls that a box's filter lets through, by the host's numbers; some come twice. */
typedef void (*noahv_host_call_visit_fn)(void *opaque, int nr, const char *name);
NOAHV_API void noahv_policy_host_calls(noahv_host_call_visit_fn visit, void *opaque);

/*
 * To watch these: before the start, noahv_policy_audit(). Then noahv_policy_listener() tells which descriptor of the
 * box's process is, or will soon be, its seccomp listener; -1: not yet known. Each call waits there to be answered by
 * whoever asked, who takes a copy (pidfd_getfd); when that very descriptor is closed the walls stand.
 */
NOAHV_API void noahv_policy_audit(struct noahv_policy *p);
NOAHV_API int noahv_policy_listener(const struct noahv_policy *p);

/*
 * The read end of a pipe, before the start; taken over. All processes of the box die when nobody has the other end any more:
 * with whoever started them, however that ends.
 */
NOAHV_API void noahv_policy_leash(struct noahv_policy *p, int fd);

/*
 * Learning a policy. Before the settings: grants the host's files and network and no limit, and lets the box write what
 * it uses to `fd`, a file, as lines of JSON. When the box has ended: writes a policy that grants just that, under a comment
 * with `title`; `seconds` is how long it ran. What a policy cannot grant stands there as a comment: returns the number of
 * those; -ESRCH: the program did not start. noahv_policy_accesses writes the record, sorted.
 */
NOAHV_API int noahv_policy_learn(struct noahv_policy *p, int fd);
NOAHV_API int noahv_policy_write(struct noahv_policy *p, int fd, const char *title, unsigned seconds);
NOAHV_API int noahv_policy_accesses(struct noahv_policy *p, int fd);

/*
 * Decides by a policy, without a box, on each access of such a record: visits what would be refused, and returns how
 * many that are. -EINVAL ...: noahv_policy_error() says why it cannot be read.
 */
typedef void (*noahv_refusal_visit_fn)(void *opaque, const char *line);
NOAHV_API int noahv_policy_check(struct noahv_policy *p, const char *record, noahv_refusal_visit_fn visit,
                                 void *opaque);

/*
 * The same for one access: a system call, or a word of a record, and what it is about. call NULL: `object` is a line of a
 * record, or of a refusal as JSON. 1: allowed, 0: refused; `line` (up to cap bytes) says by which rule, or why and what
 * would allow it. -ENOENT: there is no such call; -EINVAL: no such line.
 */
NOAHV_API int noahv_policy_explain(struct noahv_policy *p, const char *call, const char *object, char *line,
                                   size_t cap);

/*
 * What a box whose policy says overlay=DIR has written, in comparison with the files below: 'A' added, 'M' modified, 'D'
 * deleted; '!' cannot be applied, and why. Paths are the box's, and hold anything the guest chose.
 *
 * apply makes the files below so, or, with `root`, those of that folder, in which the box's / is looked for. It follows no
 * link, sets no set-user-ID, set-group-ID and makes no devices and no sockets. discard removes DIR. All fail while
 * a box uses DIR: 0, or -errno and the cause in why[NOAHV_WHY_MAX].
 */
#define NOAHV_WHY_MAX 512
typedef void (*noahv_change_visit_fn)(void *opaque, char change, const char *path, const char *refused);
NOAHV_API int noahv_overlay_diff(const char *dir, noahv_change_visit_fn visit, void *opaque, char *why);
NOAHV_API int noahv_overlay_apply(const char *dir, const char *root, noahv_change_visit_fn visit,
                                  void *opaque, char *why);
NOAHV_API int noahv_overlay_discard(const char *dir, char *why);

/* Removes what the box left on the host (its tmpfs folders), when all its processes have ended. */
NOAHV_API void noahv_policy_clear(struct noahv_policy *p);

/* --- Messages --------------------------------------------------------------------------------------- */

enum noahv_log {
    NOAHV_LOG_ERROR,
    NOAHV_LOG_NOTE, /* and notes on what the guest asks for and does not get */
    NOAHV_LOG_JIT   /* and every block that is translated: guest and host code side by side */
};

/* Where the library's messages go (default: standard error, errors only). line has no prefix or newline. */
NOAHV_API void noahv_set_log(void (*sink)(void *opaque, int level, const char *line), void *opaque,
                             enum noahv_log level);

/* "MAJOR.MINOR.PATCH", and the ISA string that is implemented. */
NOAHV_API const char *noahv_version(void);
NOAHV_API const char *noahv_isa(void);

#ifdef __cplusplus
}
#endif
#endif
