/*
 * Wide loads. Compilers that may not assume fast unaligned accesses read a word byte by byte:
 *
 *     lbu a5,1(a0); lbu a4,0(a0); slli a5,a5,8; or a5,a5,a4; ...
 *
 * Here all its bytes are loaded at once, where the first of them is. The rows that put them together make no code:
 * their results are bytes of what was loaded, which is kept in hart.jit.wide, and become the guest's registers only
 * where somebody looks. A side exit makes them in cold code, a fault in C (jit_clean).
 *
 * A load that is taken earlier may not pass a store to the same bytes: behind each store in between, addresses are
 * compared, and the translation is left if they meet. Nor may it pass another load of the same bytes, should another
 * hart write them meanwhile (RVWMO, rule 2). With several harts there is no such load in between; that another process
 * writes the same bytes in shared memory at that very moment is not taken into account.
 */
#include "jit/internal.h"

#include <string.h>

enum { CANDIDATES = 16, CHECKS_MAX = 4 };

/* What an x register is known to be: the bytes from at(base) on, shifted left by `shift` bytes. n == 0: anything. */
struct bytes {
    uint64_t loads; /* the instructions that load them, as bits */
    int32_t at;
    uint8_t base;
    uint8_t age;   /* how often the base had been written */
    uint8_t epoch; /* how many rows before the loads let none pass */
    uint8_t n, shift;
    bool word; /* the whole is sign-extended from 32 bits */
};

struct state {
    struct bytes x[32];
    uint8_t age[32], epoch;
};

/* `hi` continues `lo`: none if the two are not one piece. */
static struct bytes join(const struct bytes *a, const struct bytes *b)
{
    const struct bytes *lo = a->shift < b->shift ? a : b, *hi = lo == a ? b : a;
    struct bytes r = *lo;

    if (!a->n || !b->n || a->base != b->base || a->age != b->age || a->epoch != b->epoch || lo->word ||
        lo->shift + lo->n != hi->shift || lo->at + lo->n != hi->at)
        return (struct bytes){ 0 };
    r.loads |= hi->loads;
    r.n += hi->n;
    r.word = hi->word;
    return r;
}

static struct bytes shifted(struct bytes v, const struct insn *i, unsigned most)
{
    unsigned shift = v.shift + (unsigned)i->imm / 8;

    if (v.word || i->imm % 8 || shift + v.n > most)
        return (struct bytes){ 0 };
    v.shift = (uint8_t)shift;
    v.word = most == 4 && shift + v.n == 4;
    return v;
}

/* The result of instruction k, given those before it. Loads that are not in `use` count for nothing. */
static struct bytes result(const struct state *s, const struct insn *i, unsigned k, uint64_t use)
{
    struct bytes v = s->x[i->rs1];

    switch (i->op) {
    case OP_lbu:
        if (i->rs1 == 0 || !(use >> k & 1))
            break;
        return (struct bytes){ .loads = UINT64_C(1) << k,
                               .at = i->imm,
                               .base = (uint8_t)i->rs1,
                               .age = s->age[i->rs1],
                               .epoch = s->epoch,
                               .n = 1 };
    case OP_slli:
        return shifted(v, i, 8);
    case OP_slliw:
        return shifted(v, i, 4);
    case OP_or:
        return join(&v, &s->x[i->rs2]);
    case OP_addiw: /* sext.w */
        if (i->imm || v.shift || (v.n != 4 && !v.word))
            break;
        v.word = true;
        return v;
    default:
        break;
    }
    return (struct bytes){ 0 };
}

/* Bytes that a row stores, or 0. */
static unsigned stored(const struct insn *i)
{
    switch (i->op) {
    case OP_sb:
        return 1;
    case OP_sh:
        return 2;
    case OP_sw:
    case OP_fsw:
        return 4;
    case OP_sd:
    case OP_fsd:
        return 8;
    default:
        return 0;
    }
}

static bool loads(const struct insn *i)
{
    return insn_desc[i->op].fmt == FMT_LD || insn_desc[i->op].fmt == FMT_FLD;
}

/* A load that comes later may be taken before it. */
static bool may_be_passed(const struct insn *i)
{
    return i->op != OP_ILLEGAL && (insn_only_writes_x(i) || loads(i) || stored(i));
}

/* False for what certainly writes no x register. */
static bool may_write_x(const struct insn *i)
{
    return i->rd != 0 && !stored(i) && insn_desc[i->op].fmt != FMT_FLD;
}

static void follow(struct state *s, const struct insn *i, unsigned k, uint64_t use)
{
    struct bytes v = result(s, i, k, use);

    if (!may_be_passed(i))
        s->epoch++;
    if (i->op == OP_jal ||
        i->op == OP_jalr) /* what is called may write registers, and load wide words itself */
        memset(s->x, 0, sizeof s->x);
    if (!may_write_x(i))
        return;
    s->x[i->rd] = v;
    s->age[i->rd]++;
}

