/*
 * What the guest may ask and set about itself and the machine: uname, limits, prctl, hwprobe, membarrier,
 * personality. Facts about the hart come from the core, the others from the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/mm.h"
#include "syscalls/procfs.h"
#include "syscalls/seccomp.h"
#include "syscalls/userdispatch.h"

int64_t sys_uname(struct task *t, gva_t buf)
{
    struct utsname u;
    int64_t r = HOST_RAW(SYS_uname, &u);

    if (r < 0)
        return r;
    memset(u.machine, 0, sizeof u.machine);
    strcpy(u.machine, "riscv64");
    return put_user(t->mem, buf, &u);
}

/* Bits that the host's own calls look at, and that mean nothing else to noahv. */
#define PERSONA_HOST (STICKY_TIMEOUTS | UNAME26 | WHOLE_SECONDS)

/*
 * Says on the host that the process has called execve since it was forked, where its parent may look for it: a bit
 * without a meaning, of old systems on other machines.
 */
#define PERSONA_RUNS SHORT_INODE

static void host_persona(const struct process *p, bool runs)
{
    HOST_RAW(SYS_personality, (p->personality & PERSONA_HOST) | (runs ? PERSONA_RUNS : 0));
}

/* kernel/exec_domain.c: all ones only asks. */
int64_t sys_personality(struct task *t, uint32_t persona)
{
    uint32_t old = t->proc->personality;

    if (persona != UINT32_MAX) {
        t->proc->personality = persona;
        if ((old ^ persona) & ADDR_NO_RANDOMIZE)
            t->proc->mm->aslr = !(persona & ADDR_NO_RANDOMIZE);
        if ((old ^ persona) & PERSONA_HOST)
            host_persona(t->proc, t->proc->execve_marked);
    }
    return old;
}

void linux_mark_execve(struct process *p)
{
    if (!p->box && !p->execve_marked) {
        host_persona(p, true);
        p->execve_marked = true;
    }
}

void linux_mark_forks(const struct process *p, bool forks)
{
    if (p->execve_marked)
        host_persona(p, !forks);
}

