/*
 * Puts the vDSO into a guest and finds the signal trampoline in it. The image is our own (loader/vdso/), so
 * what it holds is trusted; there is no vvar page, for the clocks come from CSRs.
 */
#include "loader/loader.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "mem/copy.h"

#define TRAMPOLINE "__vdso_rt_sigreturn"

/* vdso_image.S */
extern const uint8_t vdso_image[];
extern const uint64_t vdso_image_len;

uint64_t vdso_len(void)
{
    return page_up(vdso_image_len);
}

/* The value of a dynamic symbol; the image is linked at 0, so that this is its offset too. */
static uint64_t symbol_find(Elf *e, const char *name)
{
    Elf_Scn *scn = NULL;

    while ((scn = elf_nextscn(e, scn)) != NULL) {
        Elf_Data *data = elf_getdata(scn, NULL);
        GElf_Shdr sh;
        GElf_Sym sym;

        if (!data || !gelf_getshdr(scn, &sh) || sh.sh_type != SHT_DYNSYM)
            continue;
        for (int i = 0; gelf_getsym(data, i, &sym); i++) {
            const char *s = elf_strptr(e, sh.sh_link, sym.st_name);

            if (s && strcmp(s, name) == 0)
                return sym.st_value;
        }
    }
    return 0;
}

static uint64_t trampoline_offset(void)
{
    uint64_t offset;
    Elf *e;

    elf_version(EV_CURRENT);
    /* libelf takes char *, and changes nothing in an image it was not asked to update. */
    e = elf_memory((char *)(uintptr_t)vdso_image, vdso_image_len);
    offset = e ? symbol_find(e, TRAMPOLINE) : 0;
    elf_end(e);
    return offset;
}

int vdso_map(struct gmem *m, gva_t at, gva_t *sigreturn)
{
    uint64_t offset = trampoline_offset();
    int err;

    if (offset == 0)
        return -ENOMEM; /* libelf had no memory: the build checks that the symbol is there */
    if (!gmem_is_free(m, at, vdso_len()))
        return -ENOMEM;
    err = gmem_map(m, at, vdso_len(), GMEM_R | GMEM_W, 0, GMEM_VDSO, -1, 0);
    if (!err)
        err = copy_out(m, at, vdso_image, vdso_image_len);
    if (!err)
        err = gmem_protect(m, at, vdso_len(), GMEM_R | GMEM_X);
    if (!err)
        *sigreturn = at + offset;
    return err;
}
