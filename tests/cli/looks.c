/*
 * Looks at names in one folder over and over, so that whoever remembers the folder does, and then changes what the name
 * means. It prints what there is then: the same with every noahv, in a box and outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ROUNDS = 20, TIMES = 6 };

static int wrong;

/* The size of what `name` is, or -1: none. */
static long size_of(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, 0) < 0 ? -1 : (long)st.st_size;
}

static void look(int dir, const char *name, long want)
{
    for (int i = 0; i < TIMES; i++)
        if (size_of(dir, name) != want)
            printf("%s: not %ld at first\n", name, want);
}

static void expect(const char *what, int dir, const char *name, long want)
{
    long got = size_of(dir, name);

    if (got != want && !wrong++)
        printf("%s: %s has size %ld, not %ld\n", what, name, got, want);
}

static void make(const char *name, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (write(fd, "0123456789", size) != (ssize_t)size)
        printf("%s cannot be made\n", name);
    close(fd);
}

static int folder(const char *name)
{
    return open(name, O_RDONLY | O_DIRECTORY);
}

/* The number of a descriptor is another folder's. */
static void numbers(void)
{
    int fd = folder("one"), other;

    look(fd, "f", 1);
    close(fd);
    expect("closed", fd, "f", -1);
    other = folder("two");
    expect("opened anew", other, "f", 2);
    look(other, "f", 2);
    fd = folder("one");
    look(fd, "f", 1);
    dup2(other, fd);
    expect("replaced", fd, "f", 2);
    close(fd);
    close(other);
    for (int i = 0; i < TIMES; i++)
        size_of(AT_FDCWD, "one");
    fd = folder("one");
    look(AT_FDCWD, "one/f", 1);
    close(fd);
    other = folder("two");
    expect("by name", AT_FDCWD, "one/f", 1);
    fd = folder(".");
    look(fd, "one/f", 1);
    dup2(other, fd);
    expect("below a number", fd, "one/f", -1);
    syscall(SYS_close_range, 3, ~0u, 0);
    expect("all closed", other, "f", -1);
}

/* A copy of a descriptor, whose number is another folder's then. */
static void copies(void)
{
    int one = folder("one"), copy, other;

    look(one, "f", 1);
    copy = fcntl(one, F_DUPFD_CLOEXEC, 20);
    expect("copied", copy, "f", 1);
    close(one);
    expect("copied, and closed", one, "f", -1);
    other = folder("two");
    expect("copy of what is another folder", copy, "f", 1);
    close(copy);
    close(other);
    other = fcntl(folder("two"), F_DUPFD, copy);
    expect("another copy", other, "f", 2);
    dup2(folder("one"), other);
    expect("replaced copy", other, "f", 1);
    syscall(SYS_close_range, 3, ~0u, 0);
    expect("closed copies", other, "f", -1);
}

/* A folder that was opened by its whole name is known by it, as long as that means it. */
static void opened(void)
{
    char top[200], name[256];
    int fd;

    if (!getcwd(top, sizeof top))
        return;
    snprintf(name, sizeof name, "%s/one", top);
    fd = folder(name);
    snprintf(name, sizeof name, "%s/one/f", top);
    expect("opened by name", AT_FDCWD, name, 1);
    if (rename("one", "was") < 0 || rename("two", "one") < 0)
        return;
    expect("opened, then moved", AT_FDCWD, name, 2);
    expect("moved", fd, "f", 1);
    if (rename("one", "two") < 0 || rename("was", "one") < 0)
        return;
    expect("moved back", AT_FDCWD, name, 1);
    close(fd);
}

static long answer(ssize_t n)
{
    return n < 0 ? -errno : (long)n;
}

static void same(const char *what, long a, long b)
{
    if (a != b && !wrong++)
        printf("attributes of %s: %ld, not %ld\n", what, a, b);
}

