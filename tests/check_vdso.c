/*
 * The vDSO as a guest finds it: its headers, its versioned symbols by the hash table, the bytes of the signal
 * trampoline, and the unwind information that describes the signal frame.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "loader/loader.h"
#include "mem/copy.h"
#include "mem/fault.h"

#define AT 0x30000000
#define IMAGE_MAX 0x4000

static struct gmem mem;
static gva_t trampoline_at;
static _Alignas(8) uint8_t image[IMAGE_MAX];
static uint64_t dyn[DT_NUM], verdef;

static const Elf64_Phdr *phdr_of(uint32_t type)
{
    const Elf64_Ehdr *eh = (const void *)image;
    const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);

    for (int i = 0; i < eh->e_phnum; i++) {
        if (ph[i].p_type == type)
            return &ph[i];
    }
    ck_abort_msg("no program header of type %u", type);
    return NULL;
}

static void setup(void)
{
    const Elf64_Dyn *d;

    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&mem, GIB), 0);
    ck_assert_int_eq(vdso_map(&mem, AT, &trampoline_at), 0);
    ck_assert_uint_le(vdso_len(), sizeof image);
    ck_assert_int_eq(copy_in(&mem, image, AT, vdso_len()), 0);
    for (d = (const void *)(image + phdr_of(PT_DYNAMIC)->p_vaddr); d->d_tag != DT_NULL; d++) {
        if (d->d_tag >= 0 && d->d_tag < DT_NUM)
            dyn[d->d_tag] = d->d_un.d_val;
        if (d->d_tag == DT_VERDEF)
            verdef = d->d_un.d_val;
    }
}

static void teardown(void)
{
    gmem_destroy(&mem);
}

START_TEST(region)
{
    struct region r;

    ck_assert_uint_eq(vdso_len() % PAGE_BYTES, 0);
    ck_assert(gmem_region_at(&mem, AT, &r));
    ck_assert_uint_eq(r.start, AT);
    ck_assert_uint_eq(r.len, vdso_len());
    ck_assert_int_eq(r.prot, GMEM_R | GMEM_X);
    ck_assert_int_eq(r.label, GMEM_VDSO);
    ck_assert(!r.file);
    ck_assert_int_eq(copy_out(&mem, AT, "x", 1), -EFAULT);
}
END_TEST

START_TEST(spares_what_is_mapped)
{
    gva_t other;

    ck_assert_int_eq(vdso_map(&mem, AT, &other), -ENOMEM);
}
END_TEST

START_TEST(headers)
{
    const Elf64_Ehdr *eh = (const void *)image;
    const Elf64_Phdr *load = phdr_of(PT_LOAD);

    ck_assert_mem_eq(eh->e_ident, "\177ELF\2\1\1", 7);
    ck_assert_int_eq(eh->e_type, ET_DYN);
    ck_assert_int_eq(eh->e_machine, EM_RISCV);
    ck_assert_uint_eq(load->p_vaddr, 0);
    ck_assert_uint_eq(load->p_offset, 0);
    ck_assert_uint_eq(load->p_flags, PF_R | PF_X);
    ck_assert_uint_le(load->p_memsz, vdso_len());
    ck_assert_uint_eq(phdr_of(PT_DYNAMIC)->p_flags, PF_R); /* glibc must not relocate it in place */
    ck_assert_str_eq((const char *)image + dyn[DT_STRTAB] + dyn[DT_SONAME], "linux-vdso.so.1");
    ck_assert_uint_eq(dyn[DT_SYMENT], sizeof(Elf64_Sym));
}
END_TEST

/* As the generic ABI defines it. */
static uint32_t sysv_hash(const char *s)
{
    uint32_t h = 0;

    for (; *s; s++) {
        h = (h << 4) + (uint8_t)*s;
        h ^= (h >> 24) & 0xf0;
        h &= 0x0fffffff;
    }
    return h;
}

static const Elf64_Sym *lookup(const char *name, uint32_t *index)
{
    const uint32_t *hash = (const void *)(image + dyn[DT_HASH]);
    const Elf64_Sym *sym = (const void *)(image + dyn[DT_SYMTAB]);
    const uint32_t *bucket = hash + 2, *chain = bucket + hash[0];

    ck_assert_uint_ne(dyn[DT_HASH], 0);
    for (uint32_t i = bucket[sysv_hash(name) % hash[0]]; i != 0; i = chain[i]) {
        *index = i;
        if (strcmp((const char *)image + dyn[DT_STRTAB] + sym[i].st_name, name) == 0)
            return &sym[i];
    }
    ck_abort_msg("%s is not in the hash table", name);
    return NULL;
}

static const char *version_name(unsigned index)
{
    for (const Elf64_Verdef *v = (const void *)(image + verdef);;
         v = (const void *)((const char *)v + v->vd_next)) {
        const Elf64_Verdaux *aux = (const void *)((const char *)v + v->vd_aux);

        if (v->vd_ndx == index)
            return (const char *)image + dyn[DT_STRTAB] + aux->vda_name;
        if (v->vd_next == 0)
            return "none";
    }
}

static const char *const functions[] = {
    "__vdso_rt_sigreturn", "__vdso_clock_gettime", "__vdso_gettimeofday",  "__vdso_clock_getres",
    "__vdso_getcpu",       "__vdso_flush_icache",  "__vdso_riscv_hwprobe",
};

