/*
 * Instruction bodies called from generated code: every row runs here from the day it has a body. Also the
 * exchange between fcsr and the host's MXCSR, whose sticky bits collect the guest's flags meanwhile.
 */
#include "jit/internal.h"
#include "ops/ops.h"

#define INSN(name, fmt, match, mask, ext, flags)                 \
    static int body_##name(struct hart *h, const struct insn *i) \
    {                                                            \
        return op_##name(h, i);                                  \
    }
#include "isa/insn.def"
#undef INSN

const jit_body_fn jit_body[NR_OPS + 1] = {
#define INSN(name, fmt, match, mask, ext, flags) [OP_##name] = body_##name,
#include "isa/insn.def"
#undef INSN
    [OP_ILLEGAL] = trap_illegal,
};

/* MXCSR: IE ZE OE UE PE are bits 0, 2, 3, 4, 5; RC bits 13, 14; bits 7..12 mask all exceptions. */
void jit_mxcsr_from_fcsr(struct hart *h)
{
    h->jit.mxcsr = JIT_MXCSR | JIT_RC(h->fcsr >> 5 & 3); /* another frm never gets into generated code */
}

void jit_fcsr_from_mxcsr(struct hart *h)
{
    uint32_t m = h->jit.mxcsr;

    h->fcsr |= (m & 1) << 4 | (m >> 2 & 1) << 3 | (m >> 3 & 1) << 2 | (m >> 4 & 1) << 1 | (m >> 5 & 1);
}

void jit_clean(struct hart *h)
{
    const struct jit *j = h->jit.state;

    for (const struct jit_lazy *l = &j->lazy[h->jit.lazy]; h->jit.lazy; l++) {
        h->x[l->reg] = jit_lazy_value(l, h->jit.wide[l->slot]);
        if (!l->more)
            h->jit.lazy = 0;
    }
    for (unsigned r = 0; r < 32; r++) {
        if (h->jit.dirty_w >> r & 1)
            h->x[r] = (uint64_t)(int32_t)h->x[r];
        if ((h->jit.dirty_d >> r & 1) && (h->f[r] << 1) > (uint64_t)0x7ff << 53)
            h->f[r] = F64_NAN;
        if ((h->jit.dirty_s >> r & 1) && (uint32_t)h->f[r] << 1 > 0xffu << 24)
            h->f[r] = (uint64_t)UINT32_MAX << 32 | F32_NAN;
    }
    h->jit.dirty_d = h->jit.dirty_s = h->jit.dirty_w = 0;
}

int jit_callop(struct hart *h, uint32_t index)
{
    struct jit *j = h->jit.state;
    const struct jit_call *c = &j->call[index];
    int r;

    jit_see_named(j);
    jit_fcsr_from_mxcsr(h);
    h->pc = c->pc;
    r = jit_body[c->insn.op](h, &c->insn);
    h->x[0] = 0;
    jit_mxcsr_from_fcsr(h);
    switch (r) {
    case OP_NEXT:
        if ((h->fcsr >> 5 & 7) <= FPU_RUP)
            return JIT_OK;
        h->instret += h->counting;
        h->pc = c->pc + c->insn.len;
        return JIT_RESUME;
    case OP_JUMP:
        h->instret += h->counting;
        return JIT_RESUME;
    case OP_REFETCH:
        h->instret += h->counting;
        h->pc = c->pc + c->insn.len;
        return JIT_REFETCH;
    default:
        h->pc = c->pc;
        return JIT_TRAP;
    }
}
