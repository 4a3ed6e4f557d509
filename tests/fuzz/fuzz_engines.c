/*
 * libFuzzer target of the engines: the input chooses a program and the registers it starts with; the
 * interpreter and the JIT must take it through the same traps with the same registers, and leave the same
 * memory. Code that changes under the engines is not its subject, nor is anything that a trap means.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "interp/interp.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "mem/copy.h"
#include "mem/fault.h"
#include "tests/pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SPACE ((uint64_t)1 << 38)
#define TEXT ((uint64_t)0x10000) /* two pages, a hole behind them */
#define DATA ((uint64_t)0x20000) /* two pages, a hole behind them */
#define LAST (SPACE - PAGE_BYTES)

enum {
    MAX_SLOTS = 120,
    SLOT_HALVES = 16,
    MAX_HALVES = MAX_SLOTS * SLOT_HALVES + 2,
    MAX_TRAPS = 24,
    COUNTDOWN = 27, /* the register that ends loops: no generated instruction but theirs writes it */
    PATIENCE_US = 4000,
    MAX_KICKS = 6, /* that a program with an end gets over */
};

static struct gmem mem;
static struct hart hart;
static uint8_t *text;       /* the host's own, writable mapping of the guest's text */
static uint64_t secret[64]; /* memory of the host, which guests must not reach */
static timer_t patience;

/* --- The input -------------------------------------------------------------------------------------- */

/* The input's bytes, then random numbers that derive from them. */
struct source {
    const uint8_t *at;
    size_t left;
    uint64_t state;
};

