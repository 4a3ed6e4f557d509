/* Guest memory, case by case. check_gmem_random.c compares it with a model. */
#include "mem/gmem.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem/access.h"
#include "mem/copy.h"
#include "mem/fault.h"

#define SIZE ((uint64_t)1 << 38)
#define BASE ((gpa_t)0x10000000)
#define PAGES(n) ((uint64_t)(n)*PAGE_BYTES)
#define MIB ((uint64_t)1 << 20)
#define GAP MIB /* stack_guard_gap */
#define RW (GMEM_R | GMEM_W)

static struct gmem m;

static void setup(void)
{
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&m, SIZE), 0);
}

static void teardown(void)
{
    gmem_destroy(&m);
}

static void map(gpa_t addr, uint64_t len, int prot, int flags)
{
    ck_assert_int_eq(gmem_map(&m, addr, len, prot, flags, GMEM_PLAIN, -1, 0), 0);
}

static struct region region(gpa_t addr)
{
    struct region r;

    ck_assert(gmem_region_at(&m, addr, &r));
    return r;
}

static void put(gpa_t addr, uint64_t v)
{
    ck_assert_int_eq(copy_out(&m, addr, &v, sizeof v), 0);
}

static uint64_t get(gpa_t addr)
{
    uint64_t v;

    ck_assert_int_eq(copy_in(&m, &v, addr, sizeof v), 0);
    return v;
}

/* A file of n pages whose pages begin with 1000, 1001, ...; *ro is a read-only descriptor of it. */
static int file_of(int n, int *ro)
{
    int fd = memfd_create("file", 0);
    char path[32];

    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < n; i++) {
        uint64_t page[PAGE_BYTES / 8] = { 1000 + (uint64_t)i };

        ck_assert_int_eq(write(fd, page, sizeof page), (ssize_t)sizeof page);
    }
    if (ro) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        *ro = open(path, O_RDONLY);
        ck_assert_int_ge(*ro, 0);
    }
    return fd;
}

/* --- The record ---------------------------------------------------------------------------------------- */

START_TEST(window_and_guards)
{
    uint64_t w = (uint64_t)(uintptr_t)m.gs.window;
    gpa_t gpa = 0;

    ck_assert_uint_eq(m.limit, SIZE);
    ck_assert_int_eq(w & PAGE_MASK, 0);
    ck_assert(gstage_contains(&m.gs, w + 5, &gpa));
    ck_assert_uint_eq(gpa, 5);
    ck_assert(gstage_contains(&m.gs, w - 1, &gpa));
    ck_assert_uint_eq(gpa, UINT64_MAX);
    ck_assert(gstage_contains(&m.gs, w + SIZE + GSTAGE_GUARD - 1, &gpa));
    ck_assert_uint_eq(gpa, SIZE + GSTAGE_GUARD - 1);
    ck_assert(!gstage_contains(&m.gs, w + SIZE + GSTAGE_GUARD, &gpa));
    ck_assert(!gstage_contains(&m.gs, w - GSTAGE_GUARD - 1, &gpa));
    ck_assert(!gstage_contains(&m.gs, 0, &gpa));
}
END_TEST

/* Host memory that comes later must not land in a hole of the window: the window lies below all of it. */
START_TEST(host_mappings_lie_above_the_window)
{
    void *p = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(p, MAP_FAILED);
#if !defined(__SANITIZE_THREAD__)
    ck_assert_uint_gt((uint64_t)(uintptr_t)p, (uint64_t)(uintptr_t)m.gs.window + SIZE + GSTAGE_GUARD);
#endif
}
END_TEST

START_TEST(bad_ranges_are_refused)
{
    static const struct {
        gpa_t addr;
        uint64_t len;
    } bad[] = {
        { BASE + 1, PAGES(1) },     { BASE, PAGES(1) + 1 },        { BASE, 0 },
        { SIZE, PAGES(1) },         { SIZE - PAGES(1), PAGES(2) }, { PAGES(1), 0 - PAGES(1) },
        { 0 - PAGES(1), PAGES(2) },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        gpa_t a = bad[i].addr;
        uint64_t n = bad[i].len;

        ck_assert_int_eq(gmem_map(&m, a, n, RW, 0, GMEM_PLAIN, -1, 0), -EINVAL);
        ck_assert_int_eq(gmem_unmap(&m, a, n), -EINVAL);
        ck_assert_int_eq(gmem_protect(&m, a, n, RW), -EINVAL);
        ck_assert_int_eq(gmem_seal(&m, a, n), -EINVAL);
        ck_assert_int_eq(gmem_move(&m, a, n, BASE, PAGES(1), false), -EINVAL);
        ck_assert_int_eq(gmem_move(&m, BASE, PAGES(1), a, n, false), -EINVAL);
    }
    ck_assert_uint_eq(m.regions.n, 0);
}
END_TEST

