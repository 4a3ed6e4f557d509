/*
 * Bit manipulation and conditional operations: Zba, Zbb, Zbs, Zicond, and the shifts that BMI2 makes one instruction.
 */
#include "jit/internal.h"

/* sh1add and its kin: rd := rs2 + (rs1 << n), rs1 zero-extended from 32 bits in the .uw forms. */
static void gen_shadd(struct gen *g, const struct insn *i, int scale, bool uw)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX), d = gen_dst(i->rd);

    if (uw) {
        x64_mov_rr(&g->e, false, RAX, a);
        a = RAX;
    }
    x64_lea(&g->e, true, d, x64_at2(b, a, scale, 0));
    gen_put(g, i->rd, d);
}

/* One host instruction `op d, a` (zero and sign extension, counts). */
static void gen_unary0f(struct gen *g, const struct insn *i, enum x64_0f op, bool w)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    x64_0f_rr(&g->e, op, w, d, a);
    gen_put(g, i->rd, d);
}

static void gen_minmax(struct gen *g, const struct insn *i, enum x64_cc cc)
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
static void gen_czero(struct gen *g, const struct insn *i, enum x64_cc cc)
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

static void gen_invert(struct gen *g, const struct insn *i, enum x64_alu op, bool result)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    x64_mov_rr(&g->e, true, RCX, b);
    if (!result)
        x64_unary(&g->e, X64_NOT, true, RCX);
    x64_alu_rr(&g->e, op, true, RCX, a);
    if (result)
        x64_unary(&g->e, X64_NOT, true, RCX);
    x64_mov_rr(&g->e, true, gen_dst(i->rd), RCX);
    gen_put(g, i->rd, gen_dst(i->rd));
}

static void gen_rori(struct gen *g, const struct insn *i, bool w)
{
    int a = gen_src(g, i->rs1, RAX), d = w ? gen_dst(i->rd) : RAX;

    x64_rorx(&g->e, w, d, a, (unsigned)i->imm & (w ? 63 : 31));
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, RAX);
}

static void gen_shift(struct gen *g, const struct insn *i, enum x64_shiftx op, bool w)
{
    int d = w ? gen_dst(i->rd) : RAX, a = gen_src(g, i->rs1, RAX), n = gen_src(g, i->rs2, RCX);

    x64_shiftx(&g->e, op, w, d, a, n);
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, RAX);
}

/* One bit of rs1, chosen by rs2 or the immediate, is set, cleared or inverted: the mask is made in rcx. */
static void gen_one_bit(struct gen *g, const struct insn *i, bool imm, enum x64_alu op)
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

static void gen_bext(struct gen *g, const struct insn *i, bool imm)
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

/* rol, ror: the count must be in cl. */
static void gen_rotate(struct gen *g, const struct insn *i, enum x64_shift op, bool w)
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

static void gen_rev8(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    if (a != d)
        x64_mov_rr(&g->e, true, d, a);
    x64_bswap(&g->e, true, d);
    gen_put(g, i->rd, d);
}

static void gen_slli_uw(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX), d = gen_dst(i->rd);

    x64_mov_rr(&g->e, false, d, a);
    x64_shift_ri(&g->e, X64_SHL, true, d, (unsigned)i->imm & 63);
    gen_put(g, i->rd, d);
}

