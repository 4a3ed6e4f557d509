/*
 * libFuzzer target of the decoder: every word must decode to something inside the table, encode back to
 * itself where nothing is documented to be ignored, and print without overrunning a buffer of any size.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "isa/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* What decodes but does not come back: insn_encode says which operands it drops. */
static bool ignores_bits(const struct insn *i)
{
    return i->op == OP_fence || i->op == OP_fence_i;
}

static void check_word(uint32_t word)
{
    struct insn i, again;

    insn_decode(word, &i);
    require(i.op <= OP_ILLEGAL);
    require(i.len == insn_length((uint16_t)word));
    require(i.bits == (i.len == 2 ? (word & 0xffff) : word));
    require(i.rd < 32 && i.rs1 < 32 && i.rs2 < 32 && i.rs3 < 32 && i.rm < 8);
    if (i.op == OP_ILLEGAL) {
        require(insn_encode(&i) == 0);
        return;
    }
    if (i.len == 4 && !ignores_bits(&i))
        require(insn_encode(&i) == word);
    insn_decode(insn_encode(&i), &again);
    again.len = i.len;
    again.bits = i.bits;
    require(again.op == i.op && again.imm == i.imm && again.rm == i.rm);
    require(again.rd == i.rd && again.rs1 == i.rs1 && again.rs2 == i.rs2 && again.rs3 == i.rs3);
}

static void check_text(uint32_t word, size_t cap)
{
    char *at = malloc(cap ? cap : 1); /* exact, so that a sanitizer sees one byte too many */
    struct insn i;
    struct buf b;

    require(at != NULL);
    insn_decode(word, &i);
    buf_init(&b, at, cap);
    insn_disasm(&i, 0x10000, &b);
    require(cap ? b.len < cap && strlen(at) == b.len : b.len == 0);
    require(cap < 80 || !b.cut);
    free(at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t word;

    if (size < sizeof(word) + 1)
        return 0;
    memcpy(&word, data, sizeof(word));
    check_word(word);
    check_text(word, data[sizeof(word)] % 96);
    return 0;
}
