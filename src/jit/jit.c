/*
 * The engine: finds or makes the translation of h->pc, enters it, and deals with what comes back. Also where a
 * host fault inside generated code finds its guest instruction again.
 */
#include "jit/jit.h"

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

#define BLOCK_ENTRIES (2 * GEN_COLD_MAX) /* of each record: cold ones, and some per instruction */
#define BLOCK_LAZY ((size_t)6 * GEN_INSNS_MAX * 32)
#define FORK_PATIENCE 2000 /* stretches of code: what a small subshell does, or a millisecond of them */

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

/* Makes all code anew. */
static void forget(struct jit *j, struct hart *h)
{
    harts_stop(j);
    madvise(j->table, sizeof *j->table << JIT_TABLE_BITS_MAX, MADV_DONTNEED);
    __atomic_store_n(&j->table_bits, JIT_TABLE_BITS_MIN, __ATOMIC_RELAXED);
    j->epoch++;
    atomic_fetch_add(&j->changes, 1);
    harts_notice(j, h);
    j->full = false;
    j->nr_blocks = j->nr_entries = j->nr_pages = j->nr_calls = j->nr_edges = 0;
    j->nr_marks = 0;
    j->dropped = 0;
    for (size_t k = 0; k < ARRAY_SIZE(j->starts); k++)
        __atomic_store_n(&j->starts[k], 0, __ATOMIC_RELAXED);
    j->nr_sites = 1; /* the poll of the indirect stub */
    atomic_store(&j->sites_done, 1);
    j->nr_dirt = j->nr_lazy = 1; /* 0 is none */
    if (!j->symbols || j->code.size - j->code.used < JIT_BLOCK_ROOM)
        __atomic_store_n(&j->code.used, j->stubs_end, __ATOMIC_RELAXED);
}

static void destroy(struct jit *j)
{
    if (j->symbols)
        code_retire(&j->code);
    else
        code_free(&j->code);
    symbols_free(j->symbols);
    munmap(j->gen, sizeof *j->gen);
    munmap(j->call, JIT_MAX_CALLS * sizeof *j->call);
    munmap(j->edge, JIT_MAX_EDGES * sizeof *j->edge);
    munmap(j->site, JIT_MAX_SITES * sizeof *j->site);
    munmap(j->dirt, JIT_MAX_DIRT * sizeof *j->dirt);
    munmap(j->lazy, JIT_MAX_LAZY * sizeof *j->lazy);
    if (j->mark)
        munmap(j->mark, JIT_MAX_MARKS * sizeof *j->mark);
    munmap(j->block, JIT_MAX_BLOCKS * sizeof *j->block);
    munmap(j->page, pages_bytes());
    munmap(j->table, sizeof *j->table << JIT_TABLE_BITS_MAX);
    munmap(j, sizeof *j);
}

static struct jit *create(const struct hart *h, struct hart_shared *shared)
{
    struct jit *j = jit_reserve(sizeof *j);

    if (!j)
        return NULL;
    probe_cpu(j);
    j->shared = shared;
    j->harden = h->jit.options & JIT_HARDEN_SPECTRE;
    j->mask = h->limit - 1; /* the limit is a power of two */
    if (h->jit.options & JIT_PERF_MAP)
        j->symbols = symbols_new();
    j->gen = jit_reserve(sizeof *j->gen);
    j->call = jit_reserve(JIT_MAX_CALLS * sizeof *j->call);
    j->edge = jit_reserve(JIT_MAX_EDGES * sizeof *j->edge);
    j->site = jit_reserve(JIT_MAX_SITES * sizeof *j->site);
    j->dirt = jit_reserve(JIT_MAX_DIRT * sizeof *j->dirt);
    j->lazy = jit_reserve(JIT_MAX_LAZY * sizeof *j->lazy);
    j->nr_dirt = j->nr_lazy = 1;
    if (h->jit.apart || log_on(LOG_JIT))
        j->mark = jit_reserve(JIT_MAX_MARKS * sizeof *j->mark);
    j->block = jit_reserve(JIT_MAX_BLOCKS * sizeof *j->block);
    j->page = jit_reserve(pages_bytes());
    j->table = jit_reserve(sizeof *j->table << JIT_TABLE_BITS_MAX);
    if (!j->gen || !j->call || !j->edge || !j->site || !j->dirt || !j->lazy || !j->block || !j->page ||
        !j->table || code_init(&j->code, j->symbols ? JIT_CODE_BYTES_MAPPED : JIT_CODE_BYTES) < 0) {
        destroy(j);
        return NULL;
    }
    code_populate(j->table, sizeof *j->table << JIT_TABLE_BITS_MIN);
    code_populate(j->site, (size_t)32 << 10); /* a small program's */
    stubs_emit(j);
    j->code.used = j->stubs_end;
    j->table_bits = JIT_TABLE_BITS_MIN;
    atomic_store(&j->sites_done, 1);
    atomic_store(&j->code_gen, atomic_load(&h->mem->code_gen));
    j->counting = h->counting;
    j->alone = atomic_load(&h->alone);
    if (j->symbols)
        perfmap_stubs(j);
    return j;
}

