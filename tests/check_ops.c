/*
 * The semantics of single instructions, run through the interpreter from their encodings: integer rows against
 * a table of worked results, then memory, atomics, floating-point registers and CSRs by the rules of the
 * manual. Arithmetic on floating-point values itself is the matter of check_fpu.
 */
#include "rig.h"

#include <pthread.h>
#include <time.h>

#include "hart/csr.h"
#include "hart/fpu.h"
#include "int_cases.h"

enum { A0 = 10, A1, A2, A3 };

static struct hart *const h = &rig_hart;

/* --- Integer computation ------------------------------------------------------------------------------ */

/* rd, rs1, rs2 as given; operands are set just before, so that rd may be one of them. */
static void run_case(const struct int_case *c, uint8_t rd, uint8_t rs1, uint8_t rs2, uint64_t want)
{
    struct insn i = { .op = c->op, .len = 4, .rd = rd, .rs1 = rs1, .rs2 = rs2, .imm = (int32_t)c->b };

    h->x[rs1] = c->a;
    if (insn_desc[c->op].fmt == FMT_R)
        h->x[rs2] = (uint64_t)c->b;
    rig_do(insn_encode(&i));
    ck_assert_msg(h->x[rd] == want, "%s x%d: %#lx, %#lx gave %#lx, not %#lx", insn_desc[c->op].name, rd, c->a,
                  (uint64_t)c->b, h->x[rd], want);
}

START_TEST(integer_row)
{
    const struct int_case *c = &int_cases[_i];

    run_case(c, A0, A1, A2, c->want);
    run_case(c, A1, A1, A2, c->want);
    run_case(c, A2, A1, A2, c->want);
    run_case(c, 0, A1, A2, 0);
}
END_TEST

/* A row that only computes and has no case would go untested. */
START_TEST(every_integer_row_has_a_case)
{
    bool seen[NR_OPS] = { false };

    seen[OP_auipc] = true; /* control_transfer */
    for (size_t i = 0; i < ARRAY_SIZE(int_cases); i++)
        seen[int_cases[i].op] = true;
    for (int op = 0; op < NR_OPS; op++) {
        switch (insn_desc[op].fmt) {
        case FMT_R:
        case FMT_R1:
        case FMT_I:
        case FMT_SH:
        case FMT_SHW:
        case FMT_U:
            ck_assert_msg(seen[op], "%s has no case", insn_desc[op].name);
        }
    }
}
END_TEST

/* What INSN_LOW and INSN_WORD say of a row is true of all its cases, whatever the high words hold. */
START_TEST(words_as_flagged)
{
    const struct int_case *c = &int_cases[_i];
    unsigned flags = insn_desc[c->op].flags;
    struct int_case high = *c;

    if (flags & INSN_WORD)
        ck_assert_msg(c->want == (uint64_t)(int32_t)c->want, "%s: INSN_WORD", insn_desc[c->op].name);
    if (!(flags & INSN_LOW))
        return;
    high.a ^= UINT64_C(0x5a5a5a5a) << 32;
    if (insn_desc[c->op].fmt == FMT_R)
        high.b ^= (int64_t)(UINT64_C(0xa5a5a5a5) << 32);
    run_case(&high, A0, A1, A2, c->want);
}
END_TEST

/* --- Control transfer --------------------------------------------------------------------------------- */

START_TEST(jumps)
{
    /* Ecalls at 0x40 and 0x80 behind the start tell where control went. */
    RIG_CODE(RIG_TEXT + 0x40, RIG_ECALL);
    RIG_CODE(RIG_TEXT + 0x80, RIG_ECALL);

    RIG_CODE(RIG_TEXT, RIG_INSN(auipc, .rd = A0, .imm = (int32_t)0xfffff000),
             RIG_INSN(jal, .rd = 1, .imm = 0x3c));
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], RIG_TEXT - 0x1000);
    ck_assert_uint_eq(h->x[1], RIG_TEXT + 8);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 0x40);

    /* Bit 0 of the sum is dropped, and rs1 is read before rd is written. */
    h->x[1] = RIG_TEXT + 0x100;
    rig_do(RIG_INSN(jalr, .rd = 1, .rs1 = 1, .imm = -0x7f));
    ck_assert_uint_eq(h->x[1], RIG_TEXT + 4);
    ck_assert_uint_eq(h->pc, RIG_TEXT + 0x80);

    h->x[1] = RIG_TEXT + 0x40;
    rig_do(RIG_INSN(jalr, .rd = 0, .rs1 = 1));
    ck_assert_uint_eq(h->pc, RIG_TEXT + 0x40);
}
END_TEST

