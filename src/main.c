/*
 * The command line: options to noahv_* calls to an exit status. The library's first customer: it sees nothing
 * but noahv.h, and is the only file that exits or prints.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cli/audit.h"
#include "cli/box.h"
#include "cli/overlay.h"
#include "cli/policy.h"
#include "noahv.h"

/* Exit statuses of noahv itself; everything else is the guest's. */
enum { EXIT_NOAHV = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* By way of the log: the guest may have closed standard error, and file names may hold anything. */
#define say(...) log_line(LOG_ERROR, __VA_ARGS__)

extern char **environ;

struct options {
    int engine, harden, log; /* enum noahv_engine, mask of enum noahv_harden, enum noahv_log */
    bool trace, follow, no_aslr, stats, perf_map, eager, quiet, clear_env;
    const char *trace_file, *trace_filter, *argv0, *workdir, *root;
    char **set; /* arguments of -E */
    size_t nr_set;
    char **prog;                 /* program and its arguments */
    struct noahv_policy *policy; /* box, audit, policy learn; else NULL */
    bool audit, learns;
    struct learn learn;
    int max_calls; /* of the host's, distinct; -1: any */
};

static const char usage_text[] =
    "Usage: noahv [run] [OPTIONS] [--] PROG [ARGS...]   run a riscv64 Linux program\n"
    "       noahv box [OPTIONS] [--] PROG [ARGS...]     the same, with nothing in reach that is not granted\n"
    "       noahv audit [--max N] [OPTIONS] [--] PROG   box, and which host system calls it made; 123: above "
    "N\n"
    "       noahv trace [OPTIONS] [--] PROG [ARGS...]   the same, and print its system calls\n"
    "       noahv policy learn [OPTIONS] [--] PROG      box that grants all, and a policy of what it used\n"
    "       noahv policy check FILE [RECORD]            is the file a policy? Does it allow what was used?\n"
    "       noahv policy explain FILE CALL [OBJECT]     may it? By which rule, or what would allow it?\n"
    "       noahv diff [--json] DIR                     what a box has written to its --overlay DIR\n"
    "       noahv apply [--to ROOT] DIR                 make it so in the files below, or in the folder "
    "ROOT\n"
    "       noahv discard DIR                           remove the overlay\n"
    "       noahv doctor                                which protections of a box this host has\n"
    "       noahv compat                                list the system calls and how far they go\n"
    "\n"
    "Options of run, box and trace:\n"
    "      --verbose       note what the program asks for and does not get\n"
    "  -q, --quiet         print nothing of noahv's own\n"
    "  -r, --root DIR      let DIR be the program's /: its files come first, those of this host\n"
    "                      where it has none. -L DIR is the same\n"
    "  -w, --workdir DIR   start in DIR\n"
    "  -E, --env NAME=VAL  set (NAME alone: remove) an environment variable\n"
    "      --clearenv      start from an empty environment\n"
    "      --argv0 NAME    the program's argv[0]\n"
    "      --no-aslr       fixed stack, heap and mapping addresses\n"
    "      --engine NAME   jit (default where the host allows it), interp, or lockstep:\n"
    "                      the JIT checked block by block\n"
    "      --harden spectre   keep speculative accesses inside the guest, too\n"
    "      --log jit       print guest and host code of every block that is translated\n"
    "      --eager         translate code before it first runs, not only what keeps running\n"
    "      --perf-map      write /tmp/perf-PID.map, so that perf(1) shows the program's symbols\n"
    "      --stats         count ecalls, G-stage faults, instructions and time\n"
    "  -h, --help          this text\n"
    "  -V, --version       version and implemented ISA\n"
    "Options of trace, as in strace(1):\n"
    "  -o FILE             write the trace to FILE\n"
    "  -e LIST             only these calls: names and %classes, comma-separated, ! negates\n"
    "  -f                  trace child processes too\n"
    "Options of policy learn, besides those of box:\n"
    "  -o FILE             write the policy to FILE, not to standard output\n"
    "      --accesses FILE   write what was used to FILE, for policy check\n"
    "\n"
    "Exit status: the program's own; a program killed by a signal makes noahv die of it.\n"
    "  122 a limit of the box, 123 a refusal ended it, 124 --timeout, 125 noahv failed,\n"
    "  126 PROG cannot be run, 127 PROG not found.\n";

static const char usage_box[] =
    "Options of box, which grants nothing by itself; limits: 256M, 60 s, 64 processes, 256 descriptors:\n"
    "  -v, -m, -r, -e NAME[=VAL]                --volume, --memory, --root, an environment variable\n"
    "      --policy FILE                        lines of NAME = VALUE, with the names that follow\n";

_Noreturn static void usage_error(void)
{
    fprintf(stderr, "Try 'noahv --help'.\n");
    exit(EXIT_NOAHV);
}

static void drop_line(void *opaque, int level, const char *line)
{
    (void)opaque;
    (void)level;
    (void)line;
}

/* --- Environment --------------------------------------------------------------------------------------- */

static size_t env_count(char **env)
{
    size_t n = 0;

    while (env && env[n])
        n++;
    return n;
}

/* What a boxed program gets of our environment unasked. */
static char *const box_env[] = { (char *)"PATH=/usr/local/bin:/usr/bin:/bin", (char *)"HOME=/" };

/* Sets NAME=VALUE, or removes NAME. There is room for one more. */
static void env_set(char **env, char *assignment)
{
    size_t name = strcspn(assignment, "="), k = 0;

    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], assignment, name) != 0 || env[i][name] != '=')
            env[k++] = env[i];
    if (assignment[name])
        env[k++] = assignment;
    env[k] = NULL;
}

