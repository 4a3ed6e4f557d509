/*
 * Which names of /proc are special, by whatever route they are reached, and what the files behind them say;
 * everything else passes.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem/fault.h"
#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/path.h"

#define GUEST_PATH ((gva_t)0x10000)

static struct gmem mem;
static struct mm mm;
static struct sighand sighand;
static struct process proc;
static struct task task;
static char scratch[] = "/tmp/check_path.XXXXXX";
static int exe;

static void setup(void)
{
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&mem, (uint64_t)1 << 30), 0);
    ck_assert_int_eq(gmem_map(&mem, GUEST_PATH, 2 * PAGE_BYTES, GMEM_R | GMEM_W, 0, GMEM_PLAIN, -1, 0), 0);
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    procfs_start();
    proc = (struct process){ .mem = &mem, .mm = &mm, .sighand = &sighand, .exe_fd = -1, .root.fd = -1 };
    task = (struct task){ .proc = &proc, .mem = &mem, .tid = getpid() };
    exe = open("/bin/true", O_PATH | O_CLOEXEC);
    ck_assert_int_gt(fd_own(exe, &proc.exe_fd), 0);
}

static void teardown(void)
{
    char cmd[64];

    snprintf(cmd, sizeof cmd, "rm -rf %s", scratch);
    ck_assert_int_eq(system(cmd), 0);
    gmem_destroy(&mem);
}

/* path_in's result, or the node it found. */
enum { R_EXE = 100 };

static int look(int dirfd, const char *name, struct path *p)
{
    int r;

    ck_assert_int_eq(copy_out(&mem, GUEST_PATH, name, strlen(name) + 1), 0);
    r = path_in(&task, dirfd, GUEST_PATH, PATH_FOLLOW, p);
    if (r < 0)
        return r;
    if (strcmp(p->name, name) == 0)
        return (int)p->virt;
    return R_EXE;
}

/* %d is this process, %t its thread, %o the number of the descriptor noahv keeps. */
static const struct {
    const char *dir, *name; /* dir: the directory a relative name starts from; NULL: none */
    int want;
} cases[] = {
    { NULL, "/proc/self/exe", R_EXE },
    { NULL, "/proc/thread-self/exe", R_EXE },
    { NULL, "/proc/%d/exe", R_EXE },
    { NULL, "/proc/self/task/%d/exe", R_EXE },
    { NULL, "//proc//self///exe", R_EXE },
    { NULL, "/proc/../proc/./self/fd/../exe", R_EXE },
    { "/proc/self", "exe", R_EXE },
    { "/proc", "self/exe", R_EXE },
    { "/proc/self/fd", "../exe", R_EXE },
    { "/proc/self/task", "%d/exe", R_EXE },
    { NULL, "/proc/self/exe/", -ENOTDIR },
    { NULL, "/proc/1/exe", PROC_NONE },
    { NULL, "/proc/self/maps", PROC_MAPS },
    { NULL, "/proc/self/smaps", PROC_SMAPS },
    { NULL, "/proc/self/task/%d/smaps_rollup", PROC_SMAPS_ROLLUP },
    { "/proc/self/fdinfo", "../maps", PROC_MAPS },
    { NULL, "/proc/self/cmdline", PROC_CMDLINE },
    { NULL, "/proc/cmdline", PROC_NONE },
    { NULL, "/proc/self/stat", PROC_STAT },
    { NULL, "/proc/stat", PROC_NONE },
    { NULL, "/proc/self/task/%d/status", PROC_STATUS },
    { NULL, "/proc/self/statm", PROC_STATM },
    { NULL, "/proc/self/auxv", PROC_AUXV },
    { NULL, "/proc/self/environ", PROC_ENVIRON },
    { NULL, "/proc/cpuinfo", PROC_CPUINFO },
    { "/proc", "cpuinfo", PROC_CPUINFO },
    { NULL, "/proc/self/mem", PROC_DENIED },
    { NULL, "/proc/1/mem", PROC_DENIED },
    { NULL, "/proc/self/task/%d/mem", PROC_DENIED },
    { NULL, "/proc/self/syscall", PROC_DENIED },
    { NULL, "/proc/self/pagemap", PROC_PAGEMAP },
    { NULL, "/proc/self/clear_refs", -ENOENT },
    { NULL, "/proc/self/map_files", -ENOENT },
    { NULL, "/proc/self/map_files/400000-401000", -ENOENT },
    { NULL, "/proc/self/fd/%o", -ENOENT },
    { NULL, "/dev/fd/%o", -ENOENT },
    { "/proc/self/fd", "%o", -ENOENT },
    { NULL, "/proc/self/task/%d/fdinfo/%o", -ENOENT },
    { NULL, "/proc/self/fd/0", PROC_NONE },
    { NULL, "/proc/self/comm", PROC_NONE },
    { NULL, "/tmp/maps", PROC_NONE },
    { NULL, "/dev/mem", PROC_NONE },
    { NULL, "%o", PROC_NONE },
    { NULL, "", PROC_NONE },
    { NULL, "/", PROC_NONE },
    { NULL, "///", PROC_NONE },
    { NULL, "exe", PROC_NONE },
    { NULL, "/proc/self/nothing/exe", PROC_NONE },
};

