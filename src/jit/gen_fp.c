/*
 * F and D on SSE and FMA, exact to the bit. MXCSR holds the guest's rounding mode and collects its flags. A result
 * that is a NaN, an operand that is not a boxed single, and whatever else x86 does in its own way are left to the
 * instruction's body, off the straight path.
 *
 * Singles are kept NaN-boxed in their homes: SSE scalar operations keep the upper bits of their destination, so a
 * result computed in a copy of a boxed operand is boxed.
 */
#include "jit/gen.h"

#include "hart/fpu.h"

enum { RM_DYN = 7 };

static struct x64_mem konst(struct gen *g, const uint8_t *rx)
{
    return x64_rip(code_rw(&g->j->code, rx));
}

/* The register that holds guest f `reg`: its home, or `scratch` loaded from memory. */
static int fsrc(struct gen *g, int reg, int scratch)
{
    if (jit_fhome[reg] >= 0)
        return jit_fhome[reg];
    x64_0f_rm(&g->e, X64_MOVSD_LOAD, false, scratch, JIT_F(reg));
    return scratch;
}

static void fput(struct gen *g, int reg, int xmm, bool boxed)
{
    if (jit_fhome[reg] < 0)
        x64_0f_rm(&g->e, X64_MOVSD_STORE, false, xmm, JIT_F(reg));
    else if (jit_fhome[reg] != xmm)
        x64_0f_rr(&g->e, X64_MOVAPS, false, jit_fhome[reg], xmm);
    if (boxed)
        g->now.boxed |= (uint32_t)1 << reg;
    else
        g->now.boxed &= ~((uint32_t)1 << reg);
    g->now.dirty_d &= ~((uint32_t)1 << reg);
    g->now.dirty_s &= ~((uint32_t)1 << reg);
}

/* If it is a NaN, the home of f `reg` becomes the canonical one. */
static void canonise(struct gen *g, int reg, bool dbl)
{
    struct cold *c;

    x64_0f_rr(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, jit_fhome[reg], jit_fhome[reg]);
    c = gen_cold(g, x64_jcc(&g->e, X64_P));
    c->kind = dbl ? COLD_NAN_D : COLD_NAN_S;
    c->reg = reg;
    c->resume = g->e.at; /* with rax and rcx as they are */
}

static void load_nan(struct gen *g, int reg, bool dbl)
{
    x64_0f_rm(&g->e, X64_MOVSD_LOAD, false, jit_fhome[reg], konst(g, dbl ? g->j->k_nan_d : g->j->k_nan_s));
}

void gen_nan_cold(struct gen *g, const struct cold *c)
{
    load_nan(g, c->reg, c->kind == COLD_NAN_D);
    x64_link(x64_jmp(&g->e), c->resume);
}

static void canonise_cold(struct gen *g, int reg, bool dbl)
{
    uint8_t *fine;

    x64_0f_rr(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, jit_fhome[reg], jit_fhome[reg]);
    fine = x64_jcc(&g->e, X64_NP);
    load_nan(g, reg, dbl);
    x64_link(fine, g->e.at);
}

static void clean_f(struct gen *g, uint32_t regs, void (*how)(struct gen *, int, bool))
{
    uint32_t d = g->now.dirty_d & regs, s = g->now.dirty_s & regs;

    for (int r = 0; d | s; r++, d >>= 1, s >>= 1) {
        if (d & 1)
            how(g, r, true);
        if (s & 1)
            how(g, r, false);
    }
    g->now.dirty_d &= ~regs;
    g->now.dirty_s &= ~regs;
}

void gen_clean_f(struct gen *g, uint32_t regs)
{
    clean_f(g, regs, canonise);
}

void gen_clean_cold(struct gen *g, const struct cold *c)
{
    g->now = c->at;
    g->lazy = c->lazy;
    gen_clean_x(g, ~(uint32_t)0);
    clean_f(g, ~(uint32_t)0, canonise_cold);
}

/* After fput of an arithmetic result to a home: its NaN can wait. */
static void mark_dirty(struct gen *g, int reg, bool dbl)
{
    if (dbl)
        g->now.dirty_d |= (uint32_t)1 << reg;
    else
        g->now.dirty_s |= (uint32_t)1 << reg;
}

