/*
 * The command line's part of a box: its options, and the process that starts it, waits for it and clears up.
 */
#ifndef NOAHV_CLI_BOX_H
#define NOAHV_CLI_BOX_H

#include <getopt.h>
#include <stdbool.h>

#include "noahv.h"

struct audit;

/* Exit statuses of a box that did not end by itself. */
enum { EXIT_LIMIT = 122, EXIT_DENIED = 123, EXIT_TIMEOUT = 124 };

/* Numbers of the policy's long options begin here, in the order of noahv_policy_settings(). */
#define OPT_POLICY_FIRST 1024
#define OPT_POLICY_FILE (OPT_POLICY_FIRST - 1)

/*
 * `common` with the policy's settings behind it, terminated; NULL: out of memory. The caller's to free.
 */
struct option *box_options(const struct option *common);

/*
 * Sets what option number `c` says. A setting of two words ("SRC DST") takes the next argument too, and moves
 * optind over it. 0, or -1 after a message.
 */
int box_set(struct noahv_policy *p, int c, char *const *argv, int argc);

/* noahv doctor: an exit status. */
int box_doctor(void);

/* The options as --help shows them. */
void box_print_options(void);

/*
 * Runs `run` in a child process, whose status its result is, and returns the status of the whole, after a line that
 * says why if the box did not end by itself; *signal is what it died of, or 0. With an `audit` (else NULL) its host calls are
 * counted, and told in the end.
 */
int box_run(struct noahv_policy *p, struct audit *audit, int (*run)(void *opaque), void *opaque, int *signal);

#endif
