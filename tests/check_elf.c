/*
 * The ELF loader: one broken file per rule with the words it must be refused with, and good files whose
 * memory is compared byte by byte.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loader/loader.h"
#include "mem/copy.h"
#include "mem/fault.h"

#define GUEST_BYTES (GIB)
#define FILE_BYTES 0x4000
#define WHOLE FILE_BYTES

/* The good file: text at 0x10000, then data with a bss tail whose file bytes begin in the middle of a page. */
#define TEXT_ADDR 0x10000
#define TEXT_BYTES 0x1234
#define DATA_OFFSET 0x2800
#define DATA_ADDR 0x13800
#define DATA_BYTES 0x300
#define DATA_MEM 0x3000

#define EH(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PH(i, field)                                                             \
    sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field), \
        sizeof(((Elf64_Phdr *)0)->field)
#define IDENT(i) (i), 1
#define INTERP(offset, size)                                     \
    { PH(2, p_type), PT_INTERP }, { PH(2, p_offset), (offset) }, \
    {                                                            \
        PH(2, p_filesz), (size)                                  \
    }

static uint8_t file[FILE_BYTES];
static char why[LOADER_WHY_MAX], interp[PATH_MAX];
static const struct layout layout = {
    .pie_base = 0x20000000, .interp_top = 0x38000000, .stack_top = GUEST_BYTES, .stack_bytes = 0x20000
};

static uint8_t filler(size_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) * 13 + 1);
}

static Elf64_Ehdr *ehdr(void)
{
    return (Elf64_Ehdr *)file;
}

static Elf64_Phdr *phdr(int i)
{
    return (Elf64_Phdr *)(file + sizeof(Elf64_Ehdr)) + i;
}

static void build(void)
{
    for (size_t i = 0; i < sizeof file; i++)
        file[i] = filler(i);
    *ehdr() = (Elf64_Ehdr){
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_RISCV,
        .e_version = EV_CURRENT,
        .e_entry = TEXT_ADDR + 0x100,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_flags = 5, /* RVC, double-float */
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 3,
    };
    *phdr(0) = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, TEXT_ADDR, TEXT_ADDR, TEXT_BYTES, TEXT_BYTES, 0x1000 };
    *phdr(1) =
        (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, DATA_OFFSET, DATA_ADDR, DATA_ADDR, DATA_BYTES, DATA_MEM, 0x1000 };
    *phdr(2) = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
}

static int file_open(size_t len)
{
    int fd = memfd_create("elf", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, file, len), (ssize_t)len);
    return fd;
}

static void patch(size_t at, size_t size, uint64_t value)
{
    memcpy(file + at, &value, size);
}

static void assert_why(const char *want)
{
    ck_assert_msg(strnlen(why, sizeof why) < sizeof why, "not terminated");
    ck_assert_msg(strstr(why, want) != NULL, "\"%s\" does not say \"%s\"", why, want);
    for (const char *c = why; *c; c++)
        ck_assert_msg(*c >= ' ' && *c <= '~', "unprintable byte 0x%x in \"%s\"", (unsigned char)*c, why);
}

/* --- Refused ------------------------------------------------------------------------------------------ */

