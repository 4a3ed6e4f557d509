/*
 * The x86-64 encoder against GNU objdump: each case is encoded and its expected text written down, then the
 * bytes of a whole group are disassembled at once and compared, address and text. What the text cannot tell
 * (lengths, the end of the buffer, the range of rel32) has tests of its own. Nothing of it is executed.
 */
#include "jit/x64.h"

#include <capstone/capstone.h>
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Of the code's and the expected text's file descriptors; what differs between the two texts is printed. */
#define COMPARE                                                                              \
    "objdump -D -z -b binary -m i386:x86-64 -M intel --no-show-raw-insn /proc/self/fd/%d | " \
    "sed -n '/^ *[0-9a-f]*:\t/ { s/[ \t][ \t]*/ /g; s/^ //; s/ *#.*//; s/ $//; p }' | "      \
    "diff /proc/self/fd/%d - | head -n 20"

enum { CODE_MAX = 1 << 19, TEXT_MAX = 80, FAR = 0x12345 };

/* What an operand is: a register's width; W is D or Q, by the `w` of the call. */
enum kind { B, H, D, Q, X, W };

/* clang-format off */
static const char *const reg_name[][16] = {
    [B] = { "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil",
            "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b" },
    [H] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
            "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w" },
    [D] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi",
            "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d" },
    [Q] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
            "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" },
    [X] = { "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
            "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" },
};
static const char *const ptr_name[] = { "BYTE", "WORD", "DWORD", "QWORD", "XMMWORD" };
static const char *const jcc_name[] = { "jo", "jno", "jb", "jae", "je", "jne", "jbe", "ja",
                                        "js", "jns", "jp", "jnp", "jl", "jge", "jle", "jg" };

/* Operations that share a shape; the list ends without a name. */
struct named { int op; const char *name; };

static const struct named alus[] = {
    { X64_ADD, "add" }, { X64_OR, "or" }, { X64_AND, "and" },
    { X64_SUB, "sub" }, { X64_XOR, "xor" }, { X64_CMP, "cmp" },
    { X64_ADC, "adc" }, { X64_SBB, "sbb" }, { 0, 0 } };
static const struct named shifts[] = {
    { X64_ROL, "rol" }, { X64_ROR, "ror" }, { X64_SHL, "shl" },
    { X64_SHR, "shr" }, { X64_SAR, "sar" }, { 0, 0 } };
static const struct named shiftxs[] = {
    { X64_SHLX, "shlx" }, { X64_SARX, "sarx" }, { X64_SHRX, "shrx" }, { 0, 0 } };
static const struct named unaries[] = {
    { X64_NOT, "not" }, { X64_NEG, "neg" }, { X64_MUL, "mul" },
    { X64_IMUL, "imul" }, { X64_DIV, "div" }, { X64_IDIV, "idiv" }, { 0, 0 } };
static const struct named bit_ops[] = {
    { X64_BT, "bt" }, { X64_BTS, "bts" }, { X64_BTR, "btr" }, { X64_BTC, "btc" }, { 0, 0 } };
static const struct named fmas[] = {
    { X64_VFMADD, "vfmadd213" }, { X64_VFMSUB, "vfmsub213" }, { X64_VFNMADD, "vfnmadd213" }, { X64_VFNMSUB, "vfnmsub213" }, { 0, 0 } };

