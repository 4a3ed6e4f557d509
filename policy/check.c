/*
 * Accesses decided by a policy alone, for noahv policy check and explain.
 */
#include "policy/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

#define LINKS_MAX 40 /* MAXSYMLINKS */
#define REFUSAL_MAX 512

void outlook_open(struct outlook *o, const struct noahv_policy *p, const struct record *r, size_t n)
{
    *o = (struct outlook){ .policy = p, .links = r, .nr_links = n };
    o->nr_places = policy_places(p, o->place);
    for (size_t i = 0; i < n && o->nr_places < PLACES_MAX; i++)
        if (r[i].access == ACCESS_PROGRAM && *r[i].object == '/')
            o->place[o->nr_places++] = (struct policy_place){
                .kind = PLACE_PROGRAM, .ro = true, .src = r[i].object, .dst = r[i].object
            };
    for (size_t i = 0; i < o->nr_places; i++)
        o->source[i] = o->place[i].src ? realpath(o->place[i].src, NULL) : NULL;
}

void outlook_close(struct outlook *o)
{
    for (size_t i = 0; i < o->nr_places; i++)
        free(o->source[i]);
}

int outlook_host(const struct outlook *o, const struct policy_place *place, const char *rel, char *out)
{
    size_t i = (size_t)(place - o->place);
    const char *src = o->source[i] ? o->source[i] : place->src ? place->src : place->dst;
    int n = snprintf(out, PATH_MAX, "%s%s%s", strcmp(src, "/") == 0 ? "" : src, *rel ? "/" : "", rel);

    if (n == 0)
        memcpy(out, "/", 2);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* --- Paths -------------------------------------------------------------------------------------------- */

static const struct policy_place *holder(const struct outlook *o, const char *at, const char **rel)
{
    const struct policy_place *best = NULL;
    size_t deepest = 0;

    for (size_t i = 0; i < o->nr_places; i++)
        if (place_holds(o->place[i].dst, at, &deepest, rel))
            best = &o->place[i];
    return best;
}

static int by_object(const void *key, const void *record)
{
    return strcmp(key, ((const struct record *)record)->object);
}

/* The text of the link at this path; NULL: it is none, as far as is known. */
static const char *link_at(const struct outlook *o, const char *at)
{
    const struct policy_place *named = policy_named(o->policy, PLACE_LINK, at), *place;
    const struct record *r;
    char host[PATH_MAX];
    const char *rel;

    place = holder(o, at, &rel);
    if (named && (place->kind == PLACE_EMPTY || place->kind == PLACE_TMPFS))
        return named->src;
    if (!*rel || outlook_host(o, place, rel, host) < 0)
        return NULL;
    r = o->nr_links ? bsearch(host, o->links, o->nr_links, sizeof *r, by_object) : NULL;
    while (r && r > o->links && strcmp(r[-1].object, host) == 0)
        r--;
    for (; r && r < o->links + o->nr_links && strcmp(r->object, host) == 0; r++)
        if (r->access == ACCESS_LINK)
            return r->text;
    return NULL;
}

/* Takes the first component off `rest`; false: there is none. */
static bool next_name(char *rest, char name[PATH_MAX])
{
    char *from = rest + strspn(rest, "/");
    size_t n = strcspn(from, "/");

    snprintf(name, PATH_MAX, "%.*s", (int)n, from);
    memmove(rest, from + n, strlen(from + n) + 1);
    return n != 0;
}

/* `target`, and behind it what was left to walk. */
static int splice_in(char rest[PATH_MAX], const char *target)
{
    char all[2 * PATH_MAX];

    if ((size_t)snprintf(all, sizeof all, "%s/%s", target, rest) >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(rest, all, strlen(all) + 1);
    return 0;
}

static void up(char *at)
{
    char *slash = strrchr(at, '/');

    if (slash)
        *slash = '\0';
}

int outlook_walk(const struct outlook *o, const char *path, bool follow, char at[PATH_MAX],
                 const struct policy_place **place, const char **rel)
{
    char rest[PATH_MAX], name[PATH_MAX];
    int links = 0;

    if ((size_t)snprintf(rest, sizeof rest, "%s", path) >= sizeof rest)
        return -ENAMETOOLONG;
    at[0] = '\0';
    while (next_name(rest, name)) {
        size_t n = strlen(at);
        const char *text;

        if (strcmp(name, "..") == 0)
            up(at);
        if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
            continue;
        if ((size_t)snprintf(at + n, PATH_MAX - n, "/%s", name) >= PATH_MAX - n)
            return -ENAMETOOLONG;
        text = follow || rest[strspn(rest, "/")] ? link_at(o, at) : NULL;
        if (!text)
            continue;
        if (++links > LINKS_MAX)
            return -ELOOP;
        if (o->met)
            o->met(o->opaque, at, text);
        up(at);
        if (*text == '/')
            at[0] = '\0';
        if (splice_in(rest, text) < 0)
            return -ENAMETOOLONG;
    }
    *place = holder(o, at, rel);
    return 0;
}

/* --- What is said ------------------------------------------------------------------------------------- */

/* Something that is there because a place is, in the box's own root: a folder on the way to it, a link, a folder. */
static bool in_own_root(const struct outlook *o, const char *at)
{
    if (!*at)
        return true;
    for (size_t i = 0; i < o->policy->nr_places; i++)
        if (o->policy->place[i].kind != PLACE_ABSENT && place_below(o->policy->place[i].dst, at))
            return true;
    for (size_t i = 0; i < o->nr_places; i++)
        if (place_below(o->place[i].dst, at))
            return true;
    return false;
}

static void tell_rule(struct buf *b, const struct policy_place *p)
{
    if (p->line)
        buf_printf(b, "line %u: ", p->line);
    switch (p->kind) {
    case PLACE_BIND:
        buf_printf(b, p->line ? "%s = %s %s" : "--%s %s %s", p->ro ? "ro-bind" : "bind", p->src,
                   *p->dst ? p->dst : "/");
        break;
    case PLACE_TMPFS:
        buf_printf(b, p->line ? "tmpfs = %s" : "--tmpfs %s", p->dst);
        break;
    default:
        buf_printf(b, "every box has %s", *p->dst ? p->dst : "its own root");
        break;
    }
}

/* What a box says of a refusal, in its words. */
static bool refuse(struct buf *b, const struct record *r, const char *object, const char *cause,
                   const char *flag)
{
    buf_printf(b, "refused %s(%s): %s", *r->call ? r->call : access_name(r->access), object, cause);
    if (flag)
        buf_printf(b, ". To allow it: %s", flag);
    return false;
}

static bool path_allowed(const struct outlook *o, const struct record *r, struct buf *b)
{
    unsigned flags = access_flags(r->access);
    char at[PATH_MAX], flag[2 * PATH_MAX + 32];
    const struct policy_place *place;
    const char *rel, *how = flags & AFLAG_CHANGE ? "bind" : "ro-bind", *what = at;
    int err = outlook_walk(o, r->object, flags & AFLAG_FOLLOW, at, &place, &rel);

    if (err < 0)
        return refuse(b, r, r->object, strerror(-err), NULL);
    snprintf(flag, sizeof flag, "--%s %s %s", how, at, at);
    if (place->kind == PLACE_EMPTY && !in_own_root(o, at) && r->access != ACCESS_MAKE) {
        if (r->access == ACCESS_ABSENT && policy_expects_absent(o->policy, at)) {
            buf_printf(b, "%s: not there, and no refusal is told of it", at);
            return true;
        }
        return refuse(b, r, at, "outside the box", flag);
    }
    if (flags & AFLAG_CHANGE && (place->ro || (r->access == ACCESS_MAKE && !*rel && *at))) {
        char *slash = r->access == ACCESS_MAKE ? strrchr(at, '/') : NULL;
        char parent[PATH_MAX];

        snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - at) : PATH_MAX - 1, what);
        snprintf(flag, sizeof flag, "--bind %s %s", *parent ? parent : "/", *parent ? parent : "/");
        return refuse(b, r, at, place->ro ? "the place is read-only" : "it is a place of the box itself",
                      flag);
    }
    buf_printf(b, "%s: allowed, ", *at ? at : "/");
    tell_rule(b, place);
    if (flags & AFLAG_CHANGE && o->policy->overlay && place->kind != PLACE_TMPFS)
        buf_printf(b, ", in the overlay %s", o->policy->overlay);
    return true;
}

