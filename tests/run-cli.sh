#!/bin/sh
# The command line and real programs: run-cli.sh NOAHV [NAME,[ENGINE]...] runs the tests below, all or some.
#
# A test is a function, run in an empty folder of its own; it passes if no command in it fails. Those called
# cli_ are about noahv itself. Those called job_ run Debian's riscv64 busybox, once with each option that ENGINES
# holds; those called once_ and, under a terminal, tty_, run it with the default engine; most run one script by the host's shell and tools and by the guest's,
# and compare. They are skipped where the package cannot be fetched.
set -u

here=$PWD
work=${CLI_WORK:-$here/build/cli.$$} # two runs at once are none of each other's business
guest=$here/build/guest
BB=$here/build/debian/root/usr/bin/busybox
export BB

# --- What the tests are made of -------------------------------------------------------------------------

noahv() {
    # shellcheck disable=SC2086  # no option is no word
    "$NOAHV" $engine "$@"
}

run() {
    status=0
    # The redirections inside: what this shell says of a command that dies is no message of noahv's.
    (
        exec > out 2> err < /dev/null
        [ "$1" = noahv ] || exec "$@"
        shift
        # shellcheck disable=SC2086
        exec "$NOAHV" $engine "$@"
    ) || status=$?
}

fail() {
    echo "$*"
    echo "status ${status:-}; standard output and error:"
    cat out err
    exit 1
}

# want STATUS OUTPUT COMMAND...
want() {
    want_status=$1
    want_out=$2
    shift 2
    run "$@"
    [ "$status" = "$want_status" ] || fail "expected status $want_status: $*"
    [ "$(cat out)" = "$want_out" ] || fail "expected output '$want_out': $*"
}

# refused STATUS TEXT COMMAND...: one line of noahv's, with TEXT in it, and nothing else; and a next step after
# a usage error.
refused() {
    want_status=$1
    text=$2
    shift 2
    want "$want_status" '' "$@"
    sed '/^Try .noahv --help.\.$/d' err > lines
    [ "$(wc -l < lines)" = 1 ] && grep -q '^noahv: ' lines || fail "expected one line from noahv: $*"
    grep -qF -- "$text" lines || fail "expected '$text'"
}

# same SCRIPT: the host's sh and the guest's print the same and end the same.
same() {
    for where in host guest; do
        mkdir "$where"
        runner="sh"
        [ "$where" = host ] || runner="noahv $BB sh"
        (
            cd "$where"
            status=0
            # shellcheck disable=SC2086
            $runner -c "$1" sh "$here" > ../$where.out 2> ../$where.err < /dev/null || status=$?
            echo "[exit $status]" >> ../$where.out
        )
    done
    [ "$(wc -l < host.out)" -gt 1 ] || { cat host.err; exit 1; }
    diff -a host.out guest.out || { cat guest.err; exit 1; }
    rm -rf host guest
}

# until COMMAND...: again until it succeeds, for 20 s.
until_true() {
    tries=200
    until "$@"; do
        tries=$((tries - 1))
        [ $tries != 0 ] || return 1
        sleep 0.1
    done
}

# A port that is probably free.
some_port() {
    echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
}

# --- noahv itself -----------------------------------------------------------------------------------------

# A riscv64 program with the byte at OFFSET changed: patched OFFSET OCTAL.
patched() {
    cp "$guest/cli/ends" prog
    # shellcheck disable=SC2059
    printf "\\$2" | dd of=prog bs=1 seek="$1" conv=notrunc 2> log
}

text_file() {
    printf "$1" > prog
    chmod +x prog
}

cli_not_found() {
    refused 127 './prog: no such file' noahv ./prog
    refused 127 'nosuchprogram: not found in $PATH' noahv nosuchprogram
    refused 127 'no such file' noahv ./none/prog
    refused 127 './a?b: no such file' noahv './a
b'
}

cli_cannot_run() {
    text_file 'hello\n'
    refused 126 'is not an ELF file' noahv ./prog
    text_file ''
    refused 126 'is empty' noahv ./prog
    mkdir dir
    refused 126 'is not a regular file' noahv ./dir
    refused 126 'Not a directory' noahv ./prog/prog
    cp "$guest/cli/ends" prog
    chmod 666 prog
    refused 126 'permission denied' noahv ./prog
}

cli_foreign_elf() {
    refused 126 'x86-64' noahv /bin/sh
    patched 4 001 # EI_CLASS
    refused 126 '32-bit' noahv ./prog
    patched 5 002 # EI_DATA
    refused 126 'noahv: ' noahv ./prog
    patched 16 001 # e_type
    refused 126 'ET_REL' noahv ./prog
    for size in 4 40 100 20000; do
        head -c $size "$guest/cli/ends" > prog
        refused 126 'truncated' noahv ./prog
    done
}

# dynamic NAME: a dynamically linked program that prints what it is and where.
dynamic() {
    riscv64-linux-gnu-gcc -o "$1" -x c - << 'C'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char cwd[4096] = "", exe[4096] = "";

    getcwd(cwd, sizeof cwd);
    readlink("/proc/self/exe", exe, sizeof exe - 1);
    printf("%s|%s|%s\n", argv[0], exe, cwd);
    fflush(stdout);
    return argc == 2 ? execv(argv[1], argv + 1) : argc;
}
C
}

# A root with the libraries of the cross compiler.
small_root() {
    mkdir -p root/lib root/usr/bin root/etc/alternatives
    libs=$(dirname "$(riscv64-linux-gnu-gcc -print-file-name=libc.so.6)")
    cp "$libs/libc.so.6" "$libs/ld-linux-riscv64-lp64d.so.1" root/lib
    dynamic root/usr/bin/first
    cp root/usr/bin/first root/usr/bin/second
    ln -s /usr/bin/second root/etc/alternatives/third
    ln -s /etc/alternatives/third root/usr/bin/third
    ln -s usr/bin root/bin
}

cli_dynamic() {
    dynamic prog
    refused 126 './prog: needs /lib/ld-linux-riscv64-lp64d.so.1, not found under /. Try: noahv -r ' noahv ./prog
    mkdir root
    refused 126 "not found under $PWD/root or /. Try: noahv -r " noahv -r root ./prog
    small_root
    printf 'text' > root/lib/ld-linux-riscv64-lp64d.so.1
    refused 126 'loader /lib/ld-linux-riscv64-lp64d.so.1: is not an ELF file' noahv -r root ./prog
    chmod 644 root/lib/ld-linux-riscv64-lp64d.so.1
    refused 126 'needs /lib/ld-linux-riscv64-lp64d.so.1, which cannot be run: Permission' noahv -r root ./prog
}

cli_root() {
    small_root
    want 1 "first|/usr/bin/first|$PWD" noahv -r root first
    want 1 "first|/usr/bin/first|$PWD" noahv -L root/../root -- first
    want 1 "/usr/bin/first|/usr/bin/first|/" noahv --root root -w / /usr/bin/first
    want 1 "bin/third|/usr/bin/second|/usr" noahv -r root -w /bin/.. bin/third
    want 1 "root/usr/bin/first|/usr/bin/first|$PWD" noahv -r root root/usr/bin/first
    want 1 "$PWD/root/bin/third|/usr/bin/second|$PWD" noahv -r root "$PWD/root/bin/third"
    cp root/usr/bin/first here
    mkdir bin
    cp here bin/first
    want 1 "first|/usr/bin/first|$PWD" env PATH="$PWD/bin:$PATH" "$NOAHV" -r root first
    cp here bin/fourth
    want 1 "fourth|$PWD/bin/fourth|$PWD" env PATH="$PWD/bin:$PATH" "$NOAHV" -r root fourth
    want 1 "./here|$PWD/here|$PWD" noahv -r root ./here
    printf '#!/bin/third  -x y\n' > root/usr/bin/script
    chmod +x root/usr/bin/script
    want 3 "first|/usr/bin/first|/usr/bin
/bin/third|/usr/bin/second|/usr/bin" noahv -r root -w /bin first script
}

# A name in an open directory: the root's first, then the host's; a link, and what is made, where they are.
cli_root_entries() {
    mkdir -p "root$PWD/both" root/proc both
    printf 1 > "root$PWD/both/one"
    printf 22 | tee both/one > both/two
    printf 333 > both/three
    ln -s one "root$PWD/both/tie"
    ln -s three both/knot
    riscv64-linux-gnu-gcc -static -o prog -x c - << 'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
static void say(int dir, const char *name)
{
    char link[8] = "-";
    struct statx x = { 0 };
    struct stat s = { 0 };
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW), r = fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW);
    statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_SIZE, &x);
    readlinkat(dir, name, link, sizeof link - 1);
    printf("%s: %d %ld %ld %s %ld\n", name, r, (long)s.st_size, (long)x.stx_size, link, fd < 0 ? -1 : (long)lseek(fd, 0, SEEK_END));
    close(fd);
}
int main(int argc, char **argv)
{
    int both = open(argv[argc - 1], O_RDONLY | O_DIRECTORY), root = open("/", O_RDONLY | O_DIRECTORY);
    struct stat s;
    for (int here = 0; here < 2; here++) {
        say(here ? AT_FDCWD : both, "one");
        say(here ? AT_FDCWD : both, "two");
        say(here ? AT_FDCWD : both, "tie");
        say(here ? AT_FDCWD : both, "knot");
        say(here ? AT_FDCWD : both, "none");
        if (here || fchdir(both) < 0)
            break;
    }
    printf("%ld\n", (long)lseek(openat(both, "three", O_RDWR | O_CREAT | O_NOFOLLOW, 0600), 0, SEEK_END));
    fstatat(root, "proc", &s, AT_SYMLINK_NOFOLLOW);
    return s.st_ino != 1;
}
C
    want 0 'one: 0 1 1 - 1
two: 0 2 2 - 2
tie: 0 3 3 one -1
knot: 0 5 5 three -1
none: -1 0 0 - -1
one: 0 1 1 - 1
two: 0 2 2 - 2
tie: 0 3 3 one -1
knot: 0 5 5 three -1
none: -1 0 0 - -1
3' noahv -r root ./prog "$PWD/both"
}

# Mounts of folders that only the root has, in a namespace of one's own. A device too is the root's, where one may make
# any: what the host says of its own name is what the guest is told.
cli_root_mounts() {
    mkdir -p root/only root/point root/other here
    printf 1 > root/only/one
    ln -s /only root/link
    mknod root/device b 240 255 || :
    cat > prog.c << 'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define SAY(e) say(#e, e)
static void say(const char *what, int r)
{
    printf("%s: %s\n", what, r < 0 ? strerrorname_np(errno) : "0");
}
static int folders(const char *here)
{
    int now;

    SAY(mount("/only", "/point", NULL, MS_BIND, NULL));
    SAY(access("/point/one", F_OK));
    SAY(mount("/point", "/other", NULL, 0xc0ed0000 | MS_MOVE, NULL));
    SAY(access("/other/one", F_OK));
    SAY(access("/point/one", F_OK));
    SAY(umount("/other"));
    SAY(mount("/link", here, NULL, MS_BIND, NULL));
    SAY(access("here/one", F_OK));
    SAY(umount(here));
    SAY(chdir("/"));
    SAY(mount("only", "other", NULL, MS_BIND, NULL));
    SAY(access("/other/one", F_OK));
    SAY(mount("word", "/only", "tmpfs", 0, NULL));
    SAY(access("/only/one", F_OK));
    now = open("/proc/self/ns/mnt", O_RDONLY);
    SAY(unshare(CLONE_NEWNS));
    SAY(umount("/only"));
    SAY(access("/only/one", F_OK));
    SAY(setns(now, CLONE_NEWNS));
    SAY(access("/only/one", F_OK));
    fflush(stdout);
    _exit(0);
}
int main(int argc, char **argv)
{
    char type[64] = "";
    FILE *f = fopen("/proc/filesystems", "r");
    pid_t pid;
    int r;

    if (argc == 3) {
        while (fscanf(f, "%63s", type) == 1 && strcmp(type, "nodev") == 0)
            fscanf(f, "%63s", type);
        return unshare(CLONE_NEWNS) | mount(argv[1], argv[2], type, 0, NULL) ? errno : 0;
    }
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        r = unshare(CLONE_NEWUSER | CLONE_NEWNS);
        return r ? 1 : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ? 2 : folders(argv[1]);
    }
    waitpid(pid, &r, 0);
    if (r)
        return r >> 8;
    for (int how = 0; how < 2 && r == 0; how++) {
        pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD | (how ? CLONE_VM | CLONE_VFORK : 0), 0, 0, 0, 0);
        if (pid == 0)
            folders(argv[1]);
        waitpid(pid, &r, 0);
    }
    return r;
}
C
    riscv64-linux-gnu-gcc -static -o prog prog.c
    gcc -o native prog.c
    run ./native "$PWD/root/device" "$PWD/root/point"
    want "$status" '' noahv -r root ./prog /device /point
    run noahv -r root ./prog "$PWD/here"
    if [ "$status" = 1 ]; then # the host allows no such namespace
        return
    fi
    cat > once << 'OUT'
