/*
 * Every row of gen.def: generated code against the instructions' bodies on corner values, in all rounding modes,
 * with registers that have a home and such that live in memory, aliased and x0; with all the host's extensions and
 * with none. And that no row of these extensions goes through its body unnoticed. One instruction at a time:
 * what several do together is tests/fuzz/fuzz_engines.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hart/csr.h"
#include "hart/fpu.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

#define READ_ONLY ((uint64_t)0x30000)
#define END (RIG_DATA + 2 * PAGE_BYTES)

enum { DYN = 7, MAX_VARIANTS = 8, PAIRS = 24 };

/* Registers beside those of the forms. */
enum { BASE = 18, FLAG = 20, ONE, THREE, THIRD };

/* --- What is tried ---------------------------------------------------------------------------------------- */

/* rd, rs1, rs2, rs3, of x and f alike: 10 to 14 have homes (13 is rdx), 5, 6, 7 and 28 are in memory. */
static const uint8_t forms[][4] = {
    { 10, 11, 12, 14 }, { 5, 6, 7, 28 },    { 10, 6, 7, 28 },   { 5, 11, 12, 14 }, { 10, 10, 11, 11 },
    { 10, 11, 10, 11 }, { 10, 10, 10, 10 }, { 6, 6, 7, 7 },     { 6, 7, 6, 7 },    { 6, 6, 6, 6 },
    { 0, 11, 12, 14 },  { 10, 0, 12, 14 },  { 10, 11, 0, 14 },  { 10, 0, 0, 0 },   { 0, 0, 0, 0 },
    { 13, 13, 12, 10 }, { 12, 13, 13, 10 }, { 13, 11, 12, 13 }, { 11, 13, 6, 13 }, { 6, 11, 13, 7 },
    { 13, 6, 13, 10 },  { 0, 6, 7, 28 },    { 10, 11, 7, 12 },  { 10, 7, 11, 12 }, { 11, 11, 7, 7 },
};

static const uint64_t ints[] = {
    0,
    1,
    2,
    3,
    31,
    32,
    63,
    64,
    0x80,
    0xff,
    0x8000,
    INT32_MAX,
    0x80000000,
    UINT32_MAX,
    (uint64_t)INT32_MIN,
    (uint64_t)1 << 24,
    ((uint64_t)1 << 24) + 1,
    (uint64_t)1 << 32,
    (uint64_t)1 << 53,
    ((uint64_t)1 << 53) + 1,
    -((uint64_t)1 << 53),
    INT64_MAX,
    (uint64_t)INT64_MIN,
    (uint64_t)INT64_MIN + 1,
    UINT64_MAX,
    UINT64_C(0x8000000000000401),
    UINT64_C(0xfffffffffffffc00),
    UINT64_C(0x0100ff008000007f),
    UINT64_C(0xfedcba9876543210),
};

static const double doubles[] = {
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    0.49999999999999994,
    1.5,
    -1.5,
    2.5,
    -2.5,
    0.3,
    -0.7,
    1e300,
    -1e300,
    1e-300,
    0x1p-1074,
    -0x1p-1074,
    0x1.ffffffffffffep-1023,
    0x1p-1022,
    0x1.fffffffffffffp1023,
    0x1p-149,
    0x1.8p-150,
    0x1.fffffefp127,
    0x1.ffffffp127,
    2147483647.0,
    2147483647.5,
    2147483648.0,
    -2147483648.0,
    -2147483648.5,
    -2147483649.0,
    4294967295.0,
    4294967295.5,
    4294967296.0,
    0x1p51 + 0.5,
    0x1p52 - 0.5,
    0x1p53,
    0x1p63,
    0x1.fffffffffffffp62,
    -0x1p63,
    -0x1.0000000000001p63,
    0x1p64,
    0x1.fffffffffffffp63,
    16777217.0,
};

