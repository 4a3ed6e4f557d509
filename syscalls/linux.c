/*
 * The Linux personality as a client of the core: starting the first program, and turning each exit into what
 * the kernel would do (arch/riscv/kernel/traps.c).
 */
#include "syscalls/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "syscalls/box.h"
#include "syscalls/exec.h"
#include "syscalls/fd.h"
#include "syscalls/host.h"
#include "syscalls/jail.h"
#include "syscalls/mm.h"
#include "syscalls/path.h"
#include "syscalls/share.h"
#include "syscalls/signal.h"
#include "syscalls/thread.h"
#include "syscalls/trace.h"

/* One process and its one task, as a vm's os_state. */
struct linux_os {
    struct mm mm;
    struct sighand sighand;
    struct process proc;
    struct task task;
};

/* A guest-page fault the core cannot resolve: mm/fault.c of riscv. */
static void on_fault(struct task *t, const struct noahv_exit *x)
{
    switch (x->u.fault.kind) {
    case NOAHV_FAULT_BUS:
        signal_force(t, SIGBUS, BUS_ADRERR, x->u.fault.gva);
        break;
    case NOAHV_FAULT_PROTECTION:
        signal_force(t, SIGSEGV, SEGV_ACCERR, x->u.fault.gva);
        break;
    default:
        signal_force(t, SIGSEGV, SEGV_MAPERR, x->u.fault.gva);
        break;
    }
}

static int linux_handle(struct noahv_hart *h, struct noahv_exit *x)
{
    struct task *t = h->hart.task;

    switch (x->reason) {
    case NOAHV_EXIT_ECALL:
        dispatch_ecall(t);
        break;
    case NOAHV_EXIT_FAULT:
        on_fault(t, x);
        break;
    case NOAHV_EXIT_ILLEGAL:
        signal_force(t, SIGILL, ILL_ILLOPC, x->pc);
        break;
    case NOAHV_EXIT_EBREAK:
        signal_force(t, SIGTRAP, TRAP_BRKPT, x->pc);
        break;
    case NOAHV_EXIT_MISALIGNED: /* si_addr is the pc, not the data address */
        signal_force(t, SIGBUS, BUS_ADRALN, x->pc);
        break;
    case NOAHV_EXIT_KICKED:
        break;
    default:
        return vm_fail(h->vm, -EINVAL, "unknown exit reason %u", x->reason);
    }
    signal_deliver(t);
    if (UNLIKELY(thread_leaves(t)))
        thread_leave(t, x);
    return 0;
}

void linux_answers(struct noahv_hart *h)
{
    h->hart.answer = h->vm->cfg.stats ? NULL : dispatch_answer; /* whose time is booked as the guest's */
}

static void linux_destroy(void *state)
{
    struct linux_os *os = state;
    struct process *p = &os->proc;
    int *const own[] = { &p->exe_fd, &p->log_fd };

    signal_thread_detach();
    threads_destroy(p);
    files_part(p);
    folders_forget_near(p->first);
    if (p->trace)
        trace_close(p->trace);
    if (p->log_fd >= 0)
        log_set_fd(STDERR_FILENO);
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (*own[i] >= 0)
            fd_release(*own[i]);
    root_close(&p->root);
    box_free(p->box);
    free(os);
}

static const struct guest_os linux_guest = { linux_handle, linux_destroy };

void noahv_linux_config_init(struct noahv_linux_config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    cfg->size = sizeof *cfg;
    cfg->trace_fd = -1;
}