static void unequip(struct hart *h, struct hart_target *victim)
{
    if (h->jit.stack)
        munmap(h->jit.stack, JIT_STACK_BYTES);
    if (victim)
        munmap(victim, sizeof *victim * JIT_VICTIMS);
    h->jit.stack = NULL;
    h->jit.victim = 0;
}

/* What a hart has of its own, whatever it runs. */
static bool equip(struct hart *h)
{
    struct hart_target *victim;

    if (h->jit.stack)
        return true;
    if (!atomic_load_explicit(&h->alone,
                              memory_order_relaxed)) /* there is somebody to be disturbed by each fault */
        code_populate(h->target, sizeof h->target);
    h->jit.stack = jit_reserve(JIT_STACK_BYTES);
    victim = jit_reserve(sizeof *victim * JIT_VICTIMS);
    /*
     * Never again as what is around it: to close a page that has a mapping of its own, none has to be split, which fails
     * when a guest has as many as the host's kernel allows.
     */
    if (!h->jit.stack || !victim || mprotect(h->poll, PAGE_BYTES, PROT_READ) < 0) {
        unequip(h, victim);
        return false;
    }
    mprotect(h->jit.stack, PAGE_BYTES, PROT_NONE);
    h->jit.pair_top = (uint64_t)(uintptr_t)(h->jit.stack + JIT_STACK_BYTES - 64);
    h->jit.victim = (uint64_t)(uintptr_t)victim;
    fault_set_engine(jit_fault);
    return true;
}

/* Whether the hart is to run what all run. Not when its code is another: it counts, or is compared block by block. */
static bool shares(const struct hart *h)
{
    return h->jit.shared && !h->jit.own && !h->jit.apart && !h->counting &&
           !atomic_load_explicit(&h->alone, memory_order_relaxed);
}

static struct jit *join(struct hart *h)
{
    struct hart_shared *s = h->jit.shared;
    struct jit *j;

    pthread_mutex_lock(&s->lock);
    if (!s->state)
        s->state = create(h, s);
    j = s->state;
    if (j) {
        h->jit.fp_used = 1; /* another hart may lead it to code that uses it */
        h->jit.epoch = j->epoch;
        h->jit.changes = atomic_load(&j->changes);
        h->jit.next = j->harts;
        j->harts = h;
    }
    pthread_mutex_unlock(&s->lock);
    return j;
}

/* The hart runs its translations no more; those that nobody runs are freed. */
static void leave(struct hart *h)
{
    struct jit *j = state(h);
    struct hart **link;

    h->jit.state = NULL;
    memset(h->target, 0, sizeof h->target);
    madvise((void *)(uintptr_t)h->jit.victim, sizeof *h->target * JIT_VICTIMS, MADV_DONTNEED);
    if (!j->shared) {
        atomic_store(&h->jit.granted, 0);
        destroy(j);
        return;
    }
    harts_lock(j);
    for (link = &j->harts; *link != h; link = &(*link)->jit.next)
        ;
    *link = h->jit.next;
    if (j->harts)
        return harts_unlock(j);
    j->shared->state = NULL;
    atomic_store(&j->shared->granted, 0);
    harts_unlock(j);
    destroy(j);
}

