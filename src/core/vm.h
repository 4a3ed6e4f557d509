/*
 * One guest machine inside the library: its memory, its harts, the guest OS attached to it. The core plays
 * HS-mode: vm_run() runs a hart, resolves the guest-page faults that are its own business, and returns
 * everything else as an exit.
 */
#ifndef NOAHV_CORE_VM_H
#define NOAHV_CORE_VM_H

#include "hart/hart.h"
#include "mem/gmem.h"
#include "noahv.h"

struct noahv_hart {
    struct hart hart; /* first: a struct hart * is its noahv_hart * */
    struct noahv_vm *vm;
    struct noahv_hart *next; /* list of the vm; guarded by vm->lock */
    struct vm_counts {
        uint64_t ecalls, faults_resolved[NR_CAUSES], faults_exited[NR_CAUSES];
        uint64_t guest_ns, host_ns; /* only when cfg.stats */
    } counts;
    unsigned fences;  /* gmem.fences when it became idle */
    uint64_t left_at; /* clock reading at the last return from the engine, for host_ns */
};

/* What the guest OS attached to a vm must offer; filled by the Linux personality. */
struct guest_os {
    int (*handle)(struct noahv_hart *h, struct noahv_exit *x);
    void (*destroy)(void *state);
};

struct noahv_vm {
    struct gmem mem;
    struct noahv_hart *harts, *idle;
    unsigned nr_idle;
    struct vm_counts ended; /* of harts that have ended */
    uint64_t ended_instret;
    const struct guest_os *os; /* NULL: none */
    void *os_state;
    struct noahv_config cfg;
    const struct engine *engine;                         /* of all harts */
    bool (*may_translate)(struct hart *h, size_t bytes); /* of harts that are made from now on */
    struct hart_shared shared;                           /* translations of all harts; has its own lock */
    pthread_mutex_t lock;                                /* all of the above, but for mem */
    char error[256];                                     /* text of the last failure, for noahv_last_error */
};

int vm_hart_create(struct noahv_vm *vm, struct noahv_hart **out);
void vm_hart_destroy(struct noahv_hart *h);

/* The hart has ended: kept, with what its engine has translated, for the next vm_hart_create. */
void vm_hart_end(struct noahv_hart *h);

/*
 * From here on to vm_hart_join, the hart is of another process that has the same memory. Such a process can be killed
 * while the other goes on: what it is in the midst of must be its own. Returns what vm_hart_join is to be given.
 */
bool vm_hart_part(struct noahv_hart *h);
void vm_hart_join(struct noahv_hart *h, bool parted);

/* Bytes that have been granted to the translations of all harts (hart.may_translate). */
size_t vm_translations(struct noahv_vm *vm);

/* Frees the harts that have ended; nobody else uses the vm. */
void vm_idle_free(struct noahv_vm *vm);

void vm_counts_add(struct vm_counts *to, const struct vm_counts *from);

/*
 * Makes what the first run would make: tables, memory for translations. For who gives up the means to make them before it.
 */
void vm_prepare(struct noahv_hart *h);

/* See noahv_run. */
int vm_run(struct noahv_hart *h, struct noahv_exit *x);

/* An engine: interp/interp.h has the contract. */
struct engine {
    enum engine_exit (*run)(struct hart *h);
    void (*flush)(struct hart *h); /* as FENCE.I */
    void (*free)(struct hart *h);
    void (*kick)(struct hart *h);   /* after h->kick was set; async-signal-safe */
    void (*fork)(struct hart *h);   /* before a fork by the hart's own thread */
    void (*forked)(struct hart *h); /* in the child, before the other harts are freed */
};

/* Makes the hart leave guest code soon. Async-signal-safe. */
void vm_kick(struct noahv_hart *h);

/* Makes all other harts leave guest code for a moment: they look at code_gen before they go on. */
void vm_kick_others(struct noahv_hart *h);

/* Around a fork by this hart's thread, in the parent: no thread is inside the vm's locks while the process is copied. */
void vm_fork_prepare(struct noahv_hart *h);
void vm_fork_done(struct noahv_vm *vm);

/* In the child: `h` is the only hart left, and its engine rebuilds what must not be shared with the parent. */
void vm_forked(struct noahv_hart *h);

/* What hwprobe says of the implemented extensions (RISCV_HWPROBE_KEY_IMA_EXT_0), and AT_HWCAP. */
uint64_t vm_hwprobe_ext0(void);
uint64_t vm_hwcap(void);

/* Remembers a failure's text and returns err (negative errno). */
int vm_fail(struct noahv_vm *vm, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
