/*
 * What each trap from VU-mode leaves for HS-mode, case by case, by the privileged specification 1.13: the
 * trap CSRs as a hart with the H extension shows them, with hgatp in Sv39x4 and vsatp Bare. Guest memory is
 * laid out as in the bare-metal program that the values were compared with: pages of each kind from
 * 0x80400000 on, and holes.
 *
 * What that program tries and a VU-mode hart with vsatp = Bare cannot show is left out: traps from VS-mode and
 * U-mode, the two-stage cases, the A, D and U bits of G-stage entries (the host's page tables take their
 * place), hedeleg (nothing is delegated) and counters switched off (Linux grants them).
 */
#include "rig.h"

#include <sys/mman.h>
#include <unistd.h>

#include "hart/csr.h"

#define TEXT ((uint64_t)0x80400000)     /* R W X: the code under test */
#define CODE ((uint64_t)0x80401000)     /* R W X, and READONLY behind it */
#define READONLY ((uint64_t)0x80402000) /* R */
#define LAST ((uint64_t)0x80408000)     /* R W, and a hole behind it */
#define AFTER ((uint64_t)0x80409000)
#define HOLE ((uint64_t)0x80410000)

static struct hart *const h = &rig_hart;

static void setup(void)
{
    rig_setup();
    rig_map(TEXT, PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X);
    rig_map(CODE, PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X);
    rig_map(READONLY, PAGE_BYTES, GMEM_R);
    rig_map(LAST, PAGE_BYTES, GMEM_R | GMEM_W);
    rig_map(RIG_SIZE - PAGE_BYTES, PAGE_BYTES, GMEM_R | GMEM_W);
}

/*
 * One instruction at TEXT with s1 = the address, a1 and sp given; an ecall follows it. Guest-page faults:
 * stval is the guest-virtual address, htval it shifted right by 2 ("Hypervisor Trap Value"), htinst the
 * transformed instruction ("Transformed Instruction or Pseudoinstruction for mtinst or htinst") or 0 for a
 * fetch, and GVA is 1.
 */
