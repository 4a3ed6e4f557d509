/*
 * Guest memory against a model that knows one page at a time: thousands of random operations, after which the
 * record, what the host permits and what the pages hold must be what the model says.
 */
#include "mem/gmem.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/access.h"
#include "mem/fault.h"

#define NR_PAGES 128
#define SIZE ((uint64_t)NR_PAGES * PAGE_BYTES)
#define FILE_PAGES (2 * NR_PAGES)
#define STEPS 6000
#define CHECK_EVERY 5

struct page {
    bool mapped, file, read_only; /* read_only: shared, of a read-only descriptor */
    bool own;                     /* private file page that was written: no longer the file's */
    int prot, flags, label;
    uint64_t offset, value; /* in pages; first word */
    int origin;             /* number of the operation that mapped it */
};

static struct gmem m;
static struct page model[NR_PAGES];
static uint64_t file_words[FILE_PAGES];
static int file_rw, file_ro, step_nr;
static int moves, grows; /* that succeeded */

static void setup(void)
{
    char path[32];

    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&m, SIZE), 0);
    file_rw = memfd_create("file", 0);
    ck_assert_int_eq(ftruncate(file_rw, (off_t)(FILE_PAGES * PAGE_BYTES)), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file_rw);
    file_ro = open(path, O_RDONLY);
    ck_assert_int_ge(file_ro, 0);
}

static void teardown(void)
{
    gmem_destroy(&m);
}

static int pick(int n)
{
    return (int)(random() % n);
}

/* 1 to 12 pages that fit behind `at`. */
static int pick_length(int at)
{
    int n = 1 + pick(12);

    return MIN(n, NR_PAGES - at);
}

static uint64_t bytes(int pages)
{
    return (uint64_t)pages * PAGE_BYTES;
}

/* Where the first word of a page lives: in the file, or in the page itself. */
static uint64_t *word_of(struct page *p)
{
    return p->file && !p->own ? &file_words[p->offset] : &p->value;
}

static bool alike(const struct page *a, const struct page *b)
{
    return a->mapped == b->mapped && a->file == b->file && a->prot == b->prot && a->flags == b->flags;
}

static int any_sealed(int at, int n)
{
    for (int i = at; i < at + n; i++)
        if (model[i].mapped && model[i].flags & GMEM_SEALED)
            return 1;
    return 0;
}

static bool all_free(int at, int n)
{
    for (int i = at; i < at + n; i++)
        if (model[i].mapped)
            return false;
    return true;
}

static void clear(int at, int n)
{
    memset(&model[at], 0, (size_t)n * sizeof *model);
}

/* --- Operations: each predicts, calls, compares the result, and follows in the model ----------------------- */

static void step_map(int at, int n)
{
    static const int prots[] = { 0, 1, 2, 3, 4, 5, 7, 3, 3, 1 };
    struct page p = { .mapped = true, .prot = prots[pick(ARRAY_SIZE(prots))], .origin = step_nr };
    int kind = pick(6), fd = -1, want = 0;

    p.label = pick(4) ? GMEM_PLAIN : GMEM_HEAP;
    if (kind >= 3) {
        p.file = true;
        p.offset = (uint64_t)pick(FILE_PAGES - n);
        p.flags = kind >= 4 ? GMEM_SHARED : 0;
        p.read_only = kind == 5;
        fd = p.read_only ? file_ro : file_rw;
    } else if (kind == 2) {
        p.flags = GMEM_NORESERVE;
    }
    if (any_sealed(at, n))
        want = -EPERM;
    else if (p.read_only && p.prot & GMEM_W)
        want = -EACCES;
    ck_assert_int_eq(gmem_map(&m, bytes(at), bytes(n), p.prot, p.flags, p.label, fd, bytes((int)p.offset)),
                     want);
    for (int i = at; !want && i < at + n; i++, p.offset += p.file)
        model[i] = p;
}

static void step_unmap(int at, int n)
{
    int want = any_sealed(at, n) ? -EPERM : 0;

    ck_assert_int_eq(gmem_unmap(&m, bytes(at), bytes(n)), want);
    if (!want)
        clear(at, n);
}

static void step_protect(int at, int n)
{
    int prot = pick(8), want = 0, stop;

    for (stop = at; stop < at + n; stop++) {
        const struct page *p = &model[stop];

        if (!p->mapped)
            want = -ENOMEM;
        else if (p->flags & GMEM_SEALED)
            want = -EPERM;
        else if (p->read_only && prot & GMEM_W)
            want = -EACCES;
        if (want)
            break;
    }
    ck_assert_int_eq(gmem_protect(&m, bytes(at), bytes(n), prot), want);
    for (int i = at; i < stop; i++)
        model[i].prot = prot;
}

