#!/bin/bash
# Programs of Debian's riscv64 in a root of their own, each with a result that is checked: run-real.sh NOAHV
# [NAME...] runs the tests below, all or some. REAL=all adds those of all_, whose packages are large.
#
# A test is a function, run in an empty folder of its own; it passes if no command in it fails. `guest` runs a
# program of the root; most tests know the answer, some ask the host's own program for it.
set -u
unset MAKEFLAGS MFLAGS MAKELEVEL # those of the make that runs this are not for make under test

here=$PWD
work=${REAL_WORK:-$here/build/real.$$}
root=$here/build/debian/trixie

packages='bash dash coreutils findutils diffutils grep sed gawk tar gzip bzip2 xz-utils zstd make patch sqlite3
    git perl python3 jq bc openssl file util-linux procps'
packages_all='gcc g++ redis-server nginx-light nodejs golang-go openjdk-21-jdk-headless stress-ng'

guest() {
    "$NOAHV" -r "$root" -E PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@"
}

# In the background, $! being the guest's own process.
start() {
    exec "$NOAHV" -r "$root" -E PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@"
}

# want TEXT COMMAND...: it prints this and nothing else.
want() {
    text=$1
    shift
    "$@" > out 2> err < "${input:-/dev/null}" || { status=$?; echo "status $status: $*"; cat out err; return 1; }
    [ "$(cat out)" = "$text" ] || { echo "expected '$text': $*"; cat out err; return 1; }
}

# same SCRIPT: the host's bash and the guest's print the same.
same() {
    mkdir host guest
    (cd host && bash -c "$1" bash "$here" > ../host.out 2> ../host.err < /dev/null)
    (cd guest && guest bash -c "$1" bash "$here" > ../guest.out 2> ../guest.err < /dev/null)
    [ -s host.out ] || { cat host.err; return 1; }
    diff -a host.out guest.out || { cat guest.err; return 1; }
    rm -rf host guest
}

# --- Shell and tools ------------------------------------------------------------------------------------------

