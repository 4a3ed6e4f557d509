/*
 * The registry of noahv's own descriptors, and the calls that name, copy and close descriptor numbers. What
 * descriptors are used for is in io.c, fs.c and the rest.
 *
 * The table belongs to the host process, like the descriptors. It takes no lock: a fork in another thread
 * must never find one held.
 */
#include "syscalls/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <linux/close_range.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/share.h"

/* Where the limit is all that there can be, own numbers stay below it and this: fd_set ends here. */
#define FD_TOP 1024

struct fd_own_table fd_own_table = { .floor = INT_MAX, .at = { [0 ... FD_OWN_MAX - 1] = { .fd = -1 } } };

bool fd_own_find(int fd)
{
    for (unsigned i = 0; i < FD_OWN_MAX; i++)
        if (atomic_load_explicit(&fd_own_table.at[i].fd, memory_order_relaxed) == fd)
            return fd >= 0;
    return false;
}

/*
 * Guards the guest's limit while noahv exceeds it. Holds the id of the process: a child that was forked while
 * another thread held it does not find it held.
 */
static atomic_int limit_holder;

void fd_limit_lock(void)
{
    int self = (int)HOST_RAW(SYS_getpid), holder = 0;

    while (!atomic_compare_exchange_weak(&limit_holder, &holder, self))
        if (holder == self) {
            HOST_RAW(SYS_sched_yield);
            holder = 0;
        }
}

void fd_limit_unlock(void)
{
    atomic_store(&limit_holder, 0);
}

/* Makes room for numbers above the guest's limit where its hard limit allows that: the first of them, or 0. */
static int limit_raise(struct rlimit *old)
{
    struct rlimit new;

    if (HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, old) < 0 ||
        old->rlim_max - old->rlim_cur < FD_OWN_MAX * 2 || old->rlim_cur > INT_MAX - FD_OWN_MAX * 2)
        return 0;
    new = (struct rlimit){ old->rlim_cur + FD_OWN_MAX * 2, old->rlim_max };
    return HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, &new, 0) < 0 ? 0 : (int)old->rlim_cur;
}

/* A duplicate out of the guest's reach: its own numbers are then all free for it. */
static int dup_above(int fd)
{
    struct rlimit old;
    int64_t r = -EMFILE;
    int low;

    fd_limit_lock();
    low = limit_raise(&old);
    if (low) {
        r = HOST_RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, low);
        HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, &old, 0);
    }
    fd_limit_unlock();
    return (int)r;
}

int fd_renew(int high, int fd)
{
    struct rlimit old;
    int64_t r;
    int low;

    fd_limit_lock();
    low = limit_raise(&old);
    r = HOST_RAW(SYS_dup3, fd, high, O_CLOEXEC);
    if (low)
        HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, &old, 0);
    fd_limit_unlock();
    return (int)MIN(r, 0);
}

/* A duplicate as high below FD_TOP and the limit as there is room. */
static int dup_below(int fd)
{
    struct rlimit nofile = { FD_TOP, FD_TOP };
    int64_t r;
    int low;

    HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &nofile);
    low = (int)MIN(nofile.rlim_cur, FD_TOP);
    low -= MIN(low / 2, FD_OWN_MAX);
    do {
        low = MAX(low, 3);
        r = HOST_RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, low);
        if (r != -EMFILE && r != -EINVAL)
            break;
        low /= 2;
    } while (low > 1);
    return (int)r;
}

static int dup_high(int fd)
{
    int high = dup_above(fd);

    return high == -EMFILE ? dup_below(fd) : high;
}

int64_t fd_open(int dirfd, const char *name, int flags)
{
    int64_t fd = HOST_RAW(SYS_openat, dirfd, name, flags);
    struct rlimit old;

    if (fd != -EMFILE)
        return fd;
    fd_limit_lock();
    if (limit_raise(&old)) {
        fd = HOST_RAW(SYS_openat, dirfd, name, flags);
        HOST_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, &old, 0);
    }
    fd_limit_unlock();
    return fd;
}

static void lower_floor(int fd)
{
    int old = atomic_load(&fd_own_table.floor);

    while (fd < old && !atomic_compare_exchange_weak(&fd_own_table.floor, &old, fd))
        ;
}

/*
 * Around every change of the table, which fd_table_share waits for. No lock, for the same reason; a process that
 * shares the memory and is killed in between leaves a change that nobody ends.
 */
static atomic_int changes;
static atomic_bool moving;

/* How often to look whether another thread has done its few steps, before it is taken for one that is no more. */
enum { PATIENCE = 100000 };

static void change_begin(void)
{
    atomic_fetch_add(&changes, 1);
    for (int i = 0; i < PATIENCE && atomic_load(&moving); i++) {
        atomic_fetch_sub(&changes, 1);
        HOST_RAW(SYS_sched_yield);
        atomic_fetch_add(&changes, 1);
    }
}

