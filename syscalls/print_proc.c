/*
 * Prints what belongs to processes: argument vectors, wait status, limits, usage, identities, capabilities,
 * prctl, futexes, clone arguments.
 */
#include "syscalls/print.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "mem/copy.h"

/* --- Vectors ------------------------------------------------------------------------------------------ */

bool print_argv(struct print *p, uint64_t v)
{
    uint64_t at;

    if (!print_fetch(p, v, &at, sizeof at))
        return true;
    buf_putc(p->b, '[');
    for (unsigned i = 0; at; i++) {
        if (i)
            buf_puts(p->b, ", ");
        if (i == PRINT_ARRAY_MAX) {
            buf_puts(p->b, "...");
            break;
        }
        print_str(p, at);
        if (copy_in(p->mem, &at, v + (i + 1) * sizeof at, sizeof at) < 0) {
            buf_puts(p->b, ", ???");
            break;
        }
    }
    buf_putc(p->b, ']');
    return true;
}

/* Counted, not shown; no further than this. */
#define ENV_COUNT_MAX 65536

bool print_envp(struct print *p, uint64_t v)
{
    uint64_t chunk[64];
    unsigned count = 0;
    bool ended = false;

    print_addr(p, v);
    while (v && !ended && count < ENV_COUNT_MAX) {
        size_t bytes = copy_in_some(p->mem, chunk, v + count * sizeof chunk[0], sizeof chunk);
        size_t got = bytes / sizeof chunk[0], i;

        for (i = 0; i < got && chunk[i]; i++)
            count++;
        ended = i < got;
        if (got < ARRAY_SIZE(chunk))
            break;
    }
    if (count || ended)
        print_text(p, " /* %u var%s%s */", count, count == 1 ? "" : "s", ended ? "" : ", unterminated");
    return true;
}

/* --- Ends --------------------------------------------------------------------------------------------- */

static void print_status(struct print *p, int status)
{
    if (WIFEXITED(status)) {
        print_text(p, "{WIFEXITED(s) && WEXITSTATUS(s) == %d}", WEXITSTATUS(status));
    } else if (WIFSTOPPED(status)) {
        buf_puts(p->b, "{WIFSTOPPED(s) && WSTOPSIG(s) == ");
        print_sig(p, (uint64_t)WSTOPSIG(status));
        buf_putc(p->b, '}');
    } else if (WIFSIGNALED(status)) {
        buf_puts(p->b, "{WIFSIGNALED(s) && WTERMSIG(s) == ");
        print_sig(p, (uint64_t)WTERMSIG(status));
        buf_puts(p->b, WCOREDUMP(status) ? " && WCOREDUMP(s)}" : "}");
    } else if (WIFCONTINUED(status)) {
        buf_puts(p->b, "{WIFCONTINUED(s)}");
    } else {
        print_text(p, "%#x", (unsigned)status);
    }
}

/* Written only when a child was found. */
bool print_owstatus(struct print *p, uint64_t v)
{
    int status;

    if (!p->after)
        return false;
    if (p->ret == 0)
        return print_addr(p, v);
    if (print_fetch_out(p, v, &status, sizeof status)) {
        buf_putc(p->b, '[');
        print_status(p, status);
        buf_putc(p->b, ']');
    }
    return true;
}

bool print_orusage(struct print *p, uint64_t v)
{
    struct rusage ru;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &ru, sizeof ru))
        return true;
    print_text(p, "{ru_utime={tv_sec=%ld, tv_usec=%ld}, ru_stime={tv_sec=%ld, tv_usec=%ld}, ...}",
               (long)ru.ru_utime.tv_sec, (long)ru.ru_utime.tv_usec, (long)ru.ru_stime.tv_sec,
               (long)ru.ru_stime.tv_usec);
    return true;
}

/* --- Limits and facts --------------------------------------------------------------------------------- */

