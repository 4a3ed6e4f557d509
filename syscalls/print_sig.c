/*
 * Prints signals: numbers, sets, actions, alternate stacks, siginfo.
 */
#include "syscalls/print.h"

#include <errno.h>
#include <inttypes.h>

#include "syscalls/abi.h"

#define SIG_RTMIN 32

/* Signal names without the prefix; RT_n counts from the first real-time signal. */
static bool print_signal_name(struct print *p, const char *prefix, uint64_t sig)
{
    const char *name = print_find(&names_signals, sig);

    if (name)
        print_text(p, "%s%s", prefix, name + 3);
    else if (sig == SIG_RTMIN)
        print_text(p, "%sRTMIN", prefix);
    else if (sig > SIG_RTMIN && sig <= RV_NSIG)
        print_text(p, "%sRT_%" PRIu64, prefix, sig - SIG_RTMIN);
    else
        return false;
    return true;
}

bool print_sig(struct print *p, uint64_t v)
{
    return print_signal_name(p, "SIG", v) ? true : print_int(p, v);
}

/* Sets with more than two thirds of all signals read better as what they lack. */
void print_sigmask(struct print *p, uint64_t mask)
{
    bool first = true;

    if ((unsigned)__builtin_popcountll(mask) >= RV_NSIG * 2 / 3) {
        buf_putc(p->b, '~');
        mask = ~mask;
    }
    buf_putc(p->b, '[');
    for (unsigned sig = 1; sig <= RV_NSIG; sig++) {
        if (!(mask >> (sig - 1) & 1))
            continue;
        print_signal_name(p, first ? "" : " ", sig);
        first = false;
    }
    buf_putc(p->b, ']');
}

bool print_sigset(struct print *p, uint64_t v)
{
    uint64_t mask;

    if (print_fetch(p, v, &mask, sizeof mask))
        print_sigmask(p, mask);
    return true;
}

bool print_osigset(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_sigset(p, v);
}

bool print_sigarg(struct print *p, uint64_t v)
{
    uint64_t pair[2];

    if (!print_fetch(p, v, pair, sizeof pair))
        return true;
    buf_puts(p->b, "{sigmask=");
    print_sigset(p, pair[0]);
    print_text(p, ", sigsetsize=%" PRIu64 "}", pair[1]);
    return true;
}

bool print_sigact(struct print *p, uint64_t v)
{
    struct rv_sigaction act;

    if (!print_fetch(p, v, &act, sizeof act))
        return true;
    buf_puts(p->b, "{sa_handler=");
    if (act.handler == RV_SIG_DFL)
        buf_puts(p->b, "SIG_DFL");
    else if (act.handler == RV_SIG_IGN)
        buf_puts(p->b, "SIG_IGN");
    else
        print_addr(p, act.handler);
    buf_puts(p->b, ", sa_mask=");
    print_sigmask(p, act.mask);
    buf_puts(p->b, ", sa_flags=");
    print_bits(p, &names_sa_flags, (uint32_t)act.flags);
    buf_putc(p->b, '}');
    return true;
}

bool print_osigact(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_sigact(p, v);
}

bool print_stack(struct print *p, uint64_t v)
{
    struct rv_stack s;

    if (!print_fetch(p, v, &s, sizeof s))
        return true;
    buf_puts(p->b, "{ss_sp=");
    print_addr(p, s.sp);
    buf_puts(p->b, ", ss_flags=");
    print_bits(p, &names_stack_flags, (uint32_t)s.flags);
    print_text(p, ", ss_size=%" PRIu64 "}", s.size);
    return true;
}

bool print_ostack(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_stack(p, v);
}

/* --- siginfo ------------------------------------------------------------------------------------------ */

static void print_si_code(struct print *p, int sig, int code)
{
    static const struct print_names *const by_signal[] = {
        [SIGCHLD] = &names_sigchld_codes, [SIGSEGV] = &names_sigsegv_codes, [SIGBUS] = &names_sigbus_codes,
        [SIGILL] = &names_sigill_codes,   [SIGFPE] = &names_sigfpe_codes,   [SIGTRAP] = &names_sigtrap_codes,
        [SIGIO] = &names_sigpoll_codes,
    };
    const struct print_names *n = sig > 0 && sig < (int)ARRAY_SIZE(by_signal) ? by_signal[sig] : NULL;
    const char *name = print_find(&names_si_codes, (uint64_t)code);

    if (!name && n)
        name = print_find(n, (uint64_t)code);
    if (name)
        buf_puts(p->b, name);
    else
        print_text(p, "%#x", (unsigned)code);
}

