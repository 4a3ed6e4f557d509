/*
 * libFuzzer target of the system calls: the input is a program of calls, with arguments of every kind, and of bytes
 * for guest memory; each run is a fresh vm and task in this process. It finds crashes, sanitizer reports, results
 * that are none, and descriptors of noahv's that a guest gets at. What would end or harm this process or the
 * machine is left out (withheld[], allowed()). What a call does is not its subject.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/copy.h"
#include "noahv.h"
#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/procfs.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_report_fd(void *fd);

/* Guest memory: two pages to write, then read-only, forbidden, and a shared file of one page under two. */
#define DATA ((uint64_t)0x100000)
#define RDONLY (DATA + 4 * PAGE_BYTES)
#define CLOSED (DATA + 5 * PAGE_BYTES)
#define SHARED (DATA + 6 * PAGE_BYTES)
#define BEYOND (DATA + 7 * PAGE_BYTES)
#define TEXT ((uint64_t)0x10000)
#define LIMIT ((uint64_t)1 << 30)

enum {
    MAX_STEPS = 32,
    REG_A0 = 10,
    REG_A7 = 17,
    HANG_MS = 60,
    INPUTS_PER_FOLDER = 256,
    NR_SAVED = 4, /* standard input, output, error, and the folder that libFuzzer is in */
    ITEM = 64,    /* bytes between the prepared structs in DATA */
};

static char start[PATH_MAX]; /* where libFuzzer runs */
static char base[PATH_MAX];  /* a folder there: the guest's program, and folders for the guest */
static int saved[NR_SAVED] = { -1, -1, -1, -1 };
static char program_path[PATH_MAX];
static pid_t main_tid;
static atomic_uint running; /* number of the input that is being run; 0: none */
static uint64_t withheld_bits[NR_SYS / 64 + 1];

static void need_at(bool ok, int line)
{
    if (ok)
        return;
    dprintf(saved[2] >= 0 ? saved[2] : STDERR_FILENO, "fuzz_syscall.c:%d: a need is not met\n", line);
    abort();
}

#define need(ok) need_at((ok), __LINE__)

/* --- What is not tried -------------------------------------------------------------------------------------- */

/* They signal, outlast or slow down this process, change the machine, or leave things behind outside the folder. */
static const char *const withheld[] = {
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    "clone",
    "clone3",
    "reboot",
    "mount",
    "umount2",
    "pivot_root",
    "move_mount",
    "fsopen",
    "fspick",
    "fsmount",
    "fsconfig",
    "mount_setattr",
    "open_tree_attr",
    "swapon",
    "swapoff",
    "acct",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "syslog",
    "quotactl",
    "quotactl_fd",
    "vhangup",
    "chroot",
    "fchroot",
    "unshare",
    "setns",
    "setsid",
    "setpgid",
    "setpriority",
    "sched_setparam",
    "sched_setscheduler",
    "sched_setattr",
    "sched_setaffinity",
    "ioprio_set",
    "setrlimit",
    "setitimer",
    "timer_create",
    "sync",
    "syncfs",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
    "semget",
    "semop",
    "semtimedop",
    "shmget",
    "shmctl",
    "mq_open",
    "mq_unlink",
    "add_key",
    "request_key",
    "setgroups",
    "fanotify_init",
    "process_mrelease",
    "clock_nanosleep",
    "rt_sigsuspend",
    "lsm_set_self_attr",
};

/* Absolute names that may be used; all others are relative to the folder. */
static const char *const names[] = {
    "a",
    "b",
    "dir",
    "dir/f",
    "link",
    "fifo",
    "prog",
    ".",
    "",
    "dir/",
    "/proc/self/maps",
    "/proc/self/status",
    "/proc/self/fd",
    "/proc/self/exe",
    "/proc/self/mem",
    "/proc/self/cmdline",
    "/proc/self/stat",
    "/proc/cpuinfo",
    "/proc/self/fdinfo",
    "/proc/self/environ",
    "/proc/self/auxv",
    "/proc/thread-self/statm",
    "/proc/self/fd/3",
    "/dev/null",
    "user.x",
    "/",
};

static bool name_allowed(struct task *t, uint64_t at)
{
    char name[PATH_MAX];

    if (!at || copy_str(t->mem, name, at, sizeof name) < 0)
        return true; /* EFAULT, ENAMETOOLONG */
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return name[0] != '/' && !strstr(name, "..");
}

