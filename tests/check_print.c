/*
 * The trace, line by line: each expected line is what strace 6.1 prints for the same call. Guest memory is
 * real, the calls are not made: a test gives the result, and writes what the kernel would have written.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/fault.h"
#include "syscalls/linux.h"
#include "syscalls/trace.h"

#define DATA ((uint64_t)0x20000) /* two pages, a hole behind them */
#define END (DATA + 2 * PAGE_BYTES)
#define NOWHERE ((uint64_t)0x666000)

static struct gmem mem;
static struct process proc;
static struct hart hart;
static struct task task;
static int out; /* what the trace is written to */
static char text[1 << 16];

static void open_filtered(bool follow, const char *filter)
{
    out = memfd_create("trace", 0);
    ck_assert_int_ge(out, 0);
    ck_assert_int_eq(trace_open(&proc.trace, dup(out), follow, filter), 0);
}

static void setup(void)
{
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&mem, (uint64_t)1 << 38), 0);
    ck_assert_int_eq(gmem_map(&mem, DATA, END - DATA, GMEM_R | GMEM_W, 0, GMEM_PLAIN, -1, 0), 0);
    proc.mem = &mem;
    hart.mem = &mem;
    task = (struct task){ .proc = &proc, .hart = &hart, .mem = &mem, .tid = getpid() };
    open_filtered(false, NULL);
}

static void teardown(void)
{
    trace_close(proc.trace);
    close(out);
    gmem_destroy(&mem);
    fault_thread_exit();
}

static void put(uint64_t at, const void *from, size_t n)
{
    ck_assert_int_eq(copy_out(&mem, at, from, n), 0);
}

static uint64_t put_str(uint64_t at, const char *s)
{
    put(at, s, strlen(s) + 1);
    return at;
}

static uint64_t number(const char *name)
{
    for (uint64_t nr = 0; nr < NR_SYS; nr++)
        if (sysent[nr].name && strcmp(sysent[nr].name, name) == 0)
            return nr;
    ck_abort_msg("no call %s", name);
}

static uint64_t args[6];

static void enter(const char *name, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    uint64_t nr = number(name);

    args[0] = a, args[1] = b, args[2] = c, args[3] = d, args[4] = e, args[5] = f;
    trace_enter(&task, sysent_get(nr), nr, args);
}

static void leave(const char *name, int64_t result)
{
    uint64_t nr = number(name);

    trace_leave(&task, sysent_get(nr), nr, args, result);
}

/* What was written since the last look. */
static const char *written(void)
{
    off_t n = lseek(out, 0, SEEK_END);

    ck_assert_int_ge(n, 0);
    ck_assert_int_lt(n, (off_t)sizeof text);
    ck_assert_int_eq(pread(out, text, (size_t)n, 0), n);
    text[n] = '\0';
    ck_assert_int_eq(ftruncate(out, 0), 0);
    lseek(out, 0, SEEK_SET);
    return text;
}

/* One call from beginning to end; missing arguments are 0. */
#define CALL_(name, result, a, b, c, d, e, f, ...)                                                          \
    (enter(name, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)), \
     leave(name, result), written())
#define CALL(name, result, ...) CALL_(name, result, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define EXPECT(line, ...) ck_assert_str_eq(CALL(__VA_ARGS__), line "\n")

START_TEST(results_and_errors)
{
    EXPECT("close(3)                                = 0", "close", 0, 3);
    EXPECT("close(-1)                               = -1 EBADF (Bad file descriptor)", "close", -EBADF,
           0xffffffff);
    EXPECT("listen(3, 5)                            = -1 EOPNOTSUPP (Operation not supported)", "listen",
           -EOPNOTSUPP, 3, 5);
    EXPECT("brk(NULL)                               = 0x12345000", "brk", 0x12345000, 0);
    EXPECT("umask(022)                              = 000", "umask", 0, 022);
    EXPECT("close(3)                                = ? ERESTARTNOINTR (To be restarted)", "close",
           -ERESTARTNOINTR, 3);
    EXPECT("fcntl(3, F_GETFL)                       = 0x8402 (flags O_RDWR|O_APPEND|O_LARGEFILE)", "fcntl",
           0x8402, 3, F_GETFL);
    EXPECT("fcntl(3, F_GETFD)                       = 0x1 (flags FD_CLOEXEC)", "fcntl", 1, 3, F_GETFD);
    hart.x[10] = 0;
    EXPECT("rt_sigreturn()                          = 0", "rt_sigreturn", -EJUSTRETURN, 0);
}
END_TEST

