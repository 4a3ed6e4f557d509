/*
 * Host names in rules: looked up once, before the box is there, by the host's own getent(1). A C library that is linked
 * statically cannot do it: its resolver loads the host's modules, which belong to the host's C library.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/policy.h"

extern char **environ;

/* Letters, digits, dashes and dots, the last part no number: RFC 1123, 2.1. */
static bool is_name(const char *text)
{
    const char *last = strrchr(text, '.');

    if (!isalnum((unsigned char)*text) || strlen(text) > 253)
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.')
            return false;
    last = last ? last + 1 : text;
    return last[strspn(last, "0123456789")] != '\0';
}

int policy_add_host(struct noahv_policy *p, const char *value)
{
    const char *colon = strrchr(value, ':');
    char name[256], *end;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    struct policy_host *h = &p->host[p->nr_hosts];

    if (!colon || !isdigit((unsigned char)colon[1]) || *end || port < 1 || port > 65535 ||
        (size_t)snprintf(name, sizeof name, "%.*s", (int)(colon - value), value) >= sizeof name ||
        !is_name(name))
        return -EINVAL;
    if (p->nr_hosts == POLICY_HOSTS_MAX)
        return policy_fail(p, -E2BIG, "more than %d host names", POLICY_HOSTS_MAX);
    *h = (struct policy_host){ .port = (uint16_t)port, .line = p->line, .name = strdup(name) };
    if (!h->name)
        return policy_fail(p, -ENOMEM, "out of memory");
    p->nr_hosts++;
    return 0;
}

/* Starts getent; or -errno. */
static int start_lookup(const char *name, int to, pid_t *pid)
{
    char *const argv[] = { (char *)"getent", (char *)"ahosts", (char *)name, NULL };
    posix_spawn_file_actions_t actions;
    int r;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    r = -posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* "192.0.2.1  STREAM name": a rule for each address that is new. -E2BIG: there are too many. */
static int add_address(struct noahv_policy *p, const struct policy_host *h, const char *line)
{
    char addr[INET6_ADDRSTRLEN];
    struct net_rule r[2];
    size_t n;

    snprintf(addr, sizeof addr, "%.*s", (int)strcspn(line, " \t\n"), line);
    if (net_rule_parse(addr, NET_CONNECT, r, &n) < 0) /* one of a single link, with its interface */
        return 0;
    r[0].port = h->port;
    r[0].line = h->line;
    for (size_t i = 0; i < p->nr_rules; i++)
        if (p->rule[i].use == NET_CONNECT && p->rule[i].port == h->port && p->rule[i].prefix == 128 &&
            memcmp(p->rule[i].addr, r[0].addr, sizeof r[0].addr) == 0)
            return 0;
    if (p->nr_rules == POLICY_RULES_MAX)
        return policy_fail(p, -E2BIG, "more than %d network rules, with the addresses of %s",
                           POLICY_RULES_MAX, h->name);
    p->rule[p->nr_rules++] = r[0];
    return 0;
}

static int look_up(struct noahv_policy *p, const struct policy_host *h)
{
    int fd[2] = { -1, -1 }, status = 0, r = pipe2(fd, O_CLOEXEC) < 0 ? -errno : 0;
    FILE *lines = r == 0 ? fdopen(fd[0], "r") : NULL;
    char line[1024];
    pid_t pid = -1;

    if (r == 0)
        r = lines ? start_lookup(h->name, fd[1], &pid) : -ENOMEM;
    close(fd[1]);
    if (r < 0)
        policy_fail(p, r, "cannot look up %s with getent: %s. Give its addresses", h->name, strerror(-r));
    while (r == 0 && lines && fgets(line, sizeof line, lines))
        r = add_address(p, h, line);
    if (lines)
        fclose(lines);
    else
        close(fd[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r == 0 && status != 0)
        r = policy_fail(p, -ENOENT,
                        "%s: this host knows no address of that name, says getent ahosts. Give its addresses",
                        h->name);
    return r;
}

int noahv_policy_resolve(struct noahv_policy *p)
{
    int r = 0;

    while (r == 0 && p->nr_hosts) {
        r = look_up(p, &p->host[p->nr_hosts - 1]);
        if (r == 0)
            free(p->host[--p->nr_hosts].name);
    }
    return r;
}
