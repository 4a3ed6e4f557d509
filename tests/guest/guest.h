/*
 * What the guest programs share: a line of output per fact, named by its own source text, so that a
 * difference between two machines explains itself. Nothing printed may depend on addresses, ids or time.
 */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* An integer. */
#define SHOW(e) printf("%s = %lld\n", #e, (long long)(e))

/* A fact that holds on every machine. */
#define FACT(e) printf("%s: %s\n", (e) ? "yes" : "NO", #e)

/* A call that returns -1 with errno: its result, or the error's name. */
#define CALL(e) guest_call(#e, (long long)(e))

static inline void guest_call(const char *what, long long result)
{
    if (result == -1)
        printf("%s -> %s\n", what, strerrorname_np(errno));
    else
        printf("%s -> %lld\n", what, result);
}

/* Runs body in a child; prints how the child ended. */
static inline void guest_wait(const char *what, pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        printf("%s: waitpid failed\n", what);
    else if (WIFEXITED(status))
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s: signal %d\n", what, WTERMSIG(status));
    else
        printf("%s: status %x\n", what, status);
}

#endif