/* What is read of a file by name is what its descriptor says. */
static void attributes(void)
{
    int fd = open("one/f", O_RDONLY);
    char text[8] = "", list[256];

    setxattr("one/f", "user.color", "red", 3, 0);
    symlink("f", "one/tie");
    look(AT_FDCWD, "one/f", 1);
    same("f", answer(lgetxattr("one/f", "user.color", text, sizeof text)),
         answer(fgetxattr(fd, "user.color", text, sizeof text)));
    same("f, little room", answer(lgetxattr("one/f", "user.color", text, 1)),
         answer(fgetxattr(fd, "user.color", text, 1)));
    same("f, nowhere", answer(lgetxattr("one/f", "user.color", (void *)8, 8)),
         answer(fgetxattr(fd, "user.color", (void *)8, 8)));
    same("f, none", answer(lgetxattr("one/f", "user.size", text, sizeof text)),
         answer(fgetxattr(fd, "user.size", text, sizeof text)));
    same("f, all", answer(llistxattr("one/f", list, sizeof list)), answer(flistxattr(fd, list, sizeof list)));
    same("f, all of them in no room", answer(llistxattr("one/f", list, 1)), answer(flistxattr(fd, list, 1)));
    same("link's end", answer(getxattr("one/tie", "user.color", text, sizeof text)),
         answer(fgetxattr(fd, "user.color", text, sizeof text)));
    same("link's end, all", answer(listxattr("one/tie", list, sizeof list)),
         answer(flistxattr(fd, list, sizeof list)));
    if (lgetxattr("one/tie", "user.color", text, sizeof text) >= 0)
        same("link", 1, 0);
    same("nothing", answer(llistxattr("one/none", list, sizeof list)), -ENOENT);
    same("nothing in f", answer(llistxattr("one/f/none", list, sizeof list)), -ENOTDIR);
    unlink("one/tie");
    close(fd);
}

/* A link on the way is followed, whatever is done with one at the end. */
static void ways(void)
{
    struct statx st = { 0 };
    char text[8];

    symlink("one", "way");
    look(AT_FDCWD, "way/f", 1);
    same("way",
         statx(AT_FDCWD, "way/f", AT_SYMLINK_NOFOLLOW, STATX_SIZE, &st) < 0 ? -errno : (long)st.stx_size, 1);
    same("way's f", answer(lgetxattr("way/f", "user.size", text, sizeof text)),
         answer(lgetxattr("one/f", "user.size", text, sizeof text)));
    if (faccessat(AT_FDCWD, "way/f", R_OK, AT_SYMLINK_NOFOLLOW) < 0)
        same("access by way", 1, 0);
    unlink("way");
}

/* The working directory is another one. */
static void directories(void)
{
    int two = folder("two");

    look(AT_FDCWD, "one/f", 1);
    if (chdir("one") < 0)
        return;
    expect("below", AT_FDCWD, "one/f", -1);
    look(AT_FDCWD, "f", 1);
    if (chdir("../two") < 0)
        return;
    expect("entered", AT_FDCWD, "f", 2);
    look(AT_FDCWD, "f", 2);
    if (chdir("..") < 0)
        return;
    expect("left", AT_FDCWD, "f", -1);
    if (fchdir(two) < 0)
        return;
    expect("entered by number", AT_FDCWD, "f", 2);
    if (chdir("..") < 0)
        return;
    close(two);
}

/* A name on the way leads elsewhere: its own process changes it. */
static void names(void)
{
    int fd;

    if (symlink("one", "way") < 0)
        return;
    look(AT_FDCWD, "way/f", 1);
    if (unlink("way") < 0 || symlink("two", "way") < 0)
        return;
    expect("linked", AT_FDCWD, "way/f", 2);
    unlink("way");
    expect("unlinked", AT_FDCWD, "way/f", -1);
    fd = folder("one");
    look(fd, "f", 1);
    look(AT_FDCWD, "one/f", 1);
    if (rename("one", "was") < 0 || rename("two", "one") < 0)
        return;
    expect("moved", AT_FDCWD, "one/f", 2);
    expect("moved while it is open", fd, "f", 1);
    close(fd);
    if (rename("one", "two") < 0 || rename("was", "one") < 0)
        return;
    make("one/new", 3);
    expect("made", AT_FDCWD, "one/new", 3);
    unlink("one/new");
    expect("removed", AT_FDCWD, "one/new", -1);
}

