/*
 * The instruction table and what derives from it, by the letter of the manual: no overlaps, hand-written
 * encodings, reserved encodings, round trips over random operands. Agreement with GNU binutils is the matter
 * of check_isa_gnu.
 */
#include "isa/insn.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { RANDOM_WORDS = 2000 };

/* xorshift: the same words in every run. */
static uint32_t random_word(void)
{
    static uint32_t x = 0x2545f491;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

static struct insn decode(uint32_t word)
{
    struct insn i;

    memset(&i, 0xff, sizeof(i));
    insn_decode(word, &i);
    return i;
}

static const char *text_of(uint32_t word, uint64_t pc)
{
    static char at[96];
    struct insn i = decode(word);
    struct buf b;

    buf_init(&b, at, sizeof(at));
    insn_disasm(&i, pc, &b);
    ck_assert(!b.cut);
    return at;
}

START_TEST(row_is_sound)
{
    const struct insn_desc *a = &insn_desc[_i];

    ck_assert_msg((a->match & ~a->mask) == 0, "%s: match outside mask", a->name);
    ck_assert_msg((a->match & a->mask & 3) == 3, "%s: not a 32-bit encoding", a->name);
    ck_assert_msg(a->fmt < NR_FMTS && a->ext <= EXT_PRIV, "%s: format or extension", a->name);
    for (int j = _i + 1; j < NR_OPS; j++) {
        const struct insn_desc *b = &insn_desc[j];

        ck_assert_msg((a->match ^ b->match) & a->mask & b->mask, "%s overlaps %s", a->name, b->name);
    }
}
END_TEST

/* What a row says about memory and control flow must follow from how it is written. */
START_TEST(row_flags_follow_the_format)
{
    const struct insn_desc *d = &insn_desc[_i];
    bool sc = _i == OP_sc_w || _i == OP_sc_d;
    bool load = d->fmt == FMT_LD || d->fmt == FMT_FLD || d->fmt == FMT_LR || (d->fmt == FMT_AMO && !sc);
    bool store = d->fmt == FMT_S || d->fmt == FMT_FST || d->fmt == FMT_AMO;
    bool jump = d->fmt == FMT_B || d->fmt == FMT_J || d->fmt == FMT_JALR || _i == OP_fence_i;
    bool trap = d->ext == EXT_PRIV || _i == OP_ecall || _i == OP_ebreak;

    ck_assert_msg(!(d->flags & INSN_LOAD) == !load, "%s: INSN_LOAD", d->name);
    ck_assert_msg(!(d->flags & INSN_STORE) == !store, "%s: INSN_STORE", d->name);
    ck_assert_msg(!(d->flags & INSN_TRAP) == !trap, "%s: INSN_TRAP", d->name);
    ck_assert_msg(!(d->flags & INSN_ENDS) == !(jump || trap), "%s: INSN_ENDS", d->name);
}
END_TEST

/* Every bit outside the mask is an operand: it survives decoding and encoding. */
START_TEST(row_round_trip)
{
    const struct insn_desc *d = &insn_desc[_i];

    for (int k = 0; k < RANDOM_WORDS; k++) {
        uint32_t word = (random_word() & ~d->mask) | d->match;
        struct insn i = decode(word);

        ck_assert_msg(i.op == _i, "%s: %08x decodes as %s", d->name, word, insn_desc[i.op].name);
        ck_assert_uint_eq(i.len, 4);
        ck_assert_uint_eq(i.bits, word);
        ck_assert(i.rd < 32 && i.rs1 < 32 && i.rs2 < 32 && i.rs3 < 32 && i.rm < 8);
        if (_i == OP_fence)
            word &= 0xfff0707f;
        else if (_i == OP_fence_i)
            word &= 0x0000707f;
        ck_assert_msg(insn_encode(&i) == word, "%s: %08x becomes %08x", d->name, word, insn_encode(&i));
    }
}
END_TEST

/* Any word at all: the decoder answers with the one row that matches, or with none. */
START_TEST(random_words_match_their_row)
{
    for (int k = 0; k < 300000; k++) {
        uint32_t word = random_word() | 3;
        struct insn i = decode(word);
        unsigned op = 0;

        while (op < NR_OPS && (word & insn_desc[op].mask) != insn_desc[op].match)
            op++;
        ck_assert_msg(i.op == op, "%08x: %s", word, insn_desc[i.op].name);
    }
}
END_TEST

/* Encodings written down from the format diagrams, immediates at their limits. */
static const struct {
    uint32_t word;
    uint16_t op;
    uint8_t rd, rs1, rs2, rs3, rm;
    int32_t imm;
} known[] = {
    { 0xfe000ee3, OP_beq, 0, 0, 0, 0, 0, -4 },
    { 0x7e000fe3, OP_beq, 0, 0, 0, 0, 0, 4094 },
    { 0x80000063, OP_beq, 0, 0, 0, 0, 0, -4096 },
    { 0xffdff06f, OP_jal, 0, 0, 0, 0, 0, -4 },
    { 0x7ffff0ef, OP_jal, 1, 0, 0, 0, 0, 1048574 },
    { 0x8000006f, OP_jal, 0, 0, 0, 0, 0, -1048576 },
    { 0x80000537, OP_lui, 10, 0, 0, 0, 0, INT32_MIN },
    { 0xfffff537, OP_lui, 10, 0, 0, 0, 0, -4096 },
    { 0x80002503, OP_lw, 10, 0, 0, 0, 0, -2048 },
    { 0x7ff5b503, OP_ld, 10, 11, 0, 0, 0, 2047 },
    { 0xfea13fa3, OP_sd, 0, 2, 10, 0, 0, -1 },
    { 0x03f59513, OP_slli, 10, 11, 0, 0, 0, 63 },
    { 0x43f5d513, OP_srai, 10, 11, 0, 0, 0, 63 },
    { 0x41f5d51b, OP_sraiw, 10, 11, 0, 0, 0, 31 },
    { 0xfff02573, OP_csrrs, 10, 0, 0, 0, 0, 4095 },
    { 0x003fd573, OP_csrrwi, 10, 31, 0, 0, 0, 3 },
    { 0x0ec5a52f, OP_amoswap_w, 10, 11, 12, 0, 3, 0 },
    { 0x1405b52f, OP_lr_d, 10, 11, 0, 0, 2, 0 },
    { 0x1ac5b52f, OP_sc_d, 10, 11, 12, 0, 1, 0 },
    { 0x6ac5f543, OP_fmadd_d, 10, 11, 12, 13, 7, 0 },
    { 0xe0058553, OP_fmv_x_w, 10, 11, 0, 0, 0, 0 },
    { 0xf2058553, OP_fmv_d_x, 10, 11, 0, 0, 0, 0 },
    { 0xfea13c27, OP_fsd, 0, 2, 10, 0, 0, -8 },
    { 0x0ff0000f, OP_fence, 0, 0, 0, 0, 0, 0x0ff },
    { 0x8330000f, OP_fence, 0, 0, 0, 0, 0, 0x833 },
    { 0x0100000f, OP_fence, 0, 0, 0, 0, 0, 0x010 }, /* pause */
    { 0xfff5858f, OP_fence, 0, 0, 0, 0, 0, 0xfff }, /* reserved fields */
    { 0xfff5958f, OP_fence_i, 0, 0, 0, 0, 0, 0 },
    { 0x00000073, OP_ecall, 0, 0, 0, 0, 0, 0 },
    { 0x00100073, OP_ebreak, 0, 0, 0, 0, 0, 0 },
    { 0x10500073, OP_wfi, 0, 0, 0, 0, 0, 0 },
    { 0x18b55553, OP_fdiv_s, 10, 10, 11, 0, 5, 0 }, /* reserved rounding mode */
};

START_TEST(known_words)
{
    struct insn i = decode(known[_i].word);

    ck_assert_str_eq(insn_desc[i.op].name, insn_desc[known[_i].op].name);
    ck_assert_uint_eq(i.rd, known[_i].rd);
    ck_assert_uint_eq(i.rs1, known[_i].rs1);
    ck_assert_uint_eq(i.rs2, known[_i].rs2);
    ck_assert_uint_eq(i.rs3, known[_i].rs3);
    ck_assert_uint_eq(i.rm, known[_i].rm);
    ck_assert_int_eq(i.imm, known[_i].imm);
}
END_TEST

static const uint32_t illegal[] = {
    0x0000000b, 0xffffffff, 0x00000057, /* custom-0, all ones, vector */
    0x0000001f, 0x0000003f, 0x0000007f, /* longer than 32 bits */
    0x30200073, 0x7b200073, 0x00200073, /* mret, dret, uret */
    0x16000073, 0x18000073,             /* sinval.vma, sfence.w.inval: Svinval is absent */
    0x10200173, 0x000000f3, 0x10508073, /* sret with rd, ecall with rd, wfi with rs1 */
    0x12000173, 0x62004173,             /* sfence.vma and hsv.b with rd */
    0x00004073,                         /* SYSTEM, funct3 4, no hypervisor load */
    0x0200101b, 0x0200501b, 0x4200501b, /* slliw, srliw, sraiw with shamt[5] */
    0x04001013, 0x80001013,             /* slli beyond six bits */
    0x00002063, 0x00003063, 0x00007003, /* reserved branches and load */
    0x00004023, 0x00000007, 0x00001007, /* reserved store, vector load, flh */
    0x00004007, 0x00002067, 0x0000200f, /* flq, jalr funct3, cbo */
    0x0000002f, 0x0000102f, 0x1010202f, /* amo of a byte, of a half, lr with rs2 */
    0x2800202f,                         /* amocas.w */
    0x04000053, 0x06000053, 0x40200053, /* fadd.h, fadd.q, fcvt.s.h */
    0x04000043, 0x20003053, 0x58100053, /* fmadd.h, fsgnj funct3 3, fsqrt with rs2 */
    0xa0003053, 0xe0002053, 0xf0001053, /* reserved compares, fclass, fmv */
    0x60301013, 0x6030101b, 0x69805013, /* reserved unary Zbb; rev8 of RV32 */
    0x0810403b, 0x08004033,             /* zext.h with rs2 set, and of RV32 */
    0x0200103b, 0x02000077,             /* mulhw, no major opcode */
};

START_TEST(illegal_words)
{
    struct insn i = decode(illegal[_i]);

    ck_assert_msg(i.op == OP_ILLEGAL, "%08x decodes as %s", illegal[_i], insn_desc[i.op].name);
    ck_assert_uint_eq(i.len, 4);
    ck_assert_uint_eq(i.bits, illegal[_i]);
    ck_assert_uint_eq(insn_encode(&i), 0);
}
END_TEST

/* The answer to an unknown instruction must send every engine to the trap path. */
START_TEST(illegal_row_traps)
{
    ck_assert_uint_eq(insn_desc[OP_ILLEGAL].flags, INSN_ENDS | INSN_TRAP);
}
END_TEST

/* clang-format off */
/* Compressed halfwords and the 32-bit words of what the manual says they expand to; 0 = reserved. */
static const struct {
    uint16_t half;
    uint32_t word;
} rvc[] = {
    { 0x0000, 0 },          /* defined to be illegal */
    { 0x0004, 0 },          /* c.addi4spn, imm 0 */
    { 0x2001, 0 },          /* c.addiw, rd x0 */
    { 0x4002, 0 },          /* c.lwsp, rd x0 */
    { 0x6002, 0 },          /* c.ldsp, rd x0 */
    { 0x6101, 0 },          /* c.addi16sp, imm 0 */
    { 0x6081, 0 },          /* c.lui, imm 0 */
    { 0x6001, 0 },          /* c.lui, imm 0, rd x0: reserved before it is a HINT */
    { 0x8000, 0 },          /* quadrant 0, funct3 4 */
    { 0x8002, 0 },          /* c.jr, rs1 x0 */
    { 0x9c41, 0 },          /* c.subw's reserved neighbours */
    { 0x9c61, 0 },
    { 0x0001, 0x00000013 }, /* c.nop */
    { 0x0005, 0x00100013 }, /* HINT: c.nop with imm */
    { 0x0501, 0x00050513 }, /* HINT: c.addi, imm 0 */
    { 0x4001, 0x00000013 }, /* HINT: c.li, rd x0 */
    { 0x6005, 0x00001037 }, /* HINT: c.lui, rd x0 */
    { 0x802a, 0x00a00033 }, /* HINT: c.mv, rd x0 */
    { 0x902a, 0x00a00033 }, /* HINT: c.add, rd x0 */
    { 0x0502, 0x00051513 }, /* HINT: c.slli, shamt 0 */
    { 0x8101, 0x00055513 }, /* HINT: c.srli, shamt 0 */
    { 0x9002, 0x00100073 }, /* c.ebreak */
    { 0x8082, 0x00008067 }, /* c.jr ra */
    { 0x9502, 0x000500e7 }, /* c.jalr a0 */
    { 0x852e, 0x00b00533 }, /* c.mv a0,a1 */
    { 0x952e, 0x00b50533 }, /* c.add a0,a1 */
    { 0x1fe8, 0x3fc10513 }, /* c.addi4spn a0,sp,1020 */
    { 0x7101, 0xe0010113 }, /* c.addi16sp sp,-512 */
    { 0x757d, 0xfffff537 }, /* c.lui a0,0xfffff */
    { 0x157d, 0xfff50513 }, /* c.addi a0,-1 */
    { 0x357d, 0xfff5051b }, /* c.addiw a0,-1 */
    { 0x157e, 0x03f51513 }, /* c.slli a0,63 */
    { 0x957d, 0x43f55513 }, /* c.srai a0,63 */
    { 0x997d, 0xfff57513 }, /* c.andi a0,-1 */
    { 0x8d0d, 0x40b50533 }, /* c.sub a0,a1 */
    { 0x9d2d, 0x00b5053b }, /* c.addw a0,a1 */
    { 0xb001, 0x801ff06f }, /* c.j -2048 */
    { 0xd101, 0xf00500e3 }, /* c.beqz a0,-256 */
    { 0xed7d, 0x0e051f63 }, /* c.bnez a0,254 */
    { 0x5de8, 0x07c5a503 }, /* c.lw a0,124(a1) */
    { 0xfde8, 0x0ea5bc23 }, /* c.sd a0,248(a1) */
    { 0x3de8, 0x0f85b507 }, /* c.fld fa0,248(a1) */
    { 0xdfaa, 0x0ea12e23 }, /* c.swsp a0,252(sp) */
    { 0x757e, 0x1f813503 }, /* c.ldsp a0,504(sp) */
    { 0xbfaa, 0x1ea13c27 }, /* c.fsdsp fa0,504(sp) */
};
/* clang-format on */

START_TEST(compressed_words)
{
    struct insn i = decode(rvc[_i].half | 0xdead0000);

    ck_assert_uint_eq(i.len, 2);
    ck_assert_uint_eq(i.bits, rvc[_i].half);
    ck_assert_msg(insn_encode(&i) == rvc[_i].word, "%04x becomes %08x, not %08x", rvc[_i].half,
                  insn_encode(&i), rvc[_i].word);
    ck_assert_int_eq(i.op == OP_ILLEGAL, rvc[_i].word == 0);
}
END_TEST

/* All 49152 of them: the expansion is the same instruction as its 32-bit encoding. */
START_TEST(compressed_equals_expanded)
{
    unsigned reserved = 0;

    for (uint32_t half = 0; half < 0x10000; half++) {
        struct insn c, w;

        if ((half & 3) == 3)
            continue;
        c = decode(half);
        ck_assert_uint_eq(c.len, 2);
        ck_assert_uint_eq(c.bits, half);
        if (c.op == OP_ILLEGAL) {
            reserved++;
            continue;
        }
        w = decode(insn_encode(&c));
        ck_assert_msg(w.op == c.op && w.imm == c.imm && w.rd == c.rd && w.rs1 == c.rs1 && w.rs2 == c.rs2,
                      "%04x: %08x", half, w.bits);
        ck_assert_uint_eq(c.rs3 | c.rm, 0);
    }
    /*
     * 2048 in quadrant 0; imm 0 of c.addi4spn (8) and of c.lui and c.addi16sp (32); rd x0 of c.addiw, c.lwsp
     * and c.ldsp (64 each); 128 beside c.subw and c.addw; c.jr x0.
     */
    ck_assert_uint_eq(reserved, 2048 + 8 + 32 + 3 * 64 + 128 + 1);
}
END_TEST

START_TEST(text)
{
    ck_assert_str_eq(text_of(0x7ff5b503, 0), "ld a0,2047(a1)");
    ck_assert_str_eq(text_of(0xfe000ee3, 0x10000), "beq zero,zero,0xfffc");
    ck_assert_str_eq(text_of(0xffdff06f, 0), "jal zero,0xfffffffffffffffc");
    ck_assert_str_eq(text_of(0x0ec5a52f, 0), "amoswap.w.aqrl a0,a2,(a1)");
    ck_assert_str_eq(text_of(0x6ac5f543, 0), "fmadd.d fa0,fa1,fa2,fa3");
    ck_assert_str_eq(text_of(0x6ac58543, 0), "fmadd.d fa0,fa1,fa2,fa3,rne");
    ck_assert_str_eq(text_of(0x18b55553, 0), "fdiv.s fa0,fa0,fa1,unknown");
    ck_assert_str_eq(text_of(0xd2058553, 0), "fcvt.d.w fa0,a1");
    ck_assert_str_eq(text_of(0xc0102573, 0), "csrrs a0,time,zero");
    ck_assert_str_eq(text_of(0x10002573, 0), "csrrs a0,0x100,zero");
    ck_assert_str_eq(text_of(0x0310000f, 0), "fence rw,w");
    ck_assert_str_eq(text_of(0x0100000f, 0), "fence w,unknown");
    ck_assert_str_eq(text_of(0x8330000f, 0), "fence.tso");
    ck_assert_str_eq(text_of(0x00000073, 0), "ecall");
    ck_assert_str_eq(text_of(0x8082, 0), "jalr zero,0(ra)");
    ck_assert_str_eq(text_of(0x0000, 0), ".2byte 0x0");
    ck_assert_str_eq(text_of(0x30200073, 0), ".4byte 0x30200073");
}
END_TEST

START_TEST(text_is_cut_not_overrun)
{
    char at[16];
    struct insn i = decode(0x0ec5a52f);

    for (size_t cap = 1; cap < sizeof(at); cap++) {
        struct buf b;

        memset(at, '#', sizeof(at));
        buf_init(&b, at, cap);
        insn_disasm(&i, 0, &b);
        ck_assert(b.cut);
        ck_assert_uint_eq(strlen(at), cap - 1);
        ck_assert(!memcmp(at, "amoswap.w.aqrl a0", cap - 1));
        ck_assert_int_eq(at[cap], '#');
    }
}
END_TEST

START_TEST(isa_as_linux_tells_it)
{
    ck_assert_str_eq(isa_string(), "rv64imafdc_zicntr_zicond_zicsr_zifencei_zihintpause_zaamo_zalrsc_zca_zcd"
                                   "_zba_zbb_zbc_zbs");
    ck_assert_ptr_eq(isa_string(), isa_string());
    ck_assert_uint_eq(isa_hwcap(), 0x112d); /* I M A F D C */
    ck_assert_uint_eq(isa_hwprobe_ima_ext0(), 0x3 | 0xb8 | UINT64_C(3) << 35 | UINT64_C(5) << 43 |
                                                  UINT64_C(1) << 50 | UINT64_C(3) << 56);
}
END_TEST

static void *decode_all_rows(void *bad)
{
    for (int op = NR_OPS - 1; op >= 0; op--)
        if (decode(insn_desc[op].match).op != op)
            *(int *)bad = op;
    return NULL;
}

/* The index of the decoder is built by whoever comes first; here eight come at once. */
START_TEST(first_decode_may_race)
{
    pthread_t threads[8];
    int bad[8];

    for (int k = 0; k < 8; k++) {
        bad[k] = -1;
        ck_assert_int_eq(pthread_create(&threads[k], NULL, decode_all_rows, &bad[k]), 0);
    }
    for (int k = 0; k < 8; k++) {
        pthread_join(threads[k], NULL);
        ck_assert_int_eq(bad[k], -1);
    }
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
    Suite *s = suite_create("isa");
    TCase *tc = tcase_create("isa");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, first_decode_may_race); /* first: nothing may have decoded before */
    tcase_add_loop_test(tc, row_is_sound, 0, NR_OPS);
    tcase_add_loop_test(tc, row_flags_follow_the_format, 0, NR_OPS);
    tcase_add_loop_test(tc, row_round_trip, 0, NR_OPS);
    tcase_add_test(tc, random_words_match_their_row);
    tcase_add_loop_test(tc, known_words, 0, COUNT(known));
    tcase_add_loop_test(tc, illegal_words, 0, COUNT(illegal));
    tcase_add_test(tc, illegal_row_traps);
    tcase_add_loop_test(tc, compressed_words, 0, COUNT(rvc));
    tcase_add_test(tc, compressed_equals_expanded);
    tcase_add_test(tc, text);
    tcase_add_test(tc, text_is_cut_not_overrun);
    tcase_add_test(tc, isa_as_linux_tells_it);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK); /* pure functions; 800 forks take minutes under a sanitizer */
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
