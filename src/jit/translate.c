/*
 * One translation: what belongs to it, its code, a second copy of its loop, and the cold code behind them.
 */
#include <string.h>

#include "jit/internal.h"
#include "jit/perfmap.h"
#include "jit/show.h"
#include "mem/copy.h"

#define BLOCK_BUDGET GEN_INSNS_MAX /* the size of a translation, in weighted instructions */
#define COLD_PER_INSN 48           /* more than one instruction needs */

/* Decodes at `pc`, from what was fetched when the block began; false when it is not all there. */
static bool fetch(const struct gen *g, uint64_t pc, struct insn *out)
{
    size_t off = (size_t)(pc - g->start), left = off < g->text_len ? g->text_len - off : 0;
    uint32_t word = 0;

    out->op = OP_ILLEGAL;
    out->len = 2;
    if (!left)
        return false;
    memcpy(&word, g->text + off, MIN(left, sizeof word));
    if (left < 2 || (left < 4 && insn_length((uint16_t)word) == 4))
        return false;
    insn_decode(word, out);
    return true;
}

/*
 * How much a row takes of a block's budget. What lies behind a branch is run half the time, so translating on is
 * worth it only for a few.
 */
static unsigned weight(const struct insn *i)
{
    return insn_desc[i->op].fmt == FMT_B ? 8 : 1;
}

/* Rows that leave the straight path count before they do. */
static bool counts_itself(const struct insn *i)
{
    uint8_t fmt = insn_desc[i->op].fmt;

    return fmt == FMT_B || fmt == FMT_J || fmt == FMT_JALR;
}

/* What follows belongs to something else than before. */
static void mark(struct gen *g, unsigned kind, uint64_t pc)
{
    struct jit *j = g->j;

    if (UNLIKELY(j->mark != NULL))
        j->mark[j->nr_marks++] = (struct jit_mark){ (uint32_t)(g->e.at - j->code.rw), kind, pc };
}

static bool is_dirty(const struct facts *f)
{
    return f->dirty_w | f->dirty_d | f->dirty_s;
}

/* The jump at `field` to guest `target`: to its code, or to a stub that asks for it. */
static void emit_edge(struct gen *g, uint8_t *field, uint64_t target)
{
    struct jit *j = g->j;

    if (table_slot(j, target)->host && !g->h->jit.apart) {
        x64_link(field, j->code.rw + table_slot(j, target)->host);
        return;
    }
    x64_link(field, g->e.at);
    j->edge[j->nr_edges] = (struct jit_edge){ .target = target,
                                              .field = (uint32_t)(field - j->code.rw),
                                              .back = target < g->start,
                                              .on = target == g->behind };
    x64_push_i(&g->e, (int32_t)j->nr_edges++);
    x64_link(x64_jmp(&g->e), code_rw(&j->code, j->link));
}

/* A jump to guest `pc`, or into the second copy of the loop. */
static void emit_cold_edge(struct gen *g, struct cold *c)
{
    bool loop = c->kind == COLD_LOOP && g->looping;
    uint8_t *field = c->field;

    if (loop) { /* what is dirty there too may stay so */
        c->at.dirty_w &= ~g->loop.dirty_w;
        c->at.dirty_d &= ~g->loop.dirty_d;
        c->at.dirty_s &= ~g->loop.dirty_s;
    }
    if (is_dirty(&c->at) || c->lazy.regs || c->flags_rd) {
        x64_link(field, g->e.at);
        gen_clean_cold(g, c);
        if (c->flags_rd)
            gen_read_fflags(g, c->flags_rd);
        field = gen_jmp(g);
    }
    if (loop)
        x64_link(field, g->loop_start);
    else
        emit_edge(g, field, c->pc);
}

static void emit_cold(struct gen *g, struct cold *c)
{
    struct jit *j = g->j;

    mark(g, c->kind, c->pc);
    if (c->kind == COLD_EDGE || c->kind == COLD_LOOP) {
        emit_cold_edge(g, c);
        return;
    }
    x64_link(c->field, g->e.at);
    switch (c->kind) {
    case COLD_REPLAY:
        g->lazy = c->lazy;
        g->lazy_noted = 0;
        if (c->lazy.regs) /* jit_clean makes them: that is shorter */
            x64_mov_mi(&g->e, 32, HART(jit.lazy), (int32_t)gen_note_lazy(g));
        c->lazy.regs = 0;
        gen_clean_cold(g, c);
        if ((int64_t)c->pc == (int32_t)c->pc) {
            x64_push_i(&g->e, (int32_t)c->pc);
            x64_link(x64_jmp(&g->e), code_rw(&j->code, j->replay));
        } else {
            gen_set_pc(g, c->pc);
            gen_leave(g, JIT_REPLAY);
        }
        break;
    case COLD_MISS: /* of a call, which returns to behind it */
        x64_link(x64_call(&g->e), code_rw(&j->code, j->indirect_miss));
        x64_link(x64_jmp(&g->e), c->resume);
        break;
    case COLD_CALL:
        gen_clean_cold(g, c);
        gen_body(g, &c->insn, c->pc);
        x64_link(x64_jmp(&g->e), c->resume);
        break;
    default:
        gen_nan_cold(g, c);
        break;
    }
}