/* noahv's messages outlive the guest's standard error. */
static void keep_stderr(struct process *p)
{
    int64_t fd = HOST_RAW(SYS_fcntl, STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

    if (fd >= 0 && linux_keep_log(p, (int)fd) < 0)
        close((int)fd);
}

int linux_keep_log(struct process *p, int fd)
{
    if (fd < 0)
        return 0;
    if (fd_own(fd, &p->log_fd) < 0)
        return -EMFILE;
    if (!log_silent())
        log_set_fd(p->log_fd);
    return 0;
}

void linux_core_without_memory(void)
{
    int64_t fd = HOST_RAW(SYS_openat, procfs_dir(), "self/coredump_filter", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    HOST_RAW(SYS_write, fd, "0", 1);
    HOST_RAW(SYS_close, fd);
}

/* noahv has a stack and an address space of its own: the guest's limits are kept apart. */
void linux_take_limits(struct process *p)
{
    struct rlimit core = { 0, 0 };

    getrlimit(RLIMIT_CORE, &core);
    if (core.rlim_cur)
        linux_core_without_memory();
    getrlimit(RLIMIT_AS, &p->as_limit);
    getrlimit(RLIMIT_DATA, &p->data_limit);
    getrlimit(RLIMIT_STACK, &p->stack_limit);
    mm_limit_stack(p);
}

static void process_init(struct process *p, const struct noahv_linux_config *cfg)
{
    p->mm->aslr = !cfg->no_aslr;
    p->watch_deaths = cfg->trace_fd >= 0 || p->vm->cfg.stats;
    procfs_start();
    keep_stderr(p);
    linux_take_limits(p);
}

/* Where the guest begins: its root, and its directory in there. */
static int enter(struct task *t, const struct noahv_linux_config *cfg)
{
    struct process *p = t->proc;
    struct path dir = { .dirfd = AT_FDCWD };
    int r = cfg->root ? root_open(&p->root, cfg->root) : 0;

    if (r < 0)
        return vm_fail(p->vm, -EINVAL, "cannot take directory %s as root: %s", cfg->root, strerror(-r));
    if (!cfg->workdir)
        return 0;
    snprintf(dir.name, sizeof dir.name, "%s", cfg->workdir);
    r = path_resolve(t, &dir, PATH_FOLLOW);
    if (r == 0)
        r = path_flatten(&dir);
    if (r == 0)
        r = (int)HOST_RAW(SYS_chdir, dir.name);
    return r == 0 ? 0
                  : vm_fail(p->vm, -EINVAL, "cannot change to directory %s: %s", cfg->workdir, strerror(-r));
}

/* As a shell does: each directory in turn, the current one for an empty name. `inside`: the root's only. */
static bool search_in(struct task *t, const struct noahv_linux_config *cfg, bool inside, struct exec *x)
{
    struct path p;
    char path[PATH_MAX];

    for (const char *dir = cfg->search; dir; dir = *dir ? dir + 1 : NULL) {
        size_t n = strcspn(dir, ":");
        int len = snprintf(path, sizeof path, "%.*s/%s", n ? (int)n : 1, n ? dir : ".", cfg->path);

        dir += n;
        p.dirfd = AT_FDCWD;
        snprintf(p.name, sizeof p.name, "%s", path);
        if (len >= (int)sizeof path ||
            (inside && (path_resolve(t, &p, PATH_FOLLOW) < 0 || p.dirfd != t->proc->root.fd)))
            continue;
        if ((t->proc->box ? box_open_program(t, path, &x->fd) : exec_open(t, path, &x->fd)) == 0) {
            x->execfn = strdup(path);
            return true;
        }
    }
    return false;
}

/* What the root has comes first here too: of a host's directories, most programs are the host's. */
static int search(struct task *t, const struct noahv_linux_config *cfg, struct exec *x)
{
    if ((root_on(&t->proc->root) && search_in(t, cfg, true, x)) || search_in(t, cfg, false, x))
        return x->execfn ? 0 : vm_fail(t->proc->vm, -ENOMEM, "out of memory");
    return vm_fail(t->proc->vm, -ENOENT, "%s: not found in $PATH. To run a file of this directory: ./%s",
                   cfg->path, cfg->path);
}

static int open_first(struct task *t, const struct noahv_linux_config *cfg, struct exec *x)
{
    int r;

    if (cfg->search && !strchr(cfg->path, '/'))
        return search(t, cfg, x);
    r = t->proc->box ? box_open_program(t, cfg->path, &x->fd) : exec_open(t, cfg->path, &x->fd);
    if (r < 0) {
        bool dir = r == -EACCES && access(cfg->path, F_OK) == 0 && access(cfg->path, X_OK) == 0;

        return vm_fail(t->proc->vm, r, "%s: %s", cfg->path,
                       dir            ? "is not a regular file; noahv runs riscv64 programs"
                       : r == -EACCES ? "permission denied. If it is a program: chmod +x it"
                       : r == -ENOENT ? "no such file. Give a path with a '/' in it, or a name in $PATH"
                                      : strerror(-r));
    }
    x->execfn = strdup(cfg->path);
    return x->execfn ? 0 : vm_fail(t->proc->vm, -ENOMEM, "out of memory");
}

static int load_first(struct task *t, const struct noahv_linux_config *cfg)
{
    struct noahv_vm *vm = t->proc->vm;
    struct exec x = { .fd = -1, .interp_fd = -1 };
    int r = cfg->policy ? box_start(t, cfg->policy) : enter(t, cfg);

    if (r == 0)
        r = open_first(t, cfg, &x);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && cfg->argv && cfg->argv[i]; i++)
        r = strv_push(&x.argv, cfg->argv[i]);
    for (size_t i = 0; r == 0 && cfg->envp && cfg->envp[i]; i++)
        r = strv_push(&x.envp, cfg->envp[i]);
    if (r == 0)
        r = exec_prepare(t, &x);
    if (r == 0)
        r = exec_commit(t, &x);
    /* It was found; its interpreter was not, or there is no room for what it asks. */
    if (r == -ENOENT || (r == -ENOMEM && x.why[0]))
        r = -ENOEXEC;
    if (r < 0)
        vm_fail(vm, r, "%s: %s", cfg->path, x.why[0] ? x.why : strerror(-r));
    exec_free(&x);
    return r == 0 && cfg->policy ? box_enter(t, cfg->workdir) : r;
}

/* The line that a tracer sees first, of the call that the command line stands for. */
static void trace_first(struct task *t)
{
    enum { NR_EXECVE = 221 };
    const struct stack_info *s = &t->proc->mm->stack;
    uint64_t argc = 0, a[SYS_ARGS_MAX] = { s->env_end, s->sp + 8 };

    if (get_user(t->mem, &argc, s->sp))
        return;
    a[2] = a[1] + (argc + 1) * 8;
    trace_enter(t, sysent_get(NR_EXECVE), NR_EXECVE, a);
    trace_leave(t, sysent_get(NR_EXECVE), NR_EXECVE, a, 0);
}

/* The host's walls: nothing of the guest has run yet. */
static int lock_up(struct task *t)
{
    char why[VIEW_WHY_MAX];
    int r;

    vm_prepare(t->nh);
    r = jail_close(t->proc->box, why);
    folders_forget(&t->proc->box->folders); /* what was found before is not in the mounts made there */
    return r < 0 ? vm_fail(t->proc->vm, -EINVAL, "%s", why) : 0;
}

static void os_init(struct linux_os *os, struct noahv_vm *vm)
{
    struct process *p = &os->proc;

    p->vm = vm;
    p->mem = &vm->mem;
    p->mm = &os->mm;
    p->sighand = &os->sighand;
    p->root.fd = p->exe_fd = p->log_fd = -1;
    pthread_mutex_init(&os->mm.lock, NULL);
    pthread_mutex_init(&os->sighand.lock, NULL);
    atomic_init(&os->mm.users, 1);
    atomic_init(&os->sighand.users, 1);
    threads_init(p, &os->task);
}

int linux_attach(struct noahv_vm *vm, struct task **out)
{
    struct linux_os *os = calloc(1, sizeof *os);
    struct noahv_hart *h;
    int r;

    if (!os)
        return vm_fail(vm, -ENOMEM, "out of memory");
    os_init(os, vm);
    vm->os = &linux_guest;
    vm->os_state = os;
    r = vm_hart_create(vm, &h);
    if (r < 0)
        return r;
    os->task = (struct task){ .proc = &os->proc,
                              .nh = h,
                              .hart = &h->hart,
                              .mem = &vm->mem,
                              .tid = (pid_t)HOST_RAW(SYS_gettid),
                              .altstack = { .flags = SS_DISABLE } };
    h->hart.task = *out = &os->task;
    return signal_thread_attach(&os->task);
}

int noahv_linux_exec(struct noahv_vm *vm, const struct noahv_linux_config *cfg, struct noahv_hart **out)
{
    struct task *t = NULL;
    int r;

    if (!vm || !cfg || !out || cfg->size != sizeof *cfg || !cfg->path)
        return -EINVAL;
    if (vm->os)
        return vm_fail(vm, -EBUSY, "the vm runs a program already");
    r = linux_attach(vm, &t);
    if (r < 0 || !t)
        return r;
    process_init(t->proc, cfg);
    if (cfg->trace_fd >= 0) {
        r = trace_open(&t->proc->trace, cfg->trace_fd, cfg->trace_follow, cfg->trace_filter);
        if (r < 0)
            vm_fail(vm, r, "trace filter \"%s\": unknown name", cfg->trace_filter ? cfg->trace_filter : "");
    }
    if (r == 0)
        r = load_first(t, cfg);
    if (r == 0)
        r = signal_init(t, host_sigmask_get(), 0);
    if (r == 0 && t->proc->trace)
        trace_first(t);
    if (r == 0 && cfg->policy)
        r = lock_up(t);
    if (r == 0)
        *out = t->nh;
    return r;
}

int noahv_linux_run(struct noahv_hart *h, struct noahv_exit *x)
{
    int r;

    if (!h || !x || !h->vm->os || !h->hart.task)
        return -EINVAL;
    linux_answers(h);
    do {
        r = vm_run(h, x);
        if (r == 0)
            r = linux_handle(h, x);
    } while (r == 0 && x->reason != NOAHV_EXIT_HALT);
    h->hart.answer = NULL;
    return r;
}

int noahv_linux_handle(struct noahv_hart *h, struct noahv_exit *x)
{
    if (!h || !x || !h->vm->os || !h->hart.task)
        return -EINVAL;
    return h->vm->os->handle(h, x);
}