/* The r/m operand is `rm` as a register, `mem` as memory; a store has it first. W0, W1: what `w` may be. */
#define R(op, name, ...) { X64_##op, #name, __VA_ARGS__ }
#define SCALAR(op, name) R(op##SD, name##sd, X, X, Q, W0), R(op##SS, name##ss, X, X, D, W0)
enum { W0 = 1, W1 = 2, W01 = W0 | W1, STORE = 4 };
static const struct { enum x64_0f op; const char *name; enum kind reg, rm, mem; int flags; } rows_0f[] = {
    R(IMUL_RR, imul, W, W, W, W01), R(POPCNT, popcnt, W, W, W, W01), R(TZCNT, tzcnt, W, W, W, W01),
    R(LZCNT, lzcnt, W, W, W, W01), R(MOVZX8, movzx, W, B, B, W01), R(MOVZX16, movzx, W, H, H, W01),
    R(MOVSX8, movsx, W, B, B, W01), R(MOVSX16, movsx, W, H, H, W01), R(MOVSD_LOAD, movsd, X, X, Q, W0),
    R(MOVSD_STORE, movsd, X, X, Q, W0 | STORE), R(MOVSS_LOAD, movss, X, X, D, W0),
    R(MOVSS_STORE, movss, X, X, D, W0 | STORE), R(CVTSI2SD, cvtsi2sd, X, W, W, W01),
    R(CVTSI2SS, cvtsi2ss, X, W, W, W01), R(CVTTSD2SI, cvttsd2si, W, X, Q, W01),
    R(CVTTSS2SI, cvttss2si, W, X, D, W01), R(CVTSD2SS, cvtsd2ss, X, X, Q, W0),
    R(CVTSS2SD, cvtss2sd, X, X, D, W0), R(MOVQ_TO_XMM, movd, X, D, D, W0), R(MOVQ_TO_XMM, movq, X, Q, Q, W1),
    R(MOVQ_FROM_XMM, movd, X, D, D, W0 | STORE), R(MOVQ_FROM_XMM, movq, X, Q, Q, W1 | STORE),
    R(CVTSD2SI, cvtsd2si, W, X, Q, W01), R(CVTSS2SI, cvtss2si, W, X, D, W01), R(BT, bt, W, W, W, W01 | STORE),
    R(BTS, bts, W, W, W, W01 | STORE), R(BTR, btr, W, W, W, W01 | STORE), R(BTC, btc, W, W, W, W01 | STORE),
    R(PXOR, pxor, X, X, X, W0), R(PCMPEQB, pcmpeqb, X, X, X, W0),
    R(MOVAPS, movaps, X, X, X, W0), R(ANDPS, andps, X, X, X, W0), R(XORPS, xorps, X, X, X, W0),
    R(ORPS, orps, X, X, X, W0), SCALAR(SQRT, sqrt), SCALAR(ADD, add), SCALAR(MUL, mul), SCALAR(SUB, sub),
    SCALAR(DIV, div), SCALAR(UCOMI, ucomi), SCALAR(COMI, comi), SCALAR(MIN, min), SCALAR(MAX, max),
};

/* The form by value: xor, mov r32, mov r64 with a sign-extended imm32, movabs; its length for rax and r8. */
static const struct { uint64_t v; const char *name; enum kind kind; int length, length_r8; } constants[] = {
    { 0, "xor", D, 2, 3 }, { 1, "mov", D, 5, 6 }, { 0x7f, "mov", D, 5, 6 }, { 0x80, "mov", D, 5, 6 },
    { INT32_MAX, "mov", D, 5, 6 }, { UINT64_C(0x80000000), "mov", D, 5, 6 }, { UINT32_MAX, "mov", D, 5, 6 },
    { UINT64_C(0x100000000), "movabs", Q, 10, 10 }, { UINT64_MAX, "mov", Q, 7, 7 },
    { (uint64_t)-128, "mov", Q, 7, 7 }, { (uint64_t)INT32_MIN, "mov", Q, 7, 7 },
    { (uint64_t)INT32_MIN - 1, "movabs", Q, 10, 10 }, { INT64_MAX, "movabs", Q, 10, 10 },
    { (uint64_t)INT64_MIN, "movabs", Q, 10, 10 }, { UINT64_C(0xffffffff00000000), "movabs", Q, 10, 10 },
    { UINT64_C(0x0123456789abcdef), "movabs", Q, 10, 10 },
};
/* clang-format on */

/* Both sides of every border between forms; immediates and displacements alike. */
static const int32_t borders[] = { 0, 1, -1, 127, 128, -128, -129, INT32_MAX, INT32_MIN };

/* What one call of a group encodes. run() brings every pair of registers, and with each of them as base or
 * destination every border, in both widths; and every count. */
struct operands {
    bool w;
    int a, b, c;
    unsigned count;
    int32_t imm;
    struct x64_mem m;
};

static uint8_t code[CODE_MAX];
static struct x64 e;
static uint8_t *insn_start;
static FILE *expected; /* NULL while only the bytes matter */
static csh registers;  /* 0 while it does not matter which are written */

