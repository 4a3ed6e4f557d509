/*
 * From a file to a guest ready to run: ELF through libelf, the initial stack, the vDSO. Knows guest memory,
 * but no hart, no engine and no system call.
 */
#ifndef NOAHV_LOADER_LOADER_H
#define NOAHV_LOADER_LOADER_H

#include <stddef.h>

#include "mem/gmem.h"

/* What the loader learned, and what the stack builder and /proc need. Addresses are guest addresses. */
struct image {
    gva_t entry; /* of the program itself */
    gva_t phdr;  /* of the program headers in guest memory, 0 if not mapped */
    unsigned phnum;
    gva_t base;        /* load bias of ET_DYN, 0 for ET_EXEC */
    gva_t start;       /* where execution begins: the dynamic loader's entry, or the program's */
    gva_t interp_base; /* AT_BASE: load bias of the dynamic loader, 0 without one */
    gva_t start_code, end_code, start_data, end_data;
    gva_t brk;       /* page-rounded end of the highest segment */
    bool exec_stack; /* PT_GNU_STACK asks for it (or is absent: no) */
};

/* Where things go; made by the caller (randomised or fixed). */
struct layout {
    gva_t pie_base;       /* load address of an ET_DYN image */
    gva_t interp_top;     /* the dynamic loader goes below */
    gva_t stack_top;      /* page-aligned end of the stack */
    gva_t vdso;           /* page-aligned address of the vDSO image; 0: none is mapped */
    uint64_t stack_bytes; /* mapped at once; grows on faults */
};

/* Why a file cannot be run, for people: cause and next step in one line, without the file's name. */
#define LOADER_WHY_MAX 256

/*
 * Validates `fd` as a riscv64 executable without touching the guest: 0, or -ENOEXEC, -EACCES (directory, no
 * regular file), -EIO with `why` filled (LOADER_WHY_MAX bytes). `interp` (PATH_MAX bytes) receives the name of
 * the dynamic loader that the program asks for, "" when it is static; NULL: the file is a dynamic loader.
 */
int elf_check(int fd, char *interp, char *why);

/*
 * Maps the segments of a file that elf_check accepted into `m` (which is empty but for what must stay), and those
 * of its dynamic loader if interp_fd >= 0. On failure (-ENOMEM, -ENOEXEC ...) `why` is filled and the guest's
 * memory is undefined.
 */
int elf_map(struct gmem *m, int fd, int interp_fd, const struct layout *l, struct image *out, char *why);

/* Maps the vDSO image at l->vdso; *sigreturn gets the address of its rt_sigreturn trampoline. */
int vdso_map(struct gmem *m, gva_t at, gva_t *sigreturn);

/* Page-rounded length of the vDSO image. */
uint64_t vdso_len(void);

struct stack_args {
    char *const *argv;  /* NULL-terminated; empty argv becomes {""} as in the kernel */
    char *const *envp;  /* NULL-terminated */
    const char *execfn; /* AT_EXECFN */
    uint8_t random[16]; /* AT_RANDOM */
    uint64_t hwcap;     /* AT_HWCAP */
    uint32_t uid, euid, gid, egid;
    bool secure; /* AT_SECURE */
};

/* What /proc/self/{cmdline,environ,auxv,stat} show. */
struct stack_info {
    gva_t sp;
    gva_t arg_start, arg_end, env_start, env_end;
    gva_t auxv;
    size_t auxv_len; /* bytes */
};

/*
 * Maps the stack below l->stack_top and writes argc, argv, envp, auxv and the strings as the kernel does
 * (fs/binfmt_elf.c create_elf_tables). -E2BIG when arguments pass a quarter of the stack limit or 6 MiB,
 * -ENOMEM.
 */
int stack_build(struct gmem *m, const struct layout *l, const struct image *img, const struct stack_args *a,
                struct stack_info *out);

#endif
