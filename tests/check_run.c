/*
 * The public API end to end: a vm of one's own with a bare-metal guest, exits of every reason, kicks, errors,
 * and several vms in one process.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "noahv.h"

#define TEXT 0x10000
#define DATA 0x20000

static struct noahv_vm *vm;
static struct noahv_hart *hart;
static int engine; /* enum noahv_engine: every test runs under each */

/* Puts `words` at TEXT and a hart at their start. */
static void guest(const uint32_t *words, size_t n)
{
    struct noahv_config cfg;

    noahv_config_init(&cfg);
    cfg.stats = 1;
    cfg.engine = engine;
    ck_assert_int_eq(noahv_vm_create(&cfg, &vm), 0);
    ck_assert_int_eq(noahv_map(vm, TEXT, 4096, NOAHV_READ | NOAHV_WRITE | NOAHV_EXEC), 0);
    ck_assert_int_eq(noahv_map(vm, DATA, 4096, NOAHV_READ), 0);
    ck_assert_int_eq(noahv_write(vm, TEXT, words, n * sizeof *words), 0);
    ck_assert_int_eq(noahv_hart_create(vm, &hart), 0);
    ck_assert_int_eq(noahv_set_reg(hart, NOAHV_REG_PC, TEXT), 0);
}

#define GUEST(...)                                      \
    do {                                                \
        static const uint32_t code[] = { __VA_ARGS__ }; \
        guest(code, sizeof code / sizeof *code);        \
    } while (0)

START_TEST(an_ecall_exits_with_number_and_arguments)
{
    struct noahv_exit x;
    uint64_t pc;

    GUEST(0x02a00893 /* li a7,42 */, 0x00700513 /* li a0,7 */, 0x00900793 /* li a5,9 */,
          0x00000073 /* ecall */);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_ECALL);
    ck_assert_uint_eq(x.scause, 8);
    ck_assert_uint_eq(x.u.ecall.nr, 42);
    ck_assert_uint_eq(x.u.ecall.arg[0], 7);
    ck_assert_uint_eq(x.u.ecall.arg[5], 9);
    ck_assert_uint_eq(x.pc, TEXT + 12);
    ck_assert_int_eq(noahv_get_reg(hart, NOAHV_REG_PC, &pc), 0);
    ck_assert_uint_eq(pc, TEXT + 12); /* not advanced: that is the handler's to do */
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(faults_exit_with_kind_access_and_address)
{
    struct noahv_exit x;

    GUEST(0x00053583 /* ld a1,0(a0) */);
    noahv_set_reg(hart, 10, 0x7000123);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_FAULT);
    ck_assert_uint_eq(x.scause, 21);
    ck_assert_uint_eq(x.u.fault.kind, NOAHV_FAULT_UNMAPPED);
    ck_assert_uint_eq(x.u.fault.access, NOAHV_READ);
    ck_assert_uint_eq(x.u.fault.gva, 0x7000123);
    ck_assert_uint_eq(x.u.fault.gpa, 0x7000123);
    ck_assert_uint_eq(x.htval, 0x7000123 >> 2);

    noahv_set_reg(hart, 10, 0xdeadbeefdeadbeef); /* beyond every address space */
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.u.fault.gva, 0xdeadbeefdeadbeef);
    ck_assert_uint_eq(x.u.fault.kind, NOAHV_FAULT_UNMAPPED);
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(a_store_to_read_only_memory_is_a_protection_fault)
{
    struct noahv_exit x;

    GUEST(0x00b53423 /* sd a1,8(a0) */);
    noahv_set_reg(hart, 10, DATA);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_FAULT);
    ck_assert_uint_eq(x.scause, 23);
    ck_assert_uint_eq(x.u.fault.kind, NOAHV_FAULT_PROTECTION);
    ck_assert_uint_eq(x.u.fault.gva, DATA + 8);
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(other_traps_have_their_reasons)
{
    struct noahv_exit x;

    GUEST(0x00000000 /* illegal */, 0x00100073 /* ebreak */, 0x1005252f /* lr.w a0,(a0) */);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_ILLEGAL);
    noahv_set_reg(hart, NOAHV_REG_PC, TEXT + 4);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_EBREAK);
    noahv_set_reg(hart, NOAHV_REG_PC, TEXT + 8);
    noahv_set_reg(hart, 10, DATA + 2);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_MISALIGNED);
    ck_assert_uint_eq(x.u.fault.gva, DATA + 2);
    noahv_vm_destroy(vm);
}
END_TEST

static void *kicker(void *h)
{
    noahv_kick(h);
    return NULL;
}

