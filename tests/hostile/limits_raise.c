/* box: --fds 32 --fsize 1k -m 0 */
/* Limits are raised, or passed by. */
#include "hostile.h"

int main(void)
{
    struct rlimit r = { 4096, 4096 };
    int n = 0;

    signal(SIGXFSZ, SIG_IGN);
    TRY(setrlimit(RLIMIT_NOFILE, &r) == 0);
    TRY(prlimit(0, RLIMIT_NOFILE, &r, NULL) == 0);
    TRY(prlimit(getppid(), RLIMIT_NOFILE, &r, NULL) == 0);
    while (n < 100 && dup(0) >= 0)
        n++;
    TRY(n >= 32);
    for (int fd = 3; fd < 200; fd++)
        close(fd);
    TRY(dup2(0, 100) == 100);
    TRY(setrlimit(RLIMIT_FSIZE, &r) == 0);
    TRY(ftruncate(memfd_create("x", 0), 4096) == 0);
    return reached_any;
}
