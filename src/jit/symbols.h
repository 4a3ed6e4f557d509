/*
 * Names for guest addresses: symbol, offset and file. One per hart; no locks.
 */
#ifndef NOAHV_JIT_SYMBOLS_H
#define NOAHV_JIT_SYMBOLS_H

#include "base/buf.h"
#include "hart/hart.h"

struct symbols;

struct symbols *symbols_new(void); /* NULL: no memory */
void symbols_free(struct symbols *s);

/* "main+0x1c [prog]", or "0x3f00001000 [anon]" where no symbol is known. */
void symbols_name(struct symbols *s, const struct hart *h, uint64_t pc, struct buf *out);

#endif
