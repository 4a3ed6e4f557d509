/*
 * Names for guest addresses, for profiles: which file is mapped there, which symbol of its ELF tables holds the address.
 * The host kernel's own list of mappings says which file, so that programs, loaders and libraries are all the same.
 *
 * It opens what the guest has mapped: files of anybody's making. They are read, never mapped, and what they say is
 * checked or only shown. Nothing here runs unless somebody profiles.
 */
#include "jit/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mem/gmem.h"

#define SYMBOLS_MAX ((size_t)1 << 20)  /* of one file */
#define STRINGS_MAX ((size_t)64 << 20) /* bytes of their names */
#define FILES_MAX 64
#define PLACES_MAX 256
#define NAME_SHOWN 200

struct symbol {
    uint64_t value, size;
    uint32_t name; /* offset in the strings */
    uint32_t rank; /* global before weak before local */
};

struct segment {
    uint64_t offset, vaddr, filesz;
};

struct file {
    dev_t dev;
    ino_t ino;
    char name[64]; /* the last component of its path */
    struct symbol *symbol;
    size_t nr_symbols;
    char *strings;
    size_t strings_len; /* with a NUL at the end */
    struct segment segment[16];
    size_t nr_segments;
};

/* A mapping with executable pages, as long as code_gen says that none has changed. */
struct place {
    gva_t start;
    uint64_t len, offset;
    const struct file *file; /* NULL: none that can be read */
    enum gmem_label label;
};

struct symbols {
    struct file file[FILES_MAX];
    struct place place[PLACES_MAX];
    size_t nr_files, nr_places;
    unsigned code_gen;
};

/* --- One file ------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Functions, and labels of assembly in executable sections; not the local ones of compilers ("$x", ".L1"). */
static bool is_code(Elf *elf, const GElf_Sym *sym, const char *name)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);
    Elf_Scn *scn;
    GElf_Shdr sh;

    if (sym->st_shndx == SHN_UNDEF || sym->st_shndx >= SHN_LORESERVE || !*name || *name == '$' ||
        *name == '.')
        return false;
    if (type == STT_FUNC || type == STT_GNU_IFUNC)
        return true;
    scn = type == STT_NOTYPE ? elf_getscn(elf, sym->st_shndx) : NULL;
    return scn && gelf_getshdr(scn, &sh) && sh.sh_flags & SHF_EXECINSTR;
}

/* The names, copied: they outlive libelf's. */
static bool read_strings(struct file *f, Elf *elf, size_t section)
{
    Elf_Scn *scn = elf_getscn(elf, section);
    Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;

    if (!data || !data->d_buf || data->d_size > STRINGS_MAX)
        return false;
    f->strings = malloc(data->d_size + 1);
    if (!f->strings)
        return false;
    memcpy(f->strings, data->d_buf, data->d_size);
    f->strings[data->d_size] = '\0';
    f->strings_len = data->d_size + 1;
    return true;
}

static void read_table(struct file *f, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = data && sh->sh_entsize ? MIN(data->d_size / sh->sh_entsize, SYMBOLS_MAX) : 0;

    if (!n || !read_strings(f, elf, sh->sh_link))
        return;
    f->symbol = calloc(n, sizeof *f->symbol);
    if (!f->symbol)
        return;
    for (size_t k = 0; k < n; k++) {
        unsigned bind;
        GElf_Sym sym;

        if (!gelf_getsym(data, (int)k, &sym) || sym.st_name >= f->strings_len ||
            !is_code(elf, &sym, f->strings + sym.st_name))
            continue;
        bind = GELF_ST_BIND(sym.st_info);
        f->symbol[f->nr_symbols++] = (struct symbol){ sym.st_value, sym.st_size, (uint32_t)sym.st_name,
                                                      bind == STB_GLOBAL ? 0
                                                      : bind == STB_WEAK ? 1
                                                                         : 2 };
    }
    qsort(f->symbol, f->nr_symbols, sizeof *f->symbol, by_value);
}

/* .symtab if there is one, else .dynsym. */
static void read_symbols(struct file *f, Elf *elf)
{
    static const GElf_Word kind[] = { SHT_SYMTAB, SHT_DYNSYM };

    for (size_t k = 0; k < ARRAY_SIZE(kind); k++) {
        Elf_Scn *scn = NULL;
        GElf_Shdr sh;

        while ((scn = elf_nextscn(elf, scn)) != NULL)
            if (gelf_getshdr(scn, &sh) && sh.sh_type == kind[k]) {
                read_table(f, elf, scn, &sh);
                return;
            }
    }
}

static void read_segments(struct file *f, Elf *elf)
{
    GElf_Phdr ph;
    size_t n;

    if (elf_getphdrnum(elf, &n) != 0)
        return;
    for (size_t k = 0; k < n && k < INT32_MAX && f->nr_segments < ARRAY_SIZE(f->segment); k++)
        if (gelf_getphdr(elf, (int)k, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X)
            f->segment[f->nr_segments++] = (struct segment){ ph.p_offset, ph.p_vaddr, ph.p_filesz };
}

static void read_file(struct file *f, int fd)
{
    Elf *elf;

    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        read_segments(f, elf);
        read_symbols(f, elf);
    }
    elf_end(elf);
}

