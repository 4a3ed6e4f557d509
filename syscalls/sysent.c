/*
 * The tables that dispatch, the tracer and the support list work from, expanded from table.def and kinds.def.
 * No behaviour lives here: a thunk only narrows the six registers to what the handler's prototype says.
 */
#include "syscalls/sysent.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "noahv.h"
#include "syscalls/numbers.h"
#include "syscalls/path.h"

/* A thunk per row that has a handler; PASS, SAME, DENY and NONE rows have none. */
#define THUNK_PASS(...)
#define THUNK_SAME(...)
#define THUNK_NONE(...)
#define THUNK_DENY(...)
#define THUNK_OWN(name, ...)                                       \
    static int64_t thunk_##name(struct task *t, const uint64_t *a) \
    {                                                              \
        (void)a;                                                   \
        return sys_##name(t __VA_ARGS__);                          \
    }

#define SYS0(nr, name, class, how, level, ret) THUNK_##how(name)
#define SYS1(nr, name, class, how, level, ret, k0, a0) THUNK_##how(name, , (kind_##k0)a[0])
#define SYS2(nr, name, class, how, level, ret, k0, a0, k1, a1) \
    THUNK_##how(name, , (kind_##k0)a[0], (kind_##k1)a[1])
#define SYS3(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2) \
    THUNK_##how(name, , (kind_##k0)a[0], (kind_##k1)a[1], (kind_##k2)a[2])
#define SYS4(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3) \
    THUNK_##how(name, , (kind_##k0)a[0], (kind_##k1)a[1], (kind_##k2)a[2], (kind_##k3)a[3])
#define SYS5(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3, k4, a4) \
    THUNK_##how(name, , (kind_##k0)a[0], (kind_##k1)a[1], (kind_##k2)a[2], (kind_##k3)a[3], (kind_##k4)a[4])
#define SYS6(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3, k4, a4, k5, a5)               \
    THUNK_##how(name, , (kind_##k0)a[0], (kind_##k1)a[1], (kind_##k2)a[2], (kind_##k3)a[3], (kind_##k4)a[4], \
                (kind_##k5)a[5])
#include "syscalls/table.def"

/* Who answers, as initialisers. SYS_<name> is named for PASS rows alone: the host lacks some others. */
#define HOW_INIT_PASS(nr, name) .how = HOW_PASS, .host_nr = SYS_##name
#define HOW_INIT_SAME(nr, name) .how = HOW_SAME, .host_nr = (nr)
#define HOW_INIT_OWN(nr, name) .how = HOW_OWN, .thunk = thunk_##name
#define HOW_INIT_DENY(nr, name) .how = HOW_DENY
#define HOW_INIT_NONE(nr, name) .how = HOW_NONE

#define ROW(nr_, name_, class_, how_, level_, ret_, n_, ...) \
    [nr_] = { .name = #name_,                                \
              .class = CLASS_##class_,                       \
              .level = LEVEL_##level_,                       \
              .ret = RET_##ret_,                             \
              .nargs = (n_),                                 \
              HOW_INIT_##how_(nr_, name_),                   \
              __VA_ARGS__ },

#define SYS0(nr, name, class, how, level, ret) ROW(nr, name, class, how, level, ret, 0, .kind = { KIND_NONE })
#define SYS1(nr, name, class, how, level, ret, k0, a0) \
    ROW(nr, name, class, how, level, ret, 1, .kind = { KIND_##k0 }, .arg = { #a0 })
#define SYS2(nr, name, class, how, level, ret, k0, a0, k1, a1) \
    ROW(nr, name, class, how, level, ret, 2, .kind = { KIND_##k0, KIND_##k1 }, .arg = { #a0, #a1 })
#define SYS3(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2)                    \
    ROW(nr, name, class, how, level, ret, 3, .kind = { KIND_##k0, KIND_##k1, KIND_##k2 }, \
        .arg = { #a0, #a1, #a2 })
#define SYS4(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3)                       \
    ROW(nr, name, class, how, level, ret, 4, .kind = { KIND_##k0, KIND_##k1, KIND_##k2, KIND_##k3 }, \
        .arg = { #a0, #a1, #a2, #a3 })
#define SYS5(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3, k4, a4) \
    ROW(nr, name, class, how, level, ret, 5,                                           \
        .kind = { KIND_##k0, KIND_##k1, KIND_##k2, KIND_##k3, KIND_##k4 },             \
        .arg = { #a0, #a1, #a2, #a3, #a4 })
#define SYS6(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3, k4, a4, k5, a5) \
    ROW(nr, name, class, how, level, ret, 6,                                                   \
        .kind = { KIND_##k0, KIND_##k1, KIND_##k2, KIND_##k3, KIND_##k4, KIND_##k5 },          \
        .arg = { #a0, #a1, #a2, #a3, #a4, #a5 })
const struct sysent sysent[NR_SYS] = {
#include "syscalls/table.def"
};

const struct kind_desc kind_desc[NR_KINDS] = {
    [KIND_NONE] = { .name = "NONE" },
#define KIND(name_, type_, marshal_, size_, printer_)     \
    [KIND_##name_] = { .name = #name_,                    \
                       .marshal = marshal_,               \
                       .bytes = sizeof(type_),            \
                       .is_signed = (type_)-1 < (type_)1, \
                       .size = size_ },
#include "syscalls/kinds.def"
#undef KIND
};

const char *sys_class_name(enum sys_class c)
{
    static const char *const names[NR_CLASSES] = {
        [CLASS_FILE] = "file",       [CLASS_DESC] = "desc",     [CLASS_MEMORY] = "memory",
        [CLASS_PROCESS] = "process", [CLASS_SIGNAL] = "signal", [CLASS_IPC] = "ipc",
        [CLASS_NET] = "network",     [CLASS_TIME] = "clock",    [CLASS_CRED] = "creds",
        [CLASS_INFO] = "info",       [CLASS_ADMIN] = "admin",
    };

    return names[c];
}

const char *sys_level_name(enum sys_level l)
{
    static const char *const names[] = {
        [LEVEL_FULL] = "full",
        [LEVEL_NONE] = "none",
    };

    return names[l];
}

const char *noahv_linux_limits(int nr)
{
    static const char *const text[NR_SYS] = {
#define LIMIT(name, text_) [NR_##name] = (text_),
#include "syscalls/limits.def"
#undef LIMIT
    };

    return nr >= 0 && nr < NR_SYS ? text[nr] : NULL;
}

void noahv_linux_syscalls(noahv_syscall_visit_fn visit, void *opaque)
{
    for (int nr = 0; nr < NR_SYS; nr++) {
        const struct sysent *e = &sysent[nr];

        if (e->name)
            visit(opaque, nr, e->name, sys_class_name(e->class), sys_level_name(e->level));
    }
}
