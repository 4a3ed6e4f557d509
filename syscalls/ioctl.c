/*
 * ioctl: a list of the requests that may cross, each with what its argument is. Anything else is answered as
 * a driver that does not know the request would, for its argument might hold addresses.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fb.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/if_tun.h>
#include <linux/input.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <linux/vt.h>
#include <net/if.h>
#include <net/route.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "syscalls/fd.h"
#include "syscalls/linux.h"
#include "syscalls/procgen.h"
#include "syscalls/seccomp.h"

enum arg {
    NONE,    /* not looked at */
    VALUE,   /* a number */
    FDVALUE, /* a descriptor */
    MEM,     /* `bytes` of guest memory without addresses in it */
    FDMEM,   /* the same, beginning with a descriptor */
    EXTENTS, /* struct fiemap: tells its own length */
    IFCONF,  /* struct ifconf: length and address */
    IFDATA,  /* struct ifreq: a name, and the address of something flat */
    NOTIF,   /* seccomp.h: calls that a filter asks about */
    MAPS,    /* of /proc/self/maps: struct procmap_query, which tells its own length */
    ROUTE,   /* struct rtentry: the address of a name in it; of IPv6: flat */
};

struct request {
    uint32_t nr;
    uint8_t arg;
    uint16_t bytes;
};

/* struct in6_rtmsg (linux/ipv6_route.h, which clashes with the C library's headers) */
enum { IN6_RTMSG = 80 };