static const struct {
    const char *name;
    uint32_t word;
    uint64_t s1;
    uint64_t scause, stval, htval, htinst;
    bool gva;
    uint64_t pc; /* 0: TEXT */
} cases[] = {
    /* "Environment Call and Breakpoint", and GVA as "Hypervisor Status Register" lists the causes: a breakpoint
     * writes its address, a guest-virtual one */
    { "ecall", 0x00000073, 0, 8, 0, 0, 0, false, 0 },
    { "ebreak", 0x00100073, 0, 3, TEXT, 0, 0, true, 0 },
    { "c.ebreak", 0x9002, 0, 3, TEXT, 0, 0, true, 0 },
    /* loads */
    { "ld hole", 0x0084b503, HOLE, 21, HOLE + 8, 0x20104002, 0x3503, true, 0 },
    { "lhu -4 hole", 0xffc4de03, HOLE + 4, 21, HOLE, 0x20104000, 0x5e03, true, 0 },
    { "c.lw hole", 0x40c8, HOLE, 21, HOLE + 4, 0x20104001, 0x2501, true, 0 },
    { "c.ldsp hole", 0x6522, 0, 21, HOLE + 8, 0x20104002, 0x3501, true, 0 },
    { "fld hole", 0x0184b507, HOLE, 21, HOLE + 24, 0x20104006, 0x3507, true, 0 },
    { "flw hole", 0x0184a507, HOLE, 21, HOLE + 24, 0x20104006, 0x2507, true, 0 },
    { "c.fld hole", 0x2c88, HOLE, 21, HOLE + 24, 0x20104006, 0x3505, true, 0 },
    { "ld misaligned in page", 0x0084b503, CODE + 1, 8, 0, 0, 0, false, TEXT + 4 },
    { "ld misaligned 1->hole", 0x0084b503, AFTER - 8 - 3, 21, AFTER, 0x20102400, 0x1b503, true, 0 },
    { "ld GPA bit 41", 0x0084b503, (uint64_t)1 << 41, 21, 0x20000000008, 0x8000000002, 0x3503, true, 0 },
    { "ld GPA bit 40", 0x0084b503, (uint64_t)1 << 40, 21, 0x10000000008, 0x4000000002, 0x3503, true, 0 },
    { "ld GPA 2^63", 0x0084b503, (uint64_t)1 << 63, 21, 0x8000000000000008, 0x2000000000000002, 0x3503, true,
      0 },
    { "ld at the very top", 0x0084b503, UINT64_MAX - 11, 21, UINT64_MAX - 3, 0x3fffffffffffffff, 0x3503, true,
      0 },
    { "ld over the end of memory", 0x0084b503, RIG_SIZE - 8 - 4, 21, RIG_SIZE, RIG_SIZE >> 2, 0x23503, true,
      0 },
    { "ld at the end of memory", 0x0084b503, RIG_SIZE - 8, 21, RIG_SIZE, RIG_SIZE >> 2, 0x3503, true, 0 },
    /* stores; bits of rs1 aside, the transformed instruction keeps rs2 */
    { "sd hole", 0x00b4b823, HOLE, 23, HOLE + 16, 0x20104004, 0xb03023, true, 0 },
    { "sb hole", 0x00b48023, HOLE, 23, HOLE, 0x20104000, 0xb00023, true, 0 },
    { "sh crossing", 0x00b49023, AFTER - 1, 23, AFTER, 0x20102400, 0xb09023, true, 0 },
    { "sw crossing", 0x00b4a123, AFTER - 4, 23, AFTER, 0x20102400, 0xb12023, true, 0 },
    { "c.sd hole", 0xe48c, HOLE, 23, HOLE + 8, 0x20104002, 0xb03021, true, 0 },
    { "c.fsdsp hole", 0xa82e, 0, 23, HOLE + 16, 0x20104004, 0xb03025, true, 0 },
    { "fsw crossing", 0xfeb4afa7, AFTER - 1, 23, AFTER, 0x20102400, 0xb12027, true, 0 },
    { "fsd read-only", 0xfeb4bfa7, READONLY + 1, 23, READONLY, 0x20100800, 0xb03027, true, 0 },
    { "sd read-only", 0x00b4b823, READONLY, 23, READONLY + 16, 0x20100804, 0xb03023, true, 0 },
    { "sd over the end of memory", 0x00b4b823, RIG_SIZE - 17, 23, RIG_SIZE, RIG_SIZE >> 2, 0xb0b023, true,
      0 },
    /* AMO and SC are stores for this purpose, LR is a load; aq and rl stay in the transformed instruction */
    { "amoadd.w hole", 0x00b4a52f, HOLE, 23, HOLE, 0x20104000, 0xb0252f, true, 0 },
    { "amomaxu.d.aqrl hole", 0xe6b4b52f, HOLE, 23, HOLE, 0x20104000, 0xe6b0352f, true, 0 },
    { "amoadd.w read-only", 0x00b4a52f, READONLY, 23, READONLY, 0x20100800, 0xb0252f, true, 0 },
    { "lr.d hole", 0x1004b52f, HOLE, 21, HOLE, 0x20104000, 0x1000352f, true, 0 },
    { "lr.w.aq hole", 0x1404a52f, HOLE, 21, HOLE, 0x20104000, 0x1400252f, true, 0 },
    { "lr.d read-only", 0x1004b52f, READONLY, 8, 0, 0, 0, false, TEXT + 4 },
    { "sc.d hole", 0x18b4b52f, HOLE, 23, HOLE, 0x20104000, 0x18b0352f, true, 0 },
    { "sc.w.rl hole", 0x1ab4a52f, HOLE, 23, HOLE, 0x20104000, 0x1ab0252f, true, 0 },
    { "sc.d read-only, no reservation", 0x18b4b52f, READONLY, 23, READONLY, 0x20100800, 0x18b0352f, true, 0 },
    { "amoadd.w misaligned", 0x00b4a52f, CODE + 2, 6, CODE + 2, 0, 0, true, 0 },
    { "lr.d misaligned", 0x1004b52f, CODE + 4, 4, CODE + 4, 0, 0, true, 0 },
    { "sc.d misaligned", 0x18b4b52f, CODE + 4, 6, CODE + 4, 0, 0, true, 0 },
    /* fetches, by c.jr s1 and jalr zero,1(s1): sepc is the target */
    { "fetch hole", 0x8482, HOLE, 20, HOLE, 0x20104000, 0, true, HOLE },
    { "fetch hole+2", 0x8482, HOLE + 2, 20, HOLE + 2, 0x20104000, 0, true, HOLE + 2 },
    { "fetch from read-only", 0x8482, READONLY, 20, READONLY, 0x20100800, 0, true, READONLY },
    { "fetch, odd target", 0x00148067, HOLE, 20, HOLE, 0x20104000, 0, true, HOLE },
    { "fetch, second half", 0x8482, READONLY - 2, 20, READONLY, 0x20100800, 0, true, READONLY - 2 },
    { "fetch beyond memory", 0x8482, RIG_SIZE, 20, RIG_SIZE, RIG_SIZE >> 2, 0, true, RIG_SIZE },
    { "fetch 2^64 - 2", 0x8482, UINT64_MAX, 20, UINT64_MAX - 1, 0x3fffffffffffffff, 0, true, UINT64_MAX - 1 },
    /* "Virtual Instruction Exceptions": HS-mode could, VU-mode may not; stval is the instruction */
    { "csrr sstatus", 0x10002573, 0, 22, 0x10002573, 0, 0, false, 0 },
    { "csrr satp", 0x18002573, 0, 22, 0x18002573, 0, 0, false, 0 },
    { "csrr vsatp", 0x28002573, 0, 22, 0x28002573, 0, 0, false, 0 },
    { "csrw hgatp", 0x68051073, 0, 22, 0x68051073, 0, 0, false, 0 },
    { "csrr hpmcounter3", 0xc0302573, 0, 22, 0xc0302573, 0, 0, false, 0 },
    { "sret", 0x10200073, 0, 22, 0x10200073, 0, 0, false, 0 },
    { "wfi", 0x10500073, 0, 22, 0x10500073, 0, 0, false, 0 },
    { "sfence.vma", 0x12000073, 0, 22, 0x12000073, 0, 0, false, 0 },
    { "hfence.gvma", 0x62000073, 0, 22, 0x62000073, 0, 0, false, 0 },
    { "hlv.w", 0x6804c573, CODE, 22, 0x6804c573, 0, 0, false, 0 },
    { "hsv.d", 0x6eb4c073, CODE, 22, 0x6eb4c073, 0, 0, false, 0 },
    { "rdcycle", 0xc0002573, 0, 8, 0, 0, 0, false, TEXT + 4 },
    /* illegal in HS-mode as well; stval may be 0 and is the instruction here ("stval") */
    { "illegal 0", 0x00000000, 0, 2, 0, 0, 0, false, 0 },
    { "illegal word", 0xffffffff, 0, 2, 0xffffffff, 0, 0, false, 0 },
    { "illegal half", 0x12348000, 0, 2, 0x8000, 0, 0, false, 0 },
    { "csrw cycle", 0xc0051073, 0, 2, 0xc0051073, 0, 0, false, 0 },
    { "csrw hgeip, read-only", 0xe1251073, 0, 2, 0xe1251073, 0, 0, false, 0 },
    { "csrr mstatus", 0x30002573, 0, 2, 0x30002573, 0, 0, false, 0 },
    { "csrr 0x800, absent", 0x80002573, 0, 2, 0x80002573, 0, 0, false, 0 },
    { "mret", 0x30200073, 0, 2, 0x30200073, 0, 0, false, 0 },
};

