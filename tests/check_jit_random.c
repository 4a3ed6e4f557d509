/*
 * Straight-line programs of random rows, one JIT flavour at a time: the outcome is the interpreter's, and the host
 * code is what the flavour promises. Control flow, kicks and faults at all addresses are fuzz_engines.c's.
 */
#include <capstone/capstone.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "interp/interp.h"
#include "base/log.h"
#include "hart/csr.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "pieces.h"
#include "rig.h"

enum { PROGRAMS = 400, INSNS = 60, NR_BASES = 3, DYN = 7 };

static const enum flavour { PLAIN, HARDENED, BASELINE } flavour[] = { PLAIN, HARDENED, BASELINE };

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13; /* xorshift64 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned pick(unsigned n)
{
    return (unsigned)((draw() >> 32) * n >> 32);
}

static uint64_t value(void)
{
    static const uint64_t special[] = {
        0, 1, UINT64_MAX, (uint64_t)1 << 63, 0x7ff0000000000000, 0xffffffff7f800000
    };

    return pick(3) ? draw() >> pick(64) : special[pick(ARRAY_SIZE(special))];
}

/* Any row that goes on to the next one; counters and clocks aside. */
static struct insn any_insn(const uint8_t *base)
{
    static const uint8_t rm[] = { 0, 1, 2, 3, 4, DYN, DYN, DYN };
    struct insn i = { .len = 4 };
    uint8_t fmt;

    do {
        i.op = (uint16_t)pick(NR_OPS);
        fmt = insn_desc[i.op].fmt;
    } while (insn_desc[i.op].flags & (INSN_ENDS | INSN_TRAP));
    i.rd = (uint8_t)pick(32);
    i.rs1 = (uint8_t)pick(32);
    i.rs2 = pick(6) ? (uint8_t)pick(32) : 0;
    i.rs3 = (uint8_t)pick(32);
    i.rm = rm[pick(ARRAY_SIZE(rm))];
    i.imm = 8 * (int32_t)pick(64) - 256;
    if (fmt == FMT_AMO || fmt == FMT_LR)
        i.rm &= 3;
    if (fmt == FMT_SH || fmt == FMT_SHW)
        i.imm = (int32_t)pick(32);
    if (fmt == FMT_U)
        i.imm = (int32_t)(draw() & 0xfffff000);
    if (fmt == FMT_CSR || fmt == FMT_CSRI)
        i.imm = CSR_fflags;
    if (insn_desc[i.op].flags & (INSN_LOAD | INSN_STORE) && pick(16))
        i.rs1 = base[pick(NR_BASES)];
    return i;
}

static unsigned pick_piece(void *from, unsigned n)
{
    (void)from;
    return pick(n);
}

/* Up to `room` rows, and now and then a word in pieces with others in between. */
static unsigned some_insns(struct insn *to, unsigned room, const uint8_t *base)
{
    struct pieces p = { .pick = pick_piece, .base = base[pick(NR_BASES)] };
    unsigned n = 0, others = pick(4);

    if (room < 2 * PIECES_MAX || pick(3)) {
        to[0] = any_insn(base);
        return 1;
    }
    pieces_make(&p);
    for (unsigned k = 0; k < p.n; k++) {
        if (pick(8) < others && n + p.n - k < 2 * PIECES_MAX)
            to[n++] = any_insn(base);
        to[n++] = p.insn[k];
    }
    return n;
}

static uint32_t text[INSNS + 1]; /* of the program under way */

/* A program at RIG_TEXT that an ecall ends, and the state that it starts from. */
static void generate(struct hart *from, uint8_t *data)
{
    uint8_t base[NR_BASES];

    *from = rig_hart;
    hart_reset(from);
    atomic_store(&from->alone, pick(2));
    from->pc = RIG_TEXT;
    for (int r = 1; r < 32; r++) {
        from->x[r] = value();
        from->f[r] = pick(2) ? value() : value() | (uint64_t)UINT32_MAX << 32;
    }
    for (int b = 0; b < NR_BASES; b++) {
        base[b] = (uint8_t)(1 + pick(31));
        from->x[base[b]] = RIG_DATA + 512 + (uint64_t)8 * pick(512);
    }
    for (unsigned k = 0; k < INSNS;) {
        struct insn some[2 * PIECES_MAX];
        unsigned n = some_insns(some, INSNS - k, base);

        for (unsigned m = 0; m < n; m++)
            text[k++] = insn_encode(&some[m]);
    }
    text[INSNS] = RIG_ECALL;
    rig_code(RIG_TEXT, text, INSNS + 1);
    for (size_t k = 0; k < 2 * PAGE_BYTES; k += 8)
        memcpy(data + k, &(uint64_t){ value() }, 8);
}