START_TEST(strings)
{
    char bytes[] = "hello\n\t\1\0012\"\\\177\200";
    char long_path[] = "/tmp/0123456789012345678901234567890123456789";

    put(DATA, bytes, sizeof bytes - 1);
    EXPECT("write(1, \"hello\\n\\t\\1\\0012\\\"\\\\\\177\\200\", 14) = 14", "write", 14, 1, DATA, 14);
    put_str(DATA, "01234567890123456789012345678901");
    EXPECT("write(1, \"01234567890123456789012345678901\", 32) = 32", "write", 32, 1, DATA, 32);
    EXPECT("write(1, \"01234567890123456789012345678901\"..., 33) = 33", "write", 33, 1, DATA, 33);
    EXPECT("memfd_create(\"01234567890123456789012345678901\", MFD_CLOEXEC) = 3", "memfd_create", 3, DATA, 1);
    put_str(DATA + 32, "x");
    EXPECT("memfd_create(\"01234567890123456789012345678901\"..., 0) = 3", "memfd_create", 3, DATA, 0);
    put_str(DATA, long_path);
    EXPECT("chdir(\"/tmp/0123456789012345678901234567890123456789\") = 0", "chdir", 0, DATA);
}
END_TEST

START_TEST(bad_pointers_print_as_addresses)
{
    EXPECT("write(1, 0x666000, 5)                   = -1 EFAULT (Bad address)", "write", -EFAULT, 1, NOWHERE,
           5);
    EXPECT("write(1, NULL, 5)                       = -1 EFAULT (Bad address)", "write", -EFAULT, 1, 0, 5);
    EXPECT("chdir(0x666000)                         = -1 EFAULT (Bad address)", "chdir", -EFAULT, NOWHERE);
    put(END - 3, "abc", 3); /* no NUL before the hole */
    EXPECT("chdir(0x21ffd)                          = -1 EFAULT (Bad address)", "chdir", -EFAULT, END - 3);
    EXPECT("pipe2(0x666000, 0)                      = -1 EFAULT (Bad address)", "pipe2", -EFAULT, NOWHERE, 0);
    EXPECT("execve(0x666000, 0x666000, 0x666000)    = -1 EFAULT (Bad address)", "execve", -EFAULT, NOWHERE,
           NOWHERE, NOWHERE);
}
END_TEST

START_TEST(outputs_print_after_the_call)
{
    enter("read", 3, DATA, 10, 0, 0, 0);
    put(DATA, "abc", 3);
    leave("read", 3);
    ck_assert_str_eq(written(), "read(3, \"abc\", 10)                      = 3\n");
    EXPECT("read(3, 0x20000, 10)                    = -1 EAGAIN (Resource temporarily unavailable)", "read",
           -EAGAIN, 3, DATA, 10);
    enter("pipe2", DATA, O_CLOEXEC, 0, 0, 0, 0);
    put(DATA, (int[]){ 4, 5 }, 8);
    leave("pipe2", 0);
    ck_assert_str_eq(written(), "pipe2([4, 5], O_CLOEXEC)                = 0\n");
    put_str(DATA, "/root");
    EXPECT("getcwd(\"/root\", 4096)                   = 6", "getcwd", 6, DATA, 4096);
    put(DATA, "\x12\x34\xab", 3);
    EXPECT("getrandom(\"\\x12\\x34\\xab\", 3, GRND_NONBLOCK) = 3", "getrandom", 3, DATA, 3, 1);
    put(DATA, (int[]){ 0 }, 4);
    EXPECT("wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 9", "wait4", 9, -1, DATA);
    put(DATA, (int[]){ 9 }, 4);
    EXPECT("wait4(5, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], WNOHANG, NULL) = 5", "wait4", 5, 5, DATA,
           1);
    EXPECT("wait4(5, 0x20000, WNOHANG, NULL)        = 0", "wait4", 0, 5, DATA, 1);
}
END_TEST

