/*
 * The JIT against the instructions' bodies on short programs that once told them apart, or that sit where its
 * shortcuts could: lazily canonical NaNs, elided bound checks, fused pairs, paired returns. Wider nets are
 * tests/fuzz/fuzz_engines.c and --engine=lockstep.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

#define DYN 7
#define I(op_, ...)                           \
    {                                         \
        .op = OP_##op_, .len = 4, __VA_ARGS__ \
    }
#define F(op_, d, a, b) I(op_, .rd = (d), .rs1 = (a), .rs2 = (b), .rm = DYN)
enum { T0 = 5, A0 = 10, A1, A2, A3, FA0 = 10, FA1, FA2, FA3, MAX_INSNS = 16 };

/* One program, which an ecall ends; a0..a3 and fa0..fa3 start with what is given. */
static const struct program {
    const char *name;
    size_t n;
    struct insn insn[MAX_INSNS];
    uint64_t a[4], fa[4];
} program[] = {
    { "a single operand that is a double's NaN with an upper half of ones",
      2,
      { F(fdiv_d, FA0, FA0, FA0), F(fmul_s, FA1, FA0, FA0) },
      { 0 },
      { 0xffffffff00000000 } },
    { "a NaN result is canonical when it is moved and copied",
      5,
      { F(fdiv_d, FA0, FA0, FA0), I(fmv_x_d, .rd = A2, .rs1 = FA0),
        I(fsgnj_d, .rd = FA1, .rs1 = FA0, .rs2 = FA0), I(fmv_x_d, .rd = A3, .rs1 = FA1),
        I(fsgnjn_d, .rd = FA2, .rs1 = FA0, .rs2 = FA0) },
      { 0 },
      { 0 } },
    { "a NaN result is canonical when it is stored",
      3,
      { F(fsub_d, FA0, FA0, FA1), I(fsd, .rs1 = A0, .rs2 = FA0), I(ld, .rd = A1, .rs1 = A0) },
      { RIG_DATA },
      { 0x7ff0000000000000, 0x7ff0000000000000 } },
    { "NaN payloads of operands do not survive",
      2,
      { F(fadd_d, FA0, FA0, FA1), F(fdiv_s, FA1, FA2, FA2) },
      { 0 },
      { 0xfff8000000001234, 0x7ff4000000000001, 0xffffffff7f800001 } },
    { "inf * 0 + qNaN is invalid", /* the host's fused operation thinks not */
      1,
      { I(fmadd_d, .rd = FA0, .rs1 = FA0, .rs2 = FA1, .rs3 = FA2, .rm = DYN) },
      { 0 },
      { 0x7ff0000000000000, 0, 0x7ff8000000000000 } },
    { "a constant pair and a zero extension are each one",
      4,
      { I(lui, .rd = T0, .imm = 0x12345000), I(addi, .rd = T0, .rs1 = T0, .imm = 0x678),
        I(slli, .rd = A0, .rs1 = A0, .imm = 32), I(srli, .rd = A0, .rs1 = A0, .imm = 38) },
      { 0xfedcba9876543210 },
      { 0 } },
    { "a bound that was checked for the old value of a register",
      3,
      { I(ld, .rd = A1, .rs1 = A0, .imm = 8), I(add, .rd = A0, .rs1 = A0, .rs2 = A2),
        I(ld, .rd = A1, .rs1 = A0, .imm = 8) },
      { RIG_DATA, 0, (uint64_t)1 << 40 },
      { 0 } },
    { "a branch on what is or and xor with x0, which change no flags",
      7,
      { I(addi, .rd = A1, .rs1 = A1, .imm = 1), I(or, .rd = A2, .rs1 = A0), I(beq, .rs1 = A2, .imm = 8),
        I(addi, .rd = A3, .imm = 1), I(sub, .rd = A1, .rs1 = A1, .rs2 = A1), I(xor, .rd = A2, .rs1 = A0),
        I(bne, .rs1 = A2, .imm = 4) },
      { 5, UINT64_MAX, 0, 0 },
      { 0 } },
    { "division by zero, and of the smallest by -1",
      3,
      { I(div, .rd = A1, .rs1 = A0, .rs2 = A1), I(rem, .rd = A2, .rs1 = A0, .rs2 = A2),
        I(div, .rd = A3, .rs1 = A0, .rs2 = A3) },
      { (uint64_t)1 << 63, UINT64_MAX, 0, 0 },
      { 0 } },
    { "a jump to an odd address with nothing at it", 1, { I(jalr, .rs1 = A0) }, { 1 }, { 0 } },
    { "a fault shows words extended",
      3,
      { I(addw, .rd = A0, .rs1 = A0, .rs2 = A1), I(xori, .rd = A1, .rs1 = A0, .imm = -1),
        I(ld, .rd = A2, .rs1 = A3) },
      { 0x7fffffff, 1, 0, 8 },
      { 0 } },
    { "a loop whose pointer walks out of what is mapped",
      3,
      { I(ld, .rd = A1, .rs1 = A0), I(addi, .rd = A0, .rs1 = A0, .imm = 8),
        I(bne, .rs1 = A0, .rs2 = A2, .imm = -8) },
      { RIG_DATA },
      { 0 } },
    { "a loop whose pointer is moved far after the first round",
      4,
      { I(ld, .rd = A1, .rs1 = A0), I(add, .rd = A0, .rs1 = A0, .rs2 = A2),
        I(addi, .rd = A3, .rs1 = A3, .imm = -1), I(bne, .rs1 = A3, .imm = -12) },
      { RIG_DATA, 0, (uint64_t)1 << 40, 3 },
      { 0 } },
    { "a loop that counts in words, past the sign",
      4,
      { I(addiw, .rd = A0, .rs1 = A0, .imm = 1), I(add, .rd = A2, .rs1 = A2, .rs2 = A0),
        I(bne, .rs1 = A0, .rs2 = A1, .imm = -8), I(sltu, .rd = A3, .rs1 = A0, .rs2 = A1) },
      { 0x7ffffffe, 0xffffffff80000003 },
      { 0 } },
    { "a word spilled and taken back whole",
      5,
      { I(sd, .rs1 = 2, .rs2 = A0), I(sw, .rs1 = 2, .rs2 = A1), I(ld, .rd = A2, .rs1 = 2),
        I(ld, .rd = 2, .rs1 = 2), I(ld, .rd = A3, .rs1 = 2, .imm = -8) },
      { 0x1234567890abcdef, 0xfedcba98 },
      { 0 } },
#define QUIET_LESS \
    I(csrrs, .rd = A2, .imm = 1), I(flt_d, .rd = A1, .rs1 = FA0, .rs2 = FA1), I(csrrw, .rs1 = A2, .imm = 1)
    { "flags that a quiet comparison saved are seen at a fault",
      7,
      { F(fdiv_d, FA3, FA0, FA2), QUIET_LESS, I(fsqrt_d, .rd = FA3, .rs1 = FA0, .rm = DYN),
        I(fld, .rd = FA3, .rs1 = A3), I(addi, .rd = A2, .imm = 5) },
      { 0, 0, 77, 8 },
      { 0xc000000000000000, 0x4000000000000000, 0x4008000000000000 } },
    { "flags that a quiet comparison saved are seen behind a branch",
      8,
      { F(fdiv_d, FA3, FA0, FA2), QUIET_LESS, I(bne, .rs1 = A1, .imm = 16),
        I(fsqrt_d, .rd = FA3, .rs1 = FA0, .rm = DYN), I(fld, .rd = FA3, .rs1 = A3),
        I(addi, .rd = A2, .imm = 5) },
      { 0, 0, 77, RIG_DATA },
      { 0xc000000000000000, 0x4000000000000000, 0x4008000000000000 } },
    { "flags that a quiet comparison saved are overwritten",
      8,
      { F(fdiv_d, FA3, FA0, FA2), QUIET_LESS, I(bne, .rs1 = A1, .imm = 16),
        I(fsqrt_d, .rd = FA3, .rs1 = FA0, .rm = DYN), I(fld, .rd = FA3, .rs1 = A3),
        I(addi, .rd = A2, .imm = 5) },
      { 0, 0, 77, RIG_DATA },
      { 0x4010000000000000, 0x4000000000000000, 0x4008000000000000 } },
    { "a quiet comparison with a NaN",
      5,
      { F(fdiv_d, FA3, FA1, FA2), QUIET_LESS, I(addi, .rd = A2, .imm = 5) },
      { 0 },
      { 0x7ff8000000000000, 0x4000000000000000, 0x4008000000000000 } },
#define BYTE(d, n) I(lbu, .rd = (d), .rs1 = A0, .imm = (n))
#define PLACE(d, n) I(slli, .rd = (d), .rs1 = (d), .imm = 8 * (n))
#define OR(d, a) I(or, .rd = (d), .rs1 = (d), .rs2 = (a))
    { "a word read byte by byte, and what it was put together from",
      12,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(T0 + 1, 2), BYTE(T0, 1), BYTE(A2, 0), BYTE(A3, 3), PLACE(T0, 1),
        OR(T0, A2), PLACE(T0 + 1, 2), OR(T0 + 1, T0), PLACE(A3, 3), I(or, .rd = A1, .rs1 = A3, .rs2 = T0 + 1),
        I(slliw, .rd = A2, .rs1 = A2, .imm = 8) },
      { RIG_DATA, 0xfedcba9876543210 },
      { 0 } },
    { "bytes that are put together in the wrong places",
      10,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(A1, 0), BYTE(A2, 1), BYTE(A3, 2), BYTE(T0, 3), OR(A2, A1),
        PLACE(A3, 2), OR(A3, A2), PLACE(T0, 3), OR(T0, A3) },
      { RIG_DATA, 0x1122334455667788 },
      { 0 } },
    { "a word read byte by byte, the last one where the address was",
      11,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(T0, 1), BYTE(A1, 0), BYTE(A2, 2), BYTE(A0, 3), PLACE(T0, 1),
        OR(T0, A1), PLACE(A2, 2), OR(A2, T0), I(slliw, .rd = A0, .rs1 = A0, .imm = 24), OR(A0, A2) },
      { RIG_DATA, 0xfedcba9887654321 },
      { 0 } },
    { "a store to the third byte while a word is read byte by byte",
      12,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(T0, 1), BYTE(A1, 0), I(sb, .rs1 = A3, .rs2 = A3, .imm = -8),
        BYTE(A2, 2), BYTE(A3, 3), PLACE(T0, 1), OR(T0, A1), PLACE(A2, 2), OR(A2, T0), PLACE(A3, 3),
        OR(A3, A2) },
      { RIG_DATA, 0x1122334455667788, 0, RIG_DATA + 10 },
      { 0 } },
    { "a store next to a word that is read byte by byte",
      12,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(T0, 1), BYTE(A1, 0), I(sd, .rs1 = A3, .rs2 = A3, .imm = -8),
        BYTE(A2, 2), BYTE(A3, 3), PLACE(T0, 1), OR(T0, A1), PLACE(A2, 2), OR(A2, T0), PLACE(A3, 3),
        OR(A3, A2) },
      { RIG_DATA + 8, 0x1122334455667788, 0, RIG_DATA + 8 },
      { 0 } },
    { "a fault in the middle of a word that is read byte by byte",
      12,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(T0, 1), BYTE(A1, 0), BYTE(A2, 2), PLACE(T0, 1), OR(T0, A1),
        I(ld, .rd = T0 + 1, .rs1 = A3), BYTE(T0 + 1, 3), PLACE(A2, 2), OR(A2, T0), PLACE(T0 + 1, 3),
        OR(A2, T0 + 1) },
      { RIG_DATA, 0x1122334455667788, 0, 8 },
      { 0 } },
    { "a word read byte by byte that ends in a hole",
      9,
      { BYTE(A1, 0), BYTE(A2, 1), BYTE(A3, 2), BYTE(T0, 3), PLACE(A2, 1), OR(A2, A1), PLACE(A3, 2),
        OR(A3, A2), PLACE(T0, 3) },
      { RIG_DATA + 2 * PAGE_BYTES - 2, 1, 2, 3 },
      { 0 } },
    { "a call in the middle of a word that is read byte by byte, of what changes a byte",
      15,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(A1, 0), BYTE(A2, 1), BYTE(A3, 2), BYTE(T0, 3),
        I(jal, .rd = 1, .imm = 32), PLACE(A2, 1), OR(A2, A1), PLACE(A3, 2), OR(A3, A2), PLACE(T0, 3),
        OR(T0, A3), I(jal, .imm = 12), I(addi, .rd = A1, .imm = 0x55), I(jalr, .rs1 = 1) },
      { RIG_DATA, 0x1122334455667788 },
      { 0 } },
    { "a branch away from a word that is being put together",
      14,
      { I(sd, .rs1 = A0, .rs2 = A1), BYTE(T0, 1), BYTE(A1, 0), BYTE(A2, 2), BYTE(A3, 3), PLACE(T0, 1),
        OR(T0, A1), PLACE(A2, 2), I(bne, .rs1 = T0, .imm = 24), OR(A2, T0), PLACE(A3, 3), OR(A3, A2),
        I(addi, .rd = A1, .imm = 0), I(addi, .rd = A2, .imm = 0) },
      { RIG_DATA, 0x1122334455667788 },
      { 0 } },
    { "a loop that keeps a NaN",
      4,
      { F(fadd_d, FA0, FA0, FA1), I(addi, .rd = A0, .rs1 = A0, .imm = -1), I(bne, .rs1 = A0, .imm = -8),
        I(fmv_x_d, .rd = A1, .rs1 = FA0) },
      { 5 },
      { 0x7ff0000000000000, 0xfff0000000000000 } },
};

