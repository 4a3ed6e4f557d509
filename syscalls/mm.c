/*
 * Address-space calls: brk, mmap and what changes mappings. Every one ends in gmem, the only record; the
 * host sees an address only as a span of the window.
 */
#include "syscalls/mm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/signal.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#ifndef PROT_SEM
#define PROT_SEM 0x8
#endif

/* include/linux/mman.h LEGACY_MAP_MASK: what MAP_SHARED_VALIDATE knows of on every file system */
#define LEGACY_MAP_FLAGS                                                                                  \
    (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | \
     MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | 0x3fu << 26)

#define STACK_RND_PAGES 0x3ffffu /* arch/riscv/include/asm/elf.h STACK_RND_MASK */
#define MMAP_RND_PAGES 0x3ffffu  /* ARCH_MMAP_RND_BITS_MIN, 18 bits */
#define STACK_AT_ONCE (132 * 1024)

void mm_limit_stack(struct process *p)
{
    atomic_store_explicit(&p->mem->stack_max, MIN(p->stack_limit.rlim_cur, p->mem->limit / 4),
                          memory_order_relaxed);
}

static uint64_t random_pages(uint64_t mask)
{
    uint64_t r = 0;

    HOST_RAW(SYS_getrandom, &r, sizeof r, 0);
    return (r & mask) << PAGE_SHIFT;
}

void mm_layout(struct process *p, struct layout *out)
{
    uint64_t top = p->mem->limit, big = top >= 256 * GIB ? ~(uint64_t)0 : 0xff;
    bool rnd = p->mm->aslr && !(p->personality & ADDR_NO_RANDOMIZE);
    uint64_t gap = p->mem->stack_max;

    memset(out, 0, sizeof *out);
    out->stack_bytes = STACK_AT_ONCE;
    out->stack_top = top - (rnd ? random_pages(STACK_RND_PAGES & big) : 0);
    out->pie_base = page_down(top / 3 * 2) + (rnd ? random_pages(MMAP_RND_PAGES & big) : 0);
    gap = MAX(gap, (uint64_t)128 << 20) + PAGE_BYTES * (STACK_RND_PAGES & big);
    gap = MIN(gap, top / 6 * 5);
    p->mm->mmap_top = page_down(top - gap) - (rnd ? random_pages(MMAP_RND_PAGES & big) : 0);
    out->vdso = p->mm->mmap_top - page_up(vdso_len());
    out->interp_top = out->vdso;
}

void mm_start(struct process *p, const struct layout *l, const struct image *img)
{
    bool rnd = p->mm->aslr && !(p->personality & ADDR_NO_RANDOMIZE);

    p->mm->layout = *l;
    p->mm->image = *img;
    p->mm->brk_start = page_up(img->brk) + (rnd ? random_pages(STACK_RND_PAGES >> 2) : 0);
    p->mm->brk = p->mm->brk_start;
    p->mm->lock_future = 0;
    mm_mdwe_inherit(p->mm);
}

/* --- Limits and locks -------------------------------------------------------------------------------- */

struct mm_sizes mm_sizes(struct task *t)
{
    const struct image *img = &t->proc->mm->image;
    struct mm_sizes s = { .code = page_up(img->end_code) - page_down(img->start_code) };
    struct region r;

    for (gva_t at = 0; gmem_region_from(t->mem, at, &r); at = r.start + r.len) {
        s.total += r.len;
        if (r.label == GMEM_STACK)
            s.stack += r.len;
        else if (r.prot & GMEM_W && !(r.flags & GMEM_SHARED))
            s.data += r.len;
    }
    return s;
}

static bool charged(const struct region *r)
{
    return r->flags & GMEM_SHARED ? !r->file : r->prot & GMEM_W;
}

uint64_t mm_charged(struct task *t)
{
    uint64_t sum = 0;
    struct region r;

    for (gva_t at = 0; gmem_region_from(t->mem, at, &r); at = r.start + r.len)
        if (charged(&r))
            sum += r.len;
    return sum;
}

