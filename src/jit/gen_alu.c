/*
 * Integer computation: I and M. Each generator covers a shape of instruction; gen.def says which rows have it.
 */
#include "jit/gen.h"

void gen_lui(struct gen *g, const struct insn *i)
{
    gen_const(g, i->rd, (uint64_t)(int64_t)i->imm);
}

void gen_auipc(struct gen *g, const struct insn *i)
{
    gen_const(g, i->rd, g->pc + (uint64_t)(int64_t)i->imm);
}

/* rd := rs, with all that is known of it. */
static void gen_move(struct gen *g, int rd, int rs)
{
    uint32_t checked = g->now.checked >> rs & 1, word = g->now.word >> rs & 1,
             dirty = g->now.dirty_w >> rs & 1;
    int d = gen_dst(rd), s = gen_src(g, rs, d);

    if (rd == rs)
        return;
    if (s != d)
        x64_mov_rr(&g->e, true, d, s);
    gen_put(g, rd, d);
    g->now.checked |= checked << rd;
    g->now.word |= word << rd;
    g->now.dirty_w |= dirty << rd;
}

/* A word of which the home of `rd` has the low half, and that is all that is needed now. */
static void mark_low(struct gen *g, int rd)
{
    g->now.word |= (uint32_t)1 << rd;
    g->now.dirty_w |= (uint32_t)1 << rd;
}

/* After and, or, xor, with the result in the home or in `d` still. */
static void put_logic(struct gen *g, const struct insn *i, int d)
{
    gen_put(g, i->rd, d);
    if (g->narrow)
        mark_low(g, i->rd);
    else if (g->words)
        g->now.word |= (uint32_t)1 << i->rd;
    g->zf = i->rd;
    g->zf_pc = g->pc + i->len;
}

static bool is_logic(enum x64_alu op)
{
    return op == X64_AND || op == X64_OR || op == X64_XOR;
}

/* A register that memory is home to changes there, unless it is at hand. */
static void gen_two_memory(struct gen *g, const struct insn *i, enum x64_alu op, int other)
{
    int d = gen_found(g, i->rd);

    if (d < 0) {
        x64_alu_mr(&g->e, op, true, JIT_X(i->rd), gen_src(g, other, RAX));
        gen_wrote(g, i->rd);
    } else {
        x64_alu_rr(&g->e, op, true, d, gen_src(g, other, d == RAX ? RCX : RAX));
        gen_put(g, i->rd, d);
    }
    if (is_logic(op) && g->words)
        g->now.word |= (uint32_t)1 << i->rd;
}

/* d := a op b for commutative and other two-operand instructions of the host. */
void gen_two(struct gen *g, const struct insn *i, enum x64_alu op)
{
    bool commutes = op != X64_SUB, logic = is_logic(op), w = !(logic && g->narrow);
    int d = gen_dst(i->rd), b;

    if (jit_home[i->rd] < 0 && (i->rd == i->rs1 || (commutes && i->rd == i->rs2))) {
        gen_two_memory(g, i, op, i->rd == i->rs1 ? i->rs2 : i->rs1);
        return;
    }
    if (commutes && i->rd == i->rs2 && jit_home[i->rd] >= 0 && i->rd != i->rs1) {
        b = gen_src(g, i->rs1, RCX);
        x64_alu_rr(&g->e, op, w, d, b);
    } else if (jit_home[i->rd] >= 0 && i->rd == i->rs2 && i->rd != i->rs1) { /* d = a - d */
        x64_mov_rr(&g->e, true, RAX, gen_src(g, i->rs1, RAX));
        x64_alu_rr(&g->e, op, true, RAX, d);
        x64_mov_rr(&g->e, true, d, RAX);
    } else if (op == X64_ADD && jit_home[i->rs1] >= 0 && jit_home[i->rs2] >= 0 && i->rd != i->rs1) {
        x64_lea(&g->e, true, d, x64_at2(jit_home[i->rs1], jit_home[i->rs2], 0, 0));
    } else {
        int a = gen_src(g, i->rs1, d);

        if (a != d)
            x64_mov_rr(&g->e, w, d, a);
        b = gen_found(g, i->rs2);
        if (b >= 0)
            x64_alu_rr(&g->e, op, w, d, b);
        else if (i->rs2 != 0)
            x64_alu_rm(&g->e, op, w, d, JIT_X(i->rs2));
        else if (op == X64_AND)
            x64_mov_ri(&g->e, d, 0);
    }
    if (logic)
        put_logic(g, i, d);
    else
        gen_put(g, i->rd, d);
    if (i->rs2 == 0) /* a move, which says nothing of ZF */
        g->zf_pc = 1;
}