START_TEST(lengths_before_and_after)
{
    uint8_t un[] = { 1, 0, '/', 't', 'm', 'p', '/', 'x', 0 };

    put(DATA, (uint32_t[]){ 110 }, 4);
    enter("accept", 3, DATA + 64, DATA, 0, 0, 0);
    put(DATA + 64, un, sizeof un);
    put(DATA, (uint32_t[]){ sizeof un }, 4);
    leave("accept", 4);
    ck_assert_str_eq(written(), "accept(3, {sa_family=AF_UNIX, sun_path=\"/tmp/x\"}, [110 => 9]) = 4\n");
    put(DATA, (uint64_t[]){ 5 }, 8);
    enter("sendfile", 4, 3, DATA, 10, 0, 0);
    put(DATA, (uint64_t[]){ 15 }, 8);
    leave("sendfile", 10);
    ck_assert_str_eq(written(), "sendfile(4, 3, [5] => [15], 10)         = 10\n");
}
END_TEST

START_TEST(flags)
{
    put_str(DATA, "/x");
    EXPECT("openat(AT_FDCWD, \"/x\", O_RDONLY|O_CLOEXEC) = 3", "openat", 3, -100, DATA, O_CLOEXEC, 0644);
    EXPECT("openat(3, \"/x\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 4", "openat", 4, 3, DATA,
           O_WRONLY | O_CREAT | O_TRUNC, 0644);
    EXPECT("openat(3, \"/x\", O_RDONLY|0x800000)      = 4", "openat", 4, 3, DATA, 0x800000);
    EXPECT("lseek(3, -5, 0x9 /* SEEK_??? */)        = -1 EINVAL (Invalid argument)", "lseek", -EINVAL, 3, -5,
           9);
    EXPECT("faccessat(AT_FDCWD, \"/x\", F_OK)         = 0", "faccessat", 0, -100, DATA, 0);
    EXPECT("faccessat(AT_FDCWD, \"/x\", 0x8 /* ?_OK */) = -1 EINVAL (Invalid argument)", "faccessat", -EINVAL,
           -100, DATA, 8);
    EXPECT("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x3000", "mmap",
           0x3000, 0, 4096, 3, 0x22, -1, 0);
    EXPECT("mmap(NULL, 8, PROT_NONE, MAP_SHARED, 3, 0x1000) = 0x3000", "mmap", 0x3000, 0, 8, 0, 1, 3, 0x1000);
    EXPECT("pipe2(0x20000, O_CREAT|O_EXCL|0x3f)     = -1 EINVAL (Invalid argument)", "pipe2", -EINVAL, DATA,
           0300 | 0x3f);
    EXPECT("mkdirat(AT_FDCWD, \"/x\", 0755)           = 0", "mkdirat", 0, -100, DATA, 0755);
    EXPECT("mknodat(AT_FDCWD, \"/x\", S_IFCHR|0600, makedev(0x1, 0x3)) = 0", "mknodat", 0, -100, DATA, 020600,
           0x103);
    EXPECT("fchownat(AT_FDCWD, \"/x\", -1, 5, AT_SYMLINK_NOFOLLOW) = 0", "fchownat", 0, -100, DATA, -1, 5,
           0x100);
    EXPECT("kill(5, SIGRT_1)                        = 0", "kill", 0, 5, 33);
    EXPECT("kill(5, 99)                             = -1 EINVAL (Invalid argument)", "kill", -EINVAL, 5, 99);
    EXPECT("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 3", "socket", 3, 2, 1 | 02000000, 6);
    EXPECT("socket(0x63 /* AF_??? */, SOCK_DGRAM, 0) = -1 EINVAL (Invalid argument)", "socket", -EINVAL, 99,
           2);
    EXPECT("clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
           "child_tidptr=0x20000) = 9",
           "clone", 9, 0x1200011, 0, 0, 0, DATA);
    EXPECT("futex(0x20000, FUTEX_WAIT_PRIVATE, 3, NULL) = 0", "futex", 0, DATA, 128, 3, 0);
    EXPECT("futex(0x20000, FUTEX_WAKE, 1)           = 1", "futex", 1, DATA, 1, 1, 0x1234);
    EXPECT("ioctl(1, _IOC(_IOC_READ|_IOC_WRITE, 0xbe, 0xef, 0x1ead), 0) = -1 ENOTTY "
           "(Inappropriate ioctl for device)",
           "ioctl", -ENOTTY, 1, 0xdeadbeef, 0);
}
END_TEST

