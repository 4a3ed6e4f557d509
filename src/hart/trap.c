/*
 * Traps into HS-mode: the values that the hypervisor extension prescribes for scause, stval, htval, htinst
 * and hstatus.GVA, for the causes that a VU-mode hart with vsatp = Bare can raise. It only fills h->trap:
 * who takes the trap, and what then, is the core's.
 *
 * The specification leaves two choices. stval of an illegal instruction may be 0 or the instruction: here it is the
 * instruction, which a debugger wants to see (Priv. 1.13, "Supervisor Trap Value Register"). htinst may be
 * 0: here it is the transformed instruction wherever one is defined.
 */
#include "hart/hart.h"

#include <signal.h>

#include "mem/access.h"

static int trap_take(struct hart *h, struct trap t)
{
    h->trap = t;
    return OP_EXIT;
}

int trap_illegal(struct hart *h, const struct insn *i)
{
    return trap_take(h, (struct trap){ .scause = CAUSE_ILLEGAL, .stval = i->bits });
}

int trap_virtual(struct hart *h, const struct insn *i)
{
    return trap_take(h, (struct trap){ .scause = CAUSE_VIRT_INSN, .stval = i->bits });
}

int trap_plain(struct hart *h, enum trap_cause cause, uint64_t stval)
{
    /* GVA is 1 for "breakpoint, address misaligned, access fault, page fault, or guest-page fault" that
     * write a guest virtual address to stval (Priv. 1.13, "Hypervisor Status Register"). */
    return trap_take(h, (struct trap){ .scause = cause, .stval = stval, .gva = cause != CAUSE_ECALL_VU });
}

/*
 * Priv. 1.13, "Transformed Instruction or Pseudoinstruction for mtinst or htinst": the 32-bit form with its
 * displacement zeroed, in place of rs1 how far the faulting byte lies behind the first one, and bit 1
 * clear when the instruction was compressed. Operands other than the address register stay.
 */
static uint64_t trap_transform(const struct insn *i, uint64_t offset)
{
    uint32_t t = insn_desc[i->op].match | (uint32_t)offset << 15;

    switch (insn_desc[i->op].fmt) {
    case FMT_LD:
    case FMT_FLD:
        t |= (uint32_t)i->rd << 7;
        break;
    case FMT_S:
    case FMT_FST:
        t |= (uint32_t)i->rs2 << 20;
        break;
    case FMT_LR:
    case FMT_AMO:
        t |= (uint32_t)i->rd << 7 | (uint32_t)i->rs2 << 20 | (uint32_t)i->rm << 25;
        break;
    default:
        return 0;
    }
    return i->len == 2 ? t & ~(uint32_t)2 : t;
}

int trap_gpf(struct hart *h, enum trap_cause cause, const struct insn *i, uint64_t addr, uint64_t fault,
             bool bus)
{
    struct trap t = {
        .scause = cause,
        .stval = fault,
        .htval = fault >> 2,
        .htinst = i ? trap_transform(i, fault - addr) : 0,
        .gva = true,
        .bus = bus,
    };

    return trap_take(h, t);
}

int trap_access_failed(struct hart *h, enum trap_cause cause, const struct insn *i, uint64_t addr)
{
    if (addr >= h->limit)
        return trap_gpf(h, cause, i, addr, addr, false);
    return trap_gpf(h, cause, i, addr, access_fault.host - (uint64_t)(uintptr_t)h->window,
                    access_fault.signal == SIGBUS);
}

int trap_access(uint64_t scause)
{
    switch (scause) {
    case CAUSE_GPF_FETCH:
        return GMEM_X;
    case CAUSE_GPF_LOAD:
        return GMEM_R;
    case CAUSE_GPF_STORE:
        return GMEM_W;
    default:
        return 0;
    }
}
