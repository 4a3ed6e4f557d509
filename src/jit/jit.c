/*
 * The engine: finds or makes the translation of h->pc, enters it, and deals with what comes back. Also where a
 * host fault inside generated code finds its guest instruction again.
 */
#include "jit/jit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/platform/x86.h>
#include <ucontext.h>

#include "interp/interp.h"
#include "jit/internal.h"
#include "jit/perfmap.h"
#include "jit/show.h"
#include "jit/symbols.h"
#include "mem/copy.h"
#include "mem/fault.h"

/* The size of one translation, in weighted instructions, and the room that it can take at the very most. */
#define BLOCK_BUDGET GEN_INSNS_MAX
#define BLOCK_ROOM ((size_t)512 << 10)
#define BLOCK_ENTRIES (2 * GEN_COLD_MAX) /* of each record: cold ones, and some per instruction */
#define COLD_PER_INSN 48                 /* more than one instruction needs */
#define FORK_PATIENCE 300                /* a fork by the C library, and what leads to execve */

static struct jit *state(struct hart *h)
{
    return h->jit.state;
}

/* The hart whose generated code this thread runs: for the fault handler. */
static _Thread_local struct hart *running __attribute__((tls_model("initial-exec")));

/* --- Creation ------------------------------------------------------------------------------------------- */

/* The host instructions beyond the baseline that generators ask for. The C library has asked the CPU already, which
 * is slow in a virtual machine. */
static void probe_cpu(struct jit *j)
{
    j->has.bmi2 = CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2) && CPU_FEATURE_ACTIVE(LZCNT) &&
                  CPU_FEATURE_ACTIVE(POPCNT);
    j->has.fma = CPU_FEATURE_ACTIVE(FMA);
    j->has.sse41 = CPU_FEATURE_ACTIVE(SSE4_1);
    j->has.clmul = CPU_FEATURE_ACTIVE(PCLMULQDQ);
}

void *jit_reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Makes all of this hart's code anew. */
static void forget(struct jit *j, struct hart *h)
{
    madvise(j->table, sizeof *j->table << JIT_TABLE_BITS_MAX, MADV_DONTNEED);
    j->table_bits = JIT_TABLE_BITS_MIN;
    memset(h->target, 0, sizeof h->target);
    h->target[0].pc = 2; /* where 0 would be found: whatever is looked for here, it is not that */
    madvise(j->victim, sizeof *j->victim * JIT_VICTIMS, MADV_DONTNEED);
    j->victim[0].pc = 2;
    h->jit.pair_rsp = h->jit.pair_top;
    j->epoch++;
    j->full = false;
    j->nr_blocks = j->nr_entries = j->nr_pages = j->nr_calls = j->nr_edges = 0;
    j->nr_marks = 0;
    memset(j->starts, 0, sizeof j->starts);
    j->nr_sites = 1; /* the poll of the indirect stub */
    if (!j->symbols || j->code.size - j->code.used < BLOCK_ROOM)
        j->code.used = j->stubs_end;
}

static void destroy(struct jit *j)
{
    if (j->symbols)
        code_retire(&j->code);
    else
        code_free(&j->code);
    symbols_free(j->symbols);
    munmap(j->call, JIT_MAX_CALLS * sizeof *j->call);
    munmap(j->edge, JIT_MAX_EDGES * sizeof *j->edge);
    munmap(j->site, JIT_MAX_SITES * sizeof *j->site);
    if (j->mark)
        munmap(j->mark, JIT_MAX_MARKS * sizeof *j->mark);
    munmap(j->block, JIT_MAX_BLOCKS * sizeof *j->block);
    munmap(j->page, pages_bytes());
    munmap(j->table, sizeof *j->table << JIT_TABLE_BITS_MAX);
    munmap(j->victim, sizeof *j->victim * JIT_VICTIMS);
    munmap(j->stack, JIT_STACK_BYTES);
    free(j);
}

static struct jit *create(const struct hart *h)
{
    struct jit *j = calloc(1, sizeof *j);

