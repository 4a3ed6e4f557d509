/*
 * Accesses to control and status registers from VU-mode. The only state is fcsr and the retired-instruction
 * counter of the hart; the clocks are the host's. What HS-mode could access raises a virtual-instruction
 * exception, what it could not either is illegal (Priv. 1.13, "Virtual Instruction Exceptions").
 */
#include "hart/csr.h"

#include <time.h>

static const uint8_t csr_kinds[4096] = {
#define CSR(number, name, kind) [number] = CSR_##kind,
#include "isa/csr.def"
#undef CSR
};

enum csr_verdict csr_check(unsigned number, bool write)
{
    switch (csr_kinds[number & 0xfff]) {
    case CSR_USER_RW:
        return CSR_ALLOWED;
    case CSR_USER_RO:
        return write ? CSR_ILLEGAL : CSR_ALLOWED;
    case CSR_HS_RW:
        return CSR_VIRTUAL;
    case CSR_HS_RO:
        return write ? CSR_ILLEGAL : CSR_VIRTUAL;
    default:
        return CSR_ILLEGAL;
    }
}

static uint64_t csr_clock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t csr_read(const struct hart *h, unsigned number)
{
    switch (number & 0xfff) {
    case CSR_fflags:
        return h->fcsr & 0x1f;
    case CSR_frm:
        return h->fcsr >> 5 & 7;
    case CSR_fcsr:
        return h->fcsr & 0xff;
    case CSR_cycle:
    case CSR_instret:
        return h->instret;
    case CSR_time:
        return csr_clock(CLOCK_MONOTONIC);
    case CSR_noahv_realtime:
        return csr_clock(CLOCK_REALTIME);
    default:
        return 0;
    }
}

void csr_write(struct hart *h, unsigned number, uint64_t value)
{
    uint32_t v = (uint32_t)value;

    switch (number & 0xfff) {
    case CSR_fflags:
        h->fcsr = (h->fcsr & 0xe0) | (v & 0x1f);
        break;
    case CSR_frm:
        h->fcsr = (h->fcsr & 0x1f) | (v & 7) << 5;
        break;
    case CSR_fcsr:
        h->fcsr = v & 0xff;
        break;
    }
}
