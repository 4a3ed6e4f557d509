/*
 * Copy-on-write for pieces of a box's view (--overlay). What lies below, the host's files, is only read; what the box
 * makes or changes is in an upper layer of its own, as ordinary files. A name means the upper layer's object if there is
 * one; else the lower one's, unless the name was cut off (policy/overlay.h). Folders that both have are one.
 *
 * Names are only ever cut, never mended, and what stands in the upper layer wins: so looking takes no lock. Everything
 * that cuts a name or copies something up holds one, for all processes of the box; the caller has frozen descriptors.
 */
#ifndef NOAHV_SYSCALLS_OVERLAY_H
#define NOAHV_SYSCALLS_OVERLAY_H

#include "policy/overlay.h"
#include "syscalls/view.h"

struct stat;

static inline bool overlaid(const struct mount *m)
{
    return m && m->upper >= 0;
}

/* --- Looking (overlay.c) ------------------------------------------------------------------------------ */

/* An O_PATH descriptor of what `rel` means, links not followed; *up: it is the upper layer's. Or -errno. */
int64_t overlay_look(const struct mount *m, const char *rel, bool *up);

/* The same of what the lower layer has there, whatever lies above; -ENOENT when that does not count. */
int64_t overlay_lower(const struct mount *m, const char *rel);

/* An O_PATH descriptor of the upper layer's object; -ENOENT, and *lower: the lower layer's counts. */
int64_t overlay_find(const struct mount *m, const char *rel, bool *lower);

/* Of a folder's descriptor or look-up: its number in both layers. False: as the host says. */
struct overlay_id {
    uint64_t dev, ino;
};
bool overlay_identity(const struct view *v, int fd, struct overlay_id *id);

/* Makes the host's answer about a descriptor that of both layers. Nobody has counted a folder's links: 1 says so. */
enum { OVERLAY_NLINK = 1 };
void overlay_tell(const struct view *v, int fd, struct stat *st);

/* --- Copying up --------------------------------------------------------------------------------------- */

/* The upper layer's folder for `rel`, made if only the lower one has it: an O_PATH descriptor. */
int64_t overlay_dir(const struct view *v, const struct mount *m, const char *rel);

/* What `rel` means is in the upper layer afterwards. */
int64_t overlay_lift(const struct view *v, const struct mount *m, const char *rel);

/* The same with the lock held. */
int64_t overlay_lift_locked(const struct mount *m, const char *rel);

int64_t overlay_lock(const struct view *v, int *hold);
void overlay_unlock(const int *hold);

/* --- Names (overlay_names.c) -------------------------------------------------------------------------- */

int64_t overlay_unlink(struct task *t, struct path *p, int flags);
int64_t overlay_rename(struct task *t, struct path *old, struct path *new, unsigned flags);

/* --- Listings (overlay_list.c) ------------------------------------------------------------------------ */

/* getdents64 of a folder of an overlaid piece; 1: it is none. */
int64_t overlay_dents(struct task *t, int fd, gva_t dirent, uint32_t count);

/* The records of a whole folder, given by any descriptor of it: *out is the caller's to free. */
int64_t overlay_read(int fd, char **out, size_t *len);

/* One record: struct linux_dirent64, whose name ends with a NUL. */
struct dent {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    const char *name;
};

/* The record at *at, which moves on; false at the end. "." and ".." are left out. */
bool overlay_next(const char *records, size_t len, size_t *at, struct dent *d);

#endif
