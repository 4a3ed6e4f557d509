/*
 * fflags without leaving generated code: reading them, writing them, and the comparison that compilers wrap into a
 * pair of the two to keep it quiet.
 *
 * The guest's flags are those of h->fcsr together with MXCSR's sticky bits, which collect what has happened since.
 */
#include "hart/csr.h"
#include "jit/gen.h"

#define MXCSR_FLAGS 0x3f
#define FFLAGS 0x1f

/* rd := fflags */
static void gen_read(struct gen *g, int rd)
{
    x64_stmxcsr(&g->e, HART(jit.info));
    x64_mov_rm(&g->e, false, RAX, HART(jit.info));
    x64_alu_ri(&g->e, X64_AND, false, RAX, MXCSR_FLAGS);
    x64_lea(&g->e, true, RCX, x64_rip(code_rw(&g->j->code, g->j->k_flags)));
    x64_0f_rm(&g->e, X64_MOVZX8, false, RAX, x64_at2(RCX, RAX, 0, 0));
    x64_mov_rm(&g->e, false, RCX, HART(fcsr));
    x64_alu_ri(&g->e, X64_AND, false, RCX, FFLAGS);
    x64_alu_rr(&g->e, X64_OR, false, RAX, RCX);
    if (gen_dst(rd) != RAX)
        x64_mov_rr(&g->e, false, gen_dst(rd), RAX);
    gen_put(g, rd, RAX);
}

/* fflags := rs */
static void gen_write(struct gen *g, int rs)
{
    int v = gen_src(g, rs, RAX);
    uint8_t *clean;

    if (v != RAX)
        x64_mov_rr(&g->e, false, RAX, v);
    x64_alu_ri(&g->e, X64_AND, false, RAX, FFLAGS);
    x64_mov_rm(&g->e, false, RCX, HART(fcsr));
    x64_alu_ri(&g->e, X64_AND, false, RCX, ~FFLAGS);
    x64_alu_rr(&g->e, X64_OR, false, RAX, RCX);
    x64_mov_mr(&g->e, 32, HART(fcsr), RAX);
    x64_stmxcsr(&g->e, HART(jit.info));
    x64_mov_rm(&g->e, false, RAX, HART(jit.info));
    x64_test_ri(&g->e, RAX, MXCSR_FLAGS);
    clean = x64_jcc(&g->e, X64_E);
    x64_alu_ri(&g->e, X64_AND, false, RAX, ~MXCSR_FLAGS);
    x64_mov_mr(&g->e, 32, HART(jit.info), RAX);
    x64_ldmxcsr(&g->e, HART(jit.info));
    x64_link(clean, g->e.at);
}

static bool reads_flags(const struct insn *i)
{
    return i->op == OP_csrrs && i->imm == CSR_fflags && i->rs1 == 0 && i->rd != 0;
}

static bool writes_flags(const struct insn *i)
{
    return i->op == OP_csrrw && i->imm == CSR_fflags && i->rd == 0;
}

void gen_csr(struct gen *g, const struct insn *i)
{
    if (reads_flags(i))
        gen_read(g, i->rd);
    else if (writes_flags(i))
        gen_write(g, i->rs1);
    else
        gen_callop(g, i);
}

/*
 * frflags a; flt or fle; fsflags a: a comparison that leaves the flags alone. With ordered operands the host's
 * raises none; unordered ones are taken one instruction at a time.
 */
bool gen_quiet_compare(struct gen *g, const struct insn i[3])
{
    if (!reads_flags(&i[0]) || !writes_flags(&i[2]) || i[2].rs1 != i[0].rd || i[1].rd == i[0].rd)
        return false;
    if (i[1].op != OP_flt_d && i[1].op != OP_fle_d && i[1].op != OP_flt_s && i[1].op != OP_fle_s)
        return false;
    gen_ordered_compare(g, &i[1]);
    gen_read(g, i[0].rd);
    return true;
}