/* The two accesses, off the same base, have no byte in common. */
static bool apart(const struct wide *w, const struct insn *i, unsigned bytes)
{
    return i->imm + (int32_t)bytes <= w->at || w->at + (int32_t)w->bytes <= i->imm;
}

static unsigned loaded(const struct insn *i)
{
    switch (i->op) {
    case OP_lb:
    case OP_lbu:
        return 1;
    case OP_lh:
    case OP_lhu:
        return 2;
    case OP_lw:
    case OP_lwu:
    case OP_flw:
        return 4;
    default:
        return 8;
    }
}

/* May the loads be taken all together where the first one is? Notes the stores to be checked. */
static bool feasible(const struct gen *g, struct wide *w)
{
    unsigned first = (unsigned)__builtin_ctzll(w->loads), last = 63 - (unsigned)__builtin_clzll(w->loads);

    for (unsigned k = first + 1; k < last; k++) {
        const struct insn *i = &g->insn[k];
        unsigned store = stored(i), load = loads(i) ? loaded(i) : 0;
        bool same = i->rs1 == w->base; /* and of the same age: its loads are around */

        if ((w->loads >> k & 1) || !(store | load))
            continue;
        if (same ? !apart(w, i, store | load) : load && !g->h->alone)
            return false;
        if (!same && store)
            w->checks |= UINT64_C(1) << k;
    }
    return __builtin_popcountll(w->checks) <= CHECKS_MAX;
}

static bool is_new(const struct gen *g, const struct wide *w)
{
    for (unsigned n = 0; n < g->nr_wide; n++)
        if (g->wide[n].loads & w->loads)
            return false;
    return g->nr_wide < HART_WIDE;
}

/* Every piece of four or eight bytes that some row has put together; the larger ones are taken. */
static void choose(struct gen *g, const struct bytes *c, unsigned n)
{
    g->nr_wide = 0;
    for (unsigned bytes = 8; bytes >= 4; bytes -= 4)
        for (unsigned k = 0; k < n; k++) {
            struct wide w = { .loads = c[k].loads, .at = c[k].at, .base = c[k].base, .bytes = c[k].n };

            if (w.bytes == bytes && is_new(g, &w) && feasible(g, &w))
                g->wide[g->nr_wide++] = w;
        }
}

/* What each instruction has to do with what was chosen. */
static void plan(struct gen *g)
{
    struct state s = { .epoch = 0 };
    uint64_t use = 0;

    for (unsigned n = 0; n < g->nr_wide; n++)
        use |= g->wide[n].loads;
    for (unsigned k = 0; k < g->nr_insns; k++) {
        const struct insn *i = &g->insn[k];
        struct jit_lazy *to = &g->plan[k];
        const struct bytes *v;
        unsigned slot = 0;

        follow(&s, i, k, use);
        v = &s.x[i->rd];
        *to = (struct jit_lazy){ .bytes = 0 };
        if (!v->n || !may_write_x(i))
            continue;
        while (slot < g->nr_wide && (g->wide[slot].loads & v->loads) != v->loads)
            slot++;
        if (slot == g->nr_wide) { /* of two pieces that were not to be one */
            s.x[i->rd].n = 0;
            continue;
        }
        *to = (struct jit_lazy){ .reg = (uint8_t)i->rd,
                                 .slot = (uint8_t)slot,
                                 .at = (uint8_t)(v->at - g->wide[slot].at),
                                 .bytes = v->n,
                                 .shift = v->shift,
                                 .word = v->word };
    }
}

void gen_find_wide(struct gen *g)
{
    struct bytes candidate[CANDIDATES];
    struct state s = { .epoch = 0 };
    unsigned n = 0, bytes = 0;

    g->nr_wide = 0;
    for (unsigned k = 0; k < g->nr_insns; k++)
        bytes += g->insn[k].op == OP_lbu;
    if (bytes < 4)
        return;
    for (unsigned k = 0; k < g->nr_insns && n < CANDIDATES; k++) {
        const struct insn *i = &g->insn[k];
        const struct bytes *v = &s.x[i->rd];

        follow(&s, i, k, ~UINT64_C(0));
        if (i->rd != 0 && (i->op == OP_or || i->op == OP_addiw) && (v->n == 4 || v->n == 8) && !v->shift)
            candidate[n++] = *v;
    }
    choose(g, candidate, n);
    if (g->nr_wide)
        plan(g);
}

/* --- Code -------------------------------------------------------------------------------------------------- */

static struct x64_mem slot_at(unsigned slot, unsigned byte)
{
    return gen_hart(offsetof(struct hart, jit.wide) + 8 * slot + byte);
}

