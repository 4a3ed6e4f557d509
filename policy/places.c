/*
 * Places as texts: nothing here looks at a file.
 */
#include "policy/places.h"

#include <string.h>

#include "base/util.h"

const char *place_below(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncmp(path, prefix, n) != 0 || (path[n] && path[n] != '/'))
        return NULL;
    return path[n] ? path + n + 1 : path + n;
}

bool place_holds(const char *dst, const char *at, size_t *deepest, const char **rel)
{
    const char *rest = place_below(at, dst);
    size_t depth = strlen(dst) + 1;

    if (!rest || depth <= *deepest)
        return false;
    *deepest = depth;
    *rel = rest;
    return true;
}

static bool granted(const struct policy_place *list, size_t n, const char *at)
{
    for (size_t i = 0; i < n; i++)
        if (*list[i].dst && place_below(at, list[i].dst))
            return true;
    return false;
}

/* What every program may expect, and nothing can be learned or changed by. */
static char *const devices[] = { (char *)"/dev/null", (char *)"/dev/zero", (char *)"/dev/full",
                                 (char *)"/dev/random", (char *)"/dev/urandom" };

size_t policy_places(const struct noahv_policy *p, struct policy_place out[PLACES_MAX])
{
    bool has_root = false;
    size_t n = 0, own;

    for (size_t i = 0; i < p->nr_places; i++)
        if (p->place[i].kind == PLACE_BIND || p->place[i].kind == PLACE_TMPFS) {
            out[n++] = p->place[i];
            has_root |= !*p->place[i].dst;
        }
    own = n;
    out[n++] = (struct policy_place){ .kind = PLACE_PROC, .ro = true, .dst = (char *)"/proc" };
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        if (!granted(out, own, devices[i]))
            out[n++] = (struct policy_place){
                .kind = PLACE_DEVICE, .ro = true, .src = devices[i], .dst = devices[i]
            };
    if (!has_root)
        out[n++] = (struct policy_place){ .kind = PLACE_EMPTY, .ro = true, .dst = (char *)"" };
    for (size_t i = 0; p->overlay && i < n; i++)
        out[i].ro = out[i].ro && *out[i].dst;
    return n;
}

const struct policy_place *policy_named(const struct noahv_policy *p, enum place_kind kind, const char *at)
{
    for (size_t i = 0; i < p->nr_places; i++)
        if (p->place[i].kind == kind && strcmp(p->place[i].dst, at) == 0)
            return &p->place[i];
    return NULL;
}

bool policy_expects_absent(const struct noahv_policy *p, const char *at)
{
    for (size_t i = 0; i < p->nr_places; i++)
        if (p->place[i].kind == PLACE_ABSENT && place_below(at, p->place[i].dst))
            return true;
    return false;
}
