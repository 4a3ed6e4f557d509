/*
 * The only ways between guest and host memory for C code. Copies survive a racing munmap; a span is a host
 * address to hand to a host system call and never to dereference here.
 */
#ifndef NOAHV_MEM_COPY_H
#define NOAHV_MEM_COPY_H

#include <sys/types.h>

#include "mem/gmem.h"

/* 0 or -EFAULT (part of the range may have been copied). Stack growth is resolved on the way. */
int copy_in(struct gmem *m, void *dst, gva_t src, size_t n);
int copy_out(struct gmem *m, gva_t dst, const void *src, size_t n);

/* Copies a NUL-terminated string of at most cap - 1 bytes: its length, -ENAMETOOLONG or -EFAULT. */
ssize_t copy_str(struct gmem *m, char *dst, gva_t src, size_t cap);

/*
 * lib/usercopy.c copy_struct_from_user, and what its callers ask of the size that the guest gives: of a structure that has
 * grown, at least `least` bytes; what is missing of the `known` ones becomes 0, and what follows them must be. 0, -EINVAL,
 * -E2BIG or -EFAULT.
 */
int copy_struct_in(struct gmem *m, void *dst, size_t known, size_t least, gva_t src, uint64_t size);

/* Bytes that could be copied before the first fault: for fetch and for printers, which show what there is. */
size_t copy_in_some(struct gmem *m, void *dst, gva_t src, size_t n);

#define get_user(m, obj, src) copy_in((m), (obj), (src), sizeof *(obj))
#define put_user(m, dst, obj) copy_out((m), (dst), (obj), sizeof *(obj))

/*
 * The host address of [addr, addr + len) for the host kernel's eyes. 0 gives NULL. A range that leaves the
 * guest's address space gives an address in the guard zone, so that the host kernel answers EFAULT exactly
 * when Linux would, after the checks that come first.
 */
void *gmem_span(struct gmem *m, gva_t addr, uint64_t len);

/*
 * Reads instruction bytes: as many of the n as are mapped with GMEM_X from pc on. Returns how many;
 * fewer than asked means a fetch fault at pc + result.
 */
size_t gmem_fetch(struct gmem *m, gva_t pc, void *out, size_t n);

#endif