static void start(size_t cap, FILE *text)
{
    memset(code, 0xa5, sizeof(code));
    e = (struct x64){ .at = code, .end = code + cap };
    insn_start = code;
    expected = text;
}

/* The number of the general register that `reg` is, or is a part of; -1: it is none. */
static int general(const char *reg)
{
    for (int kind = B; kind <= Q; kind++)
        for (int n = 0; n < 16; n++)
            if (strcmp(reg, reg_name[kind][n]) == 0)
                return n;
    return -1;
}

/* The bytes since the last call are one instruction: it writes what e.written says. */
static void compare_written(void)
{
    cs_regs read, write;
    uint8_t nr_read, nr_write;
    uint32_t want = 0;
    cs_insn *insn;
    const char *name;

    ck_assert_uint_eq(cs_disasm(registers, insn_start, (size_t)(e.at - insn_start), 0x1000, 1, &insn), 1);
    ck_assert(!cs_regs_access(registers, insn, read, &nr_read, write, &nr_write));
    for (int k = 0; k < nr_write; k++) {
        int n = general(cs_reg_name(registers, write[k]));

        if (n >= 0 && n != RSP) /* pushes and pops move it; nobody asks for it */
            want |= UINT32_C(1) << n;
    }
    name = insn->mnemonic;
    if (strcmp(name, "call") == 0)
        want = UINT32_MAX;
    if (strstr(name, "cmpxchg")) /* capstone 4 forgets this one */
        want |= 1 << RAX;
    if (strcmp(name, "cdq") == 0 || strcmp(name, "cqo") == 0) /* and takes what is read for written */
        want &= ~(UINT32_C(1) << RAX);
    ck_assert_msg((e.written | 1 << RSP) == (want | 1 << RSP), "%s %s writes %x, not %x", name, insn->op_str,
                  want, e.written);
    cs_free(insn, 1);
    e.written = 0;
}

/* The bytes since the last call are one instruction, and this is its text. */
__attribute__((format(printf, 1, 2))) static void expect(const char *format, ...)
{
    va_list ap;

    if (registers) {
        compare_written();
        insn_start = e.at;
    }
    if (!expected)
        return;
    va_start(ap, format);
    fprintf(expected, "%tx: ", insn_start - code);
    vfprintf(expected, format, ap);
    fputc('\n', expected);
    va_end(ap);
    insn_start = e.at;
}

#define CASE(emit, ...) (x64_##emit, expect(__VA_ARGS__))

static const char *reg(enum kind kind, bool w, int n)
{
    return reg_name[kind != W ? kind : w ? Q : D][n];
}

/* The text of a memory operand, until the next call. A displacement of 0 shows where it has to be encoded;
 * one from rip is right once the instruction is there. */
static const char *mem(enum kind kind, const struct operands *o)
{
    static char text[TEXT_MAX];
    char index[16] = "", disp[24] = "";
    struct x64_mem m = o->m;

    if (m.index >= 0)
        snprintf(index, sizeof(index), "+%s*%d", reg_name[Q][m.index], 1 << m.scale);
    if (m.base == X64_RIP)
        snprintf(disp, sizeof(disp), "+0x%" PRIx64, (uint64_t)(m.rip - e.at));
    else if (m.disp || m.base == RBP || m.base == R13)
        snprintf(disp, sizeof(disp), "%c0x%llx", m.disp < 0 ? '-' : '+', llabs(m.disp));
    if (kind == W)
        kind = o->w ? Q : D;
    snprintf(text, sizeof(text), "%s PTR [%s%s%s]", ptr_name[kind],
             m.base == X64_RIP ? "rip" : reg_name[Q][m.base], index, disp);
    return text;
}

/* The immediate in hex, until the next call: sign-extended to the operand's width, no wider. */
static const char *imm(unsigned bits, const struct operands *o)
{
    static char text[24];

    snprintf(text, sizeof(text), "0x%" PRIx64, (uint64_t)o->imm & UINT64_MAX >> (64 - bits));
    return text;
}

/* The whole product of addressing forms. rsp cannot be an index: its turn is without one. */
static void addressing(const struct operands *o)
{
    struct operands p = *o;

    for (int scale = 0; scale < (o->a == RSP ? 1 : 4); scale++)
        for (size_t k = 0; k < ARRAY_LEN(borders); k++) {
            p.m = o->a == RSP ? x64_at(o->b, borders[k]) : x64_at2(o->b, o->a, scale, borders[k]);
            CASE(lea(&e, o->w, o->c, p.m), "lea %s,%s", reg(W, o->w, o->c), strchr(mem(Q, &p), '['));
        }
}

