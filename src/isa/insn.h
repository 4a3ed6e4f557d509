/*
 * RISC-V instructions as data: the decoded form, and the description of each row of insn.def. Pure: no
 * state, no I/O.
 *
 * Encodings: The RISC-V Instruction Set Manual, Volume I (20240411). Compressed instructions have no
 * rows: rvc.c expands them into the rows below (len = 2).
 */
#ifndef NOAHV_ISA_INSN_H
#define NOAHV_ISA_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the operands of a format lie, and how it is printed. */
enum insn_fmt {
    FMT_R,      /* rd, rs1, rs2 */
    FMT_R1,     /* rd, rs1; rs2 belongs to the opcode (clz, sext.b, ...) */
    FMT_I,      /* rd, rs1, imm */
    FMT_LD,     /* rd, imm(rs1) */
    FMT_SH,     /* rd, rs1, shamt: six bits */
    FMT_SHW,    /* rd, rs1, shamt: five bits */
    FMT_S,      /* rs2, imm(rs1) */
    FMT_B,      /* rs1, rs2, target; imm = target - pc */
    FMT_U,      /* rd, imm; imm already shifted left by 12 */
    FMT_J,      /* rd, target; imm = target - pc */
    FMT_JALR,   /* rd, imm(rs1) */
    FMT_AMO,    /* rd, rs2, (rs1); aq/rl in rm */
    FMT_LR,     /* rd, (rs1); aq/rl in rm */
    FMT_CSR,    /* rd, csr, rs1; csr in imm */
    FMT_CSRI,   /* rd, csr, uimm; csr in imm, uimm in rs1 */
    FMT_FENCE,  /* pred, succ; fm << 8 | pred << 4 | succ in imm */
    FMT_N,      /* no operands */
    FMT_SFENCE, /* rs1, rs2 */
    FMT_HLV,    /* rd, (rs1) */
    FMT_HSV,    /* rs2, (rs1) */
    FMT_FLD,    /* fd, imm(rs1) */
    FMT_FST,    /* fs2, imm(rs1) */
    FMT_FR,     /* fd, fs1, fs2 */
    FMT_FRM,    /* fd, fs1, fs2, rm */
    FMT_F1RM,   /* fd, fs1, rm (sqrt, f-to-f conversion) */
    FMT_F4,     /* fd, fs1, fs2, fs3, rm */
    FMT_FCMP,   /* rd, fs1, fs2 */
    FMT_F2X,    /* rd, fs1 (fmv.x, fclass) */
    FMT_F2XRM,  /* rd, fs1, rm (float to integer) */
    FMT_X2F,    /* fd, rs1 (fmv.w.x) */
    FMT_X2FRM,  /* fd, rs1, rm (integer to float) */
    NR_FMTS
};

/* One operation per row of insn.def; OP_ILLEGAL is what no row matches. */
enum insn_op {
#define INSN(name, fmt, match, mask, ext, flags) OP_##name,
#include "isa/insn.def"
#undef INSN
    NR_OPS,
    OP_ILLEGAL = NR_OPS
};

enum insn_flags {
    INSN_ENDS = 1,  /* ends a basic block: the next pc is not simply pc + len, or the engine must look up */
    INSN_LOAD = 2,  /* reads guest memory */
    INSN_STORE = 4, /* writes guest memory (an AMO has both) */
    INSN_TRAP = 8,  /* always traps in VU-mode */
    INSN_LOW = 16,  /* looks at no more than the low word of its x operands */
    INSN_WORD = 32, /* the result in x[rd] is a sign-extended word */
};

/* ISA extensions as rows name them; the table that HWCAP, hwprobe and /proc/cpuinfo derive from. */
enum isa_ext {
#define ISA_EXT(id, name, hwcap, hwprobe) EXT_##id,
#include "isa/ext.def"
#undef ISA_EXT
    NR_EXTS,
    EXT_PRIV = NR_EXTS /* rows that only trap; not part of the ISA string */
};

struct insn {
    int32_t imm;   /* sign-extended; a csr number for FMT_CSR* */
    uint32_t bits; /* the instruction as fetched: 16 bits for len = 2 */
    uint16_t op;   /* enum insn_op */
    uint8_t len;   /* 2 or 4 */
    uint8_t rd, rs1, rs2, rs3;
    uint8_t rm; /* rounding mode, or aq << 1 | rl */
};

struct insn_desc {
    const char *name; /* as insn.def spells it; the disassembler prints '.' for '_' */
    uint32_t match, mask;
    uint8_t fmt, ext, flags;
};

extern const struct insn_desc insn_desc[NR_OPS + 1]; /* the last row describes OP_ILLEGAL */

/* Rows whose only effect is on x[rd], by their format: nothing is left of them when rd is x0. */
static inline bool insn_only_writes_x(const struct insn *i)
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

/* Length in bytes that the first halfword announces: 2 or 4 (longer encodings are illegal here: 4). */
static inline unsigned insn_length(uint16_t first)
{
    return (first & 3) == 3 ? 4 : 2;
}

/*
 * Decodes `word` (the low 16 bits count when they announce a compressed instruction). Always fills *out;
 * an unknown encoding gives op = OP_ILLEGAL with len and bits set.
 */
void insn_decode(uint32_t word, struct insn *out);

/* rvc.c: expands a 16-bit instruction; for insn_decode only. */
void insn_decode_rvc(uint16_t half, struct insn *out);

/*
 * The 32-bit encoding of a decoded instruction, compressed ones expanded; 0 for OP_ILLEGAL. Bits that the
 * format ignores (rd and rs1 of a fence, all operands of fence.i) come out as zero.
 */
uint32_t insn_encode(const struct insn *i);

struct buf;
/*
 * Writes assembly text as GNU objdump -M no-aliases prints it, with a space after the mnemonic; `pc` makes
 * branch targets absolute. A compressed instruction prints as what it expands to.
 */
void insn_disasm(const struct insn *i, uint64_t pc, struct buf *out);

/* The ISA that is implemented, as AT_HWCAP, as hwprobe's IMA_EXT_0 value and as the cpuinfo "isa" string. */
uint64_t isa_hwcap(void);
uint64_t isa_hwprobe_ima_ext0(void);
const char *isa_string(void);

#endif
