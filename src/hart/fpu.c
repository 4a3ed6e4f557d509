/*
 * Soft floating point for F and D: operands are unpacked into one wide form, computed there without loss
 * (or with a sticky last bit), and rounded once, in pack(). Both formats share all of it; struct format
 * tells them apart. This file knows neither registers, nor NaN boxing, nor frm.
 */
#include "hart/fpu.h"

typedef unsigned __int128 u128;

/* With the format a constant in each entry point, the shifts and masks fold: three times as fast. */
#define FOLDED static inline __attribute__((always_inline))

struct format {
    int frac; /* stored fraction bits */
    int bias; /* of the exponent; also the largest exponent */
    uint64_t sign, inf, nan;
};

static const struct format fmt32 = { 23, 127, 0x80000000, 0x7f800000, F32_NAN };
static const struct format fmt64 = { 52, 1023, 0x8000000000000000, 0x7ff0000000000000, F64_NAN };

enum kind { FINITE, INF, NAN };

/*
 * A finite number is (-1)^neg * sig / 2^127 * 2^exp. From unpack() bit 127 of sig is set, unless the number
 * is zero; on the way to pack() sig may be anything.
 */
struct num {
    enum kind kind;
    bool neg;
    int exp;
    u128 sig;
};

/* So low that zero aligns below any other operand, product or not, and needs no case of its own. */
#define ZERO_EXP (-100000)

FOLDED struct num make(enum kind kind, bool neg)
{
    return (struct num){ .kind = kind, .neg = neg, .exp = ZERO_EXP };
}

FOLDED struct num invalid(struct fpu *e)
{
    e->flags |= FPU_NV;
    return make(NAN, false);
}

FOLDED bool is_nan(const struct format *f, uint64_t a)
{
    return (a & ~f->sign) > f->inf;
}

FOLDED bool is_snan(const struct format *f, uint64_t a)
{
    return is_nan(f, a) && !(a >> (f->frac - 1) & 1);
}

FOLDED void normalise(struct num *x)
{
    uint64_t hi = (uint64_t)(x->sig >> 64);
    int n = hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)x->sig);

    x->sig <<= n;
    x->exp -= n;
}

/* Every operation that unpacks is one for which a signaling NaN is invalid. */
FOLDED struct num unpack(struct fpu *e, const struct format *f, uint64_t a)
{
    uint64_t frac = a & ((1ull << f->frac) - 1), exp = (a & f->inf) >> f->frac;
    struct num x = { .neg = a & f->sign };

    if (is_nan(f, a))
        return is_snan(f, a) ? invalid(e) : make(NAN, false);
    if ((a & f->inf) == f->inf)
        return make(INF, x.neg);
    if (!exp && !frac)
        return make(FINITE, x.neg);
    x.exp = (exp ? (int)exp : 1) - f->bias;
    x.sig = (u128)(frac | (uint64_t)(exp != 0) << f->frac) << (127 - f->frac);
    if (!exp)
        normalise(&x);
    return x;
}

/* Shifts right by n >= 0; lost ones leave their trace in bit 0. */
FOLDED u128 shift_sticky(u128 v, int n)
{
    if (n == 0)
        return v;
    return n < 128 ? v >> n | (v << (128 - n) != 0) : v != 0;
}

/* The magnitude sig / 2^drop as an integer, rounded; the caller judges whether that was exact. */
FOLDED u128 round_off(const struct fpu *e, bool neg, u128 sig, int drop)
{
    u128 unit = (u128)1 << drop, half = unit / 2, up = 0;

    switch (e->rm) {
    case FPU_RNE:
        up = half - 1 + (sig >> drop & 1);
        break;
    case FPU_RMM:
        up = half;
        break;
    case FPU_RDN:
        up = neg ? unit - 1 : 0;
        break;
    case FPU_RUP:
        up = neg ? 0 : unit - 1;
        break;
    }
    return (sig >> drop) + (((sig & (unit - 1)) + up) >> drop);
}

