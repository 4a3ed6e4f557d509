/*
 * M: multiplication and division. Division never traps: by zero the quotient is all ones and the remainder the
 * dividend; the one overflow gives the dividend and 0 (Unpriv. 20240411, table "Semantics for division by
 * zero and division overflow"). For ops.h only.
 */

OP_RR(mul, a *b)
OP_RR(mulh, (uint64_t)(((__int128)(int64_t)a * (int64_t)b) >> 64))
OP_RR(mulhu, (uint64_t)(((unsigned __int128)a * b) >> 64))
OP_RRW(mulw, a *b)

/* Signed times unsigned: the unsigned product is 2^64 * b too large when a is negative. */
OP_RR(mulhsu, (uint64_t)(((unsigned __int128)a * b) >> 64) - ((int64_t)a < 0 ? b : 0))

/* Dividing by -1 negates, which overflows in C exactly where the manual defines the result. */
OP_RR(div, !b ? UINT64_MAX : b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b))
OP_RR(divu, !b ? UINT64_MAX : a / b)
OP_RR(rem, !b ? a : b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b))
OP_RR(remu, !b ? a : a % b)

OP_RRW(divw, !(uint32_t)b ? UINT64_MAX : (uint32_t)b == UINT32_MAX ? -a : (uint64_t)((int32_t)a / (int32_t)b))
OP_RRW(divuw, !(uint32_t)b ? UINT64_MAX : (uint32_t)a / (uint32_t)b)
OP_RRW(remw, !(uint32_t)b ? a : (uint32_t)b == UINT32_MAX ? 0 : (uint64_t)((int32_t)a % (int32_t)b))
OP_RRW(remuw, !(uint32_t)b ? a : (uint32_t)a % (uint32_t)b)
