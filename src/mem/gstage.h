/*
 * The G-stage: guest-physical to host addresses by the host's own MMU. One reservation, the window, holds
 * the guest's whole address space between two inaccessible guard zones; host address = window + gpa.
 */
#ifndef NOAHV_MEM_GSTAGE_H
#define NOAHV_MEM_GSTAGE_H

#include "base/util.h"

/* Covers every displacement and transfer that is checked by its start address only (MAX_RW_COUNT < 2 GiB). */
#define GSTAGE_GUARD ((uint64_t)2 * GIB)

struct gstage {
    uint8_t *window; /* host address of gpa 0 */
    uint64_t size;   /* guest bytes: [window, window + size) */
};

int gstage_reserve(struct gstage *g, uint64_t size);
void gstage_release(struct gstage *g);

/*
 * Maps, unmaps, re-protects. prot: enum gmem_prot bits; GMEM_X gives no host execute right, and an
 * execute-only page is readable (the host cannot say otherwise). host_flags: MAP_SHARED or MAP_PRIVATE, MAP_NORESERVE.
 */
int gstage_map(struct gstage *g, gpa_t addr, uint64_t len, int prot, int host_flags, int fd, uint64_t offset);
int gstage_unmap(struct gstage *g, gpa_t addr, uint64_t len);

/* remap_file_pages */
int gstage_remap(struct gstage *g, gpa_t addr, uint64_t len, uint64_t offset);

/* Moves the first `len` bytes of a host mapping into the window, with the guest's protection. */
int gstage_adopt(struct gstage *g, gpa_t addr, uint64_t len, int prot, void *made);
int gstage_protect(struct gstage *g, gpa_t addr, uint64_t len, int prot);

/* mremap within the window; `keep_old` as MREMAP_DONTUNMAP. */
int gstage_move(struct gstage *g, gpa_t from, uint64_t old_len, gpa_t to, uint64_t new_len, bool keep_old);

/* Grows a mapping in place; the room behind it is free. Nothing has changed when it fails. */
int gstage_grow(struct gstage *g, gpa_t addr, uint64_t old_len, uint64_t new_len);

/*
 * After a failed map or move: some host kernels have discarded the target's old mapping by then. True when that
 * is so; the range is reserved again.
 */
bool gstage_repair(struct gstage *g, gpa_t addr, uint64_t len);

/* True when a host address lies in the window or its guards; then *gpa is where (a guard gives the
 * address just outside, wrapping below 0). */
bool gstage_contains(const struct gstage *g, uint64_t host, gpa_t *gpa);

#endif
