/* box: --overlay ov */
/* What the overlay notes of removed names is to be seen, made or taken away by the program. */
#include "hostile.h"

#define CUT ".noahv-cut"
#define NEW ".noahv-new"

static int listed(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    int found = 0;

    while (d && (e = readdir(d)))
        found |= strncmp(e->d_name, ".noahv", 6) == 0;
    return found;
}

int main(int argc, char **argv)
{
    char name[64];
    struct stat st;
    int fd;

    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    unlink("low/file"); /* there is something to be seen from now on */
    close(open("low/mine", O_WRONLY | O_CREAT, 0600));
    fd = open("low", O_RDONLY | O_DIRECTORY);
    TRY(listed("low") || listed("."));
    TRY(stat("low/" CUT, &st) == 0);
    TRY(open("low/" CUT "/file", O_RDONLY) >= 0);
    TRY(openat(fd, CUT, O_RDONLY) >= 0);
    TRY(unlinkat(fd, CUT "/file", 0) == 0);
    TRY(unlinkat(fd, CUT, AT_REMOVEDIR) == 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d/" CUT, fd);
    TRY(open(name, O_RDONLY) >= 0);
    TRY(chdir("low/" CUT) == 0);
    TRY(symlink(CUT "/file", "low/by_link") == 0 && unlink("low/by_link/") == 0);
    TRY(lstat("low/by_link", &st) == 0 && open("low/by_link", O_WRONLY | O_CREAT, 0600) >= 0);
    TRY(rename("low/" CUT, "low/seen") == 0);
    TRY(open(NEW, O_WRONLY | O_CREAT, 0600) >= 0);
    TRY(mkdir(CUT, 0700) == 0);
    TRY(symlink("low", CUT) == 0);
    TRY(link("low/mine", CUT) == 0);
    TRY(rename("low/mine", CUT) == 0);
    TRY(mknod(CUT, S_IFREG | 0600, 0) == 0);
    TRY(open(CUT, O_WRONLY | O_CREAT, 0600) >= 0);
    TRY(mkdir("sub/" CUT "/", 0700) == 0);
    TRY(mkdir("new", 0700) == 0 && mkdir("new/" CUT, 0700) == 0);
    return reached_any;
}