static const struct {
    enum insn_op op;
    uint64_t a, b;
    bool taken;
} branches[] = {
    { OP_beq, 5, 5, true },   { OP_beq, 5, 6, false },          { OP_bne, 5, 6, true },
    { OP_bne, 5, 5, false },  { OP_blt, UINT64_MAX, 0, true },  { OP_blt, 0, UINT64_MAX, false },
    { OP_blt, 3, 3, false },  { OP_bge, 0, UINT64_MAX, true },  { OP_bge, UINT64_MAX, 0, false },
    { OP_bge, 3, 3, true },   { OP_bltu, 0, UINT64_MAX, true }, { OP_bltu, UINT64_MAX, 0, false },
    { OP_bltu, 3, 3, false }, { OP_bgeu, UINT64_MAX, 0, true }, { OP_bgeu, 0, UINT64_MAX, false },
    { OP_bgeu, 3, 3, true },
};

START_TEST(branch)
{
    struct insn i = { .op = branches[_i].op, .len = 4, .rs1 = A0, .rs2 = A1, .imm = 0x800 };

    h->x[A0] = branches[_i].a;
    h->x[A1] = branches[_i].b;
    RIG_CODE(RIG_TEXT + 0x800, RIG_ECALL);
    rig_do(insn_encode(&i));
    ck_assert_uint_eq(h->pc, RIG_TEXT + (branches[_i].taken ? 0x800 : 4));
}
END_TEST

/* --- Loads and stores --------------------------------------------------------------------------------- */

static const struct {
    enum insn_op op;
    uint64_t want;
} loads[] = {
    { OP_lb, 0xfffffffffffffff8 }, { OP_lbu, 0xf8 },       { OP_lh, 0xfffffffffffff7f8 }, { OP_lhu, 0xf7f8 },
    { OP_lw, 0xfffffffff5f6f7f8 }, { OP_lwu, 0xf5f6f7f8 }, { OP_ld, 0xf1f2f3f4f5f6f7f8 },
};

START_TEST(load)
{
    struct insn i = { .op = loads[_i].op, .len = 4, .rd = A0, .rs1 = A1, .imm = -0x7f8 };
    /* Aligned, misaligned, and across a page boundary. */
    const uint64_t at[] = { RIG_DATA + 8, RIG_DATA + 3, RIG_DATA + PAGE_BYTES - 1 };

    for (size_t k = 0; k < ARRAY_SIZE(at); k++) {
        rig_poke64(at[k], 0xf1f2f3f4f5f6f7f8);
        h->x[A1] = at[k] + 0x7f8;
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->x[A0], loads[_i].want);
    }
    i.rd = 0; /* rig_do checks that x0 stayed 0 */
    rig_do(insn_encode(&i));
}
END_TEST

START_TEST(address_wraps)
{
    rig_poke64(RIG_DATA, 77);
    h->x[A1] = RIG_DATA + 0x100;
    rig_do(RIG_INSN(ld, .rd = A0, .rs1 = A1, .imm = -0x100));
    ck_assert_uint_eq(h->x[A0], 77);
    /* The sum is modulo 2^64: page 0 is reached from the top of the address space. */
    rig_map(0, PAGE_BYTES, GMEM_R);
    h->x[A1] = UINT64_MAX - 7;
    rig_do(RIG_INSN(ld, .rd = A0, .rs1 = A1, .imm = 0x10));
    ck_assert_uint_eq(h->x[A0], 0);
}
END_TEST

static const struct {
    enum insn_op op;
    uint64_t want;
} stores[] = {
    { OP_sb, 0xaaaaaaaaaaaaaa18 },
    { OP_sh, 0xaaaaaaaaaaaa1718 },
    { OP_sw, 0xaaaaaaaa15161718 },
    { OP_sd, 0x1112131415161718 },
};

START_TEST(store)
{
    struct insn i = { .op = stores[_i].op, .len = 4, .rs1 = A1, .rs2 = A0, .imm = 0x7f8 };
    const uint64_t at[] = { RIG_DATA + 8, RIG_DATA + 3, RIG_DATA + PAGE_BYTES - 1 };

    h->x[A0] = 0x1112131415161718;
    for (size_t k = 0; k < ARRAY_SIZE(at); k++) {
        rig_poke64(at[k], 0xaaaaaaaaaaaaaaaa);
        h->x[A1] = at[k] - 0x7f8;
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(rig_peek64(at[k]), stores[_i].want);
    }
}
END_TEST

/* --- Atomics ------------------------------------------------------------------------------------------ */

#define M 0x8000000000000001 /* in memory; its low word is 1 */
#define R 0x00000000fffffffe /* in rs2; its low word is -2 */