static bool internet(int fd)
{
    int domain = 0;
    socklen_t len = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_UNIX &&
           domain != AF_NETLINK;
}

static bool is(const struct sysent *e, const char *name)
{
    return strcmp(e->name, name) == 0;
}

/* Signals that belong to libFuzzer. */
static bool fuzzers_signal(uint64_t sig)
{
    return sig == SIGALRM || sig == SIGABRT || sig == SIGINT || sig == SIGTERM;
}

/* What makes descriptors that do not block. */
static const struct {
    const char *name;
    int arg, flag;
} nonblocking[] = {
    { "pipe2", 1, O_NONBLOCK },      { "socket", 1, SOCK_NONBLOCK },     { "socketpair", 1, SOCK_NONBLOCK },
    { "openat", 2, O_NONBLOCK },     { "eventfd2", 1, O_NONBLOCK },      { "timerfd_create", 1, O_NONBLOCK },
    { "signalfd4", 3, O_NONBLOCK },  { "inotify_init1", 0, O_NONBLOCK }, { "accept4", 3, O_NONBLOCK },
    { "flock", 1, LOCK_NB },         { "recvfrom", 3, MSG_DONTWAIT },    { "recvmsg", 2, MSG_DONTWAIT },
    { "recvmmsg", 3, MSG_DONTWAIT }, { "splice", 5, SPLICE_F_NONBLOCK }, { "tee", 3, SPLICE_F_NONBLOCK },
    { "pidfd_open", 1, O_NONBLOCK },
};

/* The few calls that are held back for their arguments; arguments that would block are changed instead. */
static bool allowed(struct task *t, const struct sysent *e, uint64_t *a)
{
    for (int i = 0; i < e->nargs; i++) {
        enum marshal m = kind_desc[e->kind[i]].marshal;

        if ((m == M_PATH || m == M_STR) && !name_allowed(t, a[i]))
            return false;
    }
    if (is(e, "fcntl") && (uint32_t)a[1] == F_SETFL)
        a[2] |= O_NONBLOCK;
    if (is(e, "fcntl")) /* who gets signals, and waiting for a lock */
        return (uint32_t)a[1] != F_SETSIG && (uint32_t)a[1] != F_SETOWN && (uint32_t)a[1] != F_SETOWN_EX &&
               (uint32_t)a[1] != F_NOTIFY && (uint32_t)a[1] != F_SETLEASE && (uint32_t)a[1] != F_SETLKW &&
               (uint32_t)a[1] != F_OFD_SETLKW;
    if (is(e, "ioctl"))
        return (uint32_t)a[1] != 0x8901 && (uint32_t)a[1] != 0x8902 && (uint32_t)a[1] != FIONBIO;
    if (is(e, "prctl"))
        return (int)a[0] != 1 && (int)a[0] != 4; /* PR_SET_PDEATHSIG, PR_SET_DUMPABLE */
    if (is(e, "rt_sigaction"))
        return !fuzzers_signal(a[0]);
    if (is(e, "prlimit64"))
        return a[2] == 0;
    if (is(e, "connect") || is(e, "sendto") || is(e, "sendmsg") || is(e, "sendmmsg") || is(e, "bind"))
        return !internet((int)a[0]);
    if (is(e, "nanosleep"))
        a[0] = RDONLY;
    if (is(e, "ppoll") || is(e, "epoll_pwait2"))
        a[is(e, "ppoll") ? 2 : 3] = RDONLY;
    if (is(e, "pselect6"))
        a[4] = DATA + 3 * ITEM;
    if (is(e, "epoll_pwait"))
        a[3] &= 1;
    if (is(e, "futex") || is(e, "rt_sigtimedwait"))
        a[is(e, "futex") ? 3 : 2] = RDONLY;
    if (is(e, "mmap") && a[1] > 64 * PAGE_BYTES)
        a[3] &= ~(uint64_t)(MAP_POPULATE | MAP_LOCKED);
    for (size_t i = 0; i < ARRAY_SIZE(nonblocking); i++)
        if (is(e, nonblocking[i].name))
            a[nonblocking[i].arg] |= nonblocking[i].flag;
    return true;
}

/* --- The input -------------------------------------------------------------------------------------------- */

struct source {
    const uint8_t *at;
    size_t left;
};

