/* skip-native */
/* expect: oracle=qemu */
/*
 * Every F and D instruction over a table of corner values, in each static rounding mode and in each dynamic
 * one, hashed together with the flags it raises: one line per instruction, to be compared byte for byte
 * between machines. It judges nothing itself.
 */
#include <stdio.h>

#ifdef __riscv

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct result {
    uint64_t bits, flags;
};

/* a, b, c in ft0, ft1, ft2, and a also in t1; the result in ft3. fcsr is set before and read after. */
#define RUN(text)                                                                                      \
    __asm__ volatile("fmv.d.x ft0, %[a]\n fmv.d.x ft1, %[b]\n fmv.d.x ft2, %[c]\n fmv.d.x ft3, zero\n" \
                     "mv t1, %[a]\n fscsr %[csr]\n" text "\n"                                          \
                     "frflags %[flags]\n fmv.x.d %[bits], ft3"                                         \
                     : [bits] "=&r"(r.bits), [flags] "=&r"(r.flags)                                    \
                     : [a] "r"(a), [b] "r"(b), [c] "r"(c), [csr] "r"(csr), [m] "r"(memory)             \
                     : "ft0", "ft1", "ft2", "ft3", "t0", "t1", "memory")

#define FROM_T0 "fmv.d.x ft3, t0"
#define FROM_MEMORY "fld ft3, (%[m])"

/*
 * Rows: name, kind of operands (S, D, I), their number, the instruction, and how its result gets to ft3.
 * The instructions of R end in a rounding mode, those of N do not.
 */
