/* The folder of an overlay: its layout, its lock, and which piece of a view is where in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "policy/overlay.h"

static const char *const parts[] = { "files", "pieces", "lock" };

static int say_why(char *why, const char *path, int err, const char *text)
{
    snprintf(why, OVERLAY_WHY_MAX, "%.300s: %s", path, text ? text : strerror(err));
    return -err;
}

/* A folder of ours alone. */
static bool is_ours(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int make_parts(int dir)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (mkdirat(dir, parts[i], 0700) < 0 && errno != EEXIST)
            return -errno;
    return 0;
}

int overlay_open(const char *path, bool create, char *why)
{
    bool made = create && mkdir(path, 0700) == 0;
    int dir, r = 0;

    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return say_why(why, path, errno, NULL);
    if (!is_ours(dir, "."))
        r = say_why(why, path, EPERM,
                    "an overlay must be a folder that only its owner, who starts noahv, can write");
    else if (flock(dir, LOCK_EX | LOCK_NB) < 0)
        r = say_why(why, path, EBUSY, "a box is using this overlay. Wait for its end");
    else if (made && (r = make_parts(dir)) < 0)
        say_why(why, path, -r, NULL);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
        if (!is_ours(dir, parts[i]))
            r = say_why(why, path, EINVAL,
                        create
                            ? "the folder is there already and is no overlay. Name one that is not there yet"
                            : "this is no overlay");
    if (r == 0)
        return dir;
    close(dir);
    return r;
}

static bool link_is(int dir, const char *name, const char *want)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

    if (n < 0)
        return errno == ENOENT && !want;
    target[n] = '\0';
    return want && strcmp(target, want) == 0;
}

/* "" cannot be a link's target: the root is "/" there. */
static const char *as_target(const char *path)
{
    return path && !*path ? "/" : path;
}

static void copy_attributes(int from, int to)
{
    struct stat st;

    if (fstat(from, &st) < 0)
        return;
    fchmod(to, st.st_mode & 07777);
    futimens(to, (struct timespec[]){ st.st_atim, st.st_mtim });
}

int overlay_add(int overlay, const char *src, const char *dst, int lower)
{
    char name[48];
    bool taken = true;
    unsigned i = 0;
    int fd;

    for (; i < OVERLAY_PIECES_MAX; i++) {
        snprintf(name, sizeof name, "pieces/%u.dst", i);
        taken = !link_is(overlay, name, NULL);
        if (taken && !link_is(overlay, name, as_target(dst)))
            continue;
        snprintf(name, sizeof name, "pieces/%u.src", i);
        if (!taken || link_is(overlay, name, as_target(src)))
            break;
    }
    if (i == OVERLAY_PIECES_MAX)
        return -ENOSPC;
    if (!taken && src && symlinkat(as_target(src), overlay, name) < 0)
        return -errno;
    snprintf(name, sizeof name, "pieces/%u.dst", i);
    if (!taken && symlinkat(as_target(dst), overlay, name) < 0)
        return -errno;
    snprintf(name, sizeof name, "files/%u", i);
    if (mkdirat(overlay, name, 0700) == 0) {
        fd = openat(overlay, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        copy_attributes(lower, fd);
        close(fd);
    }
    fd = openat(overlay, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* A link's target as a path: "" for "/", and for no link. */
static int target_of(int overlay, unsigned i, const char *which, char out[PATH_MAX])
{
    char name[48];
    ssize_t n;

    snprintf(name, sizeof name, "pieces/%u.%s", i, which);
    n = readlinkat(overlay, name, out, PATH_MAX - 1);
    out[MAX(n, 0)] = '\0';
    return n < 0 ? -errno : 0;
}

int overlay_piece(int overlay, unsigned i, char src[PATH_MAX], char dst[PATH_MAX], int *files)
{
    char name[48];

    if (target_of(overlay, i, "dst", dst) < 0)
        return -ENOENT;
    target_of(overlay, i, "src", src);
    snprintf(name, sizeof name, "files/%u", i);
    *files = openat(overlay, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *files < 0 ? -errno : 0;
}

/* Some file systems do not copy from others. */
static ssize_t copy_some(int from, int to, off_t at, size_t n)
{
    off_t in = at, out = at;
    ssize_t r = copy_file_range(from, &in, to, &out, n, 0);

    if (r >= 0 || (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS))
        return r;
    return lseek(to, at, SEEK_SET) < 0 ? -1 : sendfile(to, from, &in, n);
}

int overlay_copy(int from, int to, off_t size)
{
    off_t at = 0, end;
    ssize_t r;

    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA);

        if (data < 0 && errno == ENXIO)
            break;
        at = MAX(at, data);
        end = lseek(from, at, SEEK_HOLE);
        for (end = end < 0 ? size : MIN(end, size); at < end; at += r) {
            r = copy_some(from, to, at, (size_t)(end - at));
            if (r < 0 && errno == EINTR)
                r = 0;
            else if (r < 0)
                return -errno;
            else if (r == 0) /* it became shorter */
                return ftruncate(to, at) < 0 ? -errno : 0;
        }
    }
    return ftruncate(to, size) < 0 ? -errno : 0;
}
