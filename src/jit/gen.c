/*
 * From one decoded instruction to host code: the generators' common ground, memory, control flow. Each generator
 * computes into the guest register's home, or into rax when that is memory.
 *
 * Between the first write to a home and the end of an instruction nothing may fault: loads write their
 * destination last.
 */
#include "jit/gen.h"

#include <string.h>

#include "hart/csr.h"

/* --- Operands ------------------------------------------------------------------------------------------ */

/* rax or rcx has the value of x `reg`, whose home is memory. */
static void hold(struct gen *g, int reg, int scratch)
{
    if (scratch > RCX || reg == 0)
        return;
    g->held[scratch] = (uint8_t)reg;
    g->e.written &= ~((uint32_t)1 << scratch);
}

static bool holds(const struct gen *g, int scratch, int reg)
{
    return g->held[scratch] == reg && !(g->e.written >> scratch & 1);
}

void gen_join(struct gen *g)
{
    g->held[RAX] = g->held[RCX] = 0;
}

int gen_found(const struct gen *g, int reg)
{
    if (jit_home[reg] >= 0)
        return jit_home[reg];
    if (reg == 0)
        return -1;
    return holds(g, RAX, reg) ? RAX : holds(g, RCX, reg) ? RCX : -1;
}

int gen_src(struct gen *g, int reg, int scratch)
{
    int found = gen_found(g, reg);

    if (jit_home[reg] >= 0)
        return found;
    if (reg == 0) {
        x64_mov_ri(&g->e, scratch, 0);
        return scratch;
    }
    if (scratch <= RCX && holds(g, scratch, reg))
        return scratch;
    if (found >= 0)
        x64_mov_rr(&g->e, true, scratch, found);
    else
        x64_mov_rm(&g->e, true, scratch, JIT_X(reg));
    hold(g, reg, scratch);
    return scratch;
}

int gen_dst(int reg)
{
    return jit_home[reg] >= 0 ? jit_home[reg] : RAX;
}

void gen_wrote(struct gen *g, int reg)
{
    uint32_t bit = (uint32_t)1 << reg & ~(uint32_t)1; /* of x0 all is known for ever */

    g->now.checked &= ~bit;
    g->now.word &= ~bit;
    g->now.dirty_w &= ~bit;
    if (g->lazy.regs & bit)
        g->lazy_noted = 0;
    g->lazy.regs &= ~bit;
    if (reg == g->flags_rd)
        g->flags_rd = 0;
    for (int scratch = RAX; scratch <= RCX; scratch++)
        if (g->held[scratch] == reg)
            g->held[scratch] = 0;
}

void gen_put(struct gen *g, int reg, int host)
{
    gen_wrote(g, reg);
    if (jit_home[reg] >= 0 || reg == 0)
        return;
    x64_mov_mr(&g->e, 64, JIT_X(reg), host);
    hold(g, reg, host);
}

struct cold *gen_cold(struct gen *g, uint8_t *field)
{
    struct cold *c = &g->cold[g->nr_cold++ % ARRAY_SIZE(g->cold)];

    *c = (struct cold){ .field = field, .pc = g->pc, .at = g->now, .lazy = g->lazy, .flags_rd = g->flags_rd };
    return c;
}

void gen_resume(struct gen *g, struct cold *c)
{
    c->resume = g->e.at;
    gen_join(g);
}

/* What waits now, noted: mostly it is what waited before. */
static uint32_t note_dirt(struct gen *g)
{
    struct jit *j = g->j;
    struct jit_dirt now = { g->now.dirty_d, g->now.dirty_s, g->now.dirty_w, gen_note_lazy(g) };

    if (!(now.dirty_d | now.dirty_s | now.dirty_w | now.lazy))
        return 0;
    if (memcmp(&now, &j->dirt[j->nr_dirt - 1], sizeof now) != 0)
        j->dirt[j->nr_dirt++] = now;
    return (uint32_t)j->nr_dirt - 1;
}

