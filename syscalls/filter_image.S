/* The filters that syscalls/filter/make.c has made, as bytes of noahv itself. */
    .section .rodata, "a", @progbits
    .balign 8
1:
    .incbin "syscalls/filter_none.bpf"
2:
    .incbin "syscalls/filter_net.bpf"
3:
    .section .data.rel.ro, "aw", @progbits
    .balign 8
    .globl filter_image
    .hidden filter_image
filter_image:
    .quad 1b, 2b - 1b, 2b, 3b - 2b

    .section .note.GNU-stack, "", @progbits