/* Bytes of a range that mprotect would add to it. */
static uint64_t uncharged(struct task *t, gva_t addr, uint64_t len)
{
    gva_t end = addr + len;
    uint64_t sum = 0;
    struct region r;

    for (gva_t at = addr; at < end && gmem_region_from(t->mem, at, &r) && r.start < end; at = r.start + r.len)
        if (!(r.flags & GMEM_SHARED) && !charged(&r))
            sum += MIN(end, r.start + r.len) - MAX(addr, r.start);
    return sum;
}

int mm_may_grow(struct task *t, uint64_t bytes, uint64_t data)
{
    const struct rlimit *as = &t->proc->as_limit, *d = &t->proc->data_limit;
    struct mm_sizes s;

    if (as->rlim_cur == RLIM_INFINITY && d->rlim_cur == RLIM_INFINITY)
        return 0;
    s = mm_sizes(t);
    return s.total + bytes > as->rlim_cur || (data && s.data + data > d->rlim_cur) ? -ENOMEM : 0;
}

/* The bytes of a range that are mapped already: what MAP_FIXED replaces does not count twice. */
static uint64_t mapped_bytes(struct task *t, gva_t addr, uint64_t len)
{
    gva_t end = addr + len;
    uint64_t sum = 0;
    struct region r;

    for (gva_t at = addr; at < end && gmem_region_from(t->mem, at, &r) && r.start < end; at = r.start + r.len)
        sum += MIN(end, r.start + r.len) - MAX(addr, r.start);
    return sum;
}

/* Locks what was mapped, without waiting for its pages: 0, or -EAGAIN, -EPERM, and the mapping is gone. */
static int lock_mapping(struct task *t, gva_t at, uint64_t len, bool populate)
{
    uint64_t host = span(t, at, len);
    int64_t r = HOST_RAW(SYS_mlock2, host, len, MLOCK_ONFAULT);

    if (r < 0) {
        gmem_unmap(t->mem, at, len);
        return r == -ENOMEM ? -EAGAIN : (int)r;
    }
    if (populate && HOST_RAW(SYS_madvise, host, len, MADV_POPULATE_WRITE) < 0)
        HOST_RAW(SYS_madvise, host, len, MADV_POPULATE_READ);
    return 0;
}

int mm_mapped(struct task *t, gva_t at, uint64_t len)
{
    const struct mm *mm = t->proc->mm;

    if (!mm->lock_future)
        return 0;
    return lock_mapping(t, at, len, !(mm->lock_future & MCL_ONFAULT));
}

/* --- Memory that is written or executed ------------------------------------------------------------------ */

enum { MDWE_REFUSE_EXEC_GAIN = 1, MDWE_NO_INHERIT = 2 };

int64_t mm_set_mdwe(struct task *t, uint64_t bits)
{
    struct mm *mm = t->proc->mm;
    int64_t r = 0;

    if (bits & ~(uint64_t)(MDWE_REFUSE_EXEC_GAIN | MDWE_NO_INHERIT) || bits == MDWE_NO_INHERIT)
        return -EINVAL;
    pthread_mutex_lock(&mm->lock);
    if (mm->mdwe && mm->mdwe != bits)
        r = -EPERM;
    else
        mm->mdwe = (unsigned)bits;
    pthread_mutex_unlock(&mm->lock);
    return r;
}

void mm_mdwe_inherit(struct mm *mm)
{
    if (mm->mdwe & MDWE_NO_INHERIT)
        mm->mdwe = 0;
}

bool mm_denies(const struct task *t, uint64_t had, uint64_t gets)
{
    return t->proc->mm->mdwe && gets & PROT_EXEC && (gets & PROT_WRITE || !(had & PROT_EXEC));
}

/* --- The calls --------------------------------------------------------------------------------------- */

