/*
 * What a system call and a signal handler may change: of the registers, a0 alone for the call and nothing for
 * the handler. Fills x5..x31 and f0..f31 with patterns, calls, compares. Exit status: 0, else the register.
 */
#define SYS_rt_sigaction 134
#define SYS_kill 129
#define SYS_getpid 172
#define SYS_write 64
#define SYS_exit 93
#define SIGUSR1 10

    .macro fill
    .irp n, 5,6,7,8,9,12,13,14,15,16,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    li x\n, 0x0101010101010101 * \n
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    li a7, 0x0302030203020302 * (\n + 1)
    fmv.d.x f\n, a7
    .endr
    li a7, 0x65
    fscsr a7
    .endm

    .macro check
    .irp n, 5,6,7,8,9,12,13,14,15,16,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    li a7, 0x0101010101010101 * \n
    li a0, \n
    bne x\n, a7, fail
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fmv.x.d a7, f\n
    li a1, 0x0302030203020302 * (\n + 1)
    li a0, 32 + \n
    bne a1, a7, fail
    .endr
    frcsr a7
    li a1, 0x65
    li a0, 64
    bne a1, a7, fail
    .endm

    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    /* getpid leaves everything but a0 */
    fill
    li a7, SYS_getpid
    ecall
    mv s11, a0
    li x27, 0x0101010101010101 * 27
    check

    /* a handler that spoils every register in between */
    li a0, SIGUSR1
    la a1, action
    li a2, 0
    li a3, 8
    li a7, SYS_rt_sigaction
    ecall
    bnez a0, fail
    li a7, SYS_getpid
    ecall
    mv a2, a0
    la a1, pid
    sd a2, (a1)
    fill
    la a1, pid
    ld a0, (a1)
    li a1, SIGUSR1
    li a7, SYS_kill
    ecall
    li a7, SYS_kill /* the call's own registers survive too */
    bnez a0, fail
    check
    la a1, handled
    lw a0, (a1)
    addi a0, a0, -1
    bnez a0, fail

    li a0, 1
    la a1, text
    li a2, 20
    li a7, SYS_write
    ecall
    li a0, 0
fail:
    li a7, SYS_exit
    ecall

handler:
    la t0, handled
    lw t1, (t0)
    addi t1, t1, 1
    sw t1, (t0)
    .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    li x\n, -\n
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fmv.d.x f\n, x0
    .endr
    fscsr x0
    ret

    .data
    .balign 8
action:
    .dword handler, 0, 0
pid:
    .dword 0
handled:
    .word 0
text:
    .ascii "registers preserved\n"