void gen_site(struct gen *g, enum jit_exit kind)
{
    struct jit *j = g->j;

    j->site[j->nr_sites++] = (struct jit_site){ .host = (uint32_t)(g->e.at - j->code.rw),
                                                .dirt = note_dirt(g),
                                                .what = g->pc << 8 | kind };
}

/* --- What waits to be made visible ------------------------------------------------------------------------ */

void gen_clean_x(struct gen *g, uint32_t regs)
{
    uint32_t w = g->now.dirty_w & regs;

    gen_make(g, regs);
    for (int r = 0; w; r++, w >>= 1)
        if (w & 1)
            x64_movsxd_rr(&g->e, jit_home[r], jit_home[r]);
    g->now.dirty_w &= ~regs;
}

void gen_clean(struct gen *g)
{
    gen_clean_x(g, ~(uint32_t)0);
    gen_clean_f(g, ~(uint32_t)0);
}

/* --- Calls of bodies ------------------------------------------------------------------------------------- */

static uint32_t new_call(struct gen *g, const struct insn *i, uint64_t pc)
{
    g->j->call[g->j->nr_calls] = (struct jit_call){ *i, pc };
    return (uint32_t)g->j->nr_calls++;
}

/* Does `i` by its body; a body that does not simply go on leaves generated code from there. */
void gen_body(struct gen *g, const struct insn *i, uint64_t pc)
{
    x64_mov_ri(&g->e, RAX, new_call(g, i, pc));
    x64_link(x64_call(&g->e), code_rw(&g->j->code, g->j->callop));
}

void gen_callop(struct gen *g, const struct insn *i)
{
    gen_clean(g);
    gen_body(g, i, g->pc);
    gen_wrote(g, i->rd);
    g->now.boxed &= ~((uint32_t)1 << i->rd);
}

/* A constant below the limit needs no comparison later. */
static void mark_const(struct gen *g, int rd, uint64_t v)
{
    uint32_t bit = (uint32_t)1 << rd;

    if (v < g->h->limit)
        g->now.checked |= bit;
    if ((int64_t)v == (int32_t)v)
        g->now.word |= bit;
}

void gen_const(struct gen *g, int rd, uint64_t v)
{
    int d = gen_dst(rd);

    if (jit_home[rd] < 0 && (int64_t)v == (int32_t)v) {
        x64_mov_mi(&g->e, 64, JIT_X(rd), (int32_t)v);
        gen_wrote(g, rd);
        mark_const(g, rd, v);
        return;
    }
    x64_mov_ri(&g->e, d, v);
    gen_put(g, rd, d);
    mark_const(g, rd, v);
}

/* --- Control flow ----------------------------------------------------------------------------------------- */

void gen_set_pc(struct gen *g, uint64_t pc)
{
    if ((int64_t)pc == (int32_t)pc) {
        x64_mov_mi(&g->e, 64, HART(pc), (int32_t)pc);
    } else {
        x64_mov_ri(&g->e, RAX, pc);
        x64_mov_mr(&g->e, 64, HART(pc), RAX);
    }
}

void gen_leave(struct gen *g, enum jit_exit why)
{
    x64_mov_ri(&g->e, RAX, why);
    x64_link(x64_jmp(&g->e), code_rw(&g->j->code, g->j->exit));
}

/* The field leads to the code of guest `target`: at once if there is some, else through an edge. */
void gen_goto(struct gen *g, uint8_t *field, uint64_t target)
{
    struct cold *c = gen_cold(g, field);

    c->kind = COLD_EDGE;
    c->pc = target;
}

uint8_t *gen_jmp(struct gen *g)
{
    if (g->j->shared)
        x64_pad(&g->e, 1);
    return x64_jmp(&g->e);
}

uint8_t *gen_jcc(struct gen *g, enum x64_cc cc)
{
    if (g->j->shared)
        x64_pad(&g->e, 2);
    return x64_jcc(&g->e, cc);
}

static uint8_t *gen_call(struct gen *g)
{
    if (g->j->shared)
        x64_pad(&g->e, 1);
    return x64_call(&g->e);
}

