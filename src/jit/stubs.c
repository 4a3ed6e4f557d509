/*
 * The fixed pieces of generated code: into and out of it, calls of instruction bodies, indirect jumps, and the
 * constants. Emitted once at the start of the code memory.
 */
#include <string.h>

#include "hart/fpu.h"
#include "jit/internal.h"

const int8_t jit_home[32] = {
    [0] = -1,   [1] = -1,   [2] = R8,   [3] = -1,   [4] = -1,  [5] = -1,   [6] = -1,   [7] = -1,
    [8] = R11,  [9] = R12,  [10] = RDI, [11] = R10, [12] = R9, [13] = RDX, [14] = RSI, [15] = RBX,
    [16] = R14, [17] = R13, [18] = -1,  [19] = -1,  [20] = -1, [21] = -1,  [22] = -1,  [23] = -1,
    [24] = -1,  [25] = -1,  [26] = -1,  [27] = -1,  [28] = -1, [29] = -1,  [30] = -1,  [31] = -1,
};

/* fa5 fa4 fa0 fa1 fa2 fa3 fa6 fa7 ft0 ft1 ft2 fs0 fs1 fs2 in xmm0..xmm13: arguments and temporaries first, then what
 * loops with calls in them keep. */
const int8_t jit_fhome[32] = {
    [0] = 8,   [1] = 9,   [2] = 10,  [3] = -1,  [4] = -1,  [5] = -1,  [6] = -1,  [7] = -1,
    [8] = 11,  [9] = 12,  [10] = 2,  [11] = 3,  [12] = 4,  [13] = 5,  [14] = 1,  [15] = 0,
    [16] = 6,  [17] = 7,  [18] = 13, [19] = -1, [20] = -1, [21] = -1, [22] = -1, [23] = -1,
    [24] = -1, [25] = -1, [26] = -1, [27] = -1, [28] = -1, [29] = -1, [30] = -1, [31] = -1,
};

struct x64_mem gen_hart(size_t offset)
{
    return x64_at(RBP, (int32_t)offset - 128);
}

/* Floating point is saved and loaded only once the guest has shown that it uses any. */
static uint8_t *unless_fp(struct x64 *e)
{
    x64_alu_mi(e, X64_CMP, false, HART(jit.fp_used), 0);
    return x64_jcc(e, X64_E);
}

static void spill(struct x64 *e)
{
    uint8_t *skip;

    for (int r = 1; r < 32; r++)
        if (jit_home[r] >= 0)
            x64_mov_mr(e, 64, JIT_X(r), jit_home[r]);
    skip = unless_fp(e);
    for (int r = 0; r < 32; r++)
        if (jit_fhome[r] >= 0)
            x64_0f_rm(e, X64_MOVSD_STORE, false, jit_fhome[r], JIT_F(r));
    x64_stmxcsr(e, HART(jit.mxcsr));
    x64_ldmxcsr(e, HART(jit.host_mxcsr));
    x64_link(skip, e->at);
}

static void fill(struct x64 *e)
{
    uint8_t *skip;

    for (int r = 1; r < 32; r++)
        if (jit_home[r] >= 0)
            x64_mov_rm(e, true, jit_home[r], JIT_X(r));
    skip = unless_fp(e);
    x64_ldmxcsr(e, HART(jit.mxcsr));
    for (int r = 0; r < 32; r++)
        if (jit_fhome[r] >= 0)
            x64_0f_rm(e, X64_MOVSD_LOAD, false, jit_fhome[r], JIT_F(r));
    x64_link(skip, e->at);
}

static const int saved[] = { RBX, RBP, R12, R13, R14, R15 };

static const uint8_t *here(const struct jit *j, const struct x64 *e)
{
    return code_rx(&j->code, e->at);
}