/* Translates what is at insn[k]; how many it took. */
static unsigned step(struct gen *g, unsigned k)
{
    const struct insn *i = &g->insn[k];
    unsigned taken;
    bool wide;

    mark(g, MARK_INSN, g->pc);
    taken = wide = g->nr_wide && gen_wide_row(g, k);
    if (!taken && !g->h->counting && gen_may_fuse(i)) {
        gen_make(g, gen_reads(&i[0]) | gen_reads(&i[1]) | gen_reads(&i[2]));
        taken = gen_fused_insns(g, i);
    }
    if (!taken) {
        gen_insn(g, i);
        taken = 1;
    }
    if (g->h->counting && !counts_itself(i) && !g->ended)
        gen_count(g);
    if (g->nr_wide && !wide)
        gen_wide_store(g, k);
    for (unsigned n = 0; n < taken; n++)
        g->pc += i[n].len;
    return taken;
}

/* What follows is not reached by going on. */
static bool ends_path(const struct insn *i)
{
    return i->op == OP_ILLEGAL || i->op == OP_ecall || ((i->op == OP_jal || i->op == OP_jalr) && i->rd != 1);
}

/* A jump back to the start, from `pc`. */
static bool closes_loop(const struct gen *g, const struct insn *i, uint64_t pc)
{
    return (insn_desc[i->op].fmt == FMT_B || (i->op == OP_jal && i->rd == 0)) &&
           pc + (uint64_t)(int64_t)i->imm == g->start;
}

/*
 * Decodes what is to be one translation, up to where one begins already. A loop that was entered in its middle is
 * better whole: it ends with the jump `back` to here. Lockstep looks at clocks alone: each is a block.
 */
static void scan(struct gen *g, bool back)
{
    unsigned n = 0, budget = 0, known = 0; /* instructions in front of where another translation begins */
    uint64_t pc = g->start;

    while (n < GEN_INSNS_MAX && budget < BLOCK_BUDGET && fetch(g, pc, &g->insn[n])) {
        const struct insn *i = &g->insn[n];
        bool alone = g->h->jit.apart && jit_reads_clock(i);

        if (alone && n)
            break;
        if (n && !known && table_has(g->j, pc)) {
            if (!back)
                break;
            known = n;
        }
        if (known && closes_loop(g, i, pc))
            known = n + 1;
        budget += alone ? BLOCK_BUDGET : weight(i);
        pc += i->len;
        n++;
        if (ends_path(i))
            break;
    }
    g->nr_insns = known ? known : n;
    g->insn[g->nr_insns].op = g->insn[g->nr_insns + 1].op = OP_ILLEGAL;
}

/* One pass over the first `count` instructions; how many belong to loops back to the start. */
static unsigned generate(struct gen *g, unsigned count)
{
    unsigned k = 0, in_loop = 0;

    g->pc = g->start;
    gen_join(g);
    g->lazy.regs = g->lazy_noted = 0;
    g->flags_rd = 0;
    g->zf_pc = 1; /* none: a pc is even */
    g->ended = false;
    while (!g->ended && k < count && g->nr_cold < GEN_COLD_MAX - COLD_PER_INSN) {
        unsigned cold = g->nr_cold;

        k += step(g, k);
        for (; cold < g->nr_cold; cold++)
            if (g->cold[cold].kind == COLD_LOOP)
                in_loop = k;
    }
    mark(g, MARK_TAIL, g->pc);
    if (!g->ended) {
        gen_clean(g);
        gen_goto(g, gen_jmp(g), g->pc);
    }
    return in_loop;
}

/* What holds at all jumps back that were generated from cold[from] on, if `f` does. */
static struct facts meet(const struct gen *g, unsigned from, struct facts f)
{
    for (unsigned k = from; k < g->nr_cold; k++) {
        const struct facts *at = &g->cold[k].at;

        if (g->cold[k].kind != COLD_LOOP)
            continue;
        f.checked &= at->checked;
        f.word &= at->word;
        f.boxed &= at->boxed;
        f.dirty_w &= at->dirty_w;
        f.dirty_d &= at->dirty_d;
        f.dirty_s &= at->dirty_s;
    }
    return f;
}

