/* Records of accesses: their lines, and what policies say to them without a box. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/check.h"

static struct noahv_policy *p;

static void setup(void)
{
    ck_assert_int_eq(noahv_policy_create(&p), 0);
}

static void teardown(void)
{
    noahv_policy_destroy(p);
}

static void set(const char *name, const char *value)
{
    ck_assert_msg(noahv_policy_set(p, name, value) == 0, "%s", noahv_policy_error(p));
}

START_TEST(lines_come_back)
{
    char every[256], why[RECORD_WHY_MAX];
    struct record r;
    size_t len;
    char *line;

    for (int c = 1; c < 256; c++)
        every[c - 1] = (char)c;
    every[255] = '\0';
    line = record_line(ACCESS_LINK, "openat", every, "a\"b", &len);
    ck_assert_ptr_nonnull(line);
    ck_assert(line[len - 1] == '\n' && !memchr(line, '\n', len - 1));
    for (size_t i = 0; i < len; i++)
        ck_assert((unsigned char)line[i] < 0x7f);
    ck_assert_msg(record_parse(line, len, &r, why) == 0, "%s", why);
    ck_assert_int_eq(r.access, ACCESS_LINK);
    ck_assert_str_eq(r.call, "openat");
    ck_assert_str_eq(r.object, every);
    ck_assert_str_eq(r.text, "a\"b");
    record_free(&r);
    free(line);
}
END_TEST

START_TEST(what_is_no_line)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "1",
        "{}",
        "{\"access\":\"read\"}",
        "{\"access\":\"reed\",\"object\":\"/\"}",
        "{\"access\":\"read\",\"object\":1}",
        "{\"access\":\"read\",\"object\":\"\\u0100\"}",
        "{\"access\":\"read\",\"object\":\"\\u0000\"}",
        "{\"access\":\"read\",\"object\":\"\xff\"}",
        "{\"access\":\"read\",\"object\":\"/\"} x",
        "{\"access\":\"read\",\"object\":\"/\",\"object\":\"/\"}",
        "{\"object\":\"/\",\"text\":\"\\ud83d\\ude00\"}",
    };
    char why[RECORD_WHY_MAX];
    struct record r;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(record_parse(bad[i], strlen(bad[i]), &r, why) == -EINVAL, "%s", bad[i]);
    ck_assert_int_eq(record_parse("{\"object\":\"/\"}", 14, &r, why),
                     0); /* as a refusal, which has no access */
    ck_assert_int_eq(r.access, NR_ACCESSES);
    record_free(&r);
}
END_TEST

/* Where a path leads in the places of p, with the links of a record. */
static const char *walk(const struct record *links, size_t n, const char *path, bool follow)
{
    static char at[PATH_MAX];
    const struct policy_place *place;
    struct outlook o;
    const char *rel;
    int r;

    outlook_open(&o, p, links, n);
    r = outlook_walk(&o, path, follow, at, &place, &rel);
    outlook_close(&o);
    return r < 0 ? strerrorname_np(-r) : at;
}

START_TEST(walks_by_links)
{
    struct record links[] = {
        { ACCESS_LINK, (char *)"", (char *)"/nonexistent/src/abs", (char *)"/b/y" },
        { ACCESS_LINK, (char *)"", (char *)"/nonexistent/src/loop", (char *)"loop" },
        { ACCESS_READ, (char *)"", (char *)"/nonexistent/src/rel", (char *)"" },
        { ACCESS_LINK, (char *)"", (char *)"/nonexistent/src/rel", (char *)"../c/./d" },
    };
    size_t n = sizeof links / sizeof *links;

    set("ro-bind", "/nonexistent/src /a");
    set("symlink", "a/abs /own");
    ck_assert_str_eq(walk(links, n, "/", true), "");
    ck_assert_str_eq(walk(links, n, "//a/./b/../x/", true), "/a/x");
    ck_assert_str_eq(walk(links, n, "/a/rel/e", true), "/c/d/e");
    ck_assert_str_eq(walk(links, n, "/a/rel/..", true), "/c");
    ck_assert_str_eq(walk(links, n, "/a/rel", false), "/a/rel");
    ck_assert_str_eq(walk(links, n, "/a/abs", true), "/b/y");
    ck_assert_str_eq(walk(links, n, "/own/z", false), "/b/y/z");
    ck_assert_str_eq(walk(links, n, "/../../a", true), "/a");
    ck_assert_str_eq(walk(links, n, "/a/loop", true), "ELOOP");
    ck_assert_str_eq(walk(NULL, 0, "/a/rel/e", true), "/a/rel/e");
}
END_TEST

