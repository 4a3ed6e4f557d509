/*
 * Writing and reading the text of /proc files. Knows nothing of what they say.
 */
#include "syscalls/procgen.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"

void gen_start(struct gen *g, int fd)
{
    g->fd = fd;
    buf_init(&g->b, g->mem, sizeof g->mem);
}

void gen_flush(struct gen *g)
{
    size_t done = 0;

    while (done < g->b.len) {
        int64_t n = HOST_RAW(SYS_write, g->fd, g->mem + done, g->b.len - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    buf_init(&g->b, g->mem, sizeof g->mem);
}

void gen_line_done(struct gen *g)
{
    if (g->b.len > sizeof g->mem / 4)
        gen_flush(g);
}

void gen_guest(struct task *t, struct gen *g, gva_t from, gva_t to)
{
    char chunk[1024];

    to = MIN(to, from + GEN_GUEST_MAX);
    while (from < to) {
        size_t want = MIN(sizeof chunk, to - from), n = copy_in_some(t->mem, chunk, from, want);

        buf_putn(&g->b, chunk, n);
        gen_line_done(g);
        if (n < want)
            return;
        from += n;
    }
}

int lines_open(struct lines *l, int dirfd, const char *name)
{
    l->at = l->n = 0;
    l->fd = (int)fd_open(dirfd, name, O_RDONLY | O_CLOEXEC);
    return MIN(l->fd, 0);
}

void lines_close(struct lines *l)
{
    if (l->fd >= 0)
        HOST_RAW(SYS_close, l->fd);
}

char *lines_next(struct lines *l)
{
    for (;;) {
        char *start = l->mem + l->at, *end = memchr(start, '\n', l->n - l->at);
        int64_t n;

        if (!end && l->at == 0 && l->n == sizeof l->mem - 1)
            end = start + l->n;
        if (end) {
            *end = '\0';
            l->at = MIN((size_t)(end + 1 - l->mem), l->n);
            return start;
        }
        memmove(l->mem, start, l->n - l->at);
        l->n -= l->at;
        l->at = 0;
        n = l->fd < 0 ? 0 : HOST_RAW(SYS_read, l->fd, l->mem + l->n, sizeof l->mem - 1 - l->n);
        if (n <= 0)
            return NULL;
        l->n += (size_t)n;
    }
}