    if (!j)
        return NULL;
    probe_cpu(j);
    j->harden = h->jit.options & JIT_HARDEN_SPECTRE;
    j->mask = h->limit - 1; /* the limit is a power of two */
    if (h->jit.options & JIT_PERF_MAP)
        j->symbols = symbols_new();
    j->call = jit_reserve(JIT_MAX_CALLS * sizeof *j->call);
    j->edge = jit_reserve(JIT_MAX_EDGES * sizeof *j->edge);
    j->site = jit_reserve(JIT_MAX_SITES * sizeof *j->site);
    if (h->jit.apart || log_on(LOG_JIT))
        j->mark = jit_reserve(JIT_MAX_MARKS * sizeof *j->mark);
    j->block = jit_reserve(JIT_MAX_BLOCKS * sizeof *j->block);
    j->page = jit_reserve(pages_bytes());
    j->table = jit_reserve(sizeof *j->table << JIT_TABLE_BITS_MAX);
    j->victim = jit_reserve(sizeof *j->victim * JIT_VICTIMS);
    j->stack = jit_reserve(JIT_STACK_BYTES);
    if (!j->call || !j->edge || !j->site || !j->block || !j->page || !j->table || !j->victim || !j->stack ||
        code_init(&j->code, j->symbols ? JIT_CODE_BYTES_MAPPED : JIT_CODE_BYTES) < 0) {
        destroy(j);
        return NULL;
    }
    mprotect(j->stack, PAGE_BYTES, PROT_NONE);
    stubs_emit(j);
    j->code.used = j->stubs_end;
    j->table_bits = JIT_TABLE_BITS_MIN;
    j->victim[0].pc = 2;
    if (j->symbols)
        perfmap_stubs(j);
    return j;
}

/* The state of this hart, made on first use; NULL when this host allows no generated code. */
static struct jit *attach(struct hart *h)
{
    struct jit *j = state(h);
    uint64_t *top;

    if (j)
        return j;
    j = create(h);
    if (!j)
        return NULL;
    top = (uint64_t *)(void *)(j->stack + JIT_STACK_BYTES - 64);
    *top = (uint64_t)(uintptr_t)j->sentinel;
    h->jit.pair_top = (uint64_t)(uintptr_t)top;
    h->jit.pair_rsp = h->jit.pair_top;
    h->target[0].pc = 2;
    h->jit.victim = (uint64_t)(uintptr_t)j->victim;
    j->code_gen = atomic_load(&h->mem->code_gen);
    __atomic_store_n(&h->jit.state, j, __ATOMIC_RELEASE); /* to be kicked by other threads */
    j->counting = h->counting;
    j->alone = atomic_load(&h->alone);
    fault_set_engine(jit_fault);
    return j;
}

/* --- Translation ------------------------------------------------------------------------------------------- */

static bool has_room(const struct jit *j)
{
    return j->code.size - j->code.used >= BLOCK_ROOM && JIT_MAX_CALLS - j->nr_calls >= BLOCK_ENTRIES &&
           JIT_MAX_EDGES - j->nr_edges >= BLOCK_ENTRIES && JIT_MAX_SITES - j->nr_sites >= BLOCK_ENTRIES &&
           JIT_MAX_MARKS - j->nr_marks >= BLOCK_ENTRIES && j->nr_blocks < JIT_MAX_BLOCKS &&
           j->nr_pages + 2 <= JIT_MAX_PAGES && !j->full &&
           j->nr_entries + 1 < (size_t)1 << j->table_bits; /* the search for a free slot must end */
}

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
    j->edge[j->nr_edges] = (struct jit_edge){ field, target };
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
    if (is_dirty(&c->at) || c->flags_rd) {
        x64_link(field, g->e.at);
        gen_clean_cold(g, c);
        if (c->flags_rd)
            gen_read_fflags(g, c->flags_rd);
        field = x64_jmp(&g->e);
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
    unsigned taken = 0;

    mark(g, MARK_INSN, g->pc);
    if (!g->h->counting && gen_may_fuse(i))
        taken = gen_fused_insns(g, i);
    if (!taken) {
        gen_insn(g, i);
        if (g->h->counting && !counts_itself(i) && !g->ended)
            gen_count(g);
        taken = 1;
    }
    for (unsigned n = 0; n < taken; n++)
        g->pc += i[n].len;
    return taken;
}

/* What follows is not reached by going on. */
static bool ends_path(const struct insn *i)
{
    return i->op == OP_ILLEGAL || i->op == OP_ecall || ((i->op == OP_jal || i->op == OP_jalr) && i->rd != 1);
}

