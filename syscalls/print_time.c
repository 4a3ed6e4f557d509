/*
 * Prints times: timespec, timeval, timers, what select and poll had left.
 */
#include "syscalls/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

void print_timespec_fields(struct print *p, const struct timespec *ts)
{
    print_text(p, "{tv_sec=%lld, tv_nsec=%lld}", (long long)ts->tv_sec, (long long)ts->tv_nsec);
}

static void print_timeval_fields(struct print *p, const struct timeval *tv)
{
    print_text(p, "{tv_sec=%lld, tv_usec=%lld}", (long long)tv->tv_sec, (long long)tv->tv_usec);
}

bool print_timespec(struct print *p, uint64_t v)
{
    struct timespec ts;

    if (print_fetch(p, v, &ts, sizeof ts))
        print_timespec_fields(p, &ts);
    return true;
}

bool print_otimespec(struct print *p, uint64_t v)
{
    struct timespec ts;

    if (!p->after)
        return false;
    if (print_fetch_out(p, v, &ts, sizeof ts))
        print_timespec_fields(p, &ts);
    return true;
}

/* The time left is written when a signal cut the sleep short, and at no other time. */
bool print_remain(struct print *p, uint64_t v)
{
    struct timespec ts;

    if (!v)
        return print_addr(p, v);
    if (!p->after)
        return false;
    if (p->ret != -EINTR)
        return print_addr(p, v);
    if (print_fetch(p, v, &ts, sizeof ts))
        print_timespec_fields(p, &ts);
    return true;
}

/* As it was before the call, if it is readable at all. */
bool print_timeout(struct print *p, uint64_t v)
{
    struct timespec now;

    if (print_fetch(p, v, &now, sizeof now))
        print_timespec_fields(p, &p->timeout);
    return true;
}

/*
 * Years, months and days of the Gregorian calendar from days since 1970, counting years from March so that
 * the leap day comes last. libc's own conversion would read time zone files behind the guest's back.
 */
static void print_date(struct print *p, int64_t sec)
{
    int64_t days = sec / 86400 - (sec % 86400 < 0), left = sec - days * 86400;
    int64_t since = days + 719468; /* 0000-03-01 */
    int64_t era = since / 146097 - (since % 146097 < 0), doe = since - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;

    print_text(p, "%04" PRId64 "-%02d-%02d", yoe + era * 400 + (month <= 2), (int)month,
               (int)(doy - (153 * mp + 2) / 5 + 1));
    print_text(p, "T%02d:%02d:%02d", (int)(left / 3600), (int)(left / 60 % 60), (int)(left % 60));
}

/* Seconds whose year has at most four digits. */
#define DATE_MAX 253402300799

/* tv_nsec has two values that are no times. */
static void print_utime(struct print *p, const struct timespec *ts)
{
    if (ts->tv_nsec == UTIME_NOW) {
        buf_puts(p->b, "UTIME_NOW");
    } else if (ts->tv_nsec == UTIME_OMIT) {
        buf_puts(p->b, "UTIME_OMIT");
    } else {
        print_timespec_fields(p, ts);
        if (ts->tv_sec < 0 || ts->tv_sec > DATE_MAX)
            return;
        buf_puts(p->b, " /* ");
        print_date(p, ts->tv_sec);
        if (ts->tv_nsec > 0 && ts->tv_nsec < 1000000000)
            print_text(p, ".%09ld", (long)ts->tv_nsec);
        buf_puts(p->b, "+0000 */");
    }
}

bool print_utimes(struct print *p, uint64_t v)
{
    struct timespec ts[2];

    if (!print_fetch(p, v, ts, sizeof ts))
        return true;
    buf_putc(p->b, '[');
    print_utime(p, &ts[0]);
    buf_puts(p->b, ", ");
    print_utime(p, &ts[1]);
    buf_putc(p->b, ']');
    return true;
}

bool print_timeval(struct print *p, uint64_t v)
{
    struct timeval tv;

    if (print_fetch(p, v, &tv, sizeof tv))
        print_timeval_fields(p, &tv);
    return true;
}

bool print_otimeval(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_timeval(p, v);
}

bool print_timezone(struct print *p, uint64_t v)
{
    int32_t tz[2];

    if (print_fetch(p, v, tz, sizeof tz))
        print_text(p, "{tz_minuteswest=%d, tz_dsttime=%d}", tz[0], tz[1]);
    return true;
}

bool print_otimezone(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_timezone(p, v);
}

bool print_itimerspec(struct print *p, uint64_t v)
{
    struct itimerspec its;

    if (!print_fetch(p, v, &its, sizeof its))
        return true;
    buf_puts(p->b, "{it_interval=");
    print_timespec_fields(p, &its.it_interval);
    buf_puts(p->b, ", it_value=");
    print_timespec_fields(p, &its.it_value);
    buf_putc(p->b, '}');
    return true;
}

bool print_oitimerspec(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_itimerspec(p, v);
}

bool print_itimerval(struct print *p, uint64_t v)
{
    struct itimerval itv;

    if (!print_fetch(p, v, &itv, sizeof itv))
        return true;
    buf_puts(p->b, "{it_interval=");
    print_timeval_fields(p, &itv.it_interval);
    buf_puts(p->b, ", it_value=");
    print_timeval_fields(p, &itv.it_value);
    buf_putc(p->b, '}');
    return true;
}

bool print_oitimerval(struct print *p, uint64_t v)
{
    if (!p->after)
        return false;
    return p->ret < 0 ? print_addr(p, v) : print_itimerval(p, v);
}

bool print_timex(struct print *p, uint64_t v)
{
    struct timex tx;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &tx, sizeof tx))
        return true;
    print_text(p, "{modes=%#x, offset=%ld, freq=%ld, maxerror=%ld, esterror=%ld, ", tx.modes, tx.offset,
               tx.freq, tx.maxerror, tx.esterror);
    print_text(p, "status=%#x, constant=%ld, precision=%ld, tolerance=%ld, time=", (unsigned)tx.status,
               tx.constant, tx.precision, tx.tolerance);
    print_timeval_fields(p, &tx.time);
    buf_puts(p->b, ", ...}");
    return true;
}

/* Clock ticks, 100 a second on every Linux. */
void print_ticks(struct print *p, const char *name, long ticks)
{
    print_text(p, "%s=%ld", name, ticks);
    if (ticks)
        print_text(p, " /* %ld.%02ld s */", ticks / 100, labs(ticks % 100));
}

bool print_otms(struct print *p, uint64_t v)
{
    struct tms t;

    if (!p->after)
        return false;
    if (!print_fetch_out(p, v, &t, sizeof t))
        return true;
    print_ticks(p, "{tms_utime", t.tms_utime);
    print_ticks(p, ", tms_stime", t.tms_stime);
    print_ticks(p, ", tms_cutime", t.tms_cutime);
    print_ticks(p, ", tms_cstime", t.tms_cstime);
    buf_putc(p->b, '}');
    return true;
}
