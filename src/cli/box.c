/*
 * A box from outside: the child process that becomes the guest, the clock, the meter of its output, and the end of
 * everything it started. What the guest may do is decided inside (syscalls/box.c).
 */
#include "cli/box.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cli/audit.h"

#define say(...) log_line(LOG_ERROR, __VA_ARGS__)

/* --- Options ------------------------------------------------------------------------------------------ */

struct table {
    struct option *at;
    size_t n;
};

static void count_setting(void *opaque, const char *name, const char *value, const char *meaning)
{
    (void)name;
    (void)value;
    (void)meaning;
    ++*(size_t *)opaque;
}

static void add_setting(void *opaque, const char *name, const char *value, const char *meaning)
{
    struct table *t = opaque;
    size_t i = t->n++;

    (void)value;
    (void)meaning;
    t->at[i] = (struct option){ name, required_argument, NULL, 0 };
}

struct option *box_options(const struct option *common)
{
    size_t policy = 0, n = 0;
    struct table t;

    while (common[n].name)
        n++;
    noahv_policy_settings(count_setting, &policy);
    t.at = calloc(n + policy + 2, sizeof *t.at);
    t.n = 0;
    if (!t.at)
        return NULL;
    noahv_policy_settings(add_setting, &t); /* in front: of two with one name, --root, the policy's counts */
    for (size_t i = 0; i < t.n; i++)
        t.at[i].val = OPT_POLICY_FIRST + (int)i;
    t.at[t.n++] = (struct option){ "policy", required_argument, NULL, OPT_POLICY_FILE };
    for (size_t i = 0; i < n; i++) {
        bool twice = false;

        for (size_t k = 0; k < policy; k++)
            twice |= strcmp(t.at[k].name, common[i].name) == 0;
        if (!twice)
            t.at[t.n++] = common[i];
    }
    return t.at;
}

/* The setting of a number. */
struct wanted {
    int left;
    const char *name, *value;
};

static void pick_setting(void *opaque, const char *name, const char *value, const char *meaning)
{
    struct wanted *w = opaque;

    (void)meaning;
    if (w->left-- == 0) {
        w->name = name;
        w->value = value;
    }
}

int box_set(struct noahv_policy *p, int c, char *const *argv, int argc)
{
    struct wanted w = { .left = c - OPT_POLICY_FIRST };
    char *two = NULL;
    int r;

    if (c == OPT_POLICY_FILE) {
        r = noahv_policy_load(p, optarg);
        if (r < 0)
            say("%s", noahv_policy_error(p));
        return r < 0 ? -1 : 0;
    }
    noahv_policy_settings(pick_setting, &w);
    if (strchr(w.value, ' ')) {
        if (optind >= argc || asprintf(&two, "%s %s", optarg, argv[optind]) < 0) {
            say("--%s takes two words: %s", w.name, w.value);
            return -1;
        }
        optind++;
    }
    r = noahv_policy_set(p, w.name, two ? two : optarg);
    if (r < 0)
        say("--%s: %s", w.name, noahv_policy_error(p));
    free(two);
    return r < 0 ? -1 : 0;
}

static void print_setting(void *opaque, const char *name, const char *value, const char *meaning)
{
    char left[64];

    (void)opaque;
    snprintf(left, sizeof left, "--%s %s", name, value);
    printf("      %-36s %s\n", left, meaning);
}

void box_print_options(void)
{
    noahv_policy_settings(print_setting, NULL);
}

/* --- Questions about hosts --------------------------------------------------------------- */

static void print_layer(void *opaque, const char *name, const char *what, const char *lacks)
{
    if (lacks) {
        printf("%-14s absent: %s\n", name, lacks);
        *(int *)opaque = 1;
    } else {
        printf("%-14s present: %s\n", name, what);
    }
}

int box_doctor(void)
{
    int status = 0;

    noahv_policy_layers(print_layer, &status);
    return status;
}

/* --- Waiting ------------------------------------------------------------------------------------------ */

/* What the waiting process keeps. */
struct watch {
    struct noahv_policy *policy;
    pid_t child;
    int signals;        /* signalfd */
    int leash[2];       /* the box dies with who has its write end: this process */
    int pipe[2];        /* what is left to read of standard output and error, or -1 */
    uint64_t out, most; /* bytes that came, bytes that may come; most 0: any */
    uint64_t deadline;  /* milliseconds of CLOCK_MONOTONIC; 0: none */
    int tty;            /* the terminal whose foreground belongs to the child, or -1 */
    int status;
    struct rusage usage;
    bool ended, late, much;
    struct audit *audit; /* NULL: none */
    int blind;           /* -errno: why the audit cannot be */
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const int watched[] = { SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };

static void watched_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        sigaddset(set, watched[i]);
}

