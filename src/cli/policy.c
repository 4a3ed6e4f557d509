/*
 * The command line's part of policies: files in, files and sentences out. What they mean is the library's.
 */
#include "cli/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/box.h"

#define say(...) log_line(LOG_ERROR, __VA_ARGS__)

enum { EXIT_NOAHV = 125 };

/* The policy of a file, with or without the addresses of its host names; NULL after a message. */
static struct noahv_policy *load(const char *file, bool resolve)
{
    struct noahv_policy *p = NULL;

    if (noahv_policy_create(&p) < 0) {
        say("out of memory");
    } else if (noahv_policy_load(p, file) < 0 || (resolve && noahv_policy_resolve(p) < 0)) {
        say("%s", noahv_policy_error(p));
        noahv_policy_destroy(p);
        p = NULL;
    }
    return p;
}

static void say_refusal(void *opaque, const char *line)
{
    (void)opaque;
    say("%s", line);
}

int policy_check(const char *file, const char *record)
{
    struct noahv_policy *p = load(file, record != NULL);
    int r = p ? 0 : -EINVAL;

    if (p && record) {
        r = noahv_policy_check(p, record, say_refusal, NULL);
        if (r < 0)
            say("%s", noahv_policy_error(p));
    }
    noahv_policy_destroy(p);
    return r < 0 ? EXIT_NOAHV : r > 0 ? EXIT_DENIED : 0;
}

static int explain(struct noahv_policy *p, const char *call, const char *object)
{
    char line[1024];
    int r = noahv_policy_explain(p, call, object, line, sizeof line);

    if (r < 0)
        say("%s", noahv_policy_error(p));
    else
        puts(line);
    return r < 0 ? EXIT_NOAHV : r ? 0 : EXIT_DENIED;
}

int policy_explain(const char *file, const char *call, const char *object)
{
    struct noahv_policy *p = load(file, true);
    char *line = NULL;
    size_t room = 0;
    int status = EXIT_NOAHV;

    if (!p)
        return EXIT_NOAHV;
    if (!call && getline(&line, &room, stdin) < 0)
        say("no line on standard input: give it a refusal of --report json, or CALL OBJECT");
    else if (!call || *call == '{')
        status = explain(p, NULL, call ? call : line);
    else
        status = explain(p, call, object ? object : "");
    free(line);
    noahv_policy_destroy(p);
    return status;
}

/* --- learn -------------------------------------------------------------------------------------------- */

struct noahv_policy *policy_learner(void)
{
    int fd = memfd_create("noahv-accesses", MFD_CLOEXEC), high;
    struct noahv_policy *p = NULL;

    high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0)
        close(fd);
    if (high < 0 || noahv_policy_create(&p) < 0 || noahv_policy_learn(p, high) < 0) {
        say("cannot keep a record of accesses: %s", strerror(errno));
        noahv_policy_destroy(p);
        return NULL;
    }
    return p;
}

static int open_file(const char *file, int *fd)
{
    *fd = file ? open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (file && *fd < 0) {
        say("cannot write %s: %s", file, strerror(errno));
        return EXIT_NOAHV;
    }
    return 0;
}

int policy_learn_open(struct learn *l)
{
    int r = open_file(l->out, &l->out_fd);

    return r ? r : open_file(l->accesses, &l->accesses_fd);
}

/* A word as a shell takes it; control characters, which a comment cannot hold, are lost. */
static void put_word(struct buf *b, const char *word)
{
    bool plain =
        *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,+@%-") ==
                     strlen(word);

    buf_puts(b, plain ? " " : " '");
    for (; *word; word++)
        if (*word == '\'')
            buf_puts(b, "'\\''");
        else
            buf_putc(b, (unsigned char)*word < ' ' ? '?' : *word);
    if (!plain)
        buf_putc(b, '\'');
}

/* What a file had before, behind what was written now, goes. */
static void end_file(const char *file, int fd)
{
    if (file && ftruncate(fd, lseek(fd, 0, SEEK_CUR)) < 0 && errno != EINVAL) /* a device, a pipe */
        say("cannot cut %s to its end: %s", file, strerror(errno));
}

int policy_learn_write(const struct learn *l, struct noahv_policy *p, char *const *command, unsigned seconds,
                       int status)
{
    const char *file = l->out ? l->out : "FILE";
    char title[2048];
    struct buf b;
    int notes, r;

    buf_init(&b, title, sizeof title);
    buf_puts(&b, "noahv box --policy");
    put_word(&b, file);
    for (; *command; command++)
        put_word(&b, *command);
    fflush(stdout);
    r = notes = noahv_policy_write(p, l->out ? l->out_fd : STDOUT_FILENO, title, seconds);
    if (r == -ESRCH) /* the program did not start, which has been said; the files stay as they were */
        return status;
    if (r >= 0 && l->accesses)
        r = noahv_policy_accesses(p, l->accesses_fd);
    end_file(l->out, l->out_fd);
    end_file(l->accesses, l->accesses_fd);
    if (r < 0)
        say("%s", noahv_policy_error(p));
    else if (notes > 0)
        say("%s: %d of the things that it used are not granted; comments there say which", file, notes);
    return r < 0 ? EXIT_NOAHV : status;
}
