/*
 * frflags a; flt or fle; fsflags a: a comparison that leaves the flags alone, as compilers wrap it. With ordered
 * operands the host's raises none; unordered ones are taken one instruction at a time.
 *
 * What is left in `a` is hardly ever looked at, but asking MXCSR for it stalls the host until all arithmetic is done. So
 * if `a` is seen to be overwritten soon, nobody asks: not until a branch leaves the path on which it is overwritten.
 */
#include "hart/csr.h"
#include "jit/internal.h"

enum { WINDOW = 12, PROBES = 4 };

static bool reads_flags(const struct insn *i)
{
    return i->op == OP_csrrs && i->imm == CSR_fflags && i->rs1 == 0 && i->rd != 0;
}

static bool writes_flags(const struct insn *i)
{
    return i->op == OP_csrrw && i->imm == CSR_fflags && i->rd == 0;
}

static bool is_quiet_compare(const struct insn i[3])
{
    if (!reads_flags(&i[0]) || !writes_flags(&i[2]) || i[2].rs1 != i[0].rd || i[1].rd == i[0].rd)
        return false;
    return i[1].op == OP_flt_d || i[1].op == OP_fle_d || i[1].op == OP_flt_s || i[1].op == OP_fle_s;
}

/* What is between the comparison and the overwriting of `rd`. */
struct ahead {
    int rd;
    uint32_t changed; /* x registers that are not what they are now */
    bool raised;      /* flags may be others than now */
    const struct insn *load[PROBES];
    unsigned nr_loads;
};

static bool pass_load(struct ahead *a, const struct insn *i)
{
    if (a->nr_loads == PROBES || i->rs1 == 0 || (a->changed >> i->rs1 & 1))
        return false;
    if (i->op != OP_ld && i->op != OP_fld && i->op != OP_lw && i->op != OP_flw)
        return false;
    a->load[a->nr_loads++] = i;
    return true;
}

/* Can the path go on over `i` without anybody seeing x[rd]? Nothing may leave it but branches and loads that fault. */
static bool pass(struct ahead *a, const struct insn *i)
{
    const struct insn_desc *d = &insn_desc[i->op];

    if (i->op == OP_ILLEGAL || (gen_reads(i) >> a->rd & 1))
        return false;
    switch (d->fmt) {
    case FMT_B: /* away from here the flags are asked for: they must be those of now */
        return !a->raised && i->imm > 0;
    case FMT_LD:
    case FMT_FLD:
        return pass_load(a, i);
    case FMT_FR:
    case FMT_FRM:
    case FMT_F1RM:
    case FMT_F4:
        a->raised = true;
        /* Singles may turn out not to be boxed, and the row is then left to its body. */
        return d->ext == EXT_D && i->op != OP_fcvt_d_s && (i->rm == 7 || d->fmt == FMT_FR);
    default:
        return insn_only_writes_x(i);
    }
}

static bool look_ahead(const struct gen *g, const struct insn i[3], struct ahead *a)
{
    const struct insn *next = i + 3, *end = MIN(next + WINDOW, g->insn + g->nr_insns);

    *a = (struct ahead){ .rd = i[0].rd, .changed = (uint32_t)1 << i[0].rd | (uint32_t)1 << i[1].rd };
    for (; next < end && pass(a, next); next++) {
        if (!insn_only_writes_x(next) && insn_desc[next->op].fmt != FMT_LD)
            continue;
        if (next->rd == a->rd)
            return true;
        a->changed |= (uint32_t)1 << next->rd;
    }
    return false;
}

/* Loads on the path must not fault, or the guest would see what is not in x[rd]: if they would, go step by step. */
static void probe(struct gen *g, const struct ahead *a)
{
    for (unsigned k = 0; k < a->nr_loads; k++) {
        const struct insn *i = a->load[k];
        struct x64_mem m;

        gen_clean_x(g, (uint32_t)1 << i->rs1);
        m = gen_addr(g, i);
        gen_site(g, JIT_REPLAY);
        x64_alu_rm(&g->e, X64_CMP, i->op == OP_ld || i->op == OP_fld, RAX, m);
    }
}

bool gen_quiet_compare(struct gen *g, const struct insn i[3])
{
    struct ahead a;

    if (!is_quiet_compare(i))
        return false;
    if (g->nr_cold < GEN_COLD_MAX / 4 && look_ahead(g, i, &a)) {
        probe(g, &a);
        gen_ordered_compare(g, &i[1]);
        gen_wrote(g, i[0].rd);
        g->flags_rd = i[0].rd;
    } else {
        gen_ordered_compare(g, &i[1]);
        gen_read_fflags(g, i[0].rd);
    }
    return true;
}
