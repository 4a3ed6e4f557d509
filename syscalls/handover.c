/*
 * Writes down what noahv knows of a process, starts noahv anew in it, and reads it there. What the host kernel keeps
 * over an execve by itself (ids, descriptors, masks, what is ignored or pending) is not written.
 */
#include "syscalls/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "syscalls/exec.h"
#include "syscalls/fd.h"
#include "syscalls/mm.h"
#include "syscalls/procfs.h"
#include "syscalls/seccomp.h"
#include "syscalls/signal.h"
#include "syscalls/trace.h"

#define HANDOVER_WORD "--resume-exec"
#define HANDOVER_MAGIC 0x31307668616f6eu
#define PARCEL_MAX ((size_t)32 << 20) /* arguments take 6 MiB at most, filters 256 KiB */

extern char **environ;

static bool ready;

bool handover_ready(void)
{
    return ready;
}

void handover_forbid(void)
{
    ready = false;
}

/* --- Parcels ------------------------------------------------------------------------------------------ */

void parcel_put(struct parcel *p, const void *from, size_t n)
{
    if (p->len + n > p->cap && !p->bad) {
        size_t cap = MAX(2 * p->cap, p->len + n + 4096);
        char *at = cap <= 2 * PARCEL_MAX ? realloc(p->at, cap) : NULL;

        p->bad = !at;
        p->at = at ? at : p->at;
        p->cap = at ? cap : p->cap;
    }
    if (p->bad)
        return;
    memcpy(p->at + p->len, from, n);
    p->len += n;
}

void parcel_get(struct parcel *p, void *to, size_t n)
{
    p->bad |= n > p->len - p->pos;
    if (p->bad) {
        memset(to, 0, n);
        return;
    }
    memcpy(to, p->at + p->pos, n);
    p->pos += n;
}

void parcel_put_u64(struct parcel *p, uint64_t v)
{
    parcel_put(p, &v, sizeof v);
}

uint64_t parcel_get_u64(struct parcel *p)
{
    uint64_t v;

    parcel_get(p, &v, sizeof v);
    return v;
}

void parcel_put_str(struct parcel *p, const char *s)
{
    parcel_put(p, s, strlen(s) + 1);
}

char *parcel_get_str(struct parcel *p, size_t max)
{
    size_t left = p->bad ? 0 : MIN(p->len - p->pos, max), n = left ? strnlen(p->at + p->pos, left) : 0;
    char *s = n < left ? strdup(p->at + p->pos) : NULL;

    p->bad |= !s;
    p->pos += s ? n + 1 : 0;
    return s;
}

void parcel_put_fd(struct parcel *p, int fd)
{
    parcel_put_u64(p, (uint64_t)(int64_t)fd);
    if (fd >= 0)
        HOST_RAW(SYS_fcntl, fd, F_SETFD, 0);
}

