/*
 * The interpreter as an engine: blocks and how they follow one another, code that changes, kicks, and that
 * pc and instret are exact whenever it returns.
 */
#include "rig.h"

#include <pthread.h>

#include "hart/csr.h"
#include "interp/block.h"

enum { A0 = 10, A1, A2 };

#define NEXT (RIG_TEXT + PAGE_BYTES) /* the page behind the code, mapped by the tests that want it */
#define NOP 0x00000013u
#define C_NOP 0x0001u
#define ADDI(rd_, rs1_, imm_) RIG_INSN(addi, .rd = (rd_), .rs1 = (rs1_), .imm = (imm_))
#define BNEZ(rs1_, imm_) RIG_INSN(bne, .rs1 = (rs1_), .imm = (imm_))
#define JUMP(imm_) RIG_INSN(jal, .imm = (imm_))

static struct hart *const h = &rig_hart;

START_TEST(loop)
{
    RIG_CODE(RIG_TEXT, ADDI(A1, A1, 3), ADDI(A0, A0, -1), BNEZ(A0, -8), RIG_ECALL);
    h->x[A0] = 1000;
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A1], 3000);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 12);
    ck_assert_uint_eq(h->instret, 3000);
}
END_TEST

/* Straight code longer than one block, in every alignment to the block's length. */
START_TEST(straight_line)
{
    uint64_t at = RIG_TEXT;
    const unsigned n = BLOCK_MAX - 2 + (unsigned)_i;

    for (unsigned k = 0; k < n; k++)
        at = RIG_CODE(at, ADDI(A0, A0, 1));
    RIG_CODE(at, RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], n);
    ck_assert_uint_eq(h->instret, n);
    ck_assert_uint_eq(h->pc, at);
}
END_TEST

/* Both ways out of a branch, taken in turns: a remembered successor must be the right one. */
START_TEST(branch_alternates)
{
    RIG_CODE(RIG_TEXT, RIG_INSN(andi, .rd = A1, .rs1 = A0, .imm = 1), BNEZ(A1, 12), ADDI(12, 12, 1), JUMP(8),
             ADDI(13, 13, 1), ADDI(A0, A0, -1), BNEZ(A0, -24), RIG_ECALL);
    h->x[A0] = 101;
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[12], 50);
    ck_assert_uint_eq(h->x[13], 51);
}
END_TEST

/* One function called from two places: its return goes to two. */
START_TEST(returns)
{
    RIG_CODE(RIG_TEXT, RIG_INSN(jal, .rd = 1, .imm = 0x40), ADDI(A1, A1, 1),
             RIG_INSN(jal, .rd = 1, .imm = 0x38), ADDI(A2, A2, 1), ADDI(A0, A0, -1), BNEZ(A0, -20),
             RIG_ECALL);
    RIG_CODE(RIG_TEXT + 0x40, ADDI(13, 13, 1), RIG_INSN(jalr, .rs1 = 1));
    h->x[A0] = 100;
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A1], 100);
    ck_assert_uint_eq(h->x[A2], 100);
    ck_assert_uint_eq(h->x[13], 200);
}
END_TEST

/* Compressed and full instructions mixed, and a full one that lies across a page boundary. */
START_TEST(instruction_across_pages)
{
    const uint32_t word = ADDI(A0, A0, 7);
    const uint16_t half[] = { C_NOP, C_NOP, (uint16_t)word, (uint16_t)(word >> 16) };

    rig_map(NEXT, PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X);
    memcpy(rig_at(NEXT - 6), half, sizeof half);
    RIG_CODE(NEXT + 2, RIG_ECALL);
    ck_assert_uint_eq(rig_run(NEXT - 6), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 7);
    ck_assert_uint_eq(h->instret, 3);
    ck_assert_uint_eq(h->pc, NEXT + 2);
}
END_TEST

