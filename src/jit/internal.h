/*
 * What the files of the JIT share: its state, the frame of a translation, the register map.
 */
#ifndef NOAHV_JIT_INTERNAL_H
#define NOAHV_JIT_INTERNAL_H

#include "hart/hart.h"
#include "jit/code.h"
#include "jit/x64.h"

/* Why generated code came back. */
enum jit_exit {
    JIT_OK,       /* of a call: go on */
    JIT_LINK,     /* h->jit.info: the edge that leads nowhere yet */
    JIT_INDIRECT, /* h->pc: not in the table of indirect targets */
    JIT_REPLAY,   /* h->pc: this instruction must be done by its body (it faults, or its address is odd) */
    JIT_RESUME,   /* h->pc: look up and go on */
    JIT_REFETCH,  /* the same after forgetting all code */
    JIT_ECALL,    /* h->pc: an ecall */
    JIT_TRAP,     /* h->trap is filled */
    JIT_COUNT,    /* h->pc: a look at instret, which has not been counted so far */
    JIT_KICK,     /* a poll found the hart kicked */
};

typedef int (*jit_body_fn)(struct hart *h, const struct insn *i);

/* An instruction that generated code has done by its body. */
struct jit_call {
    struct insn insn;
    uint64_t pc;
};

/* A direct jump that has not been linked. */
struct jit_edge {
    uint64_t target; /* the guest pc it is to reach */
    uint32_t field;  /* its rel32: offset in the code; 0: that of a detour, which table_enter links */
    bool back;       /* to before the translation that it is part of */
    bool on;         /* to right behind it, where it ends for its size: as hot as it is */
};

/*
 * A value that waits until somebody looks: x[reg] is made of `bytes` bytes of hart.jit.wide[slot], from byte `at` on,
 * shifted left by `shift` bytes.
 */
struct jit_lazy {
    uint8_t reg, slot, at, bytes, shift;
    bool word; /* and sign-extended from 32 bits */
    bool more; /* of several that belong together: not the last */
};

/* What waits to be made visible. */
struct jit_dirt {
    uint32_t dirty_d, dirty_s; /* f registers to be made canonical */
    uint32_t dirty_w;          /* x registers to be sign-extended */
    uint32_t lazy;             /* index of the first value that waits; 0: none does */
};

/* A host instruction that may fault. In ascending order of `host`. */
struct jit_site {
    uint32_t host; /* offset in the code */
    uint32_t dirt; /* index; that of none is 0 */
    uint64_t what; /* pc << 8 | kind */
};

static inline uint64_t jit_site_pc(const struct jit_site *s)
{
    return s->what >> 8;
}

/* The enum jit_exit to leave with; JIT_INDIRECT: a poll whose guest pc is in rcx. */
static inline unsigned jit_site_kind(const struct jit_site *s)
{
    return s->what & 0xff;
}

/* Where something begins in the code, for show.c. In ascending order; a block's last one is a MARK_END. */
struct jit_mark {
    uint32_t host; /* offset in the code */
    uint32_t kind; /* enum cold_kind, or what follows it */
    uint64_t pc;
};

enum cold_kind { COLD_REPLAY, COLD_EDGE, COLD_LOOP, COLD_MISS, COLD_CALL, COLD_NAN_D, COLD_NAN_S };
enum { MARK_INSN = COLD_NAN_S + 1, MARK_TAIL, MARK_END };

/* Of one translation: instructions, and bytes of guest code. */
enum { GEN_INSNS_MAX = 64, JIT_TEXT_MAX = GEN_INSNS_MAX * 4 };

/* A translation. Guest code that it was made from is `len` bytes at `pc`. */
struct jit_block {
    uint64_t pc, sum; /* sum, next: pages.c */
    uint32_t next;
    uint32_t host; /* offset in the code */
    uint16_t len;
};

/* Where jumps to a guest address lead: to its first translation, or what that became when it was dropped. */
struct jit_entry {
    uint64_t pc;
    uint32_t host;  /* offset in the code; 0: this entry is free */
    uint32_t block; /* index + 1 of the translation that is true; 0: none is */
};

