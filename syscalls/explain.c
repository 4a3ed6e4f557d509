/*
 * noahv policy explain: what access a system call amounts to, and what a policy says to it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/check.h"
#include "syscalls/box.h"
#include "syscalls/path.h"

/* Calls that work on addresses, or of whose paths the row does not tell what they are for. */
static const struct {
    const char *call;
    enum policy_access access;
} named[] = {
    { "openat", ACCESS_READ },      { "openat2", ACCESS_READ },    { "chdir", ACCESS_FOLDER },
    { "socket", ACCESS_SOCKET },    { "connect", ACCESS_CONNECT }, { "sendto", ACCESS_CONNECT },
    { "bind", ACCESS_LISTEN },      { "listen", ACCESS_LISTEN },   { "sendmsg", ACCESS_CONNECT },
    { "execve", ACCESS_LOOK },      { "execveat", ACCESS_LOOK },   { "sendmmsg", ACCESS_CONNECT },
    { "readlinkat", ACCESS_ENTRY },
};

/* NR_ACCESSES: the call is about nothing that a policy grants. */
static enum policy_access access_of(const struct sysent *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(named); i++)
        if (strcmp(named[i].call, e->name) == 0)
            return named[i].access;
    for (unsigned i = 0; i < e->nargs; i++) {
        const struct kind_desc *k = &kind_desc[e->kind[i]];

        if (k->marshal == M_PATH)
            return (k->size & PATH_LAST) == PATH_ENTRY ? ACCESS_MAKE
                   : k->size & PATH_CHANGE             ? ACCESS_WRITE
                                                       : ACCESS_LOOK;
    }
    return NR_ACCESSES;
}

static int no_call(struct noahv_policy *p, const char *call)
{
    const char *names[NR_SYS + NR_ACCESSES], *near;
    size_t n = 0;

    for (uint64_t nr = 0; nr < NR_SYS; nr++)
        if (sysent_get(nr))
            names[n++] = sysent_get(nr)->name;
    for (size_t a = 0; a < NR_ACCESSES; a++)
        names[n++] = access_name((enum policy_access)a);
    near = policy_nearest(call, names, n);
    return policy_fail(p, -ENOENT, "%.100s is no system call%s%s%s", call, near ? ". Is it " : "",
                       near ? near : ". noahv compat lists them", near ? " that is meant?" : "");
}

static uint64_t number_of(const char *call)
{
    uint64_t nr = 0;

    while (nr < NR_SYS && !(sysent_get(nr) && strcmp(sysent_get(nr)->name, call) == 0))
        nr++;
    return nr;
}

/* What the access is, of a record that does not say. 0: *line has the answer already. */
static int find_access(struct noahv_policy *p, struct record *r, char *line, size_t cap)
{
    uint64_t nr = number_of(r->call);

    if (nr == NR_SYS)
        return no_call(p, r->call);
    if (!box_lists(nr)) {
        snprintf(line, cap, "refused %s(%s): the call is not for a box", r->call, r->object);
        return 0;
    }
    r->access = access_of(sysent_get(nr));
    if (r->access != NR_ACCESSES)
        return 1;
    snprintf(line, cap, "%s: allowed, a box may call it; what it may ask for no policy changes", r->call);
    return 2;
}

static int explain(struct noahv_policy *p, struct record *r, char *line, size_t cap)
{
    int found = r->access == NR_ACCESSES ? find_access(p, r, line, cap) : 1;
    struct outlook o;

    if (found != 1)
        return found == 2 ? 1 : found;
    if (access_flags(r->access) & AFLAG_FACT)
        return policy_fail(p, -EINVAL, "%s is no access but a fact", access_name(r->access));
    if (!(access_flags(r->access) & AFLAG_NETWORK) && *r->object != '/')
        return policy_fail(p, -EINVAL, "\"%.200s\" does not begin with /: give the path from the box's root",
                           r->object);
    outlook_open(&o, p, NULL, 0);
    found = outlook_allows(&o, r, line, cap);
    outlook_close(&o);
    return found;
}

int noahv_policy_explain(struct noahv_policy *p, const char *call, const char *object, char *line, size_t cap)
{
    struct record r = { .access = NR_ACCESSES };
    char why[RECORD_WHY_MAX];
    int err;

    if (call) {
        r.access = access_named(call);
        r.call = (char *)call;
        r.object = (char *)object;
        return explain(p, &r, line, cap);
    }
    if (record_parse(object, strlen(object), &r, why) < 0)
        return policy_fail(p, -EINVAL, "%s", why);
    err = explain(p, &r, line, cap);
    record_free(&r);
    return err;
}
