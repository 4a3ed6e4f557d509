/* malloc, calloc, realloc and free in random order, contents checked: brk and mmap'ed chunks alike. */
#include <malloc.h>

#include "guest.h"

#define SLOTS 200

static struct slot {
    unsigned char *at;
    size_t len;
    unsigned char fill;
} slot[SLOTS];

static uint32_t seed = 99;

static uint32_t next(uint32_t below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % below;
}

static int intact(const struct slot *s)
{
    for (size_t i = 0; i < s->len; i += i < 64 ? 1 : 509)
        if (s->at[i] != s->fill)
            return 0;
    return 1;
}

int main(void)
{
    unsigned broken = 0, moved = 0;

    for (int round = 0; round < 6000; round++) {
        struct slot *s = &slot[next(SLOTS)];
        size_t len = next(100) == 0 ? next(1 << 19) : next(3000);

        if (s->at && !intact(s))
            broken++;
        if (s->at && next(3)) {
            free(s->at);
            s->at = NULL;
            s->len = 0;
            continue;
        }
        if (s->at) {
            unsigned char *old = s->at;
            size_t keep = len < s->len ? len : s->len;

            s->at = realloc(old, len + 1);
            moved += s->at != old;
            s->len = keep;
            broken += !intact(s);
        } else {
            s->at = malloc(len + 1);
        }
        s->len = len;
        s->fill = (unsigned char)round;
        memset(s->at, s->fill, len);
    }
    SHOW(broken);
    FACT(moved > 0);
    unsigned char *zero = calloc(1000, 1000), any = 0;
    for (size_t i = 0; i < 1000000; i += 97)
        any |= zero[i];
    SHOW(any);
    FACT(malloc((size_t)-1 / 2) == NULL);
    FACT(((uintptr_t)aligned_alloc(65536, 65536) & 65535) == 0);
    for (int i = 0; i < SLOTS; i++)
        free(slot[i].at);
    SHOW(malloc_trim(0) >= 0);
    return 0;
}
