/* setjmp and longjmp through deep frames, with callee-saved and floating registers live across. */
#include <setjmp.h>

#include "guest.h"

static jmp_buf home;
static sigjmp_buf masked;

static int dive(int depth, double weight)
{
    volatile int local = depth;

    if (depth == 0)
        longjmp(home, (int)weight);
    if (depth < 0)
        return 0;
    return dive(depth - 1, weight * 1.5) + local;
}

int main(void)
{
    volatile int rounds = 0;
    double kept = 2.25;
    sigset_t set;
    int r = setjmp(home);

    printf("setjmp %d, round %d, kept %.2f\n", r, rounds, kept);
    if (rounds++ < 3)
        return dive(rounds * 10, kept);
    r = setjmp(home);
    if (rounds++ < 5)
        longjmp(home, 0);
    printf("longjmp 0 gives %d\n", r);
    sigemptyset(&set);
    if (sigsetjmp(masked, 1) == 0) {
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        siglongjmp(masked, 1);
    }
    sigprocmask(SIG_BLOCK, NULL, &set);
    SHOW(sigismember(&set, SIGUSR1));
    return 0;
}
