/*
 * Removes a folder that a box had on the host, with all that a hostile program may have left in it: names and depth are
 * of its choice, so nothing goes by path and no link is followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/policy.h"

/*
 * One entry of the open folder goes: a file, an empty folder; or a folder that is not empty is entered (1). 0: nothing is
 * left, < 0: nothing more can be done.
 */
static int remove_one(DIR *d)
{
    struct dirent *e;

    rewinddir(d);
    while ((e = readdir(d))) {
        int flag = e->d_type == DT_DIR ? AT_REMOVEDIR : 0, fd;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), e->d_name, flag) == 0)
            continue;
        if (errno != ENOTEMPTY && errno != EACCES && errno != EPERM)
            return -1;
        if (fchmodat(dirfd(d), e->d_name, 0700, 0) < 0) /* it may be unreadable; it is a folder, and ours */
            return -1;
        fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchdir(fd) < 0)
            return -1;
        close(fd);
        return 1;
    }
    return 0;
}

/* Down into folders that are not empty, up from those that are: two descriptors, however deep it is. */
static void remove_below(int top)
{
    struct stat root, here;
    bool done = fstat(top, &root) < 0 || fchdir(top) < 0;

    while (!done) {
        DIR *d = opendir(".");
        int r = d ? remove_one(d) : -1;

        if (d)
            closedir(d);
        if (r < 0)
            return;
        if (r == 0) {
            done = stat(".", &here) < 0 || (here.st_dev == root.st_dev && here.st_ino == root.st_ino);
            done = done || chdir("..") < 0;
        }
    }
}

int policy_remove(int dir, const char *name)
{
    int top = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (top >= 0)
        remove_below(top);
    if (cwd >= 0 && fchdir(cwd) == 0)
        close(cwd);
    if (top >= 0)
        close(top);
    return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

void noahv_policy_clear(struct noahv_policy *p)
{
    if (!p->shared->temp[0])
        return;
    policy_remove(AT_FDCWD, p->shared->temp);
    p->shared->temp[0] = '\0';
}
