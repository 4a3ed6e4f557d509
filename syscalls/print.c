/*
 * Prints one system call: the walk over its arguments, and the helpers and printers of plain numbers, strings
 * and bytes that everything else is made of. What a struct looks like is told in print_*.c.
 */
#include "syscalls/print.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "mem/copy.h"

static const print_fn printers[NR_KINDS] = {
#define KIND(name, type, marshal, size, printer) [KIND_##name] = printer,
#include "syscalls/kinds.def"
#undef KIND
};

/* --- Text --------------------------------------------------------------------------------------------- */

void print_text(struct print *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(p->b, fmt, ap);
    va_end(ap);
}

/* Forgets what was written after `len`. */
static void rewind_to(struct buf *b, size_t len)
{
    b->len = len;
    b->at[len] = '\0';
}

static void print_escape(struct buf *b, unsigned char c, bool digit_follows)
{
    switch (c) {
    case '"':
    case '\\':
        buf_putc(b, '\\');
        buf_putc(b, (char)c);
        break;
    case '\t':
        buf_puts(b, "\\t");
        break;
    case '\n':
        buf_puts(b, "\\n");
        break;
    case '\v':
        buf_puts(b, "\\v");
        break;
    case '\f':
        buf_puts(b, "\\f");
        break;
    case '\r':
        buf_puts(b, "\\r");
        break;
    default:
        if (c >= ' ' && c <= '~')
            buf_putc(b, (char)c);
        else
            buf_printf(b, digit_follows ? "\\%03o" : "\\%o", c);
    }
}

void print_quoted(struct print *p, const void *text, size_t n, bool more)
{
    const unsigned char *s = text;

    buf_putc(p->b, '"');
    for (size_t i = 0; i < n; i++)
        print_escape(p->b, s[i], i + 1 < n && s[i + 1] >= '0' && s[i + 1] <= '9');
    buf_puts(p->b, more ? "\"..." : "\"");
}

void print_field(struct print *p, const char *text, size_t n)
{
    size_t len = strnlen(text, n);

    print_quoted(p, text, MIN(len, PRINT_STR_MAX), len > PRINT_STR_MAX);
}

/* --- Guest memory ------------------------------------------------------------------------------------- */

bool print_fetch(struct print *p, uint64_t addr, void *to, size_t n)
{
    if (addr && copy_in(p->mem, to, addr, n) == 0)
        return true;
    print_addr(p, addr);
    return false;
}

bool print_fetch_out(struct print *p, uint64_t addr, void *to, size_t n)
{
    if (p->ret >= 0)
        return print_fetch(p, addr, to, n);
    print_addr(p, addr);
    return false;
}

void print_bytes(struct print *p, uint64_t addr, uint64_t len)
{
    size_t n = MIN(len, PRINT_STR_MAX);
    char text[PRINT_STR_MAX];

    if (!addr || copy_in(p->mem, text, addr, n) < 0)
        print_addr(p, addr);
    else
        print_quoted(p, text, n, len > n);
}

bool print_str(struct print *p, uint64_t v)
{
    char text[PRINT_STR_MAX + 1];
    size_t got = v ? copy_in_some(p->mem, text, v, sizeof text) : 0;
    const char *end = memchr(text, '\0', got);

    if (end)
        print_quoted(p, text, (size_t)(end - text), false);
    else if (got == sizeof text)
        print_quoted(p, text, PRINT_STR_MAX, true);
    else
        print_addr(p, v);
    return true;
}

bool print_path(struct print *p, uint64_t v)
{
    char text[PATH_MAX];
    ssize_t n = v ? copy_str(p->mem, text, v, sizeof text) : -EFAULT;

    if (n >= 0)
        print_quoted(p, text, (size_t)n, false);
    else if (n == -ENAMETOOLONG && copy_in(p->mem, text, v, sizeof text) == 0)
        print_quoted(p, text, sizeof text - 1, true);
    else
        print_addr(p, v);
    return true;
}

bool print_ibuf(struct print *p, uint64_t v)
{
    int64_t len = p->i + 1 < p->e->nargs ? (int64_t)p->a[p->i + 1] : 0;

    if (len < 0)
        return print_addr(p, v);
    print_bytes(p, v, (uint64_t)len);
    return true;
}

/* As many bytes as the call says it has written. */
bool print_obuf(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    if (p->ret < 0 || p->i + 1 >= p->e->nargs)
        print_addr(p, v);
    else
        print_bytes(p, v, MIN((uint64_t)p->ret, p->a[p->i + 1]));
    return true;
}

/* The length that getcwd returns counts the NUL. */
bool print_cwdbuf(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_path(p, v);
}

bool print_randbuf(struct print *p, uint64_t v)
{
    uint8_t bytes[PRINT_STR_MAX];
    size_t n;

    if (!p->after)
        return false;
    n = p->ret < 0 ? 0 : MIN((uint64_t)p->ret, sizeof bytes);
    if (!print_fetch_out(p, v, bytes, n))
        return true;
    buf_putc(p->b, '"');
    for (size_t i = 0; i < n; i++)
        buf_printf(p->b, "\\x%02x", bytes[i]);
    buf_puts(p->b, (uint64_t)p->ret > n ? "\"..." : "\"");
    return true;
}

/* --- Numbers ------------------------------------------------------------------------------------------ */

bool print_int(struct print *p, uint64_t v)
{
    print_text(p, "%" PRId64, (int64_t)v);
    return true;
}

bool print_uint(struct print *p, uint64_t v)
{
    print_text(p, "%" PRIu64, v);
    return true;
}

