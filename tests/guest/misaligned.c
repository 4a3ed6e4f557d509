/* Loads and stores at every offset, across a page boundary too, integer and floating. */
#include <sys/mman.h>

#include "guest.h"

struct __attribute__((packed)) any {
    union {
        uint16_t h;
        uint32_t w;
        uint64_t d;
        float f;
        double g;
    };
};

int main(void)
{
    unsigned char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t h = 0;

    for (int i = 0; i < 8192; i++)
        page[i] = (unsigned char)(i * 37);
    for (int at = 4096 - 16; at < 4096 + 8; at++) {
        volatile struct any *p = (volatile struct any *)(page + at);

        h = h * 31 + p->h;
        h = h * 31 + p->w;
        h = h * 31 + p->d;
        p->g = (double)at;
        h = h * 31 + (uint64_t)p->g + page[at + 6];
        p->f = (float)at;
        h = h * 31 + (uint64_t)p->f + page[at + 3];
        p->w = (uint32_t)h;
        p->h = (uint16_t)at;
        p->d += h;
        printf("%d %016llx\n", at - 4096, (unsigned long long)h);
    }
    return 0;
}
