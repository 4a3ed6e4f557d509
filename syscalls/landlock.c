/*
 * Landlock for guests. The rulesets are the host's, and so is the enforcement: noahv, being in the same process, is
 * restricted with the guest. What it needs itself afterwards are names, which Landlock does not guard, its memfds, and to
 * start itself anew for an execve (handover.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/handover.h"
#include "syscalls/linux.h"
#include "syscalls/procfs.h"

/* Younger than the C library's headers (include/uapi/linux/landlock.h). */
enum { HOST_RULE_NET_PORT = 2 };
struct host_net_port {
    uint64_t access, port;
};

/* The kernel reads as much as the type says; the descriptor that was checked is the one that is used. */
int64_t sys_landlock_add_rule(struct task *t, int ruleset_fd, int rule_type, gva_t rule_attr, uint32_t flags)
{
    union {
        struct landlock_path_beneath_attr beneath;
        struct host_net_port port;
    } rule = { 0 };
    size_t bytes = rule_type == HOST_RULE_NET_PORT ? sizeof rule.port : sizeof rule.beneath;

    if (fd_is_own(ruleset_fd))
        return -EBADF;
    if (!flags && copy_in(t->mem, &rule, rule_attr, bytes))
        return -EFAULT;
    if (rule_type == LANDLOCK_RULE_PATH_BENEATH && fd_is_own(rule.beneath.parent_fd))
        return -EBADF;
    return HOST(t, SYS_landlock_add_rule, ruleset_fd, rule_type, &rule, flags);
}

/* Lets noahv's own program be run. A guest gains nothing: it runs riscv64 programs alone. */
static void allow_handover(int ruleset_fd)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = LANDLOCK_ACCESS_FS_EXECUTE };
    int64_t self = fd_open(procfs_dir(), "self/exe", O_PATH | O_CLOEXEC);

    if (self < 0)
        return;
    rule.parent_fd = (int)self;
    HOST_RAW(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    HOST_RAW(SYS_close, self);
}

int64_t sys_landlock_restrict_self(struct task *t, int ruleset_fd, uint32_t flags)
{
    int64_t r;

    if (!handover_ready())
        return -EOPNOTSUPP; /* as where Landlock is compiled in and switched off */
    if (fd_is_own(ruleset_fd))
        return -EBADF;
    allow_handover(ruleset_fd);
    r = HOST(t, SYS_landlock_restrict_self, ruleset_fd, flags);
    if (r == 0)
        __atomic_store_n(&t->proc->landlocked, true, __ATOMIC_RELAXED);
    return r;
}
