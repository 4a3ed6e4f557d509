/* Gravitation among eight bodies in double precision: additions, multiplications, divisions, square roots. */
#include <math.h>

#include "work.h"

#define BODIES 8

static struct body {
    double x[3], v[3], mass;
} body[BODIES];

static void step(double dt)
{
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0.01;

            for (int c = 0; c < 3; c++) {
                d[c] = body[i].x[c] - body[j].x[c];
                square += d[c] * d[c];
            }
            double pull = dt / (square * sqrt(square));
            for (int c = 0; c < 3; c++) {
                body[i].v[c] -= d[c] * body[j].mass * pull;
                body[j].v[c] += d[c] * body[i].mass * pull;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int c = 0; c < 3; c++)
            body[i].x[c] += dt * body[i].v[c];
}

static uint64_t work(void)
{
    double energy = 0;
    uint64_t bits;

    for (int i = 0; i < BODIES; i++) {
        for (int c = 0; c < 3; c++) {
            body[i].x[c] = (double)(i * 7 % 5) + 0.37 * c;
            body[i].v[c] = 0.1 * (double)((i + c) % 3 - 1);
        }
        body[i].mass = 1.0 + 0.25 * i;
    }
    for (int i = 0; i < 36000; i++)
        step(0.001);
    for (int i = 0; i < BODIES; i++)
        energy += body[i].mass * (body[i].v[0] * body[i].v[0] + body[i].x[1]);
    memcpy(&bits, &energy, sizeof(bits));
    return bits;
}