FOLDED uint64_t pack(struct fpu *e, const struct format *f, struct num x)
{
    uint64_t sign = x.neg ? f->sign : 0, out;
    int drop = 127 - f->frac, below;
    bool huge, tiny = false;

    if (x.kind == NAN)
        return f->nan;
    if (x.kind == INF)
        return sign | f->inf;
    if (!x.sig)
        return sign;
    normalise(&x);
    huge = x.exp > f->bias;
    if (huge) { /* the last value before the next power of two rounds like all that is larger */
        x.exp = f->bias;
        x.sig = ~(u128)0;
    }
    below = 1 - f->bias - x.exp;
    if (below > 0) {
        /* Tiny means: still subnormal after rounding to full precision with no bound on the exponent. */
        tiny = below > 1 || !(round_off(e, x.neg, x.sig, drop) >> (f->frac + 1));
        x.sig = shift_sticky(x.sig, below);
        x.exp += below;
    }
    /* A carry out of the fraction steps the exponent: to the next one, to the first normal, or to inf. */
    out = ((uint64_t)(x.exp + f->bias - 1) << f->frac) + (uint64_t)round_off(e, x.neg, x.sig, drop);
    if (x.sig << (128 - drop))
        e->flags |= FPU_NX | (tiny ? FPU_UF : 0);
    if (huge || out == f->inf)
        e->flags |= FPU_OF;
    return sign | out;
}

FOLDED struct num sum(struct fpu *e, struct num x, struct num y)
{
    if (x.kind == NAN || y.kind == NAN)
        return make(NAN, false);
    if (x.kind == INF || y.kind == INF) {
        if (x.kind == y.kind && x.neg != y.neg)
            return invalid(e);
        return x.kind == INF ? x : y;
    }
    if (x.exp < y.exp) {
        struct num t = x;

        x = y;
        y = t;
    }
    /* Bit 0 is free even in products (106 bits); it becomes the headroom for a carry. */
    x.exp++;
    x.sig >>= 1;
    y.sig = shift_sticky(y.sig >> 1, x.exp - 1 - y.exp);
    if (x.neg == y.neg) {
        x.sig += y.sig;
    } else if (x.sig == y.sig) {
        return make(FINITE, e->rm == FPU_RDN);
    } else if (x.sig > y.sig) {
        x.sig -= y.sig;
    } else { /* an unnormalised product may be the smaller one at the larger exponent */
        x.sig = y.sig - x.sig;
        x.neg = y.neg;
    }
    return x;
}

FOLDED struct num product(struct fpu *e, struct num x, struct num y)
{
    struct num z = { .neg = x.neg != y.neg };

    if (x.kind == NAN || y.kind == NAN)
        return make(NAN, false);
    if (x.kind == INF || y.kind == INF) {
        /* Of fma's addend nothing is known here: inf * 0 + qNaN is invalid too (Unpriv. 20240411, F). */
        if ((x.kind == FINITE && !x.sig) || (y.kind == FINITE && !y.sig))
            return invalid(e);
        return make(INF, z.neg);
    }
    z.exp = x.exp + y.exp + 1;
    z.sig = (x.sig >> 64) * (y.sig >> 64);
    return z;
}

FOLDED struct num quotient(struct fpu *e, struct num x, struct num y)
{
    struct num z = { .neg = x.neg != y.neg, .exp = x.exp - y.exp };
    u128 dividend = x.sig >> 1;
    uint64_t divisor = (uint64_t)(y.sig >> 64), q;

    if (x.kind == NAN || y.kind == NAN)
        return make(NAN, false);
    if (x.kind == INF)
        return y.kind == INF ? invalid(e) : make(INF, z.neg);
    if (y.kind == INF)
        return make(FINITE, z.neg);
    if (!divisor) {
        if (!x.sig)
            return invalid(e);
        e->flags |= FPU_DZ;
        return make(INF, z.neg);
    }
    q = (uint64_t)(dividend / divisor); /* below 2^64, as x.sig < 2 * y.sig */
    z.sig = (u128)q << 64 | (dividend != (u128)q * divisor);
    return z;
}

FOLDED struct num root(struct fpu *e, const struct format *f, struct num x)
{
    uint64_t rest, twice = 0; /* the remainder, and twice the root so far, in units of 2^-60 */

    if (x.kind == NAN || (x.kind == FINITE && !x.sig))
        return x;
    if (x.neg)
        return invalid(e);
    if (x.kind == INF)
        return x;
    /* Digit by digit, on [1, 4) so that the exponent halves evenly: two bits more than fit, and sticky. */
    rest = (uint64_t)(x.sig >> 67) << (x.exp & 1);
    for (uint64_t bit = 1ull << 60; bit >> (58 - f->frac); bit >>= 1) {
        uint64_t t = twice + bit, take = -(uint64_t)(t <= rest);

        rest = (rest - (t & take)) << 1;
        twice += 2 * bit & take;
    }
    x.exp = (x.exp - (x.exp & 1)) / 2;
    x.sig = (u128)(twice | (rest != 0)) << 66;
    return x;
}

