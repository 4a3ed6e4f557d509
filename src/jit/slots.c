/*
 * Spilled words. Compilers keep a register in a stack slot by `sw` and take it back by `ld` when all that counts is
 * the low word. Hosts forward a store to a load only if the store has all that is loaded, so such a load waits until the
 * store has left the core: some fifteen times as long. Loaded in two halves it does not wait.
 *
 * Halves are not one access for other harts, so this is for the only hart of its memory.
 */
#include "jit/internal.h"

#include <string.h>

#include "mem/copy.h"

enum { REACH = 512, SP = 2 };

/* Marks the slots that `sw` and `c.swsp` write in a piece of code. What only looks like one costs little. */
static void mark_slots(struct gen *g, const uint8_t *text, size_t n)
{
    for (size_t at = 0; at + 4 <= n; at += 2) {
        uint32_t word;
        unsigned slot;

        memcpy(&word, text + at, sizeof word);
        if ((word & 0xe003) == 0xc002) /* c.swsp: uimm[5:2|7:6] */
            slot = (word >> 9 & 0xf) | (word >> 7 & 3) << 4;
        else if ((word & 0x800ff07f) == (0x2023 | SP << 15)) /* sw x,imm(sp) */
            slot = (word >> 25 << 5 | (word >> 7 & 0x1f)) >> 2;
        else
            continue;
        g->slots[slot / 64] |= UINT64_C(1) << slot % 64;
    }
}

/* The block gives its frame back: loads from it are of what a caller had in registers, saved whole. */
static bool leaves_frame(const struct gen *g)
{
    for (unsigned k = 0; k < g->nr_insns; k++)
        if (g->insn[k].op == OP_addi && g->insn[k].rd == SP && g->insn[k].rs1 == SP && g->insn[k].imm > 0)
            return true;
    return false;
}

static void find_slots(struct gen *g)
{
    uint8_t text[REACH];

    memset(g->slots, 0, sizeof g->slots);
    g->slots_known = true;
    if (!g->h->alone || g->j->harden || leaves_frame(g))
        return;
    if (g->start >= REACH)
        mark_slots(g, text, gmem_fetch(g->h->mem, g->start - REACH, text, sizeof text));
    mark_slots(g, text, gmem_fetch(g->h->mem, g->start, text, sizeof text));
}

bool gen_is_word_slot(struct gen *g, const struct insn *i)
{
    if (i->op != OP_ld || i->rs1 != SP || i->imm < 0)
        return false;
    if (!g->slots_known)
        find_slots(g);
    return g->slots[i->imm / 256] >> i->imm / 4 % 64 & 1;
}
