/*
 * A: atomics on the guest memory that other host threads share. For ops.h only.
 *
 * Every read-modify-write is a lock-prefixed compare-exchange: sequentially consistent, so aq and rl need no
 * more. A reservation is an address and the value read there; SC stores by compare-exchange against that
 * value. So a store that puts the same value back goes unseen (ABA), as in other user-mode emulators: code
 * that relied on seeing it could not tell it from one that came before the LR.
 *
 * Unlike scalar loads and stores these must be naturally aligned (Unpriv. 20240411, "A").
 */

#define OP_LR(name, bits, type)                                                                    \
    OP(name)                                                                                       \
    {                                                                                              \
        const uint64_t addr = h->x[i->rs1];                                                        \
        uint##bits##_t v;                                                                          \
        if (addr & (bits / 8 - 1))                                                                 \
            return trap_plain(h, CAUSE_LOAD_MISALIGNED, addr);                                     \
        if (i->rm & 1) /* rl: earlier stores come first, which the host does not promise a load */ \
            access_fence();                                                                        \
        if (!OP_LOADED(bits, addr, &v))                                                            \
            return trap_access_failed(h, CAUSE_GPF_LOAD, i, addr);                                 \
        h->resv_addr = addr;                                                                       \
        h->resv_val = v;                                                                           \
        h->x[i->rd] = (uint64_t)(type)v;                                                           \
        return OP_NEXT;                                                                            \
    }

OP_LR(lr_w, 32, int32_t)
OP_LR(lr_d, 64, uint64_t)

/*
 * Without a reservation SC stores nothing, but it still faults like a store: exchanging a value for itself
 * asks the host just that.
 */
#define OP_SC(name, bits)                                                         \
    OP(name)                                                                      \
    {                                                                             \
        const uint64_t addr = h->x[i->rs1];                                       \
        const bool mine = h->resv_addr == addr;                                   \
        uint##bits##_t old = (uint##bits##_t)h->resv_val;                         \
        const uint##bits##_t desired = mine ? (uint##bits##_t)h->x[i->rs2] : old; \
        bool done;                                                                \
        if (addr & (bits / 8 - 1))                                                \
            return trap_plain(h, CAUSE_STORE_MISALIGNED, addr);                   \
        if (!OP_SWAPPED(bits, addr, &old, desired, &done))                        \
            return trap_access_failed(h, CAUSE_GPF_STORE, i, addr);               \
        h->resv_addr = RESV_NONE;                                                 \
        h->x[i->rd] = !(mine && done);                                            \
        return OP_NEXT;                                                           \
    }

OP_SC(sc_w, 32)
OP_SC(sc_d, 64)

/*
 * `expr` is the value to store, of `a` (in memory) and `b` (in rs2), both of `type`. A fault of the first
 * read is a store fault too: the AMO as a whole needs write permission (Priv. 1.13, "AMO" under page faults).
 */
#define OP_AMO(name, bits, type, expr)                                        \
    OP(name)                                                                  \
    {                                                                         \
        const uint64_t addr = h->x[i->rs1];                                   \
        const type b = (type)h->x[i->rs2];                                    \
        uint##bits##_t old;                                                   \
        bool done = false;                                                    \
        if (addr & (bits / 8 - 1))                                            \
            return trap_plain(h, CAUSE_STORE_MISALIGNED, addr);               \
        if (!OP_LOADED(bits, addr, &old))                                     \
            return trap_access_failed(h, CAUSE_GPF_STORE, i, addr);           \
        while (!done) {                                                       \
            __attribute__((unused)) const type a = (type)old;                 \
            if (!OP_SWAPPED(bits, addr, &old, (uint##bits##_t)(expr), &done)) \
                return trap_access_failed(h, CAUSE_GPF_STORE, i, addr);       \
        }                                                                     \
        h->x[i->rd] = (uint64_t)(int##bits##_t)old;                           \
        return OP_NEXT;                                                       \
    }

OP_AMO(amoswap_w, 32, uint32_t, b)
OP_AMO(amoadd_w, 32, uint32_t, a + b)
OP_AMO(amoxor_w, 32, uint32_t, a ^ b)
OP_AMO(amoand_w, 32, uint32_t, a &b)
OP_AMO(amoor_w, 32, uint32_t, a | b)
OP_AMO(amomin_w, 32, int32_t, MIN(a, b))
OP_AMO(amomax_w, 32, int32_t, MAX(a, b))
OP_AMO(amominu_w, 32, uint32_t, MIN(a, b))
OP_AMO(amomaxu_w, 32, uint32_t, MAX(a, b))

OP_AMO(amoswap_d, 64, uint64_t, b)
OP_AMO(amoadd_d, 64, uint64_t, a + b)
OP_AMO(amoxor_d, 64, uint64_t, a ^ b)
OP_AMO(amoand_d, 64, uint64_t, a &b)
OP_AMO(amoor_d, 64, uint64_t, a | b)
OP_AMO(amomin_d, 64, int64_t, MIN(a, b))
OP_AMO(amomax_d, 64, int64_t, MAX(a, b))
OP_AMO(amominu_d, 64, uint64_t, MIN(a, b))
OP_AMO(amomaxu_d, 64, uint64_t, MAX(a, b))
