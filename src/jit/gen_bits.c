/*
 * Bit manipulation and conditional operations: Zba, Zbb, Zbs, Zicond, and the shifts that BMI2 makes one instruction.
 */
#include "jit/gen.h"

/* sh1add and its kin: rd := rs2 + (rs1 << n), rs1 zero-extended from its low word in the .uw forms. */
void gen_shadd(struct gen *g, const struct insn *i, int scale, bool w)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX), d = gen_dst(i->rd);

    if (!w) {
        x64_mov_rr(&g->e, false, RAX, a);
        a = RAX;
    }
    x64_lea(&g->e, true, d, x64_at2(b, a, scale, 0));
    gen_put(g, i->rd, d);
}

/* One host instruction `op d, a`. */
void gen_extend(struct gen *g, const struct insn *i, enum x64_0f op, bool w)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    x64_0f_rr(&g->e, op, w, d, a);
    gen_put(g, i->rd, d);
}

void gen_minmax(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    x64_alu_rr(&g->e, X64_CMP, true, b, RAX);
    x64_cmov(&g->e, cc, true, RAX, b);
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

/* czero: rd := rs1, or 0 when the condition on rs2 holds. */
void gen_czero(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    x64_test_rr(&g->e, true, b, b);
    x64_mov_rm(&g->e, true, RCX, HART(x[0])); /* mov leaves the flags alone; xor would not */
    x64_cmov(&g->e, cc, true, RAX, RCX);
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

/* rd := rs1 op ~rs2 */
void gen_invert(struct gen *g, const struct insn *i, enum x64_alu op)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    x64_mov_rr(&g->e, true, RCX, b);
    x64_unary(&g->e, X64_NOT, true, RCX);
    x64_alu_rr(&g->e, op, true, RCX, a);
    x64_mov_rr(&g->e, true, gen_dst(i->rd), RCX);
    gen_put(g, i->rd, gen_dst(i->rd));
}

void gen_rori(struct gen *g, const struct insn *i, bool w)
{
    int a, d = w ? gen_dst(i->rd) : RAX;

    if (!g->j->has.bmi2) {
        gen_shift_imm(g, i, X64_ROR, w);
        return;
    }
    a = gen_src(g, i->rs1, RAX);
    x64_rorx(&g->e, w, d, a, (unsigned)i->imm & (w ? 63 : 31));
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, RAX);
}

void gen_shift(struct gen *g, const struct insn *i, enum x64_shiftx op, bool w)
{
    int d = w ? gen_dst(i->rd) : RAX, a, n;

    if (!g->j->has.bmi2) {
        gen_shift_cl(g, i, op == X64_SHLX ? X64_SHL : op == X64_SHRX ? X64_SHR : X64_SAR, w);
        return;
    }
    a = gen_src(g, i->rs1, RAX);
    n = gen_src(g, i->rs2, RCX);
    x64_shiftx(&g->e, op, w, d, a, n);
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, RAX);
}

/* The same where the host may be too old for it: LZCNT, TZCNT, POPCNT. */
void gen_count_bits(struct gen *g, const struct insn *i, enum x64_0f op, bool w)
{
    if (g->j->has.bmi2)
        gen_extend(g, i, op, w);
    else
        gen_callop(g, i);
}

/* One bit of rs1, chosen by rs2, is set, cleared or inverted. The host takes the number modulo 64 too. */
void gen_one_bit(struct gen *g, const struct insn *i, enum x64_0f op)
{
    int n = gen_src(g, i->rs2, RCX), d = i->rd == i->rs2 ? RAX : gen_dst(i->rd), a = gen_src(g, i->rs1, d);

    if (a != d)
        x64_mov_rr(&g->e, true, d, a);
    x64_0f_rr(&g->e, op, true, n, d);
    if (d != gen_dst(i->rd))
        x64_mov_rr(&g->e, true, gen_dst(i->rd), d);
    gen_put(g, i->rd, gen_dst(i->rd));
}

