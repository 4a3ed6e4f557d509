/*
 * Prints arguments whose meaning depends on a command: fcntl, ioctl; and the structs of System V IPC, message
 * queues and riscv_hwprobe.
 */
#include "syscalls/print.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqueue.h>
#include <sys/ioctl.h>
#include <sys/sem.h>

#include "mem/copy.h"

/* --- fcntl -------------------------------------------------------------------------------------------- */

static bool print_flock(struct print *p, uint64_t v)
{
    struct flock l;

    if (!print_fetch(p, v, &l, sizeof l))
        return true;
    buf_puts(p->b, "{l_type=");
    print_enum(p, &names_lock_types, (uint16_t)l.l_type);
    buf_puts(p->b, ", l_whence=");
    print_enum(p, &names_whence, (uint16_t)l.l_whence);
    print_text(p, ", l_start=%lld, l_len=%lld", (long long)l.l_start, (long long)l.l_len);
    if (p->after)
        print_text(p, ", l_pid=%d", l.l_pid);
    buf_putc(p->b, '}');
    return true;
}

static bool print_owner(struct print *p, uint64_t v)
{
    int32_t o[2];

    if (!print_fetch(p, v, o, sizeof o))
        return true;
    buf_puts(p->b, "{type=");
    print_enum(p, &names_owner_types, (uint32_t)o[0]);
    print_text(p, ", pid=%d}", o[1]);
    return true;
}

/* Structs that the call fills in are printed after it. */
static bool print_farg_out(struct print *p, uint64_t v, print_fn fn)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : fn(p, v);
}

bool print_farg(struct print *p, uint64_t v)
{
    switch (p->a[1]) {
    case F_GETFD:
    case F_GETFL:
    case F_GETOWN:
    case F_GETSIG:
    case F_GETLEASE:
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
        return print_hidden(p, v);
    case F_SETFD:
        print_bits(p, &names_fd_flags, v);
        return true;
    case F_SETFL:
        return print_open_flags(p, v);
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_SETOWN:
    case F_SETPIPE_SZ:
        return print_int(p, (uint64_t)(int64_t)(int32_t)v);
    case F_SETSIG:
        return print_sig(p, v);
    case F_SETLEASE:
        print_enum(p, &names_lock_types, v);
        return true;
    case F_NOTIFY:
        print_bits(p, &names_notify_flags, v);
        return true;
    case F_ADD_SEALS:
        print_bits(p, &names_seals, v);
        return true;
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return print_flock(p, v);
    case F_GETLK:
    case F_OFD_GETLK:
        return print_farg_out(p, v, print_flock);
    case F_SETOWN_EX:
        return print_owner(p, v);
    case F_GETOWN_EX:
        return print_farg_out(p, v, print_owner);
    default:
        return print_hex(p, v);
    }
}

/* --- ioctl -------------------------------------------------------------------------------------------- */

static bool print_int_cell(struct print *p, uint64_t v)
{
    int32_t n;

    if (print_fetch(p, v, &n, sizeof n))
        print_text(p, "[%d]", n);
    return true;
}

static bool print_winsize(struct print *p, uint64_t v)
{
    struct winsize ws;

    if (print_fetch(p, v, &ws, sizeof ws))
        print_text(p, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", ws.ws_row, ws.ws_col,
                   ws.ws_xpixel, ws.ws_ypixel);
    return true;
}

static bool print_termios(struct print *p, uint64_t v)
{
    struct termios t;

    if (!print_fetch(p, v, &t, sizeof t))
        return true;
    buf_puts(p->b, "{c_iflag=");
    print_bits(p, &names_term_iflag, t.c_iflag);
    buf_puts(p->b, ", c_oflag=");
    print_term_output(p, t.c_oflag);
    buf_puts(p->b, ", c_cflag=");
    print_term_rate(p, t.c_cflag);
    buf_puts(p->b, ", c_lflag=");
    print_bits(p, &names_term_lflag, t.c_lflag);
    buf_puts(p->b, ", ...}");
    return true;
}

