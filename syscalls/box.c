/*
 * The decisions of a box by row and argument, and the telling of refusals. Which file a path means is in view.c;
 * which processes there are, and what they use, in members.c; the host's own walls are in jail.c.
 */
#include "syscalls/box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "base/log.h"
#include "policy/record.h"
#include "syscalls/fd.h"
#include "syscalls/learn.h"
#include "syscalls/numbers.h"
#include "syscalls/share.h"
#include "syscalls/view.h"

/* Five texts of 200 bytes, each byte escaped at worst. */
#define LOG_RECORD_MAX 7000

/* --- Refusals ----------------------------------------------------------------------------------------- */

/* Each line is told once, and only so many: a program that tries again and again floods nobody. */
static bool told_already(struct policy_shared *s, const char *line)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    unsigned n;

    for (const char *c = line; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = 0; i < MIN(atomic_load(&s->nr_told), POLICY_TOLD_MAX); i++)
        if (atomic_load_explicit(&s->told[i], memory_order_relaxed) == hash)
            return true;
    n = atomic_fetch_add(&s->nr_told, 1);
    if (n >= POLICY_TOLD_MAX) {
        atomic_store(&s->nr_told, POLICY_TOLD_MAX);
        return true;
    }
    atomic_store_explicit(&s->told[n], hash, memory_order_relaxed);
    return false;
}

static void report_json(const struct refusal *r, const char *call)
{
    char line[LOG_RECORD_MAX];
    struct buf b;

    buf_init(&b, line, sizeof line);
    buf_putc(&b, '{');
    record_put(&b, "rule", r->rule, 200);
    record_put(&b, "syscall", call, 200);
    record_put(&b, "object", r->object, 200);
    record_put(&b, "cause", r->cause, 200);
    record_put(&b, "remedy", r->remedy ? r->remedy : "", 200);
    buf_putc(&b, '}');
    log_record(line);
}

static void report(const struct noahv_policy *p, const struct refusal *r, const char *call, const char *line)
{
    if (p->report == REPORT_JSON)
        report_json(r, call);
    else if (p->report == REPORT_TEXT)
        log_line(LOG_ERROR, "%s", line);
}

int64_t box_refuse(struct task *t, int err, const struct refusal *r)
{
    const struct noahv_policy *p = t->proc->box->policy;
    uint64_t nr = t->hart->x[17]; /* a7: for its name only */
    const struct sysent *e = sysent_get(nr);
    char line[512];

    if (!t->proc->box->running)
        return err;
    snprintf(line, sizeof line, "refused %s(%s): %s%s%s", e ? e->name : "call", r->object, r->cause,
             r->remedy ? ". To allow it: " : "", r->remedy ? r->remedy : "");
    if (p->on_deny == DENY_KILL) {
        policy_end(p, NOAHV_END_DENIED, "%s", line);
        HOST_RAW(SYS_kill, atomic_load(&p->shared->member[0].pid),
                 SIGKILL); /* the first ends, and all with it */
        process_die(t, SIGKILL);
        return -EJUSTRETURN;
    }
    if (p->on_deny == DENY_LOG || !told_already(p->shared, line))
        report(p, r, e ? e->name : "call", line);
    return err;
}

/* --- Arguments ---------------------------------------------------------------------------------------- */

typedef int64_t check_fn(struct task *t, const uint64_t *a);

static int64_t check_ok(struct task *t, const uint64_t *a)
{
    (void)t;
    (void)a;
    return 0;
}

static int64_t check_absent(struct task *t, const uint64_t *a)
{
    (void)t;
    (void)a;
    return -ENOSYS;
}

static int64_t refuse_value(struct task *t, const char *rule, const char *what, uint64_t value,
                            const char *cause)
{
    char object[64];

    snprintf(object, sizeof object, "%s 0x%llx", what, (unsigned long long)value);
    return box_refuse(t, -EPERM, &(struct refusal){ rule, object, cause, NULL });
}

