/*
 * F and D. The arithmetic is hart/fpu.h's; here are rounding modes, flags and NaN boxing: a single-precision
 * value lies in the low half of its register below all ones, and anything else reads as the canonical NaN, save
 * for FMV.X.W and FSW, which take the low half as it is (Unpriv. 20240411, "NaN Boxing of Narrower
 * Values"). The suffix s or d chooses width and boxing. For ops.h only.
 */

static inline uint32_t op_get_s(const struct hart *h, unsigned reg)
{
    return h->f[reg] >> 32 == UINT32_MAX ? (uint32_t)h->f[reg] : F32_NAN;
}

static inline void op_set_s(struct hart *h, unsigned reg, uint32_t v)
{
    h->f[reg] = (uint64_t)UINT32_MAX << 32 | v;
}

static inline uint64_t op_get_d(const struct hart *h, unsigned reg)
{
    return h->f[reg];
}

static inline void op_set_d(struct hart *h, unsigned reg, uint64_t v)
{
    h->f[reg] = v;
}

#define OP_SIGN_s UINT32_C(0x80000000)
#define OP_SIGN_d UINT64_C(0x8000000000000000)

/* Starts an operation that rounds; false for a reserved rounding mode, static or in frm: it is illegal. */
static inline bool op_fp_begin(const struct hart *h, const struct insn *i, struct fpu *e)
{
    e->rm = i->rm == 7 ? h->fcsr >> 5 & 7 : i->rm;
    e->flags = 0;
    return LIKELY(e->rm <= FPU_RMM);
}

/* One operation of the FPU, with and without a rounding mode. */
#define OP_FP_RM(name, stmt)           \
    OP(name)                           \
    {                                  \
        struct fpu e;                  \
        if (!op_fp_begin(h, i, &e))    \
            return trap_illegal(h, i); \
        stmt;                          \
        h->fcsr |= e.flags;            \
        return OP_NEXT;                \
    }
#define OP_FP(name, stmt)     \
    OP(name)                  \
    {                         \
        struct fpu e = { 0 }; \
        stmt;                 \
        h->fcsr |= e.flags;   \
        return OP_NEXT;       \
    }
/* Moves bits, raises nothing. */
#define OP_FP_MOVE(name, stmt) \
    OP(name)                   \
    {                          \
        stmt;                  \
        return OP_NEXT;        \
    }

#define OP_A(s) op_get_##s(h, i->rs1)
#define OP_B(s) op_get_##s(h, i->rs2)
#define OP_C(s) op_get_##s(h, i->rs3)