enum { JIT_TABLE_BITS_MIN = 11, JIT_TABLE_BITS_MAX = 19, JIT_VICTIMS = 4096 };

#define JIT_ALIGN ((size_t)16)             /* of blocks: a detour fits */
#define JIT_BLOCK_ROOM ((size_t)512 << 10) /* what a translation can take at the very most */
#define JIT_CODE_BYTES ((size_t)64 << 20)
#define JIT_CODE_BYTES_MAPPED ((size_t)512 << 20) /* with a perf map, when a flush makes no room */
#define JIT_DROPPED_BYTES ((size_t)128 << 10) /* of code that is not true any more, borne whatever is true */
#define JIT_STACK_BYTES ((size_t)256 << 10)
#define JIT_MAX_BLOCKS ((size_t)1 << (JIT_TABLE_BITS_MAX - 1))
#define JIT_MAX_PAGES ((size_t)1 << 15)
#define JIT_MAX_CALLS ((size_t)1 << 18)
#define JIT_MAX_EDGES ((size_t)1 << 19)
#define JIT_MAX_SITES ((size_t)1 << 20)
#define JIT_MAX_DIRT ((size_t)1 << 20)
#define JIT_MAX_LAZY ((size_t)1 << 20)
#define JIT_MAX_MARKS ((size_t)1 << 21)

/* What generators ask for beyond the baseline. */
struct jit_host {
    bool bmi2; /* and BMI, LZCNT, POPCNT, of the same age */
    bool fma, sse41, clmul;
};

/* The bit of jit.starts for a pc that may have an entry. */
#define JIT_STARTS 8192
#define JIT_START(pc) ((pc) >> 1 & (JIT_STARTS - 1))

/* The place of a pc in jit.runs, which others may share. */
#define JIT_RUNS_KEPT 32768
#define JIT_RUNS(pc) (((pc) >> 16 ^ (pc)) >> 1 & (JIT_RUNS_KEPT - 1))

struct gen;

/*
 * Translations: of one hart, or of all harts of a machine that want the same (shared). Shared ones:
 *
 * - All that is in here is guarded by shared->lock, but for what generated code looks at (call, edge, site, dirt, lazy:
 *   only ever added to, up to a forget) and what is marked as atomic.
 * - A hart says whether it is inside generated code (hart.jit.inside). It comes in with the lock held, or looks whether
 *   the world is stopped after having said so; it takes the lock outside only.
 * - While others are inside, the code memory is written to where nobody comes before it is done, and at rel32 fields of
 *   jumps, which lie within eight aligned bytes and are stored at once. All else waits until nobody is inside:
 *   harts_stop. Whoever comes in again has noticed what has changed: harts_notice.
 * - What an exit names, an edge, is there as long as `changes` is what it was when the hart came in.
 */
