/*
 * The soft FPU against what does not share its code: the host's SSE unit, bit for bit and flag for flag in
 * the four rounding modes it has; exact sums in wider arithmetic for RMM and for integer conversions, where
 * x86 saturates differently; and tables written down from the specification.
 */
/* The tables are laid out by hand. */
/* clang-format off */
#include "hart/fpu.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define RANDOM_TRIALS 200000
#define NR_RM 5

#define ONE64 0x3ff0000000000000u
#define INF64 0x7ff0000000000000u
#define MAX64 0x7fefffffffffffffu
#define MIN64 0x0010000000000000u /* the smallest normal */
#define SIGN64 0x8000000000000000u
#define SNAN64 0x7ff0000000000001u
#define ONE32 0x3f800000u
#define INF32 0x7f800000u
#define MAX32 0x7f7fffffu
#define MIN32 0x00800000u
#define SIGN32 0x80000000u
#define SNAN32 0x7f800001u

struct result {
    uint64_t bits;
    uint8_t flags;
};

typedef uint64_t our_fn(struct fpu *e, uint64_t a, uint64_t b, uint64_t c);
typedef struct result host_fn(int rm, uint64_t a, uint64_t b, uint64_t c);

/*
 * Rows: name, width of the operands and of the result (0: an integer), number of operands, our call, and
 * the host's instructions from a, b, c in xmm0, xmm1, xmm2 (a also in rdi) to xmm0.
 */
#define OPS                                                                                                  \
    OP(f32_add, 32, 32, 2, f32_add(e, a, b), "addss %%xmm1, %%xmm0")                                         \
    OP(f32_sub, 32, 32, 2, f32_sub(e, a, b), "subss %%xmm1, %%xmm0")                                         \
    OP(f32_mul, 32, 32, 2, f32_mul(e, a, b), "mulss %%xmm1, %%xmm0")                                         \
    OP(f32_div, 32, 32, 2, f32_div(e, a, b), "divss %%xmm1, %%xmm0")                                         \
    OP(f32_sqrt, 32, 32, 1, f32_sqrt(e, a), "sqrtss %%xmm0, %%xmm0")                                         \
    OP(f32_fma, 32, 32, 3, f32_fma(e, a, b, c), "vfmadd213ss %%xmm2, %%xmm1, %%xmm0")                        \
    OP(f64_add, 64, 64, 2, f64_add(e, a, b), "addsd %%xmm1, %%xmm0")                                         \
    OP(f64_sub, 64, 64, 2, f64_sub(e, a, b), "subsd %%xmm1, %%xmm0")                                         \
    OP(f64_mul, 64, 64, 2, f64_mul(e, a, b), "mulsd %%xmm1, %%xmm0")                                         \
    OP(f64_div, 64, 64, 2, f64_div(e, a, b), "divsd %%xmm1, %%xmm0")                                         \
    OP(f64_sqrt, 64, 64, 1, f64_sqrt(e, a), "sqrtsd %%xmm0, %%xmm0")                                         \
    OP(f64_fma, 64, 64, 3, f64_fma(e, a, b, c), "vfmadd213sd %%xmm2, %%xmm1, %%xmm0")                        \
    OP(f32_to_f64, 32, 64, 1, f32_to_f64(e, a), "cvtss2sd %%xmm0, %%xmm0")                                   \
    OP(f64_to_f32, 64, 32, 1, f64_to_f32(e, a), "cvtsd2ss %%xmm0, %%xmm0")                                   \
    OP(f32_from_i32, 0, 32, 1, f32_from_i32(e, a), "cvtsi2ssl %%edi, %%xmm0")                                \
    OP(f32_from_i64, 0, 32, 1, f32_from_i64(e, a), "cvtsi2ssq %%rdi, %%xmm0")                                \
    OP(f64_from_i32, 0, 64, 1, f64_from_i32(e, a), "cvtsi2sdl %%edi, %%xmm0")                                \
    OP(f64_from_i64, 0, 64, 1, f64_from_i64(e, a), "cvtsi2sdq %%rdi, %%xmm0")                                \
    OP(f32_to_i32, 32, 0, 1, f32_to_i32(e, a), "cvtss2si %%xmm0, %%edi\n movslq %%edi, %%rdi\n" TO_XMM)     \
    OP(f32_to_i64, 32, 0, 1, f32_to_i64(e, a), "cvtss2siq %%xmm0, %%rdi\n" TO_XMM)                           \
    OP(f64_to_i32, 64, 0, 1, f64_to_i32(e, a), "cvtsd2si %%xmm0, %%edi\n movslq %%edi, %%rdi\n" TO_XMM)     \
    OP(f64_to_i64, 64, 0, 1, f64_to_i64(e, a), "cvtsd2siq %%xmm0, %%rdi\n" TO_XMM)

#define TO_XMM "movq %%rdi, %%xmm0"

