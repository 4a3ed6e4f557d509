/*
 * One hart in VU-mode: the registers a Linux user program sees, and the trap it took last, as the
 * hypervisor extension describes traps into HS-mode. Knows memory, but no engine and no Linux.
 */
#ifndef NOAHV_HART_HART_H
#define NOAHV_HART_HART_H

#include <stdatomic.h>

#include "base/util.h"
#include "isa/insn.h"
#include "mem/gmem.h"

/* Trap causes into HS-mode that a VU-mode hart with vsatp = Bare can take (Priv. 1.13, table of scause). */
enum trap_cause {
    CAUSE_FETCH_MISALIGNED = 0,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,  /* LR not naturally aligned */
    CAUSE_STORE_MISALIGNED = 6, /* SC, AMO not naturally aligned */
    CAUSE_ECALL_VU = 8,
    CAUSE_GPF_FETCH = 20,
    CAUSE_GPF_LOAD = 21,
    CAUSE_VIRT_INSN = 22,
    CAUSE_GPF_STORE = 23,
    NR_CAUSES = 24
};

/* The trap CSRs after a trap; sepc is hart.pc itself, which stays at the trapping instruction. */
struct trap {
    uint64_t scause;
    uint64_t stval;  /* faulting guest-virtual address, or the instruction bits */
    uint64_t htval;  /* guest-physical address >> 2 for guest-page faults, else 0 */
    uint64_t htinst; /* transformed instruction of a guest-page fault on a load, store or AMO; 0 is allowed */
    bool gva;        /* hstatus.GVA: stval is a guest-virtual address */
    bool bus;        /* the host reported SIGBUS: mapped, but nothing is behind the mapping */
};

/* What became of an ecall that was to be answered without a trap. */
enum hart_answer {
    ANSWER_DONE, /* the result is in the registers; go on behind it */
    ANSWER_TRAP, /* it has to trap; nothing has been done */
    ANSWER_KICK, /* leave guest code at h->pc, as when the hart is kicked */
};

#define HART_TARGETS 4096
#define HART_WIDE 8

/*
 * Translations that the harts of one machine have in common. `lock` guards `state` and all that it leads to; src/jit has
 * the rules. It is taken before the vm's lock and that of guest memory.
 */
struct hart_shared {
    pthread_mutex_t lock;
    void *state;            /* NULL: no two harts have needed it yet */
    _Atomic size_t granted; /* as hart.jit.granted */
};

struct hart {
    /* Hot fields first; the engines rely on x[] being the first. */
    uint64_t x[32]; /* x[0] is 0 whenever an engine is not inside an instruction */
    uint64_t f[32]; /* raw bits; single precision is NaN-boxed */
    uint64_t pc;
    uint64_t limit; /* an access at or above it is a guest-page fault; host = window + address */
    uint8_t *window;
    uint64_t resv_addr; /* LR/SC reservation: address, or RESV_NONE, and the value that was read */
    uint64_t resv_val;
    uint64_t instret; /* instructions retired; exact whenever the engine has returned */
    uint32_t fcsr;    /* frm << 5 | fflags */
    atomic_uint kick; /* nonzero: leave guest code at the next block boundary; async-signal-safe to set */