/* Asks whether the hart is to stop. */
static void gen_poll(struct gen *g)
{
    gen_site(g, JIT_KICK);
    x64_alu_rm(&g->e, X64_CMP, false, RAX, HART(poll));
}

void gen_count(struct gen *g)
{
    x64_alu_mi(&g->e, X64_ADD, true, HART(instret), 1);
}

/*
 * Before a row that leaves the straight path: a poll, and its count. Every endless path has a transfer backwards. Paths
 * of calls and returns alone are as good as endless when each call makes two more, so calls are polls too.
 */
static void gen_depart(struct gen *g, uint64_t target, bool call)
{
    if (call || target <= g->pc)
        gen_poll(g);
    if (g->h->counting)
        gen_count(g);
}

/* A transfer back to where this translation began: with what is known here, the loop's second copy is entered. */
static void gen_back(struct gen *g, uint8_t *field)
{
    gen_goto(g, field, g->start);
    g->cold[g->nr_cold - 1].kind = COLD_LOOP;
    /*
     * Nothing was known when the first copy was entered: what it has checked here has been compared in this very round,
     * or is a few additions from what was. The second copy does not compare it but has the same accesses, each of
     * which faults if it leaves the window, and no round adds as much as a guard is wide. Masks know no guards.
     */
    if (g->j->harden)
        g->cold[g->nr_cold - 1].at.checked = 0;
}

/* Before a transfer to `target`, where a second copy of the loop expects fewer registers dirty than there are. */
static void gen_clean_for(struct gen *g, uint64_t target)
{
    if (!g->looping || target != g->start)
        return;
    gen_clean_x(g, ~g->loop.dirty_w);
    gen_clean_f(g, ~(g->loop.dirty_d | g->loop.dirty_s));
}

static void gen_compare(struct gen *g, const struct insn *i)
{
    bool wide = (g->now.word >> i->rs1 & g->now.word >> i->rs2 & 1) == 0;
    int a;

    if (wide)
        gen_clean_x(g, (uint32_t)1 << i->rs1 | (uint32_t)1 << i->rs2);
    a = gen_src(g, i->rs1, RAX);
    if (i->rs2 == 0)
        x64_test_rr(&g->e, wide, a, a);
    else if (gen_found(g, i->rs2) >= 0)
        x64_alu_rr(&g->e, X64_CMP, wide, a, gen_found(g, i->rs2));
    else
        x64_alu_rm(&g->e, X64_CMP, wide, a, JIT_X(i->rs2));
}

void gen_branch(struct gen *g, const struct insn *i, enum x64_cc cc)
{
    uint64_t target = g->pc + (uint64_t)(int64_t)i->imm;

    gen_depart(g, target, false);
    gen_clean_for(g, target);
    if (g->zf_pc != g->pc || g->zf != i->rs1 || i->rs2 != 0 || cc > X64_NE || cc < X64_E || target <= g->pc ||
        g->h->counting)
        gen_compare(g, i);
    if (target == g->start)
        gen_back(g, gen_jcc(g, cc));
    else
        gen_goto(g, gen_jcc(g, cc), target);
}

/* Behind a paired call: the guest's return address must be the one that the call put there. */
static void gen_landing(struct gen *g, uint64_t next)
{
    if ((int64_t)next == (int32_t)next) {
        x64_alu_mi(&g->e, X64_CMP, true, JIT_X(1), (int32_t)next);
    } else {
        x64_mov_ri(&g->e, RAX, next);
        x64_alu_rm(&g->e, X64_CMP, true, RAX, JIT_X(1));
    }
    x64_link(x64_jcc(&g->e, X64_NE), code_rw(&g->j->code, g->j->retmiss));
    g->now = (struct facts){ .word = 1 };
    gen_join(g);
}

void gen_jal(struct gen *g, const struct insn *i)
{
    uint64_t target = g->pc + (uint64_t)(int64_t)i->imm, next = g->pc + i->len;

    gen_depart(g, target, i->rd == 1);
    if (i->rd == 0 && target == g->start) {
        gen_clean_for(g, target);
        gen_back(g, gen_jmp(g));
        g->ended = true;
        return;
    }
    gen_clean(g);
    if (i->rd != 0)
        gen_const(g, i->rd, next);
    if (i->rd == 1) {
        gen_goto(g, gen_call(g), target);
        gen_landing(g, next);
        return;
    }
    gen_goto(g, gen_jmp(g), target);
    g->ended = true;
}