static uint64_t draw(struct source *s, size_t bytes)
{
    size_t n = MIN(bytes, s->left);
    uint64_t v = 0;

    memcpy(&v, s->at, n);
    s->at += n;
    s->left -= n;
    return v;
}

/* An address: mostly into DATA, else one of the edges. */
static uint64_t draw_address(struct source *s)
{
    static const uint64_t edge[] = { 0,
                                     RDONLY,
                                     RDONLY - 8,
                                     CLOSED,
                                     CLOSED - 4,
                                     SHARED,
                                     BEYOND,
                                     BEYOND - 4,
                                     BEYOND + PAGE_BYTES,
                                     TEXT,
                                     TEXT + 1,
                                     PAGE_BYTES,
                                     LIMIT,
                                     LIMIT - 8,
                                     LIMIT - PAGE_BYTES,
                                     LIMIT - ((uint64_t)1 << 20), /* the gap below the stack */
                                     LIMIT + ((uint64_t)1 << 31),
                                     (uint64_t)1 << 38,
                                     ((uint64_t)1 << 47) - PAGE_BYTES,
                                     (uint64_t)1 << 63,
                                     UINT64_MAX,
                                     UINT64_MAX - PAGE_MASK };
    uint64_t how = draw(s, 1);

    if (how < 96) /* a prepared struct */
        return DATA + how % 48 * ITEM;
    if (how < 200)
        return DATA + draw(s, 2) % (5 * PAGE_BYTES);
    return edge[how % ARRAY_SIZE(edge)];
}

static uint64_t draw_number(struct source *s)
{
    uint64_t how = draw(s, 1);

    switch (how & 7) {
    case 0:
    case 1:
        return how >> 3;
    case 2:
        return draw(s, 1);
    case 3:
        return draw(s, 2);
    case 4:
        return draw(s, 4);
    case 5:
        return (uint64_t)1 << (how >> 3 | (draw(s, 1) & 32));
    case 6:
        return (how >> 3) * PAGE_BYTES;
    default:
        return how & 8 ? draw(s, 8) : -(how >> 4);
    }
}

static uint64_t draw_fd(struct source *s)
{
    uint64_t how = draw(s, 1);

    if (how < 200)
        return how % 24;
    if (how < 230) /* noahv's own */
        return (uint64_t)(int64_t)fd_own_next(0) + how % 16;
    return how < 244 ? (uint64_t)AT_FDCWD : how < 250 ? UINT64_MAX : draw_number(s);
}

static uint64_t draw_argument(struct source *s, const struct sysent *e, int i)
{
    const struct kind_desc *k = &kind_desc[e->kind[i]];

    switch (k->marshal) {
    case M_FD:
    case M_CFD:
    case M_DIRFD:
        return draw_fd(s);
    case M_PATH:
    case M_STR: {
        uint64_t how = draw(s, 1);

        return how < 240 ? RDONLY + ITEM * (1 + how % ARRAY_SIZE(names)) : draw_address(s);
    }
    case M_BUF:
    case M_PTR:
        return draw_address(s);
    case M_OWN:
        return strcmp(k->name, "FARG") == 0 || strncmp(k->name, "PRARG", 5) == 0 ? draw_number(s)
                                                                                 : draw_address(s);
    default:
        break;
    }
    if (strcmp(e->arg[i], "sigsetsize") == 0 || is(e, "set_robust_list")) {
        uint64_t how = draw(s, 1);

        return how < 200 ? (e->nargs == 2 && is(e, "set_robust_list") ? 24 : 8) : draw_number(s);
    }
    return draw_number(s);
}

/* --- The guest ---------------------------------------------------------------------------------------------- */

