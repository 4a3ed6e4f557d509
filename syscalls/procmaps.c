/*
 * /proc/self/maps, smaps and smaps_rollup. What the guest mapped is in gmem; which file is behind it, and how much of
 * it is in memory, only the host knows. Both tell their pieces in order of address.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "syscalls/path.h"
#include "syscalls/procgen.h"

/* One mapping of the host. */
struct host_map {
    uint64_t start, end;
    unsigned major, minor;
    unsigned long inode;
    char path[PATH_MAX];
};

/* One line of smaps: what the host's mapping has of it, and the region that is being written. */
struct amount {
    char key[24];
    uint64_t now, sum;
};

enum { AMOUNTS_MAX = 32 };

/* The host's mappings, one after the other. `lines` is maps or smaps: then there are amounts too. */
struct walk {
    struct task *t;
    struct lines *lines;
    struct host_map map, next;
    bool has_map, has_next;
    size_t n; /* amounts */
    struct amount amount[AMOUNTS_MAX];
    char flags[128], region_flags[128];
    uint64_t shared_by; /* bytes of the guest's in `map`: of several regions, perhaps */
};

/* clang-format off */
static const struct {
    const char *key;
    enum { KEY_SKIP, KEY_SIZE, KEY_PAGE, KEY_FLAG } what;
} keys[] = { /* fs/proc/task_mmu.c show_smap: what is no amount */
    { "Size:", KEY_SIZE }, { "KernelPageSize:", KEY_PAGE }, { "MMUPageSize:", KEY_PAGE },
    { "THPeligible:", KEY_FLAG }, { "ProtectionKey:", KEY_SKIP },
};
/* clang-format on */

/* Its row in keys, -1: an amount. */
static int find_key(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strcmp(keys[i].key, key) == 0)
            return (int)i;
    return -1;
}

static bool parse_map(struct walk *w, char *line, struct host_map *out)
{
    int path = -1;
    bool ok = sscanf(line, "%lx-%lx %*4s %*x %x:%x %lu %n", &out->start, &out->end, &out->major, &out->minor,
                     &out->inode, &path) == 5;

    if (!ok || path < 0)
        return false;
    snprintf(out->path, sizeof out->path, "%s", line + path);
    root_guest_path(&w->t->proc->root, out->path);
    return true;
}

static void parse_amount(struct walk *w, const char *line)
{
    char key[sizeof w->amount[0].key];
    uint64_t value;
    size_t i = 0;

    if (strncmp(line, "VmFlags:", 8) == 0) {
        snprintf(w->flags, sizeof w->flags, "%s", line + 8);
        return;
    }
    if (sscanf(line, "%23s %lu", key, &value) != 2)
        return;
    while (i < w->n && strcmp(w->amount[i].key, key) != 0)
        i++;
    if (i == w->n) {
        if (w->n == AMOUNTS_MAX)
            return;
        w->amount[w->n++] = (struct amount){ 0 };
        memcpy(w->amount[i].key, key, sizeof key);
    }
    w->amount[i].now = value;
}

/* How much of [from, to), host addresses, is the guest's. */
static uint64_t guest_bytes(struct task *t, uint64_t from, uint64_t to)
{
    uint64_t window = (uint64_t)(uintptr_t)t->mem->gs.window, sum = 0;
    struct region r;

    if (to <= window || from >= window + t->mem->limit)
        return 0;
    from = from > window ? from - window : 0;
    to = MIN(to - window, t->mem->limit);
    for (gva_t at = from; gmem_region_from(t->mem, at, &r) && r.start < to; at = r.start + r.len)
        sum += MIN(to, r.start + r.len) - MAX(from, r.start);
    return sum;
}

/* Goes on to the host's next mapping; false at the end. */
static bool walk_next(struct walk *w)
{
    char *line;

    while (!w->has_next && (line = lines_next(w->lines)))
        w->has_next = parse_map(w, line, &w->next);
    w->has_map = w->has_next;
    w->map = w->next;
    w->has_next = false;
    while (w->has_map && !w->has_next && (line = lines_next(w->lines)))
        if (!(w->has_next = parse_map(w, line, &w->next)))
            parse_amount(w, line);
    w->shared_by = w->n ? guest_bytes(w->t, w->map.start, w->map.end) : 0;
    return w->has_map;
}

/* The host's mapping at `where`, an address in the window; NULL: there is none. */
static const struct host_map *walk_to(struct walk *w, uint64_t where)
{
    while (!w->has_map || w->map.end <= where)
        if (!walk_next(w))
            return NULL;
    return w->map.start <= where ? &w->map : NULL;
}

static const char *label(const struct region *r)
{
    static const char *const names[] = {
        [GMEM_HEAP] = "[heap]", [GMEM_STACK] = "[stack]", [GMEM_VDSO] = "[vdso]", [GMEM_VVAR] = "[vvar]"
    };
    const char *name = r->label < ARRAY_SIZE(names) ? names[r->label] : NULL;

    return name ? name : "";
}

