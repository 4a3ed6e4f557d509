/* Processes outside are watched or changed. */
#include "hostile.h"
#include <sched.h>

int main(int argc, char **argv)
{
    int pid = outsider(argv);
    struct rlimit r;
    struct sched_param sp;
    cpu_set_t set;
    void *head;
    size_t len;

    (void)argc;
    TRY(prlimit(pid, RLIMIT_NOFILE, NULL, &r) == 0);
    TRY(getpgid(pid) >= 0);
    TRY(getsid(pid) >= 0);
    TRY(sched_getscheduler(pid) >= 0);
    TRY(sched_getparam(pid, &sp) == 0);
    TRY(sched_getaffinity(pid, sizeof set, &set) == 0);
    TRY(sched_setaffinity(pid, sizeof set, &set) == 0);
    TRY(getpriority(PRIO_PROCESS, (id_t)pid) != -1 || !errno);
    TRY(setpriority(PRIO_USER, 0, 0) == 0);
    TRY(syscall(SYS_ioprio_get, 1, pid) >= 0);
    TRY(syscall(SYS_get_robust_list, pid, &head, &len) == 0);
    TRY(setpgid(0, getpgid(getppid())) == 0 && getpgid(0) == getpgid(getppid()));
    TRY(syscall(SYS_kcmp, pid, pid, 1, 0, 0) == 0);
    return reached_any;
}