real_bash() {
    same 'declare -A a=([x]=1 [y]=2); echo "${a[x]}${a[y]} ${#a[@]}"
        for ((i = 0, s = 0; i < 100; i++)); do ((s += i * i)); done; echo $s
        read -r one two < <(echo 1 2 3); echo "$two"
        diff <(seq 3) <(seq 2 4)
        f() { local x=$1; ((x < 2)) && { echo "$x"; return; }; echo $(($(f $((x - 1))) + $(f $((x - 2))))); }; f 7
        trap "echo term" TERM; kill -TERM $$; trap "echo bye" EXIT
        (exit 3) | cat; echo "${PIPESTATUS[0]} $?"; sleep 0 & wait $!; echo $?
        [[ "abc 123" =~ ([a-z]+)\ ([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
        printf "%05.2f %q\n" 3.14159 "a b"; cat <<< "${BASH##*/} $(type -t cd)"; (kill -9 $BASHPID); echo $?
        mapfile -t lines < <(seq 5); echo "${lines[@]:1:3}"; coproc cat; echo x >&"${COPROC[1]}"
        read -r y <&"${COPROC[0]}"; echo "$y"; exec 5<> /dev/null; echo ok >&5; ulimit -n; umask'
}

real_coreutils() {
    same 'export LC_ALL=C; seq 1000 | sort -r | md5sum; seq 20 | shuf --random-source=<(yes) | sha256sum
        mkdir -p d/e; for i in 1 2 3; do echo $i > d/e/f$i; done; cp -a d c; mv c/e/f1 c/e/f9; ls -R c; ln -s e/f2 d/l
        ln d/e/f3 d/h; stat -c "%h %F %a %s %N" d/h d/l d; touch -d "2001-02-03 04:05:06 UTC" d/h; date -u -r d/h
        join <(printf "a 1\nb 2\n") <(printf "a x\nb y\n"); paste -d, <(seq 3) <(seq 4 6); seq 10 | split -l 4; ls
        od -An -tx1 <<< hello; base64 <<< "some text" | base64 -d; echo 3 1 2 | tr " " "\n" | sort -n | tac
        expr 6 \* 7; factor 1234567890; head -c 100000 /dev/zero | wc -c; chmod 640 d/h; ls -l d/h | cut -c1-10
        test -x /bin/ls && echo x; readlink -f d/l | tail -c 8; realpath --relative-to=d d/e/f2; dd if=/dev/zero bs=1k \
        count=3 2> /dev/null | sha1sum; rm -r d c; ls; printf "%s\n" b a c | comm -13 - <(echo c); numfmt --to=iec 1048576
        mkfifo p; cat p & echo through > p; wait; env -i A=1 env; nice -n 5 nice; timeout 0.1 sleep 9; echo $?; nproc
        truncate -s 1M s; du -B1 --apparent-size s; mktemp -u XX | wc -c; tee t < <(echo t); cmp s t; echo $?'
}

real_text() {
    same 'cd "$1"; grep -rn "include <errno" src | sort | head -n 40; grep -c "[[:digit:]]\{3\}" README.md; find src \
        -name "*.h" -size -2k | sort; find . -path ./build -prune -o -path ./.git -prune -o \
        -name "*.def" -print | sort; sed -n "s/^struct \([a-z_]*\).*/\1/p" syscalls/*.h | sort -u | tail -n 20
        sed -e "/^#/d;y/abc/xyz/;1!G;h;\$!d" tests/layers; find syscalls -name "p*.c" -exec wc -c {} + | tail -n 3
        find src -type f -print0 | xargs -0 -n 8 -P 2 cat | wc -l; diff -u loader/elf.c loader/stack.c | head -n 30'
    want '14 a=1,b=2 3.14 GNU' guest gawk 'BEGIN { for (i = 1; i < 4; i++) s += i * i; x["b"] = 2; x["a"] = 1
        n = asorti(x, k); t = k[1] "=" x[k[1]] "," k[2] "=" x[k[2]]; printf "%d %s %.2f ", s, t, atan2(0, -1)
        print substr(PROCINFO["version"] ? "GNU" : "", 1) }'
}

real_archives() {
    cp -r "$here/loader" "$here/docs" .
    for option in z j J --zstd; do
        case $option in --*) ;; *) option=-$option ;; esac
        guest tar -c $option -f a.tar loader docs
        mkdir x
        guest tar -x -f a.tar -C x
        diff -r loader x/loader && diff -r docs x/docs
        rm -r x
    done
    guest tar -c -f a.tar docs
    tar -d -f a.tar
    want 'a.tar: POSIX tar archive (GNU)' guest file a.tar
    seq 200000 > data
    guest xz -9e -T2 -k data && xz -d < data.xz | cmp - data
    gzip -9 < data | guest gzip -d | cmp - data
    guest bash -c 'bzip2 < data | bzip2 -d | zstd -19 | zstd -d | sha256sum' > sum
    sha256sum < data | cmp - sum
}

real_make() {
    cat > Makefile << 'MAKE'
SHELL := /bin/bash
all: $(addprefix o/,$(shell seq 12)); @cat $(sort $^) | sha1sum; echo '$(words $^) $(shell echo made)'
o/%: | o; @for i in {1..20}; do echo "$* $$i"; done > $@
o: ; @mkdir $@
MAKE
    want "$(for i in 1 10 11 12 2 3 4 5 6 7 8 9; do for k in $(seq 20); do echo "$i $k"; done; done | sha1sum)
12 made" guest make -s -j4
    want "make: 'o/3' is up to date." guest make o/3
}

real_patch() {
    printf 'a\nb\nc\n' > f
    printf -- '--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n' > p
    input=p want 'patching file f' guest patch
    want 'a B c' guest bash -c 'echo $(< f)'
}

# --- Databases, version control, calculators --------------------------------------------------------------------

real_sqlite() {
    guest sqlite3 db > mode 'PRAGMA journal_mode = WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); BEGIN;
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000)
        INSERT INTO t SELECT x, hex(x * 7919 % 65536) FROM c; COMMIT; CREATE INDEX i ON t(b);'
    want wal cat mode
    for i in 1 2 3 4; do
        guest sqlite3 -cmd '.timeout 20000' db "UPDATE t SET b = b || '$i' WHERE a % 4 = $i - 1" &
        writers="${writers:-} $!"
    done
    # shellcheck disable=SC2086  # a list
    for writer in $writers; do wait $writer; done
    want 'ok
20000|20000|200010000' guest sqlite3 db "PRAGMA integrity_check; SELECT count(*), sum(length(b) - length(rtrim(b, '1234'))
        > 0), sum(a) FROM t"
}

