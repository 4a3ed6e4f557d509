/*
 * The vDSO, RISC-V code that runs in the guest: what the kernel's own offers (LINUX_4.15), written for noahv.
 * clock_gettime and gettimeofday answer without leaving the guest: rdtime counts nanoseconds of
 * CLOCK_MONOTONIC here, and noahv's own CSR reads CLOCK_REALTIME. It keeps no data page, and so asks for the coarse
 * clocks: they may not be ahead of the times of files.
 *
 * The unwind information of the trampoline is the point of it: an unwinder that reaches __vdso_rt_sigreturn
 * finds the interrupted function's registers in the signal frame that sp points at.
 */
#define NOAHV_REALTIME 0xcc0

#define NR_RT_SIGRETURN 139
#define NR_GETCPU 168
#define NR_GETTIMEOFDAY 169
#define NR_CLOCK_GETTIME 113
#define NR_CLOCK_GETRES 114
#define NR_HWPROBE 258
#define NR_FLUSH_ICACHE 259

#define CLOCK_MONOTONIC 1

/* struct rt_sigframe: siginfo, then ucontext at 128, in it the registers. */
#define FRAME_PC 304
#define FRAME_X(n) (FRAME_PC + 8 * (n))
#define FRAME_F(n) (560 + 8 * (n))
#define DWARF_F(n) (32 + (n))
#define DWARF_PC 64 /* "alternate frame return column" of the RISC-V psABI */

    .option norvc
    .text

.macro function name
    .balign 16
    .globl \name
    .type \name, @function
\name:
    .cfi_startproc
.endm

.macro end name
    .cfi_endproc
    .size \name, . - \name
.endm

/* DW_CFA_expression: the caller's register `reg` is stored at sp + `offset` (two-byte SLEB128). */
.macro stored reg, offset
    .cfi_escape 0x10, \reg, 3, 0x72, (\offset & 0x7f) | 0x80, (\offset >> 7) & 0x7f
.endm

/*
 * The frame description begins one instruction early: an unwinder looks up a return address minus one. The
 * bytes of the two instructions are what debuggers and unwinders without DWARF recognise.
 */
    .balign 16
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column DWARF_PC
    /* DW_CFA_def_cfa_expression: the interrupted stack pointer, *(sp + FRAME_X(2)). */
    .cfi_escape 0x0f, 4, 0x72, (FRAME_X(2) & 0x7f) | 0x80, FRAME_X(2) >> 7, 0x06
    stored DWARF_PC, FRAME_PC
    .set i, 1
    .rept 31
    stored i, FRAME_X(i)
    .set i, i + 1
    .endr
    .set i, 0
    .rept 32
    stored DWARF_F(i), FRAME_F(i)
    .set i, i + 1
    .endr
    nop
    .globl __vdso_rt_sigreturn
    .type __vdso_rt_sigreturn, @function
__vdso_rt_sigreturn:
    li a7, NR_RT_SIGRETURN
    ecall
    end __vdso_rt_sigreturn

/* int clock_gettime(clockid_t id, struct timespec *ts) */
    function __vdso_clock_gettime
    beqz a0, 1f
    li t0, CLOCK_MONOTONIC
    bne a0, t0, 3f
    rdtime t0
    j 2f
1:  csrr t0, NOAHV_REALTIME
2:  li t1, 1000000000
    divu t2, t0, t1
    remu t3, t0, t1
    sd t2, 0(a1)
    sd t3, 8(a1)
    li a0, 0
    ret
3:  li a7, NR_CLOCK_GETTIME
    ecall
    ret
    end __vdso_clock_gettime

/* int gettimeofday(struct timeval *tv, struct timezone *tz): either may be NULL */
    function __vdso_gettimeofday
    bnez a1, 2f
    beqz a0, 1f
    csrr t0, NOAHV_REALTIME
    li t1, 1000
    divu t0, t0, t1
    li t1, 1000000
    divu t2, t0, t1
    remu t3, t0, t1
    sd t2, 0(a0)
    sd t3, 8(a0)
1:  li a0, 0
    ret
2:  li a7, NR_GETTIMEOFDAY
    ecall
    ret
    end __vdso_gettimeofday

/* int clock_getres(clockid_t id, struct timespec *res): the coarse clocks' tick is the host's business */
    function __vdso_clock_getres
    li t0, 1
    bgtu a0, t0, 2f
    beqz a1, 1f
    sd zero, 0(a1)
    sd t0, 8(a1)
1:  li a0, 0
    ret
2:  li a7, NR_CLOCK_GETRES
    ecall
    ret
    end __vdso_clock_getres

.macro enter name, number
    function \name
    li a7, \number
    ecall
    ret
    end \name
.endm

    enter __vdso_getcpu, NR_GETCPU
    enter __vdso_flush_icache, NR_FLUSH_ICACHE
    enter __vdso_riscv_hwprobe, NR_HWPROBE

    .section .note.GNU-stack, "", @progbits
