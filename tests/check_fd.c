/*
 * noahv's own descriptors: they live high, are closed to the guest, and give way when the guest claims their
 * number.
 */
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/share.h"

static struct mm mm = { .users = 1 };
static struct process proc = { .mm = &mm };
static struct task task = { .proc = &proc };

/* A pipe's reading end to be kept by noahv, and the writing end to know it again by. */
static int new_pipe(int *writer)
{
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    *writer = p[1];
    return p[0];
}

static bool leads_to(int reader, int writer)
{
    char c = 0;

    return write(writer, "x", 1) == 1 && read(reader, &c, 1) == 1 && c == 'x';
}

/* The soft limit is all there can be. */
static void no_room_above(void)
{
    struct rlimit r = { 1024, 1024 };

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
}

START_TEST(own_descriptor_is_out_of_the_guests_reach)
{
    struct rlimit r, now;
    int w, holder = -1, other = -1, low = new_pipe(&w), fd;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
    r.rlim_cur = 100;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
    fd = fd_own(low, &holder);
    ck_assert_int_ge(fd, 100);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
    ck_assert_uint_eq(now.rlim_cur, 100);
    ck_assert_uint_eq(now.rlim_max, r.rlim_max);
    ck_assert(leads_to(fd, w));
    ck_assert(fd_is_own(fd));
    while (dup(w) >= 0)
        ;
    ck_assert_int_ge(fd_hold(w, &other), 100);
    ck_assert(fd_is_own(other) && leads_to(fd, w) && leads_to(fd, other));
    ck_assert_int_ge(fd_open(AT_FDCWD, "/", O_RDONLY), 100);
    ck_assert_int_eq(open("/", O_RDONLY), -1);
    ck_assert_int_eq(fd_open(AT_FDCWD, "/nonexistent", O_RDONLY), -ENOENT);
}
END_TEST

START_TEST(own_descriptor_moves_high_and_is_hidden)
{
    int w, low = new_pipe(&w), holder = -1;
    int fd;

    no_room_above();
    fd = fd_own(low, &holder);
    ck_assert_int_gt(fd, 200);
    ck_assert_int_lt(fd, 1024);
    ck_assert_int_eq(holder, fd);
    ck_assert_int_eq(fcntl(low, F_GETFD), -1);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert(leads_to(fd, w));
    ck_assert(fd_is_own(fd));
    ck_assert_int_eq(fd_check(fd), -EBADF);
    ck_assert_int_eq(fd_check(w), 0);
    ck_assert_int_eq(fd_check_at(AT_FDCWD), 0);
    ck_assert_int_eq(sys_close(&task, fd), -EBADF);
    ck_assert_int_eq(sys_fcntl(&task, fd, F_GETFD, 0), -EBADF);
    ck_assert_int_eq(sys_dup3(&task, fd, 50, 0), -EBADF);
    ck_assert(leads_to(fd, w));
}
END_TEST

START_TEST(release_closes_and_forgets)
{
    int w, holder = -1, fd = fd_own(new_pipe(&w), &holder);

    fd_release(fd);
    ck_assert_int_eq(holder, -1);
    ck_assert(!fd_is_own(fd));
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    fd_release(-1);
    ck_assert(!fd_is_own(-1));
}
END_TEST

START_TEST(dup3_onto_an_own_number_moves_it_away)
{
    int w, holder = -1, old;

    no_room_above();
    old = fd_own(new_pipe(&w), &holder);
    ck_assert_int_eq(sys_dup3(&task, w, old, 0), old);
    ck_assert(!fd_is_own(old));
    ck_assert_int_ne(holder, old);
    ck_assert(fd_is_own(holder));
    ck_assert(leads_to(holder, old)); /* the guest's copy of the writer now has the number */
    ck_assert_int_eq(sys_close(&task, old), 0);
}
END_TEST

START_TEST(own_numbers_stay_while_processes_share_memory)
{
    int w, holder = -1, old = fd_own(new_pipe(&w), &holder);

    mm.users = 2;
    ck_assert_int_eq(sys_dup3(&task, w, old, 0), -EBADF);
    ck_assert_int_eq(sys_dup3(&task, w, 40, 0), 40);
    ck_assert_int_eq(holder, old);
    ck_assert(fd_is_own(old));
}
END_TEST

/* A child with the same descriptors: what it ends with, 0 if all was as it should be. */
static int in_other_process(int (*body)(int), int fd)
{
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    int status = -1;

    if (pid == 0) {
        fd_table_forked();
        _exit(body(fd));
    }
    ck_assert_int_eq(waitpid((pid_t)pid, &status, 0), pid);
    return status;
}

static int makes_one(int fd)
{
    static int holder;

    return !fd_is_own(fd) || fd_hold(0, &holder) < 0;
}

static int closes_it(int fd)
{
    fd_release(fd);
    return fd_is_own(fd);
}

static int parts(int fd)
{
    if (unshare(CLONE_FILES) < 0)
        return 1;
    fd_table_part();
    fd_release(fd);
    return fd_is_own(fd);
}

START_TEST(processes_with_the_same_descriptors_have_the_same_own_ones)
{
    int w, holder = -1, fd = fd_own(new_pipe(&w), &holder), next;

    ck_assert_int_eq(fd_table_share(), 0);
    ck_assert_int_eq(fd_table_share(), 0);
    ck_assert_int_eq(in_other_process(makes_one, fd), 0);
    next = fd_own_next(0) == fd ? fd_own_next(fd + 1) : fd_own_next(0);
    ck_assert_int_ge(next, 0);
    ck_assert_int_ge(fcntl(next, F_GETFD), 0);
    ck_assert(fd_is_own(next) && fd_is_own(fd));
    ck_assert_int_eq(in_other_process(parts, fd), 0);
    ck_assert(fd_is_own(fd) && leads_to(fd, w));
    ck_assert_int_eq(in_other_process(closes_it, fd), 0);
    ck_assert(!fd_is_own(fd));
    fd_table_part();
    ck_assert(fd_is_own(next));
}
END_TEST

