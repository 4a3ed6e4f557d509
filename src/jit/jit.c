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
#include "jit/show.h"
#include "mem/copy.h"
#include "mem/fault.h"

/* The size of one translation, in weighted instructions, and the room that it can take at the very most. */
#define BLOCK_BUDGET 64
#define BLOCK_ROOM ((size_t)32 << 10)

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
    j->bmi2 = CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2) && CPU_FEATURE_ACTIVE(LZCNT) &&
              CPU_FEATURE_ACTIVE(POPCNT);
    j->fma = CPU_FEATURE_ACTIVE(FMA);
}

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void forget(struct jit *j)
{
    madvise(j->table, sizeof *j->table << JIT_TABLE_BITS_MAX, MADV_DONTNEED);
    j->table_bits = JIT_TABLE_BITS_MIN;
    madvise(j->indirect_table, sizeof *j->indirect_table << JIT_INDIRECT_BITS, MADV_DONTNEED);
    j->indirect_table[0].pc = 1; /* where 0 would be found: all other slots are for other addresses */
    j->epoch++;
    j->nr_blocks = j->nr_calls = j->nr_edges = 0;
    j->nr_marks = 0;
    j->nr_sites = 1; /* the poll of the indirect stub */
    j->code.used = j->stubs_end;
}

static void destroy(struct jit *j)
{
    code_free(&j->code);
    munmap(j->call, JIT_MAX_CALLS * sizeof *j->call);
    munmap(j->edge, JIT_MAX_EDGES * sizeof *j->edge);
    munmap(j->site, JIT_MAX_SITES * sizeof *j->site);
    if (j->mark)
        munmap(j->mark, JIT_MAX_MARKS * sizeof *j->mark);
    munmap(j->table, sizeof *j->table << JIT_TABLE_BITS_MAX);
    munmap(j->indirect_table, sizeof *j->indirect_table << JIT_INDIRECT_BITS);
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
    j->call = reserve(JIT_MAX_CALLS * sizeof *j->call);
    j->edge = reserve(JIT_MAX_EDGES * sizeof *j->edge);
    j->site = reserve(JIT_MAX_SITES * sizeof *j->site);
    if (h->jit.apart || log_on(LOG_JIT))
        j->mark = reserve(JIT_MAX_MARKS * sizeof *j->mark);
    j->table = reserve(sizeof *j->table << JIT_TABLE_BITS_MAX);
    j->indirect_table = reserve(sizeof *j->indirect_table << JIT_INDIRECT_BITS);
    j->stack = reserve(JIT_STACK_BYTES);
    if (!j->call || !j->edge || !j->site || !j->table || !j->indirect_table || !j->stack ||
        code_init(&j->code, JIT_CODE_BYTES) < 0) {
        destroy(j);
        return NULL;
    }
    mprotect(j->stack, PAGE_BYTES, PROT_NONE);
    stubs_emit(j);
    forget(j);
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
    h->jit.indirect = (uint64_t)(uintptr_t)j->indirect_table;
    h->jit.state = j;
    fault_set_engine(jit_fault);
    return j;
}

/* --- Blocks by pc ------------------------------------------------------------------------------------------ */

/* The slot of `pc`, or the free one where it belongs: host is NULL there, as in a zeroed table. */
static struct jit_entry *slot(struct jit *j, uint64_t pc)
{
    size_t mask = ((size_t)1 << j->table_bits) - 1;
    size_t i = (pc * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - j->table_bits);

    while (j->table[i].host && j->table[i].pc != pc)
        i = (i + 1) & mask;
    return &j->table[i];
}

/* Twice the table, in place: every entry is put anew. */
static void table_grow(struct jit *j)
{
    size_t n = (size_t)1 << j->table_bits, bytes = n * sizeof *j->table;
    struct jit_entry *old = reserve(bytes);

    if (!old)
        return; /* fuller and slower, until has_room says stop */
    memcpy(old, j->table, bytes);
    memset(j->table, 0, bytes);
    j->table_bits++;
    for (size_t k = 0; k < n; k++)
        if (old[k].host)
            *slot(j, old[k].pc) = old[k];
    munmap(old, bytes);
}

/* --- Translation ------------------------------------------------------------------------------------------- */