START_TEST(protect_splits_and_merges)
{
    map(BASE, PAGES(4), RW, 0);
    ck_assert_int_eq(gmem_protect(&m, BASE + PAGES(1), PAGES(2), GMEM_R), 0);
    ck_assert_uint_eq(m.regions.n, 3);
    ck_assert_uint_eq(region(BASE + PAGES(1)).len, PAGES(2));
    ck_assert_int_eq(region(BASE + PAGES(3)).prot, RW);
    ck_assert_int_eq(gmem_protect(&m, BASE + PAGES(1), PAGES(1), RW), 0);
    ck_assert_uint_eq(m.regions.n, 3);
    ck_assert_uint_eq(region(BASE).len, PAGES(2));
    ck_assert_int_eq(gmem_protect(&m, BASE, PAGES(4), RW), 0);
    ck_assert_uint_eq(m.regions.n, 1);
    ck_assert_uint_eq(region(BASE).len, PAGES(4));
}
END_TEST

START_TEST(unmap_cuts_a_hole)
{
    map(BASE, PAGES(4), RW, 0);
    put(BASE + PAGES(3), 3);
    ck_assert_int_eq(gmem_unmap(&m, BASE + PAGES(1), PAGES(2)), 0);
    ck_assert_uint_eq(m.regions.n, 2);
    ck_assert(gmem_is_free(&m, BASE + PAGES(1), PAGES(2)));
    ck_assert(!gmem_is_free(&m, BASE, PAGES(2)));
    ck_assert_uint_eq(get(BASE + PAGES(3)), 3);
    ck_assert_int_eq(copy_out(&m, BASE + PAGES(1), "", 1), -EFAULT);
    ck_assert_int_eq(gmem_unmap(&m, BASE + PAGES(1), PAGES(2)), 0);
    /* Mapped anew, it is one region again, and zero. */
    map(BASE + PAGES(1), PAGES(2), RW, 0);
    ck_assert_uint_eq(m.regions.n, 1);
    ck_assert_uint_eq(get(BASE + PAGES(2)), 0);
}
END_TEST

START_TEST(unlike_neighbours_stay_apart)
{
    int fd = file_of(4, NULL);

    map(BASE, PAGES(1), RW, 0);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(1), PAGES(1), RW, 0, GMEM_HEAP, -1, 0), 0);
    map(BASE + PAGES(2), PAGES(1), RW, GMEM_NORESERVE);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(3), PAGES(1), RW, 0, GMEM_PLAIN, fd, 0), 0);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(4), PAGES(1), RW, 0, GMEM_PLAIN, fd, PAGES(1)), 0);
    ck_assert_uint_eq(m.regions.n, 5);
    close(fd);
}
END_TEST

START_TEST(file_offsets_follow_a_split)
{
    int fd = file_of(4, NULL);

    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(3), GMEM_R, 0, GMEM_PLAIN, fd, PAGES(1)), 0);
    close(fd);
    ck_assert_int_eq(gmem_unmap(&m, BASE + PAGES(1), PAGES(1)), 0);
    ck_assert_uint_eq(region(BASE).offset, PAGES(1));
    ck_assert_uint_eq(region(BASE + PAGES(2)).offset, PAGES(3));
    ck_assert_uint_eq(get(BASE), 1001);
    ck_assert_uint_eq(get(BASE + PAGES(2)), 1003);
}
END_TEST

START_TEST(looking_up)
{
    struct region r;

    map(BASE, PAGES(2), RW, 0);
    ck_assert(!gmem_region_at(&m, BASE - 1, &r));
    ck_assert(gmem_region_from(&m, BASE - 1, &r));
    ck_assert_uint_eq(r.start, BASE);
    ck_assert(gmem_region_at(&m, BASE + PAGES(2) - 1, &r));
    ck_assert(!gmem_region_from(&m, BASE + PAGES(2), &r));
    ck_assert(!gmem_region_from(&m, UINT64_MAX, &r));
    ck_assert(!gmem_is_free(&m, SIZE - PAGES(1), PAGES(2)));
    ck_assert(gmem_is_free(&m, SIZE - PAGES(1), PAGES(1)));
}
END_TEST

START_TEST(failed_map_keeps_what_was_there)
{
    int ro, fd = file_of(1, &ro);

    map(BASE, PAGES(3), RW, 0);
    put(BASE + PAGES(1), 42);
    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(3), RW, 0, GMEM_PLAIN, 1 << 20, 0), -EBADF);
    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(3), RW, GMEM_SHARED, GMEM_PLAIN, ro, 0), -EACCES);
    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(3), RW, 0, GMEM_PLAIN, fd, 1), -EINVAL);
    ck_assert_uint_eq(m.regions.n, 1);
    ck_assert_uint_eq(get(BASE + PAGES(1)), 42);
}
END_TEST