static void expand(char *out, size_t cap, const char *name)
{
    size_t n = 0;

    for (; *name && n + 16 < cap; name++)
        if (name[0] == '%')
            n += (size_t)snprintf(out + n, cap - n, "%d", *++name == 'o' ? proc.exe_fd : getpid());
        else
            out[n++] = *name;
    out[n] = '\0';
}

START_TEST(special_names_are_found_by_any_route)
{
    int dir = cases[_i].dir ? open(cases[_i].dir, O_RDONLY | O_DIRECTORY) : AT_FDCWD;
    struct path p;
    char name[256];
    int got;

    expand(name, sizeof name, cases[_i].name);
    got = look(dir, name, &p);
    ck_assert_msg(got == cases[_i].want, "%s from %s: %d", name, cases[_i].dir ? cases[_i].dir : ".", got);
    if (got == R_EXE) {
        char is[64], want[64];

        snprintf(want, sizeof want, "/proc/self/fd/%d", proc.exe_fd);
        ck_assert_int_eq(p.dirfd, AT_FDCWD);
        ck_assert_str_eq(p.name, want);
        ck_assert_int_gt(readlink(p.name, is, sizeof is), 0);
    }
}
END_TEST

START_TEST(relative_to_the_current_directory)
{
    struct path p;

    ck_assert_int_eq(chdir("/proc/self"), 0);
    ck_assert_int_eq(look(AT_FDCWD, "exe", &p), R_EXE);
    ck_assert_int_eq(look(AT_FDCWD, "maps", &p), PROC_MAPS);
    ck_assert_int_eq(look(AT_FDCWD, "./task/../mem", &p), PROC_DENIED);
}
END_TEST

START_TEST(errors_of_the_argument)
{
    static char text[PATH_MAX + 1];
    struct path p;

    ck_assert_int_eq(path_in(&task, AT_FDCWD, 0, PATH_FOLLOW, &p), -EFAULT);
    ck_assert_int_eq(path_in(&task, AT_FDCWD, ~(gva_t)0, PATH_FOLLOW, &p), -EFAULT);
    memset(text, 'a', PATH_MAX);
    ck_assert_int_eq(copy_out(&mem, GUEST_PATH, text, sizeof text), 0);
    ck_assert_int_eq(path_in(&task, AT_FDCWD, GUEST_PATH, PATH_FOLLOW, &p), -ENAMETOOLONG);
    ck_assert_int_eq(look(proc.exe_fd, "x", &p), -EBADF);
    ck_assert_int_eq(look(proc.exe_fd, "/x", &p), PROC_NONE); /* an absolute name needs no directory */
}
END_TEST

/* What an open led to, when a symbolic link hid the name. */
START_TEST(links_are_seen_through_after_opening)
{
    static const struct {
        const char *to;
        enum proc_node want;
    } links[] = {
        { "/proc/self/mem", PROC_DENIED }, { "/proc/self/maps", PROC_MAPS },
        { "/proc/cpuinfo", PROC_CPUINFO }, { "/proc/self/pagemap", PROC_PAGEMAP },
        { "/proc/meminfo", PROC_NONE },    { "/etc/passwd", PROC_NONE },
    };
    char link[64];

    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        struct path p;
        int fd;

        snprintf(link, sizeof link, "%s/%zu", scratch, i);
        ck_assert_int_eq(symlink(links[i].to, link), 0);
        ck_assert_int_eq(look(AT_FDCWD, link, &p), PROC_NONE);
        fd = open(link, O_RDONLY);
        if (fd < 0 && links[i].want == PROC_ABSENT)
            continue; /* this host has none either */
        ck_assert_int_ge(fd, 0);
        ck_assert_msg(procfs_opened(fd) == links[i].want, "%s", links[i].to);
        close(fd);
    }
    snprintf(link, sizeof link, "%s/0", scratch);
    ck_assert_int_eq(copy_out(&mem, GUEST_PATH, link, strlen(link) + 1), 0);
    ck_assert_int_eq(sys_openat(&task, AT_FDCWD, GUEST_PATH, O_RDWR, 0), -EACCES);
    ck_assert_int_eq(fcntl(exe, F_GETFD), -1); /* the lowest free number: nothing stayed open */
}
END_TEST

