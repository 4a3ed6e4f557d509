/*
 * The cache of decoded blocks: fetch, decode, cut into blocks, find again. It knows nothing of how blocks
 * are run, but for the code address that the engine wants in each cell.
 *
 * A block is decoded once and then trusted until block_flush; code that changes under it is the guest's to
 * announce by FENCE.I, and mappings that change raise gmem.code_gen. Decoding stops short of the next page,
 * so that what cannot be fetched there faults only when it is reached.
 */
#include "interp/block.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/access.h"
#include "mem/copy.h"

#define BLOCK_ARENA ((size_t)8 << 20)
#define BLOCK_BYTES_MAX (sizeof(struct block) + (BLOCK_MAX + 1) * sizeof(struct cell))

enum { BLOCK_HASH_BITS = 14, NR_BUCKETS = 1 << BLOCK_HASH_BITS };

struct block_cache {
    struct block *bucket[NR_BUCKETS];
    struct block none; /* the guess that is never right */
    const void *const *go;
    unsigned epoch, code_gen;
    size_t used; /* bytes of the arena */
    char *arena; /* owned: BLOCK_ARENA bytes, touched as they fill */
};

struct block_cache *block_cache_create(const void *const *go)
{
    struct block_cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->arena =
        mmap(NULL, BLOCK_ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c->arena == MAP_FAILED) {
        free(c);
        return NULL;
    }
    c->go = go;
    c->none.pc = 1; /* no pc is odd */
    return c;
}

void block_cache_destroy(struct block_cache *c)
{
    if (!c)
        return;
    munmap(c->arena, BLOCK_ARENA);
    free(c);
}

unsigned block_epoch(const struct block_cache *c)
{
    return c->epoch;
}

void block_flush(struct block_cache *c)
{
    memset(c->bucket, 0, sizeof c->bucket);
    c->used = 0;
    c->epoch++;
}

void block_sync(struct block_cache *c, unsigned code_gen)
{
    if (c->code_gen == code_gen)
        return;
    block_flush(c);
    c->code_gen = code_gen;
}

static struct block **block_bucket(struct block_cache *c, uint64_t pc)
{
    /* Multiplying by 2^64 / phi spreads neighbouring addresses over the top bits. */
    return &c->bucket[(pc * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - BLOCK_HASH_BITS)];
}

/*
 * Fetches and decodes the instruction at pc. Returns how many bytes of it could be fetched when that is too few
 * (0 or 2), else a negative number.
 */
static int block_fetch(struct gmem *m, uint64_t pc, struct insn *out)
{
    uint32_t word = 0;
    size_t got = gmem_fetch(m, pc, &word, sizeof word);

    if (got < 2 || (got < 4 && insn_length((uint16_t)word) == 4))
        return got < 2 ? 0 : 2;
    insn_decode(word, out);
    return -1;
}

/* True for rows that do nothing but write an x register: with rd = x0 they do nothing. */
static bool block_is_nop(const struct insn *i)
{
    const struct insn_desc *d = &insn_desc[i->op];

    if (i->op == OP_ILLEGAL || i->rd != 0 || (d->flags & (INSN_ENDS | INSN_LOAD | INSN_STORE | INSN_TRAP)))
        return false;
    return insn_only_writes_x(i);
}

/* Fills the cells of a block that begins at b->pc and returns the number of instructions; 0: see *got. */
static uint32_t block_decode(struct block_cache *c, struct gmem *m, struct block *b, int *got)
{
    uint64_t pc = b->pc;
    uint32_t n = 0;
    bool ends = false;

    while (!ends && n < BLOCK_MAX && page_down(pc) == page_down(b->pc)) {
        struct cell *cell = &b->cell[n];

        *got = block_fetch(m, pc, &cell->insn);
        if (*got >= 0)
            break;
        ends = cell->insn.op == OP_ILLEGAL || (insn_desc[cell->insn.op].flags & INSN_ENDS) != 0;
        if (block_is_nop(&cell->insn))
            cell->insn.op = BLOCK_NOP;
        cell->go = c->go[cell->insn.op];
        cell->pc = pc;
        pc += cell->insn.len;
        n++;
    }
    b->cell[n] = (struct cell){ .go = c->go[BLOCK_END], .insn = { .op = BLOCK_END }, .pc = pc };
    return n;
}

static struct block *block_build(struct block_cache *c, struct hart *h, struct block **bucket)
{
    struct block *b;
    int got = -1;

    if (BLOCK_ARENA - c->used < BLOCK_BYTES_MAX)
        block_flush(c);
    b = (struct block *)(c->arena + c->used);
    b->pc = h->pc;
    access_fault.signal = 0;
    b->n = block_decode(c, h->mem, b, &got);
    if (!b->n) {
        trap_gpf(h, CAUSE_GPF_FETCH, NULL, h->pc, h->pc + (uint64_t)got, access_fault.signal == SIGBUS);
        return NULL;
    }
    b->next[0] = b->next[1] = &c->none;
    b->bucket = *bucket;
    *bucket = b;
    c->used += sizeof *b + (b->n + 1) * sizeof b->cell[0];
    return b;
}

struct block *block_get(struct block_cache *c, struct hart *h)
{
    struct block **bucket = block_bucket(c, h->pc);

    for (struct block *b = *bucket; b; b = b->bucket)
        if (b->pc == h->pc)
            return b;
    return block_build(c, h, bucket);
}
