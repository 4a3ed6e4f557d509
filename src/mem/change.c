/*
 * Reading the record of changes of executable memory, which gmem.c keeps. What a change means to translated code is
 * the engines' business.
 */
#include "mem/gmem.h"

size_t gmem_changes(struct gmem *m, unsigned *gen, struct gmem_change out[GMEM_CHANGES])
{
    unsigned n, now;

    pthread_rwlock_rdlock(&m->lock);
    now = atomic_load(&m->code_gen);
    n = now - *gen;
    if (n > GMEM_CHANGES) {
        n = 1;
        out[0] = (struct gmem_change){ 0, m->limit, true };
    } else {
        for (unsigned k = 0; k < n; k++)
            out[k] = m->change[(*gen + k) % GMEM_CHANGES];
    }
    pthread_rwlock_unlock(&m->lock);
    *gen = now;
    return n;
}