/* int enter(struct hart *h, const uint8_t *code): entered and left by jumps, with a return address on the stack. */
static void emit_enter(struct jit *j, struct x64 *e)
{
    j->enter = here(j, e);
    for (size_t i = 0; i < 6; i++)
        x64_push(e, saved[i]);
    x64_lea(e, true, RBP, x64_at(RDI, 128));
    x64_mov_rr(e, true, RAX, RSI);
    x64_mov_mr(e, 64, HART(jit.host_rsp), RSP);
    x64_stmxcsr(e, HART(jit.host_mxcsr));
    x64_mov_rm(e, true, RSP, HART(jit.pair_rsp));
    x64_mov_rm(e, true, R15, HART(window));
    fill(e);
    x64_jmp_r(e, RAX);
}

/* Out with eax: an enum jit_exit. At exit_saved the registers are in the hart already. */
static void emit_exit(struct jit *j, struct x64 *e)
{
    j->exit = here(j, e);
    x64_mov_mr(e, 64, HART(jit.pair_rsp), RSP); /* the pairs that wait are good when the guest goes on */
    spill(e);
    j->exit_saved = here(j, e);
    x64_mov_rm(e, true, RSP, HART(jit.host_rsp));
    for (size_t i = 6; i-- > 0;)
        x64_pop(e, saved[i]);
    x64_pop(e, RCX);
    x64_jmp_r(e, RCX); /* jit.c: call_in */
}

/* Reached from cold code, which has pushed the edge, or the pc to replay. */
static void emit_pushed(struct jit *j, struct x64 *e)
{
    j->link = here(j, e);
    x64_pop_m(e, HART(jit.info));
    x64_mov_ri(e, RAX, JIT_LINK);
    x64_link(x64_jmp(e), code_rw(&j->code, j->exit));
    j->replay = here(j, e);
    x64_pop_m(e, HART(pc));
    x64_mov_ri(e, RAX, JIT_REPLAY);
    x64_link(x64_jmp(e), code_rw(&j->code, j->exit));
}

/* eax: index of a struct jit_call. Entered by call, so that the return address is on the pairing stack. */
static void emit_callop(struct jit *j, struct x64 *e)
{
    uint8_t *out;

    j->callop = here(j, e);
    spill(e);
    x64_mov_mr(e, 64, HART(jit.pair_rsp), RSP);
    x64_mov_rm(e, true, RSP, HART(jit.host_rsp));
    x64_alu_ri(e, X64_SUB, true, RSP, 8); /* six pushes and a return address: now aligned */
    x64_lea(e, true, RDI, x64_at(RBP, -128));
    x64_mov_rr(e, false, RSI, RAX);
    x64_mov_ri(e, RAX, (uint64_t)(uintptr_t)jit_callop);
    x64_call_r(e, RAX);
    x64_test_rr(e, false, RAX, RAX);
    out = x64_jcc(e, X64_NE);
    fill(e);
    x64_mov_rm(e, true, RSP, HART(jit.pair_rsp));
    x64_ret(e);
    x64_link(out, e->at);
    x64_alu_mi(e, X64_ADD, true, HART(jit.pair_rsp), 8); /* nobody comes back to this call */
    x64_link(x64_jmp(e), code_rw(&j->code, j->exit_saved));
}

/*
 * An ecall at h->pc, called by generated code: where the guest OS can answer it here, nobody unwinds to the run loop.
 * Back by a jump, since the host's kernel has left the processor nothing to predict a return from.
 */