/* The W forms use the low words, leave the high word of memory, and sign-extend the old one. */
static const struct {
    enum insn_op op;
    uint64_t memory;
} amos[] = {
    { OP_amoswap_w, 0x80000000fffffffe }, { OP_amoadd_w, 0x80000000ffffffff },
    { OP_amoxor_w, 0x80000000ffffffff },  { OP_amoand_w, 0x8000000000000000 },
    { OP_amoor_w, 0x80000000ffffffff },   { OP_amomin_w, 0x80000000fffffffe },
    { OP_amomax_w, 0x8000000000000001 },  { OP_amominu_w, 0x8000000000000001 },
    { OP_amomaxu_w, 0x80000000fffffffe }, { OP_amoswap_d, 0x00000000fffffffe },
    { OP_amoadd_d, 0x80000000ffffffff },  { OP_amoxor_d, 0x80000000ffffffff },
    { OP_amoand_d, 0x0000000000000000 },  { OP_amoor_d, 0x80000000ffffffff },
    { OP_amomin_d, 0x8000000000000001 },  { OP_amomax_d, 0x00000000fffffffe },
    { OP_amominu_d, 0x00000000fffffffe }, { OP_amomaxu_d, 0x8000000000000001 },
};

START_TEST(amo)
{
    struct insn i = { .op = amos[_i].op, .len = 4, .rd = A0, .rs1 = A1, .rs2 = A2, .rm = 3 };
    bool wide = strstr(insn_desc[i.op].name, "_d") != NULL;

    rig_poke64(RIG_DATA, M);
    h->x[A1] = RIG_DATA;
    h->x[A2] = R;
    rig_do(insn_encode(&i));
    ck_assert_uint_eq(h->x[A0], wide ? M : 1);
    ck_assert_uint_eq(rig_peek64(RIG_DATA), amos[_i].memory);

    /* rd may be rs2, or x0; the old word is sign-extended. */
    rig_poke64(RIG_DATA, 0x80000000);
    h->x[A2] = R;
    i.rd = A2;
    rig_do(insn_encode(&i));
    ck_assert_uint_eq(h->x[A2], wide ? 0x80000000 : 0xffffffff80000000);
    i.rd = 0;
    rig_do(insn_encode(&i));

    h->x[A1] = RIG_DATA + (wide ? 4 : 2);
    ck_assert_uint_eq(rig_step(insn_encode(&i)), CAUSE_STORE_MISALIGNED);
    ck_assert_uint_eq(h->trap.stval, h->x[A1]);
    ck_assert(h->trap.gva);
    ck_assert_uint_eq(h->pc, RIG_TEXT);
}
END_TEST

START_TEST(lr_sc)
{
    const uint32_t lr_w = RIG_INSN(lr_w, .rd = A0, .rs1 = A1),
                   sc_w = RIG_INSN(sc_w, .rd = A0, .rs1 = A1, .rs2 = A2);
    const uint32_t lr_d = RIG_INSN(lr_d, .rd = A0, .rs1 = A1, .rm = 3),
                   sc_d = RIG_INSN(sc_d, .rd = A0, .rs1 = A1, .rs2 = A2);

    h->x[A1] = RIG_DATA;
    h->x[A2] = 0x1122334455667788;
    rig_poke64(RIG_DATA, 0xcccccccc80000000);
    rig_do(lr_w);
    ck_assert_uint_eq(h->x[A0], 0xffffffff80000000);
    rig_do(sc_w);
    ck_assert_uint_eq(h->x[A0], 0);
    ck_assert_uint_eq(rig_peek64(RIG_DATA), 0xcccccccc55667788);

    /* Success or not, SC ends the reservation. */
    rig_do(sc_w);
    ck_assert_uint_eq(h->x[A0], 1);

    rig_do(lr_d);
    ck_assert_uint_eq(h->x[A0], 0xcccccccc55667788);
    rig_do(sc_d);
    ck_assert_uint_eq(h->x[A0], 0);
    ck_assert_uint_eq(rig_peek64(RIG_DATA), 0x1122334455667788);

    /* Somebody else stored: nothing is written, and the next SC fails too. */
    rig_do(lr_d);
    rig_poke64(RIG_DATA, 5);
    rig_do(sc_d);
    ck_assert_uint_eq(h->x[A0], 1);
    rig_poke64(RIG_DATA, 0x1122334455667788);
    rig_do(sc_d);
    ck_assert_uint_eq(h->x[A0], 1);

    /* A reservation is for its own address, and another SC ends it. */
    rig_poke64(RIG_DATA + 8, 0x1122334455667788);
    rig_do(lr_d);
    h->x[A1] = RIG_DATA + 8;
    h->x[A2] = 9;
    rig_do(sc_d);
    ck_assert_uint_eq(h->x[A0], 1);
    ck_assert_uint_eq(rig_peek64(RIG_DATA + 8), 0x1122334455667788);
    h->x[A1] = RIG_DATA;
    rig_do(sc_d);
    ck_assert_uint_eq(h->x[A0], 1);
    ck_assert_uint_eq(rig_peek64(RIG_DATA), 0x1122334455667788);
}
END_TEST

