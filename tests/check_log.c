/* Messages: their form, their level, and that no text of a guest's can break the form. */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static int pipe_fd[2];
static char got[4096];

static void setup(void)
{
    ck_assert_int_eq(pipe(pipe_fd), 0);
    log_set_fd(pipe_fd[1]);
}

/* What one read of the pipe gives: one write, unless nothing came. */
static const char *written(void)
{
    ssize_t n;

    ck_assert_int_eq(write(pipe_fd[1], "!", 1), 1);
    n = read(pipe_fd[0], got, sizeof got - 1);
    ck_assert_int_gt(n, 0);
    got[n - 1] = 0; /* the mark */
    return got;
}

START_TEST(a_line_has_prefix_and_end)
{
    errno = 1234;
    log_line(LOG_ERROR, "%s is %d", "x", 7);
    ck_assert_int_eq(errno, 1234);
    ck_assert_str_eq(written(), "noahv: x is 7\n");
}
END_TEST

START_TEST(notes_appear_when_asked_for)
{
    log_line(LOG_NOTE, "quiet");
    ck_assert_str_eq(written(), "");
    ck_assert(!log_on(LOG_NOTE));
    log_set_level(LOG_NOTE);
    ck_assert(log_on(LOG_NOTE));
    log_line(LOG_NOTE, "loud");
    ck_assert_str_eq(written(), "noahv: loud\n");
}
END_TEST

START_TEST(silenced)
{
    log_set_fd(-1);
    log_line(LOG_ERROR, "nothing");
    ck_assert_str_eq(written(), "");
}
END_TEST

START_TEST(control_characters_are_replaced)
{
    log_line(LOG_ERROR, "%s",
             "a\nb\033[2J\x7f"
             "c\xc3\xa9");
    ck_assert_str_eq(written(), "noahv: a?b?[2J?c\xc3\xa9\n");
}
END_TEST

START_TEST(long_lines_are_cut)
{
    char text[3000];

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_line(LOG_ERROR, "%s", text);
    ck_assert_uint_eq(strlen(written()), strlen("noahv: ") + 1000 + 1);
    ck_assert_int_eq(got[strlen(got) - 1], '\n');
}
END_TEST

static void sink(void *opaque, enum log_level level, const char *line)
{
    *(enum log_level *)opaque = level;
    strncpy(got, line, sizeof got - 1);
}

START_TEST(a_sink_gets_the_bare_line)
{
    enum log_level level = LOG_NOTE;

    log_set_sink(sink, &level);
    log_line(LOG_ERROR, "bare %d", 1);
    ck_assert_str_eq(got, "bare 1");
    ck_assert_int_eq(level, LOG_ERROR);
    log_set_sink(NULL, NULL);
    log_line(LOG_ERROR, "back");
    ck_assert_str_eq(written(), "noahv: back\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_line_has_prefix_and_end);
    tcase_add_test(tc, notes_appear_when_asked_for);
    tcase_add_test(tc, silenced);
    tcase_add_test(tc, control_characters_are_replaced);
    tcase_add_test(tc, long_lines_are_cut);
    tcase_add_test(tc, a_sink_gets_the_bare_line);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
