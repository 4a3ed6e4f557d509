/*
 * Prints what read, stat and wait calls on files take and give: vectors, status blocks, positions, directory
 * entries, poll and epoll sets.
 */
#include "syscalls/print.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "mem/copy.h"
#include "syscalls/abi.h"

/* --- Vectors ------------------------------------------------------------------------------------------ */

/*
 * `count` vectors; the bytes they point to, if `data`, as far as `limit` bytes reach in all: what a read has
 * filled.
 */
void print_iovecs(struct print *p, uint64_t addr, uint64_t count, bool data, uint64_t limit)
{
    struct {
        uint64_t base, len;
    } iov;

    if (!count || !addr) {
        buf_puts(p->b, addr ? "[]" : "NULL");
        return;
    }
    for (uint64_t i = 0; i < MIN(count, PRINT_ARRAY_MAX); i++) {
        if (copy_in(p->mem, &iov, addr + i * sizeof iov, sizeof iov) < 0) {
            if (i)
                print_text(p, ", ... /* %#" PRIx64 " */]", addr + i * sizeof iov);
            else
                print_addr(p, addr);
            return;
        }
        buf_puts(p->b, i ? ", {iov_base=" : "[{iov_base=");
        if (data)
            print_bytes(p, iov.base, MIN(iov.len, limit));
        else
            print_addr(p, iov.base);
        print_text(p, ", iov_len=%" PRIu64 "}", iov.len);
        limit -= MIN(iov.len, limit);
    }
    buf_puts(p->b, count > PRINT_ARRAY_MAX ? ", ...]" : "]");
}

bool print_iiovec(struct print *p, uint64_t v)
{
    print_iovecs(p, v, p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0, true, UINT64_MAX);
    return true;
}

bool print_oiovec(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    print_iovecs(p, v, p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0, p->ret >= 0, (uint64_t)p->ret);
    return true;
}

/* A position that the call moves. sendfile, of four arguments, shows where it got: [0] => [5]. */
bool print_offptr(struct print *p, uint64_t v)
{
    bool shows_end = p->e->nargs == 4;
    int64_t now;

    if (!p->after && shows_end)
        return false;
    if (!print_fetch(p, v, &now, sizeof now))
        return true;
    print_text(p, "[%" PRId64 "]", (int64_t)p->before[p->i]);
    if (shows_end && p->ret >= 0)
        print_text(p, " => [%" PRId64 "]", now);
    return true;
}

bool print_fdpair(struct print *p, uint64_t v)
{
    int fd[2];

    if (!p->after)
        return false;
    if (print_fetch_out(p, v, fd, sizeof fd))
        print_text(p, "[%d, %d]", fd[0], fd[1]);
    return true;
}

/* --- Status ------------------------------------------------------------------------------------------- */

bool print_stat(struct print *p, uint64_t v)
{
    struct rv_stat st;
    uint32_t type;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &st, sizeof st))
        return true;
    buf_puts(p->b, "{st_mode=");
    print_mode_type(p, st.mode);
    type = st.mode & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK) {
        buf_puts(p->b, ", st_rdev=");
        print_device(p, gnu_dev_major(st.rdev), gnu_dev_minor(st.rdev));
    } else {
        print_text(p, ", st_size=%" PRId64, st.size);
    }
    buf_puts(p->b, ", ...}");
    return true;
}

bool print_ostatx(struct print *p, uint64_t v)
{
    struct statx st;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &st, sizeof st))
        return true;
    buf_puts(p->b, "{stx_mask=");
    print_bits(p, &names_statxmask, st.stx_mask);
    buf_puts(p->b, ", stx_attributes=");
    print_bits(p, &names_statx_attrs, st.stx_attributes);
    buf_puts(p->b, ", stx_mode=");
    print_mode_type(p, st.stx_mode);
    print_text(p, ", stx_size=%" PRIu64 ", ...}", (uint64_t)st.stx_size);
    return true;
}

bool print_statfs(struct print *p, uint64_t v)
{
    struct statfs s;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &s, sizeof s))
        return true;
    buf_puts(p->b, "{f_type=");
    print_enum(p, &names_fs_types, (uint64_t)s.f_type);
    print_text(p, ", f_bsize=%ld, f_blocks=%lu, f_bfree=%lu, f_bavail=%lu, f_files=%lu, f_ffree=%lu, ",
               (long)s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree);
    print_text(p,
               "f_fsid={val=[%#x, %#x]}, f_namelen=%ld, f_frsize=%ld, f_flags=", (unsigned)s.f_fsid.__val[0],
               (unsigned)s.f_fsid.__val[1], (long)s.f_namelen, (long)s.f_frsize);
    print_bits(p, &names_statfs_flags, (uint64_t)s.f_flags);
    buf_putc(p->b, '}');
    return true;
}

/* Header of a struct linux_dirent64: inode, offset, record length. */
#define DIRENT_LEN_AT 16
#define DIRENT_MIN 24

