/*
 * The record of a watched box. One line per write, to a file that its processes share, so that lines stay whole; what
 * was written a short while ago is not written again.
 */
#include "syscalls/learn.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/view.h"

bool learning(const struct task *t)
{
    return t->proc->box && t->proc->box->record >= 0;
}

/* FNV-1a over some texts; never 0. */
static uint64_t hash_of(const char *const *text, size_t n)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        for (const char *c = text[i];; c++) {
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
            if (!*c)
                break;
        }
    return hash | 1;
}

static bool written_lately(const struct task *t, uint64_t hash)
{
    atomic_ullong *slot = &t->proc->box->policy->shared->learned[hash >> 8 & (POLICY_LEARNED_MAX - 1)];

    return atomic_exchange_explicit(slot, hash, memory_order_relaxed) == hash;
}

void learn(struct task *t, enum policy_access a, const char *object, const char *text)
{
    const struct sysent *e = t->proc->box->running ? sysent_get(t->hart->x[17]) : NULL; /* a7 */
    const char *call = e ? e->name : "execve";
    const char *const texts[] = { access_name(a), call, object, text };
    size_t len;
    char *line;

    if (!t->proc->box->running && a == ACCESS_FOLDER) /* noahv's own way to where the program starts */
        return;
    if (written_lately(t, hash_of(texts, ARRAY_SIZE(texts))) ||
        !(line = record_line(a, call, object, text, &len)))
        return;
    HOST_RAW(SYS_write, t->proc->box->record, line, len);
    free(line);
}

void learn_path(struct task *t, enum policy_access a, int dirfd, const char *name)
{
    const char *start = t->proc->box->policy->workdir;
    char path[2 * PATH_MAX] = "";

    if (*name != '/') {
        if (view_place(t->proc->box->view, dirfd, path) < 0)
            return;
        if (dirfd == AT_FDCWD)
            learn(t, ACCESS_START, start ? start : "/", "");
    }
    snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s", *name == '/' ? "" : "/", name);
    if (strlen(path) < PATH_MAX)
        learn(t, a, path, "");
}

void learn_address(struct task *t, enum net_use use, const struct sockaddr *sa, socklen_t len)
{
    char text[NET_TEXT_MAX];

    bool abstract = sa->sa_family == AF_UNIX && len > sizeof sa->sa_family && !*sa->sa_data;

    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6 && !abstract)
        return;
    net_addr_text(sa, len, text);
    learn(t, use == NET_LISTEN ? ACCESS_LISTEN : ACCESS_CONNECT, text, "");
}
