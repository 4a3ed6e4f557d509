/* Leaves with status 7, wherever it is loaded: a static PIE with one function of a known name. */
    .globl  _start
_start:
    li      a0, 7
    call    leave

    .type   leave, @function
leave:
    li      a7, 93
    ecall
    .size   leave, . - leave
