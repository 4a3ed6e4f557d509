/* A hash table far larger than the caches: random reads and writes, memory latency. */
#include "work.h"

#define SLOTS (1 << 21)

struct slot {
    uint64_t key, value;
};

static struct slot *table;

static struct slot *find(uint64_t key)
{
    uint64_t h = key * 0x9e3779b97f4a7c15u >> 43;

    while (table[h].key && table[h].key != key)
        h = (h + 1) & (SLOTS - 1);
    return &table[h];
}

static uint64_t work(void)
{
    uint64_t sum = 0;

    if (!table && !(table = calloc(SLOTS, sizeof(*table))))
        exit(1);
    for (int i = 0; i < 120000; i++) {
        uint64_t key = random_next() % 1000000 + 1;
        struct slot *s = find(key);

        s->key = key;
        s->value += (uint64_t)i;
        sum += find(random_next() % 1000000 + 1)->value;
    }
    return sum;
}