mount("/only", "/point", NULL, MS_BIND, NULL): 0
access("/point/one", F_OK): 0
mount("/point", "/other", NULL, 0xc0ed0000 | MS_MOVE, NULL): 0
access("/other/one", F_OK): 0
access("/point/one", F_OK): ENOENT
umount("/other"): 0
mount("/link", here, NULL, MS_BIND, NULL): 0
access("here/one", F_OK): 0
umount(here): 0
chdir("/"): 0
mount("only", "other", NULL, MS_BIND, NULL): 0
access("/other/one", F_OK): 0
mount("word", "/only", "tmpfs", 0, NULL): 0
access("/only/one", F_OK): ENOENT
unshare(CLONE_NEWNS): 0
umount("/only"): 0
access("/only/one", F_OK): 0
setns(now, CLONE_NEWNS): 0
access("/only/one", F_OK): ENOENT
OUT
    [ "$status" = 0 ] || fail 'mounts in a root'
    cat once once once | cmp - out || fail 'mounts in a root'
}

# Options of prctl that noahv itself answers are for boxes, too; what tells of the image is not.
cli_box_prctl() {
    riscv64-linux-gnu-gcc -static -o prog -x c - << 'C'
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#define SAY(e) printf("%s\n", (e) < 0 ? strerrorname_np(errno) : "0")
int main(void)
{
    static char byte;
    SAY(prctl(65, 1, 0, 0, 0));
    printf("%d\n", prctl(66, 0, 0, 0, 0));
    SAY(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    SAY(prctl(59, 1, 0, 0, &byte));
    SAY(prctl(59, 0, 0, 0, 0));
    printf("%d\n", prctl(PR_SET_MM, PR_SET_MM_BRK, &byte, 0, 0));
    return 0;
}
C
    want 0 '0
1
EACCES
0
0
-1' noahv box -v "$PWD:/w" /w/prog
}

# Local sockets too are found and made in the root.
cli_root_sockets() {
    mkdir -p root/var
    ln -s /var root/link
    riscv64-linux-gnu-gcc -static -o prog -x c - << 'C'
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static struct sockaddr_un at(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    strcpy(un.sun_path, path);
    return un;
}
int main(int argc, char **argv)
{
    struct sockaddr_un in = at(argv[1]), out = at(argv[2]);
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct iovec v = { "three", 5 };
    struct msghdr m = { .msg_name = &out, .msg_namelen = sizeof out, .msg_iov = &v, .msg_iovlen = 1 };
    char buf[16];

    if (bind(a, (void *)&in, sizeof in) || connect(b, (void *)&out, sizeof out))
        return 1;
    if (write(b, "one", 3) != 3 || sendto(c, "second", 6, 0, (void *)&out, sizeof out) != 6 || sendmsg(c, &m, 0) != 5)
        return 2;
    for (int i = argc; i > 0; i--)
        printf("%d ", (int)read(a, buf, sizeof buf));
    return bind(b, (void *)&in, sizeof in) == 0;
}
C
    want 0 '3 6 5 ' noahv -r root ./prog /var/socket /link/../var/./socket
    [ -S root/var/socket ] || fail 'not in the root'
    want 0 '3 6 5 ' noahv -r root ./prog "$PWD/here" here
    want 0 '3 6 5 ' noahv -r root ./prog there "$PWD/there"
    [ -S here ] && [ -S there ] || fail 'not here'
}

# Files are made where their directory is, and found by all kinds of calls.
once_root_files() {
    mkdir -p root/bin root/etc root/data/in host
    cp "$BB" root/bin/busybox
    ln -s /bin/busybox root/bin/sh
    ln -s /data/in root/data/link
    echo root > root/etc/hostname
    cat > script << 'SH'
exec 2>&1
busybox cat /etc/hostname /data/link/../../etc/hostname
cd /data/link && pwd -P && busybox pwd && busybox readlink /proc/self/cwd && busybox realpath ../link
echo one > /data/link/a; echo two >> a; busybox mv a ../b; busybox cat /data/b; busybox ln -s /data/b abs
busybox ln -s ../b rel; busybox cat abs rel; busybox ln ../b hard; busybox stat -c '%h %F' hard abs; busybox stat -Lc %F abs
busybox cp -a /data/in /data/copy; busybox ls -l /data/copy | busybox grep -c 'abs -> /data/b'; busybox rm -r /data/copy
busybox chmod 600 abs; busybox stat -c %a /data/b; busybox touch -d '2001-02-03' /data/in/../in/rel; busybox ls -l /data/b | busybox awk '{ print $6, $7, $8 }'
busybox mkdir /data/new /etc/new/ && busybox rmdir /data/new; busybox mkdir /data/in; echo $?; busybox rm abs; busybox ls /data /data/in /
cd ..; cd ../..; pwd; busybox ls -d bin data; cd "$1/host" && echo three > here && busybox cat "$1/host/here"; pwd | busybox tail -c 5
busybox ln -s /etc/hostname name; busybox cat name; busybox readlink name; busybox rm name; echo x > /etc/none/x; echo x > /none/x; busybox rm /etc/gone
busybox find /data -newer /data/b -type l | busybox sort; busybox test /bin/sh -ef /bin/busybox; echo $?; busybox readlink /proc/self/exe
[ "$1/root/bin" -ef /bin ]; echo $?; busybox df /data > /dev/null; echo $?
SH
    want 0 'root
root
/data/in
/data/in
/data/in
/data/in
one
two
one
two
one
two
2 regular file
1 symbolic link
regular file
1
600
Feb 3 2001
mkdir: can'"'"'t create directory '"'"'/data/in'"'"': File exists
1
/:
bin
data
etc

/data:
b
in
link

/data/in:
hard
rel
/
bin
data
three
host
root
/etc/hostname
script: line 10: can'"'"'t create /etc/none/x: nonexistent directory
script: line 10: can'"'"'t create /none/x: nonexistent directory
rm: can'"'"'t remove '"'"'/etc/gone'"'"': No such file or directory
/data/in/rel
/data/link
0
/bin/busybox
0
0' env PATH=/bin "$NOAHV" -r root sh script "$PWD"
    [ -d root/etc/new ] && [ "$(cat host/here)" = three ] || fail 'made elsewhere'
    if [ "$(id -u)" = 0 ]; then # from then on there is but the one root
        want 2 / noahv -r root /bin/busybox chroot /data/.. /bin/sh -c 'busybox pwd; cd /proc 2> /data/err'
    fi
    [ "$(cat root/data/b)" = "$(printf 'one\ntwo')" ] && [ ! -e /data/b ] || fail 'on the wrong side'
}

cli_root_refused() {
    small_root
    refused 125 "cannot take directory none as root: No such file" noahv -r none first
    refused 125 "directory root/usr/bin/first as root: Not a directory" noahv -r root/usr/bin/first first
    refused 125 "directory /none: No such file" noahv -r root -w /none first
    refused 127 "fourth: not found in \$PATH" noahv -r root fourth
    refused 127 "/usr/bin/fourth: no such file" noahv -r root /usr/bin/fourth
    rm root/usr/bin/second
    refused 127 "third: not found in \$PATH" noahv -r root third
}

cli_script_without_interpreter() {
    text_file '#!/no/such/interpreter\n'
    refused 126 /no/such/interpreter noahv ./prog
    text_file '#!/bin/sh\n'
    refused 126 './prog: its interpreter /bin/sh: this is an x86-64 ELF' noahv ./prog
    text_file '#!\n'
    refused 126 'names no interpreter' noahv ./prog
    text_file '#!./prog\n'
    refused 126 './prog' noahv ./prog
}

cli_usage() {
    refused 125 'no program' noahv
    refused 125 'no program' noahv run --
    refused 125 'no program' noahv trace -f
    refused 125 "'--nonsense'" noahv --nonsense ./prog
    refused 125 "'Z'" noahv -Z
    refused 125 "'E'" noahv -E
    refused 125 "'f'" noahv -f ./prog
    refused 125 'engine warp' noahv --engine warp ./prog
    refused 125 'log all' noahv --log=all ./prog
    refused 125 'harden against all' noahv --harden=all ./prog
    refused 125 'directory /no/such' noahv -w /no/such ./prog
    refused 125 '/no/such/file' noahv trace -o /no/such/file ./prog
    refused 125 'nosuchcall' noahv trace -e nosuchcall "$guest/cli/ends"
    want 126 '' noahv -q /bin/sh
    [ ! -s err ] || fail 'not quiet'
}

cli_help() {
    run noahv --help
    [ "$status" = 0 ] && [ ! -s err ] && grep -q '^Usage: noahv' out || fail '--help'
    awk 'length > 110 { exit 1 }' out || fail 'long lines'
    run noahv -V
    [ "$status" = 0 ] && grep -q '^noahv [0-9.]* (rv64imafdc' out || fail '-V'
}

cli_exit_status() {
    for n in 0 1 7 122 125 126 127 255; do
        want $n '' noahv run "$guest/cli/ends" exit $n
        [ ! -s err ] || fail "a message for status $n"
    done
}

# "Segmentation fault" and the like from a shell: the guest's signal is noahv's. No core, no message.
cli_killed() {
    # shellcheck disable=SC3045  # where there is no such limit, none is needed
    ulimit -c unlimited 2> log || :
    for pair in segv:11:Segmentation abort:6:Aborted ill:4:Illegal; do
        word=${pair%%:*}
        number=${pair#*:}
        want $((128 + ${number%:*})) '' noahv "$guest/cli/ends" "$word"
        want $((128 + ${number%:*})) '' noahv "$guest/cli/ends" -012 "$word"
        sh -c '"$@"; :' sh "$NOAHV" "$guest/cli/ends" "$word" 2> err
        grep -q "^${pair##*:}" err || fail "not killed by it: $word"
    done
    for n in 9 14 15 24 34 64; do # none that our parent may ignore: nohup, an asynchronous list
        want $((128 + n)) '' noahv "$guest/cli/ends" raise $n
    done
    for n in 17 18 23 28; do # ignored ones
        want $n '' noahv "$guest/cli/ends" raise $n
    done
    [ -z "$(find . -name 'core*' -size +1000k)" ] || fail 'a core file with memory in it'
}

cli_descriptors() {
    want 7 '' noahv "$guest/cli/ends" open
    want 6 '' noahv "$guest/cli/ends" -0 open
    run sh -c '"$@" <&-' sh "$NOAHV" "$guest/cli/ends" open
    [ "$status" = 6 ] || fail 'standard input is open'
    run sh -c '"$@" >&-' sh "$NOAHV" "$guest/cli/ends" open
    [ "$status" = 5 ] || fail 'standard output is open'
    run sh -c '"$@" <&- >&- 2>&-' sh "$NOAHV" "$guest/cli/ends" open
    [ "$status" = 0 ] || fail 'a standard descriptor is open'
    run sh -c '"$@" <&- >&- 2>&-' sh "$NOAHV" trace -o trace "$guest/cli/ends" open
    [ "$status" = 0 ] && grep -q '^exit_group(0)' trace || fail 'the trace took the place of one'
}

# The guest may close descriptor 2; what noahv has to say comes out all the same.
cli_stats() {
    for closed in '' -012; do
        want 139 '' noahv --stats "$guest/cli/ends" $closed segv
        [ "$(grep -c '^noahv: stats: ' err)" = 3 ] && [ "$(wc -l < err)" = 3 ] || fail 'not three lines'
        grep -q ' [1-9][0-9]* instructions, [1-9][0-9]* ecalls$' err || fail 'instructions'
        grep -q ' 1 store; 0 of them resolved' err || fail 'the fault is not counted'
        grep -q ' [0-9]*\.[0-9]* ms in the guest, [0-9]*\.[0-9]* ms in the host$' err || fail 'times'
    done
}

cli_verbose() {
    want 1 '' noahv "$guest/cli/ends" call 425
    [ ! -s err ] || fail 'a note without --verbose'
    refused 125 "invalid option -- 'v'" noahv -v "$guest/cli/ends" # a bind of the box's, not a level of chatter
    refused 1 io_uring_setup noahv --verbose "$guest/cli/ends" -2 call 425
    refused 1 9999 noahv --verbose "$guest/cli/ends" call 9999
}

# The first block ends with an ecall, whose line has host code on the right.
cli_log_jit() {
    want 3 '' noahv --engine=jit --eager --log=jit "$guest/cli/ends" exit 3
    grep -q '^noahv: jit: block [0-9a-f]*, at 0x' err || fail 'no block'
    grep -q '^noahv: jit: [0-9a-f]*: ecall  *| [0-9a-f]*: mov ' err || fail 'no ecall'
    ! grep -v '^noahv: jit: ' err || fail 'other lines'
}

# main is known by its name, and so is a function of a PIE, whose address changes; a name cannot forge a line.
cli_perf_map() {
    sed 's/leave/le\na /g' "$guest/cli/pie" > prog
    chmod +x prog
    for pair in "3:main:ends:$guest/cli/ends" "7:leave:pie:$guest/cli/pie" '7:le?a?:prog:./prog'; do
        # shellcheck disable=SC2016  # its own number
        run sh -c 'echo $$ > pid; exec "$@"' sh "$NOAHV" --eager --perf-map "${pair##*:}" exit 3
        map=/tmp/perf-$(cat pid).map
        mv "$map" map || fail 'no map'
        [ "$status" = "${pair%%:*}" ] && [ ! -s err ] || fail "status $status"
        name=${pair#*:}
        file=${name#*:}
        grep -q -F " ${name%%:*}+0x0 [${file%%:*}]" map || fail "no ${name%%:*}"
        grep -q '^[0-9a-f]* [0-9a-f]* enter \[noahv\]$' map || fail 'no stubs'
        ! grep -v -E '^[0-9a-f]+ [0-9a-f]+ [^ ]+ \[[^ ]+\]$' map || fail 'odd lines'
    done
    want 3 '' noahv --engine=interp --perf-map "$guest/cli/ends" exit 3
}

cli_compat() {
    run noahv compat
    [ "$status" = 0 ] && [ "$(grep -c '^| [0-9]' out)" = 329 ] || fail 'not 329 rows'
    ! grep '^| [0-9]' out | grep -v '| [a-z_0-9]* | [a-z%]* | \(full\|none\) |$' || fail 'odd rows'
    grep -q '^- `clone`: in a box, ' out || fail 'no limits'
    sed 1,4d "$here/docs/syscalls.md" | cmp - out || fail 'docs/syscalls.md is old: make docs'
}

cli_trace() {
    want 3 '' noahv trace -o trace -e exit_group "$guest/cli/ends" exit 3
    [ ! -s err ] || fail 'standard error'
    printf 'exit_group(3)                           = ?\n+++ exited with 3 +++\n' | cmp - trace
    want 134 '' noahv trace -o trace -e %signal "$guest/cli/ends" abort
    grep -q '^--- SIGABRT {' trace && grep -q '^+++ killed by SIGABRT +++$' trace || fail 'signals'
    want 0 '' noahv trace -e '!exit_group' "$guest/cli/ends"
    grep -q '^brk(' err && ! grep -q '^exit_group' err || fail 'trace on standard error, negated'
}

# --- Debian's busybox ---------------------------------------------------------------------------------------

job_issue() {
    want 7 HI noahv "$BB" sh -c 'echo hi | tr a-z A-Z; exit 7'
    cp "$BB" busybox
    want 7 HI noahv ./busybox sh -c 'echo hi | tr a-z A-Z; exit 7'
    PATH=$PWD:$PATH
    want 7 HI noahv -- busybox sh -c 'echo hi | tr a-z A-Z; exit 7'
}

once_trace_follow() {
    want 3 '' noahv trace -f -o trace -e execve,exit_group "$BB" sh -c '"$BB" true; exit 3'
    [ "$(grep -c 'execve("' trace)" = 2 ] || fail 'execve'
    sed -n 1p trace | grep -q '^[0-9]* *execve(".*sh", "-c", .*vars \*/) *= 0$' || fail 'the first one'
    [ "$(grep -c 'exit_group(' trace)" = 2 ] || fail 'the child is not traced'
    [ "$(grep -c '^[0-9]* *+++ exited with [03] +++$' trace)" = 2 ] || fail 'ends'
    want 3 '' noahv trace -o trace -e execve,exit_group "$BB" sh -c '"$BB" true; exit 3'
    [ "$(grep -c 'exit_group(' trace)" = 1 ] || fail 'the child is traced without -f'
}

job_environment() {
    want 0 'A=1' noahv -E A=1 --clearenv "$BB" env
    want 0 'A=2' noahv --clearenv -E B=1 --env A=1 -E A=2 --env=B "$BB" env
    A=1
    export A
    want 0 1 noahv "$BB" sh -c 'echo $A'
    want 0 'none' noahv -E A "$BB" sh -c 'echo ${A-none}'
    mkdir dir
    want 0 "$PWD/dir" noahv -w dir "$BB" sh -c 'pwd'
    want 0 'a b' noahv --argv0 echo "$BB" a b
    want 0 "$BB" noahv "$BB" readlink /proc/self/exe
}

job_scripts() {
    cp "$BB" busybox
    printf '#!./busybox sh\necho "$0" "$#" "$2"; exit 5\n' > prog
    printf '#! \t./busybox sh -x \necho "$0" "$#" "$2"; exit 5\n' > traced
    printf '#!./prog\n' > chained
    chmod +x prog traced chained
    want 5 './prog 2 b c' noahv ./prog a 'b c'
    want 0 './prog 2 b c' noahv "$BB" sh -c './prog a "b c" || :'
    want 5 './prog 3 a' noahv ./chained a 'b c'
    # All after the interpreter is one argument, so that busybox looks for an applet "sh -x".
    want 127 '' noahv ./traced a b
}

job_streams() {
    head -c 300000 /dev/urandom > data
    noahv "$BB" cat < data | cmp - data
    # shellcheck disable=SC2002  # a pipe is the point
    cat data | noahv "$BB" cat | cmp - data
    noahv "$BB" sh -c 'cat <&5 >&6' 5< data 6> copy
    cmp data copy
    noahv "$BB" cat data >> copy
    [ "$(wc -c < copy)" = 600000 ]
    want 0 '' noahv "$BB" true
    [ "$(noahv "$BB" sh -c 'while :; do echo y; done' 2> err | head -n 3 | tr -d '\n')" = yyy ]
    run sh -c '"$@" > /dev/full' sh "$NOAHV" "$BB" echo x
    [ "$status" = 1 ] || fail '/dev/full'
}

# Signals from outside reach the guest's handlers, or kill it.
job_outside_signals() {
    mkfifo ready
    for script in 'trap "echo caught; exit 5" TERM; echo go > ready; while :; do :; done' \
        'trap "" TERM; echo go > ready; read -r x < ready; exit 6' \
        'echo go > ready; while :; do :; done'; do
        # shellcheck disable=SC2086
        "$NOAHV" $engine "$BB" sh -c "$script" >> out 2> err &
        read -r _ < ready
        kill -TERM $!
        case $script in
        *'exit 6') echo stop > ready ;;
        esac
        status=0
        wait $! || status=$?
        echo "$status" >> out
    done
    printf 'caught\n5\n6\n143\n' | cmp - out
}

job_shell_language() {
    same 'i=0; s=
        while [ $i -lt 300 ]; do
            i=$((i + 1))
            case $i in *7) continue ;; 290) break ;; esac
            s="$s $i"
        done
        echo ${#s} "${s##* }" "${s%% 9*}"
        f() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(f $(($1 - 1))))); fi; }
        f 12
        echo $((7 % 3 * -2 + (1 << 40))) $((0x1f ^ 010)) $((5 > 3 ? 1 : 2)) $((-7 / 2))
        set -- a "b c" d; for v in "$@"; do echo "<$v>"; done; shift 2; echo $# $1
        echo "${u:-def} ${u:=set} $u ${u#s} ${u%t}"
        printf "%s %05d %x %o %c|%-5s|%5.2f\n" str 42 255 8 z ab 3.14159
        x=$(echo a; (echo b; exit 4)); echo "$x $?"'
    same 'while read -r a b; do echo "<$a|$b>"; done << EOF
one two three
$1 `echo sub` $((1 + 1))
EOF
        cat << "EOF"
literal $HOME
EOF
        (set -e; false; echo no); echo "$?"
        (set -u; echo $undefined) 2> /dev/null; [ $? != 0 ] && echo refused
        set -e; if false; then :; fi; false || echo or; ! true; echo here; false; echo never'
}