/* The condition sends the instruction to its body, which computes it anew; fresume says where it comes back. */
static struct cold *to_body(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    struct cold *c = gen_cold(g, x64_jcc(&g->e, cc));

    c->kind = COLD_CALL;
    c->insn = *i;
    return c;
}

/* Up to four ways into the body of one instruction. */
struct escapes {
    struct cold *at[5];
    unsigned n;
};

static void escape(struct gen *g, struct escapes *x, const struct insn *i, enum x64_cc cc)
{
    x->at[x->n++] = to_body(g, i, cc);
}

static void resume(struct gen *g, const struct escapes *x)
{
    for (unsigned k = 0; k < x->n; k++)
        gen_resume(g, x->at[k]);
}

/* Operand `reg` must be a boxed single; else it counts as the canonical NaN: replayed by the body, so that behind the
 * check the fact holds on every path. */
static void check_box(struct gen *g, int reg)
{
    if (g->now.boxed >> reg & 1)
        return;
    gen_clean_f(g, (uint32_t)1 << reg); /* a double's NaN can look like a boxed single */
    if (jit_fhome[reg] >= 0) {
        x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, true, jit_fhome[reg], RAX);
        x64_shift_ri(&g->e, X64_SHR, true, RAX, 32);
        x64_alu_ri(&g->e, X64_CMP, false, RAX, -1);
    } else {
        x64_alu_mi(&g->e, X64_CMP, false, gen_hart(offsetof(struct hart, f) + 8 * (size_t)reg + 4), -1);
    }
    gen_cold(g, x64_jcc(&g->e, X64_NE))->kind = COLD_REPLAY;
    g->now.boxed |= (uint32_t)1 << reg;
}

/* A NaN in xmm15 is not the canonical one. */
static void check_nan(struct gen *g, struct escapes *x, const struct insn *i, bool dbl)
{
    x64_0f_rr(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, XMM15, XMM15);
    escape(g, x, i, X64_P);
}

/* `xmm` is the result, and xmm15 unless that is the destination's home. A home can keep a NaN of the host's until
 * somebody looks; memory cannot. */
static void put_result(struct gen *g, struct escapes *x, const struct insn *i, int xmm, bool dbl)
{
    if (jit_fhome[i->rd] < 0)
        check_nan(g, x, i, dbl);
    fput(g, i->rd, xmm, !dbl);
    if (jit_fhome[i->rd] >= 0)
        mark_dirty(g, i->rd, dbl);
    resume(g, x);
}

/* --- Rounding modes: MXCSR holds the dynamic one -------------------------------------------------------------- */

/* The host has it. */
static bool is_host_mode(const struct insn *i)
{
    return i->rm <= FPU_RUP || i->rm == RM_DYN;
}

/*
 * A static mode must be the dynamic one, or the body takes over: to load MXCSR twice takes as long, and the encodings
 * that carry a mode of their own raise no flags.
 */
static void check_mode(struct gen *g, struct escapes *x, const struct insn *i)
{
    if (i->rm == RM_DYN)
        return;
    x64_mov_rm(&g->e, false, RAX, HART(fcsr));
    x64_alu_ri(&g->e, X64_AND, false, RAX, 7 << 5);
    x64_alu_ri(&g->e, X64_CMP, false, RAX, i->rm << 5);
    escape(g, x, i, X64_NE);
}

/* --- Arithmetic ------------------------------------------------------------------------------------------- */

/* In the destination's home where that does not hold the second operand; the order of a sum or product is free. */
void gen_arith(struct gen *g, const struct insn *i, enum x64_0f op, bool dbl)
{
    bool commutes = op == X64_ADDSD || op == X64_ADDSS || op == X64_MULSD || op == X64_MULSS;
    int a = i->rs1, b = i->rs2, d = jit_fhome[i->rd];
    struct escapes x = { .n = 0 };

    if (!is_host_mode(i)) {
        gen_callop(g, i);
        return;
    }
    if (!dbl) {
        check_box(g, a);
        check_box(g, b);
    }
    check_mode(g, &x, i);
    if (commutes && i->rd == b) {
        b = a;
        a = i->rd;
    }
    if (d < 0 || i->rd == b)
        d = XMM15;
    if (jit_fhome[a] != d)
        x64_0f_rr(&g->e, X64_MOVAPS, false, d, fsrc(g, a, d));
    x64_0f_rr(&g->e, op, false, d, fsrc(g, b, XMM14));
    put_result(g, &x, i, d, dbl);
}

