/*
 * execve and execveat: open, follow #! lines, copy arguments, replace the image (fs/exec.c, fs/binfmt_script.c,
 * fs/binfmt_elf.c). The address space is replaced in place where this process owns it alone, and may look into /proc for
 * what is to be closed (else: handover.c).
 */
#include "syscalls/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "syscalls/aio.h"
#include "syscalls/box.h"
#include "syscalls/fd.h"
#include "syscalls/futex.h"
#include "syscalls/handover.h"
#include "syscalls/mm.h"
#include "syscalls/path.h"
#include "syscalls/seccomp.h"
#include "syscalls/share.h"
#include "syscalls/signal.h"
#include "syscalls/thread.h"
#include "syscalls/timer.h"

#define SCRIPT_DEPTH 5           /* fs/exec.c exec_binprm */
#define SCRIPT_LINE 256          /* BINPRM_BUF_SIZE */
#define ARG_STRLEN_MAX 131072    /* MAX_ARG_STRLEN */
#define ARG_TOTAL_MAX (6u << 20) /* 3/4 of _STK_LIM */

/* Room for one more and the NULL behind it. */
static int strv_reserve(struct strv *v)
{
    if (v->n + 1 >= v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 16;
        char **at = realloc(v->at, cap * sizeof *at);

        if (!at)
            return -ENOMEM;
        v->at = at;
        v->cap = cap;
    }
    return 0;
}

int strv_init(struct strv *v)
{
    int r = strv_reserve(v);

    if (r == 0)
        v->at[v->n] = NULL;
    return r;
}

/* Takes `s` over, also when it fails. */
static int strv_insert(struct strv *v, size_t i, char *s)
{
    uint64_t bytes = s ? strlen(s) + 1 + sizeof(gva_t) : 0;

    if (!s || strv_reserve(v) < 0 || v->bytes + bytes > ARG_TOTAL_MAX) {
        int err = !s || v->n + 1 >= v->cap ? -ENOMEM : -E2BIG;

        free(s);
        return err;
    }
    memmove(v->at + i + 1, v->at + i, (v->n - i) * sizeof *v->at);
    v->at[i] = s;
    v->at[++v->n] = NULL;
    v->bytes += bytes;
    return 0;
}

int strv_push(struct strv *v, const char *s)
{
    return strv_insert(v, v->n, strdup(s));
}

int strv_push_first(struct strv *v, const char *s)
{
    return strv_insert(v, 0, strdup(s));
}

void strv_free(struct strv *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->at[i]);
    free(v->at);
    memset(v, 0, sizeof *v);
}

/* Copies a guest array of string pointers. */
static int strv_copy_in(struct task *t, struct strv *v, gva_t array)
{
    char *tmp = NULL;
    uint64_t p;
    int r = strv_init(v);

    if (r < 0)
        return r;
    tmp = malloc(ARG_STRLEN_MAX);
    if (!tmp)
        return -ENOMEM;
    for (; r == 0 && array; array += sizeof p) {
        ssize_t n;

        r = get_user(t->mem, &p, array);
        if (r < 0 || !p)
            break;
        n = copy_str(t->mem, tmp, p, ARG_STRLEN_MAX);
        r = n < 0 ? (n == -ENAMETOOLONG ? -E2BIG : (int)n) : strv_push(v, tmp);
    }
    free(tmp);
    return r;
}

void exec_free_memory(struct exec *x)
{
    free(x->execfn);
    strv_free(&x->argv);
    strv_free(&x->envp);
}

void exec_free(struct exec *x)
{
    if (x->fd >= 0)
        close(x->fd);
    if (x->interp_fd >= 0)
        close(x->interp_fd);
    exec_free_memory(x);
}

/*
 * Whether the file is open for writing, and what security modules say. Linux 6.14 (include/uapi/linux/fcntl.h); an older
 * kernel refuses the flag.
 */
static int host_would_run(int fd)
{
    enum { HOST_AT_EXECVE_CHECK = 0x10000 };
    static const char *const argv[] = { "", NULL };
    int64_t r = HOST_RAW(SYS_execveat, fd, "", argv, &argv[1], AT_EMPTY_PATH | HOST_AT_EXECVE_CHECK);

    return r == -ETXTBSY || r == -EACCES ? (int)r : 0;
}