int parcel_get_fd(struct parcel *p)
{
    int fd = (int)parcel_get_u64(p);

    return !p->bad && fd >= 0 && HOST_RAW(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

static void put_strv(struct parcel *p, const struct strv *v)
{
    parcel_put_u64(p, v->n);
    for (size_t i = 0; i < v->n; i++)
        parcel_put_str(p, v->at[i]);
}

static void get_strv(struct parcel *p, struct strv *v)
{
    uint64_t n = parcel_get_u64(p);

    p->bad |= strv_init(v) < 0;
    for (uint64_t i = 0; i < n && !p->bad; i++) {
        char *s = parcel_get_str(p, PARCEL_MAX);

        p->bad |= !s || strv_push(v, s) < 0;
        free(s);
    }
}

/* --- In the old noahv --------------------------------------------------------------------------------- */

static void put_process(struct parcel *p, const struct process *proc)
{
    parcel_put(p, &proc->vm->cfg, sizeof proc->vm->cfg);
    parcel_put_u64(p, log_silent());
    parcel_put_u64(p, (uint64_t)log_level_get());
    parcel_put_fd(p, proc->log_fd);
    parcel_put_fd(p, procfs_dir());
    parcel_put_u64(p, proc->personality);
    parcel_put_u64(p, proc->mm->aslr);
    parcel_put_u64(p, proc->mm->mdwe);
    parcel_put_u64(p, proc->landlocked);
    parcel_put_u64(p, proc->watch_deaths);
    parcel_put(p, &proc->as_limit, sizeof proc->as_limit);
    parcel_put(p, &proc->data_limit, sizeof proc->data_limit);
    parcel_put(p, &proc->stack_limit, sizeof proc->stack_limit);
    parcel_put_fd(p, proc->root.fd);
    parcel_put_str(p, proc->root.path ? proc->root.path : "");
    parcel_put_u64(p, proc->root.left);
    parcel_put_u64(p, proc->trace != NULL);
    if (proc->trace)
        trace_put(proc->trace, p);
}

static void put_task(struct parcel *p, struct task *t)
{
    uint64_t ignored = 0;

    for (int sig = 1; sig <= RV_NSIG; sig++)
        if (t->proc->sighand->act[sig].handler == RV_SIG_IGN)
            ignored |= SIG_BIT(sig);
    parcel_put_u64(p, t->sigmask);
    parcel_put_u64(p, ignored & FAULT_SIGNALS);
    seccomp_put(t, p);
}

static void put_exec(struct parcel *p, const struct exec *x)
{
    parcel_put_fd(p, x->fd);
    parcel_put_fd(p, x->interp_fd);
    parcel_put_str(p, x->execfn);
    put_strv(p, &x->argv);
    put_strv(p, &x->envp);
}

/* The parcel as a descriptor that survives, or -errno. */
static int64_t write_down(const struct parcel *p)
{
    int64_t fd = HOST_RAW(SYS_memfd_create, "noahv", 0), n;

    if (fd < 0)
        return fd;
    fd = fd_lift((int)fd);
    HOST_RAW(SYS_fcntl, fd, F_SETFD, 0);
    for (size_t at = 0; at < p->len; at += (size_t)n) {
        n = HOST_RAW(SYS_write, fd, p->at + at, p->len - at);
        if (n <= 0) {
            HOST_RAW(SYS_close, fd);
            return n < 0 ? n : -ENOSPC;
        }
    }
    return fd;
}

/* noahv itself, by no name that the guest could have changed. */
static int64_t start_anew(int64_t parcel)
{
    char number[16];
    char *const argv[] = { (char *)"noahv", (char *)HANDOVER_WORD, number, NULL };
    int64_t self = HOST_RAW(SYS_openat, procfs_dir(), "self/exe", O_PATH | O_CLOEXEC);

    if (self < 0)
        return self;
    snprintf(number, sizeof number, "%d", (int)parcel);
    self = fd_lift((int)self);
    return HOST_RAW(SYS_execveat, self, "", argv, environ, AT_EMPTY_PATH);
}

int handover_exec(struct task *t, struct exec *x)
{
    struct process *proc = t->proc;
    const int kept[] = { proc->log_fd, procfs_dir(), proc->root.fd,
                         x->fd,        x->interp_fd, proc->trace ? trace_fd(proc->trace) : -1 };
    struct parcel p = { 0 };
    int64_t fd, r;

    if (!signal_freeze(t)) /* a signal that has been caught is delivered to the old image */
        return -ERESTARTNOINTR;
    parcel_put_u64(&p, HANDOVER_MAGIC);
    put_process(&p, proc);
    put_task(&p, t);
    put_exec(&p, x);
    fd = p.bad ? -ENOMEM : write_down(&p);
    r = fd;
    if (fd >= 0) {
        if (proc->trace)
            trace_exec(t);
        /* cppcheck-suppress autoVariables; the child's stack is there longer than the child */
        proc->handed_exec = x;
        proc->handed_parcel = p.at;
        r = start_anew(fd);
        proc->handed_exec = NULL;
        proc->handed_parcel = NULL;
        HOST_RAW(SYS_close, fd);
    }
    note_once(t, SYS_execve, "execve: noahv cannot start itself again: %s", strerror((int)-r));
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (kept[i] >= 0)
            HOST_RAW(SYS_fcntl, kept[i], F_SETFD, FD_CLOEXEC);
    free(p.at);
    signal_thaw(t);
    return (int)r;
}

void handover_reclaim(struct process *child)
{
    if (!child->handed_exec)
        return;
    exec_free_memory(child->handed_exec);
    free(child->handed_parcel);
}

/* --- In the new one ------------------------------------------------------------------------------------- */

static int read_parcel(struct parcel *p, int fd)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > PARCEL_MAX)
        return -EINVAL;
    p->at = malloc((size_t)st.st_size);
    if (!p->at)
        return -ENOMEM;
    n = pread(fd, p->at, (size_t)st.st_size, 0);
    p->len = n > 0 ? (size_t)n : 0;
    return parcel_get_u64(p) == HANDOVER_MAGIC ? 0 : -EINVAL;
}

