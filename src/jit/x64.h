/*
 * An x86-64 encoder: opcodes are data, shapes are functions. It knows no RISC-V and allocates nothing; bytes
 * beyond the end of the buffer are counted, not written, and the caller asks x64_full() once at the end.
 *
 * Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 */
#ifndef NOAHV_JIT_X64_H
#define NOAHV_JIT_X64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum x64_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Instructions `op r/m, reg` and `op reg, r/m`: the second is the first + 2. */
enum x64_alu {
    X64_ADD = 0x01,
    X64_OR = 0x09,
    X64_ADC = 0x11,
    X64_SBB = 0x19,
    X64_AND = 0x21,
    X64_SUB = 0x29,
    X64_XOR = 0x31,
    X64_CMP = 0x39
};

/* Shifts by an immediate or cl: the /digit of C1 and D3. */
enum x64_shift { X64_ROL = 0, X64_ROR = 1, X64_SHL = 4, X64_SHR = 5, X64_SAR = 7 };

/* BMI2 three-operand shifts: the mandatory prefix in VEX.pp. */
enum x64_shiftx { X64_SHLX = 1, X64_SARX = 2, X64_SHRX = 3 };

/* F6/F7 group: the /digit. */
enum x64_unary { X64_NOT = 2, X64_NEG = 3, X64_MUL = 4, X64_IMUL = 5, X64_DIV = 6, X64_IDIV = 7 };

/* Two-byte (0F) opcodes of the form `op reg, r/m`; the low byte is the opcode, 0xf2, 0xf3 or 0x66 above it a prefix. */
enum x64_0f {
    X64_IMUL_RR = 0x00af,
    X64_MOVZX8 = 0x00b6,
    X64_MOVZX16 = 0x00b7,
    X64_MOVSX8 = 0x00be,
    X64_MOVSX16 = 0x00bf,
    X64_BT = 0x00a3, /* these four: the r/m operand is the one that has the bit */
    X64_BTS = 0x00ab,
    X64_BTR = 0x00b3,
    X64_BTC = 0x00bb,
    X64_POPCNT = 0xf3b8,
    X64_TZCNT = 0xf3bc,
    X64_LZCNT = 0xf3bd,
    X64_MOVSD_LOAD = 0xf210,
    X64_MOVSD_STORE = 0xf211,
    X64_MOVSS_LOAD = 0xf310,
    X64_MOVSS_STORE = 0xf311,
    X64_MOVAPS = 0x0028,
    X64_SQRTSD = 0xf251,
    X64_ADDSD = 0xf258,
    X64_MULSD = 0xf259,
    X64_SUBSD = 0xf25c,
    X64_MINSD = 0xf25d,
    X64_DIVSD = 0xf25e,
    X64_MAXSD = 0xf25f,
    X64_SQRTSS = 0xf351,
    X64_ADDSS = 0xf358,
    X64_MULSS = 0xf359,
    X64_SUBSS = 0xf35c,
    X64_MINSS = 0xf35d,
    X64_DIVSS = 0xf35e,
    X64_MAXSS = 0xf35f,
    X64_UCOMISD = 0x662e,
    X64_COMISD = 0x662f,
    X64_UCOMISS = 0x002e,
    X64_COMISS = 0x002f,
    X64_CVTSI2SD = 0xf22a,
    X64_CVTSI2SS = 0xf32a,
    X64_CVTTSD2SI = 0xf22c,
    X64_CVTTSS2SI = 0xf32c,
    X64_CVTSD2SI = 0xf22d,
    X64_CVTSS2SI = 0xf32d,
    X64_CVTSD2SS = 0xf25a,
    X64_CVTSS2SD = 0xf35a,
    X64_MOVQ_TO_XMM = 0x666e,   /* with REX.W: 64 bits from a general register; without: 32 */
    X64_MOVQ_FROM_XMM = 0x667e, /* the r/m operand is the destination */
    X64_ANDPS = 0x0054,
    X64_XORPS = 0x0057,
    X64_ORPS = 0x0056,
    X64_MOVHLPS = 0x0012,
    X64_PXOR = 0x66ef,
    X64_PCMPEQB = 0x6674,
};

/* 66 0F 3A opcodes `op xmm, xmm, imm8`. */
enum x64_0f3a { X64_ROUNDSS = 0x0a, X64_ROUNDSD = 0x0b, X64_PCLMULQDQ = 0x44 };

/* Fused multiplication and addition, dst = dst * b +- c: the opcodes of VEX.66.0F38. */
enum x64_fma { X64_VFMADD = 0xa9, X64_VFMSUB = 0xab, X64_VFNMADD = 0xad, X64_VFNMSUB = 0xaf };

/* Conditions, as the low nibble of jcc, setcc and cmovcc. */
enum x64_cc {
    X64_O,
    X64_NO,
    X64_B,
    X64_AE,
    X64_E,
    X64_NE,
    X64_BE,
    X64_A,
    X64_S,
    X64_NS,
    X64_P,
    X64_NP,
    X64_L,
    X64_GE,
    X64_LE,
    X64_G
};

struct x64 {
    uint8_t *at; /* where the next byte goes in the writable mapping */
    uint8_t *end;
    size_t lost; /* bytes that did not fit */
    uint32_t
        written; /* a bit per general register that was written; all of them by a call. Never cleared here */
};

/* A memory operand: [base + index << scale + disp]; index < 0: none. base = X64_RIP: the byte at `rip`, in the same
 * mapping, for instructions without an immediate. */
enum { X64_RIP = -1 };

struct x64_mem {
    int base, index, scale;
    int32_t disp;
    const uint8_t *rip;
};

static inline struct x64_mem x64_rip(const uint8_t *at)
{
    return (struct x64_mem){ X64_RIP, -1, 0, 0, at };
}