/* Decodes what is to be one translation, up to where one begins already. Lockstep looks at clocks alone: each is a block. */
static void scan(struct gen *g)
{
    unsigned n = 0, budget = 0;
    uint64_t pc = g->start;

    while (n < GEN_INSNS_MAX && budget < BLOCK_BUDGET && !(n && table_has(g->j, pc)) &&
           fetch(g, pc, &g->insn[n])) {
        bool alone = g->h->jit.apart && jit_reads_clock(&g->insn[n]);

        if (alone && n)
            break;
        budget += alone ? BLOCK_BUDGET : weight(&g->insn[n]);
        pc += g->insn[n].len;
        if (ends_path(&g->insn[n++]))
            break;
    }
    g->nr_insns = n;
    g->insn[n].op = g->insn[n + 1].op = OP_ILLEGAL;
}

/* One pass over the first `count` instructions; how many belong to loops back to the start. */
static unsigned generate(struct gen *g, unsigned count)
{
    unsigned k = 0, in_loop = 0;

    g->pc = g->start;
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
        gen_goto(g, x64_jmp(&g->e), g->pc);
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

/* Translates from `pc` on; the entry, or NULL when not even the first instruction can be fetched. */
static const uint8_t *translate(struct jit *j, struct hart *h, uint64_t pc)
{
    static _Thread_local struct gen g;
    uint8_t *start = j->code.rw + j->code.used;
    unsigned in_loop;
    uint64_t end;

    g.j = j;
    g.h = h;
    g.pc = g.start = pc;
    g.text_len = gmem_fetch(h->mem, pc, g.text, sizeof g.text);
    if (h->jit.apart)
        start = list_block(&g, start);
    g.e = (struct x64){ start, j->code.rw + j->code.used + BLOCK_ROOM, 0 };
    g.now = (struct facts){ .word = 1 };
    g.looping = g.slots_known = false;
    g.nr_cold = 0;
    scan(&g);
    if (!g.nr_insns)
        return NULL;
    in_loop = generate(&g, g.nr_insns);
    end = g.pc;
    add_loop(&g, in_loop);
    table_enter(&g, start, end); /* before edges are: a loop to its own start is linked at once */
    for (unsigned k = 0; k < g.nr_cold; k++)
        emit_cold(&g, &g.cold[k]);
    mark(&g, MARK_END, 0);
    BUG_ON(x64_full(&g.e));
    j->code.used = (size_t)(g.e.at - j->code.rw + JIT_ALIGN - 1) & ~(JIT_ALIGN - 1);
    announce(j, h, pc, code_rx(&j->code, start), (size_t)(g.e.at - start));
    return j->code.rx + table_slot(j, pc)->host;
}

/* The code for `pc`, made now if need be; NULL: it cannot be fetched, or waits. May forget everything first. */
static const uint8_t *code_for(struct jit *j, struct hart *h, uint64_t pc)
{
    const struct jit_entry *e = table_slot(j, pc);

    if (e->block)
        return j->code.rx + e->host;
    if (jit_waits(j))
        return NULL;
    if (!has_room(j))
        forget(j, h);
    if (j->nr_entries >= (size_t)1 << (j->table_bits - 1) && j->table_bits < JIT_TABLE_BITS_MAX)
        table_grow(j);
    return jit_writable(j) ? translate(j, h, pc) : NULL;
}

/* --- Running ------------------------------------------------------------------------------------------------- */

/* One instruction by its body: what generated code found to fault, or could not address, or there is none. */
static int replay(struct hart *h)
{
    uint32_t word = 0;
    struct insn insn;
    size_t got;
    int r;

    got = gmem_fetch(h->mem, h->pc, &word, sizeof word);
    if (got < 2 || (got < 4 && insn_length((uint16_t)word) == 4)) {
        trap_gpf(h, CAUSE_GPF_FETCH, NULL, h->pc, h->pc + got, false);
        return JIT_TRAP;
    }
    insn_decode(word, &insn);
    if (jit_wants_count(h, &insn))
        return JIT_COUNT;
    r = jit_body[insn.op](h, &insn);
    h->x[0] = 0;
    if (r == OP_EXIT)
        return JIT_TRAP;
    h->instret += h->counting;
    if (r != OP_JUMP)
        h->pc += insn.len;
    return r == OP_REFETCH ? JIT_REFETCH : JIT_RESUME;
}

/*
 * Calls j->enter, but without the host's call and ret: the processor's own stack of return addresses holds the guest's
 * pairs, and one that is neither left on it nor taken off it leaves all of them where they are expected.
 */
static int call_in(const struct jit *j, struct hart *h, const uint8_t *code)
{
    int why;

    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "sub $128, %%rsp\n\t" /* the red zone */
                     "and $-16, %%rsp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "jmp *%[enter]\n"
                     "1:\n\t"
                     "mov %%rbx, %%rsp"
                     : "=&a"(why), "+D"(h), "+S"(code)
                     : [enter] "r"(j->enter)
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "cc", "memory");
    return why;
}

