/*
 * Bounded text builder for trace lines, disassembly and generated /proc files. It never allocates, never
 * overruns and remembers whether anything was cut.
 */
#ifndef NOAHV_BASE_BUF_H
#define NOAHV_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *at;   /* owned by the caller; always NUL-terminated when cap > 0 */
    size_t len; /* bytes written, without the NUL */
    size_t cap; /* bytes available, with the NUL */
    bool cut;   /* something did not fit */
};

void buf_init(struct buf *b, char *at, size_t cap);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_putn(struct buf *b, const char *s, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);

#endif