struct jit {
    struct code code;
    struct hart_shared *shared; /* NULL: of one hart, and of what is said above nothing matters */
    struct hart *harts;         /* who has joined */
    atomic_uint stopping;       /* nobody comes in */
    _Atomic uint64_t changes;   /* raised when code that somebody may be about to come back to is dropped */
    size_t stubs_end;           /* what a flush keeps */
    const uint8_t *enter, *exit, *exit_saved, *link, *replay, *callop, *ecall, *retmiss, *sentinel,
        *indirect_miss;
    const uint8_t *k_sign, *k_abs, *k_box;        /* 16-byte constants for andps, orps, xorps */
    const uint8_t *k_sign_s, *k_abs_s;            /* the same of boxed singles, whose box they keep */
    const uint8_t *k_nan_d, *k_nan_s;             /* the canonical NaNs, the single one boxed */
    const uint8_t *k_flags;                       /* fflags by the low six bits of MXCSR */
    const uint8_t *k_2_63_d, *k_2_63_s;           /* 2^63 */
    const uint8_t *k_rank_d, *k_rank_s, *k_class; /* gen_fclass */
    const uint8_t *k_mask;                        /* the bits that an address below the limit can have */
    struct gen *gen;                              /* the translation under way */
    struct jit_call *call;                        /* the arrays are reservations, touched as they fill */
    struct jit_edge *edge;
    struct jit_site *site;
    struct jit_dirt *dirt; /* what waits at sites */
    struct jit_lazy *lazy;
    struct symbols *symbols; /* NULL: no perf map is kept */
    struct jit_mark *mark;   /* NULL: nobody will ask for a listing */
    struct jit_block *block;
    struct jit_page *page;   /* pages.c */
    struct jit_entry *table; /* what has been translated by pc, open addressing, at most half full */
    uint64_t starts[JIT_STARTS / 64];
    uint8_t runs[JIT_RUNS_KEPT / 4]; /* how often what has no translation was run: two bits each */
    unsigned table_bits;             /* of the table in use, which grows; the reservation is for the most */
    size_t nr_calls, nr_edges, nr_sites, nr_dirt, nr_lazy, nr_marks, nr_blocks, nr_entries, nr_pages;
    _Atomic size_t sites_done; /* those of translations that are finished: find_site's */
    size_t dropped;            /* bytes of code that nothing but jumps to what took its place leads to */
    atomic_uint code_gen;      /* of guest code: what came with it has been looked at */
    uint64_t epoch;            /* raised when all is forgotten */
    bool full;                 /* no room for what must be noted: all is to be forgotten */
    bool lost;                 /* the code memory could not be thawed: the interpreter takes over for good */
    unsigned patience;         /* how often to make do with frozen code: copying it may not be worth it */
    struct jit_host has;
    bool harden, map_ended;
    bool counting, alone; /* what blocks are made for */
    uint64_t mask;
};

/*
 * Before what generated code has named is read: a call, an edge, what waits. It was noted before the code could be
 * reached.
 */
static inline void jit_see_named(const struct jit *j)
{
    (void)atomic_load_explicit(&j->sites_done, memory_order_acquire);
}

/* Where a hart is, for those who wait until it is outside of shared translations. */
enum jit_inside { JIT_OUTSIDE, JIT_INSIDE, JIT_AWAITED };

/* What is known, at one point of a translation, of the registers: a bit each. */
struct facts {
    uint32_t checked; /* x: has been compared with the limit */
    uint32_t word;    /* x: is a sign-extended word */
    uint32_t boxed;   /* f: is a NaN-boxed single */
    /* What the home does not hold yet as the guest is to see it: gen_clean. */
    uint32_t dirty_w;          /* x: the low word of a sign-extended one; above it is anything */
    uint32_t dirty_d, dirty_s; /* f: a result that, if it is a NaN, has yet to become the canonical one */
};

enum { GEN_COLD_MAX = 512 };

/* Registers that wait, and the instruction that each waits for: its index in plan[]. */
struct lazies {
    uint32_t regs;
    uint8_t by[32];
};

/* Loads of single bytes that are made one, of four or eight. Bits are indices of instructions. */
struct wide {
    uint64_t loads, checks; /* checks: stores in between that might be to the same bytes */
    int32_t at;             /* of the first byte, from x[base] */
    uint8_t base, bytes;
};

/* Where a target is in hart.target, and in the victims. */
#define JIT_TARGET(pc) ((pc) >> 1 & (HART_TARGETS - 1))
#define JIT_VICTIM(pc) (((pc) >> 12 ^ (pc)) >> 1 & (JIT_VICTIMS - 1))

/* One translation under way. */
struct gen {
    struct jit *j;
    struct hart *h;
    struct x64 e;
    uint64_t pc, start, behind; /* of the row under way, the first one, and the last one's end */
    uint8_t text[JIT_TEXT_MAX]; /* guest code from `start` on, copied once */
    size_t text_len;
    struct insn insn[GEN_INSNS_MAX + 2]; /* decoded; ends with OP_ILLEGAL ones */
    unsigned nr_insns;
    struct facts now;
    uint8_t held[2]; /* the x register whose value rax, rcx has, unless it was written since; 0: none */
    bool words;      /* the operands of the row under way are sign-extended words ... */
    bool narrow;     /* ... and it need not make more than the low word of its result */
    /* ZF says whether x[zf] is 0, for the instruction at zf_pc. */
    int zf;
    uint64_t zf_pc;
    int flags_rd; /* x register that is to hold fflags, should the path end before it is overwritten; 0: none */
    bool ended;

