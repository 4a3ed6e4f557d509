/*
 * The JIT: translates guest code to x86-64 from its first execution on, or soon after. The contract is the interpreter's:
 * registers and pc exact whenever it returns; instret too when the hart counts (h->counting).
 */
#ifndef NOAHV_JIT_JIT_H
#define NOAHV_JIT_JIT_H

#include "hart/hart.h"

/* What a hart's code is to be besides fast. */
enum jit_option {
    /*
     * Every access of generated code to the window goes through a mask behind its bounds check, so that one that the
     * host executes speculatively, past a check that will turn out to fail, stays inside the window and its guards
     * (Spectre variant 1). The instructions' bodies and the copies of mem/ mask always.
     *
     * Not covered: where an indirect jump or a return is predicted to go. Blocks assume nothing of how they are
     * reached and masks do not depend on it, so a wrong prediction within generated code is harmless; but no retpoline
     * keeps a guest from training the predictors towards noahv's own code or another process (variant 2: that is for the
     * host kernel, and for a process per guest). Nor are faults that forward data (Meltdown, MDS), which the host's
     * kernel and microcode mend.
     */
    JIT_HARDEN_SPECTRE = 1,
    JIT_PERF_MAP = 2, /* name the code for perf(1): perfmap.c */
    JIT_COLD = 4,     /* at first, and the second and third time, run it by the instructions' bodies */
};

/* Before the first hart with JIT_PERF_MAP runs in this process: an empty map. */
int jit_perf_map_begin(void);

/* As interp_run. Falls back to the interpreter where the host allows no executable memory, and while frm holds a
 * mode that the host does not have. */
enum engine_exit jit_run(struct hart *h);

/* As jit_run, but block by block, each compared with the instructions' bodies; aborts at the first difference. */
enum engine_exit lockstep_run(struct hart *h);

/* Forgets what has been translated from code that is now another, as FENCE.I does. */
void jit_flush(struct hart *h);
void jit_free(struct hart *h);

/* Before this hart's thread forks, in the parent, with h->jit.shared locked. */
void jit_fork(struct hart *h);

/* In the child, before guest code runs, while the harts of the parent's other threads are there still. */
void jit_forked(struct hart *h);
void lockstep_forked(struct hart *h);

/* After h->kick was set: makes running code see it. Async-signal-safe. */
void jit_kick(struct hart *h);

#endif
