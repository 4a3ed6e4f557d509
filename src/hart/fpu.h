/*
 * IEEE 754 arithmetic as RISC-V defines it (F and D, Unpriv. 20240411), in integers only: every rounding
 * mode, every flag, canonical NaNs, on every host. Values are raw bits; NaN boxing is the callers'.
 */
#ifndef NOAHV_HART_FPU_H
#define NOAHV_HART_FPU_H

#include <stdbool.h>
#include <stdint.h>

enum fpu_rm { FPU_RNE, FPU_RTZ, FPU_RDN, FPU_RUP, FPU_RMM };

/* fflags bits */
enum fpu_flags { FPU_NX = 1, FPU_UF = 2, FPU_OF = 4, FPU_DZ = 8, FPU_NV = 16 };

#define F32_NAN 0x7fc00000u
#define F64_NAN 0x7ff8000000000000u

struct fpu {
    uint8_t rm;    /* enum fpu_rm, resolved (never DYN) */
    uint8_t flags; /* operations OR theirs in */
};

#define FPU_DECLARE(p, type)                                                                          \
    type p##_add(struct fpu *e, type a, type b);                                                      \
    type p##_sub(struct fpu *e, type a, type b);                                                      \
    type p##_mul(struct fpu *e, type a, type b);                                                      \
    type p##_div(struct fpu *e, type a, type b);                                                      \
    type p##_sqrt(struct fpu *e, type a);                                                             \
    type p##_fma(struct fpu *e, type a, type b, type c); /* a * b + c, rounded once */                \
    type p##_min(struct fpu *e, type a, type b);                                                      \
    type p##_max(struct fpu *e, type a, type b);                                                      \
    bool p##_eq(struct fpu *e, type a, type b); /* quiet */                                           \
    bool p##_lt(struct fpu *e, type a, type b); /* signaling */                                       \
    bool p##_le(struct fpu *e, type a, type b); /* signaling */                                       \
    unsigned p##_class(type a);                 /* the mask of FCLASS */                              \
    /* Saturating conversions; the 32-bit results are sign-extended to 64, as FCVT.W[U] writes rd. */ \
    uint64_t p##_to_i32(struct fpu *e, type a);                                                       \
    uint64_t p##_to_u32(struct fpu *e, type a);                                                       \
    uint64_t p##_to_i64(struct fpu *e, type a);                                                       \
    uint64_t p##_to_u64(struct fpu *e, type a);                                                       \
    type p##_from_i32(struct fpu *e, int32_t v);                                                      \
    type p##_from_u32(struct fpu *e, uint32_t v);                                                     \
    type p##_from_i64(struct fpu *e, int64_t v);                                                      \
    type p##_from_u64(struct fpu *e, uint64_t v);

FPU_DECLARE(f32, uint32_t)
FPU_DECLARE(f64, uint64_t)

uint64_t f32_to_f64(struct fpu *e, uint32_t a);
uint32_t f64_to_f32(struct fpu *e, uint64_t a);

#endif
