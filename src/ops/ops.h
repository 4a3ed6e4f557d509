/*
 * The semantics of every row of insn.def, written once: OP(name) defines op_name(), which the interpreter runs
 * inline and a JIT calls for what it does not translate itself.
 *
 * What an engine owes a body:
 *  - h->pc holds the instruction's own address if OP_NEEDS_PC(name, flags); else it may be stale, and the
 *    body neither reads nor writes it.
 *  - h->instret counts exactly the instructions before it, if the format is FMT_CSR or FMT_CSRI.
 *  - h->x[0] is 0. A body may leave a value there: the engine clears it before the next instruction.
 * What a body returns is enum op_result (hart/hart.h). After OP_NEXT and OP_REFETCH the engine goes on i->len
 * bytes further; on OP_EXIT it puts h->pc at this instruction, which has changed no register and not retired.
 */
#ifndef NOAHV_OPS_OPS_H
#define NOAHV_OPS_OPS_H

#include "hart/csr.h"
#include "hart/fpu.h"
#include "hart/hart.h"
#include "mem/access.h"

#define OP(name)                                                                                       \
    static inline __attribute__((always_inline)) int op_##name(__attribute__((unused)) struct hart *h, \
                                                               __attribute__((unused)) const struct insn *i)

#define OP_NEEDS_PC(name, flags) (((flags) & (INSN_ENDS | INSN_TRAP)) != 0 || OP_##name == OP_auipc)

/* The immediate as the 64-bit value that is added to registers. */
static inline uint64_t op_imm(const struct insn *i)
{
    return (uint64_t)(int64_t)i->imm;
}

/* The low word as W instructions write it: sign-extended. */
static inline uint64_t op_sext32(uint64_t v)
{
    return (uint64_t)(int32_t)(uint32_t)v;
}

/* Bodies that are one expression of the operands `a` and `b`: two registers; a register and the immediate
 * (or shift amount); one register. The W forms sign-extend the low word of the result. */
#define OP_RR(name, expr)                                  \
    OP(name)                                               \
    {                                                      \
        const uint64_t a = h->x[i->rs1], b = h->x[i->rs2]; \
        h->x[i->rd] = (expr);                              \
        return OP_NEXT;                                    \
    }
#define OP_RI(name, expr)                               \
    OP(name)                                            \
    {                                                   \
        const uint64_t a = h->x[i->rs1], b = op_imm(i); \
        h->x[i->rd] = (expr);                           \
        return OP_NEXT;                                 \
    }
#define OP_R1(name, expr)                \
    OP(name)                             \
    {                                    \
        const uint64_t a = h->x[i->rs1]; \
        h->x[i->rd] = (expr);            \
        return OP_NEXT;                  \
    }
#define OP_RRW(name, expr) OP_RR(name, op_sext32(expr))
#define OP_RIW(name, expr) OP_RI(name, op_sext32(expr))

/* Where an address below the limit lies. The mask is for the host, which may get here although the address is not:
 * no speculative access leaves the window (the limit is a power of two). */
static inline uint8_t *op_host(const struct hart *h, uint64_t addr)
{
    return h->window + (addr & (h->limit - 1));
}

/*
 * An access: true when it took place. The bound comes first, in the same expression; the guard zones of the
 * window absorb what a transfer that starts below the limit has beyond it.
 */
#define OP_LOADED(bits, addr, out) LIKELY((addr) < h->limit && access_load##bits(op_host(h, (addr)), (out)))
#define OP_STORED(bits, addr, value) \
    LIKELY((addr) < h->limit && access_store##bits(op_host(h, (addr)), (value)))
#define OP_SWAPPED(bits, addr, old, desired, done) \
    LIKELY((addr) < h->limit && access_cas##bits(op_host(h, (addr)), (old), (desired), (done)))

#include "ops/ops_i.h"
#include "ops/ops_m.h"
#include "ops/ops_a.h"
#include "ops/ops_fd.h"
#include "ops/ops_b.h"
#include "ops/ops_sys.h"

#endif
