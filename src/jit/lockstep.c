/*
 * The JIT under supervision: each translated block is first done by the instructions' bodies on a second hart, the
 * reference, one by one, their stores taken back; then by generated code; then registers, flags, pc, trap and stored
 * bytes are compared. The first difference is reported with the block's guest and host code and ends the process.
 *
 * Both do the instructions that the translator saw: what a guest changes before it says FENCE.I counts for neither.
 */
#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "hart/csr.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "jit/show.h"
#include "mem/access.h"
#include "mem/copy.h"

/* What one instruction is about to change, and where it stores: all that it takes to go back. */
struct step {
    uint64_t pc, x, f, resv_addr, resv_val;
    uint32_t fcsr;
    uint8_t size; /* of the store; 0: none, or there is no memory */
    bool atomic;
    gva_t at;
    uint64_t before, after; /* what is stored to, zero-extended */
};

struct lockstep {
    struct hart ref; /* registers as the bodies have left them */
    struct step step[JIT_LISTING_MAX];
    const struct insn *insn;
    unsigned n;   /* steps that retired */
    bool trapped; /* the next one did not: ref.trap */
    bool seen;    /* the last one cannot be taken back */
};

/* How often in a row the block at `pc` has differed. */
static _Thread_local struct {
    gva_t pc;
    unsigned times;
} doubts;

struct difference {
    const char *what;
    uint64_t want, got;
};

bool jit_reads_clock(const struct insn *i)
{
    uint8_t fmt = insn_desc[i->op].fmt;

    return (fmt == FMT_CSR || fmt == FMT_CSRI) && (i->imm == CSR_time || i->imm == CSR_noahv_realtime);
}

/* --- By the bodies ---------------------------------------------------------------------------------------- */

static bool peek(const struct hart *h, gva_t at, unsigned size, uint64_t *out)
{
    const uint8_t *p;
    uint32_t word = 0;
    uint16_t half = 0;
    uint8_t byte = 0;
    bool ok;

    if (at >= h->limit)
        return false;
    p = h->window + at;
    switch (size) {
    case 8:
        return access_load64(p, out);
    case 4:
        ok = access_load32(p, &word);
        break;
    case 2:
        ok = access_load16(p, &half);
        break;
    default:
        ok = access_load8(p, &byte);
        break;
    }
    *out = (uint64_t)word | half | byte;
    return ok;
}

/*
 * Puts back what `s` has stored to; another thread may have unmapped it. false: it is a lock, say, and no longer what
 * was stored: the host kernel has taken it, or waits for it.
 */
static bool unstore(const struct hart *h, const struct step *s)
{
    uint32_t word = (uint32_t)s->after;
    uint64_t dword = s->after;
    bool done = true;

    if (s->size && s->atomic && s->at < h->limit) {
        if (s->size == 4)
            access_cas32(h->window + s->at, &word, (uint32_t)s->before, &done);
        else
            access_cas64(h->window + s->at, &dword, s->before, &done);
    } else if (s->size) {
        copy_out(h->mem, s->at, &s->before, s->size);
    }
    return done;
}

/* Before instruction `i` runs on the reference. The size of a store is the low half of funct3. */
static void note_step(struct step *s, const struct hart *ref, const struct insn *i)
{
    const struct insn_desc *d = &insn_desc[i->op];

    s->pc = ref->pc;
    s->x = ref->x[i->rd];
    s->f = ref->f[i->rd];
    s->resv_addr = ref->resv_addr;
    s->resv_val = ref->resv_val;
    s->fcsr = ref->fcsr;
    s->size = 0;
    s->atomic = d->fmt == FMT_AMO;
    if (!(d->flags & INSN_STORE))
        return;
    s->at = ref->x[i->rs1];
    if (d->fmt == FMT_S || d->fmt == FMT_FST)
        s->at += (uint64_t)(int64_t)i->imm;
    s->size = (uint8_t)(1u << (d->match >> 12 & 3));
    if (!peek(ref, s->at, s->size, &s->before))
        s->size = 0;
}

/* What instruction `i` has stored. Of sc that is known without another look, which may be too late to tell. */
static void note_store(struct step *s, const struct hart *ref, const struct insn *i, uint64_t rs2)
{
    bool conditional = s->atomic && !(insn_desc[i->op].flags & INSN_LOAD);

    if (!s->size)
        return;
    if (!conditional || !i->rd) {
        peek(ref, s->at, s->size, &s->after);
    } else if (ref->x[i->rd]) {
        s->size = 0;
    } else {
        s->before = s->resv_val;
        s->after = s->size == 4 ? (uint32_t)rs2 : rs2;
    }
    if (s->size == 4)
        s->before = (uint32_t)s->before;
}

