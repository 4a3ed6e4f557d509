/* Sorting, searching and hashing: recursion, function pointers, data-dependent branches. */
#include "guest.h"

#define N 5000

static uint32_t seed = 12345;

static uint32_t next(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 3;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint64_t digest(const uint32_t *v, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ v[i]) * 0x100000001b3;
    return h;
}

static void heapsort_u32(uint32_t *v, size_t n)
{
    for (size_t end = n, start = n / 2; end > 1;) {
        size_t root, child;
        uint32_t t;

        if (start)
            start--;
        else
            end--, t = v[end], v[end] = v[0], v[0] = t;
        for (root = start; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && v[child] < v[child + 1])
                child++;
            if (v[root] >= v[child])
                break;
            t = v[root], v[root] = v[child], v[child] = t;
        }
    }
}

int main(void)
{
    static uint32_t a[N], b[N];
    static char text[N][12], *order[N];
    size_t hits = 0;

    for (int i = 0; i < N; i++)
        a[i] = b[i] = next();
    printf("unsorted %016llx\n", (unsigned long long)digest(a, N));
    qsort(a, N, sizeof(a[0]), by_value);
    heapsort_u32(b, N);
    FACT(memcmp(a, b, sizeof(a)) == 0);
    printf("sorted   %016llx\n", (unsigned long long)digest(a, N));
    for (int i = 0; i < N; i++) {
        uint32_t key = i & 1 ? a[i] : next();

        hits += bsearch(&key, a, N, sizeof(a[0]), by_value) != NULL;
    }
    SHOW(hits);
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof(text[i]), "%x", next() % 100000);
        order[i] = text[i];
    }
    qsort(order, N, sizeof(order[0]), by_text);
    printf("%s %s %s\n", order[0], order[N / 2], order[N - 1]);
    return 0;
}
