/*
 * A: atomics as lock-prefixed instructions on the window. What is misaligned or has lost its reservation is done by
 * its body.
 */
#include "jit/gen.h"

/* The body takes over when the address is not a multiple of the size. */
static void check_aligned(struct gen *g, int a, bool w)
{
    x64_test_ri(&g->e, a, w ? 7 : 3);
    gen_cold(g, x64_jcc(&g->e, X64_NE))->kind = COLD_REPLAY;
}

/* Bounded and aligned: the operand; the host register of the address is its index. */
static struct x64_mem amo_addr(struct gen *g, const struct insn *i, bool w)
{
    struct x64_mem m;
    struct insn at = *i;

    at.imm = 0;
    m = gen_addr(g, &at);
    check_aligned(g, m.index, w);
    return m;
}

void gen_lr(struct gen *g, const struct insn *i, bool w)
{
    struct x64_mem m;
    int d = gen_dst(i->rd);

    if (i->rm & 1) { /* rl: earlier stores come first, which the host does not promise a load */
        x64_lock(&g->e);
        x64_alu_mi(&g->e, X64_OR, false, x64_at(RSP, -64), 0);
    }
    m = amo_addr(g, i, w);
    gen_site(g, JIT_REPLAY);
    x64_mov_rm(&g->e, w, RAX, m);
    x64_mov_mr(&g->e, 64, HART(resv_addr), m.index);
    x64_mov_mr(&g->e, 64, HART(resv_val), RAX);
    if (!w)
        x64_movsxd_rr(&g->e, d, RAX);
    else if (d != RAX)
        x64_mov_rr(&g->e, true, d, RAX);
    gen_put(g, i->rd, d);
}

/*
 * Frees rcx where the address is in it: r15, the window, becomes the host address, until let_go. A fault in between
 * needs no window.
 */
static struct x64_mem borrow(struct gen *g, struct x64_mem m)
{
    if (m.index != RCX)
        return m;
    x64_alu_rr(&g->e, X64_ADD, true, R15, RCX);
    return x64_at(R15, 0);
}

static void let_go(struct gen *g, struct x64_mem m)
{
    if (m.index < 0)
        x64_mov_rm(&g->e, true, R15, HART(window));
}

/* rax holds what LR read; the exchange answers in ZF whether it was still there. */
void gen_sc(struct gen *g, const struct insn *i, bool w)
{
    struct x64_mem m = amo_addr(g, i, w);
    int d = gen_dst(i->rd), v;
    struct cold *c;

    x64_alu_rm(&g->e, X64_CMP, true, m.index, HART(resv_addr));
    c = gen_cold(g, x64_jcc(&g->e, X64_NE));
    c->kind = COLD_CALL;
    c->insn = *i;
    if (jit_home[i->rs2] < 0)
        m = borrow(g, m);
    v = gen_src(g, i->rs2, RCX);
    x64_mov_rm(&g->e, true, RAX, HART(resv_val));
    gen_site(g, JIT_REPLAY);
    x64_lock(&g->e);
    x64_cmpxchg(&g->e, w, m, v);
    x64_setcc(&g->e, X64_NE, RAX);
    let_go(g, m);
    x64_mov_mi(&g->e, 64, HART(resv_addr), -1);
    x64_0f_rr(&g->e, X64_MOVZX8, false, d, RAX);
    gen_put(g, i->rd, d);
    gen_resume(g, c);
}

/* rd := what was in memory, in rax. */
static void put_old(struct gen *g, const struct insn *i, bool w)
{
    int d = gen_dst(i->rd);

    if (!w)
        x64_movsxd_rr(&g->e, d, RAX);
    else if (d != RAX)
        x64_mov_rr(&g->e, true, d, RAX);
    gen_put(g, i->rd, d);
}

/* amoadd and amoswap: xadd and xchg leave the old value in the register. */
static void exchange(struct gen *g, const struct insn *i, bool w, bool add)
{
    struct x64_mem m = amo_addr(g, i, w);
    int v = gen_src(g, i->rs2, RAX);

    if (v != RAX)
        x64_mov_rr(&g->e, true, RAX, v);
    gen_site(g, JIT_REPLAY);
    if (add) {
        x64_lock(&g->e);
        x64_xadd(&g->e, w, m, RAX);
    } else {
        x64_xchg(&g->e, w, m, RAX);
    }
    put_old(g, i, w);
}

void gen_fetch_add(struct gen *g, const struct insn *i, bool w)
{
    exchange(g, i, w, true);
}

void gen_swap(struct gen *g, const struct insn *i, bool w)
{
    exchange(g, i, w, false);
}

/* rcx holds what is to replace the old value in rax, `again` made it: until nobody came in between. */
static void replace(struct gen *g, const struct insn *i, struct x64_mem m, bool w, const uint8_t *again)
{
    gen_site(g, JIT_REPLAY);
    x64_lock(&g->e);
    x64_cmpxchg(&g->e, w, m, RCX);
    x64_link(x64_jcc(&g->e, X64_NE), again);
    let_go(g, m);
    put_old(g, i, w);
}

/* The old value in rax, rcx free; where to begin again. */
static const uint8_t *read_old(struct gen *g, const struct insn *i, struct x64_mem *m, bool w)
{
    *m = borrow(g, amo_addr(g, i, w));
    gen_site(g, JIT_REPLAY);
    x64_mov_rm(&g->e, w, RAX, *m);
    gen_join(g);
    return g->e.at;
}

/* amoand, amoor, amoxor: one locked instruction when nobody wants the old value, else a loop. */
void gen_logic(struct gen *g, const struct insn *i, enum x64_alu op, bool w)
{
    const uint8_t *again;
    struct x64_mem m;

    if (i->rd == 0) {
        int v;

        m = amo_addr(g, i, w);
        v = gen_src(g, i->rs2, RAX);
        gen_site(g, JIT_REPLAY);
        x64_lock(&g->e);
        x64_alu_mr(&g->e, op, w, m, v);
        return;
    }
    again = read_old(g, i, &m, w);
    x64_mov_rr(&g->e, true, RCX, RAX);
    if (jit_home[i->rs2] >= 0)
        x64_alu_rr(&g->e, op, true, RCX, jit_home[i->rs2]);
    else
        x64_alu_rm(&g->e, op, true, RCX, JIT_X(i->rs2));
    replace(g, i, m, w, again);
}

/* amomin, amomax and the unsigned ones: the old value stays when cc holds between rs2 and it. */
void gen_fetch_best(struct gen *g, const struct insn *i, enum x64_cc cc, bool w)
{
    struct x64_mem m;
    const uint8_t *again = read_old(g, i, &m, w);
    int v = gen_src(g, i->rs2, RCX);

    if (v != RCX)
        x64_mov_rr(&g->e, true, RCX, v);
    x64_alu_rr(&g->e, X64_CMP, w, RCX, RAX);
    x64_cmov(&g->e, cc, w, RCX, RAX);
    replace(g, i, m, w, again);
}