static int open_at(int dirfd, const char *name, int flags, int *out)
{
    int empty = flags & AT_EMPTY_PATH && !*name;
    int nofollow = flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0;
    char self[32];
    struct stat st;
    int64_t fd;
    int err;

    if (empty) {
        snprintf(self, sizeof self, "self/fd/%d", dirfd);
        dirfd = procfs_dir();
        name = self;
    }
    fd = fd_open(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | nofollow);
    if (fd < 0)
        return fd == -ENXIO ? -EACCES : empty && fd == -ENOENT ? -EBADF : (int)fd;
    fd = fd_lift((int)fd);
    err = fstat((int)fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? -EACCES : 0;
    if (err == 0) { /* the kernel asks execute permission of the file that was opened */
        err = (int)HOST_RAW(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH);
        if (err == -ENOSYS) {
            snprintf(self, sizeof self, "self/fd/%d", (int)fd);
            err = (int)HOST_RAW(SYS_faccessat, procfs_dir(), self, X_OK);
        }
    }
    if (err == 0)
        err = host_would_run((int)fd);
    if (err < 0) {
        close((int)fd);
        return err;
    }
    *out = (int)fd;
    return 0;
}

int exec_open(struct task *t, const char *name, int *fd)
{
    struct path p = { .dirfd = AT_FDCWD };
    int r;

    if ((size_t)snprintf(p.name, sizeof p.name, "%s", name) >= sizeof p.name)
        return -ENAMETOOLONG;
    r = path_resolve(t, &p, PATH_FOLLOW);
    if (r == 0)
        r = open_at(p.dirfd, p.name, 0, fd);
    path_done(&p);
    return r;
}

int exec_open_host(const char *path, int *fd)
{
    return open_at(AT_FDCWD, path, 0, fd);
}

/*
 * Parses the first line of a script in place (fs/binfmt_script.c load_script): interpreter, and all the rest
 * without surrounding blanks as one argument. -ENOEXEC when there is none or it was cut.
 */
static int script_parse(char *line, size_t n, char **interp, char **arg)
{
    char *end = memchr(line, '\n', n), *p = line + 2;

    if (!end) {
        end = line + n;
        if (n == SCRIPT_LINE - 1 && !memchr(p + strspn(p, " \t"), ' ', (size_t)(end - p)) &&
            !memchr(p, '\t', (size_t)(end - p)))
            return -ENOEXEC; /* the interpreter's name may go on */
    }
    *end = '\0';
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    p += strspn(p, " \t");
    if (!*p)
        return -ENOEXEC;
    *interp = p;
    p += strcspn(p, " \t");
    *arg = NULL;
    if (*p) {
        *p++ = '\0';
        *arg = p + strspn(p, " \t");
    }
    return 0;
}

/* Replaces argv[0] by interpreter, its argument and the script's path, and opens the interpreter. */
static int script_enter(struct task *t, struct exec *x, char *line, size_t n, const char *script)
{
    char *interp, *arg, *first;
    int r = script_parse(line, n, &interp, &arg), fd = -1;

    if (r < 0) {
        snprintf(x->why, sizeof x->why, "its #! line names no interpreter");
        return r;
    }
    if (x->argv.n) {
        first = x->argv.at[0];
        memmove(x->argv.at, x->argv.at + 1, x->argv.n-- * sizeof *x->argv.at);
        free(first);
    }
    r = strv_push_first(&x->argv, script);
    if (r == 0 && arg)
        r = strv_push_first(&x->argv, arg);
    if (r == 0)
        r = strv_push_first(&x->argv, interp);
    if (r == 0)
        r = exec_open(t, interp, &fd);
    if (r < 0) {
        snprintf(x->why, sizeof x->why, "its interpreter %.100s cannot be run: %s", interp, strerror(-r));
        return r;
    }
    close(x->fd);
    x->fd = fd;
    return 0;
}

/* Where Debian's cross compiler keeps its libraries: what -r may well want. */
#define CROSS_ROOT "/usr/riscv64-linux-gnu"

static int no_interp(struct task *t, struct exec *x, const char *interp, int err)
{
    const struct root *r = &t->proc->root;
    char cross[PATH_MAX + sizeof CROSS_ROOT];
    const char *dir = "DIR";

    snprintf(cross, sizeof cross, CROSS_ROOT "%s", interp);
    if (access(cross, F_OK) == 0)
        dir = CROSS_ROOT;
    if (err == -ENOENT || err == -ENOTDIR)
        snprintf(x->why, sizeof x->why, "needs %.60s, not found under %.60s%s. Try: noahv -r %s %.60s",
                 interp, root_on(r) ? r->path : "", root_on(r) ? " or /" : "/", dir, x->execfn);
    else
        snprintf(x->why, sizeof x->why, "needs %.100s, which cannot be run: %s", interp, strerror(-err));
    return err;
}

/* The ELF file itself and the dynamic loader it names (load_elf_binary). */
static int prepare_elf(struct task *t, struct exec *x)
{
    char interp[PATH_MAX], why[LOADER_WHY_MAX];
    int r = elf_check(x->fd, interp, x->why);

    if (r < 0 || !interp[0])
        return r;
    r = exec_open(t, interp, &x->interp_fd);
    if (r < 0)
        return no_interp(t, x, interp, r);
    r = elf_check(x->interp_fd, NULL, why);
    if (r < 0)
        snprintf(x->why, sizeof x->why, "its dynamic loader %.60s: %.150s", interp, why);
    return r == -ENOEXEC ? -ELIBBAD : r;
}

/* The same of a script's, of which people may not think. */
static int prepare_interpreter(struct task *t, struct exec *x)
{
    char why[LOADER_WHY_MAX];
    int r = prepare_elf(t, x);

    if (r < 0) {
        memcpy(why, x->why, sizeof why);
        snprintf(x->why, sizeof x->why, "its interpreter %.60s: %.170s", x->argv.at[0], why);
    }
    return r;
}

int exec_prepare(struct task *t, struct exec *x)
{
    char line[SCRIPT_LINE], script[PATH_MAX];
    int r;

    if (!x->argv.n && (r = strv_push(&x->argv, "")) < 0)
        return r;
    r = strv_init(&x->envp);
    if (r < 0)
        return r;
    snprintf(script, sizeof script, "%s", x->execfn);
    for (int depth = 0;; depth++) {
        ssize_t n = pread(x->fd, line, sizeof line - 1, 0);

        if (n < 0)
            return -errno;
        line[n] = '\0';
        if (n < 2 || line[0] != '#' || line[1] != '!')
            return depth ? prepare_interpreter(t, x) : prepare_elf(t, x);
        if (depth == SCRIPT_DEPTH) {
            snprintf(x->why, sizeof x->why, "#! lines are nested more than %d deep", SCRIPT_DEPTH);
            return -ELOOP;
        }
        r = script_enter(t, x, line, (size_t)n, script);
        if (r < 0)
            return r;
        snprintf(script, sizeof script, "%s", x->argv.at[0]);
    }
}

/*
 * The mark is a lock for reading far behind the end, which goes when the last process that runs the file has closed it.
 * Programs that lock the file for writing would need it open for that, which it cannot be. It is left out where locks
 * are the business of a server.
 */
static const struct flock mark = {
    .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1
};

static bool locks_are_local(int fd)
{
    struct statfs fs;

    if (HOST_RAW(SYS_fstatfs, fd, &fs) < 0)
        return false;
    return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC ||
           fs.f_type == TMPFS_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC || fs.f_type == F2FS_SUPER_MAGIC;
}

bool exec_marked(int fd)
{
    struct flock lock = mark;

    lock.l_type = F_WRLCK;
    return locks_are_local(fd) && HOST_RAW(SYS_fcntl, fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* comm is the last component of the path as given (begin_new_exec); exe the file that is mapped. */
static void set_names(struct process *p, struct exec *x)
{
    const char *slash = strrchr(x->execfn, '/');

    snprintf(p->comm, sizeof p->comm, "%.15s", slash ? slash + 1 : x->execfn);
    HOST_RAW(SYS_prctl, PR_SET_NAME, p->comm);
    if (p->exe_fd >= 0)
        fd_release(p->exe_fd);
    p->exe_fd = -1;
    if (locks_are_local(x->fd))
        HOST_RAW(SYS_fcntl, x->fd, F_OFD_SETLK, &mark);
    if (fd_own(x->fd, &p->exe_fd) >= 0)
        x->fd = -1;
}

static void stack_args_fill(struct stack_args *a, struct exec *x)
{
    memset(a, 0, sizeof *a);
    a->argv = x->argv.at;
    a->envp = x->envp.at;
    a->execfn = x->execfn;
    HOST_RAW(SYS_getrandom, a->random, sizeof a->random, 0);
    a->hwcap = vm_hwcap();
    a->uid = getuid();
    a->euid = geteuid();
    a->gid = getgid();
    a->egid = getegid();
}

/* A copy for /proc, out of the program's reach. */
static int take_auxv(struct process *p)
{
    const struct stack_info *s = &p->mm->stack;

    BUG_ON(s->auxv_len > sizeof p->mm->auxv);
    memset(p->mm->auxv, 0, sizeof p->mm->auxv);
    return copy_in(p->mem, p->mm->auxv, s->auxv, s->auxv_len);
}

int exec_commit(struct task *t, struct exec *x)
{
    struct process *p = t->proc;
    struct layout l;
    struct image img = { 0 };
    struct stack_args a;
    int r;

    aio_exec();
    timers_exec(p);
    futex_exit(t); /* the old image's robust futexes: mm_release */
    t->clear_tid = 0;
    t->user_dispatch.on = false;
    mm_layout(p, &l);
    stack_args_fill(&a, x);
    r = gmem_reset(p->mem);
    if (r == 0)
        r = elf_map(p->mem, x->fd, x->interp_fd, &l, &img, x->why);
    if (r == 0 && !gmem_is_free(p->mem, l.vdso, vdso_len())) {
        l.vdso = gmem_find_free(p->mem, vdso_len(), MM_MIN_ADDR, l.vdso);
        r = l.vdso ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = vdso_map(p->mem, l.vdso, &p->mm->sigreturn);
    if (r == 0)
        r = stack_build(p->mem, &l, &img, &a, &p->mm->stack);
    if (r == 0)
        r = take_auxv(p);
    if (r < 0) {
        if (!x->why[0])
            snprintf(x->why, sizeof x->why, "cannot be laid out in memory: %s", strerror(-r));
        return r;
    }
    mm_start(p, &l, &img);
    set_names(p, x);
    signal_exec(t);
    hart_reset(t->hart);
    t->hart->pc = img.start;
    t->hart->x[2] = p->mm->stack.sp;
    return 0;
}

/* Closes what is marked close-on-exec, as the host's execve would have done; noahv's own stay. */
static void close_on_exec(void)
{
    char buf[4096];
    int64_t dir = fd_open(procfs_dir(), "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t n;

    if (dir < 0)
        return;
    dir = fd_lift((int)dir);
    while ((n = HOST_RAW(SYS_getdents64, dir, buf, sizeof buf)) > 0)
        for (int64_t off = 0; off < n;) {
            const char *entry = buf + off;
            uint16_t reclen;
            int fd = atoi(entry + 19); /* struct linux_dirent64: d_name */

            memcpy(&reclen, entry + 16, sizeof reclen);
            off += reclen;
            if (entry[19] == '.' || fd == dir || fd_is_own(fd))
                continue;
            if (HOST_RAW(SYS_fcntl, fd, F_GETFD) == FD_CLOEXEC)
                HOST_RAW(SYS_close, fd);
        }
    HOST_RAW(SYS_close, dir);
}

void exec_run(struct task *t, struct exec *x)
{
    int r;

    files_part(t->proc);
    r = memory_is_shared(t->proc) ? handover_exec(t, x) : exec_commit(t, x);
    if (r < 0)
        process_die(t, r == -ENOMEM ? SIGKILL : SIGSEGV);
    linux_mark_execve(t->proc);
    close_on_exec();
    if (t->proc->box) {
        folders_forget(&t->proc->box->folders);
        folders_forget_near(t);
    }
    exec_free(x);
}

/*
 * The host's execve leaves descriptors to those who share them; here, what has been opened for it is among them. So it
 * is closed again, and all is done anew with descriptors that are nobody else's. Not where there are threads, which
 * are not ended yet: the others then keep an open file.
 */
static bool must_part(const struct process *p)
{
    return p->files_shared && p->nr_tasks == 1;
}

#define EXEC_ANEW 1

/* Where what the host keeps of this process, or of this thread, must not stay as it is or be another's. */
static bool by_handover(const struct task *t)
{
    return memory_is_shared(t->proc) || t->proc->landlocked ||
           (t != t->proc->first && handover_ready() && seccomp_listened(t));
}

/* The common half of execve and execveat: `fd` is open on the file. EXEC_ANEW: what is open must be opened again. */
static int64_t exec_guest(struct task *t, struct exec *x, gva_t argv, gva_t envp)
{
    int r = strv_copy_in(t, &x->argv, argv);

    if (r == 0)
        r = strv_copy_in(t, &x->envp, envp);
    if (r == 0 && x->argv.bytes + x->envp.bytes > MIN(t->mem->stack_max / 4, ARG_TOTAL_MAX))
        r = -E2BIG;
    if (r == 0)
        r = exec_prepare(t, x);
    if (r < 0) {
        if (x->why[0])
            note_once(t, SYS_execve, "execve(\"%s\"): %s", x->execfn, x->why);
        exec_free(x);
        return r;
    }
    if (must_part(t->proc)) {
        exec_free(x);
        files_part(t->proc);
        return t->proc->files_shared ? -ENOMEM : EXEC_ANEW;
    }
    r = by_handover(t) ? handover_exec(t, x) : threads_exec(t, x);
    if (r > 0)
        exec_run(t, x);
    else
        exec_free(x);
    return r < 0 ? r : -EJUSTRETURN;
}

/* AT_EXECFN: the path as the guest gave it, or how a script finds itself through a descriptor (alloc_bprm). */
static char *name_of(struct task *t, int dirfd, gva_t path)
{
    char given[PATH_MAX], name[PATH_MAX + 32];

    if (copy_str(t->mem, given, path, sizeof given) < 0)
        return NULL;
    if (dirfd == AT_FDCWD || given[0] == '/')
        return strdup(given);
    snprintf(name, sizeof name, given[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, given);
    return strdup(name);
}

static int64_t exec_once(struct task *t, int dirfd, gva_t path, gva_t argv, gva_t envp, int flags)
{
    struct exec x = { .fd = -1, .interp_fd = -1 };
    struct path p;
    int r = path_in(t, dirfd, path, path_last_at(flags), &p);

    if (r < 0)
        return r;
    if (!p.name[0] && !(flags & AT_EMPTY_PATH))
        return -ENOENT;
    r = open_at(p.dirfd, p.name, flags, &x.fd);
    path_done(&p);
    if (r < 0)
        return r;
    x.execfn = name_of(t, dirfd, path);
    if (!x.execfn) {
        exec_free(&x);
        return -ENOMEM;
    }
    return exec_guest(t, &x, argv, envp);
}

static int64_t exec_path(struct task *t, int dirfd, gva_t path, gva_t argv, gva_t envp, int flags)
{
    int64_t r;

    do
        r = exec_once(t, dirfd, path, argv, envp, flags);
    while (r == EXEC_ANEW);
    return r;
}

int64_t sys_execve(struct task *t, gva_t path, gva_t argv, gva_t envp)
{
    return exec_path(t, AT_FDCWD, path, argv, envp, 0);
}

int64_t sys_execveat(struct task *t, int dirfd, gva_t path, gva_t argv, gva_t envp, int flags)
{
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    return exec_path(t, dirfd, path, argv, envp, flags);
}
