/* The machine itself: its name, clock, modules, power. outside: nothing, without privilege. */
#include "hostile.h"
#include <sys/klog.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

int main(void)
{
    struct timeval tv = { 0, 0 };
    char buf[64];

    TRY(sethostname("x", 1) == 0);
    TRY(settimeofday(&tv, NULL) == 0);
    TRY(clock_settime(CLOCK_REALTIME, &(struct timespec){ 0, 0 }) == 0);
    TRY(syscall(SYS_reboot, 1, 2, 3, NULL) == 0 || errno == EINVAL);
    TRY(klogctl(3, buf, sizeof buf) > 0);
    TRY(syscall(SYS_init_module, buf, sizeof buf, "") == 0 || errno == ENOEXEC);
    TRY(acct("/nonexistent") == 0 || errno == ENOENT);
    TRY(syscall(SYS_swapoff, "/nonexistent") == 0 || errno == ENOENT);
    TRY(mknod("device", S_IFBLK | 0600, 0x100) == 0);
    return reached_any;
}