/* The guest's environment: the order of -E and --clearenv does not matter. */
static char **env_build(const struct options *o)
{
    char *const *from = o->policy ? box_env : environ;
    size_t n = o->clear_env ? 0 : o->policy ? ARRAY_SIZE(box_env) : env_count(environ);
    char **env = calloc(n + o->nr_set + 1, sizeof *env);

    if (!env) {
        say("out of memory");
        exit(EXIT_NOAHV);
    }
    for (size_t i = 0; i < n; i++)
        env[i] = from[i];
    for (size_t i = 0; i < o->nr_set; i++)
        if (o->set[i])
            env_set(env, o->set[i]);
    return env;
}

/* -e as docker run has it: NAME alone is passed on as it is here. */
static void env_pass(struct options *o, char *word)
{
    const char *value = getenv(word);
    char *set = NULL;

    if (!strchr(word, '=') && value && asprintf(&set, "%s=%s", word, value) < 0)
        set = NULL;
    o->set[o->nr_set++] = set ? set : word;
}

/* --- Options ------------------------------------------------------------------------------------------- */

enum {
    OPT_CLEARENV = 256,
    OPT_ARGV0,
    OPT_NO_ASLR,
    OPT_STATS,
    OPT_ENGINE,
    OPT_VERBOSE,
    OPT_HARDEN,
    OPT_LOG,
    OPT_PERF_MAP,
    OPT_EAGER,
    OPT_MAX,
    OPT_ACCESSES
};

static const struct option long_options[] = {
    { "verbose", no_argument, NULL, OPT_VERBOSE },
    { "quiet", no_argument, NULL, 'q' },
    { "root", required_argument, NULL, 'r' },
    { "workdir", required_argument, NULL, 'w' },
    { "env", required_argument, NULL, 'E' },
    { "clearenv", no_argument, NULL, OPT_CLEARENV },
    { "argv0", required_argument, NULL, OPT_ARGV0 },
    { "no-aslr", no_argument, NULL, OPT_NO_ASLR },
    { "stats", no_argument, NULL, OPT_STATS },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { "engine", required_argument, NULL, OPT_ENGINE },
    { "perf-map", no_argument, NULL, OPT_PERF_MAP },
    { "eager", no_argument, NULL, OPT_EAGER },
    { "log", required_argument, NULL, OPT_LOG },
    { "harden", required_argument, NULL, OPT_HARDEN },
    { "max", required_argument, NULL, OPT_MAX },
    { "accesses", required_argument, NULL, OPT_ACCESSES },
    { NULL, 0, NULL, 0 },
};

static int engine_number(const char *name)
{
    if (strcmp(name, "jit") == 0)
        return NOAHV_ENGINE_JIT;
    if (strcmp(name, "interp") == 0)
        return NOAHV_ENGINE_INTERP;
    if (strcmp(name, "lockstep") == 0)
        return NOAHV_ENGINE_LOCKSTEP;
    say("unknown engine %s: there are jit, interp and lockstep", name);
    usage_error();
}

static int harden_bits(const char *name)
{
    if (strcmp(name, "spectre") == 0)
        return NOAHV_HARDEN_SPECTRE;
    say("cannot harden against %s: there is spectre", name);
    usage_error();
}

static int log_level(const char *name)
{
    if (strcmp(name, "jit") == 0)
        return NOAHV_LOG_JIT;
    say("cannot log %s: there is jit", name);
    usage_error();
}

