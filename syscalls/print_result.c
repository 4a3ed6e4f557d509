/*
 * Prints the result of a call and, behind it, what the result means: which descriptors are ready, what flags
 * a descriptor has, that a wait timed out.
 */
#include "syscalls/print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/prctl.h>
#include <poll.h>
#include <string.h>

#include "mem/copy.h"
#include "syscalls/linux.h"

/* Highest error number that a call may return as -errno: include/linux/err.h. */
#define ERRNO_MAX 4095

static void print_error(struct print *p, int err)
{
    const char *name = err == EOPNOTSUPP ? "EOPNOTSUPP" : strerrorname_np(err);

    if (err == ERESTARTNOINTR)
        buf_puts(p->b, "? ERESTARTNOINTR (To be restarted)");
    else if (name)
        print_text(p, "-1 %s (%s)", name, strerrordesc_np(err));
    else
        print_text(p, "-1 (errno %d)", err);
}

/* --- What became of a poll or select ------------------------------------------------------------------ */

static void print_ready_fds(struct print *p)
{
    uint64_t shown = 0;
    struct pollfd fd;

    for (uint64_t i = 0; i < MIN(p->a[1], PRINT_ARRAY_MAX * 2); i++) {
        if (copy_in(p->mem, &fd, p->a[0] + i * sizeof fd, sizeof fd) < 0)
            break;
        if (!fd.revents)
            continue;
        if (shown == PRINT_ARRAY_MAX) {
            buf_puts(p->b, ", ...");
            break;
        }
        print_text(p, shown++ ? ", {fd=%d, revents=" : "[{fd=%d, revents=", fd.fd);
        print_bits(p, &names_poll_events, (uint16_t)fd.revents);
        buf_putc(p->b, '}');
    }
    buf_puts(p->b, shown ? "]" : "[]");
}

/* ", left {...}": the time that remained, if the call takes one. */
static void print_left(struct print *p, uint64_t timeout)
{
    struct timespec ts;

    if (!timeout || copy_in(p->mem, &ts, timeout, sizeof ts) < 0)
        return;
    buf_puts(p->b, ", left ");
    print_timespec_fields(p, &ts);
}

static void print_poll_note(struct print *p)
{
    if (p->ret == 0) {
        buf_puts(p->b, " (Timeout)");
    } else if (p->ret > 0) {
        buf_puts(p->b, " (");
        print_ready_fds(p);
        print_left(p, p->a[2]);
        buf_putc(p->b, ')');
    }
}

static bool any_fd(struct print *p, uint64_t addr, uint64_t nfds)
{
    uint64_t word;

    for (uint64_t i = 0; addr && i < nfds; i += 64)
        if (copy_in(p->mem, &word, addr + i / 8, sizeof word) == 0 && word)
            return true;
    return false;
}

static void print_select_note(struct print *p)
{
    static const char *const names[] = { "in", "out", "except" };
    bool first = true;

    if (p->ret == 0)
        buf_puts(p->b, " (Timeout)");
    if (p->ret <= 0)
        return;
    buf_puts(p->b, " (");
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (!any_fd(p, p->a[i + 1], MIN(p->a[0], 1024)))
            continue;
        print_text(p, first ? "%s " : ", %s ", names[i]);
        print_fdset(p, p->a[i + 1]);
        first = false;
    }
    print_left(p, p->a[4]);
    buf_putc(p->b, ')');
}

static void print_recvmmsg_note(struct print *p)
{
    if (p->ret == 0)
        buf_puts(p->b, " (Timeout)");
    else if (p->a[4]) {
        buf_puts(p->b, " (left ");
        print_timespec(p, p->a[4]);
        buf_putc(p->b, ')');
    }
}

static void print_fcntl_result(struct print *p)
{
    switch (p->a[1]) {
    case F_GETFD:
        print_hex(p, (uint64_t)p->ret);
        if (p->ret) {
            buf_puts(p->b, " (flags ");
            print_bits(p, &names_fd_flags, (uint64_t)p->ret);
            buf_putc(p->b, ')');
        }
        break;
    case F_GETFL:
        print_hex(p, (uint64_t)p->ret);
        buf_puts(p->b, " (flags ");
        print_open_flags(p, (uint64_t)p->ret);
        buf_putc(p->b, ')');
        break;
    case F_GET_SEALS:
        print_hex(p, (uint64_t)p->ret);
        if (p->ret) {
            buf_puts(p->b, " (seals ");
            print_bits(p, &names_seals, (uint64_t)p->ret);
            buf_putc(p->b, ')');
        }
        break;
    default:
        print_int(p, (uint64_t)p->ret);
    }
}

/* --- The result --------------------------------------------------------------------------------------- */

static void print_value(struct print *p)
{
    uint64_t v = (uint64_t)p->ret;

    switch (p->e ? p->e->ret : RET_INT) {
    case RET_ADDR:
        print_text(p, "%#" PRIx64, v);
        break;
    case RET_HEX:
        print_hex(p, v);
        break;
    case RET_OCTAL:
        print_mode(p, v);
        break;
    case RET_NONE:
        buf_putc(p->b, '?');
        break;
    default:
        print_int(p, v);
    }
}

/* " (SCHED_OTHER)" */
static void print_meaning(struct print *p, print_fn fn)
{
    p->i = 0;
    buf_puts(p->b, " (");
    fn(p, (uint64_t)p->ret);
    buf_putc(p->b, ')');
}

/* A query's result is the set of commands there are. */
static void print_membarrier_result(struct print *p)
{
    print_hex(p, (uint64_t)p->ret);
    if (p->ret) {
        buf_puts(p->b, " (");
        print_bits(p, &names_membarrier, (uint64_t)p->ret);
        buf_putc(p->b, ')');
    }
}

/* The kinds of the first arguments tell how the result reads on. */
static void print_success(struct print *p)
{
    enum kind k[3] = { KIND_NONE, KIND_NONE, KIND_NONE };

    for (int i = 0; p->e && i < MIN(p->e->nargs, 3); i++)
        k[i] = p->e->kind[i];
    if (k[1] == KIND_FCMD) {
        print_fcntl_result(p);
        return;
    }
    if (k[0] == KIND_MEMBARRIER && p->a[0] == 0) {
        print_membarrier_result(p);
        return;
    }
    print_value(p);
    if (k[0] == KIND_POLLFDS)
        print_poll_note(p);
    else if (k[1] == KIND_FDSET)
        print_select_note(p);
    else if (k[1] == KIND_OMMSGHDR)
        print_recvmmsg_note(p);
    else if (k[0] == KIND_PERSONA)
        print_meaning(p, print_persona);
    else if (p->e && strcmp(p->e->name, "sched_getscheduler") == 0)
        print_meaning(p, print_schedpol);
    else if (k[0] == KIND_PRCTL && p->a[0] == PR_GET_DUMPABLE)
        print_meaning(p, print_dumpable);
}

void print_result(struct print *p)
{
    buf_puts(p->b, "= ");
    if (p->ret < 0 && p->ret >= -ERRNO_MAX)
        print_error(p, (int)-p->ret);
    else
        print_success(p);
}
