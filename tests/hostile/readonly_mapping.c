/* What is granted read-only is written through a mapping. */
#include "hostile.h"

int main(int argc, char **argv)
{
    int fd = open(argv[4], O_RDWR);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    (void)argc;
    TRY(p != MAP_FAILED);
    fd = open(argv[4], O_RDONLY);
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    TRY(p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0);
    return reached_any;
}