static const struct bad {
    const char *why;
    size_t len; /* of the file */
    struct {
        size_t at, size;
        uint64_t value;
    } patch[3];
} bad[] = {
    { "is empty", 0, { { 0 } } },
    { "not an ELF file and has no #! line", 1, { { 0 } } },
    { "not an ELF file and has no #! line", 3, { { 0 } } },
    { "truncated: the ELF header needs 64 bytes, the file has 4", 4, { { 0 } } },
    { "truncated: the ELF header needs 64 bytes, the file has 63", 63, { { 0 } } },
    { "truncated: the ELF header needs 52 bytes, the file has 51", 51, { { IDENT(EI_CLASS), 1 } } },
    { "truncated: 168 bytes of program headers begin at byte 64, the file has 64", 64, { { 0 } } },
    { "truncated: 168 bytes of program headers", 64 + 3 * 56 - 1, { { 0 } } },
    { "not an ELF file and has no #! line", WHOLE, { { IDENT(0), 0x7e } } },
    { "not an ELF file and has no #! line", WHOLE, { { IDENT(3), 'f' } } },
    { "is a script", WHOLE, { { 0, 2, 0x2123 } } },
    { "Windows", WHOLE, { { 0, 2, 0x5a4d } } },
    { "Mach-O", WHOLE, { { 0, 4, 0xfeedfacf } } },
    { "gzip", WHOLE, { { 0, 2, 0x8b1f } } },
    { "archive", WHOLE, { { 0, 8, 0x0a3e686372613c21 } } },
    { "class 0 is neither", WHOLE, { { IDENT(EI_CLASS), 0 } } },
    { "class 3 is neither", WHOLE, { { IDENT(EI_CLASS), 3 } } },
    { "byte order 0 is unknown", WHOLE, { { IDENT(EI_DATA), 0 } } },
    { "byte order 255 is unknown", WHOLE, { { IDENT(EI_DATA), 255 } } },
    { "32-bit riscv ELF", WHOLE, { { IDENT(EI_CLASS), 1 } } },
    { "big-endian riscv ELF", WHOLE, { { IDENT(EI_DATA), 2 }, { EH(e_machine), 0xf300 } } },
    { "this is an x86-64 ELF (machine 62); noahv runs riscv64 (243). It can run directly on this host",
      WHOLE,
      { { EH(e_machine), EM_X86_64 } } },
    { "aarch64 ELF (machine 183); noahv runs riscv64 (243)", WHOLE, { { EH(e_machine), EM_AARCH64 } } },
    { "i386 ELF (machine 3)", WHOLE, { { IDENT(EI_CLASS), 1 }, { EH(e_machine), EM_386 } } },
    { "arm ELF (machine 40)", WHOLE, { { IDENT(EI_CLASS), 1 }, { EH(e_machine), EM_ARM } } },
    { "s390 ELF (machine 22)", WHOLE, { { IDENT(EI_DATA), 2 }, { EH(e_machine), EM_S390 << 8 } } },
    { "ppc64 ELF (machine 21)", WHOLE, { { EH(e_machine), EM_PPC64 } } },
    { "mips ELF (machine 8)",
      WHOLE,
      { { IDENT(EI_CLASS), 1 }, { IDENT(EI_DATA), 2 }, { EH(e_machine), EM_MIPS << 8 } } },
    { "loongarch ELF (machine 258)", WHOLE, { { EH(e_machine), EM_LOONGARCH } } },
    { "foreign ELF (machine 65278)", WHOLE, { { EH(e_machine), 0xfefe } } },
    { "RV64E", WHOLE, { { EH(e_flags), 0xd } } },
    { "object file (ET_REL)", WHOLE, { { EH(e_type), ET_REL } } },
    { "core dump (ET_CORE)", WHOLE, { { EH(e_type), ET_CORE } } },
    { "ELF type 0,", WHOLE, { { EH(e_type), ET_NONE } } },
    { "ELF type 65280,", WHOLE, { { EH(e_type), 0xff00 } } },
    { "no program headers", WHOLE, { { EH(e_phnum), 0 } } },
    { "1171 program headers; Linux takes at most 1170", WHOLE, { { EH(e_phnum), 1171 } } },
    { "65535 program headers", WHOLE, { { EH(e_phnum), PN_XNUM } } },
    { "65520 bytes of program headers", WHOLE, { { EH(e_phnum), 1170 } } },
    { "a program header has 0 bytes", WHOLE, { { EH(e_phentsize), 0 } } },
    { "a program header has 32 bytes, not 56", WHOLE, { { EH(e_phentsize), 32 } } },
    { "a program header has 57 bytes", WHOLE, { { EH(e_phentsize), 57 } } },
    { "begin at byte 1048576, the file has 16384", WHOLE, { { EH(e_phoff), 0x100000 } } },
    { "begin at byte 18446744073709551615", WHOLE, { { EH(e_phoff), UINT64_MAX } } },
    { "begin at byte 9223372036854775808", WHOLE, { { EH(e_phoff), (uint64_t)1 << 63 } } },
    { "truncated: 168 bytes of program headers", WHOLE, { { EH(e_phoff), WHOLE - 167 } } },
    { "segment 0 has 4661 bytes in the file, 4660 in memory",
      WHOLE,
      { { PH(0, p_filesz), TEXT_BYTES + 1 } } },
    { "segment 1 has 768 bytes in the file, 0 in memory", WHOLE, { { PH(1, p_memsz), 0 } } },
    { "segment 1 at 0xffffffffffffd800 wraps", WHOLE, { { PH(1, p_vaddr), -0x2800ull } } },
    { "segment 1 at 0xffffffffffffffff wraps", WHOLE, { { PH(1, p_vaddr), UINT64_MAX } } },
    { "segment 1 at 0x13800 wraps", WHOLE, { { PH(1, p_memsz), UINT64_MAX - DATA_ADDR } } },
    { "segment 1 at 0x13800 wraps", WHOLE, { { PH(1, p_memsz), UINT64_MAX } } },
    { "segment 1 begins at byte 9223372036854775807", WHOLE, { { PH(1, p_offset), INT64_MAX } } },
    { "segment 1 begins at byte 18446744073709549568", WHOLE, { { PH(1, p_offset), -0x800ull } } },
    { "truncated: segment 1 ends at byte 11008, the file has 11007",
      DATA_OFFSET + DATA_BYTES - 1,
      { { 0 } } },
    { "truncated: segment 0 ends at byte 4660, the file has 4659", TEXT_BYTES - 1, { { 0 } } },
    { "truncated: segment 1 ends at byte 1099511628544", WHOLE, { { PH(1, p_offset), (uint64_t)1 << 40 } } },
    { "segment 1 is not page-congruent (offset 0x2801, address 0x13800)",
      WHOLE,
      { { PH(1, p_offset), 0x2801 } } },
    { "segment 0 is not page-congruent", WHOLE, { { PH(0, p_vaddr), TEXT_ADDR + 8 } } },
    { "segment 0 is at address 0x0; page 0 stays unmapped", WHOLE, { { PH(0, p_vaddr), 0 } } },
    { "segment 1 is at address 0x800; page 0", WHOLE, { { PH(1, p_vaddr), 0x800 } } },
    { "no loadable segment", WHOLE, { { PH(0, p_type), PT_NOTE }, { PH(1, p_type), PT_NULL } } },
    { "no loadable segment", WHOLE, { { EH(e_phnum), 1 }, { PH(0, p_filesz), 0 }, { PH(0, p_memsz), 0 } } },
    { "the name of its dynamic loader has 0 bytes", WHOLE, { INTERP(0x3000, 0) } },
    { "the name of its dynamic loader has 1 bytes", WHOLE, { INTERP(0x3000, 1) } },
    { "the name of its dynamic loader has 4097 bytes", WHOLE, { INTERP(0x2000, PATH_MAX + 1) } },
    { "the name of its dynamic loader has 8 bytes", WHOLE, { INTERP(0x300000, 8) } },
    { "the name of its dynamic loader has 18446744073709551615 bytes",
      WHOLE,
      { INTERP(UINT64_MAX, UINT64_MAX) } },
    { "the name of its dynamic loader does not end", WHOLE, { INTERP(0x3000, 7) } },
};