/* A sink belongs to the program that set it: without it, there are no messages. */
static void get_log(struct parcel *p, int *fd)
{
    bool silent = parcel_get_u64(p);

    log_set_level((enum log_level)parcel_get_u64(p));
    *fd = parcel_get_fd(p);
    log_set_fd(silent ? -1 : *fd);
}

static int adopt(int fd, int *holder)
{
    return fd < 0 || fd_own(fd, holder) >= 0 ? 0 : -EMFILE;
}

static int get_process(struct parcel *p, struct process *proc, int log_fd)
{
    int proc_fd = parcel_get_fd(p), root_fd, r;

    procfs_adopt(proc_fd);
    r = linux_keep_log(proc, log_fd);
    linux_take_limits(proc);
    proc->personality = (uint32_t)parcel_get_u64(p);
    proc->mm->aslr = parcel_get_u64(p);
    proc->mm->mdwe = (unsigned)parcel_get_u64(p);
    proc->landlocked = parcel_get_u64(p);
    proc->execve_marked = true; /* if it was, it still is */
    proc->watch_deaths = parcel_get_u64(p);
    parcel_get(p, &proc->as_limit, sizeof proc->as_limit);
    parcel_get(p, &proc->data_limit, sizeof proc->data_limit);
    parcel_get(p, &proc->stack_limit, sizeof proc->stack_limit);
    mm_limit_stack(proc);
    root_fd = parcel_get_fd(p);
    proc->root.path = parcel_get_str(p, PATH_MAX);
    proc->root.left = parcel_get_u64(p);
    if (root_fd < 0) {
        free(proc->root.path);
        proc->root.path = NULL;
    } else if (proc->root.path) {
        proc->root.len = strlen(proc->root.path);
        r = r < 0 ? r : adopt(root_fd, &proc->root.fd);
    }
    if (r == 0 && parcel_get_u64(p))
        r = trace_get(&proc->trace, p);
    return r;
}

static void get_exec(struct parcel *p, struct exec *x)
{
    x->fd = parcel_get_fd(p);
    x->interp_fd = parcel_get_fd(p);
    x->execfn = parcel_get_str(p, PATH_MAX + 32);
    get_strv(p, &x->argv);
    get_strv(p, &x->envp);
    p->bad |= x->fd < 0;
}

static int resume(struct parcel *p, struct noahv_vm *vm, int log_fd, struct noahv_hart **h)
{
    struct exec x = { .fd = -1, .interp_fd = -1 };
    struct task *t;
    uint64_t mask, ignored;
    int r = linux_attach(vm, &t);

    if (r == 0)
        r = get_process(p, t->proc, log_fd);
    if (r < 0)
        return r;
    mask = parcel_get_u64(p);
    ignored = parcel_get_u64(p);
    r = seccomp_get(t, p);
    get_exec(p, &x);
    if (r == 0)
        r = p->bad ? -EINVAL : exec_commit(t, &x);
    exec_free(&x);
    if (r == 0)
        r = signal_init(t, mask, ignored);
    *h = t->nh;
    return r;
}

int noahv_linux_resume(int argc, char *const *argv, struct noahv_vm **vm, struct noahv_hart **h)
{
    struct noahv_config cfg;
    struct parcel p = { 0 };
    int fd, log_fd, r;

    ready = true;
    if (argc < 3 || strcmp(argv[1], HANDOVER_WORD) != 0)
        return 0;
    fd = atoi(argv[2]);
    r = read_parcel(&p, fd);
    close(fd);
    if (r == 0) {
        parcel_get(&p, &cfg, sizeof cfg);
        get_log(&p, &log_fd);
        r = p.bad ? -EINVAL : noahv_vm_create(&cfg, vm);
    }
    if (r == 0)
        r = resume(&p, *vm, log_fd, h);
    free(p.at);
    return r < 0 ? r : 1;
}
