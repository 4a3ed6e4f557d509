/*
 * Loads a riscv64 executable and the dynamic loader it names: reads the headers once into private memory
 * (libelf's translators decode them), refuses in words what noahv or Linux would not run, and maps the segments
 * as fs/binfmt_elf.c does. A file is hostile and may change while it is read, so nothing is looked at twice.
 * Opens no file and knows no scripts: those are execve's business.
 */
#include "loader/loader.h"

#include <errno.h>
#include <libelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem/copy.h"

/* The kernel's own bound: 64 KiB of program headers (load_elf_phdrs). */
#define PHNUM_MAX (65536 / sizeof(Elf64_Phdr))

/*
 * Nothing is loaded below: the page at 0 must fault. Linux asks for CAP_SYS_RAWIO below mmap_min_addr (0x10000);
 * noahv has no such privilege to protect and takes the rest.
 */
#define LOWEST_ADDR PAGE_BYTES

#define EF_RISCV_RVE_BIT 0x8u

/* A file's headers: our copy, checked. */
struct elf_file {
    int fd;
    uint64_t size;
    Elf64_Ehdr eh;
    Elf64_Phdr *ph;     /* owned; eh.e_phnum of them */
    uint64_t low, high; /* pages that the segments span, before the load bias */
    uint64_t align;     /* of the load bias: the largest p_align, at least a page */
};

static int refuse(char *why, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int refuse(char *why, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, LOADER_WHY_MAX, fmt, ap);
    va_end(ap);
    return err;
}

static unsigned long long ull(uint64_t v)
{
    return v;
}

/* Bytes read, fewer than n at the end of the file; or -errno. */
static ssize_t read_at(int fd, void *buf, size_t n, uint64_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t r = pread(fd, (char *)buf + done, n - done, (off_t)(offset + done));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        done += (size_t)r;
    }
    return (ssize_t)done;
}

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {
        { EM_SPARC, "sparc" },
        { EM_386, "i386" },
        { EM_68K, "m68k" },
        { EM_MIPS, "mips" },
        { EM_PARISC, "hppa" },
        { EM_PPC, "ppc" },
        { EM_PPC64, "ppc64" },
        { EM_S390, "s390" },
        { EM_ARM, "arm" },
        { EM_SH, "sh" },
        { EM_SPARCV9, "sparc64" },
        { EM_IA_64, "ia64" },
        { EM_X86_64, "x86-64" },
        { EM_AVR, "avr" },
        { EM_OPENRISC, "openrisc" },
        { EM_XTENSA, "xtensa" },
        { EM_MICROBLAZE, "microblaze" },
        { EM_AARCH64, "aarch64" },
        { EM_ARC_COMPACT, "arc" },
        { EM_CUDA, "CUDA" },
        { EM_AMDGPU, "AMD GPU" },
        { EM_RISCV, "riscv" },
        { EM_BPF, "bpf" },
        { EM_CSKY, "csky" },
        { EM_LOONGARCH, "loongarch" },
        { EM_ALPHA, "alpha" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].machine == machine)
            return names[i].name;
    }
    return "foreign";
}

/* What else people try to run, by its first bytes. */
static int refuse_foreign(const uint8_t *head, size_t n, char *why)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *why;
    } kinds[] = {
        { "#!", 2, "is a script, not an ELF file: run its interpreter with the script as argument" },
        { "MZ", 2, "is a Windows or EFI program; noahv runs riscv64 Linux ELF files" },
        { "!<arch>", 7, "is an archive (ar), not an executable: link it" },
        { "\xcf\xfa\xed\xfe", 4, "is a Mach-O program; noahv runs riscv64 Linux ELF files" },
        { "\x1f\x8b", 2, "is gzip-compressed: unpack it first" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (n >= kinds[i].len && memcmp(head, kinds[i].magic, kinds[i].len) == 0)
            return refuse(why, -ENOEXEC, "%s", kinds[i].why);
    }
    return refuse(why, -ENOEXEC, "is not an ELF file and has no #! line: compile it for riscv64 Linux");
}

