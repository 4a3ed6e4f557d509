/*
 * Network rules: which addresses a box may connect to, send to and listen on. Works on copies of socket
 * addresses; knows nothing of sockets.
 */
#ifndef NOAHV_POLICY_NET_H
#define NOAHV_POLICY_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum net_mode { NET_NONE, NET_HOST, NET_POLICY };
enum net_use { NET_CONNECT, NET_LISTEN };

struct net_rule {
    uint8_t use;      /* enum net_use */
    uint8_t prefix;   /* leading bits of addr that count, 0..128 */
    uint16_t port;    /* host order; 0: any */
    unsigned line;    /* of the policy file; 0: of none */
    uint8_t addr[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d */
};

/* Longest text of an address or rule: "[" IPv6 "%" scope "]:" port. */
#define NET_TEXT_MAX 80

/*
 * NET_CONNECT: "ADDR", "ADDR/N", "ADDR:PORT", "[IPV6]/N:PORT", "localhost:PORT"; NET_LISTEN: "PORT", "ADDR:PORT".
 * "localhost" stands for two rules: *n tells how many were written (2 at most). -EINVAL.
 */
int net_rule_parse(const char *text, enum net_use use, struct net_rule out[2], size_t *n);

/* The first rule that allows `use` of an IPv4 or IPv6 address of `len` bytes; NULL: none, or it is another address. */
const struct net_rule *net_rules_allow(const struct net_rule *r, size_t n, enum net_use use,
                                       const struct sockaddr *sa, socklen_t len);

/* "1.2.3.4:80", "[::1]:80", "unix:/path", "unix:@name", "family 16": for people. */
void net_addr_text(const struct sockaddr *sa, socklen_t len, char out[NET_TEXT_MAX]);

#endif
