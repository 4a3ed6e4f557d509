/*
 * Prints sockets: addresses, messages with their vectors and control data, option values.
 */
#include "syscalls/print.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "mem/copy.h"

/* --- Addresses ---------------------------------------------------------------------------------------- */

static void print_inet(struct print *p, const struct sockaddr_in *in)
{
    char text[INET_ADDRSTRLEN];

    print_text(p, ", sin_port=htons(%u), sin_addr=inet_addr(\"%s\")", ntohs(in->sin_port),
               inet_ntop(AF_INET, &in->sin_addr, text, sizeof text));
}

static void print_inet6(struct print *p, const struct sockaddr_in6 *in)
{
    char text[INET6_ADDRSTRLEN];

    print_text(p, ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"%s\", &sin6_addr), ",
               ntohs(in->sin6_port), ntohl(in->sin6_flowinfo),
               inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text));
    print_text(p, "sin6_scope_id=%u", in->sin6_scope_id);
}

/* A name that begins with NUL is abstract: all its bytes count. */
static void print_unix(struct print *p, const char *path, size_t n)
{
    buf_puts(p->b, ", sun_path=");
    if (n && !path[0]) {
        buf_putc(p->b, '@');
        print_quoted(p, path + 1, n - 1, false);
    } else {
        print_quoted(p, path, strnlen(path, n), false);
    }
}

/* `len` is what the call says; no address is longer than the union. */
void print_sockaddr_at(struct print *p, uint64_t addr, uint64_t len)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_nl nl;
        char bytes[sizeof(struct sockaddr_storage)];
    } a;
    size_t n = MIN(len, sizeof a), head = sizeof a.any.sa_family;

    memset(&a, 0, sizeof a);
    if (len < head || !addr) {
        print_addr(p, addr);
        return;
    }
    if (!print_fetch(p, addr, &a, n))
        return;
    buf_puts(p->b, "{sa_family=");
    print_enum(p, &names_af, a.any.sa_family);
    if (a.any.sa_family == AF_INET && n >= sizeof a.in) {
        print_inet(p, &a.in);
    } else if (a.any.sa_family == AF_INET6 && n >= sizeof a.in6) {
        print_inet6(p, &a.in6);
    } else if (a.any.sa_family == AF_UNIX && n > head) {
        print_unix(p, a.un.sun_path, MIN(n - head, sizeof a.un.sun_path));
    } else if (a.any.sa_family == AF_NETLINK && n >= sizeof a.nl) {
        print_text(p, ", nl_pid=%d, nl_groups=%#08x", (int)a.nl.nl_pid, a.nl.nl_groups);
    } else if (n > head) {
        buf_puts(p->b, ", sa_data=");
        print_quoted(p, a.bytes + head, n - head, false);
    }
    buf_putc(p->b, '}');
}

bool print_sockaddr(struct print *p, uint64_t v)
{
    print_sockaddr_at(p, v, p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0);
    return true;
}

/* An address the kernel writes; its length lies behind the pointer that follows. */
bool print_osockaddr(struct print *p, uint64_t v)
{
    uint64_t at = p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0;
    uint32_t len = 0;

    if (!p->after)
        return false;
    if (p->ret < 0 || !v || !at || copy_in(p->mem, &len, at, sizeof len) < 0)
        return print_addr(p, v);
    print_sockaddr_at(p, v, MIN(len, p->before[p->i + 1]));
    return true;
}

/* [16], or [128 => 16] when the kernel changed it. */
bool print_socklen(struct print *p, uint64_t v)
{
    uint32_t len, before = (uint32_t)p->before[p->i];

    if (!p->after)
        return false;
    if (!print_fetch(p, v, &len, sizeof len))
        return true;
    if (p->ret < 0 || len == before)
        print_text(p, "[%u]", before);
    else
        print_text(p, "[%u => %u]", before, len);
    return true;
}

/* --- Messages ----------------------------------------------------------------------------------------- */

struct message {
    uint64_t name;
    uint32_t namelen, pad;
    uint64_t iov, iovlen, control, controllen;
    uint32_t flags, pad2;
};

struct control {
    uint64_t len;
    int32_t level, type;
};

/* Bytes of control data that are looked at, and of one header's payload. */
#define CONTROL_MAX 1024

static void print_control_data(struct print *p, const struct control *c, const uint8_t *data, size_t n)
{
    int32_t v[3];

    buf_puts(p->b, ", cmsg_data=");
    if (c->level == SOL_SOCKET && c->type == SCM_RIGHTS) {
        buf_putc(p->b, '[');
        for (size_t i = 0; i + 4 <= n; i += 4) {
            memcpy(v, data + i, 4);
            print_text(p, i ? ", %d" : "%d", v[0]);
        }
        buf_putc(p->b, ']');
    } else if (c->level == SOL_SOCKET && c->type == SCM_CREDENTIALS && n >= sizeof v) {
        memcpy(v, data, sizeof v);
        print_text(p, "{pid=%d, uid=%u, gid=%u}", v[0], (unsigned)v[1], (unsigned)v[2]);
    } else {
        print_quoted(p, data, MIN(n, PRINT_STR_MAX), n > PRINT_STR_MAX);
    }
}

