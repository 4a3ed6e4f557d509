/* Copies and spans: page edges, protections, wrap-around, growing stacks, and a munmap that races. */
#include "mem/copy.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/access.h"
#include "mem/fault.h"

#define SIZE ((uint64_t)1 << 38)
#define BASE ((gpa_t)0x10000000)
#define PAGES(n) ((uint64_t)(n)*PAGE_BYTES)
#define END (BASE + PAGES(2)) /* two pages of RW at BASE, a hole behind them */
#define RW (GMEM_R | GMEM_W)
#define RACES 3000

static struct gmem m;

static void map(gpa_t addr, uint64_t len, int prot, int flags)
{
    ck_assert_int_eq(gmem_map(&m, addr, len, prot, flags, GMEM_PLAIN, -1, 0), 0);
}

/* Byte i of the two pages at BASE is this. */
static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 7 + (i >> 8));
}

static void setup(void)
{
    uint8_t bytes[PAGES(2)];

    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&m, SIZE), 0);
    map(BASE, PAGES(2), RW, 0);
    for (uint64_t i = 0; i < PAGES(2); i++)
        bytes[i] = pattern(i);
    ck_assert_int_eq(copy_out(&m, BASE, bytes, sizeof bytes), 0);
}

static void teardown(void)
{
    gmem_destroy(&m);
}

/* Every length up to beyond the bulk threshold, at every distance of the end from the hole. */
START_TEST(copy_in_at_the_edge)
{
    uint8_t got[300];

    for (uint64_t n = 0; n <= 130; n++)
        for (uint64_t over = 0; over <= n; over++) {
            gva_t src = END + over - n;
            size_t some;

            memset(got, 0xee, sizeof got);
            ck_assert_int_eq(copy_in(&m, got, src, n), over ? -EFAULT : 0);
            memset(got, 0xee, sizeof got);
            some = copy_in_some(&m, got, src, n);
            ck_assert_uint_eq(some, n - over);
            for (size_t i = 0; i < some; i++)
                ck_assert_uint_eq(got[i], pattern(src - BASE + i));
            ck_assert_uint_eq(got[n], 0xee);
        }
}
END_TEST

START_TEST(copy_out_at_the_edge)
{
    uint8_t give[130], got[130];

    memset(give, 0xc3, sizeof give);
    for (uint64_t n = 0; n <= sizeof give; n++)
        for (uint64_t over = 0; over <= n; over++) {
            gva_t dst = END + over - n;
            uint8_t before;

            ck_assert_int_eq(copy_in(&m, &before, dst - 1, 1), 0);
            ck_assert_int_eq(copy_out(&m, dst, give, n), over ? -EFAULT : 0);
            ck_assert_int_eq(copy_in(&m, got, dst, n - over), 0);
            ck_assert_mem_eq(got, give, n - over);
            ck_assert_int_eq(copy_in(&m, got, dst - 1, 1), 0);
            ck_assert_uint_eq(got[0], before);
            memset(got, (int)over, sizeof got);
            ck_assert_int_eq(copy_out(&m, dst, got, n - over), 0);
        }
}
END_TEST

START_TEST(bulk_copies_cross_pages)
{
    static uint8_t got[PAGES(2)];

    ck_assert_int_eq(copy_in(&m, got, BASE + 3, PAGES(2) - 3), 0);
    for (uint64_t i = 0; i < PAGES(2) - 3; i++)
        ck_assert_uint_eq(got[i], pattern(i + 3));
    ck_assert_int_eq(copy_in(&m, got, BASE + 4, PAGES(2) - 3), -EFAULT);
    ck_assert_uint_eq(copy_in_some(&m, got, BASE + 4, PAGES(2) - 3), PAGES(2) - 4);
    ck_assert_uint_eq(copy_in_some(&m, got, BASE - 1, 100), 0);
}
END_TEST

START_TEST(protections_hold)
{
    uint8_t buf[200] = { 1 };

    map(BASE + PAGES(8), PAGES(1), GMEM_R, 0);
    map(BASE + PAGES(9), PAGES(1), 0, 0);
    map(BASE + PAGES(10), PAGES(1), GMEM_R | GMEM_X, 0);
    for (size_t n = 1; n <= sizeof buf; n += 99) {
        ck_assert_int_eq(copy_in(&m, buf, BASE + PAGES(8), n), 0);
        ck_assert_int_eq(copy_out(&m, BASE + PAGES(8), buf, n), -EFAULT);
        ck_assert_int_eq(copy_in(&m, buf, BASE + PAGES(9), n), -EFAULT);
        ck_assert_int_eq(copy_out(&m, BASE + PAGES(9), buf, n), -EFAULT);
        ck_assert_int_eq(copy_in(&m, buf, BASE + PAGES(10), n), 0);
        ck_assert_int_eq(copy_out(&m, BASE + PAGES(10), buf, n), -EFAULT);
    }
    ck_assert_uint_eq(copy_in_some(&m, buf, BASE + PAGES(9) - 5, 100), 5);
}
END_TEST

