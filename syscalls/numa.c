/*
 * NUMA policy of guest memory. Nodes are the host's; only addresses need a look, since to the host the whole
 * window is mapped. set_mempolicy and migrate_pages cross unchanged (pass.c).
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "syscalls/mm.h"

/* The host kernel reads and writes node masks of up to a page: the guard zones absorb them. */

int64_t sys_mbind(struct task *t, gva_t addr, uint64_t len, int mode, gva_t nmask, uint64_t maxnode,
                  uint32_t flags)
{
    /* What is set back to the default may have holes; the host checks all but them. */
    if ((mode & ~MPOL_MODE_FLAGS) != MPOL_DEFAULT && !(addr & PAGE_MASK) &&
        range_within(addr, len, t->mem->limit) && !mm_is_mapped(t, addr, page_up(len)))
        return -EFAULT;
    return HOST(t, SYS_mbind, span(t, addr, len), len, mode, span(t, nmask, 0), maxnode, flags);
}

int64_t sys_get_mempolicy(struct task *t, gva_t policy, gva_t nmask, uint64_t maxnode, gva_t addr,
                          uint64_t flags)
{
    uint64_t at = addr;

    if (flags & MPOL_F_ADDR) {
        if (addr < t->mem->limit && !mm_is_mapped(t, page_down(addr), PAGE_BYTES))
            return -EFAULT;
        at = span(t, addr, 1);
    }
    return HOST(t, SYS_get_mempolicy, span(t, policy, 4), span(t, nmask, 0), maxnode, at, flags);
}

int64_t sys_set_mempolicy_home_node(struct task *t, gva_t addr, uint64_t len, uint64_t home_node,
                                    uint64_t flags)
{
    return HOST(t, SYS_set_mempolicy_home_node, span(t, addr, len), len, home_node, flags);
}

/* Pages of one host call. */
#define PAGES_AT_ONCE 256

/*
 * mm/migrate.c do_pages_move: the first failure ends it; a positive result counts the pages that were not moved,
 * the ones not looked at among them.
 */
int64_t sys_move_pages(struct task *t, int pid, uint64_t nr_pages, gva_t pages, gva_t nodes, gva_t status,
                       uint32_t flags)
{
    uint64_t at[PAGES_AT_ONCE], shift, done = 0;
    int64_t r = mm_window_of(t, pid, &shift);

    if (r == 0 && !nr_pages)
        r = HOST(t, SYS_move_pages, pid, 0, NULL, NULL, NULL, flags);
    while (r == 0 && done < nr_pages) {
        uint64_t n = MIN(nr_pages - done, PAGES_AT_ONCE);

        if (copy_in(t->mem, at, pages + done * 8, n * 8))
            return -EFAULT;
        for (uint64_t i = 0; i < n; i++)
            at[i] = at[i] ? span(t, at[i], 1) + shift : 0;
        r = HOST(t, SYS_move_pages, pid, n, at, nodes ? span(t, nodes + done * 4, n * 4) : 0,
                 span(t, status + done * 4, n * 4), flags);
        done += n;
    }
    return r > 0 ? r + (int64_t)(nr_pages - done) : r;
}
