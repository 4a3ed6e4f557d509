/* A process that is to be looked into: by a debugger that it lets in, by a core file, by its own kind. */
#include "hostile.h"

int main(void)
{
    char name[64], c;
    int fd;

    TRY(prctl(PR_GET_DUMPABLE) == 1);
    TRY(prctl(PR_SET_DUMPABLE, 1) == 0);
    TRY(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY) == 0);
    snprintf(name, sizeof name, "/proc/%d/mem", getppid());
    fd = open(name, O_RDONLY);
    TRY(fd >= 0 && pread(fd, &c, 1, 0x10000) == 1);
    return reached_any;
}