static bool has_room(const struct jit *j)
{
    return j->code.size - j->code.used >= BLOCK_ROOM && JIT_MAX_CALLS - j->nr_calls >= 512 &&
           JIT_MAX_EDGES - j->nr_edges >= 512 && JIT_MAX_SITES - j->nr_sites >= 512 &&
           JIT_MAX_MARKS - j->nr_marks >= 512 && j->nr_blocks < (size_t)1 << (JIT_TABLE_BITS_MAX - 1) &&
           j->nr_blocks + 1 < (size_t)1 << j->table_bits; /* the search for a free slot must end */
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

static void emit_cold(struct gen *g, const struct cold *c)
{
    struct jit *j = g->j;

    mark(g, c->kind, c->pc);
    x64_link(c->field, g->e.at);
    if (c->kind != COLD_EDGE)
        gen_clean_cold(g, c);
    switch (c->kind) {
    case COLD_REPLAY:
        if ((int64_t)c->pc == (int32_t)c->pc) {
            x64_push_i(&g->e, (int32_t)c->pc);
            x64_link(x64_jmp(&g->e), code_rw(&j->code, j->replay));
        } else {
            gen_set_pc(g, c->pc);
            gen_leave(g, JIT_REPLAY);
        }
        break;
    case COLD_EDGE:
        if (slot(j, c->pc)->host && !g->h->jit.apart) {
            x64_link(c->field, code_rw(&j->code, slot(j, c->pc)->host));
            break;
        }
        j->edge[j->nr_edges] = (struct jit_edge){ c->field, c->pc };
        x64_push_i(&g->e, (int32_t)j->nr_edges++);
        x64_link(x64_jmp(&g->e), code_rw(&j->code, j->link));
        break;
    case COLD_CALL:
        gen_body(g, &c->insn, c->pc);
        x64_link(x64_jmp(&g->e), c->resume);
        break;
    }
}

/* Translates what is at g->pc, i[0], or it and what follows as one; returns what it takes of the budget. */
static unsigned step(struct gen *g, struct insn i[3])
{
    unsigned taken = 0;

    mark(g, MARK_INSN, g->pc);
    if (!g->h->counting && gen_may_fuse(&i[0])) {
        fetch(g, g->pc + i[0].len, &i[1]);
        fetch(g, g->pc + i[0].len + i[1].len, &i[2]);
        taken = gen_fused_insns(g, i);
    }
    if (!taken) {
        gen_insn(g, &i[0]);
        if (g->h->counting && !counts_itself(&i[0]) && !g->ended)
            gen_count(g);
        taken = 1;
    }
    for (unsigned k = 0; k < taken; k++)
        g->pc += i[k].len;
    return g->h->jit.apart && jit_reads_clock(&i[0]) ? BLOCK_BUDGET : weight(&i[0]);
}

static bool next_reads_clock(const struct gen *g)
{
    struct insn i;

    return fetch(g, g->pc, &i) && jit_reads_clock(&i);
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

/* A block has been translated: tells who wants to know. */
static void announce(const struct jit *j, struct hart *h, const struct jit_entry *e)
{
    if (LIKELY(!j->mark) || !log_on(LOG_JIT))
        return;
    log_line(LOG_JIT, "jit: block %llx, at %p:", (unsigned long long)e->pc, (const void *)e->host);
    show_block(j, h, e->host, LOG_JIT);
}

/* Translates from `pc` on; the entry, or NULL when not even the first instruction can be fetched. */
static const uint8_t *translate(struct jit *j, struct hart *h, uint64_t pc)
{
    static _Thread_local struct gen g;
    uint8_t *start = j->code.rw + j->code.used;
    struct jit_entry *entry = slot(j, pc);
    struct insn i[3];
    unsigned n = 0;

    g.j = j;
    g.h = h;
    g.pc = g.start = pc;
    g.text_len = gmem_fetch(h->mem, pc, g.text, sizeof g.text);
    if (h->jit.apart)
        start = list_block(&g, start);
    g.e = (struct x64){ start, j->code.rw + j->code.used + BLOCK_ROOM, 0 };
    g.checked = g.boxed = g.dirty_d = g.dirty_s = 0;
    g.ended = false;
    g.nr_cold = 0;
    while (!g.ended && n < BLOCK_BUDGET && !(h->jit.apart && n && next_reads_clock(&g)) &&
           g.nr_cold < ARRAY_SIZE(g.cold) - 8 && fetch(&g, g.pc, &i[0])) {
        n += step(&g, i);
        if (slot(j, g.pc)->host) /* the rest has been translated already */
            break;
    }
    if (!n)
        return NULL;
    *entry =
        (struct jit_entry){ pc, code_rx(&j->code, start) }; /* a loop to its own start is linked at once */
    j->nr_blocks++;
    mark(&g, MARK_TAIL, g.pc);
    gen_clean(&g, ~(uint32_t)0);
    if (!g.ended)
        gen_goto(&g, x64_jmp(&g.e), g.pc);
    for (unsigned k = 0; k < g.nr_cold; k++)
        emit_cold(&g, &g.cold[k]);
    mark(&g, MARK_END, 0);
    BUG_ON(x64_full(&g.e));
    j->code.used = (size_t)(g.e.at - j->code.rw + 15) & ~(size_t)15;
    announce(j, h, entry);
    return entry->host;
}

/* The code for `pc`, made now if need be; NULL: it cannot be fetched. May forget everything first. */
static const uint8_t *code_for(struct jit *j, struct hart *h, uint64_t pc)
{
    struct jit_entry *e = slot(j, pc);

    if (e->host)
        return e->host;
    if (!has_room(j))
        forget(j);
    if (j->nr_blocks >= (size_t)1 << (j->table_bits - 1) && j->table_bits < JIT_TABLE_BITS_MAX)
        table_grow(j);
    return translate(j, h, pc);
}

/* --- Running ------------------------------------------------------------------------------------------------- */

/* One instruction by its body: what generated code found to fault, or could not address. */
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
    r = jit_body[insn.op](h, &insn);
    h->x[0] = 0;
    if (r == OP_EXIT)
        return JIT_TRAP;
    h->instret += h->counting;
    if (r != OP_JUMP)
        h->pc += insn.len;
    return r == OP_REFETCH ? JIT_REFETCH : JIT_RESUME;
}

static int enter(struct jit *j, struct hart *h, const uint8_t *code)
{
    int (*fn)(struct hart *, const uint8_t *);
    int why;

    memcpy(&fn, &j->enter, sizeof fn);
    jit_mxcsr_from_fcsr(h);
    running = h;
    why = fn(h, code);
    running = NULL;
    jit_fcsr_from_mxcsr(h);
    if (h->jit.dirty_d | h->jit.dirty_s)
        jit_canonical_nans(h);
    return why;
}

/* Puts a target into the cache that indirect jumps read. */
static void remember(struct jit *j, uint64_t pc, const uint8_t *host)
{
    struct jit_entry *e = &j->indirect_table[pc >> 1 & (((size_t)1 << JIT_INDIRECT_BITS) - 1)];

    *e = (struct jit_entry){ pc, host };
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
    if (why == JIT_LINK)
        x64_link(j->edge[edge].field, code_rw(&j->code, code));
    else if (why == JIT_INDIRECT)
        remember(j, h->pc, code);
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
        h->counting = true; /* from here on: the guest looks at what it never looked at */
    if (why == JIT_REFETCH || why == JIT_COUNT) {
        forget(j);
        return JIT_RESUME;
    }
    return why;
}

/* Before generated code is entered: nothing stale, and polls that pass. */
static void prepare(struct jit *j, struct hart *h)
{
    h->pc &= ~(uint64_t)1;
    if (j->code_gen != atomic_load(&h->mem->code_gen)) {
        forget(j);
        j->code_gen = atomic_load(&h->mem->code_gen);
    }
    if (atomic_load_explicit(&j->stopped, memory_order_relaxed) && atomic_exchange(&j->stopped, 0))
        code_poll(&j->code, false);
}

const uint8_t *jit_block(struct hart *h)
{
    struct jit *j = attach(h);

    BUG_ON(!j);
    prepare(j, h);
    return (h->fcsr >> 5 & 7) > 3 ? NULL : code_for(j, h, h->pc);
}

enum jit_exit jit_step(struct hart *h, const uint8_t *code)
{
    struct jit *j = state(h);
    int why;

    why = settle(j, h, code ? enter(j, h, code) : JIT_REPLAY);
    return why == JIT_TRAP || why == JIT_KICK ? (enum jit_exit)why : JIT_RESUME;
}

enum engine_exit jit_run(struct hart *h)
{
    struct jit *j = attach(h);
    int why = JIT_RESUME;

    if (!j)
        return interp_run(h);
    prepare(j, h);
    for (;;) {
        const uint8_t *code;

        if (atomic_load_explicit(&h->kick, memory_order_relaxed) || why == JIT_KICK)
            return ENGINE_KICKED;
        if ((h->fcsr >> 5 & 7) > 3)
            return interp_run(h);
        code = next_code(j, h, why);
        /* Not to be fetched: a trap, unless another thread has mapped it by the time of the replay. */
        why = settle(j, h, code ? enter(j, h, code) : JIT_REPLAY);
        if (why == JIT_TRAP)
            return ENGINE_TRAP;
    }
}

void jit_baseline(struct hart *h)
{
    struct jit *j = attach(h);

    BUG_ON(!j);
    j->bmi2 = j->fma = false;
    forget(j);
}

void jit_flush(struct hart *h)
{
    if (state(h))
        forget(state(h));
}

void jit_free(struct hart *h)
{
    if (state(h))
        destroy(state(h));
    h->jit.state = NULL;
}

void jit_forked(struct hart *h)
{
    jit_free(h); /* the code memory is the parent's: start afresh when guest code runs */
}

/* Perhaps on another thread. The page is closed first: were it the other way round, a run that begins between the two
 * would open it, and then find it closed for ever. */
void jit_kick(struct hart *h)
{
    struct jit *j = state(h);

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
    return true;
}
