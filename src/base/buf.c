/*
 * The bounded text builder. Everything goes through buf_putn or vsnprintf, each given the room that is left;
 * it does not allocate and does not tell its callers to stop: they look at `cut` once, at the end.
 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

/* Characters that still fit, the NUL not counted. */
static size_t buf_room(const struct buf *b)
{
    return b->cap ? b->cap - 1 - b->len : 0;
}

void buf_init(struct buf *b, char *at, size_t cap)
{
    *b = (struct buf){ .at = at, .cap = cap };
    if (cap)
        at[0] = '\0';
}

void buf_putn(struct buf *b, const char *s, size_t n)
{
    size_t room = buf_room(b);

    if (n > room) {
        n = room;
        b->cut = true;
    }
    if (!n)
        return;
    memcpy(b->at + b->len, s, n);
    b->len += n;
    b->at[b->len] = '\0';
}

void buf_putc(struct buf *b, char c)
{
    buf_putn(b, &c, 1);
}

void buf_puts(struct buf *b, const char *s)
{
    buf_putn(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    size_t room = buf_room(b);
    int n = vsnprintf(b->cap ? b->at + b->len : NULL, b->cap ? room + 1 : 0, fmt, ap);

    if (n < 0) {
        b->cut = true;
        return;
    }
    if ((size_t)n > room) {
        b->cut = true;
        b->len += room;
    } else {
        b->len += (size_t)n;
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}
