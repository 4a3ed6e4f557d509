/* What /proc says of processes outside: arguments, environment, memory, descriptors. */
#include "hostile.h"

static int lists_pid(int pid)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int found = 0;

    while (d && (e = readdir(d)))
        found |= atoi(e->d_name) == pid;
    return found;
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "cmdline", "environ", "maps", "status", "mem", "fd", "cwd", NULL };
    char path[PATH_MAX], text[PATH_MAX];

    (void)argc;
    for (int i = 0; names[i]; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", outsider(argv), names[i]);
        TRY(open(path, O_RDONLY) >= 0);
        snprintf(path, sizeof path, "/proc/%d/%s", getppid(), names[i]);
        TRY(open(path, O_RDONLY) >= 0);
    }
    snprintf(path, sizeof path, "/proc/%d/exe", outsider(argv));
    TRY(readlink(path, text, sizeof text) > 0);
    TRY(lists_pid(outsider(argv)));
    return reached_any;
}