static void print_limit(struct print *p, uint64_t v)
{
    if (v == UINT64_MAX)
        buf_puts(p->b, "RLIM64_INFINITY");
    else if (v > 1024 && v % 1024 == 0)
        print_text(p, "%" PRIu64 "*1024", v / 1024);
    else
        print_uint(p, v);
}

bool print_rlimit(struct print *p, uint64_t v)
{
    uint64_t rl[2];

    if (!print_fetch(p, v, rl, sizeof rl))
        return true;
    buf_puts(p->b, "{rlim_cur=");
    print_limit(p, rl[0]);
    buf_puts(p->b, ", rlim_max=");
    print_limit(p, rl[1]);
    buf_putc(p->b, '}');
    return true;
}

bool print_orlimit(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_rlimit(p, v);
}

bool print_outsname(struct print *p, uint64_t v)
{
    struct utsname u;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &u, sizeof u))
        return true;
    buf_puts(p->b, "{sysname=");
    print_field(p, u.sysname, sizeof u.sysname);
    buf_puts(p->b, ", nodename=");
    print_field(p, u.nodename, sizeof u.nodename);
    buf_puts(p->b, ", ...}");
    return true;
}

bool print_osysinfo(struct print *p, uint64_t v)
{
    struct sysinfo s;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &s, sizeof s))
        return true;
    print_text(p, "{uptime=%ld, loads=[%lu, %lu, %lu], totalram=%lu, freeram=%lu, sharedram=%lu, ", s.uptime,
               s.loads[0], s.loads[1], s.loads[2], s.totalram, s.freeram, s.sharedram);
    print_text(p, "bufferram=%lu, totalswap=%lu, freeswap=%lu, procs=%u, totalhigh=%lu, ", s.bufferram,
               s.totalswap, s.freeswap, s.procs, s.totalhigh);
    print_text(p, "freehigh=%lu, mem_unit=%u}", s.freehigh, s.mem_unit);
    return true;
}

bool print_schedpar(struct print *p, uint64_t v)
{
    int32_t prio;

    if (print_fetch(p, v, &prio, sizeof prio))
        print_text(p, "[%d]", prio);
    return true;
}

bool print_oschedpar(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_schedpar(p, v);
}

/* The processors of a set of `len` bytes, as far as they are shown. */
static void print_cpus(struct print *p, uint64_t addr, uint64_t len)
{
    uint8_t set[128];
    size_t n = MIN(len, sizeof set);
    bool first = true;

    if (!print_fetch(p, addr, set, n))
        return;
    buf_putc(p->b, '[');
    for (size_t cpu = 0; cpu < n * 8; cpu++) {
        if (!(set[cpu / 8] >> cpu % 8 & 1))
            continue;
        print_text(p, first ? "%zu" : " %zu", cpu);
        first = false;
    }
    buf_putc(p->b, ']');
}

bool print_cpuset(struct print *p, uint64_t v)
{
    print_cpus(p, v, p->i > 0 ? p->a[p->i - 1] : 0);
    return true;
}

/* The result is how many bytes were written. */
bool print_ocpuset(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    if (p->ret < 0)
        print_addr(p, v);
    else
        print_cpus(p, v, (uint64_t)p->ret);
    return true;
}

/* `count` group ids. */
static void print_groups(struct print *p, uint64_t addr, uint64_t count)
{
    uint32_t ids[PRINT_ARRAY_MAX];
    size_t n = MIN(count, PRINT_ARRAY_MAX);

    if (!print_fetch(p, addr, ids, n * sizeof ids[0]))
        return;
    buf_putc(p->b, '[');
    for (size_t i = 0; i < n; i++)
        print_text(p, i ? ", %u" : "%u", ids[i]);
    buf_puts(p->b, count > n ? ", ...]" : "]");
}

bool print_gids(struct print *p, uint64_t v)
{
    if (p->i > 0 && (int64_t)p->a[p->i - 1] >= 0)
        print_groups(p, v, p->a[p->i - 1]);
    else
        print_addr(p, v);
    return true;
}

