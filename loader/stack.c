/*
 * The initial stack of a program: strings, AT_RANDOM, auxiliary vector, envp, argv, argc, laid out as
 * create_elf_tables() in fs/binfmt_elf.c and fs/exec.c do on riscv64. It is built in one private buffer and
 * copied out at once. Chooses no addresses and gathers no facts: they come with struct stack_args.
 */
#include "loader/loader.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/copy.h"

#define STRLEN_MAX 131072ull     /* MAX_ARG_STRLEN, with the NUL */
#define STRINGS_MIN 131072ull    /* ARG_MAX: granted whatever the stack limit (bprm_stack_limits) */
#define STRINGS_MAX (6ull << 20) /* three quarters of _STK_LIM */
#define TOP_GAP 8                /* the null word above the strings */
#define SIGFRAME_BYTES 1088      /* struct rt_sigframe without vector state */
#define AUX_MAX 32
#define WORD sizeof(uint64_t)

struct strings {
    char *const *v;
    size_t n;
    uint64_t bytes;
};

struct tables {
    struct strings arg, env;
    uint64_t execfn_bytes;
    Elf64_auxv_t aux[AUX_MAX];
    size_t aux_n;
    gva_t top, execfn, random;
};

/* Counts the strings and takes them and their pointers from *room. */
static int measure(struct strings *s, char *const *v, uint64_t *room)
{
    *s = (struct strings){ .v = v };
    for (; v[s->n]; s->n++) {
        uint64_t len = strnlen(v[s->n], STRLEN_MAX) + 1;

        if (len > STRLEN_MAX || len + WORD > *room)
            return -E2BIG;
        *room -= len + WORD;
        s->bytes += len;
    }
    return 0;
}

static int measure_all(struct tables *t, const struct gmem *m, const struct stack_args *a)
{
    static char empty[1];
    static char *const no_args[] = { empty, NULL };
    uint64_t room = MAX(MIN(m->stack_max / 4, STRINGS_MAX), STRINGS_MIN);
    int err = measure(&t->arg, a->argv[0] ? a->argv : no_args, &room);

    if (!err)
        err = measure(&t->env, a->envp, &room);
    t->execfn_bytes = strnlen(a->execfn, STRLEN_MAX) + 1;
    if (!err && (t->execfn_bytes > STRLEN_MAX || t->execfn_bytes > room))
        err = -E2BIG;
    return err;
}

static void aux(struct tables *t, uint64_t type, uint64_t value)
{
    BUG_ON(t->aux_n == AUX_MAX);
    t->aux[t->aux_n++] = (Elf64_auxv_t){ .a_type = type, .a_un.a_val = value };
}

/* In the kernel's order: ARCH_DLINFO of asm/elf.h first. */
static void fill_aux(struct tables *t, const struct layout *l, const struct image *img,
                     const struct stack_args *a)
{
    if (l->vdso)
        aux(t, AT_SYSINFO_EHDR, l->vdso);
    /* The caches' sizes and geometries are unknown: 0, as on a kernel whose device tree names none. */
    for (uint64_t type = AT_L1I_CACHESIZE; type <= AT_L3_CACHEGEOMETRY; type++)
        aux(t, type, 0);
    aux(t, AT_MINSIGSTKSZ, SIGFRAME_BYTES);
    aux(t, AT_HWCAP, a->hwcap);
    aux(t, AT_PAGESZ, PAGE_BYTES);
    aux(t, AT_CLKTCK, 100);
    aux(t, AT_PHDR, img->phdr);
    aux(t, AT_PHENT, sizeof(Elf64_Phdr));
    aux(t, AT_PHNUM, img->phnum);
    aux(t, AT_BASE, img->interp_base);
    aux(t, AT_FLAGS, 0);
    aux(t, AT_ENTRY, img->entry);
    aux(t, AT_UID, a->uid);
    aux(t, AT_EUID, a->euid);
    aux(t, AT_GID, a->gid);
    aux(t, AT_EGID, a->egid);
    aux(t, AT_SECURE, a->secure);
    aux(t, AT_RANDOM, t->random);
    aux(t, AT_EXECFN, t->execfn);
    aux(t, AT_NULL, 0);
}