void gen_sqrt(struct gen *g, const struct insn *i, bool dbl)
{
    struct escapes x = { .n = 0 };

    if (!is_host_mode(i)) {
        gen_callop(g, i);
        return;
    }
    if (!dbl)
        check_box(g, i->rs1);
    check_mode(g, &x, i);
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
    x64_0f_rr(&g->e, dbl ? X64_SQRTSD : X64_SQRTSS, false, XMM15, XMM15);
    put_result(g, &x, i, XMM15, dbl);
}

/* VFMADD213 and its kin: xmm15 := xmm15 * b + c. */
void gen_fma(struct gen *g, const struct insn *i, enum x64_fma op, bool dbl)
{
    struct escapes x = { .n = 0 };
    int b;

    if (!is_host_mode(i) || !g->j->has.fma) {
        gen_callop(g, i);
        return;
    }
    if (!dbl) {
        check_box(g, i->rs1);
        check_box(g, i->rs2);
        check_box(g, i->rs3);
    }
    check_mode(g, &x, i);
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
    b = fsrc(g, i->rs2, XMM14);
    if (jit_fhome[i->rs3] >= 0)
        x64_vfma(&g->e, op, dbl, XMM15, b, jit_fhome[i->rs3]);
    else
        x64_vfma_m(&g->e, op, dbl, XMM15, b, JIT_F(i->rs3));
    check_nan(g, &x, i, dbl);
    fput(g, i->rd, XMM15, !dbl);
    resume(g, &x);
}

/*
 * minsd and maxsd answer their second operand when both are equal. Done both ways round, the two results differ for
 * zeros of different signs only, where "or" and "and" find the smaller and the greater. NaNs are the body's.
 */
void gen_fminmax(struct gen *g, const struct insn *i, enum x64_0f op, bool dbl)
{
    enum x64_0f join = op == X64_MINSD || op == X64_MINSS ? X64_ORPS : X64_ANDPS;
    struct escapes x = { .n = 0 };
    int b;

    if (!dbl) {
        check_box(g, i->rs1);
        check_box(g, i->rs2);
    }
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
    b = fsrc(g, i->rs2, XMM14);
    x64_0f_rr(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, XMM15, b);
    escape(g, &x, i, X64_P);
    x64_0f_rr(&g->e, op, false, XMM15, b);
    if (b != XMM14)
        x64_0f_rr(&g->e, X64_MOVAPS, false, XMM14, b);
    if (jit_fhome[i->rs1] >= 0)
        x64_0f_rr(&g->e, op, false, XMM14, jit_fhome[i->rs1]);
    else
        x64_0f_rm(&g->e, op, false, XMM14, JIT_F(i->rs1));
    x64_0f_rr(&g->e, join, false, XMM15, XMM14);
    fput(g, i->rd, XMM15, !dbl);
    resume(g, &x);
}

/* --- Comparison: CF of comis b, a is set when b < a or unordered ---------------------------------------------- */

void gen_fcmp(struct gen *g, const struct insn *i, enum x64_cc cc, bool dbl)
{
    int a, b, d = gen_dst(i->rd);

    if (!dbl) {
        check_box(g, i->rs1);
        check_box(g, i->rs2);
    }
    a = fsrc(g, i->rs1, XMM15);
    b = fsrc(g, i->rs2, XMM14);
    if (cc == X64_E) {
        x64_0f_rr(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, a, b);
        x64_setcc(&g->e, X64_NP, RAX);
        x64_setcc(&g->e, X64_E, RCX);
        x64_alu_rr(&g->e, X64_AND, false, RAX, RCX);
    } else {
        x64_0f_rr(&g->e, dbl ? X64_COMISD : X64_COMISS, false, b, a);
        x64_setcc(&g->e, cc, RAX);
    }
    x64_0f_rr(&g->e, X64_MOVZX8, false, d, RAX);
    gen_put(g, i->rd, d);
}

void gen_ordered_compare(struct gen *g, const struct insn *i)
{
    bool dbl = i->op == OP_flt_d || i->op == OP_fle_d, less = i->op == OP_flt_d || i->op == OP_flt_s;
    int a, b, d = gen_dst(i->rd);

    g->h->jit.fp_used = 1;
    if (!dbl) {
        check_box(g, i->rs1);
        check_box(g, i->rs2);
    }
    a = fsrc(g, i->rs1, XMM15);
    b = fsrc(g, i->rs2, XMM14);
    x64_0f_rr(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, b, a);
    gen_cold(g, x64_jcc(&g->e, X64_P))->kind = COLD_REPLAY;
    x64_setcc(&g->e, less ? X64_A : X64_AE, RAX);
    x64_0f_rr(&g->e, X64_MOVZX8, false, d, RAX);
    gen_put(g, i->rd, d);
}