/* Signals from descriptors go to a process that the program names. */
static int64_t check_fcntl(struct task *t, const uint64_t *a)
{
    struct f_owner_ex owner = { 0 };
    int pid;

    switch ((uint32_t)a[1]) {
    case F_SETOWN:
        pid = (int)a[2];
        break;
    case F_SETOWN_EX:
        if (get_user(t->mem, &owner, a[2]))
            return -EFAULT;
        pid = owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid;
        break;
    default:
        return 0;
    }
    if (pid == 0 || (pid > 0 && box_has(t, pid)))
        return 0;
    return refuse_value(t, "processes", "owner", (uint32_t)pid, "the process is outside the box");
}

/* clang-format off */
/*
 * Requests that change nothing but the descriptor or the terminal's own settings. Absent above all TIOCSTI and
 * TIOCSCTTY, which type into the terminal of whoever started the box, and what sets up devices and interfaces.
 */
static const uint32_t ioctls[] = {
    TCGETS, TCSETS, TCSETSW, TCSETSF, 0x802c542a /* TCGETS2 */, 0x402c542b, 0x402c542c, 0x402c542d /* TCSETSF2 */,
    TCGETA, TCSETA, TCSETAW, TCSETAF, TCSBRK, TCSBRKP, TCXONC, TCFLSH,
    TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCOUTQ, TIOCGEXCL, TIOCGETD,
    TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK, TIOCGPTPEER, TIOCPKT, TIOCGPKT,
    FIONREAD, FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIOQSIZE,
    0x80086601 /* FS_IOC_GETFLAGS */, 0x801c581f /* FS_IOC_FSGETXATTR */, 0x40049409 /* FICLONE */,
    0x4020940d /* FICLONERANGE */, 0xc020660b /* FS_IOC_FIEMAP */,
    SIOCATMARK, SIOCOUTQNSD, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFNETMASK,
    SIOCGIFMTU, SIOCGIFCONF, FIOGETOWN, SIOCGPGRP,
};
static const int prctls[] = {
    PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_TIMING, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP,
    PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK,
    PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE,
    PR_GET_TID_ADDRESS, PR_SET_VMA, 71 /* PR_RISCV_SET_ICACHE_FLUSH_CTX */,
};

/* Those that noahv answers: the host never hears of them. */
static const int kept_prctls[] = {
    PR_SET_SECCOMP, 59 /* PR_SET_SYSCALL_USER_DISPATCH */, 65 /* PR_SET_MDWE */, 66 /* PR_GET_MDWE */,
};
/* clang-format on */

static int64_t check_ioctl(struct task *t, const uint64_t *a)
{
    uint32_t cmd = (uint32_t)a[1];

    for (size_t i = 0; i < ARRAY_SIZE(ioctls); i++)
        if (ioctls[i] == cmd)
            return 0;
    return refuse_value(t, "calls", "request", cmd, "the request is not for a box");
}

/* Unknown options get the kernel's own answer; a box must not change who its processes die with or answer to. */
static int64_t check_prctl(struct task *t, const uint64_t *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(prctls); i++)
        if (prctls[i] == (int)a[0])
            return 0;
    for (size_t i = 0; i < ARRAY_SIZE(kept_prctls); i++)
        if (kept_prctls[i] == (int)a[0])
            return 0;
    return refuse_value(t, "calls", "option", (uint32_t)a[0], "the option is not for a box");
}

/* No tables of descriptors that some threads share and others do not: noahv's are hidden in all of them at once. */
static const char shared_files[] = "the threads of a box share their descriptors, and its processes do not";

int64_t box_may_clone(struct task *t, uint64_t flags)
{
    const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                CLONE_NEWPID | CLONE_NEWNET | CLONE_IO | 0x80 /* CLONE_NEWTIME */;

    if (t->proc->box && flags & namespaces & ~(uint64_t)CLONE_IO)
        return refuse_value(t, "processes", "flags", flags, "a box makes no namespaces");
    if (t->proc->box && !(flags & CLONE_THREAD) != !(flags & CLONE_FILES))
        return refuse_value(t, "processes", "flags", flags, shared_files);
    return 0;
}

