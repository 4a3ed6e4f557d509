/*
 * Guest and host code side by side: what stands in one line belongs together, all of a block is there, and what is
 * shown are instructions. The lines are caught on their way to the log.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "hart/fpu.h"
#include "jit/jit.h"
#include "jit/show.h"
#include "rig.h"

enum { A0 = 10, A1, MAX_LINES = 200, SHOWN = 42 };

static char line[MAX_LINES][256];
static size_t nr_lines;

static void catch_line(void *opaque, enum log_level level, const char *text)
{
    (void)opaque;
    (void)level;
    ck_assert_uint_lt(nr_lines, MAX_LINES);
    snprintf(line[nr_lines++], sizeof line[0], "%s", text);
}

/* The line that shows this guest instruction; dies when there is none. */
static size_t find(const char *guest)
{
    for (size_t k = 0; k < nr_lines; k++)
        if (strstr(line[k], guest))
            return k;
    ck_abort_msg("no line shows %s", guest);
}

static const char *host_of(size_t k)
{
    const char *bar = strstr(line[k], " | ");

    ck_assert_msg(bar != NULL, "%s", line[k]);
    return strchr(bar, ':') ? strchr(bar, ':') + 2 : "";
}

static void run(void)
{
    RIG_CODE(RIG_TEXT, RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = 1),
             RIG_INSN(lui, .rd = A1, .imm = 0x12345000), RIG_INSN(addi, .rd = A1, .rs1 = A1, .imm = 0x678),
             RIG_INSN(ld, .rd = A1, .rs1 = A0, .imm = -1), RIG_INSN(fadd_d, .rm = FPU_RMM),
             RIG_INSN(beq, .rs1 = A0, .rs2 = A1, .imm = 64), RIG_ECALL);
    rig_hart.x[A0] = RIG_DATA;
    ck_assert_int_eq(jit_run(&rig_hart), ENGINE_TRAP);
    ck_assert_uint_eq(rig_hart.trap.scause, CAUSE_ECALL_VU);
}

START_TEST(a_line_belongs_together)
{
    size_t k;

    log_set_level(LOG_JIT);
    run();
    ck_assert_ptr_nonnull(strstr(line[0], "jit: block 10000, at "));
    ck_assert_str_eq(host_of(find("10000: addi a0,a0,1 ")), "add rdi, 1");
    k = find("10004: lui a1,0x12345 "); /* one for two */
    ck_assert_str_eq(host_of(k), "mov r10d, 0x12345678");
    ck_assert_uint_eq(find("10008: addi a1,a1,1656 "), k + 1);
    ck_assert_str_eq(host_of(k + 1), "");
    k = find("1000c: ld a1,-1(a0) ");
    ck_assert_uint_eq(k + 3, find("10010: fadd.d ft0,ft0,ft0,rmm "));
    ck_assert(strncmp(host_of(k), "cmp rdi, ", 9) == 0);
    ck_assert_str_eq(host_of(k + 2), "mov r10, qword ptr [r15 + rdi - 1]");
    ck_assert_ptr_nonnull(strstr(line[k + 4], "<callop>"));
    find("10014: beq a0,a1,0x10054 ");
    ck_assert_ptr_nonnull(strstr(line[find("(1000c: left to its body)") + 1], "<replay>"));
    ck_assert_ptr_nonnull(strstr(line[find("(to 10054, not yet translated)") + 1], "<link>"));
}
END_TEST

/* From the first byte to the last: each host instruction begins where the one before it ends. */
START_TEST(nothing_is_left_out)
{
    const struct jit *j;
    const uint8_t *code;
    unsigned long long at, first = 0, last = 0;

    log_set_level(LOG_JIT);
    run();
    j = rig_hart.jit.state;
    rig_hart.pc = RIG_TEXT;
    code = jit_block(&rig_hart);
    for (size_t k = 1; k < nr_lines; k++) {
        const char *bar = strstr(line[k], " | ");

        ck_assert_msg(strstr(line[k], "no instructions") == NULL, "%s", line[k]);
        if (!bar || sscanf(bar, " | %llx:", &at) != 1)
            continue;
        if (!first)
            first = at;
        ck_assert_msg(!last || (at > last && at - last < 16), "%s", line[k]);
        last = at;
    }
    ck_assert_uint_eq(first, (uint64_t)(uintptr_t)code);
    ck_assert_uint_lt((uint64_t)(uintptr_t)(j->code.rx + j->code.used) - last, 32);
}
END_TEST

START_TEST(nothing_is_kept_unasked)
{
    run();
    ck_assert_uint_eq(nr_lines, 0);
    ck_assert_ptr_null(((struct jit *)rig_hart.jit.state)->mark);
    ck_assert(!show_block(rig_hart.jit.state, &rig_hart, jit_block(&rig_hart), LOG_ERROR));
    ck_assert_uint_eq(nr_lines, 0);
}
END_TEST

START_TEST(stubs_ascend)
{
    const uint8_t *at, *before = NULL;
    const char *name;
    unsigned k = 0;

    run();
    for (; (name = show_stub(rig_hart.jit.state, k, &at)) != NULL; k++) {
        ck_assert_msg(at > before, "%s", name);
        before = at;
    }
    ck_assert_uint_ge(k, 5);
}
END_TEST

/* Lockstep ends by abort(). */
static void after_report(int sig)
{
    (void)sig;
    for (size_t k = 0; k < nr_lines; k++)
        if (strstr(line[k], "10000: addi a1,a1,1 ") && strstr(line[k], "add r10, 1"))
            _exit(SHOWN);
    _exit(EXIT_FAILURE);
}

START_TEST(lockstep_shows_the_block)
{
    struct hart *h = &rig_hart;
    struct jit_listing *made_of;
    const uint8_t *code;

    RIG_CODE(RIG_TEXT, RIG_INSN(addi, .rd = A1, .rs1 = A1, .imm = 1), RIG_ECALL);
    h->jit.apart = 1;
    h->counting = true;
    code = jit_block(h);
    made_of = (struct jit_listing *)(void *)code_rw(&((struct jit *)h->jit.state)->code, code) - 1;
    made_of->insn[0].imm = 2; /* what the bodies believe */
    signal(SIGABRT, after_report);
    lockstep_run(h);
}
END_TEST

static void setup(void)
{
    rig_setup();
    nr_lines = 0;
    log_set_level(LOG_ERROR);
    log_set_sink(catch_line, NULL);
}

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("show");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_line_belongs_together);
    tcase_add_test(tc, nothing_is_left_out);
    tcase_add_test(tc, nothing_is_kept_unasked);
    tcase_add_test(tc, stubs_ascend);
    tcase_add_exit_test(tc, lockstep_shows_the_block, SHOWN);
    return rig_main(tc, "show");
}
