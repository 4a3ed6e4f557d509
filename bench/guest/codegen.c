/* A small just-in-time compiler: functions are made, announced, called, and made anew, one at a time. */
#include "work.h"

#include <sys/mman.h>

#define FUNCTIONS 256
#define ROOM 256 /* bytes of each */
#define ADDITIONS 20

static uint8_t *code;

/* A function that returns v and then some. */
static void emit(int k, int v)
{
    uint8_t *at = code + ROOM * k;

#if defined(__riscv)
    uint32_t insn[ADDITIONS + 2] = { 0x00000513u | (uint32_t)v << 20 }; /* li a0, v */

    for (int i = 1; i <= ADDITIONS; i++)
        insn[i] = 0x00350513; /* addi a0, a0, 3 */
    insn[ADDITIONS + 1] = 0x00008067;
    memcpy(at, insn, sizeof(insn));
#elif defined(__x86_64__)
    at[0] = 0xb8; /* mov eax, v */
    memcpy(at + 1, &v, 4);
    for (int i = 0; i < ADDITIONS; i++)
        memcpy(at + 5 + 3 * i, "\x83\xc0\x03", 3); /* add eax, 3 */
    at[5 + 3 * ADDITIONS] = 0xc3;
#else
#error "codegen.c makes code for riscv64 and x86-64"
#endif
    __builtin___clear_cache((char *)at, (char *)at + ROOM);
}

static uint64_t work(void)
{
    uint64_t sum = 0;

    if (!code) {
        code = mmap(NULL, FUNCTIONS * ROOM, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
        if (code == MAP_FAILED)
            exit(1);
        for (int k = 0; k < FUNCTIONS; k++)
            emit(k, k);
    }
    for (int i = 0; i < 600; i++) {
        emit((int)(random_next() % FUNCTIONS), i & 1023);
        for (int k = 0; k < 1000; k++)
            sum += (uint64_t)((int (*)(void))(code + ROOM * (random_next() % FUNCTIONS)))();
    }
    return sum;
}