/* The kernel's struct termios and termios2 (asm-generic/termbits.h), shorter than the C library's. */
/* Linux 5.8 (include/uapi/linux/loop.h); struct loop_config has 304 bytes. */
enum { HOST_LOOP_CONFIGURE = 0x4c0a };

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
    {TIOCGICOUNT, MEM, 80}, {TIOCGRS485, MEM, 32}, {TIOCSRS485, MEM, 32}, {TIOCLINUX, MEM, 1},

    /* Consoles, frame buffers */
    {KDGKBTYPE, MEM, 1}, {KDGKBMODE, MEM, 4}, {KDSKBMODE, VALUE, 0}, {KDGETMODE, MEM, 4}, {KDSETMODE, VALUE, 0},
    {KDGKBMETA, MEM, 4}, {KDSKBMETA, VALUE, 0}, {KDGKBLED, MEM, 1}, {KDSKBLED, VALUE, 0}, {KDGETLED, MEM, 1},
    {KDSETLED, VALUE, 0}, {KDMKTONE, VALUE, 0}, {KIOCSOUND, VALUE, 0}, {KDGKBENT, MEM, 4}, {GIO_CMAP, MEM, 48},
    {VT_GETSTATE, MEM, 6}, {VT_OPENQRY, MEM, 4}, {VT_GETMODE, MEM, 8}, {VT_SETMODE, MEM, 8},
    {VT_ACTIVATE, VALUE, 0}, {VT_WAITACTIVE, VALUE, 0}, {VT_DISALLOCATE, VALUE, 0}, {VT_RELDISP, VALUE, 0},
    {FBIOGET_VSCREENINFO, MEM, sizeof(struct fb_var_screeninfo)},
    {FBIOPUT_VSCREENINFO, MEM, sizeof(struct fb_var_screeninfo)},
    {FBIOPAN_DISPLAY, MEM, sizeof(struct fb_var_screeninfo)},
    {FBIOGET_FSCREENINFO, MEM, sizeof(struct fb_fix_screeninfo)}, {FBIOBLANK, VALUE, 0},

    /* Any descriptor, pipes */
    {FIONREAD, MEM, 4}, {TIOCOUTQ, MEM, 4}, {FIOCLEX, NONE, 0}, {FIONCLEX, NONE, 0}, {FIONBIO, MEM, 4},
    {FIOASYNC, MEM, 4}, {FIOQSIZE, MEM, 8},

    /* Files */
    {FIBMAP, MEM, 4}, {FIGETBSZ, MEM, 4}, {FICLONE, FDVALUE, 0}, {FICLONERANGE, FDMEM, sizeof(struct file_clone_range)},
    {FIDEDUPERANGE, MEM, sizeof(struct file_dedupe_range)},
    {FS_IOC_GETFLAGS, MEM, 8}, {FS_IOC_SETFLAGS, MEM, 8}, {FS_IOC_GETVERSION, MEM, 8},
    {FS_IOC_SETVERSION, MEM, 8}, {FS_IOC_FSGETXATTR, MEM, sizeof(struct fsxattr)},
    {FS_IOC_FSSETXATTR, MEM, sizeof(struct fsxattr)}, {FS_IOC_GETFSLABEL, MEM, FSLABEL_MAX},
    {FS_IOC_SETFSLABEL, MEM, FSLABEL_MAX}, {FS_IOC_FIEMAP, EXTENTS, 0},
    {FIFREEZE, NONE, 0}, {FITHAW, NONE, 0}, {FITRIM, MEM, sizeof(struct fstrim_range)},

    /* Loop devices; LOOP_SET_STATUS and LOOP_GET_STATUS have another layout and a successor */
    {LOOP_SET_FD, FDVALUE, 0}, {LOOP_CLR_FD, NONE, 0}, {LOOP_CHANGE_FD, FDVALUE, 0},
    {LOOP_SET_STATUS64, MEM, sizeof(struct loop_info64)}, {LOOP_GET_STATUS64, MEM, sizeof(struct loop_info64)},
    {LOOP_SET_CAPACITY, NONE, 0}, {LOOP_SET_DIRECT_IO, VALUE, 0}, {LOOP_SET_BLOCK_SIZE, VALUE, 0},
    {HOST_LOOP_CONFIGURE, FDMEM, 304}, {LOOP_CTL_ADD, VALUE, 0}, {LOOP_CTL_REMOVE, VALUE, 0},
    {LOOP_CTL_GET_FREE, NONE, 0},

    /* Clocks, input, timers and the like: those whose type gives a size and which take a number all the same */
    {RTC_IRQP_SET, VALUE, 0}, {RTC_EPOCH_SET, VALUE, 0}, {EVIOCGRAB, VALUE, 0}, {EVIOCRMFF, VALUE, 0},
    {EVIOCREVOKE, VALUE, 0}, {0x40044900 /* INOTIFY_IOC_SETNEXTWD */, VALUE, 0},
    {0x8004b706 /* NS_GET_PID_FROM_PIDNS */, VALUE, 0}, {0x8004b707 /* NS_GET_TGID_FROM_PIDNS */, VALUE, 0},
    {0x8004b708 /* NS_GET_PID_IN_PIDNS */, VALUE, 0}, {0x8004b709 /* NS_GET_TGID_IN_PIDNS */, VALUE, 0},
    {0x40085400 /* TFD_IOC_SET_TICKS */, MEM, 8}, {HDIO_GETGEO, MEM, 16},
    {0x5309 /* CDROMEJECT */, NONE, 0}, {0x5326 /* CDROM_DRIVE_STATUS */, VALUE, 0},
    {0x5331 /* CDROM_GET_CAPABILITY */, NONE, 0},

    /* Block devices, namespaces, randomness */
    {BLKROSET, MEM, 4}, {BLKRASET, VALUE, 0}, {BLKFRASET, VALUE, 0}, {BLKFRAGET, MEM, 8}, {BLKBSZSET, MEM, 4},
    {BLKSECDISCARD, MEM, 16}, {BLKDISCARDZEROES, MEM, 4}, {0x80081280 /* BLKGETDISKSEQ */, MEM, 8},
    {0x80041284 /* BLKGETZONESZ */, MEM, 4}, {0x80041285 /* BLKGETNRZONES */, MEM, 4},
    {RNDADDENTROPY, MEM, 8}, {RNDZAPENTCNT, NONE, 0}, {RNDCLEARPOOL, NONE, 0}, {RNDRESEEDCRNG, NONE, 0},
    {BLKGETSIZE, MEM, 8}, {BLKGETSIZE64, MEM, 8}, {BLKSSZGET, MEM, 4}, {BLKBSZGET, MEM, 4},
    {BLKPBSZGET, MEM, 4}, {BLKIOMIN, MEM, 4}, {BLKIOOPT, MEM, 4}, {BLKALIGNOFF, MEM, 4}, {BLKROGET, MEM, 4},
    {BLKRAGET, MEM, 8}, {BLKROTATIONAL, MEM, 2}, {BLKSECTGET, MEM, 2}, {BLKFLSBUF, NONE, 0},
    {BLKRRPART, NONE, 0}, {BLKDISCARD, MEM, 16}, {BLKZEROOUT, MEM, 16},
    {NS_GET_USERNS, NONE, 0}, {NS_GET_PARENT, NONE, 0}, {NS_GET_NSTYPE, NONE, 0}, {NS_GET_OWNER_UID, MEM, 4},
    {RNDGETENTCNT, MEM, 4}, {RNDADDTOENTCNT, MEM, 4},

    /* Files of /proc */
    {0xc0686611 /* PROCMAP_QUERY */, MAPS, 0},

    /* Listeners of system call filters */
    {SECCOMP_IOCTL_NOTIF_RECV, NOTIF, 0}, {SECCOMP_IOCTL_NOTIF_SEND, NOTIF, 0}, {SECCOMP_IOCTL_NOTIF_ADDFD, NOTIF, 0},
    {SECCOMP_IOCTL_NOTIF_ID_VALID, MEM, 8}, {0x80082102 /* with its direction wrong */, MEM, 8},
    {0x40082104 /* SECCOMP_IOCTL_NOTIF_SET_FLAGS */, VALUE, 0},

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
    {SIOCGIFPFLAGS, MEM, IFREQ}, {SIOCSIFPFLAGS, MEM, IFREQ}, {SIOCSIFMETRIC, MEM, IFREQ}, {SIOCSIFMAP, MEM, IFREQ},
    {SIOCGIFSLAVE, MEM, IFREQ}, {SIOCSIFSLAVE, MEM, IFREQ}, {SIOCSIFHWBROADCAST, MEM, IFREQ}, {SIOCDIFADDR, MEM, IFREQ},
    {SIOCGIFENCAP, MEM, IFREQ}, {SIOCSIFENCAP, MEM, IFREQ}, {SIOCGIFCOUNT, MEM, IFREQ}, {SIOCBRADDBR, MEM, IFNAMSIZ},
    {SIOCBRDELBR, MEM, IFNAMSIZ}, {SIOCBRADDIF, MEM, IFREQ}, {SIOCBRDELIF, MEM, IFREQ}, {SIOCGIFVLAN, MEM, 56},
    {SIOCSIFVLAN, MEM, 56}, {SIOCGMIIPHY, MEM, IFREQ}, {SIOCGMIIREG, MEM, IFREQ}, {SIOCSMIIREG, MEM, IFREQ},
    {SIOCBONDENSLAVE, MEM, IFREQ}, {SIOCBONDRELEASE, MEM, IFREQ}, {SIOCBONDSETHWADDR, MEM, IFREQ},
    {SIOCBONDCHANGEACTIVE, MEM, IFREQ}, {SIOCBONDINFOQUERY, IFDATA, 0}, {SIOCBONDSLAVEINFOQUERY, IFDATA, 0},
    {SIOCETHTOOL, IFDATA, 0}, {SIOCSHWTSTAMP, IFDATA, 0}, {SIOCGHWTSTAMP, IFDATA, 0}, {SIOCADDRT, ROUTE, 0},
    {SIOCDELRT, ROUTE, 0}, {SIOCGSKNS, NONE, 0}, {0x8b01 /* SIOCGIWNAME */, MEM, 32},
    {SIOCGIFMAP, MEM, IFREQ}, {SIOCADDMULTI, MEM, IFREQ}, {SIOCDELMULTI, MEM, IFREQ},
    {SIOCGARP, MEM, 68}, {SIOCSARP, MEM, 68}, {SIOCDARP, MEM, 68},
    {TUNSETIFF, MEM, IFREQ}, {TUNGETIFF, MEM, IFREQ}, {TUNSETPERSIST, VALUE, 0}, {TUNSETOWNER, VALUE, 0},
    {TUNSETGROUP, VALUE, 0}, {TUNSETOFFLOAD, VALUE, 0}, {TUNGETFEATURES, MEM, 4}, {TUNSETVNETHDRSZ, MEM, 4},
    {TUNGETVNETHDRSZ, MEM, 4}, {TUNSETQUEUE, MEM, IFREQ}, {TUNSETSNDBUF, MEM, 4}, {TUNGETSNDBUF, MEM, 4},
    {TUNSETNOCSUM, VALUE, 0}, {TUNSETDEBUG, VALUE, 0}, {TUNSETLINK, VALUE, 0}, {TUNSETIFINDEX, MEM, 4},
    {TUNSETVNETLE, MEM, 4}, {TUNGETVNETLE, MEM, 4}, {TUNSETVNETBE, MEM, 4}, {TUNGETVNETBE, MEM, 4},
    {TUNSETCARRIER, MEM, 4}, {TUNGETDEVNETNS, NONE, 0},
};

