/*
 * A root laid over the host: which side a name is found on, whatever links and ".." stand in it, where new files
 * go, and what the host's names are to the guest.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem/fault.h"
#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/path.h"

static char scratch[] = "/tmp/check_root.XXXXXX";
static char top[PATH_MAX]; /* of scratch, without links */
static struct root root;

static void make(const char *dir, const char *file, const char *link)
{
    char path[PATH_MAX + 64], cmd[PATH_MAX + 128], to[PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", dir, file);
    snprintf(cmd, sizeof cmd, "mkdir -p $(dirname %s)", path);
    ck_assert_int_eq(system(cmd), 0);
    if (link) {
        snprintf(to, sizeof to, "%s%s", link[0] == '%' ? top : "", link + (link[0] == '%'));
        ck_assert_int_eq(symlink(to, path), 0);
    } else {
        snprintf(cmd, sizeof cmd, "echo %s > %s", file, path);
        ck_assert_int_eq(system(cmd), 0);
    }
}

static void setup(void)
{
    static const char *const tree[][2] = {
        { "usr/bin/tool", NULL },
        { "bin", "usr/bin" },
        { "etc/alt/tool", "/usr/bin/tool" },
        { "usr/bin/t", "/etc/alt/tool" },
        { "usr/bin/up", "../../../../../usr/bin/tool" },
        { "etc/mtab", "../proc/self/mounts" },
        { "etc/new", "/etc/fresh" },
        { "loop", "/loop" },
        { "far", "%/host" },
        { "proc/self/exe", NULL },
        { "dev/null", NULL },
        { "etc/passwd/none", NULL },
        { "self", "/proc/self/exe" },
    };
    static const char *const host[][2] = {
        { "host/file", NULL },
        { "host/dir/file", NULL },
        { "host/tool", "/usr/bin/tool" },
        { "host/dir/tool", "../../host/tool" },
        { "host/beside", "dir/file" },
        { "host/passwd", "/etc/passwd" },
        { "both/link", "real" },
        { "both/real", NULL },
        { "both/other", NULL },
    };
    char dir[PATH_MAX + 8], both[PATH_MAX + 16];

    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    ck_assert_ptr_nonnull(realpath(scratch, top));
    snprintf(dir, sizeof dir, "%s/root", top);
    for (size_t i = 0; i < ARRAY_SIZE(tree); i++)
        make(dir, tree[i][0], tree[i][1]);
    for (size_t i = 0; i < ARRAY_SIZE(host); i++)
        make(top, host[i][0], host[i][1]);
    snprintf(both, sizeof both, "%s/both/real", top + 1);
    make(dir, both, NULL);
    procfs_start();
    root = (struct root){ .fd = -1 };
    ck_assert_int_eq(root_open(&root, dir), 0);
    ck_assert(root_on(&root));
}

static void teardown(void)
{
    char cmd[64];

    root_close(&root);
    snprintf(cmd, sizeof cmd, "rm -rf %s", scratch);
    ck_assert_int_eq(system(cmd), 0);
}

/* A '%' in a name is `top`. `want`: "r:" in the root, "h:" an absolute name of the host's, "=" left as it
 * is, or a number: -errno. */
static const struct {
    const char *dir; /* the directory a relative name starts from, a host name; NULL: none */
    const char *name;
    enum path_last last;
    const char *want;
} cases[] = {
    { NULL, "/usr/bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "//usr/./bin//tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/usr/../usr/bin/../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/../../usr/bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/", PATH_FOLLOW, "r:." },
    { NULL, "/..", PATH_FOLLOW, "r:." },
    { NULL, "/usr/..", PATH_FOLLOW, "r:." },
    { NULL, "/usr/", PATH_FOLLOW, "r:usr/" },
    { NULL, "/usr/bin/.", PATH_FOLLOW, "r:usr/bin/." },
    { NULL, "/bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/bin", PATH_FOLLOW, "r:usr/bin" },
    { NULL, "/bin", PATH_NOFOLLOW, "r:bin" },
    { NULL, "/bin/", PATH_NOFOLLOW, "r:usr/bin/" },
    { NULL, "/bin", PATH_ENTRY, "r:bin" },
    { NULL, "/bin/", PATH_ENTRY, "r:bin/" },
    { NULL, "/bin/..", PATH_NOFOLLOW, "r:usr" },
    { NULL, "/usr/bin/t", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/usr/bin/t", PATH_NOFOLLOW, "r:usr/bin/t" },
    { NULL, "/usr/bin/t", PATH_NO_LINKS, "-40" },
    { NULL, "/usr/bin/tool", PATH_NO_LINKS, "r:usr/bin/tool" },
    { NULL, "/bin/tool", PATH_NO_LINKS, "-40" },
    { NULL, "/usr/bin/up", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/loop", PATH_FOLLOW, "-40" },
    { NULL, "/loop", PATH_NOFOLLOW, "r:loop" },
    /* What the root lacks is the host's. */
    { NULL, "%/host/file", PATH_FOLLOW, "h:%/host/file" },
    { NULL, "%/host/none", PATH_FOLLOW, "h:%/host/none" },
    { NULL, "%/none/none", PATH_FOLLOW, "-2" },
    { NULL, "%/host/file/x", PATH_FOLLOW, "-20" },
    { NULL, "%/host/file/../file", PATH_FOLLOW, "-20" },
    { NULL, "%/host/none/../file", PATH_FOLLOW, "-2" },
    { NULL, "/usr/bin/tool/..", PATH_FOLLOW, "-20" },
    { NULL, "/far/file", PATH_FOLLOW, "h:%/host/file" },
    { NULL, "/far/dir/..", PATH_FOLLOW, "h:%/host" },
    { NULL, "%/host/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "%/host/dir/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "%/host/tool", PATH_NOFOLLOW, "h:%/host/tool" },
    { NULL, "%/host/../../../../../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/etc/hostname", PATH_FOLLOW, "h:/etc/hostname" },
    { NULL, "/etc/passwd", PATH_FOLLOW, "r:etc/passwd" },
    { NULL, "%/host/passwd", PATH_FOLLOW, "r:etc/passwd" },
    /* A directory that both have: a link of the host's leads to the root's file. */
    { NULL, "%/both/link", PATH_FOLLOW, "r:%/both/real" },
    { NULL, "%/both/other", PATH_FOLLOW, "h:%/both/other" },
    { NULL, "%/both/fresh", PATH_ENTRY, "r:%/both/fresh" },
    { "%/root%/both", "link", PATH_FOLLOW, "r:%/both/real" },
    /* What neither has goes where its directory is. */
    { NULL, "/etc/fresh", PATH_FOLLOW, "r:etc/fresh" },
    { NULL, "/etc/fresh/", PATH_ENTRY, "r:etc/fresh/" },
    { NULL, "/etc/new", PATH_FOLLOW, "r:etc/fresh" },
    { NULL, "/etc/new", PATH_ENTRY, "r:etc/new" },
    { NULL, "/fresh", PATH_ENTRY, "r:fresh" },
    { NULL, "%/host/dir/fresh", PATH_ENTRY, "h:%/host/dir/fresh" },
    { NULL, "/bin/fresh", PATH_ENTRY, "r:usr/bin/fresh" },
    /* The host's alone, links of /proc untouched. */
    { NULL, "/proc/self/exe", PATH_FOLLOW, "h:/proc/self/exe" },
    { NULL, "/proc", PATH_FOLLOW, "h:/proc" },
    { NULL, "/proc/", PATH_FOLLOW, "h:/proc/" },
    { NULL, "//proc/self/../1/stat", PATH_FOLLOW, "h:/proc/self/../1/stat" },
    { NULL, "/usr/../proc/self/fd/0", PATH_FOLLOW, "h:/proc/self/fd/0" },
    { NULL, "/etc/mtab", PATH_FOLLOW, "h:/proc/self/mounts" },
    { NULL, "/self", PATH_FOLLOW, "h:/proc/self/exe" },
    { NULL, "/dev/null", PATH_FOLLOW, "h:/dev/null" },
    { NULL, "/sys/kernel", PATH_FOLLOW, "h:/sys/kernel" },
    { NULL, "/proc/../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/proc/sys/kernel/../../../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { NULL, "/dev/../..", PATH_FOLLOW, "r:." },
    /* From a directory of the root. */
    { "%/root/usr", "bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "%/root/usr", "../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "%/root/usr", "../../../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "%/root/usr", "..", PATH_FOLLOW, "r:." },
    { "%/root/usr", ".", PATH_FOLLOW, "r:usr/." },
    { "%/root", "bin/t", PATH_FOLLOW, "r:usr/bin/tool" },
    { "%/root", "proc/self/exe", PATH_FOLLOW, "h:/proc/self/exe" },
    { "%/root/usr/bin", "tool/x", PATH_FOLLOW, "-20" },
    { "%/root/etc", "hostname", PATH_FOLLOW, "h:/etc/hostname" },
    { "%/root/usr", "/bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    /* From a directory of the host: its own entries, but for ways that leave it. */
    { "%/host", "file", PATH_FOLLOW, "=" },
    { "%/host", "fresh", PATH_ENTRY, "=" },
    { "%/host", "dir/../file", PATH_FOLLOW, "=" },
    { "%/host", "beside", PATH_FOLLOW, "=" },
    { "%/host", "tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "%/host", "tool", PATH_NOFOLLOW, "=" },
    { "%/host", "dir/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "%/host", "../root/usr/bin/tool", PATH_FOLLOW, "h:%/root/usr/bin/tool" },
    { "%/host/dir", "../file", PATH_FOLLOW, "h:%/host/file" },
    { "/etc", "passwd", PATH_FOLLOW, "=" },
    { "/etc", "../etc/passwd", PATH_FOLLOW, "r:etc/passwd" },
    { "/", "bin", PATH_FOLLOW, "=" },
    { "/", "../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "/proc/self", "exe", PATH_FOLLOW, "=" },
    { "/proc/self", "fd/../exe", PATH_FOLLOW, "=" },
    { "/proc/self", "../../bin/tool", PATH_FOLLOW, "r:usr/bin/tool" },
    { "/proc", "self/cwd", PATH_FOLLOW, "=" },
};

static const char *expand(char *out, size_t cap, const char *name)
{
    const char *at = strchr(name, '%');

    char rest[PATH_MAX];

    if (!at) {
        snprintf(out, cap, "%s", name);
        return out;
    }
    snprintf(out, cap, "%.*s%s%s", (int)(at - name), name, top + (name[0] == 'r'),
             strchr(at + 1, '%') ? expand(rest, sizeof rest, at + 1) : at + 1);
    return out;
}

static void assert_resolves(int dirfd, int i)
{
    char name[PATH_MAX], want[PATH_MAX + 8], got[PATH_MAX + 8];
    struct path p = { .dirfd = dirfd };
    int r;

    expand(p.name, sizeof p.name, cases[i].name);
    snprintf(name, sizeof name, "%s", p.name);
    r = root_resolve(&root, &p, cases[i].last);
    if (r < 0)
        snprintf(got, sizeof got, "%d", r);
    else if (p.dirfd == root.fd)
        snprintf(got, sizeof got, "r:%s", p.name);
    else if (p.dirfd == dirfd && strcmp(p.name, name) == 0 && name[0] != '/')
        snprintf(got, sizeof got, "=");
    else
        snprintf(got, sizeof got, "h:%s", p.name);
    ck_assert_msg(strcmp(got, expand(want, sizeof want, cases[i].want)) == 0, "%s from %s: %s, not %s", name,
                  cases[i].dir ? cases[i].dir : "nowhere", got, want);
}

START_TEST(names_lead_to_one_side) /* _i is the case */
{
    char dir[PATH_MAX];
    int fd = AT_FDCWD;

    if (cases[_i].dir) {
        fd = open(expand(dir, sizeof dir, cases[_i].dir), O_PATH | O_DIRECTORY);
        ck_assert_int_ge(fd, 0);
    }
    assert_resolves(fd, _i);
    if (fd >= 0) {
        ck_assert_int_eq(fchdir(fd), 0); /* the current directory is no other */
        assert_resolves(AT_FDCWD, _i);
        close(fd);
    }
}
END_TEST

/* /proc and /sys are mounted; a root may still be laid over a host where a name is too long. */
START_TEST(long_names_are_refused)
{
    struct path p = { .dirfd = AT_FDCWD };
    size_t n = 0;

    while (n + 3 < sizeof p.name)
        n += (size_t)snprintf(p.name + n, sizeof p.name - n, "/.");
    ck_assert_int_eq(root_resolve(&root, &p, PATH_FOLLOW), 0);
    ck_assert_str_eq(p.name, "./.");

    memset(p.name, 'x', sizeof p.name - 1);
    p.name[0] = '/';
    ck_assert_int_eq(root_resolve(&root, &p, PATH_FOLLOW), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_name_alone_leads_there)
{
    struct path p = { .dirfd = AT_FDCWD, .name = "/usr/bin/t" };
    struct stat a, b;
    char path[PATH_MAX + 32];

    ck_assert_int_eq(root_resolve(&root, &p, PATH_FOLLOW), 0);
    ck_assert_int_eq(path_flatten(&p), 0);
    ck_assert_int_eq(p.dirfd, AT_FDCWD);
    ck_assert_int_eq(stat(p.name, &a), 0);
    snprintf(path, sizeof path, "%s/root/usr/bin/tool", top);
    ck_assert_int_eq(stat(path, &b), 0);
    ck_assert_uint_eq(a.st_ino, b.st_ino);

    p.dirfd = root.fd;
    memset(p.name, 'x', sizeof p.name - 1);
    ck_assert_int_eq(path_flatten(&p), -ENAMETOOLONG);
}
END_TEST

START_TEST(host_names_become_the_guests)
{
    static const char *const names[][2] = {
        { "%/root/usr/bin/tool", "/usr/bin/tool" },
        { "%/root", "/" },
        { "%/root (deleted)", "%/root (deleted)" },
        { "%/roots/x", "%/roots/x" },
        { "%/host", "%/host" },
        { "/", "/" },
        { "socket:[1]", "socket:[1]" },
        { "", "" },
    };
    char path[PATH_MAX + 64], want[PATH_MAX + 64];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        expand(path, sizeof path, names[i][0]);
        ck_assert_uint_eq(root_guest_path(&root, path), strlen(expand(want, sizeof want, names[i][1])));
        ck_assert_str_eq(path, want);
    }
    root.left = true;
    expand(path, sizeof path, "%/root/usr");
    root_guest_path(&root, path);
    ck_assert_str_eq(path, expand(want, sizeof want, "%/root/usr"));
}
END_TEST

START_TEST(what_can_be_a_root)
{
    struct root r = { .fd = -1 };
    char file[PATH_MAX + 16];

    ck_assert_int_eq(root_open(&r, "/"), 0);
    ck_assert(!root_on(&r)); /* nothing to lay over */
    snprintf(file, sizeof file, "%s/host/file", top);
    ck_assert_int_eq(root_open(&r, file), -ENOTDIR);
    ck_assert_int_eq(root_open(&r, "/no/such"), -ENOENT);
    ck_assert_int_eq(r.fd, -1);
    ck_assert_int_eq(chdir(top), 0);
    ck_assert_int_eq(root_open(&r, "root/../root/usr"), 0);
    snprintf(file, sizeof file, "%s/root/usr", top);
    ck_assert_str_eq(r.path, file);
    ck_assert(fd_is_own(r.fd));
    root_close(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("root");
    TCase *tc = tcase_create("root");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, names_lead_to_one_side, 0, (int)ARRAY_SIZE(cases));
    tcase_add_test(tc, long_names_are_refused);
    tcase_add_test(tc, a_name_alone_leads_there);
    tcase_add_test(tc, host_names_become_the_guests);
    tcase_add_test(tc, what_can_be_a_root);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
