/*
 * A program that ends, or asks, as its arguments say; for tests/run-cli.sh. `ends [-CLOSED] WORD [NUMBER]`:
 * -012 closes these descriptors first.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *word;
    int number;

    if (argc > 1 && argv[1][0] == '-') {
        for (const char *c = argv[1] + 1; *c; c++)
            close(*c - '0');
        argv++;
        argc--;
    }
    word = argc > 1 ? argv[1] : "exit";
    number = argc > 2 ? atoi(argv[2]) : 0;

    if (strcmp(word, "segv") == 0)
        *(volatile int *)(long)number = 1;
    if (strcmp(word, "ill") == 0)
        __asm__ volatile(".word 0");
    if (strcmp(word, "abort") == 0)
        abort();
    if (strcmp(word, "raise") == 0)
        raise(number);
    if (strcmp(word, "call") == 0)
        return syscall(number, 0, 0) < 0;
    if (strcmp(word, "open") == 0) { /* which of 0..9 are open */
        for (int fd = 0; fd < 10; fd++)
            if (fcntl(fd, F_GETFD) >= 0)
                number |= fd < 8 ? 1 << fd : 128;
    }
    return number;
}
