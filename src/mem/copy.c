/*
 * Copies between guest and host memory that survive any state of the guest's mappings. They check no
 * protection themselves but for fetches: the window has exactly the guest's rights, so the host's MMU does.
 */
#include "mem/copy.h"

#include <errno.h>
#include <string.h>

#include "mem/access.h"

#define COPY_UNIT 16
#define COPY_BULK 512     /* above it, rep movsb starts up fast enough */
#define COPY_STR_STEP 256 /* a string is copied in blocks that never cross a page */

/* Where an address below the limit lies; see op_host in ops/ops.h for the mask. */
static uint8_t *copy_host(const struct gmem *m, gva_t addr)
{
    return m->gs.window + (addr & (m->limit - 1));
}

/* Moves n bytes; returns how many are left at the first fault. Either side may fault. */
static size_t copy_bulk(void *dst, const void *src, size_t n)
{
    __asm__ volatile("1: rep movsb\n2:\n\t" ACCESS_EX("1b", "2b")
                     : "+D"(dst), "+S"(src), "+c"(n)
                     :
                     : "memory", "cc");
    return n;
}

/* Moves all whole units of n bytes, or those before the first fault, of either side: how many bytes. */
static size_t copy_units(void *dst, const void *src, size_t n)
{
    size_t whole = n / COPY_UNIT * COPY_UNIT, left = whole;

    if (!whole)
        return 0;
    __asm__ volatile("1: movups (%1), %%xmm0\n"
                     "2: movups %%xmm0, (%0)\n\t"
                     "add %[unit], %0\n\t"
                     "add %[unit], %1\n\t"
                     "sub %[unit], %2\n\t"
                     "jnz 1b\n3:\n\t" ACCESS_EX("1b", "3b") ACCESS_EX("2b", "3b")
                     : "+r"(dst), "+r"(src), "+r"(left)
                     : [unit] "i"(COPY_UNIT)
                     : "xmm0", "memory", "cc");
    return whole - left;
}

/* From guest to host: how many bytes were copied before the first fault. */
static size_t load_bytes(uint8_t *dst, const uint8_t *src, size_t n)
{
    size_t done;
    uint64_t word;

    if (n > COPY_BULK)
        return n - copy_bulk(dst, src, n);
    done = copy_units(dst, src, n);
    for (; n - done >= sizeof word && access_load64(src + done, &word); done += sizeof word)
        memcpy(dst + done, &word, sizeof word);
    while (done < n && access_load8(src + done, dst + done))
        done++;
    return done;
}

/* From host to guest, likewise. */
static size_t store_bytes(uint8_t *dst, const uint8_t *src, size_t n)
{
    size_t done;
    uint64_t word;

    if (n > COPY_BULK)
        return n - copy_bulk(dst, src, n);
    done = copy_units(dst, src, n);
    for (; n - done >= sizeof word; done += sizeof word) {
        memcpy(&word, src + done, sizeof word);
        if (!access_store64(dst + done, word))
            break;
    }
    while (done < n && access_store8(dst + done, src[done]))
        done++;
    return done;
}

size_t copy_in_some(struct gmem *m, void *dst, gva_t src, size_t n)
{
    size_t done = 0;

    if (src >= m->limit)
        return 0;
    n = MIN(n, m->limit - src);
    do {
        done += load_bytes((uint8_t *)dst + done, copy_host(m, src + done), n - done);
    } while (done < n && gmem_resolve(m, src + done, n - done));
    return done;
}

int copy_in(struct gmem *m, void *dst, gva_t src, size_t n)
{
    if (!range_within(src, n, m->limit))
        return -EFAULT;
    return copy_in_some(m, dst, src, n) == n ? 0 : -EFAULT;
}

int copy_struct_in(struct gmem *m, void *dst, size_t known, size_t least, gva_t src, uint64_t size)
{
    uint8_t rest[64];

    if (size < least)
        return -EINVAL;
    if (size > PAGE_BYTES)
        return -E2BIG;
    for (uint64_t at = known; at < size; at += sizeof rest) {
        size_t n = MIN(sizeof rest, size - at);

        if (copy_in(m, rest, src + at, n))
            return -EFAULT;
        for (size_t i = 0; i < n; i++)
            if (rest[i])
                return -E2BIG;
    }
    memset(dst, 0, known);
    return copy_in(m, dst, src, MIN(size, known));
}

int copy_out(struct gmem *m, gva_t dst, const void *src, size_t n)
{
    size_t done = 0;

    if (!range_within(dst, n, m->limit))
        return -EFAULT;
    do {
        done += store_bytes(copy_host(m, dst + done), (const uint8_t *)src + done, n - done);
    } while (done < n && gmem_resolve(m, dst + done, n - done));
    return done == n ? 0 : -EFAULT;
}

ssize_t copy_str(struct gmem *m, char *dst, gva_t src, size_t cap)
{
    size_t done = 0;

    while (done < cap) {
        size_t step = MIN(cap - done, COPY_STR_STEP - ((src + done) & (COPY_STR_STEP - 1)));
        size_t got = copy_in_some(m, dst + done, src + done, step);
        const char *end = memchr(dst + done, 0, got);

        if (end)
            return end - dst;
        done += got;
        if (got < step)
            return -EFAULT;
    }
    return -ENAMETOOLONG;
}

void *gmem_span(struct gmem *m, gva_t addr, uint64_t len)
{
    uint64_t from, to;

    if (addr == 0)
        return NULL;
    /* The first byte of the high guard zone that has addr's alignment: EINVAL for that comes before EFAULT. */
    if (!range_within(addr, len, m->limit))
        return m->gs.window + m->limit + (addr & PAGE_MASK);
    from = atomic_load_explicit(&m->grow_from, memory_order_relaxed);
    to = atomic_load_explicit(&m->grow_to, memory_order_relaxed);
    if (UNLIKELY(addr < to && addr + len > from))
        gmem_resolve(m, addr, len);
    return m->gs.window + addr;
}

/* How many of the n bytes at pc lie in memory with GMEM_X; the lock is held. */
static size_t fetchable(struct gmem *m, gva_t pc, size_t n)
{
    size_t ok = 0;

    while (ok < n) {
        const struct region *r = imap_find(&m->regions, pc + ok);

        if (!r || !(r->prot & GMEM_X))
            break;
        ok = MIN(n, ok + (r->start + r->len - (pc + ok)));
    }
    return ok;
}

size_t gmem_fetch(struct gmem *m, gva_t pc, void *out, size_t n)
{
    size_t ok;

    if (pc >= m->limit)
        return 0;
    pthread_rwlock_rdlock(&m->lock);
    ok = load_bytes(out, copy_host(m, pc), fetchable(m, pc, n));
    pthread_rwlock_unlock(&m->lock);
    return ok;
}
