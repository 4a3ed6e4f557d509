/* prctl(PR_SET_MM): what /proc tells of the image, where the heap ends, which program it is. */
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest.h"

#define SET(option, address) prctl(PR_SET_MM, PR_SET_MM_##option, (address), 0, 0)
#define AUXV_GET 0x41555856

static char text[1 << 16];

static ssize_t slurp(const char *file)
{
    int fd = open(file, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);

    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return n;
}

/* Field n of /proc/self/stat, counted from 1. */
static unsigned long field(int n)
{
    char *at;

    slurp("/proc/self/stat");
    at = strrchr(text, ')') + 1;
    while (n-- > 3)
        at = strchr(at + 1, ' ');
    return strtoul(at, NULL, 10);
}

static void show(const char *file)
{
    ssize_t n = slurp(file);

    printf("%s: ", file);
    for (ssize_t i = 0; i < n; i++)
        putchar(text[i] ? text[i] : '|');
    putchar('\n');
}

/* What the kernel has now, as a whole. */
static struct prctl_mm_map now(void)
{
    return (struct prctl_mm_map){
        .start_code = field(26),
        .end_code = field(27),
        .start_data = field(45),
        .end_data = field(46),
        .start_brk = field(47),
        .brk = (unsigned long)syscall(SYS_brk, 0),
        .start_stack = field(28),
        .arg_start = field(48),
        .arg_end = field(49),
        .env_start = field(50),
        .env_end = field(51),
        .exe_fd = UINT32_MAX,
    };
}

#define SET_ALL(map, size) prctl(PR_SET_MM, PR_SET_MM_MAP, (map), (size), 0)

/* One field of it. */
#define WITH(field, address)                   \
    ({                                         \
        struct prctl_mm_map map_ = now();      \
        map_.field = (unsigned long)(address); \
        SET_ALL(&map_, sizeof map_);           \
    })

/* Written by its bytes: an argument's NUL and all. */
#define PUT(at, s) memcpy((at), (s), sizeof(s))

static void titles(char *at)
{
    PUT(at, "one\0two");
    CALL(WITH(arg_end, at)); /* the beginning lies behind */
    CALL(WITH(arg_start, at));
    CALL(WITH(arg_end, at + 8));
    show("/proc/self/cmdline");
    FACT(field(48) == (unsigned long)at && field(49) == (unsigned long)at + 8);
    CALL(WITH(arg_end, at + 7)); /* does not end in a NUL: one string, and its NUL */
    show("/proc/self/cmdline");
    PUT(at, "a longer title than there was room for");
    CALL(WITH(env_start, at + 7)); /* what it runs on into */
    CALL(WITH(env_end, at + 20));
    show("/proc/self/cmdline");
    CALL(WITH(env_end, at + 4200));
    show("/proc/self/cmdline");
    CALL(WITH(env_start, at + 8)); /* not right behind */
    show("/proc/self/cmdline");
    CALL(WITH(env_start, at + 7));
    memset(at, 'x', 5000);
    FACT(slurp("/proc/self/cmdline") == 4096);
    PUT(at + 4096, "A=b\0C=d");
    CALL(WITH(env_end, at + 4104));
    CALL(WITH(env_start, at + 4096));
    show("/proc/self/environ");
    CALL(WITH(env_end, at + 4096));
    FACT(slurp("/proc/self/environ") == 0);
    CALL(WITH(arg_start, at + 8));
    CALL(WITH(start_stack, at + 128));
    FACT(field(28) == (unsigned long)at + 128);
}