static int64_t brk_locked(struct task *t, gva_t addr)
{
    struct mm *mm = t->proc->mm;
    gva_t old_end = page_up(mm->brk), new_end;

    if (addr < mm->brk_start || addr > t->mem->limit - PAGE_BYTES)
        return (int64_t)mm->brk;
    new_end = page_up(addr);
    if (new_end > old_end) {
        if (!gmem_is_free(t->mem, old_end, new_end - old_end + PAGE_BYTES) ||
            mm_may_grow(t, new_end - old_end, new_end - old_end) < 0 ||
            box_may_grow(t, new_end - old_end) < 0 ||
            gmem_map(t->mem, old_end, new_end - old_end, PROT_READ | PROT_WRITE, 0, GMEM_HEAP, -1, 0) < 0 ||
            mm_mapped(t, old_end, new_end - old_end) < 0)
            return (int64_t)mm->brk;
    } else if (new_end < old_end && gmem_unmap(t->mem, new_end, old_end - new_end) < 0) {
        return (int64_t)mm->brk;
    }
    mm->brk = addr;
    return (int64_t)addr;
}

int64_t sys_brk(struct task *t, gva_t addr)
{
    int64_t r;

    pthread_mutex_lock(&t->proc->mm->lock);
    r = brk_locked(t, addr);
    pthread_mutex_unlock(&t->proc->mm->lock);
    return r;
}

/* arch_get_unmapped_area_topdown */
int64_t mm_place(struct task *t, gva_t hint, uint64_t len, uint64_t flags)
{
    gva_t at;

    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (hint & PAGE_MASK)
            return -EINVAL;
        if (!range_within(hint, len, t->mem->limit))
            return -ENOMEM;
        if (hint < MM_MIN_ADDR)
            return -EPERM;
        if ((flags & MAP_FIXED_NOREPLACE) && !gmem_is_free(t->mem, hint, len))
            return -EEXIST;
        return (int64_t)hint;
    }
    hint = page_up(MIN(hint, t->mem->limit));
    if (hint && hint < MM_MIN_ADDR)
        hint = MM_MIN_ADDR;
    if (hint && range_within(hint, len, t->mem->limit) && gmem_is_free(t->mem, hint, len))
        return (int64_t)hint;
    at = gmem_find_free(t->mem, len, MM_MIN_ADDR, t->proc->mm->mmap_top);
    if (!at) /* bottom-up in what lies above, as the kernel falls back to */
        at = gmem_find_free(t->mem, len, t->proc->mm->mmap_top, t->mem->limit);
    return at ? (int64_t)at : -ENOMEM;
}

