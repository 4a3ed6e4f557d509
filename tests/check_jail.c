/* The host's walls around a box, each by itself: what the box's own decisions would never ask for is asked for here. */
#include "syscalls/jail.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "syscalls/box.h"
#include "syscalls/filter.h"
#include "syscalls/mountns.h"
#include "syscalls/procfs.h"
#include "syscalls/viewtree.h"

static char given[] = "/tmp/check_jail.XXXXXX", readonly[] = "/tmp/check_jail.XXXXXX";
static char file[64], low[64], overlay[64]; /* in readonly, in given; the overlay of the last policy */
static struct noahv_policy
    *policies[7]; /* one per test: made outside, so that main can clear up after them */

static void open_folders(void)
{
    char setting[128];

    if (!mkdtemp(given) || !mkdtemp(readonly))
        exit(1);
    snprintf(file, sizeof file, "%s/file", readonly);
    snprintf(low, sizeof low, "%s/low", given);
    close(open(file, O_WRONLY | O_CREAT, 0600));
    close(open(low, O_WRONLY | O_CREAT, 0600));
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        if (noahv_policy_create(&policies[i]) < 0)
            exit(1);
        snprintf(setting, sizeof setting, "%s:/given", given);
        noahv_policy_set(policies[i], "volume", setting);
        snprintf(setting, sizeof setting, "%s:/readonly:ro", readonly);
        noahv_policy_set(policies[i], "volume", setting);
        noahv_policy_set(policies[i], "allow-connect", "127.0.0.1:7");
    }
    snprintf(overlay, sizeof overlay, "%s.overlay", given);
    noahv_policy_set(policies[6], "overlay", overlay);
}

static void remove_folders(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        noahv_policy_clear(policies[i]);
        noahv_policy_destroy(policies[i]);
    }
    noahv_overlay_discard(overlay, (char[NOAHV_WHY_MAX]){ 0 });
    unlink(file);
    unlink(low);
    rmdir(readonly);
    rmdir(given);
}

static void close_jail(size_t n)
{
    struct box b = { .policy = policies[n] };
    char why[VIEW_WHY_MAX] = "";

    procfs_start();
    ck_assert_msg(view_create(b.policy, &b.view, why) == 0, "%s", why);
    ck_assert_msg(jail_close(&b, why) == 0, "%s", why);
}

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

START_TEST(no_privilege_is_left)
{
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];

    close_jail(0);
    ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    ck_assert_int_eq((int)syscall(SYS_capget, &h, d), 0);
    ck_assert(!(d[0].effective | d[0].permitted | d[0].inheritable | d[1].effective | d[1].permitted));
}
END_TEST

/* What was made when noahv was built is what is made now. */
START_TEST(the_filters_are_these)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    scmp_filter_ctx ctx;
    char bytes[8192];

    ck_assert_int_eq(filter_make(_i, false, &ctx), 0);
    ck_assert_int_eq(seccomp_export_bpf(ctx, fd), 0);
    seccomp_release(ctx);
    ck_assert_int_eq(pread(fd, bytes, sizeof bytes, 0), (ssize_t)filter_image[_i].bytes);
    ck_assert_mem_eq(bytes, filter_image[_i].at, filter_image[_i].bytes);
    close(fd);
}
END_TEST

/* The filter alone: none of these is Landlock's business. */
START_TEST(the_filter_refuses_calls)
{
    char *const none[] = { NULL };
    char c = 0;

    close_jail(1);
    ck_assert_int_eq(error_of(execve("/bin/true", none, none)), EPERM);
    ck_assert_int_eq(error_of(ptrace(PTRACE_TRACEME, 0, 0, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_bpf, 0, 0, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_io_uring_setup, 1, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_mount, 0, 0, 0, 0, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_shmget, 0, 1, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_open, "/", O_RDONLY)), EPERM); /* nobody needs the old ones */
    ck_assert_int_eq(error_of(unshare(CLONE_NEWUSER)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)), EPERM);
    ck_assert_int_eq(error_of(syscall(SYS_clone3, 0, 0)), ENOSYS);
    ck_assert_int_eq(error_of(ioctl(0, TIOCSTI, &c)), EPERM);
    ck_assert_int_eq(error_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)), EPERM);
    ck_assert_int_eq(error_of(socket(AF_NETLINK, SOCK_RAW, 0)), EPERM);
    ck_assert_int_eq(error_of(socket(AF_PACKET, SOCK_RAW, 0)), EPERM);
    ck_assert_int_ge(socket(AF_INET, SOCK_STREAM, 0), 0); /* the policy has some network */
}
END_TEST