#define SAME(is, want) ck_assert_msg((is) == (want), "%s: %s is %#lx", cases[_i].name, #is, (is))

START_TEST(trap_csrs)
{
    const bool half = (cases[_i].word & 3) != 3;
    const uint64_t was = h->instret;

    RIG_CODE(TEXT, cases[_i].word, RIG_ECALL);
    if (half) /* c.nop pads */
        RIG_CODE(TEXT, (cases[_i].word & 0xffff) | 0x00010000, RIG_ECALL);
    RIG_CODE(READONLY - 4, 0x00130001); /* c.nop, and the first half of a nop */
    h->x[9] = cases[_i].s1;
    h->x[2] = HOLE;
    rig_run(TEXT);
    SAME(h->trap.scause, cases[_i].scause);
    SAME(h->trap.stval, cases[_i].stval);
    SAME(h->trap.htval, cases[_i].htval);
    SAME(h->trap.htinst, cases[_i].htinst);
    SAME((uint64_t)h->trap.gva, (uint64_t)cases[_i].gva);
    SAME((uint64_t)h->trap.bus, (uint64_t)0);
    SAME(h->pc, cases[_i].pc ? cases[_i].pc : TEXT);
    /* What trapped did not retire; in the cases that went on, or jumped, one instruction did. */
    SAME(h->instret - was, (uint64_t)(cases[_i].pc != 0));
}
END_TEST

