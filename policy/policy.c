/*
 * A policy from its settings: values are parsed here, by name, wherever they come from. Deciding with them is for
 * those who read the struct; network rules are in net.c, files of settings in file.c.
 */
#include "policy/policy.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

enum { BIND_RW, BIND_RO, BIND_LINK };

int policy_fail(struct noahv_policy *p, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(p->error, sizeof p->error, fmt, ap);
    va_end(ap);
    return err;
}

/* --- Values ------------------------------------------------------------------------------------------- */

/* A decimal number and what follows it. */
static bool number(const char *text, uint64_t *value, const char **rest)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

/* The factor of a unit; 0: no such unit. "" is the unit that `words` lists first. */
struct unit {
    const char *word;
    uint64_t factor;
};

static bool scaled(const char *text, const struct unit *units, size_t n, uint64_t *value)
{
    const char *rest;

    if (!number(text, value, &rest))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(rest, units[i].word) == 0)
            return !__builtin_mul_overflow(*value, units[i].factor, value) && *value <= INT64_MAX;
    return false;
}

static int set_bytes(struct noahv_policy *p, int limit, const char *value)
{
    static const struct unit units[] = {
        { "", 1 },          { "k", 1 << 10 },   { "m", 1 << 20 },   { "g", 1 << 30 },
        { "kib", 1 << 10 }, { "mib", 1 << 20 }, { "gib", 1 << 30 }, { "b", 1 },
    };

    if (!scaled(value, units, ARRAY_SIZE(units), &p->limit[limit]))
        return policy_fail(p, -EINVAL, "\"%.100s\" is no size. Like this: 256M", value);
    return 0;
}

static int set_duration(struct noahv_policy *p, int limit, const char *value)
{
    static const struct unit units[] = {
        { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 },
    };

    if (!scaled(value, units, ARRAY_SIZE(units), &p->limit[limit]))
        return policy_fail(p, -EINVAL, "\"%.100s\" is no duration. Like this: 60, 500ms or 2m", value);
    return 0;
}

static int set_count(struct noahv_policy *p, int limit, const char *value)
{
    uint64_t least = limit == LIMIT_FDS ? 4 : 1, most = limit == LIMIT_PIDS ? POLICY_MEMBERS_MAX : 1 << 20;
    const char *rest;

    if (!number(value, &p->limit[limit], &rest) || *rest || p->limit[limit] < least || p->limit[limit] > most)
        return policy_fail(p, -EINVAL, "\"%.100s\" is not a number from %llu to %llu", value,
                           (unsigned long long)least, (unsigned long long)most);
    return 0;
}

/* --- Files -------------------------------------------------------------------------------------------- */

/* Rewrites an absolute path without "//", "." and slashes at its end; false for ".." and relative ones. */
static bool tidy(const char *path, char out[PATH_MAX])
{
    size_t n = 0;

    if (*path != '/' || strlen(path) >= PATH_MAX)
        return false;
    while (*path) {
        size_t len;

        path += strspn(path, "/");
        len = strcspn(path, "/");
        if (len == 2 && memcmp(path, "..", 2) == 0)
            return false;
        if (len && !(len == 1 && *path == '.')) {
            out[n++] = '/';
            memcpy(out + n, path, len);
            n += len;
        }
        path += len;
    }
    out[n] = '\0';
    return true;
}

static bool takes_descriptors(enum place_kind k)
{
    return k == PLACE_BIND || k == PLACE_TMPFS;
}

/* The entry for a place: the one that it has already, for the last one counts, or a new one; NULL: there are too many. */
static struct policy_place *place_for(struct noahv_policy *p, enum place_kind kind, const char *dst)
{
    size_t binds = takes_descriptors(kind), i = 0, at = p->nr_places;

    for (; i < p->nr_places; i++)
        if (strcmp(p->place[i].dst, dst) == 0)
            at = i;
        else
            binds += takes_descriptors(p->place[i].kind);
    if (binds > POLICY_BINDS_MAX)
        policy_fail(p, -EINVAL, "more than %d places are granted. Grant a folder above them",
                    POLICY_BINDS_MAX);
    else if (at == POLICY_PLACES_MAX)
        policy_fail(p, -EINVAL, "more than %d places are named", POLICY_PLACES_MAX);
    else
        return &p->place[at];
    return NULL;
}

