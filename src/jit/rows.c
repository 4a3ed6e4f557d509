/*
 * gen.def compiled: the generator of every row, with what the row says of it bound. No semantics and no host code
 * of its own.
 */
#include "jit/gen.h"

enum { W = false, X = true, S = false, D = true };

#define GEN(name, shape, ...)                                   \
    static void row_##name(struct gen *g, const struct insn *i) \
    {                                                           \
        gen_##shape(g, i, ##__VA_ARGS__);                       \
    }
#define BODY(name)
#include "jit/gen.def"
#undef GEN
#undef BODY

/* A row that gen.def has twice is initialised twice, which does not compile. */
gen_row_fn *const gen_row[NR_OPS] = {
#define GEN(name, shape, ...) [OP_##name] = row_##name,
#define BODY(name) [OP_##name] = gen_callop,
#include "jit/gen.def"
#undef GEN
#undef BODY
};

enum gen_rows {
    NR_ROWS = 0
#define GEN(name, shape, ...) +1
#define BODY(name) +1
#include "jit/gen.def"
#undef GEN
#undef BODY
};
_Static_assert((int)NR_ROWS == (int)NR_OPS, "gen.def has a row for each of insn.def");
