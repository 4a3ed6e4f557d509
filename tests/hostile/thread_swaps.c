/* Another thread puts its own descriptor wherever noahv opens one for a moment. outside: nothing. */
#include "hostile.h"
#include <pthread.h>

static int readonly;

static void *swap(void *arg)
{
    for (;;)
        for (int fd = 4; fd < 12; fd++)
            syscall(SYS_dup3, readonly, fd, 0);
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
    close(open(name, O_WRONLY | O_CREAT, 0666));
    if (readonly < 0 || fstat(readonly, &before) < 0 || pthread_create(&t, NULL, swap, NULL) != 0)
        return 2;
    for (int i = 0; i < 20000; i++) {
        chmod(name, i & 1 ? 0600 : 0640);
        truncate(name, 1);
    }
    fstat(readonly, &after);
    TRY(before.st_mode != after.st_mode || before.st_size != after.st_size);
    return reached_any;
}