static void step_seal(int at, int n)
{
    int want = 0;

    if (pick(8))
        return;
    for (int i = at; i < at + n; i++)
        if (!model[i].mapped)
            want = -ENOMEM;
    ck_assert_int_eq(gmem_seal(&m, bytes(at), bytes(n)), want);
    for (int i = at; !want && i < at + n; i++)
        model[i].flags |= GMEM_SEALED;
}

/* What the record alone says of a source range: 0, -EFAULT or -EPERM. */
static int source_error(int at, int n)
{
    for (int i = at; i < at + n; i++) {
        if (!model[i].mapped || !alike(&model[i], &model[at]))
            return -EFAULT;
        if (model[i].file && model[i].offset != model[at].offset + (uint64_t)(i - at))
            return -EFAULT;
    }
    return model[at].flags & GMEM_SEALED ? -EPERM : 0;
}

static void extend(int at, int old_n, int new_n)
{
    for (int i = at + old_n; i < at + new_n; i++) {
        model[i] = model[at + old_n - 1];
        model[i].offset += model[i].file ? (uint64_t)(i - (at + old_n - 1)) : 0;
        model[i].value = 0;
        model[i].own = false;
    }
}

static void step_move(int at, int n)
{
    int to = pick(NR_PAGES), new_n = pick(3) ? n : pick_length(to), want = 0, err;
    bool keep = model[at].mapped && !model[at].file && pick(3) == 0;
    struct page moved[NR_PAGES];

    new_n = MIN(new_n, NR_PAGES - to);
    keep = keep && new_n == n;
    if (at < to + new_n && to < at + n)
        return;
    if (model[at].file && model[at].offset + (uint64_t)MAX(n, new_n) >= FILE_PAGES)
        return;
    if (new_n < n) {
        want = any_sealed(at + new_n, n - new_n) ? -EPERM : 0;
        if (!want) {
            ck_assert_int_eq(gmem_unmap(&m, bytes(at + new_n), bytes(n - new_n)), 0);
            clear(at + new_n, n - new_n);
            n = new_n;
        }
    }
    if (!want)
        want = source_error(at, n);
    if (!want && any_sealed(to, new_n))
        want = -EPERM;
    err = gmem_move(&m, bytes(at), bytes(n), bytes(to), bytes(new_n), keep);
    if (err && !want) {
        /* Alike to the record, but more than one mapping to the host. */
        ck_assert_int_eq(err, -EFAULT);
        ck_assert_int_gt(n, 1);
        if (gmem_is_free(&m, bytes(to), bytes(new_n)))
            clear(to, new_n);
        return;
    }
    ck_assert_int_eq(err, want);
    if (err)
        return;
    moves++;
    memcpy(moved, &model[at], (size_t)n * sizeof *model);
    for (int i = at; keep && i < at + n; i++)
        model[i].value = 0;
    if (!keep)
        clear(at, n);
    memcpy(&model[to], moved, (size_t)n * sizeof *model);
    for (int i = to; i < to + n; i++) {
        model[i].label = GMEM_PLAIN;
        model[i].origin = step_nr;
    }
    extend(to, n, new_n);
}

static void step_grow(int at, int n)
{
    int new_n, want, err;

    /* Mostly to the end of what is mapped: elsewhere there is no room. */
    for (n = 1; pick(16) && at + n < NR_PAGES && model[at + n].mapped; n++) {
        if (!alike(&model[at], &model[at + n])) {
            at += n;
            n = 0;
        }
    }
    want = source_error(at, n);
    new_n = n + 1 + pick(4);
    new_n = MIN(new_n, NR_PAGES - at);
    if (new_n <= n || (model[at].file && model[at].offset + (uint64_t)new_n >= FILE_PAGES))
        return;
    if (!want && !all_free(at + n, new_n - n))
        want = -ENOMEM;
    err = gmem_grow(&m, bytes(at), bytes(n), bytes(new_n));
    if (err == -EFAULT && !want)
        return; /* as in step_move */
    ck_assert_int_eq(err, want);
    if (!err) {
        grows++;
        extend(at, n, new_n);
    }
}

