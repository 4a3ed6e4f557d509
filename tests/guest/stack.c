/* The stack grows on demand to the megabytes Linux allows, stays usable, and VLAs of any size work on it. */
#include <sys/resource.h>

#include "guest.h"

static int depth_of(int n, unsigned char *below)
{
    volatile unsigned char frame[1024];

    frame[0] = (unsigned char)n;
    frame[sizeof(frame) - 1] = below[0];
    if (n == 0)
        return frame[sizeof(frame) - 1] == 1;
    return depth_of(n - 1, (unsigned char *)frame) + (frame[0] == (unsigned char)n);
}

/* Touches the far end first: one access skips thousands of pages. */
static int far_end(size_t bytes)
{
    volatile unsigned char *at = __builtin_alloca(bytes);

    at[0] = 42;
    at[bytes - 1] = 1;
    return at[0] + at[bytes / 2] * 0;
}

int main(void)
{
    unsigned char first = 1;
    struct rlimit r;

    SHOW(depth_of(10, &first));
    SHOW(depth_of(6800, &first));
    SHOW(far_end(7 << 20));
    SHOW(far_end(100));
    CALL(getrlimit(RLIMIT_STACK, &r));
    FACT(r.rlim_cur >= 8 << 20);
    return 0;
}
