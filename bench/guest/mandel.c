/* The Mandelbrot set in single precision: a short loop of float arithmetic with a data-dependent end. */
#include "work.h"

static uint64_t work(void)
{
    uint64_t sum = 0;

    for (int y = 0; y < 220; y++)
        for (int x = 0; x < 320; x++) {
            float cr = (float)x / 120.0f - 2.0f, ci = (float)y / 100.0f - 1.1f, r = 0, i = 0;
            int n = 0;

            while (n < 200 && r * r + i * i < 4.0f) {
                float t = r * r - i * i + cr;

                i = 2.0f * r * i + ci;
                r = t;
                n++;
            }
            sum = sum * 3 + (uint64_t)n;
        }
    return sum;
}