START_TEST(lr_sc_misaligned)
{
    h->x[A1] = RIG_DATA + 4;
    ck_assert_uint_eq(rig_step(RIG_INSN(lr_d, .rd = A0, .rs1 = A1)), CAUSE_LOAD_MISALIGNED);
    ck_assert_uint_eq(h->trap.stval, RIG_DATA + 4);
    ck_assert_uint_eq(rig_step(RIG_INSN(sc_d, .rd = A0, .rs1 = A1, .rs2 = A2)), CAUSE_STORE_MISALIGNED);
    h->x[A1] = RIG_DATA + 2;
    ck_assert_uint_eq(rig_step(RIG_INSN(lr_w, .rd = A0, .rs1 = A1)), CAUSE_LOAD_MISALIGNED);
    ck_assert_uint_eq(rig_step(RIG_INSN(sc_w, .rd = A0, .rs1 = A1, .rs2 = A2)), CAUSE_STORE_MISALIGNED);
    ck_assert_uint_eq(h->trap.stval, RIG_DATA + 2);
}
END_TEST

enum { ROUNDS = 20000 };

static void *contend(void *arg)
{
    struct hart *mine = arg;

    fault_thread_init();
    ck_assert_int_eq(interp_run(mine), ENGINE_TRAP);
    interp_free(mine);
    fault_thread_exit();
    return NULL;
}

/* Two harts add to one word by AMO and to another by LR/SC: no addition is lost. */
START_TEST(harts_contend)
{
    static struct hart two[2];
    pthread_t thread[2];

    RIG_CODE(RIG_TEXT, RIG_INSN(amoadd_d, .rd = A3, .rs1 = A1, .rs2 = A2),
             RIG_INSN(lr_w, .rd = A3, .rs1 = 14), RIG_INSN(addiw, .rd = A3, .rs1 = A3, .imm = 1),
             RIG_INSN(sc_w, .rd = 15, .rs1 = 14, .rs2 = A3), RIG_INSN(bne, .rs1 = 15, .rs2 = 0, .imm = -12),
             RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = -1), RIG_INSN(bne, .rs1 = A0, .rs2 = 0, .imm = -24),
             RIG_ECALL);
    for (int k = 0; k < 2; k++) {
        two[k].mem = &rig_mem;
        hart_reset(&two[k]);
        two[k].pc = RIG_TEXT;
        two[k].x[A0] = ROUNDS;
        two[k].x[A1] = RIG_DATA;
        two[k].x[A2] = 3;
        two[k].x[14] = RIG_DATA + 64;
    }
    for (int k = 0; k < 2; k++)
        ck_assert_int_eq(pthread_create(&thread[k], NULL, contend, &two[k]), 0);
    for (int k = 0; k < 2; k++)
        pthread_join(thread[k], NULL);
    ck_assert_uint_eq(rig_peek64(RIG_DATA), 2 * 3 * ROUNDS);
    ck_assert_uint_eq(rig_peek64(RIG_DATA + 64), 2 * ROUNDS);
}
END_TEST

/* --- Floating point ----------------------------------------------------------------------------------- */

#define BOX(v) (0xffffffff00000000 | (v))
#define ONE_S 0x3f800000u
#define TWO_S 0x40000000u
#define ONE_D 0x3ff0000000000000u
#define TWO_D 0x4000000000000000u
#define THREE_D 0x4008000000000000u

