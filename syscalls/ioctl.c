/*
 * ioctl: a list of the requests that may cross, each with what its argument is. Anything else is answered as
 * a driver that does not know the request would, for its argument might hold addresses.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kd.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/sockios.h>
#include <linux/vt.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/linux.h"

enum arg {
    NONE,    /* not looked at */
    VALUE,   /* a number */
    FDVALUE, /* a descriptor */
    MEM,     /* `bytes` of guest memory without addresses in it */
    CLONE,   /* struct file_clone_range: begins with a descriptor */
    EXTENTS, /* struct fiemap: tells its own length */
    IFCONF   /* struct ifconf: length and address */
};

struct request {
    uint32_t nr;
    uint8_t arg;
    uint16_t bytes;
};

/* The kernel's struct termios and termios2 (asm-generic/termbits.h), shorter than the C library's. */
enum { TERMIOS = 36, TERMIOS2 = 44, TERMIO = 18, WINSIZE = 8, IFREQ = sizeof(struct ifreq) };

/* clang-format off */
static const struct request requests[] = {
    /* Terminals */
    {TCGETS, MEM, TERMIOS}, {TCSETS, MEM, TERMIOS}, {TCSETSW, MEM, TERMIOS}, {TCSETSF, MEM, TERMIOS},
    {0x802c542a /* TCGETS2 */, MEM, TERMIOS2}, {0x402c542b /* TCSETS2 */, MEM, TERMIOS2},
    {0x402c542c /* TCSETSW2 */, MEM, TERMIOS2}, {0x402c542d /* TCSETSF2 */, MEM, TERMIOS2},
    {TCGETA, MEM, TERMIO}, {TCSETA, MEM, TERMIO}, {TCSETAW, MEM, TERMIO}, {TCSETAF, MEM, TERMIO},
    {TIOCGLCKTRMIOS, MEM, TERMIOS}, {TIOCSLCKTRMIOS, MEM, TERMIOS},
    {TIOCGWINSZ, MEM, WINSIZE}, {TIOCSWINSZ, MEM, WINSIZE},
    {TIOCGPGRP, MEM, 4}, {TIOCSPGRP, MEM, 4}, {TIOCGSID, MEM, 4},
    {TIOCSCTTY, VALUE, 0}, {TIOCNOTTY, NONE, 0}, {TIOCVHANGUP, NONE, 0},
    {TIOCGPTN, MEM, 4}, {TIOCSPTLCK, MEM, 4}, {TIOCGPTLCK, MEM, 4}, {TIOCGPTPEER, VALUE, 0},
    {TIOCPKT, MEM, 4}, {TIOCGPKT, MEM, 4}, {TIOCSIG, VALUE, 0},
    {TCSBRK, VALUE, 0}, {TCSBRKP, VALUE, 0}, {TIOCSBRK, NONE, 0}, {TIOCCBRK, NONE, 0},
    {TCXONC, VALUE, 0}, {TCFLSH, VALUE, 0}, {TIOCSTI, MEM, 1}, {TIOCCONS, NONE, 0},
    {TIOCEXCL, NONE, 0}, {TIOCNXCL, NONE, 0}, {TIOCGEXCL, MEM, 4}, {TIOCGDEV, MEM, 4},
    {TIOCMGET, MEM, 4}, {TIOCMBIS, MEM, 4}, {TIOCMBIC, MEM, 4}, {TIOCMSET, MEM, 4},
    {TIOCGSOFTCAR, MEM, 4}, {TIOCSSOFTCAR, MEM, 4}, {TIOCMIWAIT, VALUE, 0},
    {TIOCGETD, MEM, 4}, {TIOCSETD, MEM, 4},
    {KDGKBTYPE, MEM, 1}, {KDGKBMODE, MEM, 4}, {KDGETMODE, MEM, 4}, {VT_GETSTATE, MEM, 6},

    /* Any descriptor, pipes */
    {FIONREAD, MEM, 4}, {TIOCOUTQ, MEM, 4}, {FIOCLEX, NONE, 0}, {FIONCLEX, NONE, 0}, {FIONBIO, MEM, 4},
    {FIOASYNC, MEM, 4}, {FIOQSIZE, MEM, 8},

    /* Files */
    {FIBMAP, MEM, 4}, {FIGETBSZ, MEM, 4}, {FICLONE, FDVALUE, 0}, {FICLONERANGE, CLONE, 0},
    {FS_IOC_GETFLAGS, MEM, 8}, {FS_IOC_SETFLAGS, MEM, 8}, {FS_IOC_GETVERSION, MEM, 8},
    {FS_IOC_SETVERSION, MEM, 8}, {FS_IOC_FSGETXATTR, MEM, sizeof(struct fsxattr)},
    {FS_IOC_FSSETXATTR, MEM, sizeof(struct fsxattr)}, {FS_IOC_GETFSLABEL, MEM, FSLABEL_MAX},
    {FS_IOC_SETFSLABEL, MEM, FSLABEL_MAX}, {FS_IOC_FIEMAP, EXTENTS, 0},
    {FIFREEZE, NONE, 0}, {FITHAW, NONE, 0}, {FITRIM, MEM, sizeof(struct fstrim_range)},

    /* Block devices, namespaces, randomness */
    {BLKGETSIZE, MEM, 8}, {BLKGETSIZE64, MEM, 8}, {BLKSSZGET, MEM, 4}, {BLKBSZGET, MEM, 4},
    {BLKPBSZGET, MEM, 4}, {BLKIOMIN, MEM, 4}, {BLKIOOPT, MEM, 4}, {BLKALIGNOFF, MEM, 4}, {BLKROGET, MEM, 4},
    {BLKRAGET, MEM, 8}, {BLKROTATIONAL, MEM, 2}, {BLKSECTGET, MEM, 2}, {BLKFLSBUF, NONE, 0},
    {BLKRRPART, NONE, 0}, {BLKDISCARD, MEM, 16}, {BLKZEROOUT, MEM, 16},
    {NS_GET_USERNS, NONE, 0}, {NS_GET_PARENT, NONE, 0}, {NS_GET_NSTYPE, NONE, 0}, {NS_GET_OWNER_UID, MEM, 4},
    {RNDGETENTCNT, MEM, 4}, {RNDADDTOENTCNT, MEM, 4},

    /* Sockets */
    {SIOCATMARK, MEM, 4}, {FIOSETOWN, MEM, 4}, {SIOCSPGRP, MEM, 4}, {FIOGETOWN, MEM, 4}, {SIOCGPGRP, MEM, 4},
    {SIOCOUTQNSD, MEM, 4}, {SIOCGSTAMP_OLD, MEM, 16}, {SIOCGSTAMPNS_OLD, MEM, 16}, {SIOCGSTAMP_NEW, MEM, 16},
    {SIOCGSTAMPNS_NEW, MEM, 16}, {SIOCGIFCONF, IFCONF, 0},
    {SIOCGIFNAME, MEM, IFREQ}, {SIOCGIFINDEX, MEM, IFREQ}, {SIOCGIFFLAGS, MEM, IFREQ},
    {SIOCSIFFLAGS, MEM, IFREQ}, {SIOCGIFADDR, MEM, IFREQ}, {SIOCSIFADDR, MEM, IFREQ},
    {SIOCGIFDSTADDR, MEM, IFREQ}, {SIOCSIFDSTADDR, MEM, IFREQ}, {SIOCGIFBRDADDR, MEM, IFREQ},
    {SIOCSIFBRDADDR, MEM, IFREQ}, {SIOCGIFNETMASK, MEM, IFREQ}, {SIOCSIFNETMASK, MEM, IFREQ},
    {SIOCGIFMETRIC, MEM, IFREQ}, {SIOCGIFMTU, MEM, IFREQ}, {SIOCSIFMTU, MEM, IFREQ},
    {SIOCSIFNAME, MEM, IFREQ}, {SIOCGIFHWADDR, MEM, IFREQ}, {SIOCSIFHWADDR, MEM, IFREQ},
    {SIOCGIFTXQLEN, MEM, IFREQ}, {SIOCSIFTXQLEN, MEM, IFREQ},
    {SIOCGIFMAP, MEM, IFREQ}, {SIOCADDMULTI, MEM, IFREQ}, {SIOCDELMULTI, MEM, IFREQ},
    {SIOCGARP, MEM, 68}, {SIOCSARP, MEM, 68}, {SIOCDARP, MEM, 68},
    {TUNSETIFF, MEM, IFREQ}, {TUNGETIFF, MEM, IFREQ}, {TUNSETPERSIST, VALUE, 0}, {TUNSETOWNER, VALUE, 0},
    {TUNSETGROUP, VALUE, 0}, {TUNSETOFFLOAD, VALUE, 0}, {TUNGETFEATURES, MEM, 4}, {TUNSETVNETHDRSZ, MEM, 4},
    {TUNGETVNETHDRSZ, MEM, 4}, {TUNSETQUEUE, MEM, IFREQ}, {TUNSETSNDBUF, MEM, 4}, {TUNGETSNDBUF, MEM, 4},
};
/* clang-format on */