#define INSNS                                                       \
    R(fadd_s, S, 2, "fadd.s ft3, ft0, ft1", "")                     \
    R(fsub_s, S, 2, "fsub.s ft3, ft0, ft1", "")                     \
    R(fmul_s, S, 2, "fmul.s ft3, ft0, ft1", "")                     \
    R(fdiv_s, S, 2, "fdiv.s ft3, ft0, ft1", "")                     \
    R(fsqrt_s, S, 1, "fsqrt.s ft3, ft0", "")                        \
    R(fmadd_s, S, 3, "fmadd.s ft3, ft0, ft1, ft2", "")              \
    R(fmsub_s, S, 3, "fmsub.s ft3, ft0, ft1, ft2", "")              \
    R(fnmsub_s, S, 3, "fnmsub.s ft3, ft0, ft1, ft2", "")            \
    R(fnmadd_s, S, 3, "fnmadd.s ft3, ft0, ft1, ft2", "")            \
    R(fcvt_w_s, S, 1, "fcvt.w.s t0, ft0", FROM_T0)                  \
    R(fcvt_wu_s, S, 1, "fcvt.wu.s t0, ft0", FROM_T0)                \
    R(fcvt_l_s, S, 1, "fcvt.l.s t0, ft0", FROM_T0)                  \
    R(fcvt_lu_s, S, 1, "fcvt.lu.s t0, ft0", FROM_T0)                \
    R(fcvt_s_w, I, 1, "fcvt.s.w ft3, t1", "")                       \
    R(fcvt_s_wu, I, 1, "fcvt.s.wu ft3, t1", "")                     \
    R(fcvt_s_l, I, 1, "fcvt.s.l ft3, t1", "")                       \
    R(fcvt_s_lu, I, 1, "fcvt.s.lu ft3, t1", "")                     \
    R(fcvt_s_d, D, 1, "fcvt.s.d ft3, ft0", "")                      \
    N(fsgnj_s, S, 2, "fsgnj.s ft3, ft0, ft1", "")                   \
    N(fsgnjn_s, S, 2, "fsgnjn.s ft3, ft0, ft1", "")                 \
    N(fsgnjx_s, S, 2, "fsgnjx.s ft3, ft0, ft1", "")                 \
    N(fmin_s, S, 2, "fmin.s ft3, ft0, ft1", "")                     \
    N(fmax_s, S, 2, "fmax.s ft3, ft0, ft1", "")                     \
    N(feq_s, S, 2, "feq.s t0, ft0, ft1", FROM_T0)                   \
    N(flt_s, S, 2, "flt.s t0, ft0, ft1", FROM_T0)                   \
    N(fle_s, S, 2, "fle.s t0, ft0, ft1", FROM_T0)                   \
    N(fclass_s, S, 1, "fclass.s t0, ft0", FROM_T0)                  \
    N(fmv_x_w, S, 1, "fmv.x.w t0, ft0", FROM_T0)                    \
    N(fmv_w_x, I, 1, "fmv.w.x ft3, t1", "")                         \
    N(flw, I, 1, "sd t1, (%[m])\n flw ft3, 4(%[m])", "")            \
    N(fsw, S, 1, "sd zero, (%[m])\n fsw ft0, 4(%[m])", FROM_MEMORY) \
    R(fadd_d, D, 2, "fadd.d ft3, ft0, ft1", "")                     \
    R(fsub_d, D, 2, "fsub.d ft3, ft0, ft1", "")                     \
    R(fmul_d, D, 2, "fmul.d ft3, ft0, ft1", "")                     \
    R(fdiv_d, D, 2, "fdiv.d ft3, ft0, ft1", "")                     \
    R(fsqrt_d, D, 1, "fsqrt.d ft3, ft0", "")                        \
    R(fmadd_d, D, 3, "fmadd.d ft3, ft0, ft1, ft2", "")              \
    R(fmsub_d, D, 3, "fmsub.d ft3, ft0, ft1, ft2", "")              \
    R(fnmsub_d, D, 3, "fnmsub.d ft3, ft0, ft1, ft2", "")            \
    R(fnmadd_d, D, 3, "fnmadd.d ft3, ft0, ft1, ft2", "")            \
    R(fcvt_w_d, D, 1, "fcvt.w.d t0, ft0", FROM_T0)                  \
    R(fcvt_wu_d, D, 1, "fcvt.wu.d t0, ft0", FROM_T0)                \
    R(fcvt_l_d, D, 1, "fcvt.l.d t0, ft0", FROM_T0)                  \
    R(fcvt_lu_d, D, 1, "fcvt.lu.d t0, ft0", FROM_T0)                \
    N(fcvt_d_w, I, 1, "fcvt.d.w ft3, t1", "")                       \
    N(fcvt_d_wu, I, 1, "fcvt.d.wu ft3, t1", "")                     \
    R(fcvt_d_l, I, 1, "fcvt.d.l ft3, t1", "")                       \
    R(fcvt_d_lu, I, 1, "fcvt.d.lu ft3, t1", "")                     \
    N(fcvt_d_s, S, 1, "fcvt.d.s ft3, ft0", "")                      \
    N(fsgnj_d, D, 2, "fsgnj.d ft3, ft0, ft1", "")                   \
    N(fsgnjn_d, D, 2, "fsgnjn.d ft3, ft0, ft1", "")                 \
    N(fsgnjx_d, D, 2, "fsgnjx.d ft3, ft0, ft1", "")                 \
    N(fmin_d, D, 2, "fmin.d ft3, ft0, ft1", "")                     \
    N(fmax_d, D, 2, "fmax.d ft3, ft0, ft1", "")                     \
    N(feq_d, D, 2, "feq.d t0, ft0, ft1", FROM_T0)                   \
    N(flt_d, D, 2, "flt.d t0, ft0, ft1", FROM_T0)                   \
    N(fle_d, D, 2, "fle.d t0, ft0, ft1", FROM_T0)                   \
    N(fclass_d, D, 1, "fclass.d t0, ft0", FROM_T0)                  \
    N(fmv_x_d, D, 1, "fmv.x.d t0, ft0", FROM_T0)                    \
    N(fmv_d_x, I, 1, "fmv.d.x ft3, t1", "")                         \
    N(fld, I, 1, "sd t1, (%[m])\n fld ft3, (%[m])", "")             \
    N(fsd, D, 1, "fsd ft0, (%[m])", FROM_MEMORY)                    \
    N(fcsr, I, 1, "fscsr t1\n frcsr t0\n fscsr zero", FROM_T0)      \
    N(frm, I, 1, "fsrm t1\n frcsr t0\n fscsr zero", FROM_T0)        \
    N(fflags, I, 1, "fsflags t1\n frcsr t0", FROM_T0)