#define OP(name, in, out, arity, ours, text)                                                                 \
    static uint64_t our_##name(struct fpu *e, uint64_t a, uint64_t b, uint64_t c)                            \
    {                                                                                                        \
        (void)b, (void)c;                                                                                    \
        return ours;                                                                                         \
    }                                                                                                        \
    static struct result host_##name(int rm, uint64_t a, uint64_t b, uint64_t c)                             \
    {                                                                                                        \
        static const uint8_t rc[] = { [FPU_RNE] = 0, [FPU_RTZ] = 3, [FPU_RDN] = 1, [FPU_RUP] = 2 };          \
        uint32_t mine = 0x1f80, test = mine | rc[rm] << 13, after; /* all exceptions masked */               \
        uint64_t r;                                                                                          \
                                                                                                             \
        __asm__ volatile("ldmxcsr %[test]\n movq %[b], %%xmm1\n movq %[c], %%xmm2\n movq %[a], %%xmm0\n"     \
                         text "\n movq %%xmm0, %[r]\n stmxcsr %[after]\n ldmxcsr %[mine]"                    \
                         : [r] "=r"(r), [after] "=m"(after), [a] "+D"(a)                                     \
                         : [b] "r"(b), [c] "r"(c), [test] "m"(test), [mine] "m"(mine)                        \
                         : "xmm0", "xmm1", "xmm2");                                                          \
        return host_result(out, r, after);                                                                   \
    }

static bool is_nan(int width, uint64_t v)
{
    return width == 32 ? (v & ~SIGN32) > INF32 : (v & ~SIGN64) > INF64;
}

static struct result host_result(int width, uint64_t bits, uint32_t mxcsr)
{
    struct result r = { .bits = width == 32 ? (uint32_t)bits : bits };

    if (width && is_nan(width, r.bits))
        r.bits = width == 32 ? F32_NAN : F64_NAN;
    r.flags = (mxcsr & 1 ? FPU_NV : 0) | (mxcsr & 4 ? FPU_DZ : 0) | (mxcsr & 8 ? FPU_OF : 0) |
              (mxcsr & 16 ? FPU_UF : 0) | (mxcsr & 32 ? FPU_NX : 0);
    return r;
}

OPS
#undef OP

static const struct op {
    const char *name;
    int in, out, arity;
    our_fn *ours;
    host_fn *host;
} ops[] = {
#define OP(name, in, out, arity, ours, text) { #name, in, out, arity, our_##name, host_##name },
    OPS
#undef OP
};

static struct result ours(our_fn *fn, int rm, uint64_t a, uint64_t b, uint64_t c)
{
    struct fpu e = { .rm = (uint8_t)rm };
    uint64_t bits = fn(&e, a, b, c);

    return (struct result){ bits, e.flags };
}

static bool same(struct result a, struct result b)
{
    return a.bits == b.bits && a.flags == b.flags;
}

static void expect(const char *name, int rm, uint64_t a, uint64_t b, uint64_t c, struct result got,
                   struct result want)
{
    if (!same(got, want))
        ck_abort_msg("%s rm %d: %#lx %#lx %#lx: got %#lx flags %#x, want %#lx flags %#x", name, rm, (long)a,
                     (long)b, (long)c, (long)got.bits, got.flags, (long)want.bits, want.flags);
}

/* ---- operands ---- */

/* Each also comes negated. */
static const uint64_t corner64[] = {
    0, 1, 2, 3, 5, 0x0008000000000000, 0x000ffffffffffffe, 0x000fffffffffffff, MIN64, MIN64 + 1,
    0x0010000000000003, 0x001fffffffffffff, 0x0020000000000000, 0x0350000000000000,
    0x1ff0000000000000, 0x1ff8000000000001, 0x2000000000000000, 0x369fffffffffffff, 0x36a0000000000000,
    0x36a0000000000001, 0x380fffffe0000000, 0x380fffffefffffff, 0x380ffffff0000000, 0x380ffffff8000000,
    0x3810000000000000, 0x3c90000000000000, 0x3ca0000000000000, 0x3ca0000000000001, 0x3cb0000000000000,
    0x3e60000000000000, 0x3e70000000000000, 0x3fd0000000000000, 0x3fdfffffffffffff, 0x3fe0000000000000,
    0x3fe0000000000001, 0x3fefffffffffffff, ONE64, ONE64 + 1, 0x3ff5555555555555, 0x3ff8000000000000,
    0x4000000000000000, 0x4004000000000000, 0x400921fb54442d18, 0x41dfffffffbfffff, 0x41dfffffffc00000,
    0x41dfffffffe00000, 0x41dfffffffffffff, 0x41e0000000000000, 0x41e0000000100000, 0x41e0000000200000,
    0x41efffffffe00000, 0x41effffffff00000, 0x41f0000000000000, 0x4330000000000001, 0x433fffffffffffff,
    0x4340000000000000, 0x43dfffffffffffff, 0x43e0000000000000, 0x43e0000000000001, 0x43efffffffffffff,
    0x43f0000000000000, 0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000, 0x47f0000000000000,
    0x5fe0000000000000, 0x5ff0000000000000, 0x7c90000000000000, 0x7ca0000000000000, 0x7fe0000000000000,
    MAX64 - 1, MAX64, INF64, SNAN64, 0x7ff7ffffffffffff, F64_NAN, 0x7ff8000000000123, 0x7fffffffffffffff,
};
static const uint64_t corner32[] = {
    0, 1, 2, 3, 5, 0x00400000, 0x007ffffe, 0x007fffff, MIN32, MIN32 + 1, 0x00800003, 0x00ffffff, 0x01000000,
    0x0c000000, 0x1f800000, 0x1fc00001, 0x20000000, 0x32ffffff, 0x33000000, 0x33800000, 0x33800001,
    0x34000000, 0x3e800000, 0x3effffff, 0x3f000000, 0x3f000001, 0x3f7fffff, ONE32, ONE32 + 1, 0x3faaaaab,
    0x3fc00000, 0x40000000, 0x40200000, 0x40490fdb, 0x4b000001, 0x4b7fffff, 0x4b800000, 0x4effffff,
    0x4f000000, 0x4f000001, 0x4f7fffff, 0x4f800000, 0x5effffff, 0x5f000000, 0x5f000001, 0x5f7fffff,
    0x5f800000, 0x72800000, 0x73000000, 0x7f000000, MAX32 - 1, MAX32, INF32, SNAN32, 0x7fbfffff, F32_NAN,
    0x7fc00123, 0x7fffffff,
};
static const uint64_t corner_int[] = {
    0, 1, 2, 3, 0xffffff, 0x1000000, 0x1000001, 0x1000003, 0x7fffffbf, 0x7fffffc0, 0x7fffffff, 0x80000000,
    0x80000001, 0xffffff7f, 0xffffff80, 0xffffffff, 0x100000000, 0x1ffffff00000000, 0x1fffffffffffff,
    0x20000000000000, 0x20000000000001, 0x20000000000003, 0x3fffffffffffff, 0x7fffffffffffffff,
    0x7ffffffffffffdff, 0x7ffffffffffffe00, 0x7fffffbfffffffff, 0x7fffffc000000000, 0x8000000000000400,
};

