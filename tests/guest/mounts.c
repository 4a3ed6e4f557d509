/* Mounts of one's own: what the source means by the flags, data that is a page or less, errors. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "guest.h"

static int has(const char *name)
{
    return access(name, F_OK) == 0;
}

static void make(const char *name)
{
    close(open(name, O_CREAT | O_WRONLY, 0600));
}

static void say(const char *file, const char *what)
{
    int fd = open(file, O_WRONLY);

    FACT(write(fd, what, strlen(what)) == (ssize_t)strlen(what));
    close(fd);
}

static void file_systems(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *data;
    struct statfs fs = { 0 };
    struct stat st = { 0 };

    munmap(page + 4096, 4096);
    data = strcpy(page + 4096 - sizeof "mode=0711,size=64k", "mode=0711,size=64k");
    CALL(mount("a word", "memory", "tmpfs", 0, data));
    statfs("memory", &fs);
    stat("memory", &st);
    FACT(fs.f_blocks * fs.f_bsize == 65536 && (st.st_mode & 0777) == 0711);
    CALL(mount(NULL, "memory", NULL, MS_REMOUNT, "size=128k"));
    statfs("memory", &fs);
    FACT(fs.f_blocks * fs.f_bsize == 131072);
    memset(page, 'x', 4096);
    CALL(mount("a word", "memory", "tmpfs", 0, page)); /* ends without a NUL: a page is all that is read */
    CALL(mount("a word", "memory", "tmpfs", 0, page + 4096));
    CALL(mount("a word", "memory", "nothing", 0, NULL));
    CALL(mount("a word", "memory", NULL, 0, NULL));
    CALL(mount("a word", "nowhere", "tmpfs", 0, NULL));
}

static void binds(void)
{
    mkdir("memory/a", 0700);
    mkdir("memory/b", 0700);
    make("memory/a/here");
    make("memory/file");
    make("memory/onto");
    symlink("a", "memory/link");
    CALL(mount("memory/link", "memory/b", NULL, MS_BIND, NULL));
    FACT(has("memory/b/here"));
    CALL(mount("no such thing", "memory/b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    CALL(open("memory/b/new", O_CREAT | O_WRONLY, 0600));
    CALL(mount("no such thing", "memory/b", NULL, MS_PRIVATE | MS_MOVE, NULL));
    FACT(has("memory/b/here"));
    CALL(umount("memory/b"));
    FACT(!has("memory/b/here"));
    CALL(mount("memory/a", "memory/b", "ignored", 0xc0ed0000 | MS_BIND, NULL));
    FACT(has("memory/b/here"));
    mkdir("memory/c", 0700);
    CALL(mount("memory/b", "memory/c", NULL, MS_MOVE, NULL));
    FACT(!has("memory/b/here") && has("memory/c/here"));
    CALL(umount("memory/c"));
    CALL(mount("memory/file", "memory/onto", NULL, MS_BIND, NULL));
    CALL(mount("/proc/self/maps", "memory/a/here", NULL, MS_BIND, NULL));
    CALL(mount("/proc/self/exe", "memory/onto", NULL, MS_BIND, NULL)); /* from the namespace before */
}

static void errors(void)
{
    static char longest[4096];

    CALL(mount("no such thing", "memory/b", NULL, MS_BIND, NULL));
    CALL(mount("memory/file/", "memory/b", NULL, MS_BIND, NULL));
    CALL(mount("", "memory/b", NULL, MS_BIND, NULL));
    CALL(mount(NULL, "memory/b", NULL, MS_BIND, NULL));
    CALL(mount("memory/a", "memory/b", NULL, MS_MOVE, NULL));
    CALL(mount((char *)8, "memory/b", NULL, MS_PRIVATE, NULL));
    CALL(mount("memory/a", "memory/b", (char *)8, MS_BIND, NULL));
    CALL(mount("memory/a", (char *)8, NULL, MS_BIND, NULL));
    CALL(mount("memory/a", "memory/b", NULL, MS_BIND, (char *)8));
    memset(longest, 'x', sizeof longest);
    CALL(mount(longest, "memory/b", NULL, MS_BIND, NULL));
    CALL(mount("a word", "memory/b", longest, 0, NULL));
    longest[4095] = '\0';
    CALL(mount("a word", "memory/b", longest, 0, NULL));
    CALL(mount("a word", "memory/b", "tmpfs", 1u << 31, NULL)); /* MS_NOUSER */
}

static void all(int here, int uid, int gid)
{
    char map[32];

    CALL(here);
    snprintf(map, sizeof map, "0 %d 1", uid);
    say("/proc/self/uid_map", map);
    say("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %d 1", gid);
    say("/proc/self/gid_map", map);
    CALL(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    mkdir("memory", 0700);
    file_systems();
    binds();
    errors();
    fflush(stdout);
    _exit(0);
}

int main(void)
{
    int uid = (int)geteuid(), gid = (int)getegid();
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        all(unshare(CLONE_NEWUSER | CLONE_NEWNS), uid, gid);
    guest_wait("by unshare", pid);
    fflush(stdout);
    pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        all(0, uid, gid);
    guest_wait("by clone", pid);
    return 0;
}