/* Host flags gmem does not know. Filling is best effort, as in the kernel. */
static int after_map(struct task *t, gva_t at, uint64_t len, uint64_t prot, uint64_t flags)
{
    if (flags & MAP_LOCKED)
        return lock_mapping(t, at, len, !(flags & MAP_NONBLOCK));
    if ((flags & MAP_POPULATE) && !(flags & MAP_NONBLOCK))
        HOST_RAW(SYS_madvise, span(t, at, len), len,
                 prot & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    return mm_mapped(t, at, len);
}

/* RLIMIT_AS and RLIMIT_DATA of a mapping that may replace others. */
static int may_map(struct task *t, gva_t at, uint64_t len, uint64_t prot, bool private)
{
    int r = mm_may_grow(t, len, private && prot & PROT_WRITE ? len : 0);
    uint64_t old = r < 0 ? mapped_bytes(t, at, len) : 0;

    return old ? mm_may_grow(t, len - old, private && prot & PROT_WRITE ? len - old : 0) : r;
}

static int64_t mmap_locked(struct task *t, gva_t addr, uint64_t len, uint64_t prot, uint64_t flags, int fd,
                           uint64_t off)
{
    int type = flags & MAP_TYPE, gflags = 0;
    int64_t at;
    int r;

    if (off & PAGE_MASK)
        return -EINVAL;
    if (!(flags & MAP_ANONYMOUS) && (fd < 0 || fd_check(fd) < 0))
        return -EBADF;
    if (!len || (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE))
        return -EINVAL;
    if (type == MAP_SHARED_VALIDATE && !(flags & MAP_ANONYMOUS) && flags & ~(uint64_t)LEGACY_MAP_FLAGS)
        return -EOPNOTSUPP;
    if (flags & MAP_GROWSDOWN && (type != MAP_PRIVATE || !(flags & MAP_ANONYMOUS)))
        return -EINVAL;
    if (len > t->mem->limit)
        return -ENOMEM;
    len = page_up(len);
    at = mm_place(t, addr, len, flags);
    if (at < 0)
        return at;
    if (mm_denies(t, prot, prot))
        return -EACCES;
    r = may_map(t, (gva_t)at, len, prot, type == MAP_PRIVATE);
    if (r == 0 && (type == MAP_PRIVATE ? prot & PROT_WRITE : flags & MAP_ANONYMOUS))
        r = box_may_grow(t, len);
    if (r < 0)
        return r;

    if (type != MAP_PRIVATE)
        gflags |= GMEM_SHARED;
    if (flags & MAP_GROWSDOWN)
        gflags |= GMEM_GROWSDOWN;
    if (flags & MAP_NORESERVE)
        gflags |= GMEM_NORESERVE;
    if (flags & MAP_ANONYMOUS) {
        fd = -1;
        off = 0;
    }
    r = gmem_map(t->mem, (gva_t)at, len, (int)prot & (PROT_READ | PROT_WRITE | PROT_EXEC), gflags, GMEM_PLAIN,
                 fd, off);
    if (r == 0)
        r = after_map(t, (gva_t)at, len, prot, flags);
    return r < 0 ? r : at;
}

int64_t sys_mmap(struct task *t, gva_t addr, uint64_t len, uint64_t prot, uint64_t flags, int fd,
                 uint64_t off)
{
    int64_t r;

    pthread_mutex_lock(&t->proc->mm->lock); /* nobody else takes the place in between */
    r = mmap_locked(t, addr, len, prot, flags, fd, off);
    pthread_mutex_unlock(&t->proc->mm->lock);
    if (r >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE)
        signal_watch_deaths(t->proc); /* there may be locks in it */
    return r;
}

/* The page-rounded range of munmap and its kin: false when it is no range of the guest. */
static bool page_range(struct task *t, gva_t addr, uint64_t *len)
{
    if ((addr & PAGE_MASK) || !range_within(addr, *len, t->mem->limit))
        return false;
    *len = page_up(*len);
    return true;
}

int64_t sys_munmap(struct task *t, gva_t addr, uint64_t len)
{
    if (!len || !page_range(t, addr, &len))
        return -EINVAL;
    return gmem_unmap(t->mem, addr, len);
}

/* mm/mprotect.c: one region after the other, up to one that must not become executable. */
static int64_t protect(struct task *t, gva_t addr, uint64_t len, int prot)
{
    gva_t at = addr, end = addr + len;
    bool denied = false;
    struct region r;
    int64_t err = 0;

    if (!t->proc->mm->mdwe)
        return gmem_protect(t->mem, addr, len, prot);
    while (!denied && at < end && gmem_region_from(t->mem, at, &r) && r.start < end) {
        denied = mm_denies(t, r.prot, (uint64_t)prot);
        at = denied ? MAX(at, r.start) : r.start + r.len;
    }
    if (!denied || at > addr)
        err = gmem_protect(t->mem, addr, denied ? at - addr : len, prot);
    return err == 0 && denied ? -EACCES : err;
}

int64_t sys_mprotect(struct task *t, gva_t addr, uint64_t len, uint64_t prot)
{
    struct region r;

    if (addr & PAGE_MASK)
        return -EINVAL;
    if ((prot & (PROT_GROWSDOWN | PROT_GROWSUP)) == (PROT_GROWSDOWN | PROT_GROWSUP))
        return -EINVAL;
    if (!len)
        return 0;
    if (!page_range(t, addr, &len))
        return -ENOMEM;
    if (prot & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP))
        return -EINVAL;
    if ((prot & PROT_GROWSDOWN) && gmem_region_at(t->mem, addr, &r)) {
        if (!(r.flags & GMEM_GROWSDOWN))
            return -EINVAL;
        len += addr - r.start;
        addr = r.start;
    }
    if (t->proc->box && prot & PROT_WRITE && box_may_grow(t, uncharged(t, addr, len)) < 0)
        return -ENOMEM;
    return protect(t, addr, len, (int)prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
}

bool mm_is_mapped(struct task *t, gva_t addr, uint64_t len)
{
    struct region r;
    gva_t end = addr + len;

    while (addr < end) {
        if (!gmem_region_at(t->mem, addr, &r))
            return false;
        addr = r.start + r.len;
    }
    return true;
}

/* One host call on the mapped parts of a range; -ENOMEM in the end when there were holes, as on Linux. */
static int64_t on_mapped(struct task *t, long nr, gva_t addr, uint64_t len, uint64_t arg)
{
    gva_t end = addr + len;
    struct region r;
    int64_t err;

    while (addr < end && gmem_region_from(t->mem, addr, &r) && r.start < end) {
        gva_t from = MAX(addr, r.start), to = MIN(end, r.start + r.len);

        err = HOST(t, nr, span(t, from, to - from), to - from, arg);
        if (err < 0)
            return err;
        addr = to;
    }
    return 0;
}

static int64_t on_range(struct task *t, long nr, gva_t addr, uint64_t len, uint64_t arg)
{
    int64_t r;

    if (!page_range(t, addr, &len))
        return addr & PAGE_MASK ? -EINVAL : -ENOMEM;
    r = on_mapped(t, nr, addr, len, arg);
    return r == 0 && !mm_is_mapped(t, addr, len) ? -ENOMEM : r;
}

/* mlock and munlock round the address down first. */
static int64_t on_rounded(struct task *t, long nr, gva_t addr, uint64_t len, uint64_t arg)
{
    uint64_t skew = addr & PAGE_MASK;

    if (len > t->mem->limit)
        return -ENOMEM;
    return on_range(t, nr, addr - skew, len + skew, arg);
}

/* Advice that empties memory may empty code. */
static int64_t advise(struct task *t, gva_t addr, uint64_t len, int advice)
{
    int64_t r = on_range(t, SYS_madvise, addr, len, (uint64_t)advice);

    if (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED || advice == MADV_FREE ||
        advice == MADV_REMOVE)
        gmem_code_changed(t->mem, addr, page_up(len), true);
    return r;
}

/* mm/madvise.c can_madvise_modify: what would discard private memory that is sealed and cannot be written anyway. */
static bool discards_sealed(struct task *t, gva_t addr, uint64_t len, int advice)
{
    gva_t end = addr + len;
    struct region r;

    if (advice != MADV_DONTNEED && advice != MADV_DONTNEED_LOCKED && advice != MADV_FREE &&
        advice != MADV_REMOVE && advice != MADV_WIPEONFORK)
        return false;
    for (gva_t at = addr; at < end && gmem_region_from(t->mem, at, &r) && r.start < end; at = r.start + r.len)
        if (r.flags & GMEM_SEALED && !(r.flags & GMEM_SHARED) && !r.file && !(r.prot & GMEM_W))
            return true;
    return false;
}

int64_t sys_madvise(struct task *t, gva_t addr, uint64_t len, int advice)
{
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
    case MADV_DONTNEED_LOCKED:
    case MADV_DOFORK:
    case MADV_DONTFORK:
        break;
    default:
        return -EINVAL;
    }
    if (addr & PAGE_MASK)
        return -EINVAL;
    if (len > t->mem->limit || !range_within(addr, len, t->mem->limit))
        return len > UINT64_MAX - PAGE_BYTES ? -EINVAL : len ? -ENOMEM : 0;
    if (discards_sealed(t, addr, page_up(len), advice))
        return -EPERM;
    if ((advice == MADV_DOFORK || advice == MADV_DONTFORK) && len &&
        gmem_dontfork(t->mem, addr, page_up(len), advice == MADV_DONTFORK) < 0)
        return -ENOMEM;
    return advise(t, addr, len, advice);
}