/* The child has stopped: so does this process, and when it goes on the child does. */
static void stop_too(struct watch *w)
{
    if (w->tty >= 0)
        tcsetpgrp(w->tty, getpgrp());
    raise(SIGSTOP);
    if (w->tty >= 0 && tcgetpgrp(w->tty) == getpgrp())
        tcsetpgrp(w->tty, w->child);
    kill(-w->child, SIGCONT);
}

static void reap(struct watch *w)
{
    struct rusage usage;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED, &usage)) > 0) {
        if (pid != w->child)
            continue;
        if (WIFSTOPPED(status)) {
            stop_too(w);
        } else {
            w->status = status;
            w->usage = usage;
            w->ended = true;
        }
    }
}

static void take_signal(struct watch *w)
{
    struct signalfd_siginfo info;

    if (read(w->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(w);
    else
        kill(w->child, (int)info.ssi_signo);
}

/* Passes on what the box printed, up to the limit. */
static void pump(struct watch *w, int i)
{
    char chunk[16384];
    ssize_t n = read(w->pipe[i], chunk, sizeof chunk);
    uint64_t room = w->most - w->out;

    if (n <= 0) {
        if (n == 0 || errno != EINTR) {
            close(w->pipe[i]);
            w->pipe[i] = -1;
        }
        return;
    }
    w->much = (uint64_t)n > room;
    n = (ssize_t)MIN((uint64_t)n, room);
    w->out += (uint64_t)n;
    for (ssize_t done = 0, k; done < n; done += k) {
        k = write(i == 0 ? STDOUT_FILENO : STDERR_FILENO, chunk + done, (size_t)(n - done));
        if (k < 0 && errno == EINTR)
            k = 0;
        else if (k < 0)
            break; /* nobody listens: the box's own business goes on */
    }
}

/* For how long to wait: a box whose calls wait for us cannot tell so. -1: for ever. */
static int patience(const struct watch *w, uint64_t left)
{
    if (w->audit && !w->audit->taken)
        return 1;
    return w->deadline ? (int)MIN(left, 1u << 30) : -1;
}

/* Until the child has ended and its output is read, or a limit of ours is reached. */
static void watch_loop(struct watch *w)
{
    while (!w->ended && (!w->audit || (w->blind = audit_take(w->audit, w->child)) == 0)) {
        struct pollfd fds[4] = { { w->signals, POLLIN, 0 },
                                 { w->pipe[0], POLLIN, 0 },
                                 { w->pipe[1], POLLIN, 0 },
                                 { w->audit ? w->audit->listener : -1, POLLIN, 0 } };
        uint64_t now = now_ms(), left = w->deadline > now ? w->deadline - now : 0;

        if (w->deadline && !left) {
            w->late = true;
            return;
        }
        if (poll(fds, ARRAY_SIZE(fds), patience(w, left)) <= 0)
            continue;
        if (fds[3].revents)
            audit_answer(w->audit);
        for (int i = 0; i < 2 && !w->much; i++)
            if (fds[1 + i].revents)
                pump(w, i);
        if (w->much)
            return;
        if (fds[0].revents)
            take_signal(w);
    }
}

/* Everything the box started dies: what lost its parent became a child of ours. */
static void kill_all(struct watch *w)
{
    char path[64];
    int pid;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        FILE *f = fopen(path, "re");
        int status;

        if (!f)
            kill(-w->child, SIGKILL);
        while (f && fscanf(f, "%d", &pid) == 1)
            kill(pid, SIGKILL);
        if (f)
            fclose(f);
        pid = wait4(-1, &status, 0, &w->usage);
        if (pid < 0 && errno == ECHILD)
            return;
        if (pid == w->child && !w->ended) {
            w->status = status;
            w->ended = true;
        }
    }
}

/* What the pipes still hold after the end. */
static void drain(struct watch *w)
{
    for (int i = 0; i < 2; i++)
        while (w->pipe[i] >= 0 && !w->much)
            pump(w, i);
}

/* --- Start and end ------------------------------------------------------------------------------------ */

/* The terminal that we are in the foreground of, or -1. */
static int own_terminal(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (tcgetpgrp(fd) == getpgrp())
            return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return -1;
}

static void hand_terminal(int tty, pid_t group)
{
    sigset_t ttou, old;

    if (tty < 0)
        return;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &old);
    tcsetpgrp(tty, group);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

_Noreturn static void be_child(const struct watch *w, const int out[2][2], const sigset_t *old,
                               int (*run)(void *opaque), void *opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* without its watch there is no box: until the leash is on */
    noahv_policy_leash(w->policy, w->leash[0]);
    setpgid(0, 0);
    hand_terminal(w->tty, getpid());
    sigprocmask(SIG_SETMASK, old, NULL);
    for (int i = 0; i < 2; i++)
        if (out[i][1] >= 0)
            dup2(out[i][1], 1 + i);
    exit(run(opaque));
}

static const char *bytes_text(uint64_t n, char out[32])
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
    size_t u = 0;

    for (; u + 1 < ARRAY_SIZE(units) && n && n % 1024 == 0; u++)
        n /= 1024;
    snprintf(out, 32, "%llu %s", (unsigned long long)n, units[u]);
    return out;
}

