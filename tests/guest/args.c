/* args: one -two three=3 */
/* Arguments, the environment and the auxiliary vector are where start-up code expects them. */
#include <elf.h>
#include <sys/auxv.h>

#include "guest.h"

extern char **environ;

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');

    SHOW(argc);
    FACT(name && strcmp(name, "/args") == 0);
    for (int i = 1; i <= argc; i++)
        printf("argv[%d] = %s\n", i, argv[i] ? argv[i] : "(null)");
    FACT(getenv("PATH") != NULL);
    FACT(environ == argv + argc + 1);
    SHOW(getauxval(AT_PAGESZ));
    SHOW(getauxval(AT_SECURE));
    SHOW(getauxval(AT_CLKTCK));
    FACT(getauxval(AT_UID) == getuid());
    FACT(getauxval(AT_EGID) == getegid());
    FACT(getauxval(AT_ENTRY) != 0);
    FACT(getauxval(AT_PHNUM) > 0);
    FACT(getauxval(AT_PHENT) == sizeof(Elf64_Phdr));
    FACT(((const Elf64_Phdr *)getauxval(AT_PHDR))->p_type != 0);
    FACT(strstr((const char *)getauxval(AT_EXECFN), "args") != NULL);
    FACT(memcmp((void *)getauxval(AT_RANDOM), "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) != 0);
    FACT(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
    return argc;
}