/* The translations that this hart is to run, made on first use; NULL when this host allows no generated code. */
static struct jit *attach(struct hart *h)
{
    struct jit *j = state(h);

    if (j && LIKELY(!j->shared == !shares(h)))
        return j;
    if (j)
        leave(h);
    if (!equip(h))
        return NULL;
    j = shares(h) ? join(h) : create(h, NULL);
    if (!j)
        return NULL;
    if (!j->shared) {
        h->jit.epoch = j->epoch;
        h->jit.changes = atomic_load(&j->changes);
    }
    *(uint64_t *)(uintptr_t)h->jit.pair_top = (uint64_t)(uintptr_t)j->sentinel;
    h->jit.pair_rsp = h->jit.pair_top;
    h->target[0].pc = 2;
    ((struct hart_target *)(uintptr_t)h->jit.victim)->pc = 2;
    h->jit.state = j;
    return j;
}

/* --- Translation ------------------------------------------------------------------------------------------- */

static bool has_room(const struct jit *j)
{
    return j->code.size - j->code.used >= JIT_BLOCK_ROOM && JIT_MAX_CALLS - j->nr_calls >= BLOCK_ENTRIES &&
           JIT_MAX_EDGES - j->nr_edges >= BLOCK_ENTRIES && JIT_MAX_SITES - j->nr_sites >= BLOCK_ENTRIES &&
           JIT_MAX_MARKS - j->nr_marks >= BLOCK_ENTRIES && JIT_MAX_DIRT - j->nr_dirt >= BLOCK_ENTRIES &&
           JIT_MAX_LAZY - j->nr_lazy >= BLOCK_LAZY && j->nr_blocks < JIT_MAX_BLOCKS &&
           j->nr_pages + 2 <= JIT_MAX_PAGES && !j->full &&
           j->nr_entries + 1 < (size_t)1 << j->table_bits; /* the search for a free slot must end */
}

/* Translating takes longer than a few runs do, and most of what a program starts with is run once or twice. */
static bool is_cold(struct jit *j, const struct hart *h, uint64_t pc)
{
    uint8_t *four = &j->runs[JIT_RUNS(pc) / 4];
    unsigned shift = JIT_RUNS(pc) % 4 * 2;

    if (!(h->jit.options & JIT_COLD) || h->jit.apart || (*four >> shift & 3) == 3)
        return false;
    *four = (uint8_t)(*four + (1u << shift));
    return true;
}

/*
 * The code for `pc`, made now if need be; NULL: it cannot be fetched, or waits. May forget everything first, but `edge`,
 * which leads there if it is not NULL, is there to be read still.
 */
static const uint8_t *code_for(struct jit *j, struct hart *h, uint64_t pc, const struct jit_edge *edge)
{
    const struct jit_entry *e = table_slot(j, pc);

    if (e->block)
        return j->code.rx + e->host;
    if (jit_waits(j) || (!(edge && edge->on) && is_cold(j, h, pc)))
        return NULL;
    if (!has_room(j) || !jit_affords(j, h) || jit_wastes(j))
        forget(j, h);
    if (j->nr_entries >= (size_t)1 << (j->table_bits - 1) && j->table_bits < JIT_TABLE_BITS_MAX)
        table_grow(j);
    return jit_writable(j) ? jit_translate(j, h, pc, edge && edge->back) : NULL;
}

/* --- Running ------------------------------------------------------------------------------------------------- */

/* Decodes `got` bytes; false when it is not all there. */
static bool decode(const uint8_t *text, size_t got, struct insn *i)
{
    uint32_t word = 0;

    memcpy(&word, text, MIN(got, sizeof word));
    if (got < 2 || (got < 4 && insn_length((uint16_t)word) == 4))
        return false;
    insn_decode(word, i);
    return true;
}

