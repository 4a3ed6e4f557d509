/* box: -m 64M */
/* ends: 122 the memory limit of 64 MiB was reached. To allow more: --memory 128M */
/* All there is and more, used to the last byte, by several at once. outside: nothing is tried. */
#include "hostile.h"

#define MB ((size_t)1 << 20)

int main(void)
{
    fork();
    fork();
    for (;;) {
        char *p = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            return 1;
        memset(p, 1, MB);
    }
}