job_shell_processes() {
    same 'for j in 1 2 3 4 5; do (exit $j) & p="$p $!"; done
        for q in $p; do wait $q; echo "waited $?"; done
        (kill -9 $(exec sh -c "echo \$PPID")); echo "killed $?"
        trap "echo usr1" USR1; trap "echo bye" EXIT
        kill -USR1 $$; echo after
        (echo a | { read -r x; echo "got $x"; exit 5; }); echo "pipe $?"
        i=0; while [ $i -lt 200 ]; do echo $i; i=$((i + 1)); done | tail -n 1
        { echo 1; echo 2 >&2; } 2>&1 | sort -r
        exec 5> f; echo five >&5; exec 5>&-; read -r z < f; echo $z
        y=$( (echo x & wait) ); echo $y
        (trap "exit 33" TERM; kill -TERM $(exec sh -c "echo \$PPID"); echo no); echo "trap $?"
        umask 027; : > g; ls -l g | cut -c1-10
        (ulimit -n 50; ulimit -n)
        seq 100 | while read -r n; do echo $((n * n)); done | tail -n 1
        exit 12'
}

job_text_tools() {
    same 'LC_ALL=C; export LC_ALL
        cat "$1"/syscalls/*.c "$1"/docs/*.md > t; tr -cs a-zA-Z "\n" < t | head -n 4000 > w
        sort w | uniq -c | sort -k1,1nr -k2 | head -n 20 | sed "s/^ *//"
        sort -u -r w | sha256sum; sort -t: -k3,3nr /etc/passwd; wc -l < t; wc -w < t; wc -c < t
        grep -n "struct [a-z]* \*" t | md5sum; grep -c -i -E "^(a|b).*x{1,2}" w; grep -v e w | sha1sum
        sed -n "s/^\([a-z]*\) \(.*\)\$/\2 \1/p; /case/{n;d}" t | md5sum; sed -e "1,10!d" -e "y/abc/xyz/" w
        cut -d: -f1,3 /etc/passwd; tac w | md5sum; rev w | md5sum; fold -w 7 w | md5sum; paste w w | md5sum
        tr -d aeiou < w | md5sum; nl t | md5sum; expand t | md5sum; od -An -tx1 t | md5sum; od -c t | md5sum
        base64 t | md5sum; base64 t | base64 -d | cmp - t; diff t w > /dev/null; echo $?
        seq -w 1 3 20; expr 7 \* 6; factor 1234567890123456 18446744073709551557
        date -u -d @1234567890 +%F_%T; basename /a/b.c .c; dirname /a/b.c; printf "%d\n" 0x7fffffffffffffff'
}

