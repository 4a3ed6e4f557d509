/* box: 0<folder */
/* Standard input is a folder outside. */
#include "hostile.h"

int main(void)
{
    TRY(reads_secret(openat(0, "secret", O_RDONLY)));
    TRY(fchdir(0) == 0 && reads_secret(open("secret", O_RDONLY)));
    TRY(reads_secret(openat(open("/proc/self/fd/0", O_RDONLY), "secret", O_RDONLY)));
    TRY(reads_secret(open("/proc/self/fd/0/secret", O_RDONLY)));
    TRY(faccessat(0, "secret", F_OK, 0) == 0);
    return reached_any;
}