START_TEST(refuses_with_the_cause)
{
    const struct bad *b = &bad[_i];
    int fd;

    build();
    memcpy(file + 0x3000, "/lib/ld", 8);
    for (size_t i = 0; i < ARRAY_SIZE(b->patch); i++)
        patch(b->patch[i].at, b->patch[i].size, b->patch[i].value);
    fd = file_open(b->len);
    memset(why, 'x', sizeof why);
    ck_assert_int_eq(elf_check(fd, interp, why), -ENOEXEC);
    assert_why(b->why);
    close(fd);
}
END_TEST

START_TEST(refuses_what_is_no_file)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY), p[2];

    ck_assert_int_eq(elf_check(fd, interp, why), -EACCES);
    assert_why("is a directory");
    close(fd);

    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(elf_check(p[0], interp, why), -EACCES);
    assert_why("is not a regular file");
    close(p[0]);
    close(p[1]);

    ck_assert_int_eq(elf_check(-1, interp, why), -EIO);
    assert_why("cannot be examined: Bad file descriptor");
}
END_TEST

START_TEST(refuses_what_cannot_be_read)
{
    char path[] = "/tmp/check_elf.XXXXXX";
    int fd = mkstemp(path), wo;

    build();
    ck_assert_int_eq(write(fd, file, sizeof file), FILE_BYTES);
    wo = open(path, O_WRONLY);
    unlink(path);
    ck_assert_int_eq(elf_check(wo, interp, why), -EIO);
    assert_why("cannot be read: Bad file descriptor");
    close(fd);
    close(wo);
}
END_TEST