real_git() {
    cat > script << 'GIT'
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@d GIT_AUTHOR_DATE='1000000000 +0000'
export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
git init -q -b main repo && cd repo
for i in $(seq 30); do echo "line $i" >> file; echo $i > f$i; done
git add . && git commit -qm first && git checkout -qb side && echo side >> file && git commit -qam second
git checkout -q main && echo x > g && git add g && git commit -qm third && git merge -q side -m merged
git gc -q --aggressive && git fsck --strict 2>&1 && git log --oneline --graph && git rev-parse HEAD 'HEAD^{tree}'
git clone -q . ../clone && cd ../clone && git rebase -q HEAD~1 && git diff --stat HEAD~1 && git show --stat
git bundle create -q ../b HEAD && git ls-remote ../b | cut -f1 && git archive HEAD | sha256sum && git blame -s file | tail -n 2
GIT
    same "$(cat script)"
}

real_bc() {
    input=/dev/stdin want "$(printf '%s' 3.14159265358979323846264338327950288419716939937508)" guest bc -l <<- BC
		scale=50
		4*a(1)
	BC
    want '10 [2,4]' guest jq -rn '[range(5)] | "\(add) \(map(select(. % 2 == 0 and . > 0)) | tojson)"'
}

real_openssl() {
    head -c 100000 /dev/urandom > data
    guest openssl genrsa -out key 2048 2> err
    guest openssl rsa -in key -pubout -out pub 2> err
    guest openssl dgst -sha256 -sign key -out sig data
    want 'Verified OK' guest openssl dgst -sha256 -verify pub -signature sig data
    guest openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in data -out enc
    guest openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:x -in enc | cmp - data
    for sum in sha1 sha256 sha512 md5; do
        guest openssl dgst -$sum -r data | cut -d' ' -f1 > got
        ${sum}sum data | cut -d' ' -f1 | cmp - got
    done
}

# --- Languages ---------------------------------------------------------------------------------------------------

real_perl() {
    cat > p.pl << 'PERL'
use strict; use warnings; use POSIX qw(strftime floor); use IO::Socket::INET; use List::Util qw(sum shuffle);
my %h = map { $_ => $_ ** 2 } 1 .. 9; print join(",", map { "$_=$h{$_}" } sort keys %h), "\n";
my $t = "the quick brown fox"; (my $u = $t) =~ s/(\w+)/\u$1/g; print "$u ", scalar(() = $t =~ /o/g), "\n";
print strftime("%F %T", gmtime 1e9), " ", sum(shuffle 1 .. 100), " ", unpack("H*", pack "nNw", 1, 2, 300), "\n";
my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die; my $pid = fork;
if (!$pid) { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport); print $c "hi\n"; exit 4 }
print $s->accept->getline; waitpid $pid, 0; print $? >> 8, " ", `echo sub; exit 2`, $? >> 8, "\n";
eval { local $SIG{ALRM} = sub { die "late\n" }; alarm 1; select undef, undef, undef, 20 }; print $@;
open my $p, "-|", "sort", "-r", $0 or die; my @l = <$p>; print scalar @l, "\n"; printf "%.10g %s\n", exp 1, 2 ** 70;
PERL
    want '1=1,2=4,3=9,4=16,5=25,6=36,7=49,8=64,9=81
