/*
 * A policy from a record of accesses. The rules, which README.md tells:
 *
 *   - what was read, or looked at, is granted read-only; what was written, as it is
 *   - a folder in which entries were made, moved or removed is granted for writing; /tmp, /var/tmp and /dev/shm become
 *     empty folders of the box if nothing is left of what was made there
 *   - a folder that was listed, and one of which MANY files or more were read, is granted with all that is in it
 *   - except for wide folders: the root, those in it, the homes of users. Of these only single files are granted; what
 *     that leaves out stands as a comment
 *
 * Something that does not exist any more was the program's own; what the host denied it is not granted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "policy/check.h"

enum { MANY = 8 };

enum wish_bit {
    WISH_READ = 1,
    WISH_WRITE = 2,
    WISH_LIST = 4,   /* a folder, with all that is in it */
    WISH_FILL = 8,   /* entries of it came and went */
    WISH_MADE = 16,  /* it is such an entry */
    WISH_TMPFS = 32, /* a folder of the box's own */
    WISH_LINK = 64,
    WISH_DIR = 128,
    WISH_ABSENT = 256,
    WISH_LOOK = 512, /* a file that was only looked at */
    WISH_SEEN = 1024 /* a link that was not followed */
};

/* What is to be at a place. */
struct wish {
    char *at, *src; /* in the box, on the host */
    char *text;     /* of a link, or NULL */
    unsigned is;
    bool exists, folder, link, readable, writable; /* on the host, now */
    size_t count;                                  /* of what is in it, for rule_on_many() */
};

struct wishes {
    struct outlook look;
    struct wish **list; /* what is below a place follows it, once sorted */
    size_t n, cap;
    void *tree;   /* the same, by place */
    bool failed;  /* out of memory */
    unsigned met; /* WISH_LINK or WISH_SEEN: what becomes of a link on the way */
    const char *start;
    int out;      /* descriptor */
    size_t rules; /* of the network */
    unsigned notes;
};

/* --- Collecting --------------------------------------------------------------------------------------- */

/* As strcmp(), but that nothing comes before '/': a folder is followed by what is in it. */
static int compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (*a == '/' ? 1 : (unsigned char)*a) - (*b == '/' ? 1 : (unsigned char)*b);
}

static int by_place(const void *a, const void *b)
{
    return compare(((const struct wish *)a)->at, ((const struct wish *)b)->at);
}

static int by_list(const void *a, const void *b)
{
    return by_place(*(struct wish *const *)a, *(struct wish *const *)b);
}

static struct wish *wish_at(const struct wishes *w, const char *at)
{
    struct wish key = { .at = (char *)at }, *const *found = tfind(&key, &w->tree, by_place);

    return found ? *found : NULL;
}

static void wish_free(struct wish *w)
{
    free(w->at);
    free(w->src);
    free(w->text);
    free(w);
}

/*
 * What is there now. Not what may have been put there since, behind a link that the program made: the box would follow
 * it, and grant what was never asked for.
 */
static void look(struct wish *w)
{
    char folder[PATH_MAX], *slash, *real;
    struct stat st;

    if (lstat(w->src, &st) < 0)
        return;
    snprintf(folder, sizeof folder, "%s", w->src);
    slash = strrchr(folder, '/');
    if (slash && slash > folder) {
        *slash = '\0';
        real = realpath(folder, NULL);
        w->exists = real && strcmp(real, folder) == 0;
        free(real);
    } else {
        w->exists = true;
    }
    w->folder = S_ISDIR(st.st_mode);
    w->link = S_ISLNK(st.st_mode);
    w->readable = faccessat(AT_FDCWD, w->src, R_OK, AT_EACCESS) == 0;
    w->writable = faccessat(AT_FDCWD, w->src, W_OK, AT_EACCESS) == 0;
}

static struct wish *wish_new(const char *at, const char *src)
{
    struct wish *w = calloc(1, sizeof *w);