static int enter(struct jit *j, struct hart *h, const uint8_t *code)
{
    int why;

    jit_mxcsr_from_fcsr(h);
    running = h;
    why = call_in(j, h, code);
    running = NULL;
    jit_fcsr_from_mxcsr(h);
    if (h->jit.dirty_d | h->jit.dirty_s | h->jit.dirty_w)
        jit_clean(h);
    return why;
}

/* Puts a target where indirect jumps look first; what was there, where they look next. */
static void remember(struct jit *j, struct hart *h, uint64_t pc, const uint8_t *host)
{
    struct hart_target *t = &h->target[JIT_TARGET(pc)];

    if (t->code)
        j->victim[JIT_VICTIM(t->pc)] = *t;
    *t = (struct hart_target){ pc, host };
}

/* Code for h->pc, with what the last exit left to be linked to it. */
static const uint8_t *next_code(struct jit *j, struct hart *h, int why)
{
    size_t edge = h->jit.info;
    unsigned epoch = j->epoch;
    const uint8_t *code;

    code = code_for(j, h, h->pc);
    if (!code || j->epoch != epoch) /* all was forgotten on the way, the edge too */
        return code;
    if (why == JIT_LINK && !jit_waits(j) && jit_writable(j))
        x64_link(j->edge[edge].field, code_rw(&j->code, code));
    else if (why == JIT_INDIRECT)
        remember(j, h, h->pc, code);
    return code;
}

/* What is behind an exit that ends the run; JIT_RESUME and its kin otherwise. */
static int settle(struct jit *j, struct hart *h, int why)
{
    if (why == JIT_REPLAY)
        why = replay(h);
    if (why == JIT_LINK) /* at once: a kick may end the run before the edge is linked */
        h->pc = j->edge[h->jit.info].target;
    if (why == JIT_ECALL) {
        trap_plain(h, CAUSE_ECALL_VU, 0);
        return JIT_TRAP;
    }
    if (why == JIT_COUNT)
        h->counting = j->counting = true; /* from here on: the guest looks at what it never looked at */
    if (why == JIT_COUNT)
        forget(j, h);
    if (why == JIT_REFETCH)
        jit_flush(h);
    return why == JIT_COUNT || why == JIT_REFETCH ? JIT_RESUME : why;
}

/* What has been made of guest memory since is looked at. */
static void catch_up(struct jit *j, struct hart *h)
{
    struct gmem_change c[GMEM_CHANGES];
    size_t n = gmem_changes(h->mem, &j->code_gen, c);

    h->jit.pair_rsp = h->jit.pair_top; /* no return leads into what is dropped */
    for (size_t k = 0; k < n; k++)
        if (c[k].len == h->limit && c[k].mapping) { /* execve: includes what came before and after */
            if (pages_mostly_true(j, h))
                pages_remapped(j, h, 0, h->limit);
            else
                forget(j, h);
            return;
        }
    for (size_t k = 0; k < n; k++)
        if (c[k].mapping)
            pages_remapped(j, h, c[k].start, c[k].start + c[k].len);
        else
            pages_written(j, h, c[k].start, c[k].start + c[k].len);
}

/* Before generated code is entered: nothing stale, and polls that pass. */
static void prepare(struct jit *j, struct hart *h)
{
    h->pc &= ~(uint64_t)1;
    /* First: who kicks has written what is looked at below. */
    if (atomic_load_explicit(&j->stopped, memory_order_relaxed) && atomic_exchange(&j->stopped, 0))
        code_poll(&j->code, false);
    if (j->code_gen != atomic_load(&h->mem->code_gen))
        catch_up(j, h);
    if (j->full || j->counting != h->counting || j->alone != atomic_load(&h->alone))
        forget(j, h);
    j->counting = h->counting;
    j->alone = atomic_load(&h->alone);
}

const uint8_t *jit_block(struct hart *h)
{
    struct jit *j = attach(h);

    BUG_ON(!j);
    prepare(j, h);
    BUG_ON(!jit_writable(j));
    return (h->fcsr >> 5 & 7) > 3 ? NULL : code_for(j, h, h->pc);
}

