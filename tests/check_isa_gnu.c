/*
 * The second opinion on encodings: every row and every compressed halfword against GNU binutils for riscv64.
 * The tools are a declared dependency of the tests; without them these tests fail and say so.
 *
 * Binutils 2.40 does not know Zicond, whose rows go through the assembler as .insn only, and wants the
 * rounding mode of exact conversions to be 0.
 */
#include "isa/insn.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define AS "riscv64-linux-gnu-as"
#define OBJCOPY "riscv64-linux-gnu-objcopy"
#define OBJDUMP "riscv64-linux-gnu-objdump"

enum { WORDS_PER_ROW = 32, NR_WORDS = NR_OPS * WORDS_PER_ROW, TEXT_MAX = 128 };

static char scratch[32];

static uint32_t random_word(void)
{
    static uint32_t x = 0x9e3779b9;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

static void setup(void)
{
    ck_assert_msg(system("command -v " AS " && command -v " OBJCOPY " && command -v " OBJDUMP) == 0,
                  "the tests need " AS ", " OBJCOPY " and " OBJDUMP " (Debian: binutils-riscv64-linux-gnu)");
    snprintf(scratch, sizeof(scratch), "/tmp/check_isa.XXXXXX");
    ck_assert_msg(mkdtemp(scratch) != NULL, "no scratch directory");
    ck_assert_int_eq(chdir(scratch), 0);
}

static void teardown(void)
{
    static const char *const names[] = { "t.s", "t.o", "t.bin" };

    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
        unlink(names[k]);
    rmdir(scratch);
}

static FILE *must_open(const char *name, const char *mode)
{
    FILE *f = fopen(name, mode);

    ck_assert_msg(f != NULL, "%s", name);
    return f;
}

static void assemble(void)
{
    ck_assert_msg(system(AS " -mno-relax -march=rv64gch_zba_zbb_zbc_zbs -o t.o t.s") == 0, "t.s is refused");
}

/* A word of row `op` with random operands, reserved fields zero. */
static uint32_t random_row_word(unsigned op)
{
    static const uint32_t csrs[] = { 1, 2, 3, 0xc00, 0xc01, 0xc02, 0x800, 0xfff, 0x55a };
    const struct insn_desc *d = &insn_desc[op];
    uint32_t word = (random_word() & ~d->mask) | d->match;

    if (d->fmt == FMT_CSR || d->fmt == FMT_CSRI)
        word = (word & 0xfffff) | csrs[random_word() % (sizeof(csrs) / sizeof(csrs[0]))] << 20;
    if (op == OP_fence)
        word = d->match | (random_word() % 8 ? random_word() & 0xff : 0x833) << 20;
    if (op == OP_fence_i)
        word = d->match;
    if (op == OP_fcvt_d_w || op == OP_fcvt_d_wu || op == OP_fcvt_d_s)
        word &= 0xffff8fff;
    return word;
}

static void disasm(const struct insn *i, uint64_t pc, char *at)
{
    struct buf b;

    buf_init(&b, at, TEXT_MAX);
    insn_disasm(i, pc, &b);
    ck_assert(!b.cut);
}

/* The assembler has no notation for these: a reserved rounding mode, an empty fence set. */
static bool has_notation(const struct insn *i)
{
    unsigned fmt = insn_desc[i->op].fmt;
    bool rounds = fmt == FMT_FRM || fmt == FMT_F1RM || fmt == FMT_F4 || fmt == FMT_F2XRM || fmt == FMT_X2FRM;

    if (i->op == OP_fence)
        return (i->imm & 0xf0) && (i->imm & 0xf);
    return !rounds || (i->rm != 5 && i->rm != 6);
}

/* Our text as a line of source: branch targets relative, Zicond spelled out. */
static void write_source(FILE *f, const struct insn *i, uint64_t pc)
{
    const struct insn_desc *d = &insn_desc[i->op];
    char line[TEXT_MAX];

    disasm(i, pc, line);
    if (d->fmt == FMT_B || d->fmt == FMT_J) {
        char *target = strrchr(line, ',');

        ck_assert(target != NULL);
        fprintf(f, "%.*s,.%+" PRId64 "\n", (int)(target - line), line,
                (int64_t)(strtoull(target + 1, NULL, 16) - pc));
    } else if (d->ext == EXT_Zicond) {
        ck_assert(!strncmp(line, i->op == OP_czero_eqz ? "czero.eqz " : "czero.nez ", 10));
        fprintf(f, ".insn r 0x33, %d, 7, %s\n", i->op == OP_czero_eqz ? 5 : 7, line + 10);
    } else {
        fprintf(f, "%s\n", line);
    }
}

/* Text to bits: what we print means to the assembler what the word means to us. */
START_TEST(assembler_agrees)
{
    static struct insn insns[NR_WORDS];
    unsigned n = 0;
    FILE *f = must_open("t.s", "w");

    fputs(".option norvc\n", f);
    for (unsigned k = 0; k < NR_WORDS; k++) {
        insn_decode(random_row_word(k / WORDS_PER_ROW), &insns[n]);
        if (!has_notation(&insns[n]))
            continue;
        write_source(f, &insns[n], n * 4);
        n++;
    }
    fclose(f);
    assemble();
    ck_assert_int_eq(system(OBJCOPY " -O binary -j .text t.o t.bin"), 0);
    f = must_open("t.bin", "rb");
    for (unsigned k = 0; k < n; k++) {
        uint32_t word;
        char line[TEXT_MAX];

        disasm(&insns[k], k * 4, line);
        ck_assert_uint_eq(fread(&word, sizeof(word), 1, f), 1);
        ck_assert_msg(word == insns[k].bits, "%s: %08x, the assembler says %08x", line, insns[k].bits, word);
    }
    ck_assert_int_eq(fgetc(f), EOF);
    fclose(f);
}
END_TEST

/*
 * Reads the next line "  pc:<tab>bits<tab>mnemonic<tab>operands" of objdump into `text`, with one space
 * between the last two and without comments and symbols. False at the end.
 */
static bool read_dump(FILE *p, uint64_t *pc, char *text)
{
    char line[256], *at, *end;

    while (fgets(line, sizeof(line), p)) {
        *pc = strtoull(line, &end, 16);
        at = strchr(line, '\t');
        if (end == line || *end != ':' || !at || !(at = strchr(at + 1, '\t')))
            continue;
        at++;
        at[strcspn(at, "#<\n")] = '\0';
        end = at + strlen(at);
        while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
            *--end = '\0';
        at[strcspn(at, "\t")] = ' ';
        if (*at && at[strlen(at) - 1] == ' ')
            at[strlen(at) - 1] = '\0';
        snprintf(text, TEXT_MAX, "%s", at);
        return true;
    }
    return false;
}

/* objdump writes addresses without 0x when the file has sections with names. */
static void drop_0x_of_target(char *text)
{
    char *target = strrchr(text, ',');

    target = target ? target + 1 : text;
    memmove(target, target + 2, strlen(target + 2) + 1);
}

/* Bits to text: the two disassemblers print the same. */
START_TEST(objdump_agrees)
{
    static struct insn insns[NR_WORDS];
    char theirs[TEXT_MAX], ours[TEXT_MAX];
    uint64_t pc;
    unsigned n = 0;
    FILE *f = must_open("t.s", "w");

    for (unsigned k = 0; k < NR_WORDS; k++) {
        unsigned op = k / WORDS_PER_ROW;

        if (insn_desc[op].ext == EXT_Zicond)
            continue;
        insn_decode(random_row_word(op), &insns[n]);
        fprintf(f, ".insn 0x%08" PRIx32 "\n", insns[n].bits);
        n++;
    }
    fclose(f);
    assemble();
    f = popen(OBJDUMP " -d -M no-aliases t.o", "r");
    ck_assert(f != NULL);
    for (unsigned k = 0; k < n; k++) {
        unsigned fmt = insn_desc[insns[k].op].fmt;

        ck_assert(read_dump(f, &pc, theirs));
        ck_assert_uint_eq(pc, k * 4);
        disasm(&insns[k], pc, ours);
        if (fmt == FMT_B || fmt == FMT_J)
            drop_0x_of_target(ours);
        ck_assert_msg(!strcmp(ours, theirs), "%08x: %s, objdump says %s", insns[k].bits, ours, theirs);
    }
    ck_assert(!read_dump(f, &pc, theirs));
    ck_assert_int_eq(pclose(f), 0);
}
END_TEST

/* clang-format off */
/* What compressed instructions mean, by the operands $1, $2, $3 that objdump prints. */
static const struct {
    const char *name, *expansion;
} expansions[] = {
    { "c.addi4spn", "addi $1,$2,$3" }, { "c.addi16sp", "addi $1,$1,$2" }, { "c.addi", "addi $1,$1,$2" },
    { "c.addiw", "addiw $1,$1,$2" },   { "c.li", "addi $1,zero,$2" },     { "c.lui", "lui $1,$2" },
    { "c.slli", "slli $1,$1,$2" },     { "c.srli", "srli $1,$1,$2" },     { "c.srai", "srai $1,$1,$2" },
    { "c.slli64", "slli $1,$1,0x0" },  { "c.srli64", "srli $1,$1,0x0" },  { "c.srai64", "srai $1,$1,0x0" },
    { "c.andi", "andi $1,$1,$2" },     { "c.sub", "sub $1,$1,$2" },       { "c.xor", "xor $1,$1,$2" },
    { "c.or", "or $1,$1,$2" },         { "c.and", "and $1,$1,$2" },       { "c.subw", "subw $1,$1,$2" },
    { "c.addw", "addw $1,$1,$2" },     { "c.mv", "add $1,zero,$2" },      { "c.add", "add $1,$1,$2" },
    { "c.j", "jal zero,$1" },          { "c.jr", "jalr zero,0($1)" },     { "c.jalr", "jalr ra,0($1)" },
    { "c.beqz", "beq $1,zero,$2" },    { "c.bnez", "bne $1,zero,$2" },    { "c.ebreak", "ebreak" },
    { "c.lw", "lw $1,$2" },            { "c.ld", "ld $1,$2" },            { "c.fld", "fld $1,$2" },
    { "c.sw", "sw $1,$2" },            { "c.sd", "sd $1,$2" },            { "c.fsd", "fsd $1,$2" },
    { "c.lwsp", "lw $1,$2" },          { "c.ldsp", "ld $1,$2" },          { "c.fldsp", "fld $1,$2" },
    { "c.swsp", "sw $1,$2" },          { "c.sdsp", "sd $1,$2" },          { "c.fsdsp", "fsd $1,$2" },
};
/* clang-format on */

static const char *expansion_of(const char *name)
{
    for (size_t k = 0; k < sizeof(expansions) / sizeof(expansions[0]); k++)
        if (!strcmp(expansions[k].name, name))
            return expansions[k].expansion;
    ck_abort_msg("objdump prints %s", name);
    return NULL;
}

/* "c.addi a0,-1" becomes "addi a0,a0,-1". */
static void expand_text(char *theirs, char *out)
{
    char *operands[4] = { "", "", "", "" }, *save = NULL;
    char *name = strtok_r(theirs, " ", &save);
    struct buf b;

    for (int k = 1; k < 4; k++) {
        char *operand = strtok_r(NULL, ",", &save);

        if (operand)
            operands[k] = operand;
    }
    buf_init(&b, out, TEXT_MAX);
    for (const char *c = expansion_of(name); *c; c++) {
        if (*c == '$')
            buf_puts(&b, operands[*++c - '0']);
        else
            buf_putc(&b, *c);
    }
    ck_assert(!b.cut);
}

/*
 * All 49152 halfwords. Two are refused here and printed by objdump: 0x0000, which it calls c.unimp and the
 * manual defines as illegal, and c.addi16sp with imm 0, which the manual reserves.
 */
START_TEST(compressed_agree)
{
    char theirs[TEXT_MAX], ours[TEXT_MAX], expanded[TEXT_MAX];
    FILE *f = must_open("t.bin", "wb");
    uint64_t pc;

    for (uint32_t half = 0; half < 0x10000; half++)
        if ((half & 3) != 3)
            ck_assert_uint_eq(fwrite(&half, 2, 1, f), 1);
    fclose(f);
    f = popen(OBJDUMP " -D -b binary -m riscv:rv64 -z -M no-aliases t.bin", "r");
    ck_assert(f != NULL);
    for (uint32_t half = 0; half < 0x10000; half++) {
        struct insn i;

        if ((half & 3) == 3)
            continue;
        ck_assert_msg(read_dump(f, &pc, theirs), "objdump stops before %04x", half);
        insn_decode(half, &i);
        disasm(&i, pc, ours);
        if (half == 0x0000 || half == 0x6101) {
            ck_assert_uint_eq(i.op, OP_ILLEGAL);
            continue;
        }
        if (theirs[0] == '.')
            snprintf(expanded, sizeof(expanded), "%s", theirs);
        else
            expand_text(theirs, expanded);
        ck_assert_msg(!strcmp(ours, expanded), "%04x: %s, objdump says %s", half, ours, expanded);
    }
    ck_assert(!read_dump(f, &pc, theirs));
    ck_assert_int_eq(pclose(f), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("isa against binutils");
    TCase *tc = tcase_create("binutils");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, assembler_agrees);
    tcase_add_test(tc, objdump_agrees);
    tcase_add_test(tc, compressed_agree);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