static bool allows(enum policy_access a, const char *object)
{
    struct record r = { a, (char *)"", (char *)object, (char *)"" };
    struct outlook o;
    char line[64]; /* cut */
    bool allowed;

    outlook_open(&o, p, NULL, 0);
    allowed = outlook_allows(&o, &r, line, sizeof line);
    outlook_close(&o);
    ck_assert(strncmp(line, "refused ", 8) == 0 ? !allowed : allowed);
    return allowed;
}

START_TEST(decides_on_files)
{
    set("ro-bind", "/ /ro");
    set("bind", "/ /ro/in/rw");
    set("tmpfs", "/tmp");
    set("dir", "/d/e");
    set("absent", "/not");
    ck_assert(allows(ACCESS_READ, "/ro/x") && allows(ACCESS_LIST, "/ro") && allows(ACCESS_ABSENT, "/ro/x"));
    ck_assert(!allows(ACCESS_WRITE, "/ro/x") && !allows(ACCESS_MAKE, "/ro/x") &&
              !allows(ACCESS_WRITE, "/ro"));
    ck_assert(allows(ACCESS_WRITE, "/ro/in/rw/x") && allows(ACCESS_MAKE, "/ro/in/rw/x"));
    ck_assert(!allows(ACCESS_MAKE, "/ro/in/rw") && !allows(ACCESS_WRITE, "/ro/in/rwx"));
    ck_assert(allows(ACCESS_MAKE, "/tmp/x") && !allows(ACCESS_MAKE, "/tmp"));
    ck_assert(allows(ACCESS_FOLDER, "/d") && allows(ACCESS_FOLDER, "/d/e") &&
              !allows(ACCESS_FOLDER, "/d/e/f"));
    ck_assert(allows(ACCESS_FOLDER, "/") && !allows(ACCESS_MAKE, "/x") && !allows(ACCESS_LOOK, "/x"));
    ck_assert(allows(ACCESS_ABSENT, "/not") && allows(ACCESS_ABSENT, "/not/x") &&
              !allows(ACCESS_ABSENT, "/nota"));
    ck_assert(!allows(ACCESS_READ, "/not"));
    ck_assert(allows(ACCESS_READ, "/dev/null") && allows(ACCESS_READ, "/proc/self/maps"));
    ck_assert(!allows(ACCESS_WRITE, "/proc/self/comm") && !allows(ACCESS_READ, "/dev/sda"));
}
END_TEST

/* The root, and what is a place in it and no more, is writable then; what is granted read-only is not. */
START_TEST(decides_on_files_in_an_overlay)
{
    set("ro-bind", "/ /ro");
    set("dir", "/d/e");
    set("absent", "/not");
    set("overlay", "/nonexistent/over");
    ck_assert(allows(ACCESS_MAKE, "/x") && allows(ACCESS_MAKE, "/d/e/x") && allows(ACCESS_MAKE, "/not"));
    ck_assert(allows(ACCESS_WRITE, "/d") && allows(ACCESS_ABSENT, "/not") && !allows(ACCESS_READ, "/x"));
    ck_assert(!allows(ACCESS_MAKE, "/ro/x") && !allows(ACCESS_WRITE, "/ro/x") && !allows(ACCESS_MAKE, "/ro"));
    ck_assert(!allows(ACCESS_WRITE, "/proc/self/comm"));
    set("root", "/");
    ck_assert(allows(ACCESS_WRITE, "/x") && !allows(ACCESS_WRITE, "/ro/x"));
}
END_TEST

