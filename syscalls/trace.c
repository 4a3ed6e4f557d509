/*
 * Writes the trace: which calls are shown, the line in progress of each thread, and the lines of signals and
 * ends. How arguments look is told in print*.c.
 */
#include "syscalls/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syscalls/fd.h"
#include "syscalls/handover.h"
#include "syscalls/linux.h"
#include "syscalls/print.h"
#include "syscalls/signal.h"

/* Where strace puts the result of a short call. */
#define RESULT_COLUMN 40

/* The call without arguments whose frame strace shows all the same. */
#define NR_RT_SIGRETURN 139

/* The register of the result. */
#define REG_A0 10

/* Longest line; what a call has to say beyond is cut. */
#define LINE_MAX_BYTES 16384

struct trace {
    int fd; /* one of noahv's own, and may move */
    bool follow;
    pid_t only;                      /* the one thread that is traced, when not following */
    bool unknown;                    /* numbers that no call has are shown */
    uint64_t shown[NR_SYS / 64 + 1]; /* a bit per call */
};

/* The call in progress of this thread. */
static _Thread_local struct line {
    pid_t tid;     /* whose it is: a child made with CLONE_VM alone shares this memory */
    pid_t newborn; /* a task about to return from a call that its parent has made */
    bool open;
    struct print print;
    uint64_t args[SYS_ARGS_MAX];
    struct buf buf;
    char text[LINE_MAX_BYTES];
} line;

/* --- Filter ------------------------------------------------------------------------------------------- */

static bool has_kind(const struct sysent *e, enum marshal m1, enum marshal m2)
{
    for (int i = 0; i < e->nargs; i++) {
        uint8_t m = kind_desc[e->kind[i]].marshal;

        if (m == m1 || m == m2)
            return true;
    }
    return false;
}

/* strace's classes are by argument for files and descriptors, by purpose for the rest. */
static bool in_class(const struct sysent *e, const char *word, size_t n)
{
    static const struct {
        const char *word;
        enum sys_class class;
    } also[] = {
        { "net", CLASS_NET },
        { "time", CLASS_TIME },
        { "cred", CLASS_CRED },
    };
    const char *name = sys_class_name(e->class);

    if (strlen(name) == n && memcmp(name, word, n) == 0)
        return true;
    for (unsigned i = 0; i < ARRAY_SIZE(also); i++)
        if (strlen(also[i].word) == n && memcmp(also[i].word, word, n) == 0)
            return e->class == also[i].class;
    if (n == 4 && memcmp(word, "file", n) == 0)
        return has_kind(e, M_PATH, M_PATH);
    return n == 4 && memcmp(word, "desc", n) == 0 && has_kind(e, M_FD, M_DIRFD);
}

/* Shows what one word of the filter names; false when it names nothing. */
static bool filter_word(struct trace *tr, const char *word, size_t n)
{
    bool class = n > 1 && word[0] == '%', found = false;

    for (int nr = 0; nr < NR_SYS; nr++) {
        const struct sysent *e = &sysent[nr];
        bool hit;

        if (!e->name)
            continue;
        hit = class ? in_class(e, word + 1, n - 1) : strlen(e->name) == n && memcmp(e->name, word, n) == 0;
        if (hit)
            tr->shown[nr >> 6] |= (uint64_t)1 << (nr & 63);
        found |= hit;
    }
    return found;
}

static int filter_parse(struct trace *tr, const char *filter)
{
    bool negate;

    if (strncmp(filter, "trace=", 6) == 0)
        filter += 6;
    negate = *filter == '!';
    filter += negate;
    for (;;) {
        size_t n = strcspn(filter, ",");

        if (!filter_word(tr, filter, n))
            return -EINVAL;
        if (!filter[n])
            break;
        filter += n + 1;
    }
    if (negate) {
        for (unsigned i = 0; i < ARRAY_SIZE(tr->shown); i++)
            tr->shown[i] = ~tr->shown[i];
        tr->unknown = true;
    }
    return 0;
}

int trace_open(struct trace **out, int fd, bool follow, const char *filter)
{
    struct trace *tr = calloc(1, sizeof *tr);
    int r = 0;

    if (!tr)
        return -ENOMEM;
    tr->follow = follow;
    tr->only = getpid();
    if (filter) {
        r = filter_parse(tr, filter);
    } else {
        memset(tr->shown, 0xff, sizeof tr->shown);
        tr->unknown = true;
    }
    if (r == 0)
        r = fd_own(fd, &tr->fd);
    if (r < 0) {
        free(tr);
        return r;
    }
    *out = tr;
    return 0;
}

void trace_close(struct trace *tr)
{
    if (!tr)
        return;
    fd_release(tr->fd);
    free(tr);
}

int trace_fd(const struct trace *tr)
{
    return __atomic_load_n(&tr->fd, __ATOMIC_RELAXED);
}

void trace_put(const struct trace *tr, struct parcel *p)
{
    parcel_put(p, tr, sizeof *tr);
    parcel_put_fd(p, trace_fd(tr));
}

