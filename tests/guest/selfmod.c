/* skip-native */
/* Code made at run time: written, flushed, run, rewritten; a page without PROT_EXEC refuses. */
#include <setjmp.h>
#include <sys/mman.h>

#include "guest.h"

static sigjmp_buf back;

static void on_signal(int sig)
{
    siglongjmp(back, sig);
}

static int run(uint32_t *code, uint32_t value)
{
    code[0] = 0x00000513u | value << 20; /* addi a0, zero, value */
    code[1] = 0x00008067u;               /* jalr zero, 0(ra) */
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    return ((int (*)(void))code)();
}

int main(void)
{
    uint32_t *rwx = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int sum = 0, sig;

    for (uint32_t i = 0; i < 500; i++)
        sum += run(rwx, i);
    SHOW(sum);
    SHOW(run(rwx + 1023, 77));                            /* across two pages */
    uint16_t half[] = { 0x0001, 0x0513, 0x02a0, 0x8082 }; /* nop; addi a0, zero, 42 (unaligned); ret */
    memcpy(rwx, half, sizeof(half));
    __asm__ volatile("fence.i" ::: "memory");
    SHOW(((int (*)(void))rwx)());
    signal(SIGSEGV, on_signal);
    signal(SIGILL, on_signal);
    CALL(mprotect(rwx, 8192, PROT_READ | PROT_WRITE));
    if ((sig = sigsetjmp(back, 1)) == 0)
        ((void (*)(void))rwx)();
    SHOW(sig);
    CALL(mprotect(rwx, 8192, PROT_READ | PROT_EXEC));
    SHOW(((int (*)(void))rwx)());
    /* unmapped and mapped anew at the same address: the old code is gone */
    mmap(rwx, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if ((sig = sigsetjmp(back, 1)) == 0)
        ((void (*)(void))rwx)();
    SHOW(sig);
    return 0;
}