/* Modes 0 to 4 are the static ones, 5 is dyn. */
#define R(name, kind, arity, insn, after)                                                       \
    static struct result run_##name(int mode, uint64_t csr, uint64_t a, uint64_t b, uint64_t c) \
    {                                                                                           \
        uint64_t memory[1] = { 0 };                                                             \
        struct result r = { 0, 0 };                                                             \
                                                                                                \
        switch (mode) {                                                                         \
        case 0:                                                                                 \
            RUN(insn ", rne\n" after);                                                          \
            break;                                                                              \
        case 1:                                                                                 \
            RUN(insn ", rtz\n" after);                                                          \
            break;                                                                              \
        case 2:                                                                                 \
            RUN(insn ", rdn\n" after);                                                          \
            break;                                                                              \
        case 3:                                                                                 \
            RUN(insn ", rup\n" after);                                                          \
            break;                                                                              \
        case 4:                                                                                 \
            RUN(insn ", rmm\n" after);                                                          \
            break;                                                                              \
        case 5:                                                                                 \
            RUN(insn ", dyn\n" after);                                                          \
            break;                                                                              \
        }                                                                                       \
        return r;                                                                               \
    }
#define N(name, kind, arity, insn, after)                                                       \
    static struct result run_##name(int mode, uint64_t csr, uint64_t a, uint64_t b, uint64_t c) \
    {                                                                                           \
        uint64_t memory[1] = { 0 };                                                             \
        struct result r = { 0, 0 };                                                             \
                                                                                                \
        (void)mode;                                                                             \
        RUN(insn "\n" after);                                                                   \
        return r;                                                                               \
    }
INSNS
#undef R
#undef N

enum kind { S, D, I };

static const struct insn {
    const char *name;
    enum kind kind;
    int arity;
    int has_mode;
    struct result (*run)(int mode, uint64_t csr, uint64_t a, uint64_t b, uint64_t c);
} insns[] = {
#define R(name, kind, arity, insn, after) { #name, kind, arity, 1, run_##name },
#define N(name, kind, arity, insn, after) { #name, kind, arity, 0, run_##name },
    INSNS
};

/* The first SHORT of each table are what instructions of three operands see. */
#define SHORT 22
#define BOX 0xffffffff00000000

/* Values of single precision are boxed, but for those at the end of the table. */
static const uint64_t singles[] = {
    BOX | 0x00000000,   BOX | 0x80000000,   BOX | 0x3f800000,   BOX | 0xbf800000,   BOX | 0x00000001,
    BOX | 0x80000001,   BOX | 0x007fffff,   BOX | 0x00800000,   BOX | 0x80800001,   BOX | 0x7f7fffff,
    BOX | 0xff7fffff,   BOX | 0x7f800000,   BOX | 0xff800000,   BOX | 0x7fc00000,   BOX | 0x7f800001,
    BOX | 0x33800000,   BOX | 0xb3800001,   BOX | 0x3f7fffff,   BOX | 0x3f800001,   BOX | 0x1f800000,
    BOX | 0x20000000,   BOX | 0x72800000,   BOX | 0xffc00123,   BOX | 0xffbfffff,   BOX | 0x00000003,
    BOX | 0x00400000,   BOX | 0x80ffffff,   BOX | 0x0c000000,   BOX | 0x3e800000,   BOX | 0x3effffff,
    BOX | 0x3f000000,   BOX | 0xbf000000,   BOX | 0x3f000001,   BOX | 0xbf000001,   BOX | 0x3fc00000,
    BOX | 0xbfc00000,   BOX | 0x40200000,   BOX | 0xc0200000,   BOX | 0x40490fdb,   BOX | 0x4b000001,
    BOX | 0x4affffff,   BOX | 0x4b7fffff,   BOX | 0x4effffff,   BOX | 0x4f000000,   BOX | 0xcf000000,
    BOX | 0xcf000001,   BOX | 0x4f7fffff,   BOX | 0x4f800000,   BOX | 0x5effffff,   BOX | 0x5f000000,
    BOX | 0xdf000000,   BOX | 0xdf000001,   BOX | 0x5f7fffff,   BOX | 0x5f800000,   BOX | 0x7f000000,
    BOX | 0x3eaaaaab,   0x000000003f800000, 0xfffffffe3f800000, 0x7fffffff00000000, 0x3ff0000000000000,
    0xffffffef7f800001,
};
static const uint64_t doubles[] = {
    0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x0000000000000001,
    0x8000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x8010000000000001, 0x7fefffffffffffff,
    0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001,
    0x3ca0000000000000, 0xbca0000000000001, 0x3fefffffffffffff, 0x3ff0000000000001, 0x1ff0000000000000,
    0x2000000000000000, 0x7c90000000000000, 0xfff8000000000123, 0xfff7ffffffffffff, 0x0000000000000003,
    0x0008000000000000, 0x801fffffffffffff, 0x36a0000000000000, 0x369fffffffffffff, 0xb6a0000000000001,
    0x36b8000000000000, 0x380ffffff0000000, 0x380fffffe0000000, 0xb80fffffefffffff, 0x3810000000000000,
    0x3ff0000010000000, 0xbff0000030000000, 0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000,
    0xc7f0000000000000, 0x3fd0000000000000, 0x3fdfffffffffffff, 0x3fe0000000000000, 0xbfe0000000000000,
    0xbfe0000000000001, 0x3ff8000000000000, 0xbff8000000000000, 0x4004000000000000, 0xc004000000000000,
    0x400921fb54442d18, 0x41dfffffffc00000, 0x41dfffffffe00000, 0x41e0000000000000, 0xc1e0000000000000,
    0xc1e0000000100000, 0xc1e0000000200000, 0x41efffffffe00000, 0x41effffffff00000, 0x41f0000000000000,
    0x432fffffffffffff, 0x4330000000000001, 0x43dfffffffffffff, 0x43e0000000000000, 0xc3e0000000000000,
    0xc3e0000000000001, 0x43efffffffffffff, 0x43f0000000000000, 0x7fe0000000000000, 0x3fd5555555555555,
};
static const uint64_t integers[] = {
    0,
    1,
    2,
    3,
    0x15,
    0x1f,
    0x20,
    0x60,
    0x80,
    0xff,
    0x100,
    0xffffff,
    0x1000001,
    0x1000003,
    0x7fffffbf,
    0x7fffffc0,
    0x7fffffff,
    0x80000000,
    0x80000001,
    0xffffff7f,
    0xffffff80,
    0xffffffff,
    0x100000000,
    0x1fffffffffffff,
    0x20000000000001,
    0x20000000000003,
    0x7fffffffffffffff,
    0x7ffffffffffffdff,
    0x7ffffffffffffe00,
    0x7fffffbfffffffff,
    0x7fffffc000000000,
    0x8000000000000000,
    0x8000000000000001,
    0x8000000000000400,
    0x8000000000000c00,
    0xfffffffffffffbff,
    0xfffffffffffffc00,
    0xffffff7fffffffff,
    0xffffff8000000000,
    0xffffffff80000000,
    0xffffffffff000001,
    0xfffffffffefffffd,
    0xfffffffffffffffe,
    0xffffffffffffffff,
    0x3f800000bf800000,
    0x7f8000017fc00000,
    0xffc000000000abcd,
};