/* A sealed memfd refuses late: host kernels before 6.12 have discarded the old mapping by then. */
START_TEST(late_refusal_leaves_record_and_host_agreed)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    uint64_t v;

    ck_assert_int_eq(ftruncate(fd, (off_t)PAGES(1)), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    map(BASE, PAGES(3), RW, 0);
    put(BASE + PAGES(1), 42);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(1), PAGES(1), RW, GMEM_SHARED, GMEM_PLAIN, fd, 0), -EPERM);
    if (gmem_is_free(&m, BASE + PAGES(1), PAGES(1))) {
        ck_assert(!access_load64(m.gs.window + BASE + PAGES(1), &v));
        ck_assert_uint_eq(m.regions.n, 2);
    } else {
        ck_assert_uint_eq(get(BASE + PAGES(1)), 42);
        ck_assert_uint_eq(m.regions.n, 1);
    }
    close(fd);
}
END_TEST

START_TEST(reset_unmaps_everything)
{
    map(BASE, PAGES(2), RW, 0);
    map(SIZE - PAGES(4), PAGES(4), RW, GMEM_GROWSDOWN);
    ck_assert_int_eq(gmem_seal(&m, BASE, PAGES(1)), 0);
    ck_assert_int_eq(gmem_reset(&m), 0);
    ck_assert(gmem_is_free(&m, 0, SIZE));
    ck_assert_int_eq(copy_out(&m, BASE, "", 1), -EFAULT);
    ck_assert_int_eq(copy_out(&m, SIZE - PAGES(5), "", 1), -EFAULT);
    map(BASE, PAGES(2), RW, 0);
    ck_assert_uint_eq(get(BASE), 0);
}
END_TEST

/* Every second page read-only, until the host or we have had enough. From the top, where records move least. */
START_TEST(too_many_regions_is_enomem)
{
    const uint64_t pages = 140000;
    uint64_t i;
    int err = 0;

    map(BASE, PAGES(pages), RW, 0);
    for (i = pages - 2; !err && i > 0; i -= 2)
        err = gmem_protect(&m, BASE + PAGES(i), PAGES(1), GMEM_R);
    ck_assert_int_eq(err, -ENOMEM);
    ck_assert_uint_gt(m.regions.n, 30000);
    ck_assert_uint_le(m.regions.n, 65530);
    ck_assert_int_eq(region(BASE + PAGES(i + 2)).prot, RW);
    put(BASE + PAGES(i + 2), 1);
    ck_assert_int_eq(gmem_unmap(&m, BASE, PAGES(pages)), 0);
    ck_assert_uint_eq(m.regions.n, 0);
    map(BASE, PAGES(1), RW, 0);
}
END_TEST

/* --- Protection ------------------------------------------------------------------------------------------ */

START_TEST(protect_stops_at_the_first_hole)
{
    map(BASE, PAGES(2), RW, 0);
    map(BASE + PAGES(3), PAGES(2), RW, 0);
    ck_assert_int_eq(gmem_protect(&m, BASE + PAGES(1), PAGES(3), GMEM_R), -ENOMEM);
    ck_assert_int_eq(region(BASE).prot, RW);
    ck_assert_int_eq(region(BASE + PAGES(1)).prot, GMEM_R);
    ck_assert_int_eq(region(BASE + PAGES(3)).prot, RW);
    ck_assert_int_eq(gmem_protect(&m, BASE + PAGES(2), PAGES(2), GMEM_R), -ENOMEM);
    ck_assert_int_eq(region(BASE + PAGES(3)).prot, RW);
}
END_TEST

START_TEST(protect_of_a_read_only_shared_file)
{
    int ro, fd = file_of(2, &ro);

    map(BASE, PAGES(1), GMEM_R, 0);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(1), PAGES(2), GMEM_R, GMEM_SHARED, GMEM_PLAIN, ro, 0), 0);
    ck_assert_int_eq(gmem_protect(&m, BASE, PAGES(3), RW), -EACCES);
    ck_assert_int_eq(region(BASE).prot, RW);
    put(BASE, 1);
    ck_assert_int_eq(region(BASE + PAGES(1)).prot, GMEM_R);
    ck_assert_uint_eq(region(BASE + PAGES(1)).len, PAGES(2));
    ck_assert_uint_eq(get(BASE + PAGES(2)), 1001);
    ck_assert_int_eq(copy_out(&m, BASE + PAGES(1), "x", 1), -EFAULT);
    close(fd);
    close(ro);
}
END_TEST

