/*
 * The state of a hart as execve leaves it. Everything else about a hart is done by the engines (interp, jit), by
 * trap.c and by csr.c.
 */
#include "hart/hart.h"

#include <string.h>

void hart_reset(struct hart *h)
{
    memset(h->x, 0, sizeof h->x);
    memset(h->f, 0, sizeof h->f);
    h->pc = 0;
    h->fcsr = 0;
    h->resv_addr = RESV_NONE;
    h->resv_val = 0;
    h->trap = (struct trap){ 0 };
    h->window = h->mem ? h->mem->gs.window : NULL;
    h->limit = h->mem ? h->mem->limit : 0;
    h->jit.pair_rsp = h->jit.pair_top; /* nobody returns from the calls that were under way */
}

void hart_copy(struct hart *to, const struct hart *from)
{
    memcpy(to->x, from->x, sizeof to->x);
    memcpy(to->f, from->f, sizeof to->f);
    to->pc = from->pc;
    to->fcsr = from->fcsr;
    to->resv_addr = RESV_NONE;
}
