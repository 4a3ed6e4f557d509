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
#include "syscalls/exec.h"
#include "syscalls/fd.h"
#include "syscalls/procfs.h"
#include "syscalls/signal.h"
#include "syscalls/thread.h"
#include "syscalls/trace.h"

/* One process and its one task, as a vm's os_state. */
struct linux_os {
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

static void linux_destroy(void *state)
{
    struct linux_os *os = state;
    struct process *p = &os->proc;
    int *const own[] = { &p->exe_fd, &p->gate_r, &p->gate_w, &p->vfork_fd, &p->log_fd };

    signal_thread_detach();
    threads_destroy(p);
    if (p->trace)
        trace_close(p->trace);
    if (p->log_fd >= 0)
        log_set_fd(STDERR_FILENO);
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (*own[i] >= 0)
            fd_release(*own[i]);
    free(p->exe);
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

    if (fd >= 0 && fd_own((int)fd, &p->log_fd) < 0)
        close((int)fd);
    if (p->log_fd >= 0)
        log_set_fd(p->log_fd);
}

/* noahv dumps no core: the guest's limit is kept apart. The stack limit is the guest's own business too. */
static void take_limits(struct process *p)
{
    struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

    getrlimit(RLIMIT_CORE, &p->core_limit);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, p->core_limit.rlim_max });
    getrlimit(RLIMIT_AS, &p->as_limit);
    getrlimit(RLIMIT_DATA, &p->data_limit);
    getrlimit(RLIMIT_STACK, &r);
    p->mem->stack_max = MIN(r.rlim_cur, p->mem->limit / 4);
}

static void process_init(struct process *p, struct noahv_vm *vm, const struct noahv_linux_config *cfg)
{
    p->vm = vm;
    p->mem = &vm->mem;
    p->exe_fd = p->gate_r = p->gate_w = p->vfork_fd = p->log_fd = -1;
    p->mm.aslr = !cfg->no_aslr;
    p->watch_deaths = cfg->trace_fd >= 0 || vm->cfg.stats;
    procfs_start();
    keep_stderr(p);
    take_limits(p);
}

static int load_first(struct task *t, const struct noahv_linux_config *cfg)
{
    struct noahv_vm *vm = t->proc->vm;
    struct exec x = { .fd = -1 };
    int r;

    r = exec_open(AT_FDCWD, cfg->path, 0, &x.fd);
    if (r < 0) {
        bool dir = r == -EACCES && access(cfg->path, F_OK) == 0 && access(cfg->path, X_OK) == 0;

        return vm_fail(vm, r, "%s: %s", cfg->path,
                       dir            ? "is not a regular file; noahv runs riscv64 programs"
                       : r == -EACCES ? "permission denied. If it is a program: chmod +x it"
                       : r == -ENOENT ? "no such file. Give a path with a '/' in it, or a name in $PATH"
                                      : strerror(-r));
    }
    x.execfn = strdup(cfg->path);
    r = x.execfn ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && cfg->argv && cfg->argv[i]; i++)
        r = strv_push(&x.argv, cfg->argv[i]);
    for (size_t i = 0; r == 0 && cfg->envp && cfg->envp[i]; i++)
        r = strv_push(&x.envp, cfg->envp[i]);
    if (r == 0)
        r = exec_prepare(&x);
    if (r == 0)
        r = exec_commit(t, &x);
    if (r < 0)
        vm_fail(vm, r, "%s: %s", cfg->path, x.why[0] ? x.why : strerror(-r));
    exec_free(&x);
    return r;
}

int noahv_linux_exec(struct noahv_vm *vm, const struct noahv_linux_config *cfg, struct noahv_hart **out)
{
    struct noahv_hart *h = NULL;
    struct linux_os *os;
    int r;

    if (!vm || !cfg || !out || cfg->size != sizeof *cfg || !cfg->path)
        return -EINVAL;
    if (vm->os)
        return vm_fail(vm, -EBUSY, "the vm runs a program already");
    os = calloc(1, sizeof *os);
    if (!os)
        return vm_fail(vm, -ENOMEM, "out of memory");
    process_init(&os->proc, vm, cfg);
    threads_init(&os->proc, &os->task);
    vm->os = &linux_guest;
    vm->os_state = os;

    r = vm_hart_create(vm, &h);
    if (r == 0) {
        os->task = (struct task){ .proc = &os->proc,
                                  .nh = h,
                                  .hart = &h->hart,
                                  .mem = &vm->mem,
                                  .tid = (pid_t)HOST_RAW(SYS_gettid),
                                  .altstack = { .flags = SS_DISABLE } };
        h->hart.task = &os->task;
        r = signal_thread_attach(&os->task);
    }
    if (r == 0 && cfg->trace_fd >= 0) {
        r = trace_open(&os->proc.trace, cfg->trace_fd, cfg->trace_follow, cfg->trace_filter);
        if (r < 0)
            vm_fail(vm, r, "trace filter \"%s\": unknown name", cfg->trace_filter ? cfg->trace_filter : "");
    }
    if (r == 0)
        r = load_first(&os->task, cfg);
    if (r == 0)
        r = signal_init(&os->task);
    if (r == 0)
        *out = h;
    return r;
}

int noahv_linux_handle(struct noahv_hart *h, struct noahv_exit *x)
{
    if (!h || !x || !h->vm->os || !h->hart.task)
        return -EINVAL;
    return h->vm->os->handle(h, x);
}
