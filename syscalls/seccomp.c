/*
 * seccomp(2) for the guest. A filter is checked when it is installed and interpreted at each call; nothing of it
 * reaches the host, whose own calls are others. There is no tracer; listeners are in seccomp_notify.c.
 * Rules: kernel/seccomp.c, net/core/filter.c.
 *
 * Filters are never changed and never freed: a task that begins as a copy of another shares its filters.
 */
#include "syscalls/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "syscalls/handover.h"
#include "syscalls/signal.h"
#include "syscalls/thread.h"

#define PATH_INSNS_MAX 32768 /* MAX_INSNS_PER_PATH */
#define PATH_PENALTY 4       /* of each filter */

#ifndef AUDIT_ARCH_RISCV64
#define AUDIT_ARCH_RISCV64 0xc00000f3u
#endif

struct seccomp_filter {
    struct seccomp_filter *prev; /* installed earlier, runs later */
    unsigned listener;           /* who is asked about SECCOMP_RET_USER_NOTIF, by number; 0: nobody */
    uint16_t len;
    struct sock_filter insns[];
};

/* --- Checking ---------------------------------------------------------------------------------------- */

/* seccomp_check_filter: the instructions that a filter may have, all of whose operands are good. */
static bool insn_ok(const struct sock_filter *f)
{
    switch (f->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        return f->k < sizeof(struct seccomp_data) && !(f->k & 3);
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
        return f->k < BPF_MEMWORDS;
    case BPF_ALU | BPF_DIV | BPF_K:
        return f->k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
        return f->k < 32;
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_JMP | BPF_JA:
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
        return true;
    default:
        return false;
    }
}

/*
 * check_load_and_stores: a word of scratch memory is read only where every road to the reader has written it.
 * known[i]: the words that are written on all roads to i that jump. Jumps lead forwards and end inside.
 */
static bool flow_ok(const struct sock_filter *f, unsigned len, uint16_t *known)
{
    uint16_t have = 0;

    memset(known, 0xff, len * sizeof *known);
    for (unsigned i = 0; i < len; i++) {
        unsigned next = i + 1, yes = next, no = next;

        have &= known[i];
        if (BPF_CLASS(f[i].code) == BPF_ST || BPF_CLASS(f[i].code) == BPF_STX)
            have |= (uint16_t)(1u << f[i].k);
        else if ((f[i].code == (BPF_LD | BPF_MEM) || f[i].code == (BPF_LDX | BPF_MEM)) &&
                 !(have & (1u << f[i].k)))
            return false;
        if (BPF_CLASS(f[i].code) != BPF_JMP)
            continue;
        if (f[i].code == (BPF_JMP | BPF_JA)) {
            if (f[i].k >= len - i - 1)
                return false;
            yes = no = next + f[i].k;
        } else {
            yes += f[i].jt;
            no += f[i].jf;
        }
        if (yes >= len || no >= len)
            return false;
        known[yes] &= have;
        known[no] &= have;
        have = UINT16_MAX;
    }
    return true;
}

static int check(const struct seccomp_filter *f)
{
    uint16_t *known;
    bool ok;

    if (!f->len)
        return -EINVAL;
    for (unsigned i = 0; i < f->len; i++)
        if (!insn_ok(&f->insns[i]))
            return -EINVAL;
    if (BPF_CLASS(f->insns[f->len - 1].code) != BPF_RET)
        return -EINVAL;
    known = malloc(f->len * sizeof *known); /* BPF_MAXINSNS at most */
    if (!known)
        return -ENOMEM;
    ok = flow_ok(f->insns, f->len, known);
    free(known);
    return ok ? 0 : -EINVAL;
}

/* --- Installing -------------------------------------------------------------------------------------- */