    if (!w || !(w->at = strdup(at)) || !(w->src = strdup(src))) {
        if (w)
            wish_free(w);
        return NULL;
    }
    look(w);
    return w;
}

static bool reserve(struct wishes *w)
{
    struct wish **list;

    if (w->n < w->cap)
        return true;
    list = realloc(w->list, (w->cap + 64) * 2 * sizeof(struct wish *));
    if (!list)
        return false;
    w->list = list;
    w->cap = (w->cap + 64) * 2;
    return true;
}

static struct wish *add(struct wishes *w, const char *at, const char *src, unsigned is)
{
    struct wish *wish = wish_at(w, at);

    if (!wish && reserve(w) && (wish = wish_new(at, src))) {
        w->list[w->n++] = wish;
        if (!tsearch(wish, &w->tree, by_place))
            w->failed = true;
    }
    if (wish)
        wish->is |= is;
    else
        w->failed = true;
    return wish;
}

/* The place that holds a path, for what comes from the host, or was made in a folder of the box's own. */
static struct wish *add_in(struct wishes *w, const struct policy_place *place, const char *at,
                           const char *rel, unsigned is)
{
    char src[PATH_MAX];

    if (place->kind == PLACE_TMPFS)
        return add(w, place->dst, place->dst, WISH_TMPFS);
    if ((place->kind == PLACE_BIND || place->kind == PLACE_EMPTY) &&
        outlook_host(&w->look, place, rel, src) == 0)
        return add(w, at, src, is);
    return NULL;
}

static void take_link(void *opaque, const char *at, const char *text)
{
    struct wishes *w = opaque;
    const struct policy_place *place;
    char same[PATH_MAX], src[PATH_MAX];
    const char *rel;
    struct wish *wish;

    w->look.met = NULL;
    if (outlook_walk(&w->look, at, false, same, &place, &rel) == 0 && place->kind == PLACE_BIND &&
        outlook_host(&w->look, place, rel, src) == 0 && (wish = add(w, at, src, w->met)) && !wish->text)
        wish->text = strdup(text);
    w->look.met = take_link;
}

static unsigned wish_of(enum policy_access a)
{
    switch (a) {
    case ACCESS_LOOK:
        return WISH_LOOK;
    case ACCESS_READ:
        return WISH_READ;
    case ACCESS_WRITE:
        return WISH_WRITE;
    case ACCESS_FOLDER:
    case ACCESS_START:
        return WISH_DIR;
    case ACCESS_LIST:
        return WISH_LIST;
    case ACCESS_MAKE:
        return WISH_MADE;
    case ACCESS_ABSENT:
        return WISH_ABSENT;
    default:
        return 0;
    }
}

/* Whoever makes an entry fills a folder. */
static void fill_parent(struct wishes *w, char *at)
{
    const struct policy_place *place;
    char same[PATH_MAX];
    const char *rel;

    *strrchr(at, '/') = '\0';
    if (outlook_walk(&w->look, *at ? at : "/", false, same, &place, &rel) == 0)
        add_in(w, place, same, rel, WISH_FILL);
}

static void take(struct wishes *w, const struct record *r)
{
    unsigned flags = access_flags(r->access);
    const struct policy_place *place;
    char at[PATH_MAX];
    const char *rel;

    w->met = WISH_LINK;
    if (flags & (AFLAG_FACT | AFLAG_NETWORK) ||
        outlook_walk(&w->look, r->object, flags & AFLAG_FOLLOW, at, &place, &rel) < 0)
        return;
    if (r->access == ACCESS_START)
        w->start = r->object;
    if (r->access == ACCESS_ENTRY) { /* once more: its last link is met */
        w->met = WISH_SEEN;
        outlook_walk(&w->look, r->object, true, at, &place, &rel);
        return;
    }
    add_in(w, place, at, rel, wish_of(r->access));
    if (r->access == ACCESS_MAKE && *at)
        fill_parent(w, at);
}