/* The same by another process, of which this one hears by nothing but memory. */
static void others(void)
{
    atomic_int *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();

    if (pid == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            while (*turn != 2 * i + 1)
                ;
            rename("one", "was");
            rename("two", "one");
            rename("was", "two");
            *turn = 2 * i + 2;
        }
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        look(AT_FDCWD, "one/f", 1 + i % 2);
        *turn = 2 * i + 1;
        while (*turn != 2 * i + 2)
            ;
        expect("moved by another", AT_FDCWD, "one/f", 2 - i % 2);
    }
    waitpid(pid, NULL, 0);
}

/* --- By another thread, or a process with the same working directory ------------------------------------- */

static atomic_int *turn; /* odd: the other's */

static void other_turn(int n)
{
    *turn = 2 * n + 1;
    while (*turn != 2 * n + 2)
        ;
}

static void own_turn(int n)
{
    while (*turn != 2 * n + 1)
        ;
}

enum { STEPS = 5 };

/* arg: a descriptor of `one`, which becomes one of `two` and of `one` again. */
static void *change(void *arg)
{
    int fd = *(int *)arg, one = folder("one"), two = folder("two");

    for (int i = 0; i < STEPS * ROUNDS; i++) {
        own_turn(i);
        switch (i % STEPS) {
        case 0:
            wrong += chdir("two") < 0;
            break;
        case 1:
            wrong += fchdir(one) < 0;
            break;
        case 2:
            wrong += chdir("..") < 0 || dup2(two, fd) != fd;
            break;
        case 3:
            wrong += dup2(one, fd) != fd || rename("one", "was") < 0 || rename("two", "one") < 0;
            break;
        default:
            wrong += rename("one", "two") < 0 || rename("was", "one") < 0;
        }
        *turn = 2 * i + 2;
    }
    close(one);
    close(two);
    return NULL;
}

static void threads(void)
{
    int fd = folder("one"), two = folder("two");
    pthread_t other;

    *turn = 0;
    if (pthread_create(&other, NULL, change, &fd))
        return;
    for (int i = 0; i < STEPS * ROUNDS; i += STEPS) {
        look(AT_FDCWD, "one/f", 1);
        look(AT_FDCWD, "f", -1);
        other_turn(i);
        expect("entered by a thread", AT_FDCWD, "one/f", -1);
        look(AT_FDCWD, "f", 2);
        other_turn(i + 1);
        expect("entered by a thread's number", AT_FDCWD, "f", 1);
        look(fd, "f", 1);
        expect("another number", two, "f", 2);
        other_turn(i + 2);
        expect("replaced by a thread", fd, "f", 2);
        look(AT_FDCWD, "one/f", 1);
        other_turn(i + 3);
        expect("moved by a thread", AT_FDCWD, "one/f", 2);
        look(fd, "f", 1);
        look(AT_FDCWD, "one/f", 2);
        other_turn(i + 4);
        expect("moved back by a thread", AT_FDCWD, "one/f", 1);
    }
    pthread_join(other, NULL);
    look(AT_FDCWD, "one/f", 1);
    close(two);
    close(fd);
    expect("closed when it is alone again", fd, "f", -1);
}

enum { CROWD = 3, FOLDERS = 40, LOOKS = 3000 };

/* Looks into more folders than anybody remembers. */
static void *look_around(void *arg)
{
    unsigned at = (unsigned)(uintptr_t)arg;
    char name[16];

    for (int i = 0; i < LOOKS; i++) {
        at = at * 1103515245 + 12345;
        snprintf(name, sizeof name, "d%u/f", (at >> 16) % FOLDERS);
        for (int k = 0; k < TIMES; k++)
            expect("in a crowd", AT_FDCWD, name, (at >> 16) % FOLDERS % 10);
    }
    return NULL;
}

