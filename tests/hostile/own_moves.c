/* A thread claims the numbers of noahv's own descriptors while calls of another go by them. outside: nothing. */
/* box: 0<folder */
/* box: --fds 1048576 */
#include "hostile.h"
#include <pthread.h>

/* Where there is no room above the program's limit, noahv's are below it: are all numbers to be had? */
static int claim_all(void)
{
    int all = 1;

    for (int fd = 200; fd < 1024; fd++)
        all &= syscall(SYS_dup3, 0, fd, 0) == fd && close(fd) == 0;
    return all;
}

static void *claim(void *arg)
{
    for (;;)
        claim_all();
    return arg;
}

int main(int argc, char **argv)
{
    char name[PATH_MAX], below[PATH_MAX];
    struct stat st;
    int got = 0;
    pthread_t t;

    (void)argc;
    snprintf(name, sizeof name, "%s/secret", argv[3]);
    snprintf(below, sizeof below, "%s/low/secret", argv[3]);
    if (pthread_create(&t, NULL, claim, NULL) != 0)
        return 2;
    TRY(claim_all());
    for (int i = 0; i < 20000; i++) {
        got |= reads_secret(open(name, O_RDONLY));
        got |= reads_secret(open(name, O_RDONLY | O_NOFOLLOW));
        got |= stat(name, &st) == 0 || lstat(below, &st) == 0;
    }
    TRY(got);
    return reached_any;
}
