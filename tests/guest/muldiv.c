/* skip-native */
/* expect: oracle=qemu */
/* RISC-V's own answers where C has none: division by zero, the overflowing quotient, high halves, W forms. */
#include "guest.h"

static const uint64_t corner[] = {
    0,
    1,
    2,
    3,
    0x7f,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000001,
    0xffffffff80000000,
    0xfffffffffffffffe,
    0xffffffffffffffff,
    0x123456789abcdef0,
};

#define EACH(insn)                                                                           \
    for (size_t i = 0; i < COUNT(corner); i++)                                               \
        for (size_t j = 0; j < COUNT(corner); j++) {                                         \
            uint64_t r;                                                                      \
            __asm__ volatile(insn " %0, %1, %2" : "=r"(r) : "r"(corner[i]), "r"(corner[j])); \
            printf("%s %016lx %016lx = %016lx\n", insn, corner[i], corner[j], r);            \
        }

int main(void)
{
    EACH("mul");
    EACH("mulh");
    EACH("mulhu");
    EACH("mulhsu");
    EACH("mulw");
    EACH("div");
    EACH("divu");
    EACH("rem");
    EACH("remu");
    EACH("divw");
    EACH("divuw");
    EACH("remw");
    EACH("remuw");
    EACH("addw");
    EACH("subw");
    EACH("sll");
    EACH("srl");
    EACH("sra");
    EACH("sllw");
    EACH("srlw");
    EACH("sraw");
    EACH("slt");
    EACH("sltu");
    return 0;
}
