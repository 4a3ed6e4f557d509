/*
 * Run when noahv is built: writes a filter of a box to standard output. make none|net
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "syscalls/filter.h"

const struct filter_image filter_image[2]; /* not yet */

int main(int argc, char **argv)
{
    scmp_filter_ctx ctx;
    int r = filter_make(argc > 1 && strcmp(argv[1], "net") == 0, false, &ctx);

    if (r == 0) {
        r = seccomp_export_bpf(ctx, STDOUT_FILENO);
        seccomp_release(ctx);
    }
    if (r < 0)
        fprintf(stderr, "cannot make the filter: %s\n", strerror(-r));
    return r < 0;
}
