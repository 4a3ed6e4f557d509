/*
 * Small things every module uses: address types, alignment, overflow-checked sums, page constants.
 * Knows neither RISC-V nor Linux.
 */
#ifndef NOAHV_BASE_UTIL_H
#define NOAHV_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gva_t; /* guest-virtual address: what the guest program computes with */
typedef uint64_t gpa_t; /* guest-physical address: equal to the gva_t while vsatp is Bare */

#define PAGE_SHIFT 12
#define PAGE_BYTES ((uint64_t)1 << PAGE_SHIFT)
#define PAGE_MASK (PAGE_BYTES - 1)

#define GIB ((uint64_t)1 << 30)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LIKELY(c) __builtin_expect(!!(c), 1)
#define UNLIKELY(c) __builtin_expect(!!(c), 0)

/* What runs in signal handlers: ThreadSanitizer's atomics take locks, which the interrupted code may hold. */
#define IN_HANDLER __attribute__((no_sanitize("thread")))

static inline uint64_t page_down(uint64_t a)
{
    return a & ~PAGE_MASK;
}

/* Rounds up; wraps to 0 for the last page of the 64-bit space, so callers bound `a` first. */
static inline uint64_t page_up(uint64_t a)
{
    return (a + PAGE_MASK) & ~PAGE_MASK;
}

/* True when [addr, addr + len) lies inside [0, limit): one expression, free of overflow. */
static inline bool range_within(uint64_t addr, uint64_t len, uint64_t limit)
{
    return addr <= limit && len <= limit - addr;
}

/* Our own mistake, never the guest's: says where and aborts. */
_Noreturn void bug(const char *file, int line, const char *what);

/*
 * The same for a fault of the host's at `pc` on `addr`, async-signal-safe: one line on standard error, then
 * status 125, without a core file of the guest's memory.
 */
_Noreturn void bug_fault(uint64_t pc, uint64_t addr);

#define BUG_ON(cond)                        \
    do {                                    \
        if (UNLIKELY(cond))                 \
            bug(__FILE__, __LINE__, #cond); \
    } while (0)

#endif