void gen_jalr(struct gen *g, const struct insn *i)
{
    uint64_t next = g->pc + i->len;
    struct cold *c;
    int a;

    if (g->h->counting)
        gen_count(g);
    if (i->rd == 0 && i->rs1 == 1 && i->imm == 0) { /* ret: whoever is at the top of the stack checks ra */
        x64_ret(&g->e);
        g->ended = true;
        return;
    }
    a = gen_src(g, i->rs1, RCX);
    if (a != RCX && !i->imm)
        x64_mov_rr(&g->e, true, RCX, a);
    else if (i->imm)
        x64_lea(&g->e, true, RCX, x64_at(a, i->imm));
    if (i->rd != 0)
        gen_const(g, i->rd, next);
    if (i->rd == 1) {
        c = gen_cold(g, gen_find_target(&g->e, g->j));
        c->kind = COLD_MISS;
        gen_to_target(&g->e, true);
        gen_resume(g, c);
        gen_landing(g, next);
        return;
    }
    x64_link(gen_find_target(&g->e, g->j), code_rw(&g->j->code, g->j->indirect_miss));
    gen_to_target(&g->e, false);
    g->ended = true;
}

/* To see that the tests of confinement fail then, and to nothing else (tests/run-unchecked.sh). */
#ifndef UNCHECKED
#define UNCHECKED false
#endif

/* --- Memory ------------------------------------------------------------------------------------------------ */

/* A base address without the bits that its bounds check refuses: the host may go on before it knows the answer. Always
 * in rcx, which a generator must not use beside such an address. */
static int gen_masked(struct gen *g, int a)
{
    if (a != RCX)
        x64_mov_rr(&g->e, true, RCX, a);
    x64_alu_rm(&g->e, X64_AND, true, RCX, x64_rip(code_rw(&g->j->code, g->j->k_mask)));
    return RCX;
}

struct x64_mem gen_addr(struct gen *g, const struct insn *i)
{
    int a = gen_src(g, i->rs1, RCX);

    if (!UNCHECKED && !(g->now.checked >> i->rs1 & 1)) { /* the guards absorb the displacement */
        x64_alu_rm(&g->e, X64_CMP, true, a, HART(limit));
        gen_cold(g, x64_jcc(&g->e, X64_AE))->kind = COLD_REPLAY;
        g->now.checked |= (uint32_t)1 << i->rs1;
    }
    if (g->j->harden)
        a = gen_masked(g, a);
    return x64_at2(R15, a, 0, i->imm);
}

/* ld of a spilled word: rcx is free beside sp. */
static void gen_load_halves(struct gen *g, const struct insn *i, struct x64_mem m)
{
    struct x64_mem high = m;
    int d = gen_dst(i->rd);

    high.disp += 4;
    gen_site(g, JIT_REPLAY);
    x64_mov_rm(&g->e, false, RCX, high);
    x64_shift_ri(&g->e, X64_SHL, true, RCX, 32);
    gen_site(g, JIT_REPLAY);
    x64_mov_rm(&g->e, false, d, m);
    x64_alu_rr(&g->e, X64_OR, true, d, RCX);
    gen_put(g, i->rd, d);
}