START_TEST(structs_of_files)
{
    struct rv_stat st = { .mode = 0100644, .size = 1234 };
    struct rv_epoll_event ev = { .events = 1, .data = 0x100000005 };
    struct flock lock = { .l_type = F_WRLCK, .l_start = 1, .l_len = 2 };

    put(DATA, &st, sizeof st);
    EXPECT("fstat(3, {st_mode=S_IFREG|0644, st_size=1234, ...}) = 0", "fstat", 0, 3, DATA);
    st.mode = 020620;
    st.rdev = 0x8801;
    put(DATA, &st, sizeof st);
    EXPECT("fstat(3, {st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0x1), ...}) = 0", "fstat", 0, 3, DATA);
    put(DATA, &ev, sizeof ev);
    EXPECT("epoll_ctl(3, EPOLL_CTL_ADD, 4, {events=EPOLLIN, data={u32=5, u64=4294967301}}) = 0", "epoll_ctl",
           0, 3, 1, 4, DATA);
    EXPECT("epoll_pwait(3, [{events=EPOLLIN, data={u32=5, u64=4294967301}}], 8, -1, NULL, 8) = 1",
           "epoll_pwait", 1, 3, DATA, 8, -1, 0, 8);
    put(DATA, &lock, sizeof lock);
    EXPECT("fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=1, l_len=2}) = 0", "fcntl", 0, 3,
           F_SETLK, DATA);
    put_str(DATA + 64, "abcdef");
    put(DATA, (uint64_t[]){ DATA + 64, 3, DATA + 67, 3 }, 32);
    EXPECT("writev(1, [{iov_base=\"abc\", iov_len=3}, {iov_base=\"def\", iov_len=3}], 2) = 6", "writev", 6, 1,
           DATA, 2);
    EXPECT("readv(1, [{iov_base=\"abc\", iov_len=3}, {iov_base=\"d\", iov_len=3}], 2) = 4", "readv", 4, 1,
           DATA, 2);
}
END_TEST