static const float floats[] = {
    0.0f,
    -0.0f,
    1.0f,
    -1.0f,
    0.5f,
    -0.5f,
    0.49999997f,
    1.5f,
    -1.5f,
    2.5f,
    -2.5f,
    0.3f,
    -0.7f,
    1e38f,
    -1e38f,
    1e-38f,
    0x1p-149f,
    -0x1p-149f,
    0x1.fffffcp-127f,
    0x1p-126f,
    0x1.fffffep127f,
    8388607.5f,
    0x1p22f + 0.5f,
    2147483648.0f,
    2147483520.0f,
    -2147483648.0f,
    -2147483904.0f,
    4294967296.0f,
    4294967040.0f,
    0x1p63f,
    0x1.fffffep62f,
    -0x1p63f,
    -0x1.000002p63f,
    0x1p64f,
    0x1.fffffep63f,
};

static const uint64_t odd_reals[] = {
    UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000), UINT64_C(0x7ff8000000000000),
    UINT64_C(0xfff8000000000000), UINT64_C(0x7ff0000000000001), UINT64_C(0xfff4000000001234),
    UINT64_C(0x7fffffffffffffff), UINT64_C(0xffffffff7f800000), UINT64_C(0xffffffffff800000),
    UINT64_C(0xffffffff7fc00000), UINT64_C(0xffffffffffc00000), UINT64_C(0xffffffff7f800001),
    UINT64_C(0xffffffffffa12345), UINT64_C(0xfffffffe3f800000), UINT64_C(0x000000003f800000),
};

/* In range, misaligned, across the end, read-only, in the guards, nowhere at all. */
static const uint64_t addresses[] = {
    RIG_DATA, RIG_DATA + 8, RIG_DATA + 64, RIG_DATA + 1,   RIG_DATA + 2,   RIG_DATA + 4,      END - 8,
    END - 4,  END - 1,      END,           READ_ONLY + 16, READ_ONLY + 20, READ_ONLY + 17,    0,
    8,        RIG_SIZE - 8, RIG_SIZE,      RIG_SIZE + 8,   UINT64_MAX - 7, (uint64_t)1 << 63,
};

static uint64_t seed;

static uint64_t rnd(void)
{
    seed ^= seed << 13; /* xorshift64 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

#define ANY(table) ((table)[(rnd() >> 16) % ARRAY_SIZE(table)])

static uint64_t an_int(void)
{
    return rnd() >> 30 & 3 ? ANY(ints) : rnd() >> (rnd() >> 58);
}

static uint64_t a_real(void)
{
    uint64_t box = (uint64_t)UINT32_MAX << 32, v = rnd();
    double d = ANY(doubles);
    float f = ANY(floats);
    uint32_t s;

    memcpy(&s, &f, sizeof s);
    switch (v >> 60) {
    case 0:
        return ANY(odd_reals);
    case 1:
        return v << 8;
    case 2:
        return box | (v & UINT32_MAX);
    case 3: /* of a size that conversions to integers round */
        return (v & ~(UINT64_C(0x7ff) << 52)) | (UINT64_C(0x3f8) + (v >> 40 & 63)) << 52;
    case 4:
        return box | (v & 0x807fffff) | (0x7au + (v >> 40 & 31)) << 23;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        return box | s;
    default:
        memcpy(&v, &d, sizeof v);
        return v;
    }
}

/* --- The variants of a row --------------------------------------------------------------------------------- */

static bool has_mode(uint8_t fmt)
{
    return fmt == FMT_FRM || fmt == FMT_F1RM || fmt == FMT_F4 || fmt == FMT_F2XRM || fmt == FMT_X2FRM;
}

static bool is_csr(uint8_t fmt)
{
    return fmt == FMT_CSR || fmt == FMT_CSRI;
}

static bool is_atomic(uint8_t fmt)
{
    return fmt == FMT_AMO || fmt == FMT_LR;
}

