/*
 * Fences, control and status registers, environment calls, and what VU-mode may not do. For ops.h only.
 */

/*
 * The host is TSO: only a store may be overtaken, by a later load. I and O count as R and W. FENCE.TSO
 * (fm = 8) leaves that order open, and PAUSE is a fence that orders nothing.
 */
OP(fence)
{
    const unsigned fm = (uint32_t)i->imm >> 8 & 0xf, pred = i->imm >> 4 & 0xf, succ = i->imm & 0xf;

    if (fm != 8 && (pred & 5) != 0 && (succ & 0xa) != 0)
        access_fence();
    return OP_NEXT;
}

OP(fence_i)
{
    atomic_fetch_add_explicit(&h->mem->fences, 1, memory_order_relaxed);
    return OP_REFETCH;
}

OP(ecall)
{
    return trap_plain(h, CAUSE_ECALL_VU, 0);
}

OP(ebreak)
{
    return trap_plain(h, CAUSE_BREAKPOINT, h->pc);
}

enum op_csr { OP_CSR_WRITE, OP_CSR_SET, OP_CSR_CLEAR };

/* Out of line: it is six rows, none of them hot. `write` is false where the manual says that rs1 = x0, or a
 * zero immediate, makes the instruction a mere read (Unpriv. 20240411, "Zicsr"). */
static __attribute__((noinline)) int op_csr(struct hart *h, const struct insn *i, enum op_csr how,
                                            uint64_t operand, bool write)
{
    const unsigned number = (unsigned)i->imm & 0xfff;
    const enum csr_verdict verdict = csr_check(number, write);
    uint64_t old;

    if (verdict != CSR_ALLOWED)
        return verdict == CSR_VIRTUAL ? trap_virtual(h, i) : trap_illegal(h, i);
    old = csr_read(h, number);
    if (write)
        csr_write(h, number,
                  how == OP_CSR_SET     ? old | operand
                  : how == OP_CSR_CLEAR ? old & ~operand
                                        : operand);
    h->x[i->rd] = old;
    return OP_NEXT;
}

OP(csrrw)
{
    return op_csr(h, i, OP_CSR_WRITE, h->x[i->rs1], true);
}

OP(csrrs)
{
    return op_csr(h, i, OP_CSR_SET, h->x[i->rs1], i->rs1 != 0);
}

OP(csrrc)
{
    return op_csr(h, i, OP_CSR_CLEAR, h->x[i->rs1], i->rs1 != 0);
}

OP(csrrwi)
{
    return op_csr(h, i, OP_CSR_WRITE, i->rs1, true);
}

OP(csrrsi)
{
    return op_csr(h, i, OP_CSR_SET, i->rs1, i->rs1 != 0);
}

OP(csrrci)
{
    return op_csr(h, i, OP_CSR_CLEAR, i->rs1, i->rs1 != 0);
}

/* HS-mode may execute these, VU-mode may not (Priv. 1.13, "Virtual Instruction Exceptions"). */
#define OP_PRIVILEGED(name)        \
    OP(name)                       \
    {                              \
        return trap_virtual(h, i); \
    }

OP_PRIVILEGED(sret)
OP_PRIVILEGED(wfi)
OP_PRIVILEGED(sfence_vma)
OP_PRIVILEGED(hfence_vvma)
OP_PRIVILEGED(hfence_gvma)
OP_PRIVILEGED(hlv_b)
OP_PRIVILEGED(hlv_bu)
OP_PRIVILEGED(hlv_h)
OP_PRIVILEGED(hlv_hu)
OP_PRIVILEGED(hlvx_hu)
OP_PRIVILEGED(hlv_w)
OP_PRIVILEGED(hlv_wu)
OP_PRIVILEGED(hlvx_wu)
OP_PRIVILEGED(hlv_d)
OP_PRIVILEGED(hsv_b)
OP_PRIVILEGED(hsv_h)
OP_PRIVILEGED(hsv_w)
OP_PRIVILEGED(hsv_d)
