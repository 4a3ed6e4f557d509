/* A folder with the place of another grant in it: neither what lies under the place, nor the way to it, is the program's. */
/* box: --tmpfs /t --dir /t/a/sub --ro-bind /dev/null /t/a/null */
/* outside: nothing */
#include "hostile.h"

static int is_null(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode);
}

int main(void)
{
    int dir = open("/t/a", O_RDONLY | O_DIRECTORY), above = open("/t", O_RDONLY | O_DIRECTORY);

    if (dir < 0 || above < 0 || mkdir("/t/other", 0777) < 0)
        return 2;
    for (int i = 0; i < 4; i++) {
        TRY(!is_null(dir, "null"));
        TRY(!is_null(above, "a/null"));
        TRY(!is_null(AT_FDCWD, "/t/a/null"));
    }
    TRY(rename("/t/a", "/t/b") == 0);
    TRY(renameat(above, "a", above, "b") == 0);
    TRY(rename("/t/other", "/t/a") == 0);
    TRY(syscall(SYS_renameat2, above, "a", above, "other", 2 /* RENAME_EXCHANGE */) == 0);
    TRY(rmdir("/t/a") == 0);
    TRY(unlink("/t/a/null") == 0);
    return reached_any;
}