START_TEST(reads_the_name_of_the_dynamic_loader)
{
    int fd;

    build();
    fd = file_open(WHOLE);
    strcpy(interp, "x");
    ck_assert_int_eq(elf_check(fd, interp, why), 0);
    ck_assert_str_eq(interp, "");
    close(fd);

    *phdr(2) = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 0x3000, .p_filesz = 12 };
    memcpy(file + 0x3000, "/lib/ld\0\0\0\0\0", 12);
    fd = file_open(WHOLE);
    ck_assert_int_eq(elf_check(fd, interp, why), 0);
    ck_assert_str_eq(interp, "/lib/ld");
    ck_assert_int_eq(elf_check(fd, NULL, why), 0);
    close(fd);

    phdr(2)->p_filesz = 0; /* a dynamic loader's own means nothing */
    fd = file_open(WHOLE);
    ck_assert_int_eq(elf_check(fd, interp, why), -ENOEXEC);
    ck_assert_int_eq(elf_check(fd, NULL, why), 0);
    close(fd);

    phdr(1)->p_type = PT_INTERP; /* the first counts */
    phdr(1)->p_offset = 0x3010;
    phdr(1)->p_filesz = 3;
    phdr(2)->p_filesz = 8;
    memcpy(file + 0x3010, "/l\0", 3);
    fd = file_open(WHOLE);
    ck_assert_int_eq(elf_check(fd, interp, why), 0);
    ck_assert_str_eq(interp, "/l");
    close(fd);
}
END_TEST

/* --- Loaded ------------------------------------------------------------------------------------------- */

static struct gmem mem;
static struct image img;

static void setup(void)
{
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&mem, GUEST_BYTES), 0);
    build();
}

static void teardown(void)
{
    gmem_destroy(&mem);
}

static int load_file(size_t len)
{
    int fd = file_open(len), err;

    ck_assert_msg(elf_check(fd, interp, why) == 0, "refused: %s", why);
    err = elf_map(&mem, fd, -1, &layout, &img, why);
    close(fd);
    return err;
}

static void load(void)
{
    ck_assert_msg(load_file(WHOLE) == 0, "%s", why);
}

static uint8_t byte_at(gva_t at)
{
    uint8_t b = 0;

    ck_assert_msg(copy_in(&mem, &b, at, 1) == 0, "0x%lx is not mapped", (unsigned long)at);
    return b;
}

static void assert_file_bytes(gva_t from, uint64_t len, size_t offset)
{
    for (uint64_t i = 0; i < len; i++)
        ck_assert_msg(byte_at(from + i) == file[offset + i], "byte 0x%lx", (unsigned long)(from + i));
}

static void assert_zero(gva_t from, gva_t to)
{
    for (; from < to; from++)
        ck_assert_msg(byte_at(from) == 0, "byte 0x%lx", (unsigned long)from);
}

static void assert_region(gva_t at, int prot, bool from_file)
{
    struct region r;

    ck_assert_msg(gmem_region_at(&mem, at, &r), "0x%lx", (unsigned long)at);
    ck_assert_msg(r.prot == prot, "0x%lx has prot %d, not %d", (unsigned long)at, r.prot, prot);
    ck_assert_int_eq(r.file, from_file);
    ck_assert_int_eq(r.label, GMEM_PLAIN);
}

