/*
 * Atomic operations that several threads make on the same words at once, those among them that a host does in a loop of
 * compare and exchange: none is lost, and what each finds there has been there.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "guest.h"

enum { THREADS = 4, ROUNDS = 100000 };

static _Atomic uint64_t flips, bits, highest;
static _Atomic uint32_t lowest = UINT32_MAX;
static pthread_barrier_t together;

/* An AMO for which C has no name; natively by hand. */
#ifdef __riscv
#define AMO(insn, word, value, better) \
    __asm__ volatile(insn " %0, %2, (%1)" : "=&r"(old) : "r"(&(word)), "r"((uint64_t)(value)) : "memory")
#else
#define AMO(insn, word, value, better)                                                            \
    do                                                                                            \
        old = (word);                                                                             \
    while (!atomic_compare_exchange_weak(&(word), &(__typeof__(value)){ (__typeof__(value))old }, \
                                         (value)better(__typeof__(value)) old ? (value)           \
                                                                              : (__typeof__(value))old))
#endif

static void *work(void *arg)
{
    uint64_t me = (uintptr_t)arg, mine = (uint64_t)0xffff << 16 * me, old, wrong = 0, before = 0;

    pthread_barrier_wait(&together);
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t high = n * THREADS + me, flip = (n & 0xffff) << 16 * me;
        uint32_t low = (uint32_t)(UINT32_MAX - high);

        old = atomic_fetch_xor(&flips, flip); /* only I change my part */
        wrong += (old & mine) != (before & mine);
        before = old ^ flip;
        wrong += (atomic_fetch_or(&bits, mine) & mine) != 0;
        wrong += (atomic_fetch_and(&bits, ~mine) & mine) != mine;
        AMO("amomaxu.d", highest, high, >);
        wrong += highest < high;
        AMO("amominu.w", lowest, low, <);
        wrong += lowest > low;
    }
    return (void *)wrong;
}

int main(void)
{
    pthread_t thread[THREADS];
    uint64_t wrong = 0;

    pthread_barrier_init(&together, NULL, THREADS);
    for (uintptr_t k = 0; k < THREADS; k++)
        pthread_create(&thread[k], NULL, work, (void *)k);
    for (int k = 0; k < THREADS; k++) {
        void *result;

        pthread_join(thread[k], &result);
        wrong += (uintptr_t)result;
    }
    printf("wrong %lu, flips %016lx, bits %lx, highest %lu, lowest %u\n", wrong, flips, bits, highest,
           lowest);
    return 0;
}
