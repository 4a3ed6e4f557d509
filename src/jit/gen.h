/*
 * The generators that gen.def names, by file: each translates the rows of one shape. `op` is the host's instruction or
 * condition; `w`: 64 bits, not 32; `dbl`: doubles, not singles.
 */
#ifndef NOAHV_JIT_GEN_H
#define NOAHV_JIT_GEN_H

#include "jit/internal.h"

enum { XMM14 = 14, XMM15 = 15 }; /* scratch, as rax and rcx are */

/* gen.c */
void gen_branch(struct gen *g, const struct insn *i, enum x64_cc cc);
void gen_jal(struct gen *g, const struct insn *i);
void gen_jalr(struct gen *g, const struct insn *i);
void gen_load(struct gen *g, const struct insn *i);
void gen_store(struct gen *g, const struct insn *i, unsigned bits);
void gen_fence(struct gen *g, const struct insn *i);
void gen_ecall(struct gen *g, const struct insn *i);

/* gen_alu.c */
void gen_lui(struct gen *g, const struct insn *i);
void gen_auipc(struct gen *g, const struct insn *i);
void gen_two(struct gen *g, const struct insn *i, enum x64_alu op);
void gen_add(struct gen *g, const struct insn *i);
void gen_alu_imm(struct gen *g, const struct insn *i, enum x64_alu op);
void gen_addi(struct gen *g, const struct insn *i);
void gen_addiw(struct gen *g, const struct insn *i);
void gen_aluw(struct gen *g, const struct insn *i, enum x64_alu op);
void gen_shift_imm(struct gen *g, const struct insn *i, enum x64_shift op, bool w);
void gen_slt(struct gen *g, const struct insn *i, enum x64_cc cc);
void gen_slti(struct gen *g, const struct insn *i, enum x64_cc cc);
void gen_mul(struct gen *g, const struct insn *i, bool w);
void gen_mulh(struct gen *g, const struct insn *i, enum x64_unary op);
void gen_mulhsu(struct gen *g, const struct insn *i);
void gen_div(struct gen *g, const struct insn *i, enum x64_unary op, bool w, enum x64_reg result);

/* gen_bits.c */
void gen_shadd(struct gen *g, const struct insn *i, int scale, bool w);
void gen_slli_uw(struct gen *g, const struct insn *i);
void gen_extend(struct gen *g, const struct insn *i, enum x64_0f op, bool w);
void gen_count_bits(struct gen *g, const struct insn *i, enum x64_0f op, bool w);
void gen_minmax(struct gen *g, const struct insn *i, enum x64_cc cc);
void gen_czero(struct gen *g, const struct insn *i, enum x64_cc cc);
void gen_invert(struct gen *g, const struct insn *i, enum x64_alu op);
void gen_shift(struct gen *g, const struct insn *i, enum x64_shiftx op, bool w);
void gen_shift_cl(struct gen *g, const struct insn *i, enum x64_shift op, bool w);
void gen_rori(struct gen *g, const struct insn *i, bool w);
void gen_rev8(struct gen *g, const struct insn *i);
void gen_one_bit(struct gen *g, const struct insn *i, enum x64_0f op);
void gen_one_bit_imm(struct gen *g, const struct insn *i, enum x64_0f op);
void gen_bext(struct gen *g, const struct insn *i);
void gen_bext_imm(struct gen *g, const struct insn *i);
void gen_orc_b(struct gen *g, const struct insn *i);
void gen_clmul(struct gen *g, const struct insn *i, unsigned shift);

/* gen_atomic.c */
void gen_lr(struct gen *g, const struct insn *i, bool w);
void gen_sc(struct gen *g, const struct insn *i, bool w);
void gen_swap(struct gen *g, const struct insn *i, bool w);
void gen_fetch_add(struct gen *g, const struct insn *i, bool w);
void gen_logic(struct gen *g, const struct insn *i, enum x64_alu op, bool w);
void gen_fetch_best(struct gen *g, const struct insn *i, enum x64_cc cc, bool w);

/* gen_flags.c */
enum gen_csr { GEN_WRITE, GEN_SET, GEN_CLEAR };
void gen_csr(struct gen *g, const struct insn *i, enum gen_csr how);
void gen_csr_imm(struct gen *g, const struct insn *i, enum gen_csr how);

/* gen_fp.c */
void gen_fld(struct gen *g, const struct insn *i, bool dbl);
void gen_fst(struct gen *g, const struct insn *i, bool dbl);
void gen_arith(struct gen *g, const struct insn *i, enum x64_0f op, bool dbl);
void gen_sqrt(struct gen *g, const struct insn *i, bool dbl);
void gen_fma(struct gen *g, const struct insn *i, enum x64_fma op, bool dbl);
void gen_fminmax(struct gen *g, const struct insn *i, enum x64_0f op, bool dbl);
void gen_fcmp(struct gen *g, const struct insn *i, enum x64_cc cc, bool dbl);
void gen_fclass(struct gen *g, const struct insn *i, bool dbl);
void gen_fsgnj(struct gen *g, const struct insn *i, bool dbl);
void gen_fsgnjn(struct gen *g, const struct insn *i, bool dbl);
void gen_fsgnjx(struct gen *g, const struct insn *i, bool dbl);
void gen_fmv_to_x(struct gen *g, const struct insn *i, bool dbl);
void gen_fmv_from_x(struct gen *g, const struct insn *i, bool dbl);
void gen_from_int(struct gen *g, const struct insn *i, bool w, bool dbl);
void gen_to_int(struct gen *g, const struct insn *i, bool w, bool dbl);
void gen_from_uint(struct gen *g, const struct insn *i, bool w, bool dbl);
void gen_to_uint(struct gen *g, const struct insn *i, bool w, bool dbl);
void gen_d_to_s(struct gen *g, const struct insn *i);
void gen_s_to_d(struct gen *g, const struct insn *i);

#endif
