/*
 * Records of what a program used, an access per line: {"access":"read","syscall":"openat","object":"/etc/hosts"}. Names
 * of files are bytes: those that are not ASCII stand as \u00XX, as in the refusals of --report json.
 */
#ifndef NOAHV_POLICY_RECORD_H
#define NOAHV_POLICY_RECORD_H

#include "base/buf.h"
#include "policy/policy.h"

enum policy_access {
#define ACCESS(id, name, flags, meaning) ACCESS_##id,
#include "policy/access.def"
#undef ACCESS
    NR_ACCESSES
};

enum access_flag { AFLAG_FOLLOW = 1, AFLAG_ENTRY = 2, AFLAG_CHANGE = 4, AFLAG_NETWORK = 8, AFLAG_FACT = 16 };

const char *access_name(enum policy_access a);
unsigned access_flags(enum policy_access a); /* enum access_flag */

/* The access of that name; NR_ACCESSES: there is none. */
enum policy_access access_named(const char *name);

/* Strings are owned. */
struct record {
    enum policy_access access; /* NR_ACCESSES: the line does not say, as that of a refusal */
    char *call;                /* name of the system call; "" */
    char *object; /* as the program asked for it, but absolute; of a link: where it is on the host */
    char *text;   /* of a link; else "" */
};

/* One member of a JSON object: `,"name":"text"`, at most `most` bytes of the text. */
void record_put(struct buf *b, const char *name, const char *text, size_t most);

/* Such a line, with its newline, as a string that the caller frees: *len bytes. NULL: out of memory. */
char *record_line(enum policy_access a, const char *call, const char *object, const char *text, size_t *len);

/* Reads one line. -EINVAL: it is none, `why` says so (RECORD_WHY_MAX bytes); then there is nothing to free. */
#define RECORD_WHY_MAX 256
int record_parse(const char *line, size_t len, struct record *out, char *why);
void record_free(struct record *r);

/*
 * All of a file's records, sorted and each once; `why` as above, with the number of the line. The array and what
 * is in it are the caller's: records_free.
 */
int records_read(int fd, struct record **out, size_t *n, char *why);
void records_free(struct record *r, size_t n);

#endif
