/* box: -m 16M */
/* ends: 0 */
/* Code without an end, translated by each thread for itself, again and again. outside: nothing is tried. */
#include "hostile.h"
#include <pthread.h>

enum { WORDS = 3 << 19, THREADS = 4 };

static unsigned *code;

static void *execute(void *arg)
{
    ((void (*)(void))(size_t)code)();
    return arg;
}

/* Stretches of `li a0, n`, with a jump to the next; a return. */
static void write_code(void)
{
    for (unsigned i = 0; i < WORDS - 1; i++)
        code[i] = i % 16 == 15 ? 0x0040006f : 0x00000513 | (i & 0x7ff) << 20;
    code[WORDS - 1] = 0x00008067;
    __builtin___clear_cache((char *)code, (char *)(code + WORDS));
}

int main(void)
{
    pthread_attr_t attr;
    pthread_t t[THREADS];
    struct rusage r;

    code = mmap(NULL, sizeof *code * WORDS, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (code == MAP_FAILED)
        return 2;
    write_code();
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], &attr, execute, NULL) != 0)
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    getrusage(RUSAGE_SELF, &r);
    TRY(r.ru_maxrss > 48 << 10);
    return reached_any;
}