/* Immediates by format; a mode, or aq and rl, count as such. */
static size_t variants(uint8_t fmt, int32_t v[MAX_VARIANTS])
{
    static const struct {
        size_t n;
        int32_t v[MAX_VARIANTS];
    } mode = { 8, { 0, 1, 2, 3, 4, DYN, 5, 6 } }, order = { 4, { 0, 1, 2, 3 } },
      csr = { 3, { CSR_fflags, CSR_frm, CSR_fcsr } }, shift = { 6, { 0, 1, 31, 32, 33, 63 } },
      shift_w = { 3, { 0, 1, 31 } }, imm = { 5, { 0, 1, -1, 2047, -2048 } }, disp = { 4, { 0, 8, -8, 5 } },
      upper = { 3, { 0x1000, 0x12345000, INT32_MIN } }, fence = { 4, { 0x33, 0x11, 0x22, 0x833 } },
      target = { 1, { 8 } }, none = { 1, { 0 } };

#define TAKE(list) (memcpy(v, (list).v, sizeof(list).v), (list).n)
    if (has_mode(fmt))
        return TAKE(mode);
    if (is_atomic(fmt))
        return TAKE(order);
    if (is_csr(fmt))
        return TAKE(csr);
    switch (fmt) {
    case FMT_SH:
        return TAKE(shift);
    case FMT_SHW:
        return TAKE(shift_w);
    case FMT_I:
        return TAKE(imm);
    case FMT_LD:
    case FMT_S:
    case FMT_FLD:
    case FMT_FST:
        return TAKE(disp);
    case FMT_U:
        return TAKE(upper);
    case FMT_FENCE:
        return TAKE(fence);
    case FMT_B:
    case FMT_J:
        return TAKE(target);
    default:
        return TAKE(none);
    }
#undef TAKE
}

static struct insn variant(int op, const uint8_t form[4], int32_t v)
{
    uint8_t fmt = insn_desc[op].fmt;
    struct insn i = {
        .op = (uint16_t)op, .len = 4, .rd = form[0], .rs1 = form[1], .rs2 = form[2], .rs3 = form[3]
    };

    if (has_mode(fmt) || is_atomic(fmt))
        i.rm = (uint8_t)v;
    else
        i.imm = v;
    return i;
}

/* --- Native ------------------------------------------------------------------------------------------------ */

/* What is the body's to do, whatever the operands. */
static bool is_body_only(int op)
{
    return op == OP_ebreak ||  /* traps */
           op == OP_fence_i || /* forgets all generated code */
           insn_desc[op].ext == EXT_PRIV;
}

/* RISC-V's fifth mode, which the host lacks, and modes that do not exist. To integers the fifth is made of others, from
 * integers it matters only where bits are lost. */
static bool is_foreign_mode(const struct insn *i)
{
    uint8_t fmt = insn_desc[i->op].fmt;

    if (!has_mode(fmt) || i->rm == DYN || i->rm <= FPU_RUP)
        return false;
    return i->rm > FPU_RMM || !(fmt == FMT_F2XRM || fmt == FMT_X2FRM || i->op == OP_fcvt_d_s);
}

START_TEST(the_straight_path_calls_no_body)
{
    static struct gen g;
    struct jit *j;
    int32_t v[MAX_VARIANTS];
    size_t n = variants(insn_desc[_i].fmt, v);

    jit_baseline(&rig_hart); /* makes one */
    j = rig_hart.jit.state;
    j->has = (struct jit_host){ true, true, true, true }; /* what is made here is not run */
    for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
        for (size_t k = 0; k < n; k++) {
            struct insn i = variant(_i, forms[f], v[k]);
            size_t calls = j->nr_calls;
            uint8_t *start = j->code.rw + j->code.used;

            memset(&g, 0, sizeof g);
            g.j = j;
            g.h = &rig_hart;
            g.e = (struct x64){ .at = start, .end = start + 4096 };
            g.pc = g.start = RIG_TEXT;
            gen_insn(&g, &i);
            if (x64_full(&g.e) || (j->nr_calls != calls) != (is_body_only(_i) || is_foreign_mode(&i)))
                ck_abort_msg("%s, form %zu, variant %d", insn_desc[_i].name, f, v[k]);
        }
}
END_TEST

/* --- Alike ------------------------------------------------------------------------------------------------- */

/* Where the variant's code is: each has a place of its own until the page is full. */
static uint64_t place;

struct outcome {
    struct hart h;
    uint8_t data[128], end[64]; /* around what the addresses lead to */
};

