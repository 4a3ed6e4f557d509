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

static int map_both(struct code *c, int fd)
{
    uint8_t *at;

    if (ftruncate(fd, (off_t)c->size) < 0)
        return -errno;
    c->rw = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (c->rw == MAP_FAILED)
        return -errno;
    at = mmap(NULL, PAGE + c->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    c->poll = at;
    c->rx = mmap(at + PAGE, c->size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
    if (c->rx == MAP_FAILED)
        return -errno;
    /* What every program needs, at once: cheaper than a fault a page. Old kernels take the faults. */
    madvise(c->rw, MIN(c->size, CODE_FIRST), 23 /* MADV_POPULATE_WRITE */);
    return 0;
}

int code_init(struct code *c, size_t size)
{
    int fd = memfd_create("noahv-code", MFD_CLOEXEC), r;

    *c = (struct code){ .size = size };
    if (fd < 0)
        return -errno;
    r = map_both(c, fd);
    close(fd);
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

void code_poll(const struct code *c, bool stop)
{
    syscall(SYS_mprotect, c->poll, PAGE, stop ? PROT_NONE : PROT_READ);
}