static void print_control(struct print *p, uint64_t addr, uint64_t len)
{
    uint8_t bytes[CONTROL_MAX];
    size_t n = copy_in_some(p->mem, bytes, addr, MIN(len, sizeof bytes)), at = 0;
    struct control c;

    if (n < sizeof c) {
        print_addr(p, addr);
        return;
    }
    buf_putc(p->b, '[');
    while (n - at >= sizeof c) {
        memcpy(&c, bytes + at, sizeof c);
        print_text(p, "%s{cmsg_len=%" PRIu64 ", cmsg_level=", at ? ", " : "", c.len);
        print_enum(p, &names_sol, (uint32_t)c.level);
        buf_puts(p->b, ", cmsg_type=");
        if (c.level == SOL_SOCKET)
            print_enum(p, &names_cmsg_types, (uint32_t)c.type);
        else
            print_text(p, "%#x", (unsigned)c.type);
        if (c.len < sizeof c || c.len > n - at) {
            buf_putc(p->b, '}');
            break;
        }
        if (c.len > sizeof c)
            print_control_data(p, &c, bytes + at + sizeof c, c.len - sizeof c);
        buf_putc(p->b, '}');
        at += MIN((c.len + 7) & ~(uint64_t)7, n - at);
    }
    buf_puts(p->b, len > n ? ", ...]" : "]");
}

/* `bytes`: how much of the vectors was transferred; `named`: the room for the name before the call. */
static void print_message(struct print *p, const struct message *m, bool out, uint64_t bytes, uint32_t named)
{
    buf_puts(p->b, "{msg_name=");
    print_sockaddr_at(p, m->name, out ? MIN(m->namelen, named) : m->namelen);
    if (out && m->name && m->namelen != named)
        print_text(p, ", msg_namelen=%u => %u", named, m->namelen);
    else
        print_text(p, ", msg_namelen=%u", m->namelen);
    buf_puts(p->b, ", msg_iov=");
    print_iovecs(p, m->iov, m->iovlen, true, bytes);
    print_text(p, ", msg_iovlen=%" PRIu64, m->iovlen);
    if (m->controllen) {
        buf_puts(p->b, ", msg_control=");
        print_control(p, m->control, m->controllen);
    }
    print_text(p, ", msg_controllen=%" PRIu64 ", msg_flags=", m->controllen);
    print_bits(p, &names_msgfl, m->flags);
    buf_putc(p->b, '}');
}

bool print_msghdr(struct print *p, uint64_t v)
{
    struct message m;

    if (print_fetch(p, v, &m, sizeof m))
        print_message(p, &m, false, UINT64_MAX, 0);
    return true;
}

bool print_omsghdr(struct print *p, uint64_t v)
{
    struct message m;

    if (!p->after) {
        if (v && copy_in(p->mem, &m, v, sizeof m) == 0)
            p->before[p->i] = m.namelen;
        return false;
    }
    if (!print_fetch(p, v, &m, sizeof m))
        return true;
    if (p->ret < 0)
        print_text(p, "{msg_namelen=%u}", m.namelen);
    else
        print_message(p, &m, true, (uint64_t)p->ret, (uint32_t)p->before[p->i]);
    return true;
}

/* `count` messages, each followed by how many bytes it transferred. */
static void print_messages(struct print *p, uint64_t v, uint64_t count, bool out)
{
    struct {
        struct message m;
        uint32_t len, pad;
    } mm;

    buf_putc(p->b, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i)
            buf_puts(p->b, ", ");
        if (i == PRINT_ARRAY_MAX || copy_in(p->mem, &mm, v + i * sizeof mm, sizeof mm) < 0) {
            buf_puts(p->b, "...");
            break;
        }
        buf_puts(p->b, "{msg_hdr=");
        print_message(p, &mm.m, out, out ? mm.len : UINT64_MAX, mm.m.namelen);
        if (p->ret >= 0)
            print_text(p, ", msg_len=%u", mm.len);
        buf_putc(p->b, '}');
    }
    buf_putc(p->b, ']');
}

bool print_mmsghdr(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    print_messages(p, v, p->ret < 0 ? p->a[p->i + 1] : (uint64_t)p->ret, false);
    return true;
}

bool print_ommsghdr(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    if (p->ret < 0)
        return print_addr(p, v);
    print_messages(p, v, (uint64_t)p->ret, true);
    return true;
}

/* --- Options ------------------------------------------------------------------------------------------ */

static void print_option(struct print *p, uint64_t v, uint64_t len)
{
    int32_t n[2];

    if (p->a[1] == SOL_SOCKET && p->a[2] == SO_LINGER && len >= sizeof n) {
        if (print_fetch(p, v, n, sizeof n))
            print_text(p, "{l_onoff=%d, l_linger=%d}", n[0], n[1]);
    } else if (len == sizeof n[0]) {
        if (print_fetch(p, v, n, sizeof n[0]))
            print_text(p, "[%d]", n[0]);
    } else {
        print_bytes(p, v, len);
    }
}

bool print_optval(struct print *p, uint64_t v)
{
    print_option(p, v, p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0);
    return true;
}

bool print_ooptval(struct print *p, uint64_t v)
{
    uint64_t at = p->i + 1 < p->e->nargs ? p->a[p->i + 1] : 0;
    uint32_t len = 0;

    if (!p->after)
        return false;
    if (p->ret < 0 || !at || copy_in(p->mem, &len, at, sizeof len) < 0)
        return print_addr(p, v);
    print_option(p, v, len);
    return true;
}