/* Decodes the class and byte order that `head` names; a 32-bit header gives its machine and type only. */
static bool decode_header(Elf64_Ehdr *eh, const uint8_t *head)
{
    unsigned class = head[EI_CLASS], order = head[EI_DATA];
    Elf32_Ehdr small;
    Elf_Data from = { .d_buf = (void *)(uintptr_t)head, .d_type = ELF_T_EHDR, .d_version = EV_CURRENT };
    Elf_Data to = { .d_type = ELF_T_EHDR, .d_version = EV_CURRENT };

    if (class == ELFCLASS64) {
        from.d_size = to.d_size = sizeof *eh;
        to.d_buf = eh;
        return elf64_xlatetom(&to, &from, order) != NULL;
    }
    from.d_size = to.d_size = sizeof small;
    to.d_buf = &small;
    if (!elf32_xlatetom(&to, &from, order))
        return false;
    eh->e_machine = small.e_machine;
    eh->e_type = small.e_type;
    return true;
}

static int check_machine(const Elf64_Ehdr *eh, const uint8_t *ident, char *why)
{
    bool wide = ident[EI_CLASS] == ELFCLASS64;

    if (eh->e_machine != EM_RISCV)
        return refuse(why, -ENOEXEC, "this is an %s ELF (machine %u); noahv runs riscv64 (243).%s",
                      machine_name(eh->e_machine), eh->e_machine,
                      eh->e_machine == EM_X86_64 && wide ? " It can run directly on this host" : "");
    if (!wide)
        return refuse(why, -ENOEXEC, "this is a 32-bit riscv ELF; noahv runs riscv64: compile it for rv64gc");
    if (ident[EI_DATA] != ELFDATA2LSB)
        return refuse(why, -ENOEXEC, "this is a big-endian riscv ELF; noahv runs little-endian riscv64");
    if (eh->e_flags & EF_RISCV_RVE_BIT)
        return refuse(why, -ENOEXEC, "is built for RV64E (16 registers); compile it for rv64gc");
    if (eh->e_type == ET_REL)
        return refuse(why, -ENOEXEC, "is an object file (ET_REL), not an executable: link it");
    if (eh->e_type == ET_CORE)
        return refuse(why, -ENOEXEC, "is a core dump (ET_CORE), not an executable: open it with a debugger");
    if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
        return refuse(why, -ENOEXEC, "has ELF type %u, not an executable: link it", eh->e_type);
    return 0;
}

static int read_header(struct elf_file *f, char *why)
{
    uint8_t head[sizeof(Elf64_Ehdr)] = { 0 };
    ssize_t n = read_at(f->fd, head, sizeof head, 0);
    size_t need;

    if (n < 0)
        return refuse(why, -EIO, "cannot be read: %s", strerror((int)-n));
    if (n == 0)
        return refuse(why, -ENOEXEC, "is empty");
    if (n < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
        return refuse_foreign(head, (size_t)n, why);
    need = head[EI_CLASS] == ELFCLASS32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr);
    if ((size_t)n < need)
        return refuse(why, -ENOEXEC, "truncated: the ELF header needs %zu bytes, the file has %zd", need, n);
    if (head[EI_CLASS] != ELFCLASS32 && head[EI_CLASS] != ELFCLASS64)
        return refuse(why, -ENOEXEC, "is a damaged ELF file: class %u is neither 32-bit nor 64-bit",
                      head[EI_CLASS]);
    if (!decode_header(&f->eh, head))
        return refuse(why, -ENOEXEC, "is a damaged ELF file: byte order %u is unknown", head[EI_DATA]);
    return check_machine(&f->eh, head, why);
}

static int read_phdrs(struct elf_file *f, char *why)
{
    const Elf64_Ehdr *eh = &f->eh;
    size_t len = eh->e_phnum * sizeof(Elf64_Phdr);
    Elf_Data data = { .d_type = ELF_T_PHDR, .d_version = EV_CURRENT, .d_size = len };
    ssize_t n;

    if (eh->e_phnum == 0)
        return refuse(why, -ENOEXEC, "has no program headers: link it as an executable");
    if (eh->e_phnum > PHNUM_MAX)
        return refuse(why, -ENOEXEC, "has %u program headers; Linux takes at most %zu", eh->e_phnum,
                      PHNUM_MAX);
    if (eh->e_phentsize != sizeof(Elf64_Phdr))
        return refuse(why, -ENOEXEC, "is a damaged ELF file: a program header has %u bytes, not %zu",
                      eh->e_phentsize, sizeof(Elf64_Phdr));
    if (!range_within(eh->e_phoff, len, f->size))
        return refuse(why, -ENOEXEC,
                      "truncated: %zu bytes of program headers begin at byte %llu, the file has %llu", len,
                      ull(eh->e_phoff), ull(f->size));
    f->ph = malloc(len);
    if (!f->ph)
        return refuse(why, -ENOMEM, "no memory for its program headers");
    n = read_at(f->fd, f->ph, len, eh->e_phoff);
    if (n < 0)
        return refuse(why, -EIO, "cannot be read: %s", strerror((int)-n));
    if ((size_t)n < len)
        return refuse(why, -ENOEXEC, "truncated: it shrank while its program headers were read");
    data.d_buf = f->ph;
    if (!elf64_xlatetom(&data, &data, ELFDATA2LSB))
        return refuse(why, -ENOEXEC, "is a damaged ELF file: %s", elf_errmsg(-1));
    return 0;
}

