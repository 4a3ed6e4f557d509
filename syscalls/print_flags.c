/*
 * The tables of flags.def as data and as printers, and the arguments that are made of more than one table:
 * open flags, file modes, socket types, clone flags, futex operations, ioctl numbers.
 */
#include "syscalls/print.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NAME(name) { #name, (uint64_t)(name) },
#define VALUE(name, value) { #name, (uint64_t)(value) },
#define BITS(table, unknown) static const struct print_name at_##table[] = {
#define ENUM(table, unknown) BITS(table, unknown)
/* clang-format off */
#define END(table) };
/* clang-format on */
#include "syscalls/flags.def"
#undef NAME
#undef VALUE
#undef BITS
#undef ENUM
#undef END

/* An argument without the copies of its sign that narrowing left above bit 31. */
static uint64_t unsigned_arg(const struct print *p, uint64_t v)
{
    return kind_desc[p->e->kind[p->i]].bytes == 4 ? (uint32_t)v : v;
}

#define NAME(name)
#define VALUE(name, value)
#define TABLE(table, unknown_) \
    const struct print_names names_##table = { at_##table, ARRAY_SIZE(at_##table), unknown_ };
#define BITS(table, unknown)                               \
    TABLE(table, unknown)                                  \
    bool print_##table(struct print *p, uint64_t v)        \
    {                                                      \
        print_bits(p, &names_##table, unsigned_arg(p, v)); \
        return true;                                       \
    }
#define ENUM(table, unknown)                                                                   \
    TABLE(table, unknown)                                                                      \
    bool print_##table(struct print *p, uint64_t v)                                            \
    {                                                                                          \
        print_enum(p, &names_##table, print_find(&names_##table, v) ? v : unsigned_arg(p, v)); \
        return true;                                                                           \
    }
#define END(table)
#include "syscalls/flags.def"
#undef NAME
#undef VALUE
#undef BITS
#undef ENUM
#undef END

/* --- Files -------------------------------------------------------------------------------------------- */

bool print_dirfd(struct print *p, uint64_t v)
{
    if ((int64_t)v == AT_FDCWD)
        buf_puts(p->b, "AT_FDCWD");
    else
        print_int(p, v);
    return true;
}

/* The access mode is a number of two bits, the rest are flags. */
bool print_open_flags(struct print *p, uint64_t v)
{
    bool first = false;
    uint64_t rest;

    print_enum(p, &names_accmodes, v & O_ACCMODE);
    rest = print_known_bits(p, &names_pipefl, (uint32_t)v & ~(uint32_t)O_ACCMODE, &first);
    if (rest)
        print_text(p, "|%#" PRIx64, rest);
    return true;
}

bool print_oflags(struct print *p, uint64_t v)
{
    return print_open_flags(p, v);
}

/* __O_TMPFILE without O_DIRECTORY takes a mode too, and is then refused. */
#define MODE_FLAGS ((uint64_t)(O_CREAT | 020000000))

bool print_omode(struct print *p, uint64_t v)
{
    return p->i > 0 && (p->a[p->i - 1] & MODE_FLAGS) ? print_mode(p, v) : true;
}

void print_mode_type(struct print *p, uint32_t mode)
{
    const char *type = print_find(&names_file_types, mode & S_IFMT);
    bool first = true;
    uint64_t rest = mode & ~(uint32_t)S_IFMT;

    if (type)
        buf_puts(p->b, type);
    else if (mode & S_IFMT)
        print_text(p, "%#03o", mode & S_IFMT);
    first = !type && !(mode & S_IFMT);
    rest = print_known_bits(p, &names_mode_bits, rest, &first);
    print_text(p, first ? "%#03o" : "|%#03o", (unsigned)rest);
}

bool print_fmode(struct print *p, uint64_t v)
{
    print_mode_type(p, (uint32_t)v);
    return true;
}

void print_device(struct print *p, uint32_t major_nr, uint32_t minor_nr)
{
    print_text(p, "makedev(%#x, %#x)", major_nr, minor_nr);
}

/* Shown for device nodes only. */
bool print_dev(struct print *p, uint64_t v)
{
    uint64_t type = p->i > 0 ? p->a[p->i - 1] & S_IFMT : 0;

    if (type == S_IFCHR || type == S_IFBLK)
        print_device(p, gnu_dev_major(v), gnu_dev_minor(v));
    return true;
}

bool print_statxfl(struct print *p, uint64_t v)
{
    bool first = false;
    uint64_t rest;

    print_enum(p, &names_statx_sync, v & AT_STATX_SYNC_TYPE);
    rest = print_known_bits(p, &names_atflags, v & ~(uint64_t)AT_STATX_SYNC_TYPE, &first);
    if (rest)
        print_text(p, "|%#" PRIx64, rest);
    return true;
}

/* Bits 26 to 31 hold the logarithm of a page size. */
static void print_huge(struct print *p, uint64_t v, const char *name, bool first)
{
    uint64_t shift = v >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;

    if (shift)
        print_text(p, "%s%" PRIu64 "<<%s", first ? "" : "|", shift, name);
}

#define HUGE_BITS ((uint64_t)MAP_HUGE_MASK << MAP_HUGE_SHIFT)

bool print_mfdfl(struct print *p, uint64_t v)
{
    uint64_t flags = v & ~HUGE_BITS;

    if (flags || !v)
        print_bits(p, &names_memfd_flags, flags);
    print_huge(p, v, "MFD_HUGE_SHIFT", !flags);
    return true;
}

bool print_mountfl(struct print *p, uint64_t v)
{
    static const uint64_t magic = 0xc0ed0000, mask = 0xffff0000; /* MS_MGC_VAL: once asked of every caller */
    bool has_magic = (v & mask) == magic;
    uint64_t flags = has_magic ? v & ~mask : v;

    if (has_magic)
        buf_puts(p->b, flags ? "MS_MGC_VAL|" : "MS_MGC_VAL");
    if (flags || !has_magic)
        print_bits(p, &names_mount_flags, flags);
    return true;
}

/* The parts of an ioctl number: asm-generic/ioctl.h. */
bool print_iocmd(struct print *p, uint64_t v)
{
    static const char *const dirs[] = { "_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE" };
    const char *name = print_find(&names_terminal_ioctls, v);

    if (name)
        buf_puts(p->b, name);
    else
        print_text(p, "_IOC(%s, %#x, %#x, %#x)", dirs[_IOC_DIR(v) & 3], (unsigned)_IOC_TYPE(v),
                   (unsigned)_IOC_NR(v), (unsigned)_IOC_SIZE(v));
    return true;
}

/* The delays of ancient terminals are numbers within the flags. */
void print_term_output(struct print *p, uint32_t oflag)
{
    static const struct {
        const char *name;
        uint32_t mask, shift;
    } delays[] = {
        { "NL", NLDLY, 8 },  { "CR", CRDLY, 9 },  { "TAB", TABDLY, 11 },
        { "BS", BSDLY, 13 }, { "VT", VTDLY, 14 }, { "FF", FFDLY, 15 },
    };
    bool first = false;
    uint64_t rest;

    for (unsigned i = 0; i < ARRAY_SIZE(delays); i++) {
        print_text(p, "%s%s%u", i ? "|" : "", delays[i].name, (oflag & delays[i].mask) >> delays[i].shift);
        oflag &= ~delays[i].mask;
    }
    rest = print_known_bits(p, &names_term_oflag, oflag, &first);
    if (rest)
        print_text(p, "|%#" PRIx64, rest);
}

/* Speed and character size are numbers within the flags. */
void print_term_rate(struct print *p, uint32_t cflag)
{
    static const char *const rates[] = { "B0",    "B50",   "B75",    "B110",  "B134",  "B150",
                                         "B200",  "B300",  "B600",   "B1200", "B1800", "B2400",
                                         "B4800", "B9600", "B19200", "B38400" };
    static const char *const fast[] = { "BOTHER",   "B57600",   "B115200",  "B230400",
                                        "B460800",  "B500000",  "B576000",  "B921600",
                                        "B1000000", "B1152000", "B1500000", "B2000000",
                                        "B2500000", "B3000000", "B3500000", "B4000000" };
    bool first = false;
    uint64_t rest;

    buf_puts(p->b, cflag & CBAUDEX ? fast[cflag & 15] : rates[cflag & 15]);
    print_text(p, "|CS%u", 5 + ((cflag & CSIZE) >> 4));
    rest = print_known_bits(p, &names_term_cflag, cflag & ~(uint32_t)(CBAUD | CSIZE), &first);
    if (rest)
        print_text(p, "|%#" PRIx64, rest);
}

/* --- Memory, processes, time -------------------------------------------------------------------------- */

bool print_mapfl(struct print *p, uint64_t v)
{
    uint64_t rest = (uint32_t)v & ~(uint64_t)MAP_TYPE & ~HUGE_BITS;
    bool first = false;

    print_enum(p, &names_map_types, v & MAP_TYPE);
    rest = print_known_bits(p, &names_map_flags, rest, &first);
    if (rest)
        print_text(p, "|%#" PRIx64, rest);
    print_huge(p, v, "MAP_HUGE_SHIFT", false);
    return true;
}

/* The low byte is the signal at the child's end. */
bool print_clonefl(struct print *p, uint64_t v)
{
    uint64_t sig = v & CSIGNAL, flags = v & ~(uint64_t)CSIGNAL;

    buf_puts(p->b, "child_stack=");
    print_addr(p, p->a[1]);
    buf_puts(p->b, ", flags=");
    if (flags || !sig)
        print_bits(p, &names_clone_flags, flags);
    if (sig) {
        if (flags)
            buf_putc(p->b, '|');
        print_sig(p, sig);
    }
    return true;
}

bool print_clone_ptid(struct print *p, uint64_t v)
{
    if (!(p->a[0] & (CLONE_PARENT_SETTID | CLONE_PIDFD)))
        return print_hidden(p, v);
    if (!p->after)
        return false;
    buf_puts(p->b, "parent_tid=");
    return print_oint(p, v);
}

bool print_clone_tls(struct print *p, uint64_t v)
{
    if (p->a[0] & CLONE_SETTLS)
        print_text(p, "tls=%#" PRIx64, v);
    return true;
}

bool print_clone_ctid(struct print *p, uint64_t v)
{
    if (!(p->a[0] & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)))
        return print_hidden(p, v);
    buf_puts(p->b, "child_tidptr=");
    return print_addr(p, v);
}

bool print_waitfl(struct print *p, uint64_t v)
{
    print_bits(p, &names_wait_flags, (uint32_t)v);
    return true;
}

/* Only waits take the flag for a clock. */
bool print_futexop(struct print *p, uint64_t v)
{
    uint64_t op = v & FUTEX_CMD_MASK & UINT32_MAX;
    const char *name = print_find(&names_futex_ops, op);
    bool clock = v & FUTEX_CLOCK_REALTIME;

    if (clock && op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET && op != FUTEX_WAIT_REQUEUE_PI)
        name = NULL;
    if (name)
        print_text(p, "%s%s%s", name, v & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "",
                   clock ? "|FUTEX_CLOCK_REALTIME" : "");
    else
        print_text(p, "%#x /* FUTEX_??? */", (unsigned)v);
    return true;
}

bool print_mremap_addr(struct print *p, uint64_t v)
{
    uint64_t both = MREMAP_MAYMOVE | MREMAP_FIXED;

    return p->i > 0 && (p->a[p->i - 1] & both) == both ? print_addr(p, v) : print_hidden(p, v);
}

bool print_membarrier_cpu(struct print *p, uint64_t v)
{
    return p->i > 0 && (p->a[p->i - 1] & 1) ? print_int(p, v) : print_hidden(p, v);
}

/* 0xffffffff only asks. */
bool print_persona(struct print *p, uint64_t v)
{
    bool first = false;
    uint64_t rest;

    if (v == UINT32_MAX)
        return print_hex(p, v);
    print_enum(p, &names_persona_types, v & PER_MASK);
    rest = print_known_bits(p, &names_persona_flags, v & ~(uint64_t)PER_MASK, &first);
    if (rest)
        print_text(p, "|%#" PRIx64, rest);
    return true;
}

/* A clock of another process or thread is a negative number: its id and the kind of time, inverted. */
bool print_clock(struct print *p, uint64_t v)
{
    print_enum(p, &names_clock_names, (uint32_t)v);
    return true;
}

bool print_tfdset(struct print *p, uint64_t v)
{
    print_bits(p, &names_tfdfl, (uint32_t)v);
    return true;
}

bool print_keyid(struct print *p, uint64_t v)
{
    static const char *const special[] = {
        "KEY_SPEC_THREAD_KEYRING",  "KEY_SPEC_PROCESS_KEYRING",      "KEY_SPEC_SESSION_KEYRING",
        "KEY_SPEC_USER_KEYRING",    "KEY_SPEC_USER_SESSION_KEYRING", "KEY_SPEC_GROUP_KEYRING",
        "KEY_SPEC_REQKEY_AUTH_KEY", "KEY_SPEC_REQUESTOR_KEYRING",
    };
    uint64_t i = ~v;

    if (i >= ARRAY_SIZE(special))
        return print_int(p, v);
    buf_puts(p->b, special[i]);
    return true;
}

/* --- System V IPC ------------------------------------------------------------------------------------- */

bool print_ipckey(struct print *p, uint64_t v)
{
    if (v)
        return print_hex(p, (uint32_t)v);
    buf_puts(p->b, "IPC_PRIVATE");
    return true;
}

/* Flags of *get calls hold a file mode; msgrcv and msgsnd have flags of their own. */
bool print_ipcfl(struct print *p, uint64_t v)
{
    uint64_t flags = (uint32_t)v & ~(uint64_t)0777;
    bool first = true;

    if (p->i > 2 && strncmp(p->e->name, "msg", 3) == 0) {
        print_bits(p, &names_msg_flags, (uint32_t)v);
        return true;
    }
    flags = print_known_bits(p, p->e->name[1] == 'h' ? &names_shmget_flags : &names_ipc_flags, flags, &first);
    if (flags)
        print_text(p, first ? "%#" PRIx64 : "|%#" PRIx64, flags);
    print_text(p, first && !flags ? "%#03o" : "|%#03o", (unsigned)v & 0777);
    return true;
}

/* --- Sockets ------------------------------------------------------------------------------------------ */

bool print_socktype(struct print *p, uint64_t v)
{
    uint64_t flags = (uint32_t)v & ~(uint64_t)0xf;
    bool first = false;

    if (!print_find(&names_sock_types, v & 0xf)) {
        print_bits(p, &names_sockfl, (uint32_t)v);
        return true;
    }
    print_enum(p, &names_sock_types, v & 0xf);
    flags = print_known_bits(p, &names_sockfl, flags, &first);
    if (flags)
        print_text(p, "|%#" PRIx64, flags);
    return true;
}

bool print_sockproto(struct print *p, uint64_t v)
{
    switch (p->a[0]) {
    case AF_INET:
    case AF_INET6:
        return print_ip_protos(p, v);
    case AF_NETLINK:
        return print_netlink_protos(p, v);
    default:
        return print_int(p, v);
    }
}

bool print_soopt(struct print *p, uint64_t v)
{
    switch (p->a[1]) {
    case SOL_SOCKET:
        return print_sock_opts(p, v);
    case SOL_IP:
        return print_ip_opts(p, v);
    case SOL_IPV6:
        return print_ipv6_opts(p, v);
    case SOL_TCP:
        return print_tcp_opts(p, v);
    default:
        return print_int(p, v);
    }
}