/* In clone the bit of CLONE_NEWTIME is a part of the signal's number. */
static int64_t check_clone(struct task *t, const uint64_t *a)
{
    return box_may_clone(t, a[0] & ~(uint64_t)CSIGNAL);
}

static int64_t check_close_range(struct task *t, const uint64_t *a)
{
    if (a[2] & CLOSE_RANGE_UNSHARE && !is_single(t->proc))
        return refuse_value(t, "processes", "flags", (uint32_t)a[2], shared_files);
    return 0;
}

static int64_t check_unshare(struct task *t, const uint64_t *a)
{
    if (a[0] & CLONE_FILES)
        return refuse_value(t, "processes", "flags", a[0], shared_files);
    return box_may_clone(t, a[0]);
}

/* Device nodes are doors to the whole machine, for those who may make them. */
static int64_t check_mknodat(struct task *t, const uint64_t *a)
{
    uint32_t type = (uint32_t)a[2] & S_IFMT;

    if (type == 0 || type == S_IFREG || type == S_IFIFO || type == S_IFSOCK)
        return 0;
    return refuse_value(t, "files", "mode", (uint32_t)a[2], "a box makes no devices");
}

/* Files that are memory only, of any size and number, which nobody can count: not beside a limit of memory. */
static int64_t check_memfd_create(struct task *t, const uint64_t *a)
{
    (void)a;
    if (!t->proc->box->policy->limit[LIMIT_MEMORY])
        return 0;
    return box_refuse(t, -EPERM,
                      &(struct refusal){ "memory", "", "the memory of such a file is not counted",
                                         "--memory 0, or --tmpfs DIR and a file there" });
}

/* Of a process; groups and users reach further than the box. */
static int64_t check_priority(struct task *t, const uint64_t *a)
{
    if ((int)a[0] == PRIO_PROCESS && box_has(t, (int)a[1]))
        return 0;
    return refuse_value(t, "processes", "which", (uint32_t)a[0], "the process is outside the box");
}

static int64_t check_ioprio(struct task *t, const uint64_t *a)
{
    enum { WHO_PROCESS = 1 };

    if ((int)a[0] == WHO_PROCESS && box_has(t, (int)a[1]))
        return 0;
    return refuse_value(t, "processes", "which", (uint32_t)a[0], "the process is outside the box");
}

/* A number that means nobody is not refused: it is told as the kernel would. */
static int64_t refuse_process(struct task *t, int pid)
{
    if (pid > 0 && HOST_RAW(SYS_kill, pid, 0) == -ESRCH)
        return -ESRCH;
    return refuse_value(t, "processes", "process", (uint32_t)pid, "it is outside the box");
}

/* Groups: 0 is our own, which has only members of the box, as has one that a member leads. */
static int64_t check_kill(struct task *t, const uint64_t *a)
{
    int pid = (int)a[0];

    if (pid != -1 && pid != INT_MIN && box_has(t, pid < 0 ? -pid : pid))
        return 0;
    return refuse_process(t, pid);
}

/* --- Sockets ------------------------------------------------------------------------------------------ */

static const char *family_name(int family, char buf[16])
{
    switch (family) {
    case AF_UNIX:
        return "AF_UNIX";
    case AF_INET:
        return "AF_INET";
    case AF_INET6:
        return "AF_INET6";
    case AF_NETLINK:
        return "AF_NETLINK";
    case AF_PACKET:
        return "AF_PACKET";
    default:
        snprintf(buf, 16, "family %d", family);
        return buf;
    }
}

