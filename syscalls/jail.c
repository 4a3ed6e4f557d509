/*
 * The host's own walls: no new privileges, no capabilities, Landlock, and a system call filter (filter.c). Raised once,
 * before the first guest instruction; nothing here is undone.
 */
#include "syscalls/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/filter.h"
#include "syscalls/linux.h"
#include "syscalls/mountns.h"
#include "syscalls/overlay.h"

/* --- Privileges --------------------------------------------------------------------------------------- */

static int drop_privileges(void)
{
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { { 0 } };

    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* of no use without privilege, and not needed then */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return (int)HOST_RAW(SYS_capset, &h, none);
}

/* --- Namespaces --------------------------------------------------------------------------------------- */

static int namespaces_of(const struct noahv_policy *p)
{
    return CLONE_NEWIPC | (p->net == NET_NONE ? CLONE_NEWNET : 0);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* By way of a user namespace, where the user is what it is outside, and all others are nobody. */
static int unshare_as_user(int flags)
{
    unsigned uid = geteuid(), gid = getegid();
    char uids[32], gids[32];

    snprintf(uids, sizeof uids, "%u %u 1", uid, uid);
    snprintf(gids, sizeof gids, "%u %u 1", gid, gid);
    if (unshare(CLONE_NEWUSER | flags) < 0)
        return -errno;
    return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", gids) &&
                   write_file("/proc/self/uid_map", uids)
               ? 0
               : -ECANCELED;
}

static bool grants_files(const struct noahv_policy *p)
{
    for (size_t i = 0; i < p->nr_places; i++)
        if (p->place[i].kind == PLACE_BIND)
            return true;
    return false;
}

/* Without privilege files of others would be shown as nobody's: then not unasked where files are granted. */
static int isolate(const struct noahv_policy *p)
{
    if (unshare(namespaces_of(p)) == 0)
        return 0;
    if (grants_files(p) && !(p->require >> LAYER_NAMESPACES & 1))
        return -EPERM;
    return unshare_as_user(namespaces_of(p));
}

/* In a process of its own, for nothing of it can be taken back. */
static bool can_isolate(void)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        HOST_RAW(SYS_exit_group, unshare_as_user(CLONE_NEWIPC | CLONE_NEWNET) < 0);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Of a folder that most hosts have, and mostly with nothing mounted below it. */
static bool can_mount(void)
{
    static const char *const folders[] = { "/dev/shm", "/tmp", "/" };
    bool can = false;

    for (size_t i = 0; !can && i < ARRAY_SIZE(folders); i++) {
        struct mountns_folder f = { .path = folders[i], .fd = open(folders[i], O_PATH | O_CLOEXEC) };
        int ns = mountns_make(&f, 1);

        can = ns >= 0;
        if (can) {
            close(f.mount);
            close(ns);
        }
        if (f.fd >= 0)
            close(f.fd);
    }
    return can;
}

/* --- Landlock ----------------------------------------------------------------------------------------- */

/* Younger than the C library's headers (include/uapi/linux/landlock.h), by the version that brought them. */
enum {
    LL_FS_REFER = 1 << 13,    /* 2 */
    LL_FS_TRUNCATE = 1 << 14, /* 3 */
    LL_NET_BIND = 1,          /* 4 */
    LL_NET_CONNECT = 2,
    LL_RULE_NET_PORT = 2,
    LL_SCOPE_ABSTRACT = 1, /* 6 */
    LL_SCOPE_SIGNAL = 2
};

struct ll_ruleset {
    uint64_t fs, net, scoped;
};

struct ll_net_port {
    uint64_t allowed, port;
};

#define LL_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LL_V1 ((uint64_t)(LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define LL_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LL_FS_TRUNCATE)

static int64_t landlock_version(void)
{
    return HOST_RAW(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* What of the network needs a rule: what cannot be said by ports alone is left to the other walls. */
static uint64_t landlock_net(const struct noahv_policy *p)
{
    uint64_t net = LL_NET_BIND | LL_NET_CONNECT;

    if (p->net == NET_HOST)
        return 0;
    for (size_t i = 0; i < p->nr_rules; i++)
        if (!p->rule[i].port)
            net &= ~(uint64_t)LL_NET_CONNECT;
    return net;
}

static int64_t allow_mount(int64_t set, const struct mount *m, uint64_t handled)
{
    struct landlock_path_beneath_attr at = { .parent_fd = m->root.fd };
    struct stat st;

    if (HOST_RAW(SYS_fstat, m->root.fd, &st) < 0)
        return -errno;
    at.allowed_access = m->ro || overlaid(m) ? LL_READ : handled;
    if (S_ISCHR(st.st_mode)) /* a device is no part of a read-only tree */
        at.allowed_access = LL_FILE;
    if (!S_ISDIR(st.st_mode))
        at.allowed_access &= LL_FILE;
    at.allowed_access &= handled;
    return HOST_RAW(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &at, 0);
}

/* What is written to an overlaid piece, and the lock. */
static int64_t allow_overlay(int64_t set, const struct view *v, uint64_t handled)
{
    struct landlock_path_beneath_attr at = { LANDLOCK_ACCESS_FS_READ_DIR, view_lock(v) };
    int64_t r =
        view_overlay(v) ? HOST_RAW(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &at, 0) : 0;

    at.allowed_access = handled;
    for (size_t i = 0; r >= 0 && i < view_mounts(v); i++) {
        at.parent_fd = view_mount_at(v, i)->upper;
        if (at.parent_fd >= 0)
            r = HOST_RAW(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &at, 0);
    }
    return r;
}

/* How many processors there are, which the C library reads for us. The view has no such file. */
static void allow_processors(int64_t set)
{
    int64_t fd = HOST_RAW(SYS_openat, AT_FDCWD, "/sys/devices/system/cpu/online", O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr at = { LANDLOCK_ACCESS_FS_READ_FILE, (int)fd };

    if (fd < 0)
        return;
    HOST_RAW(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &at, 0);
    HOST_RAW(SYS_close, fd);
}

static int64_t allow_ports(int64_t set, const struct noahv_policy *p, uint64_t handled)
{
    struct ll_net_port any = { LL_NET_BIND & handled, 0 }; /* a client's port, of the kernel's choice */
    int64_t r = any.allowed ? HOST_RAW(SYS_landlock_add_rule, set, LL_RULE_NET_PORT, &any, 0) : 0;

    for (size_t i = 0; r >= 0 && i < p->nr_rules; i++) {
        struct ll_net_port at = { (p->rule[i].use == NET_LISTEN ? LL_NET_BIND : LL_NET_CONNECT) & handled,
                                  p->rule[i].port };

        if (at.allowed)
            r = HOST_RAW(SYS_landlock_add_rule, set, LL_RULE_NET_PORT, &at, 0);
    }
    return r;
}

static int landlock(const struct box *b)
{
    int64_t version = landlock_version(), set, r = 0;
    struct ll_ruleset rs = { .fs = LL_V1 };

    if (version < 1)
        return -EOPNOTSUPP;
    if (version >= 2)
        rs.fs |= LL_FS_REFER;
    if (version >= 3)
        rs.fs |= LL_FS_TRUNCATE;
    if (version >= 4)
        rs.net = landlock_net(b->policy);
    if (version >= 6)
        rs.scoped = LL_SCOPE_SIGNAL | (b->policy->net == NET_HOST ? 0 : LL_SCOPE_ABSTRACT);
    set = HOST_RAW(SYS_landlock_create_ruleset, &rs, version >= 6 ? 24 : version >= 4 ? 16 : 8, 0);
    if (set < 0)
        return (int)set;
    for (size_t i = 0; r >= 0 && i < view_mounts(b->view); i++)
        r = allow_mount(set, view_mount_at(b->view, i), rs.fs);
    if (r >= 0)
        r = allow_overlay(set, b->view, rs.fs);
    allow_processors(set);
    if (r >= 0 && rs.net)
        r = allow_ports(set, b->policy, rs.net);
    if (r >= 0)
        r = HOST_RAW(SYS_landlock_restrict_self, set, 0);
    HOST_RAW(SYS_close, set);
    return (int)MIN(r, 0);
}

/* --- From outside -------------------------------------------------------------------------------------- */

/* The box finds its processes by the host's /proc, which may show to users only those that they could debug. */
static bool proc_hides(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool hides = false;

    while (f && getline(&line, &cap, f) > 0)
        hides |= strstr(line, " - proc ") && strstr(line, "hidepid=");
    free(line);
    if (f)
        fclose(f);
    return hides;
}

/* For children too. No other wall needs it, but for a parent that takes the listener of an audit until it is called. */
static int hide(void)
{
    if (proc_hides())
        return -EOPNOTSUPP;
    return (int)HOST_RAW(SYS_prctl, PR_SET_DUMPABLE, 0);
}

/* --- All of them -------------------------------------------------------------------------------------- */

const char *jail_lacks(enum policy_layer l)
{
    switch (l) {
    case LAYER_LANDLOCK:
        return landlock_version() >= 1 ? NULL
                                       : "the kernel has none, or it is not in its lsm= list (Linux 5.13)";
    case LAYER_SECCOMP:
        return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 ? NULL : "the kernel was built without it";
    case LAYER_NO_NEW_PRIVS:
        return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0 ? NULL : "the kernel is older than Linux 3.5";
    case LAYER_NAMESPACES:
        return can_isolate() ? NULL
                             : "user namespaces are closed to this user (user.max_user_namespaces, AppArmor)";
    case LAYER_MOUNTS:
        return can_mount() ? NULL
                           : "mount namespaces are closed to this user (user.max_mnt_namespaces, AppArmor), "
                             "or Linux is older than 5.14";
    case LAYER_NON_DUMPABLE:
        return proc_hides() ? "the host's /proc hides processes (hidepid), and a box must see its own" : NULL;
    default:
        return NULL;
    }
}

/* A wall did not stand: fatal if it was asked for. */
static int missing(const struct noahv_policy *p, enum policy_layer l, int err, char *why)
{
    if (err == 0 || !(p->require >> l & 1))
        return 0;
    snprintf(why, VIEW_WHY_MAX, "--require %s: this host cannot: %s", policy_layer_name(l),
             jail_lacks(l) ? jail_lacks(l) : strerror(-err));
    return -EPERM;
}

static int namespaces(const struct noahv_policy *p, char *why)
{
    int err = isolate(p);

    if (err != -ECANCELED)
        return missing(p, LAYER_NAMESPACES, err, why);
    snprintf(why, VIEW_WHY_MAX, "cannot remain the same user in a user namespace: /proc/self/uid_map");
    return -EPERM;
}

static int mounts(const struct noahv_policy *p, struct view *v, char *why)
{
    const struct mount *left;
    int err = view_enclose(v, &left);

    if (!left || !(p->require >> LAYER_MOUNTS & 1))
        return missing(p, LAYER_MOUNTS, err, why);
    snprintf(why, VIEW_WHY_MAX,
             "--require mounts: %.200s, which is granted, is none: something is mounted below it, or it has "
             "changed",
             *left->src ? left->src : "/");
    return -EPERM;
}

int jail_close(const struct box *b, char *why)
{
    const struct noahv_policy *p = b->policy;
    int r = missing(p, LAYER_NO_NEW_PRIVS, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0, why);

    if (r == 0)
        r = namespaces(p, why);
    if (r == 0)
        r = mounts(p, b->view, why);
    if (r == 0)
        r = missing(p, LAYER_LANDLOCK, landlock(b), why);
    if (r == 0)
        r = missing(p, LAYER_CAPS, drop_privileges(), why);
    if (r == 0)
        r = missing(p, LAYER_SECCOMP, filter_load(p), why);
    if (r == 0)
        r = missing(p, LAYER_NON_DUMPABLE, hide(), why);
    if (r == 0 && p->audit) /* the lock-down is over: what comes now is counted */
        HOST_RAW(SYS_close, atomic_load(&p->shared->listener));
    return r;
}

void noahv_policy_layers(noahv_layer_visit_fn visit, void *opaque)
{
    for (enum policy_layer l = 0; l < NR_LAYERS; l++)
        visit(opaque, policy_layer_name(l), policy_layer_what(l), jail_lacks(l));
}