void gen_one_bit_imm(struct gen *g, const struct insn *i, enum x64_0f op)
{
    int d = gen_dst(i->rd), a = gen_src(g, i->rs1, d);

    if (a != d)
        x64_mov_rr(&g->e, true, d, a);
    x64_bit_ri(&g->e, op, true, d, (unsigned)i->imm & 63);
    gen_put(g, i->rd, d);
}

/* rd := the carry flag, where BT has put the bit. */
static void carry(struct gen *g, int rd)
{
    x64_setcc(&g->e, X64_B, RAX);
    x64_0f_rr(&g->e, X64_MOVZX8, false, gen_dst(rd), RAX);
    gen_put(g, rd, gen_dst(rd));
}

void gen_bext(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX), n = gen_src(g, i->rs2, RCX);

    x64_0f_rr(&g->e, X64_BT, true, n, a);
    carry(g, i->rd);
}

void gen_bext_imm(struct gen *g, const struct insn *i)
{
    x64_bit_ri(&g->e, X64_BT, true, gen_src(g, i->rs1, RAX), (unsigned)i->imm & 63);
    carry(g, i->rd);
}

/* orc.b: the bytes that are zero, and all others. xmm14 and xmm15 are nobody's home. */
void gen_orc_b(struct gen *g, const struct insn *i)
{
    int d = gen_dst(i->rd);

    x64_0f_rr(&g->e, X64_MOVQ_TO_XMM, true, XMM15, gen_src(g, i->rs1, RAX));
    x64_0f_rr(&g->e, X64_PXOR, false, XMM14, XMM14);
    x64_0f_rr(&g->e, X64_PCMPEQB, false, XMM15, XMM14);
    x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, true, XMM15, d);
    x64_unary(&g->e, X64_NOT, true, d);
    gen_put(g, i->rd, d);
}

/* The carry-less product shifted right by 0, 64 (clmulh) or 63 (clmulr), of which the low half is kept. */
void gen_clmul(struct gen *g, const struct insn *i, unsigned shift)
{
    if (!g->j->has.clmul) {
        gen_callop(g, i);
        return;
    }
    x64_0f_rr(&g->e, X64_MOVQ_TO_XMM, true, XMM15, gen_src(g, i->rs1, RAX));
    x64_0f_rr(&g->e, X64_MOVQ_TO_XMM, true, XMM14, gen_src(g, i->rs2, RCX));
    x64_0f3a_rri(&g->e, X64_PCLMULQDQ, XMM15, XMM14, 0);
    if (shift != 64)
        x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, true, XMM15, RAX);
    if (shift != 0) {
        x64_0f_rr(&g->e, X64_MOVHLPS, false, XMM15, XMM15);
        x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, true, XMM15, RCX);
        if (shift == 63) { /* the top bit of the low half comes in below */
            x64_alu_rr(&g->e, X64_ADD, true, RAX, RAX);
            x64_alu_rr(&g->e, X64_ADC, true, RCX, RCX);
        }
        x64_mov_rr(&g->e, true, RAX, RCX);
    }
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

/* The count must be in cl. */
void gen_shift_cl(struct gen *g, const struct insn *i, enum x64_shift op, bool w)
{
    int a = gen_src(g, i->rs1, RAX), n = gen_src(g, i->rs2, RCX);

    if (n != RCX)
        x64_mov_rr(&g->e, false, RCX, n);
    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    x64_shift_cl(&g->e, op, w, RAX);
    if (!w)
        x64_movsxd_rr(&g->e, RAX, RAX);
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

void gen_rev8(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    if (a != d)
        x64_mov_rr(&g->e, true, d, a);
    x64_bswap(&g->e, true, d);
    gen_put(g, i->rd, d);
}

void gen_slli_uw(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    x64_mov_rr(&g->e, false, d, a);
    x64_shift_ri(&g->e, X64_SHL, true, d, (unsigned)i->imm & 63);
    gen_put(g, i->rd, d);
}
