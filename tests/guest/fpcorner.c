/* skip-native */
/* expect: oracle=qemu */
/* RISC-V's own floating-point answers: saturating conversions, NaN propagation, min and max, class, flags, RMM. */
#include "guest.h"

static const uint64_t dval[] = {
    0,
    0x8000000000000000,
    0x3ff0000000000000,
    0xbff8000000000000,
    0x7ff0000000000000,
    0xfff0000000000000,
    0x7ff8000000000000,
    0x7ff0000000000001,
    0xfff8000000000123,
    0x41dfffffffc00000,
    0x41e0000000000000,
    0xc1e0000000200000,
    0x43e0000000000000,
    0x43f0000000000000,
    0xc3e0000000000000,
    0x0000000000000001,
    0x000fffffffffffff,
    0x0010000000000000,
    0x7fefffffffffffff,
    0x3fe0000000000000,
    0x4004000000000000,
    0xbfefffffffffffff,
};
static const uint32_t sval[] = {
    0,          0x80000000, 0x3f800000, 0xbfc00000, 0x7f800000, 0xff800000,
    0x7fc00000, 0x7f800001, 0xffc00123, 0x4f000000, 0x4f800000, 0xcf000001,
    0x5f000000, 0x5f800000, 0x00000001, 0x00800000, 0x7f7fffff, 0x3f000000,
};

static uint64_t flags(void)
{
    uint64_t f;

    __asm__ volatile("csrrwi %0, fflags, 0" : "=r"(f));
    return f;
}

#define D2(insn)                                                                            \
    for (size_t i = 0; i < COUNT(dval); i++)                                                \
        for (size_t j = 0; j < COUNT(dval); j++) {                                          \
            uint64_t r;                                                                     \
            flags();                                                                        \
            __asm__ volatile("fmv.d.x ft0, %1\n fmv.d.x ft1, %2\n " insn " ft2, ft0, ft1\n" \
                             "fmv.x.d %0, ft2"                                              \
                             : "=r"(r)                                                      \
                             : "r"(dval[i]), "r"(dval[j])                                   \
                             : "ft0", "ft1", "ft2");                                        \
            printf("%s %016lx %016lx = %016lx %lx\n", insn, dval[i], dval[j], r, flags());  \
        }
#define S2(insn)                                                                            \
    for (size_t i = 0; i < COUNT(sval); i++)                                                \
        for (size_t j = 0; j < COUNT(sval); j++) {                                          \
            uint64_t r;                                                                     \
            flags();                                                                        \
            __asm__ volatile("fmv.w.x ft0, %1\n fmv.w.x ft1, %2\n " insn " ft2, ft0, ft1\n" \
                             "fmv.x.d %0, ft2"                                              \
                             : "=r"(r)                                                      \
                             : "r"(sval[i]), "r"(sval[j])                                   \
                             : "ft0", "ft1", "ft2");                                        \
            printf("%s %08x %08x = %016lx %lx\n", insn, sval[i], sval[j], r, flags());      \
        }
#define COMPARE(insn)                                                                    \
    for (size_t i = 0; i < COUNT(dval); i++)                                             \
        for (size_t j = 0; j < COUNT(dval); j++) {                                       \
            uint64_t r;                                                                  \
            flags();                                                                     \
            __asm__ volatile("fmv.d.x ft0, %1\n fmv.d.x ft1, %2\n " insn " %0, ft0, ft1" \
                             : "=r"(r)                                                   \
                             : "r"(dval[i]), "r"(dval[j])                                \
                             : "ft0", "ft1");                                            \
            printf("%s %016lx %016lx = %lu %lx\n", insn, dval[i], dval[j], r, flags());  \
        }
#define TO_INT(insn, rm)                                                                              \
    for (size_t i = 0; i < COUNT(dval); i++) {                                                        \
        uint64_t r;                                                                                   \
        flags();                                                                                      \
        __asm__ volatile("fmv.d.x ft0, %1\n " insn " %0, ft0, " rm : "=r"(r) : "r"(dval[i]) : "ft0"); \
        printf("%s %s %016lx = %016lx %lx\n", insn, rm, dval[i], r, flags());                         \
    }
#define FROM_INT(insn, move)                                                                  \
    for (size_t i = 0; i < COUNT(dval); i++) {                                                \
        uint64_t r;                                                                           \
        flags();                                                                              \
        __asm__ volatile(insn " ft0, %1\n fmv.x.d %0, ft0" : "=r"(r) : "r"(dval[i]) : "ft0"); \
        printf("%s %016lx = %016lx %lx\n", insn, dval[i], r, flags());                        \
    }
#define D1(insn)                                                                 \
    for (size_t i = 0; i < COUNT(dval); i++) {                                   \
        uint64_t r;                                                              \
        flags();                                                                 \
        __asm__ volatile("fmv.d.x ft0, %1\n " insn " ft1, ft0\n fmv.x.d %0, ft1" \
                         : "=r"(r)                                               \
                         : "r"(dval[i])                                          \
                         : "ft0", "ft1");                                        \
        printf("%s %016lx = %016lx %lx\n", insn, dval[i], r, flags());           \
    }
#define ALL_MODES(insn) \
    TO_INT(insn, "rne") \
    TO_INT(insn, "rtz") \
    TO_INT(insn, "rdn") \
    TO_INT(insn, "rup") \
    TO_INT(insn, "rmm")

int main(void)
{
    D2("fadd.d") D2("fsub.d") D2("fmul.d") D2("fdiv.d") D2("fmin.d") D2("fmax.d");
    D2("fsgnj.d") D2("fsgnjn.d") D2("fsgnjx.d");
    S2("fadd.s") S2("fmul.s") S2("fdiv.s") S2("fmin.s") S2("fmax.s") S2("fsgnjn.s");
    COMPARE("feq.d") COMPARE("flt.d") COMPARE("fle.d");
    ALL_MODES("fcvt.w.d") ALL_MODES("fcvt.wu.d") ALL_MODES("fcvt.l.d") ALL_MODES("fcvt.lu.d");
    FROM_INT("fcvt.d.w", ) FROM_INT("fcvt.d.l", ) FROM_INT("fcvt.d.lu", ) FROM_INT("fcvt.s.l", );
    FROM_INT("fcvt.s.wu", );
    D1("fsqrt.d") D1("fcvt.s.d") D1("fcvt.d.s") D1("fsqrt.s");
    for (size_t i = 0; i < COUNT(dval); i++) {
        uint64_t r, s;

        __asm__ volatile("fmv.d.x ft0, %2\n fclass.d %0, ft0\n fclass.s %1, ft0"
                         : "=r"(r), "=r"(s)
                         : "r"(dval[i])
                         : "ft0");
        printf("fclass %016lx = %lx %lx\n", dval[i], r, s);
    }
    return 0;
}
