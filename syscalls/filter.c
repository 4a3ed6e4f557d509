/*
 * The system call filter of a box, whose list derives from what a policy lets a guest ask for. libseccomp makes it; as
 * that takes a millisecond and there are but two of them, it does so when noahv is built (filter/make.c).
 */
#include "syscalls/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/linux.h"

static const struct {
    const char *name;
} core[] = {
#define CORE(name, reason) { #name },
#define NEVER(name, reason)
#include "syscalls/jail.def"
#undef CORE
#undef NEVER
}, never[] = {
#define CORE(name, reason)
#define NEVER(name, reason) { #name },
#include "syscalls/jail.def"
#undef CORE
#undef NEVER
};

static bool is_never(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        if (strcmp(never[i].name, name) == 0)
            return true;
    return false;
}

/* The library may be older than a call, whose number is one on all machines then. */
static int number_of(const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);

    for (uint64_t i = 0; nr == __NR_SCMP_ERROR && i < NR_SYS; i++) {
        const struct sysent *e = sysent_get(i);

        if (i >= 424 && e && strcmp(e->name, name) == 0)
            nr = (int)i;
    }
    return nr;
}

void noahv_policy_host_calls(noahv_host_call_visit_fn visit, void *opaque)
{
    for (size_t i = 0; i < ARRAY_SIZE(core); i++)
        visit(opaque, number_of(core[i].name), core[i].name);
    for (uint64_t nr = 0; nr < NR_SYS; nr++) {
        const struct sysent *e = sysent_get(nr);
        int host = e && e->how != HOW_NONE && box_lists(nr) && !is_never(e->name)
                       ? seccomp_syscall_resolve_name(e->name)
                       : __NR_SCMP_ERROR;

        if (host >= 0)
            visit(opaque, host, e->name);
    }
}

struct filter {
    scmp_filter_ctx ctx;
    bool net;
    uint32_t allow; /* what is done with a call of the list */
    int err;
};

static void allow_if(struct filter *f, int nr, struct scmp_arg_cmp a)
{
    int r = seccomp_rule_add_array(f->ctx, f->allow, nr, 1, &a);

    f->err = f->err ? f->err : r;
}

/* Local sockets, and the internet's where the policy has a network. */
static void allow_socket(struct filter *f, int nr)
{
    allow_if(f, nr, SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX));
    if (nr == SYS_socket && f->net) {
        allow_if(f, nr, SCMP_A0_32(SCMP_CMP_EQ, AF_INET));
        allow_if(f, nr, SCMP_A0_32(SCMP_CMP_EQ, AF_INET6));
    }
}

/* No namespaces; unshare none at all. */
static void allow_clone(struct filter *f, int nr)
{
    const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                CLONE_NEWPID | CLONE_NEWNET;

    allow_if(f, nr, SCMP_A0_64(SCMP_CMP_MASKED_EQ, namespaces, 0));
}

static void allow_numbers(struct filter *f, int nr, unsigned arg, size_t n, uint64_t (*at)(size_t i))
{
    for (size_t i = 0; i < n; i++)
        allow_if(f, nr,
                 arg ? SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)at(i)) : SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)at(i)));
}

/* The box's own options, and one of noahv's that takes something away. */
static void allow_prctl(struct filter *f)
{
    const struct scmp_arg_cmp hide[] = { SCMP_A0_32(SCMP_CMP_EQ, PR_SET_DUMPABLE),
                                         SCMP_A1_64(SCMP_CMP_EQ, 0) };
    int r = seccomp_rule_add_array(f->ctx, f->allow, SYS_prctl, ARRAY_SIZE(hide), hide);

    f->err = f->err ? f->err : r;
    allow_numbers(f, SYS_prctl, 0, box_prctls(), box_prctl_at);
}

static void allow_call(void *opaque, int nr, const char *name)
{
    struct filter *f = opaque;

    (void)name;
    if (nr == SYS_socket || nr == SYS_socketpair) {
        allow_socket(f, nr);
    } else if (nr == SYS_clone || nr == SYS_unshare) {
        allow_clone(f, nr);
    } else if (nr == SYS_ioctl) {
        allow_numbers(f, nr, 1, box_ioctls(), box_ioctl_at);
    } else if (nr == SYS_prctl) {
        allow_prctl(f);
    } else {
        int r = seccomp_rule_add(f->ctx, f->allow, nr, 0);

        f->err = f->err ? f->err : r;
    }
}

/* EPERM for all else; ENOSYS for clone3, so that the C library takes clone. */
int filter_make(bool net, bool audit, scmp_filter_ctx *out)
{
    struct filter f = { .ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM)), .net = net };

    if (!f.ctx)
        return -ENOMEM;
    f.allow = audit ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW;
    seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: some 250 calls */
    noahv_policy_host_calls(allow_call, &f);
    if (!f.err)
        f.err = seccomp_rule_add(f.ctx, SCMP_ACT_ERRNO(ENOSYS), SYS_clone3, 0);
    if (f.err)
        seccomp_release(f.ctx);
    else
        *out = f.ctx;
    return f.err;
}

/*
 * Where the listener of an audit will be, which must be known before it is: from the load on each call waits for one
 * who has a copy of it, also those that the C library makes of its own accord.
 */
static int announce_listener(const struct noahv_policy *p)
{
    int lowest = dup(STDIN_FILENO);

    if (lowest < 0)
        return -errno;
    close(lowest);
    atomic_store(&p->shared->listener, lowest);
    return 0;
}

/* Of an audit, which is no hurry. */
static int load_listening(const struct noahv_policy *p)
{
    scmp_filter_ctx ctx;
    int r = filter_make(p->net != NET_NONE, true, &ctx);

    if (r != 0)
        return r;
    r = announce_listener(p);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r;
}

int filter_load(const struct noahv_policy *p)
{
    const struct filter_image *image = &filter_image[p->net != NET_NONE];
    struct sock_fprog program = { .len = (unsigned short)(image->bytes / sizeof(struct sock_filter)),
                                  .filter = (struct sock_filter *)(uintptr_t)image->at };

    if (p->audit)
        return load_listening(p);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}
