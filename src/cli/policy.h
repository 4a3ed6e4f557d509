/*
 * noahv policy: what a program needs, what a policy says to it.
 */
#ifndef NOAHV_CLI_POLICY_H
#define NOAHV_CLI_POLICY_H

#include "noahv.h"

/* noahv policy check FILE [RECORD]: an exit status. record may be NULL. */
int policy_check(const char *file, const char *record);

/*
 * noahv policy explain FILE [CALL [OBJECT]]: an exit status. call may be a line of JSON that says it all; NULL: such a line
 * is read from standard input.
 */
int policy_explain(const char *file, const char *call, const char *object);

/* noahv policy learn. */
struct learn {
    const char *out, *accesses; /* files, or NULL: standard output; no record */
    int out_fd, accesses_fd;
};

/* Before the options: a new policy that learns; NULL after a message. */
struct noahv_policy *policy_learner(void);

/* Opens the files: 0, or an exit status after a message. */
int policy_learn_open(struct learn *l);

/* When the box has ended: its status, or noahv's own after a message. `command` runs the program again. */
int policy_learn_write(const struct learn *l, struct noahv_policy *p, char *const *command, unsigned seconds,
                       int status);

#endif