The Quick Brown Fox 2
2001-09-09 01:46:40 5050 000100000002822c
hi
4 sub
2
late
9
2.718281828 1.18059162071741e+21' guest perl p.pl
}

real_python() {
    cat > p.py << 'PYTHON'
import asyncio, ctypes, hashlib, json, multiprocessing, os, queue, re, signal, socket, sqlite3, subprocess, sys
import tempfile, threading, zlib

def square(x):
    return x * x

def threads():
    done, lock = queue.Queue(), threading.Lock()
    def work(n):
        with lock:
            done.put(sum(i * n for i in range(5000)))
    all = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [t.start() for t in all]
    [t.join() for t in all]
    return sum(done.get() for _ in all)

async def tasks():
    async def one(n):
        await asyncio.sleep(0.001 * n)
        return n
    cat = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    return await asyncio.gather(*(one(n) for n in range(5))), await cat.communicate(b"through cat")

def compare(a, b):
    return a[0] - b[0]

if __name__ == "__main__":
    print(hashlib.sha256(b"x" * 1000).hexdigest()[:16], zlib.crc32(b"noahv"), pow(3, 10 ** 5, 10 ** 9 + 7))
    print(json.dumps({"a": [1, 2.5, None]}), re.sub(r"(\w)(\w)", r"\2\1", "abcdef"), f"{2 ** 0.5:.15f}")
    print(threads(), asyncio.run(tasks()))
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(6)))
    print(subprocess.run(["bash", "-c", "echo $0; exit 3"], capture_output=True).returncode)
    order = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    ctypes.CDLL(None).qsort(order, 5, 4, kind(compare))
    print(list(order), sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
    with tempfile.TemporaryDirectory() as folder:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(folder + "/s")
        listener.listen()
        client = socket.socket(socket.AF_UNIX)
        client.connect(folder + "/s")
        print(listener.accept()[0].send(b"abc"), client.recv(9), os.listdir(folder))
    signal.signal(signal.SIGUSR1, lambda *_: print("signal"))
    os.kill(os.getpid(), signal.SIGUSR1)
    print(sys.executable, os.uname().machine)
PYTHON
    want '44f8354494a5ba03 3727838677 916902199
{"a": [1, 2.5, null]} badcfe 1.414213562373095
349930000 ([0, 1, 2, 3, 4], (b'"'through cat'"', None))
[0, 1, 4, 9, 16, 25]
3
[1, 2, 3, 4, 5] (42,)
3 b'"'abc'"' ['"'s'"']
signal
/usr/bin/python3 riscv64' guest python3 p.py
}

real_ssl() {
    guest openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost 2> err
    cat > s.py << 'PYTHON'
import hashlib, os, socket, ssl, threading

data = os.urandom(300000)
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("cert", "key")
listener = socket.create_server(("127.0.0.1", 0))

def serve():
    for _ in range(4):
        with server.wrap_socket(listener.accept()[0], server_side=True) as s:
            s.sendall(data)

thread = threading.Thread(target=serve)
thread.start()
client = ssl.create_default_context(cafile="cert")
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) * 2:
    client.minimum_version = client.maximum_version = version
    with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as s:
        spoken = s.version()
        got = b"".join(iter(lambda: s.recv(65536), b""))
        print(spoken, got == data)
thread.join()
PYTHON
    want 'TLSv1.2 True
TLSv1.3 True
TLSv1.2 True
TLSv1.3 True' guest python3 s.py
}

# --- Compilers, servers, virtual machines: REAL=all ----------------------------------------------------------------

