/*
 * The one door to the host kernel for calls that guest signals may interrupt.
 *
 *   int64_t host_call_stub(const volatile sig_atomic_t *caught, long nr, const uint64_t a[6])
 *
 * A signal handler that interrupts between host_call_begin and the end of the syscall instruction sends the
 * thread to host_call_skip (signal.c), so no signal can slip in between the test and the call. The same
 * holds when the host kernel has set the call up for a restart: rip is then at the syscall instruction again.
 * No register is saved and no stack is used: the range can be left from every instruction.
 */
        .text
        .globl  host_call_stub, host_call_begin, host_call_end, host_call_skip
        .hidden host_call_stub, host_call_begin, host_call_end, host_call_skip
        .type   host_call_stub, @function
host_call_stub:
host_call_begin:
        cmpl    $0, (%rdi)
        jne     host_call_skip
        mov     %rsi, %rax
        mov     %rdx, %r11
        mov     0(%r11), %rdi
        mov     8(%r11), %rsi
        mov     16(%r11), %rdx
        mov     24(%r11), %r10
        mov     32(%r11), %r8
        mov     40(%r11), %r9
        syscall
host_call_end:
        ret
host_call_skip:
        mov     $-513, %rax     /* -ERESTARTNOINTR */
        ret
        .size   host_call_stub, . - host_call_stub

/* What SA_RESTORER of a host handler points to: rt_sigreturn. */
        .globl  host_restorer
        .hidden host_restorer
        .type   host_restorer, @function
host_restorer:
        mov     $15, %eax
        syscall
        .size   host_restorer, . - host_restorer

/*
 * clone3 with a child that has a stack of its own, where the C library's clone has no word for what is asked:
 *
 *   int64_t host_clone3(const struct clone_args *args, size_t size, int (*body)(void *), void *arg)
 */
        .globl  host_clone3
        .hidden host_clone3
        .type   host_clone3, @function
host_clone3:
        mov     %rcx, %r8
        mov     $435, %eax
        syscall
        test    %rax, %rax
        jz      1f
        ret
1:      xor     %ebp, %ebp
        mov     %r8, %rdi
        call    *%rdx
        hlt                     /* the body does not return */
        .size   host_clone3, . - host_clone3

        .section .note.GNU-stack, "", @progbits
