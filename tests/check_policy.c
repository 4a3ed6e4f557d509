/* Policies: what settings mean, which addresses rules cover, and mistakes in both. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "policy/policy.h"

static struct noahv_policy *p;

static void setup(void)
{
    ck_assert_int_eq(noahv_policy_create(&p), 0);
}

static void teardown(void)
{
    noahv_policy_destroy(p);
}

START_TEST(limits_have_units)
{
    static const struct {
        const char *name, *value;
        int64_t is;
    } good[] = {
        { "memory", "1", 1 },
        { "memory", "3k", 3072 },
        { "memory", "2M", 2 << 20 },
        { "memory", "1GiB", 1 << 30 },
        { "memory", "0", 0 },
        { "timeout", "3", 3000 },
        { "timeout", "250ms", 250 },
        { "timeout", "2m", 120000 },
        { "timeout", "1h", 3600000 },
        { "pids", "1", 1 },
        { "fds", "4", 4 },
        { "output-limit", "5k", 5120 },
    };
    static const char *const bad[][2] = {
        { "memory", "" },
        { "memory", "x" },
        { "memory", "-1" },
        { "memory", "1T" },
        { "memory", "1 M" },
        { "timeout", "1d" },
        { "pids", "0" },
        { "pids", "1025" },
        { "pids", "3x" },
        { "fds", "3" },
        { "memory", "99999999999999999999" },
        { "memory", "9223372036854775807G" },
    };

    ck_assert_int_eq(noahv_policy_limit(p, "memory"), 256 << 20);
    ck_assert_int_eq(noahv_policy_limit(p, "timeout"), 60000);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(noahv_policy_set(p, good[i].name, good[i].value) == 0, "%s", good[i].value);
        ck_assert_int_eq(noahv_policy_limit(p, good[i].name), good[i].is);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(noahv_policy_set(p, bad[i][0], bad[i][1]) == -EINVAL, "%s %s", bad[i][0], bad[i][1]);
    ck_assert_int_eq(noahv_policy_limit(p, "colour"), -ENOENT);
}
END_TEST

START_TEST(places_are_tidy)
{
    ck_assert_int_eq(noahv_policy_set(p, "volume", "/a:/x//./y/:ro"), 0);
    ck_assert_str_eq(p->place[0].src, "/a");
    ck_assert_str_eq(p->place[0].dst, "/x/y");
    ck_assert(p->place[0].ro);
    ck_assert_int_eq(noahv_policy_set(p, "bind", "b /x/y"), 0); /* the last one counts */
    ck_assert_uint_eq(p->nr_places, 1);
    ck_assert_str_eq(p->place[0].src, "b");
    ck_assert(!p->place[0].ro);
    ck_assert_int_eq(noahv_policy_set(p, "root", "c"), 0);
    ck_assert_str_eq(p->place[1].dst, "");
    ck_assert_int_eq(noahv_policy_set(p, "tmpfs", "/t"), 0);
    ck_assert_ptr_null(p->place[2].src);
    ck_assert_int_eq(noahv_policy_set(p, "dir", "/t"), 0); /* of whatever kind */
    ck_assert_uint_eq(p->nr_places, 3);
    ck_assert_int_eq(p->place[2].kind, PLACE_DIR);
    ck_assert_int_eq(noahv_policy_set(p, "symlink", "../b  /l"), 0);
    ck_assert_str_eq(p->place[3].src, "../b");
    ck_assert_str_eq(p->place[3].dst, "/l");
    ck_assert_int_eq(noahv_policy_set(p, "symlink", "x l"), -EINVAL);
    for (const char *const *bad =
             (const char *const[]){ "/a", "/a:x", "/a:/x/../y", ":/x", "/a:/x:rx", NULL };
         *bad; bad++)
        ck_assert_msg(noahv_policy_set(p, "volume", *bad) == -EINVAL, "%s", *bad);
}
END_TEST