START_TEST(seals_hold)
{
    map(BASE, PAGES(3), RW, 0);
    map(BASE + PAGES(8), PAGES(1), RW, 0);
    put(BASE + PAGES(1), 42);
    ck_assert_int_eq(gmem_seal(&m, BASE + PAGES(2), PAGES(2)), -ENOMEM);
    ck_assert_int_eq(region(BASE + PAGES(2)).flags, 0);
    ck_assert_int_eq(gmem_seal(&m, BASE + PAGES(1), PAGES(1)), 0);
    ck_assert_int_eq(gmem_unmap(&m, BASE, PAGES(3)), -EPERM);
    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(2), RW, 0, GMEM_PLAIN, -1, 0), -EPERM);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(1), PAGES(1), BASE + PAGES(5), PAGES(1), false), -EPERM);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(8), PAGES(1), BASE + PAGES(1), PAGES(1), false), -EPERM);
    ck_assert_int_eq(gmem_grow(&m, BASE + PAGES(1), PAGES(1), PAGES(2)), -EPERM);
    ck_assert_uint_eq(get(BASE + PAGES(1)), 42);
    ck_assert(!gmem_is_free(&m, BASE, PAGES(1)));
    ck_assert(!gmem_is_free(&m, BASE + PAGES(8), PAGES(1)));
    /* mprotect checks region by region. */
    ck_assert_int_eq(gmem_protect(&m, BASE, PAGES(3), GMEM_R), -EPERM);
    ck_assert_int_eq(region(BASE).prot, GMEM_R);
    ck_assert_int_eq(region(BASE + PAGES(1)).prot, RW);
    ck_assert_int_eq(region(BASE + PAGES(2)).prot, RW);
    ck_assert_int_eq(gmem_unmap(&m, BASE + PAGES(2), PAGES(1)), 0);
}
END_TEST

START_TEST(code_generation_follows_executable_memory)
{
    unsigned gen = m.code_gen;

    map(BASE, PAGES(4), RW, 0);
    ck_assert_int_eq(gmem_protect(&m, BASE, PAGES(1), GMEM_R), 0);
    ck_assert_int_eq(gmem_unmap(&m, BASE, PAGES(1)), 0);
    ck_assert_uint_eq(m.code_gen, gen);

#define RAISES(call)                        \
    do {                                    \
        ck_assert_int_eq(call, 0);          \
        ck_assert_uint_ne(m.code_gen, gen); \
        gen = m.code_gen;                   \
    } while (0)
    RAISES(gmem_protect(&m, BASE + PAGES(1), PAGES(1), GMEM_R | GMEM_X));
    RAISES(gmem_protect(&m, BASE + PAGES(1), PAGES(2), GMEM_R));
    RAISES(gmem_map(&m, BASE, PAGES(1), GMEM_X, 0, GMEM_PLAIN, -1, 0));
    RAISES(gmem_grow(&m, BASE + PAGES(3), PAGES(1), PAGES(2)) ||
           gmem_protect(&m, BASE, PAGES(1), GMEM_R | GMEM_X));
    RAISES(gmem_move(&m, BASE, PAGES(1), BASE + PAGES(9), PAGES(1), false));
    RAISES(gmem_grow(&m, BASE + PAGES(9), PAGES(1), PAGES(2)));
    RAISES(gmem_move(&m, BASE + PAGES(3), PAGES(1), BASE + PAGES(9), PAGES(1), false));
    RAISES(gmem_map(&m, BASE + PAGES(9), PAGES(2), RW, 0, GMEM_PLAIN, -1, 0));
    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(1), GMEM_X, 0, GMEM_PLAIN, -1, 0), 0);
    gen = m.code_gen;
    RAISES(gmem_unmap(&m, BASE, PAGES(1)));
    RAISES(gmem_reset(&m));
#undef RAISES
}
END_TEST

/* --- Moving and growing ------------------------------------------------------------------------------- */

START_TEST(move_keeps_contents)
{
    map(BASE, PAGES(4), RW, 0);
    map(BASE + PAGES(10), PAGES(3), GMEM_R, 0);
    put(BASE + PAGES(1), 11);
    put(BASE + PAGES(2), 12);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(1), PAGES(2), BASE + PAGES(11), PAGES(4), false), 0);
    ck_assert_uint_eq(get(BASE + PAGES(11)), 11);
    ck_assert_uint_eq(get(BASE + PAGES(12)), 12);
    ck_assert_uint_eq(get(BASE + PAGES(14)), 0);
    ck_assert(gmem_is_free(&m, BASE + PAGES(1), PAGES(2)));
    ck_assert_int_eq(copy_out(&m, BASE + PAGES(1), "", 1), -EFAULT);
    ck_assert_uint_eq(region(BASE + PAGES(11)).len, PAGES(4));
    ck_assert_int_eq(region(BASE + PAGES(11)).prot, RW);
    ck_assert_uint_eq(region(BASE + PAGES(10)).len, PAGES(1));
    ck_assert_uint_eq(m.regions.n, 4);
}
END_TEST

