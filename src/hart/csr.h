/*
 * The control and status registers as VU-mode sees them: whether an access is allowed, and the values of the
 * few that are. The registers are the rows of isa/csr.def.
 */
#ifndef NOAHV_HART_CSR_H
#define NOAHV_HART_CSR_H

#include "hart/hart.h"

enum csr_number {
#define CSR(number, name, kind) CSR_##name = number,
#include "isa/csr.def"
#undef CSR
};

/* What a register is to VU-mode. */
enum csr_kind {
    CSR_ABSENT, /* no such register, or machine-level: illegal instruction */
    CSR_USER_RW,
    CSR_USER_RO, /* a write is an illegal instruction */
    CSR_HS_RW,   /* HS-mode may: virtual instruction */
    CSR_HS_RO,   /* as HS_RW; a write is an illegal instruction in HS-mode already, and so here */
};

enum csr_verdict { CSR_ALLOWED, CSR_ILLEGAL, CSR_VIRTUAL };

/* Any number: its low 12 bits count. `write`: the instruction writes, whatever the value. */
enum csr_verdict csr_check(unsigned number, bool write);

/*
 * Only for accesses that csr_check allowed. `time` counts nanoseconds of CLOCK_MONOTONIC (a 1 GHz
 * timebase) and `cycle` counts retired instructions, as `instret` does: h->instret must be exact.
 */
uint64_t csr_read(const struct hart *h, unsigned number);
void csr_write(struct hart *h, unsigned number, uint64_t value);

#endif