START_TEST(decides_on_addresses)
{
    ck_assert(!allows(ACCESS_SOCKET, "AF_INET"));
    set("allow-connect", "[2001:db8::]/32:80");
    ck_assert(allows(ACCESS_SOCKET, "AF_INET") && allows(ACCESS_CONNECT, "[2001:db8::1]:80"));
    ck_assert(!allows(ACCESS_CONNECT, "[2001:db8::1]:81") && !allows(ACCESS_LISTEN, "[2001:db8::1]:80"));
    set("allow-listen", "127.0.0.1:8080");
    ck_assert(allows(ACCESS_LISTEN, "127.0.0.1:8080") && !allows(ACCESS_LISTEN, "0.0.0.0:8080"));
    for (const char *const *bad = (const char *const[]){ "", ":", "1.2.3.4", "[::1", "[]:1", "x:1",
                                                         "1.2.3.4:65536", "unix:@x", NULL };
         *bad; bad++)
        ck_assert_msg(!allows(ACCESS_CONNECT, *bad), "%s", *bad);
    set("net", "host");
    ck_assert(allows(ACCESS_LISTEN, "0.0.0.0:1"));
}
END_TEST

/* A policy from these lines. */
static const char *learned(const char *record)
{
    static const char program[] = "{\"access\":\"program\",\"object\":\"/bin/prog\"}\n";
    static char text[4096];
    int in = memfd_create("record", 0), out = memfd_create("policy", 0);
    ssize_t n = (ssize_t)strlen(record);

    ck_assert_int_eq(noahv_policy_learn(p, in), 0);
    ck_assert(write(in, record, (size_t)n) == n);
    ck_assert_int_eq(noahv_policy_write(p, out, "title", 0), -ESRCH);
    n = (ssize_t)strlen(program);
    ck_assert(write(in, program, (size_t)n) == n);
    ck_assert_int_ge(noahv_policy_write(p, out, "title", 0), 0);
    n = pread(out, text, sizeof text - 1, 0);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    close(in);
    close(out);
    return text;
}

START_TEST(grants_folders_only_where_they_are_narrow)
{
    const char *text =
        learned("{\"access\":\"list\",\"object\":\"/\"}\n{\"access\":\"list\",\"object\":\"/etc\"}\n"
                "{\"access\":\"read\",\"object\":\"/etc/passwd\"}\n"
                "{\"access\":\"look\",\"object\":\"/etc/group\"}\n"
                "{\"access\":\"make\",\"object\":\"/etc/gone\"}\n"
                "{\"access\":\"list\",\"object\":\"/usr/bin\"}\n");

    ck_assert(strstr(text, "# /: this wide folder was listed") &&
              strstr(text, "# /etc: this wide folder was listed"));
    ck_assert(strstr(text, access("/etc", W_OK) == 0
                               ? "# /etc: entries of this wide folder were made and removed"
                               : "# /etc: the host lets it make no entries there"));
    ck_assert(strstr(text, "ro-bind = /etc/passwd /etc/passwd\n") &&
              strstr(text, "ro-bind = /usr/bin /usr/bin\n"));
    ck_assert(!strstr(text, "/etc/group") && !strstr(text, "= /etc\n") && !strstr(text, " / ") &&
              !strstr(text, "/etc /etc"));
}
END_TEST

START_TEST(tells_only_names_that_a_file_can_hold)
{
    char dir[] = "/tmp/check_learn.XXXXXX", odd[64], spaced[64], record[1024];
    const char *text;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(odd, sizeof odd, "%s/a\nnet = host", dir);
    snprintf(spaced, sizeof spaced, "%s/a b", dir);
    close(open(odd, O_CREAT | O_WRONLY, 0600));
    close(open(spaced, O_CREAT | O_WRONLY, 0600));
    snprintf(record, sizeof record,
             "{\"access\":\"read\",\"object\":\"%s/a\\u000anet = "
             "host\"}\n{\"access\":\"read\",\"object\":\"%s\"}\n",
             dir, spaced);
    text = learned(record);
    ck_assert(!strstr(text, "\nnet") &&
              strstr(text, "a?net = host: a policy file cannot hold such a name\n"));
    ck_assert(strstr(text, "volume = ") && strstr(text, "/a b:ro\n"));
    unlink(odd);
    unlink(spaced);
    rmdir(dir);
}
END_TEST

