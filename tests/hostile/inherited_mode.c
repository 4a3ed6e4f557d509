/* box: 0<file */
/* Standard input was opened for reading only. */
#include "hostile.h"

int main(void)
{
    TRY(open("/proc/self/fd/0", O_WRONLY) >= 0);
    TRY(open("/proc/self/fd/0", O_RDWR) >= 0);
    TRY(open("/dev/stdin", O_RDWR) >= 0);
    TRY(fchmod(0, 0666) == 0);
    TRY(truncate("/proc/self/fd/0", 0) == 0);
    return reached_any;
}