static void load_wide(struct gen *g, const struct insn *i, unsigned slot)
{
    const struct wide *w = &g->wide[slot];
    struct insn at = *i;
    struct x64_mem m;

    gen_clean_x(g, (uint32_t)1 << i->rs1);
    at.imm = w->at;
    m = gen_addr(g, &at);
    gen_site(g, JIT_REPLAY);
    x64_mov_rm(&g->e, w->bytes == 8, RAX, m);
    x64_mov_mr(&g->e, 64, slot_at(slot, 0), RAX);
}

bool gen_wide_row(struct gen *g, unsigned k)
{
    const struct jit_lazy *l = &g->plan[k];
    uint32_t bit = (uint32_t)1 << l->reg;

    if (!l->bytes)
        return false;
    if (k == (unsigned)__builtin_ctzll(g->wide[l->slot].loads))
        load_wide(g, &g->insn[k], l->slot);
    gen_wrote(g, l->reg);
    g->lazy.regs |= bit;
    g->lazy.by[l->reg] = (uint8_t)k;
    g->lazy_noted = 0;
    if (l->word || l->shift + l->bytes < 4)
        g->now.word |= bit;
    return true;
}

/* Behind the store at `k`: if it changed what has been loaded before its time, the rest is done from memory. */
void gen_wide_store(struct gen *g, unsigned k)
{
    const struct insn *i = &g->insn[k];
    unsigned size = stored(i);

    for (const struct wide *w = g->wide; w < g->wide + g->nr_wide; w++) {
        if (!(w->checks >> k & 1))
            continue;
        x64_lea(&g->e, true, RCX, x64_at(gen_src(g, w->base, RCX), w->at + w->bytes - 1 - i->imm));
        if (gen_found(g, i->rs1) >= 0)
            x64_alu_rr(&g->e, X64_SUB, true, RCX, gen_found(g, i->rs1));
        else if (i->rs1)
            x64_alu_rm(&g->e, X64_SUB, true, RCX, JIT_X(i->rs1));
        x64_alu_ri(&g->e, X64_CMP, true, RCX, (int32_t)(w->bytes + size - 1));
        gen_goto(g, gen_jcc(g, X64_B), g->pc + i->len);
    }
}

/* d := what l says. What is not all of 1, 2, 4 or 8 bytes is cut out of the whole. */
static void make(struct gen *g, const struct jit_lazy *l, int d)
{
    switch (l->bytes) {
    case 1:
        x64_0f_rm(&g->e, X64_MOVZX8, false, d, slot_at(l->slot, l->at));
        break;
    case 2:
        x64_0f_rm(&g->e, X64_MOVZX16, false, d, slot_at(l->slot, l->at));
        break;
    case 4:
        x64_mov_rm(&g->e, false, d, slot_at(l->slot, l->at));
        break;
    default:
        x64_mov_rm(&g->e, true, d, slot_at(l->slot, 0));
        if (l->at + l->bytes < 8)
            x64_shift_ri(&g->e, X64_SHL, true, d, 8 * (8u - l->at - l->bytes));
        if (l->bytes < 8)
            x64_shift_ri(&g->e, X64_SHR, true, d, 8 * (8u - l->bytes));
        break;
    }
    if (l->shift)
        x64_shift_ri(&g->e, X64_SHL, true, d, 8u * l->shift);
    if (l->word)
        x64_movsxd_rr(&g->e, d, d);
}

void gen_make_lazy(struct gen *g, uint32_t regs)
{
    for (uint32_t left = g->lazy.regs & regs; left; left &= left - 1) {
        int r = __builtin_ctz(left);
        uint32_t word = g->now.word & (uint32_t)1 << r;

        make(g, &g->plan[g->lazy.by[r]], gen_dst(r));
        gen_put(g, r, gen_dst(r));
        g->now.word |= word;
    }
}

uint32_t gen_note_lazy(struct gen *g)
{
    struct jit *j = g->j;

    if (!g->lazy.regs)
        return 0;
    if (g->lazy_noted)
        return g->lazy_noted;
    g->lazy_noted = (uint32_t)j->nr_lazy;
    for (uint32_t left = g->lazy.regs; left; left &= left - 1) {
        struct jit_lazy *to = &j->lazy[j->nr_lazy++];

        *to = g->plan[g->lazy.by[__builtin_ctz(left)]];
        to->more = (left & (left - 1)) != 0;
    }
    return g->lazy_noted;
}

uint64_t jit_lazy_value(const struct jit_lazy *l, uint64_t wide)
{
    uint64_t v = wide >> 8 * l->at;

    if (l->bytes < 8)
        v &= ((uint64_t)1 << 8 * l->bytes) - 1;
    v <<= 8 * l->shift;
    return l->word ? (uint64_t)(int32_t)(uint32_t)v : v;
}