static void sort(struct wishes *w)
{
    if (w->n)
        qsort(w->list, w->n, sizeof *w->list, by_list);
}

/* --- Rules -------------------------------------------------------------------------------------------- */

/* A folder that holds much more than one program's business. */
static bool wide(const char *at)
{
    const char *home = getenv("HOME"), *second = *at ? strchr(at + 1, '/') : NULL;

    if (!second || (home && strcmp(at, home) == 0))
        return true;
    return strncmp(at, "/home/", 6) == 0 && !strchr(second + 1, '/');
}

static bool temporary(const char *at)
{
    return strcmp(at, "/tmp") == 0 || strcmp(at, "/var/tmp") == 0 || strcmp(at, "/dev/shm") == 0;
}

/* Directly in the folder. */
static bool is_in(const struct wish *w, const char *folder)
{
    const char *rest = place_below(w->at, folder);

    return rest && *rest && !strchr(rest, '/');
}

static void note(struct wishes *w, const char *what, const char *why)
{
    if (!w->notes++)
        dprintf(w->out, "\n# Not granted:\n");
    dprintf(w->out, "# ");
    for (const char *c = what; *c; c++) /* a name must not end the comment */
        dprintf(w->out, (unsigned char)*c < ' ' ? "?" : "%c", *c);
    dprintf(w->out, ": %s\n", why);
}

/* A folder in which entries came and went: the one at `at` in the list. */
static void rule_on_filling(struct wishes *w, size_t at)
{
    struct wish *folder = w->list[at];
    bool gone = false, single = wide(folder->at) || temporary(folder->at);

    for (size_t i = at + 1; i < w->n && place_below(w->list[i]->at, folder->at); i++)
        if (w->list[i]->is & WISH_MADE && is_in(w->list[i], folder->at)) {
            gone |= !w->list[i]->exists || w->list[i]->link;
            w->list[i]->is |= single ? WISH_WRITE : 0;
        }
    if (!folder->writable)
        note(w, *folder->at ? folder->at : "/", "the host lets it make no entries there");
    else if (!single)
        folder->is |= WISH_WRITE;
    else if (gone && temporary(folder->at))
        folder->is |= WISH_TMPFS;
    else if (gone)
        note(w, *folder->at ? folder->at : "/", "entries of this wide folder were made and removed");
}

/* Of a wide folder that was listed, what was only looked at meanwhile is not granted either. */
static void rule_on_listing(struct wishes *w, size_t at)
{
    struct wish *folder = w->list[at];

    if (!wide(folder->at) && !temporary(folder->at))
        return;
    for (size_t i = at + 1; i < w->n && place_below(w->list[i]->at, folder->at); i++)
        if (is_in(w->list[i], folder->at))
            w->list[i]->is &= ~(unsigned)(WISH_LOOK | WISH_SEEN | WISH_DIR);
    folder->is = (folder->is & ~(unsigned)WISH_LIST) | WISH_DIR;
    note(w, *folder->at ? folder->at : "/", "this wide folder was listed; a box shows what is granted in it");
}

/* What is left of a wish: one bit, or none. */
static unsigned kind_of(const struct wish *w)
{
    if (w->is & WISH_TMPFS)
        return WISH_TMPFS;
    if (w->exists && w->link)
        return w->is & (WISH_LINK | WISH_SEEN) && w->text ? WISH_LINK : 0;
    if (w->exists && w->writable && w->is & WISH_WRITE)
        return WISH_WRITE;
    if (w->exists && w->readable && w->is & (WISH_READ | WISH_LOOK | WISH_LIST | WISH_WRITE))
        return WISH_READ;
    if (w->exists && w->is & WISH_DIR)
        return WISH_DIR;
    return w->is & WISH_ABSENT && !w->exists ? WISH_ABSENT : 0;
}

