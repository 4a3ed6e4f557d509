/*
 * Which guest pages hold translated code, and what of it stays true when they change: a block is kept exactly as long
 * as the bytes that it was made from can be fetched where they were. Nothing is told of writes: what has changed counts
 * from FENCE.I, or a change of the mappings, on, and is looked for then.
 *
 * What is dropped keeps its memory, and its first bytes become a way out, for the jumps that lead there.
 */
#include <string.h>

#include "jit/internal.h"
#include "mem/copy.h"

/* One that holds the start or the end of a block. In ascending order. */
struct jit_page {
    uint64_t start;
    uint64_t sum;   /* of its bytes, when they can change */
    uint32_t first; /* the blocks that begin in it, a list: index + 1 */
    bool writable;  /* here, or where else it is mapped */
    bool mixed;     /* it has had blocks made from other bytes than `sum` is of */
};

enum { STRIPE = 64 };

size_t pages_bytes(void)
{
    return JIT_MAX_PAGES * sizeof(struct jit_page);
}

static uint64_t mixed(uint64_t a, uint64_t b)
{
    unsigned __int128 product =
        (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xbf58476d1ce4e5b9));

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Four chains at once, or the multiplier would be waited for. */
static inline void mix_in(uint64_t chain[4], const uint8_t p[STRIPE])
{
    uint64_t w[8];

    memcpy(w, p, sizeof w);
    chain[0] = mixed(w[0] ^ chain[0], w[1]);
    chain[1] = mixed(w[2] ^ chain[1], w[3]);
    chain[2] = mixed(w[4] ^ chain[2], w[5]);
    chain[3] = mixed(w[6] ^ chain[3], w[7]);
}

/* A number for some bytes: the same for the same. A guest that finds others with the same deceives itself only. */
static uint64_t sum_of(const uint8_t *p, size_t n)
{
    uint64_t chain[4] = { n, ~(uint64_t)n, n << 32, ~(uint64_t)n << 32 };
    uint8_t rest[STRIPE] = { 0 };

    for (; n >= STRIPE; n -= STRIPE, p += STRIPE)
        mix_in(chain, p);
    memcpy(rest, p, n);
    mix_in(chain, rest);
    return mixed(mixed(chain[0], chain[1]), mixed(chain[2], chain[3]));
}

static struct jit_block *block_at(struct jit *j, uint32_t link)
{
    return &j->block[link - 1];
}

static uint64_t block_end(const struct jit_block *b)
{
    return b->pc + b->len;
}

/* --- Blocks come ------------------------------------------------------------------------------------------ */

/*
 * Can somebody write to the page, here or where it is mapped a second time? Changes of a file below a private mapping
 * do not count: mmap(2) does not say whether they are seen.
 */
static bool can_change(const struct hart *h, uint64_t addr)
{
    struct region r;

    return !gmem_region_at(h->mem, addr, &r) || r.prot & GMEM_W || r.flags & GMEM_SHARED;
}

