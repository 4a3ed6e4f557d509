/*
 * Instructions to and from their 32-bit encoding. What a format holds is data (shapes[]), read by the
 * decoder and by the encoder. Does not judge: reserved rounding modes and fence fields decode, and what they
 * mean is the matter of the engines. Compressed instructions are in rvc.c.
 */
#include "isa/insn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

const struct insn_desc insn_desc[NR_OPS + 1] = {
#define INSN(name, fmt, match, mask, ext, flags) \
    [OP_##name] = { #name, match, mask, FMT_##fmt, EXT_##ext, flags },
#include "isa/insn.def"
#undef INSN
    [OP_ILLEGAL] = { "illegal", 0, 0, FMT_N, EXT_PRIV, INSN_ENDS | INSN_TRAP },
};

enum imm_kind { IMM_NONE, IMM_I, IMM_S, IMM_B, IMM_U, IMM_J, IMM_SH, IMM_SHW, IMM_UI };

enum operand { RD = 1, RS1 = 2, RS2 = 4, RS3 = 8, RM = 16, AQRL = 32 };

/* clang-format off */
/* What each format holds; Volume I, 2.2 and 2.3. */
static const struct {
    uint8_t operands, imm;
} shapes[NR_FMTS] = {
    [FMT_R]      = { RD | RS1 | RS2, IMM_NONE },
    [FMT_R1]     = { RD | RS1, IMM_NONE },
    [FMT_I]      = { RD | RS1, IMM_I },
    [FMT_LD]     = { RD | RS1, IMM_I },
    [FMT_SH]     = { RD | RS1, IMM_SH },
    [FMT_SHW]    = { RD | RS1, IMM_SHW },
    [FMT_S]      = { RS1 | RS2, IMM_S },
    [FMT_B]      = { RS1 | RS2, IMM_B },
    [FMT_U]      = { RD, IMM_U },
    [FMT_J]      = { RD, IMM_J },
    [FMT_JALR]   = { RD | RS1, IMM_I },
    [FMT_AMO]    = { RD | RS1 | RS2 | AQRL, IMM_NONE },
    [FMT_LR]     = { RD | RS1 | AQRL, IMM_NONE },
    [FMT_CSR]    = { RD | RS1, IMM_UI },
    [FMT_CSRI]   = { RD | RS1, IMM_UI },
    [FMT_FENCE]  = { 0, IMM_UI },
    [FMT_N]      = { 0, IMM_NONE },
    [FMT_SFENCE] = { RS1 | RS2, IMM_NONE },
    [FMT_HLV]    = { RD | RS1, IMM_NONE },
    [FMT_HSV]    = { RS1 | RS2, IMM_NONE },
    [FMT_FLD]    = { RD | RS1, IMM_I },
    [FMT_FST]    = { RS1 | RS2, IMM_S },
    [FMT_FR]     = { RD | RS1 | RS2, IMM_NONE },
    [FMT_FRM]    = { RD | RS1 | RS2 | RM, IMM_NONE },
    [FMT_F1RM]   = { RD | RS1 | RM, IMM_NONE },
    [FMT_F4]     = { RD | RS1 | RS2 | RS3 | RM, IMM_NONE },
    [FMT_FCMP]   = { RD | RS1 | RS2, IMM_NONE },
    [FMT_F2X]    = { RD | RS1, IMM_NONE },
    [FMT_F2XRM]  = { RD | RS1 | RM, IMM_NONE },
    [FMT_X2F]    = { RD | RS1, IMM_NONE },
    [FMT_X2FRM]  = { RD | RS1 | RM, IMM_NONE },
};
/* clang-format on */

/*
 * Rows by opcode and funct3: a row that leaves bits of funct3 open is listed once for each value. Bucket k is
 * list[start[k]] up to list[start[k + 1]]. Filled once, by the first decode of the process.
 */
enum { NR_KEYS = 32 * 8 };

static struct {
    uint16_t start[NR_KEYS + 1];
    uint16_t list[NR_OPS * 8];
    atomic_bool ready;
} row_index;

/* The bucket of a row for a value of funct3, or -1. */
static int bucket_of(unsigned op, uint32_t funct3)
{
    const struct insn_desc *d = &insn_desc[op];

    return (d->match ^ funct3 << 12) & d->mask & 0x7000 ? -1 : (int)((d->match >> 2 & 31) << 3 | funct3);
}

static void index_build(void)
{
    uint16_t next[NR_KEYS];

    for (unsigned op = 0; op < NR_OPS; op++)
        for (uint32_t f = 0; f < 8; f++)
            if (bucket_of(op, f) >= 0)
                row_index.start[bucket_of(op, f) + 1]++;
    for (unsigned key = 0; key < NR_KEYS; key++)
        row_index.start[key + 1] = (uint16_t)(row_index.start[key + 1] + row_index.start[key]);
    memcpy(next, row_index.start, sizeof next);
    for (unsigned op = 0; op < NR_OPS; op++)
        for (uint32_t f = 0; f < 8; f++)
            if (bucket_of(op, f) >= 0)
                row_index.list[next[bucket_of(op, f)]++] = (uint16_t)op;
    atomic_store_explicit(&row_index.ready, true, memory_order_release);
}

static unsigned find_row(uint32_t word)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned key = (word >> 2 & 31) << 3 | (word >> 12 & 7);

    if (!atomic_load_explicit(&row_index.ready, memory_order_acquire))
        pthread_once(&once, index_build);
    for (unsigned i = row_index.start[key]; i < row_index.start[key + 1]; i++) {
        unsigned op = row_index.list[i];

        if ((word & insn_desc[op].mask) == insn_desc[op].match)
            return op;
    }
    return OP_ILLEGAL;
}

