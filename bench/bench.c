/*
 * Compares one machine's three ways to run the same source: compiled for it, under qemu-riscv64, under noahv.
 * Rounds are interleaved so that a disturbance hits all three alike; what counts is the median of user plus
 * system time, of a process and of those that it waited for, and what they print must agree. Writes
 * build/bench.csv, build/bench.svg and the table in README.md. Usage: bench ROUNDS NOAHV [SCALE]. It does not
 * judge: no figure makes it fail. A row whose program has not been built is left out.
 */
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 101
#define ARGS_MAX 16
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum machine { NATIVE, QEMU, NOAHV, NR_MACHINES };

static const char *const machine_name[NR_MACHINES] = { "native", "qemu-riscv64", "noahv" };
static const char *const colour[NR_MACHINES] = { "#888888", "#d08030", "#3070c0" };

enum group { KERNEL, PROGRAM, SHORT, SINGLE };
enum measure { CPU_MS, PEAK_MIB, PRINTED_NS, PRINTED_GAIN };

static const char *const unit[] = { "ms", "MiB", "ns", "x" };

/*
 * Arguments: words between blanks. %s is the scale, %p the program itself, %l what a program that starts others puts
 * in front of them: qemu-riscv64 there, and nothing elsewhere. @FILE: once for every line of it, all counted
 * together.
 */
static const struct row {
    enum group group;
    enum measure measure;
    const char *program, *label, *arguments;
} row[] = {
    { KERNEL, CPU_MS, "integer", "integer mix (lists, matrix, scanner, CRC)", "%s" },
    { KERNEL, CPU_MS, "sha256", "SHA-256", "%s" },
    { KERNEL, CPU_MS, "sorting", "sorting", "%s" },
    { KERNEL, CPU_MS, "nbody", "n-body (double)", "%s" },
    { KERNEL, CPU_MS, "matmul", "matrix product (double)", "%s" },
    { KERNEL, CPU_MS, "mandel", "Mandelbrot (float)", "%s" },
    { KERNEL, CPU_MS, "bytecode", "bytecode interpreter", "%s" },
    { KERNEL, CPU_MS, "calls", "recursive calls", "%s" },
    { KERNEL, CPU_MS, "indirect", "indirect calls", "%s" },
    { KERNEL, CPU_MS, "hashing", "hash table beyond the caches", "%s" },
    { KERNEL, CPU_MS, "text", "string functions", "%s" },
    { KERNEL, CPU_MS, "codegen", "code made at run time", "%s" },
    { PROGRAM, CPU_MS, "sqlite3", "SQLite", "-init bench/programs/work.sql :memory: .exit" },
    { PROGRAM, CPU_MS, "lua", "Lua", "bench/programs/work.lua 20" },
    { PROGRAM, CPU_MS, "qjs", "QuickJS", "bench/programs/work.js 20" },
    { PROGRAM, CPU_MS, "zstd", "zstd -5 (native: SSE2, BMI2)", "-q -5 -c build/bench/corpus" },
    { PROGRAM, CPU_MS, "zstd", "zstd -d (native: BMI2)", "-q -t build/bench/corpus.zst" },
    { PROGRAM, CPU_MS, "bzip2", "bzip2", "-c build/bench/corpus" },
    { SHORT, CPU_MS, "micro", "static hello", "hello" },
    { SHORT, CPU_MS, "busybox", "40 busybox applets, one by one", "@bench/programs/applets.txt" },
    { SHORT, CPU_MS, "busybox", "busybox sh: 250 forks", "sh bench/programs/fork.sh" },
    { SHORT, CPU_MS, "busybox", "busybox sh: 100 programs", "sh bench/programs/exec.sh %l %p" },
    { SINGLE, PEAK_MIB, "micro", "static hello: peak memory", "hello" },
    { SINGLE, PRINTED_NS, "micro", "system call (getppid)", "getppid" },
    { SINGLE, PRINTED_NS, "micro", "pipe round trip, two processes", "pipe" },
    { SINGLE, PRINTED_NS, "micro", "fork, exec, wait", "fork %l %p nothing" },
    { SINGLE, PRINTED_NS, "micro", "first touch of a page", "fault" },
    { SINGLE, PRINTED_GAIN, "micro", "two threads at once, over one after the other (by the clock)",
      "threads" },
};

static bool absent[COUNT(row)];               /* not built: left out */
static double value[COUNT(row)][NR_MACHINES]; /* medians; NAN: could not be run */
static double sample[COUNT(row)][NR_MACHINES][ROUNDS_MAX];
static const char *noahv = "./noahv";
static const char *scale = "10";
static int rounds;