/* The order of the values as integers; both zeros are 0. */
FOLDED int64_t rank(const struct format *f, uint64_t a)
{
    int64_t mag = (int64_t)(a & ~f->sign);

    return a & f->sign ? -mag : mag;
}

FOLDED bool unordered(struct fpu *e, const struct format *f, uint64_t a, uint64_t b, bool signaling)
{
    bool nan = is_nan(f, a) || is_nan(f, b);

    if (is_snan(f, a) || is_snan(f, b) || (signaling && nan))
        e->flags |= FPU_NV;
    return nan;
}

/* minimumNumber and maximumNumber of IEEE 754-2019, which F 2.2 and D 2.2 adopt. */
FOLDED uint64_t pick(struct fpu *e, const struct format *f, uint64_t a, uint64_t b, bool max)
{
    if (unordered(e, f, a, b, false)) {
        if (!is_nan(f, a))
            return a;
        return is_nan(f, b) ? f->nan : b;
    }
    if (rank(f, a) == rank(f, b)) /* equal bits, or zeros: -0 < +0 */
        return max ? a & b : a | b;
    return (rank(f, a) > rank(f, b)) == max ? a : b;
}

FOLDED unsigned classify(const struct format *f, uint64_t a)
{
    uint64_t mag = a & ~f->sign;
    int size = (mag > 0) + (mag >> f->frac > 0) + (mag == f->inf); /* zero, subnormal, normal, inf */

    if (is_nan(f, a))
        return is_snan(f, a) ? 1u << 8 : 1u << 9;
    return 1u << (a & f->sign ? 3 - size : 4 + size);
}

/* To an integer of `bits` bits. A result out of range saturates and is invalid, but then not inexact. */
FOLDED uint64_t to_int(struct fpu *e, const struct format *f, uint64_t a, int bits, bool is_signed)
{
    uint64_t max = UINT64_MAX >> (64 - bits + is_signed), limit, out;
    struct num x = unpack(e, f, a);
    u128 fixed, mag = (u128)1 << 64;

    if (x.kind == NAN) /* converts like +inf, and a quiet one is invalid too */
        x = make(INF, false);
    limit = !x.neg ? max : is_signed ? max + 1 : 0;
    if (x.kind == FINITE && x.exp < 64) {
        fixed = shift_sticky(x.sig, 63 - x.exp); /* 64 fraction bits */
        mag = round_off(e, x.neg, fixed, 64);
        if (mag <= limit && (uint64_t)fixed)
            e->flags |= FPU_NX;
    }
    if (mag > limit) {
        e->flags |= FPU_NV;
        mag = limit;
    }
    out = x.neg ? -(uint64_t)mag : (uint64_t)mag;
    return bits == 32 ? (uint64_t)(int32_t)out : out;
}

FOLDED uint64_t from_int(struct fpu *e, const struct format *f, uint64_t v, bool is_signed)
{
    struct num x = { .neg = is_signed && (int64_t)v < 0, .exp = 127 };

    x.sig = x.neg ? -v : v;
    return pack(e, f, x);
}

FOLDED uint64_t convert(struct fpu *e, const struct format *to, const struct format *from, uint64_t a)
{
    return pack(e, to, unpack(e, from, a));
}

FOLDED uint64_t add(struct fpu *e, const struct format *f, uint64_t a, uint64_t b, bool negate)
{
    struct num x = unpack(e, f, a), y = unpack(e, f, b);

    y.neg ^= negate;
    return pack(e, f, sum(e, x, y));
}

FOLDED uint64_t multiply(struct fpu *e, const struct format *f, uint64_t a, uint64_t b)
{
    return pack(e, f, product(e, unpack(e, f, a), unpack(e, f, b)));
}

FOLDED uint64_t divide(struct fpu *e, const struct format *f, uint64_t a, uint64_t b)
{
    return pack(e, f, quotient(e, unpack(e, f, a), unpack(e, f, b)));
}

FOLDED uint64_t multiply_add(struct fpu *e, const struct format *f, uint64_t a, uint64_t b, uint64_t c)
{
    struct num addend = unpack(e, f, c);

    return pack(e, f, sum(e, product(e, unpack(e, f, a), unpack(e, f, b)), addend));
}