int64_t sys_msync(struct task *t, gva_t addr, uint64_t len, int flags)
{
    if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (addr & PAGE_MASK) ||
        ((flags & MS_ASYNC) && (flags & MS_SYNC)))
        return -EINVAL;
    return on_range(t, SYS_msync, addr, len, (uint64_t)flags);
}

int64_t sys_mlock(struct task *t, gva_t addr, uint64_t len)
{
    return on_rounded(t, SYS_mlock, addr, len, 0);
}

int64_t sys_mlock2(struct task *t, gva_t addr, uint64_t len, int flags)
{
    if (flags & ~MLOCK_ONFAULT)
        return -EINVAL;
    return on_rounded(t, SYS_mlock2, addr, len, (uint64_t)flags);
}

int64_t sys_munlock(struct task *t, gva_t addr, uint64_t len)
{
    return on_rounded(t, SYS_munlock, addr, len, 0);
}

/* mm/mlock.c: mlockall does not mind pages that cannot be had, as those beyond the end of a file. */
static void fetch_locked(struct task *t)
{
    struct region r;

    for (gva_t at = 0; gmem_region_from(t->mem, at, &r); at = r.start + r.len)
        HOST_RAW(SYS_mlock, span(t, r.start, r.len), r.len);
}

/* Each region by itself: the host's call would lock noahv's own memory and the whole reservation. */
int64_t sys_mlockall(struct task *t, int flags)
{
    int64_t r;

    if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
        return -EINVAL;
    t->proc->mm->lock_future = flags & MCL_FUTURE ? flags : 0;
    if (!(flags & MCL_CURRENT))
        return 0;
    r = on_mapped(t, SYS_mlock2, 0, t->mem->limit, MLOCK_ONFAULT);
    if (r == 0 && !(flags & MCL_ONFAULT))
        fetch_locked(t);
    return r;
}