job_awk() {
    same 'awk "BEGIN { for (i = 1; i <= 5000; i++) { s += i; a[i % 7] += i / 3 }
            printf \"%d\n\", s; for (i = 0; i < 7; i++) printf \"%.10g %.3e %s\n\", a[i], a[i], a[i]
            print substr(\"noahv\", 2, 3), index(\"abc\", \"c\"), toupper(\"x\"), length(\"four\"), int(-3.7)
            n = split(\"a:b:c\", p, \":\"); print n, p[3]; x = \"aaa\"; gsub(/a/, \"b\", x); print x }"
        awk -F: "{ n[\$NF]++ } END { for (k in n) print k, n[k] }" /etc/passwd | sort
        awk "{ w += NF } END { print NR, w }" "$1"/syscalls/*.c; echo 3 4 | awk "{ print \$1 * \$2; exit 9 }"'
}

job_files() {
    same 'LC_ALL=C; export LC_ALL
        cp -r "$1/syscalls" "$1/loader" .; find . -name "*.c" -size +3k | sort
        find . -type f -print0 | sort -z | xargs -0 -n 7 cat | md5sum
        find . -name "*.h" -exec grep -l include {} + | sort; find . -type d | sort | xargs -n 1 echo dir
        dd if=syscalls/sock.c bs=100 skip=3 count=20 2> /dev/null | md5sum
        dd if=/dev/zero of=z bs=1024 count=3 seek=5 2> /dev/null; stat -c "%s %a %F %h" z; truncate -s 10 z; wc -c < z
        mkfifo p; (cat p & echo fifo > p; wait); ln -s z l; readlink l; ln z h; stat -c %h z; chmod 640 z
        touch -d "2020-01-01 00:00:00" z; stat -c %Y z; mv z y; ls -l y | cut -c1-10; test y -ef h; echo $?
        mkdir -p a/b/c; rmdir a/b/c; ls a; rm -rf a loader; ls; cmp -s h syscalls/sock.c; echo $?
        sed "100s/^/x/;200d" syscalls/exec.c > e.c; diff -u syscalls/exec.c e.c | tail -n +3
        rm -r syscalls; ls -a'
}

job_archives() {
    cp -r "$here/syscalls" tree
    ln -s exec.c tree/link
    mkdir x y z
    noahv "$BB" tar cf guest.tar tree
    tar xf guest.tar -C x
    diff -r tree x/tree
    tar czf host.tgz tree
    noahv "$BB" tar xzf host.tgz -C y
    diff -r tree y/tree
    noahv "$BB" sh -c 'tar c tree | tar x -C z'
    diff -r tree z/tree
    rm -rf x y z
    mkdir x
    noahv "$BB" sh -c 'find tree | cpio -o -H newc > tree.cpio; cd x && cpio -id < ../tree.cpio' 2> err
    diff -r tree x/tree
    cat tree/*.c > t
    noahv "$BB" gzip -c t | gunzip | cmp - t
    gzip -9 -c t | noahv "$BB" gunzip -c | cmp - t
    noahv "$BB" sh -c 'gzip -c t | gunzip -c | cmp - t && bzip2 -c t | bunzip2 -c | cmp - t'
}

job_numbers() {
    # pi, e and sqrt(2) to 50 places; 2^200.
    printf 'scale=50; 4*a(1); e(1); sqrt(2); 2^200\n' > in
    noahv "$BB" bc -l < in > out
    cat > expected << 'EOF'
3.14159265358979323846264338327950288419716939937508
2.71828182845904523536028747135266249775724709369995
1.41421356237309504880168872420969807856967187537694
1606938044258990275541962092341162602522202993782792835301376
EOF
    cmp out expected
    echo '2 100 ^ p 7 9 * p' | noahv "$BB" dc > out
    printf '1267650600228229401496703205376\n63\n' | cmp - out
}

# The server answers once it is there: until then wget is refused.
job_network() {
    head -c 200000 /dev/urandom > data
    port=$(some_port)
    # shellcheck disable=SC2086
    "$NOAHV" $engine "$BB" httpd -f -p "127.0.0.1:$port" -h . 2> log &
    server=$!
    trap 'kill $server || :' EXIT
    until_true noahv "$BB" wget -q -O got "http://127.0.0.1:$port/data"
    cmp got data
    noahv "$BB" wget -q -O got "http://127.0.0.1:$port/data"
    cmp got data
    want 1 '' noahv "$BB" wget -q -O got "http://127.0.0.1:$port/none"

    # nc: the listener's standard input goes to whoever connects, and the other way round.
    port=$(some_port)
    # shellcheck disable=SC2086
    "$NOAHV" $engine "$BB" nc -l -p "$port" < data > got.listener &
    until_true sh -c '"$@" < data > got.client 2> err' sh "$NOAHV" $engine "$BB" nc 127.0.0.1 "$port"
    wait $!
    cmp got.client data
    cmp got.listener data
}

# The guests that say what they do with the C library's help, with another C library: against native glibc.
# LLVM's objcopy, for binutils before 2.41 stumbles over the debugging information.
once_musl() {
    (cd "$here" && scripts/debian-root.sh --only build/debian/root musl-dev) && command -v llvm-objcopy > log || {
        echo 'SKIPPED: needs the Debian packages musl-dev:riscv64 and llvm'
        return 0
    }
    musl=$here/build/debian/root/usr
    cc=riscv64-linux-gnu-gcc
    for file in crt1.o libc.a; do
        llvm-objcopy -g "$musl/lib/riscv64-linux-musl/$file" $file
    done
    flags="-O1 -std=gnu11 -pthread -D_GNU_SOURCE -w"
    mkdir native guest
    for name in args clock descriptors events exec process restart signals stack strings; do
        # shellcheck disable=SC2086
        gcc $flags -o native/program "$here/tests/guest/$name.c"
        # shellcheck disable=SC2086
        $cc $flags -nostdinc -isystem "$musl/include/riscv64-linux-musl" -nostdlib -static -o guest/program \
            -isystem "$($cc -print-file-name=include)" -include "$here/tests/cli/musl.h" crt1.o \
            "$here/tests/guest/$name.c" libc.a "$($cc -print-libgcc-file-name)" libc.a
        args=$(sed -n '1,9s;^/\* args: \(.*\) \*/$;\1;p' "$here/tests/guest/$name.c")
        for where in native guest; do
            mkdir dir
            # shellcheck disable=SC2086
            (cd dir && if [ $where = native ]; then ../native/program $args; else noahv ../guest/program $args; fi) \
                > $where.out 2> err < /dev/null || echo "[exit $?]" >> $where.out
            rm -rf dir
        done
        diff -a native.out guest.out || fail "$name"
    done
}

once_sums() {
    head -c 50000000 /dev/urandom > data
    for sum in sha256sum md5sum; do
        noahv "$BB" $sum data > out
        $sum data | cmp - out
    done
}

# --- Boxes: what a hostile program tries is in tests/hostile ------------------------------------------------------

# boxed STATUS TEXT COMMAND...: ends so, with TEXT in a line of noahv's.
boxed() {
    want_status=$1
    text=$2
    shift 2
    run noahv box "$@"
    [ "$status" = "$want_status" ] || fail "expected status $want_status: $*"
    grep '^noahv: ' err | grep -qF -- "$text" || fail "expected '$text': $*"
}

# left MARK: the temporary folder on the host of a box that has made a file MARK in a --tmpfs.
left() {
    find /dev/shm "${TMPDIR:-/tmp}" -maxdepth 3 -path "*/noahv-*/tmp0/$1" 2> log | sed 's;/tmp0/[^/]*$;;'
}

once_box_limits() {
    boxed 124 'time limit of 0.100 s was reached. To allow more: --timeout 2' --timeout 100ms "$BB" sleep 100
    boxed 122 'the limit of 3 processes and threads was reached. To allow more: --pids 6' --pids 3 "$BB" sh -c '
        for i in 1 2 3 4; do sleep 100 & done; exit 1'
    boxed 122 'memory limit of 32 MiB was reached. To allow more: --memory 64M' -m 32M "$BB" sh -c '
        x=abcdefghijklmnop; while :; do x=$x$x; done'
    boxed 122 'output limit of 10 bytes was reached' --output-limit 10 "$BB" yes
    [ "$(wc -c < out)" = 10 ] || fail 'more output than the limit'
    boxed 122 'a file reached the limit of 1 KiB. To allow more: --fsize 2048' --fsize 1k --tmpfs /t "$BB" sh -c '
        trap - XFSZ; exec dd if=/dev/zero of=/t/f bs=1000 count=3'
    boxed 122 'the limit of 1 s of processor time was reached' --cpu-time 1 "$BB" sh -c 'while :; do :; done'
    # Nothing fails because of these, and so nothing is said.
    run noahv box --timeout 100 --pids 3 -m 64M --fds 128 "$BB" sh -c 'echo one; cat /proc/self/limits | grep files'
    [ "$status" = 0 ] && grep -q 'files *128 ' out && [ ! -s err ] || fail 'a box within its limits'
}

once_box_ends() {
    run noahv box "$BB" sh -c 'exit 7'
    [ "$status" = 7 ] || fail 'the status of a boxed program'
    run noahv box "$BB" sh -c 'kill -TERM $$'
    [ "$status" = 143 ] || fail 'the death of a boxed program'
    # What it leaves behind ends with it.
    run noahv box "$BB" sh -c 'sleep 1234 & echo $!'
    ! kill -0 "$(cat out)" 2> log || fail 'a process outlived its box'
    boxed 123 'refused openat(/etc/passwd): outside the box. To allow it: --ro-bind /etc/passwd /etc/passwd' \
        --on-deny kill "$BB" sh -c 'cat /etc/passwd; sleep 100'
}

# Names of all shapes mean the same in a box as outside.
once_box_names() {
    mkdir -p d/sub/deep
    echo text > d/file
    ln -s file d/link
    ln -s sub d/sublink
    ln -s ../file d/sub/back
    ln -s none d/dangling
    ln -s loop d/loop
    mkfifo d/fifo
    long=$(printf '%0256d' 0)
    script='for n in file ./file sub/../file sub/ sub/. sub// .//sub///deep file/ file/. link link/ sublink sublink/ \
        sublink/deep sublink/back sub/back sub/back/ dangling dangling/ loop loop/x fifo none none/ none/x . .. ./ "" \
        sub/deep/.. "$0" "sub/$0/x" /proc/self/fd /proc/self/status/ /proc/self/nothing; do
            for f in "" -L; do stat -c %F $f "$n"; done
            [ "$n" = fifo ] || [ "$n" = .. ] || { cat "$n"; ls -d "$n"; test -r "$n" && echo r; cd "$n" && pwd && cd "$OLDPWD"; }
        done 2>&1; true'
    (cd d && noahv "$BB" sh -c "$script" "$long" > ../run.out 2>&1 < /dev/null)
    noahv box -v "$PWD/d:$PWD/d" -w "$PWD/d" --report none "$BB" sh -c "$script" "$long" > box.out 2>&1 < /dev/null
    [ "$(wc -l < run.out)" -gt 100 ] && diff run.out box.out
}

# Its starter is killed and can clear up nothing: all processes of the box end, whoever made them, wherever they stand.
once_box_leash() {
    mkfifo told
    "$NOAHV" box --tmpfs /t "$BB" sh -c '
        (setsid sleep 1000 &)
        (trap "" TERM; while :; do :; done) &
        : > "/t/$0"; echo ready; sleep 1000' mark.$$ > told &
    exec 3< told
    read -r line <&3
    [ "$line" = ready ]
    kill -KILL $!
    timeout 30 cat <&3 # ends when nobody can write any more
    exec 3<&-
    rm -r "$(left mark.$$)"
}

once_box_files() {
    mkdir -p d/sub
    echo text > d/file
    ln -s /etc/passwd d/abs
    ln -s ../../etc/passwd d/rel
    ln -s /data/file d/inside
    want 0 'text' noahv box -v "$PWD/d:/data:ro" "$BB" cat /data/inside
    want 0 'text' noahv box --ro-bind d /a/b/data -w /a/b/data/sub "$BB" cat ../file
    for name in abs rel ../etc/passwd /proc/self/root/etc/passwd /proc/1/root/etc/passwd; do
        want 1 '' noahv box -v "$PWD/d:/data" -w /data "$BB" cat "$name"
    done
    # Read-only, by every way that changes something.
    run noahv box --ro-bind d /data -w /data "$BB" sh -c 'echo x > new; echo y > file; rm file; chmod 0 file; touch file
        mv file sub; ln file l; ln -s a b; mkdir m; rmdir sub; exec 3< file; chmod 0 /proc/self/fd/3; echo z > /proc/self/fd/3'
    [ "$(cat d/file)$(ls d | tr '\n' ,)$(stat -c %a d/file)" = "textabs,file,inside,rel,sub,644" ] || fail 'read-only'
    want 0 'new
sub' noahv box -v "$PWD/d:/data" --tmpfs /tmp "$BB" sh -c 'cd /data; rm abs rel inside; mv file new; ls; cp new /tmp; mkdir -p /tmp/a/b; : > "/tmp/$0"' mark.$$
    [ "$(cat d/new)" = text ] || fail 'what a box writes'
    [ -z "$(left mark.$$)" ] || fail 'a box left its folder behind'
    want 0 /data/sub noahv box -v d:/data -w /data/sub "$BB" sh -c pwd
}

# The folder on the host that a box was in, with what was left there, goes with it. Others may have theirs meanwhile.
once_box_clears_up() {
    mkfifo go
    "$NOAHV" box --tmpfs /tmp "$BB" sh -c 'mkdir -p /tmp/a/b; echo x > /tmp/a/b/c; chmod 0 /tmp/a; echo $$; read -r go; exit 0' < go > pid &
    exec 9> go
    until_true test -s pid
    folder=$(readlink "/proc/$(cat pid)"/fd/* | sed -n 's,^\(/.*/noahv-[^/]*\)/root$,\1,p')
    [ -d "$folder/tmp0/a" ] || fail 'the folder of a box'
    exec 9>&-
    wait $!
    [ ! -e "$folder" ] || fail 'a box left its folder behind'
}

# All of a folder that can be told apart.
state() {
    find "$1" -printf "%P %y %m %s ${2-%T@} %l\n" | sort
}

# A box remembers folders that were looked into; what a name means is never older than the last change.
cli_looks() {
    mkdir here given
    cp "$guest/cli/looks" given/
    (cd here && exec "$NOAHV" "$guest/cli/looks") > want || fail 'outside of a box'
    want 0 "$(cat want)" noahv box -v "$PWD/given:/w" -w /w /w/looks
    want 0 "$(cat want)" noahv box --tmpfs /w -w /w "$guest/cli/looks"
    if can_mount; then
        make_bare
        want 0 "$(cat want)" ./bare "$NOAHV" box -v "$PWD/given:/w" -w /w /w/looks
        want 0 "$(cat want)" ./bare "$NOAHV" box --tmpfs /w -w /w "$guest/cli/looks"
    fi
}

can_mount() {
    "$NOAHV" doctor | grep -q '^mounts *present'
}

# Makes ./bare COMMAND..., which runs it as on a host where a box cannot make mounts of what it is given.
make_bare() {
    printf '%s\n' '#!/bin/sh' "exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_mnt_namespaces; exec \"\$@\"' sh \"\$@\"" > bare
    chmod +x bare
}

# What is granted is the host kernel's to keep to, too.
cli_box_mounts() {
    can_mount || return 0
    make_bare
    mkdir -p given/sub
    want 5 '' noahv box --require mounts -v "$PWD/given:/w" --ro-bind "$PWD/given/sub" /s --tmpfs /t "$guest/cli/ends" exit 5
    refused 125 '--require mounts: /, which is granted, is none: something is mounted below it' noahv box --require mounts --ro-bind / / "$guest/cli/ends" exit 5
    run ./bare "$NOAHV" doctor
    grep -q '^mounts *absent' out && [ "$(grep -c absent out)" = 1 ] || fail doctor
    refused 125 '--require mounts: this host cannot: mount namespaces are closed' ./bare "$NOAHV" box --require mounts -v "$PWD/given:/w" "$guest/cli/ends"
    # One folder in another: what the outer one is granted for holds for all of it.
    for inner in "--ro-bind $PWD/given/sub /s" "--bind $PWD/given/sub /s"; do
        # shellcheck disable=SC2086
        want 0 '' noahv box --bind "$PWD/given" /w $inner "$BB" sh -c 'echo x > /w/f && ln /w/f /w/sub/f && mv /w/f /w/sub/g && rm /w/sub/*'
        # shellcheck disable=SC2086
        want 0 '' noahv box $inner --bind "$PWD/given" /w "$BB" sh -c 'echo x > /w/f && ln /w/f /w/sub/f && mv /w/f /w/sub/g && rm /w/sub/*'
    done
    want 5 '' ./bare "$NOAHV" box -v "$PWD/given:/w" "$guest/cli/ends" exit 5
}

# What a program sees of a folder is the same whether it has one layer or two; the lower one stays as it was; what is
# applied to it makes it what it would have been.
cli_overlay_layers() {
    for dir in plain lower; do
        mkdir $dir
        noahv "$guest/cli/layers" $dir make
    done
    state lower > before
    run noahv box --tmpfs /w "$guest/cli/layers" /w make and
    [ "$status" = 0 ] || fail 'in memory'
    mv out want
    grep -q '^300 entries, 0 twice, 0 missed' want || fail 'a program that does nothing'
    grep -qxF 'unlink("f0/") = ENOTDIR' want && grep -qxF 'open("d0", O_RDONLY | O_CREAT, 0600) = EISDIR' want || fail 'as the kernel has it'
    want 0 "$(cat want)" noahv box -v "$PWD/plain:/w" "$guest/cli/layers" /w
    want 0 "$(cat want)" noahv box -v "$PWD/lower:/w" --overlay over "$guest/cli/layers" /w
    state lower | diff before - || fail 'the lower folder has changed'
    want 125 "$(noahv diff over)" noahv apply over
    grep -q '^noahv: /w/socket: it is no file, folder, link or pipe' err || fail 'a socket'
    want 0 'A /w/socket' noahv diff over
    rm plain/socket
    state plain '' | grep -v ' d ' > want
    state lower '' | grep -v ' d ' | diff want - || fail 'what was applied'
    state plain '' | grep ' d ' | cut -d ' ' -f 1-3 > want
    state lower '' | grep ' d ' | cut -d ' ' -f 1-3 | diff want - || fail 'which folders were applied'
    want 0 '' noahv discard over
    [ ! -e over ] || fail 'the overlay is still there'
}

# The same for changes at random.
cli_overlay_random() {
    for seed in $(seq 30); do
        for dir in plain lower; do
            mkdir $dir
            noahv "$guest/cli/names" $dir "$seed" quietly
        done
        run noahv box -v "$PWD/plain:/w" "$guest/cli/names" /w "1$seed"
        [ "$status" = 0 ] && [ -s out ] || fail 'a folder of one layer'
        mv out want
        run noahv box -v "$PWD/lower:/w" --overlay over "$guest/cli/names" /w "1$seed"
        diff want out || fail "seed $seed"
        noahv apply over > log
        want 0 '' noahv diff over
        for dir in plain lower; do (cd $dir && find . -type f -exec sha256sum {} + -o -printf '%p %y %m %l\n' | sort) > $dir.is; done
        diff plain.is lower.is || fail "applied, seed $seed"
        noahv discard over
        rm -r plain lower
    done
}

once_overlay_changes() {
    mkdir -p d/sub ro
    echo old > d/file
    echo text > d/sub/gone
    echo one > single
    ln -s file d/link
    noahv box -v d:/d --ro-bind ro /ro -v "$PWD/single:/single" --overlay over "$BB" sh -c '
        cd /d; echo new > file; rm -r sub; mkdir sub; echo x > sub/new; ln -s /etc/passwd planted; echo two > /single
        touch "$(printf "a\nb\033")"; chmod 4755 file; echo y > /top; touch /ro/x' 2> log || :
    [ "$(cat d/file d/sub/gone single | tr '\n' ,)$(ls d | tr '\n' ,)$(ls ro)" = old,text,one,file,link,sub, ] || fail 'files of the host'
    cat > want << 'TEXT'
A /d/a\012b\033
A /d/planted
A /d/sub/new
A /top
D /d/sub/gone
M /d/file
M /single
TEXT
    noahv diff over | sort > out
    cmp want out || fail 'what is told'
    noahv diff --json over > out
    grep -qxF '{"change":"added","path":"/d/a\u000ab\u001b"}' out && grep -qxF '{"change":"deleted","path":"/d/sub/gone"}' out || fail json
    # Programs run from both layers.
    mkdir low
    cp "$BB" low/busybox
    want 0 'copied
below' noahv box -v "$PWD/low:/low" --overlay run "$BB" sh -c 'mkdir /low/up; cp /low/busybox /low/up; /low/up/busybox echo copied
        chmod 700 /low/busybox; /low/busybox echo below'
    noahv discard run
    # Again, in another box: what was written is there, and where it was.
    want 0 'new
x
two
y' noahv box -v d:/d --ro-bind ro /ro -v "$PWD/single:/single" --overlay over "$BB" cat /d/file /d/sub/new /single /top
    mkdir elsewhere
    run noahv apply --to elsewhere over
    [ "$status" = 0 ] && [ "$(cat elsewhere/d/file elsewhere/single elsewhere/top | tr '\n' ,)" = new,two,y, ] || fail 'applied elsewhere'
    [ "$(cat d/file)" = old ] || fail 'applied here too'
    want 125 "$(noahv diff over | grep -v top)" noahv apply over
    grep -qF 'noahv: /: no folder of the host' err || fail 'the root of the box'
    [ "$(cat d/file single | tr '\n' ,)$(ls d/sub)$(readlink d/planted)$(stat -c %a d/file)" = new,two,new/etc/passwd755 ] || fail 'what was applied'
    want 0 'A /top' noahv diff over
    want 0 '' noahv discard over
    want 125 '' noahv diff over
    # No overlay, or one in use; a folder that is no business of ours.
    mkdir other
    touch other/file
    refused 125 'other: this is no overlay' noahv discard other
    refused 125 'other: the folder is there already and is no overlay' noahv box --overlay other "$guest/cli/ends"
    [ -e other/file ] || fail 'a folder that is no overlay'
    refused 125 'which the box is given, lie in one another' noahv box -v d:/d --overlay d/over "$guest/cli/ends"
    "$NOAHV" box --overlay busy "$BB" sleep 100 &
    until_true test -d busy/lock
    until_true sh -c '! "$0" diff busy > log 2>&1' "$NOAHV" || fail 'an overlay in use'
    refused 125 'busy: a box is using this overlay' noahv discard busy
    refused 125 'busy: a box is using this overlay' noahv box --overlay busy "$guest/cli/ends"
    kill $!
    wait $! || :
    want 0 '' noahv discard busy
}

# What the overlay holds is the program's work: nothing of it leads to a change elsewhere.
once_overlay_hostile() {
    mkdir -p outside d/real d/keep
    echo secret > outside/secret
    ln -s ../outside d/out
    echo x > d/real/secret
    echo x > d/keep/low
    script='cd /d; rm out; mkdir out; echo bad > out/secret; rm -r real; ln -s ../outside real; ln -s ../../outside/secret keep/secret
        mkfifo pipe; mkdir closed; echo in > closed/in; chmod 0 closed/in closed'
    noahv box -v d:/d --overlay over "$BB" sh -c "$script"
    # As if its walls had fallen: links and folders in the place of what an overlay notes.
    rmdir over/files/0/keep/.noahv-cut 2> log || :
    ln -s "$PWD/outside" over/files/0/keep/.noahv-cut
    ln -s "$PWD/outside" over/files/0/toplink
    # As if somebody had been killed who copied something up.
    touch over/files/0/keep/.noahv-new
    noahv box -v d:/d --overlay over "$BB" sh -c 'ls -a /d/keep; rm /d/keep/secret /d/keep/low; rm -r /d/keep; ls /d' > out 2> log || :
    grep -q real out || fail 'a box in an overlay'
    ! grep noahv out || fail 'what is being copied up is seen'
    run noahv apply over
    [ "$status" = 0 ] || fail 'apply'
    [ "$(cat outside/secret)$(ls outside)" = secretsecret ] || fail 'outside'
    [ "$(cat d/out/secret)$(readlink d/real)$(stat -c %a%F d/closed d/pipe | tr -d '\n')" = 'bad../outside0directory644fifo' ] || fail 'what was applied'
    chmod 700 d/closed
    [ "$(stat -c %a d/closed/in)" = 0 ] || fail 'in a closed folder'
    # Now the folder below has links where the overlay has folders.
    rm -r d/out
    ln -s ../outside d/out
    noahv box -v d:/d --overlay over2 "$BB" sh -c 'rm /d/out; mkdir /d/out; echo bad > /d/out/new'
    mkdir -p to/d
    ln -s ../../outside to/d/out
    run noahv apply --to to over2
    [ "$status" = 0 ] && [ -d to/d/out ] && [ ! -h to/d/out ] && [ "$(cat to/d/out/new)" = bad ] || fail 'in place of a link'
    rm -r to
    ln -s "$PWD/outside" link
    mkdir to
    ln -s ../outside to/d
    run noahv apply --to to over2
    [ "$status" = 125 ] && grep -q '^noahv: /d/out: Not a directory' err || fail 'by way of a link'
    [ "$(ls outside)" = secret ] || fail 'outside, by a link'
    want 0 '' noahv discard over
    want 0 '' noahv discard over2
    [ "$(ls outside)" = secret ] || fail 'outside, discarded'
}

# Folders, links and absent names of a policy, with what is written over them. What goes away with the box goes away.
once_overlay_places() {
    mkdir d d/in
    printf '%s\n' 'dir = /own/deep' 'symlink = own/deep/file /link' 'absent = /not' "bind = $PWD/d /d" 'dir = /d/in' 'tmpfs = /t' > p
    run noahv box --policy p --overlay over "$BB" sh -c 'test -e /not; rm -f /not; echo 1 > /own/deep/file; cat /link; echo 2 > /not; echo 3 > /d/in/new
        echo 4 > /t/x; cat /not; mv /own/deep /own/moved; test -e /link || rm /link; ls /own; test -h /link || echo gone'
    [ "$status" = 0 ] && [ "$(tr '\n' , < out)" = 1,2,moved,gone, ] || fail 'the script'
    ! grep /not err || fail 'a refusal about an absent name'
    [ -z "$(ls d/in)" ] || fail 'the folder on the host'
    want 0 '2
3
1' noahv box --policy p --overlay over "$BB" sh -c 'cat /not /d/in/new /own/moved/file; ls /t'
    want 0 'A /d/in/new
A /not
A /own
A /own/moved
A /own/moved/file' noahv diff over
    want 0 '' noahv discard over
}

cli_overlay_usage() {
    refused 125 'usage: noahv diff [--json] DIR' noahv diff
    refused 125 'usage: noahv diff [--json] DIR' noahv discard --to x y
    refused 125 'none: No such file or directory' noahv apply none
    refused 125 '--overlay: no folder is named' noahv box --overlay '' prog
    mkdir open
    chmod 777 open
    refused 125 'open: an overlay must be a folder that only its owner' noahv box --overlay open "$guest/cli/ends"
}

# A child of vfork in a box has a copy of the memory: it runs, and its parent sees its end.
cli_box_spawns() {
    riscv64-linux-gnu-gcc -static -o prog -x c - << 'C'
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
int main(int argc, char **argv)
{
    char *child[] = { argv[0], "child", NULL };
    int status = 0;
    pid_t pid;

    if (argc > 1)
        return 3;
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, child, NULL) == 0)
        waitpid(pid, &status, 0);
    return status >> 8;
}
C
    want 3 '' noahv box ./prog
}