/* From the same state under either engine; the hart as it is then. */
static struct hart run(enum engine_exit (*engine)(struct hart *), const struct program *p)
{
    struct hart *h = &rig_hart;
    uint32_t code[MAX_INSNS + 1];

    for (size_t k = 0; k < p->n; k++)
        code[k] = insn_encode(&p->insn[k]);
    code[p->n] = RIG_ECALL;
    rig_code(RIG_TEXT, code, p->n + 1);
    hart_reset(h);
    h->pc = RIG_TEXT;
    h->alone = true;
    h->x[2] = RIG_DATA + 64;
    for (int r = 0; r < 4; r++) {
        h->x[A0 + r] = p->a[r];
        h->f[FA0 + r] = p->fa[r];
    }
    ck_assert_int_eq(engine(h), ENGINE_TRAP);
    return *h;
}

static void ends_alike(const struct program *p, const struct hart *a, const struct hart *b)
{
    for (int r = 0; r < 32; r++) {
        ck_assert_msg(a->x[r] == b->x[r], "%s: x%d", p->name, r);
        ck_assert_msg(a->f[r] == b->f[r], "%s: f%d", p->name, r);
    }
    ck_assert_msg(a->pc == b->pc && a->fcsr == b->fcsr, "%s: pc or fcsr", p->name);
    ck_assert_msg(a->trap.scause == b->trap.scause && a->trap.stval == b->trap.stval, "%s: trap", p->name);
}

