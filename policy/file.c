/*
 * A policy from a file: lines of NAME = VALUE with the names of settings.def, comments with ; or #. Read by libinih;
 * what a line means is noahv_policy_set()'s.
 */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

/* The first mistake counts; the parser goes on, and tells its line in the end. */
struct load {
    struct noahv_policy *policy;
    bool failed;
    char error[sizeof((struct noahv_policy *)NULL)->error / 2];
};

static int take(void *opaque, const char *section, const char *name, const char *value)
{
    struct load *l = opaque;

    if (l->failed)
        return 1;
    if (*section)
        policy_fail(l->policy, -EINVAL, "[%s]: there are no sections", section);
    else if (!name)
        return 1;
    else if (noahv_policy_set(l->policy, name, value ? value : "") == 0)
        return 1;
    snprintf(l->error, sizeof l->error, "%.*s", (int)sizeof l->error - 1, l->policy->error);
    l->failed = true;
    return 0;
}

int noahv_policy_load(struct noahv_policy *p, const char *path)
{
    struct load l = { .policy = p };
    int line = ini_parse(path, take, &l);

    if (line < 0)
        return policy_fail(p, -ENOENT, "%.200s: %s", path, line == -1 ? strerror(errno) : "out of memory");
    if (line > 0)
        return policy_fail(p, -EINVAL, "%.200s:%d: %s", path, line,
                           l.failed ? l.error : "this is no NAME = VALUE");
    return 0;
}