START_TEST(places_are_few)
{
    char text[64];

    for (int i = 0; i < POLICY_BINDS_MAX; i++) {
        snprintf(text, sizeof text, "/%d", i);
        ck_assert_int_eq(noahv_policy_set(p, "tmpfs", text), 0);
    }
    ck_assert_int_eq(noahv_policy_set(p, "bind", "/a /a"), -EINVAL);
    ck_assert(strstr(noahv_policy_error(p), "more than 64 places are granted"));
    ck_assert_int_eq(noahv_policy_set(p, "bind", "/a /0"), 0);
    for (int i = POLICY_BINDS_MAX; i < POLICY_PLACES_MAX; i++) {
        snprintf(text, sizeof text, "/%d", i);
        ck_assert_int_eq(noahv_policy_set(p, "absent", text), 0);
    }
    ck_assert_int_eq(noahv_policy_set(p, "tmpfs", "/100"), -EINVAL); /* it was absent */
    ck_assert_int_eq(noahv_policy_set(p, "absent", "/more"), -EINVAL);
    ck_assert_uint_eq(p->nr_places, POLICY_PLACES_MAX);
}
END_TEST

/* "1.2.3.4" or an IPv6 address, as the socket address of its family. */
static bool allows(enum net_use use, const char *text, unsigned port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return net_rules_allow(p->rule, p->nr_rules, use, (struct sockaddr *)&in, sizeof in);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return net_rules_allow(p->rule, p->nr_rules, use, (struct sockaddr *)&in6, sizeof in6);
}

START_TEST(rules_cover_addresses)
{
    ck_assert_int_eq(noahv_policy_set(p, "allow-connect", "10.1.0.0/15:443"), 0);
    ck_assert_int_eq(noahv_policy_set(p, "allow-connect", "[2001:db8::]/33"), 0);
    ck_assert_int_eq(noahv_policy_set(p, "allow-connect", "localhost:80"), 0);
    ck_assert_int_eq(noahv_policy_set(p, "allow-listen", "8080"), 0);
    ck_assert_int_eq(noahv_policy_set(p, "allow-listen", "127.0.0.1:9090"), 0);
    ck_assert_int_eq(p->net, NET_POLICY);

    ck_assert(allows(NET_CONNECT, "10.0.0.1", 443) && allows(NET_CONNECT, "10.1.255.255", 443));
    ck_assert(!allows(NET_CONNECT, "10.2.0.0", 443) && !allows(NET_CONNECT, "9.255.255.255", 443));
    ck_assert(!allows(NET_CONNECT, "10.0.0.1", 80) && !allows(NET_LISTEN, "10.0.0.1", 443));
    ck_assert(allows(NET_CONNECT, "::ffff:10.0.0.1", 443) && !allows(NET_CONNECT, "::ffff:10.2.0.0", 443));
    ck_assert(!allows(NET_CONNECT, "::10.0.0.1", 443)); /* compatible is not mapped */
    ck_assert(allows(NET_CONNECT, "2001:db8:7fff::", 1) && !allows(NET_CONNECT, "2001:db8:8000::", 1));
    ck_assert(allows(NET_CONNECT, "127.9.9.9", 80) && allows(NET_CONNECT, "::1", 80));
    ck_assert(allows(NET_CONNECT, "0.0.0.0", 80) &&
              allows(NET_CONNECT, "::", 80)); /* this machine, to connect */
    ck_assert(!allows(NET_CONNECT, "0.0.0.0", 81));
    ck_assert(allows(NET_LISTEN, "0.0.0.0", 8080) && allows(NET_LISTEN, "::", 8080));
    ck_assert(allows(NET_LISTEN, "127.0.0.1", 9090) && !allows(NET_LISTEN, "0.0.0.0", 9090));
}
END_TEST

START_TEST(short_and_foreign_addresses_are_covered_by_nothing)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    char text[NET_TEXT_MAX];

    ck_assert_int_eq(noahv_policy_set(p, "allow-connect", "::/0"), 0);
    ck_assert_int_eq(noahv_policy_set(p, "allow-connect", "0.0.0.0/0"), 0);
    for (socklen_t len = 0; len < 24; len++)
        ck_assert(!net_rules_allow(p->rule, p->nr_rules, NET_CONNECT, (struct sockaddr *)&in6, len));
    ck_assert(net_rules_allow(p->rule, p->nr_rules, NET_CONNECT, (struct sockaddr *)&in6, 24));
    ck_assert(!net_rules_allow(p->rule, p->nr_rules, NET_CONNECT, (struct sockaddr *)&un, sizeof un));
    memset(un.sun_path, 'x', sizeof un.sun_path); /* without a NUL */
    net_addr_text((struct sockaddr *)&un, sizeof un, text);
    ck_assert_uint_eq(strlen(text), strlen("unix:") + 60);
}
END_TEST