once_box_environment() {
    SECRET=1 run noahv box -e GIVEN=2 -e PASSED "$BB" env
    [ "$(sort out | tr '\n' ,)" = 'GIVEN=2,HOME=/,PATH=/usr/local/bin:/usr/bin:/bin,' ] || fail 'environment'
    PASSED=3 run noahv box -e PASSED "$BB" env
    grep -qx PASSED=3 out || fail 'a variable that is passed on'
}

once_box_refusals() {
    boxed 1 'refused openat(/etc/passwd): outside the box. To allow it: --ro-bind /etc/passwd /etc/passwd' "$BB" cat /etc/passwd
    boxed 1 'refused socket(AF_INET): the box has no network. To allow it: --net host' "$BB" wget -O - http://127.0.0.1:1/
    boxed 1 'refused connect(127.0.0.1:1): the address is not granted. To allow it: --allow-connect 127.0.0.1:1' \
        --allow-connect 127.0.0.2 "$BB" wget -O - http://127.0.0.1:1/
    run noahv box --report json "$BB" cat '/etc/a"b'
    grep -qxF '{"rule":"files","syscall":"openat","object":"/etc/a\u0022b","cause":"outside the box","remedy":"--ro-bind /etc/a\u0022b /etc/a\u0022b"}' err ||
        fail 'a refusal as JSON'
    run noahv box "$BB" sh -c 'for i in 1 2 3; do cat /etc/x; done'
    [ "$(grep -c '^noahv: ' err)" = 1 ] || fail 'a refusal that is told more than once'
    run noahv box --on-deny log "$BB" sh -c 'for i in 1 2 3; do cat /etc/x; done'
    [ "$(grep -c '^noahv: ' err)" = 3 ] || fail 'refusals that are all told'
}

