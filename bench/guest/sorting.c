/* Quicksort and merge sort of random integers: unpredictable branches, sequential and random access. */
#include "work.h"

#define N 60000

static void quick(uint32_t *v, long lo, long hi)
{
    while (lo < hi) {
        uint32_t pivot = v[(lo + hi) / 2];
        long i = lo, j = hi;

        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = v[i];

                v[i++] = v[j];
                v[j--] = t;
            }
        }
        quick(v, lo, j);
        lo = i;
    }
}

static void merge(uint32_t *v, uint32_t *spare, long n)
{
    long half = n / 2, i = 0, j = half;

    if (n < 2)
        return;
    merge(v, spare, half);
    merge(v + half, spare, n - half);
    for (long k = 0; k < n; k++)
        spare[k] = j >= n || (i < half && v[i] <= v[j]) ? v[i++] : v[j++];
    memcpy(v, spare, (size_t)n * sizeof(*v));
}

static uint64_t work(void)
{
    static uint32_t a[N], b[N], spare[N];
    uint64_t sum = 0;

    for (long i = 0; i < N; i++)
        a[i] = b[i] = (uint32_t)random_next();
    quick(a, 0, N - 1);
    merge(b, spare, N);
    for (long i = 0; i < N; i++)
        sum = sum * 3 + (a[i] ^ (uint64_t)b[i] << 1);
    return sum;
}