int trace_get(struct trace **out, struct parcel *p)
{
    struct trace *tr = calloc(1, sizeof *tr);
    int fd;

    if (!tr)
        return -ENOMEM;
    parcel_get(p, tr, sizeof *tr);
    fd = parcel_get_fd(p);
    if (fd < 0 || fd_own(fd, &tr->fd) < 0) {
        free(tr);
        return -EMFILE;
    }
    *out = tr;
    return 0;
}

/* --- Lines -------------------------------------------------------------------------------------------- */

/* The tracer of this task; NULL when it is not traced. */
static const struct trace *tracer(const struct task *t)
{
    const struct trace *tr = t->proc->trace;

    return tr && (tr->follow || tr->only == t->tid) ? tr : NULL;
}

static bool is_shown(const struct trace *tr, const struct sysent *e, uint64_t nr)
{
    return e && nr < NR_SYS ? tr->shown[nr >> 6] >> (nr & 63) & 1 : tr->unknown;
}

static void line_start(const struct trace *tr, const struct task *t)
{
    buf_init(&line.buf, line.text, sizeof line.text - 1); /* room for the newline */
    if (tr->follow)
        buf_printf(&line.buf, "%-5d ", t->tid);
    line.print.b = &line.buf;
    line.print.mem = t->mem;
}

/* One write, so that lines of several threads and processes do not mix. A trace nobody reads is no error. */
static void line_end(const struct trace *tr)
{
    ssize_t n;

    if (line.buf.cut && line.buf.len > 3)
        memcpy(line.text + line.buf.len - 3, "...", 3);
    line.text[line.buf.len] = '\n';
    n = write(__atomic_load_n(&tr->fd, __ATOMIC_RELAXED), line.text, line.buf.len + 1);
    (void)n;
    line.open = false;
}

static void line_result(void)
{
    while (line.buf.len < RESULT_COLUMN && !line.buf.cut)
        buf_putc(&line.buf, ' ');
    if (line.text[line.buf.len - 1] != ' ')
        buf_putc(&line.buf, ' ');
    print_result(&line.print);
}

static void call_start(const struct trace *tr, struct task *t, const struct sysent *e, uint64_t nr,
                       const uint64_t *a)
{
    uint64_t mask;

    line_start(tr, t);
    line.print.e = e;
    line.print.a = line.args;
    for (int i = 0; i < SYS_ARGS_MAX; i++)
        line.args[i] = e && i < e->nargs ? print_narrow(e->kind[i], a[i]) : a[i];
    print_call(&line.print, nr);
    if (nr == NR_RT_SIGRETURN && sigframe_mask(t, &mask)) {
        buf_puts(&line.buf, "{mask=");
        print_sigmask(&line.print, mask);
        buf_putc(&line.buf, '}');
    }
    line.open = true;
    line.tid = t->tid;
}

void trace_enter(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a)
{
    const struct trace *tr = tracer(t);

    line.open = false;
    line.newborn = 0;
    if (!tr || !is_shown(tr, e, nr))
        return;
    call_start(tr, t, e, nr, a);
    if (e && e->ret == RET_NONE) {
        line.print.ret = 0;
        print_rest(&line.print);
        line_result();
        line_end(tr);
    }
}

void trace_leave(struct task *t, const struct sysent *e, uint64_t nr, const uint64_t *a, int64_t result)
{
    const struct trace *tr = tracer(t);

    if (!tr || !is_shown(tr, e, nr) || line.newborn == t->tid || (e && e->ret == RET_NONE))
        return;
    if (!line.open || line.tid != t->tid)
        call_start(tr, t, e, nr, a); /* lost to a child that shares this memory */
    line.print.ret = result == -EJUSTRETURN ? (int64_t)t->hart->x[REG_A0] : result;
    print_rest(&line.print);
    line_result();
    line_end(tr);
}

void trace_signal(struct task *t, const siginfo_t *info)
{
    const struct trace *tr = tracer(t);

    if (!tr)
        return;
    line_start(tr, t);
    buf_puts(&line.buf, "--- ");
    print_sig(&line.print, (uint64_t)info->si_signo);
    buf_putc(&line.buf, ' ');
    print_siginfo_fields(&line.print, info);
    buf_puts(&line.buf, " ---");
    line_end(tr);
}

void trace_exit(struct task *t, int status, int sig)
{
    const struct trace *tr = tracer(t);

    if (!tr)
        return;
    if (line.open && line.tid == t->tid) {
        buf_puts(&line.buf, " <unfinished ...>");
        line_end(tr);
    }
    line_start(tr, t);
    if (sig) {
        buf_puts(&line.buf, "+++ killed by ");
        print_sig(&line.print, (uint64_t)sig);
        buf_puts(&line.buf, " +++");
    } else {
        buf_printf(&line.buf, "+++ exited with %d +++", status);
    }
    line_end(tr);
}

void trace_fork_child(struct task *t)
{
    line.open = false;
    line.newborn = t->tid;
}

void trace_exec(struct task *t)
{
    const struct trace *tr = tracer(t);

    if (!tr || !line.open || line.tid != t->tid)
        return;
    line.print.ret = 0;
    print_rest(&line.print);
    line_result();
    line_end(tr);
}