/* Backward, to the instruction itself and far forward. */
static void rip_relative(const struct operands *o)
{
    struct operands p = *o;
    const char *a = reg(W, o->w, o->a);

    p.m = x64_rip(o->b % 3 == 0 ? code : o->b % 3 == 1 ? e.at : code + FAR);
    CASE(lea(&e, o->w, o->a, p.m), "lea %s,%s", a, strchr(mem(Q, &p), '['));
    CASE(mov_rm(&e, o->w, o->a, p.m), "mov %s,%s", a, mem(W, &p));
    CASE(alu_mr(&e, X64_ADD, o->w, p.m, o->a), "add %s,%s", mem(W, &p), a);
    CASE(0f_rm(&e, X64_CVTSI2SD, o->w, o->a, p.m), "cvtsi2sd %s,%s", reg_name[X][o->a], mem(W, &p));
    CASE(xadd(&e, o->w, p.m, o->a), "xadd %s,%s", mem(W, &p), a);
    CASE(vfma_m(&e, 0xa9, true, o->a, o->b, p.m), "vfmadd213sd %s,%s,%s", reg_name[X][o->a],
         reg_name[X][o->b], mem(Q, &p));
    CASE(jmp_m(&e, p.m), "jmp %s", mem(Q, &p));
}

static void alu(const struct operands *o)
{
    const char *a = reg(W, o->w, o->a), *b = reg(W, o->w, o->b), *i = imm(o->w ? 64 : 32, o), *m = mem(W, o);

    for (const struct named *n = alus; n->name; n++) {
        CASE(alu_rr(&e, n->op, o->w, o->a, o->b), "%s %s,%s", n->name, a, b);
        CASE(alu_ri(&e, n->op, o->w, o->a, o->imm), "%s %s,%s", n->name, a, i);
        CASE(alu_rm(&e, n->op, o->w, o->a, o->m), "%s %s,%s", n->name, a, m);
        CASE(alu_mr(&e, n->op, o->w, o->m, o->a), "%s %s,%s", n->name, m, a);
        CASE(alu_mi(&e, n->op, o->w, o->m, o->imm), "%s %s,%s", n->name, m, i);
    }
    CASE(imul_rri(&e, o->w, o->a, o->b, o->imm), "imul %s,%s,%s", a, b, i);
    CASE(test_rr(&e, o->w, o->a, o->b), "test %s,%s", a, b);
    CASE(test_ri(&e, o->a, (uint32_t)o->imm), "test %s,%s", reg_name[D][o->a], imm(32, o));
    CASE(cmpxchg(&e, o->w, o->m, o->a), "cmpxchg %s,%s", m, a);
    CASE(xadd(&e, o->w, o->m, o->a), "xadd %s,%s", m, a);
    CASE(xchg(&e, o->w, o->m, o->a), "xchg %s,%s", m, a);
    x64_lock(&e);
    CASE(cmpxchg(&e, o->w, o->m, o->a), "lock cmpxchg %s,%s", m, a);
}

static void moves(const struct operands *o)
{
    const char *a = reg(W, o->w, o->a);

    CASE(mov_rr(&e, o->w, o->a, o->b), "mov %s,%s", a, reg(W, o->w, o->b));
    CASE(mov_rm(&e, o->w, o->a, o->m), "mov %s,%s", a, mem(W, o));
    CASE(movsxd_rr(&e, o->a, o->b), "movsxd %s,%s", reg_name[Q][o->a], reg_name[D][o->b]);
    CASE(movsxd_rm(&e, o->a, o->m), "movsxd %s,%s", reg_name[Q][o->a], mem(D, o));
    for (int kind = B; kind <= Q; kind++) {
        CASE(mov_mr(&e, 8U << kind, o->m, o->a), "mov %s,%s", mem(kind, o), reg_name[kind][o->a]);
        CASE(mov_mi(&e, 8U << kind, o->m, o->imm), "mov %s,%s", mem(kind, o), imm(8U << kind, o));
    }
    for (size_t k = 0; k < ARRAY_LEN(constants); k++) {
        const char *dst = reg_name[constants[k].kind][o->a];

        x64_mov_ri(&e, o->a, constants[k].v);
        if (expected)
            ck_assert_int_eq(e.at - insn_start, o->a < R8 ? constants[k].length : constants[k].length_r8);
        if (constants[k].v)
            expect("%s %s,0x%" PRIx64, constants[k].name, dst, constants[k].v);
        else
            expect("%s %s,%s", constants[k].name, dst, dst);
    }
}