/*
 * Kinds of devices, or ranges of their requests, with no address in any structure: the number of a request tells the
 * size of its argument, 0 when it is no memory.
 */
static const struct {
    uint8_t type, first, count;
} families[] = {
    {'E', 0x01, 0x7f}, {'E', 0xc0, 0x40}, /* input events, but for force feedback and masks */
    {'p', 0x01, 0x12},                    /* real-time clocks */
    {'W', 0x00, 0x0b},                    /* watchdogs */
    {'f', 0x13, 0x09},                    /* encryption of files */
    {0x15, 0x00, 0x02},                   /* names of file systems */
    {0x8a, 0x01, 0x02},                   /* parameters of an epoll */
    {0xb7, 0x01, 0x0c},                   /* namespaces */
    {0xe5, 0x00, 0x01},                   /* cloning a FUSE device */
    {0xfd, 0x00, 0x20},                   /* device mapper: what follows its structure is measured from there */
    {0xff, 0x01, 0x0b},                   /* processes by descriptor */
};
/* clang-format on */

static bool find(uint32_t nr, struct request *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
        if (requests[i].nr == nr) {
            *out = requests[i];
            return true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (families[i].type == _IOC_TYPE(nr) && _IOC_NR(nr) - families[i].first < families[i].count) {
            *out = (struct request){ nr, _IOC_SIZE(nr) ? MEM : VALUE, _IOC_SIZE(nr) };
            return true;
        }
    return false;
}

static int64_t call_mem(struct task *t, int fd, uint32_t cmd, gva_t arg, uint64_t bytes)
{
    int64_t r;

    do
        r = HOST(t, SYS_ioctl, fd, cmd, span(t, arg, bytes));
    while (r == -EFAULT && gmem_resolve(t->mem, arg, bytes));
    return r;
}

/* The largest is struct loop_config. */
#define FDMEM_MAX 512

/* Copied, so that the descriptor that was checked is the one that is used; nothing is written back. */
static int64_t call_fdmem(struct task *t, int fd, uint32_t cmd, gva_t arg, size_t bytes)
{
    union {
        int fd;
        char bytes[FDMEM_MAX];
    } copy;

    BUG_ON(bytes > sizeof copy);
    if (copy_in(t->mem, &copy, arg, bytes))
        return -EFAULT;
    if (fd_is_own(copy.fd))
        return -EBADF;
    return HOST(t, SYS_ioctl, fd, cmd, &copy);
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

/* The kernel writes to ifr_data's target alone, or to the rest of the structure. */
static int64_t call_ifdata(struct task *t, int fd, uint32_t cmd, gva_t arg)
{
    struct ifreq guest, host;
    int64_t r;

    if (get_user(t->mem, &guest, arg))
        return -EFAULT;
    host = guest;
    host.ifr_data = gmem_span(t->mem, (gva_t)(uintptr_t)guest.ifr_data, 0);
    r = HOST(t, SYS_ioctl, fd, cmd, &host);
    host.ifr_data = guest.ifr_data;
    return r >= 0 && put_user(t->mem, arg, &host) ? -EFAULT : r;
}

static int64_t call_route(struct task *t, int fd, uint32_t cmd, gva_t arg)
{
    struct rtentry route;
    socklen_t len = sizeof(int);
    int family = AF_UNSPEC;

    HOST_RAW(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
    if (family != AF_INET)
        return call_mem(t, fd, cmd, arg, IN6_RTMSG);
    if (get_user(t->mem, &route, arg))
        return -EFAULT;
    route.rt_dev = gmem_span(t->mem, (gva_t)(uintptr_t)route.rt_dev, IFNAMSIZ);
    return HOST(t, SYS_ioctl, fd, cmd, &route);
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
    struct request q;

    if (fd_is_own(fd))
        return -EBADF;
    if (!find(cmd, &q))
        return refuse(t, fd, cmd);
    switch ((enum arg)q.arg) {
    case NONE:
        return HOST(t, SYS_ioctl, fd, cmd);
    case FDVALUE:
        if (fd_is_own((int)arg))
            return -EBADF;
        /* fall through */
    case VALUE:
        return HOST(t, SYS_ioctl, fd, cmd, arg);
    case MEM:
        return call_mem(t, fd, cmd, arg, q.bytes);
    case FDMEM:
        return call_fdmem(t, fd, cmd, arg, q.bytes);
    case EXTENTS:
        return call_extents(t, fd, arg);
    case IFCONF:
        return call_ifconf(t, fd, arg);
    case IFDATA:
        return call_ifdata(t, fd, cmd, arg);
    case NOTIF:
        return seccomp_ioctl(t, fd, cmd, arg);
    case MAPS:
        return maps_is(fd) ? maps_query(t, arg) : refuse(t, fd, cmd);
    case ROUTE:
        return call_route(t, fd, cmd, arg);
    }
    return -ENOTTY;
}
