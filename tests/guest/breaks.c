/* brk: byte-exact, grows with zeroes, shrinks and forgets, refuses politely. Uses no malloc meanwhile. */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "guest.h"

int main(void)
{
    static char line[4096];
    char *start, *p;
    unsigned any = 0;

    setvbuf(stdout, line, _IOFBF, sizeof(line));
    start = sbrk(0);
    FACT(start != (void *)-1);
    FACT(sbrk(10) == start);
    FACT(sbrk(0) == start + 10);
    FACT(sbrk(1 << 20) == start + 10);
    p = start + 10 + (1 << 20);
    for (char *c = start; c < p; c++)
        any |= (unsigned char)*c;
    SHOW(any);
    memset(start, 0x5a, (size_t)(p - start));
    FACT(sbrk(-(1 << 19)) == p);
    FACT(sbrk(1 << 19) == p - (1 << 19));
    any = 0;
    for (char *c = (char *)(((uintptr_t)p - (1 << 19) + 4095) & ~4095ul); c < p; c++)
        any |= (unsigned char)*c;
    SHOW(any);
    SHOW(start[100]);
    FACT(syscall(SYS_brk, 4096) == (long)p); /* below the start: refused by telling where it is */
    FACT(sbrk(0) == p);
    FACT(sbrk((intptr_t)1 << 50) == (void *)-1 && errno == ENOMEM);
    FACT(sbrk(0) == p);
    FACT(brk(start) == 0);
    FACT(sbrk(0) == start);
    return 0;
}
