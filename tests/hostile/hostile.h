/*
 * A hostile program tries to reach something that its box was not given, by as many ways as it can think of. It prints
 * "reached" and what, for every way that worked, and ends 1 then. tests/run-hostile.sh runs it in a box, where nothing may
 * be reached, and outside of one, where something must be: a way that is closed anyway shows nothing.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int reached_any __attribute__((unused));

/* One way: `ok` says that it worked. */
#define TRY(ok)                           \
    do {                                  \
        errno = 0;                        \
        if (ok) {                         \
            printf("reached: %s\n", #ok); \
            reached_any = 1;              \
        }                                 \
    } while (0)

/* The file that is outside, given as an argument: true when its text can be read from fd. */
static inline int reads_secret(int fd)
{
    char text[64] = "";
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);

    if (fd >= 0)
        close(fd);
    return n > 0 && strstr(text, "the secret") != NULL;
}

/* The process that is outside, given as an argument. */
static inline int outsider(char **argv)
{
    return atoi(argv[2]);
}

#endif