/* The reference as it was after its first n steps. */
static void go_back(struct lockstep *l, unsigned n)
{
    struct hart *ref = &l->ref;

    for (unsigned k = l->n; k-- > n;) {
        const struct step *s = &l->step[k];
        const struct insn *i = &l->insn[k];

        ref->pc = s->pc;
        ref->x[i->rd] = s->x;
        ref->f[i->rd] = s->f;
        ref->resv_addr = s->resv_addr;
        ref->resv_val = s->resv_val;
        ref->fcsr = s->fcsr;
        ref->instret--;
    }
}

/* Takes the reference's stores back, from the last; one that others have seen counts, with all before it. */
static void take_back(struct lockstep *l)
{
    unsigned k = l->n;

    while (k > 0 && unstore(&l->ref, &l->step[k - 1]))
        k--;
    l->seen = k > 0;
    if (l->seen)
        go_back(l, k);
}

/* Runs the bodies on the reference until something ends the block for sure, and takes its stores back. */
static void record(struct lockstep *l, const struct jit_listing *list)
{
    struct hart *ref = &l->ref;
    int r = OP_NEXT;

    l->insn = list->insn;
    l->trapped = false;
    for (l->n = 0; l->n < list->n && r == OP_NEXT; l->n++) {
        const struct insn *i = &list->insn[l->n];
        struct step *s = &l->step[l->n];
        uint64_t rs2 = ref->x[i->rs2];

        if (i->op == OP_ecall || (l->n && jit_reads_clock(i)))
            break;
        note_step(s, ref, i);
        r = jit_body[i->op](ref, i);
        ref->x[0] = 0;
        if (r == OP_EXIT) {
            l->trapped = true;
            break;
        }
        if (r != OP_JUMP)
            ref->pc += i->len;
        ref->instret++;
        note_store(s, ref, i, rs2);
        if (jit_reads_clock(i)) {
            l->n++;
            break;
        }
    }
    take_back(l);
}

/* What both harts have in common between blocks. */
static void copy_state(struct hart *to, const struct hart *from)
{
    memcpy(to->x, from->x, sizeof to->x);
    memcpy(to->f, from->f, sizeof to->f);
    to->pc = from->pc;
    to->fcsr = from->fcsr;
    to->resv_addr = from->resv_addr;
    to->resv_val = from->resv_val;
    to->instret = from->instret;
}

/* --- Comparison ------------------------------------------------------------------------------------------- */

static bool differs(struct difference *d, const char *what, uint64_t want, uint64_t got)
{
    if (want == got)
        return false;
    *d = (struct difference){ what, want, got };
    return true;
}

static bool registers_differ(struct difference *d, const struct hart *want, const struct hart *got)
{
    static const char name[2][32][4] = {
        { "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10",
          "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
          "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "x31" },
        { "f0",  "f1",  "f2",  "f3",  "f4",  "f5",  "f6",  "f7",  "f8",  "f9",  "f10",
          "f11", "f12", "f13", "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21",
          "f22", "f23", "f24", "f25", "f26", "f27", "f28", "f29", "f30", "f31" },
    };

    if (memcmp(want->x, got->x, sizeof want->x) != 0 || memcmp(want->f, got->f, sizeof want->f) != 0)
        for (unsigned r = 0; r < 32; r++)
            if (differs(d, name[0][r], want->x[r], got->x[r]) ||
                differs(d, name[1][r], want->f[r], got->f[r]))
                return true;
    return differs(d, "pc", want->pc, got->pc) || differs(d, "fcsr", want->fcsr, got->fcsr) ||
           differs(d, "the reservation", want->resv_addr, got->resv_addr);
}

/* The last store to each byte must be what the bodies put there. */
static bool memory_differs(struct difference *d, const struct lockstep *l, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        const struct step *s = &l->step[k];
        bool last = s->size;
        uint64_t got;

        for (unsigned later = k + 1; later < n && last; later++)
            last = l->step[later].at - s->at + 8 >= 16 || !l->step[later].size;
        if (last && peek(&l->ref, s->at, s->size, &got) && differs(d, "memory", s->after, got))
            return true;
    }
    return false;
}

static bool traps_differ(struct difference *d, const struct trap *want, const struct trap *got)
{
    return differs(d, "scause", want->scause, got->scause) || differs(d, "stval", want->stval, got->stval) ||
           differs(d, "htval", want->htval, got->htval) || differs(d, "htinst", want->htinst, got->htinst);
}

/* Generated code has done n of the block's instructions: as the bodies did? The reference follows. */
static bool block_differs(struct difference *d, struct lockstep *l, const struct hart *h, unsigned n, int why)
{
    if (n > l->n)
        return differs(d, "the number of instructions", l->n, n);
    if (why == JIT_TRAP && n == l->n && l->trapped && traps_differ(d, &l->ref.trap, &h->trap))
        return true;
    go_back(l, n);
    return (!(n && jit_reads_clock(&l->insn[n - 1])) && registers_differ(d, &l->ref, h)) ||
           memory_differs(d, l, n);
}