/* Streams and datagrams alone: raw and packet sockets pass by every rule on addresses. */
static int64_t check_socket(struct task *t, const uint64_t *a)
{
    enum net_mode net = t->proc->box->policy->net;
    int family = (int)a[0], type = (int)a[1] & 0xf;
    bool inet = family == AF_INET || family == AF_INET6;
    struct refusal r = { "network", NULL, "the box has no network",
                         "--net host, or --allow-connect ADDR:PORT" };
    char buf[16];

    if (family == AF_UNIX)
        return 0;
    if (inet && net != NET_NONE &&
        ((type == SOCK_STREAM && (a[2] == 0 || (int)a[2] == IPPROTO_TCP)) ||
         (type == SOCK_DGRAM && (a[2] == 0 || (int)a[2] == IPPROTO_UDP)))) {
        if (learning(t))
            learn(t, ACCESS_SOCKET, family_name(family, buf), "");
        return 0;
    }
    r.object = family_name(family, buf);
    if (!inet || net != NET_NONE || (type != SOCK_STREAM && type != SOCK_DGRAM)) {
        r.cause = "a box has TCP, UDP and local sockets only";
        r.remedy = NULL;
    }
    return box_refuse(t, inet ? -EACCES : -EAFNOSUPPORT, &r);
}

static int64_t check_socketpair(struct task *t, const uint64_t *a)
{
    char buf[16];

    if ((int)a[0] == AF_UNIX)
        return 0;
    return box_refuse(t, -EAFNOSUPPORT,
                      &(struct refusal){ "network", family_name((int)a[0], buf),
                                         "a box has pairs of local sockets only", NULL });
}

/* A client that binds to a port of the kernel's choice; listen() asks again, for the port that it got. */
static bool picks_port(const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_in6 in; /* the port of both families is in one place */

    memcpy(&in, sa, MIN(len, sizeof in));
    return (sa->sa_family == AF_INET || sa->sa_family == AF_INET6) && len >= sizeof(struct sockaddr_in) &&
           !in.sin6_port;
}

/* A socket that was never bound listens on a port of the kernel's choice. */
static int64_t check_listen(struct task *t, const uint64_t *a)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;

    if (t->proc->box->policy->net != NET_POLICY || fd_is_own((int)a[0]) ||
        HOST_RAW(SYS_getsockname, (int)a[0], &at, &len) < 0 || at.ss_family == AF_UNIX)
        return 0;                                /* the call itself says what is wrong with the descriptor */
    if (picks_port((struct sockaddr *)&at, len)) /* not bound yet: it would be now */
        return box_refuse(t, -EACCES,
                          &(struct refusal){ "network", "a port of the kernel's choice", "it is not granted",
                                             "bind it, and --allow-listen PORT" });
    return box_may_reach(t, NET_LISTEN, (struct sockaddr *)&at, len);
}

/* Local sockets are files, which the view has checked; an abstract name is anybody's. */
static int64_t may_reach_local(struct task *t, const struct sockaddr *sa, socklen_t len)
{
    const char *path = sa->sa_data;
    char text[NET_TEXT_MAX];

    if (len <= sizeof sa->sa_family || *path)
        return 0;
    net_addr_text(sa, len, text);
    return box_refuse(t, -EACCES,
                      &(struct refusal){ "network", text, "abstract names are the whole host's",
                                         t->proc->box->policy->net == NET_HOST ? NULL : "--net host" });
}

