/*
 * The initial stack, word by word as fs/binfmt_elf.c lays it out, and its limits.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/loader.h"
#include "mem/copy.h"
#include "mem/fault.h"

#define TOP (GIB - 0x10000)
#define STACK_BYTES 0x21000

static struct gmem mem;
static struct layout layout;
static struct stack_args args;
static struct stack_info info;
static const struct image image = {
    .entry = 0x10204,
    .phdr = 0x10040,
    .phnum = 5,
    .base = 0x1000,
    .interp_base = 0x3f00000,
    .brk = 0x20000,
};

static char *arg3[] = { "prog", "-x", "", NULL };
static char *env2[] = { "A=1", "HOME=/root", NULL };
static char *none[] = { NULL };

static void setup(void)
{
    ck_assert_int_eq(fault_install(NULL), 0);
    ck_assert_int_eq(fault_thread_init(), 0);
    ck_assert_int_eq(gmem_init(&mem, GIB), 0);
    mem.stack_max = 8 << 20;
    layout = (struct layout){ .stack_top = TOP, .vdso = 0x30000000, .stack_bytes = STACK_BYTES };
    args = (struct stack_args){
        .argv = arg3,
        .envp = env2,
        .execfn = "./prog",
        .hwcap = 0x112d,
        .uid = 1000,
        .euid = 1001,
        .gid = 1002,
        .egid = 0xffffffff,
        .secure = true,
    };
    for (int i = 0; i < 16; i++)
        args.random[i] = (uint8_t)(0xa0 + i);
}

static void teardown(void)
{
    gmem_destroy(&mem);
}

static uint64_t word(gva_t at)
{
    uint64_t v;

    ck_assert_int_eq(get_user(&mem, &v, at), 0);
    return v;
}

static void assert_bytes(gva_t at, const void *want, size_t n)
{
    uint8_t got[256];

    ck_assert_uint_le(n, sizeof got);
    ck_assert_int_eq(copy_in(&mem, got, at, n), 0);
    ck_assert_mem_eq(got, want, n);
}

static void build(void)
{
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), 0);
}

START_TEST(every_word)
{
    /* From the top: null word, "./prog", "A=1" "HOME=/root", "prog" "-x" "". */
    const gva_t execfn = TOP - 8 - 7, env = execfn - 4 - 11, arg = env - 5 - 3 - 1;
    const gva_t random = (arg & ~(gva_t)15) - 16;
    const uint64_t want[] = {
        3,
        arg,
        arg + 5,
        arg + 8,
        0,
        env,
        env + 4,
        0,
        AT_SYSINFO_EHDR,
        0x30000000,
        AT_L1I_CACHESIZE,
        0,
        AT_L1I_CACHEGEOMETRY,
        0,
        AT_L1D_CACHESIZE,
        0,
        AT_L1D_CACHEGEOMETRY,
        0,
        AT_L2_CACHESIZE,
        0,
        AT_L2_CACHEGEOMETRY,
        0,
        AT_L3_CACHESIZE,
        0,
        AT_L3_CACHEGEOMETRY,
        0,
        AT_MINSIGSTKSZ,
        1088,
        AT_HWCAP,
        0x112d,
        AT_PAGESZ,
        4096,
        AT_CLKTCK,
        100,
        AT_PHDR,
        0x10040,
        AT_PHENT,
        56,
        AT_PHNUM,
        5,
        AT_BASE,
        0x3f00000,
        AT_FLAGS,
        0,
        AT_ENTRY,
        0x10204,
        AT_UID,
        1000,
        AT_EUID,
        1001,
        AT_GID,
        1002,
        AT_EGID,
        0xffffffff,
        AT_SECURE,
        1,
        AT_RANDOM,
        random,
        AT_EXECFN,
        execfn,
        AT_NULL,
        0,
    };

    build();
    ck_assert_uint_eq(info.sp, (random - sizeof want) & ~(gva_t)15);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        ck_assert_msg(word(info.sp + 8 * i) == want[i], "word %zu is 0x%lx, not 0x%lx", i,
                      (unsigned long)word(info.sp + 8 * i), (unsigned long)want[i]);
    for (gva_t at = info.sp + sizeof want; at < random; at += 8)
        ck_assert_uint_eq(word(at), 0);
    assert_bytes(random, args.random, 16);
    assert_bytes(arg, "prog\0-x\0\0A=1\0HOME=/root\0./prog\0\0\0\0\0\0\0\0", TOP - arg);

    ck_assert_uint_eq(info.arg_start, arg);
    ck_assert_uint_eq(info.arg_end, env);
    ck_assert_uint_eq(info.env_start, env);
    ck_assert_uint_eq(info.env_end, execfn);
    ck_assert_uint_eq(info.auxv, info.sp + 8 * 8);
    ck_assert_uint_eq(info.auxv_len, sizeof want - 8 * 8);
}
END_TEST

/* sp is a multiple of 16 whatever the number of pointers and the length of the strings. */
START_TEST(aligned)
{
    char name[] = "0123456789abcdef";
    char *argv[5] = { 0 };

    name[_i / 4] = '\0';
    for (int i = 0; i <= _i % 4; i++)
        argv[i] = name;
    args.argv = argv;
    build();
    ck_assert_uint_eq(info.sp % 16, 0);
    ck_assert_uint_eq(word(info.sp), (uint64_t)_i % 4 + 1);
    ck_assert_uint_eq(word(info.auxv), AT_SYSINFO_EHDR);
}
END_TEST