all_gcc() {
    cat > c.c << 'C'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void *run(void *x) { return x; }
int main(int argc, char **argv)
{
    pthread_t t;
    void *got;

    pthread_create(&t, NULL, run, argv);
    pthread_join(t, &got);
    printf("%.6f %d %d\n", sqrt(argc + 1), got == (void *)argv, __riscv_xlen);
    return 0;
}
C
    cat > cc.cc << 'CC'
#include <iostream>
#include <map>
#include <regex>
#include <stdexcept>
#include <thread>
int main()
{
    std::map<std::string, int> m{ { "a", 1 }, { "b", 2 } };
    int sum = 0;

    for (auto &[k, v] : m)
        sum += v;
    try {
        throw std::runtime_error("thrown");
    } catch (std::exception &e) {
        std::cout << e.what() << ' ' << sum << '\n';
    }
    std::thread([] { std::cout << "thread\n"; }).join();
    std::cout << std::regex_replace("abc", std::regex("[b]"), "X") << '\n';
}
CC
    printf 'int twice(int x) { return 2 * x; }\n' > lib.c
    printf 'int twice(int); int main(void) { return twice(21); }\n' > uses.c
    for flags in -O0 -O2 '-O2 -flto -static' '-O1 -g -fsanitize=undefined'; do
        # shellcheck disable=SC2086  # words
        guest gcc $flags c.c -o c -lm
        want '1.414214 1 64' guest ./c
    done
    guest g++ -O1 cc.cc -o cc
    want 'thrown 3
thread
aXc' guest ./cc
    guest gcc -shared -fPIC lib.c -o libtwice.so
    guest gcc uses.c -o uses -L. -ltwice -Wl,-rpath,"\$ORIGIN"
    status=0
    guest ./uses || status=$?
    want 42 echo $status
    want 'ELF 64-bit LSB shared object, UCB RISC-V' guest bash -c 'file -b libtwice.so | cut -d, -f1,2'
}

all_redis() {
    socket=$PWD/s
    port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
    start redis-server --port $port --bind 127.0.0.1 --unixsocket "$socket" --dir "$PWD" --appendonly yes --io-threads 2 > log &
    server=$!
    until [ -S "$socket" ]; do kill -0 $server; sleep 0.1; done
    redis() { guest redis-cli -s "$socket" "$@"; }
    want '42' redis --raw eval 'return 6 * tonumber(ARGV[1])' 0 7
    want 'OK' redis set key value
    redis -r 20 rpush list x > out
    want '20' redis --raw llen list
    redis bgsave > out
    guest redis-benchmark -p $port -n 2000 -c 10 -t set,get,incr,lpush -q > out
    kill -TERM $server
    wait $server
    start redis-server --port 0 --unixsocket "$socket" --dir "$PWD" --appendonly yes > log2 &
    server=$!
    until redis ping > out 2> err && grep -q PONG out; do kill -0 $server; sleep 0.1; done
    want 'value' redis --raw get key
    redis shutdown nosave
    wait $server
}

all_nginx() {
    mkdir html logs
    head -c 3000000 /dev/urandom > html/data
    port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
    cat > conf <<- NGINX
		worker_processes 2; daemon off; pid $PWD/pid; error_log $PWD/logs/error.log; user $(id -un) $(id -gn);
		events { worker_connections 64; }
		http { access_log off; sendfile on; aio threads; gzip on; gzip_types *; client_body_temp_path $PWD/t1;
		proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
		server { listen 127.0.0.1:$port; root $PWD/html; location /r { return 200 "uri \$uri\n"; } } }
	NGINX
    guest nginx -t -c "$PWD/conf" 2> err
    start nginx -c "$PWD/conf" 2> err &
    server=$!
    until [ -s pid ]; do kill -0 $server; sleep 0.1; done
    fetch() { guest python3 -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())' "$1"; }
    until fetch "http://127.0.0.1:$port/r/x" > page 2> err; do kill -0 $server; done
    want 'uri /r/x' cat page
    for i in 1 2 3 4; do fetch "http://127.0.0.1:$port/data" | cmp - html/data; done
    kill -HUP $server
    fetch "http://127.0.0.1:$port/data" | cmp - html/data
    kill -QUIT $server
    wait $server
}