static const struct request *find(uint32_t nr)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
        if (requests[i].nr == nr)
            return &requests[i];
    return NULL;
}

static int64_t call_mem(struct task *t, int fd, uint32_t cmd, gva_t arg, uint64_t bytes)
{
    int64_t r;

    do
        r = HOST(t, SYS_ioctl, fd, cmd, span(t, arg, bytes));
    while (r == -EFAULT && gmem_resolve(t->mem, arg, bytes));
    return r;
}

static int64_t call_clone(struct task *t, int fd, gva_t arg)
{
    struct file_clone_range range;

    if (get_user(t->mem, &range, arg))
        return -EFAULT;
    if (fd_is_own((int)range.src_fd))
        return -EBADF;
    return HOST(t, SYS_ioctl, fd, FICLONERANGE, &range);
}

/* The kernel reads the count again; what it then writes goes upwards and ends at the guard zone. */
static int64_t call_extents(struct task *t, int fd, gva_t arg)
{
    uint32_t count;

    if (get_user(t->mem, &count, arg + offsetof(struct fiemap, fm_extent_count)))
        return -EFAULT;
    return call_mem(t, fd, FS_IOC_FIEMAP, arg,
                    sizeof(struct fiemap) + (uint64_t)count * sizeof(struct fiemap_extent));
}