static bool may_install(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    if (HOST_RAW(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return true;
    return HOST_RAW(SYS_capget, &head, data) == 0 && data[0].effective & 1u << CAP_SYS_ADMIN;
}

/* struct sock_fprog, and its instructions. */
static int filter_in(struct task *t, gva_t uargs, struct seccomp_filter **out)
{
    struct sock_fprog prog;
    struct seccomp_filter *f;
    int r;

    if (get_user(t->mem, &prog, uargs))
        return -EFAULT;
    if (!prog.len || prog.len > BPF_MAXINSNS)
        return -EINVAL;
    if (!may_install())
        return -EACCES;
    f = malloc(sizeof *f + prog.len * sizeof f->insns[0]);
    if (!f)
        return -ENOMEM;
    *f = (struct seccomp_filter){ .len = prog.len };
    r = copy_in(t->mem, f->insns, (gva_t)(uintptr_t)prog.filter, prog.len * sizeof f->insns[0]);
    if (r == 0)
        r = check(f);
    if (r < 0)
        free(f);
    else
        *out = f;
    return r;
}

/* Has `t` all the filters that begin with `from`, and perhaps more? */
static bool has_filters(const struct task *t, const struct seccomp_filter *from)
{
    const struct seccomp_filter *f = t->filter;

    while (f && f != from)
        f = f->prev;
    return f == from;
}

/* A thread that cannot take over the filters of t, or 0. */
static pid_t cannot_sync(const struct task *t)
{
    for (const struct task *u = t->proc->tasks; u; u = u->next)
        if (u->seccomp_mode == SECCOMP_MODE_STRICT || (u->seccomp_mode && !has_filters(t, u->filter)))
            return u->tid;
    return 0;
}

static unsigned last_listener(const struct task *t)
{
    for (const struct seccomp_filter *f = t->filter; f; f = f->prev)
        if (f->listener)
            return f->listener;
    return 0;
}

bool seccomp_listened(const struct task *t)
{
    return last_listener(t);
}

/* process.lock is held. 0, the listener, -errno or the thread that cannot. */
static int64_t attach(struct task *t, uint32_t flags, struct seccomp_filter *f)
{
    uint32_t total = f->len;
    int64_t fd = 0;
    pid_t other;

    if (t->seccomp_mode == SECCOMP_MODE_STRICT)
        return -EINVAL;
    for (const struct seccomp_filter *p = t->filter; p; p = p->prev)
        total += p->len + PATH_PENALTY;
    if (total > PATH_INSNS_MAX)
        return -ENOMEM;
    other = flags & SECCOMP_FILTER_FLAG_TSYNC ? cannot_sync(t) : 0;
    if (other)
        return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : other;
    if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
        f->listener = last_listener(t) + 1;
        fd = seccomp_listen(flags, f->listener);
    }
    if (fd < 0)
        return fd;
    f->prev = t->filter;
    for (struct task *u = t->proc->tasks; u; u = u->next)
        if (u == t || flags & SECCOMP_FILTER_FLAG_TSYNC) {
            u->filter = f;
            u->seccomp_mode = SECCOMP_MODE_FILTER;
        }
    return fd;
}

/* seccomp_set_mode_filter. A box lets nobody decide but itself: there, the host would refuse a listener. */
static bool flags_ok(struct task *t, uint32_t flags)
{
    const uint32_t known = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                           SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
                   listener = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

    if (flags & ~(known | (t->proc->box ? 0 : listener)))
        return false;
    if (!(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
        return !(flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    return !(flags & SECCOMP_FILTER_FLAG_TSYNC) || flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
}

static int64_t set_filter(struct task *t, uint32_t flags, gva_t uargs)
{
    struct seccomp_filter *f;
    bool attached;
    int64_t r;

    if (!flags_ok(t, flags))
        return -EINVAL;
    r = filter_in(t, uargs, &f);
    if (r < 0)
        return r;
    pthread_mutex_lock(&t->proc->lock);
    r = attach(t, flags, f);
    attached = t->filter == f; /* another thread may give this one a younger filter, whose `prev` is f */
    pthread_mutex_unlock(&t->proc->lock);
    if (!attached)
        free(f);
    return r;
}

static int64_t set_strict(struct task *t)
{
    int64_t r = -EINVAL;

    pthread_mutex_lock(&t->proc->lock);
    if (t->seccomp_mode != SECCOMP_MODE_FILTER) {
        t->seccomp_mode = SECCOMP_MODE_STRICT;
        r = 0;
    }
    pthread_mutex_unlock(&t->proc->lock);
    return r;
}

static int64_t action_avail(struct task *t, gva_t uargs)
{
    uint32_t action;

    if (get_user(t->mem, &action, uargs))
        return -EFAULT;
    switch (action) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_USER_NOTIF:
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

int64_t sys_seccomp(struct task *t, uint32_t op, uint32_t flags, gva_t uargs)
{
    const struct seccomp_notif_sizes sizes = { sizeof(struct seccomp_notif),
                                               sizeof(struct seccomp_notif_resp),
                                               sizeof(struct seccomp_data) };

    if (op != SECCOMP_SET_MODE_FILTER && flags)
        return -EINVAL;
    switch (op) {
    case SECCOMP_SET_MODE_STRICT:
        return uargs ? -EINVAL : set_strict(t);
    case SECCOMP_SET_MODE_FILTER:
        return set_filter(t, flags, uargs);
    case SECCOMP_GET_ACTION_AVAIL:
        return action_avail(t, uargs);
    case SECCOMP_GET_NOTIF_SIZES:
        return put_user(t->mem, uargs, &sizes);
    default:
        return -EINVAL;
    }
}

int64_t seccomp_prctl(struct task *t, uint64_t mode, uint64_t filter)
{
    if (mode == SECCOMP_MODE_STRICT)
        return set_strict(t);
    return mode == SECCOMP_MODE_FILTER ? set_filter(t, 0, filter) : -EINVAL;
}

int seccomp_count(const struct task *t)
{
    int n = 0;

    for (const struct seccomp_filter *f = t->filter; f; f = f->prev)
        n++;
    return n;
}

/* The youngest first. */
void seccomp_put(const struct task *t, struct parcel *p)
{
    parcel_put_u64(p, (uint64_t)t->seccomp_mode);
    parcel_put_u64(p, (uint64_t)seccomp_count(t));
    for (const struct seccomp_filter *f = t->filter; f; f = f->prev) {
        parcel_put_u64(p, f->len);
        parcel_put_u64(p, f->listener);
        parcel_put(p, f->insns, f->len * sizeof f->insns[0]);
    }
}

int seccomp_get(struct task *t, struct parcel *p)
{
    struct seccomp_filter *older = NULL, *f;
    uint64_t n, len;

    t->seccomp_mode = (int)parcel_get_u64(p);
    n = parcel_get_u64(p);
    for (uint64_t i = 0; i < n; i++) {
        len = parcel_get_u64(p);
        f = len && len <= BPF_MAXINSNS ? malloc(sizeof *f + len * sizeof f->insns[0]) : NULL;
        if (!f)
            return -ENOMEM;
        *f = (struct seccomp_filter){ .len = (uint16_t)len };
        f->listener = (unsigned)parcel_get_u64(p);
        parcel_get(p, f->insns, len * sizeof f->insns[0]);
        if (check(f) < 0) {
            free(f);
            return -EINVAL;
        }
        if (older)
            older->prev = f;
        else
            t->filter = f;
        older = f;
    }
    return 0;
}

/* --- Running ----------------------------------------------------------------------------------------- */

static uint32_t alu(uint16_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return a / b; /* not by 0: see run_filter */
    case BPF_AND:
        return a & b;
    case BPF_OR:
        return a | b;
    case BPF_XOR:
        return a ^ b;
    case BPF_LSH:
        return a << (b & 31);
    case BPF_RSH:
        return a >> (b & 31);
    default:
        return -a; /* BPF_NEG */
    }
}

static bool jumps(uint16_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case BPF_JEQ:
        return a == b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    default:
        return a & b; /* BPF_JSET */
    }
}

/* LD and LDX: immediate, scratch memory, the length, a word of the data. */
static uint32_t load(const struct sock_filter *i, const uint32_t *mem, const struct seccomp_data *d)
{
    uint32_t word;

    switch (BPF_MODE(i->code)) {
    case BPF_IMM:
        return i->k;
    case BPF_MEM:
        return mem[i->k];
    case BPF_LEN:
        return sizeof *d;
    default:
        memcpy(&word, (const char *)d + i->k, sizeof word);
        return word;
    }
}

/* A filter that check() has seen: it ends, and every operand is in range. */
static uint32_t run_filter(const struct sock_filter *i, const struct seccomp_data *d)
{
    uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

    for (;; i++) {
        uint32_t operand = BPF_SRC(i->code) == BPF_X ? x : i->k;

        switch (BPF_CLASS(i->code)) {
        case BPF_LD:
            a = load(i, mem, d);
            break;
        case BPF_LDX:
            x = load(i, mem, d);
            break;
        case BPF_ST:
            mem[i->k] = a;
            break;
        case BPF_STX:
            mem[i->k] = x;
            break;
        case BPF_ALU:
            if (BPF_OP(i->code) == BPF_DIV && !operand)
                return 0;
            a = alu(BPF_OP(i->code), a, operand);
            break;
        case BPF_JMP:
            if (BPF_OP(i->code) == BPF_JA)
                i += i->k;
            else
                i += jumps(BPF_OP(i->code), a, operand) ? i->jt : i->jf;
            break;
        case BPF_RET:
            return BPF_RVAL(i->code) == BPF_A ? a : i->k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(i->code) == BPF_TAX)
                x = a;
            else
                a = x;
            break;
        }
    }
}

/* The strictest answer, by its action as a signed number; among equals the youngest filter's. */
static uint32_t run_filters(const struct task *t, const struct seccomp_data *d,
                            const struct seccomp_filter **match)
{
    uint32_t best = SECCOMP_RET_ALLOW;

    for (const struct seccomp_filter *f = t->filter; f; f = f->prev) {
        uint32_t r = run_filter(f->insns, d);

        if ((int32_t)(r & SECCOMP_RET_ACTION_FULL) >= (int32_t)(best & SECCOMP_RET_ACTION_FULL))
            continue;
        best = r;
        *match = f;
    }
    return best;
}

/* The call is passed over, its argument registers as they were: arch/riscv syscall_rollback, force_sig_seccomp. */
void seccomp_sigsys(struct task *t, uint64_t nr, int code, int reason)
{
    siginfo_t info = { .si_signo = SIGSYS, .si_errno = reason, .si_code = code };

    t->hart->pc += 4;
    info.si_call_addr = (void *)(uintptr_t)t->hart->pc;
    info.si_syscall = (int)nr;
    info.si_arch = AUDIT_ARCH_RISCV64;
    signal_force_info(t, &info);
}

/* The thread ends, the others go on. What it has caught may be for the process: that comes first. */
static int64_t kill_thread(struct task *t, int sig)
{
    if (!signal_freeze(t))
        return -ERESTARTNOINTR;
    thread_die(t, sig);
    return -EJUSTRETURN;
}

static bool strict_allows(struct task *t, uint64_t nr, int64_t *r)
{
    enum { RV_READ = 63, RV_WRITE = 64, RV_EXIT = 93, RV_SIGRETURN = 139 };

    if (nr == RV_READ || nr == RV_WRITE || nr == RV_EXIT || nr == RV_SIGRETURN)
        return true;
    *r = kill_thread(t, SIGKILL);
    return false;
}

bool seccomp_allows(struct task *t, uint64_t nr, const uint64_t *a, int64_t *r)
{
    struct seccomp_data d = { .nr = (int)nr,
                              .arch = AUDIT_ARCH_RISCV64,
                              .instruction_pointer = t->hart->pc + 4 };
    const struct seccomp_filter *match = NULL;
    uint32_t ret;

    if (t->seccomp_mode == SECCOMP_MODE_STRICT)
        return strict_allows(t, nr, r);
    memcpy(d.args, a, sizeof d.args);
    ret = run_filters(t, &d, &match);
    switch (ret & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return true;
    case SECCOMP_RET_ERRNO:
        *r = -(int64_t)MIN(ret & SECCOMP_RET_DATA, 4095u); /* MAX_ERRNO */
        return false;
    case SECCOMP_RET_TRAP:
        seccomp_sigsys(t, nr, 1 /* SYS_SECCOMP */, (int)(ret & SECCOMP_RET_DATA));
        *r = -EJUSTRETURN;
        return false;
    case SECCOMP_RET_USER_NOTIF:
        if (match->listener)
            return seccomp_notify(t, match->listener, nr, a, r);
        /* fall through */
    case SECCOMP_RET_TRACE: /* nobody traces */
        *r = -ENOSYS;
        return false;
    case SECCOMP_RET_KILL_THREAD:
        *r = kill_thread(t, SIGSYS);
        return false;
    default:
        process_die(t, SIGSYS);
        *r = -EJUSTRETURN;
        return false;
    }
}