static void crowd(void)
{
    pthread_t other[CROWD];
    char name[16];

    for (unsigned i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof name, "d%u", i);
        mkdir(name, 0777);
        snprintf(name, sizeof name, "d%u/f", i);
        make(name, i % 10);
    }
    for (uintptr_t i = 0; i < CROWD; i++)
        wrong += pthread_create(&other[i], NULL, look_around, (void *)i) != 0;
    for (int i = 0; i < CROWD; i++)
        pthread_join(other[i], NULL);
}

/* Its working directory is not that of the others from then on. */
static void *leave(void *arg)
{
    (void)arg;
    own_turn(0);
    if (unshare(CLONE_FS) < 0 || chdir("two") < 0)
        wrong++;
    look(AT_FDCWD, "f", 2);
    *turn = 2;
    own_turn(1);
    expect("a thread's own", AT_FDCWD, "f", 2);
    *turn = 4;
    return NULL;
}

static void apart(void)
{
    pthread_t other;

    *turn = 0;
    if (pthread_create(&other, NULL, leave, NULL))
        return;
    look(AT_FDCWD, "f", -1);
    look(AT_FDCWD, "one/f", 1);
    other_turn(0);
    expect("a thread left", AT_FDCWD, "one/f", 1);
    look(AT_FDCWD, "f", -1);
    other_turn(1);
    pthread_join(other, NULL);
}

static void together(void)
{
    pid_t pid;

    *turn = 0;
    pid = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, NULL, 0, NULL);
    if (pid == 0) {
        own_turn(0);
        if (chdir("two") < 0)
            _exit(1);
        *turn = 2;
        own_turn(1);
        _exit(chdir("..") < 0);
    }
    look(AT_FDCWD, "one/f", 1);
    other_turn(0);
    expect("entered by a process", AT_FDCWD, "one/f", -1);
    look(AT_FDCWD, "f", 2);
    *turn = 3;
    waitpid(pid, NULL, 0);
    expect("left by a process", AT_FDCWD, "f", -1);
}

/* A folder's name may end with a slash, which a file's and a link's may not as they are. */
static void slashes(void)
{
    int fd, top = folder(".");

    look(top, "one/f", 1);
    fd = openat(top, "one/", O_RDONLY | O_DIRECTORY);
    expect("opened with a slash", fd, "f", 1);
    expect("... and by its name", top, "one/f", 1);
    close(fd);
    if (symlink("two", "way") < 0)
        return;
    fd = openat(top, "way//", O_RDONLY | O_NOFOLLOW);
    expect("a link with a slash", fd, "f", 2);
    close(fd);
    unlink("way");
    look(AT_FDCWD, "one/f", 1);
    if (open("one/f/", O_RDONLY) >= 0 || errno != ENOTDIR || open("one/none/", O_RDONLY) >= 0 ||
        errno != ENOENT)
        printf("a file is opened with a slash\n");
    close(top);
}

/* Another process makes a folder one that nobody goes through, by a descriptor. Who may anyway always sees the same. */
static void closed_to_all(void)
{
    int fd = folder("one");
    pid_t pid;

    mkdir("one/in", 0777);
    make("one/in/f", 3);
    *turn = 0;
    pid = fork();
    if (pid == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            own_turn(i);
            fchmod(fd, i % 2 ? 0700 : 0);
            *turn = 2 * i + 2;
        }
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < TIMES; k++)
            size_of(AT_FDCWD, "one/in/f");
        other_turn(i);
        expect("closed to all", AT_FDCWD, "one/in/f", size_of(AT_FDCWD, "one/in/../in/f"));
    }
    waitpid(pid, NULL, 0);
    close(fd);
}

static void opens_as_folder(int dir, const char *name, int error)
{
    for (int i = 0; i < TIMES; i++) {
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY);

        if (fd < 0 ? errno != error : error)
            printf("%s: opened as a folder: %s\n", name, fd < 0 ? strerror(errno) : "it is one");
        close(fd);
    }
}

