/*
 * Removing and moving names in an overlaid piece. Names are cut off below before they vanish above, under the lock that
 * whoever copies something up holds too; what a name means changes with one host call at the end, as it does natively.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/overlay.h"

/* A name in an upper folder, and what it means now. */
struct name {
    const struct mount *m;
    char rel[PATH_MAX]; /* below the piece's root */
    int dir;            /* the upper folder */
    const char *base;   /* the name in it: into rel */
    bool slash;         /* it was written with one at its end */
    bool up, lower;     /* which layers have it; lower: and it is not cut off */
    uint32_t type;      /* S_IFMT; 0: there is nothing */
};

static uint32_t type_of(int64_t fd)
{
    struct stat st;
    uint32_t type = fd >= 0 && HOST_RAW(SYS_fstat, fd, &st) == 0 ? st.st_mode & S_IFMT : 0;

    if (fd >= 0)
        HOST_RAW(SYS_close, fd);
    return type;
}

/* Looks a resolved entry (PATH_ENTRY) up again, with the lock held. It is where its folder is by now. */
static int64_t look(const struct view *v, const struct path *p, struct name *n)
{
    const char *rel;
    char folder[PATH_MAX];
    int64_t fd;
    bool cut_free;
    uint32_t type;
    size_t len;

    if (view_place(v, p->hold, folder) < 0 || !(n->m = view_mount(v, folder, &rel)) || !overlaid(n->m))
        return -ENOENT;
    if (strlen(rel) + strlen(p->name) + 2 > sizeof n->rel)
        return -ENAMETOOLONG;
    len = (size_t)snprintf(n->rel, sizeof n->rel, "%s%s%s", rel, *rel ? "/" : "", p->name);
    n->slash = len && n->rel[len - 1] == '/';
    n->rel[len - n->slash] = '\0';
    n->dir = p->hold;
    n->base = strrchr(n->rel, '/') ? strrchr(n->rel, '/') + 1 : n->rel;
    fd = overlay_find(n->m, n->rel, &cut_free);
    if (fd < 0 && fd != -ENOENT)
        return fd;
    type = type_of(fd);
    n->up = fd >= 0;
    n->type = cut_free ? type_of(overlay_lower(n->m, n->rel)) : 0;
    n->lower = n->type != 0;
    n->type = n->up ? type : n->type;
    return 0;
}

static int64_t may_write(const struct name *n)
{
    return HOST_RAW(SYS_faccessat, n->dir, ".", W_OK | X_OK);
}

