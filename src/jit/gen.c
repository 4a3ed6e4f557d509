/*
 * From one decoded instruction to host code: integers, memory, control flow. A row without a case here is done by
 * its body, through a call. Each case computes into the guest register's home, or into rax when that is memory.
 *
 * Between the first write to a home and the end of an instruction nothing may fault: loads write their
 * destination last.
 */
#include "jit/internal.h"

#include "hart/csr.h"


/* --- Operands ------------------------------------------------------------------------------------------ */

int gen_src(struct gen *g, int reg, int scratch)
{
    if (jit_home[reg] >= 0)
        return jit_home[reg];
    if (reg == 0)
        x64_mov_ri(&g->e, scratch, 0);
    else
        x64_mov_rm(&g->e, true, scratch, JIT_X(reg));
    return scratch;
}

int gen_dst(int reg)
{
    return jit_home[reg] >= 0 ? jit_home[reg] : RAX;
}

void gen_put(struct gen *g, int reg, int host)
{
    g->checked &= ~((uint32_t)1 << reg);
    if (jit_home[reg] < 0 && reg != 0)
        x64_mov_mr(&g->e, 64, JIT_X(reg), host);
}

struct cold *gen_cold(struct gen *g, uint8_t *field)
{
    struct cold *c = &g->cold[g->nr_cold++ % ARRAY_SIZE(g->cold)];

    *c = (struct cold){.field = field, .pc = g->pc};
    return c;
}

void gen_site(struct gen *g, enum jit_exit kind)
{
    struct jit *j = g->j;

    j->site[j->nr_sites++] = (struct jit_site){(uint32_t)(g->e.at - j->code.rw), kind, g->pc};
}

/* --- Calls of bodies ------------------------------------------------------------------------------------- */

static uint32_t new_call(struct gen *g, const struct insn *i, uint64_t pc)
{
    g->j->call[g->j->nr_calls] = (struct jit_call){*i, pc};
    return (uint32_t)g->j->nr_calls++;
}

/* Does `i` by its body; a body that does not simply go on leaves generated code from there. */
void gen_body(struct gen *g, const struct insn *i, uint64_t pc)
{
    x64_mov_ri(&g->e, RAX, new_call(g, i, pc));
    x64_link(x64_call(&g->e), code_rw(&g->j->code, g->j->callop));
}

void gen_callop(struct gen *g, const struct insn *i)
{
    gen_body(g, i, g->pc);
    g->checked &= ~((uint32_t)1 << i->rd);
    g->boxed &= ~((uint32_t)1 << i->rd);
}

/* --- Control flow ----------------------------------------------------------------------------------------- */

void gen_set_pc(struct gen *g, uint64_t pc)
{
    if ((int64_t)pc == (int32_t)pc) {
        x64_mov_mi(&g->e, 64, HART(pc), (int32_t)pc);
    } else {
        x64_mov_ri(&g->e, RAX, pc);
        x64_mov_mr(&g->e, 64, HART(pc), RAX);
    }
}

void gen_leave(struct gen *g, enum jit_exit why)
{
    x64_mov_ri(&g->e, RAX, why);
    x64_link(x64_jmp(&g->e), code_rw(&g->j->code, g->j->exit));
}

/* The field leads to the code of guest `target`: at once if there is some, else through an edge. */
void gen_goto(struct gen *g, uint8_t *field, uint64_t target)
{
    struct cold *c = gen_cold(g, field);

    c->kind = COLD_EDGE;
    c->pc = target;
}

/* Backward transfers ask whether the hart is to stop; every endless path has one. */
static void gen_poll(struct gen *g, uint64_t target)
{
    if (target > g->pc)
        return;
    gen_site(g, JIT_KICK);
    x64_alu_rm(&g->e, X64_CMP, false, RAX, x64_rip(code_rw(&g->j->code, g->j->code.poll)));
}

