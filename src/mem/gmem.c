/*
 * The regions of a guest address space and the operations on them. Every change goes host first (gstage.h),
 * record second, under the write lock, so that the record never promises what the host did not grant. It
 * gives no meaning to a fault beyond its kind, and places nothing by itself.
 */
#include "mem/gmem.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "mem/access.h"

#define GMEM_MAX_REGIONS 65530                        /* Linux's default vm.max_map_count */
#define STACK_GUARD_GAP ((uint64_t)256 << PAGE_SHIFT) /* mm/mmap.c: stack_guard_gap */
#define STACK_MAX_DEFAULT ((uint64_t)8 << 20)
#define GMEM_RWX (GMEM_R | GMEM_W | GMEM_X)

static uint64_t region_end(const struct region *r)
{
    return r->start + r->len;
}

int gmem_init(struct gmem *m, uint64_t size)
{
    int err;

    *m = (struct gmem){ .stack_max = STACK_MAX_DEFAULT };
    if (size & (size - 1)) /* addresses are masked with size - 1 */
        return -EINVAL;
    err = gstage_reserve(&m->gs, size);
    if (err)
        return err;
    m->limit = m->gs.size;
    imap_init(&m->regions, sizeof(struct region));
    err = -pthread_rwlock_init(&m->lock, NULL);
    if (err)
        gstage_release(&m->gs);
    return err;
}

void gmem_destroy(struct gmem *m)
{
    gstage_release(&m->gs);
    imap_free(&m->regions);
    pthread_rwlock_destroy(&m->lock);
}

void gmem_fork_prepare(struct gmem *m)
{
    pthread_rwlock_wrlock(&m->lock);
}

/* --- Helpers on the record; the write lock is held ----------------------------------------------------- */

/* A range as the operations take it: whole pages, not empty, inside the address space. */
static bool range_ok(const struct gmem *m, gpa_t addr, uint64_t len)
{
    return !(addr & PAGE_MASK) && !(len & PAGE_MASK) && len && range_within(addr, len, m->limit);
}

/* The first region that touches [addr, end), or NULL. */
static struct region *range_first(struct gmem *m, gpa_t addr, gpa_t end)
{
    struct region *r = imap_from(&m->regions, addr);

    return r && r->start < end ? r : NULL;
}

/* The next region that touches the range, or NULL. */
static struct region *range_next(struct gmem *m, const struct region *r, gpa_t end)
{
    struct region *next = imap_at(&m->regions, imap_index(&m->regions, r) + 1);

    return next && next->start < end ? next : NULL;
}

/* Does a region of the range have this flag? */
static bool range_has_flag(struct gmem *m, gpa_t addr, uint64_t len, int flag)
{
    for (struct region *r = range_first(m, addr, addr + len); r; r = range_next(m, r, addr + len))
        if (r->flags & flag)
            return true;
    return false;
}

static bool range_has_exec(struct gmem *m, gpa_t addr, uint64_t len)
{
    for (struct region *r = range_first(m, addr, addr + len); r; r = range_next(m, r, addr + len))
        if (r->prot & GMEM_X)
            return true;
    return false;
}

/* 1 when a region lies across addr, else 0. */
static size_t splits_at(struct gmem *m, gpa_t addr)
{
    struct region *r = imap_find(&m->regions, addr);

    return r && r->start < addr;
}

/* Room for `inserts` more records and the splits at both ends of a range, so that the record cannot fail later. */
static int room(struct gmem *m, gpa_t addr, uint64_t len, size_t inserts)
{
    size_t extra = splits_at(m, addr) + splits_at(m, addr + len) + inserts;

    if (extra && m->regions.n + extra > GMEM_MAX_REGIONS)
        return -ENOMEM;
    return imap_reserve(&m->regions, extra);
}

/* Makes addr a boundary between records; room() was made. */
static void split(struct gmem *m, gpa_t addr)
{
    struct region *r = imap_find(&m->regions, addr), tail;

    if (!r || r->start == addr)
        return;
    tail = *r;
    tail.start = addr;
    tail.len = region_end(r) - addr;
    if (r->file)
        tail.offset += addr - r->start;
    r->len = addr - r->start;
    BUG_ON(imap_insert(&m->regions, &tail));
}