void gen_add(struct gen *g, const struct insn *i)
{
    if (i->rs1 == 0)
        gen_move(g, i->rd, i->rs2);
    else
        gen_two(g, i, X64_ADD);
}

void gen_alu_imm(struct gen *g, const struct insn *i, enum x64_alu op)
{
    int d = gen_dst(i->rd), a;

    if (gen_found(g, i->rd) < 0 && i->rd == i->rs1) {
        x64_alu_mi(&g->e, op, true, JIT_X(i->rd), i->imm);
        gen_wrote(g, i->rd);
        if (g->words)
            g->now.word |= (uint32_t)1 << i->rd;
        return;
    }
    a = gen_src(g, i->rs1, d);
    if (op == X64_AND && i->imm == 0xff) { /* zext.b */
        x64_0f_rr(&g->e, X64_MOVZX8, false, d, a);
        gen_put(g, i->rd, d);
        g->now.word |= (uint32_t)1 << i->rd;
        return;
    }
    if (a != d)
        x64_mov_rr(&g->e, !g->narrow, d, a);
    x64_alu_ri(&g->e, op, !g->narrow, d, i->imm);
    put_logic(g, i, d);
    if (op == X64_AND && i->imm >= 0) { /* no bit above */
        g->now.word |= (uint32_t)1 << i->rd;
        g->now.dirty_w &= ~((uint32_t)1 << i->rd);
    }
}

void gen_addi(struct gen *g, const struct insn *i)
{
    uint32_t checked = i->rs1 != 0 && !g->j->harden ? g->now.checked >> i->rs1 & 1 : 0;
    int d = gen_dst(i->rd), a;

    if (i->rs1 == 0) {
        gen_const(g, i->rd, (uint64_t)(int64_t)i->imm);
        return;
    }
    if (i->imm == 0) {
        gen_move(g, i->rd, i->rs1);
        return;
    }
    if (i->rd == i->rs1 && gen_found(g, i->rd) < 0) {
        x64_alu_mi(&g->e, X64_ADD, true, JIT_X(i->rd), i->imm);
        gen_wrote(g, i->rd);
    } else {
        a = gen_src(g, i->rs1, d);
        if (a == d)
            x64_alu_ri(&g->e, X64_ADD, true, d, i->imm);
        else
            x64_lea(&g->e, true, d, x64_at(a, i->imm));
        gen_put(g, i->rd, d);
    }
    /* A block adds far less than a guard zone; but a mask knows no guards. */
    g->now.checked |= checked << i->rd;
}

/* A result in 32 bits: in the home it waits for its sign-extension until somebody looks. */
void gen_sext(struct gen *g, int rd, int from)
{
    int d = gen_dst(rd);

    if (jit_home[rd] < 0) {
        x64_movsxd_rr(&g->e, d, from);
        gen_put(g, rd, d);
        return;
    }
    if (from != d)
        x64_mov_rr(&g->e, false, d, from);
    gen_put(g, rd, d);
    mark_low(g, rd);
}

void gen_addiw(struct gen *g, const struct insn *i)
{
    int d = gen_dst(i->rd), a;

    if (i->imm == 0 && g->words && (jit_home[i->rd] >= 0 || !(g->now.dirty_w >> i->rs1 & 1))) {
        gen_move(g, i->rd, i->rs1);
        return;
    }
    a = gen_src(g, i->rs1, d);
    if (i->imm && a == d)
        x64_alu_ri(&g->e, X64_ADD, false, d, i->imm);
    else if (i->imm)
        x64_lea(&g->e, false, d, x64_at(a, i->imm));
    gen_sext(g, i->rd, i->imm ? d : a);
}

void gen_aluw(struct gen *g, const struct insn *i, enum x64_alu op)
{
    int d = gen_dst(i->rd), a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (op == X64_ADD) {
        if (a == d)
            x64_alu_rr(&g->e, X64_ADD, false, d, b);
        else if (b == d)
            x64_alu_rr(&g->e, X64_ADD, false, d, a);
        else
            x64_lea(&g->e, false, d, x64_at2(a, b, 0, 0));
    } else {
        if (b == d && a != d)
            d = RAX;
        if (a != d)
            x64_mov_rr(&g->e, false, d, a);
        x64_alu_rr(&g->e, op, false, d, b);
    }
    gen_sext(g, i->rd, d);
}

void gen_shift_imm(struct gen *g, const struct insn *i, enum x64_shift op, bool w)
{
    unsigned n = (unsigned)i->imm & (w ? 63 : 31);
    int d = gen_dst(i->rd), a;

    if (w && gen_found(g, i->rd) < 0 && i->rd == i->rs1) {
        x64_shift_mi(&g->e, op, true, JIT_X(i->rd), n);
        gen_wrote(g, i->rd);
        return;
    }
    a = gen_src(g, i->rs1, d);
    if (a != d)
        x64_mov_rr(&g->e, w, d, a);
    x64_shift_ri(&g->e, op, w, d, n);
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, d);
    if (!w && op == X64_SHR && n) /* positive: the host has extended it */
        g->now.dirty_w &= ~((uint32_t)1 << i->rd);
}