cli_box_policy_files() {
    printf '; limits\nmemory = 16M\nvolume = %s:/d:ro\n' "$PWD" > good
    printf 'memory = 16M\nmemry = 3\n' > bad
    want 0 '' noahv policy check good
    refused 125 'bad:2: memry is no setting. Is it memory that is meant?' noahv policy check bad
    refused 125 'none: No such file' noahv policy check none
    refused 125 'bad:2: ' noahv box --policy bad "$guest/cli/ends"
    want 5 '' noahv box --policy good --timeout 50 -w /d "$guest/cli/ends" exit 5
    run noahv doctor
    grep -q '^seccomp *present' out || fail doctor
}

# learned FILE COMMAND...: what it prints and how it ends is the same when it is watched, and in a box of what was learned.
learned() {
    learned=$1
    shift
    run noahv policy learn -o "$learned" --accesses "$learned.record" "$@"
    watched=$status
    mv out watched.out
    mv err watched.err
    run noahv box --policy "$learned" "$@"
    [ "$status" = "$watched" ] && cmp -s watched.out out && cmp -s watched.err err || fail "not the same in the box: $*"
    want 0 '' noahv policy check "$learned" "$learned.record"
    [ ! -s err ] || fail 'a policy that refuses what it was learned from'
}

once_policy_learn() {
    mkdir -p in many made/deep
    for i in 1 2 3 4 5 6 7 8 9; do echo "$i" > "many/$i"; done
    echo secret > many/secret
    echo text > in/file
    echo other > in/untouched
    echo third > in/looked
    ln -s in/file link
    script='cat link many/[1-9]; ls in/none; readlink link; cd made; echo x > deep/new; pwd; test -f ../in/looked && exit 7'
    learned p "$BB" sh -c "$script"
    [ "$watched" = 7 ] && grep -qx text watched.out && grep -qx "$PWD/made" watched.out || fail 'the script did not do its work'
    # Just that: files one by one, a folder for many, nothing else of this host.
    grep -v '^#' p | grep . > lines
    grep -qx "ro-bind = $PWD/in/file $PWD/in/file" p && grep -qx "ro-bind = $PWD/many $PWD/many" p &&
        grep -qx "bind = $PWD/made/deep $PWD/made/deep" p && grep -qx "symlink = in/file $PWD/link" p &&
        grep -qx "absent = $PWD/in/none" p && grep -qx "workdir = $PWD" p && ! grep -q 'untouched\|many/1\|net\|/etc/passwd' p ||
        fail "$(cat p)"
    # The same again, to the byte.
    rm made/deep/new
    run noahv policy learn --accesses again.record "$BB" sh -c "$script"
    sed -n '/^# What/,$p' out | sed 's/--policy FILE/--policy p/' | cmp - p && cmp again.record p.record || fail 'learned twice'
    # No line is there in vain: without it the box refuses something, and the check says so without a box.
    n=0
    while IFS= read -r line; do
        case $line in workdir*) continue ;; esac
        grep -vxF -- "$line" p > less
        run noahv policy check less p.record
        [ "$status" = 123 ] && grep -q '^noahv: refused ' err || fail "the check does not miss: $line"
        run noahv box --policy less --on-deny log "$BB" sh -c "$script"
        [ "$status" != 7 ] || ! cmp -s watched.out out || ! cmp -s watched.err err || fail "the box does not miss: $line"
        n=$((n + 1))
    done < lines
    [ "$n" = 6 ] || fail "$n lines"
}