extern char **environ;

static void fail(const char *what)
{
    fprintf(stderr, "noahv: bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* What a run is worth: its cost and its output. */
struct result {
    double cpu_ms, peak_mib, printed;
    uint64_t hash; /* of all that it wrote to stdout: FNV-1a */
};

static void hash_output(struct result *r, const char *at, size_t n)
{
    while (n--)
        r->hash = (r->hash ^ (unsigned char)*at++) * UINT64_C(1099511628211);
}

/* Reads what a program writes, to its end. */
static void collect(int fd, struct result *r)
{
    char buf[1 << 16];
    bool first = true;
    ssize_t got;

    while ((got = read(fd, buf, sizeof(buf) - 1)) > 0) {
        hash_output(r, buf, (size_t)got);
        buf[got] = 0;
        if (first)
            r->printed = strtod(buf, NULL);
        first = false;
    }
}

/* Runs a program to its end and adds it to `r`; false if it did not exit with 0. */
static bool run(char *const argv[], struct result *r)
{
    posix_spawn_file_actions_t actions;
    int fd[2], status = -1, err;
    struct rusage use;
    pid_t pid;

    if (pipe(fd))
        fail("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
    posix_spawn_file_actions_addclose(&actions, fd[0]);
    posix_spawn_file_actions_addclose(&actions, fd[1]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fd[1]);
    if (!err)
        collect(fd[0], r);
    close(fd[0]);
    if (err || wait4(pid, &status, 0, &use) != pid || status != 0)
        return false;
    r->peak_mib = (double)use.ru_maxrss / 1024;
    r->cpu_ms += (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
    return true;
}

static void program_path(const struct row *r, enum machine m, char *path, size_t cap)
{
    snprintf(path, cap, "build/bench/%s/%s", m == NATIVE ? "native" : "riscv64", r->program);
}

/* Runs the row's program with these arguments, which are cut into words. */
static bool run_with(const struct row *r, enum machine m, const char *arguments, struct result *result)
{
    char path[128], words[1024], *argv[ARGS_MAX + 1], *rest = words, *word;
    int n = 0;

    program_path(r, m, path, sizeof(path));
    snprintf(words, sizeof(words), "%s", arguments);
    if (m != NATIVE)
        argv[n++] = (char *)(uintptr_t)(m == QEMU ? "qemu-riscv64" : noahv);
    argv[n++] = path;
    while (n < ARGS_MAX && (word = strsep(&rest, " \n"))) {
        if (strcmp(word, "%s") == 0)
            argv[n++] = (char *)(uintptr_t)scale;
        else if (strcmp(word, "%p") == 0)
            argv[n++] = path;
        else if (strcmp(word, "%l") != 0)
            argv[n++] = word;
        else if (m == QEMU)
            argv[n++] = (char *)(uintptr_t) "qemu-riscv64";
    }
    argv[n] = NULL;
    return run(argv, result);
}

static bool run_lines(const struct row *r, enum machine m, const char *file, struct result *result)
{
    FILE *f = fopen(file, "r");
    bool good = f != NULL;
    char line[512];

    while (good && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = 0;
        good = run_with(r, m, line, result);
    }
    if (f)
        fclose(f);
    return good;
}

/* One sample; NAN where the machine cannot run it. `hash` is that of the output so far, or 0. */
static double take(const struct row *r, enum machine m, uint64_t *hash)
{
    struct result result = { .hash = UINT64_C(14695981039346656037) };
    bool good;

    good = *r->arguments == '@' ? run_lines(r, m, r->arguments + 1, &result)
                                : run_with(r, m, r->arguments, &result);
    if (!good)
        return NAN;
    if (r->measure == PRINTED_NS || r->measure == PRINTED_GAIN)
        return result.printed;
    if (!*hash)
        *hash = result.hash;
    if (*hash != result.hash) {
        fprintf(stderr, "noahv: bench: %s (%s) on %s prints something else\n", r->label, r->program,
                machine_name[m]);
        exit(1);
    }
    return r->measure == PEAK_MIB ? result.peak_mib : result.cpu_ms;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v)
{
    for (int i = 0; i < rounds; i++)
        if (isnan(v[i]))
            return NAN;
    qsort(v, (size_t)rounds, sizeof(*v), by_value);
    return rounds & 1 ? v[rounds / 2] : (v[rounds / 2 - 1] + v[rounds / 2]) / 2;
}

static void find_programs(void)
{
    char path[128];

    for (int i = 0; i < COUNT(row); i++)
        for (int m = 0; m < NR_MACHINES; m++) {
            program_path(&row[i], (enum machine)m, path, sizeof(path));
            absent[i] |= access(path, X_OK) != 0;
        }
}

static void measure(void)
{
    static uint64_t hash[COUNT(row)];

    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < COUNT(row); i++) {
            if (absent[i])
                continue;
            if (isatty(2))
                fprintf(stderr, "\r  round %d of %d: %-45s", round + 1, rounds, row[i].label);
            for (int m = 0; m < NR_MACHINES; m++)
                sample[i][m][round] = take(&row[i], (enum machine)m, &hash[i]);
        }
    if (isatty(2))
        fprintf(stderr, "\r%70s\r", "");
    for (int i = 0; i < COUNT(row); i++)
        for (int m = 0; m < NR_MACHINES; m++) {
            value[i][m] = median(sample[i][m]);
            if (isnan(value[i][m]))
                fprintf(stderr, "noahv: bench: %s (%s) fails on %s\n", row[i].label, row[i].program,
                        machine_name[m]);
        }
}

/* --- Reports ------------------------------------------------------------------------------------------ */

static bool is_work(int i)
{
    return !absent[i] && (row[i].group == KERNEL || row[i].group == PROGRAM);
}

/* Geometric mean over a group of a's time over b's; NAN if it has no row. */
static double mean_ratio(enum group group, enum machine a, enum machine b)
{
    double sum = 0;
    int n = 0;

    for (int i = 0; i < COUNT(row); i++)
        if (row[i].group == group && !absent[i]) {
            sum += log(value[i][a] / value[i][b]);
            n++;
        }
    return exp(sum / n);
}

static const char *number(char *at, size_t cap, double v, const char *suffix)
{
    if (isnan(v))
        snprintf(at, cap, "n/a");
    else
        snprintf(at, cap, v < 10 ? "%.2f%s" : v < 100 ? "%.1f%s" : "%.0f%s", v, suffix);
    return at;
}

static void write_row(FILE *f, int i)
{
    char a[32], b[32], c[32], d[32] = "", e[32] = "";
    const double *v = value[i];

    if (row[i].measure != PRINTED_GAIN) { /* a gain is a ratio already, and more of it is better */
        number(d, sizeof(d), v[NOAHV] / v[NATIVE], "x");
        number(e, sizeof(e), v[QEMU] / v[NOAHV], "x");
    }
    fprintf(f, "| %s | %s | %s | %s | %s | %s | %s |\n", row[i].label, unit[row[i].measure],
            number(a, sizeof(a), v[NATIVE], ""), number(b, sizeof(b), v[QEMU], ""),
            number(c, sizeof(c), v[NOAHV], ""), d, e);
}

/* A Markdown table, group by group; also what the terminal shows. */
static void write_table(FILE *f)
{
    static const struct {
        enum group group;
        const char *head, *mean;
    } part[] = { { KERNEL, "Kernels", "of the kernels" },
                 { PROGRAM, "Programs", "of the programs" },
                 { SHORT, "Short runs: start, translate, end", "of the short runs" },
                 { SINGLE, "Single costs", NULL } };
    char a[32], b[32];

    fprintf(f, "| | unit | native | qemu-riscv64 | noahv | noahv / native | qemu / noahv |\n");
    fprintf(f, "|---|---|---:|---:|---:|---:|---:|\n");
    for (int p = 0; p < COUNT(part); p++) {
        double mean = mean_ratio(part[p].group, NOAHV, NATIVE);

        if (isnan(mean))
            continue;
        fprintf(f, "| *%s* | | | | | | |\n", part[p].head);
        for (int i = 0; i < COUNT(row); i++)
            if (row[i].group == part[p].group && !absent[i])
                write_row(f, i);
        if (part[p].mean)
            fprintf(f, "| **geometric mean %s** | | | | | **%s** | **%s** |\n", part[p].mean,
                    number(a, sizeof(a), mean, "x"),
                    number(b, sizeof(b), mean_ratio(part[p].group, QEMU, NOAHV), "x"));
    }
}

static void write_csv(FILE *f)
{
    fprintf(f, "row,unit,machine,round,value\n");
    for (int i = 0; i < COUNT(row); i++)
        for (int m = 0; m < NR_MACHINES && !absent[i]; m++)
            for (int r = 0; r < rounds; r++)
                fprintf(f, "\"%s\",%s,%s,%d,%.6g\n", row[i].label, unit[row[i].measure], machine_name[m], r,
                        sample[i][m][r]);
}

/* Bars of time relative to native, on a logarithmic axis from 1x to 1000x; one group per workload. */
static void write_svg(FILE *f)
{
    const int left = 290, width = 420, bar = 9, group = 34, top = 40;
    int y = top, height = top + 30;

    for (int i = 0; i < COUNT(row); i++)
        height += is_work(i) ? group : 0;
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            left + width + 60, height);
    fprintf(f,
            "<text x=\"%d\" y=\"18\">CPU time relative to native (logarithmic; shorter is better)</text>\n",
            left);
    for (int m = QEMU; m < NR_MACHINES; m++)
        fprintf(f, "<text x=\"10\" y=\"%d\" fill=\"%s\">%s</text>\n", 3 + m * 15, colour[m], machine_name[m]);
    for (int e = 0; e <= 3; e++)
        fprintf(f,
                "<line x1=\"%1$d\" x2=\"%1$d\" y1=\"%2$d\" y2=\"%3$d\" stroke=\"#ccc\"/>"
                "<text x=\"%1$d\" y=\"%4$d\" text-anchor=\"middle\">%5$gx</text>\n",
                left + e * width / 3, top - 6, height - 26, height - 10, pow(10, e));
    for (int i = 0; i < COUNT(row); i++) {
        if (!is_work(i))
            continue;
        fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left - 8, y + 14, row[i].label);
        for (int m = QEMU; m < NR_MACHINES; m++) {
            double ratio = value[i][m] / value[i][NATIVE];
            double w = isnan(ratio) || ratio < 1 ? 1 : log10(ratio) * width / 3;

            fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", left,
                    y + (m - QEMU) * (bar + 2), w, bar, colour[m]);
            fprintf(f, "<text x=\"%.1f\" y=\"%d\" font-size=\"9\">%.1fx</text>\n", left + w + 4,
                    y + (m - QEMU) * (bar + 2) + 8, ratio);
        }
        y += group;
    }
    fprintf(f, "</svg>\n");
}