/* The i-th corner of operands of this width, or false past the last. */
static bool corner(int width, size_t i, uint64_t *v)
{
    const uint64_t *table = width == 64 ? corner64 : width == 32 ? corner32 : corner_int;
    size_t n = width == 64 ? ARRAY_SIZE(corner64) :
               width == 32 ? ARRAY_SIZE(corner32) : ARRAY_SIZE(corner_int);

    if (i >= 2 * n)
        return false;
    *v = table[i / 2];
    if (i & 1)
        *v = width == 64 ? *v | SIGN64 : width == 32 ? *v | SIGN32 : -*v;
    return true;
}

static uint64_t seed;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d;
}

/* A number of this width whose exponent is about `exp`, with a dense, a sparse or a nearly round fraction. */
static uint64_t rnd_near(int width, int exp, int spread)
{
    int frac = width == 64 ? 52 : 23, top = width == 64 ? 2047 : 255;
    uint64_t f = rnd(), how = rnd(), sign = how & 1 ? 1ull << (width - 1) : 0;

    if (how & 2)
        f = 1ull << (f & 63) | 1ull << (f >> 8 & 63);
    if (how & 4)
        f = -f;
    exp += (int)(rnd() % (unsigned)(2 * spread + 1)) - spread;
    exp = exp < 0 ? 0 : exp >= top ? top - 1 : exp;
    return sign | (uint64_t)exp << frac | (f & ((1ull << frac) - 1));
}

/* Operands at exponents where they interact: close to each other, or with the product close to a limit. */
static void rnd_operands(int width, uint64_t v[3])
{
    int frac = width == 64 ? 52 : 23, top = width == 64 ? 2047 : 255, bias = top / 2;
    int x = (int)(rnd() % (unsigned)top), y = x, aim = (int)(rnd() % 4);

    if (width == 0) {
        v[0] = rnd() >> (rnd() & 63);
        v[0] = rnd() & 1 ? v[0] & v[0] << (rnd() & 31) : v[0];
        v[0] = rnd() & 1 ? -v[0] : v[0];
        return;
    }
    if (aim == 1)
        y = bias - x + bias; /* x * y near 1 */
    else if (aim == 2)
        y = bias - x; /* x * y near the smallest normal */
    v[0] = rnd_near(width, x, 0);
    v[1] = rnd_near(width, y, frac + 4);
    v[2] = rnd_near(width, x + y - bias, 2 * frac + 6);
    for (int i = 0; i < 3; i++)
        if (rnd() % 64 == 0)
            corner(width, rnd() % 100, &v[i]);
}

/* ---- the host's unit ---- */

static void compare_host(const struct op *op, const uint64_t v[3])
{
    uint64_t sign = op->in == 64 ? SIGN64 : SIGN32, inf = op->in == 64 ? INF64 : INF32;

    for (int rm = FPU_RNE; rm <= FPU_RUP; rm++) {
        struct result want = op->host(rm, v[0], v[1], v[2]);

        if (!op->out && want.flags & FPU_NV)
            continue; /* x86 does not saturate; conversions_are_exact() covers these */
        if (op->arity == 3) {
            uint64_t a = v[0] & ~sign, b = v[1] & ~sign;

            /* "must set NV when the multiplicands are inf and zero, even when the addend is a quiet NaN" */
            if ((a == inf && !b) || (b == inf && !a))
                want.flags |= FPU_NV;
        }
        expect(op->name, rm, v[0], v[1], v[2], ours(op->ours, rm, v[0], v[1], v[2]), want);
    }
}

/* Without FMA in the host, the exact sums below still see the fused operations. */
static bool host_has(const struct op *op)
{
    return op->arity < 3 || __builtin_cpu_supports("fma");
}

