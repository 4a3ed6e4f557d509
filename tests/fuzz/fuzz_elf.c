/*
 * The ELF loader against any file: it may refuse, with words, but it never crashes, and what it accepts can be
 * mapped, also as its own dynamic loader, or is refused in its turn.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loader/loader.h"
#include "mem/copy.h"
#include "mem/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem mem;
static int fd = -1;

static void start(void)
{
    fd = memfd_create("elf", MFD_CLOEXEC);
    if (fd < 0 || fault_install(NULL) != 0 || fault_thread_init() != 0 || gmem_init(&mem, GIB) != 0)
        abort();
}

static void refused_in_words(int err, const char *why)
{
    if (err > 0 || (err < 0 && (why[0] == '\0' || strnlen(why, LOADER_WHY_MAX) == LOADER_WHY_MAX)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct layout layout = { .pie_base = 0x20000000,
                                          .interp_top = 0x38000000,
                                          .stack_top = GIB };
    char why[LOADER_WHY_MAX], interp[PATH_MAX], page[16];
    struct image img = { 0 };
    int err;

    if (fd < 0)
        start();
    if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    err = elf_check(fd, interp, why);
    refused_in_words(err, why);
    if (err)
        return 0;
    err = elf_map(&mem, fd, interp[0] ? fd : -1, &layout, &img, why);
    refused_in_words(err, why);
    if (!err && (img.brk > GIB || !gmem_is_free(&mem, 0, PAGE_BYTES)))
        abort();
    copy_in_some(&mem, page, img.start, sizeof page);
    if (gmem_reset(&mem) != 0)
        abort();
    return 0;
}
