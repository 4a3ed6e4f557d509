/*
 * keyctl: which arguments of which operation are addresses. Keys are the host's; add_key and request_key cross
 * unchanged (pass.c).
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/iovec.h"
#include "syscalls/linux.h"

/* Younger than some kernel headers (include/uapi/linux/keyctl.h). */
enum { HOST_KEYCTL_MOVE = 30, HOST_KEYCTL_CAPABILITIES = 31, HOST_KEYCTL_WATCH_KEY = 32 };

/* Arguments that are addresses, as bits: A2 is the one after the operation. What they hold is flat. */
enum { A2 = 1, A3 = 2, A4 = 4, A5 = 8, KNOWN = 16 };

/* clang-format off */
static const uint8_t addresses[] = {
    [KEYCTL_GET_KEYRING_ID] = KNOWN,          [KEYCTL_JOIN_SESSION_KEYRING] = KNOWN | A2,
    [KEYCTL_UPDATE] = KNOWN | A3,             [KEYCTL_REVOKE] = KNOWN,
    [KEYCTL_CHOWN] = KNOWN,                   [KEYCTL_SETPERM] = KNOWN,
    [KEYCTL_DESCRIBE] = KNOWN | A3,           [KEYCTL_CLEAR] = KNOWN,
    [KEYCTL_LINK] = KNOWN,                    [KEYCTL_UNLINK] = KNOWN,
    [KEYCTL_SEARCH] = KNOWN | A3 | A4,        [KEYCTL_READ] = KNOWN | A3,
    [KEYCTL_INSTANTIATE] = KNOWN | A3,        [KEYCTL_NEGATE] = KNOWN,
    [KEYCTL_SET_REQKEY_KEYRING] = KNOWN,      [KEYCTL_SET_TIMEOUT] = KNOWN,
    [KEYCTL_ASSUME_AUTHORITY] = KNOWN,        [KEYCTL_GET_SECURITY] = KNOWN | A3,
    [KEYCTL_SESSION_TO_PARENT] = KNOWN,       [KEYCTL_REJECT] = KNOWN,
    [KEYCTL_INVALIDATE] = KNOWN,              [KEYCTL_GET_PERSISTENT] = KNOWN,
    [KEYCTL_PKEY_QUERY] = KNOWN | A4 | A5,    [KEYCTL_PKEY_ENCRYPT] = KNOWN | A2 | A3 | A4 | A5,
    [KEYCTL_PKEY_DECRYPT] = KNOWN | A2 | A3 | A4 | A5,
    [KEYCTL_PKEY_SIGN] = KNOWN | A2 | A3 | A4 | A5,
    [KEYCTL_PKEY_VERIFY] = KNOWN | A2 | A3 | A4 | A5,
    [KEYCTL_RESTRICT_KEYRING] = KNOWN | A3 | A4,
    [HOST_KEYCTL_MOVE] = KNOWN,               [HOST_KEYCTL_CAPABILITIES] = KNOWN | A2,
    [HOST_KEYCTL_WATCH_KEY] = KNOWN,
};
/* clang-format on */

/* The payload is scattered. */
static int64_t instantiate_iov(struct task *t, uint64_t id, gva_t iov, uint64_t n, uint64_t ring)
{
    struct iovecs io;
    int64_t r;

    if (!iov || !n)
        return HOST(t, SYS_keyctl, KEYCTL_INSTANTIATE_IOV, id, NULL, 0, ring);
    r = iovecs_in(t, &io, iov, (uint32_t)n);
    if (r < 0)
        return r;
    r = HOST(t, SYS_keyctl, KEYCTL_INSTANTIATE_IOV, id, io.v, io.n, ring);
    iovecs_free(&io);
    return r;
}

/* The derivation function is described by a structure with two addresses. */
static int64_t dh_compute(struct task *t, gva_t params, gva_t buf, uint64_t len, gva_t kdf_at)
{
    struct keyctl_kdf_params kdf;

    if (kdf_at) {
        if (get_user(t->mem, &kdf, kdf_at))
            return -EFAULT;
        kdf.hashname = gmem_span(t->mem, (gva_t)(uintptr_t)kdf.hashname, 0);
        kdf.otherinfo = gmem_span(t->mem, (gva_t)(uintptr_t)kdf.otherinfo, kdf.otherinfolen);
    }
    return HOST(t, SYS_keyctl, KEYCTL_DH_COMPUTE, span(t, params, 12), span(t, buf, len), len,
                kdf_at ? &kdf : NULL);
}

int64_t sys_keyctl(struct task *t, int option, uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
    uint64_t a[] = { arg2, arg3, arg4, arg5 };
    uint8_t which;

    if (option == KEYCTL_INSTANTIATE_IOV)
        return instantiate_iov(t, arg2, arg3, arg4, arg5);
    if (option == KEYCTL_DH_COMPUTE)
        return dh_compute(t, arg2, arg3, arg4, arg5);
    which = option >= 0 && option < (int)ARRAY_SIZE(addresses) ? addresses[option] : 0;
    if (!which)
        return -EOPNOTSUPP;
    if (option == HOST_KEYCTL_WATCH_KEY && fd_is_own((int)arg3))
        return -EBADF;
    for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
        if (which & (1u << i))
            a[i] = span(t, a[i], 0);
    return HOST(t, SYS_keyctl, option, a[0], a[1], a[2], a[3]);
}
