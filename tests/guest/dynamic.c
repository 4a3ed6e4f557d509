/*
 * A dynamically linked program: what the kernel tells the dynamic loader, libraries that come and go, code from
 * files, memory that becomes executable and relocations that become read-only.
 */
/* dynamic */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static __thread int of_thread = 7;
static int constructed;

static __attribute__((constructor)) void construct(void)
{
    constructed = of_thread;
}

static __attribute__((destructor)) void destruct(void)
{
    puts("destructed");
}

/* --- What the kernel says ------------------------------------------------------------------------------ */

struct image {
    const ElfW(Phdr) * phdr;
    const char *interp;
    uintptr_t base, relro, relro_end;
    int n;
};

static int first_image(struct dl_phdr_info *info, size_t size, void *opaque)
{
    struct image *i = opaque;

    (void)size;
    i->phdr = info->dlpi_phdr;
    i->n = info->dlpi_phnum;
    i->base = info->dlpi_addr;
    for (int k = 0; k < i->n; k++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[k];

        if (p->p_type == PT_INTERP)
            i->interp = (const char *)(info->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_GNU_RELRO) {
            i->relro = info->dlpi_addr + p->p_vaddr;
            i->relro_end = i->relro + p->p_memsz;
        }
    }
    return 1;
}

/* The file that is mapped at `addr`. */
static void mapped_file(uintptr_t addr, char *out)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128];
    unsigned long start, end;

    strcpy(out, "nothing");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095s", &start, &end, out) == 3 && start <= addr &&
            addr < end)
            break;
    fclose(f);
}

static void auxiliary_vector(struct image *i)
{
    uintptr_t entry = getauxval(AT_ENTRY);
    char real[PATH_MAX], mapped[PATH_MAX], exe[PATH_MAX];
    ssize_t n;

    dl_iterate_phdr(first_image, i);
    printf("phdr %d phnum %d\n", i->phdr == (void *)getauxval(AT_PHDR), i->n == (int)getauxval(AT_PHNUM));
    printf("base %d entry %d\n", getauxval(AT_BASE) != 0, entry > i->base && entry - i->base < 0x100000);
    mapped_file(getauxval(AT_BASE), mapped);
    printf("loader %d\n", realpath(i->interp, real) && strcmp(real, mapped) == 0);
    n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    mapped_file(entry, mapped);
    printf("exe %d\n", strcmp(exe, mapped) == 0);
}

/* --- Code ------------------------------------------------------------------------------------------------ */

typedef int fn(void);

/* A function that returns n, 0 to 99. */
static void emit(uint8_t *to, int n)
{
#ifdef __riscv
    uint32_t code[] = { 0x00000513u | (uint32_t)n << 20, 0x00008067 }; /* li a0, n; ret */
#else
    uint8_t code[] = { 0xb8, (uint8_t)n, 0, 0, 0, 0xc3 }; /* mov $n, %eax; ret */
#endif

    memcpy(to, code, sizeof code);
    __builtin___clear_cache((char *)to, (char *)to + sizeof code);
}

static int call(void *at)
{
    fn *f;

    memcpy(&f, &at, sizeof f);
    return f();
}

static void code_of_files(void)
{
    char name[] = "code.XXXXXX";
    int fd = mkstemp(name);
    uint8_t *shared, *code;

    unlink(name);
    if (ftruncate(fd, 2 * PAGE) < 0)
        exit(1);
    shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    emit(shared + PAGE, 42);
    code = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, PAGE);
    printf("from a file %d\n", call(code));
    emit(shared + PAGE, 43);
    munmap(code, PAGE);
    if (mmap(code, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, PAGE) != code)
        exit(1);
    printf("mapped anew %d\n", call(code));
    emit(shared, 44);
    if (mmap(code, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) != code)
        exit(1);
    printf("over it %d\n", call(code));
    munmap(code, PAGE);
    munmap(shared, 2 * PAGE);
    close(fd);
}

static void code_written_here(void)
{
    uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (int n = 1; n <= 3; n++) {
        mprotect(code, PAGE, PROT_READ | PROT_WRITE);
        emit(code, n);
        mprotect(code, PAGE, PROT_READ | PROT_EXEC);
        printf("written %d\n", call(code));
    }
    munmap(code, PAGE);
}

/* --- Protection ------------------------------------------------------------------------------------------ */

static sigjmp_buf out;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d code %d\n", sig, info->si_code);
    siglongjmp(out, 1);
}

static void write_relocations(const struct image *i)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &sa, NULL);
    if (!sigsetjmp(out, 1)) {
        *(volatile char *)((i->relro_end & ~(uintptr_t)(PAGE - 1)) - 1) = 1;
        puts("written");
    }
    signal(SIGSEGV, SIG_DFL);
}

/* --- Libraries ------------------------------------------------------------------------------------------- */

static void libraries(void)
{
    for (int n = 0; n < 20; n++) {
        void *lib = dlopen("libm.so.6", n & 1 ? RTLD_NOW : RTLD_LAZY),
             *other = dlopen("libresolv.so.2", RTLD_NOW);
        double (*root)(double) = NULL;

        if (!lib || !other) {
            printf("%s\n", dlerror());
            return;
        }
        *(void **)&root = dlsym(lib, "cbrt");
        if (n % 5 == 0)
            printf("cbrt %.6f other %d\n", root(n + 2.0),
                   dlsym(other, "ns_name_ntop") || dlsym(other, "hstrerror"));
        dlclose(n & 2 ? lib : other);
        dlclose(n & 2 ? other : lib);
    }
    printf("none %d\n", dlopen("libnosuchthing.so.9", RTLD_NOW) == NULL);
    printf("name %d\n", dlsym(RTLD_DEFAULT, "no_such_name") == NULL);
}

int main(int argc, char **argv)
{
    struct image image = { 0 };
    pid_t child;
    int status;

    printf("%s, constructed %d\n", argc > 1 ? argv[1] : "first", constructed);
    if (argc > 1)
        return 5;
    auxiliary_vector(&image);
    code_of_files();
    code_written_here();
    write_relocations(&image);
    libraries();
    fflush(stdout);
    child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "dynamic", "again", NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    return 0;
}
