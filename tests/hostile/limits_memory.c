/* box: -m 32M */
/* More memory than there may be: mapped, by brk, made writable later, shared, in children. */
#include "hostile.h"

#define MB ((size_t)1 << 20)

int main(void)
{
    char *p;
    pid_t pid;
    int status;

    TRY(mmap(NULL, 64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    TRY(mmap(NULL, 64 * MB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    TRY(sbrk(64 * MB) != (void *)-1);
    p = mmap(NULL, 64 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(p != MAP_FAILED && mprotect(p, 64 * MB, PROT_READ | PROT_WRITE) == 0);
    p = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(mremap(p, MB, 64 * MB, MREMAP_MAYMOVE) != MAP_FAILED);
    p = mmap(NULL, 20 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 2;
    pid = fork(); /* its copy of the 20 MiB */
    if (pid == 0)
        _exit(0);
    TRY(pid > 0 && waitpid(pid, &status, 0) == pid);
    return reached_any;
}
