/*
 * Listings of folders in two layers. A position in one is a number made of the name that stands before it, so that it
 * stays right whatever else comes and goes, and whoever shares the descriptor has it too: it is the position of the host's
 * description, which is used for nothing else. Each call reads both folders anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/overlay.h"

/* struct linux_dirent64, as bytes: ino 8, offset 8, length 2, type 1, name. */
enum { DENT_OFF = 8, DENT_RECLEN = 16, DENT_TYPE = 18, DENT_NAME = 19 };

enum { CHUNK = 65536, AT_DOT = 1, AT_DOTDOT = 2, AT_NAMES = 3, AT_END = 0x7fffffff };

int64_t overlay_read(int fd, char **out, size_t *len)
{
    size_t cap = 0;
    char link[32];
    int64_t r;

    *out = NULL;
    *len = 0;
    snprintf(link, sizeof link, "self/fd/%d", fd);
    fd = (int)fd_open(procfs_dir(), link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fd;
    do {
        if (cap - *len < CHUNK) {
            char *more = realloc(*out, cap + (size_t)2 * CHUNK);

            r = -ENOMEM;
            if (!more)
                break;
            *out = more;
            cap += (size_t)2 * CHUNK;
        }
        r = HOST_RAW(SYS_getdents64, fd, *out + *len, CHUNK);
        *len += (size_t)MAX(r, 0);
    } while (r > 0);
    HOST_RAW(SYS_close, fd);
    if (r < 0) {
        free(*out);
        *out = NULL;
        *len = 0;
    }
    return r;
}

bool overlay_next(const char *records, size_t len, size_t *at, struct dent *d)
{
    while (*at + DENT_NAME < len) {
        const char *r = records + *at;

        memcpy(&d->ino, r, sizeof d->ino);
        memcpy(&d->off, r + DENT_OFF, sizeof d->off);
        memcpy(&d->reclen, r + DENT_RECLEN, sizeof d->reclen);
        d->type = (uint8_t)r[DENT_TYPE];
        d->name = r + DENT_NAME;
        *at += d->reclen;
        if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0)
            return true;
    }
    return false;
}

/* --- Both layers -------------------------------------------------------------------------------------- */

enum from { UPPER, CUT, LOWER };

struct entry {
    struct dent d; /* off: its position */
    enum from from;
};

struct listing {
    char *records[3]; /* by enum from */
    struct entry *e;
    size_t n, cap;
    int64_t pos; /* those that stand behind it */
};

static int64_t position(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return AT_NAMES + (int64_t)(hash % (AT_END - AT_NAMES));
}

static int64_t append(struct listing *l, const struct dent *d, enum from from, int64_t off)
{
    if (off <= l->pos)
        return 0;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct entry *e = realloc(l->e, cap * sizeof *e);

        if (!e)
            return -ENOMEM;
        l->e = e;
        l->cap = cap;
    }
    l->e[l->n] = (struct entry){ *d, from };
    l->e[l->n++].d.off = off;
    return 0;
}

static int64_t add_layer(struct listing *l, int fd, enum from from)
{
    size_t len, at = 0;
    struct dent d;
    int64_t r = overlay_read(fd, &l->records[from], &len);

    while (r == 0 && overlay_next(l->records[from], len, &at, &d))
        if (!overlay_is_own(d.name))
            r = append(l, &d, from, position(d.name));
    return r;
}

static int order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = x->d.off < y->d.off ? -1 : x->d.off > y->d.off;

    r = r ? r : strcmp(x->d.name, y->d.name);
    return r ? r : (int)x->from - (int)y->from;
}

/* Of each name the layer that counts stays. A folder in both has the number of the lower one. */
static void merge(struct listing *l)
{
    size_t kept = 0, next;

    if (l->n)
        qsort(l->e, l->n, sizeof *l->e, order);
    for (size_t i = 0; i < l->n; i = next) {
        struct entry *first = &l->e[i], *last;

        for (next = i + 1; next < l->n && strcmp(l->e[next].d.name, first->d.name) == 0;)
            next++;
        last = &l->e[next - 1];
        if (first->from == CUT)
            continue;
        if (next - i == 2 && last->from == LOWER && first->d.type == last->d.type &&
            first->d.type == S_IFDIR >> 12)
            first->d.ino = last->d.ino;
        l->e[kept++] = *first;
    }
    l->n = kept;
}

static int64_t add_dots(struct listing *l, uint64_t ino)
{
    static const char *const names[] = { ".", ".." };
    int64_t r = 0;

    for (int i = 0; r == 0 && i < 2; i++) {
        struct dent d = { .ino = ino, .type = S_IFDIR >> 12, .name = names[i] };

        r = append(l, &d, UPPER, AT_DOT + i);
    }
    return r;
}

/* The upper layer's part, if there is one: the folder that is open, or what its name means by now. */
static int64_t upper_of(const struct view *v, int fd, const struct mount *m, const char *rel)
{
    bool up = true;
    int64_t dir;

    if (view_is_upper(v, fd))
        return HOST_RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
    dir = overlay_look(m, rel, &up);
    if (dir >= 0 && up)
        return dir;
    if (dir >= 0)
        HOST_RAW(SYS_close, dir);
    return dir < 0 ? dir : -ENOENT;
}