void gen_count(struct gen *g)
{
    x64_alu_mi(&g->e, X64_ADD, true, HART(instret), 1);
}

/* Before a row that leaves the straight path: a poll, and its count. */
static void gen_depart(struct gen *g, uint64_t target)
{
    gen_poll(g, target);
    if (g->h->counting)
        gen_count(g);
}

static void gen_branch(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    uint64_t target = g->pc + (uint64_t)(int64_t)i->imm;
    int a;

    gen_depart(g, target);
    a = gen_src(g, i->rs1, RAX);
    if (i->rs2 == 0)
        x64_test_rr(&g->e, true, a, a);
    else if (jit_home[i->rs2] >= 0)
        x64_alu_rr(&g->e, X64_CMP, true, a, jit_home[i->rs2]);
    else
        x64_alu_rm(&g->e, X64_CMP, true, a, JIT_X(i->rs2));
    gen_goto(g, x64_jcc(&g->e, cc), target);
}

/* rd := a constant. */
static void gen_const(struct gen *g, int rd, uint64_t v)
{
    int d = gen_dst(rd);

    if (jit_home[rd] < 0 && (int64_t)v == (int32_t)v) {
        x64_mov_mi(&g->e, 64, JIT_X(rd), (int32_t)v);
        g->checked &= ~((uint32_t)1 << rd);
        return;
    }
    x64_mov_ri(&g->e, d, v);
    gen_put(g, rd, d);
}

/* Behind a paired call: the guest's return address must be the one that the call put there. */
static void gen_landing(struct gen *g, uint64_t next)
{
    if ((int64_t)next == (int32_t)next) {
        x64_alu_mi(&g->e, X64_CMP, true, JIT_X(1), (int32_t)next);
    } else {
        x64_mov_ri(&g->e, RAX, next);
        x64_alu_rm(&g->e, X64_CMP, true, RAX, JIT_X(1));
    }
    x64_link(x64_jcc(&g->e, X64_NE), code_rw(&g->j->code, g->j->retmiss));
    g->checked = 0;
    g->boxed = 0;
}

static void gen_jal(struct gen *g, const struct insn *i)
{
    uint64_t target = g->pc + (uint64_t)(int64_t)i->imm, next = g->pc + i->len;

    gen_depart(g, target);
    if (i->rd != 0)
        gen_const(g, i->rd, next);
    if (i->rd == 1) {
        gen_goto(g, x64_call(&g->e), target);
        gen_landing(g, next);
        return;
    }
    gen_goto(g, x64_jmp(&g->e), target);
    g->ended = true;
}

static void gen_jalr(struct gen *g, const struct insn *i)
{
    uint64_t next = g->pc + i->len;
    int a;

    if (g->h->counting)
        gen_count(g);
    if (i->rd == 0 && i->rs1 == 1 && i->imm == 0) { /* ret: whoever is at the top of the stack checks ra */
        x64_ret(&g->e);
        g->ended = true;
        return;
    }
    a = gen_src(g, i->rs1, RCX);
    if (a != RCX || i->imm)
        x64_lea(&g->e, true, RCX, x64_at(a, i->imm));
    if (i->rd != 0)
        gen_const(g, i->rd, next);
    if (i->rd == 1) {
        x64_link(x64_call(&g->e), code_rw(&g->j->code, g->j->indirect));
        gen_landing(g, next);
        return;
    }
    x64_link(x64_jmp(&g->e), code_rw(&g->j->code, g->j->indirect));
    g->ended = true;
}

/* --- Memory ------------------------------------------------------------------------------------------------ */

struct x64_mem gen_addr(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RCX);

    if (!(g->checked >> i->rs1 & 1)) { /* the guards absorb the displacement */
        x64_alu_rm(&g->e, X64_CMP, true, a, HART(limit));
        gen_cold(g, x64_jcc(&g->e, X64_AE))->kind = COLD_REPLAY;
        g->checked |= (uint32_t)1 << i->rs1;
    }
    return x64_at2(R15, a, 0, i->imm);
}