static struct hart run(enum engine_exit (*engine)(struct hart *), const struct hart *from,
                       const uint8_t *data, uint8_t *after)
{
    struct hart_jit jit = rig_hart.jit;
    void *interp = rig_hart.interp;

    memcpy(&rig_hart, from, offsetof(struct hart, target));
    rig_hart.jit = jit;
    rig_hart.interp = interp;
    memset(rig_at(RIG_TEXT), 0, PAGE_BYTES);
    rig_code(RIG_TEXT, text, INSNS + 1);
    memcpy(rig_at(RIG_DATA), data, 2 * PAGE_BYTES);
    ck_assert_int_eq(engine(&rig_hart), ENGINE_TRAP);
    memcpy(after, rig_at(RIG_DATA), 2 * PAGE_BYTES);
    return rig_hart;
}

static void take(enum flavour f)
{
    rig_hart.jit.options = f == HARDENED ? JIT_HARDEN_SPECTRE : 0;
    if (f == BASELINE)
        jit_baseline(&rig_hart);
}

START_TEST(engines_agree)
{
    static uint8_t data[2 * PAGE_BYTES], by_interp[2 * PAGE_BYTES], by_jit[2 * PAGE_BYTES];

    seed = 0x6e6f6168 + (uint64_t)_i;
    take(flavour[_i]);
    for (int n = 0; n < PROGRAMS; n++) {
        struct hart from, a, b;

        generate(&from, data);
        rig_new_code();
        a = run(interp_run, &from, data, by_interp);
        if (memcmp(rig_at(RIG_TEXT), text, sizeof text) != 0)
            continue; /* which instruction sees that when is nobody's promise */
        b = run(jit_run, &from, data, by_jit);
        for (int r = 0; r < 32; r++) {
            ck_assert_msg(a.x[r] == b.x[r], "program %d: x%d", n, r);
            ck_assert_msg(a.f[r] == b.f[r], "program %d: f%d", n, r);
        }
        ck_assert_msg(a.pc == b.pc && a.fcsr == b.fcsr, "program %d: pc or fcsr", n);
        ck_assert_msg(a.trap.scause == b.trap.scause && a.trap.stval == b.trap.stval, "program %d: trap", n);
        ck_assert_msg(memcmp(by_interp, by_jit, sizeof by_jit) == 0, "program %d: memory", n);
    }
}
END_TEST

/* --- What the host code is made of ------------------------------------------------------------------------ */

typedef void (*look_fn)(csh cs, const cs_insn *i);

/* Translates the block at RIG_TEXT, and shows each of its host instructions. */
static void look_at_block(look_fn look)
{
    const struct jit *j = rig_hart.jit.state;
    const struct jit_mark *first, *last;
    size_t left, marks = j->nr_marks;
    unsigned epoch = j->epoch;
    const uint8_t *code;
    uint64_t address;
    cs_insn *i;
    csh cs;

    jit_flush(&rig_hart);
    rig_hart.pc = RIG_TEXT;
    ck_assert_ptr_nonnull(jit_block(&rig_hart));
    first = j->mark + (j->epoch == epoch ? marks : 0);
    last = j->mark + j->nr_marks - 1;
    ck_assert(first < last && last->kind == MARK_END);
    code = j->code.rx + first->host;
    left = last->host - first->host;
    address = (uint64_t)(uintptr_t)code;
    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_64, &cs), CS_ERR_OK);
    cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
    i = cs_malloc(cs);
    while (left) {
        ck_assert_msg(cs_disasm_iter(cs, &code, &left, &address, i), "no instruction at %p",
                      (const void *)code);
        look(cs, i);
    }
    cs_free(i, 1);
    cs_close(&cs);
}

/* Marks, which say where a block ends, are kept by a JIT that is made while they are wanted. */
static void look_at_programs(enum flavour f, look_fn look)
{
    static uint8_t data[2 * PAGE_BYTES];

    seed = 0x6d61736b;
    log_set_level(LOG_JIT);
    rig_hart.jit.options = f == HARDENED ? JIT_HARDEN_SPECTRE : 0;
    jit_baseline(&rig_hart);
    log_set_level(LOG_ERROR);
    if (f != BASELINE)
        ((struct jit *)rig_hart.jit.state)->has = (struct jit_host){ true, true, true, true };
    for (int n = 0; n < PROGRAMS; n++) {
        struct hart from;

        generate(&from, data);
        look_at_block(look);
    }
}

static bool masked;   /* rcx holds what the mask has left */
static bool borrowed; /* r15, the window, has been added to that */
static unsigned accesses, newer;

static bool writes_rcx(csh cs, const cs_insn *i)
{
    return cs_reg_write(cs, i, X86_REG_RCX) || cs_reg_write(cs, i, X86_REG_ECX) ||
           cs_reg_write(cs, i, X86_REG_CL) || cs_insn_group(cs, i, X86_GRP_CALL);
}

