/*
 * What the hart's tests share: one hart on a real guest memory, and instructions made from their rows. Guest
 * pages lie where the tests map them; code is written through the window, which tests may dereference.
 */
#ifndef NOAHV_TESTS_RIG_H
#define NOAHV_TESTS_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hart/hart.h"
#include "interp/interp.h"
#include "isa/insn.h"
#include "mem/fault.h"

#define RIG_SIZE ((uint64_t)1 << 38)
#define RIG_TEXT ((uint64_t)0x10000) /* a page for code */
#define RIG_DATA ((uint64_t)0x20000) /* two pages for data, a hole behind them */
#define RIG_ECALL 0x00000073u

static struct gmem rig_mem;
static struct hart rig_hart;

static inline void rig_map(uint64_t addr, uint64_t len, int prot)
{
    ck_assert_int_eq(gmem_map(&rig_mem, addr, len, prot, 0, GMEM_PLAIN, -1, 0), 0);
}

/* Checked fixture. Text is writable through the window, whatever the guest may do. */
static inline void rig_setup(void)
{
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&rig_mem, RIG_SIZE), 0);
    rig_map(RIG_TEXT, PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X);
    rig_map(RIG_DATA, 2 * PAGE_BYTES, GMEM_R | GMEM_W);
    memset(&rig_hart, 0, sizeof rig_hart);
    rig_hart.mem = &rig_mem;
    hart_reset(&rig_hart);
    rig_hart.pc = RIG_TEXT;
}

static inline void rig_teardown(void)
{
    interp_free(&rig_hart);
    gmem_destroy(&rig_mem);
    fault_thread_exit();
}

static inline void *rig_at(uint64_t addr)
{
    return rig_mem.gs.window + addr;
}

static inline uint64_t rig_peek64(uint64_t addr)
{
    uint64_t v;

    memcpy(&v, rig_at(addr), sizeof v);
    return v;
}

static inline void rig_poke64(uint64_t addr, uint64_t v)
{
    memcpy(rig_at(addr), &v, sizeof v);
}

/* Writes 32-bit instructions one after the other; returns the address behind them. */
static inline uint64_t rig_code(uint64_t addr, const uint32_t *word, size_t n)
{
    memcpy(rig_at(addr), word, n * sizeof *word);
    return addr + n * sizeof *word;
}
#define RIG_CODE(addr, ...) \
    rig_code((addr), (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

/* One instruction's encoding from its operands, as the formats need them. */
#define RIG_INSN(name, ...) insn_encode(&(struct insn){ .op = OP_##name, .len = 4, __VA_ARGS__ })

/* Text has been written, for every engine. */
static inline void rig_new_code(void)
{
    gmem_code_changed(&rig_mem, RIG_TEXT, PAGE_BYTES, false);
}

/* Runs at `pc` until a trap and returns its cause. */
static inline uint64_t rig_run(uint64_t pc)
{
    rig_hart.pc = pc;
    memset(&rig_hart.trap, 0xee, sizeof rig_hart.trap);
    ck_assert_int_eq(interp_run(&rig_hart), ENGINE_TRAP);
    ck_assert_uint_eq(rig_hart.x[0], 0);
    return rig_hart.trap.scause;
}

/* Runs one instruction followed by an ecall; the cause of the trap that came first. Decoded afresh. */
static inline uint64_t rig_step(uint32_t word)
{
    RIG_CODE(RIG_TEXT, word, RIG_ECALL);
    rig_new_code();
    return rig_run(RIG_TEXT);
}

/* Runs one instruction that must retire. */
static inline void rig_do(uint32_t word)
{
    ck_assert_uint_eq(rig_step(word), CAUSE_ECALL_VU);
}

static inline int rig_main(TCase *tc, const char *name)
{
    Suite *s = suite_create(name);
    SRunner *sr;
    int failed;

    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
