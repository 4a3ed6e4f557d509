#!/bin/sh
# Installs into an empty folder and uses what is there as a stranger would: run-install.sh MAKE GUEST. The example
# is built by pkg-config against the shared library and against the archive, the header by itself as C and C++.
set -u

make=$1
guest=$2
dest=$PWD/build/install
passed=0
failed=0

check() {
    what=$1
    shift
    if "$@" > "$dest.log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL install: $what"
        head -n 20 "$dest.log"
    fi
}

example() {
    # shellcheck disable=SC2046,SC2086  # flags are words
    ${CC:-cc} -Wall -Wextra -Werror -o "$dest/run-loop" examples/run-loop.c $(pkg-config --cflags noahv) "$@" || return 1
    [ "$(LD_LIBRARY_PATH=$dest/usr/lib "$dest/run-loop" "$guest")" = "$("$dest/usr/bin/noahv" "$guest")" ]
}

rm -rf "$dest"
mkdir -p "$dest"
export PKG_CONFIG_PATH="$dest/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dest"
# The tree is built: nothing is made here but the copies.
check 'make install' env MAKEFLAGS= "$make" --no-print-directory install DESTDIR="$dest" PREFIX=/usr
check 'the example is 40 lines at most' test "$(wc -l < examples/run-loop.c)" -le 40
# shellcheck disable=SC2046
check 'run-loop with libnoahv.so' example $(pkg-config --libs noahv)
check 'run-loop with libnoahv.a' example "$dest/usr/lib/libnoahv.a" -lseccomp -linih -ljansson -lelf -lcapstone -pthread
for language in c c++; do
    check "noahv.h alone, $language" sh -c "echo '#include <noahv.h>' | ${CC:-cc} -x $language -I'$dest/usr/include' \
        -Wall -Wextra -pedantic -Werror -fsyntax-only -"
done
check 'the library exports its API alone' sh -c "! nm -D --defined-only '$dest/usr/lib/libnoahv.so' | grep -v ' noahv_'"
echo "install: $passed passed, $failed failed"
[ "$failed" = 0 ]
