/*
 * The host's own walls around a box: what holds should everything in this process fail.
 */
#ifndef NOAHV_SYSCALLS_JAIL_H
#define NOAHV_SYSCALLS_JAIL_H

#include "policy/policy.h"
#include "syscalls/view.h"

struct box;

/*
 * Raises the walls for this process and all that it forks, one by one: from then on they are there for good. 0, or
 * -EPERM with `why` (VIEW_WHY_MAX bytes) when one is missing that the policy requires.
 */
int jail_close(const struct box *b, char *why);

/* Is the host able to do that? NULL: yes; else why not. Changes nothing. */
const char *jail_lacks(enum policy_layer l);

#endif