static const struct {
    const uint64_t *v;
    size_t n;
} tables[] = {
    [S] = { singles, ARRAY_SIZE(singles) },
    [D] = { doubles, ARRAY_SIZE(doubles) },
    [I] = { integers, ARRAY_SIZE(integers) },
};

static uint64_t fnv1a(uint64_t h, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        h = (h ^ (v >> 8 * i & 0xff)) * 0x100000001b3;
    return h;
}

/* Static modes run with another one in frm, to see that it is ignored. */
static uint64_t hash_modes(const struct insn *insn, uint64_t h, uint64_t a, uint64_t b, uint64_t c)
{
    for (int i = 0; i < (insn->has_mode ? 10 : 1); i++) {
        uint64_t frm = i < 5 ? (unsigned)(i + 1) % 5 : (unsigned)i - 5;
        struct result r = insn->run(i < 5 ? i : 5, frm << 5, a, b, c);

        h = fnv1a(fnv1a(h, r.bits), r.flags);
    }
    return h;
}

static uint64_t hash_insn(const struct insn *insn)
{
    const uint64_t *v = tables[insn->kind].v;
    size_t n = insn->arity == 3 ? SHORT : tables[insn->kind].n;
    uint64_t h = 0xcbf29ce484222325;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < (insn->arity > 1 ? n : 1); j++)
            for (size_t k = 0; k < (insn->arity > 2 ? n : 1); k++)
                h = hash_modes(insn, h, v[i], v[j], v[k]);
    return h;
}

int main(void)
{
    uint64_t total = 0xcbf29ce484222325;

    for (size_t i = 0; i < ARRAY_SIZE(insns); i++) {
        uint64_t h = hash_insn(&insns[i]);

        printf("%-10s %016lx\n", insns[i].name, h);
        total = fnv1a(total, h);
    }
    printf("%-10s %016lx\n", "total", total);
    return 0;
}

#else

int main(void)
{
    puts("skip: riscv only");
    return 0;
}

#endif