START_TEST(corners_agree_with_the_host)
{
    const struct op *op = &ops[_i];
    uint64_t v[3] = { 0 };

    if (!host_has(op))
        return;
    for (size_t i = 0; corner(op->in, i, &v[0]); i++)
        for (size_t j = 0; (op->arity > 1 || !j) && corner(op->in, j, &v[1]); j++)
            for (size_t k = 0; (op->arity > 2 || !k) && corner(op->in, k, &v[2]); k++)
                compare_host(op, v);
}
END_TEST

START_TEST(random_operands_agree_with_the_host)
{
    const struct op *op = &ops[_i];
    uint64_t v[3] = { 0 };

    if (!host_has(op))
        return;
    seed = 0x9e3779b97f4a7c15 + (unsigned)_i;
    for (int i = 0; i < RANDOM_TRIALS; i++) {
        rnd_operands(op->in, v);
        compare_host(op, v);
    }
}
END_TEST

/* ---- round to nearest, ties away ---- */

static long double value_of(int width, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    double d;
    float f;

    memcpy(&d, &bits, sizeof d);
    memcpy(&f, &low, sizeof f);
    return width == 64 ? (long double)d : (long double)f;
}

/* op on v without rounding, where 113 bits suffice for it: false if they do not. */
static bool exact(const struct op *op, const uint64_t v[3], __float128 *r)
{
    __float128 a = value_of(op->in, v[0]), b = value_of(op->in, v[1]), c = value_of(op->in, v[2]), x, y, t;

    if (op->ours == our_f32_mul || op->ours == our_f64_mul) {
        *r = a * b;
        return true;
    }
    x = op->arity == 3 ? a * b : a;
    y = op->arity == 3 ? c : b;
    *r = x + y;
    t = *r - x;
    return x - (*r - t) + (y - t) == 0; /* Knuth's error term of the sum */
}

/* The exact value tells which neighbour is nearer; a tie goes away from zero; flags are those of RNE. */
START_TEST(rmm_differs_from_rne_at_exact_ties_only)
{
    static our_fn *const fns[] = { our_f32_add, our_f32_mul, our_f32_fma,
                                   our_f64_add, our_f64_mul, our_f64_fma };
    const struct op *op = ops;
    uint64_t v[3] = { 0 };
    int ties = 0, others = 0;

    while (op->ours != fns[_i])
        op++;
    seed = 0xd1b54a32d192ed03 + (unsigned)_i;
    for (int i = 0; i < 2 * RANDOM_TRIALS; i++) {
        struct result down, up, even, want;
        __float128 x, low, high, err;

        rnd_operands(op->in, v);
        down = ours(op->ours, FPU_RDN, v[0], v[1], v[2]);
        up = ours(op->ours, FPU_RUP, v[0], v[1], v[2]);
        even = want = ours(op->ours, FPU_RNE, v[0], v[1], v[2]);
        low = value_of(op->out, down.bits);
        high = value_of(op->out, up.bits);
        if (isinf((long double)low) || isinf((long double)high) || low != low || !exact(op, v, &x))
            continue;
        others++;
        err = (x - low) - (high - x);
        if (low != high)
            want.bits = err < 0 || (err == 0 && x < 0) ? down.bits : up.bits;
        expect(op->name, FPU_RMM, v[0], v[1], v[2], ours(op->ours, FPU_RMM, v[0], v[1], v[2]), want);
        if (low != high && err == 0)
            ties++;
        else if (!same(even, want))
            ck_abort_msg("%s: RNE took the farther neighbour", op->name);
        if (!(low <= x && x <= high))
            ck_abort_msg("%s: RDN and RUP do not enclose the exact value", op->name);
    }
    ck_assert_int_gt(others, RANDOM_TRIALS / 4);
    ck_assert_int_gt(ties, 100);
}
END_TEST

/* ---- integers ---- */

static struct result saturated(__int128 n, int bits, uint8_t flags)
{
    return (struct result){ bits == 32 ? (uint64_t)(int32_t)n : (uint64_t)n, flags };
}

/* Unpriv. 20240411, table "Domains of float-to-integer conversions": rounded first, then range-checked. */
static struct result to_int_by_hand(int rm, long double v, int bits, bool is_signed)
{
    __int128 lo = is_signed ? -((__int128)1 << (bits - 1)) : 0, n;
    __int128 hi = ((__int128)1 << (bits - is_signed)) - 1;
    long double down = floorl(v), part = v - down;
    bool up = false;

    if (isnan(v) || v > 0x1p70L)
        return saturated(hi, bits, FPU_NV);
    if (v < -0x1p70L)
        return saturated(lo, bits, FPU_NV);
    n = (__int128)down;
    switch (rm) {
    case FPU_RNE:
        up = part > 0.5L || (part == 0.5L && n & 1);
        break;
    case FPU_RTZ:
        up = part > 0 && v < 0;
        break;
    case FPU_RUP:
        up = part > 0;
        break;
    case FPU_RMM:
        up = part > 0.5L || (part == 0.5L && v > 0);
        break;
    }
    n += up;
    if (n < lo || n > hi)
        return saturated(n < lo ? lo : hi, bits, FPU_NV);
    return saturated(n, bits, part != 0 ? FPU_NX : 0);
}

static uint64_t bits_of(int width, long double v)
{
    double d = (double)v;
    float f = (float)v;
    uint64_t bits = 0;

    if (width == 64)
        memcpy(&bits, &d, sizeof d);
    else
        memcpy(&bits, &f, sizeof f);
    return bits;
}

