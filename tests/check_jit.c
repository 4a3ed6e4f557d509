/*
 * The JIT against the instructions' bodies on short programs that once told them apart, or that sit where its
 * shortcuts could: lazily canonical NaNs, elided bound checks, fused pairs, paired returns. Wider nets are
 * tests/fuzz/fuzz_engines.c and --engine=lockstep.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "jit/jit.h"
#include "rig.h"

#define DYN 7
#define I(op_, ...)                           \
    {                                         \
        .op = OP_##op_, .len = 4, __VA_ARGS__ \
    }
#define F(op_, d, a, b) I(op_, .rd = (d), .rs1 = (a), .rs2 = (b), .rm = DYN)
enum { T0 = 5, A0 = 10, A1, A2, A3, FA0 = 10, FA1, FA2, FA3, MAX_INSNS = 8 };

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
    { "division by zero, and of the smallest by -1",
      3,
      { I(div, .rd = A1, .rs1 = A0, .rs2 = A1), I(rem, .rd = A2, .rs1 = A0, .rs2 = A2),
        I(div, .rd = A3, .rs1 = A0, .rs2 = A3) },
      { (uint64_t)1 << 63, UINT64_MAX, 0, 0 },
      { 0 } },
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
    for (int r = 0; r < 4; r++) {
        h->x[A0 + r] = p->a[r];
        h->f[FA0 + r] = p->fa[r];
    }
    ck_assert_int_eq(engine(h), ENGINE_TRAP);
    return *h;
}

START_TEST(both_engines_end_alike)
{
    const struct program *p = &program[_i];
    struct hart a = run(interp_run, p), b = run(jit_run, p);

    for (int r = 0; r < 32; r++) {
        ck_assert_msg(a.x[r] == b.x[r], "%s: x%d", p->name, r);
        ck_assert_msg(a.f[r] == b.f[r], "%s: f%d", p->name, r);
    }
    ck_assert_msg(a.pc == b.pc && a.fcsr == b.fcsr, "%s: pc or fcsr", p->name);
    ck_assert_msg(a.trap.scause == b.trap.scause && a.trap.stval == b.trap.stval, "%s: trap", p->name);
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
    return rig_main(tc, "jit");
}
