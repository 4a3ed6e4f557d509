/*
 * The map for perf(1): every byte of generated code has one name, also when code has been forgotten, a hart has gone or
 * the process has forked; and whatever happens to the file, the guest runs on. Names from ELF files: run-cli.sh.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "jit/internal.h"
#include "jit/jit.h"
#include "rig.h"

enum { A0 = 10, A1, MAX_ENTRIES = 500 };

static struct entry {
    uint64_t at, size;
    char name[100];
} entry[MAX_ENTRIES];
static size_t nr_entries;

static char path[64], target[80], message[256];
static unsigned nr_messages;

static void catch_line(void *opaque, enum log_level level, const char *text)
{
    (void)opaque;
    (void)level;
    snprintf(message, sizeof message, "%s", text);
    nr_messages++;
}

static int by_address(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

/* Reads this process's map as perf does. */
static void read_map(void)
{
    FILE *f;

    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s is not there", path);
    nr_entries = 0;
    for (;;) {
        struct entry *e = &entry[nr_entries];
        unsigned long long at, size;
        int n = fscanf(f, "%llx %llx %99[^\n]\n", &at, &size, e->name);

        if (n == EOF)
            break;
        ck_assert_int_eq(n, 3);
        e->at = at;
        e->size = size;
        ck_assert_uint_lt(++nr_entries, MAX_ENTRIES);
    }
    ck_assert(feof(f));
    fclose(f);
    qsort(entry, nr_entries, sizeof entry[0], by_address);
    for (size_t k = 1; k < nr_entries; k++)
        ck_assert_msg(entry[k - 1].at + entry[k - 1].size <= entry[k].at, "%s overlaps %s", entry[k - 1].name,
                      entry[k].name);
}

static const struct entry *find(uint64_t at)
{
    for (size_t k = 0; k < nr_entries; k++)
        if (at - entry[k].at < entry[k].size)
            return &entry[k];
    return NULL;
}

/* All that the hart can run now is named, but for what aligns blocks. */
static void check_cover(void)
{
    const struct jit *j = rig_hart.jit.state;
    unsigned unnamed = 0;

    read_map();
    for (const uint8_t *at = j->enter; at < j->code.rx + j->code.used; at++) {
        unnamed = find((uint64_t)(uintptr_t)at) ? 0 : unnamed + 1;
        ck_assert_msg(unnamed < 16, "no name for %p", (const void *)at);
    }
    ck_assert_str_eq(find((uint64_t)(uintptr_t)j->enter)->name, "enter [noahv]");
    ck_assert_str_eq(find((uint64_t)(uintptr_t)j->retmiss)->name, "retmiss [noahv]");
}

/* Two blocks, one at RIG_TEXT, which adds n. */
static void run(int n)
{
    RIG_CODE(RIG_TEXT, RIG_INSN(addi, .rd = A0, .rs1 = A0, .imm = n), RIG_INSN(jal, .imm = 8), RIG_ECALL,
             RIG_INSN(mulhsu, .rd = A0, .rs1 = A0, .rs2 = A1), RIG_ECALL);
    rig_hart.pc = RIG_TEXT;
    ck_assert_int_eq(jit_run(&rig_hart), ENGINE_TRAP);
    ck_assert_uint_eq(rig_hart.trap.scause, CAUSE_ECALL_VU);
}

static void begin(void)
{
    rig_hart.jit.options = JIT_PERF_MAP;
    ck_assert_int_eq(jit_perf_map_begin(), 0);
}

START_TEST(all_code_has_a_name)
{
    begin();
    run(1);
    check_cover();
    rig_hart.pc = RIG_TEXT;
    ck_assert_str_eq(find((uint64_t)(uintptr_t)jit_block(&rig_hart))->name, "0x10000 [anon]");
    rig_hart.pc = RIG_TEXT + 12;
    ck_assert_str_eq(find((uint64_t)(uintptr_t)jit_block(&rig_hart))->name, "0x1000c [anon]");
}
END_TEST