START_TEST(move_may_leave_the_source_mapped)
{
    map(BASE, PAGES(2), RW, 0);
    put(BASE, 7);
    ck_assert_int_eq(gmem_move(&m, BASE, PAGES(2), BASE + PAGES(8), PAGES(2), true), 0);
    ck_assert_uint_eq(get(BASE + PAGES(8)), 7);
    ck_assert_uint_eq(get(BASE), 0);
    ck_assert_uint_eq(region(BASE).len, PAGES(2));
}
END_TEST

START_TEST(move_cuts)
{
    map(BASE, PAGES(4), RW, 0);
    put(BASE, 7);
    ck_assert_int_eq(gmem_move(&m, BASE, PAGES(4), BASE + PAGES(8), PAGES(1), false), 0);
    ck_assert(gmem_is_free(&m, BASE, PAGES(8)));
    ck_assert_uint_eq(region(BASE + PAGES(8)).len, PAGES(1));
    ck_assert_uint_eq(get(BASE + PAGES(8)), 7);
}
END_TEST

START_TEST(move_refuses)
{
    map(BASE, PAGES(2), RW, 0);
    map(BASE + PAGES(2), PAGES(1), GMEM_R, 0);
    ck_assert_int_eq(gmem_move(&m, BASE, PAGES(2), BASE + PAGES(1), PAGES(2), false), -EINVAL);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(1), PAGES(2), BASE, PAGES(2), false), -EINVAL);
    ck_assert_int_eq(gmem_move(&m, BASE, PAGES(3), BASE + PAGES(8), PAGES(3), false), -EFAULT);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(2), PAGES(2), BASE + PAGES(8), PAGES(2), false), -EFAULT);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(4), PAGES(1), BASE + PAGES(8), PAGES(1), false), -EFAULT);
    ck_assert_uint_eq(m.regions.n, 2);
}
END_TEST

START_TEST(move_of_a_file_grows_into_the_file)
{
    int fd = file_of(4, NULL);

    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(2), RW, GMEM_SHARED, GMEM_PLAIN, fd, PAGES(1)), 0);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(1), PAGES(1), BASE + PAGES(8), PAGES(2), false), 0);
    ck_assert_uint_eq(region(BASE + PAGES(8)).offset, PAGES(2));
    ck_assert_uint_eq(get(BASE + PAGES(8)), 1002);
    ck_assert_uint_eq(get(BASE + PAGES(9)), 1003);
    close(fd);
}
END_TEST

START_TEST(move_takes_the_place_names_away)
{
    ck_assert_int_eq(gmem_map(&m, BASE, PAGES(1), RW, 0, GMEM_HEAP, -1, 0), 0);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(1), PAGES(1), GMEM_R, 0, GMEM_VDSO, -1, 0), 0);
    ck_assert_int_eq(gmem_move(&m, BASE, PAGES(1), BASE + PAGES(4), PAGES(1), false), 0);
    ck_assert_int_eq(gmem_move(&m, BASE + PAGES(1), PAGES(1), BASE + PAGES(5), PAGES(1), false), 0);
    ck_assert_int_eq(region(BASE + PAGES(4)).label, GMEM_PLAIN);
    ck_assert_int_eq(region(BASE + PAGES(5)).label, GMEM_VDSO);
}
END_TEST

START_TEST(grow_in_place)
{
    int fd = file_of(4, NULL);

    map(BASE, PAGES(2), RW, 0);
    map(BASE + PAGES(4), PAGES(1), GMEM_R, 0);
    put(BASE + PAGES(1), 9);
    ck_assert_int_eq(gmem_grow(&m, BASE + PAGES(1), PAGES(1), PAGES(4)), -ENOMEM);
    ck_assert_uint_eq(region(BASE).len, PAGES(2));
    ck_assert_int_eq(gmem_grow(&m, BASE + PAGES(1), PAGES(1), PAGES(3)), 0);
    ck_assert_uint_eq(region(BASE).len, PAGES(4));
    ck_assert_uint_eq(get(BASE + PAGES(1)), 9);
    put(BASE + PAGES(3), 1);
    ck_assert_int_eq(gmem_grow(&m, BASE + PAGES(6), PAGES(1), PAGES(2)), -EFAULT);
    ck_assert_int_eq(gmem_grow(&m, BASE, PAGES(1), PAGES(1)), -EINVAL);

    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(8), PAGES(1), GMEM_R, 0, GMEM_PLAIN, fd, PAGES(1)), 0);
    ck_assert_int_eq(gmem_grow(&m, BASE + PAGES(8), PAGES(1), PAGES(2)), 0);
    ck_assert_uint_eq(get(BASE + PAGES(9)), 1002);
    close(fd);
}
END_TEST

/* The host sees such a region and the reservation behind it as one mapping. */
START_TEST(grow_of_an_inaccessible_region)
{
    map(BASE, PAGES(1), 0, GMEM_NORESERVE);
    ck_assert_int_eq(gmem_grow(&m, BASE, PAGES(1), PAGES(2)), 0);
    ck_assert_int_eq(gmem_protect(&m, BASE, PAGES(2), RW), 0);
    put(BASE + PAGES(1), 5);
    ck_assert_int_eq(gmem_move(&m, BASE, PAGES(2), BASE + PAGES(8), PAGES(2), false), 0);
    ck_assert_uint_eq(get(BASE + PAGES(9)), 5);
}
END_TEST

