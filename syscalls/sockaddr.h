/*
 * Socket addresses on their way to the host: copied once, so that what a box's policy saw is what the host gets.
 */
#ifndef NOAHV_SYSCALLS_SOCKADDR_H
#define NOAHV_SYSCALLS_SOCKADDR_H

#include <sys/socket.h>

#include "syscalls/path.h"

struct address {
    struct sockaddr_storage sa;
    socklen_t len;    /* 0: none */
    struct path path; /* of a local socket in a box: holds what sa names */
};

enum address_use { ADDRESS_BIND, ADDRESS_CONNECT, ADDRESS_SEND };

/*
 * Copies and checks an address of `len` bytes (net/socket.c move_addr_to_kernel): 0, or -EINVAL, -EFAULT, in a box also
 * what its policy and its files say. address_done when the call was made, also after a failure.
 */
int64_t address_in(struct task *t, struct address *a, gva_t guest, int len, enum address_use use);
void address_done(struct address *a);

#endif
