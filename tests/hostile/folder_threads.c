/* Threads that look into a folder, while others change what a name in it and its descriptor are. */
#include <pthread.h>

#include "hostile.h"

enum { TINY = 1, ROUNDS = 4000 }; /* the size of what is inside; what is outside has more */

static int folder, proc, number;
static volatile int over, big, init;

/* A file becomes a link and a file again. */
static void *swap_names(void *arg)
{
    (void)arg;
    while (!over)
        syscall(SYS_renameat2, AT_FDCWD, "swaps/plain", AT_FDCWD, "swaps/link", 2 /* RENAME_EXCHANGE */);
    return NULL;
}

/* A folder's descriptor becomes one of /proc, where no box has a process 1. */
static void *swap_numbers(void *arg)
{
    (void)arg;
    while (!over) {
        dup2(proc, number);
        dup2(folder, number);
    }
    return NULL;
}

static int is_big(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_size > TINY;
}

static void *look(void *arg)
{
    struct stat st;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        fstatat(number, "plain", &st, AT_SYMLINK_NOFOLLOW);
        big |= is_big(number, "plain") || is_big(folder, "plain") || is_big(AT_FDCWD, "swaps/plain");
        init |= fstatat(number, "1", &st, AT_SYMLINK_NOFOLLOW) == 0;
    }
    return NULL;
}

static void *open_in(void *arg)
{
    int fd;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        fd = openat(number, "1/", O_RDONLY | O_DIRECTORY);
        init |= fd >= 0;
        close(fd);
        fd = openat(folder, "deep", O_RDONLY | O_DIRECTORY);
        close(fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[6];
    int fd;

    (void)argc;
    if (chdir(argv[3]) < 0 || mkdir("swaps", 0777) < 0 || mkdir("swaps/deep", 0777) < 0 ||
        symlink("../../outside/secret", "swaps/link") < 0)
        return 2;
    fd = open("swaps/plain", O_WRONLY | O_CREAT, 0666);
    if (write(fd, "x", TINY) != TINY)
        return 2;
    folder = open("swaps", O_RDONLY | O_DIRECTORY);
    proc = open("/proc", O_RDONLY | O_DIRECTORY);
    number = dup(folder);
    pthread_create(&thread[0], NULL, swap_names, NULL);
    pthread_create(&thread[1], NULL, swap_numbers, NULL);
    pthread_create(&thread[2], NULL, look, NULL);
    pthread_create(&thread[3], NULL, look, NULL);
    pthread_create(&thread[4], NULL, open_in, NULL);
    pthread_create(&thread[5], NULL, open_in, NULL);
    for (int i = 2; i < 6; i++)
        pthread_join(thread[i], NULL);
    over = 1;
    TRY(big);
    TRY(init);
    return reached_any;
}
