/* skip-native */
/* expect: oracle=qemu */
/* The A extension's results on one hart: every AMO over corner values, LR/SC with and without the reservation. */
#include "guest.h"

static const uint64_t corner[] = { 0,
                                   1,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xffffffffffffffff,
                                   0x123456789abcdef0 };

#define AMO(insn)                                                                                      \
    for (size_t i = 0; i < COUNT(corner); i++)                                                         \
        for (size_t j = 0; j < COUNT(corner); j++) {                                                   \
            uint64_t at = corner[i], old;                                                              \
            __asm__ volatile(insn " %0, %2, (%1)" : "=&r"(old) : "r"(&at), "r"(corner[j]) : "memory"); \
            printf("%s %016lx %016lx = %016lx, %016lx\n", insn, corner[i], corner[j], old, at);        \
        }

int main(void)
{
    uint64_t at = 5, other = 0, got, failed;

    AMO("amoswap.w") AMO("amoadd.w") AMO("amoxor.w.aq") AMO("amoand.w.rl") AMO("amoor.w.aqrl");
    AMO("amomin.w") AMO("amomax.w") AMO("amominu.w") AMO("amomaxu.w");
    AMO("amoswap.d") AMO("amoadd.d") AMO("amoxor.d") AMO("amoand.d") AMO("amoor.d");
    AMO("amomin.d") AMO("amomax.d") AMO("amominu.d") AMO("amomaxu.d");
    __asm__ volatile("lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)"
                     : "=&r"(got), "=&r"(failed)
                     : "r"(&at)
                     : "memory");
    printf("lr/sc: %lu %lu %lu\n", got, failed, at);
    __asm__ volatile("sc.d %0, zero, (%1)" : "=&r"(failed) : "r"(&at) : "memory");
    printf("sc without lr: failed %d, %lu\n", failed != 0, at);
    __asm__ volatile("lr.d %0, (%2)\n sc.d %1, zero, (%3)"
                     : "=&r"(got), "=&r"(failed)
                     : "r"(&at), "r"(&other)
                     : "memory");
    printf("sc elsewhere: failed %d, %lu\n", failed != 0, at);
    at = 0xffffffff80000000;
    __asm__ volatile("lr.w %0, (%2)\n sc.w %1, %0, (%2)" : "=&r"(got), "=&r"(failed) : "r"(&at) : "memory");
    printf("lr.w sign-extends: %016lx %lu\n", got, failed);
    return 0;
}