static void run(enum engine_exit (*engine)(struct hart *), const struct outcome *from, struct outcome *to)
{
    struct hart *h = &rig_hart;

    memcpy(h->x, from->h.x, sizeof h->x);
    memcpy(h->f, from->h.f, sizeof h->f);
    h->pc = place;
    h->fcsr = from->h.fcsr;
    h->resv_addr = from->h.resv_addr;
    h->resv_val = from->h.resv_val;
    memset(&h->trap, 0, sizeof h->trap);
    memcpy(rig_at(RIG_DATA), from->data, sizeof from->data);
    memcpy(rig_at(END - sizeof from->end), from->end, sizeof from->end);
    if (engine(h) != ENGINE_TRAP) /* an assertion that holds costs a system call */
        ck_abort_msg("no trap");
    to->h = *h;
    memcpy(to->data, rig_at(RIG_DATA), sizeof to->data);
    memcpy(to->end, rig_at(END - sizeof to->end), sizeof to->end);
}

/* What differs, or NULL. */
static const char *difference(const struct outcome *a, const struct outcome *b)
{
    static char reg[16];

    for (int r = 0; r < 32; r++) {
        if (a->h.x[r] == b->h.x[r] && a->h.f[r] == b->h.f[r])
            continue;
        snprintf(reg, sizeof reg, "%c%d", a->h.x[r] != b->h.x[r] ? 'x' : 'f', r);
        return reg;
    }
    if (a->h.fcsr != b->h.fcsr)
        return "fcsr";
    if (a->h.pc != b->h.pc)
        return "pc";
    if (a->h.resv_addr != b->h.resv_addr || (a->h.resv_addr != RESV_NONE && a->h.resv_val != b->h.resv_val))
        return "reservation";
    if (a->h.trap.scause != b->h.trap.scause || a->h.trap.stval != b->h.trap.stval ||
        a->h.trap.htval != b->h.trap.htval || a->h.trap.htinst != b->h.trap.htinst)
        return "trap";
    return memcmp(a->data, b->data, sizeof a->data) || memcmp(a->end, b->end, sizeof a->end) ? "memory"
                                                                                             : NULL;
}

static void compare(const struct insn *i, const struct outcome *from, const struct outcome *a,
                    const struct outcome *b)
{
    const struct hart *s = &from->h, *p = &a->h, *q = &b->h;
    const char *what = difference(a, b);

    if (!what)
        return;
    ck_abort_msg("%s: %s rd %u rs1 %u rs2 %u rs3 %u rm %u imm %d; fcsr %#x a %#lx b %#lx fa %#lx fb %#lx; "
                 "x %#lx f %#lx fcsr %#x, not x %#lx f %#lx fcsr %#x",
                 what, insn_desc[i->op].name, i->rd, i->rs1, i->rs2, i->rs3, i->rm, i->imm, s->fcsr,
                 s->x[i->rs1], s->x[i->rs2], s->f[i->rs1], s->f[i->rs2], q->x[i->rd], q->f[i->rd], q->fcsr,
                 p->x[i->rd], p->f[i->rd], p->fcsr);
}

/* Registers and memory to start with. */
static void draw(const struct insn *i, struct outcome *o)
{
    const struct insn_desc *d = &insn_desc[i->op];
    uint64_t at = 0;

    for (int r = 1; r < 32; r++)
        o->h.x[r] = an_int();
    for (int r = 0; r < 32; r++)
        o->h.f[r] = a_real();
    o->h.x[BASE] = RIG_DATA + sizeof o->data - 8;
    o->h.f[FLAG] = rnd() >> 40 & 1 ? F64_NAN : 0;
    o->h.f[ONE] = UINT64_C(0x3ff0000000000000);
    o->h.f[THREE] = UINT64_C(0x4008000000000000);
    o->h.fcsr = rnd() & 0x7f; /* a mode of the host's, but once in a while */
    if ((rnd() >> 20) % 16 == 0)
        o->h.fcsr |= 0x80;
    for (size_t k = 0; k < sizeof o->data; k += 8)
        memcpy(o->data + k, &(uint64_t){ an_int() }, 8);
    for (size_t k = 0; k < sizeof o->end; k += 8)
        memcpy(o->end + k, &(uint64_t){ a_real() }, 8);
    if (d->flags & (INSN_LOAD | INSN_STORE))
        at = rnd() >> 40 & 1 ? RIG_DATA + (rnd() >> 30 & 15) * 8 : ANY(addresses);
    if (d->fmt == FMT_JALR)
        at = place + 8 + (rnd() >> 40) % 8;
    if (at && i->rs1)
        o->h.x[i->rs1] = at;
    o->h.resv_addr = rnd() >> 50 & 3 ? o->h.x[i->rs1] : rnd() >> 40 & 1 ? RIG_DATA : RESV_NONE;
    o->h.resv_val = an_int();
    if ((rnd() >> 40 & 3) && at >= RIG_DATA && at <= RIG_DATA + sizeof o->data - 8)
        memcpy(&o->h.resv_val, o->data + (at - RIG_DATA), 8);
}