START_TEST(symbols)
{
    const Elf64_Phdr *load = phdr_of(PT_LOAD);
    const Elf64_Sym *sym;
    const Elf64_Dyn *d;
    uint32_t index = 0;

    sym = lookup(functions[_i], &index);
    ck_assert_int_eq(ELF64_ST_TYPE(sym->st_info), STT_FUNC);
    ck_assert_int_eq(ELF64_ST_BIND(sym->st_info), STB_GLOBAL);
    ck_assert_uint_ne(sym->st_size, 0);
    ck_assert_uint_lt(sym->st_value, load->p_memsz);
    for (d = (const void *)(image + phdr_of(PT_DYNAMIC)->p_vaddr); d->d_tag != DT_VERSYM; d++)
        ck_assert_int_ne(d->d_tag, DT_NULL);
    ck_assert_str_eq(version_name(((const uint16_t *)(image + d->d_un.d_val))[index]), "LINUX_4.15");
}
END_TEST

START_TEST(trampoline)
{
    uint32_t index, insn[2];

    ck_assert_uint_eq(trampoline_at, AT + lookup("__vdso_rt_sigreturn", &index)->st_value);
    ck_assert_uint_eq(trampoline_at % 4, 0);
    ck_assert_int_eq(get_user(&mem, &insn, trampoline_at), 0);
    ck_assert_uint_eq(insn[0], 0x08b00893); /* li a7, 139 */
    ck_assert_uint_eq(insn[1], 0x00000073); /* ecall */
}
END_TEST

static const uint8_t *uleb(const uint8_t *p, uint64_t *v)
{
    int shift = 0;

    *v = 0;
    do {
        *v |= (uint64_t)(*p & 0x7f) << shift;
        shift += 7;
    } while (*p++ & 0x80);
    return p;
}

/* DW_OP_breg2 (sp) with an offset. */
static const uint8_t *breg2(const uint8_t *p, uint64_t *offset)
{
    ck_assert_uint_eq(*p, 0x72);
    p = uleb(p + 1, offset);
    ck_assert_uint_eq(p[-1] & 0x40, 0); /* the same as SLEB128: not negative */
    return p;
}

/* The FDE's instructions: where each register of the interrupted function is, relative to sp. */
static void check_rules(const uint8_t *p, const uint8_t *end)
{
    bool seen[65] = { false };
    uint64_t reg, len, offset;

    ck_assert_uint_eq(*p, 0x0f); /* DW_CFA_def_cfa_expression: *(sp + offset of x2) */
    p = uleb(p + 1, &len);
    ck_assert_uint_eq(p[len - 1], 0x06);
    p = breg2(p, &offset);
    ck_assert_uint_eq(offset, 304 + 8 * 2);
    p++;
    while (p < end && *p != 0) { /* DW_CFA_nop pads */
        const uint8_t *expr;

        ck_assert_uint_eq(*p, 0x10); /* DW_CFA_expression */
        p = uleb(uleb(p + 1, &reg), &len);
        ck_assert_uint_le(reg, 64);
        expr = p;
        p = breg2(p, &offset);
        ck_assert_uint_eq((uint64_t)(p - expr), len);
        ck_assert_uint_eq(offset, reg == 64 ? 304 : reg < 32 ? 304 + 8 * reg : 560 + 8 * (reg - 32));
        seen[reg] = true;
    }
    for (int i = 1; i <= 64; i++)
        ck_assert_msg(seen[i], "DWARF register %d has no rule", i);
}

START_TEST(unwind_information)
{
    /* .eh_frame_hdr: version, three encodings, pcrel sdata4 to .eh_frame; then FDE count, sorted table. */
    const uint8_t *hdr = image + phdr_of(PT_GNU_EH_FRAME)->p_vaddr;
    int32_t to_frame, where[2];
    uint32_t count, len, back;
    const uint8_t *fde, *cie;

    ck_assert_mem_eq(hdr, "\1\x1b\3\x3b", 4);
    memcpy(&to_frame, hdr + 4, 4);
    memcpy(&count, hdr + 8, 4);
    ck_assert_uint_ge(count, ARRAY_SIZE(functions));
    memcpy(where, hdr + 12, sizeof where); /* the trampoline comes first in .text */
    /* A return address is looked up minus one: the description has to begin before the symbol. */
    ck_assert_uint_lt((uint64_t)(hdr - image + where[0]), trampoline_at - AT);

    fde = hdr + where[1];
    memcpy(&len, fde, 4);
    memcpy(&back, fde + 4, 4);
    cie = fde + 4 - back;
    ck_assert_uint_eq(cie[8], 3);                   /* version */
    ck_assert_str_eq((const char *)cie + 9, "zRS"); /* S: signal frame */
    ck_assert_uint_eq(cie[15], 64); /* return address column, after the two alignment factors */
    ck_assert_ptr_eq(hdr + 4 + to_frame, cie);
    ck_assert_uint_eq(fde[16], 0); /* no augmentation data */
    check_rules(fde + 17, fde + 4 + len);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vdso");
    TCase *tc = tcase_create("vdso");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, region);
    tcase_add_test(tc, spares_what_is_mapped);
    tcase_add_test(tc, headers);
    tcase_add_loop_test(tc, symbols, 0, (int)ARRAY_SIZE(functions));
    tcase_add_test(tc, trampoline);
    tcase_add_test(tc, unwind_information);
    suite_add_tcase(s, tc);

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
