/* Devices of the machine. */
#include "hostile.h"

int main(void)
{
    static const char *const names[] = { "/dev/mem",  "/dev/kmsg", "/dev/sda",     "/dev/vda",
                                         "/dev/kvm",  "/dev/fuse", "/dev/net/tun", "/dev/input/event0",
                                         "/dev/tty0", "/dev/ptmx", "/dev/shm" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        TRY(open(names[i], O_RDONLY) >= 0);
    TRY(chmod("/dev/null", 0666) == 0);
    TRY(access("/dev/ptmx", F_OK) == 0);
    return reached_any;
}
