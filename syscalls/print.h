/*
 * Printers of system call arguments, in strace's spelling: one per kind (kinds.def), one per table of named
 * constants (flags.def), and the helpers they share. Text goes to a bounded buffer; guest memory is copied in
 * and printed from the copy; what cannot be read prints as its address. Nothing here fails.
 */
#ifndef NOAHV_SYSCALLS_PRINT_H
#define NOAHV_SYSCALLS_PRINT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "mem/gmem.h"
#include "syscalls/sysent.h"

/* Bytes of a string and elements of an array that are shown. */
#define PRINT_STR_MAX 32
#define PRINT_ARRAY_MAX 32

/* One call being printed. */
struct print {
    struct buf *b;
    struct gmem *mem;
    const struct sysent *e;
    const uint64_t *a; /* the arguments narrowed to their C types, signs extended */
    int i;             /* the one being printed */
    bool after;        /* the call has returned `ret` */
    int64_t ret;
    uint64_t before[SYS_ARGS_MAX]; /* what an argument pointed to before the call, of those it changes */
    struct timespec timeout;       /* the same of a timeout */
    int printed;                   /* arguments done */
};

/*
 * A printer writes its argument and returns true; or, of what the kernel writes, returns false before the
 * call: it and all that follow are printed after it.
 */
typedef bool (*print_fn)(struct print *p, uint64_t v);

#define KIND(name, type, marshal, size, printer) bool printer(struct print *p, uint64_t v);
#include "syscalls/kinds.def"
#undef KIND

/* A table of flags.def. */
struct print_name {
    const char *name;
    uint64_t value;
};

struct print_names {
    const struct print_name *at;
    uint16_t count;
    const char *unknown; /* comment on a value without a name */
};

#define BITS(table, unknown)                         \
    bool print_##table(struct print *p, uint64_t v); \
    extern const struct print_names names_##table;
#define ENUM(table, unknown) BITS(table, unknown)
#define NAME(name)
#define VALUE(name, value)
#define END(table)
#include "syscalls/flags.def"
#undef BITS
#undef ENUM
#undef NAME
#undef VALUE
#undef END

/* print.c: the whole call. */

/* "name(" and the arguments that can be printed before the call. */
void print_call(struct print *p, uint64_t nr);

/* The remaining arguments and ")". */
void print_rest(struct print *p);

/* print_result.c: "= -1 ENOENT (...)" and the like, and what the result means. */
void print_result(struct print *p);

/* The argument itself, narrowed to the kind's C type. */
uint64_t print_narrow(enum kind k, uint64_t v);

/* print.c: helpers */

void print_text(struct print *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Copies n bytes of guest memory; if that is impossible, prints the address instead and returns false. */
bool print_fetch(struct print *p, uint64_t addr, void *to, size_t n);

/* The same for what the kernel writes: also the address when the call failed. */
bool print_fetch_out(struct print *p, uint64_t addr, void *to, size_t n);

/* "text" with C escapes; `more` adds the dots of a string that goes on. */
void print_quoted(struct print *p, const void *text, size_t n, bool more);

/* Guest bytes [addr, addr + len) as a string, cut at PRINT_STR_MAX. */
void print_bytes(struct print *p, uint64_t addr, uint64_t len);

/* A NUL-terminated field of a struct, at most n bytes, cut at PRINT_STR_MAX. */
void print_field(struct print *p, const char *text, size_t n);

/* One name of the table, else 0x5 followed by the comment. */
void print_enum(struct print *p, const struct print_names *n, uint64_t v);

/* Names joined by bars, then the bits that have none. */
void print_bits(struct print *p, const struct print_names *n, uint64_t v);

/* Prints the known bits of v, `first` telling whether nothing precedes them, and returns the unknown ones. */
uint64_t print_known_bits(struct print *p, const struct print_names *n, uint64_t v, bool *first);

const char *print_find(const struct print_names *n, uint64_t v);

/* print_flags.c */
void print_term_output(struct print *p, uint32_t oflag); /* NL0|CR0|...|OPOST */
void print_term_rate(struct print *p, uint32_t cflag);   /* B38400|CS8|CREAD */
void print_mode_type(struct print *p, uint32_t mode);    /* S_IFREG|0644 */
void print_device(struct print *p, uint32_t major_nr, uint32_t minor_nr);
bool print_open_flags(struct print *p, uint64_t v); /* access mode included */

/* print_sig.c */
void print_sigmask(struct print *p, uint64_t mask); /* [INT CHLD] */
void print_siginfo_fields(struct print *p, const siginfo_t *info);

/* print_time.c */
void print_timespec_fields(struct print *p, const struct timespec *ts);
void print_ticks(struct print *p, const char *name, long ticks); /* clock ticks, with the seconds */

/* print_file.c */
void print_iovecs(struct print *p, uint64_t addr, uint64_t count, bool data, uint64_t limit);

/* print_net.c: a socket address of len bytes in guest memory. */
void print_sockaddr_at(struct print *p, uint64_t addr, uint64_t len);

#endif
