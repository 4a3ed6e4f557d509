/* Recovery: every kind and size of access, at every kind of page that refuses it; and what is not recovered. */
#include "mem/fault.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "mem/access.h"

enum place { READABLE, WRITABLE, HOLE, BEYOND_EOF, NR_PLACES };

static uint8_t *page[NR_PLACES];

static void setup(void)
{
    static const int prot[NR_PLACES] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE,
                                         PROT_READ | PROT_WRITE };
    int fd = memfd_create("short", 0);

    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < NR_PLACES; i++) {
        bool file = i == BEYOND_EOF;

        page[i] = mmap(NULL, PAGE_BYTES, prot[i], file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
                       file ? fd : -1, 0);
        ck_assert_ptr_ne(page[i], MAP_FAILED);
    }
    close(fd);
    memset(page[WRITABLE], 0x5a, PAGE_BYTES);
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
}

static bool do_load(int bytes, void *p, uint64_t *v)
{
    uint8_t b = 0;
    uint16_t h = 0;
    uint32_t w = 0;
    bool ok;

    switch (bytes) {
    case 1:
        ok = access_load8(p, &b);
        *v = b;
        return ok;
    case 2:
        ok = access_load16(p, &h);
        *v = h;
        return ok;
    case 4:
        ok = access_load32(p, &w);
        *v = w;
        return ok;
    default:
        return access_load64(p, v);
    }
}

static bool do_store(int bytes, void *p, uint64_t v)
{
    switch (bytes) {
    case 1:
        return access_store8(p, (uint8_t)v);
    case 2:
        return access_store16(p, (uint16_t)v);
    case 4:
        return access_store32(p, (uint32_t)v);
    default:
        return access_store64(p, v);
    }
}

static bool do_cas(int bytes, void *p, uint64_t *old, uint64_t desired, bool *done)
{
    uint32_t old32 = (uint32_t)*old;
    bool ok;

    if (bytes == 8)
        return access_cas64(p, old, desired, done);
    ok = access_cas32(p, &old32, (uint32_t)desired, done);
    *old = old32;
    return ok;
}

static void expect_fault(const void *p, int sig)
{
    ck_assert_uint_eq(access_fault.host, (uint64_t)(uintptr_t)p);
    ck_assert_int_eq(access_fault.signal, sig);
    access_fault = (struct access_fault){ 0 };
}

START_TEST(loads)
{
    int bytes = 1 << _i;
    uint64_t v = 0, all = UINT64_MAX >> (64 - 8 * bytes);
    uint8_t *at[NR_PLACES];

    for (int i = 0; i < NR_PLACES; i++)
        at[i] = page[i] + 64;
    ck_assert(do_load(bytes, at[WRITABLE], &v));
    ck_assert_uint_eq(v, 0x5a5a5a5a5a5a5a5a & all);
    ck_assert(do_load(bytes, at[READABLE], &v));
    ck_assert_uint_eq(v, 0);
    ck_assert(!do_load(bytes, at[HOLE], &v));
    expect_fault(at[HOLE], SIGSEGV);
    ck_assert(!do_load(bytes, at[BEYOND_EOF], &v));
    expect_fault(at[BEYOND_EOF], SIGBUS);
}
END_TEST

START_TEST(stores)
{
    int bytes = 1 << _i;
    uint64_t v = 0x1122334455667788, all = UINT64_MAX >> (64 - 8 * bytes), found = 0;

    ck_assert(do_store(bytes, page[WRITABLE] + 64, v));
    memcpy(&found, page[WRITABLE] + 64, 8);
    ck_assert_uint_eq(found, (v & all) | (0x5a5a5a5a5a5a5a5a & ~all));
    ck_assert(!do_store(bytes, page[READABLE] + 64, v));
    expect_fault(page[READABLE] + 64, SIGSEGV);
    ck_assert(!do_store(bytes, page[HOLE] + 64, v));
    expect_fault(page[HOLE] + 64, SIGSEGV);
    ck_assert(!do_store(bytes, page[BEYOND_EOF] + 64, v));
    expect_fault(page[BEYOND_EOF] + 64, SIGBUS);
}
END_TEST

START_TEST(compare_exchanges)
{
    int bytes = 4 << _i;
    uint64_t all = UINT64_MAX >> (64 - 8 * bytes), old = 1;
    bool done = true;

    ck_assert(do_cas(bytes, page[WRITABLE], &old, 7, &done));
    ck_assert(!done);
    ck_assert_uint_eq(old, 0x5a5a5a5a5a5a5a5a & all);
    ck_assert(do_cas(bytes, page[WRITABLE], &old, 7, &done));
    ck_assert(done);
    ck_assert(do_load(bytes, page[WRITABLE], &old));
    ck_assert_uint_eq(old, 7);
    for (int i = 0; i < NR_PLACES; i++) {
        if (i == WRITABLE)
            continue;
        old = 99;
        ck_assert(!do_cas(bytes, page[i] + 128, &old, 7, &done));
        ck_assert_uint_eq(old, 99);
        expect_fault(page[i] + 128, i == BEYOND_EOF ? SIGBUS : SIGSEGV);
    }
}
END_TEST