/* Each by itself: with CAP_SYS_RESOURCE over the machine alone. */
static void one_by_one(char *at)
{
    int may = SET(START_STACK, (long)at + 256) == 0;

    CALL(may ? 0 : -1);
    if (!may)
        return;
    PUT(at, "one\0two");
    CALL(SET(ARG_END, (long)at));
    CALL(SET(ARG_START, (long)at));
    CALL(SET(ARG_END, (long)at + 8));
    CALL(SET(ENV_START, (long)at + 4));
    CALL(SET(ENV_END, (long)at + 8));
    show("/proc/self/cmdline");
    show("/proc/self/environ");
    CALL(SET(START_CODE, field(26) + 1));
    CALL(SET(END_CODE, field(27) - 1));
    CALL(SET(START_DATA, field(45) + 1));
    CALL(SET(END_DATA, field(46) - 1));
    FACT(field(28) == (unsigned long)at + 256 && field(48) == (unsigned long)at &&
         field(50) == (unsigned long)at + 4);
}

static void auxiliary(char *at)
{
    unsigned long words[] = { 6, 4096, 0, 0, 6, 0 }, got[6] = { 0 };

    (void)at;
    CALL(prctl(PR_SET_MM, PR_SET_MM_AUXV, words, 32, 1));
    if (prctl(PR_SET_MM, PR_SET_MM_AUXV, words, 32, 0) == -1) {
        CALL(-1);
        return;
    }
    FACT(slurp("/proc/self/auxv") == 32 && memcmp(text, words, 32) == 0);
    FACT(prctl(AUXV_GET, got, sizeof got, 0, 0) > 32 && memcmp(got, words, 32) == 0);
    CALL(prctl(PR_SET_MM, PR_SET_MM_AUXV, words, 1 << 16, 0));
    CALL(prctl(PR_SET_MM, PR_SET_MM_AUXV, 8, 32, 0));
    FACT(slurp("/proc/self/auxv") == 32);
}

static void errors(char *at)
{
    CALL(WITH(arg_start, 0));
    CALL(WITH(arg_start, 4096 - 1));
    CALL(WITH(arg_start, -4096L));
    CALL(WITH(start_code, field(27)));
    CALL(WITH(end_data, field(45) - 1));
    CALL(WITH(env_start, field(51) + 1));
    CALL(SET(ARG_START, 0));
    CALL(SET(ARG_START, 4096 - 1));
    CALL(SET(ARG_START, -4096L));
    CALL(prctl(PR_SET_MM, 0, at, 0, 0));
    CALL(prctl(PR_SET_MM, 16, at, 0, 0));
    CALL(prctl(PR_SET_MM, -1, at, 0, 0));
    CALL(prctl(PR_SET_MM, PR_SET_MM_ARG_END, at, 1, 0));
    CALL(prctl(PR_SET_MM, PR_SET_MM_ARG_END, at, 0, 1));
    CALL(SET(START_CODE, field(27)));
    CALL(SET(END_DATA, field(45) - 1));
    CALL(SET(EXE_FILE, -1));
    CALL(SET(EXE_FILE, open(".", O_RDONLY)));
    CALL(SET(EXE_FILE, open("/proc/self/exe", O_RDONLY)));
    close(open("plain", O_CREAT | O_WRONLY, 0600));
    CALL(SET(EXE_FILE, open("plain", O_RDONLY)));
}

static void heap(char *at)
{
    unsigned long old = (unsigned long)syscall(SYS_brk, 0);

    munmap(at + 4096, 8192);
    CALL(WITH(start_brk, old + 1)); /* above its end */
    CALL(WITH(brk, at + 4000));
    CALL(WITH(start_brk, at));
    FACT(syscall(SYS_brk, 0) == (long)at + 4000 && field(47) == (unsigned long)at);
    FACT(syscall(SYS_brk, at - 1) == (long)at + 4000);
    FACT(syscall(SYS_brk, at + 4200) == (long)at + 4200);
    at[4100] = 1;
    FACT(syscall(SYS_brk, at + 10) == (long)at + 10);
    FACT(msync(at + 4096, 4096, MS_ASYNC) == -1 && errno == ENOMEM);
}