bool print_hex(struct print *p, uint64_t v)
{
    print_text(p, "%#" PRIx64, v);
    return true;
}

bool print_addr(struct print *p, uint64_t v)
{
    if (v)
        print_text(p, "0x%" PRIx64, v);
    else
        buf_puts(p->b, "NULL");
    return true;
}

bool print_hidden(struct print *p, uint64_t v)
{
    (void)p;
    (void)v;
    return true;
}

/* -1 means "leave it as it is". */
bool print_uid(struct print *p, uint64_t v)
{
    return v == UINT32_MAX ? print_int(p, (uint64_t)-1) : print_uint(p, v);
}

bool print_mode(struct print *p, uint64_t v)
{
    print_text(p, "%#03o", (unsigned)v);
    return true;
}

/* A number the kernel wrote: [7]. */
static bool print_cell(struct print *p, uint64_t addr, size_t size, const char *fmt)
{
    uint64_t v = 0;

    if (!p->after)
        return false;
    if (print_fetch_out(p, addr, &v, size)) {
        buf_putc(p->b, '[');
        if (*fmt == 'd')
            print_int(p, size == 4 ? (uint64_t)(int64_t)(int32_t)v : v);
        else if (*fmt == 'u')
            print_uint(p, v);
        else
            print_addr(p, v);
        buf_putc(p->b, ']');
    }
    return true;
}

bool print_oint(struct print *p, uint64_t v)
{
    return print_cell(p, v, 4, "d");
}

bool print_ouint(struct print *p, uint64_t v)
{
    return print_cell(p, v, 4, "u");
}

bool print_oulong(struct print *p, uint64_t v)
{
    return print_cell(p, v, 8, "u");
}

bool print_oaddr(struct print *p, uint64_t v)
{
    return print_cell(p, v, 8, "p");
}

/* --- Tables of names ---------------------------------------------------------------------------------- */

const char *print_find(const struct print_names *n, uint64_t v)
{
    for (unsigned i = 0; i < n->count; i++)
        if (n->at[i].value == v)
            return n->at[i].name;
    return NULL;
}

void print_enum(struct print *p, const struct print_names *n, uint64_t v)
{
    const char *name = print_find(n, v);

    if (name)
        buf_puts(p->b, name);
    else
        print_text(p, "%#" PRIx64 " /* %s */", v, n->unknown);
}

uint64_t print_known_bits(struct print *p, const struct print_names *n, uint64_t v, bool *first)
{
    for (unsigned i = 0; i < n->count && v; i++) {
        uint64_t bits = n->at[i].value;

        if (!bits || (v & bits) != bits)
            continue;
        if (!*first)
            buf_putc(p->b, '|');
        buf_puts(p->b, n->at[i].name);
        *first = false;
        v &= ~bits;
    }
    return v;
}

void print_bits(struct print *p, const struct print_names *n, uint64_t v)
{
    const char *zero = v ? NULL : print_find(n, 0);
    bool first = true;
    uint64_t rest;

    if (!v) {
        buf_puts(p->b, zero ? zero : "0");
        return;
    }
    rest = print_known_bits(p, n, v, &first);
    if (!rest)
        return;
    if (first)
        print_text(p, "%#" PRIx64 " /* %s */", rest, n->unknown);
    else
        print_text(p, "|%#" PRIx64, rest);
}

/* --- The call ----------------------------------------------------------------------------------------- */

uint64_t print_narrow(enum kind k, uint64_t v)
{
    const struct kind_desc *d = &kind_desc[k];

    if (d->bytes != 4)
        return v;
    return d->is_signed ? (uint64_t)(int64_t)(int32_t)v : (uint32_t)v;
}

static void print_args(struct print *p)
{
    struct buf *b = p->b;

    for (; p->i < p->e->nargs; p->i++) {
        size_t before = b->len, at;

        if (p->printed)
            buf_puts(b, ", ");
        at = b->len;
        if (!printers[p->e->kind[p->i]](p, p->a[p->i])) {
            rewind_to(b, before);
            return;
        }
        if (b->len == at)
            rewind_to(b, before); /* an argument that is not shown */
        else
            p->printed++;
    }
}

/* Notes what the call is going to overwrite: arguments behind one that the kernel writes are printed late. */
static void remember(struct print *p)
{
    for (int i = 0; i < p->e->nargs; i++) {
        size_t n = 0;

        p->before[i] = 0;
        if (p->e->kind[i] == KIND_SOCKLEN)
            n = sizeof(uint32_t);
        else if (p->e->kind[i] == KIND_OFFPTR)
            n = sizeof(uint64_t);
        else if (p->e->kind[i] == KIND_TIMEOUT)
            copy_in_some(p->mem, &p->timeout, p->a[i], sizeof p->timeout);
        if (n)
            copy_in_some(p->mem, &p->before[i], p->a[i], n);
    }
}

void print_call(struct print *p, uint64_t nr)
{
    p->i = p->printed = 0;
    p->after = false;
    if (p->e) {
        remember(p);
        print_text(p, "%s(", p->e->name);
        print_args(p);
        return;
    }
    print_text(p, "syscall_%#" PRIx64 "(", nr);
    for (int i = 0; i < SYS_ARGS_MAX; i++)
        print_text(p, i ? ", %#" PRIx64 : "%#" PRIx64, p->a[i]);
}

void print_rest(struct print *p)
{
    p->after = true;
    if (p->e)
        print_args(p);
    buf_putc(p->b, ')');
}
