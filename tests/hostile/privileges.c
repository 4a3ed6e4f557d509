/* Privileges that this process may have, or may gain. outside: nothing, without privilege. */
#include "hostile.h"
#include <grp.h>

int main(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long caps;

    TRY(setresuid(0, 0, 0) == 0 && getuid() != 0);
    TRY(setgroups(0, NULL) == 0);
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "CapEff: %lx", &caps) == 1 || sscanf(line, "CapPrm: %lx", &caps) == 1)
            TRY(caps != 0);
    return reached_any;
}
