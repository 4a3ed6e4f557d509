/* The tree of files is changed. outside: nothing, without privilege. */
#include "hostile.h"
#include <sys/mount.h>

int main(int argc, char **argv)
{
    (void)argc;
    TRY(mount("none", argv[3], "tmpfs", 0, NULL) == 0);
    TRY(mount(argv[1], argv[4], NULL, MS_BIND, NULL) == 0);
    TRY(umount2(argv[3], MNT_DETACH) == 0);
    TRY(chroot(argv[3]) == 0);
    TRY(syscall(SYS_pivot_root, argv[3], argv[3]) == 0);
    TRY(syscall(428 /* open_tree */, AT_FDCWD, argv[3], 1) >= 0);
    TRY(syscall(430 /* fsopen */, "tmpfs", 0) >= 0);
    return reached_any;
}
