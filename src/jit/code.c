/*
 * The two mappings. The writable one lies at an address of the host kernel's choosing that generated code never
 * holds; the executable one follows the poll page, so that both are in reach of rip-relative operands.
 */
#include "jit/code.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

#define PAGE ((size_t)4096)
#define CODE_FIRST ((size_t)128 << 10)

/*
 * Anonymous shared memory, and the same once more: an mremap of length 0 duplicates. A memfd would need a free
 * descriptor and a file size limit (RLIMIT_FSIZE) that permits it; both are the guest's.
 */
static int map_both(struct code *c)
{
    uint8_t *at;

    c->rw = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c->rw == MAP_FAILED)
        return -errno;
    at = mmap(NULL, PAGE + c->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    c->poll = at;
    c->rx = mremap(c->rw, 0, c->size, MREMAP_MAYMOVE | MREMAP_FIXED, at + PAGE);
    if (c->rx == MAP_FAILED || mprotect(c->rx, c->size, PROT_READ | PROT_EXEC) < 0)
        return -errno;
    /* What every program needs, at once: cheaper than a fault a page. Old kernels take the faults. */
    madvise(c->rw, MIN(c->size, CODE_FIRST), 23 /* MADV_POPULATE_WRITE */);
    return 0;
}

int code_init(struct code *c, size_t size)
{
    int r;

    *c = (struct code){ .size = size };
    r = map_both(c);
    if (r < 0)
        code_free(c);
    return r;
}

void code_free(struct code *c)
{
    if (c->rw && c->rw != MAP_FAILED)
        munmap(c->rw, c->size);
    if (c->poll)
        munmap(c->poll, PAGE + c->size);
    *c = (struct code){ 0 };
}

void code_retire(struct code *c)
{
    if (c->poll)
        mmap(c->poll, PAGE + c->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0);
    c->poll = NULL;
    code_free(c);
}

void code_poll(const struct code *c, bool stop)
{
    syscall(SYS_mprotect, c->poll, PAGE, stop ? PROT_NONE : PROT_READ);
}