/* With size 0 getgroups only counts. */
bool print_ogids(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    if (p->ret < 0 || p->i == 0 || p->a[p->i - 1] == 0)
        print_addr(p, v);
    else
        print_groups(p, v, (uint64_t)p->ret);
    return true;
}

/* --- Capabilities ------------------------------------------------------------------------------------- */

bool print_caphdr(struct print *p, uint64_t v)
{
    uint32_t h[2];

    if (!print_fetch(p, v, h, sizeof h))
        return true;
    buf_puts(p->b, "{version=");
    print_enum(p, &names_capabilities, h[0]);
    print_text(p, ", pid=%d}", (int32_t)h[1]);
    return true;
}

/* A set of them: 1<<CAP_CHOWN|1<<CAP_KILL. */
static void print_cap_set(struct print *p, const char *name, uint64_t set)
{
    buf_puts(p->b, name);
    if (!set)
        buf_putc(p->b, '0');
    for (unsigned cap = 0, shown = 0; cap < 64; cap++) {
        const char *known = print_find(&names_caps, cap);

        if (!(set >> cap & 1))
            continue;
        if (known)
            print_text(p, "%s1<<%s", shown ? "|" : "", known);
        else
            print_text(p, "%s%#" PRIx64, shown ? "|" : "", (uint64_t)1 << cap);
        shown++;
    }
}

bool print_capdata(struct print *p, uint64_t v)
{
    uint32_t d[6];

    if (!print_fetch(p, v, d, sizeof d))
        return true;
    print_cap_set(p, "{effective=", d[0] | (uint64_t)d[3] << 32);
    print_cap_set(p, ", permitted=", d[1] | (uint64_t)d[4] << 32);
    print_cap_set(p, ", inheritable=", d[2] | (uint64_t)d[5] << 32);
    buf_putc(p->b, '}');
    return true;
}

bool print_ocapdata(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_capdata(p, v);
}

/* --- prctl -------------------------------------------------------------------------------------------- */

/* PR_SET_VMA: the name of anonymous memory */
#define PRCTL_SET_VMA 0x53564d41

static bool print_out_signal(struct print *p, uint64_t v)
{
    int32_t sig;

    if (!p->after)
        return false;
    if (print_fetch_out(p, v, &sig, sizeof sig)) {
        buf_putc(p->b, '[');
        print_sig(p, (uint64_t)(int64_t)sig);
        buf_putc(p->b, ']');
    }
    return true;
}

static bool print_out_name(struct print *p, uint64_t v)
{
    char name[16];

    if (!p->after)
        return false;
    if (print_fetch_out(p, v, name, sizeof name))
        print_field(p, name, sizeof name);
    return true;
}

bool print_prarg2(struct print *p, uint64_t v)
{
    switch (p->a[0]) {
    case PR_SET_NAME:
        return print_str(p, v);
    case PR_GET_NAME:
        return print_out_name(p, v);
    case PR_SET_PDEATHSIG:
        return print_sig(p, v);
    case PR_GET_PDEATHSIG:
        return print_out_signal(p, v);
    case PR_GET_TID_ADDRESS:
        return print_oaddr(p, v);
    case PR_SET_DUMPABLE:
        print_enum(p, &names_dumpable, v);
        return true;
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
        print_enum(p, &names_caps, v);
        return true;
    case PRCTL_SET_VMA:
        print_enum(p, &names_vma_options, v);
        return true;
    case PR_SET_KEEPCAPS:
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_TIMERSLACK:
    case PR_SET_CHILD_SUBREAPER:
        return print_uint(p, v);
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_TIMERSLACK:
        return print_hidden(p, v);
    default:
        return print_hex(p, v);
    }
}

/* How many arguments an option has. */
static int prctl_args(uint64_t option)
{
    switch (option) {
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_TIMERSLACK:
        return 0;
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_SET_PDEATHSIG:
    case PR_GET_PDEATHSIG:
    case PR_GET_TID_ADDRESS:
    case PR_SET_DUMPABLE:
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
    case PR_SET_KEEPCAPS:
    case PR_SET_TIMERSLACK:
    case PR_SET_CHILD_SUBREAPER:
        return 1;
    default:
        return 4;
    }
}