START_TEST(crossing_access_faults_at_the_second_page)
{
    uint8_t *two = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t v;

    ck_assert_ptr_ne(two, MAP_FAILED);
    ck_assert_int_eq(mprotect(two + PAGE_BYTES, PAGE_BYTES, PROT_NONE), 0);
    ck_assert(!access_load64(two + PAGE_BYTES - 3, &v));
    expect_fault(two + PAGE_BYTES, SIGSEGV);
    ck_assert(!access_store64(two + PAGE_BYTES - 3, UINT64_MAX));
    expect_fault(two + PAGE_BYTES, SIGSEGV);
    /* A refused store leaves the first page alone. */
    ck_assert_uint_eq(two[PAGE_BYTES - 3] | two[PAGE_BYTES - 2] | two[PAGE_BYTES - 1], 0);
}
END_TEST

START_TEST(non_canonical_address_is_recovered)
{
    uint64_t v;

    ck_assert(!access_load64((const void *)(uintptr_t)0x8000000000000000, &v));
    ck_assert_int_eq(access_fault.signal, SIGSEGV);
}
END_TEST

static void *fault_many(void *arg)
{
    uint8_t *p = page[HOLE] + (uintptr_t)arg, v;

    if (fault_thread_init() || fault_thread_init())
        return NULL;
    for (int i = 0; i < 2000; i++)
        if (access_load8(p, &v) || access_fault.host != (uint64_t)(uintptr_t)p)
            return NULL;
    fault_thread_exit();
    return p;
}

START_TEST(each_thread_sees_its_own_fault)
{
    pthread_t t[4];

    for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, fault_many, (void *)(i * 8)), 0);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        void *result;

        pthread_join(t[i], &result);
        ck_assert_ptr_nonnull(result);
    }
}
END_TEST

START_TEST(thread_exit_restores_the_stack_before)
{
    stack_t now, before, mine = { .ss_size = 65536 };

    fault_thread_exit();
    mine.ss_sp = malloc(mine.ss_size);
    ck_assert_int_eq(sigaltstack(&mine, &before), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    sigaltstack(NULL, &now);
    ck_assert_ptr_ne(now.ss_sp, mine.ss_sp);
    fault_thread_exit();
    sigaltstack(NULL, &now);
    ck_assert_ptr_eq(now.ss_sp, mine.ss_sp);
    sigaltstack(&before, NULL);
    free(mine.ss_sp);
}
END_TEST

static volatile sig_atomic_t next_signal;

static void next(int sig, siginfo_t *info, void *ucontext)
{
    (void)ucontext;
    (void)info;
    next_signal = sig;
}

START_TEST(sent_signals_go_to_the_next_handler)
{
    uint8_t v;

    ck_assert_int_eq(fault_install(next), 0);
    ck_assert_int_eq(fault_install(NULL), 0);
    raise(SIGSEGV);
    ck_assert_int_eq(next_signal, SIGSEGV);
    raise(SIGBUS);
    ck_assert_int_eq(next_signal, SIGBUS);
    next_signal = 0;
    ck_assert(!access_load8(page[HOLE], &v));
    ck_assert_int_eq(next_signal, 0);
}
END_TEST

/* A process may queue any siginfo to itself, also one that looks like a fault's. */
START_TEST(forged_faults_go_to_the_next_handler)
{
    static const int code[] = { SEGV_MAPERR, SEGV_ACCERR, CLD_EXITED, SI_KERNEL };
    siginfo_t info = { .si_code = code[_i] };
    uint8_t v;

    ck_assert_int_eq(fault_install(next), 0);
    for (int i = 0; i < 2; i++) { /* before any fault, and after one */
        info.si_addr = i ? page[HOLE] + 1 : NULL;
        next_signal = 0;
        ck_assert_int_eq(syscall(SYS_rt_sigqueueinfo, getpid(), SIGSEGV, &info), 0);
        ck_assert_int_eq(next_signal, SIGSEGV);
        ck_assert(!access_load8(page[HOLE], &v));
    }
}
END_TEST

START_TEST(sent_signal_without_next_kills)
{
    raise(_i ? SIGBUS : SIGSEGV);
}
END_TEST

START_TEST(any_other_fault_ends_the_process_with_a_line)
{
    int fd[2], status;
    char line[200] = "";
    pid_t pid;

    ck_assert_int_eq(pipe(fd), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fd[1], STDERR_FILENO);
        *(volatile uint8_t *)page[HOLE] = 1;
        _exit(0);
    }
    close(fd[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 125);
    ck_assert_int_gt(read(fd[0], line, sizeof line - 1), 0);
    ck_assert_ptr_nonnull(strstr(line, "noahv: internal error: host fault at 0x"));
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fault");
    TCase *tc = tcase_create("fault");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, loads, 0, 4);
    tcase_add_loop_test(tc, stores, 0, 4);
    tcase_add_loop_test(tc, compare_exchanges, 0, 2);
    tcase_add_test(tc, crossing_access_faults_at_the_second_page);
    tcase_add_test(tc, non_canonical_address_is_recovered);
    tcase_add_test(tc, each_thread_sees_its_own_fault);
    tcase_add_test(tc, thread_exit_restores_the_stack_before);
    tcase_add_test(tc, sent_signals_go_to_the_next_handler);
    tcase_add_loop_test(tc, forged_faults_go_to_the_next_handler, 0, 4);
    tcase_add_loop_test_raise_signal(tc, sent_signal_without_next_kills, SIGSEGV, 0, 1);
    tcase_add_loop_test_raise_signal(tc, sent_signal_without_next_kills, SIGBUS, 1, 2);
    tcase_add_test(tc, any_other_fault_ends_the_process_with_a_line);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
