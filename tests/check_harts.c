/*
 * Translations that several harts share: made once, linked and dropped while others run them, never returned into when
 * they are gone.
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "interp/interp.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

enum { RA = 1, A0 = 10, A1, A2, A3, FA0 = 10, FA1 };

#define ADDI(d, s, v) RIG_INSN(addi, .rd = (d), .rs1 = (s), .imm = (v))
#define LI(v) ADDI(A0, 0, v)
#define J(distance) RIG_INSN(jal, .imm = (distance))
#define CALL(distance) RIG_INSN(jal, .rd = RA, .imm = (distance))
#define RET RIG_INSN(jalr, .rs1 = RA)
#define FENCE_I RIG_INSN(fence_i)
#define OTHER (RIG_TEXT + 1024)

static struct hart_shared shared = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct hart two;
static struct hart *const a = &rig_hart, *const b = &two;

static void setup(void)
{
    rig_setup();
    two.mem = &rig_mem;
    hart_reset(&two);
    a->jit.shared = b->jit.shared = &shared;
}

/* A hart that was stopped when it had just left has its poll page closed, and a checker of leaks reads all there is. */
static void teardown(void)
{
    jit_poll(a, false);
    jit_poll(b, false);
    rig_teardown();
}

static struct jit *jit(void)
{
    return shared.state;
}

/* Runs from `pc` to an ecall; what is in a0 then. */
static uint64_t run(struct hart *h, uint64_t pc)
{
    enum engine_exit why;

    h->pc = pc;
    while ((why = jit_run(h)) == ENGINE_KICKED)
        ;
    ck_assert_uint_eq(h->trap.scause, CAUSE_ECALL_VU);
    return h->x[A0];
}

START_TEST(what_one_has_translated_the_other_runs)
{
    size_t n;

    RIG_CODE(RIG_TEXT, CALL(16), CALL(12), J(12), RIG_ECALL, LI(7), RET, J(-12));
    RIG_CODE(RIG_TEXT + 8, RIG_ECALL);
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
    n = jit()->nr_blocks;
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(run(b, RIG_TEXT), 7);
    ck_assert_ptr_eq(a->jit.state, b->jit.state);
    ck_assert_uint_eq(jit()->nr_blocks, n);
}
END_TEST

/* Whose code is another than the others' has its own: who is alone, counts, is of a process that may be killed alone. */
START_TEST(who_is_different_has_its_own)
{
    RIG_CODE(RIG_TEXT, LI(7), RIG_ECALL);
    run(b, RIG_TEXT);
    a->alone = _i == 0;
    a->counting = _i == 1;
    a->jit.own = _i == 2;
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
    ck_assert_ptr_ne(a->jit.state, jit());
    a->alone = a->counting = a->jit.own = false;
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
    ck_assert_ptr_eq(a->jit.state, jit());
}
END_TEST

/* A hart that looks at how many instructions it has run, behind code that does not count. */
START_TEST(who_begins_to_count_leaves)
{
    RIG_CODE(RIG_TEXT, LI(7), RIG_INSN(csrrs, .rd = A1, .imm = 0xc02),
             RIG_INSN(csrrs, .rd = A2, .imm = 0xc02), RIG_INSN(sub, .rd = A0, .rs1 = A2, .rs2 = A1),
             RIG_ECALL);
    run(b, RIG_TEXT);
    ck_assert_uint_eq(b->x[A0], 1);
    ck_assert_ptr_eq(jit(), NULL);
}
END_TEST

/* The last one to leave frees them. */
START_TEST(nobody_leaves_them_behind)
{
    RIG_CODE(RIG_TEXT, LI(7), RIG_ECALL);
    run(a, RIG_TEXT);
    run(b, RIG_TEXT);
    jit_free(a);
    ck_assert_ptr_eq(jit(), b->jit.state);
    ck_assert_ptr_eq(jit()->harts, b);
    jit_free(b);
    ck_assert_ptr_null(jit());
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
}
END_TEST

/* A hart that has shown no use of floating point is led to code that another translated. */
START_TEST(floating_point_is_everybodys)
{
    const double x = 1.5, y = 2.25, sum = 3.75;
    double got;

    RIG_CODE(RIG_TEXT, LI(7), J(1020));
    RIG_CODE(OTHER, RIG_INSN(fadd_d, .rd = FA0, .rs1 = FA0, .rs2 = FA1, .rm = 7), RIG_ECALL);
    run(b, RIG_TEXT + 4); /* b has entered, and the jump leads nowhere yet */
    memcpy(&b->f[FA0], &x, sizeof x);
    memcpy(&b->f[FA1], &y, sizeof y);
    run(a, RIG_TEXT);
    run(a, RIG_TEXT);
    run(b, RIG_TEXT);
    memcpy(&got, &b->f[FA0], sizeof got);
    ck_assert(got == sum);
}
END_TEST

