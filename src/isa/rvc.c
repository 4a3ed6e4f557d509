/*
 * Compressed instructions, expanded into the rows of insn.def: Volume I, chapter "C" Extension, RV64C with
 * the double-precision loads and stores. Reserved encodings are illegal; HINTs expand like their neighbours
 * and change nothing, because they write x0 or shift by 0. Nothing else in the tree knows what a compressed
 * instruction looks like.
 */
#include "isa/insn.h"

enum { X_ZERO = 0, X_RA = 1, X_SP = 2 };

/* Bits hi..lo of the halfword, moved to bit `to`. */
static inline int32_t field(uint16_t h, unsigned hi, unsigned lo, unsigned to)
{
    return (int32_t)((h >> lo & ((2u << (hi - lo)) - 1)) << to);
}

/* Bit 12 is the sign of every signed immediate: -1 << to, or 0. */
static inline int32_t sign(uint16_t h, unsigned to)
{
    return h >> 12 & 1 ? -(1 << to) : 0;
}

/* Full register fields, and the three-bit ones that name x8..x15. */
static inline unsigned reg_hi(uint16_t h)
{
    return h >> 7 & 31;
}

static inline unsigned reg_lo(uint16_t h)
{
    return h >> 2 & 31;
}

static inline unsigned creg_hi(uint16_t h)
{
    return 8 + (h >> 7 & 7);
}

static inline unsigned creg_lo(uint16_t h)
{
    return 8 + (h >> 2 & 7);
}

static inline int32_t imm_ci(uint16_t h)
{
    return sign(h, 5) | field(h, 6, 2, 0);
}

static inline int32_t imm_shamt(uint16_t h)
{
    return field(h, 12, 12, 5) | field(h, 6, 2, 0);
}

static int32_t imm_addi16sp(uint16_t h)
{
    return sign(h, 9) | field(h, 6, 6, 4) | field(h, 5, 5, 6) | field(h, 4, 3, 7) | field(h, 2, 2, 5);
}

static int32_t imm_addi4spn(uint16_t h)
{
    return field(h, 12, 11, 4) | field(h, 10, 7, 6) | field(h, 6, 6, 2) | field(h, 5, 5, 3);
}

/* Offsets of loads and stores of words and doublewords: by register, from sp, to sp. */
static inline int32_t off_w(uint16_t h)
{
    return field(h, 12, 10, 3) | field(h, 6, 6, 2) | field(h, 5, 5, 6);
}

static inline int32_t off_d(uint16_t h)
{
    return field(h, 12, 10, 3) | field(h, 6, 5, 6);
}

static inline int32_t off_lwsp(uint16_t h)
{
    return field(h, 12, 12, 5) | field(h, 6, 4, 2) | field(h, 3, 2, 6);
}

static inline int32_t off_ldsp(uint16_t h)
{
    return field(h, 12, 12, 5) | field(h, 6, 5, 3) | field(h, 4, 2, 6);
}

static inline int32_t off_swsp(uint16_t h)
{
    return field(h, 12, 9, 2) | field(h, 8, 7, 6);
}

static inline int32_t off_sdsp(uint16_t h)
{
    return field(h, 12, 10, 3) | field(h, 9, 7, 6);
}

static int32_t off_j(uint16_t h)
{
    return sign(h, 11) | field(h, 11, 11, 4) | field(h, 10, 9, 8) | field(h, 8, 8, 10) | field(h, 7, 7, 6) |
           field(h, 6, 6, 7) | field(h, 5, 3, 1) | field(h, 2, 2, 5);
}

static int32_t off_b(uint16_t h)
{
    return sign(h, 8) | field(h, 11, 10, 3) | field(h, 6, 5, 6) | field(h, 4, 3, 1) | field(h, 2, 2, 5);
}

/* The four shapes that expansions have. Registers not named stay x0. */
static void expand_i(struct insn *out, enum insn_op op, unsigned rd, unsigned rs1, int32_t imm)
{
    out->op = (uint16_t)op;
    out->rd = (uint8_t)rd;
    out->rs1 = (uint8_t)rs1;
    out->imm = imm;
}

static void expand_r(struct insn *out, enum insn_op op, unsigned rd, unsigned rs1, unsigned rs2)
{
    out->op = (uint16_t)op;
    out->rd = (uint8_t)rd;
    out->rs1 = (uint8_t)rs1;
    out->rs2 = (uint8_t)rs2;
}

static void expand_sb(struct insn *out, enum insn_op op, unsigned rs2, unsigned rs1, int32_t imm)
{
    out->op = (uint16_t)op;
    out->rs1 = (uint8_t)rs1;
    out->rs2 = (uint8_t)rs2;
    out->imm = imm;
}

static void expand_u(struct insn *out, enum insn_op op, unsigned rd, int32_t imm)
{
    out->op = (uint16_t)op;
    out->rd = (uint8_t)rd;
    out->imm = imm;
}