static int64_t call_ifconf(struct task *t, int fd, gva_t arg)
{
    struct ifconf guest, host;
    int64_t r;

    if (get_user(t->mem, &guest, arg))
        return -EFAULT;
    host = guest;
    host.ifc_buf = gmem_span(t->mem, (gva_t)(uintptr_t)guest.ifc_buf, (uint64_t)MAX(guest.ifc_len, 0));
    r = HOST(t, SYS_ioctl, fd, SIOCGIFCONF, &host);
    guest.ifc_len = host.ifc_len;
    if (r >= 0 && put_user(t->mem, arg, &guest))
        return -EFAULT;
    return r;
}

static int64_t refuse(struct task *t, int fd, uint32_t cmd)
{
    enum { NR_IOCTL = 29 };
    int64_t r = HOST_RAW(SYS_fcntl, fd, F_GETFD);

    if (r < 0)
        return r;
    note_once(t, NR_IOCTL, "ioctl request 0x%x is not known: the program gets ENOTTY", cmd);
    return -ENOTTY;
}

int64_t sys_ioctl(struct task *t, int fd, uint32_t cmd, uint64_t arg)
{
    const struct request *q = find(cmd);

    if (fd_is_own(fd))
        return -EBADF;
    if (!q)
        return refuse(t, fd, cmd);
    switch ((enum arg)q->arg) {
    case NONE:
        return HOST(t, SYS_ioctl, fd, cmd);
    case FDVALUE:
        if (fd_is_own((int)arg))
            return -EBADF;
        /* fall through */
    case VALUE:
        return HOST(t, SYS_ioctl, fd, cmd, arg);
    case MEM:
        return call_mem(t, fd, cmd, arg, q->bytes);
    case CLONE:
        return call_clone(t, fd, arg);
    case EXTENTS:
        return call_extents(t, fd, arg);
    case IFCONF:
        return call_ifconf(t, fd, arg);
    }
    return -ENOTTY;
}