/* fs/proc/task_mmu.c show_map_vma: the path of the line that begins at `start` is in column 73. */
static void put_path(struct gen *g, size_t start, const char *path)
{
    if (*path)
        buf_printf(&g->b, "%*s %s", (int)MAX(0, 72 - (int)(g->b.len - start)), "", path);
    buf_putc(&g->b, '\n');
}

static void put_map(struct gen *g, const struct region *r, const struct host_map *file)
{
    static const struct host_map anonymous;
    const struct host_map *f = file ? file : &anonymous;
    const char *path = *label(r) ? label(r) : f->path;
    size_t start = g->b.len;

    buf_printf(&g->b, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", r->start, r->start + r->len,
               r->prot & GMEM_R ? 'r' : '-', r->prot & GMEM_W ? 'w' : '-', r->prot & GMEM_X ? 'x' : '-',
               r->flags & GMEM_SHARED ? 's' : 'p', file ? r->offset : 0, f->major, f->minor, f->inode);
    put_path(g, start, path);
    gen_line_done(g);
}

/* The host's mapping at the start of a region that needs one to be told of. */
static const struct host_map *file_of(struct walk *w, const struct region *r)
{
    bool file = r->file || r->flags & GMEM_SHARED;

    return file ? walk_to(w, (uint64_t)(uintptr_t)w->t->mem->gs.window + r->start) : NULL;
}

void gen_maps(struct task *t, struct gen *g, struct lines *host)
{
    struct walk w = { .t = t, .lines = host };
    struct region r;

    for (gva_t at = 0; gmem_region_from(t->mem, at, &r); at = r.start + r.len)
        put_map(g, &r, file_of(&w, &r));
}

/* Adds what [from, to) has of the mapping. The host does not tell where in a mapping its pages are. */
static void add_share(struct walk *w, uint64_t from, uint64_t to)
{
    uint64_t bytes = MIN(to, w->map.end) - MAX(from, w->map.start), of = MAX(w->shared_by, bytes);

    for (size_t i = 0; i < w->n; i++)
        w->amount[i].sum += (uint64_t)((unsigned __int128)w->amount[i].now * bytes / of);
    memcpy(w->region_flags, w->flags, sizeof w->flags);
}

/* Sums up what is in memory of a region. */
static void sum_region(struct walk *w, const struct region *r)
{
    uint64_t from = (uint64_t)(uintptr_t)w->t->mem->gs.window + r->start, to = from + r->len;

    for (size_t i = 0; i < w->n; i++)
        w->amount[i].sum = 0;
    walk_to(w, from);
    while (w->has_map && w->map.start < to) {
        add_share(w, from, to);
        if (w->map.end > to || !walk_next(w))
            break;
    }
}

/* The host's flags but for the guest's own protection. */
static void put_flags(struct gen *g, struct walk *w, const struct region *r)
{
    char *save;

    buf_printf(&g->b, "VmFlags: %s%s%s", r->prot & GMEM_R ? "rd " : "", r->prot & GMEM_W ? "wr " : "",
               r->prot & GMEM_X ? "ex " : "");
    for (char *word = strtok_r(w->region_flags, " ", &save); word; word = strtok_r(NULL, " ", &save))
        if (strcmp(word, "rd") != 0 && strcmp(word, "wr") != 0 && strcmp(word, "ex") != 0)
            buf_printf(&g->b, "%s ", word);
    buf_putc(&g->b, '\n');
}

static void put_amounts(struct gen *g, struct walk *w, const struct region *r)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct amount *a = &w->amount[i];
        int key = find_key(a->key);

        if (key < 0)
            buf_printf(&g->b, "%-16s%8lu kB\n", a->key, a->sum);
        else if (keys[key].what == KEY_FLAG)
            buf_printf(&g->b, "%-16s%8lu\n", a->key, MIN(a->sum, (uint64_t)1));
        else if (keys[key].what != KEY_SKIP)
            buf_printf(&g->b, "%-16s%8lu kB\n", a->key,
                       (keys[key].what == KEY_SIZE ? r->len : (uint64_t)PAGE_BYTES) >> 10);
    }
    put_flags(g, w, r);
    gen_line_done(g);
}

void gen_smaps(struct task *t, struct gen *g, struct lines *host)
{
    struct walk w = { .t = t, .lines = host };
    struct region r;

    for (gva_t at = 0; gmem_region_from(t->mem, at, &r); at = r.start + r.len) {
        put_map(g, &r, file_of(&w, &r));
        sum_region(&w, &r);
        put_amounts(g, &w, &r);
    }
}

/* Summed up from smaps: the host's own sums have noahv's memory in them. */
void gen_smaps_rollup(struct task *t, struct gen *g, struct lines *host)
{
    struct region r = { 0 }, first = { 0 };
    struct walk w = { .t = t, .lines = host };

    lines_close(host);
    lines_open(host, procfs_dir(), "self/smaps");
    while (walk_next(&w))
        for (size_t i = 0; i < w.n && w.shared_by; i++)
            w.amount[i].sum += w.amount[i].now;
    gmem_region_from(t->mem, 0, &first);
    for (gva_t at = 0; gmem_region_from(t->mem, at, &r); at = r.start + r.len)
        ;
    buf_printf(&g->b, "%08lx-%08lx ---p 00000000 00:00 0 ", first.start, r.start + r.len);
    put_path(g, 0, "[rollup]");
    for (size_t i = 0; i < w.n; i++)
        if (find_key(w.amount[i].key) < 0)
            buf_printf(&g->b, "%-16s%8lu kB\n", w.amount[i].key, w.amount[i].sum);
}