static void gen_load(struct gen *g, const struct insn *i)
{
    struct x64_mem m = gen_addr(g, i);
    int d = gen_dst(i->rd);

    gen_site(g, JIT_REPLAY);
    switch (i->op) {
    case OP_lb:
        x64_0f_rm(&g->e, X64_MOVSX8, true, d, m);
        break;
    case OP_lh:
        x64_0f_rm(&g->e, X64_MOVSX16, true, d, m);
        break;
    case OP_lw:
        x64_movsxd_rm(&g->e, d, m);
        break;
    case OP_ld:
        x64_mov_rm(&g->e, true, d, m);
        break;
    case OP_lbu:
        x64_0f_rm(&g->e, X64_MOVZX8, false, d, m);
        break;
    case OP_lhu:
        x64_0f_rm(&g->e, X64_MOVZX16, false, d, m);
        break;
    default: /* lwu */
        x64_mov_rm(&g->e, false, d, m);
        break;
    }
    gen_put(g, i->rd, d);
}

static void gen_store(struct gen *g, const struct insn *i, unsigned bits)
{
    struct x64_mem m = gen_addr(g, i);
    int v;

    if (i->rs2 == 0) {
        gen_site(g, JIT_REPLAY);
        x64_mov_mi(&g->e, bits, m, 0);
        return;
    }
    v = gen_src(g, i->rs2, RAX);
    gen_site(g, JIT_REPLAY);
    x64_mov_mr(&g->e, bits, m, v);
}

/* --- Computation -------------------------------------------------------------------------------------------- */

/* d := a op b for commutative and other two-operand instructions of the host. */
static void gen_alu(struct gen *g, const struct insn *i, enum x64_alu op)
{
    bool commutes = op != X64_SUB;
    int d = gen_dst(i->rd), b;

    if (commutes && i->rd == i->rs2 && jit_home[i->rd] >= 0 && i->rd != i->rs1) {
        b = gen_src(g, i->rs1, RCX);
        x64_alu_rr(&g->e, op, true, d, b);
    } else if (jit_home[i->rd] >= 0 && i->rd == i->rs2 && i->rd != i->rs1) { /* d = a - d */
        x64_mov_rr(&g->e, true, RAX, gen_src(g, i->rs1, RAX));
        x64_alu_rr(&g->e, op, true, RAX, d);
        x64_mov_rr(&g->e, true, d, RAX);
    } else if (op == X64_ADD && jit_home[i->rs1] >= 0 && jit_home[i->rs2] >= 0 && i->rd != i->rs1) {
        x64_lea(&g->e, true, d, x64_at2(jit_home[i->rs1], jit_home[i->rs2], 0, 0));
    } else {
        int a = gen_src(g, i->rs1, d);

        if (a != d)
            x64_mov_rr(&g->e, true, d, a);
        if (jit_home[i->rs2] >= 0)
            x64_alu_rr(&g->e, op, true, d, jit_home[i->rs2]);
        else if (i->rs2 != 0)
            x64_alu_rm(&g->e, op, true, d, JIT_X(i->rs2));
        else if (op == X64_AND)
            x64_mov_ri(&g->e, d, 0);
    }
    gen_put(g, i->rd, d);
}

static void gen_alu_imm(struct gen *g, const struct insn *i, enum x64_alu op)
{
    int d = gen_dst(i->rd), a = gen_src(g, i->rs1, d);

    if (a != d)
        x64_mov_rr(&g->e, true, d, a);
    x64_alu_ri(&g->e, op, true, d, i->imm);
    gen_put(g, i->rd, d);
}