START_TEST(wild_addresses_are_efault)
{
    static const gva_t wild[] = { SIZE, SIZE - 1, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 0, 1 };
    uint8_t buf[16] = { 0 };

    map(SIZE - PAGES(1), PAGES(1), RW, 0);
    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        ck_assert_int_eq(copy_in(&m, buf, wild[i], 16), -EFAULT);
        ck_assert_int_eq(copy_out(&m, wild[i], buf, 16), -EFAULT);
        ck_assert_int_eq(copy_str(&m, (char *)buf, wild[i], 2), wild[i] == SIZE - 1 ? 0 : -EFAULT);
    }
    ck_assert_int_eq(copy_in(&m, buf, SIZE - 16, 16), 0);
    ck_assert_int_eq(copy_in(&m, buf, BASE, SIZE_MAX), -EFAULT);
    ck_assert_uint_eq(copy_in_some(&m, buf, SIZE - 3, 16), 3);
    ck_assert_uint_eq(copy_in_some(&m, buf, UINT64_MAX, 16), 0);
}
END_TEST

START_TEST(beyond_the_end_of_a_file)
{
    int fd = memfd_create("short", 0);
    uint8_t buf[200] = { 0 };

    ck_assert_int_eq(ftruncate(fd, 10), 0);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(4), PAGES(2), RW, GMEM_SHARED, GMEM_PLAIN, fd, 0), 0);
    close(fd);
    ck_assert_int_eq(copy_in(&m, buf, BASE + PAGES(5) - 100, 100), 0);
    ck_assert_int_eq(copy_in(&m, buf, BASE + PAGES(5) - 100, 101), -EFAULT);
    ck_assert_int_eq(copy_out(&m, BASE + PAGES(5) - 100, buf, 200), -EFAULT);
    ck_assert_uint_eq(copy_in_some(&m, buf, BASE + PAGES(5) - 4, 8), 4);
}
END_TEST

START_TEST(strings)
{
    char got[600];

    ck_assert_int_eq(copy_out(&m, BASE, "hello", 6), 0);
    ck_assert_int_eq(copy_str(&m, got, BASE, sizeof got), 5);
    ck_assert_str_eq(got, "hello");
    ck_assert_int_eq(copy_str(&m, got, BASE, 6), 5);
    ck_assert_int_eq(copy_str(&m, got, BASE, 5), -ENAMETOOLONG);
    ck_assert_int_eq(copy_str(&m, got, BASE, 0), -ENAMETOOLONG);
    ck_assert_int_eq(copy_str(&m, got, BASE + 5, 1), 0);
    ck_assert_str_eq(got, "");
    ck_assert_int_eq(copy_str(&m, got, BASE - 1, 6), -EFAULT);
}
END_TEST

START_TEST(strings_at_the_edge)
{
    char got[600], text[600];

    memset(text, 'a', sizeof text);
    for (uint64_t n = 0; n < 560; n++) {
        /* The NUL is the last mapped byte, then there is none. */
        ck_assert_int_eq(copy_out(&m, END - n - 1, text, n), 0);
        ck_assert_int_eq(copy_out(&m, END - 1, "", 1), 0);
        ck_assert_int_eq(copy_str(&m, got, END - n - 1, sizeof got), (ssize_t)n);
        ck_assert_uint_eq(strlen(got), n);
        ck_assert_int_eq(copy_out(&m, END - 1, "a", 1), 0);
        ck_assert_int_eq(copy_str(&m, got, END - n - 1, sizeof got), -EFAULT);
        ck_assert_int_eq(copy_str(&m, got, END - n - 1, n + 1), -ENAMETOOLONG);
    }
}
END_TEST