/* The folder of so many files that were read, or names that were looked for in vain, stands for them. */
static void rule_on_many(struct wishes *w, size_t many, unsigned kind, unsigned then)
{
    size_t n = w->n;

    for (size_t i = 0; i < w->n; i++)
        w->list[i]->count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct policy_place *place;
        char folder[PATH_MAX], same[PATH_MAX];
        const char *at = w->list[i]->at, *rel;
        struct wish *there;

        if (kind_of(w->list[i]) != kind || w->list[i]->folder || !*at)
            continue;
        snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(at, '/') - at), at);
        if (wide(folder) || temporary(folder) ||
            outlook_walk(&w->look, folder, false, same, &place, &rel) < 0)
            continue;
        there = add_in(w, place, folder, rel, 0);
        if (there && ++there->count >= many && (then != WISH_ABSENT || !(there->is & ~(unsigned)WISH_ABSENT)))
            there->is |= then;
    }
    sort(w);
}

/* Does a folder that is granted, or the box's own, have it anyway? */
static bool has(const struct wish *folder, const struct wish *it, unsigned kind)
{
    unsigned how = kind_of(folder);
    const char *at = place_below(it->at, folder->at), *src = place_below(it->src, folder->src);

    if (how & (WISH_TMPFS | WISH_ABSENT))
        return kind == WISH_ABSENT;
    return folder->folder && (how == WISH_WRITE || (how == WISH_READ && kind != WISH_WRITE)) && src &&
           strcmp(src, at) == 0;
}

/* Is it in the box without a line of its own? `at` is its number in the sorted list. */
static bool covered(const struct wishes *w, size_t at, unsigned kind)
{
    const struct wish *it = w->list[at], *folder;
    char path[PATH_MAX], *slash;

    snprintf(path, sizeof path, "%s", it->at);
    while ((slash = strrchr(path, '/'))) {
        *slash = '\0';
        folder = wish_at(w, path);
        if (folder && has(folder, it, kind))
            return true;
    }
    for (size_t i = at + 1; kind == WISH_DIR && i < w->n && place_below(w->list[i]->at, it->at); i++)
        if (kind_of(w->list[i]) & ~(unsigned)(WISH_DIR | WISH_ABSENT))
            return true; /* it is on the way to something */
    return kind == WISH_DIR && !*it->at;
}

/* --- Writing ------------------------------------------------------------------------------------------ */

/* A value that libinih gives back as it is. */
static bool tellable(const char *value)
{
    size_t n = strlen(value);

    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || (*c == ';' && (c == value || c[-1] == ' ')))
            return false;
    return n && value[n - 1] != ' ' && *value != ' ';
}

static void write_pair(struct wishes *w, const char *name, const char *src, const char *dst)
{
    if (!tellable(src) || !tellable(dst) || strchr(src, ' '))
        note(w, dst, "a policy file cannot hold such a name");
    else
        dprintf(w->out, "%s = %s %s\n", name, src, dst);
}

static void write_wish(struct wishes *w, const struct wish *it, unsigned kind)
{
    bool ro = kind == WISH_READ;

    if (kind == WISH_LINK)
        write_pair(w, "symlink", it->text, it->at);
    else if (!(kind & (WISH_READ | WISH_WRITE)) && tellable(it->at))
        dprintf(w->out, "%s = %s\n",
                kind == WISH_TMPFS ? "tmpfs"
                : kind == WISH_DIR ? "dir"
                                   : "absent",
                it->at);
    else if (kind & (WISH_READ | WISH_WRITE) && strchr(it->src, ' ') && tellable(it->src) &&
             tellable(it->at) && !strchr(it->src, ':') && !strchr(it->at, ':'))
        dprintf(w->out, "volume = %s:%s%s\n", it->src, it->at, ro ? ":ro" : "");
    else if (kind & (WISH_READ | WISH_WRITE))
        write_pair(w, ro ? "ro-bind" : "bind", it->src, *it->at ? it->at : "/");
    else
        note(w, it->at, "a policy file cannot hold such a name");
}