START_TEST(both_engines_end_alike)
{
    const struct program *p = &program[_i];
    struct hart a = run(interp_run, p), b;

    rig_hart.jit.options = JIT_COLD;
    b = run(jit_run, p);
    ends_alike(p, &a, &b);
    rig_hart.jit.options = 0;
    b = run(jit_run, p);
    ends_alike(p, &a, &b);
}
END_TEST

/* What is cold is not translated, and the fourth time it is not cold. */
START_TEST(cold_code_waits)
{
    struct hart *h = &rig_hart;

    h->jit.options = JIT_COLD;
    RIG_CODE(RIG_TEXT, RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = 1),
             RIG_INSN(bne, .rs1 = A0, .rs2 = A1, .imm = -4), RIG_ECALL);
    h->x[A1] = (uint64_t)_i;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->x[A0], (uint64_t)_i);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 8);
    ck_assert_uint_eq(((struct jit *)h->jit.state)->nr_blocks, _i > 3);
}
END_TEST

/* The guest code, in bytes, of the translation of `pc`; 0: there is none. */
static unsigned translated(const struct hart *h, uint64_t pc)
{
    const struct jit *j = h->jit.state;
    unsigned len = 0;

    for (size_t k = 0; k < j->nr_blocks; k++)
        len = j->block[k].pc == pc ? j->block[k].len : len;
    return len;
}

