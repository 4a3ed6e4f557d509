/* Namespaces of others. outside: nothing, without privilege. */
#include "hostile.h"
#include <sched.h>

int main(int argc, char **argv)
{
    char path[64];

    (void)argc;
    snprintf(path, sizeof path, "/proc/%d/ns/net", outsider(argv));
    TRY(setns(open(path, O_RDONLY), 0) == 0);
    snprintf(path, sizeof path, "/proc/%d/ns/user", outsider(argv));
    TRY(setns(open(path, O_RDONLY), 0) == 0);
    return reached_any;
}
