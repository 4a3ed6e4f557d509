/* The C library's string functions over lines of text: copy, search, compare, split, convert, format. */
#include "work.h"

#define BYTES (1 << 16)

static uint64_t work(void)
{
    static char page[BYTES + 1], copy[BYTES + 1], out[64];
    uint64_t sum = 0;
    size_t at = 0;

    while (at < BYTES - 64) {
        const char *word = &"alphabetical"[random_next() % 9];

        at += (size_t)sprintf(page + at, "%s %u\n", word, (unsigned)(random_next() % 100000));
    }
    page[at] = 0;
    for (int round = 0; round < 36; round++) {
        char *save, *line;

        memcpy(copy, page, sizeof(copy));
        for (const char *p = copy; (p = strstr(p, "bet")); p++)
            sum++;
        for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            char *space = strchr(line, ' ');

            sum += strlen(line) + strtoul(space, NULL, 10);
            sum += strncmp(line, "betical", 7) == 0;
        }
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(out, sizeof(out), "%d %s %x", i, "word", (unsigned)sum);
        sum += (uint64_t)out[i % 5];
    }
    return sum;
}
