/* What a process may ask about itself and the machine: names, ids, limits, randomness, /proc. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "guest.h"

static char text[65536];

static size_t slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    size_t n = 0;
    ssize_t r;

    while (fd >= 0 && (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)r;
    close(fd);
    text[n] = 0;
    return n;
}

static void process_files(char **argv)
{
    char name[64], *end, auxv[2048] = "";
    DIR *dir;
    int found = 0, all = 0;

    FACT(slurp("/proc/self/cmdline") == strlen(argv[0]) + 1 && strcmp(text, argv[0]) == 0);
    slurp("/proc/self/comm");
    printf("comm %s", text);
    snprintf(name, sizeof(name), "/proc/%d/comm", getpid());
    FACT(slurp(name) == 6);
    slurp("/proc/self/stat");
    FACT(atoi(text) == getpid());
    FACT(strstr(text, "(facts) R"));
    end = strrchr(text, ')');
    FACT(end && strtol(end + 4, NULL, 10) == getppid());
    slurp("/proc/self/status");
    FACT(strstr(text, "Name:\tfacts\n"));
    FACT(slurp("/proc/self/maps") > 0);
    FACT(strstr(text, "[stack]"));
    FACT(strstr(text, "/facts\n"));
    FACT(strstr(text, "[vdso]"));
    all = (int)slurp("/proc/self/auxv");
    FACT(all > 0 && all % 16 == 0);
    FACT(prctl(0x41555856 /* PR_GET_AUXV */, auxv, 40, 0, 0) >= all && memcmp(auxv, text, 40) == 0);
    FACT(auxv[40] == 0 && prctl(0x41555856, auxv, sizeof auxv, 0, 0) >= all && memcmp(auxv, text, all) == 0);
    CALL(prctl(0x41555856, auxv, sizeof auxv, 0, 1));
    all = 0;
    FACT(slurp("/proc/self/environ") > 0 && strstr(text, "="));
    FACT(slurp("/proc/cpuinfo") > 0);
#ifdef __riscv
    FACT(strstr(text, "isa\t\t: rv64imafdc"));
    FACT(strstr(text, "mmu\t\t: sv39"));
#else
    puts("yes: strstr(text, \"isa\\t\\t: rv64imafdc\")");
    puts("yes: strstr(text, \"mmu\\t\\t: sv39\")");
#endif
    FACT(slurp("/proc/meminfo") > 0 && strstr(text, "MemTotal:"));
    dir = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(dir));) {
        all++;
        found += atoi(e->d_name) == dirfd(dir) && e->d_name[0] != '.';
    }
    SHOW(all); /* . .. 0 1 2 and the folder itself */
    SHOW(found);
    closedir(dir);
    FACT(readlink("/proc/self/fd/0", text, sizeof(text)) == strlen("/dev/null"));
    CALL(open("/proc/self/nothing", O_RDONLY));
}

int main(int argc, char **argv)
{
    struct utsname u;
    struct rlimit r;
    struct sysinfo si;
    unsigned char random[256];
    cpu_set_t cpus;
    char name[17] = "";
    unsigned any = 0;

    (void)argc;
    CALL(uname(&u));
    puts(u.sysname);
#ifdef __riscv
    FACT(strcmp(u.machine, "riscv64") == 0);
#else
    puts("yes: strcmp(u.machine, \"riscv64\") == 0");
#endif
    process_files(argv);
    SHOW(getrandom(random, sizeof(random), 0));
    for (size_t i = 0; i < sizeof(random); i++)
        any |= random[i];
    FACT(any == 255);
    CALL(getrandom(random, 10, 0x80));
    CALL(getrandom((void *)8, 10, 0));
    CALL(sysinfo(&si));
    FACT(si.totalram > 0 && si.procs > 0 && si.mem_unit > 0);
    CALL(getrlimit(RLIMIT_NOFILE, &r));
    FACT(r.rlim_cur <= r.rlim_max);
    CALL(getrlimit(99, &r));
    CALL(sched_getaffinity(0, sizeof(cpus), &cpus));
    FACT(CPU_COUNT(&cpus) > 0 && sysconf(_SC_NPROCESSORS_ONLN) > 0);
    CALL(sched_yield());
    CALL(getpriority(PRIO_PROCESS, 0));
    FACT(syscall(SYS_gettid) == getpid());
    FACT(getuid() == geteuid() && getgid() == getegid());
    CALL(prctl(PR_SET_NAME, "renamed-and-cut-off"));
    CALL(prctl(PR_GET_NAME, name));
    puts(name);
    slurp("/proc/self/comm");
    printf("%s", text);
    CALL(prctl(PR_GET_DUMPABLE) >= 0);
    CALL(prctl(78 /* PR_FUTEX_HASH */, 1, 8, 0, 0));
    CALL(prctl(78, 2, 0, 0, 0));
    CALL(prctl(78, 9, 0, 0, 0));
    CALL(prctl(99999));
    CALL(umask(027));
    CALL(umask(022));
    CALL(syscall(5000));
    CALL(syscall(-1));
    struct rusage ru;
    CALL(getrusage(RUSAGE_SELF, &ru));
    FACT(ru.ru_maxrss > 0);
    CALL(getrusage(7, &ru));
    return 0;
}