/* Before the row a comparison, which may leave a flag where generated code collects them; behind it what shows the mode
 * that it rounds by, and whether it finds memory. */
static void put_code(const struct insn *i)
{
    const uint32_t before = RIG_INSN(flt_d, .rs1 = FLAG, .rs2 = FLAG);

    place += 32;
    if (place < RIG_TEXT || place > RIG_TEXT + PAGE_BYTES - 32) {
        place = RIG_TEXT;
        interp_flush(&rig_hart);
    }
    if (insn_desc[i->op].flags & INSN_ENDS)
        RIG_CODE(place, before, insn_encode(i), RIG_ECALL, RIG_ECALL, RIG_ECALL);
    else
        RIG_CODE(place, before, insn_encode(i),
                 RIG_INSN(fdiv_d, .rd = THIRD, .rs1 = ONE, .rs2 = THREE, .rm = DYN),
                 RIG_INSN(sd, .rs1 = BASE, .rs2 = FLAG), RIG_ECALL);
    jit_flush(&rig_hart); /* what has changed */
}

static void try_variant(const struct insn *i, int rounds)
{
    static struct outcome from, a, b;

    put_code(i);
    for (int k = 0; k < rounds; k++) {
        draw(i, &from);
        run(interp_run, &from, &a);
        run(jit_run, &from, &b);
        compare(i, &from, &a, &b);
    }
}

static void try_row(int op)
{
    int32_t v[MAX_VARIANTS];
    size_t n = variants(insn_desc[op].fmt, v);

    rig_map(READ_ONLY, PAGE_BYTES, GMEM_R);
    rig_map(2 * RIG_DATA, 2 * PAGE_BYTES,
            GMEM_R | GMEM_W); /* a window that is off by an address would find it */
    seed = 0x6e6f616876 + (uint64_t)op;
    for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
        for (size_t k = 0; k < n; k++) {
            struct insn i = variant(op, forms[f], v[k]);

            try_variant(&i, f < 2 ? 25 * PAIRS : PAIRS);
        }
}

START_TEST(generated_code_and_body_agree)
{
    try_row(_i);
}
END_TEST

START_TEST(so_they_do_when_addresses_are_masked)
{
    rig_hart.jit.options = JIT_HARDEN_SPECTRE;
    try_row(_i);
}
END_TEST

START_TEST(so_they_do_on_an_old_host)
{
    jit_baseline(&rig_hart);
    try_row(_i);
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("rows");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_loop_test(tc, the_straight_path_calls_no_body, 0, NR_OPS);
    tcase_add_loop_test(tc, generated_code_and_body_agree, 0, NR_OPS);
    tcase_add_loop_test(tc, so_they_do_when_addresses_are_masked, OP_lb, OP_sd + 1);
    tcase_add_loop_test(tc, so_they_do_when_addresses_are_masked, OP_lr_w, OP_amomaxu_d + 1);
    tcase_add_loop_test(tc, so_they_do_when_addresses_are_masked, OP_flw, OP_fsw + 1);
    tcase_add_loop_test(tc, so_they_do_when_addresses_are_masked, OP_fld, OP_fsd + 1);
    tcase_add_loop_test(tc, so_they_do_on_an_old_host, 0, NR_OPS);
    return rig_main(tc, "rows");
}
