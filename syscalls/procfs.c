/*
 * /proc as the guest must see it: which names are special and where (part one), and what they contain (part
 * two). Contents are written to a memfd when the file is opened. The entries of other processes are the
 * host's own, but for their memory: any of them may be another noahv.
 *
 * Absent are the files of kernel options that a riscv64 kernel may lack (CONFIG_PROC_PAGE_MONITOR:
 * clear_refs; CONFIG_NUMA: numa_maps; CONFIG_CHECKPOINT_RESTORE: map_files) and that would show or change
 * noahv's own pages.
 */
#include "syscalls/procfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "noahv.h"
#include "syscalls/fd.h"
#include "syscalls/mm.h"
#include "syscalls/pagemap.h"
#include "syscalls/path.h"
#include "syscalls/procgen.h"
#include "syscalls/seccomp.h"

/* --- Recognition ------------------------------------------------------------------------------------- */

/* Which directory a special name must be in. */
enum place {
    IN_ROOT, /* /proc */
    IN_OWN,  /* /proc/PID or /proc/PID/task/TID of this process */
    IN_ANY,  /* the same of any process */
    IN_FD,   /* fd or fdinfo of this process */
    IN_FILES /* map_files */
};

struct special {
    const char *name;
    enum proc_node node;
    enum place place;
};

static const struct special specials[] = {
    { "arch_status", PROC_ABSENT, IN_OWN },
    { "auxv", PROC_AUXV, IN_OWN },
    { "clear_refs", PROC_ABSENT, IN_OWN },
    { "cmdline", PROC_CMDLINE, IN_OWN },
    { "cpuinfo", PROC_CPUINFO, IN_ROOT },
    { "environ", PROC_ENVIRON, IN_OWN },
    { "exe", PROC_EXE, IN_OWN },
    { "map_files", PROC_ABSENT, IN_ANY },
    { "maps", PROC_MAPS, IN_OWN },
    { "mem", PROC_DENIED, IN_ANY },
    { "numa_maps", PROC_ABSENT, IN_OWN },
    { "pagemap", PROC_PAGEMAP, IN_OWN },
    { "smaps", PROC_SMAPS, IN_OWN },
    { "smaps_rollup", PROC_SMAPS_ROLLUP, IN_OWN },
    { "stack", PROC_DENIED, IN_OWN },
    { "stat", PROC_STAT, IN_OWN },
    { "statm", PROC_STATM, IN_OWN },
    { "status", PROC_STATUS, IN_OWN },
    { "syscall", PROC_DENIED, IN_OWN },
};

/* An entry of fd or fdinfo that is noahv's. */
static bool names_own_fd(const char *base)
{
    int fd = 0;

    for (const char *p = base; *p; p++) {
        if (*p < '0' || *p > '9' || fd > INT_MAX / 10 - 1)
            return false;
        fd = fd * 10 + (*p - '0');
    }
    return *base && fd_is_own(fd);
}

/* An entry of map_files: two hexadecimal numbers and a dash. */
static bool names_mapping(const char *base)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = strspn(base, hex);
    size_t m = base[n] == '-' ? strspn(base + n + 1, hex) : 0;

    return n && m && !base[n + 1 + m];
}

static const struct special *find(const char *base)
{
    static const struct special own_fd = { NULL, PROC_ABSENT, IN_FD };
    static const struct special mapping = { NULL, PROC_ABSENT, IN_FILES };

    for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
        if (strcmp(specials[i].name, base) == 0)
            return &specials[i];
    if (names_own_fd(base))
        return &own_fd;
    return names_mapping(base) ? &mapping : NULL;
}

enum proc_node procfs_name(const char *base)
{
    const struct special *s = find(base);

    return s ? s->node : PROC_NONE;
}

/*
 * The host's /proc as noahv found it, an own descriptor; -1: there was none. Everything noahv itself wants of
 * /proc is looked up from here, since the guest may change its root, or mount over the name. It belongs to
 * the host process, as the table of own descriptors does.
 */
static int proc_dir = -1;