static inline struct x64_mem x64_at(int base, int32_t disp)
{
    return (struct x64_mem){ base, -1, 0, disp, NULL };
}

static inline struct x64_mem x64_at2(int base, int index, int scale, int32_t disp)
{
    return (struct x64_mem){ base, index, scale, disp, NULL };
}

static inline bool x64_full(const struct x64 *e)
{
    return e->lost != 0;
}

void x64_byte(struct x64 *e, unsigned b);
void x64_u32(struct x64 *e, uint32_t v);

/* w: 64-bit operands if true, else 32-bit (which clear the upper half of a destination). */
void x64_alu_rr(struct x64 *e, enum x64_alu op, bool w, int dst, int src);
void x64_alu_ri(struct x64 *e, enum x64_alu op, bool w, int dst, int32_t imm);
void x64_alu_rm(struct x64 *e, enum x64_alu op, bool w, int dst, struct x64_mem m);
void x64_alu_mr(struct x64 *e, enum x64_alu op, bool w, struct x64_mem m, int src);
void x64_alu_mi(struct x64 *e, enum x64_alu op, bool w, struct x64_mem m, int32_t imm);
void x64_test_rr(struct x64 *e, bool w, int a, int b);
void x64_test_ri(struct x64 *e, int a, uint32_t imm); /* 32-bit */
void x64_mov_rr(struct x64 *e, bool w, int dst, int src);
void x64_mov_ri(struct x64 *e, int dst, uint64_t v); /* the shortest form */
void x64_mov_rm(struct x64 *e, bool w, int dst, struct x64_mem m);
void x64_mov_mr(struct x64 *e, unsigned bits, struct x64_mem m, int src);     /* 8, 16, 32, 64 */
void x64_mov_mi(struct x64 *e, unsigned bits, struct x64_mem m, int32_t imm); /* sign-extended for 64 */
void x64_movsxd_rr(struct x64 *e, int dst, int src);
void x64_movsxd_rm(struct x64 *e, int dst, struct x64_mem m);
void x64_lea(struct x64 *e, bool w, int dst, struct x64_mem m);
void x64_shift_ri(struct x64 *e, enum x64_shift op, bool w, int dst, unsigned n);
void x64_shift_mi(struct x64 *e, enum x64_shift op, bool w, struct x64_mem m, unsigned n);
void x64_shift_cl(struct x64 *e, enum x64_shift op, bool w, int dst);
void x64_shiftx(struct x64 *e, enum x64_shiftx op, bool w, int dst, int src, int count);
void x64_rorx(struct x64 *e, bool w, int dst, int src, unsigned n);
void x64_andn(struct x64 *e, bool w, int dst, int not_src, int src);
void x64_unary(struct x64 *e, enum x64_unary op, bool w, int reg);
void x64_cqo(struct x64 *e, bool w);
void x64_bswap(struct x64 *e, bool w, int reg);
void x64_imul_rri(struct x64 *e, bool w, int dst, int src, int32_t imm);
void x64_0f_rr(struct x64 *e, enum x64_0f op, bool w, int reg, int rm);
void x64_0f_rm(struct x64 *e, enum x64_0f op, bool w, int reg, struct x64_mem m);
void x64_0f3a_rri(struct x64 *e, enum x64_0f3a op, int reg, int rm, unsigned imm);
void x64_bit_ri(struct x64 *e, enum x64_0f op, bool w, int dst, unsigned n); /* X64_BT and its kin */
void x64_setcc(struct x64 *e, enum x64_cc cc, int reg);
void x64_cmov(struct x64 *e, enum x64_cc cc, bool w, int dst, int src);
void x64_vfma(struct x64 *e, enum x64_fma op, bool dbl, int dst, int b, int c);
void x64_vfma_m(struct x64 *e, enum x64_fma op, bool dbl, int dst, int b, struct x64_mem c);

/* `lock` prefix for what follows; cmpxchg, xadd and xchg with memory. */
void x64_lock(struct x64 *e);
void x64_cmpxchg(struct x64 *e, bool w, struct x64_mem m, int src);
void x64_xadd(struct x64 *e, bool w, struct x64_mem m, int src);
void x64_xchg(struct x64 *e, bool w, struct x64_mem m, int src);

/* Control flow. rel32 fields are returned as their position, to be filled by x64_link. */
uint8_t *x64_jmp(struct x64 *e);
uint8_t *x64_jcc(struct x64 *e, enum x64_cc cc);
uint8_t *x64_call(struct x64 *e);
void x64_jmp_r(struct x64 *e, int reg);
void x64_call_r(struct x64 *e, int reg);
void x64_jmp_m(struct x64 *e, struct x64_mem m);
void x64_call_m(struct x64 *e, struct x64_mem m);
void x64_ret(struct x64 *e);
void x64_push(struct x64 *e, int reg);
void x64_pop(struct x64 *e, int reg);
void x64_push_i(struct x64 *e, int32_t imm); /* sign-extended to 64 bits */
void x64_push_m(struct x64 *e, struct x64_mem m);
void x64_pop_m(struct x64 *e, struct x64_mem m);
void x64_ldmxcsr(struct x64 *e, struct x64_mem m);
void x64_stmxcsr(struct x64 *e, struct x64_mem m);

/* Fills a rel32 field so that it leads to `target` (both in the same mapping). NULL is ignored. */
void x64_link(uint8_t *field, const uint8_t *target);

/*
 * The next jump, which has `opcode` bytes in front of its rel32, can be linked while it is run: prefixes without a
 * meaning keep the field within eight aligned bytes, which x64_relink stores at once.
 */
void x64_pad(struct x64 *e, unsigned opcode);
void x64_relink(uint8_t *field, const uint8_t *target);

#endif