static void change_end(void)
{
    atomic_fetch_sub(&changes, 1);
}

static void tell(unsigned i, int fd)
{
    __atomic_store_n(fd_own_table.at[i].holder, fd, __ATOMIC_RELAXED);
}

/* Other memory of the same contents takes the place of the table's, of whatever kind `flags` says. */
static int table_move(int flags)
{
    void *at = mmap(NULL, sizeof fd_own_table, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return -ENOMEM;
    memcpy(at, &fd_own_table, sizeof fd_own_table);
    if (mremap(at, sizeof fd_own_table, sizeof fd_own_table, MREMAP_MAYMOVE | MREMAP_FIXED, &fd_own_table) ==
        MAP_FAILED) {
        munmap(at, sizeof fd_own_table);
        return -ENOMEM;
    }
    return 0;
}

static bool shared;

int fd_table_share(void)
{
    bool is = false;
    int r = -EAGAIN;

    for (int i = 0; i < PATIENCE && atomic_exchange(&moving, true); i++)
        HOST_RAW(SYS_sched_yield);
    for (int i = 0; i < PATIENCE && !(is = !atomic_load(&changes)); i++)
        HOST_RAW(SYS_sched_yield);
    if (is)
        r = shared ? 0 : table_move(MAP_SHARED);
    shared |= r == 0;
    atomic_store(&moving, false);
    return r;
}

void fd_table_part(void)
{
    if (shared)
        shared = table_move(MAP_PRIVATE) < 0;
}

void fd_table_forked(void)
{
    atomic_store(&changes, 0);
    atomic_store(&moving, false);
}

static int enter(int high, int *holder)
{
    lower_floor(high);
    for (unsigned i = 0; i < FD_OWN_MAX; i++) {
        int none = -1;

        if (!atomic_compare_exchange_strong(&fd_own_table.at[i].fd, &none, high))
            continue;
        fd_own_table.at[i].holder = holder;
        tell(i, high);
        return high;
    }
    return -EMFILE;
}

int fd_hold(int fd, int *holder)
{
    int high = dup_high(fd), r;

    if (high < 0)
        return high;
    change_begin();
    r = enter(high, holder);
    change_end();
    if (r < 0)
        HOST_RAW(SYS_close, high);
    return r;
}

int fd_own(int fd, int *holder)
{
    int r = fd_hold(fd, holder);

    if (r >= 0)
        HOST_RAW(SYS_close, fd);
    return r;
}

void fd_release(int fd)
{
    change_begin();
    for (unsigned i = 0; i < FD_OWN_MAX; i++)
        if (fd >= 0 && atomic_load(&fd_own_table.at[i].fd) == fd) {
            tell(i, -1);
            HOST_RAW(SYS_close, fd);
            atomic_store(&fd_own_table.at[i].fd, -1);
            break;
        }
    change_end();
}

static int move_away(int fd)
{
    for (unsigned i = 0; i < FD_OWN_MAX; i++) {
        int at = fd, high;

        if (fd < 0 || atomic_load(&fd_own_table.at[i].fd) != fd)
            continue;
        high = dup_high(fd);
        if (high < 0)
            return high;
        lower_floor(high);
        if (!atomic_compare_exchange_strong(&fd_own_table.at[i].fd, &at, high)) {
            HOST_RAW(SYS_close, high); /* another thread moved it first */
            return 0;
        }
        tell(i, high);
        HOST_RAW(SYS_close, fd);
        return 0;
    }
    return 0;
}

int fd_vacate(int fd)
{
    int r;

    change_begin();
    r = move_away(fd);
    change_end();
    return r;
}

int fd_own_next(int from)
{
    int next = -1;

    for (unsigned i = 0; i < FD_OWN_MAX; i++) {
        int fd = atomic_load(&fd_own_table.at[i].fd);

        if (fd >= 0 && fd >= from && (next < 0 || fd < next))
            next = fd;
    }
    return next;
}

int fd_lift(int fd)
{
    int high = dup_below(fd);

    if (high < 0)
        return fd;
    HOST_RAW(SYS_close, fd);
    return high;
}

/* Held over a fork, so that the child, which has a copy, may give it back too. */
static pthread_mutex_t replacing = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

void fd_freeze(void)
{
    pthread_mutex_lock(&replacing);
}

void fd_thaw(void)
{
    pthread_mutex_unlock(&replacing);
}

/* A call that closes descriptors, maybe by putting others in their place. */
static int64_t replace(struct task *t, long nr, uint64_t a, uint64_t b, uint64_t c)
{
    int gone = (int)(nr == SYS_dup3 ? b : a);
    uint32_t last = nr == SYS_close_range ? (uint32_t)b : (uint32_t)gone;
    struct folders *f;
    int64_t r;

    if (!t->proc->box)
        return HOST(t, nr, a, b, c);
    f = &t->proc->box->folders;
    fd_freeze();
    folders_close_begin(f, (uint32_t)gone, last);
    if (nr != SYS_close_range && fd_is_own(gone)) /* since it was looked at */
        r = -EBADF;
    else
        r = HOST(t, nr, a, b, c);
    folders_close_end(f, (uint32_t)gone, last);
    fd_thaw();
    return r;
}

/* The table stays that of all who run in the memory. */
static void all_parted(struct process *p)
{
    if (!memory_is_shared(p))
        fd_table_part();
    p->files_shared = false;
}

void files_parted(struct process *p)
{
    if (is_single(p))
        all_parted(p);
    else
        __atomic_store_n(&p->files_apart, true, __ATOMIC_RELAXED);
}

void files_part(struct process *p)
{
    if (p->files_shared && HOST_RAW(SYS_unshare, CLONE_FILES) == 0)
        all_parted(p);
}

/* --- The calls --------------------------------------------------------------------------------------- */

int64_t sys_close(struct task *t, int fd)
{
    return fd_is_own(fd) ? -EBADF : replace(t, SYS_close, (uint64_t)fd, 0, 0);
}

/* In a box another thread's call may be going by its number just now. */
static bool own_stays(const struct task *t)
{
    return !own_may_move(t->proc) || (t->proc->box && !is_single(t->proc));
}

int64_t sys_dup3(struct task *t, int oldfd, int newfd, int flags)
{
    int r = fd_check(oldfd);

    if (r == 0)
        r = own_stays(t) ? fd_check(newfd) : fd_vacate(newfd);
    return r < 0 ? r : replace(t, SYS_dup3, (uint64_t)oldfd, (uint64_t)newfd, (uint64_t)flags);
}

/* One host call per stretch between own descriptors. */
int64_t sys_close_range(struct task *t, uint32_t first, uint32_t last, uint32_t flags)
{
    uint64_t from = first;
    int64_t r = 0;

    /* Nothing of ours in sight, or arguments that the kernel refuses: its answer. */
    if (first > last || flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
        return HOST(t, SYS_close_range, first, last, flags);
    while (from <= last && r == 0) {
        int next = from > INT_MAX ? -1 : fd_own_next((int)from);
        uint64_t end = next < 0 || (uint64_t)next > last ? (uint64_t)last + 1 : (uint64_t)next;

        if (from < end)
            r = replace(t, SYS_close_range, from, end - 1, flags);
        from = end + 1;
    }
    if (r == 0 && flags & CLOSE_RANGE_UNSHARE)
        files_parted(t->proc);
    return r;
}

/* What the third argument of a command is (fs/fcntl.c do_fcntl): bytes at an address, a value, or unknown. */
enum { FCNTL_UNKNOWN = -1, FCNTL_VALUE = 0 };

/* Younger than the C library's headers (include/uapi/linux/fcntl.h). */
enum { HOST_F_GETOWNER_UIDS = 17, HOST_F_DUPFD_QUERY = 1027, HOST_F_CREATED_QUERY = 1028 };

static int fcntl_arg(uint32_t cmd)
{
    switch (cmd) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return sizeof(struct flock);
    case F_GETOWN_EX:
    case F_SETOWN_EX:
    case HOST_F_GETOWNER_UIDS:
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
    case F_GET_FILE_RW_HINT:
    case F_SET_FILE_RW_HINT:
        return 8;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_GETFD:
    case F_SETFD:
    case F_GETFL:
    case F_SETFL:
    case F_GETOWN:
    case F_SETOWN:
    case F_GETSIG:
    case F_SETSIG:
    case F_GETLEASE:
    case F_SETLEASE:
    case F_NOTIFY:
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
    case F_ADD_SEALS:
    case F_GET_SEALS:
    case HOST_F_DUPFD_QUERY:
    case HOST_F_CREATED_QUERY:
        return FCNTL_VALUE;
    default:
        return FCNTL_UNKNOWN;
    }
}

int64_t sys_fcntl(struct task *t, int fd, uint32_t cmd, uint64_t arg)
{
    int kind = fcntl_arg(cmd);
    int64_t r;

    if (fd_is_own(fd) || (cmd == HOST_F_DUPFD_QUERY && fd_is_own((int)arg)))
        return -EBADF;
    if (kind == FCNTL_UNKNOWN) {
        r = HOST_RAW(SYS_fcntl, fd, F_GETFD);
        return r < 0 ? r : -EINVAL;
    }
    r = HOST(t, SYS_fcntl, fd, cmd, kind == FCNTL_VALUE ? arg : span(t, arg, (uint64_t)kind));
    if (t->proc->box && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))
        folders_copied(t, fd, r);
    return r;
}