static int add_place(struct noahv_policy *p, enum place_kind kind, const char *src, const char *dst, bool ro)
{
    char tidied[PATH_MAX];
    struct policy_place *at, new = { .kind = kind, .ro = ro, .line = p->line };

    if (!tidy(dst, tidied))
        return policy_fail(p, -EINVAL,
                           "\"%.100s\" is no place in the box: it must begin with / and have no ..", dst);
    if (src && !*src)
        return policy_fail(p, -EINVAL, "nothing is named to be seen as %.100s", dst);
    at = place_for(p, kind, tidied);
    if (!at)
        return -EINVAL;
    new.src = src ? strdup(src) : NULL;
    new.dst = strdup(tidied);
    if ((src && !new.src) || !new.dst) {
        free(new.src);
        free(new.dst);
        return policy_fail(p, -ENOMEM, "out of memory");
    }
    free(at->src);
    free(at->dst);
    p->nr_places += at == &p->place[p->nr_places];
    *at = new;
    return 0;
}

/* SRC:DST[:ro|:rw], as docker run -v has it; DST alone missing: the same path. */
static int set_volume(struct noahv_policy *p, int unused, const char *value)
{
    const char *dst = strchr(value, ':'), *end;
    char src[PATH_MAX], to[PATH_MAX];
    bool ro = false;

    (void)unused;
    if (!dst || dst == value || dst - value >= PATH_MAX)
        return policy_fail(p, -EINVAL, "\"%.100s\" is not SRC:DST or SRC:DST:ro", value);
    snprintf(src, sizeof src, "%.*s", (int)(dst - value), value);
    end = strchr(++dst, ':');
    if (end) {
        ro = strcmp(end, ":ro") == 0;
        if (!ro && strcmp(end, ":rw") != 0)
            return policy_fail(p, -EINVAL, "\"%.100s\": after DST may follow :ro or :rw", value);
    }
    snprintf(to, sizeof to, "%.*s", (int)(end ? end - dst : (ptrdiff_t)strlen(dst)), dst);
    return add_place(p, PLACE_BIND, src, to, ro);
}

/* "SRC DST": a bind, or with `how` BIND_LINK a symbolic link at DST that says SRC. */
static int set_bind(struct noahv_policy *p, int how, const char *value)
{
    const char *dst = strpbrk(value, " \t");
    char src[PATH_MAX];

    if (!dst || dst - value >= PATH_MAX)
        return policy_fail(p, -EINVAL, "\"%.100s\" is not SRC DST", value);
    snprintf(src, sizeof src, "%.*s", (int)(dst - value), value);
    dst += strspn(dst, " \t");
    if (how == BIND_LINK)
        return add_place(p, PLACE_LINK, src, dst, true);
    return add_place(p, PLACE_BIND, src, dst, how == BIND_RO);
}

static int set_root(struct noahv_policy *p, int unused, const char *value)
{
    (void)unused;
    return add_place(p, PLACE_BIND, value, "/", true);
}

/* What has a place, and nothing of the host's behind it. */
static int set_place(struct noahv_policy *p, int kind, const char *value)
{
    return add_place(p, (enum place_kind)kind, NULL, value, kind != PLACE_TMPFS);
}

static int set_workdir(struct noahv_policy *p, int unused, const char *value)
{
    char *copy = strdup(value);

    (void)unused;
    if (!copy)
        return policy_fail(p, -ENOMEM, "out of memory");
    free(p->workdir);
    p->workdir = copy;
    return 0;
}

static int set_overlay(struct noahv_policy *p, int unused, const char *value)
{
    (void)unused;
    if (!*value)
        return policy_fail(p, -EINVAL, "no folder is named");
    if (p->record >= 0)
        return policy_fail(p, -EINVAL,
                           "a box that is learned from works on the host's own files. Learn without an "
                           "overlay, then use the policy with one");
    free(p->overlay);
    p->overlay = strdup(value);
    return p->overlay ? 0 : policy_fail(p, -ENOMEM, "out of memory");
}

/* --- The rest ----------------------------------------------------------------------------------------- */

