/*
 * The window: reserving it, and mapping into it by the host's mmap family. Every byte of it is at all times
 * either a guest mapping or our inaccessible reservation, never a hole that an unrelated host mmap could be
 * given. Keeps no record of what is mapped: that is gmem's.
 */
#include "mem/gstage.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/gmem.h"

/*
 * Where windows are put: below the addresses that the host kernel gives out in either of its two layouts
 * (top-down from the stack, bottom-up from a third of the address space), and above ASan's shadow. A failing
 * mmap or mremap of an older host kernel (< 6.12) leaves a hole for a moment; this keeps other threads'
 * mappings out of it.
 */
#define GSTAGE_LOW ((uint64_t)0x110000000000)
#define GSTAGE_HIGH ((uint64_t)0x2a0000000000)
#define GSTAGE_TRIES 64

#define RESERVE_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/*
 * Straight to the kernel: a sanitizer's mmap keeps shadow memory for what it maps, which a window neither needs
 * (it is accessed by assembly and by the kernel only) nor finds room for.
 */
static void *host_mmap(void *at, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
    return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

static int host_munmap(void *at, uint64_t len)
{
    return (int)syscall(SYS_munmap, at, len);
}

static void *host_mremap(void *at, uint64_t old_len, uint64_t new_len, int flags, void *to)
{
    return (void *)syscall(SYS_mremap, at, old_len, new_len, flags, to);
}

static void *gstage_host(const struct gstage *g, gpa_t addr, uint64_t len)
{
    BUG_ON(!range_within(addr, len, g->size));
    return g->window + addr;
}

static int gstage_host_prot(int prot)
{
    int host = 0;

    if (prot & (GMEM_R | GMEM_W | GMEM_X))
        host |= PROT_READ;
    if (prot & GMEM_W)
        host |= PROT_WRITE;
    return host;
}

/* A random place below the host's own, or wherever there is room when that is taken (sanitizers). */
static void *gstage_place(uint64_t total)
{
    for (int i = 0; i < GSTAGE_TRIES && total < GSTAGE_HIGH - GSTAGE_LOW; i++) {
        uint64_t at = 0;
        void *want, *got;

        if (getrandom(&at, sizeof at, GRND_NONBLOCK) != sizeof at)
            at = (uint64_t)i * total;
        /* The integer becomes a pointer here only: the host kernel is asked for an address by number. */
        want = (void *)(uintptr_t)(GSTAGE_LOW + page_down(at % (GSTAGE_HIGH - GSTAGE_LOW - total)));
        got = host_mmap(want, total, PROT_NONE, RESERVE_FLAGS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == want)
            return got;
        if (got != MAP_FAILED) /* a kernel before 4.17 takes the flag for a hint */
            host_munmap(got, total);
    }
    return host_mmap(NULL, total, PROT_NONE, RESERVE_FLAGS, -1, 0);
}

int gstage_reserve(struct gstage *g, uint64_t size)
{
    uint8_t *at;

    if (size == 0 || size & PAGE_MASK || size > GSTAGE_HIGH)
        return -EINVAL;
    at = gstage_place(size + 2 * GSTAGE_GUARD);
    if (at == MAP_FAILED)
        return -errno;
    g->window = at + GSTAGE_GUARD;
    g->size = size;
    return 0;
}

void gstage_release(struct gstage *g)
{
    if (g->window)
        host_munmap(g->window - GSTAGE_GUARD, g->size + 2 * GSTAGE_GUARD);
    *g = (struct gstage){ 0 };
}

int gstage_map(struct gstage *g, gpa_t addr, uint64_t len, int prot, int host_flags, int fd, uint64_t offset)
{
    int flags = host_flags | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);

    void *at = gstage_host(g, addr, len);

    return host_mmap(at, len, gstage_host_prot(prot), flags, fd, offset) == MAP_FAILED ? -errno : 0;
}

int gstage_unmap(struct gstage *g, gpa_t addr, uint64_t len)
{
    int r = gstage_map(g, addr, len, 0, MAP_PRIVATE | MAP_NORESERVE, -1, 0);

    if (r != -ENOMEM)
        return r;
    /* Who has all the mappings that there may be can map nothing, but unmap: should the second attempt fail too, there is
     * a hole, where the kernel puts nothing of its own accord. */
    if (host_munmap(gstage_host(g, addr, len), len) < 0)
        return -errno;
    gstage_map(g, addr, len, 0, MAP_PRIVATE | MAP_NORESERVE, -1, 0);
    return 0;
}

int gstage_remap(struct gstage *g, gpa_t addr, uint64_t len, uint64_t offset)
{
    void *at = gstage_host(g, addr, len);

    return syscall(SYS_remap_file_pages, at, len, 0, offset >> PAGE_SHIFT, 0) ? -errno : 0;
}

int gstage_adopt(struct gstage *g, gpa_t addr, uint64_t len, int prot, void *made)
{
    void *at = gstage_host(g, addr, len);

    if (mprotect(made, len, gstage_host_prot(prot)))
        return errno == ENOMEM ? -EFAULT : -errno;
    return host_mremap(made, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED ? -errno : 0;
}

int gstage_protect(struct gstage *g, gpa_t addr, uint64_t len, int prot)
{
    return mprotect(gstage_host(g, addr, len), len, gstage_host_prot(prot)) ? -errno : 0;
}

bool gstage_repair(struct gstage *g, gpa_t addr, uint64_t len)
{
    void *at = gstage_host(g, addr, len);
    void *got = host_mmap(at, len, PROT_NONE, RESERVE_FLAGS | MAP_FIXED_NOREPLACE, -1, 0);

    if (got == at)
        return true;
    if (got != MAP_FAILED)
        host_munmap(got, len);
    return false;
}

int gstage_move(struct gstage *g, gpa_t from, uint64_t old_len, gpa_t to, uint64_t new_len, bool keep_old)
{
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep_old ? MREMAP_DONTUNMAP : 0);
    void *source = gstage_host(g, from, old_len), *target = gstage_host(g, to, new_len);

    if (host_mremap(source, old_len, new_len, flags, target) == MAP_FAILED)
        return -errno;
    /* mremap left a hole, which must not stay one: there is no way on if the host has no room for it. */
    if (!keep_old)
        BUG_ON(gstage_unmap(g, from, old_len));
    return 0;
}

int gstage_grow(struct gstage *g, gpa_t addr, uint64_t old_len, uint64_t new_len)
{
    uint8_t *at = gstage_host(g, addr, new_len);
    int err;

    if (host_munmap(at + old_len, new_len - old_len))
        return -errno;
    if (host_mremap(at, old_len, new_len, 0, NULL) != MAP_FAILED)
        return 0;
    err = -errno;
    BUG_ON(gstage_unmap(g, addr + old_len, new_len - old_len));
    return err;
}

bool gstage_contains(const struct gstage *g, uint64_t host, gpa_t *gpa)
{
    uint64_t window = (uint64_t)(uintptr_t)g->window;

    if (!g->window || host - (window - GSTAGE_GUARD) >= g->size + 2 * GSTAGE_GUARD)
        return false;
    *gpa = host - window;
    return true;
}
