/*
 * Guest memory: the regions of one guest address space - the only record of what is mapped - and the
 * window through which the host's MMU realises them as the G-stage (gstage.h). Knows no hart, no Linux.
 *
 * Addresses are guest-physical (equal to guest-virtual, vsatp being Bare); lengths are bytes; both are
 * multiples of PAGE_BYTES unless said otherwise. Functions return 0 or a negative errno; each takes the
 * lock itself.
 */
#ifndef NOAHV_MEM_GMEM_H
#define NOAHV_MEM_GMEM_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/imap.h"
#include "base/util.h"
#include "mem/gstage.h"

/* Guest protections and kinds of access: the bits of PROT_READ, PROT_WRITE, PROT_EXEC. */
enum gmem_prot { GMEM_R = 1, GMEM_W = 2, GMEM_X = 4 };

enum gmem_flags {
    GMEM_SHARED = 1,    /* host MAP_SHARED; else private, copy-on-write across fork */
    GMEM_GROWSDOWN = 2, /* a fault just below the region extends it (stack) */
    GMEM_NORESERVE = 4,
    GMEM_SEALED = 8,    /* mseal: unmap, protect and remap are refused with -EPERM */
    GMEM_SHM = 16,      /* part of a System V segment, by its own offset: what shmdt looks for */
    GMEM_DONTFORK = 32, /* not there in a child, whose host leaves it out */
};

/* What /proc/self/maps prints in brackets. */
enum gmem_label { GMEM_PLAIN, GMEM_HEAP, GMEM_STACK, GMEM_VDSO, GMEM_VVAR };

struct region {
    gpa_t start;
    uint64_t len;
    uint8_t prot;    /* enum gmem_prot bits, as the guest asked: W and X kept apart from what the host maps */
    uint8_t flags;   /* enum gmem_flags bits */
    uint8_t label;   /* enum gmem_label */
    bool file;       /* backed by a host file (private or shared); else anonymous */
    uint64_t offset; /* file offset of `start` */
};

/*
 * What happened to executable memory, for those who derive something from it. They are not told: they compare code_gen
 * and ask for what they have missed.
 */
struct gmem_change {
    gpa_t start;
    uint64_t len;
    bool mapping; /* mapped, unmapped or re-protected; else perhaps written */
};

enum { GMEM_CHANGES = 32 }; /* of them are remembered */

struct gmem {
    struct imap regions; /* of struct region; guarded by lock */
    struct gstage gs;
    pthread_rwlock_t lock;
    uint64_t limit;             /* == gs.size: first address beyond the guest's address space */
    _Atomic uint64_t stack_max; /* bytes a GMEM_GROWSDOWN region may reach; set at any time */
    atomic_uint code_gen;       /* how many changes there have been */
    atomic_uint fences; /* raised by each FENCE.I: it concerns one hart, but also those that begin later */
    struct gmem_change change[GMEM_CHANGES]; /* the last ones, each at its number; guarded by lock */
    _Atomic uint64_t grow_from, grow_to;     /* the gaps below growing regions lie in [grow_from, grow_to) */
};

/* How a fault that the core cannot resolve is classed; the guest OS turns it into a signal. */
enum gmem_fault_kind { GMEM_FAULT_NONE, GMEM_FAULT_UNMAPPED, GMEM_FAULT_PROTECTION, GMEM_FAULT_BUS };

/* `size` bytes of guest address space, a power of two (2^38 for Sv39). */
int gmem_init(struct gmem *m, uint64_t size);
void gmem_destroy(struct gmem *m);

/*
 * Around a fork of the host process: no other thread changes the regions while the process is copied. Both
 * processes call gmem_fork_done, which closes the child's gaps (GMEM_DONTFORK); a child that shares the memory (CLONE_VM) does not take part.
 */
void gmem_fork_prepare(struct gmem *m);
void gmem_fork_done(struct gmem *m, bool child);

/* Unmaps everything, sealed or not, and keeps the window: execve. */
int gmem_reset(struct gmem *m);