static void print_si_value(struct print *p, const siginfo_t *info)
{
    print_text(p, ", si_int=%d, si_ptr=", info->si_int);
    print_addr(p, (uint64_t)(uintptr_t)info->si_ptr);
}

static void print_si_sender(struct print *p, const siginfo_t *info)
{
    print_text(p, ", si_pid=%d, si_uid=%u", info->si_pid, info->si_uid);
}

static void print_si_child(struct print *p, const siginfo_t *info)
{
    print_si_sender(p, info);
    buf_puts(p->b, ", si_status=");
    if (info->si_code == CLD_EXITED)
        print_text(p, "%d", info->si_status);
    else
        print_sig(p, (uint64_t)info->si_status);
    print_ticks(p, ", si_utime", info->si_utime);
    print_ticks(p, ", si_stime", info->si_stime);
}

static bool is_fault(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP;
}

/* Which member of the union counts depends on the code and then on the signal. */
static void print_si_rest(struct print *p, const siginfo_t *info)
{
    switch (info->si_code) {
    case SI_USER:
    case SI_TKILL:
        print_si_sender(p, info);
        return;
    case SI_TIMER:
        print_text(p, ", si_timerid=%#x, si_overrun=%d", (unsigned)info->si_timerid, info->si_overrun);
        print_si_value(p, info);
        return;
    case SI_KERNEL:
        return;
    default:
        break;
    }
    if (info->si_code <= 0) {
        print_si_sender(p, info);
        print_si_value(p, info);
    } else if (is_fault(info->si_signo)) {
        buf_puts(p->b, ", si_addr=");
        print_addr(p, (uint64_t)(uintptr_t)info->si_addr);
    } else if (info->si_signo == SIGCHLD) {
        print_si_child(p, info);
    } else if (info->si_signo == SIGIO) {
        print_text(p, ", si_band=%ld, si_fd=%d", info->si_band, info->si_fd);
    } else {
        print_si_sender(p, info);
    }
}

void print_siginfo_fields(struct print *p, const siginfo_t *info)
{
    buf_puts(p->b, "{si_signo=");
    print_sig(p, (uint64_t)info->si_signo);
    buf_puts(p->b, ", si_code=");
    print_si_code(p, info->si_signo, info->si_code);
    print_si_rest(p, info);
    buf_putc(p->b, '}');
}

bool print_siginfo(struct print *p, uint64_t v)
{
    siginfo_t info;

    if (print_fetch(p, v, &info, sizeof info))
        print_siginfo_fields(p, &info);
    return true;
}

bool print_osiginfo(struct print *p, uint64_t v)
{
    siginfo_t info;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &info, sizeof info))
        return true;
    if (info.si_signo)
        print_siginfo_fields(p, &info);
    else
        buf_puts(p->b, "{}"); /* waitid with WNOHANG found nobody */
    return true;
}

bool print_sigevent(struct print *p, uint64_t v)
{
    struct sigevent ev;

    if (!print_fetch(p, v, &ev, sizeof ev))
        return true;
    print_text(p, "{sigev_value={sival_int=%d, sival_ptr=", ev.sigev_value.sival_int);
    print_addr(p, (uint64_t)(uintptr_t)ev.sigev_value.sival_ptr);
    buf_puts(p->b, "}, sigev_signo=");
    if (ev.sigev_notify == SIGEV_SIGNAL || ev.sigev_notify == SIGEV_THREAD_ID)
        print_sig(p, (uint64_t)ev.sigev_signo);
    else
        print_text(p, "%d", ev.sigev_signo);
    buf_puts(p->b, ", sigev_notify=");
    print_enum(p, &names_sigev_notify, (uint32_t)ev.sigev_notify);
    if (ev.sigev_notify == SIGEV_THREAD_ID)
        print_text(p, ", sigev_notify_thread_id=%d", ev._sigev_un._tid);
    buf_putc(p->b, '}');
    return true;
}
