/* The string functions over every alignment and length up to 70, against byte-by-byte versions. */
#include "guest.h"

#define LEN 70

static unsigned char x[256], y[256], z[256];

int main(void)
{
    unsigned wrong = 0, compared = 0;

    for (int from = 0; from < 9; from++)
        for (int to = 0; to < 9; to++)
            for (int n = 0; n < LEN; n++) {
                for (int i = 0; i < 256; i++)
                    x[i] = (unsigned char)(i * 7 + 3), y[i] = z[i] = (unsigned char)~i;
                memcpy(y + to, x + from, (size_t)n);
                for (int i = 0; i < n; i++)
                    z[to + i] = x[from + i];
                wrong += memcmp(y, z, sizeof(y)) != 0;
                memmove(x + to, x + from, (size_t)n);
                wrong += memcmp(x + to, z + to, (size_t)n) != 0;
                memset(y + to, n, (size_t)n);
                for (int i = 0; i < n; i++)
                    z[to + i] = (unsigned char)n;
                wrong += memcmp(y, z, sizeof(y)) != 0;
                memset(y, 'a', sizeof(y));
                y[to + n] = 0;
                wrong += strlen((char *)y + to) != (size_t)n;
                wrong += strchr((char *)y + to, 0) != (char *)y + to + n;
                wrong += memchr(y + to, 0, 200) != y + to + n;
                compared++;
            }
    SHOW(compared);
    SHOW(wrong);
    printf("%s\n", strstr("a needle in a haystack of needles", "needles"));
    printf("%d %d\n", strcmp("abc", "abd") < 0, strncasecmp("HELLO", "help", 3));
    printf("%ld %lu %lx\n", strtol("-9223372036854775808", NULL, 10),
           strtoul("18446744073709551615", NULL, 0), strtoul("0xfeedface", NULL, 16));
    char line[] = "root:x:0:0::/root";
    for (char *save, *p = strtok_r(line, ":", &save); p; p = strtok_r(NULL, ":", &save))
        printf("[%s]", p);
    printf("\n%-8s|%8s|%.3s|%+05d|%#x|%#o|%c|%%\n", "left", "right", "truncated", 42, 255, 8, 'c');
    return 0;
}
