/*
 * Translations across a fork: both processes go on with what there is, and what either of them changes is its own.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interp/interp.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

enum { RA = 1, A0 = 10, A1 };

#define LI(v) RIG_INSN(addi, .rd = A0, .imm = (v))
#define RET RIG_INSN(jalr, .rs1 = RA)
#define CALLEE (RIG_TEXT + 1024)

static struct hart *const h = &rig_hart;

static struct jit *jit(void)
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

static void new_callee(int v)
{
    RIG_CODE(CALLEE, LI(v), RET);
    rig_new_code();
}

/* Forks as the personality does: 0 in the child. */
static pid_t split(unsigned patience)
{
    pid_t pid;

    jit_fork(h);
    jit()->patience = patience;
    pid = fork();
    ck_assert_int_ge(pid, 0);
    return pid;
}

static void join(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void call_code(void)
{
    RIG_CODE(RIG_TEXT, RIG_INSN(jal, .rd = RA, .imm = 1024), RIG_ECALL);
    new_callee(1);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    ck_assert_uint_eq(run(RIG_TEXT), 1); /* linked by now */
}

/* With code copied at once, and after a while. */
static const unsigned patience[] = { 0, 1, 3, 1000 };

START_TEST(the_child_changes_code)
{
    pid_t pid;

    call_code();
    pid = split(patience[_i]);
    if (pid == 0) {
        for (int k = 2; k < 20; k++) {
            new_callee(k);
            if (run(RIG_TEXT) != (uint64_t)k || run(RIG_TEXT) != (uint64_t)k)
                _exit(1);
        }
        _exit(0);
    }
    join(pid);
    ck_assert_uint_eq(run(RIG_TEXT), 1);
    new_callee(30);
    ck_assert_uint_eq(run(RIG_TEXT), 30);
}
END_TEST

START_TEST(the_parent_changes_code)
{
    int gate[2];
    char c;
    pid_t pid;

    call_code();
    ck_assert_int_eq(pipe(gate), 0);
    pid = split(patience[_i]);
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &c, 1) != 0 || run(RIG_TEXT) != 1)
            _exit(1);
        new_callee(2);
        _exit(run(RIG_TEXT) != 2);
    }
    for (int k = 3; k < 20; k++) {
        new_callee(k);
        ck_assert_uint_eq(run(RIG_TEXT), k);
    }
    close(gate[0]);
    close(gate[1]);
    join(pid);
    ck_assert_uint_eq(run(RIG_TEXT), 19);
}
END_TEST

/* Children of children, each with code of its own behind the common one. */
START_TEST(generations)
{
    uint64_t at = RIG_TEXT + 2048;
    pid_t pid = 0;

    call_code();
    for (int k = 0; k < 8 && pid == 0; k++, at += 64) {
        RIG_CODE(at, LI(100 + k), RIG_ECALL);
        if (run(at) != 100u + (unsigned)k || run(RIG_TEXT) != 1)
            _exit(1);
        pid = split(patience[_i]);
    }
    if (pid)
        join(pid);
    for (uint64_t old = RIG_TEXT + 2048; old < at; old += 64)
        if (run(old) != 100 + (old - RIG_TEXT - 2048) / 64 || run(RIG_TEXT) != 1)
            _exit(1);
    RIG_CODE(at, LI(7), RIG_ECALL);
    if (run(at) != 7)
        _exit(1);
}
END_TEST

/* What makes do without a translation still counts exactly once somebody looks. */
START_TEST(counting_begins_in_the_child)
{
    pid_t pid;

    call_code();
    pid = split(1000);
    RIG_CODE(RIG_TEXT + 2048, RIG_INSN(csrrs, .rd = A1, .imm = 0xc02), RIG_INSN(addi),
             RIG_INSN(csrrs, .rd = A0, .imm = 0xc02), RIG_INSN(sub, .rd = A0, .rs1 = A0, .rs2 = A1),
             RIG_ECALL);
    if (run(RIG_TEXT + 2048) != 2)
        _exit(1);
    if (pid)
        join(pid);
}
END_TEST

/* The host has no memory for the copy: slowly, but on. */
START_TEST(no_room_for_a_copy)
{
    const struct rlimit none = { .rlim_cur = 1, .rlim_max = 1 };
    pid_t pid;

    RIG_CODE(RIG_TEXT, RIG_ECALL);
    h->pc = RIG_TEXT;
    ck_assert_int_eq(interp_run(h), ENGINE_TRAP); /* which has its memory now */
    call_code();
    pid = split(0);
    if (pid) {
        join(pid);
        return;
    }
    setrlimit(RLIMIT_AS, &none);
    for (int k = 2; k < 5; k++) {
        new_callee(k);
        if (run(RIG_TEXT) != (uint64_t)k || !jit()->lost)
            _exit(1);
    }
    _exit(0);
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("fork");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_loop_test(tc, the_child_changes_code, 0, (int)ARRAY_SIZE(patience));
    tcase_add_loop_test(tc, the_parent_changes_code, 0, (int)ARRAY_SIZE(patience));
    tcase_add_loop_test(tc, generations, 0, (int)ARRAY_SIZE(patience));
    tcase_add_test(tc, counting_begins_in_the_child);
    tcase_add_test(tc, no_room_for_a_copy);
    return rig_main(tc, "fork");
}
