/* box: --pids 8 */
/* More processes than there may be. */
#include "hostile.h"

int main(void)
{
    pid_t pid[64];
    int n = 0;

    while (n < 64 && (pid[n] = fork()) >= 0)
        if (pid[n++] == 0)
            for (;;)
                pause();
    TRY(n > 7);
    while (n--)
        kill(pid[n], SIGKILL);
    return reached_any;
}