START_TEST(names_survive_a_flush)
{
    const uint8_t *code;
    size_t n;

    begin();
    run(1);
    rig_hart.pc = RIG_TEXT;
    code = jit_block(&rig_hart);
    read_map();
    n = nr_entries;
    for (int k = 0; k < 3; k++) { /* all is forgotten; then one block, which has changed */
        jit_baseline(&rig_hart);
        run(1);
        check_cover();
        ck_assert_uint_eq(nr_entries, n += 2);
    }
    run(2); /* still the old one, without FENCE.I */
    read_map();
    ck_assert_uint_eq(nr_entries, n);
    jit_flush(&rig_hart);
    run(2);
    check_cover();
    ck_assert_uint_eq(nr_entries, n + 1);
    ck_assert_str_eq(find((uint64_t)(uintptr_t)code)->name, "0x10000 [anon]");
}
END_TEST

/* Another hart in place of the first: its code lies elsewhere. */
START_TEST(names_survive_their_hart)
{
    const uint8_t *code;

    begin();
    for (int k = 0; k < 3; k++) {
        run(1);
        check_cover();
        code = ((struct jit *)rig_hart.jit.state)->enter;
        jit_free(&rig_hart);
        read_map();
        ck_assert_str_eq(find((uint64_t)(uintptr_t)code)->name, "enter [noahv]");
    }
}
END_TEST

START_TEST(a_child_has_its_own)
{
    int status;
    size_t n;
    pid_t pid;

    begin();
    run(1);
    read_map();
    n = nr_entries;
    pid = fork();
    if (pid == 0) {
        jit_forked(&rig_hart);
        run(1);
        check_cover();
        unlink(path);
        _exit(nr_entries == n ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    run(1);
    check_cover();
    ck_assert_uint_eq(nr_entries, n);
}
END_TEST

START_TEST(an_old_map_is_replaced)
{
    FILE *f;

    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    f = fopen(path, "w");
    fputs("0 ffffffffffffffff everything\n", f);
    fclose(f);
    begin();
    run(1);
    check_cover();
}
END_TEST

/* Not written through a link that somebody puts there, nor beyond the guest's limit, nor where it is gone. */
static void spoil_link(void)
{
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink(target, path), 0);
}

static void spoil_limit(void)
{
    enum { FULL = 1 << 20 }; /* Check has a file too, a smaller one */

    ck_assert_int_eq(truncate(path, FULL), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ FULL + 10, FULL + 10 }), 0);
}

static void spoil_removed(void)
{
    ck_assert_int_eq(unlink(path), 0);
}

static void (*const spoil[])(void) = { spoil_link, spoil_limit, spoil_removed };

START_TEST(the_guest_runs_without)
{
    struct stat st;

    begin();
    run(1);
    read_map();
    snprintf(target, sizeof target, "%s.target", path);
    spoil[_i]();
    log_set_sink(catch_line, NULL);
    jit_baseline(&rig_hart);
    run(1);
    jit_baseline(&rig_hart);
    run(1);
    log_set_sink(NULL, NULL);
    ck_assert_uint_eq(nr_messages, 1);
    ck_assert(strncmp(message, path, strlen(path)) == 0);
    ck_assert_int_ne(lstat(target, &st), 0);
}
END_TEST

START_TEST(nothing_is_written_unasked)
{
    struct stat st;

    run(1);
    ck_assert_ptr_null(((struct jit *)rig_hart.jit.state)->symbols);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

static void teardown(void)
{
    unlink(path);
    jit_free(&rig_hart);
    rig_teardown();
}

int main(void)
{
    TCase *tc = tcase_create("perfmap");

    tcase_add_checked_fixture(tc, rig_setup, teardown);
    tcase_add_test(tc, all_code_has_a_name);
    tcase_add_test(tc, names_survive_a_flush);
    tcase_add_test(tc, names_survive_their_hart);
    tcase_add_test(tc, a_child_has_its_own);
    tcase_add_test(tc, an_old_map_is_replaced);
    tcase_add_loop_test(tc, the_guest_runs_without, 0, (int)ARRAY_SIZE(spoil));
    tcase_add_test(tc, nothing_is_written_unasked);
    return rig_main(tc, "perfmap");
}