/* The name of the dynamic loader, as load_elf_binary() takes it: terminated, and not empty. */
static int read_interp(const struct elf_file *f, const Elf64_Phdr *p, char *interp, char *why)
{
    ssize_t n;

    if (p->p_filesz < 2 || p->p_filesz > PATH_MAX || !range_within(p->p_offset, p->p_filesz, f->size))
        return refuse(why, -ENOEXEC, "is a damaged ELF file: the name of its dynamic loader has %llu bytes",
                      ull(p->p_filesz));
    n = read_at(f->fd, interp, p->p_filesz, p->p_offset);
    if (n < 0)
        return refuse(why, -EIO, "cannot be read: %s", strerror((int)-n));
    if ((size_t)n < p->p_filesz || interp[n - 1] != '\0')
        return refuse(why, -ENOEXEC, "is a damaged ELF file: the name of its dynamic loader does not end");
    return 0;
}

static int check_load(struct elf_file *f, unsigned i, char *why)
{
    const Elf64_Phdr *p = &f->ph[i];

    if (p->p_filesz > p->p_memsz)
        return refuse(why, -ENOEXEC,
                      "is a damaged ELF file: segment %u has %llu bytes in the file, %llu in memory", i,
                      ull(p->p_filesz), ull(p->p_memsz));
    if (!range_within(p->p_vaddr, p->p_memsz, UINT64_MAX - PAGE_MASK))
        return refuse(why, -ENOEXEC,
                      "is a damaged ELF file: segment %u at 0x%llx wraps around the address space", i,
                      ull(p->p_vaddr));
    if (!range_within(p->p_offset, p->p_filesz, INT64_MAX))
        return refuse(why, -ENOEXEC, "is a damaged ELF file: segment %u begins at byte %llu of the file", i,
                      ull(p->p_offset));
    if (p->p_filesz > 0 && p->p_offset + p->p_filesz > f->size)
        return refuse(why, -ENOEXEC,
                      "truncated: segment %u ends at byte %llu, the file has %llu: copy it again", i,
                      ull(p->p_offset + p->p_filesz), ull(f->size));
    if (p->p_filesz > 0 && ((p->p_offset ^ p->p_vaddr) & PAGE_MASK) != 0)
        return refuse(why, -ENOEXEC,
                      "segment %u is not page-congruent (offset 0x%llx, address 0x%llx): link with "
                      "-z max-page-size=4096",
                      i, ull(p->p_offset), ull(p->p_vaddr));
    if (f->eh.e_type == ET_EXEC && p->p_memsz > 0 && p->p_vaddr < LOWEST_ADDR)
        return refuse(why, -ENOEXEC,
                      "segment %u is at address 0x%llx; page 0 stays unmapped: link it at 0x10000 or above",
                      i, ull(p->p_vaddr));
    return 0;
}

/* A PT_LOAD that occupies memory; Linux accepts empty ones and maps nothing. */
static bool is_loaded(const Elf64_Phdr *p)
{
    return p->p_type == PT_LOAD && p->p_memsz > 0;
}