/* A trapping instruction has changed no register. */
START_TEST(registers_are_kept)
{
    static const uint32_t word[] = { 0x0084b503, 0x0004b483, 0x00b4a52f, 0x1004b52f, 0x18b4b52f, 0x0184b507 };
    uint64_t x[32], f[32];

    for (size_t k = 0; k < ARRAY_SIZE(word); k++) {
        for (unsigned r = 1; r < 32; r++)
            h->x[r] = h->f[r] = 0x1000 + r;
        h->x[9] = HOLE;
        memcpy(x, h->x, sizeof x);
        memcpy(f, h->f, sizeof f);
        ck_assert_uint_ne(rig_step(word[k]), CAUSE_ECALL_VU);
        ck_assert_mem_eq(x, h->x, sizeof x);
        ck_assert_mem_eq(f, h->f, sizeof f);
    }
}
END_TEST

/* A store that crosses into a page it may not write leaves the first page alone. */
START_TEST(crossing_store_is_undone)
{
    rig_poke64(AFTER - 8, 0x1111111111111111);
    h->x[9] = AFTER - 16 - 4;
    h->x[11] = UINT64_MAX;
    ck_assert_uint_eq(rig_step(0x00b4b823), CAUSE_GPF_STORE);
    ck_assert_uint_eq(rig_peek64(AFTER - 8), 0x1111111111111111);
}
END_TEST

/* An SC whose fault is resolved may still succeed when it runs again. */
START_TEST(reservation_survives_a_fault)
{
    h->x[9] = LAST;
    rig_do(0x1004b52f);
    ck_assert_int_eq(gmem_protect(&rig_mem, LAST, PAGE_BYTES, GMEM_R), 0);
    ck_assert_uint_eq(rig_step(0x18b4b52f), CAUSE_GPF_STORE);
    ck_assert_int_eq(gmem_protect(&rig_mem, LAST, PAGE_BYTES, GMEM_R | GMEM_W), 0);
    h->x[11] = 42;
    rig_do(0x18b4b52f);
    ck_assert_uint_eq(h->x[10], 0);
    ck_assert_uint_eq(rig_peek64(LAST), 42);
}
END_TEST

/* Behind the end of a mapped file the host has nothing to show: the trap says so. */
START_TEST(beyond_the_end_of_a_file)
{
    int fd = memfd_create("trap", MFD_CLOEXEC);
    const uint64_t at = 0x80500000;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, PAGE_BYTES), 0);
    ck_assert_int_eq(
        gmem_map(&rig_mem, at, 2 * PAGE_BYTES, GMEM_R | GMEM_W | GMEM_X, GMEM_SHARED, GMEM_PLAIN, fd, 0), 0);
    close(fd);
    h->x[9] = at + PAGE_BYTES - 8;
    ck_assert_uint_eq(rig_step(0x0084b503), CAUSE_GPF_LOAD);
    ck_assert_uint_eq(h->trap.stval, at + PAGE_BYTES);
    ck_assert(h->trap.bus);
    h->x[9] = at + PAGE_BYTES;
    ck_assert_uint_eq(rig_step(0x8482), CAUSE_GPF_FETCH);
    ck_assert_uint_eq(h->trap.stval, at + PAGE_BYTES);
    ck_assert(h->trap.bus);
    h->x[9] = HOLE; /* and only then */
    ck_assert_uint_eq(rig_step(0x8482), CAUSE_GPF_FETCH);
    ck_assert(!h->trap.bus);
    ck_assert_uint_eq(rig_step(0x0084b503), CAUSE_GPF_LOAD);
    ck_assert(!h->trap.bus);
}
END_TEST

