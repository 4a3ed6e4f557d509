/* Death by signal: SIGABRT arrives although its handler returns; what was not flushed is lost. */
#include <sys/resource.h>

#include "guest.h"

static void on_abort(int sig)
{
    (void)sig;
    if (write(1, "handler\n", 8) != 8)
        _exit(1);
}

int main(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    signal(SIGABRT, on_abort);
    printf("lost");
    abort();
}