all_node() {
    cat > n.js << 'NODE'
const { Worker, isMainThread, parentPort } = require('worker_threads');
const fs = require('fs'), http = require('http'), child = require('child_process'), zlib = require('zlib');
const add = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97,
    100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);

function hot(n) { let s = 0; for (let i = 0; i < n; i++) s = (s + i * i) % 1000003; return s; }

async function main() {
    const work = () => new Promise(done => new Worker(__filename).on('message', done));
    console.log(await Promise.all([work(), work()]), hot(1e6));
    fs.writeFileSync('x', 'data');
    console.log(fs.readFileSync('x', 'utf8'), child.execFileSync('bash', ['-c', 'echo sub']).toString().trim());
    const server = http.createServer((q, r) => r.end('got ' + q.url)).listen(0);
    await new Promise(done => server.once('listening', done));
    console.log(await (await fetch(`http://127.0.0.1:${server.address().port}/a`)).text());
    server.close();
    console.log(zlib.gunzipSync(zlib.gzipSync('abc')).toString(), 2n ** 70n, /(\d+)/.exec('a12')[1]);
    console.log((await WebAssembly.instantiate(add)).instance.exports.add(2, 40));
    process.on('SIGUSR2', () => process.exit(7));
    setInterval(() => {}, 1000);
    process.kill(process.pid, 'SIGUSR2');
}

if (isMainThread) main(); else parentPort.postMessage(hot(1e6));
NODE
    want '[ 999989, 999989 ] 999989
data sub
got /a
abc 1180591620717411303424n 12
42
status 7' guest bash -c 'node n.js; echo status $?'
}

all_java() {
    java=/usr/lib/jvm/java-21-openjdk-riscv64/bin
    cat > H.java << 'JAVA'
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class H {
    record Pair(int a, String b) {}

    static int deeper(int n) { return deeper(n + 1) + 1; }

    public static void main(String[] args) throws Exception {
        System.out.println(IntStream.range(0, 1000000).parallel().mapToLong(x -> x * (long) x).sum());
        var pool = Executors.newFixedThreadPool(4);
        var results = new ArrayList<Future<Integer>>();
        for (int i = 0; i < 8; i++) {
            int k = i;
            results.add(pool.submit(() -> k * k));
        }
        int sum = 0;
        for (var f : results)
            sum += f.get();
        pool.shutdown();
        System.out.println(sum + " " + new Pair(1, "x"));
        try {
            Object o = null;
            o.hashCode();
        } catch (NullPointerException e) {
            System.out.println("null");
        }
        try {
            deeper(0);
        } catch (StackOverflowError e) {
            System.out.println("deep");
        }
        try (var virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            System.out.println(virtual.submit(() -> "virtual").get());
        }
        for (int i = 0; i < 50; i++)
            IntStream.range(0, 100).mapToObj(n -> new byte[100000]).toList();
        System.gc();
        System.out.println(System.getProperty("os.arch"));
    }
}
JAVA
    guest $java/java -version 2> version
    grep -q '^openjdk version "21' version
    guest $java/javac H.java
    want '333332833333500000
140 Pair[a=1, b=x]
null
deep
virtual
riscv64' guest $java/java H
}

