/* Calls through function pointers chosen by data, as object-oriented code makes them. */
#include "work.h"

struct shape {
    const struct shape_ops *ops;
    int32_t a, b;
};

struct shape_ops {
    int32_t (*area)(const struct shape *s);
    void (*grow)(struct shape *s, int32_t by);
};

static int32_t square_area(const struct shape *s)
{
    return s->a * s->a;
}

static int32_t box_area(const struct shape *s)
{
    return s->a * s->b;
}

static int32_t triangle_area(const struct shape *s)
{
    return s->a * s->b / 2;
}

static int32_t ring_area(const struct shape *s)
{
    return (s->a * s->a - s->b * s->b) * 3;
}

static void grow_one(struct shape *s, int32_t by)
{
    s->a = (s->a + by) & 1023;
}

static void grow_both(struct shape *s, int32_t by)
{
    s->a = (s->a + by) & 511;
    s->b = (s->b + by) & 255;
}

static const struct shape_ops kinds[] = {
    { square_area, grow_one },
    { box_area, grow_both },
    { triangle_area, grow_both },
    { ring_area, grow_one },
};

static uint64_t work(void)
{
    static struct shape shape[4096];
    uint64_t sum = 0;

    for (int i = 0; i < 4096; i++) {
        uint64_t r = random_next();

        shape[i] = (struct shape){ &kinds[r & 3], (int32_t)(r >> 8 & 255), (int32_t)(r >> 16 & 255) };
    }
    for (int round = 0; round < 220; round++)
        for (int i = 0; i < 4096; i++) {
            sum += (uint64_t)shape[i].ops->area(&shape[i]);
            shape[i].ops->grow(&shape[i], round & 7);
        }
    return sum;
}