/* Zba, Zbb, Zicond: one or two host instructions each. */
static bool gen_plain(struct gen *g, const struct insn *i)
{
    switch (i->op) {
    case OP_add_uw:
        return gen_shadd(g, i, 0, true), true;
    case OP_sh1add:
        return gen_shadd(g, i, 1, false), true;
    case OP_sh2add:
        return gen_shadd(g, i, 2, false), true;
    case OP_sh3add:
        return gen_shadd(g, i, 3, false), true;
    case OP_sh1add_uw:
        return gen_shadd(g, i, 1, true), true;
    case OP_sh2add_uw:
        return gen_shadd(g, i, 2, true), true;
    case OP_sh3add_uw:
        return gen_shadd(g, i, 3, true), true;
    case OP_sext_b:
        return gen_unary0f(g, i, X64_MOVSX8, true), true;
    case OP_sext_h:
        return gen_unary0f(g, i, X64_MOVSX16, true), true;
    case OP_zext_h:
        return gen_unary0f(g, i, X64_MOVZX16, false), true;
    case OP_min:
        return gen_minmax(g, i, X64_L), true;
    case OP_max:
        return gen_minmax(g, i, X64_G), true;
    case OP_minu:
        return gen_minmax(g, i, X64_B), true;
    case OP_maxu:
        return gen_minmax(g, i, X64_A), true;
    case OP_andn:
        return gen_invert(g, i, X64_AND, false), true;
    case OP_orn:
        return gen_invert(g, i, X64_OR, false), true;
    case OP_xnor:
        return gen_invert(g, i, X64_XOR, true), true;
    case OP_czero_eqz:
        return gen_czero(g, i, X64_E), true;
    case OP_czero_nez:
        return gen_czero(g, i, X64_NE), true;
    case OP_slli_uw:
        return gen_slli_uw(g, i), true;
    case OP_rev8:
        return gen_rev8(g, i), true;
    case OP_rol:
        return gen_rotate(g, i, X64_ROL, true), true;
    case OP_ror:
        return gen_rotate(g, i, X64_ROR, true), true;
    case OP_rolw:
        return gen_rotate(g, i, X64_ROL, false), true;
    case OP_rorw:
        return gen_rotate(g, i, X64_ROR, false), true;
    case OP_bseti:
        return gen_one_bit(g, i, true, X64_OR), true;
    case OP_bclri:
        return gen_one_bit(g, i, true, X64_AND), true;
    case OP_binvi:
        return gen_one_bit(g, i, true, X64_XOR), true;
    case OP_bexti:
        return gen_bext(g, i, true), true;
    default:
        return false;
    }
}

/* What BMI, LZCNT and POPCNT, of the same age, make one instruction. */
static bool gen_bmi2(struct gen *g, const struct insn *i)
{
    if (!g->j->bmi2)
        return false;
    switch (i->op) {
    case OP_sll:
        return gen_shift(g, i, X64_SHLX, true), true;
    case OP_srl:
        return gen_shift(g, i, X64_SHRX, true), true;
    case OP_sra:
        return gen_shift(g, i, X64_SARX, true), true;
    case OP_sllw:
        return gen_shift(g, i, X64_SHLX, false), true;
    case OP_srlw:
        return gen_shift(g, i, X64_SHRX, false), true;
    case OP_sraw:
        return gen_shift(g, i, X64_SARX, false), true;
    case OP_rori:
        return gen_rori(g, i, true), true;
    case OP_roriw:
        return gen_rori(g, i, false), true;
    case OP_bset:
        return gen_one_bit(g, i, false, X64_OR), true;
    case OP_bclr:
        return gen_one_bit(g, i, false, X64_AND), true;
    case OP_binv:
        return gen_one_bit(g, i, false, X64_XOR), true;
    case OP_bext:
        return gen_bext(g, i, false), true;
    case OP_clz:
        return gen_unary0f(g, i, X64_LZCNT, true), true;
    case OP_clzw:
        return gen_unary0f(g, i, X64_LZCNT, false), true;
    case OP_ctz:
        return gen_unary0f(g, i, X64_TZCNT, true), true;
    case OP_ctzw:
        return gen_unary0f(g, i, X64_TZCNT, false), true;
    case OP_cpop:
        return gen_unary0f(g, i, X64_POPCNT, true), true;
    case OP_cpopw:
        return gen_unary0f(g, i, X64_POPCNT, false), true;
    default:
        return false;
    }
}

bool gen_bits(struct gen *g, const struct insn *i)
{
    return gen_plain(g, i) || gen_bmi2(g, i);
}