/* What is too long for one translation is not cold from where the first one ends. */
START_TEST(long_code_is_hot_at_once)
{
    enum { LEN = 100 };
    const uint64_t end = RIG_TEXT + 4 * LEN;
    struct hart *h = &rig_hart;
    uint64_t pc = RIG_TEXT;

    h->jit.options = JIT_COLD;
    for (int k = 0; k < LEN; k++) /* a branch takes as much of a translation as eight others */
        RIG_CODE(RIG_TEXT + 4 * (uint64_t)k, RIG_INSN(bne, .imm = 8));
    RIG_CODE(end, RIG_ECALL);
    for (int n = 0; n < 4; n++) {
        h->pc = RIG_TEXT;
        ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
        ck_assert_uint_eq(h->pc, end);
    }
    while (pc <= end) {
        ck_assert_uint_ne(translated(h, pc), 0);
        pc += translated(h, pc);
    }
}
END_TEST

/* A loop does not end where it was entered, whether it first went round cold or not. */
START_TEST(a_loop_entered_in_its_middle_is_whole)
{
    const uint64_t top = RIG_TEXT + 4;
    struct hart *h = &rig_hart;

    RIG_CODE(RIG_TEXT, RIG_INSN(jal, .imm = 8), RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = 1),
             RIG_INSN(addi, .rd = A1, .rs1 = A1, .imm = -1), RIG_INSN(bne, .rs1 = A1, .imm = -8), RIG_ECALL);
    h->jit.options = _i ? JIT_COLD : 0;
    for (int n = 0; n < 5; n++) { /* where it is entered is translated before the rest of it first runs */
        h->pc = RIG_TEXT;
        h->x[A1] = 1;
        ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
        ck_assert_uint_eq(translated(h, top), 0);
    }
    h->pc = RIG_TEXT;
    h->x[A1] = 6;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->x[A0], 5);
    ck_assert_uint_eq(translated(h, top), 12);
}
END_TEST