/* --max, which is the audit's alone. */
static int max_number(const struct options *o, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (o->audit && *text >= '0' && *text <= '9' && !*end && n <= AUDIT_CALLS_MAX)
        return (int)n;
    if (o->audit)
        say("--max: \"%s\" is not a number from 0 to %d", text, AUDIT_CALLS_MAX);
    else
        say("--max %s: only noahv audit counts calls", text);
    usage_error();
}

/* --accesses, which is learning's alone. */
static const char *accesses_file(const struct options *o, const char *file)
{
    if (o->learns)
        return file;
    say("--accesses %s: only noahv policy learn writes accesses", file);
    usage_error();
}

_Noreturn static void print_help(void)
{
    fputs(usage_text, stdout);
    fputs(usage_box, stdout);
    box_print_options();
    exit(0);
}

/* The short options of box, which are long ones of its policy or have their own sense there. */
static void set_box_option(struct options *o, int c)
{
    static const char *const names[] = {
        ['m'] = "memory", ['v'] = "volume", ['r'] = "root", ['w'] = "workdir"
    };

    if (c == 'e')
        env_pass(o, optarg);
    else if (noahv_policy_set(o->policy, names[c], optarg) < 0) {
        say("-%c: %s", c, noahv_policy_error(o->policy));
        usage_error();
    }
}

static void set_option(struct options *o, int c)
{
    if (o->policy && strchr("emvrw", c)) {
        set_box_option(o, c);
        return;
    }
    switch (c) {
    case OPT_VERBOSE:
        o->log = MAX(o->log, NOAHV_LOG_NOTE);
        break;
    case 'q':
        o->quiet = true;
        break;
    case 'r':
    case 'L': /* qemu-user's */
        o->root = optarg;
        break;
    case 'w':
        o->workdir = optarg;
        break;
    case 'E':
        o->set[o->nr_set++] = optarg;
        break;
    case OPT_CLEARENV:
        o->clear_env = true;
        break;
    case OPT_ARGV0:
        o->argv0 = optarg;
        break;
    case OPT_NO_ASLR:
        o->no_aslr = true;
        break;
    case OPT_STATS:
        o->stats = true;
        break;
    case OPT_ENGINE:
        o->engine = engine_number(optarg);
        break;
    case OPT_LOG:
        o->log = log_level(optarg);
        break;
    case OPT_PERF_MAP:
        o->perf_map = true;
        break;
    case OPT_EAGER:
        o->eager = true;
        break;
    case OPT_HARDEN:
        o->harden |= harden_bits(optarg);
        break;
    case OPT_MAX:
        o->max_calls = max_number(o, optarg);
        break;
    case OPT_ACCESSES:
        o->learn.accesses = accesses_file(o, optarg);
        break;
    case 'o':
        o->trace_file = o->learn.out = optarg;
        break;
    case 'e':
        o->trace_filter = optarg;
        break;
    case 'f':
        o->follow = true;
        break;
    case 'h':
        print_help();
    case 'V':
        printf("noahv %s (%s)\n", noahv_version(), noahv_isa());
        exit(0);
    default:
        usage_error();
    }
}

static void parse(struct options *o, int argc, char **argv)
{
    const char *shorts = o->trace    ? "+qr:L:w:E:hVo:e:f"
                         : o->learns ? "+qr:L:w:E:hVm:v:e:o:"
                         : o->policy ? "+qr:L:w:E:hVm:v:e:"
                                     : "+qr:L:w:E:hV";
    struct option *boxed = o->policy ? box_options(long_options) : NULL;
    const struct option *longs = o->policy ? boxed : long_options;
    int c;

    o->set = calloc((size_t)argc + 1, sizeof *o->set);
    if (!o->set || !longs) {
        say("out of memory");
        exit(EXIT_NOAHV);
    }
    argv[0] = (char *)"noahv"; /* getopt's messages begin with it */
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
        if (c < OPT_POLICY_FILE)
            set_option(o, c);
        else if (box_set(o->policy, c, argv, argc) < 0)
            usage_error();
    free(boxed);
    if (optind >= argc) {
        say("no program given");
        usage_error();
    }
    o->prog = argv + optind;
}

/* --- Running --------------------------------------------------------------------------------------------- */