    /* wide.c: what each instruction is part of; nothing where nr_wide is 0 or `bytes` is. */
    struct wide wide[HART_WIDE];
    unsigned nr_wide;
    struct jit_lazy plan[GEN_INSNS_MAX];
    struct lazies lazy;
    uint32_t lazy_noted; /* where those that wait now have been noted; 0: not yet */

    /* The second copy of a loop: what holds at its start, whenever it is entered. */
    bool looping;
    struct facts loop;
    uint8_t *loop_start;

    uint64_t slots[8]; /* slots.c: a bit per word of the stack frame */
    bool slots_known;

    struct cold {
        enum cold_kind kind;
        uint8_t *field, *resume;
        uint64_t pc;        /* replayed, or the edge's target */
        struct insn insn;   /* COLD_CALL */
        int reg;            /* COLD_NAN_*: f register whose home becomes the canonical NaN */
        struct facts at;    /* dirty registers are cleaned first */
        struct lazies lazy; /* and what waits is made */
        int flags_rd;       /* of COLD_EDGE: as in struct gen */
    } cold[GEN_COLD_MAX];
    unsigned nr_cold;
};

/* stubs.c: an indirect jump to rcx: polls, looks it up in target[], and returns the jump taken when it is not there. */
uint8_t *gen_find_target(struct x64 *e, struct jit *j);
void gen_to_target(struct x64 *e, bool call); /* behind it */

/* slots.c: a load of eight bytes from the stack that are stored as a word somewhere near. */
bool gen_is_word_slot(struct gen *g, const struct insn *i);

/* wide.c: loads of single bytes that are one. */
void gen_find_wide(struct gen *g);
bool gen_wide_row(struct gen *g, unsigned k); /* insn[k] belongs to one, and is done with */
void gen_wide_store(struct gen *g,
                    unsigned k); /* what comes behind insn[k], a store perhaps to the same bytes */
void gen_make_lazy(struct gen *g, uint32_t regs); /* those of x `regs` that wait are made; rax is used */
uint32_t gen_note_lazy(struct gen *g);            /* for a site */
static inline void gen_make(struct gen *g, uint32_t regs)
{
    if (g->lazy.regs & regs)
        gen_make_lazy(g, regs);
}
uint64_t jit_lazy_value(const struct jit_lazy *l, uint64_t wide);

/* gen.c: translates one instruction at g->pc. */
void gen_insn(struct gen *g, const struct insn *i);

/* Several at once where that is better; how many were taken, or 0. i[] is padded with OP_ILLEGAL. */
unsigned gen_fused_insns(struct gen *g, const struct insn i[3]);
bool gen_may_fuse(const struct insn *first); /* worth looking at what follows */

/* rows.c: the generator of every row, as gen.def says. */
typedef void gen_row_fn(struct gen *g, const struct insn *i);
extern gen_row_fn *const gen_row[NR_OPS];

bool gen_quiet_compare(struct gen *g, const struct insn i[3]); /* quiet.c */
void gen_read_fflags(struct gen *g, int rd);                   /* gen_flags.c: x[rd] := fflags */
uint32_t gen_reads(const struct insn *i);
/* gen.c: the x registers that it reads, as bits */            /* gen_flags.c */
void gen_ordered_compare(struct gen *g, const struct insn *i); /* gen_fp.c: replays at g->pc when unordered */

/* gen.c: what generators are made of */
int gen_src(struct gen *g, int reg, int scratch); /* host register that holds guest x `reg` */
int gen_found(const struct gen *g, int reg);      /* the same if there is one already, else -1 */
int gen_dst(int reg);                             /* where to compute guest x `reg`: its home, or rax */
void gen_sext(struct gen *g, int rd, int from);   /* rd := the low word of a host register, sign-extended */
void gen_const(struct gen *g, int rd, uint64_t v);
void gen_put(struct gen *g, int reg, int host); /* after gen_dst: to memory if that is its home */
struct x64_mem gen_addr(struct gen *g, const struct insn *i); /* checked address of a load or store */
void gen_site(struct gen *g, enum jit_exit kind);             /* the next host instruction may fault */
void gen_callop(struct gen *g, const struct insn *i);
struct cold *gen_cold(struct gen *g, uint8_t *field);
void gen_resume(struct gen *g, struct cold *c); /* where its code comes back to: here */
void gen_join(struct gen *g);                   /* others come here too, with other values in rax and rcx */
struct x64_mem gen_hart(size_t offset);         /* a field of struct hart */