/* Jumps of every kind at every place: the field of each that is linked later lies within eight aligned bytes. */
START_TEST(fields_can_be_stored_at_once)
{
    size_t linked = 0;

    for (int k = 0; k < 40; k++) {
        uint64_t pc = RIG_TEXT + 96 * (uint64_t)k, at = pc;

        for (int n = 0; n < k % 8; n++)
            at = RIG_CODE(at, RIG_INSN(xori, .rd = A1 + n % 4, .rs1 = A1, .imm = 5 << n));
        at = RIG_CODE(at, RIG_INSN(beq, .rs1 = A0, .rs2 = A1, .imm = 16), CALL(12), J(8), LI(1));
        RIG_CODE(at, RIG_INSN(bne, .rs1 = A0, .rs2 = 0, .imm = 8), LI(1), RIG_ECALL);
        run(a, pc);
    }
    for (size_t k = 0; k < jit()->nr_edges; k++)
        if (jit()->edge[k].field) {
            ck_assert_uint_le((uintptr_t)(jit()->code.rw + jit()->edge[k].field) % 8, 4);
            linked++;
        }
    ck_assert_uint_gt(linked, 80);
}
END_TEST

/* --- With others inside ------------------------------------------------------------------------------------ */

/* At OTHER: as much as covers what was there before. */
static void long_code(void)
{
    for (uint64_t at = OTHER; at < OTHER + 256; at += 8)
        RIG_CODE(at, RIG_INSN(lui, .rd = A0, .imm = 0x12345000),
                 RIG_INSN(xori, .rd = A0, .rs1 = A0, .imm = 77));
    RIG_CODE(OTHER + 256, RIG_ECALL);
}

static void *run_b(void *pc)
{
    ck_assert_int_eq(fault_thread_init(), 0);
    run(b, (uint64_t)(uintptr_t)pc);
    fault_thread_exit();
    return NULL;
}

static pthread_t begin_b(uint64_t pc)
{
    pthread_t t;

    ck_assert_int_eq(pthread_create(&t, NULL, run_b, (void *)(uintptr_t)pc), 0);
    while (atomic_load(&b->jit.inside) != JIT_INSIDE)
        ;
    return t;
}

/* What a hart goes round in is written anew, and announced by another: it is not in it any more. */
START_TEST(who_runs_what_is_dropped_leaves_it)
{
    pthread_t t;

    RIG_CODE(RIG_TEXT, ADDI(A1, A1, 1), J(-4));
    RIG_CODE(OTHER, FENCE_I, RIG_ECALL);
    run(a, OTHER);
    t = begin_b(RIG_TEXT);
    RIG_CODE(RIG_TEXT, LI(42), LI(42), RIG_ECALL);
    run(a, OTHER);
    pthread_join(t, NULL);
    ck_assert_uint_eq(b->x[A0], 42);
}
END_TEST

/* All is forgotten, and other code is where it was. */
START_TEST(who_runs_what_is_forgotten_leaves_it)
{
    pthread_t t;
    unsigned epoch;

    RIG_CODE(RIG_TEXT, RIG_INSN(lw, .rd = A1, .rs1 = A2), RIG_INSN(beq, .rs1 = A1, .imm = -4), LI(9),
             RIG_ECALL);
    long_code();
    b->x[A2] = RIG_DATA;
    t = begin_b(RIG_TEXT);
    epoch = jit()->epoch;
    jit()->full = true;
    run(a, OTHER);
    ck_assert_uint_ne(jit()->epoch, epoch);
    rig_poke64(RIG_DATA, 1);
    pthread_join(t, NULL);
    ck_assert_uint_eq(b->x[A0], 9);
}
END_TEST

/* The code memory becomes the process's own under who runs it. */
START_TEST(who_runs_what_is_copied_goes_on)
{
    pthread_t t;

    RIG_CODE(RIG_TEXT, RIG_INSN(lw, .rd = A1, .rs1 = A2), RIG_INSN(beq, .rs1 = A1, .imm = -4), LI(9),
             RIG_ECALL);
    RIG_CODE(OTHER, LI(5), RIG_ECALL);
    b->x[A2] = RIG_DATA;
    t = begin_b(RIG_TEXT);
    run(a, RIG_TEXT + 12);
    pthread_mutex_lock(&shared.lock);
    jit_fork(a);
    jit()->patience = 0;
    pthread_mutex_unlock(&shared.lock);
    ck_assert(jit()->code.frozen);
    ck_assert_uint_eq(run(a, OTHER), 5);
    ck_assert(!jit()->code.frozen);
    rig_poke64(RIG_DATA, 1);
    pthread_join(t, NULL);
    ck_assert_uint_eq(b->x[A0], 9);
}
END_TEST