int64_t sys_munlockall(struct task *t)
{
    t->proc->mm->lock_future = 0;
    return on_mapped(t, SYS_munlock, 0, t->mem->limit, 0);
}

int64_t sys_mincore(struct task *t, gva_t addr, uint64_t len, gva_t vec)
{
    if (addr & PAGE_MASK)
        return -EINVAL;
    if (!page_range(t, addr, &len) || !mm_is_mapped(t, addr, len))
        return -ENOMEM;
    return HOST(t, SYS_mincore, span(t, addr, len), len, span(t, vec, len >> PAGE_SHIFT));
}

int64_t sys_mseal(struct task *t, gva_t addr, uint64_t len, uint64_t flags)
{
    if (flags || !page_range(t, addr, &len))
        return -EINVAL;
    return mm_is_mapped(t, addr, len) ? gmem_seal(t->mem, addr, len) : -ENOMEM;
}

/* Flags are read and not used, as in the kernel, which makes an ordinary mapping of it. */
int64_t sys_remap_file_pages(struct task *t, gva_t addr, uint64_t size, uint64_t prot, uint64_t pgoff,
                             uint64_t flags)
{
    (void)flags;
    addr = page_down(addr);
    size = page_down(size);
    if (prot || !size || !range_within(addr, size, t->mem->limit) || pgoff + (size >> PAGE_SHIFT) < pgoff)
        return -EINVAL;
    if (pgoff + (size >> PAGE_SHIFT) > INT64_MAX >> PAGE_SHIFT)
        return -EOVERFLOW;
    return gmem_remap(t->mem, addr, size, pgoff << PAGE_SHIFT);
}

