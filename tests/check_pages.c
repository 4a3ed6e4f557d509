/*
 * Guest code that changes under the JIT: what has changed is translated anew, from the moment that the guest may rely
 * on it, however it is reached; what has not keeps its translation.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

enum { RA = 1, A0 = 10, A1 };

#define ADDI(d, s, v) RIG_INSN(addi, .rd = (d), .rs1 = (s), .imm = (v))
#define LI(v) ADDI(A0, 0, v)
#define J(distance) RIG_INSN(jal, .imm = (distance))
#define CALL(distance) RIG_INSN(jal, .rd = RA, .imm = (distance))
#define RET RIG_INSN(jalr, .rs1 = RA)
#define FENCE_I RIG_INSN(fence_i)
#define RWX (GMEM_R | GMEM_W | GMEM_X)
#define OTHER (RIG_TEXT + 0x8000) /* more text, where nothing is mapped yet */

static struct hart *const h = &rig_hart;

static const struct jit *jit(void)
{
    return h->jit.state;
}

/* Runs from `pc` to an ecall; what is in a0 then. */
static uint64_t run(uint64_t pc)
{
    h->pc = pc;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, CAUSE_ECALL_VU);
    return h->x[A0];
}

/* Blocks translated since the last time. */
static size_t translated(void)
{
    static size_t before;
    static unsigned epoch;
    size_t n = jit()->nr_blocks - (epoch == jit()->epoch ? before : 0);

    before = jit()->nr_blocks;
    epoch = jit()->epoch;
    return n;
}

static void protect(uint64_t addr, int prot)
{
    ck_assert_int_eq(gmem_protect(&rig_mem, addr, PAGE_BYTES, prot), 0);
}

START_TEST(mappings_elsewhere_cost_nothing)
{
    RIG_CODE(RIG_TEXT, LI(1), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    translated();
    rig_map(OTHER, PAGE_BYTES, RWX);
    RIG_CODE(OTHER, LI(2), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    ck_assert_uint_eq(translated(), 0);
    ck_assert_uint_eq(run(OTHER), 2);
    ck_assert_uint_eq(translated(), 1);
    ck_assert_int_eq(gmem_unmap(&rig_mem, OTHER, PAGE_BYTES), 0);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    ck_assert_uint_eq(translated(), 0);
    h->pc = OTHER;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, CAUSE_GPF_FETCH);
}
END_TEST

/* Taking away the right to execute takes effect at once; giving it back finds what is there then. */
START_TEST(protection_toggles)
{
    RIG_CODE(RIG_TEXT, LI(1), RIG_ECALL);
    RIG_CODE(RIG_TEXT + 256, LI(2), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT) + run(RIG_TEXT + 256), 3);
    for (int k = 10; k < 20; k++) {
        protect(RIG_TEXT, GMEM_R | GMEM_W);
        h->pc = RIG_TEXT;
        ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
        ck_assert_uint_eq(h->trap.scause, CAUSE_GPF_FETCH);
        RIG_CODE(RIG_TEXT, LI(k), RIG_ECALL);
        protect(RIG_TEXT, GMEM_R | GMEM_X);
        ck_assert_uint_eq(run(RIG_TEXT), k);
        ck_assert_uint_eq(run(RIG_TEXT + 256), 2);
    }
    translated();
    /* Seen by the engine only when both have happened: nothing is lost but what changed. */
    protect(RIG_TEXT, GMEM_R | GMEM_W);
    RIG_CODE(RIG_TEXT, LI(30), RIG_ECALL);
    protect(RIG_TEXT, GMEM_R | GMEM_X);
    ck_assert_uint_eq(run(RIG_TEXT), 30);
    ck_assert_uint_eq(run(RIG_TEXT + 256), 2);
    ck_assert_uint_eq(translated(), 1);
}
END_TEST

