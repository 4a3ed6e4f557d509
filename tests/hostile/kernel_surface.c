/* Parts of the kernel that have let many out: asynchronous rings, programs in the kernel, events, user faults. */
#include "hostile.h"

int main(void)
{
    char zero[256] = { 0 };

    TRY(syscall(425 /* io_uring_setup */, 1, zero) >= 0);
    TRY(syscall(SYS_bpf, 5, zero, sizeof zero) >= 0);
    TRY(syscall(SYS_perf_event_open, zero, 0, -1, -1, 0) >= 0);
    TRY(syscall(SYS_userfaultfd, 1) >= 0);
    TRY(syscall(SYS_fanotify_init, 0x200, 0) >= 0);
    TRY(syscall(SYS_inotify_init1, 0) < 0);
    TRY(syscall(SYS_quotactl, 0, "/dev/null", 0, zero) == 0);
    TRY(syscall(SYS_lookup_dcookie, 0, zero, sizeof zero) >= 0);
    TRY(syscall(444 /* landlock_create_ruleset */, NULL, 0, 1) >= 0);
    TRY(syscall(458 /* listmount */, zero, zero, 1, 0) >= 0);
    return reached_any;
}