START_TEST(a_kick_leaves_an_endless_loop)
{
    struct noahv_exit x;
    pthread_t th;

    GUEST(0x0000006f /* j . */);
    ck_assert_int_eq(pthread_create(&th, NULL, kicker, hart), 0);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    ck_assert_uint_eq(x.reason, NOAHV_EXIT_KICKED);
    ck_assert_uint_eq(x.pc, TEXT);
    pthread_join(th, NULL);
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(memory_is_read_and_written_within_the_guest_only)
{
    uint64_t v = 0x1122334455667788, w = 0;

    GUEST(0x00000073);
    ck_assert_int_eq(noahv_write(vm, TEXT + 64, &v, sizeof v), 0);
    ck_assert_int_eq(noahv_read(vm, TEXT + 64, &w, sizeof w), 0);
    ck_assert_uint_eq(w, v);
    ck_assert_int_eq(noahv_read(vm, TEXT + 4096, &w, sizeof w), -EFAULT);
    ck_assert_int_eq(noahv_write(vm, DATA, &v, sizeof v), -EFAULT); /* read-only for the guest */
    ck_assert_int_eq(noahv_read(vm, UINT64_MAX - 3, &w, sizeof w), -EFAULT);
    ck_assert_int_eq(noahv_unmap(vm, TEXT, 4096), 0);
    ck_assert_int_eq(noahv_read(vm, TEXT, &w, sizeof w), -EFAULT);
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(arguments_are_checked)
{
    struct noahv_config cfg;
    struct noahv_linux_config lcfg;
    struct noahv_exit x;
    uint64_t v;

    noahv_config_init(&cfg);
    cfg.size = 3;
    ck_assert_int_eq(noahv_vm_create(&cfg, &vm), -EINVAL);
    ck_assert_ptr_nonnull(strstr(noahv_last_error(NULL), "config.size"));
    noahv_config_init(&cfg);
    cfg.address_bits = 64;
    ck_assert_int_eq(noahv_vm_create(&cfg, &vm), -EINVAL);

    GUEST(0x00000073);
    ck_assert_int_eq(noahv_map(vm, TEXT + 1, 4096, NOAHV_READ), -EINVAL);
    ck_assert_int_eq(noahv_map(vm, (uint64_t)1 << 38, 4096, NOAHV_READ), -EINVAL);
    ck_assert_int_eq(noahv_map(vm, TEXT, 0, NOAHV_READ), -EINVAL);
    ck_assert_int_eq(noahv_map(vm, TEXT, 4096, 64), -EINVAL);
    ck_assert_int_eq(noahv_get_reg(hart, 33, &v), -EINVAL);
    ck_assert_int_eq(noahv_set_reg(hart, 0, 5), 0);
    ck_assert_int_eq(noahv_get_reg(hart, 0, &v), 0);
    ck_assert_uint_eq(v, 0);
    ck_assert_int_eq(noahv_run(NULL, &x), -EINVAL);
    ck_assert_int_eq(noahv_linux_handle(hart, &x), -EINVAL); /* no Linux here */
    noahv_linux_config_init(&lcfg);
    lcfg.path = "/nonexistent/program";
    ck_assert_int_eq(noahv_linux_exec(vm, &lcfg, &hart), -ENOENT);
    ck_assert_ptr_nonnull(strstr(noahv_last_error(vm), "/nonexistent/program"));
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(two_vms_do_not_share_memory)
{
    struct noahv_vm *first;
    uint32_t word = 0;

    GUEST(0x00000073);
    first = vm;
    GUEST(0x00100073);
    ck_assert_int_eq(noahv_read(first, TEXT, &word, sizeof word), 0);
    ck_assert_uint_eq(word, 0x00000073);
    noahv_vm_destroy(first);
    ck_assert_int_eq(noahv_read(vm, TEXT, &word, sizeof word), 0);
    ck_assert_uint_eq(word, 0x00100073);
    noahv_vm_destroy(vm);
}
END_TEST

START_TEST(stats_count_what_happened)
{
    struct noahv_stats s;
    struct noahv_exit x;

    GUEST(0x00150513 /* addi a0,a0,1 */, 0x00000073, 0x00053583 /* ld a1,0(a0) */);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    noahv_set_reg(hart, NOAHV_REG_PC, TEXT + 8);
    ck_assert_int_eq(noahv_run(hart, &x), 0);
    noahv_get_stats(hart, &s);
    ck_assert_uint_eq(s.instructions, 1); /* what traps does not retire */
    ck_assert_uint_eq(s.ecalls, 1);
    ck_assert_uint_eq(s.load_faults, 1);
    ck_assert_uint_eq(s.store_faults, 0);
    noahv_vm_destroy(vm);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run");
    TCase *tc = tcase_create("api");
    SRunner *sr = srunner_create(s);
    int failed = 0;

    tcase_add_test(tc, an_ecall_exits_with_number_and_arguments);
    tcase_add_test(tc, faults_exit_with_kind_access_and_address);
    tcase_add_test(tc, a_store_to_read_only_memory_is_a_protection_fault);
    tcase_add_test(tc, other_traps_have_their_reasons);
    tcase_add_test(tc, a_kick_leaves_an_endless_loop);
    tcase_add_test(tc, memory_is_read_and_written_within_the_guest_only);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, two_vms_do_not_share_memory);
    tcase_add_test(tc, stats_count_what_happened);
    suite_add_tcase(s, tc);
    for (engine = NOAHV_ENGINE_JIT; engine <= NOAHV_ENGINE_INTERP; engine++) {
        srunner_run_all(sr, CK_NORMAL);
        failed += srunner_ntests_failed(sr);
    }
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