/* More changes than are remembered. */
START_TEST(changes_are_forgotten)
{
    RIG_CODE(RIG_TEXT, LI(1), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    RIG_CODE(RIG_TEXT, LI(2), RIG_ECALL);
    for (int k = 0; k <= GMEM_CHANGES; k++)
        gmem_code_changed(&rig_mem, RIG_TEXT, PAGE_BYTES, false);
    ck_assert_uint_eq(run(RIG_TEXT), 2);
}
END_TEST

/* The ways into code that is dropped: straight on, by a branch, a call, a table. Again and again. */
START_TEST(rewritten_where_others_jump)
{
    const uint64_t callee = RIG_TEXT + 1024;
    const size_t used = 4096;
    size_t before;

    RIG_CODE(RIG_TEXT, CALL(1024), ADDI(A0, A0, 100), RIG_ECALL);
    RIG_CODE(RIG_TEXT + 256, J(768));
    RIG_CODE(RIG_TEXT + 512, RIG_INSN(beq, .imm = 512));
    RIG_CODE(RIG_TEXT + 768, RIG_INSN(jalr, .rd = RA, .rs1 = A1), RIG_ECALL);
    h->x[A1] = callee;
    for (int k = 0; k < 200; k++) {
        RIG_CODE(callee, LI(k), k & 1 ? RET : RIG_INSN(jalr, .rs1 = RA));
        rig_new_code();
        ck_assert_uint_eq(run(RIG_TEXT), k + 100);
        ck_assert_uint_eq(run(RIG_TEXT + 768), k);
        h->x[RA] = RIG_TEXT + 4;
        ck_assert_uint_eq(run(RIG_TEXT + 256), k + 100);
        h->x[RA] = RIG_TEXT + 4;
        ck_assert_uint_eq(run(RIG_TEXT + 512), k + 100);
        if (k == 100)
            before = jit()->code.used;
    }
    translated();
    RIG_CODE(callee, LI(7), RET);
    rig_new_code();
    ck_assert_uint_eq(run(RIG_TEXT), 107);
    ck_assert_uint_eq(translated(), 1);
    ck_assert_uint_le(jit()->code.used - before, 100 * used);
    ck_assert_uint_le(jit()->nr_entries, 10);
}
END_TEST

/* A page that is the same as when it was looked at last, but not as when this block was translated. */
START_TEST(changed_there_and_back)
{
    RIG_CODE(RIG_TEXT, LI(1), RIG_ECALL);
    RIG_CODE(RIG_TEXT + 256, LI(2), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    RIG_CODE(RIG_TEXT + 256, LI(3), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT + 256), 3);
    RIG_CODE(RIG_TEXT + 256, LI(2), RIG_ECALL);
    rig_new_code();
    ck_assert_uint_eq(run(RIG_TEXT + 256), 2);
    /* The same with two blocks of the same bytes, each from another time. */
    RIG_CODE(RIG_TEXT + 512, ADDI(A0, A0, 1), LI(4), RIG_ECALL);
    ck_assert_uint_eq(run(RIG_TEXT + 512), 4);
    RIG_CODE(RIG_TEXT + 516, LI(5));
    ck_assert_uint_eq(run(RIG_TEXT + 516), 5);
    rig_new_code();
    ck_assert_uint_eq(run(RIG_TEXT + 512), 5);
}
END_TEST

/* The second page of a block that begins in the first; the first alone is not looked at. */
START_TEST(across_two_pages)
{
    const uint64_t second = RIG_TEXT + PAGE_BYTES;

    rig_map(second, PAGE_BYTES, RWX);
    RIG_CODE(second - 4, ADDI(A0, 0, 1), ADDI(A0, A0, 2), RIG_ECALL);
    ck_assert_uint_eq(run(second - 4), 3);
    RIG_CODE(second, ADDI(A0, A0, 5));
    gmem_code_changed(&rig_mem, second, 4, false);
    ck_assert_uint_eq(run(second - 4), 6);
    RIG_CODE(second, ADDI(A0, A0, 6));
    protect(second, GMEM_R | GMEM_X);
    ck_assert_uint_eq(run(second - 4), 7);
    ck_assert_int_eq(gmem_unmap(&rig_mem, second, PAGE_BYTES), 0);
    h->pc = second - 4;
    ck_assert_int_eq(jit_run(h), ENGINE_TRAP);
    ck_assert_uint_eq(h->trap.scause, CAUSE_GPF_FETCH);
    ck_assert_uint_eq(h->trap.stval, second);
    ck_assert_uint_eq(h->x[A0], 1);
}
END_TEST

/* Not writable where it is executed, but elsewhere. */
START_TEST(written_through_another_mapping)
{
    int fd = memfd_create("text", 0);
    uint32_t *alias, one[] = { LI(1), RIG_ECALL };

    ck_assert(fd >= 0 && ftruncate(fd, (off_t)PAGE_BYTES) == 0);
    alias = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert(alias != MAP_FAILED);
    ck_assert_int_eq(gmem_map(&rig_mem, OTHER, PAGE_BYTES, GMEM_R | GMEM_X, GMEM_SHARED, GMEM_PLAIN, fd, 0),
                     0);
    memcpy(alias, one, sizeof one);
    ck_assert_uint_eq(run(OTHER), 1);
    RIG_CODE(RIG_TEXT, FENCE_I, J((int)(OTHER - RIG_TEXT) - 4));
    alias[0] = LI(2);
    ck_assert_uint_eq(run(RIG_TEXT), 2);
    close(fd);
}
END_TEST

/* fence.i in the block that has changed behind it. */
START_TEST(fence_i_looks_at_its_own_block)
{
    RIG_CODE(RIG_TEXT, RIG_INSN(sw, .rs1 = A1, .rs2 = A0), FENCE_I, LI(1), RIG_ECALL);
    h->x[A1] = RIG_TEXT + 8;
    for (unsigned k = 2; k < 50; k++) {
        h->x[A0] = LI(k);
        ck_assert_uint_eq(run(RIG_TEXT), k);
    }
}
END_TEST

/* execve of the same program: what is still there is still true, and of another one nothing is. */
START_TEST(everything_is_replaced)
{
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(gmem_reset(&rig_mem), 0);
        rig_map(RIG_TEXT, PAGE_BYTES, RWX);
        for (uint64_t n = 0; n < 32; n++)
            RIG_CODE(RIG_TEXT + 64 * n, LI((int)(k == 2 ? 100 + n : n)), RIG_ECALL);
        for (uint64_t n = 0; n < 32; n++)
            ck_assert_uint_eq(run(RIG_TEXT + 64 * n), k == 2 ? 100 + n : n);
        ck_assert_uint_eq(translated(), k == 1 ? 0 : 32);
    }
}
END_TEST

