/*
 * Compares one machine's three ways to run the same source: compiled for it, under qemu-riscv64, under noahv.
 * Rounds are interleaved so that a disturbance hits all three alike; what counts is the median of user plus
 * system time, and the checksums must agree. Writes build/bench.csv, build/bench.svg and the table in
 * README.md. Usage: bench ROUNDS NOAHV [SCALE]. It does not judge: no figure makes it fail.
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
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum machine { NATIVE, QEMU, NOAHV, NR_MACHINES };

static const char *const machine_name[NR_MACHINES] = { "native", "qemu-riscv64", "noahv" };
static const char *const colour[NR_MACHINES] = { "#888888", "#d08030", "#3070c0" };

enum measure { CPU_MS, PEAK_MIB, PRINTED };

static struct row {
    const char *program, *argument, *label, *unit;
    enum measure measure;
    double median[NR_MACHINES]; /* NAN: could not be run */
} row[] = {
    { "integer", NULL, "integer mix (lists, matrix, scanner, CRC)", "ms", CPU_MS, { 0 } },
    { "sha256", NULL, "SHA-256", "ms", CPU_MS, { 0 } },
    { "sorting", NULL, "sorting", "ms", CPU_MS, { 0 } },
    { "nbody", NULL, "n-body (double)", "ms", CPU_MS, { 0 } },
    { "matmul", NULL, "matrix product (double)", "ms", CPU_MS, { 0 } },
    { "mandel", NULL, "Mandelbrot (float)", "ms", CPU_MS, { 0 } },
    { "bytecode", NULL, "bytecode interpreter", "ms", CPU_MS, { 0 } },
    { "calls", NULL, "recursive calls", "ms", CPU_MS, { 0 } },
    { "indirect", NULL, "indirect calls", "ms", CPU_MS, { 0 } },
    { "hashing", NULL, "hash table beyond the caches", "ms", CPU_MS, { 0 } },
    { "text", NULL, "string functions", "ms", CPU_MS, { 0 } },
    { "micro", "hello", "static hello: start to end", "ms", CPU_MS, { 0 } },
    { "micro", "hello", "static hello: peak memory", "MiB", PEAK_MIB, { 0 } },
    { "micro", "getppid", "system call (getppid)", "ns", PRINTED, { 0 } },
    { "micro", "pipe", "pipe round trip, two processes", "ns", PRINTED, { 0 } },
    { "micro", "fork", "fork, exec, wait", "ns", PRINTED, { 0 } },
    { "micro", "fault", "first touch of a page", "ns", PRINTED, { 0 } },
};

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