START_TEST(structs_of_processes)
{
    uint64_t clone[8] = { 0x300000000 | 0x100, 0, 0, 0, 17 };
    struct rv_sigaction act = { .handler = 0x10000, .flags = SA_RESTART, .mask = 0x3 };

    put(DATA, &act, sizeof act);
    EXPECT("rt_sigaction(SIGINT, {sa_handler=0x10000, sa_mask=[HUP INT], sa_flags=SA_RESTART}, NULL, 8) = 0",
           "rt_sigaction", 0, 2, DATA, 0, 8);
    put(DATA, (uint64_t[]){ 0x180000000, ~(uint64_t)0, 0x8000000000000001 }, 24);
    EXPECT("rt_sigprocmask(SIG_BLOCK, [RTMIN RT_1], ~[], 8) = 0", "rt_sigprocmask", 0, 0, DATA, DATA + 8, 8);
    EXPECT("rt_sigprocmask(SIG_SETMASK, [HUP RT_32], NULL, 8) = 0", "rt_sigprocmask", 0, 2, DATA + 16, 0, 8);
    put(DATA, (uint64_t[]){ 8 << 20, UINT64_MAX }, 16);
    EXPECT("prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0",
           "prlimit64", 0, 0, 3, 0, DATA);
    put(DATA, clone, sizeof clone);
    EXPECT("clone3({flags=CLONE_VM|CLONE_CLEAR_SIGHAND|CLONE_INTO_CGROUP, exit_signal=SIGCHLD, stack=NULL, "
           "stack_size=0}, 64) = -1 EINVAL (Invalid argument)",
           "clone3", -EINVAL, DATA, 64);
    put(DATA, (uint64_t[]){ 1, 500 }, 16);
    EXPECT("nanosleep({tv_sec=1, tv_nsec=500}, 0x20010) = 0", "nanosleep", 0, DATA, DATA + 16);
    EXPECT("nanosleep({tv_sec=1, tv_nsec=500}, {tv_sec=1, tv_nsec=500}) = -1 EINTR (Interrupted system call)",
           "nanosleep", -EINTR, DATA, DATA);
    put(DATA, (uint64_t[]){ 1700000000, 5, 0, 0x3ffffffe }, 32); /* UTIME_OMIT */
    EXPECT("utimensat(3, NULL, [{tv_sec=1700000000, tv_nsec=5} /* 2023-11-14T22:13:20.000000005+0000 */, "
           "UTIME_OMIT], 0) = 0",
           "utimensat", 0, 3, 0, DATA, 0);
    put_str(DATA + 64, "/bin/x");
    put_str(DATA + 80, "a b");
    put(DATA, (uint64_t[]){ DATA + 64, DATA + 80, 0 }, 24);
    EXPECT("execve(\"/bin/x\", [\"/bin/x\", \"a b\"], 0x20008 /* 1 var */) = -1 ENOENT "
           "(No such file or directory)",
           "execve", -ENOENT, DATA + 64, DATA, DATA + 8);
}
END_TEST

START_TEST(sockets)
{
    uint8_t in[16] = { 2, 0, 0, 80, 127, 0, 0, 1 }, in6[28] = { 10, 0, 0, 80, [23] = 1 };

    put(DATA, in, sizeof in);
    EXPECT("connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0",
           "connect", 0, 3, DATA, 16);
    put(DATA, in6, sizeof in6);
    EXPECT("connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
           "inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}, 28) = 0",
           "connect", 0, 3, DATA, 28);
    put(DATA, "\1\0\0abc", 6);
    EXPECT("connect(3, {sa_family=AF_UNIX, sun_path=@\"abc\"}, 6) = 0", "connect", 0, 3, DATA, 6);
    put_str(DATA + 256, "xyz");
    put(DATA, (uint64_t[]){ 0, 0, DATA + 64, 1, DATA + 128, 20, 0 }, 56);
    put(DATA + 64, (uint64_t[]){ DATA + 256, 3 }, 16);
    put(DATA + 128, (uint64_t[]){ 20, 1 | (uint64_t)1 << 32, 7 }, 24);
    EXPECT("sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"xyz\", iov_len=3}], msg_iovlen=1, "
           "msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[7]}], "
           "msg_controllen=20, msg_flags=0}, 0) = 3",
           "sendmsg", 3, 3, DATA, 0);
    put(DATA, (int[]){ 1 }, 4);
    EXPECT("setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0", "setsockopt", 0, 3, 1, 2, DATA, 4);
}
END_TEST

START_TEST(waits)
{
    struct pollfd fd = { .fd = 3, .events = POLLIN };

    put(DATA, &fd, sizeof fd);
    EXPECT("ppoll([{fd=3, events=POLLIN}], 1, NULL, NULL, 8) = 0 (Timeout)", "ppoll", 0, DATA, 1, 0, 0, 8);
    put(DATA + 64, (uint64_t[]){ 5, 0 }, 16);
    enter("ppoll", DATA, 1, DATA + 64, 0, 8, 0);
    fd.revents = POLLIN;
    put(DATA, &fd, sizeof fd);
    put(DATA + 64, (uint64_t[]){ 4, 9 }, 16);
    leave("ppoll", 1);
    ck_assert_str_eq(written(), "ppoll([{fd=3, events=POLLIN}], 1, {tv_sec=5, tv_nsec=0}, NULL, 8) = 1 "
                                "([{fd=3, revents=POLLIN}], left {tv_sec=4, tv_nsec=9})\n");
    put(DATA, (uint64_t[]){ 0x28 }, 8);
    enter("pselect6", 6, DATA, 0, 0, 0, 0);
    put(DATA, (uint64_t[]){ 0x8 }, 8);
    leave("pselect6", 1);
    ck_assert_str_eq(written(), "pselect6(6, [3 5], NULL, NULL, NULL, NULL) = 1 (in [3])\n");
}
END_TEST

