/* What /proc and /sys say of the machine, beyond what programs need. */
#include "hostile.h"

int main(void)
{
    static const char *const names[] = {
        "/proc/mounts",
        "/proc/self/mountinfo",
        "/proc/net/tcp",
        "/proc/kallsyms",
        "/proc/modules",
        "/proc/partitions",
        "/proc/cmdline",
        "/proc/kmsg",
        "/proc/self/ns/net",
        "/proc/sys/kernel/hostname",
        "/proc/interrupts",
        "/proc/self/mem",
        "/sys/kernel",
        "/sys/class/net",
        "/sys/fs/cgroup",
        "/dev",
        "/dev/tty",
        "/dev/shm",
        "/proc/self/map_files",
        "/proc/sysrq-trigger",
    };
    char text[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], "/dev") != 0)
            TRY(open(names[i], O_RDONLY) >= 0);
    TRY(open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0);
    TRY(open("/proc/self/oom_score_adj", O_WRONLY) >= 0);
    TRY(readlink("/proc/self/ns/user", text, sizeof text) > 0);
    return reached_any;
}