static int check_phdrs(struct elf_file *f, char *interp, char *why)
{
    int err;

    if (interp)
        interp[0] = '\0';
    f->low = UINT64_MAX;
    f->high = 0;
    f->align = PAGE_BYTES;
    for (unsigned i = 0; i < f->eh.e_phnum; i++) {
        const Elf64_Phdr *p = &f->ph[i];

        /* A dynamic loader's own is ignored, as is a second one. */
        if (p->p_type == PT_INTERP && interp && !interp[0]) {
            err = read_interp(f, p, interp, why);
            if (err)
                return err;
        }
        if (p->p_type != PT_LOAD)
            continue;
        err = check_load(f, i, why);
        if (err)
            return err;
        if (!is_loaded(p))
            continue;
        f->low = MIN(f->low, page_down(p->p_vaddr));
        f->high = MAX(f->high, page_up(p->p_vaddr + p->p_memsz));
        /* maximum_alignment() in the kernel: what is no power of two does not count. */
        if (p->p_align > f->align && (p->p_align & (p->p_align - 1)) == 0)
            f->align = p->p_align;
    }
    if (f->high == 0)
        return refuse(why, -ENOEXEC, "has no loadable segment (PT_LOAD): link it as an executable");
    return 0;
}

static void elf_close(struct elf_file *f)
{
    free(f->ph);
}

/* On failure nothing is left to close. */
static int elf_open(struct elf_file *f, int fd, char *interp, char *why)
{
    struct stat st;
    int err;

    *f = (struct elf_file){ .fd = fd };
    why[0] = '\0';
    if (fstat(fd, &st) < 0)
        return refuse(why, -EIO, "cannot be examined: %s", strerror(errno));
    if (S_ISDIR(st.st_mode))
        return refuse(why, -EACCES, "is a directory");
    if (!S_ISREG(st.st_mode))
        return refuse(why, -EACCES, "is not a regular file");
    f->size = (uint64_t)st.st_size;

    elf_version(EV_CURRENT);
    err = read_header(f, why);
    if (!err)
        err = read_phdrs(f, why);
    if (!err)
        err = check_phdrs(f, interp, why);
    if (err)
        elf_close(f);
    return err;
}

int elf_check(int fd, char *interp, char *why)
{
    struct elf_file f;
    int err = elf_open(&f, fd, interp, why);

    if (!err)
        elf_close(&f);
    return err;
}

/* Chooses the load bias, of ET_DYN from `from` on, and makes sure that nothing is in the way. */
static int place(const struct elf_file *f, struct gmem *m, gva_t from, uint64_t *bias, char *why)
{
    uint64_t base = f->low;

    *bias = 0;
    if (f->eh.e_type == ET_DYN) {
        /* The first address whose distance to the link address is a multiple of the alignment. */
        uint64_t skip = (f->low - from) & (f->align - 1);

        if (!range_within(from, skip, m->limit))
            return refuse(why, -ENOMEM,
                          "asks for an alignment of 0x%llx, which the address space cannot give",
                          ull(f->align));
        base = from + skip;
        *bias = base - f->low;
    }
    if (base < LOWEST_ADDR || !range_within(base, f->high - f->low, m->limit))
        return refuse(why, -ENOMEM, "takes addresses 0x%llx to 0x%llx; the address space ends at 0x%llx",
                      ull(base), ull(base + (f->high - f->low)), ull(m->limit));
    for (unsigned i = 0; i < f->eh.e_phnum; i++) {
        const Elf64_Phdr *p = &f->ph[i];
        gva_t start = page_down(p->p_vaddr + *bias);

        if (is_loaded(p) && !gmem_is_free(m, start, page_up(p->p_vaddr + p->p_memsz + *bias) - start))
            return refuse(why, -ENOMEM,
                          "segment %u at 0x%llx overlaps memory that is in use: link it elsewhere", i,
                          ull(start));
    }
    return 0;
}

static int segment_prot(const Elf64_Phdr *p)
{
    return (p->p_flags & PF_R ? GMEM_R : 0) | (p->p_flags & PF_W ? GMEM_W : 0) |
           (p->p_flags & PF_X ? GMEM_X : 0);
}

/* elf_load() of the kernel: file pages, zeroes to the end of their last page, zero pages for the rest. */
static int map_segment(const struct elf_file *f, struct gmem *m, const Elf64_Phdr *p, uint64_t bias)
{
    static const uint8_t zeroes[PAGE_BYTES];
    gva_t data_end = p->p_vaddr + bias + p->p_filesz;
    gva_t start = page_down(p->p_vaddr + bias), end = page_up(p->p_vaddr + bias + p->p_memsz);
    gva_t mid = p->p_filesz > 0 ? page_up(data_end) : start;
    int prot = segment_prot(p), err;

    if (mid > start) {
        err = gmem_map(m, start, mid - start, prot, 0, GMEM_PLAIN, f->fd, page_down(p->p_offset));
        if (err)
            return err;
    }
    if (p->p_memsz == p->p_filesz)
        return 0;
    /* padzero(): the kernel cannot clear what the program itself cannot write, and leaves the file's bytes. */
    if (mid > data_end && (prot & GMEM_W)) {
        err = copy_out(m, data_end, zeroes, mid - data_end);
        if (err)
            return err;
    }
    if (end == mid)
        return 0;
    /* vm_brk_flags(): writable even in a read-only segment. */
    return gmem_map(m, mid, end - mid, GMEM_R | GMEM_W | (prot & GMEM_X), 0, GMEM_PLAIN, -1, 0);
}