/* The entries are counted; a corrupt length ends the count. */
bool print_dents(struct print *p, uint64_t v)
{
    uint64_t at = 0, count = 0, len;
    uint16_t step;

    if (!p->after)
        return false;
    print_addr(p, v);
    if (p->ret < 0)
        return true;
    for (len = (uint64_t)p->ret; at < len; at += step, count++) {
        if (copy_in(p->mem, &step, v + at + DIRENT_LEN_AT, sizeof step) < 0 || step < DIRENT_MIN)
            break;
    }
    print_text(p, " /* %" PRIu64 " entries */", count);
    return true;
}

bool print_openhow(struct print *p, uint64_t v)
{
    struct open_how how;

    if (!print_fetch(p, v, &how, sizeof how))
        return true;
    buf_puts(p->b, "{flags=");
    print_open_flags(p, how.flags);
    if (how.mode)
        print_text(p, ", mode=%#03o", (unsigned)how.mode);
    buf_puts(p->b, ", resolve=");
    print_bits(p, &names_resolve_flags, how.resolve);
    buf_putc(p->b, '}');
    return true;
}

/* --- poll, select, epoll ------------------------------------------------------------------------------ */

bool print_pollfds(struct print *p, uint64_t v)
{
    uint64_t count = p->a[p->i + 1];
    struct pollfd fd;

    if (!v || !count) {
        buf_puts(p->b, v ? "[]" : "NULL");
        return true;
    }
    for (uint64_t i = 0; i < MIN(count, PRINT_ARRAY_MAX); i++) {
        if (copy_in(p->mem, &fd, v + i * sizeof fd, sizeof fd) < 0) {
            if (!i)
                return print_addr(p, v);
            print_text(p, ", ... /* %#" PRIx64 " */]", v + i * sizeof fd);
            return true;
        }
        print_text(p, i ? ", {fd=%d" : "[{fd=%d", fd.fd);
        if (fd.fd >= 0) {
            buf_puts(p->b, ", events=");
            print_bits(p, &names_poll_events, (uint16_t)fd.events);
        }
        buf_putc(p->b, '}');
    }
    buf_puts(p->b, count > PRINT_ARRAY_MAX ? ", ...]" : "]");
    return true;
}

/* Descriptors that fit into an fd_set of 1024. */
#define FDS_MAX 1024

bool print_fdset(struct print *p, uint64_t v)
{
    uint64_t nfds = MIN(p->a[0], FDS_MAX);
    uint64_t set[FDS_MAX / 64] = { 0 };
    bool first = true;

    if ((int64_t)p->a[0] < 0)
        return print_addr(p, v);
    if (!print_fetch(p, v, set, (nfds + 63) / 64 * 8))
        return true;
    buf_putc(p->b, '[');
    for (unsigned fd = 0; fd < nfds; fd++) {
        if (!(set[fd / 64] >> fd % 64 & 1))
            continue;
        print_text(p, first ? "%u" : " %u", fd);
        first = false;
    }
    buf_putc(p->b, ']');
    return true;
}

static void print_epoll_fields(struct print *p, const struct rv_epoll_event *ev)
{
    buf_puts(p->b, "{events=");
    print_bits(p, &names_epoll_events, ev->events);
    print_text(p, ", data={u32=%u, u64=%" PRIu64 "}}", (uint32_t)ev->data, ev->data);
}

bool print_epevent(struct print *p, uint64_t v)
{
    struct rv_epoll_event ev;

    if (p->a[1] == 2) /* EPOLL_CTL_DEL ignores it */
        return print_addr(p, v);
    if (print_fetch(p, v, &ev, sizeof ev))
        print_epoll_fields(p, &ev);
    return true;
}

bool print_epevents(struct print *p, uint64_t v)
{
    struct rv_epoll_event ev;

    if (!p->after)
        return false;
    if (p->ret < 0)
        return print_addr(p, v);
    buf_putc(p->b, '[');
    for (int64_t i = 0; i < p->ret; i++) {
        if (i)
            buf_puts(p->b, ", ");
        if (i == PRINT_ARRAY_MAX || copy_in(p->mem, &ev, v + (uint64_t)i * sizeof ev, sizeof ev) < 0) {
            buf_puts(p->b, "...");
            break;
        }
        print_epoll_fields(p, &ev);
    }
    buf_putc(p->b, ']');
    return true;
}

/* The residency of pages, a byte each, as far as it is shown. */
bool print_ovec(struct print *p, uint64_t v)
{
    uint8_t pages[PRINT_ARRAY_MAX];
    uint64_t count = p->i > 0 ? p->a[p->i - 1] / PAGE_BYTES + (p->a[p->i - 1] % PAGE_BYTES != 0) : 0;
    size_t n = MIN(count, sizeof pages);

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, pages, n))
        return true;
    buf_putc(p->b, '[');
    for (size_t i = 0; i < n; i++)
        print_text(p, i ? ", %d" : "%d", pages[i] & 1);
    buf_puts(p->b, count > n ? ", ...]" : "]");
    return true;
}