static uint64_t draw(struct source *s)
{
    uint64_t v = 0;

    if (s->left) {
        size_t n = MIN(s->left, sizeof v);

        memcpy(&v, s->at, n);
        s->at += n;
        s->left -= n;
        s->state = (s->state ^ v) * UINT64_C(0x9e3779b97f4a7c15) + 1;
        return v;
    }
    s->state ^= s->state << 13; /* xorshift64 */
    s->state ^= s->state >> 7;
    s->state ^= s->state << 17;
    return s->state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned pick(struct source *s, unsigned n)
{
    return (unsigned)((draw(s) & UINT32_MAX) * n >> 32);
}

/* --- Values ----------------------------------------------------------------------------------------- */

static uint64_t value(struct source *s)
{
    static const uint64_t special[] = { 0,          1,
                                        2,          -UINT64_C(1),
                                        INT64_MAX,  (uint64_t)INT64_MIN,
                                        INT32_MAX,  (uint64_t)INT32_MIN,
                                        UINT32_MAX, UINT64_C(1) << 32,
                                        63,         64,
                                        31,         32 };
    uint64_t v = draw(s);

    switch (pick(s, 12)) {
    case 0: /* where a hole in the confinement would show */
        return (uint64_t)(uintptr_t)&secret[32] - (uint64_t)(uintptr_t)mem.gs.window;
    case 1:
    case 2:
    case 3:
        return special[pick(s, ARRAY_SIZE(special))];
    case 4:
    case 5:
        return (uint64_t)(int32_t)v;
    case 6:
    case 7:
        return (uint64_t)(int8_t)v;
    default:
        return v;
    }
}

/* Mostly inside the data, else at an edge of something. */
static uint64_t address(struct source *s)
{
    static const uint64_t edge[] = { DATA, DATA + 2 * PAGE_BYTES, LAST, SPACE, TEXT, 0, UINT64_C(1) << 32 };
    uint64_t near = pick(s, 64) - UINT64_C(32);

    switch (pick(s, 8)) {
    case 0:
        return edge[pick(s, ARRAY_SIZE(edge))] + near;
    case 1:
        return value(s);
    case 2:
        return LAST + (pick(s, (unsigned)PAGE_BYTES) & ~7u);
    default:
        return DATA + (pick(s, 2 * (unsigned)PAGE_BYTES) & ~7u);
    }
}

/* Doubles and singles: numbers of near sizes, so that sums round; all special ones; NaNs; broken boxes. */
static uint64_t real(struct source *s)
{
    uint64_t box = (uint64_t)UINT32_MAX << 32, v = draw(s), sign = v & (uint64_t)1 << 63;

    switch (pick(s, 12)) {
    case 0:
        return box | sign >> 32 | (pick(s, 2) ? 0x7f800000 : 0x7fc00000);
    case 1:
        return box | sign >> 32 | 0x7f800000 | (v & 0x7fffff);
    case 2:
        return box | (v & 0x807fffff) | (pick(s, 2) ? 0 : 0x800000);
    case 3:
    case 4:
        return box | (v & 0x807fffff) | (0x78u + pick(s, 16)) << 23;
    case 5:
        return sign | (pick(s, 2) ? UINT64_C(0x7ff) << 52 : 0) | (pick(s, 2) ? v >> 12 : 0);
    case 6:
    case 7:
    case 8:
        return (v & ~(UINT64_C(0x7ff) << 52)) | (uint64_t)(0x3f8 + pick(s, 64)) << 52;
    case 9:
        return (v & ~(UINT64_C(0x7ff) << 52)) | (uint64_t)(0x360 + pick(s, 64)) << 52; /* around 2^-149 */
    case 10:
        return box | sign >> 32;
    default:
        return v;
    }
}

/* --- Programs --------------------------------------------------------------------------------------- */

/* An instruction whose immediate leads to a slot that may come later. */
struct fix {
    struct insn insn;
    size_t at, from, slot; /* in halves; the immediate counts from `from` */
};

struct program {
    uint16_t half[MAX_HALVES];
    size_t n, slot[MAX_SLOTS + 1], nr_slots, now;
    struct fix fix[MAX_SLOTS];
    size_t nr_fixes;
    bool counting;
    uint8_t reg[6], base[3]; /* what this program mostly uses: of everything, but little of it */
    uint16_t op[8];
    unsigned nr_regs, nr_ops, weight[5];
};

static void put(struct program *p, uint32_t word)
{
    p->half[p->n++] = (uint16_t)word;
    if (insn_length((uint16_t)word) == 4)
        p->half[p->n++] = (uint16_t)(word >> 16);
}

static void put_insn(struct program *p, struct insn i)
{
    i.len = 4;
    put(p, insn_encode(&i));
}

/* One that leads to another slot: ahead, or at most here. */
static void put_far(struct program *p, struct source *s, struct insn i, size_t from, bool back)
{
    size_t slot = back ? pick(s, (unsigned)p->now + 1) : p->now + 1 + pick(s, 12);

    p->fix[p->nr_fixes++] = (struct fix){ i, p->n, from, MIN(slot, p->nr_slots) };
    put_insn(p, (struct insn){ .op = OP_addi });
}

/* Lets the next instruction happen only so many times. */
static void put_countdown(struct program *p)
{
    put_insn(p, (struct insn){ .op = OP_addi, .rd = COUNTDOWN, .rs1 = COUNTDOWN, .imm = -1 });
    put_insn(p, (struct insn){ .op = OP_blt, .rs1 = COUNTDOWN, .imm = 8 });
}

static uint8_t reg(const struct program *p, struct source *s)
{
    return pick(s, 4) ? p->reg[pick(s, p->nr_regs)] : (uint8_t)pick(s, 32);
}

static uint8_t reg_dst(const struct program *p, struct source *s)
{
    uint8_t r = reg(p, s);

    return r == COUNTDOWN ? 0 : r;
}

static int32_t csr(const struct program *p, struct source *s)
{
    static const int16_t other[] = { 0xc03, 0x100, 0x300, 0x123 }; /* all of them trap */

    if (pick(s, 4))
        return 1; /* the others may leave a frm under which nothing is valid */
    if (pick(s, 8))
        return 2 + (int32_t)pick(s, 2);
    return p->counting ? 0xc02 : other[pick(s, ARRAY_SIZE(other))];
}

/* A row without control flow, which has its own generator; few of those that only trap. */
static uint16_t any_op(struct source *s)
{
    uint16_t op;

    do
        op = (uint16_t)pick(s, NR_OPS);
    while ((insn_desc[op].flags & INSN_ENDS) && (!(insn_desc[op].flags & INSN_TRAP) || pick(s, 32)) &&
           (op != OP_fence_i || pick(s, 4)));
    return op;
}

static int32_t immediate(const struct program *p, struct source *s, uint8_t fmt)
{
    switch (fmt) {
    case FMT_CSR:
    case FMT_CSRI:
        return csr(p, s);
    case FMT_U:
        return (int32_t)(draw(s) & 0xfffff000);
    case FMT_SH:
        return (int32_t)pick(s, 64);
    case FMT_SHW:
        return (int32_t)pick(s, 32);
    default:
        return (int32_t)pick(s, 2) ? (int32_t)pick(s, 4096) - 2048 : 8 * (int32_t)pick(s, 16) - 64;
    }
}

static void put_row(struct program *p, struct source *s, uint16_t op)
{
    uint8_t fmt = insn_desc[op].fmt;
    struct insn i = { .op = op, .rd = reg_dst(p, s), .rs1 = reg(p, s), .rs2 = reg(p, s), .rs3 = reg(p, s) };

    i.rm = pick(s, 4) ? 7 : (uint8_t)pick(s, pick(s, 8) ? 5 : 8);
    if ((insn_desc[op].flags & (INSN_LOAD | INSN_STORE)) && pick(s, 16))
        i.rs1 = p->base[pick(s, ARRAY_SIZE(p->base))];
    if (fmt == FMT_AMO || fmt == FMT_LR)
        i.rm &= 3;
    i.imm = immediate(p, s, fmt);
    put_insn(p, i);
}

static void put_memory(struct program *p, struct source *s)
{
    uint16_t op;

    do
        op = (uint16_t)pick(s, NR_OPS);
    while (!(insn_desc[op].flags & (INSN_LOAD | INSN_STORE)));
    put_row(p, s, op);
}

/* A compressed instruction; jumps back have no countdown here, so they are rare. */
static void put_half(struct program *p, struct source *s)
{
    struct insn i;

    do
        insn_decode((uint16_t)draw(s), &i);
    while (i.len != 2 || (i.op != OP_ILLEGAL && i.rd == COUNTDOWN) ||
           ((i.op == OP_ILLEGAL || (insn_desc[i.op].flags & INSN_ENDS)) && pick(s, 16)));
    put(p, i.bits);
}

static void put_control(struct program *p, struct source *s)
{
    static const uint8_t links[] = { 0, 1, 1, 5, 10 };
    uint8_t rd = links[pick(s, ARRAY_SIZE(links))], t = 5 + (uint8_t)pick(s, 3);
    struct insn branch = { .op = (uint16_t)(OP_beq + pick(s, 6)), .rs1 = reg(p, s), .rs2 = reg(p, s) };
    bool back = pick(s, 3) == 0;

    switch (pick(s, 8)) {
    case 0:
    case 1:
    case 2:
        if (back)
            put_countdown(p);
        put_far(p, s, branch, p->n, back);
        break;
    case 3:
    case 4:
        if (back)
            put_countdown(p);
        put_far(p, s, (struct insn){ .op = OP_jal, .rd = rd }, p->n, back);
        break;
    case 5:
        put_insn(p, (struct insn){ .op = OP_auipc, .rd = t });
        put_far(p, s, (struct insn){ .op = OP_jalr, .rd = rd, .rs1 = t }, p->n - 2, false);
        break;
    case 6:
        put_insn(p, (struct insn){ .op = OP_addi, .rd = 1, .rs1 = 1, .imm = (int32_t)pick(s, 9) - 4 });
        break;
    default:
        put_countdown(p);
        put_insn(p, (struct insn){ .op = OP_jalr, .rs1 = 1 });
        break;
    }
}

static void put_random(struct program *p, struct source *s)
{
    if (pick(s, 2))
        put_memory(p, s);
    else
        put_row(p, s, pick(s, 2) ? any_op(s) : p->op[pick(s, p->nr_ops)]);
}

/* A function and a call of it: what is known of registers before the call may not hold behind it. */
static void put_call(struct program *p, struct source *s)
{
    size_t body = 1 + pick(s, 3);
    int32_t bytes = 4 * (int32_t)body;

    put_insn(p, (struct insn){ .op = OP_jal, .imm = bytes + 8 });
    for (size_t k = 0; k < body; k++)
        put_row(p, s, pick(s, 2) ? OP_ld : any_op(s));
    put_insn(p, (struct insn){ .op = OP_jalr, .rs1 = 1 });
    put_random(p, s);
    put_insn(p, (struct insn){ .op = OP_jal, .rd = 1, .imm = -bytes - 8 });
    put_random(p, s);
}

static unsigned pick_piece(void *from, unsigned n)
{
    return pick(from, n);
}

static struct pieces pieces(const struct program *p, struct source *s)
{
    struct pieces w = {
        .pick = pick_piece, .from = s, .base = p->base[pick(s, ARRAY_SIZE(p->base))], .spare = COUNTDOWN
    };

    pieces_make(&w);
    return w;
}

/* A word that is read byte by byte, with other rows in between, and perhaps a call of a function that reads another. */
static void put_pieces(struct program *p, struct source *s)
{
    struct pieces w = pieces(p, s), inner = pieces(p, s);
    unsigned others = pick(s, 4), call = pick(s, 4) ? PIECES_MAX : pick(s, w.n);
    size_t leaf = p->n + 2;

    if (call < w.n) {
        put_insn(p, (struct insn){ .op = OP_jal, .imm = 4 * (int32_t)inner.n + 8 });
        for (unsigned k = 0; k < inner.n; k++)
            put_insn(p, inner.insn[k]);
        put_insn(p, (struct insn){ .op = OP_jalr, .rs1 = 1 });
    }
    for (unsigned k = 0; k < w.n; k++) {
        if (k == call)
            put_insn(p, (struct insn){ .op = OP_jal, .rd = 1, .imm = 2 * ((int32_t)leaf - (int32_t)p->n) });
        if (pick(s, 8) < others)
            put_random(p, s);
        put_insn(p, w.insn[k]);
    }
}

/* A loop with nothing in it but rows: what is known of registers at its end is known at its start, or is not. */
static void put_loop(struct program *p, struct source *s)
{
    size_t start = p->n, body = 1 + pick(s, 5); /* within the halves of a slot */

    for (size_t k = 0; k < body; k++) {
        uint8_t base = p->base[pick(s, ARRAY_SIZE(p->base))];

        if (pick(s, 3) || base == COUNTDOWN)
            put_random(p, s);
        else
            put_insn(p,
                     (struct insn){ .op = OP_addi, .rd = base, .rs1 = base, .imm = immediate(p, s, FMT_I) });
    }
    put_countdown(p);
    put_insn(p, (struct insn){ .op = (uint16_t)(OP_beq + pick(s, 6)),
                               .rs1 = pick(s, 2) ? reg(p, s) : 0,
                               .rs2 = pick(s, 2) ? reg(p, s) : 0,
                               .imm = -2 * (int32_t)(p->n - start) });
}

static void resolve(struct program *p, struct source *s)
{
    for (size_t k = 0; k < p->nr_fixes; k++) {
        struct fix *f = &p->fix[k];
        int32_t middle = pick(s, 24) ? 0 : 1; /* often the second half of an instruction */
        uint32_t word;

        f->insn.len = 4;
        f->insn.imm = 2 * ((int32_t)p->slot[f->slot] + middle - (int32_t)f->from);
        if (f->insn.op == OP_jalr)
            f->insn.imm = MIN(f->insn.imm, 2047);
        word = insn_encode(&f->insn);
        p->half[f->at] = (uint16_t)word;
        p->half[f->at + 1] = (uint16_t)(word >> 16);
    }
}

/* Chooses what the program is made of. */
static void choose(struct program *p, struct source *s)
{
    p->counting = pick(s, 2);
    p->nr_slots = 1 + pick(s, MAX_SLOTS);
    p->nr_regs = 1 + pick(s, ARRAY_SIZE(p->reg));
    p->nr_ops = 1 + pick(s, ARRAY_SIZE(p->op));
    for (size_t k = 0; k < ARRAY_SIZE(p->reg); k++)
        p->reg[k] = (uint8_t)pick(s, 32);
    for (size_t k = 0; k < ARRAY_SIZE(p->base); k++)
        p->base[k] = k ? 1 + (uint8_t)pick(s, 26) : p->reg[0];
    for (size_t k = 0; k < ARRAY_SIZE(p->op); k++)
        p->op[k] = any_op(s);
    for (size_t k = 0; k < ARRAY_SIZE(p->weight); k++)
        p->weight[k] = 1 + pick(s, 12);
}

static void generate(struct program *p, struct source *s)
{
    p->n = p->nr_fixes = 0;
    choose(p, s);
    for (p->now = 0; p->now < p->nr_slots; p->now++) {
        unsigned sum = 0, k = 0, at;

        for (size_t w = 0; w < ARRAY_SIZE(p->weight); w++)
            sum += p->weight[w];
        for (at = pick(s, sum); at >= p->weight[k]; k++)
            at -= p->weight[k];
        p->slot[p->now] = p->n;
        if (pick(s, 48) == 0)
            put(p, pick(s, 2) ? (uint32_t)draw(s) | 3 : 0x73);
        else if (pick(s, 12) == 0)
            put_loop(p, s);
        else if (pick(s, 16) == 0 &&
                 p->n + SLOT_HALVES * (p->nr_slots - p->now) + 8 * PIECES_MAX < MAX_HALVES)
            put_pieces(p, s);
        else if (k == 0)
            put_row(p, s, p->op[pick(s, p->nr_ops)]);
        else if (k == 1)
            put_random(p, s);
        else if (k == 2)
            put_call(p, s);
        else if (k == 3)
            put_control(p, s);
        else
            put_half(p, s);
    }
    p->slot[p->nr_slots] = p->n;
    put(p, 0x73);
    resolve(p, s);
}

/* Somewhere, in any alignment, is a look at a clock, or at a counter that is not kept. */
static bool sees_time(const struct program *p)
{
    for (size_t k = 0; k + 1 < p->n; k++) {
        uint32_t word = p->half[k] | (uint32_t)p->half[k + 1] << 16, number = word >> 20;

        if ((word & 0x7f) != 0x73 || !(word >> 12 & 3))
            continue;
        if (number == 0xc01 || number == 0xcc0 || (!p->counting && (number == 0xc00 || number == 0xc02)))
            return true;
    }
    return false;
}

/* --- Runs ------------------------------------------------------------------------------------------- */

/* Everything that must be the same; it has no padding. */
struct state {
    uint64_t x[32], f[32], pc, fcsr, instret, resv_addr, resv_val, how, scause, stval, htval, htinst, gva;
};

struct outcome {
    struct state at[MAX_TRAPS];
    size_t n;
    uint8_t data[2 * PAGE_BYTES], last[PAGE_BYTES];
};

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void on_patience(int sig)
{
    (void)sig;
    atomic_store(&hart.kick, 1);
    jit_kick(&hart);
}

/* Kicks the hart after a while, and again as often as `every` says; 0: not, or once. */
static void set_patience(unsigned us, unsigned every)
{
    struct itimerspec t = { .it_value.tv_nsec = (long)us * 1000, .it_interval.tv_nsec = (long)every * 1000 };

    require(timer_settime(patience, 0, &t, NULL) == 0);
}

/* Once: memory as the macros say, its text out of the guest's reach. */
static void set_up(void)
{
    struct sigaction action = { .sa_handler = on_patience, .sa_flags = SA_ONSTACK };
    /* To this thread: libFuzzer has others, which a kick must not reach while a hart is freed. */
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
    int fd = memfd_create("text", MFD_CLOEXEC), rw = GMEM_R | GMEM_W;

    require(fd >= 0 && ftruncate(fd, 2 * PAGE_BYTES) == 0);
    require(fault_install(NULL) == 0 && fault_thread_init() == 0);
    require(gmem_init(&mem, SPACE) == 0);
    require(gmem_map(&mem, TEXT, 2 * PAGE_BYTES, GMEM_R | GMEM_X, GMEM_SHARED, GMEM_PLAIN, fd, 0) == 0);
    require(gmem_map(&mem, DATA, 2 * PAGE_BYTES, rw, 0, GMEM_PLAIN, -1, 0) == 0);
    require(gmem_map(&mem, LAST, PAGE_BYTES, rw, 0, GMEM_PLAIN, -1, 0) == 0);
    text = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    require(text != MAP_FAILED);
    hart.mem = &mem;
    hart.alone = true;
    require(sigaction(SIGRTMIN, &action, NULL) == 0);
    event._sigev_un._tid = gettid();
    require(timer_create(CLOCK_MONOTONIC, &event, &patience) == 0);
}

static void note(struct outcome *o, enum engine_exit how)
{
    struct state *s = &o->at[o->n++];

    *s = (struct state){ .pc = hart.pc, .fcsr = hart.fcsr, .resv_addr = hart.resv_addr, .how = how };
    memcpy(s->x, hart.x, sizeof s->x);
    memcpy(s->f, hart.f, sizeof s->f);
    s->instret = hart.counting ? hart.instret : 0;
    s->resv_val = hart.resv_addr == RESV_NONE ? 0 : hart.resv_val;
    if (how != ENGINE_TRAP)
        return;
    s->scause = hart.trap.scause;
    s->stval = hart.trap.stval;
    s->htval = hart.trap.htval;
    s->htinst = hart.trap.htinst;
    s->gva = hart.trap.gva;
}

/* The engine, from trap to trap; one that is known to end goes on when it has been kicked, to the next kick. */
static enum engine_exit run_once(enum engine_exit (*engine)(struct hart *), unsigned kick_us, unsigned *kicks)
{
    enum engine_exit how;

    while ((how = engine(&hart)) == ENGINE_KICKED && kick_us) {
        atomic_store(&hart.kick, 0);
        if (++*kicks < MAX_KICKS)
            set_patience(kick_us, 0);
    }
    return how;
}

/* Each trap is stepped over. */
static void run(enum engine_exit (*engine)(struct hart *), const struct hart *from, const uint8_t *fill,
                unsigned kick_us, struct outcome *o)
{
    unsigned kicks = 0;

    memcpy(&hart, from, offsetof(struct hart, kick)); /* a kick that comes meanwhile is seen or forgotten, */
    atomic_store(&hart.kick, 0);                      /* but what the engines know of it is not torn */
    hart.trap = from->trap;
    hart.counting = from->counting;
    memcpy(mem.gs.window + DATA, fill, sizeof o->data);
    memcpy(mem.gs.window + LAST, fill, sizeof o->last);
    for (o->n = 0; o->n < MAX_TRAPS;) {
        enum engine_exit how = run_once(engine, kick_us, &kicks);
        uint16_t half = 0;

        require(hart.x[0] == 0);
        note(o, how);
        if (how != ENGINE_TRAP || gmem_fetch(&mem, hart.pc, &half, sizeof half) != sizeof half ||
            hart.trap.scause == CAUSE_GPF_FETCH)
            break;
        hart.pc += insn_length(half);
    }
    memcpy(o->data, mem.gs.window + DATA, sizeof o->data);
    memcpy(o->last, mem.gs.window + LAST, sizeof o->last);
}

static void start(struct hart *h, const struct program *p, uint64_t base, struct source *s)
{
    memcpy(h, &hart, offsetof(struct hart, poll)); /* which may be closed */
    hart_reset(h);
    h->kick = 0;
    h->instret = 0;
    h->counting = p->counting;
    h->pc = base;
    for (size_t r = 1; r < 32; r++)
        h->x[r] = value(s);
    for (size_t k = 0; k < ARRAY_SIZE(p->base); k++)
        h->x[p->base[k]] = address(s);
    h->x[0] = 0;
    h->x[COUNTDOWN] = pick(s, 100);
    h->x[1] = h->pc + 2 * (uint64_t)pick(s, (unsigned)p->n);
    for (size_t r = 0; r < 32; r++)
        h->f[r] = real(s);
    h->fcsr = pick(s, 256);
    if (pick(s, 8))
        h->fcsr &= 0x7f;
}

static void compare(const struct hart *from, const uint8_t *fill, unsigned kick_us)
{
    static struct outcome interp, jit;
    bool ends;

    set_patience(PATIENCE_US, PATIENCE_US);
    run(interp_run, from, fill, 0, &interp);
    ends = interp.at[interp.n - 1].how == ENGINE_TRAP;
    if (ends)
        set_patience(kick_us, 0);
    run(jit_run, from, fill, ends ? kick_us : 0, &jit);
    set_patience(0, 0);
    require(secret[32] == 0);
    if (!ends) /* nor did the other one, until it was kicked */
        return;
    require(interp.n == jit.n);
    require(memcmp(interp.at, jit.at, interp.n * sizeof interp.at[0]) == 0);
    require(memcmp(interp.data, jit.data, sizeof jit.data) == 0);
    require(memcmp(interp.last, jit.last, sizeof jit.last) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct program p;
    static uint8_t fill[2 * PAGE_BYTES];
    struct source s = { data, size, 0x6e6f616876 };
    struct hart from;
    uint64_t base;

    if (!text)
        set_up();
    generate(&p, &s);
    if (sees_time(&p))
        return 0;
    base = TEXT + (pick(&s, 3) ? 0 : PAGE_BYTES - 64 * pick(&s, 8));
    memset(text, 0, 2 * PAGE_BYTES);
    memcpy(text + (base - TEXT), p.half, 2 * p.n);
    gmem_code_changed(&mem, TEXT, 2 * PAGE_BYTES, pick(&s, 2));
    if (pick(&s, 16) == 0) { /* what it decides once per hart */
        jit_free(&hart);
        jit_poll(&hart, false);
        memset(&hart.jit, 0, sizeof hart.jit);
        hart.jit.options = (pick(&s, 2) ? JIT_HARDEN_SPECTRE : 0) | (pick(&s, 4) ? 0 : JIT_COLD);
        if (pick(&s, 4) == 0)
            jit_baseline(&hart);
    }
    for (unsigned rounds = 1 + pick(&s, 4); rounds > 0; rounds--) { /* later ones find code that is linked */
        for (size_t k = 0; k < sizeof fill; k += 8)
            memcpy(fill + k, &(uint64_t){ k % 16 ? value(&s) : real(&s) }, 8);
        start(&from, &p, base, &s);
        compare(&from, fill, pick(&s, 4) ? 0 : 10 + pick(&s, 100));
    }
    return 0;
}