/* Makes these registers what the guest may see. */
void gen_clean_x(struct gen *g, uint32_t regs);
void gen_clean_f(struct gen *g, uint32_t regs);           /* gen_fp.c */
void gen_clean(struct gen *g);                            /* all */
void gen_clean_cold(struct gen *g, const struct cold *c); /* gen_fp.c: in cold code, all that c says */
void gen_nan_cold(struct gen *g, const struct cold *c);   /* gen_fp.c: COLD_NAN_* */
void gen_wrote(struct gen *g, int reg); /* x `reg` is another value: nothing is known of it */

void gen_body(struct gen *g, const struct insn *i, uint64_t pc);
void gen_set_pc(struct gen *g, uint64_t pc);
void gen_count(struct gen *g); /* instret += 1 */
void gen_leave(struct gen *g, enum jit_exit why);
uint8_t *gen_jmp(struct gen *g); /* jumps for gen_goto: they can be linked while others run them */
uint8_t *gen_jcc(struct gen *g, enum x64_cc cc);
void gen_goto(struct gen *g, uint8_t *field, uint64_t target); /* a branch, jump or call to guest code */

#define HART(field) gen_hart(offsetof(struct hart, field))

/* stubs.c */
int stubs_emit(struct jit *j);

/* Homes of guest registers: host register, or -1 for memory. */
extern const int8_t jit_home[32], jit_fhome[32];

#define JIT_X(r) gen_hart(offsetof(struct hart, x) + 8 * (size_t)(r))
#define JIT_F(r) gen_hart(offsetof(struct hart, f) + 8 * (size_t)(r))

/* calls.c: the body of every row, out of line. */
extern const jit_body_fn jit_body[NR_OPS + 1];

/* calls.c: called by generated code; an enum jit_exit. */
int jit_callop(struct hart *h, uint32_t index);

/* MXCSR with all exceptions masked, no flags, RNE. */
#define JIT_MXCSR 0x1f80

/* RNE RTZ RDN RUP are 0 3 1 2 in MXCSR.RC: two bits each. */
#define JIT_RC_BY_FRM 0x9cu
#define JIT_RC(frm) ((JIT_RC_BY_FRM >> 2 * (frm)&3) << 13)

/* calls.c: MXCSR as the guest's fcsr wants it, and its sticky bits back into fcsr. */
void jit_mxcsr_from_fcsr(struct hart *h);
void jit_fcsr_from_mxcsr(struct hart *h);

/* calls.c: after a fault: what generated code had left dirty. */
void jit_clean(struct hart *h);

/* --- harts.c: several harts on the same translations. Of those of one hart, locking and stopping is nothing. */

void harts_lock(struct jit *j);
void harts_unlock(struct jit *j); /* and lets the others in again */

/* With the lock held: nobody is inside generated code, from here to harts_unlock. */
void harts_stop(struct jit *j);

/* The hart goes in: false: it has to take the lock first. To be called without the lock. */
bool harts_enter(struct jit *j, struct hart *h);
void harts_leave(struct hart *h);

/* The hart goes in with the lock held, which is released. */
void harts_unlock_inside(struct jit *j, struct hart *h);

/* With the lock held, outside: what has been dropped or forgotten, the hart does not come back to. */
void harts_notice(struct jit *j, struct hart *h);

/* How shared translations answer an ecall: outside. */
enum hart_answer harts_answer(struct hart *h);

/* Closes the page that polls look at, or opens it. Async-signal-safe. */
void jit_poll(struct hart *h, bool stop);

/* jit.c: memory that is touched as it fills; NULL: there is none. */
void *jit_reserve(size_t bytes);

bool table_probe(const struct jit *j, uint64_t pc); /* table.c: what table_has has no answer to */

