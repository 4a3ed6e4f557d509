/*
 * Decoded instructions as text. Each format has a template that says in what order operands are printed;
 * the mnemonic is the name of the row. Knows no aliases, no symbols and no compressed mnemonics.
 */
#include "isa/insn.h"

#include <inttypes.h>

#include "base/buf.h"

static const char *const x_names[32] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const char *const f_names[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1",  "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4",  "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

static const char *const rm_names[8] = { "rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn" };

/*
 * d s t: rd, rs1, rs2 as integer registers; D S T R: rd, rs1, rs2, rs3 as floating-point registers;
 * i x u: imm in decimal, in hexadecimal, its upper 20 bits; p: the branch target; z: rs1 as a number;
 * c: a csr; f: the two sets of a fence; m: a rounding mode, with its comma. Others stand for themselves.
 */
static const char *const templates[NR_FMTS] = {
    [FMT_R] = "d,s,t",    [FMT_R1] = "d,s",      [FMT_I] = "d,s,i",     [FMT_LD] = "d,i(s)",
    [FMT_SH] = "d,s,x",   [FMT_SHW] = "d,s,x",   [FMT_S] = "t,i(s)",    [FMT_B] = "s,t,p",
    [FMT_U] = "d,u",      [FMT_J] = "d,p",       [FMT_JALR] = "d,i(s)", [FMT_AMO] = "d,t,(s)",
    [FMT_LR] = "d,(s)",   [FMT_CSR] = "d,c,s",   [FMT_CSRI] = "d,c,z",  [FMT_FENCE] = "f",
    [FMT_N] = "",         [FMT_SFENCE] = "s,t",  [FMT_HLV] = "d,(s)",   [FMT_HSV] = "t,(s)",
    [FMT_FLD] = "D,i(s)", [FMT_FST] = "T,i(s)",  [FMT_FR] = "D,S,T",    [FMT_FRM] = "D,S,Tm",
    [FMT_F1RM] = "D,Sm",  [FMT_F4] = "D,S,T,Rm", [FMT_FCMP] = "d,S,T",  [FMT_F2X] = "d,S",
    [FMT_F2XRM] = "d,Sm", [FMT_X2F] = "D,s",     [FMT_X2FRM] = "D,sm",
};

/* The mode that the assembler puts in when none is written: exact conversions cannot round. */
static unsigned default_rm(const struct insn *i)
{
    return i->op == OP_fcvt_d_w || i->op == OP_fcvt_d_wu || i->op == OP_fcvt_d_s ? 0 : 7;
}

static void put_mnemonic(const struct insn *i, struct buf *out)
{
    static const char *const ordering[4] = { "", ".rl", ".aq", ".aqrl" };
    const struct insn_desc *d = &insn_desc[i->op];

    for (const char *c = d->name; *c; c++)
        buf_putc(out, *c == '_' ? '.' : *c);
    if (d->fmt == FMT_AMO || d->fmt == FMT_LR)
        buf_puts(out, ordering[i->rm & 3]);
}

static void put_csr(uint32_t csr, struct buf *out)
{
    static const struct {
        uint32_t csr;
        const char *name;
    } names[] = {
        { 0x001, "fflags" }, { 0x002, "frm" },  { 0x003, "fcsr" },
        { 0xc00, "cycle" },  { 0xc01, "time" }, { 0xc02, "instret" },
    };

    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        if (names[k].csr == csr) {
            buf_puts(out, names[k].name);
            return;
        }
    }
    buf_printf(out, "0x%" PRIx32, csr);
}

static void put_fence_set(unsigned set, struct buf *out)
{
    static const char letters[] = "iorw";

    if (!set)
        buf_puts(out, "unknown"); /* what objdump calls the empty set */
    for (unsigned k = 0; k < 4; k++)
        if (set & 8 >> k)
            buf_putc(out, letters[k]);
}

/* The name of a register operand, or NULL when `kind` is none. */
static const char *register_name(char kind, const struct insn *i)
{
    switch (kind) {
    case 'd':
        return x_names[i->rd & 31];
    case 's':
        return x_names[i->rs1 & 31];
    case 't':
        return x_names[i->rs2 & 31];
    case 'D':
        return f_names[i->rd & 31];
    case 'S':
        return f_names[i->rs1 & 31];
    case 'T':
        return f_names[i->rs2 & 31];
    case 'R':
        return f_names[i->rs3 & 31];
    default:
        return NULL;
    }
}

static void put_operand(char kind, const struct insn *i, uint64_t pc, struct buf *out)
{
    const char *reg = register_name(kind, i);
    uint32_t imm = (uint32_t)i->imm;

    if (reg) {
        buf_puts(out, reg);
        return;
    }
    switch (kind) {
    case 'i':
        buf_printf(out, "%" PRId32, i->imm);
        break;
    case 'x':
        buf_printf(out, "0x%" PRIx32, imm);
        break;
    case 'u':
        buf_printf(out, "0x%" PRIx32, imm >> 12);
        break;
    case 'p':
        buf_printf(out, "0x%" PRIx64, pc + (uint64_t)(int64_t)i->imm);
        break;
    case 'z':
        buf_printf(out, "%u", i->rs1);
        break;
    case 'c':
        put_csr(imm, out);
        break;
    case 'f':
        put_fence_set(imm >> 4 & 15, out);
        buf_putc(out, ',');
        put_fence_set(imm & 15, out);
        break;
    case 'm':
        if ((i->rm & 7u) != default_rm(i))
            buf_printf(out, ",%s", rm_names[i->rm & 7]);
        break;
    default:
        buf_putc(out, kind);
        break;
    }
}

void insn_disasm(const struct insn *i, uint64_t pc, struct buf *out)
{
    const char *t;

    if (i->op >= NR_OPS) {
        buf_printf(out, ".%ubyte 0x%" PRIx32, i->len, i->bits);
        return;
    }
    if (i->op == OP_fence && i->imm == 0x833) { /* the one fence with a mode, 2.7 */
        buf_puts(out, "fence.tso");
        return;
    }
    put_mnemonic(i, out);
    t = templates[insn_desc[i->op].fmt];
    if (*t)
        buf_putc(out, ' ');
    for (; *t; t++)
        put_operand(*t, i, pc, out);
}
