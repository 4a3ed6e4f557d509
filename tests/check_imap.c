/* The interval map, against an array that says for every address which record holds it. */
#include "base/imap.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

#define SPACE 512
#define STEPS 20000

struct span {
    uint64_t start, len;
    int tag;
};

static struct imap map;

static void setup(void)
{
    imap_init(&map, sizeof(struct span));
}

static void teardown(void)
{
    imap_free(&map);
}

static void add(uint64_t start, uint64_t len, int tag)
{
    struct span s = { start, len, tag };

    ck_assert_int_eq(imap_insert(&map, &s), 0);
}

START_TEST(empty_map_finds_nothing)
{
    ck_assert_ptr_null(imap_find(&map, 0));
    ck_assert_ptr_null(imap_from(&map, 0));
    ck_assert_ptr_null(imap_at(&map, 0));
}
END_TEST

START_TEST(edges_of_an_interval)
{
    const struct span *s;

    add(100, 10, 1);
    add(120, 5, 2);
    ck_assert_ptr_null(imap_find(&map, 99));
    s = imap_find(&map, 100);
    ck_assert_int_eq(s->tag, 1);
    s = imap_find(&map, 109);
    ck_assert_int_eq(s->tag, 1);
    ck_assert_ptr_null(imap_find(&map, 110));
    s = imap_from(&map, 110);
    ck_assert_int_eq(s->tag, 2);
    ck_assert_uint_eq(imap_index(&map, s), 1);
    ck_assert_ptr_null(imap_from(&map, 125));
}
END_TEST

START_TEST(last_interval_may_end_at_the_top)
{
    const struct span *s;

    add(UINT64_MAX - 9, 10, 7);
    s = imap_find(&map, UINT64_MAX);
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(s->tag, 7);
    ck_assert_ptr_null(imap_find(&map, UINT64_MAX - 10));
    ck_assert_ptr_eq(imap_from(&map, 0), s);
}
END_TEST

START_TEST(reserve_makes_inserts_keep_their_place)
{
    const void *first;

    add(0, 1, 0);
    ck_assert_int_eq(imap_reserve(&map, 1000), 0);
    first = imap_at(&map, 0);
    for (uint64_t i = 1; i <= 1000; i++)
        add(i, 1, (int)i);
    ck_assert_ptr_eq(imap_at(&map, 0), first);
    ck_assert_uint_eq(map.n, 1001);
}
END_TEST

START_TEST(remove_run_closes_the_gap)
{
    const struct span *s;

    for (int i = 0; i < 10; i++)
        add((uint64_t)i * 10, 10, i);
    imap_remove_run(&map, 3, 4);
    ck_assert_uint_eq(map.n, 6);
    ck_assert_ptr_null(imap_find(&map, 30));
    ck_assert_ptr_null(imap_find(&map, 69));
    s = imap_from(&map, 30);
    ck_assert_int_eq(s->tag, 7);
    imap_remove_run(&map, 6, 0);
    ck_assert_uint_eq(map.n, 6);
}
END_TEST

START_TEST(overlapping_insert_is_a_bug)
{
    log_set_fd(-1);
    add(100, 10, 1);
    add(109, 10, 2);
}
END_TEST

/* Compares every answer with the model's. */
static void check_all(const int *model)
{
    for (uint64_t a = 0; a < SPACE; a++) {
        const struct span *s = imap_find(&map, a), *from = imap_from(&map, a);
        uint64_t b = a;

        ck_assert_int_eq(s ? s->tag : 0, model[a]);
        while (b < SPACE && !model[b])
            b++;
        ck_assert_int_eq(from ? from->tag : 0, b < SPACE ? model[b] : 0);
    }
    for (size_t i = 1; i < map.n; i++) {
        const struct span *a = imap_at(&map, i - 1), *b = imap_at(&map, i);

        ck_assert_uint_le(a->start + a->len, b->start);
    }
}

START_TEST(random_changes_agree_with_a_model)
{
    int model[SPACE] = { 0 }, tag = 0;

    srandom(1);
    for (int step = 0; step < STEPS; step++) {
        uint64_t start = (uint64_t)random() % SPACE, len = 1 + (uint64_t)random() % 8;
        struct span *s = imap_find(&map, start);

        if (s) {
            for (uint64_t a = s->start; a < s->start + s->len; a++)
                model[a] = 0;
            imap_remove(&map, s);
        } else {
            len = MIN(len, SPACE - start);
            for (uint64_t a = start; a < start + len; a++)
                if (model[a])
                    len = a - start;
            add(start, len, ++tag);
            for (uint64_t a = start; a < start + len; a++)
                model[a] = tag;
        }
        if (step % 64 == 0)
            check_all(model);
    }
    check_all(model);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("imap");
    TCase *tc = tcase_create("imap");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, empty_map_finds_nothing);
    tcase_add_test(tc, edges_of_an_interval);
    tcase_add_test(tc, last_interval_may_end_at_the_top);
    tcase_add_test(tc, reserve_makes_inserts_keep_their_place);
    tcase_add_test(tc, remove_run_closes_the_gap);
    tcase_add_test_raise_signal(tc, overlapping_insert_is_a_bug, SIGABRT);
    tcase_add_test(tc, random_changes_agree_with_a_model);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
