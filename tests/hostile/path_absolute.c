/* A file outside, by its name and by names that lead round to it. */
#include "hostile.h"

int main(int argc, char **argv)
{
    const char *secret = argv[1];
    char path[PATH_MAX];
    struct stat st;

    (void)argc;
    TRY(reads_secret(open(secret, O_RDONLY)));
    TRY(stat(secret, &st) == 0);
    TRY(access(secret, F_OK) == 0);
    snprintf(path, sizeof path, "/.%s", secret);
    TRY(reads_secret(open(path, O_RDONLY)));
    snprintf(path, sizeof path, "///%s", secret);
    TRY(reads_secret(open(path, O_RDONLY)));
    snprintf(path, sizeof path, "/given/..%s", secret);
    TRY(reads_secret(open(path, O_RDONLY)));
    return reached_any;
}
