/* The numbers of riscv64 Linux's system calls, by their names in table.def. */
#ifndef NOAHV_SYSCALLS_NUMBERS_H
#define NOAHV_SYSCALLS_NUMBERS_H

/* clang-format off */
enum {
#define SYS0(nr, name, ...) NR_##name = (nr),
#define SYS1 SYS0
#define SYS2 SYS0
#define SYS3 SYS0
#define SYS4 SYS0
#define SYS5 SYS0
#define SYS6 SYS0
#include "syscalls/table.def"
};
/* clang-format on */

#endif