#define OP_FP_BOTH(s, p)                                                                               \
    OP_FP_RM(fadd_##s, op_set_##s(h, i->rd, p##_add(&e, OP_A(s), OP_B(s))))                            \
    OP_FP_RM(fsub_##s, op_set_##s(h, i->rd, p##_sub(&e, OP_A(s), OP_B(s))))                            \
    OP_FP_RM(fmul_##s, op_set_##s(h, i->rd, p##_mul(&e, OP_A(s), OP_B(s))))                            \
    OP_FP_RM(fdiv_##s, op_set_##s(h, i->rd, p##_div(&e, OP_A(s), OP_B(s))))                            \
    OP_FP_RM(fsqrt_##s, op_set_##s(h, i->rd, p##_sqrt(&e, OP_A(s))))                                   \
    /* Negating an operand is exact, and a NaN result is canonical whatever its operands' signs. */    \
    OP_FP_RM(fmadd_##s, op_set_##s(h, i->rd, p##_fma(&e, OP_A(s), OP_B(s), OP_C(s))))                  \
    OP_FP_RM(fmsub_##s, op_set_##s(h, i->rd, p##_fma(&e, OP_A(s), OP_B(s), OP_C(s) ^ OP_SIGN_##s)))    \
    OP_FP_RM(fnmsub_##s, op_set_##s(h, i->rd, p##_fma(&e, OP_A(s) ^ OP_SIGN_##s, OP_B(s), OP_C(s))))   \
    OP_FP_RM(fnmadd_##s,                                                                               \
             op_set_##s(h, i->rd, p##_fma(&e, OP_A(s) ^ OP_SIGN_##s, OP_B(s), OP_C(s) ^ OP_SIGN_##s))) \
    OP_FP(fmin_##s, op_set_##s(h, i->rd, p##_min(&e, OP_A(s), OP_B(s))))                               \
    OP_FP(fmax_##s, op_set_##s(h, i->rd, p##_max(&e, OP_A(s), OP_B(s))))                               \
    OP_FP(feq_##s, h->x[i->rd] = p##_eq(&e, OP_A(s), OP_B(s)))                                         \
    OP_FP(flt_##s, h->x[i->rd] = p##_lt(&e, OP_A(s), OP_B(s)))                                         \
    OP_FP(fle_##s, h->x[i->rd] = p##_le(&e, OP_A(s), OP_B(s)))                                         \
    OP_FP_RM(fcvt_w_##s, h->x[i->rd] = p##_to_i32(&e, OP_A(s)))                                        \
    OP_FP_RM(fcvt_wu_##s, h->x[i->rd] = p##_to_u32(&e, OP_A(s)))                                       \
    OP_FP_RM(fcvt_l_##s, h->x[i->rd] = p##_to_i64(&e, OP_A(s)))                                        \
    OP_FP_RM(fcvt_lu_##s, h->x[i->rd] = p##_to_u64(&e, OP_A(s)))                                       \
    OP_FP_RM(fcvt_##s##_w, op_set_##s(h, i->rd, p##_from_i32(&e, (int32_t)h->x[i->rs1])))              \
    OP_FP_RM(fcvt_##s##_wu, op_set_##s(h, i->rd, p##_from_u32(&e, (uint32_t)h->x[i->rs1])))            \
    OP_FP_RM(fcvt_##s##_l, op_set_##s(h, i->rd, p##_from_i64(&e, (int64_t)h->x[i->rs1])))              \
    OP_FP_RM(fcvt_##s##_lu, op_set_##s(h, i->rd, p##_from_u64(&e, h->x[i->rs1])))                      \
    OP_FP_MOVE(fsgnj_##s, op_set_##s(h, i->rd, (OP_A(s) & ~OP_SIGN_##s) | (OP_B(s) & OP_SIGN_##s)))    \
    OP_FP_MOVE(fsgnjn_##s, op_set_##s(h, i->rd, (OP_A(s) & ~OP_SIGN_##s) | (~OP_B(s) & OP_SIGN_##s)))  \
    OP_FP_MOVE(fsgnjx_##s, op_set_##s(h, i->rd, OP_A(s) ^ (OP_B(s) & OP_SIGN_##s)))                    \
    OP_FP_MOVE(fclass_##s, h->x[i->rd] = p##_class(OP_A(s)))

OP_FP_BOTH(s, f32)
OP_FP_BOTH(d, f64)

OP_FP_RM(fcvt_s_d, op_set_s(h, i->rd, f64_to_f32(&e, OP_A(d))))
OP_FP_RM(fcvt_d_s, op_set_d(h, i->rd, f32_to_f64(&e, OP_A(s))))

OP_FP_MOVE(fmv_x_w, h->x[i->rd] = op_sext32(h->f[i->rs1]))
OP_FP_MOVE(fmv_w_x, op_set_s(h, i->rd, (uint32_t)h->x[i->rs1]))
OP_FP_MOVE(fmv_x_d, h->x[i->rd] = h->f[i->rs1])
OP_FP_MOVE(fmv_d_x, h->f[i->rd] = h->x[i->rs1])

#define OP_FP_LOAD(name, bits, s)                                  \
    OP(name)                                                       \
    {                                                              \
        const uint64_t addr = h->x[i->rs1] + op_imm(i);            \
        uint##bits##_t v;                                          \
        if (!OP_LOADED(bits, addr, &v))                            \
            return trap_access_failed(h, CAUSE_GPF_LOAD, i, addr); \
        op_set_##s(h, i->rd, v);                                   \
        return OP_NEXT;                                            \
    }

OP_FP_LOAD(flw, 32, s)
OP_FP_LOAD(fld, 64, d)

OP_STORE(fsw, 32, f)
OP_STORE(fsd, 64, f)