/* What a paired call's callee did to a register that was checked before the call. */
START_TEST(a_call_forgets_bounds)
{
    static uint64_t secret = 0x5ec3e7;
    struct hart *h = &rig_hart;

    RIG_CODE(RIG_TEXT, RIG_INSN(ld, .rd = A1, .rs1 = A0), RIG_INSN(jal, .rd = 1, .imm = 12),
             RIG_INSN(ld, .rd = A1, .rs1 = A0), RIG_INSN(jal, .imm = 12), /* ... and on behind the function */
             RIG_INSN(add, .rd = A0, .rs1 = A0, .rs2 = A2), RIG_INSN(jalr, .rs1 = 1),
             RIG_INSN(add, .rd = A2, .rs1 = A3), RIG_INSN(jal, .imm = -28)); /* the second time harms */
    h->x[A0] = RIG_DATA;
    h->x[A3] = (uint64_t)(uintptr_t)&secret - (uint64_t)(uintptr_t)rig_at(RIG_DATA);
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, CAUSE_GPF_LOAD);
    ck_assert_uint_eq(h->trap.stval, RIG_DATA + h->x[A3]);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 8);
    ck_assert_uint_eq(h->x[A1], 0);
}
END_TEST

/* Deeper than the stack of host return addresses, and all the way back. */
START_TEST(calls_nest_deeply)
{
    enum { DEPTH = 100000, SP = 2 };
    const uint64_t stack = 0x100000, top = stack + 200 * PAGE_BYTES;
    struct hart *h = &rig_hart;

    rig_map(stack, top - stack, GMEM_R | GMEM_W);
    RIG_CODE(RIG_TEXT, RIG_INSN(jal, .rd = 1, .imm = 8), RIG_ECALL,
             RIG_INSN(addi, .rd = SP, .rs1 = SP, .imm = -8), RIG_INSN(sd, .rs1 = SP, .rs2 = 1),
             RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = -1), RIG_INSN(beq, .rs1 = A0, .imm = 8),
             RIG_INSN(jal, .rd = 1, .imm = -16), RIG_INSN(addi, .rd = A1, .rs1 = A1, .imm = 1),
             RIG_INSN(ld, .rd = 1, .rs1 = SP), RIG_INSN(addi, .rd = SP, .rs1 = SP, .imm = 8),
             RIG_INSN(jalr, .rs1 = 1));
    h->x[SP] = top;
    h->x[A0] = DEPTH;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 4);
    ck_assert_uint_eq(h->x[A1], DEPTH);
    ck_assert_uint_eq(h->x[SP], top);
}
END_TEST