/* --- Placement ------------------------------------------------------------------------------------------ */

START_TEST(adopts_a_mapping_of_the_host)
{
    int ro, fd = file_of(3, &ro);
    void *made = mmap(NULL, PAGES(3), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    map(BASE, PAGES(4), RW, 0);
    ck_assert_int_eq(gmem_adopt(&m, BASE + PAGES(1), PAGES(2), GMEM_R, GMEM_SHARED, made), 0);
    ck_assert_uint_eq(get(BASE + PAGES(2)), 1001);
    ck_assert_uint_eq(region(BASE + PAGES(1)).len, PAGES(2));
    ck_assert_int_eq(region(BASE + PAGES(2)).prot, GMEM_R);
    ck_assert_int_eq(copy_out(&m, BASE + PAGES(1), &fd, 1), -EFAULT);
    ck_assert_int_eq(munmap((char *)made + PAGES(2), PAGES(1)), 0);
    /* Shorter than it was said to be: nothing moves. */
    made = mmap(NULL, PAGES(2), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_int_eq(munmap((char *)made + PAGES(1), PAGES(1)), 0);
    ck_assert_int_eq(gmem_adopt(&m, BASE, PAGES(2), RW, 0, made), -EFAULT);
    ck_assert_uint_eq(get(BASE + PAGES(1)), 1000);
    close(ro);
    close(fd);
}
END_TEST

START_TEST(find_free_takes_the_highest_gap)
{
    map(BASE, PAGES(1), RW, 0);
    map(BASE + PAGES(3), PAGES(1), RW, 0);
    map(BASE + PAGES(10), PAGES(1), RW, 0);
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(2), 0, BASE + PAGES(11)), BASE + PAGES(8));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(6), 0, BASE + PAGES(11)), BASE + PAGES(4));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(7), 0, BASE + PAGES(11)), BASE - PAGES(7));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(2), 0, BASE + PAGES(4)), BASE + PAGES(1));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(2), 0, BASE + PAGES(3) - 1), BASE - PAGES(2));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(7), BASE, BASE + PAGES(11)), 0);
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(2), BASE + PAGES(1), BASE + PAGES(4)), BASE + PAGES(1));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(2), BASE + PAGES(1) + 1, BASE + PAGES(4)), 0);
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(1), 0, UINT64_MAX), SIZE - PAGES(1));
    ck_assert_uint_eq(gmem_find_free(&m, SIZE, 0, SIZE), 0);
    ck_assert_uint_eq(gmem_find_free(&m, UINT64_MAX, 0, SIZE), 0);
    ck_assert_uint_eq(gmem_find_free(&m, 0, 0, SIZE), 0);
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(1), UINT64_MAX, SIZE), 0);
    /* Page 0 is never given: 0 means none. */
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(2), 0, PAGES(2)), 0);
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(1), 0, PAGES(2)), PAGES(1));
}
END_TEST

START_TEST(find_free_leaves_a_gap_below_a_stack)
{
    map(BASE, PAGES(4), RW, GMEM_GROWSDOWN);
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(1), 0, BASE + PAGES(4)), BASE - GAP - PAGES(1));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(1), 0, BASE - GAP - PAGES(2)), BASE - GAP - PAGES(3));
    ck_assert_uint_eq(gmem_find_free(&m, PAGES(1), BASE - GAP, BASE), 0);
}
END_TEST

/* --- Faults and stacks ----------------------------------------------------------------------------------- */

START_TEST(kinds_of_faults)
{
    int fd = file_of(1, NULL);
    uint8_t v;

    map(BASE, PAGES(1), GMEM_R, 0);
    ck_assert_int_eq(gmem_map(&m, BASE + PAGES(1), PAGES(2), RW, GMEM_SHARED, GMEM_PLAIN, fd, 0), 0);
    map(BASE + PAGES(3), PAGES(1), 0, 0);
    close(fd);
    ck_assert_int_eq(gmem_fault(&m, BASE - 1, GMEM_R, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(4), GMEM_R, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, SIZE, GMEM_R, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, UINT64_MAX, GMEM_W, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, BASE, GMEM_W, false), GMEM_FAULT_PROTECTION);
    ck_assert_int_eq(gmem_fault(&m, BASE, GMEM_X, false), GMEM_FAULT_PROTECTION);
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(3), GMEM_R, false), GMEM_FAULT_PROTECTION);
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(2), GMEM_W, true), GMEM_FAULT_BUS);
    /* Even when the caller could not tell. */
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(2) + 5, GMEM_R, false), GMEM_FAULT_BUS);
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(2) + 5, GMEM_W, false), GMEM_FAULT_BUS);
    /* Somebody mapped it meanwhile. */
    ck_assert_int_eq(gmem_fault(&m, BASE + 1, GMEM_R, false), GMEM_FAULT_NONE);
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(1) + 1, GMEM_W, false), GMEM_FAULT_NONE);
    ck_assert_uint_eq(get(BASE + PAGES(1)), 1000);
    ck_assert(access_load8(m.gs.window + BASE, &v));
}
END_TEST