static struct result from_int_by_hand(int rm, int width, uint64_t v, bool is_signed)
{
    int precision = width == 64 ? 53 : 24, excess;
    bool neg = is_signed && (int64_t)v < 0, up = false;
    uint64_t mag = neg ? -v : v, lost, down;
    long double x;

    excess = mag ? 64 - __builtin_clzll(mag) - precision : 0;
    if (excess <= 0)
        return (struct result){ bits_of(width, neg ? -(long double)mag : (long double)mag), 0 };
    down = mag >> excess;
    lost = mag - (down << excess);
    if (rm == FPU_RNE || rm == FPU_RMM)
        up = lost > 1ull << (excess - 1) || (lost == 1ull << (excess - 1) && (rm == FPU_RMM || down & 1));
    else if (lost)
        up = rm == (neg ? FPU_RDN : FPU_RUP);
    x = ldexpl((long double)(down + up), excess);
    return (struct result){ bits_of(width, neg ? -x : x), lost ? FPU_NX : 0 };
}

static uint64_t to_int(struct fpu *e, int width, int bits, bool is_signed, uint64_t a)
{
    if (width == 32 && bits == 32)
        return is_signed ? f32_to_i32(e, (uint32_t)a) : f32_to_u32(e, (uint32_t)a);
    if (width == 32)
        return is_signed ? f32_to_i64(e, (uint32_t)a) : f32_to_u64(e, (uint32_t)a);
    if (bits == 32)
        return is_signed ? f64_to_i32(e, a) : f64_to_u32(e, a);
    return is_signed ? f64_to_i64(e, a) : f64_to_u64(e, a);
}

static uint64_t from_int(struct fpu *e, int width, int bits, bool is_signed, uint64_t v)
{
    if (width == 32 && bits == 32)
        return is_signed ? f32_from_i32(e, (int32_t)v) : f32_from_u32(e, (uint32_t)v);
    if (width == 32)
        return is_signed ? f32_from_i64(e, (int64_t)v) : f32_from_u64(e, v);
    if (bits == 32)
        return is_signed ? f64_from_i32(e, (int32_t)v) : f64_from_u32(e, (uint32_t)v);
    return is_signed ? f64_from_i64(e, (int64_t)v) : f64_from_u64(e, v);
}

/* v as the low or the whole half of a register, extended as its type says. */
static uint64_t extended(uint64_t v, int bits, bool is_signed)
{
    if (bits == 64)
        return v;
    return is_signed ? (uint64_t)(int32_t)v : (uint32_t)v;
}

static void check_conversion(int width, int bits, bool is_signed, uint64_t f, uint64_t n)
{
    for (int rm = 0; rm < NR_RM; rm++) {
        struct fpu to = { .rm = (uint8_t)rm }, from = to;
        struct result got = { .bits = to_int(&to, width, bits, is_signed, f) }, want;

        got.flags = to.flags;
        want = to_int_by_hand(rm, value_of(width, f), bits, is_signed);
        expect(is_signed ? "to_i" : "to_u", rm, f, (unsigned)width, (unsigned)bits, got, want);

        got.bits = from_int(&from, width, bits, is_signed, n);
        got.flags = from.flags;
        want = from_int_by_hand(rm, width, extended(n, bits, is_signed), is_signed);
        expect(is_signed ? "from_i" : "from_u", rm, n, (unsigned)width, (unsigned)bits, got, want);
    }
}

/* _i: bit 0 the format, bit 1 the size, bit 2 the sign. */
START_TEST(conversions_are_exact)
{
    int width = _i & 1 ? 64 : 32, bits = _i & 2 ? 64 : 32, bias = width == 64 ? 1023 : 127;
    bool is_signed = _i & 4;
    uint64_t f = 0, n = 0, v[3];

    for (size_t i = 0; corner(width, i, &f); i++)
        check_conversion(width, bits, is_signed, f, 0);
    for (size_t i = 0; corner(0, i, &n); i++)
        check_conversion(width, bits, is_signed, 0, n);
    seed = 0xa0761d6478bd642f;
    for (int i = 0; i < RANDOM_TRIALS; i++) {
        rnd_operands(0, v);
        check_conversion(width, bits, is_signed, rnd_near(width, bias + 30, 40), v[0]);
    }
    /* every half-integer tie and its neighbours */
    for (int i = -4000; i <= 4000; i++)
        check_conversion(width, bits, is_signed, bits_of(width, i / 8.0L), (uint64_t)(int64_t)i);
}
END_TEST

START_TEST(roots_have_no_ties)
{
    seed = 0xe7037ed1a0b428db;
    for (int i = 0; i < RANDOM_TRIALS; i++) {
        uint64_t a = rnd();

        expect("f32_sqrt", FPU_RMM, a, 0, 0, ours(our_f32_sqrt, FPU_RMM, a, 0, 0),
               ours(our_f32_sqrt, FPU_RNE, a, 0, 0));
        expect("f64_sqrt", FPU_RMM, a, 0, 0, ours(our_f64_sqrt, FPU_RMM, a, 0, 0),
               ours(our_f64_sqrt, FPU_RNE, a, 0, 0));
    }
}
END_TEST

/* ---- by hand ---- */