static void describe(const struct elf_file *f, uint64_t bias, struct image *out)
{
    uint64_t phoff = f->eh.e_phoff;

    *out = (struct image){
        .entry = f->eh.e_entry + bias,
        .start = f->eh.e_entry + bias,
        .phnum = f->eh.e_phnum,
        .base = bias,
        .brk = f->high + bias,
    };
    for (unsigned i = 0; i < f->eh.e_phnum; i++) {
        const Elf64_Phdr *p = &f->ph[i];
        gva_t start = p->p_vaddr + bias, end = start + p->p_filesz;

        if (p->p_type == PT_GNU_STACK)
            out->exec_stack = (p->p_flags & PF_X) != 0;
        if (!is_loaded(p))
            continue;
        if (phoff >= p->p_offset && phoff - p->p_offset < p->p_filesz)
            out->phdr = start + (phoff - p->p_offset);
        if ((p->p_flags & PF_X) && (out->end_code == 0 || start < out->start_code))
            out->start_code = start;
        if (p->p_flags & PF_X)
            out->end_code = MAX(out->end_code, end);
        out->start_data = MAX(out->start_data, start);
        out->end_data = MAX(out->end_data, end);
    }
}

static int map_segments(const struct elf_file *f, struct gmem *m, uint64_t bias, char *why)
{
    for (unsigned i = 0; i < f->eh.e_phnum; i++) {
        const Elf64_Phdr *p = &f->ph[i];
        int err = is_loaded(p) ? map_segment(f, m, p, bias) : 0;

        if (err)
            return refuse(why, err, "segment %u (%llu bytes at 0x%llx) cannot be mapped: %s", i,
                          ull(p->p_memsz), ull(p->p_vaddr + bias), strerror(-err));
    }
    return 0;
}

/* load_elf_interp(): where mmap would put it, from the top down. */
static int place_interp(const struct elf_file *f, struct gmem *m, const struct layout *l, uint64_t *bias,
                        char *why)
{
    uint64_t span = f->high - f->low;
    gva_t from = 0;

    if (f->align < m->limit)
        from = gmem_find_free(m, span + (f->align - PAGE_BYTES), LOWEST_ADDR, l->interp_top);
    if (!from && f->eh.e_type == ET_DYN)
        return refuse(why, -ENOMEM, "takes %llu bytes, for which there is no room", ull(span));
    return place(f, m, from, bias, why);
}

static int map_interp(struct gmem *m, int fd, const struct layout *l, struct image *out, char *why)
{
    char its_why[LOADER_WHY_MAX - 32];
    struct elf_file f;
    uint64_t bias = 0;
    int err = elf_open(&f, fd, NULL, why);

    if (!err) {
        err = place_interp(&f, m, l, &bias, why);
        if (!err)
            err = map_segments(&f, m, bias, why);
        if (!err) {
            out->start = f.eh.e_entry + bias;
            out->interp_base = bias;
        }
        elf_close(&f);
    }
    if (err) {
        snprintf(its_why, sizeof its_why, "%.*s", (int)sizeof its_why - 1, why);
        refuse(why, err, "its dynamic loader: %s", its_why);
    }
    return err;
}

int elf_map(struct gmem *m, int fd, int interp_fd, const struct layout *l, struct image *out, char *why)
{
    struct elf_file f;
    uint64_t bias;
    int err = elf_open(&f, fd, NULL, why);

    if (err)
        return err;
    err = place(&f, m, l->pie_base, &bias, why);
    if (!err)
        err = map_segments(&f, m, bias, why);
    if (!err)
        describe(&f, bias, out);
    elf_close(&f);
    return !err && interp_fd >= 0 ? map_interp(m, interp_fd, l, out, why) : err;
}
