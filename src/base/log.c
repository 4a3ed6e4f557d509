/*
 * Messages to the person who runs noahv: formats, cleans and hands over one line at a time. It takes no lock,
 * so that a child of fork can never find it held.
 */
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOG_PREFIX "noahv: "
#define LOG_TEXT_MAX 1000 /* bytes of text; the rest of a longer line is cut */

static log_sink_fn log_sink;
static void *log_opaque;
static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_max = LOG_ERROR;

void log_set_sink(log_sink_fn sink, void *opaque)
{
    log_sink = sink;
    log_opaque = opaque;
}

void log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_max, (int)level);
}

enum log_level log_level_get(void)
{
    return (enum log_level)atomic_load(&log_max);
}

bool log_silent(void)
{
    return log_sink || atomic_load(&log_fd) < 0;
}

bool log_on(enum log_level level)
{
    return level == LOG_ERROR || (int)level <= atomic_load_explicit(&log_max, memory_order_relaxed);
}

/* One write, so that lines of several processes do not mix. */
static void log_write(const char *text)
{
    char out[sizeof LOG_PREFIX + LOG_TEXT_MAX + 1];
    int fd = atomic_load(&log_fd);
    int n = snprintf(out, sizeof out, LOG_PREFIX "%s\n", text);
    ssize_t done;

    if (fd < 0)
        return;
    do {
        done = write(fd, out, (size_t)n);
    } while (done < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char text[LOG_TEXT_MAX + 1];
    int saved = errno;
    va_list ap;

    if (!log_on(level))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* Text may quote the guest: it must not end the line early or drive the reader's terminal. */
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (log_sink)
        log_sink(log_opaque, level, text);
    else
        log_write(text);
    errno = saved;
}

void log_record(const char *text)
{
    struct iovec v[2] = { { (void *)(uintptr_t)text, strlen(text) }, { (void *)(uintptr_t) "\n", 1 } };
    int fd = atomic_load(&log_fd);

    if (log_sink)
        log_sink(log_opaque, LOG_ERROR, text);
    else if (fd >= 0)
        while (writev(fd, v, 2) < 0 && errno == EINTR)
            ;
}