START_TEST(boxing)
{
    /* A result is boxed; an operand that is not reads as the canonical NaN, without a flag. */
    h->f[1] = BOX(ONE_S);
    h->f[2] = BOX(ONE_S);
    rig_do(RIG_INSN(fadd_s, .rd = 3, .rs1 = 1, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], BOX(TWO_S));
    h->f[1] = ONE_S;
    rig_do(RIG_INSN(fadd_s, .rd = 3, .rs1 = 1, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], BOX(F32_NAN));
    ck_assert_uint_eq(h->fcsr, 0);
    rig_do(RIG_INSN(fclass_s, .rd = A0, .rs1 = 1));
    ck_assert_uint_eq(h->x[A0], 1 << 9);
    rig_do(RIG_INSN(fclass_s, .rd = A0, .rs1 = 2));
    ck_assert_uint_eq(h->x[A0], 1 << 6);
    rig_do(RIG_INSN(fsgnj_s, .rd = 3, .rs1 = 1, .rs2 = 1));
    ck_assert_uint_eq(h->f[3], BOX(F32_NAN));
    rig_do(RIG_INSN(fcvt_d_s, .rd = 3, .rs1 = 1));
    ck_assert_uint_eq(h->f[3], F64_NAN);
    rig_do(RIG_INSN(fmin_s, .rd = 3, .rs1 = 1, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], BOX(ONE_S));

    /* Moves and stores take the low half as it is; moves and loads box. */
    h->f[1] = 0x1234567880000001;
    rig_do(RIG_INSN(fmv_x_w, .rd = A0, .rs1 = 1));
    ck_assert_uint_eq(h->x[A0], 0xffffffff80000001);
    rig_do(RIG_INSN(fmv_x_d, .rd = A0, .rs1 = 1));
    ck_assert_uint_eq(h->x[A0], 0x1234567880000001);
    h->x[A1] = RIG_DATA + 0x10;
    rig_poke64(RIG_DATA + 8, 0);
    rig_do(RIG_INSN(fsw, .rs1 = A1, .rs2 = 1, .imm = -8));
    ck_assert_uint_eq(rig_peek64(RIG_DATA + 8), 0x80000001);
    rig_do(RIG_INSN(flw, .rd = 0, .rs1 = A1, .imm = -8));
    ck_assert_uint_eq(h->f[0], BOX(0x80000001));
    rig_do(RIG_INSN(fsd, .rs1 = A1, .rs2 = 1, .imm = -8));
    rig_do(RIG_INSN(fld, .rd = 4, .rs1 = A1, .imm = -8));
    ck_assert_uint_eq(h->f[4], 0x1234567880000001);
    rig_do(RIG_INSN(fmv_w_x, .rd = 5, .rs1 = A0));
    ck_assert_uint_eq(h->f[5], BOX(0x80000001));
    rig_do(RIG_INSN(fmv_d_x, .rd = 5, .rs1 = A0));
    ck_assert_uint_eq(h->f[5], 0x1234567880000001);
}
END_TEST

START_TEST(sign_injection)
{
    const uint64_t a = 0x7ff4000000000001 /* signaling */, minus = 0x8000000000000000;

    h->f[1] = a;
    h->f[2] = minus;
    rig_do(RIG_INSN(fsgnj_d, .rd = 3, .rs1 = 1, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], a | minus);
    rig_do(RIG_INSN(fsgnjn_d, .rd = 3, .rs1 = 1, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], a);
    rig_do(RIG_INSN(fsgnjx_d, .rd = 3, .rs1 = 2, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], 0);
    h->f[1] = BOX(ONE_S);
    h->f[2] = BOX(0x80000000);
    rig_do(RIG_INSN(fsgnjn_s, .rd = 3, .rs1 = 1, .rs2 = 1));
    ck_assert_uint_eq(h->f[3], BOX(0xbf800000));
    rig_do(RIG_INSN(fsgnj_s, .rd = 3, .rs1 = 1, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], BOX(0xbf800000));
    rig_do(RIG_INSN(fsgnjx_s, .rd = 3, .rs1 = 2, .rs2 = 2));
    ck_assert_uint_eq(h->f[3], BOX(0));
    ck_assert_uint_eq(h->fcsr, 0);
}
END_TEST

/* Each form of the fused operations on 2, 3, 1: the signs of product and addend. */
START_TEST(fused)
{
    static const struct {
        enum insn_op s, d;
        uint32_t want_s;
        uint64_t want_d;
    } form[] = {
        { OP_fmadd_s, OP_fmadd_d, 0x40e00000, 0x401c000000000000 },   /*  2 * 3 + 1 =  7 */
        { OP_fmsub_s, OP_fmsub_d, 0x40a00000, 0x4014000000000000 },   /*  2 * 3 - 1 =  5 */
        { OP_fnmsub_s, OP_fnmsub_d, 0xc0a00000, 0xc014000000000000 }, /* -2 * 3 + 1 = -5 */
        { OP_fnmadd_s, OP_fnmadd_d, 0xc0e00000, 0xc01c000000000000 }, /* -2 * 3 - 1 = -7 */
    };

    for (size_t k = 0; k < ARRAY_SIZE(form); k++) {
        struct insn i = { .op = form[k].d, .len = 4, .rd = 4, .rs1 = 1, .rs2 = 2, .rs3 = 3, .rm = 7 };

        h->f[1] = TWO_D;
        h->f[2] = THREE_D;
        h->f[3] = ONE_D;
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->f[4], form[k].want_d);
        i.op = form[k].s;
        h->f[1] = BOX(TWO_S);
        h->f[2] = BOX(0x40400000);
        h->f[3] = BOX(ONE_S);
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->f[4], BOX(form[k].want_s));
    }
}
END_TEST