/* mm/mremap.c: what may be asked, in the kernel's order. */
static int mremap_check(struct task *t, gva_t old, uint64_t old_len, uint64_t new_len, uint64_t flags,
                        gva_t new)
{
    if (flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
        return -EINVAL;
    if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
        return -EINVAL;
    if ((flags & MREMAP_DONTUNMAP) && old_len != new_len)
        return -EINVAL;
    if ((old & PAGE_MASK) || !new_len)
        return -EINVAL;
    if (flags & MREMAP_FIXED) {
        if ((new &PAGE_MASK) || !range_within(new, new_len, t->mem->limit))
            return -EINVAL;
        if (old < new + new_len &&new < old + old_len)
            return -EINVAL;
        if (new < MM_MIN_ADDR)
            return -EPERM;
    }
    return 0;
}

static int64_t mremap_locked(struct task *t, gva_t old, uint64_t old_len, uint64_t new_len, uint64_t flags,
                             gva_t new)
{
    struct region r;
    int64_t at;
    int err;

    if (old_len > t->mem->limit || new_len > t->mem->limit)
        return old_len > t->mem->limit ? -EFAULT : -ENOMEM;
    old_len = page_up(old_len);
    new_len = page_up(new_len);
    err = mremap_check(t, old, old_len, new_len, flags, new);
    if (err)
        return err;
    if (!gmem_region_at(t->mem, old, &r) || MIN(old_len, new_len) > r.start + r.len - old)
        return -EFAULT;
    if (!old_len && !(r.flags & GMEM_SHARED)) /* duplicating needs a shared mapping */
        return -EINVAL;
    if (t->proc->box && charged(&r)) {
        err = box_may_grow(t, flags & MREMAP_DONTUNMAP ? new_len : new_len > old_len ? new_len - old_len : 0);
        if (err)
            return err;
    }

    if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && old_len) {
        if (new_len == old_len)
            return (int64_t)old;
        if (new_len < old_len) {
            err = gmem_unmap(t->mem, old + new_len, old_len - new_len);
            return err ? err : (int64_t)old;
        }
        err = mm_may_grow(t, new_len - old_len,
                          r.prot & GMEM_W && !(r.flags & GMEM_SHARED) ? new_len - old_len : 0);
        if (err)
            return err;
        if (old + old_len == r.start + r.len && gmem_grow(t->mem, old, old_len, new_len) == 0)
            return (int64_t)old;
        if (!(flags & MREMAP_MAYMOVE))
            return -ENOMEM;
    }
    at = flags & MREMAP_FIXED ? (int64_t) new : mm_place(t, new, new_len, 0);
    if (at < 0)
        return at;
    if ((flags & MREMAP_FIXED) && new_len < old_len) { /* the tail goes first, as in mremap_to() */
        err = gmem_unmap(t->mem, old + new_len, old_len - new_len);
        if (err)
            return err;
        old_len = new_len;
    }
    err = gmem_move(t->mem, old, old_len, (gva_t)at, new_len, flags & MREMAP_DONTUNMAP);
    return err ? err : at;
}

int64_t sys_mremap(struct task *t, gva_t old, uint64_t old_len, uint64_t new_len, uint64_t flags, gva_t new)
{
    int64_t r;

    pthread_mutex_lock(&t->proc->mm->lock);
    r = mremap_locked(t, old, old_len, new_len, flags, new);
    pthread_mutex_unlock(&t->proc->mm->lock);
    return r;
}

int64_t sys_riscv_flush_icache(struct task *t, gva_t start, gva_t end, uint64_t flags)
{
    if (flags & ~(uint64_t)1) /* SYS_RISCV_FLUSH_ICACHE_LOCAL */
        return -EINVAL;
    if (start >= end || end > t->mem->limit) { /* the kernel looks at neither */
        start = 0;
        end = t->mem->limit;
    }
    gmem_code_changed(t->mem, start, end - start, false);
    return 0;
}
