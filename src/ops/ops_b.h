/* Zba, Zbb, Zbc, Zbs and Zicond: address generation and bits. For ops.h only. */

OP_RR(sh1add, (a << 1) + b)
OP_RR(sh2add, (a << 2) + b)
OP_RR(sh3add, (a << 3) + b)
OP_RR(add_uw, (uint32_t)a + b)
OP_RR(sh1add_uw, ((uint64_t)(uint32_t)a << 1) + b)
OP_RR(sh2add_uw, ((uint64_t)(uint32_t)a << 2) + b)
OP_RR(sh3add_uw, ((uint64_t)(uint32_t)a << 3) + b)
OP_RI(slli_uw, (uint64_t)(uint32_t)a << (b & 63))

OP_RR(andn, a & ~b)
OP_RR(orn, a | ~b)
OP_RR(xnor, ~(a ^ b))
OP_RR(min, (int64_t)a < (int64_t)b ? a : b)
OP_RR(minu, a < b ? a : b)
OP_RR(max, (int64_t)a > (int64_t)b ? a : b)
OP_RR(maxu, a > b ? a : b)

/* Rotations: masking both shift amounts keeps a rotation by 0 defined in C. */
OP_RR(rol, a << (b & 63) | a >> (-b & 63))
OP_RR(ror, a >> (b & 63) | a << (-b & 63))
OP_RI(rori, a >> (b & 63) | a << (-b & 63))
OP_RRW(rolw, (uint32_t)a << (b & 31) | (uint32_t)a >> (-b & 31))
OP_RRW(rorw, (uint32_t)a >> (b & 31) | (uint32_t)a << (-b & 31))
OP_RIW(roriw, (uint32_t)a >> (b & 31) | (uint32_t)a << (-b & 31))

OP_R1(clz, a ? (unsigned)__builtin_clzll(a) : 64)
OP_R1(ctz, a ? (unsigned)__builtin_ctzll(a) : 64)
OP_R1(cpop, (unsigned)__builtin_popcountll(a))
OP_R1(clzw, (uint32_t)a ? (unsigned)__builtin_clz((uint32_t)a) : 32)
OP_R1(ctzw, (uint32_t)a ? (unsigned)__builtin_ctz((uint32_t)a) : 32)
OP_R1(cpopw, (unsigned)__builtin_popcount((uint32_t)a))
OP_R1(sext_b, (uint64_t)(int8_t)a)
OP_R1(sext_h, (uint64_t)(int16_t)a)
OP_R1(zext_h, (uint16_t)a)
OP_R1(rev8, __builtin_bswap64(a))

/* Each byte becomes 0xff unless it is 0: adding 0x7f carries into bit 7 of every byte with a lower bit set. */
static inline uint64_t op_orc_bytes(uint64_t a)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    const uint64_t top = (((a & low) + low) | a) & ~low;

    return (top >> 7) * 0xff;
}

OP_R1(orc_b, op_orc_bytes(a))

/* The 127-bit carry-less product. */
static inline unsigned __int128 op_clmul_wide(uint64_t a, uint64_t b)
{
    unsigned __int128 sum = 0;

    for (; b; b &= b - 1)
        sum ^= (unsigned __int128)a << __builtin_ctzll(b);
    return sum;
}

OP_RR(clmul, (uint64_t)op_clmul_wide(a, b))
OP_RR(clmulh, (uint64_t)(op_clmul_wide(a, b) >> 64))
OP_RR(clmulr, (uint64_t)(op_clmul_wide(a, b) >> 63))

OP_RR(bclr, a & ~((uint64_t)1 << (b & 63)))
OP_RR(bext, a >> (b & 63) & 1)
OP_RR(binv, a ^ (uint64_t)1 << (b & 63))
OP_RR(bset, a | (uint64_t)1 << (b & 63))
OP_RI(bclri, a & ~((uint64_t)1 << (b & 63)))
OP_RI(bexti, a >> (b & 63) & 1)
OP_RI(binvi, a ^ (uint64_t)1 << (b & 63))
OP_RI(bseti, a | (uint64_t)1 << (b & 63))

OP_RR(czero_eqz, b ? a : 0)
OP_RR(czero_nez, b ? 0 : a)