/* Which function each row calls, and which operands: 9 and 4 tell them apart. */
START_TEST(arithmetic_rows)
{
    static const struct {
        enum insn_op op;
        uint64_t want;
    } row[] = {
        { OP_fadd_d, 0x402a000000000000 },  { OP_fsub_d, 0x4014000000000000 },
        { OP_fmul_d, 0x4042000000000000 },  { OP_fdiv_d, 0x4002000000000000 },
        { OP_fsqrt_d, 0x4008000000000000 }, { OP_fmin_d, 0x4010000000000000 },
        { OP_fmax_d, 0x4022000000000000 },  { OP_fadd_s, BOX(0x41500000) },
        { OP_fsub_s, BOX(0x40a00000) },     { OP_fmul_s, BOX(0x42100000) },
        { OP_fdiv_s, BOX(0x40100000) },     { OP_fsqrt_s, BOX(0x40400000) },
        { OP_fmin_s, BOX(0x40800000) },     { OP_fmax_s, BOX(0x41100000) },
    };

    for (size_t k = 0; k < ARRAY_SIZE(row); k++) {
        struct insn i = { .op = row[k].op, .len = 4, .rd = 3, .rs1 = 1, .rs2 = 2 };
        bool wide = strstr(insn_desc[i.op].name, "_d") != NULL;

        h->f[1] = wide ? 0x4022000000000000 : BOX(0x41100000);
        h->f[2] = wide ? 0x4010000000000000 : BOX(0x40800000);
        rig_do(insn_encode(&i));
        ck_assert_msg(h->f[3] == row[k].want, "%s", insn_desc[i.op].name);
    }
    ck_assert_uint_eq(h->fcsr, 0);
}
END_TEST

START_TEST(comparison_rows)
{
    static const struct {
        enum insn_op op;
        bool below, same, above;
    } row[] = {
        { OP_feq_s, false, true, false }, { OP_flt_s, true, false, false }, { OP_fle_s, true, true, false },
        { OP_feq_d, false, true, false }, { OP_flt_d, true, false, false }, { OP_fle_d, true, true, false },
    };

    for (size_t k = 0; k < ARRAY_SIZE(row); k++) {
        struct insn i = { .op = row[k].op, .len = 4, .rd = A0, .rs1 = 1, .rs2 = 2 };
        bool wide = strstr(insn_desc[i.op].name, "_d") != NULL;

        h->f[1] = h->f[3] = wide ? ONE_D : BOX(ONE_S);
        h->f[2] = wide ? TWO_D : BOX(TWO_S);
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->x[A0], row[k].below);
        i.rs2 = 3;
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->x[A0], row[k].same);
        i.rs1 = 2;
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->x[A0], row[k].above);
        /* x0 as destination still raises the flag of a signaling comparison with NaN. */
        i.rd = 0;
        h->f[2] = wide ? F64_NAN : BOX(F32_NAN);
        h->fcsr = 0;
        rig_do(insn_encode(&i));
        ck_assert_uint_eq(h->fcsr, i.op == OP_feq_s || i.op == OP_feq_d ? 0 : FPU_NV);
    }
}
END_TEST