static void forget(struct gmem *m, gpa_t addr, uint64_t len)
{
    struct region *r;
    size_t first, n = 0;

    split(m, addr);
    split(m, addr + len);
    r = range_first(m, addr, addr + len);
    if (!r)
        return;
    first = imap_index(&m->regions, r);
    for (; r; r = range_next(m, r, addr + len))
        n++;
    imap_remove_run(&m->regions, first, n);
}

static bool mergeable(const struct region *a, const struct region *b)
{
    return region_end(a) == b->start && a->prot == b->prot && a->flags == b->flags && a->label == b->label &&
           !a->file && !b->file;
}

/* Joins equal neighbours in [addr, end] and just outside, in one pass over them. */
static void merge(struct gmem *m, gpa_t addr, gpa_t end)
{
    struct region *first = imap_from(&m->regions, addr ? addr - 1 : 0), *to, *r;
    size_t at;

    if (!first)
        return;
    at = imap_index(&m->regions, first);
    to = first;
    for (r = imap_at(&m->regions, ++at); r && r->start <= end; r = imap_at(&m->regions, ++at)) {
        if (mergeable(to, r))
            to->len += r->len;
        else if (++to != r)
            *to = *r;
    }
    /* What lies between the last record kept and the first one not looked at is now double. */
    imap_remove_run(&m->regions, imap_index(&m->regions, to) + 1, at - imap_index(&m->regions, to) - 1);
}

static void insert(struct gmem *m, const struct region *r)
{
    BUG_ON(imap_insert(&m->regions, r));
    merge(m, r->start, region_end(r));
}

/* Recomputes the hull of the gaps below growing regions, which gmem_span() looks at without the lock. */
static void update_hull(struct gmem *m)
{
    uint64_t from = UINT64_MAX, to = 0, gap = 0;
    const struct region *r;

    for (size_t i = 0; (r = imap_at(&m->regions, i)); i++) {
        if (r->flags & GMEM_GROWSDOWN && r->start > gap) {
            from = MIN(from, gap);
            to = MAX(to, r->start);
        }
        gap = region_end(r);
    }
    atomic_store_explicit(&m->grow_from, to ? from : 0, memory_order_relaxed);
    atomic_store_explicit(&m->grow_to, to, memory_order_relaxed);
}

static void note_code(struct gmem *m, gpa_t addr, uint64_t len, bool mapping)
{
    unsigned gen = atomic_load(&m->code_gen);

    m->change[gen % GMEM_CHANGES] = (struct gmem_change){ addr, len, mapping };
    atomic_store(&m->code_gen, gen + 1);
}

/* The end of every change of what is mapped. `exec`: what was there could be executed, or what is there now can. */
static void changed(struct gmem *m, gpa_t addr, uint64_t len, bool exec)
{
    update_hull(m);
    if (exec)
        note_code(m, addr, len, true);
}

/* --- Mapping ------------------------------------------------------------------------------------------- */

int gmem_reset(struct gmem *m)
{
    int err;

    pthread_rwlock_wrlock(&m->lock);
    err = gstage_unmap(&m->gs, 0, m->limit);
    if (!err) {
        imap_remove_run(&m->regions, 0, m->regions.n);
        changed(m, 0, m->limit, true);
    }
    pthread_rwlock_unlock(&m->lock);
    return err;
}

/* The host refused to map or move onto [addr, addr + len): follow it if it discarded what was there. */
static void after_failed_map(struct gmem *m, gpa_t addr, uint64_t len)
{
    bool exec = range_has_exec(m, addr, len);

    if (gstage_repair(&m->gs, addr, len)) {
        forget(m, addr, len);
        changed(m, addr, len, exec);
    }
}

/* Realises `new` in the window: a mapping the host has made already, or one of the descriptor's. */
static int map_host(struct gmem *m, const struct region *new, int fd, void *made)
{
    int flags = new->flags &GMEM_SHARED ? MAP_SHARED : MAP_PRIVATE;

    if (made)
        return gstage_adopt(&m->gs, new->start, new->len, new->prot, made);
    if (new->flags & GMEM_NORESERVE)
        flags |= MAP_NORESERVE;
    return gstage_map(&m->gs, new->start, new->len, new->prot, flags, fd, new->offset);
}