/* --- Moves and signs ------------------------------------------------------------------------------------------- */

void gen_fld(struct gen *g, const struct insn *i, bool dbl)
{
    struct x64_mem m = gen_addr(g, i);
    int home = jit_fhome[i->rd], d = dbl && home >= 0 ? home : XMM15;

    gen_site(g, JIT_REPLAY);
    x64_0f_rm(&g->e, dbl ? X64_MOVSD_LOAD : X64_MOVSS_LOAD, false, d, m);
    if (!dbl)
        x64_0f_rm(&g->e, X64_ORPS, false, d, konst(g, g->j->k_box));
    fput(g, i->rd, d, !dbl);
}

void gen_fst(struct gen *g, const struct insn *i, bool dbl)
{
    struct x64_mem m;
    int v;

    gen_clean_f(g, (uint32_t)1 << i->rs2);
    m = gen_addr(g, i);
    v = fsrc(g, i->rs2, XMM15);
    gen_site(g, JIT_REPLAY);
    x64_0f_rm(&g->e, dbl ? X64_MOVSD_STORE : X64_MOVSS_STORE, false, v, m);
}

/* Sign injection looks at its operands' bits; a single that is not boxed is a NaN. */
static void look(struct gen *g, const struct insn *i, bool dbl)
{
    if (!dbl) {
        check_box(g, i->rs1);
        check_box(g, i->rs2);
    }
    gen_clean_f(g, (uint32_t)1 << i->rs1 | (uint32_t)1 << i->rs2);
}

static struct x64_mem sign_bit(struct gen *g, bool dbl)
{
    return konst(g, dbl ? g->j->k_sign : g->j->k_sign_s);
}

static struct x64_mem other_bits(struct gen *g, bool dbl)
{
    return konst(g, dbl ? g->j->k_abs : g->j->k_abs_s);
}

/* xmm15 := rs1, of rs2 only the sign in xmm14 */
static void load_signs(struct gen *g, const struct insn *i, bool dbl)
{
    look(g, i, dbl);
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM14, fsrc(g, i->rs2, XMM14));
    x64_0f_rm(&g->e, X64_ANDPS, false, XMM14, sign_bit(g, dbl));
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
}

/* fmv.s, fmv.d: a plain copy is as dirty as what was copied. */
static void move(struct gen *g, const struct insn *i, bool dbl)
{
    uint32_t d, s;

    if (!dbl)
        check_box(g, i->rs1);
    if (jit_fhome[i->rd] < 0)
        gen_clean_f(g, (uint32_t)1 << i->rs1);
    d = g->now.dirty_d >> i->rs1 & 1;
    s = g->now.dirty_s >> i->rs1 & 1;
    fput(g, i->rd, fsrc(g, i->rs1, XMM15), g->now.boxed >> i->rs1 & 1);
    if (jit_fhome[i->rd] >= 0) {
        g->now.dirty_d |= d << i->rd;
        g->now.dirty_s |= s << i->rd;
    }
}

void gen_fsgnj(struct gen *g, const struct insn *i, bool dbl)
{
    if (i->rs1 == i->rs2) {
        move(g, i, dbl);
        return;
    }
    load_signs(g, i, dbl);
    x64_0f_rm(&g->e, X64_ANDPS, false, XMM15, other_bits(g, dbl));
    x64_0f_rr(&g->e, X64_ORPS, false, XMM15, XMM14);
    fput(g, i->rd, XMM15, !dbl);
}

void gen_fsgnjn(struct gen *g, const struct insn *i, bool dbl)
{
    if (i->rs1 == i->rs2) { /* fneg */
        look(g, i, dbl);
        x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
        x64_0f_rm(&g->e, X64_XORPS, false, XMM15, sign_bit(g, dbl));
    } else {
        load_signs(g, i, dbl);
        x64_0f_rm(&g->e, X64_XORPS, false, XMM14, sign_bit(g, dbl));
        x64_0f_rm(&g->e, X64_ANDPS, false, XMM15, other_bits(g, dbl));
        x64_0f_rr(&g->e, X64_ORPS, false, XMM15, XMM14);
    }
    fput(g, i->rd, XMM15, !dbl);
}

