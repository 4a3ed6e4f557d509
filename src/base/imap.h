/*
 * Ordered map of disjoint intervals [start, start + len) to fixed-size records, kept as a sorted array: a
 * guest has tens of regions, seldom thousands, and searches outnumber changes.
 *
 * A record's first two fields are `uint64_t start, len`. Not thread-safe.
 */
#ifndef NOAHV_BASE_IMAP_H
#define NOAHV_BASE_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct imap {
    char *at; /* owned: n records of `size` bytes */
    size_t n, cap, size;
};

void imap_init(struct imap *m, size_t record_size);
void imap_free(struct imap *m);

/* The record that holds `addr`, or NULL. Pointers are valid until the next change. */
void *imap_find(const struct imap *m, uint64_t addr);

/* The first record that ends above `addr` (holds it or lies above), or NULL. */
void *imap_from(const struct imap *m, uint64_t addr);

/* Index access in order; NULL at or beyond n. */
void *imap_at(const struct imap *m, size_t i);
size_t imap_index(const struct imap *m, const void *record);

/* Inserts a copy; the interval is free (BUG otherwise). -ENOMEM. */
int imap_insert(struct imap *m, const void *record);
void imap_remove(struct imap *m, void *record);

/* Makes room: the next `extra` inserts cannot fail. -ENOMEM. */
int imap_reserve(struct imap *m, size_t extra);

/* Removes n records from index `first` on. */
void imap_remove_run(struct imap *m, size_t first, size_t n);

#endif
