/* box: --pids 16 */
/* ends: 122 the limit of 16 processes and threads was reached. To allow more: --pids 32 */
/* Every child makes children, for ever. outside: nothing is tried. */
#include "hostile.h"

int main(void)
{
    const pid_t first = getpid();

    for (;;)
        if (fork() < 0 && getpid() == first)
            return 1;
}
