/*
 * System V shared memory in the guest's address space, semctl, whose structure differs, and mq_notify, whose
 * argument holds an address. The rest of System V and POSIX message passing crosses unchanged (pass.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/mm.h"
#include "syscalls/signal.h"

/* --- Semaphores -------------------------------------------------------------------------------------- */

/* The host's struct semid64_ds (arch/x86/include/uapi/asm/sembuf.h). */
struct host_semid_ds {
    uint64_t perm[6];
    int64_t otime, unused1, ctime, unused2;
    uint64_t nsems, unused[2];
};
static_assert(sizeof(struct host_semid_ds) == 104, "host_semid_ds");

/* IPC_STAT and its kin return an index or 0, and the structure. */
static int64_t sem_stat(struct task *t, int id, int num, int cmd, gva_t arg)
{
    struct host_semid_ds host = { 0 };
    struct rv_semid_ds rv = { 0 };
    int64_t r = HOST(t, SYS_semctl, id, num, cmd, &host);

    if (r < 0)
        return r;
    memcpy(rv.perm, host.perm, sizeof rv.perm);
    rv.otime = host.otime;
    rv.ctime = host.ctime;
    rv.nsems = host.nsems;
    return put_user(t->mem, arg, &rv) ? -EFAULT : r;
}

/* The kernel looks at owner, group and mode alone. */
static int64_t sem_set(struct task *t, int id, int num, gva_t arg)
{
    struct host_semid_ds host = { 0 };
    struct rv_semid_ds rv;

    if (get_user(t->mem, &rv, arg))
        return -EFAULT;
    memcpy(host.perm, rv.perm, sizeof host.perm);
    return HOST(t, SYS_semctl, id, num, IPC_SET, &host);
}

int64_t sys_semctl(struct task *t, int semid, int semnum, int cmd, gva_t arg)
{
    switch (cmd) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return sem_stat(t, semid, semnum, cmd, arg);
    case IPC_SET:
        return sem_set(t, semid, semnum, arg);
    case IPC_INFO:
    case SEM_INFO:
        return HOST(t, SYS_semctl, semid, semnum, cmd, span(t, arg, sizeof(struct seminfo)));
    case GETALL:
    case SETALL: /* as many as the set has, 32000 at most */
        return HOST(t, SYS_semctl, semid, semnum, cmd, span(t, arg, 0));
    default: /* a number, or nothing; -EINVAL for the unknown */
        return HOST(t, SYS_semctl, semid, semnum, cmd, arg);
    }
}

/* --- Shared memory ----------------------------------------------------------------------------------- */

/* ipc/shm.c do_shmat: what may be asked of the address, which becomes the one to use. */
static int shm_address(gva_t *addr, int flags)
{
    gva_t at = *addr;

    if (at & PAGE_MASK) { /* SHMLBA is a page */
        if (!(flags & SHM_RND))
            return -EINVAL;
        at = page_down(at);
    }
    if (!at && (flags & SHM_REMAP))
        return -EINVAL;
    *addr = at;
    return 0;
}

/* Where a segment of `len` bytes goes; `fixed` when the guest named an address, which may round to 0. */
static int64_t shm_place(struct task *t, gva_t addr, uint64_t len, bool fixed, bool remap)
{
    int64_t r;

    if (len > t->mem->limit)
        return -ENOMEM;
    if (fixed && addr && !remap && addr < t->mem->limit && range_within(addr, len, t->mem->limit) &&
        !gmem_is_free(t->mem, addr, len))
        return -EINVAL;
    r = mm_may_grow(t, len, 0);
    return r < 0 ? r : mm_place(t, addr, len, fixed ? MAP_FIXED : 0);
}

/*
 * The host attaches the segment wherever it likes, and all of it moves into the window; the identifier cannot come to
 * mean another while it is attached. SHM_EXEC is the guest's own business.
 */
static int64_t shmat_locked(struct task *t, int shmid, gva_t shmaddr, int flags)
{
    int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
    struct shmid_ds ds;
    int64_t host, at, r;
    gva_t addr = shmaddr;
    uint64_t len;

    if (shmid < 0)
        return -EINVAL;
    if (mm_denies(t, (uint64_t)prot, (uint64_t)prot))
        return -EACCES;
    r = shm_address(&addr, flags);
    if (r < 0)
        return r;
    host = HOST(t, SYS_shmat, shmid, NULL, flags & SHM_RDONLY);
    if (host < 0)
        return host;
    r = HOST_RAW(SYS_shmctl, shmid, IPC_STAT, &ds);
    len = r < 0 ? 0 : page_up(ds.shm_segsz);
    at = r < 0 ? r : shm_place(t, addr, len, shmaddr != 0, flags & SHM_REMAP);
    if (at >= 0)
        r = gmem_adopt(t->mem, (gva_t)at, len, prot, GMEM_SHARED | GMEM_SHM, (void *)(uintptr_t)host);
    if (at < 0 || r < 0) {
        HOST_RAW(SYS_shmdt, host);
        return at < 0 ? at : r;
    }
    mm_mapped(t, (gva_t)at, len);
    return at;
}

int64_t sys_shmat(struct task *t, int shmid, gva_t shmaddr, int flags)
{
    int64_t r;

    pthread_mutex_lock(&t->proc->mm->lock);
    r = shmat_locked(t, shmid, shmaddr, flags);
    pthread_mutex_unlock(&t->proc->mm->lock);
    if (r >= 0)
        signal_watch_deaths(t->proc);
    return r;
}

/* ipc/shm.c ksys_shmdt: what is left of the segment that was attached at exactly this address. */
int64_t sys_shmdt(struct task *t, gva_t shmaddr)
{
    int64_t found = -EINVAL;
    struct region r;

    if (shmaddr & PAGE_MASK)
        return -EINVAL;
    for (gva_t at = shmaddr; gmem_region_from(t->mem, at, &r); at = r.start + r.len) {
        if (!(r.flags & GMEM_SHM) || r.start < shmaddr || r.start - shmaddr != r.offset)
            continue;
        found = gmem_unmap(t->mem, r.start, r.len);
        if (found < 0)
            break;
    }
    return found;
}

/* --- Message queues ---------------------------------------------------------------------------------- */

#define NOTIFY_COOKIE_BYTES 32 /* include/uapi/linux/mqueue.h NOTIFY_COOKIE_LEN */

/* SIGEV_THREAD: the kernel sends a cookie through a netlink socket, whose descriptor is in place of the signal. */
int64_t sys_mq_notify(struct task *t, int mqdes, gva_t sevp)
{
    struct sigevent ev;

    if (sevp && get_user(t->mem, &ev, sevp))
        return -EFAULT;
    if (fd_is_own(mqdes) || (sevp && ev.sigev_notify == SIGEV_THREAD && fd_is_own(ev.sigev_signo)))
        return -EBADF;
    if (sevp && ev.sigev_notify == SIGEV_THREAD)
        ev.sigev_value.sival_ptr =
            gmem_span(t->mem, (gva_t)(uintptr_t)ev.sigev_value.sival_ptr, NOTIFY_COOKIE_BYTES);
    return HOST(t, SYS_mq_notify, mqdes, sevp ? &ev : NULL);
}
