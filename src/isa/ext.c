/*
 * What the hart says it implements, in the three forms in which Linux tells programs; all read off ext.def.
 * Per-key hwprobe answers and the text of /proc/cpuinfo around the ISA string are not made here.
 */
#include "isa/insn.h"

#include <pthread.h>

#include "base/buf.h"

static const struct {
    const char *name;
    uint64_t hwcap, hwprobe;
} exts[NR_EXTS] = {
#define ISA_EXT(id, name, hwcap, hwprobe) [EXT_##id] = { name, hwcap, hwprobe },
#include "isa/ext.def"
#undef ISA_EXT
};

/* Room for the longest names that the kernel knows (zihintntl, zihintpause), twice over. */
static char isa_text[NR_EXTS * 24];

static void isa_text_build(void)
{
    struct buf b;

    buf_init(&b, isa_text, sizeof(isa_text));
    buf_puts(&b, "rv64");
    for (unsigned i = 0; i < NR_EXTS; i++) {
        if (exts[i].name[1])
            buf_putc(&b, '_');
        buf_puts(&b, exts[i].name);
    }
}

const char *isa_string(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, isa_text_build);
    return isa_text;
}

uint64_t isa_hwcap(void)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < NR_EXTS; i++)
        bits |= exts[i].hwcap;
    return bits;
}

uint64_t isa_hwprobe_ima_ext0(void)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < NR_EXTS; i++)
        bits |= exts[i].hwprobe;
    return bits;
}
