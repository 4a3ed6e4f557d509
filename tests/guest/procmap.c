/* ioctl PROCMAP_QUERY: what /proc/self/maps says, asked by address. Hosts before Linux 6.11 cannot say what is right. */
/* skip-native */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "guest.h"

#define PAGE 4096ul

/* Pages with nothing next to them. */
static char *alone(size_t pages, int prot, int flags, int fd)
{
    char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(p, (pages + 2) * PAGE);
    return mmap(p + PAGE, pages * PAGE, prot, flags | MAP_FIXED, fd, 0);
}

/* Linux 6.11 (include/uapi/linux/fs.h) */
struct query {
    uint64_t size, flags, addr, start, end, prot, page_bytes, offset, inode;
    uint32_t major, minor, name_size, id_size;
    uint64_t name_to, id_to;
};

#define PROCMAP_QUERY _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, sizeof(struct query))

/* What is said of the mapping of p, of `pages` pages with nothing next to them. */
static void ask(int fd, char *p, size_t pages)
{
    static char name[64];
    struct query q = { .size = sizeof q, .addr = (uintptr_t)p + PAGE };

    FACT(ioctl(fd, PROCMAP_QUERY, &q) == 0 && q.start == (uintptr_t)p && q.end == q.start + pages * PAGE);
    FACT(q.page_bytes == PAGE && q.addr == (uintptr_t)p + PAGE && q.flags == 0);
    printf("protection %d, offset %d, file %d\n", (int)q.prot, (int)q.offset, q.inode != 0);
    q = (struct query){ .size = sizeof q, .addr = (uintptr_t)p - 1 };
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    q.flags = 0x10; /* or the next */
    FACT(ioctl(fd, PROCMAP_QUERY, &q) == 0 && q.start == (uintptr_t)p && q.name_size == 0);
    q = (struct query){ .size = sizeof q, .addr = (uintptr_t)p, .flags = 4 /* executable */ };
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    q = (struct query){
        .size = sizeof q, .addr = (uintptr_t)p, .name_size = sizeof name, .name_to = (uintptr_t)name
    };
    strcpy(name, "as it was");
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    printf("name %s, %d\n", name, (int)q.name_size);
}

int main(void)
{
    int fd = open("/proc/self/maps", O_RDONLY), shared = memfd_create("shared", 0);
    char *p = alone(2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), *top;
    struct query q = { .size = 24, .flags = 0x10 };
    char name[4];

    FACT(ftruncate(shared, 8 * PAGE) == 0);
    ask(fd, p, 2);
    p = alone(4, PROT_READ, MAP_SHARED, shared);
    ask(fd, p, 4);
    mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, shared, 2 * PAGE);
    munmap(p + PAGE, 3 * PAGE);
    q.addr = (uintptr_t)p;
    FACT(ioctl(fd, PROCMAP_QUERY, &q) == 0 && q.start == 0); /* says no more than there is room for */
    q = (struct query){ .size = sizeof q, .addr = (uintptr_t)p, .flags = 0x30 /* a file's */ };
    FACT(ioctl(fd, PROCMAP_QUERY, &q) == 0 && q.start == (uintptr_t)p && q.offset == 2 * PAGE && q.prot == 1);
    top = (char *)&q;
    q = (struct query){
        .size = sizeof q, .addr = (uintptr_t)top, .name_size = sizeof name, .name_to = (uintptr_t)name
    };
    CALL(ioctl(fd, PROCMAP_QUERY, &q)); /* "[stack]" is longer */
    q = (struct query){ .size = sizeof q, .name_size = 1 };
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    q = (struct query){ .size = sizeof q, .flags = 0x40 };
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    q.size = 16;
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    q.size = 1 << 20;
    CALL(ioctl(fd, PROCMAP_QUERY, &q));
    CALL(ioctl(fd, PROCMAP_QUERY, (void *)8));
    CALL(ioctl(shared, PROCMAP_QUERY, &q));
    return 0;
}