#define NX FPU_NX
#define UF (FPU_UF | FPU_NX)
#define OF (FPU_OF | FPU_NX)
#define NV FPU_NV
#define NEG SIGN64
#define LOW32 ((uint64_t)INT32_MIN)
#define UMAX UINT64_MAX
#define ALL(bits, fl) { { bits, fl }, { bits, fl }, { bits, fl }, { bits, fl }, { bits, fl } }

/* Operands, then result and flags in the order of enum fpu_rm. */
static const struct {
    const char *what;
    our_fn *fn;
    uint64_t a, b, c;
    struct result want[NR_RM];
} vectors[] = {
    { "1 + half an ulp is a tie", our_f64_add, ONE64, 0x3ca0000000000000, 0,
      { { ONE64, NX }, { ONE64, NX }, { ONE64, NX }, { ONE64 + 1, NX }, { ONE64 + 1, NX } } },
    { "-1 - half an ulp", our_f64_sub, NEG | ONE64, 0x3ca0000000000000, 0,
      { { NEG | ONE64, NX }, { NEG | ONE64, NX }, { NEG | (ONE64 + 1), NX }, { NEG | ONE64, NX },
        { NEG | (ONE64 + 1), NX } } },
    { "1 + a little less than half an ulp", our_f64_add, ONE64, 0x3c9fffffffffffff, 0,
      { { ONE64, NX }, { ONE64, NX }, { ONE64, NX }, { ONE64 + 1, NX }, { ONE64, NX } } },
    { "the same, fused", our_f64_fma, 0x3ca0000000000000, ONE64, ONE64,
      { { ONE64, NX }, { ONE64, NX }, { ONE64, NX }, { ONE64 + 1, NX }, { ONE64 + 1, NX } } },
    { "1 + 2^-24 to single", our_f64_to_f32, 0x3ff0000010000000, 0, 0,
      { { ONE32, NX }, { ONE32, NX }, { ONE32, NX }, { ONE32 + 1, NX }, { ONE32 + 1, NX } } },
    { "2^53 + 1", our_f64_from_i64, 0x20000000000001, 0, 0,
      { { 0x4340000000000000, NX }, { 0x4340000000000000, NX }, { 0x4340000000000000, NX },
        { 0x4340000000000001, NX }, { 0x4340000000000001, NX } } },
    { "half the smallest subnormal", our_f64_mul, 1, 0x3fe0000000000000, 0,
      { { 0, UF }, { 0, UF }, { 0, UF }, { 1, UF }, { 1, UF } } },
    { "2.5 smallest subnormals, by division", our_f64_div, NEG | 5, 0x4000000000000000, 0,
      { { NEG | 2, UF }, { NEG | 2, UF }, { NEG | 3, UF }, { NEG | 2, UF }, { NEG | 3, UF } } },
    { "max + half an ulp: above max, but RTZ and RDN do not overflow", our_f64_add, MAX64,
      0x7c90000000000000, 0,
      { { INF64, OF }, { MAX64, NX }, { MAX64, NX }, { INF64, OF }, { INF64, OF } } },
    { "max + a little less", our_f64_add, MAX64, 0x7c8fffffffffffff, 0,
      { { MAX64, NX }, { MAX64, NX }, { MAX64, NX }, { INF64, OF }, { MAX64, NX } } },
    { "max * -2", our_f64_mul, MAX64, 0xc000000000000000, 0,
      { { NEG | INF64, OF }, { NEG | MAX64, OF }, { NEG | INF64, OF }, { NEG | MAX64, OF },
        { NEG | INF64, OF } } },
    { "2^-126 - 2^-151 is not tiny once rounded to 24 bits", our_f64_to_f32, 0x380ffffff0000000, 0, 0,
      { { MIN32, NX }, { MIN32 - 1, UF }, { MIN32 - 1, UF }, { MIN32, NX }, { MIN32, NX } } },
    { "2^-126 - 2^-150 is tiny, and rounds to normal", our_f64_to_f32, 0x380fffffe0000000, 0, 0,
      { { MIN32, UF }, { MIN32 - 1, UF }, { MIN32 - 1, UF }, { MIN32, UF }, { MIN32, UF } } },
    { "an exact subnormal does not underflow", our_f64_mul, MIN64, 0x3fe0000000000000, 0, ALL(MIN64 / 2, 0) },
    { "x - x", our_f64_sub, ONE64, ONE64, 0, { { 0, 0 }, { 0, 0 }, { NEG, 0 }, { 0, 0 }, { 0, 0 } } },
    { "-0 + -0", our_f64_add, NEG, NEG, 0, ALL(NEG, 0) },
    { "sqrt(-0)", our_f64_sqrt, NEG, 0, 0, ALL(NEG, 0) },
    { "inf * 0 + qNaN", our_f64_fma, INF64, NEG, F64_NAN + 5, ALL(F64_NAN, NV) },
    { "inf * 0 + qNaN, single", our_f32_fma, 0, SIGN32 | INF32, F32_NAN, ALL(F32_NAN, NV) },
    { "inf * 1 - inf", our_f32_fma, INF32, ONE32, SIGN32 | INF32, ALL(F32_NAN, NV) },
    { "a quiet NaN is silent and loses its payload", our_f32_add, 0xffc01234, ONE32, 0, ALL(F32_NAN, 0) },
    { "0 / 0", our_f32_div, 0, SIGN32, 0, ALL(F32_NAN, NV) },
    { "-1 / 0", our_f32_div, SIGN32 | ONE32, 0, 0, ALL(SIGN32 | INF32, FPU_DZ) },
    { "a signaling NaN widens to the quiet one", our_f32_to_f64, SIGN32 | SNAN32, 0, 0, ALL(F64_NAN, NV) },
    { "2.5 to int", our_f64_to_i32, 0x4004000000000000, 0, 0,
      { { 2, NX }, { 2, NX }, { 2, NX }, { 3, NX }, { 3, NX } } },
    { "-0.5 to int", our_f32_to_i64, 0xbf000000, 0, 0,
      { { 0, NX }, { 0, NX }, { UMAX, NX }, { 0, NX }, { UMAX, NX } } },
};

