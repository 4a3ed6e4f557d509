/* skip-native */
/*
 * The signal frame as riscv64 lays it out: what is in it and in its reserved words, registers that a handler changes in
 * it and those that it must not lose, and the size that a stack needs.
 */
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "guest.h"

enum { FRAME = 1088, RESERVED = 1076, END_MAGIC = 1080, END_SIZE = 1084 };

static uint32_t words[3];
static int at_frame, aligned;

static void look(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    char *frame = (char *)info;

    (void)sig;
    at_frame = (char *)uc == frame + 128;
    aligned = (uintptr_t)frame % 16 == 0;
    memcpy(words, frame + RESERVED, sizeof words);
    uc->uc_mcontext.__gregs[9] += 1;              /* s1 */
    uc->uc_mcontext.__fpregs.__d.__f[8] ^= 1;     /* fs0, lowest bit */
    uc->uc_mcontext.__fpregs.__d.__fcsr = 3 << 5; /* round up */
    asm volatile("fmv.d.x fs1, zero\n fmv.d.x ft0, zero\n fmv.d.x fa0, zero\n fscsr zero" ::
                     : "fs1", "ft0", "fa0");
}

/* Raises it with every register that counts known. */
static void __attribute__((noinline)) raised(uint64_t out[6])
{
    long pid = getpid(), tid = gettid();

    asm volatile("li s1, 41\n"
                 "li t0, 0x4000000000000000\n fmv.d.x fs0, t0\n"
                 "li t1, 0x4008000000000000\n fmv.d.x fs1, t1\n fmv.d.x ft0, t1\n fmv.d.x fa0, t1\n"
                 "mv a0, %1\n mv a1, %2\n li a2, %3\n li a7, %4\n ecall\n"
                 "frcsr t2\n sd s1, 0(%0)\n fsd fs0, 8(%0)\n fsd fs1, 16(%0)\n fsd ft0, 24(%0)\n"
                 "fsd fa0, 32(%0)\n sd t2, 40(%0)\n fscsr zero"
                 :
                 : "r"(out), "r"(pid), "r"(tid), "i"(SIGUSR1), "i"(SYS_tgkill)
                 : "a0", "a1", "a2", "a7", "s1", "t0", "t1", "t2", "fs0", "fs1", "ft0", "fa0", "memory");
}

/* A reserved word that is not zero: the kernel refuses the frame. */
static void spoil(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    ((uint32_t *)info)[RESERVED / 4] = 1;
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = look, .sa_flags = SA_SIGINFO };
    uint64_t out[6] = { 0 };
    pid_t pid;

    sigaction(SIGUSR1, &sa, NULL);
    raised(out);
    FACT(at_frame && aligned);
    printf("reserved %u, end %u %u\n", words[0], words[1], words[2]);
    printf("s1 %d, fs0 %llx, fs1 %llx, ft0 %llx, fa0 %llx, fcsr %llx\n", (int)out[0],
           (unsigned long long)out[1], (unsigned long long)out[2], (unsigned long long)out[3],
           (unsigned long long)out[4], (unsigned long long)out[5]);
    FACT(getauxval(AT_MINSIGSTKSZ) >= FRAME);
    FACT(sysconf(_SC_MINSIGSTKSZ) >= FRAME && sysconf(_SC_SIGSTKSZ) >= 4 * FRAME);

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        sa.sa_sigaction = spoil;
        sigaction(SIGUSR1, &sa, NULL);
        raise(SIGUSR1);
        _exit(0);
    }
    guest_wait("spoilt frame", pid);
    return 0;
}
