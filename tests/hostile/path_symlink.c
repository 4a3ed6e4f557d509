/* A link of one's own making, absolute, relative, to a folder, in a chain. */
#include "hostile.h"

int main(int argc, char **argv)
{
    const char *secret = argv[1];

    (void)argc;
    if (chdir(argv[3]) < 0)
        return 2;
    TRY(symlink(secret, "absolute") == 0 && reads_secret(open("absolute", O_RDONLY)));
    TRY(symlink("../outside/secret", "relative") == 0 && reads_secret(open("relative", O_RDONLY)));
    TRY(symlink("../outside", "folder") == 0 && reads_secret(open("folder/secret", O_RDONLY)));
    TRY(symlink("folder", "chain") == 0 && reads_secret(open("chain/secret", O_RDONLY)));
    TRY(chdir("folder") == 0 && reads_secret(open("secret", O_RDONLY)));
    TRY(truncate("absolute", 0) == 0);
    TRY(chmod("absolute", 0777) == 0);
    TRY(open("absolute", O_WRONLY | O_CREAT, 0666) >= 0);
    return reached_any;
}
