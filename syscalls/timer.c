/*
 * POSIX timers. The host's serve; what is kept here is which ones the guest has, because an execve in place must
 * delete them as the host's own would.
 */
#include "syscalls/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "syscalls/linux.h"

#define SIGEVENT_BYTES 64

/* The timers of a host process: a fork child has none. process.lock guards them. */
static int note(struct timers *s, int id)
{
    if (s->n == s->cap) {
        unsigned cap = s->cap ? 2 * s->cap : 16; /* RLIMIT_SIGPENDING bounds it */
        int *at = realloc(s->id, cap * sizeof *at);

        if (!at)
            return -EAGAIN;
        s->id = at;
        s->cap = cap;
    }
    s->id[s->n++] = id;
    return 0;
}

static void forget(struct timers *s, int id)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->id[i] == id) {
            s->id[i] = s->id[--s->n];
            return;
        }
}

int64_t sys_timer_create(struct task *t, int clockid, gva_t sevp, gva_t timerid)
{
    struct process *p = t->proc;
    int id = -1;
    int64_t r;

    pthread_mutex_lock(&p->lock);
    r = HOST(t, SYS_timer_create, clockid, span(t, sevp, SIGEVENT_BYTES), &id);
    if (r == 0) {
        r = note(&p->timers, id);
        if (r < 0)
            HOST_RAW(SYS_timer_delete, id);
    }
    pthread_mutex_unlock(&p->lock);
    if (r == 0 && put_user(t->mem, timerid, &id)) {
        sys_timer_delete(t, id);
        return -EFAULT;
    }
    return r;
}

int64_t sys_timer_delete(struct task *t, int timerid)
{
    struct process *p = t->proc;
    int64_t r;

    pthread_mutex_lock(&p->lock);
    r = HOST(t, SYS_timer_delete, timerid);
    if (r == 0)
        forget(&p->timers, timerid);
    pthread_mutex_unlock(&p->lock);
    return r;
}

void timers_exec(struct process *p)
{
    for (unsigned i = 0; i < p->timers.n; i++)
        HOST_RAW(SYS_timer_delete, p->timers.id[i]);
    p->timers.n = 0;
}

void timers_forked(struct process *p)
{
    p->timers.n = 0;
}

void timers_free(struct process *p)
{
    timers_exec(p);
    free(p->timers.id);
}