void gen_load(struct gen *g, const struct insn *i)
{
    struct x64_mem m = gen_addr(g, i);
    int d = gen_dst(i->rd);

    if (gen_is_word_slot(g, i)) {
        gen_load_halves(g, i, m);
        return;
    }
    gen_site(g, JIT_REPLAY);
    switch (i->op) {
    case OP_lb:
        x64_0f_rm(&g->e, X64_MOVSX8, true, d, m);
        break;
    case OP_lh:
        x64_0f_rm(&g->e, X64_MOVSX16, true, d, m);
        break;
    case OP_lw:
        x64_movsxd_rm(&g->e, d, m);
        break;
    case OP_ld:
        x64_mov_rm(&g->e, true, d, m);
        break;
    case OP_lbu:
        x64_0f_rm(&g->e, X64_MOVZX8, false, d, m);
        break;
    case OP_lhu:
        x64_0f_rm(&g->e, X64_MOVZX16, false, d, m);
        break;
    default: /* lwu */
        x64_mov_rm(&g->e, false, d, m);
        break;
    }
    gen_put(g, i->rd, d);
}

void gen_store(struct gen *g, const struct insn *i, unsigned bits)
{
    struct x64_mem m = gen_addr(g, i);
    int v;

    if (i->rs2 == 0) {
        gen_site(g, JIT_REPLAY);
        x64_mov_mi(&g->e, bits, m, 0);
        return;
    }
    v = gen_src(g, i->rs2, RAX);
    gen_site(g, JIT_REPLAY);
    x64_mov_mr(&g->e, bits, m, v);
}

/* Only writes to main memory that a later read must not pass need an instruction on a TSO host. */
void gen_fence(struct gen *g, const struct insn *i)
{
    if ((i->imm >> 4 & 1) && (i->imm & 2)) {
        x64_lock(&g->e);
        x64_alu_mi(&g->e, X64_OR, false, x64_at(RSP, -64), 0);
    }
}

void gen_ecall(struct gen *g, const struct insn *i)
{
    gen_set_pc(g, g->pc);
    g->ended = true;
    if (g->h->counting || g->h->jit.apart) {
        gen_leave(g, JIT_ECALL);
        return;
    }
    x64_link(x64_call(&g->e), code_rw(&g->j->code, g->j->ecall));
    gen_goto(g, gen_jmp(g), g->pc + i->len);
}

/* --- The instruction ------------------------------------------------------------------------------------------ */

bool jit_wants_count(const struct hart *h, const struct insn *i)
{
    uint8_t fmt = insn_desc[i->op].fmt;

    return !h->counting && (fmt == FMT_CSR || fmt == FMT_CSRI) &&
           (i->imm == CSR_cycle || i->imm == CSR_instret);
}

/* slli by 1 to 3 and add into the same register: an address. */
static bool gen_scaled_add(struct gen *g, const struct insn *a, const struct insn *b)
{
    int other = b->rs1 == a->rd ? b->rs2 : b->rs1, s, t, d;

    if (other == a->rd || (b->rs1 != a->rd && b->rs2 != a->rd))
        return false;
    gen_clean_x(g, (uint32_t)1 << a->rs1 | (uint32_t)1 << other);
    s = gen_src(g, a->rs1, RAX);
    t = gen_src(g, other, RCX);
    d = gen_dst(a->rd);
    x64_lea(&g->e, true, d, x64_at2(t, s, a->imm, 0));
    gen_put(g, a->rd, d);
    return true;
}

/* slli by 32 or 48 and srli of the result by at least as much: a zero extension. lui or auipc and addi: a constant. */
static bool gen_pair(struct gen *g, const struct insn *a, const struct insn *b)
{
    int s, d;

    if (!a->rd || a->rd != b->rd)
        return false;
    if (a->op == OP_slli && b->op == OP_add && a->imm <= 3)
        return gen_scaled_add(g, a, b);
    if (a->rd != b->rs1)
        return false;
    if ((a->op == OP_lui || a->op == OP_auipc) &&
        (b->op == OP_addi || (b->op == OP_addiw && a->op == OP_lui))) {
        uint64_t v = (a->op == OP_auipc ? g->pc : 0) + (uint64_t)(int64_t)a->imm + (uint64_t)(int64_t)b->imm;

        gen_const(g, a->rd, b->op == OP_addiw ? (uint64_t)(int32_t)(uint32_t)v : v);
        return true;
    }
    if (a->op != OP_slli || b->op != OP_srli || a->imm != 32 || b->imm < 32)
        return false;
    s = gen_src(g, a->rs1, RAX);
    d = gen_dst(a->rd);
    x64_mov_rr(&g->e, false, d, s);
    if (b->imm > 32)
        x64_shift_ri(&g->e, X64_SHR, false, d, (unsigned)b->imm - 32);
    gen_put(g, a->rd, d);
    if (b->imm > 32)
        g->now.word |= (uint32_t)1 << a->rd;
    return true;
}