/* Runs a program to its end with stdout in `out`; false if it did not exit with 0. */
static bool run(char *const argv[], char *out, size_t cap, struct rusage *use)
{
    posix_spawn_file_actions_t actions;
    int fd[2], status = -1, err;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    if (pipe(fd))
        fail("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
    posix_spawn_file_actions_addclose(&actions, fd[0]);
    posix_spawn_file_actions_addclose(&actions, fd[1]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fd[1]);
    while (!err && n < cap - 1 && (got = read(fd[0], out + n, cap - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = 0;
    close(fd[0]);
    return !err && wait4(pid, &status, 0, use) == pid && status == 0;
}

/* One sample; NAN where the machine cannot run it. `sum` is the checksum so far, or empty. */
static double take(const struct row *r, enum machine m, char *sum, size_t cap)
{
    char path[128], out[256], *argv[4];
    struct rusage use;
    int n = 0;

    snprintf(path, sizeof(path), "build/bench/%s/%s", m == NATIVE ? "native" : "riscv64", r->program);
    if (m != NATIVE)
        argv[n++] = (char *)(uintptr_t)(m == QEMU ? "qemu-riscv64" : noahv);
    argv[n++] = path;
    argv[n++] = (char *)(uintptr_t)(r->argument ? r->argument : scale);
    argv[n] = NULL;
    if (!run(argv, out, sizeof(out), &use))
        return NAN;
    if (r->measure == PRINTED)
        return strtod(out, NULL);
    if (!*sum)
        snprintf(sum, cap, "%s", out);
    if (strcmp(sum, out)) {
        fprintf(stderr, "noahv: bench: %s on %s prints another checksum: %s", r->program, machine_name[m],
                out);
        exit(1);
    }
    if (r->measure == PEAK_MIB)
        return (double)use.ru_maxrss / 1024;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
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

static void measure(void)
{
    static char sum[COUNT(row)][256];

    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < COUNT(row); i++) {
            if (isatty(2))
                fprintf(stderr, "\r  round %d of %d: %-45s", round + 1, rounds, row[i].label);
            for (int m = 0; m < NR_MACHINES; m++)
                sample[i][m][round] = take(&row[i], (enum machine)m, sum[i], sizeof(sum[i]));
        }
    if (isatty(2))
        fprintf(stderr, "\r%70s\r", "");
    for (int i = 0; i < COUNT(row); i++)
        for (int m = 0; m < NR_MACHINES; m++)
            row[i].median[m] = median(sample[i][m]);
}

/* --- Reports ------------------------------------------------------------------------------------------ */

static bool is_work(const struct row *r)
{
    return !r->argument;
}

/* Geometric mean over the workloads of a's time over b's. */
static double mean_ratio(enum machine a, enum machine b)
{
    double sum = 0;
    int n = 0;

    for (int i = 0; i < COUNT(row); i++)
        if (is_work(&row[i])) {
            sum += log(row[i].median[a] / row[i].median[b]);
            n++;
        }
    return exp(sum / n);
}

static const char *number(char *at, size_t cap, double v, const char *unit)
{
    if (isnan(v))
        snprintf(at, cap, "n/a");
    else
        snprintf(at, cap, v < 10 ? "%.2f%s" : v < 100 ? "%.1f%s" : "%.0f%s", v, unit);
    return at;
}

/* A Markdown table; also what the terminal shows. */
static void write_table(FILE *f)
{
    char a[32], b[32], c[32], d[32], e[32];

    fprintf(f, "| | unit | native | qemu-riscv64 | noahv | noahv / native | qemu / noahv |\n");
    fprintf(f, "|---|---|---:|---:|---:|---:|---:|\n");
    for (int i = 0; i < COUNT(row); i++) {
        const double *v = row[i].median;

        fprintf(f, "| %s | %s | %s | %s | %s | %s | %s |\n", row[i].label, row[i].unit,
                number(a, sizeof(a), v[NATIVE], ""), number(b, sizeof(b), v[QEMU], ""),
                number(c, sizeof(c), v[NOAHV], ""), number(d, sizeof(d), v[NOAHV] / v[NATIVE], "x"),
                number(e, sizeof(e), v[QEMU] / v[NOAHV], "x"));
    }
    fprintf(f, "| **geometric mean of the workloads** | | | | | %s | %s |\n",
            number(a, sizeof(a), mean_ratio(NOAHV, NATIVE), "x"),
            number(b, sizeof(b), mean_ratio(QEMU, NOAHV), "x"));
}

static void write_csv(FILE *f)
{
    fprintf(f, "row,unit,machine,round,value\n");
    for (int i = 0; i < COUNT(row); i++)
        for (int m = 0; m < NR_MACHINES; m++)
            for (int r = 0; r < rounds; r++)
                fprintf(f, "\"%s\",%s,%s,%d,%.6g\n", row[i].label, row[i].unit, machine_name[m], r,
                        sample[i][m][r]);
}

/* Bars of time relative to native, on a logarithmic axis from 1x to 1000x; one group per workload. */
static void write_svg(FILE *f)
{
    const int left = 290, width = 420, bar = 9, group = 34, top = 40;
    int y = top, height = top + 30;

    for (int i = 0; i < COUNT(row); i++)
        height += is_work(&row[i]) ? group : 0;
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
        if (!is_work(&row[i]))
            continue;
        fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left - 8, y + 14, row[i].label);
        for (int m = QEMU; m < NR_MACHINES; m++) {
            double ratio = row[i].median[m] / row[i].median[NATIVE];
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
