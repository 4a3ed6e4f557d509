/*
 * The places of a box: which one holds a path, and what every box has besides those that its policy grants. The same for
 * a box that runs (syscalls/view.c) and for questions about a policy (check.c).
 */
#ifndef NOAHV_POLICY_PLACES_H
#define NOAHV_POLICY_PLACES_H

#include "policy/policy.h"

/* Room for all that policy_places() writes, and the program itself, which is granted unasked. */
#define PLACES_MAX (POLICY_PLACES_MAX + 12)

/* The rest of `path` below `prefix`, without a slash in front; NULL when it is not below it. */
const char *place_below(const char *path, const char *prefix);

/*
 * For a loop over places: does the one at `dst` hold the tidy path `at`, deeper than those before? Then *rel is the
 * rest of the path, and *deepest is updated; it begins as 0.
 */
bool place_holds(const char *dst, const char *at, size_t *deepest, const char **rel);

/*
 * Every place that a box of this policy has, but for links, folders and absent names: what it grants, /proc, some
 * devices, an empty root unless there is one. In an overlay the root is writable. Strings are the policy's, or constant. The number of them.
 */
size_t policy_places(const struct noahv_policy *p, struct policy_place out[PLACES_MAX]);

/* The place named just so, of a kind that policy_places() leaves out; NULL: none. */
const struct policy_place *policy_named(const struct noahv_policy *p, enum place_kind kind, const char *at);

/* Is nothing to be told of a look at this path, where there is nothing? */
bool policy_expects_absent(const struct noahv_policy *p, const char *at);

#endif
