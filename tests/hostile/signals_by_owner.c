/* Signals that a descriptor sends to its owner, when that is a process outside. */
#include "hostile.h"

int main(int argc, char **argv)
{
    struct f_owner_ex owner = { F_OWNER_PID, outsider(argv) };
    int p[2], pid = outsider(argv);

    (void)argc;
    if (pipe(p) < 0)
        return 2;
    TRY(fcntl(p[0], F_SETOWN, pid) == 0);
    TRY(fcntl(p[0], F_SETOWN, -getpgid(pid)) == 0);
    TRY(fcntl(p[0], F_SETOWN_EX, &owner) == 0);
    TRY(ioctl(socket(AF_UNIX, SOCK_STREAM, 0), FIOSETOWN, &pid) == 0);
    TRY(ioctl(socket(AF_UNIX, SOCK_STREAM, 0), SIOCSPGRP, &pid) == 0);
    return reached_any;
}
