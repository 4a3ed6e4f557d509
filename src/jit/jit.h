/*
 * The JIT: translates guest code to x86-64 from its first execution on. The contract is the interpreter's:
 * registers and pc exact whenever it returns; instret too when the hart counts (h->counting).
 */
#ifndef NOAHV_JIT_JIT_H
#define NOAHV_JIT_JIT_H

#include "hart/hart.h"

/* As interp_run. Falls back to the interpreter where the host allows no executable memory, and while frm holds a
 * mode that the host does not have. */
enum engine_exit jit_run(struct hart *h);

/* As jit_run, but block by block, each compared with the instructions' bodies; aborts at the first difference. */
enum engine_exit lockstep_run(struct hart *h);

/* Forgets all translations of this hart. */
void jit_flush(struct hart *h);
void jit_free(struct hart *h);

/* In a fork child, before guest code runs: the code memory must not be shared with the parent. */
void jit_forked(struct hart *h);

/* After h->kick was set: makes running code see it. Async-signal-safe. */
void jit_kick(struct hart *h);

#endif