static void *forget_all(void *arg)
{
    ck_assert_int_eq(fault_thread_init(), 0);
    jit()->full = true;
    a->target[JIT_TARGET(OTHER)].code = NULL; /* a look at `full` */
    run(a, OTHER);
    fault_thread_exit();
    return arg;
}

/* Answers b's ecall; meanwhile a makes other code where b's was, and is not kept from it. */
static enum hart_answer answer(struct hart *h)
{
    pthread_t t;

    if (h->x[17] == 0)
        return ANSWER_TRAP;
    h->x[17]--;
    h->pc += 4;
    ck_assert_uint_eq(atomic_load(&h->jit.inside), JIT_OUTSIDE);
    ck_assert_int_eq(pthread_create(&t, NULL, forget_all, NULL), 0);
    pthread_join(t, NULL);
    return ANSWER_DONE;
}

START_TEST(nobody_comes_back_to_what_is_gone)
{
    RIG_CODE(RIG_TEXT, LI(1), RIG_ECALL, ADDI(A0, A0, 2), RIG_ECALL, ADDI(A0, A0, 4), RIG_ECALL);
    long_code();
    b->answer = answer;
    b->x[17] = 2;
    ck_assert_uint_eq(run(b, RIG_TEXT), 7);
    ck_assert_uint_eq(jit()->epoch, 2);
    ck_assert_uint_eq(b->pc, RIG_TEXT + 20);
    ck_assert_uint_eq(atomic_load(&b->jit.inside), JIT_OUTSIDE);
}
END_TEST

/* A call whose return is to code that was dropped meanwhile, by the other hart. */
static enum hart_answer rewrite_caller(struct hart *h)
{
    if (h->x[17] == 0)
        return ANSWER_TRAP;
    h->x[17] = 0;
    h->pc += 4;
    RIG_CODE(RIG_TEXT, CALL(64), LI(42), RIG_ECALL);
    jit_flush(a);
    return ANSWER_DONE;
}

START_TEST(returns_lead_to_what_is_new)
{
    RIG_CODE(RIG_TEXT, CALL(64), LI(1), RIG_ECALL);
    RIG_CODE(RIG_TEXT + 64, RIG_ECALL, RET);
    RIG_CODE(OTHER, RIG_ECALL);
    run(a, OTHER);
    b->answer = rewrite_caller;
    for (int n = 0; n < 4; n++) {
        RIG_CODE(RIG_TEXT, CALL(64), LI(1), RIG_ECALL);
        jit_flush(a);
        b->x[17] = 1;
        ck_assert_uint_eq(run(b, RIG_TEXT), 42);
    }
}
END_TEST

/* --- With what has gone since --------------------------------------------------------------------------- */

#define X (RIG_TEXT + 256)
#define T (RIG_TEXT + 512)

/* Goes round until something else than 0 is in the data, and then to X. Counts behind it. */
#define ROUND                                                                               \
    RIG_INSN(lw, .rd = A1, .rs1 = A2), RIG_INSN(addi, .rd = A3, .rs1 = A3, .imm = 1),       \
        RIG_INSN(sd, .rs1 = A2, .rs2 = A3, .imm = 8), RIG_INSN(beq, .rs1 = A1, .imm = -12), \
        J(X - RIG_TEXT - 16)

/* b is in the midst of it. */
static pthread_t begin_round(uint64_t a0)
{
    pthread_t t;

    rig_poke64(RIG_DATA, 0);
    rig_poke64(RIG_DATA + 8, 0);
    b->x[A0] = a0;
    b->x[A2] = RIG_DATA;
    b->x[A3] = 0;
    ck_assert_int_eq(pthread_create(&t, NULL, run_b, (void *)RIG_TEXT), 0);
    while (__atomic_load_n((uint64_t *)rig_at(RIG_DATA + 8), __ATOMIC_RELAXED) < 10)
        ;
    return t;
}

static uint64_t end_round(pthread_t t)
{
    rig_poke64(RIG_DATA, 1);
    pthread_join(t, NULL);
    return b->x[A0];
}

/*
 * A hart leaves by a jump that has not been linked, and its translation is dropped before the jump is: its field is in
 * the detour by now.
 */
START_TEST(no_link_where_a_detour_is)
{
    pthread_t t;

    RIG_CODE(RIG_TEXT, ROUND);
    RIG_CODE(X, RIG_INSN(beq, .rs1 = A0, .imm = T - X), LI(1), RIG_ECALL);
    RIG_CODE(T, LI(2), RIG_ECALL);
    for (int n = 0; n < 3; n++) /* all is linked but the branch at X */
        ck_assert_uint_eq(end_round(begin_round(5)), 1);
    t = begin_round(0);
    RIG_CODE(X, LI(7), RIG_ECALL);
    gmem_code_changed(&rig_mem, X, 8, false);
    ck_assert_uint_eq(end_round(t), 2);              /* what was there when it began */
    ck_assert_uint_eq(end_round(begin_round(0)), 7); /* by the detour */
}
END_TEST