/* True, after a line, when the processor time or file size limit killed the program. */
static bool killed_by_limit(const struct watch *w, int sig)
{
    uint64_t cpu = (uint64_t)noahv_policy_limit(w->policy, "cpu-time");
    uint64_t used = (uint64_t)(w->usage.ru_utime.tv_sec + w->usage.ru_stime.tv_sec + 1) * 1000;
    uint64_t fsize = (uint64_t)noahv_policy_limit(w->policy, "fsize");
    char text[32];

    if (cpu && (sig == SIGXCPU || (sig == SIGKILL && used >= cpu))) {
        say("the limit of %llu s of processor time was reached. To allow more: --cpu-time %llu",
            (unsigned long long)(cpu + 999) / 1000, (unsigned long long)(cpu + 999) / 500);
        return true;
    }
    if (fsize && sig == SIGXFSZ) {
        say("a file reached the limit of %s. To allow more: --fsize %llu", bytes_text(fsize, text),
            (unsigned long long)fsize * 2);
        return true;
    }
    return false;
}

/* Of an audit: the status of a box that ended with `status`. */
static int audited(const struct watch *w, int status, int *sig)
{
    if (w->blind < 0) {
        say("cannot audit the box: %s. noahv box runs it without", strerror(-w->blind));
        status = 125;
    } else if (audit_report(w->audit)) {
        status = EXIT_DENIED;
    } else {
        return status;
    }
    *sig = 0;
    return status;
}

static int verdict(const struct watch *w, int *sig)
{
    int status = WIFEXITED(w->status) ? WEXITSTATUS(w->status) : 128 + WTERMSIG(w->status);
    uint64_t ms = (uint64_t)noahv_policy_limit(w->policy, "timeout");
    char line[1024], text[32];
    enum noahv_end end = noahv_policy_ended(w->policy, line, sizeof line);

    *sig = WIFSIGNALED(w->status) ? WTERMSIG(w->status) : 0;
    if (w->late) {
        say("the time limit of %llu.%03llu s was reached. To allow more: --timeout %llu",
            (unsigned long long)ms / 1000, (unsigned long long)ms % 1000,
            (unsigned long long)(ms + 999) / 500);
        status = EXIT_TIMEOUT;
    } else if (w->much) {
        say("the output limit of %s was reached. To allow more: --output-limit %llu",
            bytes_text(w->most, text), (unsigned long long)w->most * 2);
        status = EXIT_LIMIT;
    } else if (end == NOAHV_END_DENIED || (end == NOAHV_END_LIMIT && status != 0)) {
        say("%s", line);
        status = end == NOAHV_END_DENIED ? EXIT_DENIED : EXIT_LIMIT;
    } else if (killed_by_limit(w, *sig)) {
        status = EXIT_LIMIT;
    } else {
        return status;
    }
    *sig = 0;
    return status;
}

/* Pipes for standard output and error when their bytes are counted. */
static int open_pipes(struct watch *w, int out[2][2])
{
    for (int i = 0; i < 2; i++) {
        out[i][0] = out[i][1] = -1;
        if (w->most && pipe2(out[i], O_CLOEXEC) < 0)
            return -errno;
        w->pipe[i] = out[i][0];
    }
    return 0;
}

int box_run(struct noahv_policy *p, struct audit *audit, int (*run)(void *opaque), void *opaque, int *signal)
{
    struct watch w = { .policy = p, .audit = audit, .most = (uint64_t)noahv_policy_limit(p, "output-limit") };
    uint64_t ms = (uint64_t)noahv_policy_limit(p, "timeout");
    sigset_t set, old;
    int out[2][2], status;

    *signal = 0;
    if (noahv_policy_resolve(p) < 0) {
        say("%s", noahv_policy_error(p));
        return 125;
    }
    w.tty = own_terminal();
    w.deadline = ms ? now_ms() + ms : 0;
    watched_set(&set);
    sigprocmask(SIG_BLOCK, &set, &old);
    w.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (w.signals < 0 || pipe2(w.leash, O_CLOEXEC) < 0 || open_pipes(&w, out) < 0 || (w.child = fork()) < 0) {
        say("cannot start the box: %s", strerror(errno));
        return 125;
    }
    if (w.child == 0)
        be_child(&w, out, &old, run, opaque);
    close(w.leash[0]);
    setpgid(w.child, w.child);
    hand_terminal(w.tty, w.child);
    for (int i = 0; i < 2; i++)
        if (out[i][1] >= 0)
            close(out[i][1]);
    watch_loop(&w);
    kill_all(&w);
    drain(&w);
    hand_terminal(w.tty, getpgrp());
    noahv_policy_clear(p);
    sigprocmask(SIG_SETMASK, &old, NULL);
    status = verdict(&w, signal);
    return audit ? audited(&w, status, signal) : status;
}