START_TEST(write_implies_read)
{
    uint64_t v;

    map(BASE, PAGES(1), GMEM_W, 0);
    map(BASE + PAGES(1), PAGES(1), GMEM_X, 0);
    put(BASE, 3);
    ck_assert_uint_eq(get(BASE), 3);
    ck_assert_int_eq(gmem_fault(&m, BASE, GMEM_R, false), GMEM_FAULT_NONE);
    ck_assert_int_eq(gmem_fault(&m, BASE, GMEM_X, false), GMEM_FAULT_PROTECTION);
    ck_assert_uint_eq(get(BASE + PAGES(1)), 0);
    ck_assert(!access_store64(m.gs.window + BASE + PAGES(1), 1));
    ck_assert(access_load64(m.gs.window + BASE + PAGES(1), &v));
}
END_TEST

START_TEST(fault_repairs_the_host)
{
    uint8_t *host = m.gs.window + BASE;

    map(BASE, PAGES(2), RW, 0);
    put(BASE, 0x1234);
    ck_assert_int_eq(mprotect(host, PAGES(2), PROT_NONE), 0);
    ck_assert_int_eq(gmem_fault(&m, BASE + 1, GMEM_R, false), GMEM_FAULT_NONE);
    ck_assert_uint_eq(get(BASE), 0x1234);
    ck_assert_int_eq(mprotect(host, PAGES(2), PROT_READ), 0);
    ck_assert_int_eq(gmem_fault(&m, BASE + 1, GMEM_W, false), GMEM_FAULT_NONE);
    ck_assert_uint_eq(get(BASE), 0x1234);
    put(BASE, 1);
}
END_TEST

START_TEST(stack_grows_to_any_fault_within_its_limit)
{
    gpa_t end = BASE + PAGES(4);

    m.stack_max = MIB;
    map(BASE, PAGES(4), RW, GMEM_GROWSDOWN);
    ck_assert_int_eq(gmem_fault(&m, BASE - 1, GMEM_W, false), GMEM_FAULT_NONE);
    ck_assert_uint_eq(region(BASE).start, BASE - PAGES(1));
    put(BASE - 8, 77);
    ck_assert_int_eq(gmem_fault(&m, end - MIB - 1, GMEM_W, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, end - MIB + 5, GMEM_R, false), GMEM_FAULT_NONE);
    ck_assert_uint_eq(region(BASE).start, end - MIB);
    ck_assert_uint_eq(region(BASE).len, MIB);
    ck_assert_uint_eq(m.regions.n, 1);
    ck_assert_uint_eq(get(BASE - 8), 77);
    put(end - MIB, 1);
    m.stack_max = 2 * MIB;
    ck_assert_int_eq(gmem_fault(&m, end - MIB - 1, GMEM_W, false), GMEM_FAULT_NONE);
}
END_TEST

START_TEST(stack_keeps_its_distance)
{
    gpa_t top = BASE - GAP;

    map(BASE, PAGES(4), RW, GMEM_GROWSDOWN);
    map(top - PAGES(8), PAGES(4), RW, 0);
    /* The lower region ends 4 pages below `top`, so the stack may come down to BASE - 4 pages. */
    ck_assert_int_eq(gmem_fault(&m, BASE - PAGES(5), GMEM_W, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, BASE - PAGES(4), GMEM_W, false), GMEM_FAULT_NONE);
    ck_assert_int_eq(gmem_protect(&m, top - PAGES(8), PAGES(4), 0), 0);
    ck_assert_int_eq(gmem_fault(&m, top - PAGES(4), GMEM_W, false), GMEM_FAULT_NONE);
    ck_assert_uint_eq(region(BASE).start, top - PAGES(4));
    ck_assert_int_eq(gmem_fault(&m, top - PAGES(5), GMEM_W, false), GMEM_FAULT_PROTECTION);
}
END_TEST

