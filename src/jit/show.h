/*
 * Guest and host code side by side, by way of the log; names of the stubs.
 */
#ifndef NOAHV_JIT_SHOW_H
#define NOAHV_JIT_SHOW_H

#include "base/log.h"
#include "jit/internal.h"

/* Prints the block whose code begins at `host`; false when that is NULL, or no marks were left in it. */
bool show_block(const struct jit *j, struct hart *h, const uint8_t *host, enum log_level level);

/* The k-th stub's name, and where it begins; NULL: there are no more. Their addresses ascend. */
const char *show_stub(const struct jit *j, unsigned k, const uint8_t **at);

#endif