static void step_find_free(int at, int n)
{
    int above = pick(at + 1), best = 0;

    for (int i = MAX(above, 1); i + n <= at; i++)
        if (all_free(i, n))
            best = i;
    ck_assert_uint_eq(gmem_find_free(&m, bytes(n), bytes(above), bytes(at)), bytes(best));
    ck_assert_int_eq(gmem_is_free(&m, bytes(at), bytes(n)), all_free(at, n));
}

/* Writes a new word to each page of the range; a page that is not writable must refuse. */
static void step_write(int at, int n)
{
    for (int i = at; i < at + n; i++) {
        struct page *p = &model[i];
        uint64_t v = (uint64_t)random();
        bool can = p->mapped && p->prot & GMEM_W;

        ck_assert_int_eq(access_store64(m.gs.window + bytes(i), v), can);
        if (!can)
            continue;
        if (p->file && !(p->flags & GMEM_SHARED))
            p->own = true;
        *word_of(p) = v;
    }
}

/* --- Comparison ------------------------------------------------------------------------------------------- */

static void check_page(int i)
{
    struct page *p = &model[i];
    struct region r;
    uint64_t v = 0;
    bool found = gmem_region_at(&m, bytes(i), &r);

    ck_assert_int_eq(found, p->mapped);
    if (found) {
        ck_assert_int_eq(r.prot, p->prot);
        ck_assert_int_eq(r.flags, p->flags);
        ck_assert_int_eq(r.label, p->label);
        ck_assert_int_eq(r.file, p->file);
        ck_assert_uint_eq(r.file ? r.offset + bytes(i) - r.start : 0, bytes((int)p->offset));
    }
    /* What the host permits, and what it holds; mapped or not, there is no hole in the window. */
    ck_assert(!gstage_repair(&m.gs, bytes(i), PAGE_BYTES));
    ck_assert_int_eq(access_load64(m.gs.window + bytes(i), &v), p->mapped && p->prot);
    if (p->mapped && p->prot)
        ck_assert_uint_eq(v, *word_of(p));
}

static void check_record(void)
{
    for (size_t i = 1; i < m.regions.n; i++) {
        const struct region *a = imap_at(&m.regions, i - 1), *b = imap_at(&m.regions, i);

        ck_assert_uint_gt(a->len, 0);
        ck_assert_uint_le(a->start + a->len, b->start);
        /* Nothing that should be one is two. */
        ck_assert(a->start + a->len < b->start || a->file || b->file || a->prot != b->prot ||
                  a->flags != b->flags || a->label != b->label);
    }
}

/* Did executable memory change? */
static bool code_changed(const struct page *before)
{
    for (int i = 0; i < NR_PAGES; i++) {
        const struct page *a = &before[i], *b = &model[i];
        bool x = (a->mapped && a->prot & GMEM_X) || (b->mapped && b->prot & GMEM_X);

        if (x && (a->mapped != b->mapped || a->prot != b->prot || a->origin != b->origin))
            return true;
    }
    return false;
}

START_TEST(random_operations_agree_with_a_model)
{
    static void (*const steps[])(int at, int n) = {
        step_map,     step_map,     step_map,     step_map,       step_unmap, step_unmap,
        step_protect, step_protect, step_protect, step_seal,      step_move,  step_move,
        step_move,    step_grow,    step_grow,    step_find_free, step_write, step_write,
    };
    struct page before[NR_PAGES];

    srandom((unsigned)_i + 1);
    for (step_nr = 1; step_nr <= STEPS; step_nr++) {
        int at = pick(NR_PAGES), n = pick_length(at);
        unsigned gen = m.code_gen;

        memcpy(before, model, sizeof before);
        steps[pick(ARRAY_SIZE(steps))](at, n);
        if (code_changed(before))
            ck_assert_uint_ne(m.code_gen, gen);
        if (step_nr % 300 == 0) { /* else everything ends up sealed */
            ck_assert_int_eq(gmem_reset(&m), 0);
            clear(0, NR_PAGES);
        }
        if (step_nr % CHECK_EVERY)
            continue;
        for (int i = 0; i < NR_PAGES; i++)
            check_page(i);
        check_record();
    }
    /* The rules above let failures pass that only the host decides: see that there were successes. */
    ck_assert_int_gt(moves, STEPS / 100);
    ck_assert_int_gt(grows, STEPS / 200);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gmem_random");
    TCase *tc = tcase_create("gmem_random");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, random_operations_agree_with_a_model, 0, 4);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