static int64_t open_folder(int dir, const char *name)
{
    return HOST_RAW(SYS_openat, dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The lower layer's object of that name does not count any more, now or ever again. */
static int64_t cut(const struct name *n)
{
    int64_t dir, r;

    if (!n->lower)
        return 0;
    r = HOST_RAW(SYS_mkdirat, n->dir, OVERLAY_CUT, 0700);
    dir = r < 0 && r != -EEXIST ? r : open_folder(n->dir, OVERLAY_CUT);
    if (dir < 0)
        return dir;
    r = HOST_RAW(SYS_openat, dir, n->base, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    HOST_RAW(SYS_close, dir);
    if (r >= 0)
        HOST_RAW(SYS_close, r);
    return MIN(r, 0);
}

/* --- Folders ------------------------------------------------------------------------------------------ */

/* A folder of the upper layer whose name is cut off below loses all that is not the guest's. */
static void clear_own(const struct name *n)
{
    int64_t dir = open_folder(n->dir, n->base), cuts = dir < 0 ? dir : open_folder((int)dir, OVERLAY_CUT);
    char *records = NULL;
    size_t len = 0, at = 0;
    struct dent d;

    if (cuts >= 0 && overlay_read((int)cuts, &records, &len) == 0)
        while (overlay_next(records, len, &at, &d))
            HOST_RAW(SYS_unlinkat, cuts, d.name, 0);
    free(records);
    if (cuts >= 0) {
        HOST_RAW(SYS_close, cuts);
        HOST_RAW(SYS_unlinkat, dir, OVERLAY_CUT, AT_REMOVEDIR);
    }
    if (dir >= 0) {
        if (cuts < 0) /* it was no folder */
            HOST_RAW(SYS_unlinkat, dir, OVERLAY_CUT, 0);
        HOST_RAW(SYS_unlinkat, dir, OVERLAY_NEW, 0);
        HOST_RAW(SYS_close, dir);
    }
}

/* Calls `visit` for each name that the lower layer has in a folder, until it returns what is not 0. */
static int64_t each_lower(const struct mount *m, const char *rel,
                          int64_t (*visit)(void *opaque, const char *name), void *opaque)
{
    int64_t low = overlay_lower(m, rel), r;
    char *records = NULL;
    size_t len = 0, at = 0;
    struct dent d;

    if (low < 0)
        return low == -ENOENT ? 0 : low;
    r = overlay_read((int)low, &records, &len);
    HOST_RAW(SYS_close, low);
    while (r == 0 && overlay_next(records, len, &at, &d))
        if (!overlay_is_own(d.name))
            r = visit(opaque, d.name);
    free(records);
    return r == -ENOTDIR ? 0 : r; /* of what is no folder */
}

static bool goes_down(char rel[PATH_MAX], size_t n, const char *name)
{
    return (size_t)snprintf(rel + n, PATH_MAX - n, "%s%s", n ? "/" : "", name) < PATH_MAX - n;
}

static int64_t seen(void *opaque, const char *name)
{
    struct name *n = opaque;
    size_t len = strlen(n->rel);
    bool lower = false;
    int64_t fd = -ENAMETOOLONG;

    if (goes_down(n->rel, len, name))
        fd = overlay_find(n->m, n->rel, &lower);
    n->rel[len] = '\0';
    if (fd >= 0)
        HOST_RAW(SYS_close, fd);
    return fd >= 0 || (fd == -ENOENT && lower) ? -ENOTEMPTY : fd == -ENOENT ? 0 : fd;
}

/* 0: the folder has nothing that the guest sees; or -ENOTEMPTY. */
static int64_t is_empty(struct name *n)
{
    int64_t fd = n->up ? open_folder(n->dir, n->base) : -ENOENT, r = 0;
    char *records = NULL;
    size_t len = 0, at = 0;
    struct dent d;

    if (fd >= 0) {
        r = overlay_read((int)fd, &records, &len);
        HOST_RAW(SYS_close, fd);
        while (r == 0 && overlay_next(records, len, &at, &d))
            if (!overlay_is_own(d.name))
                r = -ENOTEMPTY;
        free(records);
    }
    return r == 0 && n->lower ? each_lower(n->m, n->rel, seen, n) : r;
}

static int64_t lift_all(struct name *n);

static int64_t lift_below(void *opaque, const char *name)
{
    struct name *n = opaque;
    size_t len = strlen(n->rel);
    int64_t r = -ENAMETOOLONG;

    if (goes_down(n->rel, len, name))
        r = lift_all(n);
    n->rel[len] = '\0';
    return r;
}

/* All that n->rel means, and all below it, is in the upper layer afterwards. */
static int64_t lift_all(struct name *n)
{
    int64_t r = overlay_lift_locked(n->m, n->rel);
    bool lower;

    if (r < 0)
        return r == -ENOENT ? 0 : r; /* cut off */
    if (type_of(overlay_find(n->m, n->rel, &lower)) != S_IFDIR || !lower)
        return 0;
    return each_lower(n->m, n->rel, lift_below, n);
}

/* --- unlinkat ----------------------------------------------------------------------------------------- */

static int64_t unlink_locked(struct name *n, int flags)
{
    bool rmdir = flags & AT_REMOVEDIR;
    int64_t r = n->type ? may_write(n) : -ENOENT;

    if (r == 0 && (rmdir || n->slash) && n->type != S_IFDIR)
        r = -ENOTDIR;
    if (r == 0 && !rmdir && n->type == S_IFDIR)
        r = -EISDIR;
    if (r == 0 && rmdir)
        r = is_empty(n);
    if (r == 0)
        r = cut(n);
    if (r < 0)
        return r;
    if (!n->up) { /* the folder has changed all the same */
        const struct timespec now[] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };

        HOST_RAW(SYS_utimensat, n->dir, ".", now, 0);
        return 0;
    }
    if (rmdir)
        clear_own(n);
    return HOST_RAW(SYS_unlinkat, n->dir, n->base, flags);
}

int64_t overlay_unlink(struct task *t, struct path *p, int flags)
{
    const struct view *v = t->proc->box->view;
    struct name *n = malloc(sizeof *n);
    int64_t r = !n ? -ENOMEM : flags & ~AT_REMOVEDIR ? -EINVAL : 0;
    int hold;

    fd_freeze();
    if (r == 0)
        r = overlay_lock(v, &hold);
    if (r == 0) {
        r = look(v, p, n);
        if (r == 0)
            r = unlink_locked(n, flags);
        overlay_unlock(&hold);
    }
    fd_thaw();
    free(n);
    return r;
}

/* --- renameat2 ---------------------------------------------------------------------------------------- */

/* Is the second somewhere below the first? */
static bool lies_in(const struct name *folder, const struct name *n)
{
    size_t len = strlen(folder->rel);

    return strncmp(folder->rel, n->rel, len) == 0 && n->rel[len] == '/';
}

/* What the kernel checks, in the same order (fs/namei.c do_renameat2, vfs_rename). */
static int64_t may_rename(struct name *old, struct name *new, unsigned flags)
{
    bool folder = old->type == S_IFDIR, exchange = flags & RENAME_EXCHANGE;
    int64_t r;

    if (!old->type || (exchange && !new->type))
        return -ENOENT;
    if (flags & RENAME_NOREPLACE && new->type)
        return -EEXIST;
    if (exchange ? new->slash &&new->type != S_IFDIR : new->slash && !folder)
        return -ENOTDIR;
    if (old->slash && !folder)
        return -ENOTDIR;
    if (lies_in(old, new))
        return -EINVAL;
    if (lies_in(new, old))
        return exchange ? -EINVAL : -ENOTEMPTY;
    r = may_write(old);
    if (r == 0)
        r = may_write(new);
    if (r < 0 || exchange || !new->type)
        return r;
    if (folder && new->type != S_IFDIR)
        return -ENOTDIR;
    if (!folder && new->type == S_IFDIR)
        return -EISDIR;
    return folder && strcmp(old->rel, new->rel) != 0 ? is_empty(new) : 0;
}

static int64_t rename_locked(struct name *old, struct name *new, unsigned flags)
{
    bool exchange = flags & RENAME_EXCHANGE;
    int64_t r = may_rename(old, new, flags);

    if (r < 0 || strcmp(old->rel, new->rel) == 0)
        return r;
    r = lift_all(old);
    if (r == 0 && exchange)
        r = lift_all(new);
    if (r == 0 && exchange)
        r = cut(new);
    if (r == 0 && old->type == S_IFDIR && new->type == S_IFDIR && !exchange) { /* an empty one goes */
        r = overlay_lift_locked(new->m, new->rel);
        if (r == 0)
            r = cut(new);
        if (r == 0)
            clear_own(new);
    }
    if (r == 0) /* of the other name, what comes hides what is below */
        r = cut(old);
    return r < 0 ? r : HOST_RAW(SYS_renameat2, old->dir, old->base, new->dir, new->base, flags);
}

int64_t overlay_rename(struct task *t, struct path *old, struct path *new, unsigned flags)
{
    const struct view *v = t->proc->box->view;
    struct name *n = malloc(2 * sizeof *n);
    int64_t r = !n ? -ENOMEM : flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ? -EINVAL : 0;
    int hold;

    fd_freeze();
    if (r == 0)
        r = overlay_lock(v, &hold);
    if (r == 0) {
        r = look(v, old, &n[0]);
        if (r == 0)
            r = look(v, new, &n[1]);
        if (r == 0)
            r = n[0].m == n[1].m ? rename_locked(&n[0], &n[1], flags) : -EXDEV;
        overlay_unlock(&hold);
    }
    fd_thaw();
    free(n);
    return r;
}
