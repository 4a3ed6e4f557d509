/*
 * The interpreter: threaded code over decoded blocks (block.h). Every row of insn.def becomes a label in
 * interp_run, followed by its body from ops/ops.h, inline, and a jump to the next cell's label; a row without
 * a body does not compile. It holds no semantics of its own.
 *
 * instret is counted a block at a time, on entry, and corrected where it shows: at a trap and at CSR accesses.
 */
#include "interp/interp.h"

#include "interp/block.h"
#include "ops/ops.h"

/* How many of the block's instructions have not retired when `at` is about to. */
static inline uint64_t interp_unretired(const struct block *b, const struct cell *at)
{
    return b->n - (uint64_t)(at - b->cell);
}

/* True when a body of this format may leave something in x[0]. Rows that only write rd are decoded to
 * BLOCK_NOP when it is x0, and so need no care. */
#define WRITES_X0(fmt)                                                                                \
    (FMT_##fmt == FMT_LD || FMT_##fmt == FMT_J || FMT_##fmt == FMT_JALR || FMT_##fmt == FMT_AMO ||    \
     FMT_##fmt == FMT_LR || FMT_##fmt == FMT_CSR || FMT_##fmt == FMT_CSRI || FMT_##fmt == FMT_FCMP || \
     FMT_##fmt == FMT_F2X || FMT_##fmt == FMT_F2XRM)

#define READS_INSTRET(fmt) (FMT_##fmt == FMT_CSR || FMT_##fmt == FMT_CSRI)

/*
 * The code of one row. All conditions but those on the result are constants, and most results are. After
 * FENCE.I the current block is gone, so nothing may be linked to it.
 */
/* clang-format off */
#define STEP(name, fmt, flags)                    \
do_##name:                                        \
    if (OP_NEEDS_PC(name, flags))                 \
        h->pc = c->pc;                            \
    if (READS_INSTRET(fmt))                       \
        h->instret -= interp_unretired(b, c);     \
    result = op_##name(h, &c->insn);              \
    if (READS_INSTRET(fmt))                       \
        h->instret += interp_unretired(b, c);     \
    if (WRITES_X0(fmt))                           \
        h->x[0] = 0;                              \
    if (result == OP_EXIT)                        \
        goto trapped;                             \
    if ((flags) & INSN_ENDS) {                    \
        if (result == OP_JUMP)                    \
            CHAIN(1);                             \
        h->pc = c->pc + c->insn.len;              \
        if (result == OP_REFETCH)                 \
            goto refetch;                         \
        CHAIN(0);                                 \
    }                                             \
    c++;                                          \
    goto *(c->go)

/* Goes on at h->pc: straight into the block that followed last time if it is the right one. */
#define CHAIN(way)                                               \
    do {                                                         \
        guess = &b->next[way];                                   \
        if (UNLIKELY((*guess)->pc != h->pc || interp_kicked(h))) \
            goto leave;                                          \
        b = *guess;                                              \
        c = b->cell;                                             \
        h->instret += b->n;                                      \
        goto *(c->go);                                           \
    } while (0)
/* clang-format on */

static inline bool interp_kicked(struct hart *h)
{
    return atomic_load_explicit(&h->kick, memory_order_relaxed) != 0;
}

/* The hart's cache, in step with what is mapped; NULL without memory for one. */
static struct block_cache *interp_cache(struct hart *h, const void *const *go)
{
    if (!h->interp)
        h->interp = block_cache_create(go);
    if (h->interp)
        block_sync(h->interp, atomic_load(&h->mem->code_gen));
    return h->interp;
}

enum engine_exit interp_run(struct hart *h)
{
    static const void *const go[NR_BLOCK_OPS] = {
#define INSN(name, fmt, match, mask, ext, flags) [OP_##name] = &&do_##name,
#include "isa/insn.def"
#undef INSN
        [OP_ILLEGAL] = &&do_illegal,
        [BLOCK_NOP] = &&do_nop,
        [BLOCK_END] = &&do_end,
    };
    struct block_cache *const cache = interp_cache(h, go);
    struct block **guess = NULL;
    struct block *b;
    const struct cell *c;
    unsigned epoch;
    int result;

    h->pc &= ~(uint64_t)1; /* as sepc, which loses bit 0 on the way to the pc */
    if (!cache) {
        /* The host has no memory: like a page that cannot be supplied. */
        trap_gpf(h, CAUSE_GPF_FETCH, NULL, h->pc, h->pc, true);
        return ENGINE_TRAP;
    }

leave:
    if (interp_kicked(h))
        return ENGINE_KICKED;
    epoch = block_epoch(cache);
    b = block_get(cache, h);
    if (!b)
        return ENGINE_TRAP;
    if (guess && epoch == block_epoch(cache))
        *guess = b;
    c = b->cell;
    h->instret += b->n;
    goto *(c->go);

refetch:
    block_flush(cache);
    guess = NULL;
    goto leave;

#define INSN(name, fmt, match, mask, ext, flags) STEP(name, fmt, flags);
#include "isa/insn.def"
#undef INSN

do_nop:
    c++;
    goto *(c->go);

do_end:
    h->pc = c->pc;
    CHAIN(0);

do_illegal:
    trap_illegal(h, &c->insn);

trapped:
    h->pc = c->pc;
    h->instret -= interp_unretired(b, c);
    return ENGINE_TRAP;
}

void interp_flush(struct hart *h)
{
    if (h->interp)
        block_flush(h->interp);
}

void interp_free(struct hart *h)
{
    block_cache_destroy(h->interp);
    h->interp = NULL;
}
