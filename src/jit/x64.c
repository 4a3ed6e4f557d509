/*
 * The encoder's shapes. Every function emits one instruction; REX, ModRM and SIB are worked out in one place.
 */
#include "jit/x64.h"

#include <string.h>

#include "base/util.h"

void x64_byte(struct x64 *e, unsigned b)
{
    if (e->at < e->end)
        *e->at++ = (uint8_t)b;
    else
        e->lost++;
}

void x64_u32(struct x64 *e, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        x64_byte(e, v >> 8 * i & 0xff);
}

static void u64(struct x64 *e, uint64_t v)
{
    x64_u32(e, (uint32_t)v);
    x64_u32(e, (uint32_t)(v >> 32));
}

static void wrote(struct x64 *e, int reg)
{
    e->written |= (uint32_t)1 << reg;
}

static void wrote_all(struct x64 *e)
{
    e->written = ~(uint32_t)0;
}

/* REX when any bit is needed; `force` for byte registers spl, bpl, sil, dil. */
static void rex(struct x64 *e, bool w, int reg, int index, int base, bool force)
{
    unsigned b = (unsigned)(w << 3 | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3);

    if (b || force)
        x64_byte(e, 0x40 | b);
}

static void modrm_rr(struct x64 *e, int reg, int rm)
{
    x64_byte(e, 0xc0 | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

/* ModRM, SIB and displacement of a memory operand. rbp and r13 as base always take a displacement, rsp and r12
 * always a SIB. */
static void modrm_m(struct x64 *e, int reg, struct x64_mem m)
{
    unsigned r = (unsigned)(reg & 7) << 3, base = (unsigned)m.base & 7;
    bool sib = m.index >= 0 || base == 4;
    unsigned mod;

    if (m.base == X64_RIP) {
        x64_byte(e, r | 5);
        x64_u32(e, (uint32_t)(m.rip - (e->at + 4)));
        return;
    }
    mod = m.disp == 0 && base != 5 ? 0 : m.disp == (int8_t)m.disp ? 1 : 2;

    x64_byte(e, mod << 6 | r | (sib ? 4 : base));
    if (sib)
        x64_byte(e, (unsigned)m.scale << 6 | (m.index >= 0 ? (unsigned)m.index & 7 : 4) << 3 | base);
    if (mod == 1)
        x64_byte(e, (uint8_t)m.disp);
    else if (mod == 2)
        x64_u32(e, (uint32_t)m.disp);
}

static void rex_m(struct x64 *e, bool w, int reg, struct x64_mem m, bool force)
{
    rex(e, w, reg, m.index >= 0 ? m.index : 0, m.base == X64_RIP ? 0 : m.base, force);
}

static void op_rr(struct x64 *e, unsigned op, bool w, int reg, int rm)
{
    rex(e, w, reg, 0, rm, false);
    x64_byte(e, op);
    modrm_rr(e, reg, rm);
}

static void op_rm(struct x64 *e, unsigned op, bool w, int reg, struct x64_mem m)
{
    rex_m(e, w, reg, m, false);
    x64_byte(e, op);
    modrm_m(e, reg, m);
}

void x64_alu_rr(struct x64 *e, enum x64_alu op, bool w, int dst, int src)
{
    op_rr(e, op, w, src, dst);
    if (op != X64_CMP)
        wrote(e, dst);
}

void x64_alu_rm(struct x64 *e, enum x64_alu op, bool w, int dst, struct x64_mem m)
{
    op_rm(e, (unsigned)op + 2, w, dst, m);
    if (op != X64_CMP)
        wrote(e, dst);
}

void x64_alu_mr(struct x64 *e, enum x64_alu op, bool w, struct x64_mem m, int src)
{
    op_rm(e, op, w, src, m);
}

/* The /digit of the 80..83 group is the opcode's own bits 3..5. */
void x64_alu_ri(struct x64 *e, enum x64_alu op, bool w, int dst, int32_t imm)
{
    bool small = imm == (int8_t)imm;

    op_rr(e, small ? 0x83 : 0x81, w, op >> 3, dst);
    if (small)
        x64_byte(e, (uint8_t)imm);
    else
        x64_u32(e, (uint32_t)imm);
    if (op != X64_CMP)
        wrote(e, dst);
}

void x64_alu_mi(struct x64 *e, enum x64_alu op, bool w, struct x64_mem m, int32_t imm)
{
    bool small = imm == (int8_t)imm;

    op_rm(e, small ? 0x83 : 0x81, w, op >> 3, m);
    if (small)
        x64_byte(e, (uint8_t)imm);
    else
        x64_u32(e, (uint32_t)imm);
}

void x64_test_rr(struct x64 *e, bool w, int a, int b)
{
    op_rr(e, 0x85, w, b, a);
}

void x64_test_ri(struct x64 *e, int a, uint32_t imm)
{
    op_rr(e, 0xf7, false, 0, a);
    x64_u32(e, imm);
}

void x64_mov_rr(struct x64 *e, bool w, int dst, int src)
{
    op_rr(e, 0x89, w, src, dst);
    wrote(e, dst);
}

void x64_mov_ri(struct x64 *e, int dst, uint64_t v)
{
    if (v == 0) {
        x64_alu_rr(e, X64_XOR, false, dst, dst);
    } else if (v == (uint32_t)v) {
        rex(e, false, 0, 0, dst, false);
        x64_byte(e, 0xb8 | (unsigned)(dst & 7));
        x64_u32(e, (uint32_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        op_rr(e, 0xc7, true, 0, dst);
        x64_u32(e, (uint32_t)v);
    } else {
        rex(e, true, 0, 0, dst, false);
        x64_byte(e, 0xb8 | (unsigned)(dst & 7));
        u64(e, v);
    }
    wrote(e, dst);
}

void x64_mov_rm(struct x64 *e, bool w, int dst, struct x64_mem m)
{
    op_rm(e, 0x8b, w, dst, m);
    wrote(e, dst);
}

void x64_mov_mr(struct x64 *e, unsigned bits, struct x64_mem m, int src)
{
    if (bits == 16)
        x64_byte(e, 0x66);
    rex_m(e, bits == 64, src, m, bits == 8 && src >= RSP);
    x64_byte(e, bits == 8 ? 0x88 : 0x89);
    modrm_m(e, src, m);
}

void x64_mov_mi(struct x64 *e, unsigned bits, struct x64_mem m, int32_t imm)
{
    if (bits == 16)
        x64_byte(e, 0x66);
    rex_m(e, bits == 64, 0, m, false);
    x64_byte(e, bits == 8 ? 0xc6 : 0xc7);
    modrm_m(e, 0, m);
    for (unsigned i = 0; i < bits && i < 32; i += 8)
        x64_byte(e, (uint32_t)imm >> i & 0xff);
}

void x64_movsxd_rr(struct x64 *e, int dst, int src)
{
    op_rr(e, 0x63, true, dst, src);
    wrote(e, dst);
}

void x64_movsxd_rm(struct x64 *e, int dst, struct x64_mem m)
{
    op_rm(e, 0x63, true, dst, m);
    wrote(e, dst);
}

void x64_lea(struct x64 *e, bool w, int dst, struct x64_mem m)
{
    op_rm(e, 0x8d, w, dst, m);
    wrote(e, dst);
}

void x64_shift_ri(struct x64 *e, enum x64_shift op, bool w, int dst, unsigned n)
{
    op_rr(e, 0xc1, w, op, dst);
    x64_byte(e, n);
    wrote(e, dst);
}

void x64_shift_mi(struct x64 *e, enum x64_shift op, bool w, struct x64_mem m, unsigned n)
{
    op_rm(e, 0xc1, w, op, m);
    x64_byte(e, n);
}

void x64_shift_cl(struct x64 *e, enum x64_shift op, bool w, int dst)
{
    op_rr(e, 0xd3, w, op, dst);
    wrote(e, dst);
}

/* A three-byte VEX prefix: map 2 = 0F38, 3 = 0F3A; pp 0 none, 1 66, 2 F3, 3 F2. */
static void vex(struct x64 *e, unsigned map, unsigned pp, bool w, int reg, int vvvv, int index, int rm)
{
    x64_byte(e, 0xc4);
    x64_byte(e, (reg & 8 ? 0U : 0x80) | (index & 8 ? 0U : 0x40) | (rm & 8 ? 0U : 0x20) | map);
    x64_byte(e, (unsigned)w << 7 | ((unsigned)~vvvv & 15) << 3 | pp);
}

void x64_shiftx(struct x64 *e, enum x64_shiftx op, bool w, int dst, int src, int count)
{
    vex(e, 2, op, w, dst, count, 0, src);
    x64_byte(e, 0xf7);
    modrm_rr(e, dst, src);
    wrote(e, dst);
}

void x64_rorx(struct x64 *e, bool w, int dst, int src, unsigned n)
{
    vex(e, 3, 3, w, dst, 0, 0, src);
    x64_byte(e, 0xf0);
    modrm_rr(e, dst, src);
    x64_byte(e, n);
    wrote(e, dst);
}

void x64_andn(struct x64 *e, bool w, int dst, int not_src, int src)
{
    vex(e, 2, 0, w, dst, not_src, 0, src);
    x64_byte(e, 0xf2);
    modrm_rr(e, dst, src);
    wrote(e, dst);
}

void x64_vfma(struct x64 *e, enum x64_fma op, bool dbl, int dst, int b, int c)
{
    vex(e, 2, 1, dbl, dst, b, 0, c);
    x64_byte(e, op);
    modrm_rr(e, dst, c);
}

void x64_vfma_m(struct x64 *e, enum x64_fma op, bool dbl, int dst, int b, struct x64_mem c)
{
    vex(e, 2, 1, dbl, dst, b, c.index >= 0 ? c.index : 0, c.base);
    x64_byte(e, op);
    modrm_m(e, dst, c);
}

void x64_unary(struct x64 *e, enum x64_unary op, bool w, int reg)
{
    op_rr(e, 0xf7, w, op, reg);
    if (op == X64_NOT || op == X64_NEG) {
        wrote(e, reg);
    } else {
        wrote(e, RAX);
        wrote(e, RDX);
    }
}

void x64_cqo(struct x64 *e, bool w)
{
    if (w)
        x64_byte(e, 0x48);
    x64_byte(e, 0x99);
    wrote(e, RDX);
}

void x64_bswap(struct x64 *e, bool w, int reg)
{
    rex(e, w, 0, 0, reg, false);
    x64_byte(e, 0x0f);
    x64_byte(e, 0xc8 | (unsigned)(reg & 7));
    wrote(e, reg);
}

void x64_imul_rri(struct x64 *e, bool w, int dst, int src, int32_t imm)
{
    op_rr(e, 0x69, w, dst, src);
    x64_u32(e, (uint32_t)imm);
    wrote(e, dst);
}

static void prefix_0f(struct x64 *e, enum x64_0f op)
{
    if (op >> 8)
        x64_byte(e, op >> 8);
}

/* The general register that `op reg, rm` or `op reg, [m]` writes, or -1; `rm` is -1 for the second. */
static int result_0f(enum x64_0f op, int reg, int rm)
{
    switch (op) {
    case X64_IMUL_RR:
    case X64_MOVZX8:
    case X64_MOVZX16:
    case X64_MOVSX8:
    case X64_MOVSX16:
    case X64_POPCNT:
    case X64_TZCNT:
    case X64_LZCNT:
    case X64_CVTTSD2SI:
    case X64_CVTTSS2SI:
    case X64_CVTSD2SI:
    case X64_CVTSS2SI:
        return reg;
    case X64_BTS:
    case X64_BTR:
    case X64_BTC:
    case X64_MOVQ_FROM_XMM:
        return rm;
    default:
        return -1;
    }
}

static void wrote_0f(struct x64 *e, enum x64_0f op, int reg, int rm)
{
    int r = result_0f(op, reg, rm);

    if (r >= 0)
        wrote(e, r);
}

void x64_0f_rr(struct x64 *e, enum x64_0f op, bool w, int reg, int rm)
{
    prefix_0f(e, op);
    rex(e, w, reg, 0, rm, (op == X64_MOVZX8 || op == X64_MOVSX8) && rm >= RSP);
    x64_byte(e, 0x0f);
    x64_byte(e, op & 0xff);
    modrm_rr(e, reg, rm);
    wrote_0f(e, op, reg, rm);
}

void x64_0f_rm(struct x64 *e, enum x64_0f op, bool w, int reg, struct x64_mem m)
{
    prefix_0f(e, op);
    rex_m(e, w, reg, m, false);
    x64_byte(e, 0x0f);
    x64_byte(e, op & 0xff);
    modrm_m(e, reg, m);
    wrote_0f(e, op, reg, -1);
}

void x64_0f3a_rri(struct x64 *e, enum x64_0f3a op, int reg, int rm, unsigned imm)
{
    x64_byte(e, 0x66);
    rex(e, false, reg, 0, rm, false);
    x64_byte(e, 0x0f);
    x64_byte(e, 0x3a);
    x64_byte(e, op);
    modrm_rr(e, reg, rm);
    x64_byte(e, imm);
}

/* The /digit of 0F BA is the opcode's own bits 3..5. */
void x64_bit_ri(struct x64 *e, enum x64_0f op, bool w, int dst, unsigned n)
{
    rex(e, w, 0, 0, dst, false);
    x64_byte(e, 0x0f);
    x64_byte(e, 0xba);
    modrm_rr(e, op >> 3 & 7, dst);
    x64_byte(e, n);
    if (op != X64_BT)
        wrote(e, dst);
}

void x64_setcc(struct x64 *e, enum x64_cc cc, int reg)
{
    rex(e, false, 0, 0, reg, reg >= RSP);
    x64_byte(e, 0x0f);
    x64_byte(e, 0x90 | (unsigned)cc);
    modrm_rr(e, 0, reg);
    wrote(e, reg);
}

void x64_cmov(struct x64 *e, enum x64_cc cc, bool w, int dst, int src)
{
    rex(e, w, dst, 0, src, false);
    x64_byte(e, 0x0f);
    x64_byte(e, 0x40 | (unsigned)cc);
    modrm_rr(e, dst, src);
    wrote(e, dst);
}

void x64_lock(struct x64 *e)
{
    x64_byte(e, 0xf0);
}

static void op_0f_m(struct x64 *e, unsigned op, bool w, int reg, struct x64_mem m)
{
    rex_m(e, w, reg, m, false);
    x64_byte(e, 0x0f);
    x64_byte(e, op);
    modrm_m(e, reg, m);
}

void x64_cmpxchg(struct x64 *e, bool w, struct x64_mem m, int src)
{
    op_0f_m(e, 0xb1, w, src, m);
    wrote(e, RAX);
}

void x64_xadd(struct x64 *e, bool w, struct x64_mem m, int src)
{
    op_0f_m(e, 0xc1, w, src, m);
    wrote(e, src);
}

void x64_xchg(struct x64 *e, bool w, struct x64_mem m, int src)
{
    op_rm(e, 0x87, w, src, m);
    wrote(e, src);
}

static uint8_t *field32(struct x64 *e)
{
    uint8_t *f = e->at;

    x64_u32(e, 0);
    return x64_full(e) ? NULL : f;
}

uint8_t *x64_jmp(struct x64 *e)
{
    x64_byte(e, 0xe9);
    return field32(e);
}

uint8_t *x64_jcc(struct x64 *e, enum x64_cc cc)
{
    x64_byte(e, 0x0f);
    x64_byte(e, 0x80 | (unsigned)cc);
    return field32(e);
}

uint8_t *x64_call(struct x64 *e)
{
    x64_byte(e, 0xe8);
    wrote_all(e);
    return field32(e);
}

void x64_jmp_r(struct x64 *e, int reg)
{
    op_rr(e, 0xff, false, 4, reg);
}

void x64_call_r(struct x64 *e, int reg)
{
    op_rr(e, 0xff, false, 2, reg);
    wrote_all(e);
}

void x64_jmp_m(struct x64 *e, struct x64_mem m)
{
    op_rm(e, 0xff, false, 4, m);
}

void x64_call_m(struct x64 *e, struct x64_mem m)
{
    op_rm(e, 0xff, false, 2, m);
    wrote_all(e);
}

void x64_ret(struct x64 *e)
{
    x64_byte(e, 0xc3);
}

void x64_push(struct x64 *e, int reg)
{
    rex(e, false, 0, 0, reg, false);
    x64_byte(e, 0x50 | (unsigned)(reg & 7));
}

void x64_pop(struct x64 *e, int reg)
{
    rex(e, false, 0, 0, reg, false);
    x64_byte(e, 0x58 | (unsigned)(reg & 7));
    wrote(e, reg);
}

void x64_push_i(struct x64 *e, int32_t imm)
{
    x64_byte(e, 0x68);
    x64_u32(e, (uint32_t)imm);
}

void x64_push_m(struct x64 *e, struct x64_mem m)
{
    op_rm(e, 0xff, false, 6, m);
}

void x64_pop_m(struct x64 *e, struct x64_mem m)
{
    op_rm(e, 0x8f, false, 0, m);
}

void x64_ldmxcsr(struct x64 *e, struct x64_mem m)
{
    op_0f_m(e, 0xae, false, 2, m);
}

void x64_stmxcsr(struct x64 *e, struct x64_mem m)
{
    op_0f_m(e, 0xae, false, 3, m);
}

void x64_link(uint8_t *field, const uint8_t *target)
{
    int32_t rel;

    if (!field)
        return;
    rel = (int32_t)(target - (field + 4));
    memcpy(field, &rel, sizeof rel);
}

void x64_pad(struct x64 *e, unsigned opcode)
{
    while (((uintptr_t)e->at + opcode) % 8 > 4)
        x64_byte(e, 0x2e); /* cs: */
}

/* By an instruction of its own, since C knows no aligned store at an odd address. */
void x64_relink(uint8_t *field, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (field + 4));

    BUG_ON((uintptr_t)field % 8 > 4);
    __asm__ volatile("movl %1, %0" : "=m"(*(uint8_t(*)[4])field) : "r"(rel) : "memory");
}
