/* box: --output-limit 1m */
/* ends: 122 the output limit of 1 MiB was reached. To allow more: --output-limit 2097152 */
/* Both streams, by several at once, for ever. outside: nothing is tried. */
#include "hostile.h"

int main(void)
{
    static char text[65536];

    memset(text, '\n', sizeof text);
    fork();
    fork();
    for (;;)
        write(fork() ? 1 : 2, text, sizeof text);
}