START_TEST(own_numbers_stay_while_processes_share_descriptors)
{
    int w, holder = -1, old = fd_own(new_pipe(&w), &holder);

    proc.files_shared = true;
    ck_assert_int_eq(sys_dup3(&task, w, old, 0), -EBADF);
    ck_assert_int_eq(holder, old);
    ck_assert(fd_is_own(old) && leads_to(old, w));
}
END_TEST

START_TEST(parting_leaves_the_other_process_its_descriptors)
{
    int w, holder = -1, fd = fd_own(new_pipe(&w), &holder), status = -1;
    long pid;

    proc.files_shared = true;
    proc.nr_tasks = 1;
    ck_assert_int_eq(fd_table_share(), 0);
    pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        files_part(&proc);
        fd_release(fd);
        close(w);
        _exit(proc.files_shared);
    }
    ck_assert_int_eq(waitpid((pid_t)pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(fd_is_own(fd) && leads_to(fd, w));
}
END_TEST

START_TEST(close_range_goes_around)
{
    int w, h1 = -1, h2 = -1, own1, own2, lo, hi;

    no_room_above();
    own1 = fd_own(new_pipe(&w), &h1);
    own2 = fd_own(new_pipe(&w), &h2);
    lo = MIN(own1, own2);
    hi = MAX(own1, own2);
    ck_assert_int_eq(fd_own_next(0), lo);
    ck_assert_int_eq(fd_own_next(lo + 1), hi);
    ck_assert_int_eq(fd_own_next(hi + 1), -1);
    ck_assert_int_eq(dup2(w, 40), 40);
    ck_assert_int_eq(dup2(w, hi + 1), hi + 1);
    ck_assert_int_eq(sys_close_range(&task, 40, UINT32_MAX, 0), 0);
    ck_assert_int_eq(fcntl(40, F_GETFD), -1);
    ck_assert_int_eq(fcntl(hi + 1, F_GETFD), -1);
    ck_assert_int_ge(fcntl(own1, F_GETFD), 0);
    ck_assert_int_ge(fcntl(own2, F_GETFD), 0);
    ck_assert_int_eq(sys_close_range(&task, (uint32_t)lo, (uint32_t)lo, 0), 0);
    ck_assert_int_ge(fcntl(lo, F_GETFD), 0);
    ck_assert_int_eq(sys_close_range(&task, (uint32_t)lo, (uint32_t)lo, 64), -EINVAL);
    ck_assert_int_eq(sys_close_range(&task, 41, 40, 0), -EINVAL);
}
END_TEST

START_TEST(a_full_table_leaves_the_descriptor_alone)
{
    int w, holder[FD_OWN_MAX + 1];

    for (int i = 0; i < FD_OWN_MAX; i++)
        ck_assert_int_gt(fd_own(new_pipe(&w), &holder[i]), 0);
    for (int i = 0; i < FD_OWN_MAX; i++)
        ck_assert(fd_is_own(holder[i]));
    int fd = new_pipe(&w);

    holder[FD_OWN_MAX] = 7;
    ck_assert_int_eq(fd_own(fd, &holder[FD_OWN_MAX]), -EMFILE);
    ck_assert_int_eq(holder[FD_OWN_MAX], 7);
    ck_assert(leads_to(fd, w));
}
END_TEST

START_TEST(a_low_limit_is_respected)
{
    struct rlimit r = { 32, 32 };
    int w, holder = -1, fd = new_pipe(&w);

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
    fd = fd_own(fd, &holder);
    ck_assert_int_ge(fd, 16);
    ck_assert_int_lt(fd, 32);
    ck_assert(leads_to(fd, w));
}
END_TEST

START_TEST(unknown_fcntl_commands_do_not_reach_the_host)
{
    ck_assert_int_eq(sys_fcntl(&task, 0, 0x7fffffff, 0), -EINVAL);
    ck_assert_int_eq(sys_fcntl(&task, 900, 0x7fffffff, 0), -EBADF);
    ck_assert_int_ge(sys_fcntl(&task, 0, F_DUPFD_CLOEXEC, 60), 60);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fd");
    TCase *tc = tcase_create("own");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, own_descriptor_is_out_of_the_guests_reach);
    tcase_add_test(tc, own_descriptor_moves_high_and_is_hidden);
    tcase_add_test(tc, release_closes_and_forgets);
    tcase_add_test(tc, dup3_onto_an_own_number_moves_it_away);
    tcase_add_test(tc, own_numbers_stay_while_processes_share_memory);
    tcase_add_test(tc, processes_with_the_same_descriptors_have_the_same_own_ones);
    tcase_add_test(tc, own_numbers_stay_while_processes_share_descriptors);
    tcase_add_test(tc, parting_leaves_the_other_process_its_descriptors);
    tcase_add_test(tc, close_range_goes_around);
    tcase_add_test(tc, a_full_table_leaves_the_descriptor_alone);
    tcase_add_test(tc, a_low_limit_is_respected);
    tcase_add_test(tc, unknown_fcntl_commands_do_not_reach_the_host);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
