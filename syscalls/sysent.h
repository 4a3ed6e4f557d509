/*
 * What table.def, kinds.def and flags.def say, as types: the prototypes of the handlers, and one struct
 * sysent per system call from which dispatch, trace and the support table work.
 */
#ifndef NOAHV_SYSCALLS_SYSENT_H
#define NOAHV_SYSCALLS_SYSENT_H

#include <stdint.h>

#include "base/util.h"

struct task;

/* How an argument crosses to the host when a row is passed through. */
enum marshal {
    M_VAL,   /* as it is */
    M_LINK,  /* the same: flags, of which one says that the path's last link is not followed */
    M_FD,    /* a descriptor: noahv's own give -EBADF */
    M_CFD,   /* the same; in a box one that may be changed (view_hold) */
    M_DIRFD, /* the same, of the path that follows */
    M_PATH,  /* copied, resolved (path.c), the preceding DIRFD replaced if need be; NULL stays NULL */
    M_STR,   /* a string, copied; NULL stays NULL */
    M_BUF,   /* guest memory; its length is the next argument */
    M_PTR,   /* guest memory of fixed (or, in < 2 GiB, kernel-known) size; NULL stays NULL */
    M_OWN    /* needs a handler of our own: nested pointers, addresses that mean memory */
};

/* kinds.def: KIND(name, C type, marshal, size in bytes or what it says, printer) */
enum kind {
    KIND_NONE,
#define KIND(name, type, marshal, size, printer) KIND_##name,
#include "syscalls/kinds.def"
#undef KIND
    NR_KINDS
};

#define KIND(name, type, marshal, size, printer) typedef type kind_##name;
#include "syscalls/kinds.def"
#undef KIND

enum sys_class {
    CLASS_FILE, /* names a path */
    CLASS_DESC, /* works on descriptors */
    CLASS_MEMORY,
    CLASS_PROCESS,
    CLASS_SIGNAL,
    CLASS_IPC,
    CLASS_NET,
    CLASS_TIME,
    CLASS_CRED,  /* users, groups, capabilities */
    CLASS_INFO,  /* reads facts, changes nothing */
    CLASS_ADMIN, /* changes the machine */
    NR_CLASSES
};

/* Who answers a call. */
enum sys_how {
    HOW_PASS, /* generic: arguments marshalled by kind, one host call of the same name */
    HOW_SAME, /* the same; the host number is the guest's (all calls from 424 on) */
    HOW_OWN,  /* sys_<name>() */
    HOW_DENY, /* -EPERM and a note, as of an unprivileged process */
    HOW_NONE  /* -ENOSYS and a note */
};

enum sys_level { LEVEL_FULL, LEVEL_NONE };

/* How the result prints. */
enum sys_ret { RET_INT, RET_FD, RET_SIZE, RET_ADDR, RET_OCTAL, RET_HEX, RET_NONE };

#define SYS_ARGS_MAX 6
#define NR_SYS 473 /* highest riscv64 number + 1 (kernel 7.3) */

struct sysent {
    const char *name;                                    /* NULL: no such number */
    int64_t (*thunk)(struct task *t, const uint64_t *a); /* HOW_OWN */
    uint16_t host_nr;                                    /* HOW_PASS, HOW_SAME */
    uint8_t class, how, level, ret, nargs;
    uint8_t kind[SYS_ARGS_MAX];
    const char *arg[SYS_ARGS_MAX];
};

struct kind_desc {
    const char *name;
    uint8_t marshal, bytes; /* bytes: of the C type, for narrowing */
    uint8_t is_signed;
    uint32_t size;
};

extern const struct sysent sysent[NR_SYS];
extern const struct kind_desc kind_desc[NR_KINDS];

/* The row of a number, or NULL: bounds check and index in one. */
static inline const struct sysent *sysent_get(uint64_t nr)
{
    return nr < NR_SYS && sysent[nr].name ? &sysent[nr] : NULL;
}

const char *sys_class_name(enum sys_class c);
const char *sys_level_name(enum sys_level l);

/* Prototypes of the handlers: one that disagrees with its row does not compile. */
#define SYSPROTO_PASS(...)
#define SYSPROTO_SAME(...)
#define SYSPROTO_NONE(...)
#define SYSPROTO_DENY(...)
#define SYSPROTO_OWN(name, ...) int64_t sys_##name(struct task *t __VA_ARGS__);

#define SYS0(nr, name, class, how, level, ret) SYSPROTO_##how(name)
#define SYS1(nr, name, class, how, level, ret, k0, a0) SYSPROTO_##how(name, , kind_##k0 a0)
#define SYS2(nr, name, class, how, level, ret, k0, a0, k1, a1) \
    SYSPROTO_##how(name, , kind_##k0 a0, kind_##k1 a1)
#define SYS3(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2) \
    SYSPROTO_##how(name, , kind_##k0 a0, kind_##k1 a1, kind_##k2 a2)
#define SYS4(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3) \
    SYSPROTO_##how(name, , kind_##k0 a0, kind_##k1 a1, kind_##k2 a2, kind_##k3 a3)
#define SYS5(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3, k4, a4) \
    SYSPROTO_##how(name, , kind_##k0 a0, kind_##k1 a1, kind_##k2 a2, kind_##k3 a3, kind_##k4 a4)
#define SYS6(nr, name, class, how, level, ret, k0, a0, k1, a1, k2, a2, k3, a3, k4, a4, k5, a5) \
    SYSPROTO_##how(name, , kind_##k0 a0, kind_##k1 a1, kind_##k2 a2, kind_##k3 a3, kind_##k4 a4, kind_##k5 a5)
#include "syscalls/table.def"

#endif