START_TEST(only_what_lies_above_the_hole_grows)
{
    map(BASE, PAGES(4), RW, GMEM_GROWSDOWN);
    map(BASE - 4 * MIB, PAGES(1), RW, 0);
    ck_assert_int_eq(gmem_fault(&m, BASE - 4 * MIB - 1, GMEM_W, false), GMEM_FAULT_UNMAPPED);
    ck_assert_int_eq(gmem_fault(&m, BASE + PAGES(4), GMEM_W, false), GMEM_FAULT_UNMAPPED);
    ck_assert_uint_eq(m.grow_from, BASE - 4 * MIB + PAGES(1));
    ck_assert_uint_eq(m.grow_to, BASE);
    ck_assert_int_eq(gmem_unmap(&m, BASE, PAGES(4)), 0);
    ck_assert_uint_eq(m.grow_to, 0);
    ck_assert_int_eq(gmem_fault(&m, BASE - 1, GMEM_W, false), GMEM_FAULT_UNMAPPED);
}
END_TEST

START_TEST(resolve_grows_what_a_range_would_touch)
{
    map(BASE, PAGES(4), RW, GMEM_GROWSDOWN);
    ck_assert(!gmem_resolve(&m, BASE, PAGES(4)));
    ck_assert(!gmem_resolve(&m, BASE - PAGES(1), 0));
    ck_assert(!gmem_resolve(&m, BASE - PAGES(1), SIZE));
    ck_assert(gmem_resolve(&m, BASE - PAGES(3) - 1, 10));
    ck_assert_uint_eq(region(BASE).start, BASE - PAGES(4));
    /* Mapped below, then the hole under the stack. */
    map(BASE - 3 * MIB, PAGES(1), RW, 0);
    ck_assert(gmem_resolve(&m, BASE - 3 * MIB, 3 * MIB) == false);
    m.stack_max = 16 * MIB;
    ck_assert_int_eq(gmem_protect(&m, BASE - 3 * MIB, PAGES(1), 0), 0);
    ck_assert(gmem_resolve(&m, BASE - 3 * MIB, 3 * MIB));
    ck_assert_uint_eq(region(BASE).start, BASE - 3 * MIB + PAGES(1));
    /* A hole that stays one ends the range before the stack. */
    map(BASE + 32 * MIB, PAGES(1), RW, GMEM_GROWSDOWN);
    ck_assert(!gmem_resolve(&m, BASE + PAGES(4), 32 * MIB));
}
END_TEST

/* --- Fork ------------------------------------------------------------------------------------------------- */

static atomic_bool churn_stop;

static void *churn(void *arg)
{
    (void)arg;
    while (!churn_stop) {
        gmem_map(&m, BASE + PAGES(100), PAGES(4), RW, 0, GMEM_PLAIN, -1, 0);
        gmem_unmap(&m, BASE + PAGES(101), PAGES(2));
    }
    return NULL;
}

START_TEST(fork_copies_a_record_at_rest)
{
    pthread_t t;

    map(BASE, PAGES(1), RW, 0);
    map(BASE + PAGES(1), PAGES(1), RW, GMEM_SHARED);
    ck_assert_int_eq(pthread_create(&t, NULL, churn, NULL), 0);
    for (uint64_t i = 1; i <= 50; i++) {
        int status;
        pid_t pid;

        gmem_fork_prepare(&m);
        pid = fork();
        gmem_fork_done(&m, pid == 0);
        if (pid == 0) {
            int err = copy_out(&m, BASE, &i, sizeof i) | copy_out(&m, BASE + PAGES(1), &i, sizeof i);

            err |= gmem_unmap(&m, BASE + PAGES(100), PAGES(4));
            _exit(err || !gmem_is_free(&m, BASE + PAGES(2), SIZE - BASE - PAGES(2)));
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(get(BASE), 0);
        ck_assert_uint_eq(get(BASE + PAGES(1)), i);
    }
    churn_stop = true;
    pthread_join(t, NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        window_and_guards,
        host_mappings_lie_above_the_window,
        bad_ranges_are_refused,
        protect_splits_and_merges,
        unmap_cuts_a_hole,
        unlike_neighbours_stay_apart,
        file_offsets_follow_a_split,
        looking_up,
        failed_map_keeps_what_was_there,
        late_refusal_leaves_record_and_host_agreed,
        reset_unmaps_everything,
        too_many_regions_is_enomem,
        protect_stops_at_the_first_hole,
        protect_of_a_read_only_shared_file,
        seals_hold,
        code_generation_follows_executable_memory,
        move_keeps_contents,
        move_may_leave_the_source_mapped,
        move_cuts,
        move_refuses,
        move_of_a_file_grows_into_the_file,
        move_takes_the_place_names_away,
        grow_in_place,
        grow_of_an_inaccessible_region,
        adopts_a_mapping_of_the_host,
        find_free_takes_the_highest_gap,
        find_free_leaves_a_gap_below_a_stack,
        kinds_of_faults,
        write_implies_read,
        fault_repairs_the_host,
        stack_grows_to_any_fault_within_its_limit,
        stack_keeps_its_distance,
        only_what_lies_above_the_hole_grows,
        resolve_grows_what_a_range_would_touch,
        fork_copies_a_record_at_rest,
    };
    Suite *s = suite_create("gmem");
    TCase *tc = tcase_create("gmem");
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
