/* The vDSO (loader/vdso/vdso.S, built for riscv64) as bytes of noahv itself. */
    .section .rodata, "a", @progbits
    .balign 8
    .globl vdso_image, vdso_image_len
    .hidden vdso_image, vdso_image_len
vdso_image_len:
    .quad 1f - vdso_image
vdso_image:
    .incbin "loader/vdso.so"
1:

    .section .note.GNU-stack, "", @progbits