static int64_t read_layers(struct listing *l, const struct view *v, int fd, const struct mount *m,
                           const char *rel)
{
    int64_t low = overlay_lower(m, rel), up = upper_of(v, fd, m, rel), cuts = -1, r = 0;
    struct stat st = { 0 };

    if (low < 0 && up < 0)
        r = -ENOENT; /* it is removed */
    if (r == 0 && up >= 0)
        r = add_layer(l, (int)up, UPPER);
    if (r == 0 && up >= 0 && low >= 0)
        cuts = HOST_RAW(SYS_openat, up, OVERLAY_CUT, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0 && cuts >= 0)
        r = add_layer(l, (int)cuts, CUT);
    if (r == 0 && low >= 0)
        r = add_layer(l, (int)low, LOWER);
    if (r == -ENOTDIR && low >= 0 && up >= 0) /* below is something else by now */
        r = 0;
    HOST_RAW(SYS_fstat, low >= 0 ? low : up, &st);
    if (low >= 0)
        HOST_RAW(SYS_close, low);
    if (up >= 0)
        HOST_RAW(SYS_close, up);
    if (cuts >= 0)
        HOST_RAW(SYS_close, cuts);
    return r < 0 ? r : add_dots(l, st.st_ino);
}

/* --- getdents64 --------------------------------------------------------------------------------------- */

static uint16_t reclen_of(const struct dent *d)
{
    return (uint16_t)((DENT_NAME + strlen(d->name) + 1 + 7) & ~(size_t)7);
}

static void put(char *out, const struct dent *d, int64_t off, uint16_t reclen)
{
    memset(out, 0, reclen);
    memcpy(out, &d->ino, sizeof d->ino);
    memcpy(out + DENT_OFF, &off, sizeof off);
    memcpy(out + DENT_RECLEN, &reclen, sizeof reclen);
    out[DENT_TYPE] = (char)d->type;
    memcpy(out + DENT_NAME, d->name, strlen(d->name) + 1);
}

/*
 * As many records as fit; *pos: where the next ones are. Names that share a position come together: from a position between
 * them nothing is missed.
 */
static int64_t fill(const struct listing *l, char *out, uint32_t room, int64_t *pos)
{
    int64_t done = 0;
    size_t next;

    for (size_t i = 0; i < l->n; i = next) {
        int64_t size = 0;

        for (next = i; next < l->n && l->e[next].d.off == l->e[i].d.off; next++)
            size += reclen_of(&l->e[next].d);
        if (done + size > room)
            return done ? done : -EINVAL;
        for (size_t k = i; k < next; k++) {
            const struct dent *d = &l->e[k].d;

            put(out + done, d, k + 1 < next ? d->off - 1 : d->off, reclen_of(d));
            done += reclen_of(d);
        }
        *pos = l->e[i].d.off;
    }
    return done;
}

/* One listing at a time in the whole box: however large folders are, they are in memory once. */
static int64_t fill_locked(const struct view *v, int fd, const char *at, char *out, uint32_t room,
                           int64_t *pos)
{
    struct listing l = { .pos = *pos };
    const char *rel;
    const struct mount *m = view_mount(v, at, &rel);
    int hold;
    int64_t r = overlay_lock(v, &hold);

    if (r < 0)
        return r;
    r = read_layers(&l, v, fd, m, rel);
    if (r == 0) {
        merge(&l);
        r = fill(&l, out, room, pos);
    }
    for (size_t i = 0; i < ARRAY_SIZE(l.records); i++)
        free(l.records[i]);
    free(l.e);
    overlay_unlock(&hold);
    return r;
}

int64_t overlay_dents(struct task *t, int fd, gva_t dirent, uint32_t count)
{
    const struct view *v = t->proc->box->view;
    int64_t flags = HOST_RAW(SYS_fcntl, fd, F_GETFL), pos, r;
    uint32_t room = MIN(count, (uint32_t)CHUNK);
    char at[PATH_MAX], *out;
    const struct mount *m;
    const char *rel;
    struct stat st;

    if (flags < 0 || flags & O_PATH || HOST_RAW(SYS_fstat, fd, &st) < 0 || !S_ISDIR(st.st_mode) ||
        !st.st_nlink)
        return 1; /* what is wrong is the host's to say */
    if (view_place(v, fd, at) < 0 || !(m = view_mount(v, at, &rel)) || !overlaid(m))
        return 1;
    out = malloc(room + 1);
    if (!out)
        return -ENOMEM;
    fd_freeze();
    pos = HOST_RAW(SYS_lseek, fd, 0, SEEK_CUR);
    r = pos < 0 ? pos : fill_locked(v, fd, at, out, room, &pos);
    fd_thaw();
    if (r > 0 && copy_out(t->mem, dirent, out, (size_t)r))
        r = -EFAULT;
    if (r > 0)
        HOST_RAW(SYS_lseek, fd, pos, SEEK_SET);
    free(out);
    return r;
}
