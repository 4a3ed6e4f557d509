/* Who is told of a core dump: wait's status and SIGCHLD's code, by signal, limit and dumpability. */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "guest.h"

static void *crash(void *unused)
{
    *(volatile int *)16 = 1;
    return unused;
}

static void die_in_thread(void)
{
    pthread_t t;

    pthread_create(&t, NULL, crash, NULL);
    pthread_join(t, NULL);
}

static void die_of(int sig)
{
    if (sig == SIGSEGV)
        crash(NULL);
    if (sig == SIGBUS)
        die_in_thread();
    if (sig == SIGABRT)
        abort();
    kill(getpid(), sig);
    pause();
}

static void end(const char *what, int sig, rlim_t limit, int dumpable)
{
    struct rlimit r;
    siginfo_t info;
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        getrlimit(RLIMIT_CORE, &r);
        r.rlim_cur = limit < r.rlim_max ? limit : r.rlim_max;
        setrlimit(RLIMIT_CORE, &r);
        prctl(PR_SET_DUMPABLE, dumpable);
        die_of(sig);
    }
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    waitpid(pid, &status, 0);
    printf("%s, signal %d: died of %d, core %d, code %s\n", what, sig, WTERMSIG(status), !!WCOREDUMP(status),
           info.si_code == CLD_DUMPED ? "dumped" : "killed");
}

int main(void)
{
    static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGQUIT, SIGSYS, SIGTERM, SIGKILL };

    for (size_t i = 0; i < COUNT(signals); i++) {
        end("no limit", signals[i], RLIM_INFINITY, 1);
        end("limit 0", signals[i], 0, 1);
    }
    end("not dumpable", SIGSEGV, RLIM_INFINITY, 0);
    return 0;
}
