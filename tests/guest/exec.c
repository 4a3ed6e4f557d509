/* execve of itself in every form: arguments and environment arrive, descriptors and masks as they should. */
#include <fcntl.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "guest.h"

extern char **environ;

static int stage_two(int argc, char **argv)
{
    const char *execfn = (const char *)getauxval(AT_EXECFN);
    sigset_t set;
    struct sigaction usr1, usr2;

    printf("argv[0] = %s, ", argv[0][0] == '/' ? strrchr(argv[0], '/') : argv[0]);
    if (execfn[0] == '/' && strncmp(execfn, "/proc/", 6) != 0 && strncmp(execfn, "/dev/", 5) != 0)
        execfn = "by path"; /* where the program is differs */
    printf("run as %s\n", execfn);
    for (int i = 2; i < argc; i++)
        printf("argv[%d] = [%.40s] (%zu)\n", i, argv[i], strlen(argv[i]));
    for (char **e = environ; *e; e++)
        printf("env %s\n", *e);
    sigprocmask(SIG_BLOCK, NULL, &set);
    printf("blocked %d ", sigismember(&set, SIGUSR2));
    sigaction(SIGUSR1, NULL, &usr1);
    sigaction(SIGHUP, NULL, &usr2);
    printf("caught is default %d ", usr1.sa_handler == SIG_DFL);
    printf("ignored stays %d\n", usr2.sa_handler == SIG_IGN);
    printf("fd 10 %s, fd 11 %s\n", fcntl(10, F_GETFD) < 0 ? "closed" : "open",
           fcntl(11, F_GETFD) < 0 ? "closed" : "open");
    fflush(stdout);
    return 5;
}

static void handler(int sig)
{
    (void)sig;
}

static void run(const char *what, const char *path, char *const *argv, char *const *envp)
{
    sigset_t set;
    pid_t pid;

    fflush(stdout);
    if ((pid = fork()) == 0) {
        dup2(1, 10);
        dup2(1, 11);
        fcntl(10, F_SETFD, FD_CLOEXEC);
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGUSR1, handler);
        signal(SIGHUP, SIG_IGN);
        execve(path, argv, envp);
        printf("%s\n", strerrorname_np(errno));
        fflush(stdout);
        _exit(1);
    }
    guest_wait(what, pid);
}

/* Says that it runs, and does so until the other end is closed. */
static int stage_busy(void)
{
    char c;

    return write(12, "x", 1) == 1 && read(13, &c, 1) == 0 ? 0 : 1;
}

/* Of a program that another process runs: read, but not written to; and again when that has ended. */
static void busy(const char *self)
{
    int said[2], held[2], from = open(self, O_RDONLY), fd = open("busy", O_CREAT | O_WRONLY, 0755);
    char c, name[32];
    struct stat st;
    pid_t pid;

    fstat(from, &st);
    FACT(sendfile(fd, from, NULL, (size_t)st.st_size) == st.st_size);
    close(from);
    close(fd);
    FACT(pipe(said) == 0 && pipe(held) == 0);
    fflush(stdout);
    if ((pid = fork()) == 0) {
        dup2(said[1], 12);
        dup2(held[0], 13);
        close(held[1]);
        execl("./busy", "busy", NULL);
        _exit(1);
    }
    close(said[1]);
    FACT(read(said[0], &c, 1) == 1);
    CALL(open("busy", O_WRONLY));
    CALL(open("busy", O_RDWR));
    CALL(open("busy", O_CREAT | O_WRONLY | O_TRUNC, 0600));
    FACT(stat("busy", &st) == 0 && st.st_size > 0);
    FACT((fd = open("busy", O_RDONLY)) >= 0 && close(fd) == 0);
    close(held[1]);
    guest_wait("busy", pid);
    FACT((fd = open("busy", O_CREAT | O_WRONLY | O_TRUNC, 0600)) >= 0);
    FACT(fstat(fd, &st) == 0 && st.st_size == 0 && (st.st_mode & 0777) == 0755);
    FACT(write(fd, "1234", 4) == 4 && close(fd) == 0);
    FACT((fd = open("busy", O_RDWR)) >= 0 && fstat(fd, &st) == 0 && st.st_size == 4 && close(fd) == 0);
    FACT(unlink("busy") == 0);
    fd = memfd_create("executable", MFD_ALLOW_SEALING);
    FACT(ftruncate(fd, 10) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    CALL(open(name, O_RDWR | O_TRUNC));
    FACT((fd = open(name, O_RDWR)) >= 0 && close(fd) == 0);
}

int main(int argc, char **argv)
{
    char *args[] = { "another name", "two", "", "with space", "\303\251", NULL };
    char *env[] = { "A=1", "EMPTY=", "NOEQUALS", NULL };
    char *none[] = { NULL };
    char self[4096], longarg[20000];
    ssize_t n;
    int fd;
    pid_t pid;

    if (strcmp(argv[0], "busy") == 0)
        return stage_busy();
    if (argc > 1)
        return stage_two(argc, argv);
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    FACT(n > 0);
    self[n > 0 ? n : 0] = 0;
    FACT(strcmp(strrchr(self, '/'), "/exec") == 0);

    run("by path", self, args, env);
    run("by /proc/self/exe", "/proc/self/exe", args, none);
    memset(longarg, 'x', sizeof(longarg) - 1);
    longarg[sizeof(longarg) - 1] = 0;
    run("long argument", self, (char *[]){ "long", "two", longarg, NULL }, none);

    run("missing", "/nonexistent/program", args, env);
    run("directory", "/proc", args, env);
    fd = open("plain", O_CREAT | O_WRONLY, 0644);
    CALL(write(fd, "no program\n", 11));
    run("not executable", "./plain", args, env);
    fchmod(fd, 0755);
    close(fd);
    run("not a program", "./plain", args, env);
    run("not a directory", "./plain/x", args, env);

    fd = open("script", O_CREAT | O_WRONLY, 0755);
    dprintf(fd, "#!%s two  optional\n", self);
    close(fd);
    run("script", "./script", args, env);

    fflush(stdout);
    if ((pid = fork()) == 0) {
        fd = open(self, O_RDONLY | O_CLOEXEC);
        fexecve(fd, args, none);
        _exit(1);
    }
    guest_wait("fexecve", pid);

    if (posix_spawn(&pid, self, NULL, NULL, args, none) == 0)
        guest_wait("posix_spawn", pid);
    if ((pid = vfork()) == 0) {
        execve(self, args, none);
        _exit(1);
    }
    guest_wait("vfork", pid);
    busy(self);
    return 0;
}
