/*
 * Where jumps to guest addresses lead: blocks by pc, how one comes in and goes out, and what it takes to write to the
 * code memory at all. Knows nothing of how blocks are made or run.
 *
 * What is dropped keeps its memory, and its first bytes become a detour, for the jumps that lead there: nothing has to
 * be unlinked. When it is more than what is left, all of it goes (jit_wastes).
 */
#include <string.h>
#include <sys/mman.h>

#include "jit/internal.h"

#define DETOUR_JUMP 5 /* bytes of the jump that a detour begins with */

static size_t first_slot(uint64_t pc, unsigned table_bits)
{
    return (pc * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - table_bits);
}

struct jit_entry *table_slot(struct jit *j, uint64_t pc)
{
    size_t mask = ((size_t)1 << j->table_bits) - 1;
    size_t i = first_slot(pc, j->table_bits);

    while (j->table[i].host && j->table[i].pc != pc)
        i = (i + 1) & mask;
    return &j->table[i];
}

/* In place: every entry is put anew. */
bool table_probe(const struct jit *j, uint64_t pc)
{
    unsigned table_bits = __atomic_load_n(&j->table_bits, __ATOMIC_RELAXED);
    size_t mask = ((size_t)1 << table_bits) - 1, i = first_slot(pc, table_bits);

    for (size_t n = 0; n <= mask && __atomic_load_n(&j->table[i].host, __ATOMIC_RELAXED); n++) {
        if (__atomic_load_n(&j->table[i].pc, __ATOMIC_RELAXED) == pc)
            return true;
        i = (i + 1) & mask;
    }
    return false;
}

/* For table_probe: one after the other. */
static void put_entry(struct jit_entry *e, struct jit_entry new)
{
    __atomic_store_n(&e->pc, new.pc, __ATOMIC_RELAXED);
    __atomic_store_n(&e->host, new.host, __ATOMIC_RELAXED);
    e->block = new.block;
}

void table_grow(struct jit *j)
{
    size_t n = (size_t)1 << j->table_bits, bytes = n * sizeof *j->table;
    struct jit_entry *old = jit_reserve(bytes);

    if (!old)
        return;
    memcpy(old, j->table, bytes);
    for (size_t k = 0; k < n; k++)
        put_entry(&j->table[k], (struct jit_entry){ 0 });
    __atomic_store_n(&j->table_bits, j->table_bits + 1, __ATOMIC_RELAXED);
    for (size_t k = 0; k < n; k++)
        if (old[k].host)
            put_entry(table_slot(j, old[k].pc), old[k]);
    munmap(old, bytes);
}

bool jit_waits(struct jit *j)
{
    if (LIKELY(!j->code.frozen) || !j->patience)
        return false;
    j->patience--;
    return true;
}

/* Records take about as much as the code that they are of. The first step is everybody's. */
bool jit_affords(const struct jit *j, struct hart *h)
{
    const size_t step = (size_t)1 << 20;
    _Atomic size_t *held = j->shared ? &j->shared->granted : &h->jit.granted;
    size_t granted = atomic_load_explicit(held, memory_order_relaxed);
    size_t need = (2 * (j->code.used - j->stubs_end) + step) & ~(step - 1);

    if (LIKELY(need <= granted) || !h->may_translate)
        return true;
    if (need > step && !h->may_translate(h, need - granted))
        return false;
    atomic_store(held, need);
    return true;
}

bool jit_wastes(const struct jit *j)
{
    return j->dropped >= JIT_DROPPED_BYTES && 2 * j->dropped > j->code.used - j->stubs_end &&
           !j->symbols; /* what a map has named is kept anyway */
}

/* Bytes of code, up to the next block. */
static size_t block_size(const struct jit *j, const struct jit_block *b)
{
    const struct jit_block *next = b + 1;

    return (next < j->block + j->nr_blocks ? next->host : j->code.used) - b->host;
}

bool jit_writable(struct jit *j)
{
    if (UNLIKELY(j->code.frozen) && !j->lost) {
        harts_stop(j);
        j->lost = code_thaw(&j->code) < 0;
        atomic_fetch_add(&j->changes, j->lost); /* nobody goes in again */
    }
    return !j->lost;
}

/*
 * A block's first bytes when it has been dropped: a jump to what has taken its place, which is the way out behind it
 * while there is nothing.
 */
static void emit_detour(struct jit *j, uint32_t host)
{
    struct x64 e = { .at = j->code.rw + host, .end = j->code.rw + host + JIT_ALIGN };
    uint8_t *field = x64_jmp(&e);

    x64_link(field, e.at);
    x64_push_i(&e, (int32_t)j->nr_edges++);
    x64_link(x64_jmp(&e), code_rw(&j->code, j->link));
    BUG_ON(x64_full(&e));
}

void jit_drop(struct jit *j, const struct jit_block *b)
{
    struct jit_entry *e = table_slot(j, b->pc);

    e->block = 0;
    atomic_fetch_add(&j->changes, 1);
    j->dropped += block_size(j, b);
    if (!jit_writable(j))
        return;
    if (e->host != b->host) { /* it has been dropped before */
        x64_relink(j->code.rw + e->host + 1, j->code.rw + e->host + DETOUR_JUMP);
    } else if (j->nr_edges < JIT_MAX_EDGES) {
        harts_stop(j);
        j->edge[j->nr_edges] = (struct jit_edge){ .target = b->pc };
        emit_detour(j, e->host);
    } else {
        j->full = true;
    }
}

void table_enter(struct gen *g, const uint8_t *start, uint64_t end)
{
    struct jit *j = g->j;
    struct jit_entry *e = table_slot(j, g->start);
    uint32_t host = (uint32_t)(start - j->code.rw);

    if (!e->host) {
        uint64_t *starts = &j->starts[JIT_START(g->start) / 64];

        put_entry(e, (struct jit_entry){ .pc = g->start, .host = host });
        j->nr_entries++;
        __atomic_store_n(starts, *starts | UINT64_C(1) << JIT_START(g->start) % 64, __ATOMIC_RELAXED);
    } else if (g->h->jit.apart) { /* no jump leads there */
        put_entry(e, (struct jit_entry){ .pc = g->start, .host = host });
    }
    j->block[j->nr_blocks] =
        (struct jit_block){ .pc = g->start, .host = host, .len = (uint16_t)(end - g->start) };
    pages_add(j, g->h, (uint32_t)j->nr_blocks, g->text);
    e->block = (uint32_t)++j->nr_blocks;
}

void table_publish(struct jit *j, uint64_t pc, const uint8_t *start)
{
    const struct jit_entry *e = table_slot(j, pc);

    if (j->code.rw + e->host != start)
        x64_relink(j->code.rw + e->host + 1, start);
}
