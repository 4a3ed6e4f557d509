/*
 * prctl(PR_SET_SYSCALL_USER_DISPATCH): calls made outside of a range of code become SIGSYS for the program itself, as a byte
 * of its memory says. Rules: kernel/entry/syscall_user_dispatch.c.
 */
#include "syscalls/userdispatch.h"

#include <errno.h>
#include <signal.h>

#include "syscalls/seccomp.h"

enum { MODE_OFF, MODE_EXCLUSIVE, MODE_INCLUSIVE };
enum { SELECTOR_ALLOW, SELECTOR_BLOCK };

#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2 /* si_code */
#endif

int64_t user_dispatch_prctl(struct task *t, uint64_t mode, gva_t offset, uint64_t len, gva_t selector)
{
    switch (mode) {
    case MODE_OFF:
        if (offset || len || selector)
            return -EINVAL;
        break;
    case MODE_EXCLUSIVE:
        if (offset && offset + len <= offset)
            return -EINVAL;
        break;
    case MODE_INCLUSIVE: /* all but the range: it begins behind and ends before, and may wrap */
        if (offset + len <= offset)
            return -EINVAL;
        offset += len;
        len = -len;
        break;
    default:
        return -EINVAL;
    }
    if (mode != MODE_OFF && selector >= t->mem->limit)
        return -EFAULT;
    t->user_dispatch = (struct user_dispatch){ mode != MODE_OFF, offset, len, selector };
    return 0;
}

bool user_dispatch_takes(struct task *t, uint64_t nr)
{
    const struct user_dispatch *d = &t->user_dispatch;
    uint8_t state;

    if (t->hart->pc + 4 - d->offset < d->len)
        return false;
    if (d->selector) {
        if (get_user(t->mem, &state, d->selector)) {
            process_die(t, SIGSEGV);
            return true;
        }
        if (state == SELECTOR_ALLOW)
            return false;
        if (state != SELECTOR_BLOCK) {
            process_die(t, SIGSYS);
            return true;
        }
    }
    seccomp_sigsys(t, nr, SYS_USER_DISPATCH, 0);
    return true;
}