/* A thread ends, a program calls execve, deep in calls that are not returned from: the next one begins with none. */
START_TEST(calls_end_with_the_program)
{
    struct hart *h = &rig_hart;
    uint64_t first = 0;

    RIG_CODE(RIG_TEXT, RIG_INSN(jal, .rd = 1, .imm = 8), RIG_ECALL, RIG_INSN(jal, .rd = 1, .imm = 8),
             RIG_ECALL, RIG_ECALL);
    for (int k = 0; k < 1000; k++) {
        hart_reset(h);
        h->pc = RIG_TEXT;
        ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
        ck_assert_uint_eq(h->pc, RIG_TEXT + 16);
        first = k ? first : h->jit.pair_rsp;
        ck_assert_uint_eq(h->jit.pair_rsp, first);
    }
    ck_assert_uint_lt(first, h->jit.pair_top);
}
END_TEST

/* Functions that each call the next one twice take 2^n calls: one that waits for a transfer backwards waits long. */
START_TEST(calls_are_polls)
{
    struct hart *h = &rig_hart;
    const struct jit *j;
    bool polls = false;

    RIG_CODE(RIG_TEXT, RIG_INSN(addi, .rd = A0), RIG_INSN(jal, .rd = 1, .imm = 64));
    ck_assert_ptr_nonnull(jit_block(h));
    j = h->jit.state;
    for (size_t k = 0; k < j->nr_sites; k++)
        polls |= jit_site_kind(&j->site[k]) == JIT_KICK && jit_site_pc(&j->site[k]) == RIG_TEXT + 4;
    ck_assert(polls);
}
END_TEST

/*
 * Lockstep with one instruction of the block forged for the reference: whatever the forgery changes, it says so.
 * What is forged are the bodies' instructions; that generated code is what is wrong looks the same.
 */