/* The index of the page of `addr`, or of the first one behind it. */
static size_t find(const struct jit *j, uint64_t addr)
{
    size_t lo = 0, hi = j->nr_pages;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (j->page[mid].start + PAGE_BYTES <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The record of the page of `addr`. */
static struct jit_page *page_of(struct jit *j, struct hart *h, uint64_t addr)
{
    size_t i = find(j, addr);
    struct jit_page *page = &j->page[i];

    if (i < j->nr_pages && page->start <= addr)
        return page;
    BUG_ON(j->nr_pages == JIT_MAX_PAGES);
    memmove(page + 1, page, (j->nr_pages++ - i) * sizeof *page);
    *page = (struct jit_page){ .start = page_down(addr), .writable = can_change(h, addr) };
    return page;
}

/* What the page holds at present; unreadable bytes are zero. */
static uint64_t sum_now(const struct hart *h, const struct jit_page *page, uint8_t now[PAGE_BYTES])
{
    size_t got = copy_in_some(h->mem, now, page->start, PAGE_BYTES);

    memset(now + got, 0, PAGE_BYTES - got);
    return sum_of(now, PAGE_BYTES);
}

/* The page has part of a block that was made of `text`. */
static void page_takes(struct hart *h, struct jit_page *page, const struct jit_block *b, const uint8_t *text)
{
    uint64_t from = MAX(b->pc, page->start), to = MIN(block_end(b), page->start + PAGE_BYTES), sum;
    uint8_t now[PAGE_BYTES];
    bool same;

    if (!page->writable)
        return;
    sum = sum_now(h, page, now);
    same = !memcmp(now + (from - page->start), text + (from - b->pc), to - from);
    page->mixed |= !same || (page->sum && page->sum != sum);
    page->sum = sum;
}

void pages_add(struct jit *j, struct hart *h, uint32_t block, const uint8_t *text)
{
    struct jit_block *b = &j->block[block];
    uint64_t last = page_down(block_end(b) - 1);
    struct jit_page *page = page_of(j, h, b->pc);

    b->sum = sum_of(text, b->len);
    b->next = page->first;
    page->first = block + 1;
    page_takes(h, page, b, text);
    if (last != page->start)
        page_takes(h, page_of(j, h, last), b, text);
}

/* --- Blocks go -------------------------------------------------------------------------------------------- */

/* Can the bytes of the block still be fetched? */
static bool is_true(const struct hart *h, const struct jit_block *b)
{
    uint8_t now[JIT_TEXT_MAX];

    return gmem_fetch(h->mem, b->pc, now, b->len) == b->len && sum_of(now, b->len) == b->sum;
}

/* Drops what is not true any more of the blocks of a list that reach into [from, to). */
static void check_list(struct jit *j, struct hart *h, uint32_t *link, uint64_t from, uint64_t to)
{
    while (*link) {
        struct jit_block *b = block_at(j, *link);

        if (b->pc < to && block_end(b) > from && !is_true(h, b)) {
            *link = b->next;
            jit_drop(j, b);
        } else {
            link = &b->next;
        }
    }
}

/* The blocks in and into a page, of which nothing but the bytes in [from, to) has changed. */
static void check_page(struct jit *j, struct hart *h, struct jit_page *page, uint64_t from, uint64_t to)
{
    struct jit_page *before = page - 1;

    if (page != j->page && before->start + PAGE_BYTES == page->start)
        check_list(j, h, &before->first, from, to);
    check_list(j, h, &page->first, from, to);
}

/* True when the bytes of the page may not be those of its blocks. Takes notice of what they are. */
static bool page_changed(struct hart *h, struct jit_page *page)
{
    uint8_t now[PAGE_BYTES];
    uint64_t sum;
    bool changed;

    sum = sum_now(h, page, now);
    changed = page->mixed || sum != page->sum;
    page->sum = sum;
    page->mixed = false;
    return changed;
}

void pages_written(struct jit *j, struct hart *h, uint64_t from, uint64_t to)
{
    struct jit_page *end = j->page + j->nr_pages;

    for (struct jit_page *page = j->page + find(j, from); page < end && page->start < to; page++)
        if (page->writable && page_changed(h, page))
            check_page(j, h, page, page->start, page->start + PAGE_BYTES);
}

bool pages_mostly_true(struct jit *j, struct hart *h)
{
    enum { SAMPLES = 32 };
    unsigned yes = 0;

    for (size_t k = 0; k < SAMPLES && j->nr_blocks; k++)
        yes += is_true(h, &j->block[j->nr_blocks * k / SAMPLES]);
    return 2 * yes > SAMPLES;
}

void pages_remapped(struct jit *j, struct hart *h, uint64_t from, uint64_t to)
{
    struct jit_page *end = j->page + j->nr_pages;

    for (struct jit_page *page = j->page + find(j, from); page < end && page->start < to; page++) {
        check_page(j, h, page, from, to);
        page->writable = can_change(h, page->start);
        page->mixed = true; /* `sum` may be of what was here before */
    }
}
