#!/bin/sh
# Builds the programs of the benchmark from Debian trixie's upstream sources, static, once for this machine and once for
# riscv64 with the same flags, into build/bench/native and build/bench/riscv64; and what they work on. Debian's own
# static busybox comes along for both. What is there already stays. Without a Debian mirror it says so and fails:
# the benchmark then leaves those rows out.
set -eu

top=$PWD/build/bench
src=$top/source
apt=$top/apt
arch=amd64
flags="-O2 -ffp-contract=off -static -w"
js="-D_GNU_SOURCE -include config.h quickjs.c quickjs-libc.c libregexp.c libunicode.c cutils.c dtoa.c"
libs="-lm -ldl -lpthread -latomic"
. scripts/private-apt.sh

# From the first mirror that has them: the sources, and busybox for this machine.
download() {
    private_apt_init
    for mirror in $(private_apt_mirrors); do
        for kind in deb deb-src; do echo "$kind [signed-by=$keys] $mirror trixie main"; done > "$apt/etc/sources.list"
        private_apt update || continue
        (cd "$src" && private_apt source --download-only sqlite3 lua5.4 libzstd bzip2 quickjs) || continue
        (cd "$src" && private_apt download busybox-static) || continue
        return 0
    done
    return 1
}

# Upstream's source as Debian publishes it, one folder per program.
unpack() {
    for name in sqlite3 lua5.4 libzstd bzip2 quickjs; do
        mkdir -p "$src/$name"
        tar -xf "$src/$name"_*.orig.tar.?z --strip-components=1 -C "$src/$name"
    done
}

# Some sources are written by programs: SQLite's one-file form by Tcl scripts, QuickJS's prompt by its own compiler.
generate() {
    rm "$src/lua5.4/src/luac.c" # the compiler alone, with a main() of its own
    mkdir -p "$src/sqlite3/one"
    make -s -C "$src/sqlite3/one" -f ../Makefile.linux-gcc TOP=.. sqlite3.c shell.c > "$src/sqlite3/log" 2>&1
    for name in VERSION CC PREFIX; do echo "#define CONFIG_$name \"bench\""; done > "$src/quickjs/config.h"
    (cd "$src/quickjs" && sh -c "gcc -O1 -w -o qjsc qjsc.c $js $libs" && ./qjsc -s -c -o repl.c -m repl.js)
}

# compile PROGRAM FOLDER SOURCES-AND-FLAGS: atomically, so that a half is never taken for a program.
compile() {
    [ ! -x "$out/$1" ] || return 0
    (cd "$src/$2" && sh -c "$cc $flags $3 -o '$out/$1.new'") 2> "$out/$1.log"
    mv "$out/$1.new" "$out/$1"
}

# All programs with one compiler. The compressors are built from the same C for both: no assembly, no threads.
build() {
    out=$top/$1
    cc=$2
    mkdir -p "$out"
    compile sqlite3 sqlite3/one "-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION shell.c sqlite3.c -lm"
    compile lua lua5.4/src "-DLUA_USE_POSIX *.c -lm"
    compile qjs quickjs "qjs.c repl.c $js $libs"
    compile bzip2 bzip2 "bzip2.c blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c bzlib.c"
    compile zstd libzstd "-DZSTD_DISABLE_ASM -DZSTD_LEGACY_SUPPORT=0 -Ilib -Ilib/common programs/*.c lib/common/*.c \
        lib/compress/*.c lib/decompress/*.c lib/dictBuilder/*.c"
}

# What the compressors work on: text, and the same compressed sixteen times in a row, as unpacking is quick.
corpus() {
    "$top/native/lua" bench/programs/corpus.lua > "$top/corpus.new"
    "$top/native/zstd" -q -5 -c "$top/corpus.new" > "$top/once"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat "$top/once"; done > "$top/corpus.zst"
    rm "$top/once"
    mv "$top/corpus.new" "$top/corpus"
}

busybox() {
    scripts/debian-root.sh --only build/debian/root busybox-static
    cp build/debian/root/usr/bin/busybox "$top/riscv64/busybox"
    dpkg-deb --fsys-tarfile "$src"/busybox-static_*.deb | tar -xO ./usr/bin/busybox > "$top/busybox.new"
    chmod +x "$top/busybox.new"
    mv "$top/busybox.new" "$top/native/busybox"
}

all() {
    if [ ! -e "$src/ok" ]; then
        rm -rf "$src"
        mkdir -p "$src"
        download
        unpack
        generate
        touch "$src/ok"
    fi
    build native gcc &
    native=$!
    build riscv64 riscv64-linux-gnu-gcc
    wait $native
    [ -e "$top/corpus" ] || corpus
    [ -e "$top/native/busybox" ] || busybox
    touch "$top/programs.ok"
}

mkdir -p "$top"
[ ! -e "$top/programs.ok" ] || exit 0
echo "noahv: bench: building sqlite3, lua, zstd, bzip2 and quickjs from Debian's sources; once, a few minutes"
all
