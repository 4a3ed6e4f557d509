/* skip-native */
/* Signals at any moment, while the code that they interrupt is run for the first time. */
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
    return 0;
}