static const struct forgery {
    struct insn good, bad;
} forgery[] = {
    { I(addi, .rd = A1, .rs1 = A1, .imm = 1), I(addi, .rd = A1, .rs1 = A1, .imm = 2) },
    { I(addi, .rd = A1, .rs1 = A1, .imm = 1), I(addi, .rd = A2, .rs1 = A1, .imm = 1) },
    { I(fld, .rd = FA0, .rs1 = A0), I(fld, .rd = FA0, .rs1 = A0, .imm = 8) },
    { I(sb, .rs1 = A0, .rs2 = A0), I(sh, .rs1 = A0, .rs2 = A0) },
    { I(sb, .rs1 = A0, .rs2 = A0), I(sb, .rs1 = A0, .rs2 = A0, .imm = 1) },
    { F(fadd_d, FA1, FA0, FA1), F(fsgnj_d, FA1, FA0, FA0) }, /* the same value, without NX */
    { I(lr_d, .rd = A1, .rs1 = A0), I(ld, .rd = A1, .rs1 = A0) },
    { I(jal, .imm = 8), I(jal, .imm = 4) },
    { I(ld, .rd = A1, .rs1 = 0), I(sd, .rd = A1, .rs1 = 0) },
    { I(ld, .rd = A1, .rs1 = A0), I(ld, .rd = A1, .rs1 = 0) },
};

static void run_forged(const struct insn *good, const struct insn *bad)
{
    struct hart *h = &rig_hart;
    const uint8_t *code;

    RIG_CODE(RIG_TEXT, insn_encode(good), RIG_ECALL, RIG_ECALL);
    rig_poke64(RIG_DATA, 0x1111111111111111);
    h->x[A0] = RIG_DATA;
    h->f[FA0] = 0x3ff0000000000000;
    h->f[FA1] = 1;
    h->jit.apart = 1;
    h->counting = true;
    code = jit_block(h);
    code = code_rw(&((struct jit *)h->jit.state)->code, code);
    ((struct jit_listing *)(uintptr_t)code - 1)->insn[0] = *bad;
    ck_assert_int_eq(lockstep_run(h), ENGINE_TRAP);
}

START_TEST(lockstep_sees_a_difference)
{
    run_forged(&forgery[_i].good, &forgery[_i].bad);
}
END_TEST

START_TEST(lockstep_sees_no_difference)
{
    run_forged(&forgery[_i].good, &forgery[_i].good);
}
END_TEST

/* What the reference stores is taken back to the byte, next to a hole too. */
START_TEST(lockstep_stores_once)
{
    const uint64_t last = RIG_DATA + 2 * PAGE_BYTES - 1;
    struct hart *h = &rig_hart;

    RIG_CODE(RIG_TEXT, RIG_INSN(lbu, .rd = A1, .rs1 = A0), RIG_INSN(addi, .rd = A1, .rs1 = A1, .imm = 1),
             RIG_INSN(sb, .rs1 = A0, .rs2 = A1), RIG_ECALL);
    h->x[A0] = last;
    ck_assert_int_eq(lockstep_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, CAUSE_ECALL_VU);
    ck_assert_uint_eq(*(uint8_t *)rig_at(last), 1);
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("programs");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_loop_test(tc, both_engines_end_alike, 0, (int)ARRAY_SIZE(program));
    tcase_add_loop_test(tc, cold_code_waits, 1, 6);
    tcase_add_test(tc, long_code_is_hot_at_once);
    tcase_add_loop_test(tc, a_loop_entered_in_its_middle_is_whole, 0, 2);
    tcase_add_test(tc, a_call_forgets_bounds);
    tcase_add_test(tc, calls_nest_deeply);
    tcase_add_test(tc, calls_end_with_the_program);
    tcase_add_test(tc, calls_are_polls);
    tcase_add_loop_test_raise_signal(tc, lockstep_sees_a_difference, SIGABRT, 0, (int)ARRAY_SIZE(forgery));
    tcase_add_test(tc, lockstep_stores_once);
    tcase_add_loop_test(tc, lockstep_sees_no_difference, 0, (int)ARRAY_SIZE(forgery));
    return rig_main(tc, "jit");
}
