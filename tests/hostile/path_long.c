/* Names and links at the limits of length, and beyond: none may mean a shorter one. */
#include "hostile.h"

int main(int argc, char **argv)
{
    static char path[3 * PATH_MAX], name[300], link[PATH_MAX];

    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    TRY(reads_secret(open(argv[1], O_RDONLY)));
    memset(name, 'x', sizeof name - 1);
    snprintf(path, sizeof path, "%s/sub/%s/../..", argv[3], name);
    if (open(path, O_PATH) >= 0 || errno != ENAMETOOLONG)
        return 2;
    snprintf(path, sizeof path, "sub/%s", name);
    if (open(path, O_PATH) >= 0 || errno != ENAMETOOLONG)
        return 2;
    for (size_t n = 0; n + 2 < sizeof link; n += 2)
        memcpy(link + n, "./", 2);
    for (size_t cut = 1; cut < 40; cut++) { /* a link as long as can be, followed with a slash behind it */
        link[sizeof link - 1 - cut] = '\0';
        unlink("long");
        if (symlink(link, "long") == 0 && open("long/", O_PATH) < 0 && errno != ENAMETOOLONG)
            return 2;
    }
    return reached_any;
}
