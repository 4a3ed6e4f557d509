/* Product of two square matrices of doubles: a multiply-add per two loads. */
#include "work.h"

#define DIM 300

static uint64_t work(void)
{
    static double a[DIM][DIM], b[DIM][DIM], c[DIM][DIM];
    double trace = 0;
    uint64_t bits;

    for (int i = 0; i < DIM; i++)
        for (int j = 0; j < DIM; j++) {
            a[i][j] = (double)((i * 31 + j * 17) % 101) / 7;
            b[i][j] = (double)((i * 13 + j * 29) % 103) / 11;
            c[i][j] = 0;
        }
    for (int i = 0; i < DIM; i++)
        for (int k = 0; k < DIM; k++)
            for (int j = 0; j < DIM; j++)
                c[i][j] += a[i][k] * b[k][j];
    for (int i = 0; i < DIM; i++)
        trace += c[i][i] * c[i][DIM - 1 - i];
    memcpy(&bits, &trace, sizeof(bits));
    return bits;
}