/* Conversions of -1.5 or of a register of all ones: widths, signs, saturation and flags. */
START_TEST(conversion_rows)
{
    static const struct {
        enum insn_op op;
        uint64_t want;
        uint32_t flags;
    } to_int[] = {
        { OP_fcvt_w_s, UINT64_MAX, FPU_NX }, { OP_fcvt_wu_s, 0, FPU_NV },  { OP_fcvt_l_s, UINT64_MAX, FPU_NX },
        { OP_fcvt_lu_s, 0, FPU_NV },         { OP_fcvt_w_d, UINT64_MAX, FPU_NX }, { OP_fcvt_wu_d, 0, FPU_NV },
        { OP_fcvt_l_d, UINT64_MAX, FPU_NX }, { OP_fcvt_lu_d, 0, FPU_NV },
    }, from_int[] = {
        { OP_fcvt_s_w, BOX(0xbf800000), 0 },   { OP_fcvt_s_wu, BOX(0x4f7fffff), FPU_NX },
        { OP_fcvt_s_l, BOX(0xbf800000), 0 },   { OP_fcvt_s_lu, BOX(0x5f7fffff), FPU_NX },
        { OP_fcvt_d_w, 0xbff0000000000000, 0 }, { OP_fcvt_d_wu, 0x41efffffffe00000, 0 },
        { OP_fcvt_d_l, 0xbff0000000000000, 0 }, { OP_fcvt_d_lu, 0x43efffffffffffff, FPU_NX },
    };

    for (size_t k = 0; k < ARRAY_SIZE(to_int); k++) {
        struct insn i = { .op = to_int[k].op, .len = 4, .rd = A0, .rs1 = 1, .rm = FPU_RTZ };

        h->f[1] = strstr(insn_desc[i.op].name, "_d") ? 0xbff8000000000000 : BOX(0xbfc00000);
        h->fcsr = 0;
        rig_do(insn_encode(&i));
        ck_assert_msg(h->x[A0] == to_int[k].want && h->fcsr == to_int[k].flags, "%s", insn_desc[i.op].name);
    }
    for (size_t k = 0; k < ARRAY_SIZE(from_int); k++) {
        struct insn i = { .op = from_int[k].op, .len = 4, .rd = 1, .rs1 = A0, .rm = FPU_RTZ };

        h->x[A0] = UINT64_MAX;
        h->fcsr = 0;
        rig_do(insn_encode(&i));
        ck_assert_msg(h->f[1] == from_int[k].want && h->fcsr == from_int[k].flags, "%s",
                      insn_desc[i.op].name);
    }
    h->f[1] = THREE_D;
    rig_do(RIG_INSN(fcvt_s_d, .rd = 2, .rs1 = 1));
    ck_assert_uint_eq(h->f[2], BOX(0x40400000));
    rig_do(RIG_INSN(fcvt_d_s, .rd = 1, .rs1 = 2));
    ck_assert_uint_eq(h->f[1], THREE_D);
    h->f[1] = 0x8000000000000000;
    rig_do(RIG_INSN(fclass_d, .rd = A0, .rs1 = 1));
    ck_assert_uint_eq(h->x[A0], 1 << 3);
}
END_TEST

START_TEST(rounding_modes)
{
    /* 1 / 3 rounded down and up differ in the last bit; frm decides when the instruction says DYN. */
    h->f[1] = ONE_D;
    h->f[2] = THREE_D;
    rig_do(RIG_INSN(fdiv_d, .rd = 3, .rs1 = 1, .rs2 = 2, .rm = FPU_RUP));
    ck_assert_uint_eq(h->f[3], 0x3fd5555555555556);
    ck_assert_uint_eq(h->fcsr, FPU_NX);
    h->fcsr = FPU_RUP << 5 | FPU_DZ;
    rig_do(RIG_INSN(fdiv_d, .rd = 3, .rs1 = 1, .rs2 = 2, .rm = FPU_RDN));
    ck_assert_uint_eq(h->f[3], 0x3fd5555555555555);
    rig_do(RIG_INSN(fdiv_d, .rd = 3, .rs1 = 1, .rs2 = 2, .rm = 7));
    ck_assert_uint_eq(h->f[3], 0x3fd5555555555556);
    ck_assert_uint_eq(h->fcsr, FPU_RUP << 5 | FPU_DZ | FPU_NX); /* flags accumulate */

    for (uint8_t rm = 5; rm <= 6; rm++)
        ck_assert_uint_eq(rig_step(RIG_INSN(fadd_d, .rd = 3, .rs1 = 1, .rs2 = 2, .rm = rm)), CAUSE_ILLEGAL);
    for (uint32_t frm = 5; frm <= 7; frm++) {
        h->fcsr = frm << 5;
        ck_assert_uint_eq(rig_step(RIG_INSN(fadd_d, .rd = 3, .rs1 = 1, .rs2 = 2, .rm = 7)), CAUSE_ILLEGAL);
        rig_do(RIG_INSN(fadd_d, .rd = 3, .rs1 = 1, .rs2 = 2, .rm = FPU_RNE));
        rig_do(RIG_INSN(fmin_d, .rd = 3, .rs1 = 1, .rs2 = 2)); /* has no rounding mode */
    }
}
END_TEST

/* --- Control and status registers --------------------------------------------------------------------- */