static int map_locked(struct gmem *m, const struct region *new, int fd, void *made)
{
    bool exec = range_has_exec(m, new->start, new->len) || new->prot &GMEM_X;
    int err;

    if (range_has_flag(m, new->start, new->len, GMEM_SEALED))
        return -EPERM;
    err = room(m, new->start, new->len, 1);
    if (err)
        return err;
    err = map_host(m, new, fd, made);
    if (err) {
        after_failed_map(m, new->start, new->len);
        return err;
    }
    forget(m, new->start, new->len);
    insert(m, new);
    changed(m, new->start, new->len, exec);
    return 0;
}

int gmem_map(struct gmem *m, gpa_t addr, uint64_t len, int prot, int flags, enum gmem_label label, int fd,
             uint64_t offset)
{
    struct region new = {
        .start = addr,
        .len = len,
        .prot = prot & GMEM_RWX,
        .flags = (uint8_t)flags,
        .label = (uint8_t)label,
        .file = fd >= 0,
        .offset = fd >= 0 ? offset : 0,
    };
    int err;

    if (!range_ok(m, addr, len))
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = map_locked(m, &new, fd, NULL);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

int gmem_adopt(struct gmem *m, gpa_t addr, uint64_t len, int prot, int flags, void *host)
{
    struct region new = {
        .start = addr,
        .len = len,
        .prot = prot & GMEM_RWX,
        .flags = (uint8_t)flags,
        .file = true,
    };
    int err;

    if (!range_ok(m, addr, len))
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = map_locked(m, &new, -1, host);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

int gmem_remap(struct gmem *m, gpa_t addr, uint64_t len, uint64_t offset)
{
    const struct region *r;
    struct region part;
    int err;

    if (!range_ok(m, addr, len))
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    r = imap_find(&m->regions, addr);
    part = r ? *r : (struct region){ 0 };
    part.start = addr;
    part.len = len;
    part.offset = offset;
    err = !part.file ? -EINVAL : range_has_flag(m, addr, len, GMEM_SEALED) ? -EPERM : room(m, addr, len, 1);
    if (!err)
        err = gstage_remap(&m->gs, addr, len, offset); /* the host sees to it that it is one shared file */
    if (!err) {
        forget(m, addr, len);
        insert(m, &part);
        changed(m, addr, len, part.prot & GMEM_X);
    }
    pthread_rwlock_unlock(&m->lock);
    return err;
}

static int unmap_locked(struct gmem *m, gpa_t addr, uint64_t len)
{
    bool exec = range_has_exec(m, addr, len);
    int err;

    if (!range_first(m, addr, addr + len))
        return 0;
    if (range_has_flag(m, addr, len, GMEM_SEALED))
        return -EPERM;
    err = room(m, addr, len, 0);
    if (!err)
        err = gstage_unmap(&m->gs, addr, len);
    if (err)
        return err;
    forget(m, addr, len);
    changed(m, addr, len, exec);
    return 0;
}

int gmem_unmap(struct gmem *m, gpa_t addr, uint64_t len)
{
    int err;

    if (!range_ok(m, addr, len))
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = unmap_locked(m, addr, len);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

/* Re-protects [at, stop), which lies in one region; room() was made. */
static int protect_piece(struct gmem *m, gpa_t at, gpa_t stop, int prot)
{
    struct region *r = imap_find(&m->regions, at);
    int err;

    if (r->flags & GMEM_SEALED)
        return -EPERM;
    if (r->prot == prot)
        return 0;
    err = gstage_protect(&m->gs, at, stop - at, prot);
    if (err) {
        /* The host may have done a part of it: bring back what the record says. */
        gstage_protect(&m->gs, at, stop - at, r->prot);
        return err;
    }
    split(m, at);
    split(m, stop);
    r = imap_find(&m->regions, at);
    r->prot = (uint8_t)prot;
    return 0;
}

static int protect_locked(struct gmem *m, gpa_t addr, uint64_t len, int prot)
{
    bool exec = range_has_exec(m, addr, len) || prot & GMEM_X;
    gpa_t at = addr, end = addr + len;
    int err = room(m, addr, len, 0);

    while (!err && at < end) {
        const struct region *r = imap_find(&m->regions, at);
        gpa_t stop = r ? MIN(region_end(r), end) : end;

        err = r ? protect_piece(m, at, stop, prot) : -ENOMEM;
        if (!err)
            at = stop;
    }
    merge(m, addr, at);
    if (exec && at > addr)
        note_code(m, addr, at - addr, true);
    return err;
}

int gmem_protect(struct gmem *m, gpa_t addr, uint64_t len, int prot)
{
    int err;

    if (!range_ok(m, addr, len) || prot & ~GMEM_RWX)
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = protect_locked(m, addr, len, prot);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

int gmem_seal(struct gmem *m, gpa_t addr, uint64_t len)
{
    gpa_t at = addr, end = addr + len;
    struct region *r;
    int err;

    if (!range_ok(m, addr, len))
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = room(m, addr, len, 0);
    for (; !err && at < end; at = r ? region_end(r) : end) {
        r = imap_find(&m->regions, at);
        if (!r)
            err = -ENOMEM;
    }
    if (!err) {
        split(m, addr);
        split(m, end);
        for (r = range_first(m, addr, end); r; r = range_next(m, r, end))
            r->flags |= GMEM_SEALED;
        merge(m, addr, end);
    }
    pthread_rwlock_unlock(&m->lock);
    return err;
}

int gmem_dontfork(struct gmem *m, gpa_t addr, uint64_t len, bool leave_out)
{
    struct region *r;
    int err;

    if (!range_ok(m, addr, len))
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = room(m, addr, len, 0);
    if (!err) {
        split(m, addr);
        split(m, addr + len);
        for (r = range_first(m, addr, addr + len); r; r = range_next(m, r, addr + len))
            r->flags = (uint8_t)(leave_out ? r->flags | GMEM_DONTFORK : r->flags & ~GMEM_DONTFORK);
        merge(m, addr, addr + len);
    }
    pthread_rwlock_unlock(&m->lock);
    return err;
}

/* The host has left holes where the window must have none. */
static void close_gaps(struct gmem *m)
{
    const struct region *r;

    for (gpa_t at = 0; (r = imap_from(&m->regions, at));) {
        const struct region gap = *r;

        at = region_end(r);
        if (!(gap.flags & GMEM_DONTFORK))
            continue;
        BUG_ON(!gstage_repair(&m->gs, gap.start, gap.len));
        forget(m, gap.start, gap.len);
        changed(m, gap.start, gap.len, gap.prot & GMEM_X);
    }
}

void gmem_fork_done(struct gmem *m, bool child)
{
    pthread_rwlock_unlock(&m->lock);
    if (!child)
        return;
    pthread_rwlock_init(&m->lock, NULL); /* those who waited for it are not here */
    close_gaps(m);
}

/* --- Moving and growing ------------------------------------------------------------------------------- */

/*
 * Describes [addr, addr + len) as one region: the records of it are alike and follow each other without a hole.
 * Whether they are one mapping to the host is the host's to say.
 */
static int range_as_one(struct gmem *m, gpa_t addr, uint64_t len, struct region *out)
{
    const struct region *r = imap_find(&m->regions, addr), *next;

    if (!r)
        return -EFAULT;
    *out = *r;
    for (; region_end(r) < addr + len; r = next) {
        next = range_next(m, r, addr + len);
        if (!next || next->start != region_end(r) || next->prot != r->prot || next->flags != r->flags ||
            next->file != r->file || (r->file && next->offset != r->offset + r->len))
            return -EFAULT;
    }
    if (out->file)
        out->offset += addr - out->start;
    out->start = addr;
    out->len = len;
    return out->flags & GMEM_SEALED ? -EPERM : 0;
}

static int move_locked(struct gmem *m, gpa_t from, uint64_t old_len, struct region *new, bool keep_old)
{
    gpa_t to = new->start;
    uint64_t new_len = new->len;
    bool exec = range_has_exec(m, from, old_len) || range_has_exec(m, to, new_len);
    int err = range_as_one(m, from, old_len, new);

    if (!err && range_has_flag(m, to, new_len, GMEM_SEALED))
        err = -EPERM;
    /* Room for the splits of the source, of the target, and for the new record. */
    if (!err)
        err = room(m, to, new_len, 1 + splits_at(m, from) + splits_at(m, from + old_len));
    if (err)
        return err;
    err = gstage_move(&m->gs, from, old_len, to, new_len, keep_old);
    if (err) {
        after_failed_map(m, to, new_len);
        return err;
    }
    forget(m, to, new_len);
    if (!keep_old)
        forget(m, from, old_len);
    new->start = to;
    new->len = new_len;
    if (new->label == GMEM_HEAP || new->label == GMEM_STACK)
        new->label = GMEM_PLAIN; /* these names belong to the place, as in Linux's fs/proc/task_mmu.c */
    insert(m, new);
    changed(m, from, old_len, exec);
    changed(m, to, new_len, exec);
    return 0;
}

int gmem_move(struct gmem *m, gpa_t from, uint64_t old_len, gpa_t to, uint64_t new_len, bool keep_old)
{
    struct region new = { .start = to, .len = new_len };
    int err = 0;

    if (!range_ok(m, from, old_len) || !range_ok(m, to, new_len))
        return -EINVAL;
    if (from < to + new_len && to < from + old_len)
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    if (new_len < old_len) {
        /* As mm/mremap.c: the tail goes first, and stays gone if the rest fails. */
        err = unmap_locked(m, from + new_len, old_len - new_len);
        old_len = new_len;
    }
    if (!err)
        err = move_locked(m, from, old_len, &new, keep_old);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

static int grow_locked(struct gmem *m, gpa_t addr, uint64_t old_len, uint64_t new_len)
{
    struct region whole, *r;
    int err = range_as_one(m, addr, old_len, &whole);

    if (err)
        return err;
    if (range_first(m, addr + old_len, addr + new_len))
        return -ENOMEM;
    err = gstage_grow(&m->gs, addr, old_len, new_len);
    if (err)
        return err;
    r = imap_find(&m->regions, addr + old_len - 1);
    r->len += new_len - old_len;
    merge(m, r->start, region_end(r));
    changed(m, addr + old_len, new_len - old_len, whole.prot & GMEM_X);
    return 0;
}

int gmem_grow(struct gmem *m, gpa_t addr, uint64_t old_len, uint64_t new_len)
{
    int err;

    if (!range_ok(m, addr, old_len) || !range_ok(m, addr, new_len) || new_len <= old_len)
        return -EINVAL;
    pthread_rwlock_wrlock(&m->lock);
    err = grow_locked(m, addr, old_len, new_len);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

/* --- Looking ------------------------------------------------------------------------------------------ */

gpa_t gmem_find_free(struct gmem *m, uint64_t len, gpa_t above, gpa_t below)
{
    gpa_t top = MIN(below, m->limit), found = 0;
    size_t i;

    above = MAX(page_up(MIN(above, m->limit)), PAGE_BYTES);
    top = page_down(top);
    if (!len || len & PAGE_MASK)
        return 0;
    pthread_rwlock_rdlock(&m->lock);
    /* From the top down: the gap below region i, bounded by the region under it. */
    for (i = m->regions.n;; i--) {
        const struct region *next = imap_at(&m->regions, i), *prev = i ? imap_at(&m->regions, i - 1) : NULL;
        gpa_t low = MAX(above, prev ? region_end(prev) : 0), high = top;

        if (next) {
            uint64_t gap = next->flags & GMEM_GROWSDOWN ? STACK_GUARD_GAP : 0;

            high = MIN(top, next->start > gap ? next->start - gap : 0);
        }
        if (high > low && high - low >= len) {
            found = high - len;
            break;
        }
        if (i == 0 || top <= above)
            break;
    }
    pthread_rwlock_unlock(&m->lock);
    return found;
}

bool gmem_is_free(struct gmem *m, gpa_t addr, uint64_t len)
{
    bool is_free;

    if (!range_within(addr, len, m->limit))
        return false;
    pthread_rwlock_rdlock(&m->lock);
    is_free = !range_first(m, addr, addr + len);
    pthread_rwlock_unlock(&m->lock);
    return is_free;
}

bool gmem_region_from(struct gmem *m, gpa_t addr, struct region *out)
{
    const struct region *r;

    pthread_rwlock_rdlock(&m->lock);
    r = imap_from(&m->regions, addr);
    if (r)
        *out = *r;
    pthread_rwlock_unlock(&m->lock);
    return r;
}

void gmem_code_changed(struct gmem *m, gpa_t addr, uint64_t len, bool mapping)
{
    if (!range_within(addr, len, m->limit))
        return;
    pthread_rwlock_wrlock(&m->lock);
    if (range_has_exec(m, addr, len))
        note_code(m, addr, len, mapping);
    pthread_rwlock_unlock(&m->lock);
}

bool gmem_region_at(struct gmem *m, gpa_t addr, struct region *out)
{
    struct region r;

    if (!gmem_region_from(m, addr, &r) || r.start > addr)
        return false;
    *out = r;
    return true;
}

/* --- Faults ------------------------------------------------------------------------------------------- */

/*
 * Extends the growing region above the hole that holds addr down to addr's page: mm/vma.c, expand_downwards()
 * and acct_stack_growth(). False when there is none, or it may not come this far.
 */
static bool grow_down(struct gmem *m, gpa_t addr)
{
    struct region *r = imap_from(&m->regions, addr), *prev;
    gpa_t start = page_down(addr);

    if (!r || r->start <= addr || !(r->flags & GMEM_GROWSDOWN) || r->file)
        return false;
    if (region_end(r) - start > m->stack_max)
        return false;
    prev = imap_at(&m->regions, imap_index(&m->regions, r) - 1); /* NULL below the first, by wrapping */
    if (prev && !(prev->flags & GMEM_GROWSDOWN) && prev->prot && start - region_end(prev) < STACK_GUARD_GAP)
        return false;
    if (gstage_map(&m->gs, start, r->start - start, r->prot, MAP_PRIVATE, -1, 0)) {
        after_failed_map(m, start, r->start - start);
        return false;
    }
    changed(m, start, r->start - start, r->prot & GMEM_X);
    r->len += r->start - start;
    r->start = start;
    return true;
}

/* Makes the access that faulted once more, without changing memory. */
static bool probe(struct gmem *m, gpa_t addr, int access)
{
    uint8_t byte, *p = m->gs.window + addr;
    uint32_t old = 0;
    bool done;

    if (access != GMEM_W)
        return access_load8(p, &byte);
    /* A compare-exchange writes in either case, if only what was there. */
    return access_cas32(m->gs.window + (addr & ~(gpa_t)3), &old, 0, &done);
}

/*
 * The record permits the access and the host refused it. Another thread may have mapped the page since; else the
 * host's protection is made the record's again. Ends in NONE only if the access now works, so that a guest
 * cannot be made to fault for ever.
 */
static enum gmem_fault_kind repair(struct gmem *m, gpa_t addr, int access, int prot)
{
    if (probe(m, addr, access))
        return GMEM_FAULT_NONE;
    if (!gstage_protect(&m->gs, page_down(addr), PAGE_BYTES, prot) && probe(m, addr, access))
        return GMEM_FAULT_NONE;
    return access_fault.signal == SIGBUS ? GMEM_FAULT_BUS : GMEM_FAULT_PROTECTION;
}

static enum gmem_fault_kind fault_locked(struct gmem *m, gpa_t addr, int access, bool bus)
{
    const struct region *r = imap_find(&m->regions, addr);
    int prot;

    if (!r)
        return grow_down(m, addr) ? GMEM_FAULT_NONE : GMEM_FAULT_UNMAPPED;
    /* RISC-V Linux maps W as RW; the host cannot tell X from R. */
    prot = r->prot & GMEM_W || r->prot & GMEM_X ? r->prot | GMEM_R : r->prot;
    if (!(prot & access))
        return GMEM_FAULT_PROTECTION;
    if (bus)
        return GMEM_FAULT_BUS;
    return repair(m, addr, access, r->prot);
}

enum gmem_fault_kind gmem_fault(struct gmem *m, gva_t addr, int access, bool bus)
{
    enum gmem_fault_kind kind;

    if (addr >= m->limit)
        return GMEM_FAULT_UNMAPPED;
    pthread_rwlock_wrlock(&m->lock);
    kind = fault_locked(m, addr, access, bus);
    pthread_rwlock_unlock(&m->lock);
    return kind;
}

bool gmem_resolve(struct gmem *m, gva_t addr, uint64_t len)
{
    bool grew = false;
    gpa_t at = addr;

    if (!len || !range_within(addr, len, m->limit))
        return false;
    pthread_rwlock_wrlock(&m->lock);
    /* In the order in which the range would be touched: a hole that stays one ends it. */
    while (at < addr + len) {
        const struct region *r = imap_find(&m->regions, at);

        if (r) {
            at = region_end(r);
        } else if (grow_down(m, at)) {
            grew = true;
        } else {
            break;
        }
    }
    pthread_rwlock_unlock(&m->lock);
    return grew;
}