static void shifts_and_vex(const struct operands *o)
{
    const char *a = reg(W, o->w, o->a), *b = reg(W, o->w, o->b), *c = reg(W, o->w, o->c);

    for (const struct named *n = shifts; n->name; n++) {
        CASE(shift_ri(&e, n->op, o->w, o->a, o->count), "%s %s,0x%x", n->name, a, o->count);
        CASE(shift_mi(&e, n->op, o->w, o->m, o->count), "%s %s,0x%x", n->name, mem(W, o), o->count);
        CASE(shift_cl(&e, n->op, o->w, o->a), "%s %s,cl", n->name, a);
    }
    for (const struct named *n = shiftxs; n->name; n++)
        CASE(shiftx(&e, n->op, o->w, o->a, o->b, o->c), "%s %s,%s,%s", n->name, a, b, c);
    CASE(rorx(&e, o->w, o->a, o->b, o->count), "rorx %s,%s,0x%x", a, b, o->count);
    CASE(andn(&e, o->w, o->a, o->b, o->c), "andn %s,%s,%s", a, b, c);
    for (const struct named *n = fmas; n->name; n++) {
        CASE(vfma(&e, n->op, o->w, o->a, o->b, o->c), "%ss%c %s,%s,%s", n->name, o->w ? 'd' : 's',
             reg_name[X][o->a], reg_name[X][o->b], reg_name[X][o->c]);
        CASE(vfma_m(&e, n->op, o->w, o->a, o->b, o->m), "%ss%c %s,%s,%s", n->name, o->w ? 'd' : 's',
             reg_name[X][o->a], reg_name[X][o->b], mem(W, o));
    }
}

static void two_byte_opcodes(const struct operands *o)
{
    for (size_t k = 0; k < ARRAY_LEN(rows_0f); k++) {
        const char *a = reg(rows_0f[k].reg, o->w, o->a), *b = reg(rows_0f[k].rm, o->w, o->b);
        const char *m = mem(rows_0f[k].mem, o), *name = rows_0f[k].name;
        bool store = rows_0f[k].flags & STORE;

        if (!(rows_0f[k].flags & (o->w ? W1 : W0)))
            continue;
        CASE(0f_rr(&e, rows_0f[k].op, o->w, o->a, o->b), "%s %s,%s", name, store ? b : a, store ? a : b);
        CASE(0f_rm(&e, rows_0f[k].op, o->w, o->a, o->m), "%s %s,%s", name, store ? m : a, store ? a : m);
    }
    for (const struct named *n = bit_ops; n->name; n++)
        CASE(bit_ri(&e, n->op, o->w, o->a, o->count), "%s %s,0x%x", n->name, reg(W, o->w, o->a), o->count);
    CASE(0f_rr(&e, X64_MOVHLPS, false, o->a, o->b), "movhlps %s,%s", reg_name[X][o->a], reg_name[X][o->b]);
    CASE(0f3a_rri(&e, X64_ROUNDSD, o->a, o->b, o->count), "roundsd %s,%s,0x%x", reg_name[X][o->a],
         reg_name[X][o->b], o->count);
    CASE(0f3a_rri(&e, X64_ROUNDSS, o->a, o->b, o->count), "roundss %s,%s,0x%x", reg_name[X][o->a],
         reg_name[X][o->b], o->count);
    CASE(0f3a_rri(&e, X64_PCLMULQDQ, o->a, o->b, 0), "pclmullqlqdq %s,%s", reg_name[X][o->a],
         reg_name[X][o->b]);
    for (int cc = X64_O; cc <= X64_G; cc++) {
        CASE(cmov(&e, cc, o->w, o->a, o->b), "cmov%s %s,%s", jcc_name[cc] + 1, reg(W, o->w, o->a),
             reg(W, o->w, o->b));
        CASE(setcc(&e, cc, o->b), "set%s %s", jcc_name[cc] + 1, reg_name[B][o->b]);
    }
}