/* table.c: the entry of `pc`, or the free one where it belongs: host is 0 there, as in a zeroed table. */
struct jit_entry *table_slot(struct jit *j, uint64_t pc);

/*
 * Whether a translation begins at `pc`: asked for each instruction that is translated, or run cold; mostly not. Of shared
 * translations, without the lock, it may be wrong either way.
 */
static inline bool table_has(const struct jit *j, uint64_t pc)
{
    return __atomic_load_n(&j->starts[JIT_START(pc) / 64], __ATOMIC_RELAXED) >> JIT_START(pc) % 64 & 1 &&
           table_probe(j, pc);
}

void table_grow(struct jit *j); /* twice as many; or not, and searches take longer */

/* The translation under way, of what is in front of `end`, becomes that of its pc. */
void table_enter(struct gen *g, const uint8_t *start, uint64_t end);

/* Jumps to what was there before it lead to it: it is complete. */
void table_publish(struct jit *j, uint64_t pc, const uint8_t *start);

/* The translation is not true any more. */
void jit_drop(struct jit *j, const struct jit_block *b);

/*
 * True when more has been dropped than not, so that it is cheaper to make the rest anew than to keep all of it: a guest
 * that writes new code for ever has no more than twice what it uses, or JIT_DROPPED_BYTES more.
 */
bool jit_wastes(const struct jit *j);

/*
 * translate.c: the code for `pc`, made anew: there is room for it, and the code memory can be written. NULL when not even
 * the first instruction can be fetched. `back`: what jumps there comes from behind it, and is perhaps the end of a loop.
 */
const uint8_t *jit_translate(struct jit *j, struct hart *h, uint64_t pc, bool back);

/* Before anything is written to the code memory. False: it cannot be; j->lost. */
bool jit_writable(struct jit *j);

/* False: what has been translated takes all the memory that it may take, and must be forgotten before there is more. */
bool jit_affords(const struct jit *j, struct hart *h);

/*
 * True when something new is to wait: the code is shared with another process since a fork. The child of most forks
 * soon executes another program, and its parent does what it has done before.
 */
bool jit_waits(struct jit *j);

/* pages.c: notes a new block made from `text`; there is room for two more pages. */
void pages_add(struct jit *j, struct hart *h, uint32_t block, const uint8_t *text);

size_t pages_bytes(void); /* what to reserve for j->page */

/* Drops what is not true any more after the guest has perhaps written, after mappings have changed, in [from, to). */
void pages_written(struct jit *j, struct hart *h, uint64_t from, uint64_t to);
bool pages_mostly_true(struct jit *j, struct hart *h); /* worth asking */
void pages_remapped(struct jit *j, struct hart *h, uint64_t from, uint64_t to);

/*
 * What lockstep.c needs of jit.c: the block at h->pc, NULL when there can be none, and running it, linked to no other:
 * JIT_TRAP, JIT_KICK, or JIT_RESUME with h->pc where it goes on.
 */
const uint8_t *jit_block(struct hart *h);
enum jit_exit jit_step(struct hart *h, const uint8_t *code);

/*
 * The instructions of a block, and perhaps some behind it up to the next certain jump. It stands before the code of
 * blocks made for lockstep.
 */
enum { JIT_LISTING_MAX = 80 }; /* a block's budget, and what a fused group may take beyond it */

struct jit_listing {
    struct insn insn[JIT_LISTING_MAX];
    unsigned n;
} __attribute__((aligned(16)));

static inline const struct jit_listing *jit_listing(const uint8_t *code)
{
    return (const struct jit_listing *)(const void *)code - 1;
}

/* jit.c: from here on as on a host without instructions beyond the x86-64 baseline. For tests. */
void jit_baseline(struct hart *h);

/* gen.c: a look at cycle or instret, where they are not kept. */
bool jit_wants_count(const struct hart *h, const struct insn *i);

/* lockstep.c: an instruction whose result is the time of day. */
bool jit_reads_clock(const struct insn *i);

/* jit.c: the fault handler's question. */
bool jit_fault(void *ucontext, uint64_t addr);

#endif