/*
 * Maps [addr, addr + len), replacing what was there. fd = -1: zero-filled memory. The descriptor is not
 * kept. Errors are the host mmap's own (-EACCES, -ENODEV, -ENOMEM, -EBADF ...), and nothing has changed then
 * unless the host had to discard the old mapping.
 */
int gmem_map(struct gmem *m, gpa_t addr, uint64_t len, int prot, int flags, enum gmem_label label, int fd,
             uint64_t offset);
int gmem_unmap(struct gmem *m, gpa_t addr, uint64_t len);

/* Another part of the shared file that is mapped there: remap_file_pages. -EINVAL where there is no such mapping. */
int gmem_remap(struct gmem *m, gpa_t addr, uint64_t len, uint64_t offset);

/*
 * As gmem_map, of a mapping that the host kernel has made elsewhere: its first `len` bytes move to addr. -EFAULT when
 * it is shorter.
 */
int gmem_adopt(struct gmem *m, gpa_t addr, uint64_t len, int prot, int flags, void *host);

/*
 * -ENOMEM when part of the range is unmapped; what lies before the first hole is changed, as on Linux. -EPERM
 * at a sealed region, -EACCES where the host refuses, likewise.
 */
int gmem_protect(struct gmem *m, gpa_t addr, uint64_t len, int prot);

/*
 * Moves (and, with another new_len, grows or cuts) one region's range to `to`, which is free or replaced; keeps
 * the contents. `keep_old` (MREMAP_DONTUNMAP) leaves the emptied source mapped. -EFAULT when the source is not
 * one region, -EINVAL when the ranges overlap.
 */
int gmem_move(struct gmem *m, gpa_t from, uint64_t old_len, gpa_t to, uint64_t new_len, bool keep_old);

/* Grows the region that ends at addr + old_len in place; -ENOMEM when the room is taken. */
int gmem_grow(struct gmem *m, gpa_t addr, uint64_t old_len, uint64_t new_len);

/* Marks [addr, addr + len) sealed; -ENOMEM, and nothing is, when part of it is unmapped. */
int gmem_seal(struct gmem *m, gpa_t addr, uint64_t len);

/* Marks what is mapped of [addr, addr + len) as left out by forks, or not; the host knows by itself. -ENOMEM. */
int gmem_dontfork(struct gmem *m, gpa_t addr, uint64_t len, bool leave_out);

/* Highest free range of `len` bytes that ends at or below `below` and starts at or above `above`; 0 = none. */
gpa_t gmem_find_free(struct gmem *m, uint64_t len, gpa_t above, gpa_t below);

/* True when no byte of the range is mapped. */
bool gmem_is_free(struct gmem *m, gpa_t addr, uint64_t len);

/* Says that what executable memory the range has was perhaps written (riscv_flush_icache), or lost its contents. */
void gmem_code_changed(struct gmem *m, gpa_t addr, uint64_t len, bool mapping);

/*
 * The changes since *gen, which becomes the present one, the oldest first; when there have been too many, one change
 * of everything. Returns how many.
 */
size_t gmem_changes(struct gmem *m, unsigned *gen, struct gmem_change out[GMEM_CHANGES]);

/* Copies the region that holds addr, or the first above it; false when there is none. */
bool gmem_region_at(struct gmem *m, gpa_t addr, struct region *out);
bool gmem_region_from(struct gmem *m, gpa_t addr, struct region *out);

/*
 * A guest-page fault at `addr` (any 64-bit value) for `access` (one gmem_prot bit). `bus`: the host reported
 * SIGBUS. GMEM_FAULT_NONE: resolved (a stack grew), run the instruction again.
 */
enum gmem_fault_kind gmem_fault(struct gmem *m, gva_t addr, int access, bool bus);

/*
 * Resolves, before a range is touched, what a fault in it would: grows a stack down to it. gmem_span() and the
 * copies do so; an -EFAULT of the host for a span is therefore final. True: something changed.
 */
bool gmem_resolve(struct gmem *m, gva_t addr, uint64_t len);

#endif