START_TEST(csr_fcsr)
{
    h->x[A1] = 0xfffffffffffffff5;
    rig_do(RIG_INSN(csrrw, .rd = A0, .rs1 = A1, .imm = CSR_fcsr));
    ck_assert_uint_eq(h->x[A0], 0);
    ck_assert_uint_eq(h->fcsr, 0xf5);
    rig_do(RIG_INSN(csrrwi, .rd = A0, .rs1 = 0x0a, .imm = CSR_fflags));
    ck_assert_uint_eq(h->x[A0], 0x15);
    ck_assert_uint_eq(h->fcsr, 0xea);
    rig_do(RIG_INSN(csrrci, .rd = A0, .rs1 = 3, .imm = CSR_frm));
    ck_assert_uint_eq(h->x[A0], 7);
    ck_assert_uint_eq(h->fcsr, 0x8a);
    h->x[A1] = 0x11;
    rig_do(RIG_INSN(csrrs, .rd = A1, .rs1 = A1, .imm = CSR_fcsr));
    ck_assert_uint_eq(h->x[A1], 0x8a);
    ck_assert_uint_eq(h->fcsr, 0x9b);
    rig_do(RIG_INSN(csrrc, .rd = 0, .rs1 = A1, .imm = CSR_fcsr));
    ck_assert_uint_eq(h->fcsr, 0x11);
    rig_do(RIG_INSN(csrrsi, .rd = A0, .rs1 = 0, .imm = CSR_fcsr));
    ck_assert_uint_eq(h->x[A0], 0x11);
    rig_do(RIG_INSN(csrrwi, .rd = A0, .rs1 = 0, .imm = CSR_frm));
    ck_assert_uint_eq(h->fcsr, 0x11);
}
END_TEST

START_TEST(csr_counters)
{
    struct timespec before, after;
    uint64_t from, to;

    /* The count is of the instructions before the one that reads. */
    h->instret = 1000;
    RIG_CODE(RIG_TEXT, RIG_INSN(csrrs, .rd = A0, .imm = CSR_instret), RIG_INSN(addi, .rd = A1, .imm = 1),
             RIG_INSN(csrrs, .rd = A1, .imm = CSR_instret), RIG_INSN(csrrs, .rd = A2, .imm = CSR_cycle),
             RIG_ECALL);
    ck_assert_uint_eq(rig_run(RIG_TEXT), CAUSE_ECALL_VU);
    ck_assert_uint_eq(h->x[A0], 1000);
    ck_assert_uint_eq(h->x[A1], 1002);
    ck_assert_uint_eq(h->x[A2], 1003);
    ck_assert_uint_eq(h->instret, 1004);

    clock_gettime(CLOCK_MONOTONIC, &before);
    rig_do(RIG_INSN(csrrs, .rd = A0, .imm = CSR_time));
    clock_gettime(CLOCK_MONOTONIC, &after);
    from = (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec;
    to = (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec;
    ck_assert(from <= h->x[A0] && h->x[A0] <= to);

    clock_gettime(CLOCK_REALTIME, &before);
    rig_do(RIG_INSN(csrrs, .rd = A0, .imm = CSR_noahv_realtime));
    ck_assert_uint_ge(h->x[A0] / 1000000000 + 1, (uint64_t)before.tv_sec);
}
END_TEST

START_TEST(fences_order_and_go_on)
{
    rig_do(RIG_INSN(fence, .imm = 0x0ff));
    rig_do(RIG_INSN(fence, .imm = 0x833)); /* fence.tso */
    rig_do(RIG_INSN(fence, .imm = 0x010)); /* pause */
    rig_do(RIG_INSN(fence_i));
    ck_assert_uint_eq(h->pc, RIG_TEXT + 4);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("ops");

    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_loop_test(tc, integer_row, 0, ARRAY_SIZE(int_cases));
    tcase_add_test(tc, every_integer_row_has_a_case);
    tcase_add_loop_test(tc, words_as_flagged, 0, ARRAY_SIZE(int_cases));
    tcase_add_test(tc, jumps);
    tcase_add_loop_test(tc, branch, 0, ARRAY_SIZE(branches));
    tcase_add_loop_test(tc, load, 0, ARRAY_SIZE(loads));
    tcase_add_test(tc, address_wraps);
    tcase_add_loop_test(tc, store, 0, ARRAY_SIZE(stores));
    tcase_add_loop_test(tc, amo, 0, ARRAY_SIZE(amos));
    tcase_add_test(tc, lr_sc);
    tcase_add_test(tc, lr_sc_misaligned);
    tcase_add_test(tc, harts_contend);
    tcase_add_test(tc, boxing);
    tcase_add_test(tc, sign_injection);
    tcase_add_test(tc, fused);
    tcase_add_test(tc, arithmetic_rows);
    tcase_add_test(tc, comparison_rows);
    tcase_add_test(tc, conversion_rows);
    tcase_add_test(tc, rounding_modes);
    tcase_add_test(tc, csr_fcsr);
    tcase_add_test(tc, csr_counters);
    tcase_add_test(tc, fences_order_and_go_on);
    return rig_main(tc, "ops");
}
