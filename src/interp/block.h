/*
 * Decoded basic blocks of one hart, found by pc. A block is a straight run of instructions inside one page,
 * followed by a cell that only says where it goes on; it ends behind an INSN_ENDS row, at the end of the page
 * or after BLOCK_MAX instructions. Blocks live in one arena and die together: block_flush forgets them all.
 */
#ifndef NOAHV_INTERP_BLOCK_H
#define NOAHV_INTERP_BLOCK_H

#include "hart/hart.h"

enum { BLOCK_MAX = 64 };

/* Pseudo-operations behind the rows of insn.def. */
enum block_op {
    BLOCK_NOP = OP_ILLEGAL + 1, /* a row that only writes x0 */
    BLOCK_END,                  /* the last cell: no instruction, pc is the next block's */
    NR_BLOCK_OPS
};

struct cell {
    const void *go; /* the engine's code for insn.op, which may be an enum block_op */
    struct insn insn;
    uint64_t pc;
};

struct block {
    uint64_t pc;           /* of the first instruction */
    uint32_t n;            /* instructions, not counting the last cell */
    struct block *next[2]; /* guesses where control goes after OP_NEXT and after OP_JUMP: compare their pc */
    struct block *bucket;  /* others of the same hash */
    struct cell cell[];    /* n + 1 */
};

struct block_cache;

/* NULL: no memory. `go` has NR_BLOCK_OPS entries and outlives the cache. */
struct block_cache *block_cache_create(const void *const *go);
void block_cache_destroy(struct block_cache *c);

/*
 * The block that begins at h->pc, decoded now if need be. NULL: the first instruction cannot be fetched, and
 * h->trap is filled. May flush.
 */
struct block *block_get(struct block_cache *c, struct hart *h);

void block_flush(struct block_cache *c);

/* Counts flushes: a block pointer is valid while this stays the same. */
unsigned block_epoch(const struct block_cache *c);

/* The gmem.code_gen that the blocks were decoded under: flushes when it is another one. */
void block_sync(struct block_cache *c, unsigned code_gen);

#endif
