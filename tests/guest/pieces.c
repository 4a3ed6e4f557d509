/*
 * Words that are read byte by byte, as compilers read what may be unaligned: alone, with stores to them in between, and
 * around calls of functions that do the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint8_t memory[64];
static volatile uint32_t sink;

static __attribute__((noinline)) uint32_t read32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static __attribute__((noinline)) uint64_t read64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static __attribute__((noinline)) uint64_t read64_at_once(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static __attribute__((noinline)) void other(const uint8_t *p)
{
    sink = read32(p);
}

/* The bytes wait in registers that the call keeps. */
static __attribute__((noinline)) uint32_t around_call(const uint8_t *p, const uint8_t *q)
{
    uint32_t a = p[0], b = p[1], c = p[2], d = p[3];

    other(q);
    return a | b << 8 | c << 16 | d << 24;
}

static __attribute__((noinline)) uint32_t around_store(uint8_t *p, uint8_t *q)
{
    uint32_t a = p[0], b = p[1], c, d;

    *q = 0xee;
    c = p[2];
    d = p[3];
    return a | b << 8 | c << 16 | d << 24;
}

int main(void)
{
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < sizeof(memory); i++)
            memory[i] = (uint8_t)(i * 37 + 11);
        for (int at = 0; at < 9; at++)
            printf("%08x %016lx %016lx\n", read32(memory + at), read64(memory + at),
                   read64_at_once(memory + at));
        printf("%08x\n", around_call(memory, memory + 32));
        for (int at = 0; at < 6; at++)
            printf("%08x\n", around_store(memory + 16, memory + 15 + at));
    }
    return 0;
}