static void print_stats(const struct noahv_hart *h)
{
    struct noahv_stats s;

    noahv_get_stats(h, &s);
    say("stats: %llu instructions, %llu ecalls", (unsigned long long)s.instructions,
        (unsigned long long)s.ecalls);
    say("stats: %llu G-stage faults: %llu fetch, %llu load, %llu store; %llu of them resolved by the core",
        (unsigned long long)(s.fetch_faults + s.load_faults + s.store_faults),
        (unsigned long long)s.fetch_faults, (unsigned long long)s.load_faults,
        (unsigned long long)s.store_faults, (unsigned long long)s.faults_resolved);
    say("stats: %.3f ms in the guest, %.3f ms in the host", (double)s.guest_ns / 1e6,
        (double)s.host_ns / 1e6);
}

/* Dies of `sig` as the guest did, so that our parent sees it. */
_Noreturn static void die_of(int sig)
{
    sigset_t set;

    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(sig);
    _exit(128 + sig);
}

static int open_trace(const struct options *o)
{
    int fd;

    if (!o->trace)
        return -1;
    fd = o->trace_file ? open(o->trace_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                       : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        say("cannot write the trace to %s: %s", o->trace_file ? o->trace_file : "standard error",
            strerror(errno));
        exit(EXIT_NOAHV);
    }
    return fd;
}

static int run_loop(struct noahv_vm *vm, struct noahv_hart *h, const struct options *o)
{
    pid_t first = o->stats ? getpid() : 0;
    struct noahv_exit x;
    int r = noahv_linux_run(h, &x);

    if (r < 0) {
        say("%s", noahv_last_error(vm));
        return EXIT_NOAHV;
    }
    if (o->stats && getpid() == first)
        print_stats(h);
    if (x.u.halt.signal)
        die_of(x.u.halt.signal);
    return x.u.halt.status;
}

