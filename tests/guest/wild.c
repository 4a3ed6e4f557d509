/* skip-native */
/* Wild pointers of every shape: each load, store and jump faults with its own address, whatever its bits. */
#include <setjmp.h>
#include <ucontext.h>

#include "guest.h"

static sigjmp_buf back;
static volatile int code;
static volatile uint64_t addr, pc;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;

    code = info->si_code;
    addr = (uint64_t)info->si_addr;
    pc = u->uc_mcontext.__gregs[REG_PC];
    siglongjmp(back, sig);
}

static const uint64_t wild[] = {
    0x0,
    0x8,
    0xfff,
    0x4000000000,
    0x7fffffffff,
    0x8000000000,
    0x7fffffffffff,
    0x800000000000,
    0xffffffffffff,
    0x1000000000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000001000,
    0xdeadbeefcafebabe,
    0xffff800000000000,
    0xffffffc000000000,
    0xffffffff80000000,
    0xfffffffffffff000,
    0xfffffffffffffff8,
    0xffffffffffffffff,
};

static void report(const char *what, uint64_t at, int sig)
{
    printf("%-7s %016lx: signal %d, %s, address %016lx\n", what, at, sig,
           code == SEGV_MAPERR   ? "MAPERR"
           : code == SEGV_ACCERR ? "ACCERR"
                                 : "?",
           addr);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    volatile uint64_t sum = 0;

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    for (size_t i = 0; i < COUNT(wild); i++) {
        const uint64_t a = wild[i];
        int sig;

        if ((sig = sigsetjmp(back, 1)) == 0) {
            sum += *(volatile uint8_t *)a;
            printf("load went through\n");
        } else {
            report("load", a, sig);
        }
        if ((sig = sigsetjmp(back, 1)) == 0) {
            *(volatile uint8_t *)a = 1;
            printf("store went through\n");
        } else {
            report("store", a, sig);
        }
        if ((sig = sigsetjmp(back, 1)) == 0) {
            __asm__ volatile("fld ft0, 0(%0)" : : "r"(a & ~7ul) : "ft0", "memory");
            printf("fld went through\n");
        } else {
            report("fld", a, sig);
        }
        if ((sig = sigsetjmp(back, 1)) == 0) {
            __asm__ volatile("amoadd.d zero, zero, (%0)" : : "r"(a & ~7ul) : "memory");
            printf("amo went through\n");
        } else {
            report("amo", a, sig);
        }
        if ((sig = sigsetjmp(back, 1)) == 0) {
            ((void (*)(void))(a & ~1ul))();
            printf("jump went through\n");
        } else {
            report("jump", a, sig);
            FACT(pc == (a & ~1ul));
        }
    }
    return 0;
}