/* The second page is missing: what lies before the instruction runs, its first half does not. */
START_TEST(fetch_fault_across_pages)
{
    const uint32_t word = ADDI(A0, A0, 7);
    const uint16_t half[] = { 0x0505 /* c.addi a0, 1 */, C_NOP, (uint16_t)word };

    memcpy(rig_at(NEXT - 6), half, sizeof half);
    for (int round = 1; round <= 2; round++) {
        ck_assert_uint_eq(rig_run(NEXT - 6), CAUSE_GPF_FETCH);
        ck_assert_uint_eq(h->trap.stval, NEXT);
        ck_assert_uint_eq(h->trap.htval, NEXT >> 2);
        ck_assert_uint_eq(h->pc, NEXT - 2);
        ck_assert_uint_eq(h->x[A0], (uint64_t)round);
        ck_assert_uint_eq(h->instret, 2 * (uint64_t)round);
    }
    /* Once it is there, the same instruction goes on. */
    rig_map(NEXT, PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X);
    memcpy(rig_at(NEXT), (const uint8_t *)&word + 2, 2);
    RIG_CODE(NEXT + 2, RIG_ECALL);
    ck_assert_uint_eq(rig_run(h->pc), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 9);
}
END_TEST

/* Running off the end of a page into one that is not executable. */
START_TEST(falls_into_data)
{
    rig_map(NEXT, PAGE_BYTES, GMEM_R | GMEM_W);
    RIG_CODE(NEXT - 8, ADDI(A0, A0, 1), ADDI(A0, A0, 1));
    ck_assert_uint_eq(rig_run(NEXT - 8), CAUSE_GPF_FETCH);
    ck_assert_uint_eq(h->pc, NEXT);
    ck_assert_uint_eq(h->trap.stval, NEXT);
    ck_assert_uint_eq(h->x[A0], 2);
    ck_assert_uint_eq(h->instret, 2);
}
END_TEST

/* A trap in the middle of a block: what came before has retired, what comes behind has not. */
START_TEST(trap_in_a_block)
{
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), ADDI(A0, A0, 1), RIG_INSN(ld, .rd = A1, .rs1 = A2), ADDI(A0, A0, 1),
             RIG_ECALL);
    h->x[A2] = RIG_DATA + 2 * PAGE_BYTES;
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_GPF_LOAD);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 8);
    ck_assert_uint_eq(h->instret, 2);
    ck_assert_uint_eq(h->x[A0], 2);
    /* Run again from there with the fault repaired: it counts once. */
    h->x[A2] = RIG_DATA;
    ck_assert_uint_eq(rig_run(h->pc), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->instret, 4);
    ck_assert_uint_eq(h->x[A0], 3);
}
END_TEST

/* An illegal CSR access, which counts instret on its way, leaves it exact as well. */
START_TEST(instret_at_a_csr_trap)
{
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), RIG_INSN(csrrs, .rd = A1, .imm = CSR_instret),
             RIG_INSN(csrrw, .rs1 = A0, .imm = CSR_instret), ADDI(A0, A0, 1), RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ILLEGAL);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 8);
    ck_assert_uint_eq(h->x[A1], 1);
    ck_assert_uint_eq(h->instret, 2);
}
END_TEST

/* Code that rewrites an instruction ahead of it, and one it has run before, with and without FENCE.I. */
START_TEST(self_modifying)
{
    const uint32_t patch = ADDI(A0, A0, 16);

    RIG_CODE(RIG_TEXT, RIG_INSN(sw, .rs1 = A1, .rs2 = A2, .imm = 0x20), RIG_INSN(fence_i), JUMP(0x18));
    RIG_CODE(RIG_TEXT + 0x20, ADDI(A0, A0, 1), RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT + 0x20), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 1);
    h->x[A1] = RIG_TEXT;
    h->x[A2] = patch;
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 17);
    ck_assert_uint_eq(h->instret, 1 + 4);
}
END_TEST

/* The block that FENCE.I ends is forgotten too, with the successors it remembered. */
START_TEST(fence_i_in_a_loop)
{
    /* Adds 1 the first time round and 16 from then on. */
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), RIG_INSN(sw, .rs1 = A1, .rs2 = A2), RIG_INSN(fence_i),
             ADDI(13, 13, -1), BNEZ(13, -16), RIG_ECALL);
    h->x[A1] = RIG_TEXT;
    h->x[A2] = ADDI(A0, A0, 16);
    h->x[13] = 5;
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 1 + 4 * 16);
}
END_TEST