bool gen_may_fuse(const struct insn *i)
{
    return i->op == OP_lui || i->op == OP_auipc || i->op == OP_slli || i->op == OP_csrrs;
}

/* What the host does better as one: the number of instructions taken, or 0. i[] ends with OP_ILLEGAL ones. */
unsigned gen_fused_insns(struct gen *g, const struct insn i[3])
{
    if (gen_pair(g, &i[0], &i[1]))
        return 2;
    return gen_quiet_compare(g, i) ? 3 : 0;
}

/* The x registers that a row reads, as bits. */
uint32_t gen_reads(const struct insn *i)
{
    uint32_t rs1 = (uint32_t)1 << i->rs1, rs2 = (uint32_t)1 << i->rs2;

    switch (insn_desc[i->op].fmt) {
    case FMT_R:
    case FMT_S:
    case FMT_B:
    case FMT_AMO:
        return rs1 | rs2;
    case FMT_R1:
    case FMT_I:
    case FMT_LD:
    case FMT_SH:
    case FMT_SHW:
    case FMT_JALR:
    case FMT_LR:
    case FMT_CSR:
    case FMT_FLD:
    case FMT_FST:
    case FMT_X2F:
    case FMT_X2FRM:
        return rs1;
    default:
        return 0;
    }
}

/*
 * Makes clean what the row looks at. Rows that look at low words only need nothing; the rest of a word is what it would
 * be after and, or and xor of words, so these leave it for later too.
 */
static void prepare_operands(struct gen *g, const struct insn *i)
{
    uint32_t in = gen_reads(i);

    gen_make(g, in);
    g->narrow = false;
    g->words = (g->now.word & in) == in;
    switch (i->op) {
    case OP_and:
    case OP_or:
    case OP_xor:
    case OP_andi:
    case OP_ori:
    case OP_xori:
        g->narrow = g->words && (g->now.dirty_w & in) && jit_home[i->rd] >= 0;
        break;
    case OP_add: /* c.mv */
        g->narrow = i->rs1 == 0 && jit_home[i->rd] >= 0 && jit_home[i->rs2] >= 0;
        break;
    case OP_slt:
    case OP_sltu:
    case OP_slti:
    case OP_sltiu: /* compared as words */
        if (g->words)
            return;
        break;
    case OP_sb:
    case OP_sh:
    case OP_sw:
        in = (uint32_t)1 << i->rs1;
        break;
    case OP_jal:
        return; /* sees to it itself */
    default:
        if (insn_desc[i->op].fmt == FMT_B)
            return;
        if (insn_desc[i->op].flags & INSN_ENDS)
            gen_clean(g);
        break;
    }
    if (!g->narrow && !(insn_desc[i->op].flags & INSN_LOW))
        gen_clean_x(g, in);
}

void gen_insn(struct gen *g, const struct insn *i)
{
    if (jit_wants_count(g->h, i)) {
        gen_clean(g);
        gen_set_pc(g, g->pc);
        gen_leave(g, JIT_COUNT);
        g->ended = true;
        return;
    }
    if (i->op == OP_ILLEGAL) {
        gen_callop(g, i);
        g->ended = true;
        return;
    }
    if (i->rd == 0 && insn_only_writes_x(i))
        return;
    prepare_operands(g, i);
    if (insn_desc[i->op].ext == EXT_F || insn_desc[i->op].ext == EXT_D)
        g->h->jit.fp_used = 1; /* registers are in the hart now; from the next entry on they are loaded */
    gen_row[i->op](g, i);
    if (i->rd != 0 && (insn_desc[i->op].flags & INSN_WORD))
        g->now.word |= (uint32_t)1 << i->rd;
}