START_TEST(copies_grow_a_stack)
{
    gpa_t stack = BASE + PAGES(4096);
    uint8_t big[PAGES(2)] = { 5 }, v = 1;
    char text[8];
    uint64_t word = 42;

    map(stack, PAGES(4), RW, GMEM_GROWSDOWN);
    ck_assert_int_eq(put_user(&m, stack - 4, &word), 0);
    ck_assert_int_eq(get_user(&m, &v, stack - PAGES(3)), 0);
    ck_assert_uint_eq(v, 0);
    ck_assert_int_eq(copy_out(&m, stack - PAGES(9) + 100, big, sizeof big), 0);
    ck_assert_int_eq(copy_in(&m, big, stack - PAGES(9), sizeof big), 0);
    ck_assert_uint_eq(big[100], 5);
    ck_assert_int_eq(copy_str(&m, text, stack - PAGES(20), sizeof text), 0);
    ck_assert_int_eq(copy_out(&m, stack - 9 * ((uint64_t)1 << 20), big, 1), -EFAULT);
}
END_TEST

/* --- Spans: for the host kernel's eyes ----------------------------------------------------------------- */

START_TEST(span_of_good_and_bad_ranges)
{
    uint8_t *w = m.gs.window;

    ck_assert_ptr_null(gmem_span(&m, 0, 8));
    ck_assert_ptr_null(gmem_span(&m, 0, UINT64_MAX));
    ck_assert_ptr_eq(gmem_span(&m, BASE, PAGES(2)), w + BASE);
    ck_assert_ptr_eq(gmem_span(&m, SIZE - 8, 8), w + SIZE - 8);
    /* Whatever leaves the address space starts in the guard, with its alignment kept. */
    ck_assert_ptr_eq(gmem_span(&m, SIZE - 8, 9), w + SIZE + PAGE_BYTES - 8);
    ck_assert_ptr_eq(gmem_span(&m, BASE, UINT64_MAX), w + SIZE);
    ck_assert_ptr_eq(gmem_span(&m, UINT64_MAX - 2, 1), w + SIZE + PAGE_BYTES - 3);
}
END_TEST

/* Without libc, whose place a sanitizer may have taken: it would look at the memory itself. */
static ssize_t host_read(int fd, void *to, size_t n)
{
    return syscall(SYS_read, fd, to, n);
}

static ssize_t host_write(int fd, const void *from, size_t n)
{
    return syscall(SYS_write, fd, from, n);
}