static void write_kind(struct wishes *w, unsigned kind, const char *title)
{
    bool told = false;

    for (size_t i = 0; i < w->n; i++) {
        const struct wish *it = w->list[i];

        if (kind_of(it) != kind || covered(w, i, kind))
            continue;
        if (!told)
            dprintf(w->out, "\n# %s\n", title);
        told = true;
        write_wish(w, it, kind);
    }
}

/* How many lines there will be, of those that cost descriptors, and of all. */
static bool fits(const struct wishes *w)
{
    size_t binds = 0, all = 0;

    for (size_t i = 0; i < w->n; i++) {
        unsigned kind = kind_of(w->list[i]);

        if (!kind || covered(w, i, kind))
            continue;
        all++;
        binds += (kind & (WISH_READ | WISH_WRITE | WISH_TMPFS)) != 0;
    }
    return binds <= POLICY_BINDS_MAX && all <= POLICY_PLACES_MAX;
}

/* What the host denied to the program a policy does not promise either. */
static void note_denied(struct wishes *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct wish *it = w->list[i];

        if (!it->exists || it->link)
            continue;
        if (it->is & WISH_WRITE && !it->writable)
            note(w, it->at, "the host does not let it be written");
        else if (it->is & (WISH_READ | WISH_LOOK | WISH_LIST) && !(it->is & WISH_WRITE) && !it->readable)
            note(w, it->at, "the host does not let it be read");
    }
}

static int write_places(struct wishes *w)
{
    sort(w);
    for (size_t i = 0; i < w->n; i++)
        if (w->list[i]->is & WISH_FILL && w->list[i]->exists)
            rule_on_filling(w, i);
    for (size_t i = 0; i < w->n; i++)
        if (w->list[i]->is & WISH_LIST)
            rule_on_listing(w, i);
    note_denied(w);
    rule_on_many(w, MANY, WISH_ABSENT, WISH_ABSENT);
    for (size_t many = MANY; many == MANY || (many > 1 && !fits(w)); many /= 2)
        rule_on_many(w, many, WISH_READ, WISH_LIST);
    if (w->failed)
        return -ENOMEM;
    if (!fits(w))
        return -E2BIG;
    write_kind(w, WISH_READ, "Read");
    write_kind(w, WISH_WRITE, "Written");
    write_kind(w, WISH_TMPFS, "Filled, and nothing was left");
    write_kind(w, WISH_DIR, "Entered or looked at");
    write_kind(w, WISH_LINK, "Links on the way");
    write_kind(w, WISH_ABSENT, "Looked for, and not there");
    return 0;
}

static void write_address(struct wishes *w, enum policy_access a, const char *object)
{
    const char *port = strrchr(object, ':');
    struct net_rule rule[2];
    size_t n;

    if (strncmp(object, "unix:", 5) == 0)
        note(w, object, "abstract names are the whole host's: net = host is all that allows it");
    else if (!port || net_rule_parse(object, a == ACCESS_LISTEN ? NET_LISTEN : NET_CONNECT, rule, &n) < 0)
        note(w, object, "no rule can say this address");
    else if (w->rules++ < POLICY_RULES_MAX)
        dprintf(w->out, "allow-%s = %s\n", access_name(a), object);
}

static void write_network(struct wishes *w, const struct record *r, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        any |= r[i].access == ACCESS_SOCKET;
    if (any)
        dprintf(w->out, "\n# Network\nnet = policy\n");
    for (size_t i = 0; i < n; i++) {
        bool known = i && r[i - 1].access == r[i].access && strcmp(r[i - 1].object, r[i].object) == 0;

        if ((r[i].access == ACCESS_CONNECT || r[i].access == ACCESS_LISTEN) && !known)
            write_address(w, r[i].access, r[i].object);
    }
}