/* Addresses from the top down. False: the stack does not fit below l->stack_top. */
static bool lay_out(struct tables *t, const struct layout *l, struct stack_info *out)
{
    uint64_t strings = TOP_GAP + t->execfn_bytes + t->env.bytes + t->arg.bytes;
    uint64_t words = 1 + t->arg.n + 1 + t->env.n + 1;

    /* 16 for AT_RANDOM, and twice 16 for alignment; all terms are bounded by STRINGS_MAX. */
    if (strings + sizeof t->aux + words * WORD + 48 > l->stack_top)
        return false;
    t->top = l->stack_top;
    t->execfn = t->top - TOP_GAP - t->execfn_bytes;
    *out = (struct stack_info){ .env_end = t->execfn };
    out->env_start = out->arg_end = out->env_end - t->env.bytes;
    out->arg_start = out->arg_end - t->arg.bytes;
    t->random = (out->arg_start & ~(gva_t)15) - 16;
    return true;
}

/* The vectors' place depends on the length of the auxiliary vector. */
static void place_vectors(const struct tables *t, struct stack_info *out)
{
    uint64_t words = 1 + t->arg.n + 1 + t->env.n + 1;

    out->auxv_len = t->aux_n * sizeof t->aux[0];
    out->sp = (t->random - out->auxv_len - words * WORD) & ~(gva_t)15;
    out->auxv = out->sp + words * WORD;
}

/* Writes pointers to the strings, which begin at `addr`, a null, and the strings; returns the next word. */
static uint64_t *write_strings(const struct strings *s, uint64_t *word, gva_t addr, char *to)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t len = strlen(s->v[i]) + 1;

        *word++ = addr;
        memcpy(to, s->v[i], len);
        addr += len;
        to += len;
    }
    *word++ = 0;
    return word;
}

/* Fills `buf`, the bytes from sp to the top. */
static void write_tables(const struct tables *t, const struct stack_args *a, const struct stack_info *at,
                         void *buf)
{
    char *bytes = buf;
    uint64_t *word = buf;

    *word++ = t->arg.n;
    word = write_strings(&t->arg, word, at->arg_start, bytes + (at->arg_start - at->sp));
    word = write_strings(&t->env, word, at->env_start, bytes + (at->env_start - at->sp));
    memcpy(word, t->aux, at->auxv_len);
    memcpy(bytes + (t->random - at->sp), a->random, sizeof a->random);
    memcpy(bytes + (t->execfn - at->sp), a->execfn, t->execfn_bytes);
}

static int map_stack(struct gmem *m, const struct layout *l, const struct image *img, gva_t sp)
{
    uint64_t len = MAX(l->stack_top - page_down(sp), page_up(l->stack_bytes));
    int prot = GMEM_R | GMEM_W | (img->exec_stack ? GMEM_X : 0);

    if (len > l->stack_top || l->stack_top > m->limit || !gmem_is_free(m, l->stack_top - len, len))
        return -ENOMEM;
    return gmem_map(m, l->stack_top - len, len, prot, GMEM_GROWSDOWN, GMEM_STACK, -1, 0);
}

int stack_build(struct gmem *m, const struct layout *l, const struct image *img, const struct stack_args *a,
                struct stack_info *out)
{
    struct tables t = { .aux_n = 0 };
    void *buf;
    int err = measure_all(&t, m, a);

    if (err)
        return err;
    if (!lay_out(&t, l, out))
        return -ENOMEM;
    fill_aux(&t, l, img, a);
    place_vectors(&t, out);

    /* At most STRINGS_MAX and the fixed tables; zeroed for the gaps. */
    buf = calloc(1, t.top - out->sp);
    if (!buf)
        return -ENOMEM;
    write_tables(&t, a, out, buf);
    err = map_stack(m, l, img, out->sp);
    if (!err)
        err = copy_out(m, out->sp, buf, t.top - out->sp);
    free(buf);
    return err;
}
