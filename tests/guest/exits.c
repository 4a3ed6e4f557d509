/* args: 3 */
/* The way out: atexit in reverse, buffers flushed, the low eight bits of the status. */
#include "guest.h"

static void first(void)
{
    puts("registered first, runs last");
}

static void second(void)
{
    puts("registered second");
    if (write(1, "unbuffered overtakes\n", 21) != 21)
        _exit(1);
}

int main(int argc, char **argv)
{
    atexit(first);
    atexit(second);
    printf("no newline at the end");
    return argc > 1 ? 256 + atoi(argv[1]) : 0;
}
