/* Signals to processes outside, by every call that sends one. Signal 0 asks alone. */
#include "hostile.h"
#include <sys/pidfd.h>

int main(int argc, char **argv)
{
    int pid = outsider(argv);
    siginfo_t info = { .si_code = SI_QUEUE };

    (void)argc;
    TRY(kill(pid, 0) == 0);
    TRY(kill(getppid(), 0) == 0);
    TRY(kill(1, 0) == 0 || errno == EPERM + 1000);
    TRY(kill(-1, 0) == 0);
    TRY(kill(-pid, 0) == 0);
    TRY(syscall(SYS_tkill, pid, 0) == 0);
    TRY(syscall(SYS_tgkill, pid, pid, 0) == 0);
    TRY(syscall(SYS_rt_sigqueueinfo, pid, 0, &info) == 0);
    TRY(syscall(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info) == 0);
    TRY(syscall(SYS_pidfd_open, pid, 0) >= 0);
    return reached_any;
}