all_go() {
    cat > main.go << 'GO'
package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	c := make(chan int, 10)
	for i := 0; i < 100; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); c <- i * i }()
	}
	go func() { wg.Wait(); close(c) }()
	sum := 0
	for v := range c {
		sum += v
	}
	fmt.Println(runtime.GOARCH, sum)
	out, err := exec.Command("bash", "-c", "echo sub; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", out, err)
	func() {
		defer func() { fmt.Println(recover()) }()
		var p *int
		fmt.Println(*p)
	}()
	for i := 0; i < 20; i++ {
		_ = make([]byte, 1<<20)
		runtime.GC()
	}
	stop := false
	go func() {
		for !stop { // nothing to yield at: it is preempted by a signal
		}
	}()
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	fmt.Println("done")
}
GO
    printf 'module x\n\ngo 1.24\n' > go.mod
    guest -E HOME="$PWD" -E GOCACHE="$PWD/cache" -E GOFLAGS=-mod=mod /usr/lib/go-1.24/bin/go build -o prog . 2>&1
    want 'riscv64 328350
"sub\n" exit status 3
runtime error: invalid memory address or nil pointer dereference
done' guest ./prog
}

# Those that look at what they did, and need neither privileges nor much memory, one after the other.
all_stress() {
    with=access,affinity,aio,atomic,branch,bsearch,chdir,chmod,chown,clock,close,context,copy-file,cpu,dentry,dir,dup,epoll
    with=$with,eventfd,exec,fcntl,fifo,file-ioctl,flock,fp,fstat,funccall,futex,get,getdent,getrandom,goto,hash,heapsort
    with=$with,hsearch,icache,inotify,io,itimer,jpeg,kill,lease,link,lockf,longjmp,madvise,malloc,matrix,memcpy,memfd,mincore
    with=$with,mlock,mmap,mq,mremap,msg,msync,mutex,nanosleep,null,pidfd,pipe,poll,prctl,procfs,pthread,qsort,rename,seek
    with=$with,sem,sem-sysv,sendfile,shm,shm-sysv,sigabrt,sigchld,sigfd,sigpending,sigq,sigrt,sigsegv,sigsuspend,sock
    with=$with,sockpair,splice,stack,str,switch,symlink,tee,timer,timerfd,tsearch,udp,urandom,vdso,vfork,vm,wait,yield
    with=$with,zero,zlib
    guest stress-ng --verify --with "$with" --seq 1 --timeout 1 --vm-bytes 32m --temp-path "$PWD" > out 2>&1 ||
        { grep -v info: out; return 1; }
}

# --- The runner ---------------------------------------------------------------------------------------------------

one() {
    dir=$work/$1
    mkdir -p "$dir"
    # `set -e` in a process of its own: no test's status is looked at inside.
    if timeout -k 10 "${REAL_TIMEOUT:-300}" "$0" --in "$1" > "$dir.log" 2>&1; then
        echo passed
    else
        echo "failed"
        echo "FAIL $1"
        tail -n 40 "$dir.log"
    fi
}

case $1 in
--one)
    one "$2"
    exit 0
    ;;
--in)
    cd "$work/$2" || exit 1
    trap 'kill $(jobs -p) 2> err || :' EXIT # what a test left when it failed
    set -e
    "$2"
    exit 0
    ;;
esac

NOAHV=$1
shift
case $NOAHV in
/*) ;;
*/*) NOAHV=$here/$NOAHV ;;
esac
REAL_WORK=$work
export NOAHV REAL_WORK
kinds=real
if [ "${REAL-}" = all ]; then
    kinds='real\|all'
    packages="$packages $packages_all"
fi
# shellcheck disable=SC2086  # lists of words
if ! scripts/debian-root.sh "$root" $packages; then
    echo "real: Debian's riscv64 packages cannot be fetched (see build/debian/apt-riscv64/log): is there a network?"
    echo 'real: 0 passed, 1 failed'
    exit 1
fi
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
if [ $# = 0 ]; then sed -n "s/^\(\($kinds\)_[a-z_]*\)() {\$/\1/p" "$0"; else printf '%s\n' "$@"; fi |
    xargs -P "$(nproc)" -I TEST "$0" --one TEST | tee "$work/all" | grep -v '^passed$\|^failed$'
passed=$(grep -c '^passed$' "$work/all")
failed=$(grep -c '^failed$' "$work/all")
echo "real: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
