/*
 * The end of the line for our own mistakes. Nothing a guest does may lead here.
 */
#include "base/util.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

/* Provided by the linker: the start of our image, to make an address of ours meaningful. */
extern const char __ehdr_start[] __attribute__((weak, visibility("hidden")));

void bug(const char *file, int line, const char *what)
{
    log_line(LOG_ERROR, "internal error: %s:%d: %s", file, line, what);
    abort();
}

static char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

static char *put_hex(char *at, uint64_t v)
{
    at = put_text(at, "0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[v >> shift & 15];
    return at;
}

void bug_fault(uint64_t pc, uint64_t addr)
{
    char line[160], *end = line;
    ssize_t unused;

    end = put_text(end, "noahv: internal error: host fault at ");
    end = put_hex(end, pc);
    end = put_text(end, " (image at ");
    end = put_hex(end, (uint64_t)(uintptr_t)__ehdr_start);
    end = put_text(end, ") on address ");
    end = put_hex(end, addr);
    end = put_text(end, "\n");
    unused = write(STDERR_FILENO, line, (size_t)(end - line));
    (void)unused;
    _exit(125);
}
