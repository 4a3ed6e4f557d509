/* The vDSO (loader/vdso/vdso.S, built for riscv64) as bytes of noahv itself. */
    .section .rodata, "a", @progbits
    .balign 8
    .globl vdso_image, vdso_image_end
    .hidden vdso_image, vdso_image_end
vdso_image:
    .incbin "loader/vdso.so"
vdso_image_end:
    .byte 0

    .section .note.GNU-stack, "", @progbits