static void gen_addi(struct gen *g, const struct insn *i)
{
    bool checked = i->rs1 != 0 && g->checked >> i->rs1 & 1;
    int d = gen_dst(i->rd), a;

    if (i->rs1 == 0) {
        x64_mov_ri(&g->e, d, (uint64_t)(int64_t)i->imm);
    } else if (i->rd == i->rs1 && jit_home[i->rd] < 0) {
        x64_alu_mi(&g->e, X64_ADD, true, JIT_X(i->rd), i->imm);
        return; /* memory holds it; `checked` survives */
    } else {
        a = gen_src(g, i->rs1, d);
        if (a == d)
            x64_alu_ri(&g->e, X64_ADD, true, d, i->imm);
        else if (i->imm)
            x64_lea(&g->e, true, d, x64_at(a, i->imm));
        else
            x64_mov_rr(&g->e, true, d, a);
    }
    gen_put(g, i->rd, d);
    if (checked) /* a block adds far less than a guard zone */
        g->checked |= (uint32_t)1 << i->rd;
}

/* W forms: compute 32 bits in rax, sign-extend into the destination. */
static void gen_sext(struct gen *g, int rd, int from)
{
    int d = gen_dst(rd);

    x64_movsxd_rr(&g->e, d, from);
    gen_put(g, rd, d);
}

static void gen_addiw(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RAX);

    if (i->imm) {
        x64_lea(&g->e, false, RAX, x64_at(a, i->imm));
        a = RAX;
    }
    gen_sext(g, i->rd, a);
}

static void gen_aluw(struct gen *g, const struct insn *i, enum x64_alu op)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (op == X64_ADD) {
        x64_lea(&g->e, false, RAX, x64_at2(a, b, 0, 0));
    } else {
        if (a != RAX)
            x64_mov_rr(&g->e, false, RAX, a);
        x64_alu_rr(&g->e, op, false, RAX, b);
    }
    gen_sext(g, i->rd, RAX);
}

static void gen_shift_imm(struct gen *g, const struct insn *i, enum x64_shift op, bool w)
{
    int d = w ? gen_dst(i->rd) : RAX, a = gen_src(g, i->rs1, d);
    unsigned n = (unsigned)i->imm & (w ? 63 : 31);

    if (a != d)
        x64_mov_rr(&g->e, w, d, a);
    x64_shift_ri(&g->e, op, w, d, n);
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

/* rd := the flag of a comparison that has been made. */
static void gen_flag(struct gen *g, int rd, enum x64_cc cc)
{
    int d = gen_dst(rd);

    x64_setcc(&g->e, cc, RAX);
    x64_0f_rr(&g->e, X64_MOVZX8, false, d, RAX);
    gen_put(g, rd, d);
}

static void gen_slt(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    x64_alu_rr(&g->e, X64_CMP, true, a, b);
    gen_flag(g, i->rd, cc);
}

static void gen_slti(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    x64_alu_ri(&g->e, X64_CMP, true, gen_src(g, i->rs1, RAX), i->imm);
    gen_flag(g, i->rd, cc);
}

static void gen_mul(struct gen *g, const struct insn *i, bool w)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);

    if (a != RAX)
        x64_mov_rr(&g->e, w, RAX, a);
    x64_0f_rr(&g->e, X64_IMUL_RR, w, RAX, b);
    if (w) {
        int d = gen_dst(i->rd);

        if (d != RAX)
            x64_mov_rr(&g->e, true, d, RAX);
        gen_put(g, i->rd, d);
    } else {
        gen_sext(g, i->rd, RAX);
    }
}

/* mulh, mulhu through rdx, which is the home of a3: kept in rcx, which the operand leaves free by then. */
static void gen_mulh(struct gen *g, const struct insn *i, enum x64_unary op)
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

/*
 * Division: a zero divisor, and -1 for signed ones, go to the body (RISC-V defines what x86 traps on); the rest is
 * the host's, through rdx.
 */
