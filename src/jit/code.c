/*
 * The two mappings. The writable one lies at an address of the host kernel's choosing that generated code never
 * holds.
 */
#include "jit/code.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

#define CODE_FIRST ((size_t)128 << 10)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void code_populate(void *at, size_t bytes)
{
    madvise(at, bytes, MADV_POPULATE_WRITE);
}

/*
 * Anonymous shared memory, and the same once more: an mremap of length 0 duplicates. A memfd would need a free
 * descriptor and a file size limit (RLIMIT_FSIZE) that permits it; both are the guest's.
 */
static int map_both(struct code *c)
{
    c->rw = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c->rw == MAP_FAILED)
        return -errno;
    c->rx = mremap(c->rw, 0, c->size, MREMAP_MAYMOVE);
    if (c->rx == MAP_FAILED || mprotect(c->rx, c->size, PROT_READ | PROT_EXEC) < 0)
        return -errno;
    code_populate(c->rw, MIN(c->size, CODE_FIRST));
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

void code_freeze(struct code *c)
{
    c->frozen = true;
}

int code_thaw(struct code *c)
{
    uint8_t *copy =
        mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *run;

    if (copy == MAP_FAILED)
        return -errno;
    code_populate(copy, MIN(c->size, MAX(c->used + CODE_FIRST / 4, CODE_FIRST)));
    memcpy(copy, c->rw, c->used);
    run = mremap(copy, 0, c->size, MREMAP_MAYMOVE);
    /*
     * The kernel refuses before it unmaps what is in the way, if it does: what is left then can still be freed, and run.
     * Whoever runs it meanwhile sees one or the other, and never what cannot be executed.
     */
    if (run == MAP_FAILED || mprotect(run, c->size, PROT_READ | PROT_EXEC) < 0 ||
        mremap(run, c->size, c->size, MREMAP_MAYMOVE | MREMAP_FIXED, c->rx) == MAP_FAILED) {
        if (run != MAP_FAILED)
            munmap(run, c->size);
        munmap(copy, c->size);
        return -ENOMEM;
    }
    if (mremap(copy, c->size, c->size, MREMAP_MAYMOVE | MREMAP_FIXED, c->rw) == MAP_FAILED) {
        munmap(copy, c->size);
        return -ENOMEM;
    }
    c->frozen = false;
    return 0;
}

void code_free(struct code *c)
{
    if (c->rw && c->rw != MAP_FAILED)
        munmap(c->rw, c->size);
    if (c->rx && c->rx != MAP_FAILED)
        munmap(c->rx, c->size);
    *c = (struct code){ 0 };
}

void code_retire(struct code *c)
{
    /* Over the old mappings, in one step: nobody else can be given these addresses. Failing that, they are freed. */
    if (c->rx && c->rx != MAP_FAILED &&
        mmap(c->rx, c->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
            MAP_FAILED)
        c->rx = NULL;
    code_free(c);
}