/* rd := the flag of a comparison that has been made. */
static void gen_flag(struct gen *g, int rd, enum x64_cc cc)
{
    int d = gen_dst(rd);

    x64_setcc(&g->e, cc, RAX);
    x64_0f_rr(&g->e, X64_MOVZX8, false, d, RAX);
    gen_put(g, rd, d);
}

void gen_slt(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    int a, b = gen_src(g, i->rs2, RCX);

    if (i->rs1 == 0 && cc == X64_B) { /* snez */
        x64_test_rr(&g->e, !g->words, b, b);
        gen_flag(g, i->rd, X64_NE);
        return;
    }
    a = gen_src(g, i->rs1, RAX);
    x64_alu_rr(&g->e, X64_CMP, !g->words, a, b);
    gen_flag(g, i->rd, cc);
}

void gen_slti(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    x64_alu_ri(&g->e, X64_CMP, !g->words, gen_src(g, i->rs1, RAX), i->imm);
    gen_flag(g, i->rd, cc);
}

void gen_mul(struct gen *g, const struct insn *i, bool w)
{
    int d = gen_dst(i->rd), a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (b == d)
        b = a;
    else if (a != d)
        x64_mov_rr(&g->e, w, d, a);
    x64_0f_rr(&g->e, X64_IMUL_RR, w, d, b);
    if (w)
        gen_put(g, i->rd, d);
    else
        gen_sext(g, i->rd, d);
}

/* mulh, mulhu through rdx, which is the home of a3: kept in rcx, which the operand leaves free by then. */
void gen_mulh(struct gen *g, const struct insn *i, enum x64_unary op)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    if (b != RCX)
        x64_mov_rr(&g->e, true, RCX, b);
    x64_mov_mr(&g->e, 64, HART(jit.info), RDX);
    x64_unary(&g->e, op, true, RCX);
    x64_mov_rr(&g->e, true, RAX, RDX);
    x64_mov_rm(&g->e, true, RDX, HART(jit.info));
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

/* mulhsu: the unsigned product is 2^64 * b too large when a is negative. */
void gen_mulhsu(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    if (b != RCX)
        x64_mov_rr(&g->e, true, RCX, b);
    x64_mov_mr(&g->e, 64, HART(jit.info), RDX);
    x64_unary(&g->e, X64_MUL, true, RCX);
    if (a == RDX)
        x64_mov_rm(&g->e, true, RAX, HART(jit.info));
    else if (gen_src(g, i->rs1, RAX) != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    x64_shift_ri(&g->e, X64_SAR, true, RAX, 63);
    x64_alu_rr(&g->e, X64_AND, true, RAX, RCX);
    x64_alu_rr(&g->e, X64_SUB, true, RDX, RAX);
    x64_mov_rr(&g->e, true, RAX, RDX);
    x64_mov_rm(&g->e, true, RDX, HART(jit.info));
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
}

/*
 * Division: a zero divisor, and -1 for signed ones, go to the body (RISC-V defines what x86 traps on); the rest is
 * the host's, through rdx.
 */
void gen_div(struct gen *g, const struct insn *i, enum x64_unary op, bool w, enum x64_reg result)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);
    struct cold *c;

    if (b != RCX)
        x64_mov_rr(&g->e, true, RCX, b);
    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    x64_mov_mr(&g->e, 64, HART(jit.info), RDX);
    if (op == X64_IDIV) { /* 0 and -1 are the two values that are at most 1 after adding 1 */
        x64_lea(&g->e, w, RDX, x64_at(RCX, 1));
        x64_alu_ri(&g->e, X64_CMP, w, RDX, 1);
        x64_mov_rm(&g->e, true, RDX, HART(jit.info));
        c = gen_cold(g, x64_jcc(&g->e, X64_BE));
        x64_cqo(&g->e, w);
    } else {
        x64_test_rr(&g->e, w, RCX, RCX);
        c = gen_cold(g, x64_jcc(&g->e, X64_E));
        x64_mov_ri(&g->e, RDX, 0);
    }
    c->kind = COLD_CALL;
    c->insn = *i;
    x64_unary(&g->e, op, w, RCX);
    if (result != RAX)
        x64_mov_rr(&g->e, true, RAX, (int)result);
    x64_mov_rm(&g->e, true, RDX, HART(jit.info));
    if (!w)
        x64_movsxd_rr(&g->e, RAX, RAX);
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
    gen_resume(g, c);
}