static void refused(const char *what, int r, int error)
{
    if (r >= 0 || errno != error)
        printf("%s: %s\n", what, r < 0 ? strerror(errno) : "done");
}

/* A folder is neither removed nor moved, nor made, by the names that it has in itself and below. */
static void dots(void)
{
    mkdir("deep", 0777);
    mkdir("deep/er", 0777);
    refused("rmdir .", rmdir("deep/er/."), EINVAL);
    refused("rmdir ./", rmdir("deep/er/./"), EINVAL);
    refused("rmdir ..", rmdir("deep/er/.."), ENOTEMPTY);
    refused("unlink .", unlink("deep/er/."), EISDIR);
    refused("mkdir ..", mkdir("deep/er/..", 0777), EEXIST);
    refused("symlink .", symlink("x", "deep/er/."), EEXIST);
    refused("rename .", rename("deep/er/.", "deep/est"), EBUSY);
    refused("rename to ..", rename("deep/er", "deep/er/.."), EBUSY);
    refused("rmdir . of nothing", rmdir("deep/none/."), ENOENT);
    refused("rmdir . of a file", rmdir("one/f/."), ENOTDIR);
    if (rmdir("deep/er") < 0 || rmdir("deep") < 0)
        printf("deep/er is gone\n");
}

/* Links at the end are followed, or not, as the call says. */
static void ends(void)
{
    char text[16];
    struct stat st;
    int fd = folder("one");

    if (symlink("f", "one/link") < 0 || symlink("../two", "one/way") < 0 || symlink("none", "one/lost") < 0)
        return;
    opens_as_folder(fd, "way", 0);
    opens_as_folder(AT_FDCWD, "one/way", 0);
    opens_as_folder(AT_FDCWD, "one/lost", ENOENT);
    opens_as_folder(AT_FDCWD, "one/link", ENOTDIR);
    if (openat(fd, "way", O_RDONLY | O_DIRECTORY | O_NOFOLLOW) >= 0 || errno != ENOTDIR)
        printf("way: used as a folder\n");
    unlink("one/way");
    unlink("one/lost");
    look(fd, "f", 1);
    expect("followed", fd, "link", 1);
    if (fstatat(fd, "link", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
        printf("link: not told as one\n");
    if (openat(fd, "link", O_RDONLY | O_NOFOLLOW) >= 0 || errno != ELOOP)
        printf("link: not refused\n");
    if (readlinkat(fd, "link", text, sizeof text) != 1 || *text != 'f')
        printf("link: not read\n");
    if (readlinkat(fd, "f", text, sizeof text) >= 0 || errno != EINVAL)
        printf("f: read as a link\n");
    if (openat(fd, "f/", O_RDONLY) >= 0 || errno != ENOTDIR || openat(fd, "f/x", O_RDONLY) >= 0 ||
        errno != ENOTDIR)
        printf("f: used as a folder\n");
    if (openat(fd, "none", O_RDONLY) >= 0 || errno != ENOENT)
        printf("none: opened\n");
    close(fd);
    unlink("one/link");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "after") == 0) { /* execve has closed it */
        expect("executed", 3, "f", -1);
        printf("%d wrong\n", wrong);
        return wrong != 0;
    }
    mkdir("one", 0777);
    mkdir("two", 0777);
    make("one/f", 1);
    make("two/f", 2);
    for (int i = 0; i < ROUNDS; i++) {
        numbers();
        copies();
        opened();
        ways();
        attributes();
        directories();
        names();
        slashes();
    }
    others();
    dots();
    turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    threads();
    crowd();
    closed_to_all();
    apart();
    together();
    ends();
    open("one", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* 3 */
    look(3, "f", 1);
    fflush(stdout);
    if (!wrong)
        execv(argv[0], (char *[]){ argv[0], "after", NULL });
    printf("%d wrong\n", wrong);
    return 1;
}