static void one_operand(const struct operands *o)
{
    const char *wide = reg_name[Q][o->a];

    for (const struct named *n = unaries; n->name; n++)
        CASE(unary(&e, n->op, o->w, o->a), "%s %s", n->name, reg(W, o->w, o->a));
    CASE(bswap(&e, o->w, o->a), "bswap %s", reg(W, o->w, o->a));
    CASE(cqo(&e, o->w), "%s", o->w ? "cqo" : "cdq");
    CASE(push(&e, o->a), "push %s", wide);
    CASE(pop(&e, o->a), "pop %s", wide);
    CASE(push_i(&e, o->imm), "push %s", imm(64, o));
    CASE(push_m(&e, o->m), "push %s", mem(Q, o));
    CASE(pop_m(&e, o->m), "pop %s", mem(Q, o));
    CASE(jmp_r(&e, o->a), "jmp %s", wide);
    CASE(call_r(&e, o->a), "call %s", wide);
    CASE(jmp_m(&e, o->m), "jmp %s", mem(Q, o));
    CASE(ldmxcsr(&e, o->m), "ldmxcsr %s", mem(D, o));
    CASE(stmxcsr(&e, o->m), "stmxcsr %s", mem(D, o));
    CASE(ret(&e), "ret");
    CASE(byte(&e, 0xcc), "int3");
    CASE(u32(&e, 0x7f401f0f), "nop DWORD PTR [rax+0x7f]");
}

/* Branches backward, to themselves, to the next one, far forward; and not linked: the next one too. */
static void branches(const struct operands *o)
{
    const char *const names[] = { "jmp", "call", jcc_name[o->a] };

    for (int k = 0; k < 3; k++) {
        uint8_t *field = k == 0 ? x64_jmp(&e) : k == 1 ? x64_call(&e) : x64_jcc(&e, o->a);
        uint8_t *const targets[] = { code, insn_start, e.at, code + FAR, e.at };

        /* Not for end_of_buffer_holds: a whole run and a cut one differ in nothing but their length. */
        if (expected && o->b % 5 < 4)
            x64_link(field, targets[o->b % 5]);
        expect("%s 0x%tx", names[k], targets[o->b % 5] - code);
    }
}

static void (*const groups[])(const struct operands *) = { addressing,  rip_relative,   alu,
                                                           moves,       shifts_and_vex, two_byte_opcodes,
                                                           one_operand, branches };

static void run(int group, int step)
{
    for (int n = 0; n < 512; n += step) {
        int a = n / 2 % 16, b = n / 32, index = (a + b) % 16;
        struct operands o = { .w = n & 1, .a = a, .b = b, .c = (a * 3 + b) % 16 };
        int32_t disp = borders[(unsigned)(a * 5 + b) % ARRAY_LEN(borders)];

        o.count = (unsigned)n / 2 % (o.w ? 64 : 32);
        o.imm = borders[(unsigned)(a + b) % ARRAY_LEN(borders)];
        o.m = index == RSP || a % 3 == 0 ? x64_at(b, disp) : x64_at2(b, index, a & 3, disp);
        groups[group](&o);
    }
}

START_TEST(objdump_agrees)
{
    FILE *bytes = tmpfile(), *text = tmpfile(), *comparison;
    char command[sizeof(COMPARE) + 32], difference[2000];

    ck_assert(bytes && text);
    start(CODE_MAX, text);
    run(_i, 1);
    ck_assert(!x64_full(&e));
    fwrite(code, 1, (size_t)(e.at - code), bytes);
    ck_assert(!fflush(bytes) && !fflush(text) && !ferror(bytes) && !ferror(text));
    snprintf(command, sizeof(command), COMPARE, fileno(bytes), fileno(text));
    comparison = popen(command, "r");
    ck_assert(comparison != NULL);
    difference[fread(difference, 1, sizeof(difference) - 1, comparison)] = '\0';
    ck_assert_msg(!*difference, "< expected, > objdump (Debian: binutils)\n%s", difference);
    ck_assert_int_eq(pclose(comparison), 0);
    fclose(bytes);
    fclose(text);
}
END_TEST

