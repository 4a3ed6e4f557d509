/*
 * Linux's asynchronous I/O. Requests hold addresses, so that each is copied for the host, and its event is given the
 * guest's address again. The host's ring of events stays outside the window: a guest's context is the address of
 * a page of its own, empty, which tells libaio to make system calls.
 */
#include "syscalls/aio.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/iovec.h"
#include "syscalls/mm.h"
#include "syscalls/signal.h"

#define CONTEXTS_MAX 64
#define REQUESTS_MAX (1u << 17) /* of one context; fs.aio-max-nr is half of it by default */
#define EVENTS_MAX 64           /* of one host call */

enum { NO_REQUEST = -1, BUSY = -2 };

struct request {
    struct iocb host; /* first: its address is the event's `obj` */
    gva_t guest;
    int next; /* free: the next free one, or NO_REQUEST; else BUSY */
};

struct context {
    gva_t guest;
    aio_context_t host;
    uint32_t n;
    int refs; /* one of the table, one of each call under way */
    int free; /* the first free request */
    struct request *req;
};

/* Contexts belong to the memory, which the process may share with others. */
static struct {
    pthread_mutex_t lock;
    struct context *at[CONTEXTS_MAX];
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

void aio_forked(void)
{
    pthread_mutex_init(&table.lock, NULL);
    for (size_t i = 0; i < CONTEXTS_MAX; i++)
        table.at[i] = NULL;
}

static void table_lock(void)
{
    pthread_mutex_lock(&table.lock);
}

static void table_unlock(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void context_free(struct context *c)
{
    free(c->req);
    free(c);
}

static void context_put(struct context *c)
{
    int left;

    table_lock();
    left = --c->refs;
    table_unlock();
    if (!left)
        context_free(c);
}

/* The context, with a reference; NULL when there is none. `take` removes it from the table, whose it was. */
static struct context *context_get(gva_t guest, bool take)
{
    struct context *c = NULL;

    table_lock();
    for (size_t i = 0; i < CONTEXTS_MAX && !c; i++)
        if (table.at[i] && table.at[i]->guest == guest) {
            c = table.at[i];
            if (take)
                table.at[i] = NULL;
            else
                c->refs++;
        }
    table_unlock();
    return c;
}

static int context_add(struct context *c)
{
    int r = -EAGAIN;

    table_lock();
    for (size_t i = 0; i < CONTEXTS_MAX && r < 0; i++)
        if (!table.at[i]) {
            table.at[i] = c;
            r = 0;
        }
    table_unlock();
    return r;
}

/* struct aio_ring (fs/aio.c), the beginning: the host kernel's own record of how many events there may be. */
struct ring {
    uint32_t id, nr;
};

static struct context *context_new(aio_context_t host, gva_t guest)
{
    uint32_t n = ((const struct ring *)(uintptr_t)host)->nr;
    struct context *c = calloc(1, sizeof *c);

    if (!c || n > REQUESTS_MAX)
        n = 0;
    else
        c->req = calloc(n, sizeof *c->req);
    if (!n || !c->req) {
        free(c);
        return NULL;
    }
    c->guest = guest;
    c->host = host;
    c->n = n;
    c->refs = 1;
    for (uint32_t i = 0; i < n; i++)
        c->req[i].next = i + 1 < n ? (int)i + 1 : NO_REQUEST;
    return c;
}

/* A page whose address is the guest's context. */
static int64_t handle_new(struct task *t)
{
    int64_t at;
    int r;

    pthread_mutex_lock(&t->proc->mm->lock);
    at = mm_place(t, 0, PAGE_BYTES, 0);
    r = at < 0 ? (int)at : mm_may_grow(t, PAGE_BYTES, PAGE_BYTES);
    if (r == 0)
        r = gmem_map(t->mem, (gva_t)at, PAGE_BYTES, PROT_READ | PROT_WRITE, 0, GMEM_PLAIN, -1, 0);
    pthread_mutex_unlock(&t->proc->mm->lock);
    return r < 0 ? r : at;
}

int64_t sys_io_setup(struct task *t, uint32_t nr_events, gva_t ctxp)
{
    aio_context_t host = 0;
    struct context *c;
    uint64_t ctx;
    int64_t r, at;

    if (get_user(t->mem, &ctx, ctxp))
        return -EFAULT;
    host = ctx; /* the host refuses all but 0 */
    r = HOST(t, SYS_io_setup, nr_events, &host);
    if (r < 0)
        return r;
    at = handle_new(t);
    c = at < 0 ? NULL : context_new(host, (gva_t)at);
    r = at < 0 ? at : c ? context_add(c) : -ENOMEM;
    if (r == 0) {
        ctx = c->guest;
        if (put_user(t->mem, ctxp, &ctx) == 0)
            return 0;
        context_get((gva_t)at, true);
        r = -EFAULT;
    }
    HOST_RAW(SYS_io_destroy, host);
    if (at >= 0)
        gmem_unmap(t->mem, (gva_t)at, PAGE_BYTES);
    if (c)
        context_free(c);
    return r;
}

int64_t sys_io_destroy(struct task *t, gva_t ctx)
{
    struct context *c = context_get(ctx, true);
    int64_t r;

    if (!c)
        return -EINVAL;
    r = HOST_RAW(SYS_io_destroy, c->host); /* waits for the requests: their copies are in use until then */
    gmem_unmap(t->mem, ctx, PAGE_BYTES);
    context_put(c);
    return r;
}

void aio_exec(void)
{
    table_lock();
    for (size_t i = 0; i < CONTEXTS_MAX; i++)
        if (table.at[i]) {
            HOST_RAW(SYS_io_destroy, table.at[i]->host);
            context_free(table.at[i]);
            table.at[i] = NULL;
        }
    table_unlock();
}

/* --- Requests ---------------------------------------------------------------------------------------- */

static struct request *request_new(struct context *c)
{
    struct request *q = NULL;

    table_lock();
    if (c->free != NO_REQUEST) {
        q = &c->req[c->free];
        c->free = q->next;
        q->next = BUSY;
    }
    table_unlock();
    return q;
}

static void request_free(struct context *c, struct request *q)
{
    table_lock();
    q->next = c->free;
    c->free = (int)(q - c->req);
    table_unlock();
}

/* Addresses become spans; a vector's copy is needed until the host has taken the request. */
static int request_in(struct task *t, struct request *q, struct iovecs *io)
{
    struct iocb *b = &q->host;
    int r = 0;

    if (get_user(t->mem, b, q->guest))
        return -EFAULT;
    if (fd_is_own((int)b->aio_fildes) || (b->aio_flags & IOCB_FLAG_RESFD && fd_is_own((int)b->aio_resfd)))
        return -EBADF;
    switch (b->aio_lio_opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PWRITE:
        b->aio_buf = span(t, b->aio_buf, b->aio_nbytes);
        break;
    case IOCB_CMD_PREADV:
    case IOCB_CMD_PWRITEV:
        r = iovecs_in(t, io, b->aio_buf, b->aio_nbytes);
        b->aio_buf = r == 0 ? (uint64_t)(uintptr_t)io->v : 0;
        break;
    default: /* numbers, or refused */
        break;
    }
    return r;
}

static int64_t submit_one(struct task *t, struct context *c, gva_t iocb)
{
    struct request *q = request_new(c);
    struct iocb *host;
    struct iovecs io = { .v = NULL };
    uint32_t key = 0; /* KIOCB_KEY */
    int64_t r;

    if (!q)
        return -EAGAIN;
    host = &q->host;
    q->guest = iocb;
    r = request_in(t, q, &io);
    if (r == 0 && put_user(t->mem, iocb + offsetof(struct iocb, aio_key), &key))
        r = -EFAULT;
    if (r == 0)
        r = HOST(t, SYS_io_submit, c->host, 1, &host);
    if (io.v)
        iovecs_free(&io);
    if (r != 1)
        request_free(c, q);
    return r;
}

int64_t sys_io_submit(struct task *t, gva_t ctx, int64_t nr, gva_t iocbpp)
{
    struct context *c = context_get(ctx, false);
    int64_t done = 0, r = 1;
    uint64_t iocb;

    if (!c)
        return -EINVAL;
    if (nr < 0)
        r = -EINVAL;
    for (nr = MIN(nr, (int64_t)c->n); done < nr && r == 1; done += r == 1) {
        r = get_user(t->mem, &iocb, iocbpp + (gva_t)done * 8);
        if (r == 0)
            r = submit_one(t, c, iocb);
    }
    context_put(c);
    return done || r == 1 ? done : r;
}

int64_t sys_io_cancel(struct task *t, gva_t ctx, gva_t iocb, gva_t result)
{
    struct context *c;
    struct io_event ev = { 0 };
    int64_t r = -EINVAL;
    uint32_t key;

    if (get_user(t->mem, &key, iocb + offsetof(struct iocb, aio_key)))
        return -EFAULT;
    c = context_get(ctx, false);
    if (!c)
        return -EINVAL;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->req[i].next == BUSY && c->req[i].guest == iocb) {
            r = HOST(t, SYS_io_cancel, c->host, &c->req[i].host, &ev);
            break;
        }
    if (r == 0) {
        ev.obj = iocb;
        r = put_user(t->mem, result, &ev);
    }
    context_put(c);
    return r;
}

/* --- Events ------------------------------------------------------------------------------------------ */

/* Gives each event the guest's address of its request, whose copy is free then. */
static int events_out(struct task *t, struct context *c, struct io_event *ev, int64_t n, gva_t to)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = (ev[i].obj - (uint64_t)(uintptr_t)c->req) / sizeof *c->req;
        struct request *q = &c->req[MIN(at, c->n - 1)];

