/*
 * The audit of a box's host calls, by seccomp's user notification: exact, whoever makes the call, and without privilege.
 * Nothing is decided here: what waits has passed the filter, whose refusals are never heard of.
 */
#include "cli/audit.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "noahv.h"

#define say(...) log_line(LOG_ERROR, __VA_ARGS__)

int audit_take(struct audit *a, pid_t child)
{
    int there = noahv_policy_listener(a->policy), pidfd, fd, err;

    if (there < 0 || a->taken)
        return 0;
    pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (pidfd < 0)
        return -errno;
    fd = (int)syscall(SYS_pidfd_getfd, pidfd, there, 0);
    err = fd < 0 ? -errno : 0;
    close(pidfd);
    if (err)
        return err == -EBADF || err == -ESRCH ? 0 : err; /* announced only; or it has ended */
    a->taken = true;
    a->listener = fd;
    return 0;
}

static void count(struct audit *a, const struct seccomp_data *call)
{
    if (a->counts && call->nr >= 0 && call->nr < AUDIT_CALLS_MAX)
        a->made[call->nr]++;
    if (call->nr == SYS_close && (int)call->args[0] == noahv_policy_listener(a->policy))
        a->counts = true;
}

void audit_answer(struct audit *a)
{
    struct seccomp_notif call = { 0 };
    struct seccomp_notif_resp go_on = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

    if (ioctl(a->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
        count(a, &call.data);
        go_on.id = call.id;
        ioctl(a->listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on); /* fails if a signal took the caller away */
    } else if (errno != EINTR && errno != ENOENT) {
        close(a->listener);
        a->listener = -1;
    }
}

/* --- The report ----------------------------------------------------------------------------------------- */

struct names {
    const char *of[AUDIT_CALLS_MAX];
    int n;
};

static void add_name(void *opaque, int nr, const char *name)
{
    struct names *names = opaque;

    if (nr < 0 || nr >= AUDIT_CALLS_MAX || names->of[nr])
        return;
    names->of[nr] = name;
    names->n++;
}

bool audit_report(const struct audit *a)
{
    struct names names = { .n = 0 };
    int n = 0;

    noahv_policy_host_calls(add_name, &names);
    for (size_t nr = 0; nr < AUDIT_CALLS_MAX; nr++)
        n += a->made[nr] != 0;
    say("audit: %d distinct host system calls after the lock-down; the filter allows %d", n, names.n);
    for (size_t nr = 0; nr < AUDIT_CALLS_MAX; nr++)
        if (a->made[nr])
            say("audit: %8llu %s", (unsigned long long)a->made[nr], names.of[nr] ? names.of[nr] : "?");
    if (a->most < 0 || n <= a->most)
        return false;
    say("%d distinct host system calls are more than --max %d. To allow more: --max %d", n, a->most, n);
    return true;
}