START_TEST(maps_segments_and_bss)
{
    load();
    assert_file_bytes(TEXT_ADDR, 0x2000, 0); /* to the end of the page: as the kernel maps it */
    assert_file_bytes(DATA_ADDR, DATA_BYTES, DATA_OFFSET);
    assert_file_bytes(page_down(DATA_ADDR), DATA_ADDR & PAGE_MASK, page_down(DATA_OFFSET));
    assert_zero(DATA_ADDR + DATA_BYTES, page_up(DATA_ADDR + DATA_MEM));
    assert_region(TEXT_ADDR, GMEM_R | GMEM_X, true);
    assert_region(page_down(DATA_ADDR), GMEM_R | GMEM_W, true);
    assert_region(0x14000, GMEM_R | GMEM_W, false);
    ck_assert(gmem_is_free(&mem, 0, TEXT_ADDR));
    ck_assert(gmem_is_free(&mem, 0x12000, 0x1000));
    ck_assert(gmem_is_free(&mem, 0x17000, GUEST_BYTES - 0x17000));
}
END_TEST

START_TEST(describes_the_image)
{
    load();
    ck_assert_uint_eq(img.entry, TEXT_ADDR + 0x100);
    ck_assert_uint_eq(img.phdr, TEXT_ADDR + sizeof(Elf64_Ehdr));
    ck_assert_uint_eq(img.phnum, 3);
    ck_assert_uint_eq(img.base, 0);
    ck_assert_uint_eq(img.start, img.entry);
    ck_assert_uint_eq(img.interp_base, 0);
    ck_assert_uint_eq(img.start_code, TEXT_ADDR);
    ck_assert_uint_eq(img.end_code, TEXT_ADDR + TEXT_BYTES);
    ck_assert_uint_eq(img.start_data, DATA_ADDR);
    ck_assert_uint_eq(img.end_data, DATA_ADDR + DATA_BYTES);
    ck_assert_uint_eq(img.brk, 0x17000);
    ck_assert(!img.exec_stack);
}
END_TEST

START_TEST(describes_several_code_segments)
{
    phdr(1)->p_flags = PF_R | PF_X;
    load();
    ck_assert_uint_eq(img.start_code, TEXT_ADDR);
    ck_assert_uint_eq(img.end_code, DATA_ADDR + DATA_BYTES);
}
END_TEST

START_TEST(moves_position_independent_code)
{
    ehdr()->e_type = ET_DYN;
    ehdr()->e_entry = 0x100;
    phdr(0)->p_vaddr = 0;
    phdr(1)->p_vaddr = 0x3800;
    load();
    ck_assert_uint_eq(img.base, layout.pie_base);
    ck_assert_uint_eq(img.entry, layout.pie_base + 0x100);
    ck_assert_uint_eq(img.phdr, layout.pie_base + sizeof(Elf64_Ehdr));
    ck_assert_uint_eq(img.start_data, layout.pie_base + 0x3800);
    ck_assert_uint_eq(img.brk, layout.pie_base + 0x7000);
    assert_file_bytes(layout.pie_base, TEXT_BYTES, 0);
    assert_file_bytes(layout.pie_base + 0x3800, DATA_BYTES, DATA_OFFSET);
    assert_zero(layout.pie_base + 0x3b00, layout.pie_base + 0x7000);
}
END_TEST

START_TEST(keeps_the_null_page_free)
{
    const struct layout at_zero = { .pie_base = 0 };
    int fd;

    ehdr()->e_type = ET_DYN;
    phdr(0)->p_vaddr = 0;
    fd = file_open(WHOLE);
    ck_assert_int_eq(elf_map(&mem, fd, -1, &at_zero, &img, why), -ENOMEM);
    ck_assert(gmem_is_free(&mem, 0, GUEST_BYTES));
    close(fd);
}
END_TEST