START_TEST(bad_rules)
{
    static const char *const bad[] = { "",          "a",         "1.2.3", "1.2.3.4/33",  "::/129",
                                       "1.2.3.4:0", "1.2.3.4:x", "[::1",  "[::1]:99999", "1.2.3.4/-1",
                                       "1.2.3.4/",  "1.2.3.4:" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(noahv_policy_set(p, "allow-connect", bad[i]) == -EINVAL, "%s", bad[i]);
    ck_assert_int_eq(noahv_policy_set(p, "allow-listen", "127.0.0.1"), -EINVAL);
    ck_assert_int_eq(noahv_policy_set(p, "allow-listen", "65536"), -EINVAL);
    ck_assert_int_eq(p->net, NET_NONE);
}
END_TEST

START_TEST(unknown_names_have_a_neighbour)
{
    ck_assert_int_eq(noahv_policy_set(p, "memroy", "1"), -ENOENT);
    ck_assert(strstr(noahv_policy_error(p), "Is it memory that is meant?"));
    ck_assert_int_eq(noahv_policy_set(p, "alow-conect", "1"), -ENOENT);
    ck_assert(strstr(noahv_policy_error(p), "allow-connect"));
    ck_assert_int_eq(noahv_policy_set(p, "zzzzzz", "1"), -ENOENT);
    ck_assert(strstr(noahv_policy_error(p), "noahv box --help"));
}
END_TEST

static int load(const char *text)
{
    char path[] = "/tmp/check_policy.XXXXXX";
    int fd = mkstemp(path), r;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    r = noahv_policy_load(p, path);
    unlink(path);
    return r;
}

START_TEST(files_name_the_line)
{
    ck_assert_int_eq(load("; a comment\nmemory = 1M\n\nro-bind = /a /b\nallow-listen = 80\n"), 0);
    ck_assert_int_eq(noahv_policy_limit(p, "memory"), 1 << 20);
    ck_assert_str_eq(p->place[0].dst, "/b");
    ck_assert_int_eq(load("memory = 2M\nmemry = 3\ntimeout = x\n"), -EINVAL);
    ck_assert(strstr(noahv_policy_error(p), ":2: memry is no setting"));
    ck_assert_int_eq(load("what\n"), -EINVAL);
    ck_assert(strstr(noahv_policy_error(p), ":1: "));
    ck_assert_int_eq(load("[box]\nmemory = 1M\n"), -EINVAL);
    ck_assert(strstr(noahv_policy_error(p), "there are no sections"));
    ck_assert_int_eq(noahv_policy_load(p, "/nonexistent"), -ENOENT);
}
END_TEST

START_TEST(the_first_end_counts)
{
    char line[64];

    ck_assert_int_eq(noahv_policy_ended(p, line, sizeof line), NOAHV_END_OWN);
    ck_assert(policy_end(p, NOAHV_END_LIMIT, "first %d", 1));
    ck_assert(!policy_end(p, NOAHV_END_DENIED, "second"));
    ck_assert_int_eq(noahv_policy_ended(p, line, sizeof line), NOAHV_END_LIMIT);
    ck_assert_str_eq(line, "first 1");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = tcase_create("policy");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, limits_have_units);
    tcase_add_test(tc, places_are_tidy);
    tcase_add_test(tc, places_are_few);
    tcase_add_test(tc, rules_cover_addresses);
    tcase_add_test(tc, short_and_foreign_addresses_are_covered_by_nothing);
    tcase_add_test(tc, bad_rules);
    tcase_add_test(tc, unknown_names_have_a_neighbour);
    tcase_add_test(tc, files_name_the_line);
    tcase_add_test(tc, the_first_end_counts);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