/* "1.2.3.4:80", "[::1]:80" as net_addr_text() writes them. */
static bool parse_address(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    const char *colon = strrchr(text, ':');
    char addr[INET6_ADDRSTRLEN];
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 65536;

    memset(out, 0, sizeof *out);
    if (port > 65535)
        return false;
    snprintf(addr, sizeof addr, "%.*s", (int)(colon - text) - 2 * (*text == '['), text + (*text == '['));
    if (*text != '[' && inet_pton(AF_INET, addr, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        *len = sizeof *four;
        return true;
    }
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    *len = sizeof *six;
    return *text == '[' && inet_pton(AF_INET6, addr, &six->sin6_addr) == 1;
}

static bool address_allowed(const struct outlook *o, const struct record *r, struct buf *b)
{
    const struct noahv_policy *p = o->policy;
    enum net_use use = r->access == ACCESS_LISTEN ? NET_LISTEN : NET_CONNECT;
    const struct net_rule *rule;
    struct sockaddr_storage sa;
    char flag[NET_TEXT_MAX + 24];
    socklen_t len;

    if (r->access == ACCESS_SOCKET && p->net == NET_NONE)
        return refuse(b, r, r->object, "the box has no network", "--net host, or --allow-connect ADDR:PORT");
    if (p->net == NET_HOST || r->access == ACCESS_SOCKET) {
        buf_printf(b, "%s: allowed, net = %s", r->object, p->net == NET_HOST ? "host" : "policy");
        return true;
    }
    if (strncmp(r->object, "unix:@", 6) == 0)
        return refuse(b, r, r->object, "abstract names are the whole host's", "--net host");
    if (!parse_address(r->object, &sa, &len))
        return refuse(b, r, r->object, "this is no ADDR:PORT", NULL);
    rule = net_rules_allow(p->rule, p->nr_rules, use, (struct sockaddr *)&sa, len);
    if (rule) {
        buf_printf(b, "%s: allowed, ", r->object);
        if (rule->line)
            buf_printf(b, "line %u: ", rule->line);
        buf_printf(b, "allow-%s", access_name(r->access));
        return true;
    }
    snprintf(flag, sizeof flag, "--allow-%s %.*s", access_name(r->access), NET_TEXT_MAX, r->object);
    return refuse(b, r, r->object, "the address is not granted", flag);
}

bool outlook_allows(const struct outlook *o, const struct record *r, char *line, size_t cap)
{
    unsigned flags = access_flags(r->access);
    struct buf b;

    buf_init(&b, line, cap);
    if (flags & AFLAG_FACT)
        return true;
    return flags & AFLAG_NETWORK ? address_allowed(o, r, &b) : path_allowed(o, r, &b);
}

/* --- For others --------------------------------------------------------------------------------------- */

int noahv_policy_check(struct noahv_policy *p, const char *record, noahv_refusal_visit_fn visit, void *opaque)
{
    int fd = open(record, O_RDONLY | O_CLOEXEC), refused = 0, r;
    char why[RECORD_WHY_MAX], line[REFUSAL_MAX];
    struct record *records;
    struct outlook o;
    size_t n;

    if (fd < 0)
        return policy_fail(p, -EINVAL, "%.200s: %s", record, strerror(errno));
    r = records_read(fd, &records, &n, why);
    close(fd);
    if (r < 0)
        return policy_fail(p, r, "%.200s:%s", record, why);
    outlook_open(&o, p, records, n);
    for (size_t i = 0; i < n; i++)
        if (!outlook_allows(&o, &records[i], line, sizeof line)) {
            visit(opaque, line);
            refused++;
        }
    outlook_close(&o);
    records_free(records, n);
    return refused;
}
