/* ends: 0 */
/* Mappings as large and as many as there can be; afterwards all is as before. outside: nothing is tried. */
#include "hostile.h"

#define GB ((size_t)1 << 30)

int main(void)
{
    char *p, *q, *all = NULL;
    size_t size, n;

    for (size = 256 * GB; size > GB && !all; size -= GB) {
        p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        all = p == MAP_FAILED ? NULL : p;
    }
    size += GB;
    TRY(!all || size < 128 * GB);
    TRY(mprotect(all, size, PROT_READ | PROT_WRITE) == 0);
    /* What the host maps one by one, then what only noahv knows of. */
    for (n = 0; n < 200000 && mprotect(all + 2 * n * 4096, 4096, PROT_READ) == 0;)
        n++;
    TRY(n == 200000);
    q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(q != MAP_FAILED && q >= all && q < all + size);
    if (munmap(all, size) < 0)
        return 2;
    for (n = 0; n < 1000000; n++) {
        p = mmap((void *)(GB + 2 * n * 4096), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                 0);
        if (p == MAP_FAILED)
            break;
    }
    TRY(n == 1000000);
    if (munmap((void *)GB, 2 * n * 4096) < 0)
        return 2;
    p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 2;
    memset(p, 1, 16 << 20);
    return reached_any;
}