START_TEST(written_registers_are_known)
{
    start(CODE_MAX, NULL);
    ck_assert(!cs_open(CS_ARCH_X86, CS_MODE_64, &registers));
    cs_option(registers, CS_OPT_DETAIL, CS_OPT_ON);
    run(_i, 1);
    cs_close(&registers);
    registers = 0;
}
END_TEST

/* A byte of immediate or displacement where it is enough, none for a displacement of 0. */
START_TEST(operands_are_short)
{
    for (size_t k = 0; k < ARRAY_LEN(borders); k++) {
        int size = borders[k] >= -128 && borders[k] <= 127 ? 1 : 4;

        start(CODE_MAX, NULL);
        x64_alu_ri(&e, X64_ADD, false, RCX, borders[k]);
        ck_assert_int_eq(e.at - code, 2 + size);
        x64_alu_mi(&e, X64_ADD, false, x64_at(RCX, 0), borders[k]);
        ck_assert_int_eq(e.at - code, 2 * (2 + size));
        start(CODE_MAX, NULL);
        x64_mov_rm(&e, false, RAX, x64_at(RCX, borders[k]));
        ck_assert_int_eq(e.at - code, borders[k] ? 2 + size : 2);
    }
}
END_TEST

/* Wherever the buffer ends: what fits is the same, the rest is counted, nothing is written beyond. */
START_TEST(end_of_buffer_holds)
{
    static uint8_t whole[CODE_MAX], untouched[CODE_MAX];
    size_t size;

    start(CODE_MAX, NULL);
    memcpy(untouched, code, CODE_MAX);
    run(_i, 61);
    size = (size_t)(e.at - code);
    ck_assert(size < CODE_MAX && !x64_full(&e));
    memcpy(whole, code, size);
    for (size_t cap = 0; cap <= size; cap += cap < 16 || cap + 1 + size / 64 > size ? 1 : 1 + size / 64) {
        start(cap, NULL);
        run(_i, 61);
        ck_assert_ptr_eq(e.at, code + cap);
        ck_assert_uint_eq(e.lost, size - cap);
        ck_assert_int_eq(x64_full(&e), cap < size);
        ck_assert(!memcmp(code, whole, cap) && !memcmp(code + cap, untouched, CODE_MAX - cap));
    }
}
END_TEST

/* A field is where its four bytes are, or NULL when they are not all there; NULL is no field to fill. */
START_TEST(fields_fit_or_are_null)
{
    for (size_t cap = 0; cap < 8; cap++) {
        start(cap, NULL);
        ck_assert_ptr_eq(x64_jmp(&e), cap >= 5 ? code + 1 : NULL);
        start(cap, NULL);
        ck_assert_ptr_eq(x64_call(&e), cap >= 5 ? code + 1 : NULL);
        start(cap, NULL);
        ck_assert_ptr_eq(x64_jcc(&e, X64_NE), cap >= 6 ? code + 2 : NULL);
    }
    x64_link(NULL, code);
}
END_TEST

/* The targets are addresses to subtract, not to access; the field is unaligned on purpose. */
START_TEST(links_reach_2g_both_ways)
{
    static const int32_t distances[] = { INT32_MIN, -1, 0, 1, INT32_MAX };

    for (size_t k = 0; k < ARRAY_LEN(distances); k++) {
        start(0, NULL);
        x64_link(code + 1, (const uint8_t *)((uintptr_t)(code + 5) + (uintptr_t)(intptr_t)distances[k]));
        ck_assert(!memcmp(code + 1, &distances[k], 4) && code[0] == 0xa5 && code[5] == 0xa5);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("x64");
    TCase *tc = tcase_create("x64");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, objdump_agrees, 0, (int)ARRAY_LEN(groups));
    tcase_add_loop_test(tc, written_registers_are_known, 0, (int)ARRAY_LEN(groups));
    tcase_add_loop_test(tc, end_of_buffer_holds, 0, (int)ARRAY_LEN(groups));
    tcase_add_test(tc, operands_are_short);
    tcase_add_test(tc, fields_fit_or_are_null);
    tcase_add_test(tc, links_reach_2g_both_ways);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
