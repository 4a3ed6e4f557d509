/* skip-native */
/* Illegal, privileged and breakpoint instructions become the signals, codes and addresses Linux gives. */
#include <setjmp.h>
#include <ucontext.h>

#include "guest.h"

static sigjmp_buf back;
static volatile int code;
static void *volatile addr;
static volatile uint64_t pc;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    code = info->si_code;
    addr = info->si_addr;
    pc = ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
    siglongjmp(back, sig);
}

#define TRY(insn)                                                                         \
    do {                                                                                  \
        int sig = sigsetjmp(back, 1);                                                     \
        if (sig == 0) {                                                                   \
            __asm__ volatile(insn ::: "memory", "t0");                                    \
            printf("%s: ran\n", #insn);                                                   \
        } else {                                                                          \
            printf("%s: %s code %d, address is pc: %d\n", #insn, sigabbrev_np(sig), code, \
                   (uint64_t)addr == pc);                                                 \
        }                                                                                 \
    } while (0)

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGTRAP, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    TRY(".word 0");
    TRY(".word 0xffffffff");
    TRY("unimp");
    TRY(".word 0x30200073"); /* mret */
    TRY(".word 0x10200073"); /* sret */
    TRY(".word 0x10500073"); /* wfi */
    TRY(".word 0x12000073"); /* sfence.vma */
    TRY("csrr t0, 0x100");   /* sstatus */
    TRY("csrr t0, 0x300");   /* mstatus */
    TRY("csrr t0, 0x600");   /* hstatus */
    TRY("csrw 0xc00, t0");   /* cycle is read-only */
    TRY(".word 0x0000705b"); /* custom-2 */
    TRY("ebreak");
    TRY("c.ebreak");
    TRY("fence");
    TRY("fence.i");
    TRY(".word 0x0100000f"); /* pause */
    TRY("csrr t0, fcsr");
    TRY("csrwi fflags, 31");
    TRY("rdtime t0");
    return 0;
}
