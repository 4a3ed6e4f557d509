/* What was looked at again and again is gone, or closed: nothing may be found there once that is known. outside: nothing. */
#include "hostile.h"
#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 1000 };

static struct shared {
    atomic_int turn;
} * s;

static int is_there(const char *name)
{
    struct stat st;

    return fstatat(AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The other one's turn, and back: without a call that anybody could see. */
static void pass_turn(int from, int to)
{
    atomic_store(&s->turn, to);
    while (atomic_load(&s->turn) != from)
        ;
}

static void wait_turn(int turn)
{
    while (atomic_load(&s->turn) != turn)
        ;
}

static void *turns(void *arg)
{
    for (;;) {
        wait_turn(1);
        if (rename("d/a", "d/b") < 0)
            _exit(3);
        atomic_store(&s->turn, 0);
        wait_turn(1);
        if (chmod("d", 0) < 0)
            _exit(3);
        atomic_store(&s->turn, 0);
        wait_turn(1);
        if (chmod("d", 0777) < 0 || rename("d/b", "d/a") < 0 || chdir("d") < 0)
            _exit(3);
        atomic_store(&s->turn, 0);
        wait_turn(1);
        if (chdir("..") < 0)
            _exit(3);
        atomic_store(&s->turn, 0);
    }
    return arg;
}

/* `own`: whoever has the other turn has its own working directory. */
static int stale(int own)
{
    int found = 0;

    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 5; k++)
            if (!is_there("d/a/file"))
                exit(2);
        pass_turn(0, 1);
        found |= is_there("d/a/file"); /* moved */
        for (int k = 0; k < 5; k++)
            if (!is_there("d/b/file"))
                exit(2);
        pass_turn(0, 1);
        found |= is_there("d/b/file") | is_there("d/a/file"); /* closed */
        pass_turn(0, 1);
        found |= !own && is_there("d/a/file"); /* that is d/d/a/file */
        for (int k = 0; k < 5; k++)
            if (!is_there(own ? "d/a/file" : "a/file"))
                exit(2);
        pass_turn(0, 1);
        found |= !own && is_there("a/file");
    }
    return found;
}

int main(int argc, char **argv)
{
    int by_process, by_thread;
    pthread_t t;
    pid_t pid;

    (void)argc;
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED || chdir(argv[3]) < 0 || mkdir("d", 0777) < 0 || mkdir("d/a", 0777) < 0)
        return 2;
    close(open("d/a/file", O_WRONLY | O_CREAT, 0666));
    pid = fork();
    if (pid == 0)
        turns(NULL);
    by_process = stale(1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (pthread_create(&t, NULL, turns, NULL) != 0)
        return 2;
    by_thread = stale(0);
    TRY(by_process);
    TRY(by_thread);
    return reached_any;
}