static void gen_div(struct gen *g, const struct insn *i, bool is_signed, bool w, bool rem)
{
    int a = gen_src(g, i->rs1, RAX), b = gen_src(g, i->rs2, RCX);
    struct cold *c;

    if (b != RCX)
        x64_mov_rr(&g->e, true, RCX, b);
    if (a != RAX)
        x64_mov_rr(&g->e, true, RAX, a);
    x64_mov_mr(&g->e, 64, HART(jit.info), RDX);
    if (is_signed) { /* 0 and -1 are the two values that are at most 1 after adding 1 */
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
    x64_unary(&g->e, is_signed ? X64_IDIV : X64_DIV, w, RCX);
    if (rem)
        x64_mov_rr(&g->e, true, RAX, RDX);
    x64_mov_rm(&g->e, true, RDX, HART(jit.info));
    if (!w)
        x64_movsxd_rr(&g->e, RAX, RAX);
    if (gen_dst(i->rd) != RAX)
        x64_mov_rr(&g->e, true, gen_dst(i->rd), RAX);
    gen_put(g, i->rd, RAX);
    c->resume = g->e.at;
}

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

/* Only writes to main memory that a later read must not pass need an instruction on a TSO host. */
static void gen_fence(struct gen *g, const struct insn *i)
{
    if ((i->imm >> 4 & 1) && (i->imm & 2)) {
        x64_lock(&g->e);
        x64_alu_mi(&g->e, X64_OR, false, x64_at(RSP, -64), 0);
    }
}

static void gen_ecall(struct gen *g)
{
    gen_set_pc(g, g->pc);
    gen_leave(g, JIT_ECALL);
    g->ended = true;
}

/* --- The instruction ------------------------------------------------------------------------------------------ */

static bool gen_control(struct gen *g, const struct insn *i)
{
    switch (i->op) {
    case OP_beq:
        return gen_branch(g, i, X64_E), true;
    case OP_bne:
        return gen_branch(g, i, X64_NE), true;
    case OP_blt:
        return gen_branch(g, i, X64_L), true;
    case OP_bge:
        return gen_branch(g, i, X64_GE), true;
    case OP_bltu:
        return gen_branch(g, i, X64_B), true;
    case OP_bgeu:
        return gen_branch(g, i, X64_AE), true;
    case OP_jal:
        return gen_jal(g, i), true;
    case OP_jalr:
        return gen_jalr(g, i), true;
    case OP_ecall:
        return gen_ecall(g), true;
    case OP_fence:
        return gen_fence(g, i), true;
    default:
        return false;
    }
}

static bool gen_memory(struct gen *g, const struct insn *i)
{
    if (i->rs1 == 0)
        return false;
    switch (i->op) {
    case OP_lb:
    case OP_lh:
    case OP_lw:
    case OP_ld:
    case OP_lbu:
    case OP_lhu:
    case OP_lwu:
        return gen_load(g, i), true;
    case OP_sb:
        return gen_store(g, i, 8), true;
    case OP_sh:
        return gen_store(g, i, 16), true;
    case OP_sw:
        return gen_store(g, i, 32), true;
    case OP_sd:
        return gen_store(g, i, 64), true;
    default:
        return false;
    }
}

static bool gen_immediate(struct gen *g, const struct insn *i)
{
    switch (i->op) {
    case OP_lui:
        return gen_const(g, i->rd, (uint64_t)(int64_t)i->imm), true;
    case OP_auipc:
        return gen_const(g, i->rd, g->pc + (uint64_t)(int64_t)i->imm), true;
    case OP_addi:
        return gen_addi(g, i), true;
    case OP_addiw:
        return gen_addiw(g, i), true;
    case OP_andi:
        return gen_alu_imm(g, i, X64_AND), true;
    case OP_ori:
        return gen_alu_imm(g, i, X64_OR), true;
    case OP_xori:
        return gen_alu_imm(g, i, X64_XOR), true;
    case OP_slti:
        return gen_slti(g, i, X64_L), true;
    case OP_sltiu:
        return gen_slti(g, i, X64_B), true;
    case OP_slli:
        return gen_shift_imm(g, i, X64_SHL, true), true;
    case OP_srli:
        return gen_shift_imm(g, i, X64_SHR, true), true;
    case OP_srai:
        return gen_shift_imm(g, i, X64_SAR, true), true;
    case OP_slliw:
        return gen_shift_imm(g, i, X64_SHL, false), true;
    case OP_srliw:
        return gen_shift_imm(g, i, X64_SHR, false), true;
    case OP_sraiw:
        return gen_shift_imm(g, i, X64_SAR, false), true;
    default:
        return false;
    }
}

static bool gen_register(struct gen *g, const struct insn *i)
{
    switch (i->op) {
    case OP_add:
        return gen_alu(g, i, X64_ADD), true;
    case OP_sub:
        return gen_alu(g, i, X64_SUB), true;
    case OP_and:
        return gen_alu(g, i, X64_AND), true;
    case OP_or:
        return gen_alu(g, i, X64_OR), true;
    case OP_xor:
        return gen_alu(g, i, X64_XOR), true;
    case OP_addw:
        return gen_aluw(g, i, X64_ADD), true;
    case OP_subw:
        return gen_aluw(g, i, X64_SUB), true;
    case OP_slt:
        return gen_slt(g, i, X64_L), true;
    case OP_sltu:
        return gen_slt(g, i, X64_B), true;
    case OP_mul:
        return gen_mul(g, i, true), true;
    case OP_mulw:
        return gen_mul(g, i, false), true;
    case OP_mulh:
        return gen_mulh(g, i, X64_IMUL), true;
    case OP_mulhu:
        return gen_mulh(g, i, X64_MUL), true;
    case OP_div:
        return gen_div(g, i, true, true, false), true;
    case OP_divu:
        return gen_div(g, i, false, true, false), true;
    case OP_rem:
        return gen_div(g, i, true, true, true), true;
    case OP_remu:
        return gen_div(g, i, false, true, true), true;
    case OP_divw:
        return gen_div(g, i, true, false, false), true;
    case OP_divuw:
        return gen_div(g, i, false, false, false), true;
    case OP_remw:
        return gen_div(g, i, true, false, true), true;
    case OP_remuw:
        return gen_div(g, i, false, false, true), true;
    default:
        return false;
    }
}

/* Zba, Zbb, Zicond: one or two host instructions each. */
static bool gen_bits(struct gen *g, const struct insn *i)
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
    default:
        return false;
    }
}

