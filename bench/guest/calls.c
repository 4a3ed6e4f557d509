/* Recursion: Fibonacci, Takeuchi, eight queens. Calls, returns and the stack, little else. */
#include "work.h"

static __attribute__((noipa)) int fib(int n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static __attribute__((noipa)) int tak(int x, int y, int z)
{
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static __attribute__((noipa)) int queens(int row, unsigned columns, unsigned left, unsigned right)
{
    int found = 0;

    if (row == 0)
        return 1;
    for (unsigned free = 0xff & ~(columns | left | right); free; free &= free - 1) {
        unsigned bit = free & -free;

        found += queens(row - 1, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

static uint64_t work(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < 24; i++)
        sum = sum * 7 + (uint64_t)(fib(26) + tak(14, 8, 3) + queens(8, 0, 0, 0));
    for (int i = 0; i < 80; i++)
        sum += (uint64_t)queens(8, 0, 0, 0);
    return sum;
}