/* What the calls' structs look like, in cells of ITEM bytes; pointers lead from one to the other. */
static void fill_data(struct gmem *m)
{
    static const struct {
        unsigned cell, offset;
        uint64_t v;
    } words[] = {
        { 0, 0, DATA + 0x1000 },
        { 0, 8, 64 },
        { 0, 16, DATA + 0x2000 },
        { 0, 24, 0x1000 },
        { 0, 32, RDONLY },
        { 0, 40, 16 },
        { 1, 0, DATA + 5 * ITEM },
        { 1, 8, 16 },
        { 1, 16, DATA },
        { 1, 24, 2 },
        { 1, 32, DATA + 6 * ITEM },
        { 1, 40, 20 },
        { 2, 0, 0xffffffff },
        { 3, 8, 1000 },
        { 4, 0, 0x1000500000003 },
        { 4, 8, 0x1000500000004 },
        { 5, 0, 0x610001 },
        { 6, 0, 20 },
        { 6, 8, (uint64_t)1 << 32 | 1 },
        { 6, 16, 3 },
        { 7, 0, DATA },
        { 7, 8, 3 },
        { 8, 0, TEXT },
        { 8, 8, 4 },
        { 9, 0, DATA + 9 * ITEM },
        { 9, 8, 0 },
        { 9, 16, DATA + 10 * ITEM },
        { 10, 0, 128 },
        { 11, 0, RDONLY + 7 * ITEM },
        { 12, 0, 0x3fff },
        { 12, 16, 8 },
        { 13, 0, 1 },
        { 14, 0, DATA + 12 * ITEM },
        { 14, 8, 8 },
        { 15, 0, DATA + 0x800 },
        { 15, 16, 8192 },
        { 18, 0, 0x3ff },
        { 19, 0, 4096 },
        { 19, 8, 4096 },
        { 16, 0, (uint64_t)1 << 62 },
        { 16, 8, 0 },
        { 17, 0, O_CREAT | O_RDWR },
        { 17, 8, 0600 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        need(put_user(m, DATA + words[i].cell * ITEM + words[i].offset, &words[i].v) == 0);
}

static void fill_names(struct gmem *m)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        need(copy_out(m, RDONLY + ITEM * (1 + i), names[i], strlen(names[i]) + 1) == 0);
}

/* Again after each execve, which takes everything away. */
static void map_memory(struct gmem *m)
{
    static const int rw = GMEM_R | GMEM_W;
    int fd = memfd_create("shared", MFD_CLOEXEC);

    need(fd >= 0 && ftruncate(fd, PAGE_BYTES) == 0);
    need(gmem_map(m, DATA, 5 * PAGE_BYTES, rw, 0, GMEM_PLAIN, -1, 0) == 0);
    fill_data(m);
    fill_names(m);
    need(gmem_protect(m, RDONLY, PAGE_BYTES, GMEM_R) == 0);
    need(gmem_map(m, CLOSED, PAGE_BYTES, 0, 0, GMEM_PLAIN, -1, 0) == 0);
    need(gmem_map(m, SHARED, 2 * PAGE_BYTES, rw, GMEM_SHARED, GMEM_PLAIN, fd, 0) == 0);
    close(fd);
}

static void write_program(const char *path)
{
    static const uint32_t ecall = 0x73;
    Elf64_Ehdr eh = { .e_ident = ELFMAG "\2\1\1",
                      .e_type = ET_EXEC,
                      .e_machine = EM_RISCV,
                      .e_version = 1,
                      .e_entry = TEXT + 0x100,
                      .e_phoff = sizeof eh,
                      .e_ehsize = sizeof eh,
                      .e_phentsize = sizeof(Elf64_Phdr),
                      .e_phnum = 1 };
    Elf64_Phdr ph = { .p_type = PT_LOAD,
                      .p_flags = PF_R | PF_X,
                      .p_vaddr = TEXT,
                      .p_filesz = 0x104,
                      .p_memsz = 0x104,
                      .p_align = PAGE_BYTES };
    uint8_t file[0x104] = { 0 };
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    memcpy(file, &eh, sizeof eh);
    memcpy(file + sizeof eh, &ph, sizeof ph);
    memcpy(file + 0x100, &ecall, sizeof ecall);
    need(fd >= 0 && write(fd, file, sizeof file) == (ssize_t)sizeof file);
    close(fd);
}

/* --- Around an input ---------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_DNR) /* the guest took its own rights away */
        chmod(path, 0700);
    remove(path);
    return 0;
}

static void fresh_folder(void)
{
    static char folder[PATH_MAX], crash[PATH_MAX];
    static unsigned n;

    if (n % INPUTS_PER_FOLDER == 0) {
        if (n) {
            chmod(folder, 0700);
            nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        }
        need((size_t)snprintf(folder, sizeof folder, "%s/%u", base, n) < sizeof folder);
        need(mkdir(folder, 0700) == 0);
    }
    n++;
    chmod(folder, 0700);
    if (chdir(folder) < 0) {
        n = n / INPUTS_PER_FOLDER * INPUTS_PER_FOLDER + INPUTS_PER_FOLDER;
        fresh_folder();
        return;
    }
    if (access("prog", X_OK) < 0 && (unlink("prog") == 0 || errno == ENOENT))
        write_program("prog");
    mkdir("dir", 0700);
    /* libFuzzer leaves what crashed in a relative folder, if need be from here. */
    if ((size_t)snprintf(crash, sizeof crash, "%s/crash", start) < sizeof crash &&
        symlink(crash, "crash") < 0)
        need(errno == EEXIST || errno == EACCES);
}