START_TEST(signals_and_ends)
{
    siginfo_t info = { .si_signo = SIGINT, .si_code = SI_USER };

    info.si_pid = 12;
    info.si_uid = 34;
    trace_signal(&task, &info);
    ck_assert_str_eq(written(), "--- SIGINT {si_signo=SIGINT, si_code=SI_USER, si_pid=12, si_uid=34} ---\n");
    info = (siginfo_t){ .si_signo = SIGSEGV, .si_code = SEGV_MAPERR };
    info.si_addr = (void *)0x1000;
    trace_signal(&task, &info);
    ck_assert_str_eq(written(), "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x1000} ---\n");
    trace_exit(&task, 3, 0);
    ck_assert_str_eq(written(), "+++ exited with 3 +++\n");
    trace_exit(&task, 0, SIGSEGV);
    ck_assert_str_eq(written(), "+++ killed by SIGSEGV +++\n");
    enter("exit_group", 3, 0, 0, 0, 0, 0);
    ck_assert_str_eq(written(), "exit_group(3)                           = ?\n");
    leave("exit_group", -EJUSTRETURN);
    ck_assert_str_eq(written(), "");
    enter("read", 0, DATA, 5, 0, 0, 0);
    trace_exit(&task, 0, SIGKILL);
    ck_assert_str_eq(written(), "read(0 <unfinished ...>\n+++ killed by SIGKILL +++\n");
}
END_TEST

START_TEST(unknown_call)
{
    args[0] = 1, args[1] = 0, args[2] = args[3] = args[4] = args[5] = 2;
    trace_enter(&task, NULL, 999, args);
    trace_leave(&task, NULL, 999, args, -ENOSYS);
    ck_assert_str_eq(written(), "syscall_0x3e7(0x1, 0, 0x2, 0x2, 0x2, 0x2) = -1 ENOSYS (Function not "
                                "implemented)\n");
}
END_TEST

START_TEST(following_children)
{
    teardown();
    setup();
    task.tid = 77;
    trace_close(proc.trace);
    close(out);
    open_filtered(true, NULL);
    task.tid = 77;
    EXPECT("77    close(3)                          = 0", "close", 0, 3);
    enter("clone", 17, 0, 0, 0, 0, 0);
    task.tid = 78; /* what the child of a fork sees */
    trace_fork_child(&task);
    leave("clone", 0);
    ck_assert_str_eq(written(), "");
    EXPECT("78    close(3)                          = 0", "close", 0, 3);
    task.tid = 77; /* the parent, whose line a vfork child has overwritten */
    args[0] = 17;
    leave("clone", 78);
    ck_assert_str_eq(written(), "77    clone(child_stack=NULL, flags=SIGCHLD) = 78\n");
}
END_TEST

/* Whether a call is shown under a filter. */
static bool shown(const char *filter, const char *name)
{
    trace_close(proc.trace);
    close(out);
    open_filtered(false, filter);
    return *CALL(name, 0, 0) != '\0';
}