static bool execve_marked(int pid)
{
    char name[32], text[16] = "";
    int64_t fd;

    snprintf(name, sizeof name, "%d/personality", pid);
    fd = fd_open(procfs_dir(), name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    HOST_RAW(SYS_read, fd, text, sizeof text - 1);
    HOST_RAW(SYS_close, fd);
    return strtoul(text, NULL, 16) & PERSONA_RUNS;
}

/* kernel/sys.c: not a child that has called execve. The host has not seen those that were done in place. */
int64_t sys_setpgid(struct task *t, int pid, int pgid)
{
    siginfo_t info;

    if (!t->proc->box && pid > 0 && pgid >= 0 && pid != HOST_RAW(SYS_getpid) && execve_marked(pid) &&
        HOST_RAW(SYS_getsid, pid) == HOST_RAW(SYS_getsid, 0) &&
        HOST_RAW(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == 0)
        return -EACCES;
    return HOST(t, SYS_setpgid, pid, pgid);
}

/* --- Limits ------------------------------------------------------------------------------------------ */

/* A limit that is the guest's record only: noahv's window alone is larger than any, its stack is another. */
static struct rlimit *kept_limit(struct process *p, uint32_t resource)
{
    switch (resource) {
    case RLIMIT_AS:
        return &p->as_limit;
    case RLIMIT_DATA:
        return &p->data_limit;
    case RLIMIT_STACK:
        return &p->stack_limit;
    default:
        return NULL;
    }
}

/* kernel/sys.c do_prlimit */
static int64_t limit_keep(struct rlimit *kept, const struct rlimit *new, struct rlimit *old)
{
    *old = *kept;
    if (!new)
        return 0;
    if (new->rlim_cur > new->rlim_max)
        return -EINVAL;
    if (new->rlim_max > kept->rlim_max && HOST_RAW(SYS_geteuid) != 0)
        return -EPERM;
    *kept = *new;
    return 0;
}

/* In a box the host's hard limit of descriptors has room for noahv's, which is not the guest's. */
static uint64_t most_fds(const struct task *t, uint32_t resource)
{
    const struct box *b = resource == RLIMIT_NOFILE ? t->proc->box : NULL;

    return b && b->policy->limit[LIMIT_FDS] ? b->policy->limit[LIMIT_FDS] : RLIM_INFINITY;
}

static int64_t limit_own(struct task *t, uint32_t resource, const struct rlimit *new, struct rlimit *old)
{
    struct rlimit *kept = kept_limit(t->proc, resource);
    int64_t r;

    if (kept) {
        r = limit_keep(kept, new, old);
        mm_limit_stack(t->proc);
        return r;
    }
    if (new &&new->rlim_max > most_fds(t, resource))
        return -EPERM;
    if (resource == RLIMIT_CORE && new &&new->rlim_cur)
        linux_core_without_memory();
    if (resource == RLIMIT_NOFILE)
        fd_limit_lock();
    r = HOST(t, SYS_prlimit64, 0, resource, new, old);
    if (resource == RLIMIT_NOFILE)
        fd_limit_unlock();
    if (r == 0)
        old->rlim_max = MIN(old->rlim_max, most_fds(t, resource));
    return r;
}

int64_t sys_prlimit64(struct task *t, int pid, uint32_t resource, gva_t new_limit, gva_t old_limit)
{
    struct rlimit new, old;
    int64_t r;

    if (new_limit && get_user(t->mem, &new, new_limit))
        return -EFAULT;
    if (pid == 0 || pid == t->tid || pid == HOST_RAW(SYS_getpid))
        r = limit_own(t, resource, new_limit ? &new : NULL, &old);
    else if (t->proc->box && new_limit)
        r = -EPERM;
    else
        r = HOST(t, SYS_prlimit64, pid, resource, new_limit ? &new : NULL, &old);
    if (r == 0 && old_limit && put_user(t->mem, old_limit, &old))
        return -EFAULT;
    return r;
}

int64_t sys_getrlimit(struct task *t, uint32_t resource, gva_t rlim)
{
    struct rlimit old;
    int64_t r = limit_own(t, resource, NULL, &old);

    return r < 0 ? r : put_user(t->mem, rlim, &old);
}

int64_t sys_setrlimit(struct task *t, uint32_t resource, gva_t rlim)
{
    struct rlimit new, old;

    if (get_user(t->mem, &new, rlim))
        return -EFAULT;
    return limit_own(t, resource, &new, &old);
}

/* --- prctl ------------------------------------------------------------------------------------------- */

/* Younger than the C library's headers (include/uapi/linux/prctl.h). */
enum {
    HOST_PR_GET_AUXV = 0x41555856,
    HOST_PR_SYSCALL_USER_DISPATCH = 59,
    HOST_PR_SET_MDWE = 65,
    HOST_PR_GET_MDWE = 66,
    HOST_PR_FUTEX_HASH = 78,
    HOST_PR_SCHED_CORE = 62,
    HOST_PR_TIMER_CREATE_RESTORE_IDS = 77,
    HOST_PR_SET_MEMORY_MERGE = 67,
    HOST_PR_GET_MEMORY_MERGE = 68,
    RV_PR_SET_ICACHE_FLUSH_CTX = 71,
};

/* clang-format off */
/* Options that mean the same on the host: all arguments are numbers, or the second is memory. */
static const struct {
    uint32_t option;
    uint16_t bytes;
} prctl_same[] = {
    {PR_SET_PDEATHSIG, 0},      {PR_GET_PDEATHSIG, 4},
    {PR_GET_DUMPABLE, 0},       {PR_SET_DUMPABLE, 0},
    {PR_GET_KEEPCAPS, 0},       {PR_SET_KEEPCAPS, 0},
    {PR_GET_TIMING, 0},         {PR_SET_TIMING, 0},
    {PR_GET_NAME, 16},
    {PR_CAPBSET_READ, 0},       {PR_CAPBSET_DROP, 0},
    {PR_GET_SECUREBITS, 0},     {PR_SET_SECUREBITS, 0},
    {PR_SET_TIMERSLACK, 0},     {PR_GET_TIMERSLACK, 0},
    {PR_MCE_KILL, 0},           {PR_MCE_KILL_GET, 0},
    {PR_SET_CHILD_SUBREAPER, 0}, {PR_GET_CHILD_SUBREAPER, 4},
    {PR_SET_NO_NEW_PRIVS, 0},   {PR_GET_NO_NEW_PRIVS, 0},
    {PR_SET_THP_DISABLE, 0},    {PR_GET_THP_DISABLE, 0},
    {PR_CAP_AMBIENT, 0},        {PR_SET_PTRACER, 0},
    {PR_SET_IO_FLUSHER, 0},     {PR_GET_IO_FLUSHER, 0},
    {HOST_PR_SET_MEMORY_MERGE, 0}, {HOST_PR_GET_MEMORY_MERGE, 0},
    {HOST_PR_TIMER_CREATE_RESTORE_IDS, 0}, {HOST_PR_FUTEX_HASH, 0},
    {PR_TASK_PERF_EVENTS_DISABLE, 0}, {PR_TASK_PERF_EVENTS_ENABLE, 0},
};
/* clang-format on */

/* The host's thread carries the name, so that /proc and ps agree; the process keeps its main thread's. */
static int64_t set_name(struct task *t, gva_t name)
{
    char comm[16] = "";
    size_t n = copy_in_some(t->mem, comm, name, sizeof comm - 1);

    if (n < sizeof comm - 1 && !memchr(comm, '\0', n))
        return -EFAULT;
    if (t->tid == HOST_RAW(SYS_getpid))
        memcpy(t->proc->comm, comm, sizeof comm);
    return HOST_RAW(SYS_prctl, PR_SET_NAME, comm);
}

/* kernel/sys.c prctl_get_auxv: as much as there is room for; the whole length. */
static int64_t get_auxv(struct task *t, gva_t to, uint64_t len)
{
    const struct mm *mm = t->proc->mm;

    if (copy_out(t->mem, to, mm->auxv, MIN(len, sizeof mm->auxv)))
        return -EFAULT;
    return sizeof mm->auxv;
}

int64_t sys_prctl(struct task *t, int option, uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
    enum { NR_PRCTL = 167 };

    for (size_t i = 0; i < ARRAY_SIZE(prctl_same); i++)
        if ((int)prctl_same[i].option == option)
            return HOST(t, SYS_prctl, option, prctl_same[i].bytes ? span(t, arg2, prctl_same[i].bytes) : arg2,
                        arg3, arg4, arg5);
    switch (option) {
    case PR_GET_SECCOMP:
        return t->seccomp_mode;
    case PR_SET_SECCOMP:
        return seccomp_prctl(t, arg2, arg3);
    case PR_SET_NAME:
        return set_name(t, arg2);
    case HOST_PR_GET_AUXV:
        return arg4 || arg5 ? -EINVAL : get_auxv(t, arg2, arg3);
    case HOST_PR_SCHED_CORE: /* only to get is arg5 an address */
        return HOST(t, SYS_prctl, option, arg2, arg3, arg4, arg2 ? arg5 : span(t, arg5, 8));
    case PR_GET_TID_ADDRESS:
        return put_user(t->mem, arg2, &t->clear_tid);
    case PR_SET_MM:
        return mm_prctl(t, arg2, arg3, arg4, arg5);
    case HOST_PR_SYSCALL_USER_DISPATCH:
        return user_dispatch_prctl(t, arg2, arg3, arg4, arg5);
    case HOST_PR_SET_MDWE:
        return arg3 || arg4 || arg5 ? -EINVAL : mm_set_mdwe(t, arg2);
    case HOST_PR_GET_MDWE:
        return arg2 || arg3 || arg4 || arg5 ? -EINVAL : (int64_t)t->proc->mm->mdwe;
    case PR_SET_VMA: /* a name for memory: a comment, accepted and not kept */
        return arg2 == PR_SET_VMA_ANON_NAME && !(arg3 & PAGE_MASK) ? 0 : -EINVAL;
    case RV_PR_SET_ICACHE_FLUSH_CTX: /* fence.i may be used freely as it is */
        return arg2 <= 1 && arg3 <= 1 ? 0 : -EINVAL;
    default:
        note_once(t, NR_PRCTL, "prctl option %d is not known: the program gets EINVAL", option);
        return -EINVAL;
    }
}

/* --- The machine ------------------------------------------------------------------------------------- */

/* Code modified by another thread is not resynchronised by membarrier, and there is no rseq. */
#define MEMBARRIER_KNOWN                                                                                  \
    (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | \
     MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)

int64_t sys_membarrier(struct task *t, int cmd, uint32_t flags, int cpu_id)
{
    int64_t r;

    if (cmd & ~MEMBARRIER_KNOWN)
        return -EINVAL;
    r = HOST(t, SYS_membarrier, cmd, flags, cpu_id);
    return cmd == MEMBARRIER_CMD_QUERY && r > 0 ? r & MEMBARRIER_KNOWN : r;
}

/* arch/riscv/include/uapi/asm/hwprobe.h */
enum hwprobe_key {
    HWPROBE_MVENDORID,
    HWPROBE_MARCHID,
    HWPROBE_MIMPID,
    HWPROBE_BASE_BEHAVIOR,
    HWPROBE_IMA_EXT_0,
    HWPROBE_CPUPERF_0,
    HWPROBE_ZICBOZ_BLOCK_SIZE,
    HWPROBE_HIGHEST_VIRT_ADDRESS,
    HWPROBE_TIME_CSR_FREQ,
    HWPROBE_MISALIGNED_SCALAR_PERF,
    NR_HWPROBE_KEYS
};

enum { HWPROBE_WHICH_CPUS = 1, HWPROBE_BASE_IMA = 1, HWPROBE_MISALIGNED_FAST = 3 };

struct hwprobe_pair {
    int64_t key;
    uint64_t value;
};

static bool hwprobe_is_bitmask(int64_t key)
{
    return key == HWPROBE_BASE_BEHAVIOR || key == HWPROBE_IMA_EXT_0 || key == HWPROBE_CPUPERF_0;
}

/* All harts are alike. */
static void hwprobe_one(struct task *t, struct hwprobe_pair *p)
{
    const uint64_t value[NR_HWPROBE_KEYS] = {
        [HWPROBE_BASE_BEHAVIOR] = HWPROBE_BASE_IMA,
        [HWPROBE_IMA_EXT_0] = vm_hwprobe_ext0(),
        [HWPROBE_CPUPERF_0] = HWPROBE_MISALIGNED_FAST,
        [HWPROBE_HIGHEST_VIRT_ADDRESS] = t->mem->limit,
        [HWPROBE_TIME_CSR_FREQ] = 1000000000,
        [HWPROBE_MISALIGNED_SCALAR_PERF] = HWPROBE_MISALIGNED_FAST,
    };

    if (p->key >= 0 && p->key < NR_HWPROBE_KEYS)
        p->value = value[p->key];
    else
        *p = (struct hwprobe_pair){ .key = -1 };
}

/* As many CPUs as Linux can count on the distributions' kernels. */
struct cpu_set_bits {
    uint8_t at[128];
};

static struct cpu_set_bits online_cpus(void)
{
    struct cpu_set_bits s = { { 0 } };
    long n = MIN(sysconf(_SC_NPROCESSORS_ONLN), (long)sizeof s.at * 8);

    for (long cpu = 0; cpu < n; cpu++)
        s.at[cpu / 8] |= (uint8_t)(1 << cpu % 8);
    return s;
}

/* *cpus &= online; false when nothing is left. */
static bool and_online(struct cpu_set_bits *cpus)
{
    struct cpu_set_bits online = online_cpus();
    bool any = false;

    for (size_t i = 0; i < sizeof cpus->at; i++)
        any |= (cpus->at[i] &= online.at[i]) != 0;
    return any;
}

/* hwprobe_get_cpus: narrows the mask at `cpus` to those that have every pair's value. */
static int64_t hwprobe_which(struct task *t, gva_t pairs, uint64_t count, uint64_t size, gva_t cpus)
{
    struct cpu_set_bits set = { { 0 } }, none = { { 0 } };
    struct hwprobe_pair want, have;
    bool all = true;

    if (!size || !cpus)
        return -EINVAL;
    size = MIN(size, sizeof set);
    if (copy_in(t->mem, &set, cpus, size))
        return -EFAULT;
    if (memcmp(&set, &none, sizeof set) == 0)
        set = online_cpus();
    and_online(&set);
    for (uint64_t i = 0; i < count; i++) {
        gva_t at = pairs + i * sizeof want;

        if (get_user(t->mem, &want, at))
            return -EFAULT;
        have = want;
        hwprobe_one(t, &have);
        if (have.key < 0) {
            all = false;
            if (put_user(t->mem, at, &have))
                return -EFAULT;
        } else if (hwprobe_is_bitmask(want.key)) {
            all &= (have.value & want.value) == want.value;
        } else {
            all &= have.value == want.value;
        }
    }
    return copy_out(t->mem, cpus, all ? &set : &none, size);
}

/* arch/riscv/kernel/sys_hwprobe.c */
int64_t sys_riscv_hwprobe(struct task *t, gva_t pairs, uint64_t pair_count, uint64_t cpusetsize, gva_t cpus,
                          uint32_t flags)
{
    struct cpu_set_bits set = { { 0 } };
    struct hwprobe_pair p;

    if (flags == HWPROBE_WHICH_CPUS)
        return hwprobe_which(t, pairs, pair_count, cpusetsize, cpus);
    if (flags)
        return -EINVAL;
    if (cpusetsize || cpus) {
        if (copy_in(t->mem, &set, cpus, MIN(cpusetsize, sizeof set)))
            return -EFAULT;
        if (!and_online(&set))
            return -EINVAL;
    }
    for (uint64_t i = 0; i < pair_count; i++) {
        gva_t at = pairs + i * sizeof p;

        if (get_user(t->mem, &p, at))
            return -EFAULT;
        hwprobe_one(t, &p);
        if (put_user(t->mem, at, &p))
            return -EFAULT;
    }
    return 0;
}
