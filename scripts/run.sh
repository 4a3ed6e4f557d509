#!/bin/sh
# `make run`: the program given, or a tour of Debian's riscv64 busybox, or without a Debian mirror a small
# program compiled here.
set -eu

[ $# = 0 ] || exec "$NOAHV" "$@"

root=build/debian/root
if scripts/debian-root.sh --only "$root" busybox-static; then
    for busybox in $root/usr/bin/busybox $root/bin/busybox; do
        [ ! -x "$busybox" ] || exec "$NOAHV" "$busybox" sh scripts/tour.sh "$busybox"
    done
fi
echo "noahv: Debian's riscv64 busybox cannot be fetched (see build/debian/apt-riscv64/log); running tests/guest/hello.c"
exec "$NOAHV" build/guest/riscv64/hello