/* One instruction by its body; JIT_OK: what is next is behind it. */
static int body(struct hart *h, const struct insn *i)
{
    int r;

    if (jit_wants_count(h, i))
        return JIT_COUNT;
    r = jit_body[i->op](h, i);
    h->x[0] = 0;
    if (r == OP_EXIT)
        return JIT_TRAP;
    h->instret += h->counting;
    if (r == OP_JUMP)
        return JIT_RESUME;
    h->pc += i->len;
    return r == OP_REFETCH ? JIT_REFETCH : JIT_OK;
}

/* What generated code found to fault, or could not address, or there is none. */
static int replay(struct hart *h)
{
    struct insn insn;
    uint8_t text[4];
    size_t got = gmem_fetch(h->mem, h->pc, text, sizeof text);
    int why;

    if (!decode(text, got, &insn)) {
        trap_gpf(h, CAUSE_GPF_FETCH, NULL, h->pc, h->pc + got, false);
        return JIT_TRAP;
    }
    why = body(h, &insn);
    return why == JIT_OK ? JIT_RESUME : why;
}

/* A stretch of code that has no translation, up to where one begins, by its bodies. */
static int run_cold(struct jit *j, struct hart *h)
{
    uint8_t text[JIT_TEXT_MAX];
    uint64_t start = h->pc;
    size_t got = gmem_fetch(h->mem, start, text, sizeof text);
    struct insn insn;
    int why = JIT_OK;

    while (why == JIT_OK && (h->pc == start || !table_has(j, h->pc)) &&
           decode(text + (h->pc - start), got - (h->pc - start), &insn))
        why = body(h, &insn);
    if (why == JIT_OK)
        return h->pc == start ? replay(h) : JIT_RESUME;
    return why;
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
    jit_see_named(j);
    jit_fcsr_from_mxcsr(h);
    if (h->jit.dirty_d | h->jit.dirty_s | h->jit.dirty_w | h->jit.lazy)
        jit_clean(h);
    return why;
}

/* Puts a target where indirect jumps look first; what was there, where they look next. */
static void remember(struct hart *h, uint64_t pc, const uint8_t *host)
{
    struct hart_target *t = &h->target[JIT_TARGET(pc)];

    if (t->code)
        ((struct hart_target *)(uintptr_t)h->jit.victim)[JIT_VICTIM(t->pc)] = *t;
    *t = (struct hart_target){ pc, host };
}

/* Code for h->pc, with what the last exit left to be linked to it. */
static const uint8_t *next_code(struct jit *j, struct hart *h, int why)
{
    const struct jit_edge *edge = why == JIT_LINK ? &j->edge[h->jit.info] : NULL;
    uint64_t epoch = j->epoch;
    const uint8_t *code;

    code = code_for(j, h, h->pc, edge);
    if (!code || j->epoch != epoch) /* all was forgotten on the way, the edge too */
        return code;
    if (edge && edge->field && !jit_waits(j) && jit_writable(j))
        (j->shared ? x64_relink : x64_link)(j->code.rw + edge->field, code_rw(&j->code, code));
    else if (why == JIT_INDIRECT)
        remember(h, h->pc, code);
    return code;
}

/* The guest looks at what it never looked at. */
static void count_from_now(struct jit *j, struct hart *h)
{
    h->counting = true;
    if (j->shared) /* to be left: attach */
        return;
    j->counting = true;
    forget(j, h);
}

/* What is behind an exit that ends the run; JIT_RESUME and its kin otherwise. */
static int settle(struct jit *j, struct hart *h, int why)
{
    if (why == JIT_REPLAY)
        why = replay(h);
    if (why == JIT_LINK && !j->shared) /* at once: a kick may end the run before the edge is linked */
        h->pc = j->edge[h->jit.info].target;
    if (why == JIT_ECALL) {
        trap_plain(h, CAUSE_ECALL_VU, 0);
        return JIT_TRAP;
    }
    if (why == JIT_COUNT)
        count_from_now(j, h);
    if (why == JIT_REFETCH)
        jit_flush(h);
    return why == JIT_COUNT || why == JIT_REFETCH ? JIT_RESUME : why;
}