bool print_prarg(struct print *p, uint64_t v)
{
    if (p->i > prctl_args(p->a[0]))
        return print_hidden(p, v);
    if (p->a[0] == PRCTL_SET_VMA && p->i != 3)
        return p->i == 2 ? print_addr(p, v) : print_str(p, v);
    if (p->a[0] == PRCTL_SET_VMA)
        return print_uint(p, v);
    return print_hex(p, v);
}

/* --- futex, clone3 ------------------------------------------------------------------------------------ */

static uint64_t futex_op(const struct print *p)
{
    return p->a[1] & FUTEX_CMD_MASK & UINT32_MAX;
}

/* Locks of the PI kind take no number. */
bool print_futex_count(struct print *p, uint64_t v)
{
    switch (futex_op(p)) {
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
        return print_hidden(p, v);
    default:
        return print_uint(p, v);
    }
}

/* Whether the operation has a timeout; others have a count there, or nothing. */
bool print_futex_timeout(struct print *p, uint64_t v)
{
    switch (futex_op(p)) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
        return print_timespec(p, v);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_CMP_REQUEUE_PI:
    case FUTEX_WAKE_OP:
        return print_uint(p, (uint32_t)v);
    case FUTEX_WAKE:
    case FUTEX_FD:
    case FUTEX_WAKE_BITSET:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
        return print_hidden(p, v);
    default:
        return print_addr(p, v);
    }
}

bool print_futex_addr(struct print *p, uint64_t v)
{
    switch (futex_op(p)) {
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_CMP_REQUEUE_PI:
    case FUTEX_WAKE_OP:
    case FUTEX_WAIT_REQUEUE_PI:
        return print_addr(p, v);
    default:
        return futex_op(p) > FUTEX_LOCK_PI2 ? print_addr(p, v) : print_hidden(p, v);
    }
}

/* The operation on the second word and its comparison: FUTEX_OP() of linux/futex.h. */
static void print_wake_op(struct print *p, uint32_t v)
{
    if (v >> 31)
        buf_puts(p->b, "FUTEX_OP_OPARG_SHIFT<<28|");
    print_enum(p, &names_futex_wake_ops, v >> 28 & 7);
    print_text(p, "<<28|%#x<<12|", v >> 12 & 0xfff);
    print_enum(p, &names_futex_wake_cmps, v >> 24 & 15);
    print_text(p, "<<24|%#x", v & 0xfff);
}

bool print_futex_val(struct print *p, uint64_t v)
{
    switch (futex_op(p)) {
    case FUTEX_CMP_REQUEUE:
    case FUTEX_CMP_REQUEUE_PI:
        return print_uint(p, v);
    case FUTEX_WAKE_OP:
        print_wake_op(p, (uint32_t)v);
        return true;
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAKE_BITSET:
        if (v != FUTEX_BITSET_MATCH_ANY)
            return print_hex(p, v);
        buf_puts(p->b, "FUTEX_BITSET_MATCH_ANY");
        return true;
    default:
        return futex_op(p) > FUTEX_LOCK_PI2 ? print_hex(p, v) : print_hidden(p, v);
    }
}

bool print_clone_args(struct print *p, uint64_t v)
{
    struct clone_args c;

    memset(&c, 0, sizeof c);
    if (!print_fetch(p, v, &c, CLONE_ARGS_SIZE_VER0))
        return true;
    buf_puts(p->b, "{flags=");
    print_bits(p, &names_clone_flags, c.flags);
    buf_puts(p->b, ", exit_signal=");
    print_sig(p, c.exit_signal);
    buf_puts(p->b, ", stack=");
    print_addr(p, c.stack);
    print_text(p, ", stack_size=%#" PRIx64, (uint64_t)c.stack_size);
    if (c.flags & CLONE_SETTLS)
        print_text(p, ", tls=%#" PRIx64, (uint64_t)c.tls);
    buf_putc(p->b, '}');
    return true;
}