/* Privilege alone looks into everything. A change of user hides a process, too: that is taken back. */
static void become_nobody(void)
{
    enum { NOBODY = 65534 };

    if (geteuid() == 0) {
        ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
        ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* From outside: a parent, who may debug its child otherwise. */
START_TEST(nobody_looks_into_it)
{
    char here = 1, there = 0;
    struct iovec to = { &there, 1 }, from = { &here, 1 };
    int ready[2];
    pid_t pid;

    become_nobody();
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_jail(3);
        ck_assert_int_eq((int)write(ready[1], "", 1), 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    ck_assert_int_eq((int)read(ready[0], &there, 1), 1);
    if (jail_lacks(LAYER_NON_DUMPABLE))
        return;
    ck_assert_int_eq(error_of(process_vm_readv(pid, &to, 1, &from, 1, 0)), EPERM);
    ck_assert_int_eq(error_of(ptrace(PTRACE_SEIZE, pid, 0, 0)), EPERM);
}
END_TEST

/* What the kernel calls the namespace: "net:[4026531840]". */
static void name_of(const char *kind, char out[64])
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/ns/%s", kind);
    n = readlinkat(AT_FDCWD, link, out, 63); /* the old call is refused */
    ck_assert_int_gt(n, 0);
    out[n] = '\0';
}

static void must_isolate(size_t n)
{
    char before[2][64], after[2][64];
    uid_t uid = geteuid();

    if (jail_lacks(LAYER_NAMESPACES))
        return;
    noahv_policy_set(policies[n], "net", "none");
    name_of("net", before[0]);
    name_of("ipc", before[1]);
    close_jail(n);
    name_of("net", after[0]);
    name_of("ipc", after[1]);
    ck_assert_str_ne(before[0], after[0]);
    ck_assert_str_ne(before[1], after[1]);
    ck_assert_uint_eq(geteuid(), uid);
}

START_TEST(namespaces_are_its_own)
{
    noahv_policy_set(policies[4], "require", "namespaces");
    must_isolate(4);
}
END_TEST

START_TEST(so_they_are_without_privilege)
{
    become_nobody();
    noahv_policy_set(policies[5], "require", "namespaces");
    must_isolate(5);
}
END_TEST

/* A folder of one test: it holds another, a file and a link to the root. */
static char top[] = "/tmp/check_jail.XXXXXX";

static char *in_top(const char *name)
{
    static char path[96];

    snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

static void fill_top(void)
{
    ck_assert_ptr_nonnull(mkdtemp(top));
    ck_assert_int_eq(mkdir(in_top("in"), 0700), 0);
    ck_assert_int_eq(symlink("/", in_top("link")), 0);
    ck_assert_int_eq(close(open(in_top("file"), O_WRONLY | O_CREAT, 0600)), 0);
    ck_assert_int_eq(close(open(in_top("in/file"), O_WRONLY | O_CREAT, 0600)), 0);
}

static void clear_top(void)
{
    static const char *const names[] = { "file", "link", "in/file", "in", "" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        remove(in_top(names[i]));
}

static void names_are_the_hosts(int at)
{
    char link[64], to[96] = "", cwd[PATH_MAX];
    int gone;

    snprintf(link, sizeof link, "/proc/self/fd/%d", openat(at, "file", O_RDONLY));
    ck_assert_int_gt((int)readlink(link, to, sizeof to - 1), 0);
    ck_assert_str_eq(to, in_top("file"));
    ck_assert_int_eq(mkdir(in_top("moved"), 0700), 0); /* out of it: no name of the host's can be told */
    gone = openat(at, "moved", O_PATH);
    snprintf(to, sizeof to, "%s.moved", top);
    ck_assert_int_eq(rename(in_top("moved"), to), 0);
    ck_assert_int_eq(view_host_path(gone, cwd), -ENOENT);
    ck_assert_int_eq(fchdir(gone), 0);
    ck_assert_int_eq(view_host_path(AT_FDCWD, cwd), -ENOENT);
    ck_assert_int_eq(rmdir(to), 0);
    ck_assert_int_eq(fchdir(at), 0);
    ck_assert_int_eq(view_host_path(AT_FDCWD, cwd), 0);
    ck_assert_str_eq(cwd, top);
}

/* Mounts alone: of a folder that may be written, and of one in it that may not; the third is not what stands at its path. */
START_TEST(mounts_lead_nowhere_else)
{
    struct mountns_folder f[3] = { { .path = top }, { .ro = true }, { .fd = open("/", O_PATH) } };
    char in[96], cwd[PATH_MAX];
    int ns;

    if (_i)
        become_nobody();
    procfs_start();
    fill_top();
    memcpy(in, in_top("in"), sizeof in);
    f[1].path = f[2].path = in;
    f[0].fd = open(top, O_PATH);
    f[1].fd = open(in, O_PATH);
    ns = jail_lacks(LAYER_MOUNTS) ? -1 : mountns_make(f, 3);
    if (ns >= 0) {
        ck_assert_int_eq(f[2].mount, -1);
        ck_assert_int_eq(error_of(openat(f[0].mount, "link/etc", O_PATH)), ELOOP);
        ck_assert_int_eq(error_of(faccessat(f[0].mount, "link", F_OK, 0)), ELOOP);
        ck_assert_int_ge(openat(f[0].fd, "link/etc", O_PATH), 0);
        names_are_the_hosts(f[0].mount);
        ck_assert_int_ge(openat(f[0].mount, "file", O_WRONLY), 0);
        ck_assert_int_eq(error_of(openat(f[1].mount, "file", O_WRONLY)), EROFS);
        ck_assert_int_eq(unlinkat(f[0].mount, "in/file", 0), 0); /* the other is not to be seen there */
        ck_assert_int_ge(open(in_top("in"), O_TMPFILE | O_WRONLY, 0600), 0);
        ck_assert_int_eq(fchdir(openat(f[0].mount, "in", O_PATH)), 0);
        ck_assert_int_eq(close(ns), 0); /* and with it the names */
        ck_assert_int_eq(view_host_path(AT_FDCWD, cwd), -ENOENT);
    }
    clear_top();
    ck_assert(ns >= 0 || jail_lacks(LAYER_MOUNTS));
}
END_TEST

/* Landlock alone: the filter lets openat, connect and kill through. */
START_TEST(landlock_refuses_objects)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    char path[64];

    if (jail_lacks(LAYER_LANDLOCK)) /* asked before the filter stands, which would say so too */
        return;
    close_jail(2);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(error_of(open("/etc/passwd", O_RDONLY)), EACCES);
    ck_assert_int_eq(error_of(open("/", O_RDONLY | O_DIRECTORY)), EACCES);
    ck_assert_int_ge(open(file, O_RDONLY), 0);
    ck_assert_int_eq(error_of(open(file, O_WRONLY)), EACCES);
    ck_assert_int_eq(error_of(unlink(file)), EPERM); /* the old call: the filter's */
    ck_assert_int_eq(error_of(unlinkat(AT_FDCWD, file, 0)), EACCES);
    snprintf(path, sizeof path, "%s/new", given);
    ck_assert_int_ge(open(path, O_WRONLY | O_CREAT, 0600), 0);
    ck_assert_int_eq(unlinkat(AT_FDCWD, path, 0), 0);
    ck_assert_int_eq(error_of(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to)),
                     EACCES);
    ck_assert_int_eq(error_of(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to)),
                     EACCES);
    ck_assert_int_eq(error_of(kill(getppid(), 0)), EPERM);
    ck_assert_int_eq(kill(getpid(), 0), 0);
}
END_TEST

/* What is overlaid is read, and written to in the upper layer; the overlay's own notes are out of reach. */
START_TEST(landlock_keeps_what_is_overlaid)
{
    char up[96], path[96];

    if (jail_lacks(LAYER_LANDLOCK))
        return;
    close_jail(6);
    snprintf(up, sizeof up, "%s/files/0/up", overlay);
    ck_assert_int_ge(open(low, O_RDONLY), 0);
    ck_assert_int_eq(error_of(open(low, O_WRONLY)), EACCES);
    ck_assert_int_eq(error_of(linkat(AT_FDCWD, low, AT_FDCWD, up, 0)), EXDEV);
    ck_assert_int_eq(error_of(unlinkat(AT_FDCWD, low, 0)), EACCES);
    ck_assert_int_ge(open(up, O_WRONLY | O_CREAT, 0600), 0);
    snprintf(path, sizeof path, "%s/files/0/other", overlay);
    ck_assert_int_eq((int)syscall(SYS_renameat2, AT_FDCWD, up, AT_FDCWD, path, 0), 0);
    snprintf(path, sizeof path, "%s/lock/new", overlay);
    ck_assert_int_eq(error_of(open(path, O_WRONLY | O_CREAT, 0600)), EACCES);
    snprintf(path, sizeof path, "%s/pieces/0.src", overlay);
    ck_assert_int_eq(error_of(unlinkat(AT_FDCWD, path, 0)), EACCES);
    snprintf(path, sizeof path, "%s/pieces/9.src", overlay);
    ck_assert_int_eq(error_of(symlinkat("/", AT_FDCWD, path)), EACCES);
    ck_assert_int_eq(error_of(open(overlay, O_RDONLY | O_DIRECTORY)), EACCES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jail");
    TCase *tc = tcase_create("jail");
    SRunner *r;
    int failed;

    tcase_add_test(tc, no_privilege_is_left);
    tcase_add_loop_test(tc, the_filters_are_these, 0, 2);
    tcase_add_test(tc, the_filter_refuses_calls);
    tcase_add_test(tc, nobody_looks_into_it);
    tcase_add_test(tc, namespaces_are_its_own);
    tcase_add_test(tc, so_they_are_without_privilege);
    tcase_add_loop_test(tc, mounts_lead_nowhere_else, 0, 2);
    tcase_add_test(tc, landlock_refuses_objects);
    tcase_add_test(tc, landlock_keeps_what_is_overlaid);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    open_folders();
    srunner_run_all(r, CK_NORMAL);
    remove_folders();
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