int64_t box_may_reach(struct task *t, enum net_use use, const struct sockaddr *sa, socklen_t len)
{
    const struct noahv_policy *p;
    char text[NET_TEXT_MAX], remedy[NET_TEXT_MAX + 24];

    if (!t->proc->box || len < sizeof sa->sa_family)
        return 0; /* too short for any address: the kernel says so */
    p = t->proc->box->policy;
    if (learning(t) && !(use == NET_LISTEN && picks_port(sa, len)))
        learn_address(t, use, sa, len);
    if (p->net == NET_HOST)
        return 0;
    if (sa->sa_family == AF_UNIX)
        return may_reach_local(t, sa, len);
    if (sa->sa_family == AF_UNSPEC) /* dissolves a connection */
        return 0;
    if (net_rules_allow(p->rule, p->nr_rules, use, sa, len) || (use == NET_LISTEN && picks_port(sa, len)))
        return 0;
    net_addr_text(sa, len, text);
    snprintf(remedy, sizeof remedy, "--allow-%s %s", use == NET_CONNECT ? "connect" : "listen", text);
    return box_refuse(t, -EACCES, &(struct refusal){ "network", text, "the address is not granted", remedy });
}

/* Source routes and routing headers (linux/in.h, in6.h). */
bool box_may_option(struct task *t, int level, int name)
{
    enum { L_IP = 0, OPT_OPTIONS = 4, OPT_RETOPTS = 7, L_IPV6 = 41, OPT_2292PKTOPTIONS = 6, OPT_RTHDR = 57 };

    if (!t->proc->box || t->proc->box->policy->net == NET_HOST)
        return true;
    if ((level == L_IP && (name == OPT_OPTIONS || name == OPT_RETOPTS)) ||
        (level == L_IPV6 &&
         (name == OPT_2292PKTOPTIONS || name == OPT_RTHDR || name == 5 /* IPV6_2292RTHDR */))) {
        box_refuse(t, -EPERM,
                   &(struct refusal){ "network", "a route of its own", "packets would pass by the rules",
                                      "--net host" });
        return false;
    }
    return true;
}

/* --- The table ---------------------------------------------------------------------------------------- */

static check_fn *const checks[NR_SYS] = {
#define CALL(name, check) [NR_##name] = check_##check,
#include "syscalls/box_calls.def"
#undef CALL
};

/* Process and thread numbers, wherever they stand: 0 is oneself. waiting reaches children only. */
static int64_t check_pids(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a)
{
    if (nr == NR_wait4 || nr == NR_waitid || nr == NR_kill)
        return 0;
    for (unsigned i = 0; i < e->nargs; i++)
        if (e->kind[i] == KIND_PID && !box_has(t, (int)a[i]))
            return refuse_process(t, (int)a[i]);
    return 0;
}

/* By others' doing, a call may tell something new, after it or in it. What only a look at files can show is none. */
static bool tells_news(const struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a)
{
    switch (nr) {
    case NR_close:
    case NR_dup:
    case NR_dup3:
    case NR_fchdir:
    case NR_fcntl:
    case NR_fstat:
    case NR_getdents64:
    case NR_lseek:
    case NR_write:
        return false;
    case NR_read:
    case NR_pread64:
        return !folders_is_file(t, a[0]);
    case NR_sendfile:
        return !folders_is_file(t, a[1]);
    default:
        return e->class != CLASS_FILE && e->class != CLASS_MEMORY && e->class != CLASS_CRED;
    }
}

int64_t box_check(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a)
{
    int64_t r;

    if (!e || e->how == HOW_NONE)
        return 0; /* dispatch.c has the answer */
    if (nr >= NR_SYS || !checks[nr])
        return box_refuse(t, -EPERM, &(struct refusal){ "calls", "", "the call is not for a box", NULL });
    if (tells_news(t, e, nr, a))
        atomic_fetch_add_explicit(&t->proc->box->folders.heard, 1, memory_order_relaxed);
    r = check_pids(t, e, nr, a);
    return r ? r : checks[nr](t, a);
}

bool box_lists(uint64_t nr)
{
    return nr < NR_SYS && checks[nr];
}

size_t box_ioctls(void)
{
    return ARRAY_SIZE(ioctls);
}

uint64_t box_ioctl_at(size_t i)
{
    return ioctls[i];
}

size_t box_prctls(void)
{
    return ARRAY_SIZE(prctls);
}

uint64_t box_prctl_at(size_t i)
{
    return (uint64_t)prctls[i];
}
