/*
 * Messages to the person who runs noahv. Each is one line, begins "noahv: ", and goes to one sink that
 * the embedding program may replace. Notes (unsupported call, ignored option) appear under --verbose only;
 * errors always. Nothing here is async-signal-safe.
 */
#ifndef NOAHV_BASE_LOG_H
#define NOAHV_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_NOTE, LOG_JIT, NR_LOG_LEVELS };

typedef void (*log_sink_fn)(void *opaque, enum log_level level, const char *line);

/* Sets where lines go, before other threads log; NULL restores the default (the descriptor of log_set_fd). */
void log_set_sink(log_sink_fn sink, void *opaque);

/* Chooses the descriptor the default sink writes to (at first stderr's); -1 silences it. Not owned. */
void log_set_fd(int fd);

/* True when lines go to a sink, or nowhere. */
bool log_silent(void);

/* Notes are dropped below this level. */
void log_set_level(enum log_level level);
bool log_on(enum log_level level);
enum log_level log_level_get(void);

/* Formats one line, without prefix or newline in `fmt`; control characters become '?'. Keeps errno. */
/* The same without a prefix: a line for programs. */
void log_record(const char *text);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