static void quadrant0(uint16_t h, struct insn *out)
{
    unsigned base = creg_hi(h), reg = creg_lo(h);

    switch (h >> 13) {
    case 0: /* imm = 0 is reserved, and with rd' = 0 the halfword that is defined to be illegal */
        if (imm_addi4spn(h))
            expand_i(out, OP_addi, reg, X_SP, imm_addi4spn(h));
        break;
    case 1:
        expand_i(out, OP_fld, reg, base, off_d(h));
        break;
    case 2:
        expand_i(out, OP_lw, reg, base, off_w(h));
        break;
    case 3:
        expand_i(out, OP_ld, reg, base, off_d(h));
        break;
    case 5:
        expand_sb(out, OP_fsd, reg, base, off_d(h));
        break;
    case 6:
        expand_sb(out, OP_sw, reg, base, off_w(h));
        break;
    case 7:
        expand_sb(out, OP_sd, reg, base, off_d(h));
        break;
    default: /* 4: reserved */
        break;
    }
}

static void misc_alu(uint16_t h, struct insn *out)
{
    /* By bits 12 and 6..5; the last two are reserved. */
    static const uint16_t ops[8] = {
        OP_sub, OP_xor, OP_or, OP_and, OP_subw, OP_addw, OP_ILLEGAL, OP_ILLEGAL,
    };
    unsigned rd = creg_hi(h);
    uint16_t op;

    switch (h >> 10 & 3) {
    case 0:
        expand_i(out, OP_srli, rd, rd, imm_shamt(h));
        break;
    case 1:
        expand_i(out, OP_srai, rd, rd, imm_shamt(h));
        break;
    case 2:
        expand_i(out, OP_andi, rd, rd, imm_ci(h));
        break;
    default:
        op = ops[(h >> 12 & 1) << 2 | (h >> 5 & 3)];
        if (op != OP_ILLEGAL)
            expand_r(out, op, rd, rd, creg_lo(h));
        break;
    }
}

static void quadrant1(uint16_t h, struct insn *out)
{
    unsigned rd = reg_hi(h);

    switch (h >> 13) {
    case 0:
        expand_i(out, OP_addi, rd, rd, imm_ci(h));
        break;
    case 1:
        if (rd) /* c.addiw with rd = x0 is reserved */
            expand_i(out, OP_addiw, rd, rd, imm_ci(h));
        break;
    case 2:
        expand_i(out, OP_addi, rd, X_ZERO, imm_ci(h));
        break;
    case 3:
        if (!imm_ci(h)) /* reserved for c.lui and c.addi16sp alike */
            break;
        if (rd == X_SP)
            expand_i(out, OP_addi, X_SP, X_SP, imm_addi16sp(h));
        else
            expand_u(out, OP_lui, rd, imm_ci(h) * 4096);
        break;
    case 4:
        misc_alu(h, out);
        break;
    case 5:
        expand_u(out, OP_jal, X_ZERO, off_j(h));
        break;
    case 6:
        expand_sb(out, OP_beq, X_ZERO, creg_hi(h), off_b(h));
        break;
    default:
        expand_sb(out, OP_bne, X_ZERO, creg_hi(h), off_b(h));
        break;
    }
}

/* c.jr, c.mv, c.ebreak, c.jalr, c.add: told apart by bit 12 and by which registers are x0. */
static void jump_or_move(uint16_t h, struct insn *out)
{
    unsigned rd = reg_hi(h), rs2 = reg_lo(h);
    bool bit12 = h >> 12 & 1;

    if (rs2)
        expand_r(out, OP_add, rd, bit12 ? rd : X_ZERO, rs2);
    else if (rd)
        expand_i(out, OP_jalr, bit12 ? X_RA : X_ZERO, rd, 0);
    else if (bit12)
        out->op = OP_ebreak;
}

static void quadrant2(uint16_t h, struct insn *out)
{
    unsigned rd = reg_hi(h);

    switch (h >> 13) {
    case 0:
        expand_i(out, OP_slli, rd, rd, imm_shamt(h));
        break;
    case 1:
        expand_i(out, OP_fld, rd, X_SP, off_ldsp(h));
        break;
    case 2:
        if (rd) /* c.lwsp and c.ldsp with rd = x0 are reserved */
            expand_i(out, OP_lw, rd, X_SP, off_lwsp(h));
        break;
    case 3:
        if (rd)
            expand_i(out, OP_ld, rd, X_SP, off_ldsp(h));
        break;
    case 4:
        jump_or_move(h, out);
        break;
    case 5:
        expand_sb(out, OP_fsd, reg_lo(h), X_SP, off_sdsp(h));
        break;
    case 6:
        expand_sb(out, OP_sw, reg_lo(h), X_SP, off_swsp(h));
        break;
    default:
        expand_sb(out, OP_sd, reg_lo(h), X_SP, off_sdsp(h));
        break;
    }
}

void insn_decode_rvc(uint16_t half, struct insn *out)
{
    *out = (struct insn){ .bits = half, .op = OP_ILLEGAL, .len = 2 };
    switch (half & 3) {
    case 0:
        quadrant0(half, out);
        break;
    case 1:
        quadrant1(half, out);
        break;
    case 2:
        quadrant2(half, out);
        break;
    default: /* a 32-bit instruction: not for this function */
        break;
    }
}