static void emit_ecall(struct jit *j, struct x64 *e)
{
    uint8_t *none, *out, *trap;

    j->ecall = here(j, e);
    x64_pop_m(e, HART(jit.info));
    x64_mov_mr(e, 64, HART(jit.pair_rsp), RSP);
    spill(e);
    x64_alu_mi(e, X64_CMP, true, HART(answer), 0);
    none = x64_jcc(e, X64_E);
    x64_mov_rm(e, true, RSP, HART(jit.host_rsp));
    x64_alu_ri(e, X64_SUB, true, RSP, 8); /* aligned, as in callop */
    x64_lea(e, true, RDI, x64_at(RBP, -128));
    if (j->shared) {
        x64_mov_ri(e, RAX, (uint64_t)(uintptr_t)harts_answer);
        x64_call_r(e, RAX);
    } else {
        x64_call_m(e, HART(answer));
    }
    x64_test_rr(e, false, RAX, RAX);
    out = x64_jcc(e, X64_NE);
    fill(e);
    x64_mov_rm(e, true, RSP, HART(jit.pair_rsp));
    x64_jmp_m(e, HART(jit.info));
    x64_link(out, e->at);
    x64_alu_ri(e, X64_CMP, false, RAX, ANSWER_TRAP);
    trap = x64_jcc(e, X64_E);
    x64_mov_ri(e, RAX, JIT_KICK);
    x64_link(x64_jmp(e), code_rw(&j->code, j->exit_saved));
    x64_link(none, e->at);
    x64_link(trap, e->at);
    x64_mov_ri(e, RAX, JIT_ECALL);
    x64_link(x64_jmp(e), code_rw(&j->code, j->exit_saved));
}

/* Entries as the host addresses them: at [rbp + 8 * rax]. */
static struct x64_mem target_field(size_t field)
{
    struct x64_mem m = HART(target);

    return x64_at2(m.base, RAX, 3, m.disp + (int32_t)field);
}

uint8_t *gen_find_target(struct x64 *e, struct jit *j)
{
    _Static_assert(sizeof(struct hart_target) == 16, "the index below is a pc, even, times 8");
    j->site[j->nr_sites++] =
        (struct jit_site){ .host = (uint32_t)(e->at - j->code.rw), .what = JIT_INDIRECT };
    x64_alu_rm(e, X64_CMP, false, RAX, HART(poll));
    x64_mov_rr(e, false, RAX, RCX);
    x64_alu_ri(e, X64_AND, false, RAX, (HART_TARGETS - 1) << 1);
    x64_alu_mr(e, X64_CMP, true, target_field(offsetof(struct hart_target, pc)), RCX);
    return x64_jcc(e, X64_NE);
}

void gen_to_target(struct x64 *e, bool call)
{
    struct x64_mem m = target_field(offsetof(struct hart_target, code));

    if (call)
        x64_call_m(e, m);
    else
        x64_jmp_m(e, m);
}

/* rcx is not in target[]. A target may be odd here: bit 0 goes when the pc is set (2.5.1, JALR). */
static void emit_indirect_miss(struct jit *j, struct x64 *e)
{
    uint8_t *miss;

    j->indirect_miss = here(j, e);
    x64_mov_rr(e, false, RAX, RCX);
    x64_shift_ri(e, X64_SHR, false, RAX, 12);
    x64_alu_rr(e, X64_XOR, false, RAX, RCX);
    x64_alu_ri(e, X64_AND, false, RAX, (JIT_VICTIMS - 1) << 1);
    x64_shift_ri(e, X64_SHL, false, RAX, 3);
    x64_alu_rm(e, X64_ADD, true, RAX, HART(jit.victim));
    x64_alu_mr(e, X64_CMP, true, x64_at(RAX, 0), RCX);
    miss = x64_jcc(e, X64_NE);
    x64_jmp_m(e, x64_at(RAX, 8));
    x64_link(miss, e->at);
    x64_alu_ri(e, X64_AND, true, RCX, -2);
    x64_mov_mr(e, 64, HART(pc), RCX);
    x64_mov_ri(e, RAX, JIT_INDIRECT);
    x64_link(x64_jmp(e), code_rw(&j->code, j->exit));
}

/* Returns that were not paired. */
static void emit_retmiss(struct jit *j, struct x64 *e)
{
    j->sentinel = here(j, e);
    x64_mov_rm(e, true, RSP, HART(jit.pair_top)); /* the bottom again, with the sentinel on it */
    j->retmiss = here(j, e);
    x64_mov_rm(e, true, RCX, JIT_X(1));
    x64_link(gen_find_target(e, j), code_rw(&j->code, j->indirect_miss));
    gen_to_target(e, false);
}