/* Mappings that change raise code_gen: the next run sees them without a FENCE.I. */
START_TEST(remapping_forgets)
{
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_int_eq(gmem_protect(&rig_mem, RIG_TEXT, PAGE_BYTES, GMEM_R | GMEM_W), 0);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_GPF_FETCH);
    ck_assert_uint_eq(h->trap.stval, RIG_TEXT);
    ck_assert_int_eq(gmem_unmap(&rig_mem, RIG_TEXT, PAGE_BYTES), 0);
    rig_map(RIG_TEXT, PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X);
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 5), RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 6);
}
END_TEST

START_TEST(flush_and_free)
{
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 5), RIG_ECALL);
    rig_new_code();
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 6);
    interp_free(h);
    ck_assert_ptr_null(h->interp);
    interp_free(h);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 11);
}
END_TEST

/* More code than the cache holds: it starts over, and the answer is the same. */
START_TEST(cache_overflows)
{
    const uint64_t code = 0x40000000, bytes = (uint64_t)4 << 20;

    rig_map(code, bytes, GMEM_R | GMEM_W | GMEM_X);
    for (uint64_t at = code; at < code + bytes - 8; at += 8)
        RIG_CODE(at, ADDI(A0, A0, 1), JUMP(4));
    RIG_CODE(code + bytes - 8, ADDI(A1, A1, -1), RIG_ECALL);
    for (uint64_t round = 1; round <= 2; round++) {
        ck_assert_uint_eq(rig_run(code), CAUSE_ECALL_VU);
        ck_assert_uint_eq(h->x[A0], round * (bytes / 8 - 1));
        ck_assert_uint_eq(h->instret, round * (bytes / 4 - 1));
    }
}
END_TEST

/* A kick that is pending stops the hart before its first instruction, and stays pending. */
START_TEST(kick_pending)
{
    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), RIG_ECALL);
    h->pc = RIG_TEXT;
    atomic_store(&h->kick, 1);
    ck_assert_int_eq(interp_run(h), ENGINE_KICKED);
    ck_assert_uint_eq(h->pc, RIG_TEXT);
    ck_assert_uint_eq(h->instret, 0);
    ck_assert_uint_eq(atomic_load(&h->kick), 1);
    atomic_store(&h->kick, 0);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
}
END_TEST

static void *kick_when_it_runs(void *arg)
{
    volatile uint64_t *seen = arg;

    while (!*seen)
        ;
    atomic_store(&h->kick, 1);
    return NULL;
}

/* A kick from another thread ends an endless loop, at an instruction of the loop and with an exact count. */
START_TEST(kick_running)
{
    pthread_t kicker;

    RIG_CODE(RIG_TEXT, ADDI(A0, A0, 1), RIG_INSN(sd, .rs1 = A1, .rs2 = A0), JUMP(-8));
    h->x[A1] = RIG_DATA;
    h->pc = RIG_TEXT;
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_when_it_runs, rig_at(RIG_DATA)), 0);
    ck_assert_int_eq(interp_run(h), ENGINE_KICKED);
    pthread_join(kicker, NULL);
    ck_assert_uint_eq(h->pc, RIG_TEXT);
    ck_assert_uint_eq(h->instret, 3 * h->x[A0]);
    ck_assert_uint_eq(rig_peek64(RIG_DATA), h->x[A0]);
}
END_TEST

/* Bit 0 of a pc that came from outside is dropped, as sepc drops it. */
START_TEST(odd_pc)
{
    RIG_CODE(RIG_TEXT, RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT + 1), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->pc, RIG_TEXT);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("interp");

    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_test(tc, loop);
    tcase_add_loop_test(tc, straight_line, 0, 5);
    tcase_add_test(tc, branch_alternates);
    tcase_add_test(tc, returns);
    tcase_add_test(tc, instruction_across_pages);
    tcase_add_test(tc, fetch_fault_across_pages);
    tcase_add_test(tc, falls_into_data);
    tcase_add_test(tc, trap_in_a_block);
    tcase_add_test(tc, instret_at_a_csr_trap);
    tcase_add_test(tc, self_modifying);
    tcase_add_test(tc, fence_i_in_a_loop);
    tcase_add_test(tc, remapping_forgets);
    tcase_add_test(tc, flush_and_free);
    tcase_add_test(tc, cache_overflows);
    tcase_add_test(tc, kick_pending);
    tcase_add_test(tc, kick_running);
    tcase_add_test(tc, odd_pc);
    return rig_main(tc, "interp");
}