void procfs_start(void)
{
    if (proc_dir < 0)
        procfs_adopt((int)fd_open(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

void procfs_adopt(int fd)
{
    if (fd >= 0 && fd_own(fd, &proc_dir) < 0)
        HOST_RAW(SYS_close, fd);
}

int procfs_dir(void)
{
    return __atomic_load_n(&proc_dir, __ATOMIC_RELAXED);
}

/* Answers of read_tgid that are no process. */
enum { TGID_NONE = -1, TGID_UNKNOWN = 0, TGID_DENIED = -2 };

/* The process whose status file that is. The file says so wherever procfs is mounted. */
static pid_t read_tgid(int dirfd, const char *status)
{
    int64_t fd = fd_open(dirfd, status, O_RDONLY | O_CLOEXEC);
    char text[512];
    const char *at;
    int64_t n;

    if (fd < 0) /* the guest may have used up descriptors or memory: no reason to trust it */
        return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? TGID_UNKNOWN
               : fd == -EACCES                                 ? TGID_DENIED
                                                               : TGID_NONE;
    n = HOST_RAW(SYS_read, fd, text, sizeof text - 1);
    HOST_RAW(SYS_close, fd);
    if (n < 0)
        return TGID_NONE;
    text[n] = '\0'; /* the name on the first line cannot forge another: the kernel escapes its newlines */
    at = strstr(text, "\nTgid:\t");
    return at ? atoi(at + 7) : TGID_NONE;
}

static bool same_device(int fd1, int fd2)
{
    struct stat a, b;

    return HOST_RAW(SYS_fstat, fd1, &a) == 0 && HOST_RAW(SYS_fstat, fd2, &b) == 0 && a.st_dev == b.st_dev;
}

static bool same_file(int dirfd1, const char *name1, int dirfd2, const char *name2)
{
    struct stat a, b;

    return HOST_RAW(SYS_newfstatat, dirfd1, name1, &a, 0) == 0 &&
           HOST_RAW(SYS_newfstatat, dirfd2, name2, &b, 0) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* For a guest that Landlock keeps from reading there, and noahv with it: names may still be looked up. */
static bool is_own_unread(int dirfd, const char *dir)
{
    char process[16];

    snprintf(process, sizeof process, "%s/../..", dir); /* from a thread's directory */
    return same_file(dirfd, dir, proc_dir, "self") || same_file(dirfd, process, proc_dir, "self");
}

/*
 * Is the status file in `dir` that of this process? procfs numbers processes as the PID namespace it was mounted in, which
 * is not always ours; another procfs than the one we know we take to be of our own namespace.
 */
static bool is_own(int dirfd, const char *dir)
{
    char status[16];
    pid_t tgid, own;

    snprintf(status, sizeof status, "%s/status", dir);
    tgid = read_tgid(dirfd, status);
    if (tgid == TGID_NONE)
        return false;
    if (tgid == TGID_DENIED)
        return is_own_unread(dirfd, dir);
    own = same_device(dirfd, proc_dir) ? read_tgid(proc_dir, "self/status") : (pid_t)HOST_RAW(SYS_getpid);
    return tgid == own || tgid == TGID_UNKNOWN || own == TGID_UNKNOWN || own == TGID_DENIED;
}

bool procfs_is_on(int fd)
{
    struct statfs fs;

    return HOST_RAW(SYS_fstatfs, fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

bool procfs_is_link(int dirfd, const char *name)
{
    int64_t fd = fd_open(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool is = fd >= 0 && procfs_is_on((int)fd);

    if (fd >= 0)
        HOST_RAW(SYS_close, fd);
    return is;
}

/* Inode 1 (fs/proc/root.c). */
static bool is_root(int dirfd)
{
    struct stat st;

    return HOST_RAW(SYS_fstat, dirfd, &st) == 0 && st.st_ino == 1;
}

int64_t procfs_path_of(int fd, char *out, size_t cap)
{
    char link[32];
    int64_t n;

    snprintf(link, sizeof link, "self/fd/%d", fd);
    n = HOST_RAW(SYS_readlinkat, proc_dir, link, out, cap - 1);
    out[MAX(n, 0)] = '\0';
    return n;
}

/* True for fd or fdinfo right below a directory of this process. */
static bool is_fd_dir(int dirfd)
{
    char path[PATH_MAX];
    const char *base;

    if (procfs_path_of(dirfd, path, sizeof path) < 0)
        return false;
    base = strrchr(path, '/');
    if (!base || (strcmp(base + 1, "fd") != 0 && strcmp(base + 1, "fdinfo") != 0))
        return false;
    return is_own(dirfd, "..");
}

bool procfs_is_fd_dir(int fd)
{
    return procfs_is_on(fd) && is_fd_dir(fd);
}

static bool is_at(int dirfd, enum place place)
{
    switch (place) {
    case IN_ROOT:
        return is_root(dirfd);
    case IN_OWN:
        return is_own(dirfd, ".");
    case IN_ANY:
        return read_tgid(dirfd, "status") != TGID_NONE;
    case IN_FD:
        return is_fd_dir(dirfd);
    case IN_FILES: /* no other directory of /proc has such names */
        return true;
    }
    return false;
}

enum proc_node procfs_node(int dirfd, const char *base)
{
    const struct special *s = find(base);

    return s && procfs_is_on(dirfd) && is_at(dirfd, s->place) ? s->node : PROC_NONE;
}

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000 /* Linux 5.8 */
#endif

/* True when `fd` is a file that is mounted somewhere by itself: the name there may be any. */
static bool is_mounted_file(int fd)
{
    struct statx sx = { 0 };

    return HOST_RAW(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 && !S_ISDIR(sx.stx_mode) &&
           sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* True when `fd` is the entry `base` of the directory: another may have taken the place of its path. */
static bool is_entry(int fd, int dirfd, const char *base)
{
    struct stat a, b;

    return HOST_RAW(SYS_fstat, fd, &a) == 0 &&
           HOST_RAW(SYS_newfstatat, dirfd, base, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

enum proc_node procfs_opened(int fd)
{
    static const char deleted[] = " (deleted)"; /* of a thread that has ended since */
    char path[PATH_MAX], *base;
    enum proc_node node;
    int64_t n, dir;

    if (!procfs_is_on(fd))
        return PROC_NONE;
    if (is_mounted_file(fd))
        return PROC_DENIED;
    n = procfs_path_of(fd, path, sizeof path);
    base = n < 0 ? NULL : strrchr(path, '/');
    if (!base)
        return PROC_DENIED;
    if (n > (int64_t)sizeof deleted && strcmp(path + n + 1 - sizeof deleted, deleted) == 0)
        path[n + 1 - (int64_t)sizeof deleted] = '\0';
    *base++ = '\0';
    if (procfs_name(base) == PROC_NONE)
        return PROC_NONE;
    dir = fd_open(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return PROC_DENIED; /* mounted out of sight: better none than noahv's */
    node = is_entry(fd, (int)dir, base) ? procfs_node((int)dir, base) : PROC_DENIED;
    HOST_RAW(SYS_close, dir);
    return node;
}

/* --- Contents ---------------------------------------------------------------------------------------- */

/* clang-format off */
/* fs/proc/array.c do_task_stat: what field n, counted from 1 as in proc(5), is for the guest. */
static bool stat_field(const struct mm *mm, const struct mm_sizes *sizes, int n, uint64_t *value)
{
    switch (n) {
    case 23: *value = sizes->total; return true;
    case 26: *value = mm->image.start_code; return true;
    case 27: *value = mm->image.end_code; return true;
    case 28: *value = mm->stack.sp; return true;
    case 29: /* kstkesp and kstkeip: 0 unless the process is ending */
    case 30: *value = 0; return true;
    case 45: *value = mm->image.start_data; return true;
    case 46: *value = mm->image.end_data; return true;
    case 47: *value = mm->brk_start; return true;
    case 48: *value = mm->stack.arg_start; return true;
    case 49: *value = mm->stack.arg_end; return true;
    case 50: *value = mm->stack.env_start; return true;
    case 51: *value = mm->stack.env_end; return true;
    default: return false;
    }
}
/* clang-format on */

static void gen_stat(struct task *t, struct gen *g, struct lines *l)
{
    struct mm_sizes sizes = mm_sizes(t);
    char *line = lines_next(l), *at = line ? strrchr(line, ')') : NULL;
    int n = 3;

    if (!at)
        return;
    *at++ = '\0'; /* the name may contain anything, but the last ')' ends it */
    buf_printf(&g->b, "%s)", line);
    for (char *save, *word = strtok_r(at, " ", &save); word; word = strtok_r(NULL, " ", &save), n++) {
        uint64_t value;

        if (stat_field(t->proc->mm, &sizes, n, &value))
            buf_printf(&g->b, " %lu", value);
        else
            buf_printf(&g->b, " %s", word);
    }
    buf_putc(&g->b, '\n');
}

static void gen_statm(struct task *t, struct gen *g, struct lines *l)
{
    struct mm_sizes s = mm_sizes(t);
    unsigned long resident, shared;
    char *line = lines_next(l);

    if (line && sscanf(line, "%*u %lu %lu", &resident, &shared) == 2)
        buf_printf(&g->b, "%lu %lu %lu %lu 0 %lu 0\n", s.total >> PAGE_SHIFT, resident, shared,
                   s.code >> PAGE_SHIFT, (s.data + s.stack) >> PAGE_SHIFT);
}

/* Signals of the guest's actions: ignored, or with a handler. */
static uint64_t action_set(const struct process *p, bool ignored)
{
    uint64_t set = 0;

    for (int sig = 1; sig <= RV_NSIG; sig++) {
        uint64_t h = p->sighand->act[sig].handler;

        if (ignored ? h == RV_SIG_IGN : h != RV_SIG_IGN && h != RV_SIG_DFL)
            set |= (uint64_t)1 << (sig - 1);
    }
    return set;
}

static bool starts(const char *line, const char *key)
{
    return strncmp(line, key, strlen(key)) == 0;
}

/* Each writes its line in place of the host's; false when `line` is another. */
static bool put_size(struct gen *g, const char *line, const char *key, uint64_t bytes)
{
    if (!starts(line, key))
        return false;
    buf_printf(&g->b, "%s\t%8lu kB\n", key, bytes >> 10);
    return true;
}

static bool put_count(struct gen *g, const char *line, const char *key, int n)
{
    if (!starts(line, key))
        return false;
    buf_printf(&g->b, "%s\t%d\n", key, n);
    return true;
}

static bool put_signals(struct gen *g, const char *line, const char *key, uint64_t set)
{
    if (!starts(line, key))
        return false;
    buf_printf(&g->b, "%s\t%016lx\n", key, set);
    return true;
}

static void gen_status(struct task *t, struct gen *g, struct lines *l)
{
    const struct mm_sizes s = mm_sizes(t);
    const uint64_t ignored = action_set(t->proc, true), caught = action_set(t->proc, false);
    bool mine = false;
    char *line;

    while ((line = lines_next(l))) {
        if (starts(line, "Pid:"))
            mine = atoi(line + 4) == t->tid;
        if (!starts(line, "x86_") && !put_size(g, line, "VmPeak:", s.total) &&
            !put_size(g, line, "VmSize:", s.total) && !put_size(g, line, "VmData:", s.data) &&
            !put_size(g, line, "VmStk:", s.stack) && !put_size(g, line, "VmExe:", s.code) &&
            !put_size(g, line, "VmLib:", 0) && !put_count(g, line, "Seccomp:", t->seccomp_mode) &&
            !put_count(g, line, "Seccomp_filters:", seccomp_count(t)) &&
            !put_signals(g, line, "SigIgn:", ignored) && !put_signals(g, line, "SigCgt:", caught) &&
            !(mine && put_signals(g, line, "SigBlk:", t->sigmask))) /* another thread's is not known */
            buf_printf(&g->b, "%s\n", line);
        gen_line_done(g);
    }
}

/* arch/riscv/kernel/cpu.c c_show */
static void gen_cpuinfo(struct gen *g)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    for (long cpu = 0; cpu < n; cpu++) {
        buf_printf(&g->b, "processor\t: %ld\nhart\t\t: %ld\nisa\t\t: %s\nmmu\t\t: sv39\n", cpu, cpu,
                   noahv_isa());
        buf_printf(&g->b, "mvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\nhart isa\t: %s\n\n",
                   noahv_isa());
        gen_line_done(g);
    }
}

/*
 * fs/proc/base.c get_mm_cmdline: a program that overwrote the end of its arguments (setproctitle) shows one string with
 * its NUL, which may run on into the environment behind them, a page at most.
 */
static void gen_cmdline(struct task *t, struct gen *g)
{
    const struct stack_info s = t->proc->mm->stack;
    gva_t end = s.env_start == s.arg_end && s.env_end > s.env_start ? s.env_end : s.arg_end;
    char last = '\0', title[PAGE_BYTES];
    size_t n;

    if (s.arg_end > s.arg_start && get_user(t->mem, &last, s.arg_end - 1) == 0 && last) {
        n = copy_in_some(t->mem, title, s.arg_start, sizeof title);
        n = MIN(strnlen(title, n) + 1, n);
        buf_putn(&g->b, title, MIN(n, end - s.arg_start));
    } else {
        gen_guest(t, g, s.arg_start, s.arg_end);
    }
}

/* auxv_read: up to the entry AT_NULL, and that. */
static void gen_auxv(struct task *t, struct gen *g)
{
    const uint64_t *auxv = t->proc->mm->auxv;
    size_t words = 2;

    while (words < MM_AUXV_WORDS && auxv[words - 2])
        words += 2;
    buf_putn(&g->b, (const char *)auxv, words * sizeof *auxv);
}

/* clang-format off */
/* Writes the contents of a node; `host` is the host's file. */
static void generate(struct task *t, enum proc_node node, struct gen *g, struct lines *host)
{
    const struct stack_info *s = &t->proc->mm->stack;

    switch (node) {
    case PROC_MAPS: gen_maps(t, g, host); break;
    case PROC_SMAPS: gen_smaps(t, g, host); break;
    case PROC_SMAPS_ROLLUP: gen_smaps_rollup(t, g, host); break;
    case PROC_AUXV: gen_auxv(t, g); break;
    case PROC_CMDLINE: gen_cmdline(t, g); break;
    case PROC_ENVIRON: gen_guest(t, g, s->env_start, s->env_end); break;
    case PROC_STAT: gen_stat(t, g, host); break;
    case PROC_STATM: gen_statm(t, g, host); break;
    case PROC_STATUS: gen_status(t, g, host); break;
    case PROC_CPUINFO: gen_cpuinfo(g); break;
    default: break;
    }
    gen_flush(g);
}
/* clang-format on */

/* A memfd with the contents, out of the way of low numbers; -errno. */
static int64_t make_file(struct task *t, enum proc_node node, int dirfd, const char *name)
{
    bool secret = node == PROC_AUXV || node == PROC_ENVIRON;
    struct lines host;
    int64_t fd = lines_open(&host, dirfd, name); /* for those too that derive nothing from it: may it be? */
    struct gen g;

    if (fd < 0)
        return fd;
    fd = HOST_RAW(SYS_memfd_create, node == PROC_MAPS ? MAPS_NAME : "proc", MFD_CLOEXEC);
    if (fd >= 0) {
        fd = fd_lift((int)fd);
        gen_start(&g, (int)fd);
        generate(t, node, &g, &host);
        HOST_RAW(SYS_fchmod, fd, secret ? 0400 : 0444);
    }
    lines_close(&host);
    return fd;
}

int64_t procfs_open(struct task *t, enum proc_node node, int dirfd, const char *name, int flags)
{
    char link[32];
    int64_t file, fd;

    if (node == PROC_ABSENT)
        return -ENOENT;
    if (node == PROC_DENIED)
        return -EACCES;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
        return -EACCES;
    if (node == PROC_PAGEMAP)
        return pagemap_open(t, dirfd, name, flags);
    file = make_file(t, node, dirfd, name);
    if (file < 0)
        return file;
    /* Opened anew: read-only, at offset 0 and at the lowest free number, as open does. */
    snprintf(link, sizeof link, "self/fd/%d", (int)file);
    fd = HOST_RAW(SYS_openat, proc_dir, link, O_RDONLY | (flags & (O_CLOEXEC | O_NONBLOCK)));
    HOST_RAW(SYS_close, file);
    return fd;
}