/* What BMI2 makes one instruction. */
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
    default:
        return false;
    }
}

/* True for rows whose only effect is on x[rd]: with rd = x0 there is nothing to do. */
static bool writes_only_rd(const struct insn *i)
{
    switch (insn_desc[i->op].fmt) {
    case FMT_R:
    case FMT_R1:
    case FMT_I:
    case FMT_SH:
    case FMT_SHW:
    case FMT_U:
        return true;
    default:
        return false;
    }
}

/* A look at cycle or instret, where they are not kept. */
static bool wants_count(const struct gen *g, const struct insn *i)
{
    uint8_t fmt = insn_desc[i->op].fmt;

    return !g->h->counting && (fmt == FMT_CSR || fmt == FMT_CSRI) && (i->imm == CSR_cycle || i->imm == CSR_instret);
}

void gen_insn(struct gen *g, const struct insn *i)
{
    if (wants_count(g, i)) {
        gen_set_pc(g, g->pc);
        gen_leave(g, JIT_COUNT);
        g->ended = true;
        return;
    }
    if (i->op == OP_ILLEGAL) {
        gen_callop(g, i);
        g->ended = true;
        return;
    }
    if (i->rd == 0 && writes_only_rd(i))
        return;
    if (gen_control(g, i) || gen_memory(g, i) || gen_immediate(g, i) || gen_register(g, i) || gen_bits(g, i) ||
        gen_bmi2(g, i) || gen_fp(g, i))
        return;
    gen_callop(g, i);
}