START_TEST(moves_by_the_lowest_segment)
{
    ehdr()->e_type = ET_DYN;
    phdr(0)->p_vaddr = 0x5000; /* listed first, lies higher */
    phdr(1)->p_vaddr = 0x1800;
    load();
    ck_assert_uint_eq(img.base, layout.pie_base - 0x1000);
    assert_file_bytes(layout.pie_base + 0x4000, TEXT_BYTES, 0);
    assert_file_bytes(layout.pie_base + 0x800, DATA_BYTES, DATA_OFFSET);
}
END_TEST

START_TEST(obeys_alignment)
{
    ehdr()->e_type = ET_DYN;
    phdr(0)->p_vaddr = 0x10000;
    phdr(0)->p_align = 0x1000000 + 0x1000; /* no power of two: does not count */
    phdr(1)->p_align = 0x200000;
    load();
    ck_assert_uint_eq(img.base, layout.pie_base); /* the bias is aligned, not the first address */
    ck_assert_uint_eq(img.start_code, layout.pie_base + 0x10000);
    ck_assert_uint_eq(img.base % 0x200000, 0);
}
END_TEST

/* The program at its place, a dynamic loader made of the same bytes at the highest place below interp_top. */
START_TEST(loads_the_dynamic_loader)
{
    int fd = file_open(WHOLE), ld;

    ehdr()->e_type = ET_DYN;
    ehdr()->e_entry = 0x104;
    phdr(0)->p_vaddr = 0;
    phdr(1)->p_vaddr = 0x3800;
    phdr(1)->p_align = 0x8000;
    ld = file_open(WHOLE);
    ck_assert_int_eq(elf_map(&mem, fd, ld, &layout, &img, why), 0);
    ck_assert_uint_eq(img.base, 0);
    ck_assert_uint_eq(img.entry, TEXT_ADDR + 0x100);
    ck_assert_uint_eq(img.phdr, TEXT_ADDR + sizeof(Elf64_Ehdr));
    ck_assert_uint_eq(img.brk, 0x17000);
    ck_assert_uint_eq(img.interp_base, layout.interp_top - 0x8000);
    ck_assert_uint_eq(img.start, img.interp_base + 0x104);
    assert_file_bytes(img.interp_base + 0x3800, DATA_BYTES, DATA_OFFSET);
    assert_zero(img.interp_base + 0x3b00, img.interp_base + 0x7000);
    close(fd);
    close(ld);
}
END_TEST

START_TEST(refuses_a_dynamic_loader_in_the_way)
{
    struct layout low = layout;
    int fd = file_open(WHOLE), ld;

    ck_assert_int_eq(elf_map(&mem, fd, fd, &layout, &img, why), -ENOMEM); /* both at their link address */
    assert_why("segment 0 at 0x10000 overlaps");
    ck_assert_int_eq(gmem_reset(&mem), 0);

    ehdr()->e_type = ET_DYN;
    ld = file_open(WHOLE);
    low.interp_top = 0x10000; /* below the program there is less room than it needs */
    phdr(0)->p_vaddr = 0x1000;
    phdr(1)->p_memsz = 0x80000000;
    close(ld);
    ld = file_open(WHOLE);
    ck_assert_int_eq(elf_map(&mem, fd, ld, &low, &img, why), -ENOMEM);
    assert_why("its dynamic loader: takes");
    close(fd);
    close(ld);
}
END_TEST

START_TEST(later_segments_win)
{
    /* The second segment covers the second text page. */
    phdr(1)->p_vaddr = TEXT_ADDR + 0x1000;
    phdr(1)->p_offset = 0x3000;
    phdr(1)->p_filesz = 0x800;
    phdr(1)->p_memsz = 0x800;
    load();
    assert_file_bytes(TEXT_ADDR, 0x1000, 0);
    assert_file_bytes(TEXT_ADDR + 0x1000, 0x1000, 0x3000);
    assert_region(TEXT_ADDR, GMEM_R | GMEM_X, true);
    assert_region(TEXT_ADDR + 0x1000, GMEM_R | GMEM_W, true);
    ck_assert_uint_eq(img.brk, TEXT_ADDR + 0x2000);
}
END_TEST