/* Double of what was used, in powers of two, when it is more than a box has unasked. */
static void write_limit(struct wishes *w, const char *name, uint64_t used, uint64_t unasked, uint64_t most,
                        const char *unit)
{
    uint64_t n = unasked;

    while (n < used * 2 && n < most)
        n *= 2;
    if (n > unasked)
        dprintf(w->out, "%s = %llu%s\n", name, (unsigned long long)n, unit);
}

static int write_all(struct wishes *w, const struct record *r, size_t n, const char *title, unsigned seconds)
{
    const struct policy_shared *s = w->look.policy->shared;

    dprintf(w->out,
            "# What a program used, as noahv policy learn saw it. To run it with just that:\n#   %s\n",
            title);
    if (w->start && strcmp(w->start, "/") != 0 && tellable(w->start))
        dprintf(w->out, "workdir = %s\n", w->start);
    write_limit(w, "memory", atomic_load(&s->most_bytes) >> 20, 256, UINT64_MAX / 4, "M");
    write_limit(w, "pids", atomic_load(&s->most_tasks), 64, POLICY_MEMBERS_MAX, "");
    write_limit(w, "timeout", seconds, 60, UINT64_MAX / 4, "");
    write_network(w, r, n);
    return w->rules > POLICY_RULES_MAX ? -E2BIG : write_places(w);
}

/* --- For others --------------------------------------------------------------------------------------- */

int noahv_policy_learn(struct noahv_policy *p, int fd)
{
    int r = noahv_policy_set(p, "bind", "/ /");

    p->record = fd;
    p->net = NET_HOST;
    for (size_t i = 0; i < NR_LIMITS; i++)
        p->limit[i] = 0;
    p->limit[LIMIT_MEMORY] = INT64_MAX; /* counted, though not bounded */
    p->limit[LIMIT_PIDS] = POLICY_MEMBERS_MAX;
    return r;
}

static bool started(const struct record *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].access == ACCESS_PROGRAM)
            return true;
    return false;
}

int noahv_policy_write(struct noahv_policy *p, int fd, const char *title, unsigned seconds)
{
    struct wishes w = { .out = fd };
    char why[RECORD_WHY_MAX];
    struct record *records;
    size_t n;
    int r = records_read(p->record, &records, &n, why);

    if (r < 0)
        return policy_fail(p, r, "the record of accesses: line %s", why);
    if (!started(records, n)) {
        records_free(records, n);
        return policy_fail(p, -ESRCH, "the program did not start: nothing is learned");
    }
    outlook_open(&w.look, p, records, n);
    w.look.met = take_link;
    w.look.opaque = &w;
    for (size_t i = 0; i < n; i++)
        take(&w, &records[i]);
    w.look.met = NULL;
    r = write_all(&w, records, n, title, seconds);
    outlook_close(&w.look);
    while (w.tree)
        tdelete(*(struct wish **)w.tree, &w.tree, by_place);
    for (size_t i = 0; i < w.n; i++)
        wish_free(w.list[i]);
    free(w.list);
    records_free(records, n);
    if (r == -E2BIG)
        policy_fail(p, r, "it uses more places or addresses than a policy can name (%d, %d)",
                    POLICY_BINDS_MAX, POLICY_RULES_MAX);
    else if (r < 0)
        policy_fail(p, r, "out of memory");
    return r < 0 ? r : (int)w.notes;
}

int noahv_policy_accesses(struct noahv_policy *p, int fd)
{
    char why[RECORD_WHY_MAX];
    struct record *records;
    size_t n;
    int r = records_read(p->record, &records, &n, why);

    if (r < 0)
        return policy_fail(p, r, "the record of accesses: line %s", why);
    for (size_t i = 0; i < n && r == 0; i++) {
        const struct record *it = &records[i];
        size_t len;
        char *line = record_line(it->access, it->call, it->object, it->text, &len);

        if (!line || write(fd, line, len) != (ssize_t)len)
            r = policy_fail(p, -EIO, "cannot write the record of accesses: %s", strerror(errno));
        free(line);
    }
    records_free(records, n);
    return r;
}
