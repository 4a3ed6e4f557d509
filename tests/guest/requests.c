/* ioctl: requests by number, by kind of device, and those with an address inside; each compared with the host's. */
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "guest.h"

#define PAGE 4096

static void interfaces(void)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ethtool_drvinfo *info =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct ethtool_value link = { .cmd = ETHTOOL_GLINK, .data = 77 };
    struct ifreq r = { .ifr_name = "lo" };
    struct rtentry route = { .rt_flags = RTF_UP };
    struct ifconf conf = { .ifc_len = 4096, .ifc_buf = (char *)info };

    r.ifr_data = (void *)&link;
    CALL(ioctl(s, SIOCETHTOOL, &r));
    SHOW(link.data);
    FACT(r.ifr_data == (void *)&link && !strcmp(r.ifr_name, "lo"));
    info->cmd = ETHTOOL_GDRVINFO;
    r.ifr_data = (void *)info;
    CALL(ioctl(s, SIOCETHTOOL, &r));
    printf("%s\n", info->driver);
    r.ifr_data = (void *)8;
    CALL(ioctl(s, SIOCETHTOOL, &r));
    CALL(ioctl(s, SIOCETHTOOL, NULL));
    CALL(ioctl(s, SIOCGIFINDEX, &r));
    CALL(ioctl(s, SIOCGIFCONF, &conf));
    FACT(conf.ifc_buf == (char *)info);
    route.rt_dev = (char *)8;
    route.rt_dst.sa_family = AF_INET;
    if (geteuid())
        CALL(ioctl(s, SIOCADDRT, &route));
    else
        puts("ioctl(s, SIOCADDRT, &route) -> EPERM");
    close(s);
}

static void kinds(void)
{
    int ns = open("/proc/self/ns/user", O_RDONLY), in = inotify_init1(0),
        fd = open("file", O_RDWR | O_CREAT, 0600);
    uint32_t info[32] = { 0 }, one = 1;
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    long flags = 0;

    CALL(ioctl(ns, 0xb703 /* NS_GET_NSTYPE */));
    CALL(ioctl(ns, 0xb702 /* NS_GET_PARENT */) >= 0 ? 0 : -1);
    CALL(ioctl(in, 0x40044900 /* INOTIFY_IOC_SETNEXTWD */, 70));
    CALL(inotify_add_watch(in, ".", IN_CREATE));
    CALL(ioctl(pidfd, 0xc040ff0b /* PIDFD_GET_INFO */, info));
    FACT(info[4] == (uint32_t)getpid());
    CALL(ioctl(pidfd, 0xc040ff0b, (void *)8));
    CALL(ioctl(fd, FS_IOC_GETFLAGS, &flags) == -1 && errno != ENOTTY && errno != EOPNOTSUPP ? -1 : 0);
    CALL(ioctl(fd, FIGETBSZ, &one));
    CALL(ioctl(fd, FICLONE, 99));
    CALL(ioctl(fd, BLKGETSIZE64, info));
    CALL(ioctl(fd, 0x80247009 /* RTC_RD_TIME */, info));
    CALL(ioctl(fd, 0x4c00 /* LOOP_SET_FD */, 0));
    CALL(ioctl(in, FIONREAD, &one));
    SHOW(one);
}

int main(void)
{
    interfaces();
    kinds();
    return 0;
}
