/*
 * The SIGSEGV and SIGBUS handler: recovers faults at the instructions listed by mem/access.h. It decides
 * nothing about guest memory: who made the access learns of the fault and asks gmem.
 */
#include "mem/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/util.h"
#include "mem/access.h"

/* x86 exception numbers, as the context of a signal carries them (arch/x86/include/asm/trapnr.h). */
enum { TRAP_GP = 13, TRAP_PF = 14, TRAP_AC = 17 };

#define FAULT_STACK_BYTES ((size_t)64 << 10) /* the host's frame with AVX-512 and AMX state is about 11 KiB */
#define EFLAGS_CF 1

/* Provided by the linker around the section noahv_ex. */
extern const struct access_ex __start_noahv_ex[] __attribute__((weak, visibility("hidden")));
extern const struct access_ex __stop_noahv_ex[] __attribute__((weak, visibility("hidden")));

struct fault_site {
    uint64_t insn, recover;
};

_Thread_local struct access_fault access_fault __attribute__((tls_model("initial-exec")));

/* Written once by fault_install, before the handler can run. */
static struct fault_site *fault_sites;
static size_t fault_nr_sites;

static _Atomic(fault_next_fn) fault_next;
static _Atomic(fault_engine_fn) fault_engine;

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static bool fault_installed; /* guarded by fault_lock */

static const struct fault_site *fault_find(uint64_t rip)
{
    size_t lo = 0, hi = fault_nr_sites;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (fault_sites[mid].insn < rip)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < fault_nr_sites && fault_sites[lo].insn == rip ? &fault_sites[lo] : NULL;
}

/* A fault of ours at an instruction of the table is resumed at its recovery, one in an engine's code where the
 * engine says; any other is a bug. */
static void fault_recover(int sig, const siginfo_t *info, ucontext_t *uc)
{
    greg_t *reg = uc->uc_mcontext.gregs;
    fault_engine_fn engine = atomic_load(&fault_engine);
    uint64_t rip = (uint64_t)reg[REG_RIP], addr = (uint64_t)(uintptr_t)info->si_addr;
    const struct fault_site *site = fault_find(rip);

    if (site) {
        access_fault.host = addr;
        access_fault.signal = sig;
        reg[REG_RIP] = (greg_t)site->recover;
        reg[REG_EFL] |= EFLAGS_CF;
    } else if (!engine || !engine(uc, addr)) {
        bug_fault(rip, addr);
    }
}

/*
 * True for a fault of this thread, false for a signal that somebody sent. A positive code alone does not tell:
 * a process may queue any code to itself (rt_sigqueueinfo), and the end of a child comes as CLD_EXITED in
 * whatever signal clone asked for. But a page fault leaves its address in the thread's CR2 too, which no sender
 * can set or know; other exceptions do not happen, so their number is not there from an earlier one.
 */
static bool fault_is_ours(const siginfo_t *info, const ucontext_t *uc)
{
    const greg_t *reg = uc->uc_mcontext.gregs;

    if (info->si_code <= 0)
        return false;
    if (reg[REG_TRAPNO] == TRAP_PF)
        return (uint64_t)reg[REG_CR2] == (uint64_t)(uintptr_t)info->si_addr;
    return reg[REG_TRAPNO] == TRAP_GP || reg[REG_TRAPNO] == TRAP_AC;
}

static void fault_handler(int sig, siginfo_t *info, void *ucontext)
{
    fault_next_fn next = atomic_load(&fault_next);
    int saved = errno;

    if (fault_is_ours(info, ucontext)) {
        fault_recover(sig, info, ucontext);
    } else if (next) {
        next(sig, info, ucontext);
        errno = saved;
    } else {
        /* Sent and wanted by nobody: the default action, once this handler's mask is gone. */
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

static int fault_compare(const void *a, const void *b)
{
    const struct fault_site *x = a, *y = b;

    return (x->insn > y->insn) - (x->insn < y->insn);
}

/* The handler's own copy of the table: absolute, sorted, and read-only from here on. */
static int fault_load_table(void)
{
    size_t n = ((uintptr_t)__stop_noahv_ex - (uintptr_t)__start_noahv_ex) / sizeof(struct access_ex);
    size_t bytes = MAX(n, (size_t)1) * sizeof *fault_sites;
    struct fault_site *sites;

    sites = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sites == MAP_FAILED)
        return -errno;
    for (size_t i = 0; i < n; i++) {
        const struct access_ex *ex = &__start_noahv_ex[i];

        sites[i].insn = (uint64_t)((intptr_t)&ex->insn + ex->insn);
        sites[i].recover = (uint64_t)((intptr_t)&ex->recover + ex->recover);
    }
    qsort(sites, n, sizeof *sites, fault_compare);
    mprotect(sites, bytes, PROT_READ);
    fault_sites = sites;
    fault_nr_sites = n;
    return 0;
}

static int fault_install_once(void)
{
    struct sigaction sa = { .sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    int err;

    if (!fault_sites) {
        err = fault_load_table();
        if (err)
            return err;
    }
    /* Nothing interrupts the handler: it must not be found half way by a handler that looks at the rip. */
    sigfillset(&sa.sa_mask);
    if (sigaction(SIGSEGV, &sa, NULL) || sigaction(SIGBUS, &sa, NULL))
        return -errno;
    fault_installed = true;
    return 0;
}

void fault_set_engine(fault_engine_fn fn)
{
    atomic_store(&fault_engine, fn);
}

int fault_install(fault_next_fn next)
{
    int err = 0;

    if (next)
        atomic_store(&fault_next, next);
    pthread_mutex_lock(&fault_lock);
    if (!fault_installed)
        err = fault_install_once();
    pthread_mutex_unlock(&fault_lock);
    return err;
}

/* This thread's alternate stack with its guard page, and the one it had before. */
static _Thread_local struct {
    uint8_t *at;
    stack_t before;
} fault_stack;

int fault_thread_init(void)
{
    stack_t ss = { .ss_size = FAULT_STACK_BYTES };
    size_t total = PAGE_BYTES + FAULT_STACK_BYTES;
    uint8_t *at;
    int err;

    if (fault_stack.at)
        return 0;
    at = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    ss.ss_sp = at + PAGE_BYTES;
    if (mprotect(at, PAGE_BYTES, PROT_NONE) || sigaltstack(&ss, &fault_stack.before)) {
        err = -errno;
        munmap(at, total);
        return err;
    }
    fault_stack.at = at;
    return 0;
}

void fault_thread_exit(void)
{
    if (!fault_stack.at)
        return;
    sigaltstack(&fault_stack.before, NULL);
    munmap(fault_stack.at, PAGE_BYTES + FAULT_STACK_BYTES);
    fault_stack.at = NULL;
}
