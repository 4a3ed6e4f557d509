/* The host's files, by the root and working directories of processes. */
#include "hostile.h"

int main(int argc, char **argv)
{
    static const char *const who[] = { "self", "thread-self", "1", NULL };
    char path[2 * PATH_MAX];

    (void)argc;
    for (int i = 0; who[i]; i++) {
        snprintf(path, sizeof path, "/proc/%s/root%s", who[i], argv[1]);
        TRY(reads_secret(open(path, O_RDONLY)));
        snprintf(path, sizeof path, "/proc/%s/cwd%s", who[i], argv[1]);
        TRY(reads_secret(open(path, O_RDONLY)));
    }
    snprintf(path, sizeof path, "/proc/%d/root%s", getppid(), argv[1]);
    TRY(reads_secret(open(path, O_RDONLY)));
    snprintf(path, sizeof path, "/proc/self/task/%d/root%s", getpid(), argv[1]);
    TRY(reads_secret(open(path, O_RDONLY)));
    return reached_any;
}