static int word_of(struct noahv_policy *p, const char *value, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(value, words[i]) == 0)
            return (int)i;
    return policy_fail(p, -EINVAL, "\"%.100s\" is none of %s, %s and %s", value, words[0], words[1],
                       words[2]);
}

static int set_net(struct noahv_policy *p, int unused, const char *value)
{
    static const char *const words[] = { "none", "host", "policy" };
    int w = word_of(p, value, words, ARRAY_SIZE(words));

    (void)unused;
    if (w < 0)
        return w;
    p->net = (enum net_mode)w;
    return 0;
}

static int no_net_rule(struct noahv_policy *p, enum net_use use, const char *value)
{
    return policy_fail(p, -EINVAL, "\"%.100s\" is no %s", value,
                       use == NET_CONNECT
                           ? "address. Like this: 192.0.2.1:443, 10.0.0.0/8, [2001:db8::1]:80, "
                             "localhost:80 or example.org:443"
                           : "place to listen. Like this: 8080 or 127.0.0.1:8080");
}

static int set_net_rule(struct noahv_policy *p, int use, const char *value)
{
    struct net_rule r[2];
    size_t n = 0;
    int err;

    if (net_rule_parse(value, (enum net_use)use, r, &n) < 0) {
        n = 0;
        err = use == NET_CONNECT ? policy_add_host(p, value) : -EINVAL;
        if (err < 0)
            return err == -EINVAL ? no_net_rule(p, (enum net_use)use, value) : -EINVAL;
    }
    if (p->nr_rules + n > POLICY_RULES_MAX)
        return policy_fail(p, -EINVAL, "more than %d network rules", POLICY_RULES_MAX);
    for (size_t i = 0; i < n; i++) {
        p->rule[p->nr_rules] = r[i];
        p->rule[p->nr_rules++].line = p->line;
    }
    if (p->net == NET_NONE)
        p->net = NET_POLICY;
    return 0;
}

static int set_on_deny(struct noahv_policy *p, int unused, const char *value)
{
    static const char *const words[] = { "errno", "kill", "log" };
    int w = word_of(p, value, words, ARRAY_SIZE(words));

    (void)unused;
    if (w < 0)
        return w;
    p->on_deny = (enum on_deny)w;
    return 0;
}

static int set_report(struct noahv_policy *p, int unused, const char *value)
{
    static const char *const words[] = { "text", "json", "none" };
    int w = word_of(p, value, words, ARRAY_SIZE(words));

    (void)unused;
    if (w < 0)
        return w;
    p->report = (enum policy_report)w;
    return 0;
}

static const struct {
    const char *name, *what;
} layers[NR_LAYERS] = {
#define LAYER(id, name_, what_) { name_, what_ },
#include "policy/layers.def"
#undef LAYER
};

const char *policy_layer_name(enum policy_layer l)
{
    return layers[l].name;
}

const char *policy_layer_what(enum policy_layer l)
{
    return layers[l].what;
}

static int set_require(struct noahv_policy *p, int unused, const char *value)
{
    const char *names[NR_LAYERS];
    const char *near;

    (void)unused;
    for (size_t i = 0; i < NR_LAYERS; i++) {
        names[i] = layers[i].name;
        if (strcmp(value, names[i]) == 0) {
            p->require |= 1u << i;
            return 0;
        }
    }
    near = policy_nearest(value, names, NR_LAYERS);
    return policy_fail(p, -EINVAL, "\"%.100s\" is no layer%s%s%s. noahv doctor lists them", value,
                       near ? ": is it " : "", near ? near : "", near ? " that is meant?" : "");
}

/* --- Settings by name --------------------------------------------------------------------------------- */

struct setting {
    const char *name;
    int (*set)(struct noahv_policy *p, int arg, const char *value);
    int arg;
    const char *value, *meaning;
};

static const struct setting settings[] = {
#define SETTING(name, set, arg, value, meaning) { name, set, arg, value, meaning },
#include "policy/settings.def"
#undef SETTING
};

const char *policy_limit_name(enum policy_limit l)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        if ((settings[i].set == set_bytes || settings[i].set == set_duration ||
             settings[i].set == set_count) &&
            settings[i].arg == (int)l)
            return settings[i].name;
    return "";
}

