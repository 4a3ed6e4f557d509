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
    int a = gen_src(g, i->rs1, RAX), d = w ? gen_dst(i->rd) : RAX;

    if (!g->j->bmi2) {
        gen_callop(g, i);
        return;
    }
    x64_rorx(&g->e, w, d, a, (unsigned)i->imm & (w ? 63 : 31));
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, RAX);
}

void gen_shift(struct gen *g, const struct insn *i, enum x64_shiftx op, bool w)
{
    int d = w ? gen_dst(i->rd) : RAX, a = gen_src(g, i->rs1, RAX), n = gen_src(g, i->rs2, RCX);

    if (!g->j->bmi2) {
        gen_callop(g, i);
        return;
    }
    x64_shiftx(&g->e, op, w, d, a, n);
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, RAX);
}

/* The same where the host may be too old for it: LZCNT, TZCNT, POPCNT. */
void gen_count_bits(struct gen *g, const struct insn *i, enum x64_0f op, bool w)
{
    if (g->j->bmi2)
        gen_extend(g, i, op, w);
    else
        gen_callop(g, i);
}

/* One bit of rs1, chosen by rs2 or the immediate, is set, cleared or inverted: the mask is made in rcx. */
static void one_bit(struct gen *g, const struct insn *i, bool imm, enum x64_alu op)
{
    int a, n;

    if (imm) {
        x64_mov_ri(&g->e, RCX, (uint64_t)1 << (i->imm & 63));
    } else {
        n = gen_src(g, i->rs2, RCX);
        x64_mov_ri(&g->e, RAX, 1);
        x64_shiftx(&g->e, X64_SHLX, true, RCX, RAX, n);
    }
    a = gen_src(g, i->rs1, RAX);
    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    if (op == X64_AND)
        x64_unary(&g->e, X64_NOT, true, RCX);
    x64_alu_rr(&g->e, op, true, RAX, RCX);
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

static void bext(struct gen *g, const struct insn *i, bool imm)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    if (imm) {
        if (a != RAX)
            x64_mov_rr(&g->e, true, RAX, a);
        x64_shift_ri(&g->e, X64_SHR, true, RAX, (unsigned)i->imm & 63);
    } else {
        x64_shiftx(&g->e, X64_SHRX, true, RAX, a, gen_src(g, i->rs2, RCX));
    }
    x64_alu_ri(&g->e, X64_AND, false, RAX, 1);
    if (d != RAX)
        x64_mov_rr(&g->e, false, d, RAX);
    gen_put(g, i->rd, d);
}

void gen_one_bit(struct gen *g, const struct insn *i, enum x64_alu op)
{
    if (g->j->bmi2)
        one_bit(g, i, false, op);
    else
        gen_callop(g, i);
}

void gen_one_bit_imm(struct gen *g, const struct insn *i, enum x64_alu op)
{
    one_bit(g, i, true, op);
}

void gen_bext(struct gen *g, const struct insn *i)
{
    if (g->j->bmi2)
        bext(g, i, false);
    else
        gen_callop(g, i);
}

void gen_bext_imm(struct gen *g, const struct insn *i)
{
    bext(g, i, true);
}

/* rol, ror: the count must be in cl. */
void gen_rotate(struct gen *g, const struct insn *i, enum x64_shift op, bool w)
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