static bool writes_rcx_operand(const cs_x86_op *op)
{
    return op->type == X86_OP_REG && op->access & CS_AC_WRITE &&
           (op->reg == X86_REG_RCX || op->reg == X86_REG_ECX || op->reg == X86_REG_CL);
}

/* r15 changes in two ways only: by a masked address, and back. */
static void look_for_window(csh cs, const cs_insn *i)
{
    const cs_x86_op *op = i->detail->x86.operands;

    if (i->detail->x86.op_count == 0 || op[0].type != X86_OP_REG || op[0].reg != X86_REG_R15 ||
        !(op[0].access & CS_AC_WRITE)) {
        ck_assert(!cs_reg_write(cs, i, X86_REG_R15));
        return;
    }
    if (i->id == X86_INS_ADD) {
        ck_assert_msg(!borrowed && masked && op[1].reg == X86_REG_RCX, "%s %s", i->mnemonic, i->op_str);
        borrowed = true;
    } else {
        ck_assert_msg(borrowed && i->id == X86_INS_MOV && op[1].mem.base == X86_REG_RBP &&
                          op[1].mem.disp == gen_hart(offsetof(struct hart, window)).disp,
                      "%s %s", i->mnemonic, i->op_str);
        borrowed = false;
    }
}

static void look_for_mask(csh cs, const cs_insn *i)
{
    const struct jit *j = rig_hart.jit.state;
    bool wrote = writes_rcx(cs, i), is_mask = false;

    look_for_window(cs, i);
    for (unsigned k = 0; k < i->detail->x86.op_count; k++) {
        const cs_x86_op *op = &i->detail->x86.operands[k];

        wrote |= writes_rcx_operand(op);
        if (op->type != X86_OP_MEM || i->id == X86_INS_LEA)
            continue;
        is_mask |= i->id == X86_INS_AND && op->mem.base == X86_REG_RIP &&
                   i->address + i->size + (uint64_t)op->mem.disp == (uint64_t)(uintptr_t)j->k_mask;
        if (op->mem.base == X86_REG_R15) {
            accesses++;
            ck_assert_msg(borrowed ? op->mem.index == X86_REG_INVALID
                                   : masked && op->mem.index == X86_REG_RCX && op->mem.scale == 1,
                          "%s %s without a mask", i->mnemonic, i->op_str);
            ck_assert_int_lt(op->mem.disp < 0 ? -op->mem.disp : op->mem.disp, 4096);
        } else if (op->mem.base ==
                   X86_REG_RCX) { /* our own tables: flags by MXCSR's low six bits, classes of numbers */
            ck_assert_msg(i->id == X86_INS_MOVZX && op->mem.index == X86_REG_RAX, "%s %s", i->mnemonic,
                          i->op_str);
        } else {
            ck_assert_msg(op->mem.index == X86_REG_INVALID &&
                              (op->mem.base == X86_REG_RBP || op->mem.base == X86_REG_RSP ||
                               op->mem.base == X86_REG_RIP),
                          "%s %s", i->mnemonic, i->op_str);
        }
    }
    if (wrote || is_mask)
        masked = is_mask && i->detail->x86.operands[0].reg == X86_REG_RCX;
}

START_TEST(every_access_is_masked)
{
    masked = borrowed = false;
    accesses = 0;
    look_at_programs(HARDENED, look_for_mask);
    ck_assert_uint_gt(accesses, PROGRAMS);
}
END_TEST

/* Counts what is not x86-64-v1: the groups of capstone, and the counts, which it has in none. */
static void look_for_newer(csh cs, const cs_insn *i)
{
    static const unsigned group[] = { X86_GRP_AVX,  X86_GRP_AVX2,  X86_GRP_BMI,   X86_GRP_BMI2,
                                      X86_GRP_FMA,  X86_GRP_SSE41, X86_GRP_SSE42, X86_GRP_SSSE3,
                                      X86_GRP_SSE3, X86_GRP_PCLMUL };
    bool is_newer =
        i->id == X86_INS_LZCNT || i->id == X86_INS_TZCNT || i->id == X86_INS_POPCNT || i->id == X86_INS_MOVBE;

    for (size_t k = 0; k < ARRAY_SIZE(group); k++)
        is_newer |= cs_insn_group(cs, i, group[k]);
    newer += is_newer;
}

START_TEST(old_hosts_get_old_instructions)
{
    newer = 0;
    look_at_programs(BASELINE, look_for_newer);
    ck_assert_uint_eq(newer, 0);
    jit_free(&rig_hart);
    look_at_programs(PLAIN, look_for_newer);
    ck_assert_uint_gt(newer, PROGRAMS);
}
END_TEST

static void teardown(void)
{
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("random");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_loop_test(tc, engines_agree, 0, (int)ARRAY_SIZE(flavour));
    tcase_add_test(tc, every_access_is_masked);
    tcase_add_test(tc, old_hosts_get_old_instructions);
    return rig_main(tc, "jit_random");
}
