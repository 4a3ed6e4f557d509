/* Landlock rulesets: what they refuse, and programs that are run under one. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest.h"

enum { CREATE = 444, ADD, RESTRICT, BENEATH = 1 };
enum { EXECUTE = 1, WRITE_FILE = 2, READ_FILE = 4, READ_DIR = 8, VERSION_1 = 0x1fff };

static int ruleset(uint64_t handled)
{
    return (int)syscall(CREATE, &handled, sizeof handled, 0);
}

static int allow(int set, const char *path, uint64_t access)
{
    struct __attribute__((packed)) {
        uint64_t access;
        int32_t fd;
    } rule = { access, open(path, O_PATH | O_CLOEXEC) };
    int r = (int)syscall(ADD, set, BENEATH, &rule, 0);

    close(rule.fd);
    return r;
}

static int restrict_self(int set)
{
    int r;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    r = (int)syscall(RESTRICT, set, 0);
    close(set);
    return r;
}

static void opens(const char *path, int flags)
{
    int fd = open(path, flags);

    printf("open %s: %s\n", path, fd < 0 ? strerrorname_np(errno) : "yes");
    close(fd);
}

static int confined(void)
{
    int set = ruleset(VERSION_1);
    char link[4096];

    CALL(allow(set, ".", READ_FILE | READ_DIR));
    CALL(restrict_self(set));
    opens(".", O_RDONLY | O_DIRECTORY);
    opens("readable", O_RDONLY);
    opens("readable", O_WRONLY);
    opens("/etc/passwd", O_RDONLY);
    opens("/", O_RDONLY | O_DIRECTORY);
    opens("/etc/passwd", O_PATH);
    opens("/proc/self/maps", O_RDONLY);
    opens("/proc/self/cmdline", O_RDONLY);
    opens("/proc/cpuinfo", O_RDONLY);
    CALL(mkdir("dir", 0700));
    CALL(access("/etc/passwd", R_OK));
    FACT(readlink("/proc/self/exe", link, sizeof link) > 0);
    FACT(strstr(link, "/landlock"));
    return 0;
}

/* What runs then is this program again; descriptor 40 must be gone, and the rules not. */
static int runs(int set, bool shared, const char *program)
{
    char *argv[] = { (char *)program, "again", NULL }, *envp[] = { NULL };
    int fd = open("readable", O_RDONLY);

    CALL(allow(set, "/usr", EXECUTE)); /* where the dynamic loader is, should there be one */
    CALL(allow(set, program, EXECUTE));
    dup3(fd, 40, O_CLOEXEC);
    dup3(fd, 41, 0);
    CALL(restrict_self(set));
    fflush(stdout);
    pid_t pid = shared ? vfork() : fork();

    if (pid == 0) {
        execve(program, argv, envp);
        _exit(1);
    }
    guest_wait("run under rules", pid);
    argv[1] = NULL;
    execve("/etc/passwd", argv, envp);
    printf("execve of another file: %s\n", strerrorname_np(errno));
    return 0;
}

static int again(void)
{
    CALL(fcntl(40, F_GETFD));
    CALL(fcntl(41, F_GETFD));
    opens("/", O_RDONLY | O_DIRECTORY);
    opens("readable", O_WRONLY);
    opens("readable", O_RDONLY);
    return 3;
}

static const char *self;

static int after_fork(void)
{
    return runs(ruleset(EXECUTE | WRITE_FILE | READ_DIR), false, self);
}

static int after_vfork(void)
{
    return runs(ruleset(EXECUTE | WRITE_FILE | READ_DIR), true, self);
}

static void child(const char *what, int (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();

    if (pid == 0) {
        int r = body();

        fflush(stdout);
        _exit(r);
    }
    guest_wait(what, pid);
}

int main(int argc, char **argv)
{
    char path[4096] = "", folder[] = "/tmp/landlockXXXXXX";
    uint64_t handled = READ_FILE;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        return again();
    (void)argv;
    FACT(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    self = path;
    if (syscall(CREATE, NULL, 0, 1) < 1 || !mkdtemp(folder) || chdir(folder) < 0) {
        puts("this kernel has no Landlock");
        return 0;
    }
    close(open("readable", O_CREAT | O_RDWR, 0600));

    int set = ruleset(handled);

    CALL(syscall(CREATE, &handled, 4, 0));
    CALL(syscall(CREATE, 8, 8, 0));
    CALL(syscall(ADD, set, BENEATH, 8, 0));
    CALL(syscall(ADD, set, BENEATH, &handled, 1));
    CALL(syscall(ADD, set, 99, &handled, 0));
    CALL(syscall(ADD, 0, BENEATH, &handled, 0));
    CALL(allow(set, "/", READ_DIR));
    CALL(allow(set, "/nothing", READ_FILE));
    CALL(syscall(RESTRICT, set, 0xffff0000));
    CALL(syscall(RESTRICT, -1, 0));

    child("confined", confined);
    child("after fork", after_fork);
    child("after vfork", after_vfork);
    unlink("readable");
    chdir("/");
    CALL(rmdir(folder));
    return 0;
}