static void write_head(FILE *f)
{
    char date[32], cpu[128] = "unknown processor", line[256];
    struct utsname u;
    time_t now = time(NULL);
    struct tm tm;
    FILE *info = fopen("/proc/cpuinfo", "r");

    while (info && fgets(line, sizeof(line), info))
        if (sscanf(line, "model name : %127[^\n]", cpu) == 1)
            break;
    if (info)
        fclose(info);
    uname(&u);
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &tm));
    fprintf(f, "%s, %ld CPUs, Linux %s, %s; medians of %d rounds.\n\n", cpu, sysconf(_SC_NPROCESSORS_ONLN),
            u.release, date, rounds);
}

/* Replaces what stands between the two marker lines of README.md. */
static void splice_readme(const char *table)
{
    static const char begin[] = "<!-- bench -->\n", end[] = "<!-- /bench -->\n";
    static char text[1 << 18];
    FILE *f = fopen("README.md", "r");
    char *from, *to;

    if (!f)
        fail("README.md");
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    from = strstr(text, begin);
    to = from ? strstr(from, end) : NULL;
    if (!to) {
        fprintf(stderr, "noahv: bench: README.md has lost its <!-- bench --> markers\n");
        return;
    }
    f = fopen("README.md", "w");
    if (!f)
        fail("README.md");
    fprintf(f, "%.*s%s%s", (int)(from - text + (long)strlen(begin)), text, table, to);
    fclose(f);
}

static void write_file(const char *path, void (*writer)(FILE *))
{
    FILE *f = fopen(path, "w");

    if (!f)
        fail(path);
    writer(f);
    fclose(f);
}

int main(int argc, char **argv)
{
    char *table;
    size_t len;
    FILE *f;

    rounds = argc > 1 ? atoi(argv[1]) : 5;
    if (argc > 2)
        noahv = argv[2];
    if (argc > 3)
        scale = argv[3];
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "noahv: bench: ROUNDS is 1 to %d\n", ROUNDS_MAX);
        return 125;
    }
    find_programs();
    measure();
    f = open_memstream(&table, &len);
    if (!f)
        fail("memory");
    write_head(f);
    write_table(f);
    fclose(f);
    fputs(table, stdout);
    write_file("build/bench.csv", write_csv);
    write_file("build/bench.svg", write_svg);
    splice_readme(table);
    free(table);
    return 0;
}