static int exec_status(int err)
{
    if (err == -EINVAL || err == -ENOMEM)
        return EXIT_NOAHV;
    return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* Loads the program: 0 with its hart, or an exit status. */
static int load_program(const struct options *o, struct noahv_vm *vm, int trace_fd, struct noahv_hart **h)
{
    struct noahv_linux_config cfg;
    char **env = env_build(o);
    int r;

    noahv_linux_config_init(&cfg);
    cfg.path = o->prog[0];
    if (o->argv0)
        o->prog[0] = (char *)o->argv0;
    cfg.search = getenv("PATH");
    cfg.root = o->root;
    cfg.workdir = o->workdir;
    cfg.argv = o->prog;
    cfg.envp = env;
    cfg.no_aslr = o->no_aslr;
    cfg.trace_fd = trace_fd;
    cfg.trace_follow = o->follow;
    cfg.trace_filter = o->trace_filter;
    cfg.policy = o->policy;
    r = noahv_linux_exec(vm, &cfg, h);
    free(env);
    if (r == 0)
        return 0;
    say("%s", noahv_last_error(vm));
    return exec_status(r);
}

static int run_program(const struct options *o)
{
    struct noahv_config cfg;
    struct noahv_vm *vm;
    struct noahv_hart *h;
    int trace_fd = open_trace(o), status; /* FILE as the shell would find it: before -w */

    noahv_config_init(&cfg);
    cfg.stats = o->stats;
    cfg.engine = o->engine;
    cfg.harden = o->harden;
    cfg.perf_map = o->perf_map;
    cfg.eager = o->eager;
    if (noahv_vm_create(&cfg, &vm) < 0) {
        say("%s", noahv_last_error(NULL));
        return EXIT_NOAHV;
    }
    status = load_program(o, vm, trace_fd, &h);
    return status ? status : run_loop(vm, h, o);
}

static int run_boxed(void *opaque)
{
    return run_program(opaque);
}

/* The same in a box: this process waits, and dies as the program did. */
static int run_box(struct options *o)
{
    struct audit audit = { .policy = o->policy, .most = o->max_calls, .listener = -1 };
    int sig, status;

    if (o->audit)
        noahv_policy_audit(o->policy);
    status = box_run(o->policy, o->audit ? &audit : NULL, run_boxed, o, &sig);

    noahv_policy_destroy(o->policy);
    if (sig)
        die_of(sig);
    return status;
}

/* Begins where `noahv run` would. */
static void learn_here(struct noahv_policy *p)
{
    char *here = getcwd(NULL, 0);

    if (here)
        noahv_policy_set(p, "workdir", here);
    free(here);
}

/* The command that runs the program again: its environment, itself, its arguments. */
static char **command_of(const struct options *o)
{
    size_t n = env_count(o->prog), k = 0;
    char **command = calloc(2 * o->nr_set + n + 1, sizeof *command);

    for (size_t i = 0; command && i < o->nr_set; i++) {
        command[k++] = (char *)"-e";
        command[k++] = o->set[i];
    }
    for (size_t i = 0; command && i < n; i++)
        command[k++] = o->prog[i];
    return command;
}

/* A box that grants all, and then a policy. */
static int run_learner(struct options *o)
{
    char **command = command_of(o);
    int sig = 0, status = policy_learn_open(&o->learn);
    struct timespec start, end;

    clock_gettime(CLOCK_MONOTONIC, &start);
    if (status == 0 && command) {
        status = box_run(o->policy, NULL, run_boxed, o, &sig);
        clock_gettime(CLOCK_MONOTONIC, &end);
        status =
            policy_learn_write(&o->learn, o->policy, command, (unsigned)(end.tv_sec - start.tv_sec), status);
    } else if (status == 0) {
        say("out of memory");
        status = EXIT_NOAHV;
    }
    free(command);
    noahv_policy_destroy(o->policy);
    if (sig && status != EXIT_NOAHV)
        die_of(sig);
    return status;
}

/* --- policy ----------------------------------------------------------------------------------------------- */

/* check, explain, and what is neither: an exit status. */
static int policy_command(int argc, char **argv)
{
    const char *word = argc > 2 ? argv[2] : "";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        print_help();
    if (strcmp(word, "check") == 0 && (argc == 4 || argc == 5))
        return policy_check(argv[3], argc == 5 ? argv[4] : NULL);
    if (strcmp(word, "explain") == 0 && argc >= 4 && argc <= 6)
        return policy_explain(argv[3], argc > 4 ? argv[4] : NULL, argc > 5 ? argv[5] : NULL);
    say("noahv policy: learn [OPTIONS] PROG, check FILE [RECORD], or explain FILE CALL [OBJECT]");
    usage_error();
}

/* --- compat ----------------------------------------------------------------------------------------------- */

static void print_call(void *opaque, int nr, const char *name, const char *class_name, const char *level)
{
    (void)opaque;
    printf("| %d | %s | %s | %s |\n", nr, name, class_name, level);
}

static void print_limits(void *opaque, int nr, const char *name, const char *class_name, const char *level)
{
    const char *text = noahv_linux_limits(nr);

    (void)opaque;
    (void)class_name;
    (void)level;
    if (text)
        printf("- `%s`: %s.\n", name, text);
}

static int compat(void)
{
    puts("| nr | call | class | level |\n|---|---|---|---|");
    noahv_linux_syscalls(print_call, NULL);
    puts("\n## Limits\n");
    noahv_linux_syscalls(print_limits, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = { .max_calls = -1 };
    const char *word = argc > 1 ? argv[1] : "";
    struct noahv_vm *vm;
    struct noahv_hart *h;
    int status = noahv_linux_resume(argc, argv, &vm, &h);

    if (status < 0)
        say("cannot go on after execve in a process that shared its memory: %s", strerror(-status));
    if (status)
        return status < 0 ? EXIT_NOAHV : run_loop(vm, h, &o);

    if (strcmp(word, "compat") == 0)
        return compat();
    if (strcmp(word, "doctor") == 0)
        return box_doctor();
    if (overlay_command(word))
        return overlay_main(argc - 1, argv + 1);
    o.learns = strcmp(word, "policy") == 0 && argc > 2 && strcmp(argv[2], "learn") == 0;
    if (strcmp(word, "policy") == 0 && !o.learns)
        return policy_command(argc, argv);
    if (strcmp(word, "run") == 0 || strcmp(word, "trace") == 0 || strcmp(word, "box") == 0 ||
        strcmp(word, "audit") == 0 || o.learns) {
        o.trace = word[0] == 't';
        o.audit = word[0] == 'a';
        if ((word[0] == 'b' || o.audit) && noahv_policy_create(&o.policy) < 0)
            say("out of memory");
        else if (o.learns && (o.policy = policy_learner()))
            learn_here(o.policy);
        if ((word[0] == 'b' || o.audit || o.learns) && !o.policy)
            return EXIT_NOAHV;
        argv[1 + o.learns] = argv[0];
        argv += 1 + o.learns;
        argc -= 1 + o.learns;
    }
    parse(&o, argc, argv);
    noahv_set_log(o.quiet ? drop_line : NULL, NULL, (enum noahv_log)o.log);
    status = o.learns ? run_learner(&o) : o.policy ? run_box(&o) : run_program(&o);
    free(o.set);
    return status;
}
