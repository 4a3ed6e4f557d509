/*
 * Generated code and memory of the host's outside of the window: every row that loads or stores, at addresses where
 * something is to be found. Linked with a JIT that compares no address with the limit, every test must fail
 * (tests/run-unchecked.sh).
 */
#include <check.h>
#include <sys/mman.h>

#include "jit/jit.h"
#include "rig.h"

enum { A0 = 10, A1, A2, A3 };
#define SECRET 0x5ec2e75ec2e75ec2

/* Rows that access memory; the store-conditionals, which want a reservation where they store, are the last. */
static int row[NR_OPS], nr_rows, nr_plain_rows;

static bool is_conditional(int op)
{
    return op == OP_sc_w || op == OP_sc_d;
}

static void list_rows(bool conditional)
{
    for (int op = 0; op < NR_OPS; op++)
        if (insn_desc[op].flags & (INSN_LOAD | INSN_STORE) && insn_desc[op].ext != EXT_PRIV &&
            is_conditional(op) == conditional)
            row[nr_rows++] = op;
}

/* The guest's address of a page of the host's that holds the secret. `below`: under the window, which wraps around. */
static uint64_t outside(bool below)
{
    uint8_t *window = rig_mem.gs.window, *want = below ? window - 2 * GSTAGE_GUARD : NULL;
    uint64_t *page = mmap(want, PAGE_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | (below ? MAP_FIXED_NOREPLACE : 0), -1, 0);

    ck_assert(page != MAP_FAILED);
    for (size_t i = 0; i < PAGE_BYTES / sizeof *page; i++)
        page[i] = SECRET;
    return (uint64_t)(uintptr_t)page - (uint64_t)(uintptr_t)window;
}

static struct insn access_of(int op, int32_t imm)
{
    bool displaced = insn_desc[op].fmt != FMT_AMO && insn_desc[op].fmt != FMT_LR;

    return (struct insn){
        .op = (uint16_t)op, .len = 4, .rd = A1, .rs1 = A0, .rs2 = A1, .imm = displaced ? imm : 0
    };
}

/* Runs what is at RIG_TEXT: its access to `at` must be a fault there, and change nothing. */
static void must_fault(int op, uint64_t at)
{
    const uint64_t *page = rig_at(page_down(at));
    struct hart *h = &rig_hart;

    rig_new_code();
    h->pc = RIG_TEXT;
    h->resv_addr = at;
    h->resv_val = SECRET;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, insn_desc[op].flags & INSN_STORE ? CAUSE_GPF_STORE : CAUSE_GPF_LOAD);
    ck_assert_uint_eq(h->trap.stval, at);
    for (size_t i = 0; i < PAGE_BYTES / sizeof *page; i++)
        ck_assert_uint_eq(page[i], SECRET);
}

static void try_one(int op, uint64_t at, int32_t imm)
{
    struct insn i = access_of(op, imm);

    RIG_CODE(RIG_TEXT, insn_encode(&i), RIG_ECALL);
    rig_hart.x[A0] = at - (uint64_t)(int64_t)i.imm;
    must_fault(op, at);
}

START_TEST(above_the_window)
{
    try_one(row[_i], outside(false), 0);
}
END_TEST

START_TEST(below_the_window)
{
    try_one(row[_i], outside(true), 0);
}
END_TEST

START_TEST(with_a_displacement)
{
    try_one(row[_i], outside(false) + 64, 64);
}
END_TEST

/* A loop that has compared the address of its first round. */
START_TEST(after_a_round_inside)
{
    struct insn i = access_of(row[_i], 0);
    uint64_t at = outside(false);

    RIG_CODE(RIG_TEXT, insn_encode(&i), RIG_INSN(add, .rd = A0, .rs1 = A0, .rs2 = A2),
             RIG_INSN(addi, .rd = A3, .rs1 = A3, .imm = -1), RIG_INSN(bne, .rs1 = A3, .imm = -12), RIG_ECALL);
    rig_hart.x[A0] = RIG_DATA;
    rig_hart.x[A2] = at - RIG_DATA;
    rig_hart.x[A3] = 3;
    must_fault(row[_i], at);
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("rows");

    list_rows(false);
    nr_plain_rows = nr_rows;
    list_rows(true);
    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_loop_test(tc, above_the_window, 0, nr_rows);
    tcase_add_loop_test(tc, below_the_window, 0, nr_rows);
    tcase_add_loop_test(tc, with_a_displacement, 0, nr_rows);
    tcase_add_loop_test(tc, after_a_round_inside, 0, nr_plain_rows);
    return rig_main(tc, "confined");
}