once_policy_learn_temporary_and_wide() {
    file=$(mktemp)
    echo x > "$file"
    learned p "$BB" sh -c "cat $file; echo x > $file; f=\$(mktemp); echo \$? > \$f; cat \$f; rm \$f"
    grep -qx 'tmpfs = /tmp' p && grep -qx "bind = $file $file" p && ! grep -q '^bind = /tmp /tmp$' p || fail "$(cat p)"
    rm "$file"
    # What a box would show less of, or cannot be told, is said.
    run noahv policy learn -o p "$BB" sh -c 'ls / > /dev/null; touch "two  spaces" "a ;b"; cat "a ;b"'
    grep -q '^noahv: p: 1 of the things that it used are not granted; comments there say which$' err || fail 'no line about it'
    grep -qx '# /: this wide folder was listed; a box shows what is granted in it' p || fail "$(cat p)"
    ! grep -q '^[^#]* / ' p || fail 'the root was granted'
}

# What a box needs is made in the box, whatever its links say.
cli_box_links() {
    mkdir sub elsewhere
    cp "$guest/cli/ends" sub/prog
    echo "symlink = $PWD/elsewhere $PWD/sub" > p
    want 3 '' noahv box --policy p "$PWD/sub/prog" exit 3
    [ -z "$(ls elsewhere)" ] || fail 'a box made something on the host'
}

# Files stay as they are if nothing ran, and have nothing of what was there before if something did.
cli_policy_learn_files() {
    echo old > p
    echo old > record
    refused 127 './none: no such file' noahv policy learn -o p --accesses record ./none
    [ "$(cat p record)" = 'old
old' ] || fail 'files of a program that did not run'
    for i in $(seq 99); do echo old old old old old old old old; done > p
    cp p record
    want 3 '' noahv policy learn -o p --accesses record "$guest/cli/ends" exit 3
    ! grep old p record || fail 'what was there before'
    grep -q '^# What' p && grep -q '"program"' record || fail 'the files'
    refused 125 'cannot write none/p: No such file' noahv policy learn -o none/p "$guest/cli/ends" exit 3
    refused 125 '--accesses x: only noahv policy learn writes accesses' noahv box --accesses x "$guest/cli/ends" exit 3
    refused 125 'no program given' noahv policy learn
    refused 125 "--overlay: a box that is learned from works on the host's own files" noahv policy learn --overlay over "$guest/cli/ends"
    echo 'overlay = over' > with
    refused 125 "with:1: a box that is learned from works on the host's own files" noahv policy learn --policy with "$guest/cli/ends"
    [ ! -e over ] || fail 'an overlay that nobody uses'
}

# What a program puts in the place of what it used does not lead a policy elsewhere.
once_policy_learn_swapped() {
    mkdir real
    echo secret > real/file
    run noahv policy learn -o p "$BB" sh -c "
        mkdir made; echo own > made/file; cat made/file; rm -r made; ln -s real made
        d=\$(mktemp -d); echo own > \$d/file; cat \$d/file; rm -r \$d; ln -s $PWD/real \$d; echo \$d"
    link=$(tail -n 1 out)
    [ "$(cat "$link/file")" = secret ] || fail 'the link does not lead there'
    rm "$link"
    ! grep -v '^#' p | grep "/real\|made/\|$link" && grep -qx 'tmpfs = /tmp' p || fail "$(cat p)"
}

# As many places as there may be, all of them single files; and the kinds that cost no descriptor.
once_box_places() {
    for place in '--ro-bind / /host' '--bind / /host' '--ro-bind /proc /host/proc'; do # the host's /proc is a box's
        # shellcheck disable=SC2086
        run noahv box $place "$BB" sh -c 'test ! -e /host/proc/1 && tr "\0" " " < /host/proc/self/cmdline'
        case $status:$(cat out) in "0:$BB sh "*) ;; *) fail "$place" ;; esac
    done
    echo text > file
    for i in $(seq 64); do echo "ro-bind = file /many/$i"; done > p
    printf '%s\n' 'dir = /empty/folder' 'symlink = ../many/64 /empty/link' 'absent = /etc' 'workdir = /empty' >> p
    want 0 '/empty
folder
link
text
64' noahv box --policy p "$BB" sh -c 'pwd; ls; cat link; ls /many | wc -l; cat /etc/none 2> /dev/null; rm -f /etc/none'
    [ ! -s err ] || fail 'a refusal that is not to be told'
    want 1 '' noahv box --policy p "$BB" sh -c 'mkdir folder/x || touch /etc/x || rm /empty/link || rmdir folder'
    want 0 / noahv box --policy p -w / "$BB" sh -c pwd
}

# Files of a root, a dynamic loader, an interpreter and a script, a variable.
once_policy_learn_root() {
    mkdir -p root/bin root/etc
    cp "$BB" root/bin/busybox
    ln -s busybox root/bin/sh
    echo 'one' > root/etc/one
    printf '#!/bin/sh\ncat /etc/one "$0"\n' > root/bin/script
    chmod +x root/bin/script
    run noahv policy learn -o p --root root -w / -e X=1 /bin/script
    [ "$status" = 0 ] && head -n 1 out | grep -qx one || fail 'a script of a root'
    grep -qx "ro-bind = $PWD/root/etc/one /etc/one" p && grep -qx 'symlink = busybox /bin/sh' p || fail "$(cat p)"
    grep -qxF '#   noahv box --policy p -e X=1 /bin/script' p || fail 'how to run it'
    cp out first
    want 0 "$(cat first)" noahv box --policy p /bin/script
    [ ! -s err ] || fail 'a refusal'
    # A name that this host has too, behind a link.
    run noahv policy learn -o p --accesses record --root root -w / /bin/sh -c 'echo "$0"'
    want 0 /bin/sh noahv box --policy p /bin/sh -c 'echo "$0"'
    want 0 '' noahv policy check p record
}

cli_policy_learn_network() {
    cat > prog.c << 'C'
#include <arpa/inet.h>
#include <stdio.h>
int main(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), one = 1, b, l;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(PORT);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    b = bind(s, (struct sockaddr *)&at, len);
    l = listen(s, 1);
    printf("%d %d ", b, l);
    printf("%d\n", connect(c, (struct sockaddr *)&at, len));
    return 0;
}
C
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    riscv64-linux-gnu-gcc -static -DPORT="$port" -o prog prog.c
    run noahv policy learn -o p --accesses record ./prog
    [ "$(cat out)" = '0 0 0' ] || fail 'the program could not listen and connect'
    [ "$(grep -v '^#' p | grep -c .)" = 3 ] && grep -qx 'net = policy' p && grep -qx "allow-connect = 127.0.0.1:$port" p &&
        grep -qx "allow-listen = 127.0.0.1:$port" p || fail "$(cat p)"
    want 0 '0 0 0' noahv box --policy p ./prog
    want 0 '' noahv policy check p record
    for line in connect listen; do
        grep -v "allow-$line" p > less
        run noahv policy check less record
        [ "$status" = 123 ] && grep -q "^noahv: refused .*127.0.0.1:$port): the address is not granted. To allow it: --allow-$line" err ||
            fail "the check does not miss $line"
    done
}

# One sentence, and what it says is so.
explained() {
    want_status=$1
    want_out=$2
    shift 2
    run noahv policy explain "$@"
    [ "$status" = "$want_status" ] && grep -qxF -- "$want_out" out && [ ! -s err ] || fail "expected $want_status '$want_out': $*"
}

cli_policy_explain() {
    printf '%s\n' '; a policy' "ro-bind = $PWD /data" 'tmpfs = /tmp' 'allow-connect = 10.0.0.0/8:80' 'symlink = /data /link' > p
    explained 0 "/data/x: allowed, line 2: ro-bind = $PWD /data" p openat /data/x
    explained 0 "/data/x: allowed, line 2: ro-bind = $PWD /data" p openat /link/../tmp/../data/./x
    explained 123 'refused write(/data/x): the place is read-only. To allow it: --bind /data/x /data/x' p write /data/x
    explained 123 'refused unlinkat(/data/x): the place is read-only. To allow it: --bind /data /data' p unlinkat /data/x
    explained 0 '/tmp/x: allowed, line 3: tmpfs = /tmp' p mkdirat /tmp/x
    explained 0 '/proc/self: allowed, every box has /proc' p newfstatat /proc/self
    explained 123 'refused openat(/etc/x): outside the box. To allow it: --ro-bind /etc/x /etc/x' p openat /etc/x
    explained 0 '10.1.2.3:80: allowed, line 4: allow-connect' p connect 10.1.2.3:80
    explained 123 'refused connect(10.1.2.3:81): the address is not granted. To allow it: --allow-connect 10.1.2.3:81' p connect 10.1.2.3:81
    explained 123 'refused listen([::1]:80): the address is not granted. To allow it: --allow-listen [::1]:80' p listen '[::1]:80'
    explained 123 'refused ptrace(): the call is not for a box' p ptrace
    refused 125 'opnat is no system call. Is it openat that is meant?' noahv policy explain p opnat /x
    refused 125 '"x" does not begin with /' noahv policy explain p openat x
    refused 125 'this is no line of JSON: ' noahv policy explain p '{"object":'
    refused 125 'it has no "object"' noahv policy explain p '{"syscall":"openat"}'
    refused 125 'no line on standard input' noahv policy explain p
    refused 125 'learn [OPTIONS] PROG, check FILE [RECORD], or explain' noahv policy
    # A refusal of a box, as it was told.
    run noahv box --policy p --report json "$guest/cli/ends" open /etc/x
    printf '{"rule":"files","syscall":"openat","object":"/\\u00e9","cause":"outside the box","remedy":""}\n' > refusal
    printf '%s\n' 'bind = /x /data' 'tmpfs = /tmp' 'overlay = over' > over.p
    explained 0 '/data/x: allowed, line 1: bind = /x /data, in the overlay over' over.p write /data/x
    explained 0 '/x: allowed, every box has its own root, in the overlay over' over.p mkdirat /x
    explained 0 '/data/x: allowed, line 1: bind = /x /data' over.p openat /data/x
    explained 0 '/tmp/x: allowed, line 2: tmpfs = /tmp' over.p mkdirat /tmp/x
    explained 123 "$(printf 'refused openat(/\351): outside the box. To allow it: --ro-bind /\351 /\351')" p "$(cat refusal)"
    run sh -c '"$1" policy explain p < refusal' sh "$NOAHV"
    [ "$status" = 123 ] || fail 'a refusal from standard input'
}

# Names are looked up once, by the host's getent: all addresses that it tells of.
cli_policy_host_names() {
    cat > getent << 'S'
#!/bin/sh
echo "$*" >> asked
[ "$2" = known.example ] || exit 2
printf '%s\n' '192.0.2.7       STREAM known.example' '192.0.2.7       DGRAM' '2001:db8::7     STREAM' 'fe80::7%eth0    STREAM'
S
    chmod +x getent
    PATH=$PWD:$PATH
    printf 'memory = 1M\nallow-connect = known.example:443\n' > p
    want 0 '' noahv policy check p
    [ ! -e asked ] || fail 'a check alone needs no addresses'
    explained 0 '192.0.2.7:443: allowed, line 2: allow-connect' p connect 192.0.2.7:443
    [ "$(cat asked)" = 'ahosts known.example' ] || fail 'one question'
    explained 0 '[2001:db8::7]:443: allowed, line 2: allow-connect' p connect '[2001:db8::7]:443'
    explained 123 'refused connect(192.0.2.7:80): the address is not granted. To allow it: --allow-connect 192.0.2.7:80' p connect 192.0.2.7:80
    # In a box there is the rule alone: what is not granted is refused, what is not is the host's to answer.
    cat > prog.c << 'C'
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(443) };
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    inet_pton(AF_INET, argv[argc - 1], &at.sin_addr);
    puts(connect(s, (struct sockaddr *)&at, sizeof at) && errno == EACCES ? "refused" : "asked the host");
    return 0;
}
C
    riscv64-linux-gnu-gcc -static -o prog prog.c
    want 0 'asked the host' noahv box --allow-connect known.example:443 ./prog 192.0.2.7
    want 0 refused noahv box --allow-connect known.example:443 ./prog 192.0.2.8
    refused 125 'unknown.example: this host knows no address of that name' noahv box --allow-connect unknown.example:1 "$guest/cli/ends"
    refused 125 '"under_score:1" is no address' noahv box --allow-connect under_score:1 "$guest/cli/ends"
    refused 125 '"1.2.3.400:1" is no address' noahv box --allow-connect 1.2.3.400:1 "$guest/cli/ends"
    refused 125 '"-x.example:1" is no address' noahv box --allow-connect -x.example:1 "$guest/cli/ends"
    rm getent
    refused 125 'cannot look up known.example with getent: No such file' env "PATH=$PWD" "$NOAHV" box --allow-connect known.example:1 ./prog
}