bool print_ioarg(struct print *p, uint64_t v)
{
    switch (p->a[1]) {
    case TCGETS:
    case TCGETS2:
        return print_farg_out(p, v, print_termios);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return print_termios(p, v);
    case TIOCGWINSZ:
        return print_farg_out(p, v, print_winsize);
    case TIOCSWINSZ:
        return print_winsize(p, v);
    case FIONREAD:
    case TIOCOUTQ:
    case TIOCGPGRP:
    case TIOCGSID:
    case TIOCGETD:
    case TIOCGPTN:
        return print_farg_out(p, v, print_int_cell);
    case FIONBIO:
    case FIOASYNC:
    case TIOCSPGRP:
    case TIOCSETD:
    case TIOCSPTLCK:
    case TIOCPKT:
        return print_int_cell(p, v);
    case FIOCLEX:
    case FIONCLEX:
    case TIOCNOTTY:
    case TIOCEXCL:
    case TIOCNXCL:
        return print_hidden(p, v);
    case TCSBRK:
    case TCXONC:
    case TCSBRKP:
    case TIOCSCTTY:
        return print_int(p, v);
    default:
        return print_hex(p, v);
    }
}

/* --- System V IPC, message queues, hwprobe ------------------------------------------------------------ */

bool print_sembufs(struct print *p, uint64_t v)
{
    uint64_t count = p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0;
    struct sembuf op;

    for (uint64_t i = 0; i < MIN(count, PRINT_ARRAY_MAX); i++) {
        if (copy_in(p->mem, &op, v + i * sizeof op, sizeof op) < 0) {
            if (!i)
                return print_addr(p, v);
            buf_puts(p->b, ", ???]");
            return true;
        }
        print_text(p, "%s{sem_num=%u, sem_op=%d, sem_flg=", i ? ", " : "[", op.sem_num, op.sem_op);
        print_bits(p, &names_semop_flags, (uint16_t)op.sem_flg);
        buf_putc(p->b, '}');
    }
    if (count)
        buf_puts(p->b, count > PRINT_ARRAY_MAX ? ", ...]" : "]");
    else
        buf_puts(p->b, "[]");
    return true;
}

/* The type, then `len` bytes of text. */
static void print_message(struct print *p, uint64_t v, uint64_t len)
{
    int64_t type;

    if (!print_fetch(p, v, &type, sizeof type))
        return;
    print_text(p, "{mtype=%" PRId64 ", mtext=", type);
    print_bytes(p, v + sizeof type, len);
    buf_putc(p->b, '}');
}

bool print_msgbuf(struct print *p, uint64_t v)
{
    print_message(p, v, p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0);
    return true;
}

bool print_omsgbuf(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    if (p->ret < 0)
        return print_addr(p, v);
    print_message(p, v, (uint64_t)p->ret);
    return true;
}

/* mq_open, where it is the fourth argument, looks at it only to create a queue. */
bool print_mqattr(struct print *p, uint64_t v)
{
    struct mq_attr at;

    if (p->i == 3 && !(p->a[1] & O_CREAT))
        return print_hidden(p, v);
    if (!print_fetch(p, v, &at, sizeof at))
        return true;
    buf_puts(p->b, "{mq_flags=");
    print_bits(p, &names_pipefl, (uint32_t)at.mq_flags);
    print_text(p, ", mq_maxmsg=%ld, mq_msgsize=%ld, mq_curmsgs=%ld}", at.mq_maxmsg, at.mq_msgsize,
               at.mq_curmsgs);
    return true;
}

bool print_omqattr(struct print *p, uint64_t v)
{
    return print_farg_out(p, v, print_mqattr);
}

bool print_hwprobe(struct print *p, uint64_t v)
{
    uint64_t count = p->a[p->i + 1];
    struct {
        int64_t key;
        uint64_t value;
    } pair;

    if (!p->after)
        return false;
    if (p->ret < 0 || !v)
        return print_addr(p, v);
    buf_putc(p->b, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i)
            buf_puts(p->b, ", ");
        if (i == PRINT_ARRAY_MAX || copy_in(p->mem, &pair, v + i * sizeof pair, sizeof pair) < 0) {
            buf_puts(p->b, "...");
            break;
        }
        print_text(p, "{key=%" PRId64 ", value=%#" PRIx64 "}", pair.key, pair.value);
    }
    buf_putc(p->b, ']');
    return true;
}
