/*
 * The guest's address space as Linux hands it out: where an image, stack, heap and mappings go.
 */
#ifndef NOAHV_SYSCALLS_MM_H
#define NOAHV_SYSCALLS_MM_H

#include "syscalls/linux.h"

/* Lowest address that may be mapped (vm.mmap_min_addr). */
#define MM_MIN_ADDR ((gva_t)0x10000)

/* Chooses addresses for a new image: arch/riscv/include/asm/processor.h, mm/util.c. */
void mm_layout(struct process *p, struct layout *out);

/* How far a stack may grow, from the guest's RLIMIT_STACK. */
void mm_limit_stack(struct process *p);

/* Bytes by kind, as /proc and the limits count them. */
struct mm_sizes {
    uint64_t total, data, stack, code;
};
struct mm_sizes mm_sizes(struct task *t);

/* Bytes that a box's memory limit counts: private and writable, or shared and of no file. */
uint64_t mm_charged(struct task *t);

/* 0, or -ENOMEM when so many bytes more, `data` of them private and writable, exceed RLIMIT_AS or RLIMIT_DATA. */
int mm_may_grow(struct task *t, uint64_t bytes, uint64_t data);

/* Where a mapping of mmap's flags goes, or -errno (mm/mmap.c get_unmapped_area). */
int64_t mm_place(struct task *t, gva_t hint, uint64_t len, uint64_t flags);

/* After a mapping was made: locks it where mlockall(MCL_FUTURE) asked for that; else -EAGAIN and it is gone. */
int mm_mapped(struct task *t, gva_t at, uint64_t len);

/* Every byte of the range is mapped: what the host cannot tell, to whom the window is one mapping. */
bool mm_is_mapped(struct task *t, gva_t addr, uint64_t len);

/*
 * peek.c: how far the window of another guest process lies from ours, to be added to a span; 0 for this one. -ESRCH,
 * -EPERM when there is none to be seen.
 */
int mm_window_of(struct task *t, int pid, uint64_t *shift);

/*
 * prctl(PR_SET_MDWE): no memory is writable and executable, and none becomes executable. What a new address space has
 * of it; whether memory that had one protection may not get another.
 */
int64_t mm_set_mdwe(struct task *t, uint64_t bits);
void mm_mdwe_inherit(struct mm *mm);
bool mm_denies(const struct task *t, uint64_t had, uint64_t gets);

/* setmm.c: prctl(PR_SET_MM). */
int64_t mm_prctl(struct task *t, uint64_t option, gva_t addr, uint64_t arg4, uint64_t arg5);

/* Records where the new image's heap and mappings begin. */
void mm_start(struct process *p, const struct layout *l, const struct image *img);

#endif