void gen_fsgnjx(struct gen *g, const struct insn *i, bool dbl)
{
    if (i->rs1 == i->rs2) { /* fabs */
        look(g, i, dbl);
        x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
        x64_0f_rm(&g->e, X64_ANDPS, false, XMM15, other_bits(g, dbl));
    } else {
        load_signs(g, i, dbl);
        x64_0f_rr(&g->e, X64_XORPS, false, XMM15, XMM14);
    }
    fput(g, i->rd, XMM15, !dbl);
}

/* In a table by kind of number, of which the magnitude's rank among where the kinds begin tells, and by sign. */
void gen_fclass(struct gen *g, const struct insn *i, bool dbl)
{
    int f, d = gen_dst(i->rd);

    if (!dbl)
        check_box(g, i->rs1);
    gen_clean_f(g, (uint32_t)1 << i->rs1);
    f = fsrc(g, i->rs1, XMM15);
    x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, dbl, f, RCX);
    x64_alu_rr(&g->e, X64_ADD, dbl, RCX, RCX);
    x64_mov_ri(&g->e, RAX, 0);
    for (int k = 0; k < 5; k++) { /* + 1 without a borrow */
        x64_alu_rm(&g->e, X64_CMP, dbl, RCX, konst(g, dbl ? g->j->k_rank_d + 8 * k : g->j->k_rank_s + 4 * k));
        x64_alu_ri(&g->e, X64_SBB, false, RAX, -1);
    }
    x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, dbl, f, RCX);
    x64_shift_ri(&g->e, X64_SHR, dbl, RCX, dbl ? 63 : 31);
    x64_lea(&g->e, false, RCX, x64_at2(RCX, RCX, 1, 0));
    x64_lea(&g->e, false, RAX, x64_at2(RAX, RCX, 1, 0)); /* six kinds of each sign */
    x64_lea(&g->e, true, RCX, konst(g, g->j->k_class));
    x64_0f_rm(&g->e, X64_MOVZX16, false, d, x64_at2(RCX, RAX, 1, 0));
    gen_put(g, i->rd, d);
}

void gen_fmv_to_x(struct gen *g, const struct insn *i, bool dbl)
{
    int d = gen_dst(i->rd);

    gen_clean_f(g, (uint32_t)1 << i->rs1);
    x64_0f_rr(&g->e, X64_MOVQ_FROM_XMM, dbl, fsrc(g, i->rs1, XMM15), d);
    if (!dbl)
        x64_movsxd_rr(&g->e, d, d);
    gen_put(g, i->rd, d);
}

void gen_fmv_from_x(struct gen *g, const struct insn *i, bool dbl)
{
    x64_0f_rr(&g->e, X64_MOVQ_TO_XMM, dbl, XMM15, gen_src(g, i->rs1, RAX));
    if (!dbl)
        x64_0f_rm(&g->e, X64_ORPS, false, XMM15, konst(g, g->j->k_box));
    fput(g, i->rd, XMM15, !dbl);
}

/* --- Conversion -------------------------------------------------------------------------------------------------- */

/* The number that a static mode is given has so many bits that it need not be rounded: else to the body. `a` is its
 * 64 bits. */
static void check_exact(struct gen *g, struct escapes *x, const struct insn *i, int a, bool is_signed,
                        bool dbl)
{
    unsigned bits = dbl ? 53 : 24;

    if (is_signed) { /* -2^bits <= a < 2^bits */
        x64_mov_ri(&g->e, RCX, (uint64_t)1 << bits);
        x64_alu_rr(&g->e, X64_ADD, true, RCX, a);
        bits++;
    } else {
        x64_mov_rr(&g->e, true, RCX, a);
    }
    x64_shift_ri(&g->e, X64_SHR, true, RCX, bits);
    escape(g, x, i, X64_NE);
}

/* Every double holds every 32-bit integer: no mode matters, but 5 and 6 are illegal all the same. */
static bool is_mode(const struct insn *i)
{
    return i->rm <= FPU_RMM || i->rm == RM_DYN;
}

