/*
 * Policies and records of accesses from any bytes, the one up to a NUL, the other behind it: refused in words or taken; every
 * access is decided, in words; and the policy that is learned from a record is always one that can be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of these bytes, and its name. */
static int file_of(const uint8_t *data, size_t size, char name[32])
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(name, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static struct noahv_policy *new_policy(void)
{
    struct noahv_policy *p;

    if (noahv_policy_create(&p) < 0)
        abort();
    return p;
}

static void in_words(int err, const struct noahv_policy *p)
{
    if (err < 0 && !*noahv_policy_error(p))
        abort();
}

static void said(void *opaque, const char *line)
{
    (void)opaque;
    if (strncmp(line, "refused ", 8) != 0)
        abort();
}

static void explain(struct noahv_policy *p, const char *line)
{
    char text[300] = "";
    int r = noahv_policy_explain(p, NULL, line, text, sizeof text);

    in_words(r, p);
    if (r >= 0 && (!*text || (strncmp(text, "refused ", 8) == 0) != (r == 0)))
        abort();
}

/* What is learned from it is a policy. */
static void learn(int record)
{
    struct noahv_policy *p = new_policy(), *learned = new_policy();
    char name[32];
    int out = file_of(NULL, 0, name), r;

    if (noahv_policy_learn(p, record) < 0)
        abort();
    r = noahv_policy_write(p, out, "title", 100);
    in_words(r, p);
    if (r >= 0 && noahv_policy_load(learned, name) < 0) {
        fprintf(stderr, "%s\n", noahv_policy_error(learned));
        abort();
    }
    close(out);
    noahv_policy_destroy(learned);
    noahv_policy_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, '\0', size);
    size_t first = nul ? (size_t)(nul - data) : size, rest = nul ? size - first - 1 : 0;
    struct noahv_policy *p = new_policy();
    char policy_name[32], record_name[32], line[512];
    int policy = file_of(data, first, policy_name), record = file_of(data + size - rest, rest, record_name);

    in_words(noahv_policy_load(p, policy_name), p);
    in_words(noahv_policy_check(p, record_name, said, NULL), p);
    snprintf(line, sizeof line, "%.*s", (int)(rest < 511 ? rest : 511), (const char *)data + size - rest);
    explain(p, line);
    learn(record);
    close(policy);
    close(record);
    noahv_policy_destroy(p);
    return 0;
}