/* What has been made of guest memory since is looked at. */
static void catch_up(struct jit *j, struct hart *h)
{
    struct gmem_change c[GMEM_CHANGES];
    unsigned gen = atomic_load(&j->code_gen);
    size_t n = gmem_changes(h->mem, &gen, c);

    h->jit.pair_rsp = h->jit.pair_top; /* no return leads into what is dropped */
    for (size_t k = 0; k < n; k++)
        if (c[k].len == h->limit && c[k].mapping) { /* execve: includes what came before and after */
            memset(j->runs, 0, sizeof j->runs);
            if (pages_mostly_true(j, h))
                pages_remapped(j, h, 0, h->limit);
            else
                forget(j, h);
            atomic_store(&j->code_gen, gen);
            return;
        }
    for (size_t k = 0; k < n; k++)
        if (c[k].mapping)
            pages_remapped(j, h, c[k].start, c[k].start + c[k].len);
        else
            pages_written(j, h, c[k].start, c[k].start + c[k].len);
    atomic_store(&j->code_gen, gen); /* now: whoever sees it may go in without a look at it */
}

/* Polls pass again. First of all: who kicks has written what is looked at behind it. */
static void open_poll(struct hart *h)
{
    if (atomic_load_explicit(&h->jit.stopped, memory_order_relaxed) && atomic_exchange(&h->jit.stopped, 0))
        jit_poll(h, false);
}

/* Before generated code is entered: nothing stale, and polls that pass. */
static void prepare(struct jit *j, struct hart *h)
{
    h->pc &= ~(uint64_t)1;
    open_poll(h);
    if (j->code_gen != atomic_load(&h->mem->code_gen))
        catch_up(j, h);
    if (j->full || j->counting != h->counting || j->alone != atomic_load(&h->alone) || !jit_affords(j, h))
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
    return (h->fcsr >> 5 & 7) > 3 ? NULL : code_for(j, h, h->pc, NULL);
}

enum jit_exit jit_step(struct hart *h, const uint8_t *code)
{
    struct jit *j = state(h);
    int why;

    h->jit.pair_rsp = h->jit.pair_top; /* no return leads on into another block */
    why = settle(j, h, code ? enter(j, h, code) : JIT_REPLAY);
    return why == JIT_TRAP || why == JIT_KICK ? (enum jit_exit)why : JIT_RESUME;
}

/* What would be found with the lock held: where it goes on often, behind an ecall that it has left for, is in target[]. */
static const uint8_t *known_code(struct jit *j, struct hart *h)
{
    const struct hart_target *t = &h->target[JIT_TARGET(h->pc)];

    if (t->pc != h->pc || !t->code || atomic_load(&j->code_gen) != atomic_load(&h->mem->code_gen) ||
        !harts_enter(j, h))
        return NULL;
    return t->code;
}

/* Code for h->pc, and the hart is inside; NULL: there is none, and it is not. *lost is j->lost. */
static const uint8_t *shared_code(struct jit *j, struct hart *h, int why, bool *lost)
{
    const uint64_t known = h->jit.changes;
    const uint8_t *code;

    harts_lock(j);
    if (atomic_load(&j->code_gen) != atomic_load(&h->mem->code_gen))
        catch_up(j, h);
    if (j->full || !jit_affords(j, h))
        forget(j, h);
    if (known != atomic_load(&j->changes)) /* a detour may be where the edge was */
        why = JIT_RESUME;
    harts_notice(j, h);
    code = next_code(j, h, why);
    harts_notice(j, h);
    if (code && !j->lost) {
        if (why == JIT_RESUME)
            remember(h, h->pc, code);
        harts_unlock_inside(j, h);
        return code;
    }
    *lost = j->lost;
    harts_unlock(j);
    return NULL;
}

/* Generated code, which the hart is inside of; outside again, but for what the exit left. */
static int run_inside(struct jit *j, struct hart *h, const uint8_t *code)
{
    int why = JIT_KICK;

    if (!atomic_load_explicit(&h->kick, memory_order_relaxed))
        why = enter(j, h, code);
    if (why == JIT_LINK)
        h->pc = j->edge[h->jit.info].target;
    harts_leave(h);
    return why;
}