/* From a signed integer. xmm15 starts as the boxing constant: conversions keep the upper bits. */
void gen_from_int(struct gen *g, const struct insn *i, bool w, bool dbl)
{
    struct escapes x = { .n = 0 };
    int a;

    if (!is_mode(i)) {
        gen_callop(g, i);
        return;
    }
    a = gen_src(g, i->rs1, RAX);
    if (i->rm != RM_DYN && (w || !dbl)) {
        if (!w) {
            x64_movsxd_rr(&g->e, RAX, a);
            a = RAX;
        }
        check_exact(g, &x, i, a, true, dbl);
    }
    x64_0f_rm(&g->e, X64_MOVAPS, false, XMM15, konst(g, g->j->k_box));
    x64_0f_rr(&g->e, dbl ? X64_CVTSI2SD : X64_CVTSI2SS, w, XMM15, a);
    fput(g, i->rd, XMM15, !dbl);
    resume(g, &x);
}

/* xmm15 := 64 bits as an unsigned number. One that would be negative is halved, its lowest bit kept for the rounding,
 * and doubled. */
static void from_u64(struct gen *g, int a, bool dbl)
{
    enum x64_0f cvt = dbl ? X64_CVTSI2SD : X64_CVTSI2SS;
    uint8_t *high, *done;

    x64_test_rr(&g->e, true, a, a);
    high = x64_jcc(&g->e, X64_S);
    x64_0f_rr(&g->e, cvt, true, XMM15, a);
    done = x64_jmp(&g->e);
    x64_link(high, g->e.at);
    x64_mov_rr(&g->e, true, RCX, a);
    x64_shift_ri(&g->e, X64_SHR, true, RCX, 1);
    if (a != RAX)
        x64_mov_rr(&g->e, false, RAX, a);
    x64_alu_ri(&g->e, X64_AND, false, RAX, 1);
    x64_alu_rr(&g->e, X64_OR, true, RCX, RAX);
    x64_0f_rr(&g->e, cvt, true, XMM15, RCX);
    x64_0f_rr(&g->e, dbl ? X64_ADDSD : X64_ADDSS, false, XMM15, XMM15);
    x64_link(done, g->e.at);
}

void gen_from_uint(struct gen *g, const struct insn *i, bool w, bool dbl)
{
    struct escapes x = { .n = 0 };
    int a;

    if (!is_mode(i)) {
        gen_callop(g, i);
        return;
    }
    a = gen_src(g, i->rs1, RAX);
    if (!w) {
        x64_mov_rr(&g->e, false, RAX, a);
        a = RAX;
    }
    if (i->rm != RM_DYN && (w || !dbl))
        check_exact(g, &x, i, a, false, dbl);
    x64_0f_rm(&g->e, X64_MOVAPS, false, XMM15, konst(g, g->j->k_box));
    if (w)
        from_u64(g, a, dbl);
    else
        x64_0f_rr(&g->e, dbl ? X64_CVTSI2SD : X64_CVTSI2SS, true, XMM15, a);
    fput(g, i->rd, XMM15, !dbl);
    resume(g, &x);
}

/* xmm15 := rs1, a whole number after rounding, and no word of NX. */
static void round_quietly(struct gen *g, const struct insn *i, bool dbl)
{
    enum x64_0f3a op = dbl ? X64_ROUNDSD : X64_ROUNDSS;
    enum { RTZ = 3, BY_MXCSR = 4, QUIET = 8 };

    if (i->rm != FPU_RMM) {
        x64_0f3a_rri(&g->e, op, XMM15, fsrc(g, i->rs1, XMM14),
                     QUIET | (i->rm == RM_DYN ? BY_MXCSR : JIT_RC(i->rm) >> 13));
        return;
    }
    /* the integral part, and once more what twice the rest has of it: all of them exact */
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM14, fsrc(g, i->rs1, XMM14));
    x64_0f3a_rri(&g->e, op, XMM15, XMM14, QUIET | RTZ);
    x64_0f_rr(&g->e, dbl ? X64_SUBSD : X64_SUBSS, false, XMM14, XMM15);
    x64_0f_rr(&g->e, dbl ? X64_ADDSD : X64_ADDSS, false, XMM14, XMM14);
    x64_0f3a_rri(&g->e, op, XMM14, XMM14, QUIET | RTZ);
    x64_0f_rr(&g->e, dbl ? X64_ADDSD : X64_ADDSS, false, XMM15, XMM14);
}