static _Noreturn void report(const struct lockstep *l, struct hart *h, const uint8_t *code, unsigned n,
                             const struct difference *d)
{
    char line[128];

    log_line(LOG_ERROR,
             "lockstep: %s is 0x%llx in generated code, 0x%llx by the instructions' bodies, after:", d->what,
             (unsigned long long)d->got, (unsigned long long)d->want);
    for (unsigned k = 0; k < n; k++) {
        struct buf b;

        buf_init(&b, line, sizeof line);
        insn_disasm(&l->insn[k], l->step[k].pc, &b);
        log_line(LOG_ERROR, "lockstep:   %llx: %s", (unsigned long long)l->step[k].pc, line);
    }
    log_line(LOG_ERROR, "lockstep: the block:");
    if (!show_block(h->jit.state, h, code, LOG_ERROR))
        log_line(LOG_ERROR, "lockstep: was forgotten at its end");
    bug(__FILE__, __LINE__, "the JIT and the instructions' bodies differ");
}

/* --- The engine --------------------------------------------------------------------------------------------- */

/*
 * One hart at a time: what it reads must be the same both times. Only the host kernel and C code may still write in
 * between, for another thread, so a difference counts when it comes back.
 */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

enum { TRIES = 3, DOUBTS = 8 };

/* Among the first n instructions is one that may have stored atomically. */
static bool is_atomic(const struct jit_listing *list, unsigned n)
{
    for (unsigned k = 0; k < MIN(n, list->n); k++)
        if (insn_desc[list->insn[k].op].fmt == FMT_AMO)
            return true;
    return false;
}

/*
 * The block at `pc` has taken or left a lock, of which the host kernel may know by now: it is not done again. What generated
 * code has made of it counts, until it has differed too often.
 */
static bool is_believed(gva_t pc)
{
    if (doubts.pc != pc)
        doubts.times = 0;
    doubts.pc = pc;
    return ++doubts.times < DOUBTS;
}

/* One block, by both. JIT_TRAP, JIT_KICK, or JIT_RESUME with h->pc where it goes on. */
static enum jit_exit both(struct lockstep *l, struct hart *h, int tries)
{
    const uint8_t *code = jit_block(h);
    struct difference d = { 0 };
    uint64_t from = h->instret;
    struct hart start;
    enum jit_exit why;
    const struct jit_listing *list;
    bool atomic;
    unsigned n;

    copy_state(&start, h);
    if (!code) { /* not to be fetched, or a rounding mode that the host lacks: the body is all there is */
        why = jit_step(h, NULL);
        copy_state(&l->ref, h);
        return why;
    }
    list = jit_listing(code);
    record(l, list);
    if (l->seen) { /* generated code would find another memory */
        copy_state(h, &l->ref);
        return JIT_RESUME;
    }
    why = jit_step(h, code);
    n = (unsigned)MIN(h->instret - from, (uint64_t)UINT32_MAX);
    atomic = is_atomic(list, n);
    if (block_differs(&d, l, h, n, why)) {
        if (atomic ? !is_believed(start.pc) : tries <= 1)
            report(l, h, code, MIN(n, l->n), &d);
        if (atomic) {
            copy_state(&l->ref, h);
            return why;
        }
        for (unsigned k = MIN(n, l->n); k-- > 0;)
            unstore(h, &l->step[k]);
        copy_state(h, &start);
        copy_state(&l->ref, &start);
        return both(l, h, tries - 1);
    }
    if (atomic && doubts.pc == start.pc)
        doubts.times = 0;
    if (n && jit_reads_clock(&l->insn[n - 1]))
        copy_state(&l->ref, h);
    return why;
}

void lockstep_forked(struct hart *h)
{
    pthread_mutex_init(&turn, NULL); /* another thread of the parent's may have had it */
    jit_forked(h);
}

enum engine_exit lockstep_run(struct hart *h)
{
    struct lockstep lockstep, *l = &lockstep;

    memset(&l->ref, 0, offsetof(struct hart, target)); /* which the bodies know nothing of */
    h->counting = true;                                /* to know how many instructions a block has taken */
    h->jit.apart = 1;
    copy_state(&l->ref, h);
    l->ref.mem = h->mem;
    l->ref.window = h->window;
    l->ref.limit = h->limit;
    l->ref.counting = true;
    for (;;) {
        enum jit_exit why;

        if (atomic_load_explicit(&h->kick, memory_order_relaxed))
            return ENGINE_KICKED;
        pthread_mutex_lock(&turn);
        why = both(l, h, TRIES);
        pthread_mutex_unlock(&turn);
        if (why == JIT_TRAP)
            return ENGINE_TRAP;
        if (why == JIT_KICK)
            return ENGINE_KICKED;
    }
}
