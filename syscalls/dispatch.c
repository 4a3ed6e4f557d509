/*
 * The one road of a system call: look up, trace, handler or pass-through, trace, result. Nothing else calls a
 * handler. Entry and exit rules: arch/riscv/kernel/traps.c do_trap_ecall_u.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "syscalls/box.h"
#include "syscalls/host.h"
#include "syscalls/linux.h"
#include "syscalls/numbers.h"
#include "syscalls/pagemap.h"
#include "syscalls/seccomp.h"
#include "syscalls/thread.h"
#include "syscalls/trace.h"
#include "syscalls/userdispatch.h"

/* a7, a0: register numbers */
enum { REG_A0 = 10, REG_A7 = 17 };

void note_once(struct task *t, uint64_t nr, const char *fmt, ...)
{
    uint64_t bit = (uint64_t)1 << (nr & 63);
    _Atomic uint64_t *word = &t->proc->noted[MIN(nr, NR_SYS) >> 6];
    char line[256];
    va_list ap;

    if (!log_on(LOG_NOTE) || (atomic_fetch_or(word, bit) & bit))
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    log_line(LOG_NOTE, "%s", line);
}

static int64_t refuse(struct task *t, const struct sysent *e, uint64_t nr)
{
    if (e)
        note_once(t, nr, "%s (system call %llu) is not implemented: the program gets ENOSYS", e->name,
                  (unsigned long long)nr);
    else
        note_once(t, nr, "system call %llu does not exist on riscv64: the program gets ENOSYS",
                  (unsigned long long)nr);
    return -ENOSYS;
}

static inline int64_t run(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a)
{
    int64_t r = UNLIKELY(t->proc->box != NULL) ? box_check(t, e, nr, a) : 0;
    uint64_t host[SYS_ARGS_MAX] = { 0 };

    if (r || (UNLIKELY(t->proc->has_pagemap) && pagemap_read(t, e, a, &r)))
        return r;
    switch (e ? e->how : HOW_NONE) {
    case HOW_PASS:
    case HOW_SAME:
        if (pass_names_strings(e))
            return pass_strings(t, e, a);
        r = pass_plain(t, e, a, host);
        /* From here: fresh from the host's kernel, the processor mispredicts a return for every function there is. */
        return r ? r : host_call_stub(&t->caught, e->host_nr, host);
    case HOW_OWN:
        return e->thunk(t, a);
    case HOW_DENY:
        note_once(t, nr, "%s is not for guests: the program gets EPERM", e->name);
        return -EPERM;
    default:
        return refuse(t, e, nr);
    }
}

/* Somebody tells of each call, or decides on it for the guest. */
static bool is_watched(const struct task *t)
{
    return t->proc->trace || t->proc->has_pagemap || t->seccomp_mode || t->user_dispatch.on;
}

/*
 * Calls that need no trap although noahv has a part in them: those on files that programs make by the thousand. They change
 * neither the guest's memory map nor its registers.
 */
static const bool here[NR_SYS] = {
    [NR_openat] = true,     [NR_close] = true,      [NR_fstat] = true,      [NR_newfstatat] = true,
    [NR_statx] = true,      [NR_getdents64] = true, [NR_readlinkat] = true, [NR_fcntl] = true,
    [NR_faccessat] = true,  [NR_getxattr] = true,   [NR_lgetxattr] = true,  [NR_listxattr] = true,
    [NR_llistxattr] = true,
};

static bool is_short(const struct sysent *e, uint64_t nr)
{
    return here[nr] || ((e->how == HOW_PASS || e->how == HOW_SAME) && !pass_names_strings(e));
}

enum hart_answer dispatch_answer(struct hart *h)
{
    struct task *t = h->task;
    uint64_t nr = h->x[REG_A7], a[SYS_ARGS_MAX];
    const struct sysent *e = sysent_get(nr);
    unsigned code_gen = atomic_load_explicit(&t->mem->code_gen, memory_order_relaxed);
    int64_t r;

    if (!e || is_watched(t) || !is_short(e, nr))
        return ANSWER_TRAP;
    memcpy(a, &h->x[REG_A0], sizeof a);
    r = run(t, e, nr, a);
    t->nh->counts.ecalls++;
    if (r == -EJUSTRETURN || r == -ERESTARTNOINTR)
        return ANSWER_KICK;
    h->x[REG_A0] = (uint64_t)r;
    h->pc += 4;
    if (UNLIKELY(code_gen != atomic_load_explicit(&t->mem->code_gen, memory_order_relaxed))) {
        vm_kick_others(t->nh);
        return ANSWER_KICK;
    }
    return t->caught || thread_leaves(t) || atomic_load_explicit(&h->kick, memory_order_relaxed)
               ? ANSWER_KICK
               : ANSWER_DONE;
}

void dispatch_ecall(struct task *t)
{
    uint64_t *x = t->hart->x, nr = x[REG_A7], a[SYS_ARGS_MAX];
    const struct sysent *e = sysent_get(nr);
    unsigned code_gen = atomic_load_explicit(&t->mem->code_gen, memory_order_relaxed);
    int64_t r;

    if (UNLIKELY(t->user_dispatch.on) && user_dispatch_takes(t, nr))
        return;
    memcpy(a, &x[REG_A0], sizeof a);
    if (UNLIKELY(t->proc->trace != NULL))
        trace_enter(t, e, nr, a);
    if (LIKELY(!t->seccomp_mode) || seccomp_allows(t, nr, a, &r))
        r = run(t, e, nr, a);
    if (UNLIKELY(t->proc->trace != NULL))
        trace_leave(t, e, nr, a, r);

    if (UNLIKELY(code_gen != atomic_load_explicit(&t->mem->code_gen, memory_order_relaxed)))
        vm_kick_others(t->nh); /* they look again before they run more */
    if (r == -EJUSTRETURN || r == -ERESTARTNOINTR)
        return; /* a0 and pc are as they must be */
    x[REG_A0] = (uint64_t)r;
    t->hart->pc += 4; /* ecall has no compressed form */
}
