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

/* Records where the new image's heap and mappings begin. */
void mm_start(struct process *p, const struct layout *l, const struct image *img);

#endif
