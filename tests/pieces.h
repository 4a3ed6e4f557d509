/*
 * A word that a program reads byte by byte, as compilers make it where unaligned loads may be slow: loads in any order,
 * each byte shifted to its place, and all of them put together.
 */
#ifndef NOAHV_TESTS_PIECES_H
#define NOAHV_TESTS_PIECES_H

#include "isa/insn.h"

enum { PIECES_MAX = 24 };

struct pieces {
    unsigned (*pick)(void *from, unsigned n); /* a number below n */
    void *from;
    uint8_t base, spare; /* the address; a register that must not be written, or 0 */
    struct insn insn[PIECES_MAX];
    unsigned n;
};

static inline unsigned pieces_pick(struct pieces *p, unsigned n)
{
    return p->pick(p->from, n);
}

static inline void pieces_put(struct pieces *p, uint16_t op, uint8_t rd, uint8_t rs1, uint8_t rs2,
                              int32_t imm)
{
    p->insn[p->n++] = (struct insn){ .op = op, .len = 4, .rd = rd, .rs1 = rs1, .rs2 = rs2, .imm = imm };
}

/* Different registers; the one that is loaded last may be the base. */
static inline void pieces_registers(struct pieces *p, uint8_t *reg, unsigned bytes, unsigned last)
{
    for (unsigned k = 0; k < bytes; k++) {
        bool again;

        do {
            reg[k] = (uint8_t)(1 + pieces_pick(p, 31));
            again = reg[k] == p->spare || reg[k] == p->base;
            for (unsigned n = 0; n < k; n++)
                again |= reg[n] == reg[k];
        } while (again);
    }
    if (pieces_pick(p, 2) && p->base && p->base != p->spare)
        reg[last] = p->base;
}

/* Fills insn[], n. Most are pieces of four or eight bytes, some are not quite. */
static inline void pieces_make(struct pieces *p)
{
    unsigned bytes = pieces_pick(p, 4) ? 4u << pieces_pick(p, 2) : 2 + pieces_pick(p, 7);
    int32_t at = (int32_t)pieces_pick(p, 64) - 32;
    uint8_t reg[8], order[8];

    p->n = 0;
    for (unsigned k = 0; k < bytes; k++)
        order[k] = (uint8_t)k;
    for (unsigned k = 1; k < bytes; k++) { /* nearly in order, as a scheduler leaves them */
        unsigned with = pieces_pick(p, 3) ? k - 1 : pieces_pick(p, k);
        uint8_t t = order[k];

        order[k] = order[with];
        order[with] = t;
    }
    pieces_registers(p, reg, bytes, order[bytes - 1]);
    for (unsigned k = 0; k < bytes; k++)
        pieces_put(p, OP_lbu, reg[order[k]], p->base, 0,
                   at + order[k] + (pieces_pick(p, 64) == 0 ? (int32_t)pieces_pick(p, 3) - 1 : 0));
    for (unsigned k = 1; k < bytes; k++) {
        bool word = k == 3 && bytes == 4 && pieces_pick(p, 2);
        uint8_t to = pieces_pick(p, 8) || reg[k - 1] == p->spare ? reg[k] : reg[k - 1];

        pieces_put(p, word ? OP_slliw : OP_slli, reg[k], reg[k], 0, 8 * (int32_t)k);
        pieces_put(p, OP_or, to, reg[k], reg[k - 1], 0);
        reg[k] = to;
    }
    if (pieces_pick(p, 4) == 0)
        pieces_put(p, OP_addiw, reg[bytes - 1], reg[bytes - 1], 0, 0);
}

#endif
