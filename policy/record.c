/*
 * Records of accesses as lines of JSON, which libjansson reads. What they mean for a policy is check.c's and learn.c's.
 */
#include "policy/record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

static const struct {
    const char *name;
    unsigned flags;
} accesses[NR_ACCESSES] = {
#define FOLLOW AFLAG_FOLLOW
#define ENTRY AFLAG_ENTRY
#define CHANGE AFLAG_CHANGE
#define NETWORK AFLAG_NETWORK
#define FACT AFLAG_FACT
#define ACCESS(id, name, flags, meaning) { name, flags },
#include "policy/access.def"
#undef ACCESS
#undef FOLLOW
#undef ENTRY
#undef CHANGE
#undef NETWORK
#undef FACT
};

const char *access_name(enum policy_access a)
{
    return accesses[a].name;
}

unsigned access_flags(enum policy_access a)
{
    return accesses[a].flags;
}

enum policy_access access_named(const char *name)
{
    enum policy_access a = 0;

    while (a < NR_ACCESSES && strcmp(accesses[a].name, name) != 0)
        a++;
    return a;
}

void record_put(struct buf *b, const char *name, const char *text, size_t most)
{
    buf_printf(b, "%s\"%s\":\"", b->len > 1 ? "," : "", name);
    for (size_t n = 0; *text && n < most; text++, n++)
        if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\' || (unsigned char)*text >= 0x7f)
            buf_printf(b, "\\u%04x", (unsigned char)*text);
        else
            buf_putc(b, *text);
    buf_putc(b, '"');
}

char *record_line(enum policy_access a, const char *call, const char *object, const char *text, size_t *len)
{
    size_t cap = 6 * (strlen(call) + strlen(object) + strlen(text)) + 128; /* each byte escaped at worst */
    char *line = malloc(cap);
    struct buf b;

    if (!line)
        return NULL;
    buf_init(&b, line, cap);
    buf_putc(&b, '{');
    record_put(&b, "access", access_name(a), SIZE_MAX);
    record_put(&b, "syscall", call, SIZE_MAX);
    record_put(&b, "object", object, SIZE_MAX);
    if (a == ACCESS_LINK)
        record_put(&b, "text", text, SIZE_MAX);
    buf_puts(&b, "}\n");
    *len = b.len;
    return line;
}

/* --- Reading ------------------------------------------------------------------------------------------ */

/* A member's bytes, or "": each character below 256 is one. NULL: it holds others, or there is no memory. */
static char *bytes_of(const json_t *line, const char *name)
{
    const char *utf8 = json_string_value(json_object_get(line, name));
    char *out = malloc(utf8 ? strlen(utf8) + 1 : 1), *to = out;

    for (; out && utf8 && *utf8; utf8++) {
        unsigned c = (unsigned char)*utf8;

        if (c >= 0x80) { /* jansson has checked that it is UTF-8 */
            if (c > 0xc3) {
                free(out);
                return NULL;
            }
            c = (c & 3) << 6 | ((unsigned char)*++utf8 & 0x3f);
        }
        *to++ = (char)c;
    }
    if (out)
        *to = '\0';
    return out;
}

void record_free(struct record *r)
{
    free(r->call);
    free(r->object);
    free(r->text);
}

static int fill(struct record *out, const json_t *line, char *why)
{
    const char *access = json_string_value(json_object_get(line, "access"));

    out->access = access ? access_named(access) : NR_ACCESSES;
    out->call = bytes_of(line, "syscall");
    out->object = bytes_of(line, "object");
    out->text = bytes_of(line, "text");
    if (access && out->access == NR_ACCESSES)
        snprintf(why, RECORD_WHY_MAX, "\"%.60s\" is no access", access);
    else if (!json_is_object(line) || !json_is_string(json_object_get(line, "object")))
        snprintf(why, RECORD_WHY_MAX, "it has no \"object\"");
    else if (!out->call || !out->object || !out->text)
        snprintf(why, RECORD_WHY_MAX, "its names are no bytes");
    else
        return 0;
    record_free(out);
    return -EINVAL;
}

int record_parse(const char *line, size_t len, struct record *out, char *why)
{
    json_error_t error;
    json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    int r;

    if (!json) {
        snprintf(why, RECORD_WHY_MAX, "this is no line of JSON: %s", error.text);
        return -EINVAL;
    }
    r = fill(out, json, why);
    json_decref(json);
    return r;
}

static int by_all(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    int r = strcmp(x->object, y->object);

    r = r ? r : (int)x->access - (int)y->access;
    r = r ? r : strcmp(x->call, y->call);
    return r ? r : strcmp(x->text, y->text);
}

void records_free(struct record *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        record_free(&r[i]);
    free(r);
}

static void sort_once(struct record *r, size_t *n)
{
    size_t kept = 0;

    if (*n)
        qsort(r, *n, sizeof *r, by_all);
    for (size_t i = 0; i < *n; i++)
        if (kept && by_all(&r[kept - 1], &r[i]) == 0)
            record_free(&r[i]);
        else
            r[kept++] = r[i];
    *n = kept;
}

static int add(struct record **list, size_t *n, size_t *cap, const char *line, size_t len, char *why)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        struct record *grown = realloc(*list, more * sizeof **list);

        if (!grown) {
            snprintf(why, RECORD_WHY_MAX, "out of memory");
            return -ENOMEM;
        }
        *list = grown;
        *cap = more;
    }
    if (record_parse(line, len, &(*list)[*n], why) < 0)
        return -EINVAL;
    ++*n;
    if ((*list)[*n - 1].access != NR_ACCESSES)
        return 0;
    snprintf(why, RECORD_WHY_MAX, "it has no \"access\"");
    return -EINVAL;
}

int records_read(int fd, struct record **out, size_t *n, char *why)
{
    FILE *f = lseek(fd, 0, SEEK_SET) >= 0 || errno == ESPIPE ? fdopen(dup(fd), "r") : NULL;
    size_t room = 0, cap = 0, number = 0;
    char *line = NULL, text[RECORD_WHY_MAX - 32];
    ssize_t len;
    int r = 0;

    *out = NULL;
    *n = 0;
    if (!f) {
        snprintf(why, RECORD_WHY_MAX, "%s", strerror(errno));
        return -errno;
    }
    while (r == 0 && (len = getline(&line, &room, f)) >= 0) {
        number++;
        r = add(out, n, &cap, line, (size_t)len, why);
    }
    if (r == 0 && ferror(f)) {
        r = -EIO;
        snprintf(why, RECORD_WHY_MAX, "%s", strerror(errno));
    }
    if (r < 0 && number) {
        snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, why);
        snprintf(why, RECORD_WHY_MAX, "%zu: %s", number, text);
    }
    free(line);
    fclose(f);
    if (r < 0)
        records_free(*out, *n);
    else
        sort_once(*out, n);
    return r;
}
