/* box: 7<outside */
/* A descriptor that was open when noahv was started. */
#include "hostile.h"

int main(void)
{
    for (int fd = 3; fd < 64; fd++) {
        char text[64] = "";

        TRY(pread(fd, text, sizeof text - 1, 0) > 0 && strstr(text, "the secret"));
        TRY(reads_secret(openat(fd, "secret", O_RDONLY)));
    }
    return reached_any;
}
