/*
 * The JIT under supervision: each translated block is first done by the instructions' bodies on a copy of the hart,
 * one by one, their stores undone; then by generated code; then registers, flags, pc, trap and stored bytes are
 * compared. The first difference is reported with the block's instructions and ends the process.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "hart/csr.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "mem/copy.h"

/* No block is longer: its budget, and what a fused group may take beyond it. */
#define STEPS_MAX 80

struct store {
    gva_t at;
    uint8_t before[8], after[8];
    bool real; /* there is memory */
};

struct lockstep {
    struct hart after[STEPS_MAX]; /* the copy after each step */
    struct insn insn[STEPS_MAX];
    uint64_t pc[STEPS_MAX];
    struct store store[STEPS_MAX];
    unsigned n;   /* steps that retired */
    bool trapped; /* the next one did not: `end` holds the trap */
    struct hart end;
};

static bool fetch_at(struct hart *h, struct insn *out)
{
    uint32_t word = 0;
    size_t got = gmem_fetch(h->mem, h->pc, &word, sizeof word);

    if (got < 2 || (got < 4 && insn_length((uint16_t)word) == 4))
        return false;
    insn_decode(word, out);
    return true;
}

bool jit_reads_clock(const struct insn *i)
{
    uint8_t fmt = insn_desc[i->op].fmt;

    return (fmt == FMT_CSR || fmt == FMT_CSRI) && (i->imm == CSR_time || i->imm == CSR_noahv_realtime);
}

/* Where an instruction stores; eight bytes from there cover every size. */
static struct store peek_store(struct hart *h, const struct insn *i)
{
    struct store s = { .at = h->x[i->rs1] };
    uint8_t fmt = insn_desc[i->op].fmt;

    if (fmt == FMT_S || fmt == FMT_FST)
        s.at += (uint64_t)(int64_t)i->imm;
    if (insn_desc[i->op].flags & INSN_STORE)
        s.real = copy_in_some(h->mem, s.before, s.at, 8) == 8;
    return s;
}

/* Runs the bodies on a copy of `h` until something ends the block for sure. */
static void record(struct lockstep *l, const struct hart *h)
{
    struct hart ref = *h;

    l->n = 0;
    l->trapped = false;
    while (l->n < STEPS_MAX) {
        struct insn *i = &l->insn[l->n];
        int r;

        if (!fetch_at(&ref, i) || i->op == OP_ecall || (l->n && jit_reads_clock(i)))
            break;
        l->pc[l->n] = ref.pc;
        l->store[l->n] = peek_store(&ref, i);
        r = jit_body[i->op](&ref, i);
        ref.x[0] = 0;
        if (r == OP_EXIT) {
            l->trapped = true;
            break;
        }
        if (r != OP_JUMP)
            ref.pc += i->len;
        ref.instret++;
        if (l->store[l->n].real)
            copy_in(ref.mem, l->store[l->n].after, l->store[l->n].at, 8);
        l->after[l->n++] = ref;
        if (r != OP_NEXT || jit_reads_clock(i)) /* a block that is not linked goes no further than a jump */
            break;
    }
    l->end = ref;
    for (unsigned k = l->n; k-- > 0;)
        if (l->store[k].real)
            copy_out(h->mem, l->store[k].at, l->store[k].before, 8);
}

/* --- Comparison ------------------------------------------------------------------------------------------- */

static _Noreturn void differ(const struct lockstep *l, unsigned n, const char *what, uint64_t want,
                             uint64_t got)
{
    char line[128];

    log_line(LOG_ERROR,
             "lockstep: %s is 0x%llx in generated code, 0x%llx by the instructions' bodies, after:", what,
             (unsigned long long)got, (unsigned long long)want);
    for (unsigned k = 0; k < n; k++) {
        struct buf b;

        buf_init(&b, line, sizeof line);
        insn_disasm(&l->insn[k], l->pc[k], &b);
        log_line(LOG_ERROR, "lockstep:   %llx: %s", (unsigned long long)l->pc[k], line);
    }
    bug(__FILE__, __LINE__, "the JIT and the instructions' bodies differ");
}

static void compare_registers(const struct lockstep *l, unsigned n, const struct hart *want,
                              const struct hart *got)
{
    char name[8] = "x0";

    for (unsigned r = 0; r < 32; r++) {
        name[0] = 'x';
        name[1] = (char)('0' + (r >= 10 ? r / 10 : r));
        name[2] = (char)(r >= 10 ? '0' + r % 10 : '\0');
        if (want->x[r] != got->x[r])
            differ(l, n, name, want->x[r], got->x[r]);
        name[0] = 'f';
        if (want->f[r] != got->f[r])
            differ(l, n, name, want->f[r], got->f[r]);
    }
    if (want->pc != got->pc)
        differ(l, n, "pc", want->pc, got->pc);
    if (want->fcsr != got->fcsr)
        differ(l, n, "fcsr", want->fcsr, got->fcsr);
    if (want->resv_addr != got->resv_addr)
        differ(l, n, "the reservation", want->resv_addr, got->resv_addr);
}

/* The last store to each byte must be what the bodies put there. */
static void compare_memory(const struct lockstep *l, unsigned n, struct hart *h)
{
    for (unsigned k = 0; k < n; k++) {
        const struct store *s = &l->store[k];
        uint64_t want, got = 0;
        bool last = s->real;

        for (unsigned later = k + 1; later < n; later++)
            if (l->store[later].real && l->store[later].at - s->at + 8 < 16)
                last = false;
        if (!last || copy_in(h->mem, &got, s->at, 8))
            continue;
        memcpy(&want, s->after, 8);
        if (want != got)
            differ(l, n, "memory", want, got);
    }
}

static void compare_trap(const struct lockstep *l, const struct trap *want, const struct trap *got)
{
    if (want->scause != got->scause)
        differ(l, l->n, "scause", want->scause, got->scause);
    if (want->stval != got->stval)
        differ(l, l->n, "stval", want->stval, got->stval);
    if (want->htval != got->htval)
        differ(l, l->n, "htval", want->htval, got->htval);
    if (want->htinst != got->htinst)
        differ(l, l->n, "htinst", want->htinst, got->htinst);
}

/* --- The engine --------------------------------------------------------------------------------------------- */

enum engine_exit lockstep_run(struct hart *h)
{
    static _Thread_local struct lockstep *l;

    if (!l)
        l = malloc(sizeof *l);
    BUG_ON(!l);
    h->counting = true; /* to know how many instructions a block has taken */
    h->jit.apart = 1;
    for (;;) {
        uint64_t from = h->instret, n;
        struct hart before;
        enum jit_exit why;

        if (atomic_load_explicit(&h->kick, memory_order_relaxed))
            return ENGINE_KICKED;
        h->pc &= ~(uint64_t)1;
        record(l, h);
        before = *h;
        why = jit_step(h);
        n = h->instret - from;
        if (n > l->n)
            differ(l, l->n, "the number of instructions", l->n, n);
        if (n && !(n == 1 && jit_reads_clock(&l->insn[0])))
            compare_registers(l, (unsigned)n, &l->after[n - 1], h);
        else if (!n)
            compare_registers(l, 0, &before, h);
        compare_memory(l, (unsigned)n, h);
        if (why == JIT_TRAP && n == l->n && l->trapped)
            compare_trap(l, &l->end.trap, &h->trap);
        if (why == JIT_TRAP)
            return ENGINE_TRAP;
        if (why == JIT_KICK)
            return ENGINE_KICKED;
    }
}