/* What is dropped does not pile up, though the code is never the same, and what is true is seldom made anew for it. */
START_TEST(rewritten_for_ever)
{
    enum { TIMES = 60000, SIZE = 16 };
    unsigned kept = 0, epoch;
    size_t most = 0;

    RIG_CODE(RIG_TEXT, CALL(1024), RIG_ECALL);
    for (int k = 0; k < TIMES; k++) {
        RIG_CODE(RIG_TEXT + 1024, LI(k & 1023), RET);
        rig_new_code();
        epoch = k ? jit()->epoch : 0;
        ck_assert_uint_eq(run(RIG_TEXT), k & 1023);
        kept += jit()->epoch == epoch;
        most = MAX(most, jit()->code.used);
    }
    ck_assert_uint_ge(kept, TIMES - TIMES * SIZE / JIT_DROPPED_BYTES - 1);
    ck_assert_uint_le(most, jit()->stubs_end + JIT_DROPPED_BYTES + PAGE_BYTES);
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("pages");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_test(tc, mappings_elsewhere_cost_nothing);
    tcase_add_test(tc, protection_toggles);
    tcase_add_test(tc, changes_are_forgotten);
    tcase_add_test(tc, rewritten_where_others_jump);
    tcase_add_test(tc, changed_there_and_back);
    tcase_add_test(tc, across_two_pages);
    tcase_add_test(tc, written_through_another_mapping);
    tcase_add_test(tc, fence_i_looks_at_its_own_block);
    tcase_add_test(tc, everything_is_replaced);
    tcase_add_test(tc, rewritten_for_ever);
    return rig_main(tc, "pages");
}
