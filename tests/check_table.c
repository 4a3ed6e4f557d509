/*
 * The system call table: what must hold of every row and kind, whatever the handlers do. The numbers are
 * compared with the kernel's own list for new architectures, which riscv64 uses unchanged.
 */
#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* As arch/riscv/include/uapi/asm/unistd.h has it, before the host's own numbers can get in. */
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>

#include "noahv.h"
#include "syscalls/sysent.h"

#define NR_ROWS 329
#define SAME_FROM 424 /* from here on all architectures share their numbers */

/* The rows in the order of the file; `kernel` is "56", or "__NR_name" where this header is too old. */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define LIST(nr_, name_) { nr_, TEXT(__NR_##name_), #name_ },
#define SYS0(nr, name, ...) LIST(nr, name)
#define SYS1(nr, name, ...) LIST(nr, name)
#define SYS2(nr, name, ...) LIST(nr, name)
#define SYS3(nr, name, ...) LIST(nr, name)
#define SYS4(nr, name, ...) LIST(nr, name)
#define SYS5(nr, name, ...) LIST(nr, name)
#define SYS6(nr, name, ...) LIST(nr, name)
static const struct {
    unsigned nr;
    const char *kernel, *name;
} rows[] = {
#include "syscalls/table.def"
};

START_TEST(rows_are_complete_and_ascending)
{
    ck_assert_uint_eq(ARRAY_SIZE(rows), NR_ROWS);
    for (unsigned i = 1; i < NR_ROWS; i++)
        ck_assert_msg(rows[i - 1].nr < rows[i].nr, "%s", rows[i].name);
    ck_assert_uint_eq(rows[NR_ROWS - 1].nr, NR_SYS - 1);
}
END_TEST

START_TEST(numbers_are_the_kernels)
{
    unsigned compared = 0;

    for (unsigned i = 0; i < NR_ROWS; i++) {
        if (strncmp(rows[i].kernel, "__NR_", 5) == 0)
            continue;
        ck_assert_msg((unsigned)atoi(rows[i].kernel) == rows[i].nr, "%s is %s, not %u", rows[i].name,
                      rows[i].kernel, rows[i].nr);
        compared++;
    }
    ck_assert_uint_ge(compared, 300);
}
END_TEST

START_TEST(row_is_consistent) /* _i is the row */
{
    const struct sysent *e = &sysent[rows[_i].nr];
    bool passed = e->how == HOW_PASS || e->how == HOW_SAME;

    ck_assert_str_eq(e->name, rows[_i].name);
    ck_assert_ptr_eq(sysent_get(rows[_i].nr), e);
    ck_assert_int_eq(e->thunk != NULL, e->how == HOW_OWN);
    ck_assert_int_eq(e->how == HOW_NONE || e->how == HOW_DENY, e->level == LEVEL_NONE);
    ck_assert_uint_lt(e->class, NR_CLASSES);
    if (e->how == HOW_PASS)
        ck_assert_uint_lt(rows[_i].nr, SAME_FROM);
    if (e->how == HOW_SAME)
        ck_assert_uint_eq(e->host_nr, rows[_i].nr);
    if (rows[_i].nr < SAME_FROM)
        ck_assert_int_ne(e->how, HOW_SAME);
    ck_assert(passed || e->host_nr == 0);
    for (int i = 0; i < SYS_ARGS_MAX; i++) {
        ck_assert_int_eq(e->kind[i] != KIND_NONE, i < e->nargs);
        ck_assert_int_eq(e->arg[i] != NULL, i < e->nargs);
    }
}
END_TEST

static bool is_length(uint8_t kind)
{
    return kind == KIND_SIZE || kind == KIND_SIZE32 || kind == KIND_ISIZE;
}

START_TEST(buffers_have_lengths) /* _i is the row */
{
    const struct sysent *e = &sysent[rows[_i].nr];

    for (int i = 0; i < e->nargs; i++)
        if (kind_desc[e->kind[i]].marshal == M_BUF)
            ck_assert_msg(i + 1 < e->nargs && is_length(e->kind[i + 1]), "%s: %s", e->name, e->arg[i]);
}
END_TEST

/* Passed through, a guest address inside guest memory would reach the host kernel as one of ours. */
START_TEST(passed_rows_hold_nothing_of_ours) /* _i is the row */
{
    const struct sysent *e = &sysent[rows[_i].nr];
    int paths = 0, strings = 0;

    if (e->how != HOW_PASS && e->how != HOW_SAME)
        return;
    for (int i = 0; i < e->nargs; i++) {
        uint8_t m = kind_desc[e->kind[i]].marshal;

        ck_assert_msg(m != M_OWN, "%s: %s", e->name, e->arg[i]);
        if (m == M_DIRFD)
            ck_assert_msg(i + 1 < e->nargs && kind_desc[e->kind[i + 1]].marshal == M_PATH, "%s: %s", e->name,
                          e->arg[i]);
        paths += m == M_PATH;
        strings += m == M_STR;
    }
    ck_assert_int_le(paths, 2); /* struct pass has room for as many */
    ck_assert_int_le(strings, 3);
}
END_TEST

START_TEST(kind_is_consistent) /* _i is the kind */
{
    const struct kind_desc *k = &kind_desc[_i];
    bool used = false;

    ck_assert(k->bytes == 4 || k->bytes == 8);
    if (k->marshal == M_FD || k->marshal == M_CFD || k->marshal == M_DIRFD)
        ck_assert(k->bytes == 4 && k->is_signed);
    if (k->marshal >= M_PATH)
        ck_assert_msg(k->bytes == 8 && !k->is_signed, "%s holds an address", k->name);
    if (k->marshal < M_BUF && k->marshal != M_PATH && k->marshal != M_LINK)
        ck_assert_uint_eq(k->size, 0);
    for (int i = 0; i < NR_ROWS && !used; i++)
        used = memchr(sysent[rows[i].nr].kind, _i, SYS_ARGS_MAX) != NULL;
    ck_assert_msg(used, "%s is never used", k->name);
}
END_TEST

START_TEST(unknown_numbers_have_no_row)
{
    static const uint64_t none[] = { 38,        244, 257, 295, 423, NR_SYS, 1000, 1 + (uint64_t)UINT32_MAX,
                                     UINT64_MAX };

    for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
        ck_assert_ptr_null(sysent_get(none[i]));
}
END_TEST

/* One text at most for a row, and none where nothing is answered. */
static const char *const limits[] = {
#define LIMIT(name, text) #name,
#include "syscalls/limits.def"
#undef LIMIT
};

START_TEST(limits_are_of_full_rows) /* _i is the row */
{
    const struct sysent *e = &sysent[rows[_i].nr];
    const char *text = noahv_linux_limits((int)rows[_i].nr);
    int lines = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++)
        lines += strcmp(limits[i], e->name) == 0;
    ck_assert_msg(lines <= (e->level == LEVEL_FULL), "%s: %d", e->name, lines);
    ck_assert_msg((text && *text) == (lines == 1), "%s: %s", e->name, text);
}
END_TEST

START_TEST(other_numbers_have_no_limits)
{
    static const int none[] = { INT_MIN, -1, 244, NR_SYS, INT_MAX };

    for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
        ck_assert_ptr_null(noahv_linux_limits(none[i]));
}
END_TEST

static void count_row(void *opaque, int nr, const char *name, const char *class_name, const char *level)
{
    unsigned *i = opaque;

    ck_assert_uint_lt(*i, NR_ROWS);
    ck_assert_uint_eq((unsigned)nr, rows[*i].nr);
    ck_assert_str_eq(name, rows[*i].name);
    ck_assert(class_name[0] && level[0]);
    if (nr == 63) { /* read */
        ck_assert_str_eq(class_name, "desc");
        ck_assert_str_eq(level, "full");
    }
    if (nr == 117) /* ptrace */
        ck_assert_str_eq(level, "none");
    ++*i;
}

START_TEST(visitor_sees_every_row)
{
    unsigned seen = 0;

    noahv_linux_syscalls(count_row, &seen);
    ck_assert_uint_eq(seen, NR_ROWS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *tc = tcase_create("table");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_test(tc, rows_are_complete_and_ascending);
    tcase_add_test(tc, numbers_are_the_kernels);
    tcase_add_loop_test(tc, row_is_consistent, 0, NR_ROWS);
    tcase_add_loop_test(tc, buffers_have_lengths, 0, NR_ROWS);
    tcase_add_loop_test(tc, passed_rows_hold_nothing_of_ours, 0, NR_ROWS);
    tcase_add_loop_test(tc, kind_is_consistent, KIND_NONE + 1, NR_KINDS);
    tcase_add_test(tc, unknown_numbers_have_no_row);
    tcase_add_loop_test(tc, limits_are_of_full_rows, 0, NR_ROWS);
    tcase_add_test(tc, other_numbers_have_no_limits);
    tcase_add_test(tc, visitor_sees_every_row);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
