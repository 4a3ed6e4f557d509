/* skip-native */
/* Signals at any moment, while the code that they interrupt is run for the first time. */
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "guest.h"

#define STEPS 300

static volatile sig_atomic_t came;

static void on_alarm(int sig)
{
    (void)sig;
    came++;
}

/* Counts a0 up to STEPS in blocks of two instructions, each of which jumps over a word. */
static void fill(uint32_t *code)
{
    for (unsigned i = 0; i < STEPS; i++) {
        *code++ = 0x00150513;                      /* addi a0, a0, 1 */
        *code++ = i % 2 ? 0x0080006f : 0x00000463; /* jal zero, 8; beq zero, zero, 8 */
        *code++ = 0;
    }
    *code++ = 0x00008067; /* jalr zero, 0(ra) */
}

/* Nothing but calls and returns, for longer than anybody waits. */
long fib(long n);
__asm__("fib: addi sp, sp, -32\n\tsd ra, 0(sp)\n\tsd a0, 8(sp)\n\tli t0, 2\n\tblt a0, t0, 1f\n\t"
        "addi a0, a0, -1\n\tjal ra, fib\n\tsd a0, 16(sp)\n\tld a0, 8(sp)\n\taddi a0, a0, -2\n\t"
        "jal ra, fib\n\tld t0, 16(sp)\n\tadd a0, a0, t0\n1:\tld ra, 0(sp)\n\taddi sp, sp, 32\n\tret\n");

static sigjmp_buf out;

static void on_late_alarm(int sig)
{
    siglongjmp(out, sig);
}

static int recursion(void)
{
    struct itimerval late = { { 0, 0 }, { 0, 300000 } };
    int sig = sigsetjmp(out, 1);

    if (sig)
        return sig;
    signal(SIGALRM, on_late_alarm);
    setitimer(ITIMER_REAL, &late, NULL);
    return fib(90) != 0;
}

int main(void)
{
    struct itimerval often = { { 0, 100 }, { 0, 100 } };
    uint32_t *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int wrong = 0;

    fill(code);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    while (came < 2000) {
        __builtin___clear_cache((char *)code, (char *)(code + 2048));
        wrong += ((int (*)(int))code)(0) != STEPS;
    }
    setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
    SHOW(wrong);
    SHOW(recursion());
    return 0;
}
