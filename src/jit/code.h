/*
 * Code memory: shared memory mapped twice, writable at one address and executable at another, never both at one.
 * Filled upwards; emptied all at once.
 *
 * After a fork both processes map the same memory. Then it is frozen: either goes on executing it, and neither writes to
 * it before it has made itself a copy.
 */
#ifndef NOAHV_JIT_CODE_H
#define NOAHV_JIT_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code {
    uint8_t *rw, *rx; /* the two mappings of the same bytes */
    size_t size, used;
    bool frozen;
};

/* Pages that will be needed, at once: cheaper than a fault for each. Kernels before 5.14 refuse, and take the faults. */
void code_populate(void *at, size_t bytes);

/* -ENOMEM, -EACCES (no executable mappings allowed here). */
int code_init(struct code *c, size_t size);
void code_free(struct code *c);

/* Frees the memory, and keeps its executable addresses from being used again. */
void code_retire(struct code *c);
/* Before a fork, in the parent. */
void code_freeze(struct code *c);

/*
 * Makes frozen memory the process's own: what is used of it is copied, addresses stay. When that fails, -ENOMEM, the
 * memory is of no use any more.
 */
int code_thaw(struct code *c);

/* The executable address of a writable one, and back. */
static inline const uint8_t *code_rx(const struct code *c, const uint8_t *rw)
{
    return c->rx + (rw - c->rw);
}

static inline uint8_t *code_rw(const struct code *c, const uint8_t *rx)
{
    return c->rw + (rx - c->rx);
}

/* True when a host address lies in executable code that has been written. */
static inline bool code_holds(const struct code *c, uint64_t host)
{
    return host - (uint64_t)(uintptr_t)c->rx < __atomic_load_n(&c->used, __ATOMIC_RELAXED);
}

#endif