/* Bits hi..lo of a word, moved to bit `to`. */
static inline uint32_t field(uint32_t word, unsigned hi, unsigned lo, unsigned to)
{
    return (word >> lo & ((UINT32_C(2) << (hi - lo)) - 1)) << to;
}

/* The top bit of every sign-extended immediate is bit 31: fills bits 31..to with it. */
static inline uint32_t sign(uint32_t word, unsigned to)
{
    return word >> 31 ? ~UINT32_C(0) << to : 0;
}

static int32_t imm_get(enum imm_kind kind, uint32_t w)
{
    switch (kind) {
    case IMM_NONE:
        return 0;
    case IMM_I:
        return (int32_t)(sign(w, 11) | field(w, 30, 20, 0));
    case IMM_S:
        return (int32_t)(sign(w, 11) | field(w, 30, 25, 5) | field(w, 11, 7, 0));
    case IMM_B:
        return (int32_t)(sign(w, 12) | field(w, 7, 7, 11) | field(w, 30, 25, 5) | field(w, 11, 8, 1));
    case IMM_U:
        return (int32_t)(w & 0xfffff000);
    case IMM_J:
        return (int32_t)(sign(w, 20) | field(w, 19, 12, 12) | field(w, 20, 20, 11) | field(w, 30, 21, 1));
    case IMM_SH:
        return (int32_t)field(w, 25, 20, 0);
    case IMM_SHW:
        return (int32_t)field(w, 24, 20, 0);
    case IMM_UI:
        return (int32_t)field(w, 31, 20, 0);
    }
    return 0;
}

static uint32_t imm_put(enum imm_kind kind, int32_t imm)
{
    uint32_t v = (uint32_t)imm;

    switch (kind) {
    case IMM_NONE:
        return 0;
    case IMM_I:
    case IMM_UI:
        return field(v, 11, 0, 20);
    case IMM_S:
        return field(v, 11, 5, 25) | field(v, 4, 0, 7);
    case IMM_B:
        return field(v, 12, 12, 31) | field(v, 10, 5, 25) | field(v, 4, 1, 8) | field(v, 11, 11, 7);
    case IMM_U:
        return v & 0xfffff000;
    case IMM_J:
        return field(v, 20, 20, 31) | field(v, 10, 1, 21) | field(v, 11, 11, 20) | field(v, 19, 12, 12);
    case IMM_SH:
        return field(v, 5, 0, 20);
    case IMM_SHW:
        return field(v, 4, 0, 20);
    }
    return 0;
}

void insn_decode(uint32_t word, struct insn *out)
{
    unsigned op, operands;

    if (insn_length((uint16_t)word) == 2) {
        insn_decode_rvc((uint16_t)word, out);
        return;
    }
    op = find_row(word);
    *out = (struct insn){ .bits = word, .op = (uint16_t)op, .len = 4 };
    if (op == OP_ILLEGAL)
        return;
    operands = shapes[insn_desc[op].fmt].operands;
    if (operands & RD)
        out->rd = word >> 7 & 31;
    if (operands & RS1)
        out->rs1 = word >> 15 & 31;
    if (operands & RS2)
        out->rs2 = word >> 20 & 31;
    if (operands & RS3)
        out->rs3 = word >> 27 & 31;
    if (operands & RM)
        out->rm = word >> 12 & 7;
    if (operands & AQRL)
        out->rm = word >> 25 & 3;
    out->imm = imm_get(shapes[insn_desc[op].fmt].imm, word);
}

uint32_t insn_encode(const struct insn *i)
{
    const struct insn_desc *d = &insn_desc[i->op < NR_OPS ? i->op : OP_ILLEGAL];
    unsigned operands = shapes[d->fmt].operands;
    uint32_t word = d->match | imm_put(shapes[d->fmt].imm, i->imm);

    if (operands & RD)
        word |= (i->rd & 31u) << 7;
    if (operands & RS1)
        word |= (i->rs1 & 31u) << 15;
    if (operands & RS2)
        word |= (i->rs2 & 31u) << 20;
    if (operands & RS3)
        word |= (i->rs3 & 31u) << 27;
    if (operands & RM)
        word |= (i->rm & 7u) << 12;
    if (operands & AQRL)
        word |= (i->rm & 3u) << 25;
    return word;
}