cli_policy_check_records() {
    : > p
    printf '{"access":"read","syscall":"openat","object":"/x"}\n' > record
    want 123 '' noahv policy check p record
    [ "$(cat err)" = 'noahv: refused openat(/x): outside the box. To allow it: --ro-bind /x /x' ] || fail 'the refusal'
    refused 125 'none: No such file' noahv policy check p none
    printf '{"access":"read","object":"/x"}\n{"access":"reed","object":"/x"}\n' > record
    refused 125 'record:2: "reed" is no access' noahv policy check p record
    printf '{"access":"read","object":"/x"}\0\n' > record
    refused 125 'record:1: this is no line of JSON' noahv policy check p record
    printf '{"access":"read","object":"\\u20ac"}\n' > record
    refused 125 'record:1: its names are no bytes' noahv policy check p record
}

# It only writes; built without a C library it asks for two calls, and noahv for few of its own.
cli_audit_hello() {
    printf '%s\n' '.globl _start' '_start: li a0, 1' 'la a1, hi' 'li a2, 3' 'li a7, 64' ecall 'li a7, 93' ecall \
        'hi: .ascii "hi\n"' > prog.S
    riscv64-linux-gnu-gcc -nostdlib -static -o prog prog.S
    want 3 hi noahv audit --max 9 ./prog
    grep -q '^noahv: audit: [3-9] distinct host system calls after the lock-down; the filter allows 2[0-9][0-9]$' err ||
        fail 'the number of calls'
    grep -q '^noahv: audit:  *1 write$' err && grep -q '^noahv: audit:  *1 exit_group$' err || fail 'the calls'
    ! grep -qE ' (seccomp|dup|close|openat|prctl|socket|[?])$' err || fail 'calls of the lock-down were counted'
    want 123 hi noahv audit --max 2 ./prog
    grep -q '^noahv: [3-9] distinct host system calls are more than --max 2. To allow more: --max [3-9]$' err ||
        fail 'no line about --max'
    want 123 hi noahv audit --output-limit 99 --max 0 ./prog
}

# One of the GNU C library, which asks about itself and the stack, and for memory and random bytes.
cli_audit_library() {
    echo 'int main(void) { return puts("hello") < 0; }' > prog.c
    riscv64-linux-gnu-gcc -include stdio.h -static -o prog prog.c
    want 0 hello noahv audit --max 9 ./prog
    echo 'int main(void) { char b[99] = ""; readlink("/proc/self/exe", b, 98); return puts(b) < 0; }' > prog.c
    riscv64-linux-gnu-gcc -include stdio.h -include unistd.h -static -o prog prog.c
    want 0 "$PWD/prog" noahv audit --max 9 ./prog
}

# What children and threads call is counted, too; the listener is no descriptor of the guest's.
cli_audit_children() {
    riscv64-linux-gnu-gcc -static -pthread -o prog -x c - << 'C'
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
static void *thread(void *arg)
{
    for (int i = 0; i < 5; i++)
        getpriority(PRIO_PROCESS, 0);
    return arg;
}
int main(void)
{
    pthread_t t;
    int status = 0;

    if (fork() == 0) {
        for (int i = 0; i < 7; i++)
            sched_get_priority_max(SCHED_FIFO);
        _exit(dup(1));
    }
    wait(&status);
    if (pthread_create(&t, NULL, thread, NULL) || pthread_join(t, NULL) || WEXITSTATUS(status) != 3)
        return 1;
    kill(getpid(), SIGTERM);
    return 2;
}
C
    want 143 '' noahv audit ./prog
    grep -q '^noahv: audit:  *7 sched_get_priority_max$' err || fail 'the calls of a child'
    grep -q '^noahv: audit:  *5 getpriority$' err || fail 'the calls of a thread'
}

cli_audit_usage() {
    refused 125 '--max: "1x" is not a number from 0 to 1024' noahv audit --max 1x prog
    refused 125 '--max: "-1" is not a number' noahv audit --max -1 prog
    refused 125 '--max 3: only noahv audit counts calls' noahv box --max 3 prog
    run noahv audit ./none
    [ "$status" = 127 ] && grep -q '^noahv: ./none: no such file' err || fail 'an audit of nothing'
}

cli_box_usage() {
    refused 125 '--memory: "x" is no size. Like this: 256M' noahv box --memory x prog
    refused 125 '-v: "a" is not SRC:DST or SRC:DST:ro' noahv box -v a prog
    refused 125 '"b" is no place in the box' noahv box --bind a b prog
    refused 125 '"a_b:80" is no address' noahv box --allow-connect a_b:80 prog
    refused 125 'is none of errno, kill and log' noahv box --on-deny x prog
    refused 125 '"seccmp" is no layer: is it seccomp that is meant?' noahv box --require seccmp prog
    refused 125 'cannot give the box ./none: No such file' noahv box -v ./none:/x "$guest/cli/ends"
    refused 125 'cannot start in /none of the box' noahv box -w /none "$guest/cli/ends"
    refused 127 './none: no such file' noahv box ./none
}

# --- Under a terminal -----------------------------------------------------------------------------------------

# Types into a terminal that tmux keeps, and waits for what must appear; see EXTENDED-REGEX.
key() {
    tmux send-keys -t 0 "$@"
}

on_screen() {
    tmux capture-pane -p -t 0 > screen && grep -qE -- "$1" screen
}

see() {
    until_true on_screen "$1" || { echo "not on the screen: $1"; cat screen; exit 1; }
}

terminal() {
    unset TMUX
    TMUX_TMPDIR=$(mktemp -d)
    export TMUX_TMPDIR
    trap 'tmux kill-server > log 2>&1 || :; rm -rf "$TMUX_TMPDIR"' EXIT
    # shellcheck disable=SC2086
    tmux -f /dev/null new-session -d -x 80 -y 24 env -i TERM=screen PS1='@ ' BB="$BB" "$@"
}

prompted() {
    on_screen . && [ "$(grep . screen | tail -n 1)" = @ ]
}

# A line for the shell, once it waits for one. Not on the screen's first line: there the terminal's answer to
# busybox, which asks for the cursor's place, looks like a key, and what is typed then would be lost.
line() {
    until_true prompted || { echo 'no prompt'; cat screen; exit 1; }
    key "$1" Enter
}

# The shell under the terminal has a job in the state that a pattern says.
reports() {
    line jobs
    on_screen "$1"
}

# The text that is waited for never stands in what is typed. No cat in a pipeline: its sendfile from a terminal
# to a pipe stays behind, natively too.
tty_job_control() {
    # shellcheck disable=SC2086
    terminal "$NOAHV" $engine "$BB" sh -i
    line 'echo a$((6 * 7))z'
    see '^a42z'
    line '"$BB" sh -c "echo up\$((1 + 1)); exec sleep 1000"'
    see '^up2'
    key C-c
    line 'echo status$?'
    see '^status130'
    line rev
    key 'one' Enter
    see '^eno'
    key C-z
    see 'Stopped'
    line 'fg; echo end$?'
    key 'two' Enter
    see '^owt'
    key C-d
    see '^end0'
    line 'sleep 1000 & kill -9 %1; wait %1; echo gone$?'
    see '^gone137'
    line 'cat &'
    until_true reports '[(]tty input[)] *cat'
    line 'kill -9 %1; wait %1'
    line '"$BB" sh -c "echo in\$((1 + 1)); while read -r x; do echo \$x; done" | rev'
    see '^2ni'
    key C-z
    see 'Stopped.*echo in'
    line fg
    key 'three' Enter
    see '^eerht'
    key C-c
    line 'echo over$?'
    see '^over130'
    line 'exit 3'
    until_true sh -c '! tmux list-sessions' > log 2>&1
}

tty_window_size() {
    # shellcheck disable=SC2086
    terminal "$NOAHV" $engine "$BB" sh -c 'trap "$BB stty size" WINCH; "$BB" stty size
        i=0; while [ $i -lt 1000 ]; do "$BB" sleep 0.1; i=$((i + 1)); done'
    see '^24 80'
    tmux resize-window -t 0 -x 100 -y 30
    see '^30 100'
}

tty_editor() {
    printf 'first\nsecond\nthird\n' > file
    # shellcheck disable=SC2086
    terminal "$NOAHV" $engine "$BB" sh -c 'cd "$1"; "$BB" vi file; "$BB" cat -n file; "$BB" sleep 1000' sh "$PWD"
    see '^- file 1/3'
    key j 'A' ' edited'
    see '^second edited'
    key Escape
    see '^- file \[Modified\]'
    key 'ddp:wq' Enter
    see '2 +third'
    printf 'first\nthird\nsecond edited\n' | cmp - file
}

# --- The runner -------------------------------------------------------------------------------------------------

one() {
    name=$1
    engine=$2
    dir=$work/$name$engine
    mkdir -p "$dir"
    (
        cd "$dir" || exit 1
        : > out
        : > err
        set -e
        "$name"
    ) > "$dir.log" 2>&1
    if [ $? = 0 ]; then
        echo passed
        sed -n 's/^SKIPPED: /cli: skipped: /p' "$dir.log"
    else
        echo failed
        echo "FAIL $name${engine:+ ($engine)}"
        head -n 40 "$dir.log"
    fi
}

if [ "$1" = --one ]; then
    exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- # make's
    one "${2%,*}" "${2#*,}"
    exit 0
fi

NOAHV=$1
shift
case $NOAHV in
/*) ;;
*/*) NOAHV=$here/$NOAHV ;;
esac
CLI_WORK=$work
export NOAHV CLI_WORK
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
kinds='cli job once tty'
if ! scripts/debian-root.sh --only build/debian/root busybox-static; then
    echo "cli: skipping what needs Debian's riscv64 busybox: it cannot be fetched (see build/debian/apt-riscv64/log)"
    kinds=cli
elif ! command -v tmux > "$work/tmux"; then
    echo 'cli: skipping what needs a terminal: there is no tmux'
    kinds='cli job once'
fi

# NAME,ENGINE for each test that there is.
list() {
    for kind in $kinds; do
        for name in $(sed -n "s/^\(${kind}_[a-z_]*\)() {\$/\1/p" "$0"); do
            case $kind in
            job) for engine in ${ENGINES:-""}; do echo "$name,$engine"; done ;;
            *) echo "$name," ;;
            esac
        done
    done
}

if [ $# = 0 ]; then list; else printf '%s\n' "$@"; fi |
    xargs -P "$(nproc)" -I TEST "$0" --one TEST | tee "$work/all" | grep -v '^passed$\|^failed$'
passed=$(grep -c '^passed$' "$work/all")
failed=$(grep -c '^failed$' "$work/all")
echo "cli: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
