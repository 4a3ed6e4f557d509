/*
 * F and D on SSE and FMA, exact to the bit. MXCSR holds the guest's rounding mode and collects its flags. A result
 * that is a NaN, an operand that is not a boxed single, and whatever else x86 does in its own way are left to the
 * instruction's body, off the straight path.
 *
 * Singles are kept NaN-boxed in their homes: SSE scalar operations keep the upper bits of their destination, so a
 * result computed in a copy of a boxed operand is boxed.
 */
#include "jit/gen.h"

enum { XMM14 = 14, XMM15 = 15, RM_RTZ = 1, RM_LAST = 4, RM_DYN = 7 };

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
    c->resume = g->e.at;
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

/* A plain copy is as dirty as what was copied. */
static void copy_dirt(struct gen *g, int rd, uint32_t d, uint32_t s)
{
    if (jit_fhome[rd] < 0)
        return;
    g->now.dirty_d |= d << rd;
    g->now.dirty_s |= s << rd;
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
        x->at[k]->resume = g->e.at;
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
static void put_result(struct gen *g, const struct insn *i, int xmm, bool dbl)
{
    struct escapes x = { .n = 0 };

    if (jit_fhome[i->rd] < 0)
        check_nan(g, &x, i, dbl);
    fput(g, i->rd, xmm, !dbl);
    if (jit_fhome[i->rd] >= 0)
        mark_dirty(g, i->rd, dbl);
    resume(g, &x);
}

/* --- Arithmetic ------------------------------------------------------------------------------------------- */

/* In the destination's home where that does not hold the second operand; the order of a sum or product is free. */
void gen_arith(struct gen *g, const struct insn *i, enum x64_0f op, bool dbl)
{
    bool commutes = op == X64_ADDSD || op == X64_ADDSS || op == X64_MULSD || op == X64_MULSS;
    int a = i->rs1, b = i->rs2, d = jit_fhome[i->rd];

    if (i->rm != RM_DYN) {
        gen_callop(g, i);
        return;
    }
    if (!dbl) {
        check_box(g, a);
        check_box(g, b);
    }
    if (commutes && i->rd == b) {
        b = a;
        a = i->rd;
    }
    if (d < 0 || i->rd == b)
        d = XMM15;
    if (jit_fhome[a] != d)
        x64_0f_rr(&g->e, X64_MOVAPS, false, d, fsrc(g, a, d));
    x64_0f_rr(&g->e, op, false, d, fsrc(g, b, XMM14));
    put_result(g, i, d, dbl);
}

void gen_sqrt(struct gen *g, const struct insn *i, bool dbl)
{
    if (i->rm != RM_DYN) {
        gen_callop(g, i);
        return;
    }
    if (!dbl)
        check_box(g, i->rs1);
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
    x64_0f_rr(&g->e, dbl ? X64_SQRTSD : X64_SQRTSS, false, XMM15, XMM15);
    put_result(g, i, XMM15, dbl);
}

/* VFMADD213 and its kin: xmm15 := xmm15 * b + c. */
void gen_fma(struct gen *g, const struct insn *i, enum x64_fma op, bool dbl)
{
    struct escapes x = { .n = 0 };
    int b;

    if (i->rm != RM_DYN || !g->j->fma) {
        gen_callop(g, i);
        return;
    }
    if (!dbl) {
        check_box(g, i->rs1);
        check_box(g, i->rs2);
        check_box(g, i->rs3);
    }
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

/* minsd and maxsd answer the second operand for equal or unordered ones: the body knows better. */
void gen_fminmax(struct gen *g, const struct insn *i, enum x64_0f op, bool dbl)
{
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
    escape(g, &x, i, X64_E);
    x64_0f_rr(&g->e, op, false, XMM15, b);
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

/* fmv.d, fneg.d, fabs.d: fsgnj of a register with itself. The general forms are rare. */
void gen_fsgnj_d(struct gen *g, const struct insn *i)
{
    if (i->rs1 != i->rs2) {
        gen_callop(g, i);
        return;
    }
    if (jit_fhome[i->rd] < 0)
        gen_clean_f(g, (uint32_t)1 << i->rs1);
    if (i->op == OP_fsgnj_d) {
        uint32_t d = g->now.dirty_d >> i->rs1 & 1, s = g->now.dirty_s >> i->rs1 & 1;

        fput(g, i->rd, fsrc(g, i->rs1, XMM15), g->now.boxed >> i->rs1 & 1);
        copy_dirt(g, i->rd, d, s);
        return;
    }
    gen_clean_f(g, (uint32_t)1 << i->rs1);
    x64_0f_rr(&g->e, X64_MOVAPS, false, XMM15, fsrc(g, i->rs1, XMM15));
    if (i->op == OP_fsgnjn_d)
        x64_0f_rm(&g->e, X64_XORPS, false, XMM15, konst(g, g->j->k_sign));
    else
        x64_0f_rm(&g->e, X64_ANDPS, false, XMM15, konst(g, g->j->k_abs));
    fput(g, i->rd, XMM15, false);
}

void gen_fmv_s(struct gen *g, const struct insn *i)
{
    if (i->rs1 != i->rs2) {
        gen_callop(g, i);
        return;
    }
    check_box(g, i->rs1);
    gen_clean_f(g, (uint32_t)1 << i->rs1);
    fput(g, i->rd, fsrc(g, i->rs1, XMM15), true);
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

/* From a signed integer. xmm15 starts as the boxing constant: conversions keep the upper bits. */
void gen_from_int(struct gen *g, const struct insn *i, bool w, bool dbl)
{
    bool exact = dbl && !w; /* the mode must be a valid one all the same */

    if (exact ? i->rm > RM_LAST && i->rm != RM_DYN : i->rm != RM_DYN) {
        gen_callop(g, i);
        return;
    }
    x64_0f_rm(&g->e, X64_MOVAPS, false, XMM15, konst(g, g->j->k_box));
    x64_0f_rr(&g->e, dbl ? X64_CVTSI2SD : X64_CVTSI2SS, w, XMM15, gen_src(g, i->rs1, RAX));
    fput(g, i->rd, XMM15, !dbl);
}

/* To a signed integer towards zero. The host answers the smallest integer for what does not fit. */
void gen_to_int(struct gen *g, const struct insn *i, bool w, bool dbl)
{
    struct escapes x = { .n = 0 };
    int d = gen_dst(i->rd);

    if (i->rm != RM_RTZ) {
        gen_callop(g, i);
        return;
    }
    if (!dbl)
        check_box(g, i->rs1);
    x64_0f_rr(&g->e, dbl ? X64_CVTTSD2SI : X64_CVTTSS2SI, w, RAX, fsrc(g, i->rs1, XMM15));
    x64_alu_ri(&g->e, X64_CMP, w, RAX, 1); /* overflows for that one only */
    escape(g, &x, i, X64_O);
    if (w && d != RAX)
        x64_mov_rr(&g->e, true, d, RAX);
    else if (!w)
        x64_movsxd_rr(&g->e, d, RAX);
    gen_put(g, i->rd, d);
    resume(g, &x);
}

void gen_d_to_s(struct gen *g, const struct insn *i)
{
    struct escapes x = { .n = 0 };

    if (i->rm != RM_DYN) {
        gen_callop(g, i);
        return;
    }
    x64_0f_rm(&g->e, X64_MOVAPS, false, XMM15, konst(g, g->j->k_box));
    x64_0f_rr(&g->e, X64_CVTSD2SS, false, XMM15, fsrc(g, i->rs1, XMM14));
    check_nan(g, &x, i, false);
    fput(g, i->rd, XMM15, true);
    resume(g, &x);
}

void gen_s_to_d(struct gen *g, const struct insn *i)
{
    struct escapes x = { .n = 0 };

    if (i->rm > RM_LAST && i->rm != RM_DYN) {
        gen_callop(g, i);
        return;
    }
    check_box(g, i->rs1);
    x64_0f_rr(&g->e, X64_CVTSS2SD, false, XMM15, fsrc(g, i->rs1, XMM14));
    check_nan(g, &x, i, true);
    fput(g, i->rd, XMM15, false);
    resume(g, &x);
}