        ev[i].obj = q->guest;
        request_free(c, q);
    }
    return copy_out(t->mem, to, ev, (size_t)n * sizeof *ev);
}

/* One host call after the other as long as they are full; only the first may be interrupted without result. */
static int64_t get_events(struct task *t, gva_t ctx, int64_t min_nr, int64_t nr, gva_t events, gva_t timeout,
                          gva_t mask, uint64_t size)
{
    struct context *c = context_get(ctx, false);
    struct io_event ev[EVENTS_MAX];
    int64_t got = 0, r = 0;

    if (!c)
        return -EINVAL;
    if (min_nr < 0 || nr < min_nr)
        r = -EINVAL;
    while (r >= 0 && got < nr) {
        int64_t want = MIN(nr - got, EVENTS_MAX), least = MIN(MAX(min_nr - got, 0), want);
        const uint64_t a[6] = { c->host, (uint64_t)least, (uint64_t)want, (uint64_t)(uintptr_t)ev,
                                span(t, timeout, 16) };

        r = sig_masked_call(t, mask, size, MASK_PAIR, 5, mask ? SYS_io_pgetevents : SYS_io_getevents, a);
        if (r > 0 && events_out(t, c, ev, r, events + (gva_t)got * sizeof *ev))
            r = -EFAULT;
        if (r > 0)
            got += r;
        if (r < want)
            break;
    }
    context_put(c);
    return got ? got : r;
}

int64_t sys_io_getevents(struct task *t, gva_t ctx, int64_t min_nr, int64_t nr, gva_t events, gva_t timeout)
{
    return get_events(t, ctx, min_nr, nr, events, timeout, 0, sizeof(uint64_t));
}

int64_t sys_io_pgetevents(struct task *t, gva_t ctx, int64_t min_nr, int64_t nr, gva_t events, gva_t timeout,
                          gva_t usig)
{
    struct {
        gva_t mask;
        uint64_t size;
    } sig = { 0, sizeof(uint64_t) };

    if (usig && get_user(t->mem, &sig, usig))
        return -EFAULT;
    return get_events(t, ctx, min_nr, nr, events, timeout, sig.mask, sig.size);
}
