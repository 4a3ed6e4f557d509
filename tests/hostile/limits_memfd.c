/* Memory beside the limit: files that are nothing else. */
#include "hostile.h"

int main(void)
{
    int fd = memfd_create("x", 0);

    TRY(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
    TRY(memfd_create("x", MFD_HUGETLB) >= 0);
    return reached_any;
}