/* A host signal handler's state, as the kernel keeps it; libc would hide some signals. */
struct disposition {
    uint64_t word[4];
};

static struct disposition before[RV_NSIG + 1];

static bool kept(int sig)
{
    return sig != SIGKILL && sig != SIGSTOP && sig != SIGSEGV && sig != SIGBUS;
}

static void dispositions(bool save, bool all)
{
    for (int sig = 1; sig <= RV_NSIG; sig++)
        if (kept(sig) && (all || fuzzers_signal((uint64_t)sig)))
            syscall(SYS_rt_sigaction, sig, save ? NULL : &before[sig], save ? &before[sig] : NULL, 8);
}

static void begin(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    unlink(program_path); /* the guest may have cut it, by way of /proc/self/exe */
    write_program(program_path);
    fresh_folder();
}

/* Everything but noahv's own, among which `saved` is. */
static void close_all(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    int list[1024], n = 0;

    if (!d)
        return;
    while ((e = readdir(d)) && n < 1024)
        if (e->d_name[0] != '.' && atoi(e->d_name) > 2 && !fd_is_own(atoi(e->d_name)))
            list[n++] = atoi(e->d_name);
    closedir(d);
    while (n)
        close(list[--n]);
}

/* Ignoring a signal takes it from the queue of those pending. */
static void drop_pending(void)
{
    struct disposition ignore = { .word = { 1 /* SIG_IGN */ } };
    uint64_t none = 0;

    for (int sig = 1; sig <= RV_NSIG; sig++)
        if (kept(sig) && !fuzzers_signal((uint64_t)sig))
            syscall(SYS_rt_sigaction, sig, &ignore, NULL, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
}

static void end(void)
{
    umask(022); /* libFuzzer writes files too */
    drop_pending();
    dispositions(false, true);
    if (fchdir(saved[3]) < 0)
        abort();
    for (int fd = 0; fd < 3; fd++)
        if (saved[fd] < 0)
            close(fd);
        else
            dup2(saved[fd], fd);
    close_all();
}

/* Breaks calls that block: noahv never blocks these two signals on the host. */
static void *watch(void *arg)
{
    unsigned last = 0, times = 0;

    (void)arg;
    for (;;) {
        unsigned now = atomic_load(&running);

        usleep(HANG_MS * 1000 / 3);
        times = now && now == last ? times + 1 : 0;
        last = now;
        if (times >= 3 && atomic_load(&running) == now)
            syscall(SYS_tgkill, getpid(), main_tid, SIGSEGV);
    }
    return NULL;
}

/* --- A run ---------------------------------------------------------------------------------------------------- */

/* A poke of bytes, or of an address, into DATA. */
static void poke(struct task *t, struct source *s, bool address)
{
    uint64_t at = DATA + draw(s, 2) % (3 * PAGE_BYTES), v = address ? draw_address(s) : draw(s, 8);

    put_user(t->mem, at, &v);
}

/* A signal from elsewhere, if noahv or nobody has a handler for it that stops or ends this process. */
static void signal_guest(struct source *s)
{
    uint64_t sig = 1 + draw(s, 1) % RV_NSIG;

    if (kept((int)sig) && !fuzzers_signal(sig) && sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
        syscall(SYS_tgkill, getpid(), main_tid, sig);
}

/* An exit that is no call; false when the guest has ended. */
static bool trap(struct noahv_hart *h, struct source *s)
{
    struct noahv_exit x = { .reason = NOAHV_EXIT_FAULT + (uint32_t)draw(s, 1) % 5, .pc = h->hart.pc };

    x.u.fault.kind = 1 + (uint32_t)draw(s, 1) % 3;
    x.u.fault.gva = draw_address(s);
    if (draw(s, 1) & 1)
        h->hart.x[2] = draw_address(s);
    need(noahv_linux_handle(h, &x) == 0);
    return x.reason != NOAHV_EXIT_HALT;
}

/* False when the guest has ended. */
static bool call(struct noahv_hart *h, struct source *s)
{
    struct task *t = h->hart.task;
    struct noahv_exit x = { .reason = NOAHV_EXIT_ECALL };
    uint64_t nr = draw(s, 2) % (NR_SYS + 2), a[SYS_ARGS_MAX] = { 0 }, pc = h->hart.pc;
    const struct sysent *e = sysent_get(nr);

    for (int i = 0; i < (e ? e->nargs : SYS_ARGS_MAX); i++)
        a[i] = e ? draw_argument(s, e, i) : draw_number(s);
    if (e && (withheld_bits[nr >> 6] >> (nr & 63) & 1 || !allowed(t, e, a)))
        return true;
    memcpy(&h->hart.x[REG_A0], a, sizeof a);
    h->hart.x[REG_A7] = nr;
    need(noahv_linux_handle(h, &x) == 0);
    if (x.reason == NOAHV_EXIT_HALT)
        return false;
    if (h->hart.pc == pc + 4) { /* not restarted, and no handler was entered */
        int64_t r = (int64_t)h->hart.x[REG_A0];

        need(r >= -4095 || (e && (is(e, "lseek") || is(e, "rt_sigreturn"))));
    }
    if (e && (is(e, "execve") || is(e, "execveat")) && h->hart.x[REG_A0] == 0)
        map_memory(t->mem);
    need(fd_is_own(saved[3]) && fd_is_own(procfs_dir()));
    return true;
}

static void run(struct noahv_vm *vm, struct source *s)
{
    char *argv[] = { (char[]){ "prog" }, NULL };
    struct noahv_linux_config cfg;
    struct noahv_hart *h = NULL;

    noahv_linux_config_init(&cfg);
    cfg.path = program_path;
    cfg.argv = argv;
    cfg.no_aslr = 1;
    if (draw(s, 1) & 1)
        cfg.trace_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    need(noahv_linux_exec(vm, &cfg, &h) == 0);
    dispositions(false, false);
    map_memory(&vm->mem);
    for (int i = 0; i < MAX_STEPS && s->left; i++) {
        uint64_t what = draw(s, 1) & 15;

        if (what < 3)
            poke(h->hart.task, s, what == 0);
        else if (what == 3)
            signal_guest(s);
        else if (!(what == 4 ? trap(h, s) : call(h, s)))
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool first = true;
    static unsigned n;
    struct source s = { data, size };
    struct noahv_config cfg;
    struct noahv_vm *vm;

    if (first)
        dispositions(true, true);
    first = false;
    begin();
    noahv_config_init(&cfg);
    cfg.address_bits = 30;
    cfg.engine = NOAHV_ENGINE_INTERP;
    cfg.stats = 1; /* so that deadly signals are caught, and only the guest dies */
    need(noahv_vm_create(&cfg, &vm) == 0);
    atomic_store(&running, ++n ? n : ++n);
    run(vm, &s);
    atomic_store(&running, 0);
    noahv_vm_destroy(vm);
    end();
    return 0;
}

/* A fault of noahv's own ends in _exit(125): here in a crash that libFuzzer sees. */
void _exit(int status)
{
    if (status == 125)
        abort();
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

static void limit(int what, rlim_t n)
{
    struct rlimit r = { n, n };

    setrlimit(what, &r);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    pthread_t watcher;

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < ARRAY_SIZE(withheld); i++)
        for (unsigned nr = 0; nr < NR_SYS; nr++)
            if (sysent[nr].name && is(&sysent[nr], withheld[i]))
                withheld_bits[nr >> 6] |= (uint64_t)1 << (nr & 63);
    for (int fd = 0; fd < 3; fd++)
        fd_own(dup(fd), &saved[fd]);
    fd_own(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), &saved[3]);
    need(saved[2] >= 0 && saved[3] >= 0);
    __sanitizer_set_report_fd((void *)(uintptr_t)saved[2]);
    need(getcwd(start, sizeof start) != NULL);
    need((size_t)snprintf(base, sizeof base, "%s/guest.XXXXXX", start) < sizeof base && mkdtemp(base));
    need((size_t)snprintf(program_path, sizeof program_path, "%s/prog", base) < sizeof program_path);
    limit(RLIMIT_FSIZE, 32 << 20);
    limit(RLIMIT_MEMLOCK, 64 << 10);
    main_tid = (pid_t)syscall(SYS_gettid);
    need(pthread_create(&watcher, NULL, watch, NULL) == 0);
    return 0;
}