START_TEST(leaves_tail_of_read_only_segment)
{
    phdr(1)->p_flags = PF_R;
    load();
    /* The file's bytes stay behind the data, and the rest is writable zeroes: what elf_load() does. */
    assert_file_bytes(DATA_ADDR, 0x800, DATA_OFFSET);
    assert_zero(0x14000, 0x17000);
    assert_region(page_down(DATA_ADDR), GMEM_R, true);
    assert_region(0x14000, GMEM_R | GMEM_W, false);
}
END_TEST

START_TEST(maps_pure_bss)
{
    phdr(1)->p_filesz = 0;
    phdr(1)->p_offset = 0x123456789; /* means nothing without file bytes */
    phdr(1)->p_flags = PF_R | PF_W | PF_X;
    load();
    assert_zero(page_down(DATA_ADDR), page_up(DATA_ADDR + DATA_MEM));
    assert_region(0x13000, GMEM_R | GMEM_W | GMEM_X, false);
}
END_TEST

START_TEST(ignores_empty_segments)
{
    phdr(2)->p_type = PT_LOAD; /* address 0, no bytes */
    load();
    ck_assert(gmem_is_free(&mem, 0, TEXT_ADDR));
    ck_assert_uint_eq(img.start_code, TEXT_ADDR);
}
END_TEST

START_TEST(finds_program_headers_in_memory)
{
    phdr(0)->p_offset = 0x1000; /* the headers are in no segment */
    phdr(0)->p_filesz = phdr(0)->p_memsz = 0x200;
    load();
    ck_assert_uint_eq(img.phdr, 0);
    ck_assert_int_eq(gmem_reset(&mem), 0);

    build();
    memcpy(file + DATA_OFFSET + 0x80, phdr(0), 3 * sizeof(Elf64_Phdr));
    ehdr()->e_phoff = DATA_OFFSET + 0x80;
    load();
    ck_assert_uint_eq(img.phdr, DATA_ADDR + 0x80);
}
END_TEST

START_TEST(asks_for_executable_stack)
{
    phdr(2)->p_flags = PF_R | PF_W | PF_X;
    load();
    ck_assert(img.exec_stack);
    ck_assert_int_eq(gmem_reset(&mem), 0);
    phdr(2)->p_type = PT_NOTE;
    load();
    ck_assert(!img.exec_stack);
}
END_TEST

START_TEST(takes_wild_entry)
{
    ehdr()->e_entry = 0xdeadbeefdeadbeef; /* Linux starts it, and it faults */
    load();
    ck_assert_uint_eq(img.entry, 0xdeadbeefdeadbeef);
}
END_TEST

START_TEST(takes_low_addresses)
{
    phdr(0)->p_vaddr = 0x1000; /* below mmap_min_addr, above the null page */
    load();
    assert_file_bytes(0x1000, TEXT_BYTES, 0);
}
END_TEST

START_TEST(writes_stay_private)
{
    int fd = file_open(WHOLE);
    uint8_t was, b = 0;

    ck_assert_int_eq(elf_map(&mem, fd, -1, &layout, &img, why), 0);
    b = (uint8_t)~byte_at(DATA_ADDR);
    ck_assert_int_eq(copy_out(&mem, DATA_ADDR, &b, 1), 0);
    ck_assert_int_eq(pread(fd, &was, 1, DATA_OFFSET), 1);
    ck_assert_uint_eq(was, file[DATA_OFFSET]);
    ck_assert_int_eq(pread(fd, &was, 1, DATA_OFFSET + DATA_BYTES), 1);
    ck_assert_uint_eq(was, file[DATA_OFFSET + DATA_BYTES]); /* nor did clearing the tail reach the file */
    close(fd);
}
END_TEST

