/* RV64I: integer computation, control transfer, loads and stores. For ops.h only. */

OP(lui)
{
    h->x[i->rd] = op_imm(i);
    return OP_NEXT;
}

OP(auipc)
{
    h->x[i->rd] = h->pc + op_imm(i);
    return OP_NEXT;
}

OP_RI(addi, a + b)
OP_RI(slti, (int64_t)a < (int64_t)b)
OP_RI(sltiu, a < b)
OP_RI(xori, a ^ b)
OP_RI(ori, a | b)
OP_RI(andi, a &b)
OP_RI(slli, a << (b & 63))
OP_RI(srli, a >> (b & 63))
OP_RI(srai, (uint64_t)((int64_t)a >> (b & 63)))

OP_RR(add, a + b)
OP_RR(sub, a - b)
OP_RR(sll, a << (b & 63))
OP_RR(slt, (int64_t)a < (int64_t)b)
OP_RR(sltu, a < b)
OP_RR(xor, a ^ b)
OP_RR(srl, a >> (b & 63))
OP_RR(sra, (uint64_t)((int64_t)a >> (b & 63)))
OP_RR(or, a | b)
OP_RR(and, a &b)

OP_RIW(addiw, a + b)
OP_RIW(slliw, a << (b & 31))
OP_RIW(srliw, (uint32_t)a >> (b & 31))
OP_RIW(sraiw, (uint64_t)((int32_t)a >> (b & 31)))

OP_RRW(addw, a + b)
OP_RRW(subw, a - b)
OP_RRW(sllw, a << (b & 31))
OP_RRW(srlw, (uint32_t)a >> (b & 31))
OP_RRW(sraw, (uint64_t)((int32_t)a >> (b & 31)))

/* Control transfer. Targets are multiples of 2, which the C extension allows: none is misaligned. */
OP(jal)
{
    h->x[i->rd] = h->pc + i->len;
    h->pc += op_imm(i);
    return OP_JUMP;
}

OP(jalr)
{
    const uint64_t target = h->x[i->rs1] + op_imm(i); /* rd may be rs1 */

    h->x[i->rd] = h->pc + i->len;
    h->pc = target & ~(uint64_t)1;
    return OP_JUMP;
}

#define OP_BRANCH(name, expr)                              \
    OP(name)                                               \
    {                                                      \
        const uint64_t a = h->x[i->rs1], b = h->x[i->rs2]; \
        if (!(expr))                                       \
            return OP_NEXT;                                \
        h->pc += op_imm(i);                                \
        return OP_JUMP;                                    \
    }

OP_BRANCH(beq, a == b)
OP_BRANCH(bne, a != b)
OP_BRANCH(blt, (int64_t)a < (int64_t)b)
OP_BRANCH(bge, (int64_t)a >= (int64_t)b)
OP_BRANCH(bltu, a < b)
OP_BRANCH(bgeu, a >= b)

/* Loads: `type` says how the value is extended. Misaligned accesses simply work. */
#define OP_LOAD(name, bits, type)                                  \
    OP(name)                                                       \
    {                                                              \
        const uint64_t addr = h->x[i->rs1] + op_imm(i);            \
        uint##bits##_t v;                                          \
        if (!OP_LOADED(bits, addr, &v))                            \
            return trap_access_failed(h, CAUSE_GPF_LOAD, i, addr); \
        h->x[i->rd] = (uint64_t)(type)v;                           \
        return OP_NEXT;                                            \
    }

OP_LOAD(lb, 8, int8_t)
OP_LOAD(lh, 16, int16_t)
OP_LOAD(lw, 32, int32_t)
OP_LOAD(ld, 64, uint64_t)
OP_LOAD(lbu, 8, uint8_t)
OP_LOAD(lhu, 16, uint16_t)
OP_LOAD(lwu, 32, uint32_t)

#define OP_STORE(name, bits, reg)                                   \
    OP(name)                                                        \
    {                                                               \
        const uint64_t addr = h->x[i->rs1] + op_imm(i);             \
        if (!OP_STORED(bits, addr, (uint##bits##_t)h->reg[i->rs2])) \
            return trap_access_failed(h, CAUSE_GPF_STORE, i, addr); \
        return OP_NEXT;                                             \
    }

OP_STORE(sb, 8, x)
OP_STORE(sh, 16, x)
OP_STORE(sw, 32, x)
OP_STORE(sd, 64, x)