enum jit_exit jit_step(struct hart *h, const uint8_t *code)
{
    struct jit *j = state(h);
    int why;

    h->jit.pair_rsp = h->jit.pair_top; /* no return leads on into another block */
    why = settle(j, h, code ? enter(j, h, code) : JIT_REPLAY);
    return why == JIT_TRAP || why == JIT_KICK ? (enum jit_exit)why : JIT_RESUME;
}

enum engine_exit jit_run(struct hart *h)
{
    struct jit *j = attach(h);
    int why = JIT_RESUME;

    if (!j || j->lost)
        return interp_run(h);
    prepare(j, h);
    for (;;) {
        const uint8_t *code;

        if (atomic_load_explicit(&h->kick, memory_order_relaxed) || why == JIT_KICK)
            return ENGINE_KICKED;
        if ((h->fcsr >> 5 & 7) > 3)
            return interp_run(h);
        code = next_code(j, h, why);
        if (j->lost)
            return interp_run(h);
        why = settle(j, h, code ? enter(j, h, code) : JIT_REPLAY);
        if (why == JIT_TRAP)
            return ENGINE_TRAP;
    }
}

void jit_baseline(struct hart *h)
{
    struct jit *j = attach(h);

    BUG_ON(!j);
    j->has = (struct jit_host){ 0 };
    forget(j, h);
}

void jit_flush(struct hart *h)
{
    if (!state(h))
        return;
    h->jit.pair_rsp = h->jit.pair_top; /* no return leads into what is dropped */
    pages_written(state(h), h, 0, h->limit);
}

void jit_free(struct hart *h)
{
    if (!state(h))
        return;
    destroy(state(h));
    memset(h->target, 0, sizeof h->target);
    h->jit.state = NULL;
}

void jit_fork(struct hart *h)
{
    struct jit *j = state(h);

    if (!j || j->code.frozen)
        return;
    code_freeze(&j->code);
    j->patience = FORK_PATIENCE;
}

void jit_forked(struct hart *h)
{
    int r;

    if (!(h->jit.options & JIT_PERF_MAP))
        return;
    r = jit_perf_map_begin();
    if (r < 0) {
        log_line(LOG_ERROR, "no perf map of this process, a child of fork: %s", strerror(-r));
        h->jit.options &= ~(uint32_t)JIT_PERF_MAP;
    }
    jit_free(h); /* all is to be named anew */
}

/* Perhaps on another thread. The page is closed first: were it the other way round, a run that begins between the two
 * would open it, and then find it closed for ever. */
IN_HANDLER void jit_kick(struct hart *h)
{
    struct jit *j = __atomic_load_n(&h->jit.state, __ATOMIC_ACQUIRE);

    if (!j)
        return;
    code_poll(&j->code, true);
    atomic_store(&j->stopped, 1);
}

/* --- Faults ---------------------------------------------------------------------------------------------------- */

static const struct jit_site *find_site(const struct jit *j, uint32_t host)
{
    size_t lo = 0, hi = j->nr_sites;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (j->site[mid].host < host)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < j->nr_sites && j->site[lo].host == host ? &j->site[lo] : NULL;
}

bool jit_fault(void *ucontext, uint64_t addr)
{
    greg_t *reg = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    struct hart *h = running;
    uint64_t rip = (uint64_t)reg[REG_RIP];
    const struct jit_site *site;
    struct jit *j;

    if (!h || !code_holds(&state(h)->code, rip))
        return false;
    j = state(h);
    if (addr - (uint64_t)(uintptr_t)j->stack < PAGE_BYTES) { /* calls nested too deep: forget the pairs */
        reg[REG_RSP] = (greg_t)h->jit.pair_top;
        return true;
    }
    site = find_site(j, (uint32_t)(rip - (uint64_t)(uintptr_t)j->code.rx));
    if (!site)
        return false;
    h->pc = site->kind == JIT_INDIRECT ? (uint64_t)reg[REG_RCX] : site->pc;
    reg[REG_RAX] = site->kind == JIT_INDIRECT ? JIT_KICK : (greg_t)site->kind;
    reg[REG_RIP] = (greg_t)(uintptr_t)j->exit;
    h->jit.dirty_d = site->dirty_d;
    h->jit.dirty_s = site->dirty_s;
    h->jit.dirty_w = site->dirty_w;
    return true;
}
