/* The first program that anyone runs: text out, status 0. */
#include <stdio.h>

int main(void)
{
    puts("Hello from a guest without a kernel.");
    return 0;
}