/* jit_run on shared translations. */
static enum engine_exit run_shared(struct jit *j, struct hart *h)
{
    int why = JIT_RESUME;

    h->pc &= ~(uint64_t)1;
    for (;;) {
        const uint8_t *code = NULL;
        bool lost = false;

        open_poll(h);
        if (atomic_load_explicit(&h->kick, memory_order_relaxed) || why == JIT_KICK || h->counting)
            return ENGINE_KICKED;
        if ((h->fcsr >> 5 & 7) > 3)
            return interp_run(h);
        if (why == JIT_RESUME)
            code = known_code(j, h);
        if (!code)
            code = shared_code(j, h, why, &lost);
        if (lost)
            return interp_run(h);
        why = settle(j, h, code ? run_inside(j, h, code) : run_cold(j, h));
        if (why == JIT_TRAP)
            return ENGINE_TRAP;
    }
}

enum engine_exit jit_run(struct hart *h)
{
    struct jit *j = attach(h);
    int why = JIT_RESUME;

    if (j && j->shared)
        return run_shared(j, h);
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
        why = settle(j, h, code ? enter(j, h, code) : run_cold(j, h));
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
    harts_lock(state(h));
    h->jit.pair_rsp = h->jit.pair_top; /* no return leads into what is dropped */
    pages_written(state(h), h, 0, h->limit);
    harts_unlock(state(h));
}

void jit_free(struct hart *h)
{
    if (state(h))
        leave(h);
    unequip(h, (struct hart_target *)(uintptr_t)h->jit.victim);
}

void jit_fork(struct hart *h)
{
    struct jit *j = state(h);

    if (!j || j->code.frozen)
        return;
    code_freeze(&j->code);
    j->patience = FORK_PATIENCE;
}

/*
 * In a child of fork: of those on shared translations there is at most this hart. The others may have been coming or
 * going just then. If it is none of them, their code memory is the parent's, which may write to it: jit_fork.
 */
static void left_alone(struct hart *h)
{
    struct hart_shared *s = h->jit.shared;
    struct jit *j = s ? s->state : NULL;

    if (!j)
        return;
    for (struct hart *o = j->harts; o; o = o->jit.next)
        if (o != h)
            o->jit.state = NULL;
    h->jit.next = NULL;
    j->harts = h;
    if (j == state(h))
        return;
    s->state = NULL;
    destroy(j);
}

void jit_forked(struct hart *h)
{
    int r;

    left_alone(h);
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
    jit_poll(h, true);
    atomic_store(&h->jit.stopped, 1);
}

/* --- Faults ---------------------------------------------------------------------------------------------------- */

static const struct jit_site *find_site(const struct jit *j, uint32_t host)
{
    size_t lo = 0, hi = atomic_load_explicit(&j->sites_done, memory_order_acquire), all = hi;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (j->site[mid].host < host)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < all && j->site[lo].host == host ? &j->site[lo] : NULL;
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
    if (addr - (uint64_t)(uintptr_t)h->jit.stack < PAGE_BYTES) { /* calls nested too deep: forget the pairs */
        reg[REG_RSP] = (greg_t)h->jit.pair_top;
        return true;
    }
    site = find_site(j, (uint32_t)(rip - (uint64_t)(uintptr_t)j->code.rx));
    if (!site)
        return false;
    h->pc = jit_site_kind(site) == JIT_INDIRECT ? (uint64_t)reg[REG_RCX] : jit_site_pc(site);
    reg[REG_RAX] = jit_site_kind(site) == JIT_INDIRECT ? JIT_KICK : (greg_t)jit_site_kind(site);
    reg[REG_RIP] = (greg_t)(uintptr_t)j->exit;
    h->jit.dirty_d = j->dirt[site->dirt].dirty_d;
    h->jit.dirty_s = j->dirt[site->dirt].dirty_s;
    h->jit.dirty_w = j->dirt[site->dirt].dirty_w;
    h->jit.lazy = j->dirt[site->dirt].lazy;
    return true;
}
