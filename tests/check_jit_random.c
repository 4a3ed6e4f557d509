/*
 * Straight-line programs of random rows, one JIT flavour at a time: the outcome is the interpreter's, and the host
 * code is what the flavour promises. Control flow, kicks and faults at all addresses are fuzz_engines.c's.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "hart/csr.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

enum { PROGRAMS = 400, INSNS = 24, NR_BASES = 3, DYN = 7 };

static const enum flavour { PLAIN, HARDENED, BASELINE } flavour[] = { PLAIN, HARDENED, BASELINE };

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13; /* xorshift64 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned pick(unsigned n)
{
    return (unsigned)((draw() >> 32) * n >> 32);
}

static uint64_t value(void)
{
    static const uint64_t special[] = {
        0, 1, UINT64_MAX, (uint64_t)1 << 63, 0x7ff0000000000000, 0xffffffff7f800000
    };

    return pick(3) ? draw() >> pick(64) : special[pick(ARRAY_SIZE(special))];
}

/* Any row that goes on to the next one; counters and clocks aside. */
static struct insn any_insn(const uint8_t *base)
{
    static const uint8_t rm[] = { 0, 1, 2, 3, 4, DYN, DYN, DYN };
    struct insn i = { .len = 4 };
    uint8_t fmt;

    do {
        i.op = (uint16_t)pick(NR_OPS);
        fmt = insn_desc[i.op].fmt;
    } while (insn_desc[i.op].flags & (INSN_ENDS | INSN_TRAP));
    i.rd = (uint8_t)pick(32);
    i.rs1 = (uint8_t)pick(32);
    i.rs2 = (uint8_t)pick(32);
    i.rs3 = (uint8_t)pick(32);
    i.rm = rm[pick(ARRAY_SIZE(rm))];
    i.imm = 8 * (int32_t)pick(64) - 256;
    if (fmt == FMT_AMO || fmt == FMT_LR)
        i.rm &= 3;
    if (fmt == FMT_SH || fmt == FMT_SHW)
        i.imm = (int32_t)pick(32);
    if (fmt == FMT_U)
        i.imm = (int32_t)(draw() & 0xfffff000);
    if (fmt == FMT_CSR || fmt == FMT_CSRI)
        i.imm = CSR_fflags;
    if (insn_desc[i.op].flags & (INSN_LOAD | INSN_STORE) && pick(16))
        i.rs1 = base[pick(NR_BASES)];
    return i;
}

/* A program at RIG_TEXT that an ecall ends, and the state that it starts from. */
static void generate(struct hart *from, uint8_t *data)
{
    uint8_t base[NR_BASES];
    uint32_t code[INSNS + 1];

    *from = rig_hart;
    hart_reset(from);
    from->pc = RIG_TEXT;
    for (int r = 1; r < 32; r++) {
        from->x[r] = value();
        from->f[r] = pick(2) ? value() : value() | (uint64_t)UINT32_MAX << 32;
    }
    for (int b = 0; b < NR_BASES; b++) {
        base[b] = (uint8_t)(1 + pick(31));
        from->x[base[b]] = RIG_DATA + 512 + (uint64_t)8 * pick(512);
    }
    for (int k = 0; k < INSNS; k++) {
        struct insn i = any_insn(base);

        code[k] = insn_encode(&i);
    }
    code[INSNS] = RIG_ECALL;
    rig_code(RIG_TEXT, code, INSNS + 1);
    for (size_t k = 0; k < 2 * PAGE_BYTES; k += 8)
        memcpy(data + k, &(uint64_t){ value() }, 8);
}

static struct hart run(enum engine_exit (*engine)(struct hart *), const struct hart *from,
                       const uint8_t *data, uint8_t *after)
{
    struct hart_jit jit = rig_hart.jit;
    void *interp = rig_hart.interp;

    rig_hart = *from;
    rig_hart.jit = jit;
    rig_hart.interp = interp;
    memcpy(rig_at(RIG_DATA), data, 2 * PAGE_BYTES);
    ck_assert_int_eq(engine(&rig_hart), ENGINE_TRAP);
    memcpy(after, rig_at(RIG_DATA), 2 * PAGE_BYTES);
    return rig_hart;
}

static void take(enum flavour f)
{
    rig_hart.jit.options = f == HARDENED ? JIT_HARDEN_SPECTRE : 0;
    if (f == BASELINE)
        jit_baseline(&rig_hart);
}

START_TEST(engines_agree)
{
    static uint8_t data[2 * PAGE_BYTES], by_interp[2 * PAGE_BYTES], by_jit[2 * PAGE_BYTES];

    seed = 0x6e6f6168 + (uint64_t)_i;
    take(flavour[_i]);
    for (int n = 0; n < PROGRAMS; n++) {
        struct hart from, a, b;

        generate(&from, data);
        interp_flush(&rig_hart);
        jit_flush(&rig_hart);
        a = run(interp_run, &from, data, by_interp);
        b = run(jit_run, &from, data, by_jit);
        for (int r = 0; r < 32; r++) {
            ck_assert_msg(a.x[r] == b.x[r], "program %d: x%d", n, r);
            ck_assert_msg(a.f[r] == b.f[r], "program %d: f%d", n, r);
        }
        ck_assert_msg(a.pc == b.pc && a.fcsr == b.fcsr, "program %d: pc or fcsr", n);
        ck_assert_msg(a.trap.scause == b.trap.scause && a.trap.stval == b.trap.stval, "program %d: trap", n);
        ck_assert_msg(memcmp(by_interp, by_jit, sizeof by_jit) == 0, "program %d: memory", n);
    }
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("random");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_loop_test(tc, engines_agree, 0, (int)ARRAY_SIZE(flavour));
    return rig_main(tc, "jit_random");
}
