/*
 * The interpreter: the reference engine. It runs a hart from h->pc over a cache of decoded blocks until a trap
 * or a kick; registers, pc and instret are exact whenever it returns.
 */
#ifndef NOAHV_INTERP_INTERP_H
#define NOAHV_INTERP_INTERP_H

#include "hart/hart.h"

/* ENGINE_TRAP: h->trap is filled, h->pc at the trapping instruction. ENGINE_KICKED: h->kick was seen (not cleared). */
enum engine_exit interp_run(struct hart *h);

/* Forgets every decoded block of this hart, as FENCE.I does. */
void interp_flush(struct hart *h);

/* Frees the engine's state of this hart; interp_run allocates it on first use. */
void interp_free(struct hart *h);

#endif
