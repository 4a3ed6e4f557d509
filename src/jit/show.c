/*
 * Guest and host code of a block side by side, for people: --log=jit prints each block as it is translated, lockstep
 * the one that went wrong. What belongs to which guest instruction is known from marks that the translator leaves while
 * somebody may want to see it; nothing is guessed from the code.
 */
#include "jit/show.h"

#include <capstone/capstone.h>
#include <string.h>

#include "base/buf.h"
#include "mem/copy.h"

#define GUEST_COLUMN 44
#define GUEST_ROWS 4 /* of one mark: more are never fused */

/* In the order of their addresses. */
static const struct {
    const char *name;
    size_t at; /* of the pointer in struct jit */
} stub[] = {
    { "enter", offsetof(struct jit, enter) },
    { "exit", offsetof(struct jit, exit) },
    { "exit_saved", offsetof(struct jit, exit_saved) },
    { "link", offsetof(struct jit, link) },
    { "replay", offsetof(struct jit, replay) },
    { "callop", offsetof(struct jit, callop) },
    { "ecall", offsetof(struct jit, ecall) },
    { "indirect_miss", offsetof(struct jit, indirect_miss) },
    { "sentinel", offsetof(struct jit, sentinel) },
    { "retmiss", offsetof(struct jit, retmiss) },
};

const char *show_stub(const struct jit *j, unsigned k, const uint8_t **at)
{
    if (k >= ARRAY_SIZE(stub))
        return NULL;
    memcpy(at, (const char *)j + stub[k].at, sizeof *at);
    return stub[k].name;
}

static const struct jit_mark *find_mark(const struct jit *j, uint32_t host)
{
    size_t lo = 0, hi = j->nr_marks;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (j->mark[mid].host < host)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < j->nr_marks && j->mark[lo].host == host ? &j->mark[lo] : NULL;
}

/* The left column's rows: the guest instructions from `from` to `to`. */
static unsigned guest_rows(struct hart *h, uint64_t from, uint64_t to, char row[GUEST_ROWS][GUEST_COLUMN + 1])
{
    unsigned n = 0;

    while (from < to && n < GUEST_ROWS) {
        uint32_t word = 0;
        struct insn i;
        struct buf b;

        if (gmem_fetch(h->mem, from, &word, sizeof word) < 2)
            break;
        insn_decode(word, &i);
        buf_init(&b, row[n++], GUEST_COLUMN + 1);
        buf_printf(&b, "%llx: ", (unsigned long long)from);
        insn_disasm(&i, from, &b);
        from += i.len;
    }
    return n;
}

/* The same for what is not an instruction's straight path. */
static unsigned remark(const struct jit_mark *m, char row[GUEST_COLUMN + 1])
{
    static const char *const text[] = {
        [COLD_REPLAY] = "(%llx: left to its body)",
        [COLD_EDGE] = "(to %llx, not yet translated)",
        [COLD_LOOP] = "(back to %llx)",
        [COLD_MISS] = "(not the target expected)",
        [COLD_NAN_D] = "(%llx: a NaN)",
        [COLD_NAN_S] = "(%llx: a NaN)",
        [COLD_CALL] = "(%llx: by its body)",
        [MARK_TAIL] = "(on to %llx)",
    };
    struct buf b;

    buf_init(&b, row, GUEST_COLUMN + 1);
    buf_printf(&b, text[m->kind], (unsigned long long)m->pc);
    return 1;
}

static void host_row(const struct jit *j, const cs_insn *i, struct buf *b)
{
    const uint8_t *at;
    const char *name;
    char target[32];

    buf_printf(b, "%llx: %s %s", (unsigned long long)i->address, i->mnemonic, i->op_str);
    for (unsigned k = 0; (name = show_stub(j, k, &at)) != NULL; k++) {
        struct buf t;

        buf_init(&t, target, sizeof target);
        buf_printf(&t, "0x%llx", (unsigned long long)(uintptr_t)at);
        if (strcmp(i->op_str, target) == 0)
            buf_printf(b, " <%s>", name);
    }
}

/* All that belongs to one mark; `to` is the next one. */
static void print_mark(const struct jit *j, struct hart *h, csh cs, const struct jit_mark *m,
                       enum log_level level)
{
    char row[GUEST_ROWS][GUEST_COLUMN + 1] = { { 0 } }, line[256];
    const struct jit_mark *to = m + 1;
    unsigned rows = m->kind == MARK_INSN ? guest_rows(h, m->pc, to->pc, row) : remark(m, row[0]), k = 0;
    const uint8_t *code = j->code.rx + m->host;
    uint64_t address = (uint64_t)(uintptr_t)code;
    size_t left = to->host - m->host;
    cs_insn *i = cs_malloc(cs);

    while (i && (left || k < rows)) {
        struct buf b;

        buf_init(&b, line, sizeof line);
        buf_printf(&b, "%-*s | ", GUEST_COLUMN, k < rows ? row[k] : "");
        if (left && cs_disasm_iter(cs, &code, &left, &address, i)) {
            host_row(j, i, &b);
        } else if (left) {
            buf_printf(&b, "(%zu bytes that are no instructions)", left);
            left = 0;
        }
        log_line(level, "jit: %s", line);
        k++;
    }
    cs_free(i, 1);
}

bool show_block(const struct jit *j, struct hart *h, const uint8_t *host, enum log_level level)
{
    const struct jit_mark *m = host ? find_mark(j, (uint32_t)(host - j->code.rx)) : NULL;
    csh cs;

    if (!m || cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
        return false;
    for (; m->kind != MARK_END; m++)
        if (m->kind == MARK_INSN || m[1].host != m->host)
            print_mark(j, h, cs, m, level);
    cs_close(&cs);
    return true;
}