START_TEST(tells_of_links_and_addresses_only_what_comes_back)
{
    char dir[] = "/tmp/check_learn.XXXXXX", record[2048], name[64];
    const char *text;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(name, sizeof name, "%s/link", dir);
    ck_assert_int_eq(symlink(";x", name), 0);
    snprintf(
        record, sizeof record,
        "{\"access\":\"link\",\"object\":\"%s\",\"text\":\";x\"}\n{\"access\":\"entry\",\"object\":\"%s\"}\n"
        "{\"access\":\"connect\",\"object\":\"1.2.3.4:0\"}\n{\"access\":\"connect\",\"object\":\"x\\nnet = "
        "host:1\"}\n"
        "{\"access\":\"connect\",\"object\":\"unix:@\\nx\"}\n{\"access\":\"listen\",\"object\":\"[::1]:80\"}"
        "\n",
        name, name);
    text = learned(record);
    ck_assert(!strstr(text, "symlink = ") && strstr(text, "/link: a policy file cannot hold such a name\n"));
    ck_assert(!strstr(text, "allow-connect") && strstr(text, "# 1.2.3.4:0: no rule can say this address\n"));
    ck_assert(strstr(text, "# unix:@?x: abstract names") && strstr(text, "\nallow-listen = [::1]:80\n"));
    ck_assert(!strstr(text, "\nnet") && !strstr(text, "\nx"));
    unlink(name);
    rmdir(dir);
}
END_TEST

static void remove_tree(const char *dir)
{
    char command[64];

    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0); /* NOLINT: a folder of ours */
}

/* Makes files NAME0, NAME1 ... with this mode in `dir`, and a line for each in `record`. */
static void files(const char *dir, const char *name, mode_t mode, const char *access, char *record)
{
    char path[128];

    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "%s/%s%d", dir, name, i);
        close(open(path, O_CREAT | O_WRONLY, mode));
        sprintf(record + strlen(record), "{\"access\":\"%s\",\"object\":\"%s\"}\n", access, path);
    }
}

START_TEST(grants_the_folder_of_many_files)
{
    char dir[] = "/tmp/check_learn.XXXXXX", record[4096] = "", line[128];

    ck_assert_ptr_nonnull(mkdtemp(dir));
    files(dir, "read", 0600, "read", record);
    snprintf(line, sizeof line, "\nro-bind = %s %s\n", dir, dir);
    ck_assert(strstr(learned(record), line));
    *strrchr(record, '{') = '\0'; /* seven */
    ck_assert(!strstr(learned(record), line));
    ck_assert(strstr(learned(record), "/read6\n"));
    remove_tree(dir);
}
END_TEST

START_TEST(grants_nothing_that_the_host_denies)
{
    char dir[] = "/tmp/check_learn.XXXXXX", record[4096] = "", line[128];
    const char *text;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    files(dir, "shut", 0, "read", record);
    sprintf(record + strlen(record), "{\"access\":\"make\",\"object\":\"%s/new\"}\n", dir);
    snprintf(line, sizeof line, "%s/fixed", dir);
    close(open(line, O_CREAT | O_WRONLY, 0444));
    sprintf(record + strlen(record), "{\"access\":\"write\",\"object\":\"%s\"}\n", line);
    ck_assert_int_eq(chmod(dir, 0555), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    text = learned(record);
    ck_assert(strstr(text, "/shut0: the host does not let it be read\n") && !strstr(text, "/shut0 /"));
    snprintf(line, sizeof line, "\nro-bind = %s/fixed %s/fixed\n", dir, dir);
    ck_assert(strstr(text, "/fixed: the host does not let it be written\n") && strstr(text, line));
    snprintf(line, sizeof line, "# %s: the host lets it make no entries there\n", dir);
    ck_assert(strstr(text, line) && !strstr(text, "\nbind"));
    snprintf(line, sizeof line, "= %s %s\n", dir, dir); /* many, but none that it could read */
    ck_assert(!strstr(text, line));
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    chmod(dir, 0700);
    remove_tree(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("learn");
    TCase *tc = tcase_create("learn");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, lines_come_back);
    tcase_add_test(tc, what_is_no_line);
    tcase_add_test(tc, walks_by_links);
    tcase_add_test(tc, decides_on_files);
    tcase_add_test(tc, decides_on_files_in_an_overlay);
    tcase_add_test(tc, decides_on_addresses);
    tcase_add_test(tc, grants_folders_only_where_they_are_narrow);
    tcase_add_test(tc, tells_only_names_that_a_file_can_hold);
    tcase_add_test(tc, tells_of_links_and_addresses_only_what_comes_back);
    tcase_add_test(tc, grants_the_folder_of_many_files);
    tcase_add_test(tc, grants_nothing_that_the_host_denies);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