START_TEST(vectors_hold)
{
    for (int rm = 0; rm < NR_RM; rm++)
        expect(vectors[_i].what, rm, vectors[_i].a, vectors[_i].b, vectors[_i].c,
               ours(vectors[_i].fn, rm, vectors[_i].a, vectors[_i].b, vectors[_i].c), vectors[_i].want[rm]);
}
END_TEST

/* A double, the integer's size and signedness, and results in the order of enum fpu_rm. */
static const struct {
    uint64_t a;
    int bits;
    bool is_signed;
    struct result want[NR_RM];
} limits[] = {
    /* -0.5, -0.75, -1: in range as long as it rounds to 0 */
    { 0xbfe0000000000000, 32, false, { { 0, NX }, { 0, NX }, { 0, NV }, { 0, NX }, { 0, NV } } },
    { 0xbfe8000000000000, 64, false, { { 0, NV }, { 0, NX }, { 0, NV }, { 0, NX }, { 0, NV } } },
    { 0xbff0000000000000, 64, false, ALL(0, NV) },
    /* 2^32 - 1 and 2^32 - 0.5: FCVT.WU sign-extends */
    { 0x41efffffffe00000, 32, false, ALL(UMAX, 0) },
    { 0x41effffffff00000, 32, false,
      { { UMAX, NV }, { UMAX, NX }, { UMAX, NX }, { UMAX, NV }, { UMAX, NV } } },
    /* 2^31 - 0.5, -2^31 - 0.5 */
    { 0x41dfffffffe00000, 32, true,
      { { INT32_MAX, NV }, { INT32_MAX, NX }, { INT32_MAX, NX }, { INT32_MAX, NV }, { INT32_MAX, NV } } },
    { 0xc1e0000000100000, 32, true,
      { { LOW32, NX }, { LOW32, NX }, { LOW32, NV }, { LOW32, NX }, { LOW32, NV } } },
    /* 2^64, -2^63, NaN of either sign, -inf */
    { 0x43f0000000000000, 64, false, ALL(UMAX, NV) },
    { 0xc3e0000000000000, 64, true, ALL(NEG, 0) },
    { NEG | F64_NAN, 64, true, ALL(INT64_MAX, NV) },
    { SNAN64, 32, false, ALL(UMAX, NV) },
    { NEG | INF64, 32, true, ALL(LOW32, NV) },
};

START_TEST(limits_saturate)
{
    for (int rm = 0; rm < NR_RM; rm++) {
        struct fpu e = { .rm = (uint8_t)rm };
        uint64_t bits = to_int(&e, 64, limits[_i].bits, limits[_i].is_signed, limits[_i].a);

        expect("limit", rm, limits[_i].a, 0, 0, (struct result){ bits, e.flags }, limits[_i].want[rm]);
    }
}
END_TEST

struct sample {
    uint64_t f64;
    uint32_t f32;
    int class; /* the bit that FCLASS sets */
};

/* Ascending. */
static const struct sample scale[] = {
    { SIGN64 | INF64, SIGN32 | INF32, 0 },
    { SIGN64 | MAX64, SIGN32 | MAX32, 1 },
    { SIGN64 | ONE64, SIGN32 | ONE32, 1 },
    { SIGN64 | MIN64, SIGN32 | MIN32, 1 },
    { SIGN64 | (MIN64 - 1), SIGN32 | (MIN32 - 1), 2 },
    { SIGN64 | 1, SIGN32 | 1, 2 },
    { SIGN64, SIGN32, 3 },
    { 0, 0, 4 },
    { 1, 1, 5 },
    { MIN64 - 1, MIN32 - 1, 5 },
    { MIN64, MIN32, 6 },
    { ONE64, ONE32, 6 },
    { ONE64 + 1, ONE32 + 1, 6 },
    { MAX64, MAX32, 6 },
    { INF64, INF32, 7 },
};

static const struct sample nans[] = {
    { SNAN64, SNAN32, 8 },
    { SIGN64 | 0x7ff7ffffffffffff, SIGN32 | 0x7fbfffff, 8 },
    { F64_NAN, F32_NAN, 9 },
    { SIGN64 | 0x7fffffffffffffff, SIGN32 | 0x7fffffff, 9 },
};

