/* Another thread puts a descriptor of what is read-only in the place of one that may be changed. outside: nothing. */
#include "hostile.h"
#include <pthread.h>
#include <sys/xattr.h>

static int readonly, mine, at;

static void *swap(void *arg)
{
    for (;;) {
        syscall(SYS_dup3, readonly, at, 0);
        syscall(SYS_dup3, mine, at, 0);
    }
    return arg;
}

int main(int argc, char **argv)
{
    char name[PATH_MAX];
    struct stat before, after;
    pthread_t t;

    (void)argc;
    readonly = open(argv[4], O_RDONLY);
    snprintf(name, sizeof name, "%s/mine", argv[3]);
    mine = open(name, O_RDONLY | O_CREAT, 0600);
    at = dup(mine);
    if (readonly < 0 || at < 0 || fstat(readonly, &before) < 0 || pthread_create(&t, NULL, swap, NULL) != 0)
        return 2;
    for (int i = 0; i < 5000; i++) {
        fchmod(at, i & 1 ? 0600 : 0640);
        futimens(at, (struct timespec[]){ { 1, 0 }, { 1, 0 } });
        fchownat(at, "", getuid(), getgid(), AT_EMPTY_PATH);
        fsetxattr(at, "user.x", "y", 1, 0);
    }
    fstat(readonly, &after);
    TRY(before.st_mode != after.st_mode || before.st_mtime != after.st_mtime);
    TRY(fgetxattr(readonly, "user.x", name, sizeof name) > 0);
    return reached_any;
}