/* Opens as the guest does and reads all of it. */
static size_t slurp(const char *name, char *text, size_t cap)
{
    size_t n = 0;
    int64_t fd, r;

    ck_assert_int_eq(copy_out(&mem, GUEST_PATH, name, strlen(name) + 1), 0);
    fd = sys_openat(&task, AT_FDCWD, GUEST_PATH, O_RDONLY, 0);
    ck_assert_msg(fd >= 0, "%s: %d", name, (int)fd);
    ck_assert_int_eq(fd, exe); /* lowest free: exe moved away from it */
    while ((r = read((int)fd, text + n, cap - 1 - n)) > 0)
        n += (size_t)r;
    text[n] = '\0';
    close((int)fd);
    return n;
}

START_TEST(maps_show_the_guest)
{
    static char text[65536];
    const char *line;
    int file = open("/bin/true", O_RDONLY);

    ck_assert_int_eq(
        gmem_map(&mem, 0x100000, 2 * PAGE_BYTES, GMEM_R | GMEM_X, 0, GMEM_PLAIN, file, PAGE_BYTES), 0);
    ck_assert_int_eq(gmem_map(&mem, 0x200000, PAGE_BYTES, GMEM_R, GMEM_SHARED, GMEM_PLAIN, file, 0), 0);
    ck_assert_int_eq(gmem_map(&mem, 0x300000, PAGE_BYTES, GMEM_R | GMEM_W, 0, GMEM_HEAP, -1, 0), 0);
    ck_assert_int_eq(gmem_map(&mem, 0x400000, PAGE_BYTES, 0, 0, GMEM_PLAIN, -1, 0), 0);
    close(file);
    slurp("/proc/self/maps", text, sizeof text);
    ck_assert_ptr_eq(strstr(text, "00010000-00012000 rw-p 00000000 00:00 0 \n"), text);
    line = strstr(text, "00100000-00102000 r-xp 00001000 ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(strchr(line, '/') - line, 73);
    ck_assert_ptr_nonnull(strstr(line, "/true\n00200000-00201000 r--s 00000000 "));
    line = strstr(text, "00300000-00301000 rw-p 00000000 00:00 0 ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(strncmp(line + 73, "[heap]\n", 7), 0);
    ck_assert_ptr_nonnull(strstr(line, "\n00400000-00401000 ---p 00000000 00:00 0 \n"));
    ck_assert_ptr_null(strstr(text, "[stack]")); /* the host's is not shown */
}
END_TEST

START_TEST(arguments_come_from_guest_memory)
{
    static const char args[] = "prog\0arg one\0", env[] = "A=1\0B=2";
    struct stack_info *s = &proc.mm->stack;
    char text[256];

    s->arg_start = GUEST_PATH + PAGE_BYTES;
    s->arg_end = s->env_start = s->arg_start + sizeof args - 1;
    s->env_end = s->env_start + sizeof env;
    ck_assert_int_eq(copy_out(&mem, s->arg_start, args, sizeof args - 1), 0);
    ck_assert_int_eq(copy_out(&mem, s->env_start, env, sizeof env), 0);
    ck_assert_uint_eq(slurp("/proc/self/cmdline", text, sizeof text), sizeof args - 1);
    ck_assert_int_eq(memcmp(text, args, sizeof args - 1), 0);
    ck_assert_uint_eq(slurp("/proc/thread-self/environ", text, sizeof text), sizeof env);
    ck_assert_int_eq(memcmp(text, env, sizeof env), 0);
    ck_assert_int_eq(copy_out(&mem, s->arg_start, "title that is long", 19), 0); /* setproctitle */
    slurp("/proc/self/cmdline", text, sizeof text);
    ck_assert_str_eq(text, "title that is long");
}
END_TEST

START_TEST(stat_and_status_show_the_guest)
{
    static char text[65536];
    unsigned long value[53];
    char *at;

    proc.mm->image.start_code = 0x10000;
    proc.mm->image.end_code = 0x20000;
    proc.mm->brk_start = 0x77000;
    task.sigmask = 0x5;
    sighand.act[10].handler = 0x1234;
    sighand.act[2].handler = RV_SIG_IGN;
    slurp("/proc/self/stat", text, sizeof text);
    ck_assert_int_eq(atoi(text), getpid());
    at = strrchr(text, ')');
    ck_assert_ptr_nonnull(at);
    for (int i = 3; i <= 52; i++) { /* field 3 is a letter */
        at = strchr(at + 1, ' ');
        ck_assert_msg(at != NULL, "field %d", i);
        value[i] = strtoul(at + 1, NULL, 10);
    }
    ck_assert_ptr_null(strchr(at + 1, ' '));
    ck_assert_uint_eq(value[4], (unsigned long)getppid());
    ck_assert_uint_eq(value[23], 2 * PAGE_BYTES);
    ck_assert_uint_eq(value[26], 0x10000);
    ck_assert_uint_eq(value[27], 0x20000);
    ck_assert_uint_eq(value[47], 0x77000);
    slurp("/proc/self/status", text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "\nVmSize:\t       8 kB\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nSigBlk:\t0000000000000005\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nSigIgn:\t0000000000000002\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nSigCgt:\t0000000000000200\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nPPid:\t"));
}
END_TEST

START_TEST(generated_files_refuse_what_proc_refuses)
{
    ck_assert_int_eq(copy_out(&mem, GUEST_PATH, "/proc/cpuinfo", 14), 0);
    ck_assert_int_eq(sys_openat(&task, AT_FDCWD, GUEST_PATH, O_WRONLY, 0), -EACCES);
    ck_assert_int_eq(sys_openat(&task, AT_FDCWD, GUEST_PATH, O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    ck_assert_int_eq(sys_openat(&task, AT_FDCWD, GUEST_PATH, O_RDONLY | O_CREAT | O_EXCL, 0), -EEXIST);
}
END_TEST

START_TEST(another_process_is_the_hosts_business)
{
    pid_t child = fork();
    char name[64];
    struct path p;

    if (child == 0) {
        pause();
        _exit(0);
    }
    snprintf(name, sizeof name, "/proc/%d/maps", child);
    ck_assert_int_eq(look(AT_FDCWD, name, &p), PROC_NONE);
    snprintf(name, sizeof name, "/proc/%d/mem", child);
    ck_assert_int_eq(look(AT_FDCWD, name, &p), PROC_DENIED);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
END_TEST

START_TEST(own_descriptors_are_not_listed)
{
    char dents[4096], own[16];
    struct {
        uint64_t ino, off;
        uint16_t reclen;
        uint8_t type;
        char name[];
    } __attribute__((packed)) const *d;
    int64_t fd, n;
    int seen = 0;

    snprintf(own, sizeof own, "%d", proc.exe_fd);
    ck_assert_int_eq(copy_out(&mem, GUEST_PATH, "/proc/self/fd", 14), 0);
    fd = sys_openat(&task, AT_FDCWD, GUEST_PATH, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(fd, 0);
    while ((n = sys_getdents64(&task, (int)fd, GUEST_PATH, sizeof dents)) > 0) {
        ck_assert_int_eq(copy_in(&mem, dents, GUEST_PATH, (size_t)n), 0);
        for (int64_t at = 0; at < n; at += d->reclen, seen++) {
            d = (const void *)(dents + at);
            ck_assert_str_ne(d->name, own);
        }
    }
    ck_assert_int_eq(n, 0);
    ck_assert_int_ge(seen, 5); /* . .. 0 1 2 */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("path");
    TCase *tc = tcase_create("path");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, special_names_are_found_by_any_route, 0, (int)ARRAY_SIZE(cases));
    tcase_add_test(tc, relative_to_the_current_directory);
    tcase_add_test(tc, errors_of_the_argument);
    tcase_add_test(tc, links_are_seen_through_after_opening);
    tcase_add_test(tc, maps_show_the_guest);
    tcase_add_test(tc, arguments_come_from_guest_memory);
    tcase_add_test(tc, stat_and_status_show_the_guest);
    tcase_add_test(tc, generated_files_refuse_what_proc_refuses);
    tcase_add_test(tc, another_process_is_the_hosts_business);
    tcase_add_test(tc, own_descriptors_are_not_listed);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
