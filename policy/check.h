/*
 * What a policy would say to an access, without a box: paths are walked in its places as in a box's (syscalls/walk.c), but
 * of the host's symbolic links only those are known that a record tells of.
 */
#ifndef NOAHV_POLICY_CHECK_H
#define NOAHV_POLICY_CHECK_H

#include <limits.h>

#include "policy/places.h"
#include "policy/record.h"

struct outlook {
    const struct noahv_policy *policy;
    struct policy_place place[PLACES_MAX];
    size_t nr_places;
    char *source[PLACES_MAX];   /* of each: where it really is on the host; owned */
    const struct record *links; /* sorted by object; not owned */
    size_t nr_links;
    void (*met)(void *opaque, const char *at, const char *text); /* a link on the way; may be NULL */
    void *opaque;
};

/* Sources of places are looked up on this host. `r` are records, or NULL; they must last. */
void outlook_open(struct outlook *o, const struct noahv_policy *p, const struct record *r, size_t n);
void outlook_close(struct outlook *o);

/*
 * Where an absolute path leads: 0 with the place that holds it, the tidy path in `at`, and what is below the place in
 * *rel; -ELOOP, -ENAMETOOLONG.
 */
int outlook_walk(const struct outlook *o, const char *path, bool follow, char at[PATH_MAX],
                 const struct policy_place **place, const char **rel);

/* The host's path of something in a place: PATH_MAX bytes, or -ENAMETOOLONG. */
int outlook_host(const struct outlook *o, const struct policy_place *place, const char *rel, char *out);

/* May it be? `line` says by what rule, or why not and what would allow it. */
bool outlook_allows(const struct outlook *o, const struct record *r, char *line, size_t cap);

#endif
