/*
 * The map by which perf(1) names generated code.
 */
#ifndef NOAHV_JIT_PERFMAP_H
#define NOAHV_JIT_PERFMAP_H

#include "jit/internal.h"

/* Stubs have been emitted; a block of `len` bytes has been translated. */
void perfmap_stubs(struct jit *j);
void perfmap_block(struct jit *j, const struct hart *h, uint64_t pc, const uint8_t *code, size_t len);

#endif
