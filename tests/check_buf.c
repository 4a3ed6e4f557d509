/*
 * The text builder: what fits, what is cut, and that no byte outside the buffer is written.
 */
#include "base/buf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char area[64];
static struct buf b;

static void start(size_t cap)
{
    memset(area, '#', sizeof(area));
    buf_init(&b, area, cap);
}

/* The buffer holds `text` and nothing from its end on was touched. */
static void expect(const char *text, bool cut)
{
    ck_assert_str_eq(b.at, text);
    ck_assert_uint_eq(b.len, strlen(text));
    ck_assert_int_eq(b.cut, cut);
    for (size_t k = b.cap; k < sizeof(area); k++)
        ck_assert_int_eq(area[k], '#');
}

START_TEST(pieces_join)
{
    start(32);
    expect("", false);
    buf_putc(&b, 'a');
    buf_puts(&b, "bc");
    buf_putn(&b, "defgh", 2);
    buf_printf(&b, "-%d-%s", -7, "x");
    expect("abcde--7-x", false);
}
END_TEST

START_TEST(exact_fit_is_not_cut)
{
    start(5);
    buf_puts(&b, "abcd");
    expect("abcd", false);
    buf_puts(&b, "");
    buf_putn(&b, "zzz", 0);
    buf_printf(&b, "%s", "");
    expect("abcd", false);
    start(5);
    buf_printf(&b, "%04d", 7);
    expect("0007", false);
}
END_TEST

START_TEST(overflow_keeps_the_start)
{
    start(5);
    buf_puts(&b, "ab");
    buf_puts(&b, "cdef");
    expect("abcd", true);
    buf_putc(&b, 'z');
    buf_printf(&b, "%d", 12345);
    expect("abcd", true);
    start(5);
    buf_putc(&b, 'a');
    buf_printf(&b, "%d", 12345);
    expect("a123", true);
}
END_TEST

START_TEST(cut_is_remembered)
{
    start(4);
    buf_puts(&b, "abcdef");
    buf_puts(&b, "");
    ck_assert(b.cut);
}
END_TEST

START_TEST(room_for_the_nul_only)
{
    start(1);
    expect("", false);
    buf_putc(&b, 'a');
    expect("", true);
    start(1);
    buf_printf(&b, "%d", 1);
    expect("", true);
}
END_TEST

START_TEST(no_room_at_all)
{
    start(0);
    buf_putc(&b, 'a');
    buf_puts(&b, "abc");
    buf_printf(&b, "%d", 1);
    ck_assert_uint_eq(b.len, 0);
    ck_assert(b.cut);
    ck_assert_int_eq(area[0], '#');
    buf_init(&b, NULL, 0);
    buf_printf(&b, "%d", 1);
    ck_assert(b.cut);
}
END_TEST

/* Random pieces into buffers of every size give the prefix of what they give without limit. */
START_TEST(any_split_is_a_prefix)
{
    char whole[512];

    for (size_t cap = 1; cap <= 48; cap++) {
        struct buf all;

        srand((unsigned)cap);
        start(cap);
        buf_init(&all, whole, sizeof(whole));
        for (int k = 0; k < 12; k++) {
            int v = rand();

            if (v & 1) {
                buf_printf(&b, "%x.", v & 0xffff);
                buf_printf(&all, "%x.", v & 0xffff);
            } else {
                buf_putn(&b, "0123456789", (size_t)v / 2 % 11);
                buf_putn(&all, "0123456789", (size_t)v / 2 % 11);
            }
        }
        ck_assert(!all.cut);
        ck_assert_int_eq(b.cut, all.len > cap - 1);
        ck_assert_uint_eq(b.len, all.len < cap - 1 ? all.len : cap - 1);
        ck_assert(!memcmp(area, whole, b.len));
        ck_assert_int_eq(area[b.len], '\0');
        for (size_t k = cap; k < sizeof(area); k++)
            ck_assert_int_eq(area[k], '#');
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *tc = tcase_create("buf");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, pieces_join);
    tcase_add_test(tc, exact_fit_is_not_cut);
    tcase_add_test(tc, overflow_keeps_the_start);
    tcase_add_test(tc, cut_is_remembered);
    tcase_add_test(tc, room_for_the_nul_only);
    tcase_add_test(tc, no_room_at_all);
    tcase_add_test(tc, any_split_is_a_prefix);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