START_TEST(no_vdso)
{
    layout.vdso = 0;
    build();
    ck_assert_uint_eq(word(info.auxv), AT_L1I_CACHESIZE);
}
END_TEST

START_TEST(empty_argv_becomes_one_empty_string)
{
    args.argv = none;
    args.envp = none;
    build();
    ck_assert_uint_eq(word(info.sp), 1);
    ck_assert_uint_eq(word(info.sp + 8), info.arg_start);
    ck_assert_uint_eq(word(info.sp + 16), 0);
    ck_assert_uint_eq(word(info.sp + 24), 0);
    assert_bytes(info.arg_start, "", 1);
    ck_assert_uint_eq(info.arg_end - info.arg_start, 1);
    ck_assert_uint_eq(info.env_end, info.env_start);
}
END_TEST

static void assert_region(int prot, uint64_t len)
{
    struct region r;

    ck_assert(gmem_region_at(&mem, info.sp, &r));
    ck_assert_uint_eq(r.start + r.len, TOP);
    ck_assert_uint_eq(r.len, len);
    ck_assert_int_eq(r.prot, prot);
    ck_assert_int_eq(r.label, GMEM_STACK);
    ck_assert(r.flags & GMEM_GROWSDOWN);
}

START_TEST(region)
{
    struct image x = image;

    build();
    assert_region(GMEM_R | GMEM_W, STACK_BYTES);
    ck_assert_int_eq(gmem_reset(&mem), 0);
    x.exec_stack = true;
    ck_assert_int_eq(stack_build(&mem, &layout, &x, &args, &info), 0);
    assert_region(GMEM_R | GMEM_W | GMEM_X, STACK_BYTES);
}
END_TEST

/* One string of `len` bytes with its NUL. */
static char *long_string(size_t len)
{
    char *s = malloc(len);

    ck_assert_ptr_nonnull(s);
    memset(s, 'y', len - 1);
    s[len - 1] = '\0';
    return s;
}

START_TEST(longest_string)
{
    char *s = long_string(131073), *argv[] = { s + 1, NULL };
    char last[2];

    args.argv = argv;
    build(); /* 131072 bytes with the NUL: MAX_ARG_STRLEN */
    ck_assert_uint_eq(info.arg_end - info.arg_start, 131072);
    ck_assert_int_eq(copy_in(&mem, last, info.arg_end - 2, 2), 0);
    ck_assert_mem_eq(last, "y", 2);
    assert_region(GMEM_R | GMEM_W, MAX(STACK_BYTES, TOP - page_down(info.sp))); /* mapped as far as needed */
    ck_assert_int_eq(gmem_reset(&mem), 0);

    argv[0] = s;
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -E2BIG);
    args.argv = arg3;
    args.envp = argv;
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -E2BIG);
    args.envp = env2;
    args.execfn = s;
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -E2BIG);
    free(s);
}
END_TEST

/* The most that `n` strings of 4096 bytes can take: the limit counts strings, pointers and execfn. */
static int build_with(size_t n, size_t last_len)
{
    char *s = long_string(4096), *last = long_string(last_len);
    char **argv = calloc(n + 2, sizeof *argv);
    int err;

    for (size_t i = 0; i < n; i++)
        argv[i] = s;
    argv[n] = last;
    args.argv = argv;
    args.envp = none;
    args.execfn = "";
    err = stack_build(&mem, &layout, &image, &args, &info);
    free(argv);
    free(last);
    free(s);
    return err;
}

static void assert_limit(uint64_t limit)
{
    size_t n = (limit - 4104) / 4104;
    size_t room = limit - n * 4104 - 8 - 1; /* for the last string, after its pointer and the empty execfn */

    ck_assert_int_eq(build_with(n, room), 0);
    ck_assert_uint_eq(word(info.sp), n + 1);
    ck_assert_int_eq(gmem_reset(&mem), 0);
    ck_assert_int_eq(build_with(n, room + 1), -E2BIG);
    ck_assert_int_eq(build_with(n, room + 9), -E2BIG); /* no room for its pointer */
    ck_assert(gmem_is_free(&mem, 0, GIB));             /* nothing was mapped */
}

START_TEST(limits)
{
    assert_limit(2 << 20); /* a quarter of 8 MiB */
    mem.stack_max = 64 << 20;
    assert_limit(6 << 20);
    mem.stack_max = UINT64_MAX;
    assert_limit(6 << 20);
    mem.stack_max = 0x10000;
    assert_limit(128 << 10); /* ARG_MAX is granted always */
}
END_TEST

START_TEST(no_room)
{
    layout.stack_top = 0x1000;
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -ENOMEM);
    layout.stack_top = 0x100;
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -ENOMEM);
    layout.stack_top = GIB + 0x1000;
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -ENOMEM);
    layout.stack_top = TOP;
    ck_assert_int_eq(gmem_map(&mem, TOP - STACK_BYTES, 0x1000, GMEM_R, 0, GMEM_PLAIN, -1, 0), 0);
    ck_assert_int_eq(stack_build(&mem, &layout, &image, &args, &info), -ENOMEM);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stack");
    TCase *tc = tcase_create("stack");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_word);
    tcase_add_loop_test(tc, aligned, 0, 64);
    tcase_add_test(tc, no_vdso);
    tcase_add_test(tc, empty_argv_becomes_one_empty_string);
    tcase_add_test(tc, region);
    tcase_add_test(tc, longest_string);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, no_room);
    suite_add_tcase(s, tc);

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