static const uint8_t *constant(struct jit *j, struct x64 *e, uint64_t low)
{
    const uint8_t *at = here(j, e);

    x64_u32(e, (uint32_t)low);
    x64_u32(e, (uint32_t)(low >> 32));
    x64_u32(e, 0);
    x64_u32(e, 0);
    return at;
}

/* MXCSR's IE DE ZE OE UE PE, bits 0 to 5, as NV DZ OF UF NX, bits 4 to 0. */
static const uint8_t *flag_table(struct jit *j, struct x64 *e)
{
    const uint8_t *at = here(j, e);

    for (unsigned m = 0; m < 64; m++)
        x64_byte(e, (m & 1) << 4 | (m >> 2 & 1) << 3 | (m >> 3 & 1) << 2 | (m >> 4 & 1) << 1 | (m >> 5 & 1));
    return at;
}

/*
 * Where the kinds of number begin, as magnitudes shifted left by one: subnormal, normal, infinite, signaling NaN, quiet
 * NaN. Behind them the result of FCLASS by kind, zero first: six for positive numbers, six for negative ones.
 */
static void class_tables(struct jit *j, struct x64 *e)
{
    static const uint64_t rank_d[] = { 1, UINT64_C(1) << 53, UINT64_C(0x7ff) << 53,
                                       (UINT64_C(0x7ff) << 53) + 1, UINT64_C(0xfff) << 52 };
    static const uint32_t rank_s[] = { 1, 1u << 24, 0xffu << 24, (0xffu << 24) + 1, 0x1ffu << 23 };
    static const uint16_t class[] = { 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9,
                                      1 << 3, 1 << 2, 1 << 1, 1 << 0, 1 << 8, 1 << 9 };

    j->k_rank_d = here(j, e);
    for (size_t k = 0; k < ARRAY_SIZE(rank_d); k++) {
        x64_u32(e, (uint32_t)rank_d[k]);
        x64_u32(e, (uint32_t)(rank_d[k] >> 32));
    }
    j->k_rank_s = here(j, e);
    for (size_t k = 0; k < ARRAY_SIZE(rank_s); k++)
        x64_u32(e, rank_s[k]);
    j->k_class = here(j, e);
    for (size_t k = 0; k < ARRAY_SIZE(class); k++) {
        x64_byte(e, class[k] & 0xff);
        x64_byte(e, class[k] >> 8);
    }
}

int stubs_emit(struct jit *j)
{
    struct x64 e = { .at = j->code.rw, .end = j->code.rw + 4096 };

    j->k_sign = constant(j, &e, (uint64_t)1 << 63);
    j->k_abs = constant(j, &e, ~((uint64_t)1 << 63));
    j->k_box = constant(j, &e, (uint64_t)UINT32_MAX << 32);
    j->k_sign_s = constant(j, &e, (uint64_t)1 << 31);
    j->k_abs_s = constant(j, &e, ~((uint64_t)1 << 31));
    j->k_2_63_d = constant(j, &e, UINT64_C(0x43e) << 52);
    j->k_2_63_s = constant(j, &e, 0xbeu << 23);
    j->k_nan_d = constant(j, &e, F64_NAN);
    j->k_nan_s = constant(j, &e, (uint64_t)UINT32_MAX << 32 | F32_NAN);
    j->k_mask = constant(j, &e, j->mask);
    j->k_flags = flag_table(j, &e);
    class_tables(j, &e);
    emit_enter(j, &e);
    emit_exit(j, &e);
    emit_pushed(j, &e);
    emit_callop(j, &e);
    emit_ecall(j, &e);
    emit_indirect_miss(j, &e);
    emit_retmiss(j, &e);
    BUG_ON(x64_full(&e));
    j->stubs_end = j->code.used = (size_t)(e.at - j->code.rw + 15) & ~(size_t)15;
    return 0;
}