    struct trap trap;
    struct gmem *mem;
    void *interp;                   /* the interpreter's state of this hart: decoded blocks */
    struct hart_jit {               /* the JIT's */
        void *state;                /* the translations that it runs: its own, or those of `shared` */
        struct hart_shared *shared; /* NULL: there are only its own */
        struct hart *next;          /* of those that run shared->state; guarded by its lock */
        atomic_uint inside;         /* enum jit_inside */
        atomic_uint stopped;        /* the poll page is closed */
        uint64_t changes, epoch;    /* those of `state` that this hart has taken notice of */
        bool own;                   /* its translations are its own, though there are others */
        uint8_t *stack;             /* of host return addresses; guard page below */
        uint64_t host_rsp;          /* the stack that C runs on, while generated code has its own */
        uint64_t pair_top, pair_rsp;
        uint64_t victim; /* address of the table of the targets that target[] had no room for */
        uint64_t info;   /* an argument of an exit; scratch within an instruction */
        uint32_t mxcsr, host_mxcsr;
        uint32_t fp_used; /* the guest has floating-point code: its registers live in host registers */
        uint32_t dirty_d, dirty_s; /* f registers that a fault left with NaNs to be made canonical */
        uint32_t dirty_w;          /* x registers that it left with a word to be sign-extended */
        uint32_t lazy; /* x registers that it left to be made of wide[]: a struct jit_lazy; 0: none */
        uint64_t wide[HART_WIDE]; /* what was loaded at once for a block's rows that load it byte by byte */
        uint32_t apart;           /* blocks are not linked: lockstep */
        uint32_t options;         /* enum jit_option; chosen before the hart first runs */
        _Atomic size_t
            granted; /* bytes of the host's memory that translations may take, where somebody counts */
    } jit;
    bool (*may_translate)(struct hart *h, size_t bytes); /* may they take more? NULL: nobody counts */
    atomic_bool alone;                                   /* no other hart has the same memory */
    bool counting; /* keep instret exact under the JIT too, which costs it most of its speed */
    void *task;    /* the guest OS's; opaque here */

    /* NULL, or how the guest OS answers an ecall for an engine that need not leave guest code for it. */
    enum hart_answer (*answer)(struct hart *h);

    /* Where indirect jumps of generated code look first: at pc / 2, modulo the size. */
    struct hart_target {
        uint64_t pc;
        const uint8_t *code; /* NULL: free */
    } target[HART_TARGETS];

    /* A page that generated code reads where it can stop: closed, it does. Nothing is in it. */
    _Alignas(PAGE_BYTES) uint8_t poll[PAGE_BYTES];
};

#define RESV_NONE UINT64_MAX

/*
 * Architectural reset as exec leaves a process: every register 0, window and limit those of mem. Keeps mem,
 * interp, jit, task, answer, instret (which runs on, as over a real execve) and kick.
 */
void hart_reset(struct hart *h);

/* The registers of another hart, without its reservation: a new thread's. */
void hart_copy(struct hart *to, const struct hart *from);

/* What the body of an instruction returns (ops/ops.h). */
enum op_result {
    OP_NEXT,    /* go on at the instruction behind it: the engine advances the pc */
    OP_JUMP,    /* the body has set h->pc */
    OP_REFETCH, /* as OP_NEXT, and what the engine derived from code must be forgotten first (fence.i) */
    OP_EXIT,    /* h->trap is filled; the instruction did not retire */
};

/*
 * Each fills h->trap and returns OP_EXIT, so that a body may `return trap_...(...)`. None looks at h->pc: the
 * engine puts it at the trapping instruction when it sees OP_EXIT.
 */
int trap_illegal(struct hart *h, const struct insn *i); /* cause 2: unknown encoding */
int trap_virtual(struct hart *h, const struct insn *i); /* cause 22: HS-qualified, not allowed in VU */
int trap_plain(struct hart *h, enum trap_cause cause, uint64_t stval); /* ecall, ebreak, misaligned */

/*
 * A guest-page fault. `addr` is the first byte of the access, `fault` the byte that faulted (>= addr when a
 * misaligned access crosses into the hole). `i` is NULL for a fetch.
 */
int trap_gpf(struct hart *h, enum trap_cause cause, const struct insn *i, uint64_t addr, uint64_t fault,
             bool bus);

/*
 * The guest-page fault of an access at `addr` that did not take place: `addr` is not below h->limit, or the host
 * refused and access_fault (mem/access.h) tells which byte.
 */
int trap_access_failed(struct hart *h, enum trap_cause cause, const struct insn *i, uint64_t addr);

/* The access kind (one gmem_prot bit) of a guest-page fault cause; 0 for other causes. */
int trap_access(uint64_t scause);

/* What an engine's run returns. */
enum engine_exit { ENGINE_TRAP, ENGINE_KICKED };

#endif