/* NX if rs1 is not a whole number. It fits, as what it has been rounded to does. */
static void raise_inexact(struct gen *g, const struct insn *i, bool dbl)
{
    x64_0f_rr(&g->e, dbl ? X64_CVTTSD2SI : X64_CVTTSS2SI, true, RCX, fsrc(g, i->rs1, XMM14));
}

static void put_int(struct gen *g, const struct insn *i, bool w)
{
    int d = gen_dst(i->rd);

    if (!w) {
        gen_sext(g, i->rd, RAX);
        return;
    }
    if (d != RAX)
        x64_mov_rr(&g->e, true, d, RAX);
    gen_put(g, i->rd, d);
}

/* To a signed integer. The host answers the smallest integer for what does not fit. */
void gen_to_int(struct gen *g, const struct insn *i, bool w, bool dbl)
{
    enum x64_0f trunc = dbl ? X64_CVTTSD2SI : X64_CVTTSS2SI, cvt = dbl ? X64_CVTSD2SI : X64_CVTSS2SI;
    bool direct = i->rm == RM_DYN || i->rm == FPU_RTZ;
    struct escapes x = { .n = 0 };

    if (!is_mode(i) || !(direct || g->j->has.sse41)) {
        gen_callop(g, i);
        return;
    }
    if (!dbl)
        check_box(g, i->rs1);
    if (direct) {
        x64_0f_rr(&g->e, i->rm == RM_DYN ? cvt : trunc, w, RAX, fsrc(g, i->rs1, XMM15));
    } else {
        round_quietly(g, i, dbl);
        x64_0f_rr(&g->e, trunc, w, RAX, XMM15);
    }
    x64_alu_ri(&g->e, X64_CMP, w, RAX, 1); /* overflows for that one only */
    escape(g, &x, i, X64_O);
    if (!direct)
        raise_inexact(g, i, dbl);
    put_int(g, i, w);
    resume(g, &x);
}

/* To an unsigned integer: what does not fit, and the upper half of the 64-bit ones, is the body's. */
void gen_to_uint(struct gen *g, const struct insn *i, bool w, bool dbl)
{
    struct escapes x = { .n = 0 };

    if (!is_mode(i) || !g->j->has.sse41) {
        gen_callop(g, i);
        return;
    }
    if (!dbl)
        check_box(g, i->rs1);
    round_quietly(g, i, dbl);
    if (w) { /* before the host finds it invalid */
        x64_0f_rm(&g->e, dbl ? X64_UCOMISD : X64_UCOMISS, false, XMM15,
                  konst(g, dbl ? g->j->k_2_63_d : g->j->k_2_63_s));
        escape(g, &x, i, X64_AE);
    }
    x64_0f_rr(&g->e, dbl ? X64_CVTTSD2SI : X64_CVTTSS2SI, true, RAX, XMM15);
    if (w) {
        x64_test_rr(&g->e, true, RAX, RAX);
        escape(g, &x, i, X64_S);
    } else {
        x64_mov_rr(&g->e, false, RCX, RAX);
        x64_alu_rr(&g->e, X64_CMP, true, RCX, RAX);
        escape(g, &x, i, X64_NE);
    }
    raise_inexact(g, i, dbl);
    put_int(g, i, w);
    resume(g, &x);
}

void gen_d_to_s(struct gen *g, const struct insn *i)
{
    struct escapes x = { .n = 0 };

    if (!is_host_mode(i)) {
        gen_callop(g, i);
        return;
    }
    check_mode(g, &x, i);
    x64_0f_rm(&g->e, X64_MOVAPS, false, XMM15, konst(g, g->j->k_box));
    x64_0f_rr(&g->e, X64_CVTSD2SS, false, XMM15, fsrc(g, i->rs1, XMM14));
    check_nan(g, &x, i, false);
    fput(g, i->rd, XMM15, true);
    resume(g, &x);
}

void gen_s_to_d(struct gen *g, const struct insn *i)
{
    struct escapes x = { .n = 0 };

    if (!is_mode(i)) {
        gen_callop(g, i);
        return;
    }
    check_box(g, i->rs1);
    x64_0f_rr(&g->e, X64_CVTSS2SD, false, XMM15, fsrc(g, i->rs1, XMM14));
    check_nan(g, &x, i, true);
    fput(g, i->rd, XMM15, false);
    resume(g, &x);
}