START_TEST(filters)
{
    struct trace *tr;
    int fd = dup(out);

    ck_assert(shown("read,write", "write") && !shown("read,write", "close"));
    ck_assert(shown("trace=read", "read") && !shown("trace=read", "write"));
    ck_assert(!shown("!read,write", "read") && shown("!read,write", "close"));
    ck_assert(shown("%file", "openat") && shown("%file", "execve") && !shown("%file", "read"));
    ck_assert(shown("%desc", "read") && shown("%desc", "openat") && !shown("%desc", "getpid"));
    ck_assert(shown("%memory", "brk") && shown("%net", "socket") && shown("%network", "bind"));
    ck_assert(shown("%process", "clone") && shown("%signal", "kill") && shown("%ipc", "msgget"));
    ck_assert(shown("%clock", "nanosleep") && shown("%creds", "setuid") && shown("%info", "uname"));
    ck_assert(!shown("!%desc", "read") && shown("!%desc", "getpid"));
    ck_assert(shown("%memory,read", "read") && shown("%memory,read", "mmap"));
    ck_assert_int_eq(trace_open(&tr, fd, false, "reed"), -EINVAL);
    ck_assert_int_eq(trace_open(&tr, fd, false, "%nothing"), -EINVAL);
    ck_assert_int_eq(trace_open(&tr, fd, false, "read,"), -EINVAL);
    ck_assert_int_eq(trace_open(&tr, fd, false, ""), -EINVAL);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0); /* still ours after a refusal */
    close(fd);
}
END_TEST

/* One short-lived line of every call, whatever the arguments: bounded, whole, and nothing crashes. */
static void survive(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, int64_t result)
{
    const struct sysent *e = sysent_get(nr);
    const char *line, *end;

    args[0] = a, args[1] = b, args[2] = c, args[3] = b, args[4] = a, args[5] = c;
    trace_enter(&task, e, nr, args);
    trace_leave(&task, e, nr, args, result);
    line = written();
    end = strchr(line, '\n');
    ck_assert_msg(end && !end[1], "%s", e->name);
    ck_assert_msg(end - line < 16384, "%s", e->name);
    ck_assert_msg(strncmp(line, e->name, strlen(e->name)) == 0, "%s", line);
}

static void survive_all(uint64_t nr, unsigned round)
{
    static const uint64_t values[] = { 0,
                                       1,
                                       DATA,
                                       END - 1,
                                       END - 8,
                                       END - 16,
                                       NOWHERE,
                                       0x3fffffffff,
                                       INT32_MAX,
                                       UINT32_MAX,
                                       INT64_MAX,
                                       UINT64_MAX,
                                       0x8000000000000000,
                                       DATA + 3 };
    static const int64_t results[] = { 0, 1, 33, INT32_MAX, INT64_MAX, -EINVAL, -EINTR, INT64_MIN };
    size_t n = ARRAY_SIZE(values);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            survive(nr, values[i], values[j], values[(i * 5 + j + round) % n],
                    results[(i + j + round) % ARRAY_SIZE(results)]);
}

#define SHARES 8

START_TEST(hostile_arguments) /* _i is a share of the calls */
{
    uint8_t noise[1024];

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < sizeof noise; i++) /* zeros, ones, pointers to itself, noise */
            noise[i] = round == 0   ? 0
                       : round == 1 ? 0xff
                       : round == 2 ? (uint8_t)(DATA >> i % 8 * 8)
                                    : (uint8_t)(i * 167 + i / 7);
        for (uint64_t at = DATA; at < END; at += sizeof noise)
            put(at, noise, sizeof noise);
        for (uint64_t nr = (uint64_t)_i; nr < NR_SYS; nr += SHARES)
            if (sysent_get(nr))
                survive_all(nr, round);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("print");
    TCase *tc = tcase_create("print"), *hostile = tcase_create("hostile");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, results_and_errors);
    tcase_add_test(tc, strings);
    tcase_add_test(tc, bad_pointers_print_as_addresses);
    tcase_add_test(tc, outputs_print_after_the_call);
    tcase_add_test(tc, lengths_before_and_after);
    tcase_add_test(tc, flags);
    tcase_add_test(tc, structs_of_files);
    tcase_add_test(tc, structs_of_processes);
    tcase_add_test(tc, sockets);
    tcase_add_test(tc, waits);
    tcase_add_test(tc, signals_and_ends);
    tcase_add_test(tc, unknown_call);
    tcase_add_test(tc, following_children);
    tcase_add_test(tc, filters);
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(hostile, setup, teardown);
    tcase_set_timeout(hostile, 60);
    tcase_add_loop_test(hostile, hostile_arguments, 0, SHARES);
    suite_add_tcase(s, hostile);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
