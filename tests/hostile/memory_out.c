/* The memory of a process outside, and of noahv itself. */
#include "hostile.h"
#include <sys/ptrace.h>
#include <sys/uio.h>

int main(int argc, char **argv)
{
    char buf[16];
    struct iovec here = { buf, sizeof buf }, there = { main, sizeof buf };

    (void)argc;
    TRY(process_vm_readv(outsider(argv), &here, 1, &there, 1, 0) >= 0 || errno == EFAULT);
    TRY(process_vm_writev(outsider(argv), &here, 1, &there, 1, 0) >= 0 || errno == EFAULT);
    TRY(ptrace(PTRACE_SEIZE, outsider(argv), 0, 0) == 0);
    TRY(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, outsider(argv), 0), 0, 0) >= 0);
    TRY(open("/proc/self/mem", O_RDWR) >= 0);
    return reached_any;
}