#define FPU_DEFINE(p, type, fmt)                                                   \
    type p##_add(struct fpu *e, type a, type b)                                    \
    {                                                                              \
        return (type)add(e, &fmt, a, b, false);                                    \
    }                                                                              \
    type p##_sub(struct fpu *e, type a, type b)                                    \
    {                                                                              \
        return (type)add(e, &fmt, a, b, true);                                     \
    }                                                                              \
    type p##_mul(struct fpu *e, type a, type b)                                    \
    {                                                                              \
        return (type)multiply(e, &fmt, a, b);                                      \
    }                                                                              \
    type p##_div(struct fpu *e, type a, type b)                                    \
    {                                                                              \
        return (type)divide(e, &fmt, a, b);                                        \
    }                                                                              \
    type p##_sqrt(struct fpu *e, type a)                                           \
    {                                                                              \
        return (type)pack(e, &fmt, root(e, &fmt, unpack(e, &fmt, a)));             \
    }                                                                              \
    type p##_fma(struct fpu *e, type a, type b, type c)                            \
    {                                                                              \
        return (type)multiply_add(e, &fmt, a, b, c);                               \
    }                                                                              \
    type p##_min(struct fpu *e, type a, type b)                                    \
    {                                                                              \
        return (type)pick(e, &fmt, a, b, false);                                   \
    }                                                                              \
    type p##_max(struct fpu *e, type a, type b)                                    \
    {                                                                              \
        return (type)pick(e, &fmt, a, b, true);                                    \
    }                                                                              \
    bool p##_eq(struct fpu *e, type a, type b)                                     \
    {                                                                              \
        return !unordered(e, &fmt, a, b, false) && rank(&fmt, a) == rank(&fmt, b); \
    }                                                                              \
    bool p##_lt(struct fpu *e, type a, type b)                                     \
    {                                                                              \
        return !unordered(e, &fmt, a, b, true) && rank(&fmt, a) < rank(&fmt, b);   \
    }                                                                              \
    bool p##_le(struct fpu *e, type a, type b)                                     \
    {                                                                              \
        return !unordered(e, &fmt, a, b, true) && rank(&fmt, a) <= rank(&fmt, b);  \
    }                                                                              \
    unsigned p##_class(type a)                                                     \
    {                                                                              \
        return classify(&fmt, a);                                                  \
    }                                                                              \
    uint64_t p##_to_i32(struct fpu *e, type a)                                     \
    {                                                                              \
        return to_int(e, &fmt, a, 32, true);                                       \
    }                                                                              \
    uint64_t p##_to_u32(struct fpu *e, type a)                                     \
    {                                                                              \
        return to_int(e, &fmt, a, 32, false);                                      \
    }                                                                              \
    uint64_t p##_to_i64(struct fpu *e, type a)                                     \
    {                                                                              \
        return to_int(e, &fmt, a, 64, true);                                       \
    }                                                                              \
    uint64_t p##_to_u64(struct fpu *e, type a)                                     \
    {                                                                              \
        return to_int(e, &fmt, a, 64, false);                                      \
    }                                                                              \
    type p##_from_i32(struct fpu *e, int32_t v)                                    \
    {                                                                              \
        return (type)from_int(e, &fmt, (uint64_t)v, true);                         \
    }                                                                              \
    type p##_from_u32(struct fpu *e, uint32_t v)                                   \
    {                                                                              \
        return (type)from_int(e, &fmt, v, false);                                  \
    }                                                                              \
    type p##_from_i64(struct fpu *e, int64_t v)                                    \
    {                                                                              \
        return (type)from_int(e, &fmt, (uint64_t)v, true);                         \
    }                                                                              \
    type p##_from_u64(struct fpu *e, uint64_t v)                                   \
    {                                                                              \
        return (type)from_int(e, &fmt, v, false);                                  \
    }

FPU_DEFINE(f32, uint32_t, fmt32)
FPU_DEFINE(f64, uint64_t, fmt64)

uint64_t f32_to_f64(struct fpu *e, uint32_t a)
{
    return convert(e, &fmt64, &fmt32, a);
}

uint32_t f64_to_f32(struct fpu *e, uint64_t a)
{
    return (uint32_t)convert(e, &fmt32, &fmt64, a);
}