/* Read and write of every number, by csr[11:8] and the lists of Priv. 1.13, "CSR Listing". */
START_TEST(every_csr)
{
    static const uint16_t user[] = { 0x001, 0x002, 0x003, 0xc00, 0xc01, 0xc02, 0xcc0 };
    static const uint16_t hs[] = {
        0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144, 0x180, 0x200,
        0x204, 0x205, 0x240, 0x241, 0x242, 0x243, 0x244, 0x280, 0x600, 0x602, 0x603, 0x604,
        0x605, 0x606, 0x607, 0x60a, 0x643, 0x644, 0x645, 0x64a, 0x680, 0xe12,
    };

    for (unsigned number = 0; number < 4096; number++) {
        enum csr_verdict want = number >= 0xc03 && number <= 0xc1f ? CSR_VIRTUAL : CSR_ILLEGAL;

        for (size_t k = 0; k < ARRAY_SIZE(user); k++)
            if (user[k] == number)
                want = CSR_ALLOWED;
        for (size_t k = 0; k < ARRAY_SIZE(hs); k++)
            if (hs[k] == number)
                want = CSR_VIRTUAL;
        ck_assert_msg(csr_check(number, false) == want, "read %#x", number);
        if (number >> 10 == 3) /* the read-only quarter */
            want = CSR_ILLEGAL;
        ck_assert_msg(csr_check(number, true) == want, "write %#x", number);
    }
}
END_TEST

START_TEST(access_of_a_cause)
{
    ck_assert_int_eq(trap_access(20), GMEM_X);
    ck_assert_int_eq(trap_access(21), GMEM_R);
    ck_assert_int_eq(trap_access(23), GMEM_W);
    ck_assert_int_eq(trap_access(22), 0);
    ck_assert_int_eq(trap_access(UINT64_MAX), 0);
}
END_TEST

START_TEST(reset)
{
    void *engine = &engine, *task = &task;

    h->x[5] = h->f[5] = h->resv_val = 5;
    h->resv_addr = CODE;
    h->fcsr = 0xff;
    h->instret = 77;
    h->trap.scause = 8;
    interp_free(h);
    h->interp = engine;
    h->task = task;
    hart_reset(h);
    ck_assert_uint_eq(h->x[5] | h->f[5] | h->pc | h->fcsr | h->trap.scause, 0);
    ck_assert_uint_eq(h->resv_addr, RESV_NONE);
    ck_assert_ptr_eq(h->mem, &rig_mem);
    ck_assert_ptr_eq(h->interp, engine);
    ck_assert_ptr_eq(h->task, task);
    ck_assert_ptr_eq(h->window, rig_mem.gs.window);
    ck_assert_uint_eq(h->limit, RIG_SIZE);
    ck_assert_uint_eq(h->instret, 77);
    h->interp = NULL;
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("trap");

    tcase_add_checked_fixture(tc, setup, rig_teardown);
    tcase_add_loop_test(tc, trap_csrs, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, registers_are_kept);
    tcase_add_test(tc, crossing_store_is_undone);
    tcase_add_test(tc, reservation_survives_a_fault);
    tcase_add_test(tc, beyond_the_end_of_a_file);
    tcase_add_test(tc, every_csr);
    tcase_add_test(tc, access_of_a_cause);
    tcase_add_test(tc, reset);
    return rig_main(tc, "trap");
}