/* The file at `path`, read now if it has not been; NULL when it is no longer the one that is mapped. */
static const struct file *file_at(struct symbols *s, const char *path, dev_t dev, ino_t ino)
{
    const char *slash = strrchr(path, '/');
    struct file *f;
    struct stat st;
    int fd;

    for (size_t k = 0; k < s->nr_files; k++)
        if (s->file[k].dev == dev && s->file[k].ino == ino)
            return &s->file[k];
    if (s->nr_files == FILES_MAX)
        return NULL;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    f = &s->file[s->nr_files];
    *f = (struct file){ .dev = dev, .ino = ino };
    snprintf(f->name, sizeof f->name, "%s", slash ? slash + 1 : path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == ino) {
        read_file(f, fd);
        s->nr_files++;
    } else {
        f = NULL;
    }
    close(fd);
    return f;
}

/* --- Where files are mapped ----------------------------------------------------------------------------- */

/* The file behind a host address, as the host kernel says. */
static const struct file *file_behind(struct symbols *s, uint64_t host)
{
    const struct file *found = NULL;
    FILE *maps = fopen("/proc/self/maps", "re");
    char *line = NULL;
    size_t cap = 0;

    while (maps && getline(&line, &cap, maps) > 0) {
        unsigned long long from, to, ino;
        unsigned major_nr, minor_nr;
        int path = 0;

        if (sscanf(line, "%llx-%llx %*s %*x %x:%x %llu %n", &from, &to, &major_nr, &minor_nr, &ino, &path) <
                5 ||
            host < from || host >= to)
            continue;
        line[strcspn(line, "\n")] = '\0';
        if (path && line[path] == '/')
            found = file_at(s, line + path, makedev(major_nr, minor_nr), (ino_t)ino);
        break;
    }
    free(line);
    if (maps)
        fclose(maps);
    return found;
}

static const struct place *place_of(struct symbols *s, const struct hart *h, uint64_t pc)
{
    unsigned gen = atomic_load(&h->mem->code_gen);
    struct place *p;
    struct region r;

    if (s->code_gen != gen)
        s->nr_places = 0;
    s->code_gen = gen;
    for (size_t k = 0; k < s->nr_places; k++)
        if (pc - s->place[k].start < s->place[k].len)
            return &s->place[k];
    if (!gmem_region_at(h->mem, pc, &r))
        return NULL;
    if (s->nr_places == PLACES_MAX)
        s->nr_places = 0;
    p = &s->place[s->nr_places++];
    *p = (struct place){ r.start, r.len, r.offset, NULL, (enum gmem_label)r.label };
    if (r.file)
        p->file = file_behind(s, (uint64_t)(uintptr_t)h->window + pc);
    return p;
}

/* --- The name ------------------------------------------------------------------------------------------- */

static const struct symbol *find_symbol(const struct file *f, uint64_t vaddr)
{
    size_t lo = 0, hi = f->nr_symbols;
    const struct symbol *s;

    while (lo < hi) { /* the first one beyond it */
        size_t mid = lo + (hi - lo) / 2;

        if (f->symbol[mid].value <= vaddr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (!lo)
        return NULL;
    s = &f->symbol[lo - 1];
    while (s > f->symbol && s[-1].value == s->value) /* of several the best */
        s--;
    return !s->size || vaddr - s->value < s->size ? s : NULL;
}

/* A file's own words: nothing in them may end the line. */
static void put_words(struct buf *out, const char *s)
{
    for (size_t n = 0; *s && n < NAME_SHOWN; s++, n++)
        buf_putc(out, *s > ' ' && *s <= '~' ? *s : '?');
}

static bool put_symbol(const struct place *p, uint64_t pc, struct buf *out)
{
    const struct file *f = p->file;
    uint64_t offset = pc - p->start + p->offset;

    for (size_t k = 0; k < f->nr_segments; k++) {
        const struct segment *g = &f->segment[k];
        const struct symbol *s =
            offset - g->offset < g->filesz ? find_symbol(f, offset - g->offset + g->vaddr) : NULL;

        if (!s)
            continue;
        put_words(out, f->strings + s->name);
        buf_printf(out, "+0x%llx", (unsigned long long)(offset - g->offset + g->vaddr - s->value));
        return true;
    }
    return false;
}

void symbols_name(struct symbols *s, const struct hart *h, uint64_t pc, struct buf *out)
{
    const struct place *p = place_of(s, h, pc);

    if (!p || !p->file || !put_symbol(p, pc, out))
        buf_printf(out, "0x%llx", (unsigned long long)pc);
    buf_puts(out, " [");
    put_words(out, p && p->file ? p->file->name : p && p->label == GMEM_VDSO ? "vdso" : "anon");
    buf_putc(out, ']');
}

struct symbols *symbols_new(void)
{
    return calloc(1, sizeof(struct symbols));
}

void symbols_free(struct symbols *s)
{
    for (size_t k = 0; s && k < s->nr_files; k++) {
        free(s->file[k].symbol);
        free(s->file[k].strings);
    }
    free(s);
}
