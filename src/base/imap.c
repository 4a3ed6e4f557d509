/*
 * The interval map: a sorted array, searched by halving, changed by moving its tail. It does not merge or
 * split intervals: what an interval means is its user's business.
 */
#include "base/imap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define IMAP_FIRST_CAP 16

struct imap_key {
    uint64_t start, len;
};

static struct imap_key imap_key(const void *record)
{
    struct imap_key k;

    memcpy(&k, record, sizeof k);
    return k;
}

void imap_init(struct imap *m, size_t record_size)
{
    BUG_ON(record_size < sizeof(struct imap_key));
    *m = (struct imap){ .size = record_size };
}

void imap_free(struct imap *m)
{
    free(m->at);
    imap_init(m, m->size);
}

/* Index of the first record that ends above `addr`; m->n when there is none. */
static size_t imap_lower(const struct imap *m, uint64_t addr)
{
    size_t lo = 0, hi = m->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        struct imap_key k = imap_key(m->at + mid * m->size);

        if (k.start > addr || addr - k.start < k.len)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

void *imap_at(const struct imap *m, size_t i)
{
    return i < m->n ? m->at + i * m->size : NULL;
}

size_t imap_index(const struct imap *m, const void *record)
{
    return (size_t)((const char *)record - m->at) / m->size;
}

void *imap_from(const struct imap *m, uint64_t addr)
{
    return imap_at(m, imap_lower(m, addr));
}

void *imap_find(const struct imap *m, uint64_t addr)
{
    void *r = imap_from(m, addr);

    return r && imap_key(r).start <= addr ? r : NULL;
}

int imap_reserve(struct imap *m, size_t extra)
{
    size_t cap = m->cap ? m->cap : IMAP_FIRST_CAP;
    char *at;

    if (extra <= m->cap - m->n)
        return 0;
    while (cap - m->n < extra)
        cap *= 2;
    at = reallocarray(m->at, cap, m->size);
    if (!at)
        return -ENOMEM;
    m->at = at;
    m->cap = cap;
    return 0;
}

int imap_insert(struct imap *m, const void *record)
{
    struct imap_key k = imap_key(record);
    size_t i = imap_lower(m, k.start);
    int err = imap_reserve(m, 1);

    if (err)
        return err;
    BUG_ON(k.len == 0 || k.len - 1 > UINT64_MAX - k.start);
    if (i < m->n) {
        struct imap_key next = imap_key(m->at + i * m->size);

        BUG_ON(next.start <= k.start || next.start - k.start < k.len);
    }
    memmove(m->at + (i + 1) * m->size, m->at + i * m->size, (m->n - i) * m->size);
    memcpy(m->at + i * m->size, record, m->size);
    m->n++;
    return 0;
}

void imap_remove_run(struct imap *m, size_t first, size_t n)
{
    BUG_ON(first > m->n || n > m->n - first);
    if (n == 0)
        return;
    memmove(m->at + first * m->size, m->at + (first + n) * m->size, (m->n - first - n) * m->size);
    m->n -= n;
}

void imap_remove(struct imap *m, void *record)
{
    imap_remove_run(m, imap_index(m, record), 1);
}
