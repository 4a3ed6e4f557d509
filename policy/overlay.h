/*
 * Where a box keeps what it writes under --overlay: one folder on the host, with
 *
 *   files/N     for each piece of the view that is overlaid, what was written to it: the upper layer
 *   pieces/N.*  which piece that is: symbolic links whose targets are its two paths
 *   lock        its lock is that of everybody who changes names in files/
 *
 * What lies below files/ is of the guest's making: names, links, depth, types. The guest reaches nothing else here.
 */
#ifndef NOAHV_POLICY_OVERLAY_H
#define NOAHV_POLICY_OVERLAY_H

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

/*
 * The names in an upper folder that are not the guest's. CUT is a folder that holds, as empty files, the names that the
 * folder below has and the guest does not see any more. A name once there stays there: whatever the guest makes of
 * that name later has nothing below it. NEW is a file that is being copied up, or was when somebody was killed.
 */
#define OVERLAY_CUT ".noahv-cut"
#define OVERLAY_NEW ".noahv-new"

static inline bool overlay_is_own(const char *name)
{
    return strcmp(name, OVERLAY_CUT) == 0 || strcmp(name, OVERLAY_NEW) == 0;
}

#define OVERLAY_PIECES_MAX 256
#define OVERLAY_WHY_MAX 512 /* as NOAHV_WHY_MAX and VIEW_WHY_MAX */

/*
 * Opens and locks the folder, which nobody else may use then; `create` makes it first where there is none. Its
 * descriptor, or -errno and the cause in why[OVERLAY_WHY_MAX].
 */
int overlay_open(const char *path, bool create, char *why);

/*
 * The upper layer of a piece: made if it is new, with the attributes of the folder `lower`. `src` is NULL for a folder
 * that goes away with the box. An O_PATH descriptor, or -errno.
 */
int overlay_add(int overlay, const char *src, const char *dst, int lower);

/* Copies `size` bytes of a file into an empty one; holes stay holes. 0 or -errno. */
int overlay_copy(int from, int to, off_t size);

/* Piece number i: 0, and its upper layer, or -ENOENT. A piece without a source has an empty src. */
int overlay_piece(int overlay, unsigned i, char src[PATH_MAX], char dst[PATH_MAX], int *files);

#endif