/* Levenshtein's distance of two short words. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[32], n = (unsigned)MIN(strlen(b), ARRAY_SIZE(row) - 1);

    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned corner = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned up = row[j], change = corner + (*a != b[j - 1]);

            row[j] = MIN(MIN(up, row[j - 1]) + 1, change);
            corner = up;
        }
    }
    return row[n];
}

const char *policy_nearest(const char *name, const char *const *words, size_t n)
{
    unsigned least = (unsigned)MIN(strlen(name) / 2, 4) + 1;
    const char *best = NULL;

    for (size_t i = 0; i < n; i++) {
        unsigned d = distance(name, words[i]);

        if (d < least) {
            least = d;
            best = words[i];
        }
    }
    return best;
}

int noahv_policy_set(struct noahv_policy *p, const char *name, const char *value)
{
    const char *names[ARRAY_SIZE(settings)];
    const char *near;

    if (!p || !name || !value)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        names[i] = settings[i].name;
        if (strcmp(name, names[i]) == 0)
            return settings[i].set(p, settings[i].arg, value);
    }
    near = policy_nearest(name, names, ARRAY_SIZE(settings));
    return near ? policy_fail(p, -ENOENT, "%.100s is no setting. Is it %s that is meant?", name, near)
                : policy_fail(p, -ENOENT, "%.100s is no setting. noahv box --help lists them", name);
}

void noahv_policy_settings(noahv_policy_visit_fn visit, void *opaque)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        visit(opaque, settings[i].name, settings[i].value, settings[i].meaning);
}

int64_t noahv_policy_limit(const struct noahv_policy *p, const char *name)
{
    for (size_t l = 0; p && l < NR_LIMITS; l++)
        if (strcmp(policy_limit_name((enum policy_limit)l), name) == 0)
            return (int64_t)p->limit[l];
    return -ENOENT;
}

/* --- Life and end ------------------------------------------------------------------------------------- */

int noahv_policy_create(struct noahv_policy **out)
{
    struct noahv_policy *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->shared = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->shared == MAP_FAILED) {
        free(p);
        return -ENOMEM;
    }
    atomic_init(&p->shared->listener, -1);
    p->leash = -1;
    p->record = -1;
    p->limit[LIMIT_MEMORY] = 256 << 20;
    p->limit[LIMIT_TIMEOUT] = 60000;
    p->limit[LIMIT_PIDS] = 64;
    p->limit[LIMIT_FDS] = 256;
    *out = p;
    return 0;
}

void noahv_policy_destroy(struct noahv_policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->nr_places; i++) {
        free(p->place[i].src);
        free(p->place[i].dst);
    }
    for (size_t i = 0; i < p->nr_hosts; i++)
        free(p->host[i].name);
    free(p->workdir);
    free(p->overlay);
    munmap(p->shared, sizeof *p->shared);
    free(p);
}

const char *noahv_policy_error(const struct noahv_policy *p)
{
    return p ? p->error : "out of memory";
}

bool policy_end(const struct noahv_policy *p, enum noahv_end end, const char *fmt, ...)
{
    int none = NOAHV_END_OWN, writing = -1;
    char line[sizeof p->shared->line];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (!atomic_compare_exchange_strong(&p->shared->ended, &none, writing))
        return false;
    memcpy(p->shared->line, line, sizeof line);
    atomic_store(&p->shared->ended, (int)end);
    return true;
}

void noahv_policy_audit(struct noahv_policy *p)
{
    p->audit = true;
    p->require |= 1u << LAYER_SECCOMP;
}

void noahv_policy_leash(struct noahv_policy *p, int fd)
{
    p->leash = fd;
}

int noahv_policy_listener(const struct noahv_policy *p)
{
    return atomic_load(&p->shared->listener);
}

enum noahv_end noahv_policy_ended(const struct noahv_policy *p, char *line, size_t cap)
{
    int end = atomic_load(&p->shared->ended);

    if (end <= NOAHV_END_OWN) /* a process that was killed while it wrote has not told */
        return NOAHV_END_OWN;
    snprintf(line, cap, "%.*s", (int)sizeof p->shared->line - 1, p->shared->line);
    return (enum noahv_end)end;
}
