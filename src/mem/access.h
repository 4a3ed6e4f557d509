/*
 * Single loads, stores and compare-exchanges on guest memory whose host faults are recovered: the machine
 * instructions of this file are listed in a fault table (section noahv_ex), and fault.c resumes a
 * faulting one at its recovery label. Callers have bounded the address already: `p` lies inside a window
 * or its guard zones.
 *
 * On a fault the functions return false, and access_fault tells which guest byte and why.
 */
#ifndef NOAHV_MEM_ACCESS_H
#define NOAHV_MEM_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#if !defined(__x86_64__)
#error "mem/access.h: the recoverable accesses are written for x86-64 hosts"
#endif

struct access_fault {
    uint64_t host; /* the faulting host address */
    int signal;    /* SIGSEGV, or SIGBUS (beyond the end of a mapped file) */
};

/*
 * Filled by the fault handler of the calling thread at the last recovered fault. Initial-exec, because a lazily
 * allocated thread-local must not be touched in a signal handler.
 */
extern _Thread_local struct access_fault access_fault __attribute__((tls_model("initial-exec")));

/*
 * One line of the fault table: distances from the field itself, so that it needs no relocation. At `recover`
 * the carry flag is set, which is how code without a branch target of its own learns of the fault.
 */
struct access_ex {
    int32_t insn, recover;
};

#define ACCESS_EX(insn, label)                                                          \
    ".pushsection noahv_ex,\"a\"\n\t.balign 4\n\t.long " insn " - ., " label " - .\n\t" \
    ".popsection\n\t"

/*
 * Loads report by the carry flag and not by asm goto, as stores do: gcc before 12.4 and 13.3 miscompiles asm
 * goto with outputs (PR 113921).
 */
#define ACCESS_DEFINE(bits, type, load_insn, store_insn, reg)                                \
    static inline bool access_load##bits(const void *p, type *out)                           \
    {                                                                                        \
        type v;                                                                              \
        bool fault;                                                                          \
        __asm__ volatile("clc\n1: " load_insn " %2, %" reg "0\n2:\n\t" ACCESS_EX("1b", "2b") \
                         : "=r"(v), "=@ccc"(fault)                                           \
                         : "m"(*(const volatile type *)p)                                    \
                         : "memory");                                                        \
        if (__builtin_expect(fault, 0))                                                      \
            return false;                                                                    \
        *out = v;                                                                            \
        return true;                                                                         \
    }                                                                                        \
    static inline bool access_store##bits(void *p, type v)                                   \
    {                                                                                        \
        __asm__ goto("1: " store_insn " %" reg "0, %1\n\t" ACCESS_EX("1b", "%l[fault]")      \
                     :                                                                       \
                     : "r"(v), "m"(*(volatile type *)p)                                      \
                     : "memory"                                                              \
                     : fault);                                                               \
        return true;                                                                         \
    fault:                                                                                   \
        return false;                                                                        \
    }

ACCESS_DEFINE(8, uint8_t, "movb", "movb", "b")
ACCESS_DEFINE(16, uint16_t, "movw", "movw", "w")
ACCESS_DEFINE(32, uint32_t, "movl", "movl", "k")
ACCESS_DEFINE(64, uint64_t, "movq", "movq", "q")

/*
 * Atomic compare-exchange, sequentially consistent. *old holds the expected value on entry and the value
 * found on return; *done says whether the exchange took place. `p` is naturally aligned.
 */
#define ACCESS_DEFINE_CAS(bits, type, insn, reg)                                                           \
    static inline bool access_cas##bits(void *p, type *old, type desired, bool *done)                      \
    {                                                                                                      \
        type found = *old;                                                                                 \
        bool same, fault;                                                                                  \
        __asm__ volatile("1: lock " insn " %" reg "4, %3\n\tsete %b1\n\tclc\n2:\n\t" ACCESS_EX("1b", "2b") \
                         : "+a"(found), "=&q"(same), "=@ccc"(fault), "+m"(*(volatile type *)p)             \
                         : "r"(desired)                                                                    \
                         : "memory");                                                                      \
        if (__builtin_expect(fault, 0))                                                                    \
            return false;                                                                                  \
        *old = found;                                                                                      \
        *done = same;                                                                                      \
        return true;                                                                                       \
    }

ACCESS_DEFINE_CAS(32, uint32_t, "cmpxchgl", "k")
ACCESS_DEFINE_CAS(64, uint64_t, "cmpxchgq", "q")

/*
 * Earlier stores before later loads, the one order among these accesses that the host does not keep by itself. In
 * asm like the accesses, so that thread sanitizers, which know no fences, see neither.
 */
static inline void access_fence(void)
{
    __asm__ volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
}

#endif
