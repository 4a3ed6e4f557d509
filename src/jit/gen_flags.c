/*
 * fflags, frm and fcsr without leaving generated code: reading and writing them. All other CSRs are left to the
 * instructions' bodies.
 *
 * The guest's flags are those of h->fcsr together with MXCSR's sticky bits, which collect what has happened since.
 */
#include "hart/csr.h"
#include "jit/gen.h"

#define MXCSR_FLAGS 0x3f

/* The fields of fcsr; what is in frm when it is a mode that MXCSR lacks. */
#define FFLAGS 0x1fu
#define FRM 0xe0u
#define FRM_NOT_HOST 0x80u

struct field {
    unsigned shift;
    uint32_t mask;
};

/* eax := fcsr with all that MXCSR has collected; info := MXCSR */
static void collect(struct gen *g)
{
    x64_stmxcsr(&g->e, HART(jit.info));
    x64_mov_rm(&g->e, false, RAX, HART(jit.info));
    x64_alu_ri(&g->e, X64_AND, false, RAX, MXCSR_FLAGS);
    x64_lea(&g->e, true, RCX, x64_rip(code_rw(&g->j->code, g->j->k_flags)));
    x64_0f_rm(&g->e, X64_MOVZX8, false, RAX, x64_at2(RCX, RAX, 0, 0));
    x64_alu_rm(&g->e, X64_OR, false, RAX, HART(fcsr));
}

/* MXCSR := what the fcsr in eax wants it to be, its flags with fcsr; info is what it is. Loading it is slow. */
static void apply(struct gen *g)
{
    uint8_t *same;

    x64_mov_rr(&g->e, false, RCX, RAX);
    x64_shift_ri(&g->e, X64_SHR, false, RCX, 4); /* twice frm, which is at most 3 */
    x64_alu_ri(&g->e, X64_AND, false, RCX, 6);
    x64_mov_ri(&g->e, RAX, JIT_RC_BY_FRM);
    x64_shift_cl(&g->e, X64_SHR, false, RAX);
    x64_alu_ri(&g->e, X64_AND, false, RAX, 3);
    x64_shift_ri(&g->e, X64_SHL, false, RAX, 13);
    x64_alu_ri(&g->e, X64_OR, false, RAX, JIT_MXCSR);
    x64_alu_rm(&g->e, X64_CMP, false, RAX, HART(jit.info));
    same = x64_jcc(&g->e, X64_E);
    x64_mov_mr(&g->e, 32, HART(jit.info), RAX);
    x64_ldmxcsr(&g->e, HART(jit.info));
    x64_link(same, g->e.at);
}

/* rd := the field of the fcsr in a scratch register */
static void put_field(struct gen *g, int rd, int from, struct field f)
{
    if (f.shift)
        x64_shift_ri(&g->e, X64_SHR, false, from, f.shift);
    x64_alu_ri(&g->e, X64_AND, false, from, (int32_t)(f.mask >> f.shift));
    if (jit_home[rd] >= 0)
        x64_mov_rr(&g->e, false, jit_home[rd], from);
    gen_put(g, rd, from);
}

/* eax, the fcsr, changes as the instruction says. */
static void change(struct gen *g, const struct insn *i, enum gen_csr how, bool imm, struct field f)
{
    int32_t mask = (int32_t)f.mask;

    if (imm) {
        x64_mov_ri(&g->e, RCX, (uint64_t)i->rs1 << f.shift & f.mask);
    } else {
        int v = gen_src(g, i->rs1, RCX);

        if (v != RCX)
            x64_mov_rr(&g->e, false, RCX, v);
        if (f.shift)
            x64_shift_ri(&g->e, X64_SHL, false, RCX, f.shift);
        x64_alu_ri(&g->e, X64_AND, false, RCX, mask);
    }
    if (how == GEN_WRITE)
        x64_alu_ri(&g->e, X64_AND, false, RAX, ~mask);
    if (how == GEN_CLEAR)
        x64_unary(&g->e, X64_NOT, false, RCX);
    x64_alu_rr(&g->e, how == GEN_CLEAR ? X64_AND : X64_OR, false, RAX, RCX);
}

/* fflags, frm or fcsr, read and written. A frm that the host lacks is the body's to put there. */
static void access_fcsr(struct gen *g, const struct insn *i, enum gen_csr how, bool imm, struct field f)
{
    struct cold *c = NULL;

    g->h->jit.fp_used = 1;
    collect(g);
    if (how != GEN_WRITE && i->rs1 == 0) {
        put_field(g, i->rd, RAX, f);
        return;
    }
    x64_mov_mr(&g->e, 32, HART(fcsr), RAX); /* until the new value is known to do: nothing is lost */
    change(g, i, how, imm, f);
    if (f.mask & FRM) {
        x64_test_ri(&g->e, RAX, FRM_NOT_HOST);
        c = gen_cold(g, x64_jcc(&g->e, X64_NE));
        c->kind = COLD_CALL;
        c->insn = *i;
    }
    x64_mov_rm(&g->e, false, RCX, HART(fcsr));
    x64_mov_mr(&g->e, 32, HART(fcsr), RAX);
    if (i->rd != 0)
        put_field(g, i->rd, RCX, f);
    apply(g);
    if (c)
        gen_resume(g, c);
}

static void access_csr(struct gen *g, const struct insn *i, enum gen_csr how, bool imm)
{
    switch (i->imm) {
    case CSR_fflags:
        access_fcsr(g, i, how, imm, (struct field){ 0, FFLAGS });
        break;
    case CSR_frm:
        access_fcsr(g, i, how, imm, (struct field){ 5, FRM });
        break;
    case CSR_fcsr:
        access_fcsr(g, i, how, imm, (struct field){ 0, FFLAGS | FRM });
        break;
    default:
        gen_callop(g, i);
        break;
    }
}

void gen_csr(struct gen *g, const struct insn *i, enum gen_csr how)
{
    access_csr(g, i, how, false);
}

void gen_csr_imm(struct gen *g, const struct insn *i, enum gen_csr how)
{
    access_csr(g, i, how, true);
}

void gen_read_fflags(struct gen *g, int rd)
{
    collect(g);
    put_field(g, rd, RAX, (struct field){ 0, FFLAGS });
}
