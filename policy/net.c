/*
 * Network rules: their text, and whether one covers an address. IPv4 is kept and compared as IPv4-mapped IPv6, so
 * that ::ffff:a.b.c.d cannot pass where a.b.c.d may not.
 */
#include "policy/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"

enum { MAPPED_BITS = 96 };

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* A number of at most `most` that is all of the text. */
static bool number(const char *text, unsigned long most, unsigned long *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *out = strtoul(text, &end, 10);
    return !*end && *out <= most;
}

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned long n;

    if (!number(text, 65535, &n) || n == 0)
        return false;
    *port = (uint16_t)n;
    return true;
}

/* "ADDR" or "ADDR/N"; brackets are off. */
static bool parse_addr(char *text, struct net_rule *r)
{
    char *slash = strchr(text, '/');
    unsigned long bits, most;

    if (slash)
        *slash++ = '\0';
    memcpy(r->addr, mapped, sizeof mapped);
    if (inet_pton(AF_INET, text, r->addr + sizeof mapped) == 1)
        most = 32;
    else if (inet_pton(AF_INET6, text, r->addr) == 1)
        most = 128;
    else
        return false;
    bits = most;
    if (slash && !number(slash, most, &bits))
        return false;
    r->prefix = (uint8_t)(bits + 128 - most);
    return true;
}

/* Splits "A:PORT", "[A]:PORT", "[A]/N:PORT", "A" in place; *port NULL: there is none. */
static bool split(char *text, char **port)
{
    char *close = *text == '[' ? strchr(text, ']') : NULL, *colon;

    if (*text == '[' && !close)
        return false;
    if (close) {
        memmove(text, text + 1, (size_t)(close - text - 1));
        memmove(close - 1, close + 1, strlen(close + 1) + 1);
        colon = strchr(close - 1, ':');
    } else {
        colon = strchr(text, ':');
        if (colon && strchr(colon + 1, ':')) /* a plain IPv6 address has many */
            colon = NULL;
    }
    *port = colon ? colon + 1 : NULL;
    if (colon)
        *colon = '\0';
    return true;
}

int net_rule_parse(const char *text, enum net_use use, struct net_rule out[2], size_t *n)
{
    struct net_rule r = { .use = (uint8_t)use };
    char copy[NET_TEXT_MAX], *port;

    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return -EINVAL;
    *n = 1;
    if (use == NET_LISTEN && parse_port(copy, &r.port)) { /* any address of ours */
        out[0] = r;
        return 0;
    }
    if (!split(copy, &port) || (port && !parse_port(port, &r.port)) || (use == NET_LISTEN && !port))
        return -EINVAL;
    if (strcmp(copy, "localhost") == 0) {
        out[0] = out[1] = r;
        out[0].prefix = MAPPED_BITS + 8; /* 127.0.0.0/8 */
        memcpy(out[0].addr, mapped, sizeof mapped);
        out[0].addr[12] = 127;
        out[1].prefix = 128;
        out[1].addr[15] = 1; /* ::1 */
        *n = 2;
        return 0;
    }
    if (!parse_addr(copy, &r))
        return -EINVAL;
    out[0] = r;
    return 0;
}

/* The address as 16 bytes, and the port; false when it is neither IPv4 nor IPv6 or cut short. */
static bool address_of(const struct sockaddr *sa, socklen_t len, uint8_t addr[16], uint16_t *port)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

    if (len < sizeof sa->sa_family)
        return false;
    if (sa->sa_family == AF_INET && len >= sizeof *in) {
        memcpy(addr, mapped, sizeof mapped);
        memcpy(addr + sizeof mapped, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return true;
    }
    if (sa->sa_family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        memcpy(addr, &in6->sin6_addr, 16);
        *port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

/* The kernel takes "any address" as this machine when it connects to it. */
static void name_loopback(uint8_t addr[16])
{
    static const uint8_t zero[16];

    if (memcmp(addr, zero, 16) == 0) {
        addr[15] = 1;
    } else if (memcmp(addr, mapped, sizeof mapped) == 0 && memcmp(addr + sizeof mapped, zero, 4) == 0) {
        addr[12] = 127;
        addr[15] = 1;
    }
}

static bool covers(const struct net_rule *r, const uint8_t addr[16], uint16_t port)
{
    unsigned whole = r->prefix / 8, rest = r->prefix % 8;

    if (r->port && r->port != port)
        return false;
    if (memcmp(r->addr, addr, whole) != 0)
        return false;
    return !rest || (r->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

const struct net_rule *net_rules_allow(const struct net_rule *r, size_t n, enum net_use use,
                                       const struct sockaddr *sa, socklen_t len)
{
    uint8_t addr[16];
    uint16_t port;

    if (!address_of(sa, len, addr, &port))
        return NULL;
    if (use == NET_CONNECT)
        name_loopback(addr);
    for (size_t i = 0; i < n; i++)
        if (r[i].use == use && covers(&r[i], addr, port))
            return &r[i];
    return NULL;
}

void net_addr_text(const struct sockaddr *sa, socklen_t len, char out[NET_TEXT_MAX])
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
    char text[INET6_ADDRSTRLEN];
    uint8_t addr[16];
    uint16_t port;

    if (len < sizeof sa->sa_family) {
        snprintf(out, NET_TEXT_MAX, "no address");
    } else if (address_of(sa, len, addr, &port)) {
        bool four = sa->sa_family == AF_INET;

        inet_ntop(four ? AF_INET : AF_INET6, four ? addr + 12 : addr, text, sizeof text);
        snprintf(out, NET_TEXT_MAX, four ? "%s:%u" : "[%s]:%u", text, port);
    } else if (sa->sa_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path)) {
        size_t n = MIN(len - offsetof(struct sockaddr_un, sun_path), (size_t)60);
        bool abstract = !un->sun_path[0];

        snprintf(out, NET_TEXT_MAX, "unix:%s%.*s", abstract ? "@" : "", (int)(n - abstract),
                 un->sun_path + abstract);
    } else {
        snprintf(out, NET_TEXT_MAX, "family %u", sa->sa_family);
    }
}
