/*
 * /tmp/perf-PID.map, where perf(1) looks up addresses in memory that no file is mapped to: a line "START SIZE NAME", in
 * hexadecimal, for each stub and each block. Lines are only added. So that they stay true, code addresses are not used
 * twice while there is a map: a flush goes on behind what it forgets, and freed code memory stays reserved.
 *
 * The file is opened for each line: a descriptor that stays open would be one more to keep from the guest, and a
 * child of fork has a map of its own.
 */
#include "jit/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "jit/jit.h"
#include "jit/show.h"
#include "jit/symbols.h"

static void map_path(char *path, size_t cap)
{
    snprintf(path, cap, "/tmp/perf-%d.map", (int)getpid());
}

int jit_perf_map_begin(void)
{
    char path[64];
    int fd;

    map_path(path, sizeof path);
    unlink(path); /* of a process that had this number before */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* The guest's limit of file sizes holds for us too, and its signal would come to the guest. */
static bool may_grow(int fd, size_t len)
{
    struct rlimit max;
    struct stat st;

    if (fstat(fd, &st) < 0 || getrlimit(RLIMIT_FSIZE, &max) < 0)
        return false;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        !range_within((uint64_t)st.st_size, len, max.rlim_cur)) {
        errno = EFBIG;
        return false;
    }
    return true;
}

static bool append(const char *path, const struct buf *b)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC), saved;
    bool done;

    if (fd < 0)
        return false;
    done = may_grow(fd, b->len) && write(fd, b->at, b->len) == (ssize_t)b->len;
    saved = errno;
    close(fd);
    errno = saved;
    return done;
}

static void add(struct jit *j, const struct buf *b)
{
    char path[64];

    if (j->map_ended)
        return;
    map_path(path, sizeof path);
    if (append(path, b))
        return;
    j->map_ended = true;
    log_line(LOG_ERROR, "%s ends here: %s; what is translated from now on has no name in profiles", path,
             strerror(errno));
}

static void put_range(struct buf *b, const uint8_t *at, size_t len)
{
    buf_printf(b, "%llx %zx ", (unsigned long long)(uintptr_t)at, len);
}

void perfmap_stubs(struct jit *j)
{
    const uint8_t *at, *next, *end = j->code.rx + j->stubs_end;
    char text[1024];
    const char *name;
    struct buf b;

    buf_init(&b, text, sizeof text);
    for (unsigned k = 0; (name = show_stub(j, k, &at)) != NULL; k++) {
        put_range(&b, at, (size_t)((show_stub(j, k + 1, &next) ? next : end) - at));
        buf_printf(&b, "%s [noahv]\n", name);
    }
    add(j, &b);
}

void perfmap_block(struct jit *j, const struct hart *h, uint64_t pc, const uint8_t *code, size_t len)
{
    char text[512];
    struct buf b;

    buf_init(&b, text, sizeof text);
    put_range(&b, code, len);
    symbols_name(j->symbols, h, pc, &b);
    buf_putc(&b, '\n');
    add(j, &b);
}