bool maps_have(struct task *t, int fd)
{
    struct lines host;
    struct walk w = { .t = t, .lines = &host };
    char path[PATH_MAX];
    bool have = false;
    struct region r;

    procfs_path_of(fd, path, sizeof path);
    root_guest_path(&t->proc->root, path);
    lines_open(&host, procfs_dir(), "self/maps");
    for (gva_t at = 0; !have && gmem_region_from(t->mem, at, &r); at = r.start + r.len) {
        const struct host_map *m = file_of(&w, &r);

        have = m && strcmp(m->path, path) == 0;
    }
    lines_close(&host);
    return have;
}

/* --- PROCMAP_QUERY ------------------------------------------------------------------------------------ */

/* Linux 6.11 (include/uapi/linux/fs.h) */
struct query {
    uint64_t size, flags, addr;
    uint64_t start, end, prot, page_bytes, offset, inode;
    uint32_t major, minor;
    uint32_t name_size, id_size;
    uint64_t name_to, id_to;
};

enum {
    QUERY_R = 1,
    QUERY_W = 2,
    QUERY_X = 4,
    QUERY_SHARED = 8,
    QUERY_OR_NEXT = 0x10,
    QUERY_FILE = 0x20,
    QUERY_PROT = QUERY_R | QUERY_W | QUERY_X | QUERY_SHARED
};

bool maps_is(int fd)
{
    static const char name[] = "/memfd:" MAPS_NAME " (deleted)";
    char path[PATH_MAX];

    procfs_path_of(fd, path, sizeof path);
    return strcmp(path, name) == 0;
}

static unsigned query_prot(const struct region *r)
{
    return (r->prot & GMEM_R ? QUERY_R : 0) | (r->prot & GMEM_W ? QUERY_W : 0) |
           (r->prot & GMEM_X ? QUERY_X : 0) | (r->flags & GMEM_SHARED ? QUERY_SHARED : 0);
}

/* The region at q->addr, or the next one, that has what is asked for. */
static bool query_find(struct task *t, const struct query *q, struct region *r)
{
    unsigned want = q->flags & QUERY_PROT;
    gva_t at = q->addr;

    while (gmem_region_from(t->mem, at, r)) {
        bool file = r->file || r->flags & GMEM_SHARED;

        if ((query_prot(r) & want) == want && (file || !(q->flags & QUERY_FILE)))
            return q->flags & QUERY_OR_NEXT || r->start <= at;
        if (!(q->flags & QUERY_OR_NEXT))
            return false;
        at = r->start + r->len;
    }
    return false;
}

static int query_name(struct task *t, struct query *q, const struct region *r, const struct host_map *file)
{
    const char *name = *label(r) ? label(r) : file ? file->path : "";
    size_t n = *name ? strlen(name) + 1 : 0;

    if (n > MIN(q->name_size, PATH_MAX))
        return -ENAMETOOLONG;
    q->name_size = (uint32_t)n;
    return copy_out(t->mem, q->name_to, name, n);
}

static void query_answer(struct query *q, const struct region *r, const struct host_map *file)
{
    q->start = r->start;
    q->end = r->start + r->len;
    q->prot = query_prot(r);
    q->page_bytes = PAGE_BYTES;
    q->offset = file ? r->offset : 0;
    q->inode = file ? file->inode : 0;
    q->major = file ? file->major : 0;
    q->minor = file ? file->minor : 0;
    q->id_size = 0; /* as of a file that has no build id: limits.def */
}

int64_t maps_query(struct task *t, gva_t arg)
{
    struct walk w = { .t = t };
    const struct host_map *file;
    struct lines host;
    struct region r;
    struct query q;
    uint64_t size;
    int err = get_user(t->mem, &size, arg);

    err = err ? err : copy_struct_in(t->mem, &q, sizeof q, offsetof(struct query, start), arg, size);
    if (err)
        return err;
    if (q.flags & ~(uint64_t)(QUERY_PROT | QUERY_OR_NEXT | QUERY_FILE) || !q.name_size != !q.name_to ||
        !q.id_size != !q.id_to)
        return -EINVAL;
    if (!query_find(t, &q, &r))
        return -ENOENT;
    w.lines = &host;
    lines_open(&host, procfs_dir(), "self/maps");
    file = file_of(&w, &r);
    query_answer(&q, &r, file);
    err = q.name_size ? query_name(t, &q, &r, file) : 0;
    lines_close(&host);
    return err ? err : copy_out(t->mem, arg, &q, MIN(size, sizeof q));
}