START_TEST(notices_that_the_file_shrank)
{
    int fd = file_open(WHOLE);

    ck_assert_int_eq(elf_check(fd, interp, why), 0);
    ck_assert_int_eq(ftruncate(fd, 0x2000), 0);
    ck_assert_int_eq(elf_map(&mem, fd, -1, &layout, &img, why), -ENOEXEC);
    assert_why("truncated: segment 1 ends at byte 11008, the file has 8192");
    close(fd);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    phdr(1)->p_memsz = GUEST_BYTES; /* beyond the end */
    ck_assert_int_eq(load_file(WHOLE), -ENOMEM);
    assert_why("the address space ends at 0x40000000");
    phdr(1)->p_memsz = (uint64_t)1 << 62;
    ck_assert_int_eq(load_file(WHOLE), -ENOMEM);
    assert_why("the address space ends");
    phdr(1)->p_memsz = DATA_MEM;
    phdr(1)->p_vaddr = 0xfffffffff0000800;
    ck_assert_int_eq(load_file(WHOLE), -ENOMEM);
    assert_why("the address space ends");

    build();
    ehdr()->e_type = ET_DYN;
    phdr(1)->p_memsz = GUEST_BYTES - layout.pie_base;
    ck_assert_int_eq(load_file(WHOLE), -ENOMEM);
    assert_why("the address space ends");

    build();
    ehdr()->e_type = ET_DYN;
    phdr(0)->p_align = (uint64_t)1 << 63;
    ck_assert_int_eq(load_file(WHOLE), -ENOMEM);
    assert_why("asks for an alignment of 0x8000000000000000");
}
END_TEST

START_TEST(fills_the_space_to_its_end)
{
    phdr(1)->p_vaddr = GUEST_BYTES - 0x800;
    phdr(1)->p_memsz = 0x800;
    load();
    assert_file_bytes(GUEST_BYTES - 0x800, DATA_BYTES, DATA_OFFSET);
    ck_assert_uint_eq(img.brk, GUEST_BYTES);
}
END_TEST

START_TEST(spares_what_is_mapped)
{
    ck_assert_int_eq(gmem_map(&mem, 0x16000, 0x1000, GMEM_R, 0, GMEM_VDSO, -1, 0), 0);
    ck_assert_int_eq(load_file(WHOLE), -ENOMEM);
    assert_why("segment 1 at 0x13000 overlaps memory that is in use");
    assert_zero(0x16000, 0x17000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("elf");
    TCase *refuse = tcase_create("refuse"), *map = tcase_create("map");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(refuse, refuses_with_the_cause, 0, (int)ARRAY_SIZE(bad));
    tcase_add_test(refuse, refuses_what_is_no_file);
    tcase_add_test(refuse, refuses_what_cannot_be_read);
    tcase_add_test(refuse, reads_the_name_of_the_dynamic_loader);
    suite_add_tcase(s, refuse);

    tcase_add_checked_fixture(map, setup, teardown);
    tcase_add_test(map, maps_segments_and_bss);
    tcase_add_test(map, describes_the_image);
    tcase_add_test(map, describes_several_code_segments);
    tcase_add_test(map, moves_position_independent_code);
    tcase_add_test(map, keeps_the_null_page_free);
    tcase_add_test(map, moves_by_the_lowest_segment);
    tcase_add_test(map, obeys_alignment);
    tcase_add_test(map, loads_the_dynamic_loader);
    tcase_add_test(map, refuses_a_dynamic_loader_in_the_way);
    tcase_add_test(map, later_segments_win);
    tcase_add_test(map, leaves_tail_of_read_only_segment);
    tcase_add_test(map, maps_pure_bss);
    tcase_add_test(map, ignores_empty_segments);
    tcase_add_test(map, finds_program_headers_in_memory);
    tcase_add_test(map, asks_for_executable_stack);
    tcase_add_test(map, takes_wild_entry);
    tcase_add_test(map, takes_low_addresses);
    tcase_add_test(map, writes_stay_private);
    tcase_add_test(map, notices_that_the_file_shrank);
    tcase_add_test(map, refuses_what_does_not_fit);
    tcase_add_test(map, fills_the_space_to_its_end);
    tcase_add_test(map, spares_what_is_mapped);
    suite_add_tcase(s, map);

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