/* For one format: `lo` ranks i, `hi` ranks j >= i on the scale. */
#define CHECK_ORDER(p, lo, hi, less, equal)                                                                  \
    do {                                                                                                     \
        struct fpu e = { 0 };                                                                                \
                                                                                                             \
        ck_assert_uint_eq(p##_min(&e, lo, hi), lo);                                                          \
        ck_assert_uint_eq(p##_min(&e, hi, lo), lo);                                                          \
        ck_assert_uint_eq(p##_max(&e, lo, hi), hi);                                                          \
        ck_assert_uint_eq(p##_max(&e, hi, lo), hi);                                                          \
        ck_assert(p##_lt(&e, lo, hi) == (less) && !p##_lt(&e, hi, lo));                                      \
        ck_assert(p##_le(&e, lo, hi) && p##_le(&e, hi, lo) == (equal));                                      \
        ck_assert(p##_eq(&e, lo, hi) == (equal) && p##_eq(&e, hi, lo) == (equal));                           \
        ck_assert_uint_eq(e.flags, 0);                                                                       \
    } while (0)

START_TEST(numbers_are_ordered)
{
    size_t i = (size_t)_i;

    ck_assert_uint_eq(f32_class(scale[i].f32), 1u << scale[i].class);
    ck_assert_uint_eq(f64_class(scale[i].f64), 1u << scale[i].class);
    for (size_t j = i; j < ARRAY_SIZE(scale); j++) {
        bool equal = j == i || (scale[i].class == 3 && scale[j].class == 4);

        CHECK_ORDER(f32, scale[i].f32, scale[j].f32, !equal, equal);
        CHECK_ORDER(f64, scale[i].f64, scale[j].f64, !equal, equal);
    }
}
END_TEST

#define CHECK_FLAGS(call, want, nv)                                                                          \
    do {                                                                                                     \
        struct fpu e = { 0 };                                                                                \
                                                                                                             \
        ck_assert_uint_eq(call, want);                                                                       \
        ck_assert_uint_eq(e.flags, (nv) ? FPU_NV : 0);                                                       \
    } while (0)

/* `nan` against `other`, whose minimum with it is `kept`; `s`: one of them is signaling. */
#define CHECK_NAN(p, nan, other, kept, s)                                                                    \
    do {                                                                                                     \
        CHECK_FLAGS(p##_min(&e, nan, other), kept, s);                                                       \
        CHECK_FLAGS(p##_min(&e, other, nan), kept, s);                                                       \
        CHECK_FLAGS(p##_max(&e, nan, other), kept, s);                                                       \
        CHECK_FLAGS(p##_max(&e, other, nan), kept, s);                                                       \
        CHECK_FLAGS(p##_eq(&e, nan, other), 0, s);                                                           \
        CHECK_FLAGS(p##_eq(&e, other, nan), 0, s);                                                           \
        CHECK_FLAGS(p##_lt(&e, nan, other), 0, true);                                                        \
        CHECK_FLAGS(p##_lt(&e, other, nan), 0, true);                                                        \
        CHECK_FLAGS(p##_le(&e, nan, other), 0, true);                                                        \
        CHECK_FLAGS(p##_le(&e, other, nan), 0, true);                                                        \
    } while (0)

START_TEST(nans_are_unordered)
{
    bool s = nans[_i].class == 8;

    ck_assert_uint_eq(f32_class(nans[_i].f32), 1u << nans[_i].class);
    ck_assert_uint_eq(f64_class(nans[_i].f64), 1u << nans[_i].class);
    for (size_t j = 0; j < ARRAY_SIZE(scale); j++) {
        CHECK_NAN(f32, nans[_i].f32, scale[j].f32, scale[j].f32, s);
        CHECK_NAN(f64, nans[_i].f64, scale[j].f64, scale[j].f64, s);
    }
    for (size_t j = 0; j < ARRAY_SIZE(nans); j++) {
        CHECK_NAN(f32, nans[_i].f32, nans[j].f32, F32_NAN, s || nans[j].class == 8);
        CHECK_NAN(f64, nans[_i].f64, nans[j].f64, F64_NAN, s || nans[j].class == 8);
    }
}
END_TEST

START_TEST(flags_accumulate)
{
    struct fpu e = { .rm = FPU_RNE };

    f64_div(&e, ONE64, 0);
    f64_add(&e, ONE64, 1);
    f64_add(&e, ONE64, ONE64);
    ck_assert_uint_eq(e.flags, FPU_DZ | FPU_NX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fpu");
    TCase *tc = tcase_create("fpu");
    SRunner *sr = srunner_create(s);
    int failed;

    suite_add_tcase(s, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, corners_agree_with_the_host, 0, ARRAY_SIZE(ops));
    tcase_add_loop_test(tc, random_operands_agree_with_the_host, 0, ARRAY_SIZE(ops));
    tcase_add_loop_test(tc, rmm_differs_from_rne_at_exact_ties_only, 0, 6);
    tcase_add_loop_test(tc, conversions_are_exact, 0, 8);
    tcase_add_test(tc, roots_have_no_ties);
    tcase_add_loop_test(tc, vectors_hold, 0, ARRAY_SIZE(vectors));
    tcase_add_loop_test(tc, limits_saturate, 0, ARRAY_SIZE(limits));
    tcase_add_loop_test(tc, numbers_are_ordered, 0, ARRAY_SIZE(scale));
    tcase_add_loop_test(tc, nans_are_unordered, 0, ARRAY_SIZE(nans));
    tcase_add_test(tc, flags_accumulate);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