/*
 * A loop back to the start of the translation gets a second copy, which the first round leads to: there, what has been
 * checked in one round is known in the next, and what is dirty need not be cleaned in between. What may be assumed is
 * tried, and tried again with less until every jump back keeps it.
 */
static void add_loop(struct gen *g, unsigned count)
{
    struct jit *j = g->j;
    const size_t sites = j->nr_sites, calls = j->nr_calls, marks = j->nr_marks;
    const unsigned cold = g->nr_cold;
    uint8_t *const at = g->e.at;
    struct facts all, keep;

    memset(&all, 0xff, sizeof all);
    keep = meet(g, 0, all);
    if (!count || g->h->jit.apart || cold > GEN_COLD_MAX / 2)
        return;
    for (int tries = 0; tries < 4 && (keep.checked | keep.boxed | (uint32_t)is_dirty(&keep)); tries++) {
        g->e.at = g->loop_start = j->code.rw + (((size_t)(at - j->code.rw) + 15) & ~(size_t)15);
        j->nr_sites = sites;
        j->nr_calls = calls;
        j->nr_marks = marks;
        g->nr_cold = cold;
        g->now = g->loop = keep;
        g->looping = true;
        generate(g, count);
        keep = meet(g, cold, g->loop);
        if (memcmp(&keep, &g->loop, sizeof keep) == 0)
            return;
    }
    g->e.at = at;
    j->nr_sites = sites;
    j->nr_calls = calls;
    j->nr_marks = marks;
    g->nr_cold = cold;
    g->looping = false;
}

/* For lockstep: what the block is made of, in front of it. Returns where its code begins. */
static uint8_t *list_block(const struct gen *g, uint8_t *at)
{
    struct jit_listing *list = (struct jit_listing *)(void *)at;
    uint64_t pc = g->pc;
    struct insn i;

    for (list->n = 0; list->n < JIT_LISTING_MAX && fetch(g, pc, &i); pc += i.len) {
        list->insn[list->n++] = i;
        if ((insn_desc[i.op].flags & INSN_ENDS && insn_desc[i.op].fmt != FMT_B) || i.op == OP_ILLEGAL)
            break;
    }
    return at + sizeof *list;
}

/* A block of `len` bytes has been translated: tells who wants to know. */
static void announce(struct jit *j, struct hart *h, uint64_t pc, const uint8_t *code, size_t len)
{
    if (UNLIKELY(j->symbols != NULL))
        perfmap_block(j, h, pc, code, len);
    if (LIKELY(!j->mark) || !log_on(LOG_JIT))
        return;
    log_line(LOG_JIT, "jit: block %llx, at %p:", (unsigned long long)pc, (const void *)code);
    show_block(j, h, code, LOG_JIT);
}

const uint8_t *jit_translate(struct jit *j, struct hart *h, uint64_t pc, bool back)
{
    struct gen *g = j->gen;
    uint8_t *start = j->code.rw + j->code.used;
    unsigned in_loop;

    g->j = j;
    g->h = h;
    g->pc = g->start = pc;
    g->text_len = gmem_fetch(h->mem, pc, g->text, sizeof g->text);
    if (h->jit.apart)
        start = list_block(g, start);
    g->e = (struct x64){ .at = start, .end = j->code.rw + j->code.used + JIT_BLOCK_ROOM };
    g->now = (struct facts){ .word = 1 };
    g->looping = g->slots_known = false;
    g->nr_cold = 0;
    scan(g, back);
    if (!g->nr_insns)
        return NULL;
    gen_find_wide(g);
    in_loop = generate(g, g->nr_insns);
    g->behind = g->pc;
    add_loop(g, in_loop);
    table_enter(g, start, g->behind); /* before edges are: a loop to its own start is linked at once */
    for (unsigned k = 0; k < g->nr_cold; k++)
        emit_cold(g, &g->cold[k]);
    mark(g, MARK_END, 0);
    BUG_ON(x64_full(&g->e));
    __atomic_store_n(&j->code.used, (size_t)(g->e.at - j->code.rw + JIT_ALIGN - 1) & ~(JIT_ALIGN - 1),
                     __ATOMIC_RELAXED);
    atomic_store_explicit(&j->sites_done, j->nr_sites, memory_order_release);
    table_publish(j, pc, start);
    announce(j, h, pc, code_rx(&j->code, start), (size_t)(g->e.at - start));
    return j->code.rx + table_slot(j, pc)->host;
}
