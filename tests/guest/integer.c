/* Integer arithmetic of every width over corner values: what C defines, one digest per operation. */
#include "guest.h"

static const uint64_t corner[] = {
    0,
    1,
    2,
    3,
    7,
    10,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x123456789abcdef0,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000001,
    0xfffffffffffffffe,
    0xffffffffffffffff,
    0x5555555555555555,
    0xaaaaaaaaaaaaaaaa,
};

static uint64_t digest;

static void mix(uint64_t v)
{
    digest = (digest ^ v) * 0x100000001b3;
    digest ^= digest >> 29;
}

#define EACH(name, type, expr)                                                  \
    do {                                                                        \
        digest = 1469598103934665603u;                                          \
        for (size_t i = 0; i < COUNT(corner); i++)                              \
            for (size_t j = 0; j < COUNT(corner); j++) {                        \
                volatile type va = (type)corner[i], vb = (type)corner[j];       \
                type a = va, b = vb;                                            \
                mix((uint64_t)(expr));                                          \
            }                                                                   \
        printf("%-6s %-9s %016llx\n", name, #type, (unsigned long long)digest); \
    } while (0)

#define UNSIGNED(type)                                               \
    EACH("add", type, (type)(a + b));                                \
    EACH("sub", type, (type)(a - b));                                \
    EACH("mul", type, (type)((uint64_t)a * b));                      \
    EACH("div", type, b ? (type)(a / b) : 0);                        \
    EACH("rem", type, b ? (type)(a % b) : 0);                        \
    EACH("and", type, (type)(a & ~b));                               \
    EACH("xor", type, (type)(a ^ b));                                \
    EACH("shl", type, (type)((uint64_t)a << (b % (8 * sizeof(a))))); \
    EACH("shr", type, (type)(a >> (b % (8 * sizeof(a)))));           \
    EACH("lt", type, a < b);                                         \
    EACH("mulh", type, (uint64_t)(((unsigned __int128)a * b) >> 64))

#define SIGNED(type, unsigned_type)                                       \
    EACH("div", type, b &&b != -1 ? (type)(a / b) : 0);                   \
    EACH("rem", type, b &&b != -1 ? (type)(a % b) : 0);                   \
    EACH("sar", type, (type)(a >> ((unsigned_type)b % (8 * sizeof(a))))); \
    EACH("lt", type, a < b);                                              \
    EACH("mulh", type, (uint64_t)(((__int128)a * b) >> 64))

int main(void)
{
    UNSIGNED(uint8_t);
    UNSIGNED(uint16_t);
    UNSIGNED(uint32_t);
    UNSIGNED(uint64_t);
    SIGNED(int8_t, uint8_t);
    SIGNED(int16_t, uint16_t);
    SIGNED(int32_t, uint32_t);
    SIGNED(int64_t, uint64_t);
    EACH("bswap", uint32_t, __builtin_bswap32(a) + b);
    EACH("bswap", uint64_t, __builtin_bswap64(a) + b);
    EACH("clz", uint64_t, a & b ? __builtin_clzll(a & b) : 64);
    EACH("ctz", uint64_t, a | b ? __builtin_ctzll(a | b) : 64);
    EACH("pop", uint64_t, __builtin_popcountll(a ^ b));
    EACH("rot", uint32_t, a << (b & 31) | a >> (-b & 31));
    EACH("rot", uint64_t, a << (b & 63) | a >> (-b & 63));
    EACH("div128", uint64_t, b ? (uint64_t)((((unsigned __int128)a << 64) | ~a) / b) : 0);
    return 0;
}