/* The same when all is forgotten: its field is in other code. */
START_TEST(no_link_where_other_code_is)
{
    pthread_t t;

    RIG_CODE(RIG_TEXT, ROUND);
    RIG_CODE(X, RIG_INSN(beq, .rs1 = A0, .imm = T - X), LI(1), RIG_ECALL);
    for (uint64_t at = T; at < T + 400; at += 4)
        RIG_CODE(at, RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = 1));
    RIG_CODE(T + 400, RIG_ECALL);
    for (int n = 0; n < 3; n++)
        ck_assert_uint_eq(end_round(begin_round(5)), 1);
    t = begin_round(0);
    pthread_mutex_lock(&shared.lock);
    jit()->full = true;
    pthread_mutex_unlock(&shared.lock);
    ck_assert_uint_eq(end_round(t), 100);
    ck_assert_uint_eq(run(b, T), 200);
}
END_TEST

/* In a child of fork, of a thread that does not share, while others were coming and going. */
START_TEST(a_child_is_alone)
{
    RIG_CODE(RIG_TEXT, LI(7), RIG_ECALL);
    a->jit.own = _i;
    run(a, RIG_TEXT);
    run(b, RIG_TEXT);
    b->jit.state = NULL;
    jit_forked(a);
    if (_i) {
        ck_assert_ptr_null(shared.state);
    } else {
        ck_assert_ptr_eq(shared.state, a->jit.state);
        ck_assert_ptr_eq(jit()->harts, a);
        ck_assert_ptr_null(a->jit.next);
    }
    jit_free(b);
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
}
END_TEST

/* The code memory could not be copied after a fork: nobody goes into it again, however often. */
START_TEST(what_is_lost_is_run_no_more)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    struct rlimit before;

    RIG_CODE(RIG_TEXT, LI(7), RIG_ECALL);
    RIG_CODE(X, LI(8), RIG_ECALL);
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
    ck_assert_uint_eq(run(b, RIG_TEXT), 7);
    interp_run(a); /* has made what it needs */
    pthread_mutex_lock(&shared.lock);
    jit_fork(a);
    jit()->patience = 0;
    pthread_mutex_unlock(&shared.lock);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    ck_assert_uint_eq(run(a, X), 8);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert(jit()->lost);
    ck_assert_int_eq(mprotect(jit()->code.rx, jit()->code.size, PROT_NONE), 0);
    for (int n = 0; n < 3; n++) {
        ck_assert_uint_eq(run(a, RIG_TEXT), 7);
        ck_assert_uint_eq(run(b, RIG_TEXT), 7);
    }
}
END_TEST

static bool is_mapping(const uint8_t *page)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    bool found = false;

    ck_assert_ptr_nonnull(f);
    while (!found && fgets(line, sizeof line, f)) {
        uint64_t from, to;

        found = sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2 && from == (uint64_t)(uintptr_t)page &&
                to == from + PAGE_BYTES;
    }
    fclose(f);
    return found;
}

/* A guest that has as many mappings as there can be does not keep a hart from being stopped: none is split for it. */
START_TEST(a_kick_needs_no_mapping)
{
    RIG_CODE(RIG_TEXT, LI(7), RIG_ECALL);
    ck_assert_uint_eq(run(a, RIG_TEXT), 7);
    for (int n = 0; n < 2; n++) {
        ck_assert(is_mapping(a->poll));
        jit_kick(a);
        ck_assert(is_mapping(a->poll));
        ck_assert_uint_eq(run(a, RIG_TEXT), 7);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("harts");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_one_has_translated_the_other_runs);
    tcase_add_loop_test(tc, who_is_different_has_its_own, 0, 3);
    tcase_add_test(tc, who_begins_to_count_leaves);
    tcase_add_test(tc, nobody_leaves_them_behind);
    tcase_add_test(tc, floating_point_is_everybodys);
    tcase_add_test(tc, fields_can_be_stored_at_once);
    tcase_add_test(tc, who_runs_what_is_dropped_leaves_it);
    tcase_add_test(tc, who_runs_what_is_forgotten_leaves_it);
    tcase_add_test(tc, who_runs_what_is_copied_goes_on);
    tcase_add_test(tc, nobody_comes_back_to_what_is_gone);
    tcase_add_test(tc, returns_lead_to_what_is_new);
    tcase_add_test(tc, no_link_where_a_detour_is);
    tcase_add_test(tc, no_link_where_other_code_is);
    tcase_add_loop_test(tc, a_child_is_alone, 0, 2);
    tcase_add_test(tc, what_is_lost_is_run_no_more);
    tcase_add_test(tc, a_kick_needs_no_mapping);
    return rig_main(tc, "harts");
}