START_TEST(span_makes_the_host_kernel_answer)
{
    int fd[2], file = memfd_create("out", 0);

    ck_assert_int_eq(pipe(fd), 0);
    ck_assert_int_eq(host_write(fd[1], gmem_span(&m, BASE, 100), 100), 100);
    ck_assert_int_eq(host_read(fd[0], gmem_span(&m, BASE + 200, 100), 100), 100);
    /* A range that ends in a hole: a short count where the kernel gives one. */
    ck_assert_int_eq(host_write(file, gmem_span(&m, END - 6, 100), 100), 6);
    ck_assert_int_eq(host_write(file, gmem_span(&m, END, 100), 100), -1);
    ck_assert_int_eq(errno, EFAULT);
    /* A range that leaves the address space: nothing at all, though its start is mapped. */
    map(SIZE - PAGES(1), PAGES(1), RW, 0);
    ck_assert_int_eq(host_write(file, gmem_span(&m, SIZE - 6, 100), 100), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(host_write(file, gmem_span(&m, BASE, (uint64_t)1 << 40), (size_t)1 << 40), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(host_write(file, gmem_span(&m, 0, 8), 8), -1);
    ck_assert_int_eq(errno, EFAULT);
    /* Read-only memory cannot be read into. */
    ck_assert_int_eq(gmem_protect(&m, BASE, PAGES(2), GMEM_R), 0);
    ck_assert_int_eq(host_write(fd[1], "x", 1), 1);
    ck_assert_int_eq(host_read(fd[0], gmem_span(&m, BASE, 1), 1), -1);
    ck_assert_int_eq(errno, EFAULT);
    close(file);
    close(fd[0]);
    close(fd[1]);
}
END_TEST

START_TEST(span_grows_a_stack_beforehand)
{
    gpa_t stack = BASE + PAGES(4096);
    int fd[2];

    map(stack, PAGES(4), RW, GMEM_GROWSDOWN);
    ck_assert_int_eq(pipe(fd), 0);
    ck_assert_int_eq(host_write(fd[1], "hello", 5), 5);
    ck_assert_int_eq(host_read(fd[0], gmem_span(&m, stack - PAGES(10) + 4, PAGES(11)), PAGES(11)), 5);
    ck_assert(!gmem_is_free(&m, stack - PAGES(10), PAGES(1)));
    ck_assert(gmem_is_free(&m, stack - PAGES(11), PAGES(1)));
    close(fd[0]);
    close(fd[1]);
}
END_TEST

/* --- Fetches -------------------------------------------------------------------------------------------- */

START_TEST(fetch_needs_execute)
{
    uint8_t code[4] = { 0 };

    map(BASE + PAGES(4), PAGES(2), RW, 0);
    ck_assert_int_eq(copy_out(&m, BASE + PAGES(5) - 2, "\x13\x05\xa0\x02", 4), 0);
    ck_assert_uint_eq(gmem_fetch(&m, BASE + PAGES(5) - 2, code, 4), 0);
    ck_assert_int_eq(gmem_protect(&m, BASE + PAGES(4), PAGES(1), GMEM_R | GMEM_X), 0);
    ck_assert_uint_eq(gmem_fetch(&m, BASE + PAGES(5) - 2, code, 4), 2);
    ck_assert_uint_eq(gmem_fetch(&m, BASE + PAGES(5) - 2, code, 2), 2);
    ck_assert_int_eq(gmem_protect(&m, BASE + PAGES(5), PAGES(1), GMEM_X), 0);
    ck_assert_uint_eq(gmem_fetch(&m, BASE + PAGES(5) - 2, code, 4), 4);
    ck_assert_mem_eq(code, "\x13\x05\xa0\x02", 4);
    ck_assert_uint_eq(gmem_fetch(&m, BASE + PAGES(6), code, 2), 0);
    ck_assert_uint_eq(gmem_fetch(&m, BASE + PAGES(6) - 2, code, 4), 2);
    ck_assert_uint_eq(gmem_fetch(&m, SIZE, code, 4), 0);
    ck_assert_uint_eq(gmem_fetch(&m, UINT64_MAX - 1, code, 4), 0);
    map(SIZE - PAGES(1), PAGES(1), GMEM_X, 0);
    ck_assert_uint_eq(gmem_fetch(&m, SIZE - 2, code, 4), 2);
}
END_TEST

/* --- A race -------------------------------------------------------------------------------------------- */

static atomic_int races_left;

static void *unmap_and_map(void *arg)
{
    (void)arg;
    while (atomic_fetch_sub(&races_left, 1) > 0) {
        if (gmem_unmap(&m, BASE + PAGES(1), PAGES(1)))
            return m.gs.window;
        if (gmem_map(&m, BASE + PAGES(1), PAGES(1), RW, 0, GMEM_PLAIN, -1, 0))
            return m.gs.window;
    }
    return NULL;
}

START_TEST(copies_survive_a_racing_unmap)
{
    uint8_t buf[PAGES(2)] = { 0 };
    int ok = 0, refused = 0;
    pthread_t t;
    void *failed;

    races_left = RACES;
    ck_assert_int_eq(pthread_create(&t, NULL, unmap_and_map, NULL), 0);
    while (atomic_load(&races_left) > 0) {
        int in = copy_in(&m, buf, BASE, sizeof buf), out = copy_out(&m, BASE + PAGES(1) - 8, buf, 16);
        ssize_t len = copy_str(&m, (char *)buf, BASE + PAGES(1), 8);

        ck_assert(in == 0 || in == -EFAULT);
        ck_assert(out == 0 || out == -EFAULT);
        ck_assert(len == -EFAULT || len == -ENAMETOOLONG || (len >= 0 && len < 8));
        ok += in == 0;
        refused += in != 0;
    }
    pthread_join(t, &failed);
    ck_assert_ptr_null(failed);
    ck_assert_int_gt(ok + refused, 0);
    ck_assert_int_eq(copy_in(&m, buf, BASE, sizeof buf), 0);
    for (uint64_t i = 0; i < PAGES(1) - 8; i++)
        ck_assert_uint_eq(buf[i], pattern(i));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        copy_in_at_the_edge,
        copy_out_at_the_edge,
        bulk_copies_cross_pages,
        protections_hold,
        wild_addresses_are_efault,
        beyond_the_end_of_a_file,
        strings,
        strings_at_the_edge,
        copies_grow_a_stack,
        span_of_good_and_bad_ranges,
        span_makes_the_host_kernel_answer,
        span_grows_a_stack_beforehand,
        fetch_needs_execute,
        copies_survive_a_racing_unmap,
    };
    Suite *s = suite_create("copy");
    TCase *tc = tcase_create("copy");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
