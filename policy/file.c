/*
 * A policy from a file: lines of NAME = VALUE with the names of settings.def, comments with ; or #. Read by libinih;
 * what a line means is noahv_policy_set()'s.
 */
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

/* Two paths, a name, and what stands between them. */
#define FILE_LINE_MAX (2 * PATH_MAX + 64)

/* The first mistake counts; the parser goes on until it asks for more. */
struct load {
    struct noahv_policy *policy;
    FILE *file;
    unsigned line; /* that was read last */
    bool failed;
    char error[sizeof((struct noahv_policy *)NULL)->error / 2];
};

static char *fail(struct load *l, const char *what)
{
    snprintf(l->error, sizeof l->error, "%s", what);
    l->failed = true;
    return NULL;
}

/* The next line, for the parser; it would cut one that is too long, or holds a NUL, in pieces. */
static char *next_line(char *line, int cap, void *opaque)
{
    struct load *l = opaque;
    int n = 0, c = EOF;

    if (l->failed)
        return NULL;
    l->line++;
    while (n < cap - 1 && c != '\n' && (c = getc(l->file)) != EOF)
        line[n++] = (char)c;
    if (ferror(l->file))
        return fail(l, strerror(errno));
    line[n] = '\0';
    if (strlen(line) < (size_t)n)
        return fail(l, "there is a NUL byte in it. A policy is a text file");
    if (n == cap - 1 && c != '\n')
        return fail(l, "the line is too long");
    return n ? line : NULL;
}

static int take(void *opaque, const char *section, const char *name, const char *value)
{
    struct load *l = opaque;

    l->policy->line = l->line;
    if (l->failed)
        return 1;
    if (*section)
        policy_fail(l->policy, -EINVAL, "[%.100s]: there are no sections", section);
    else if (!name)
        return 1;
    else if (noahv_policy_set(l->policy, name, value ? value : "") == 0)
        return 1;
    fail(l, noahv_policy_error(l->policy));
    return 0;
}

int noahv_policy_load(struct noahv_policy *p, const char *path)
{
    struct load l = { .policy = p, .file = fopen(path, "re") };
    int line;

    if (!l.file)
        return policy_fail(p, errno == ENOENT ? -ENOENT : -EINVAL, "%.200s: %s", path, strerror(errno));
    ini_max_line = ini_initial_alloc = FILE_LINE_MAX;
    ini_use_stack = false;
    line = ini_parse_stream(next_line, &l, take, &l);
    p->line = 0;
    fclose(l.file);
    if (line == -2)
        return policy_fail(p, -ENOMEM, "%.200s: out of memory", path);
    if (line > 0 && (!l.failed || (unsigned)line < l.line))
        return policy_fail(p, -EINVAL, "%.200s:%d: this is no NAME = VALUE", path, line);
    if (l.failed)
        return policy_fail(p, -EINVAL, "%.200s:%u: %s", path, l.line, l.error);
    return 0;
}