static void whole(char *at)
{
    unsigned long words[] = { 6, 1, 25, 2, 0, 0 };
    struct prctl_mm_map m = now(), bad;

    PUT(at, "whole");
    m.arg_start = (unsigned long)at;
    m.arg_end = (unsigned long)at + 6;
    m.auxv = (void *)words;
    m.auxv_size = sizeof words;
    CALL(SET_ALL(&m, sizeof m));
    show("/proc/self/cmdline");
    FACT(slurp("/proc/self/auxv") == sizeof words && memcmp(text, words, sizeof words) == 0);
    CALL(SET_ALL(&m, sizeof m - 8));
    CALL(SET_ALL(8, sizeof m));
    CALL(prctl(PR_SET_MM, PR_SET_MM_MAP, &m, sizeof m, 1));
    bad = m;
    bad.env_end = bad.env_start - 1;
    CALL(SET_ALL(&bad, sizeof bad));
    bad = m;
    bad.brk = 100;
    CALL(SET_ALL(&bad, sizeof bad));
    bad = m;
    bad.auxv = NULL;
    CALL(SET_ALL(&bad, sizeof bad));
    bad.auxv = (void *)8;
    CALL(SET_ALL(&bad, sizeof bad));
    bad = m;
    bad.auxv_size = 1 << 16;
    CALL(SET_ALL(&bad, sizeof bad));
    show("/proc/self/cmdline");
}

/* Puts copies in place of all that is mapped of the program, this function included. */
static void leave_file(void)
{
    static struct {
        unsigned long from, to;
        int prot;
    } part[16];
    char exe[4096], *line, *save;
    int n = 0;

    exe[readlink("/proc/self/exe", exe, sizeof exe - 1)] = '\0';
    slurp("/proc/self/maps");
    for (line = strtok_r(text, "\n", &save); line && n < 16; line = strtok_r(NULL, "\n", &save)) {
        char r, w, x;
        size_t len = strlen(line), end = strlen(exe);

        if (len < end || strcmp(line + len - end, exe) != 0)
            continue;
        sscanf(line, "%lx-%lx %c%c%c", &part[n].from, &part[n].to, &r, &w, &x);
        part[n++].prot =
            (r == 'r' ? PROT_READ : 0) | (w == 'w' ? PROT_WRITE : 0) | (x == 'x' ? PROT_EXEC : 0);
    }
    for (int i = 0; i < n; i++) {
        size_t len = part[i].to - part[i].from;
        char *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        memcpy(copy, (char *)part[i].from, len);
        mprotect(copy, len, part[i].prot);
        mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, part[i].from);
    }
}

static void another_program(void)
{
    struct prctl_mm_map m = now();
    char exe[4096];
    ssize_t n;

    m.exe_fd = (unsigned)open("other", O_CREAT | O_RDWR, 0700);
    close((int)m.exe_fd);
    m.exe_fd = (unsigned)open("other", O_RDONLY);
    CALL(SET_ALL(&m, sizeof m)); /* is mapped still */
    leave_file();
    CALL(SET_ALL(&m, sizeof m));
    n = readlink("/proc/self/exe", exe, sizeof exe);
    FACT(n > 6 && memcmp(exe + n - 6, "/other", 6) == 0);
    CALL(open("other", O_WRONLY));
}

static void without_privilege(char *at)
{
    CALL(unshare(CLONE_NEWUSER));
    CALL(SET(ARG_START, (long)at));
    CALL(prctl(PR_SET_MM, 0, 0, 0, 0));
    CALL(SET(EXE_FILE, -1));
    whole(at);
    another_program();
}

static void in_child(const char *what, void (*body)(char *), char *at)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        body(at);
        fflush(stdout);
        _exit(0);
    }
    guest_wait(what, pid);
}

int main(void)
{
    char *at = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned size = 0;

    CALL(prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0));
    SHOW(size);
    CALL(prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, 8, 0, 0));
    in_child("titles", titles, at);
    in_child("errors", errors, at);
    in_child("heap", heap, at);
    in_child("without privilege", without_privilege, at);
    in_child("one by one", one_by_one, at);
    in_child("auxiliary vector", auxiliary, at);
    whole(at);
    return 0;
}
