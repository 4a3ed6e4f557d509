#!/bin/sh
# Installs the Debian packages that a goal needs and the machine lacks: `deps.sh run` for building and
# running, `deps.sh all` for tests, lint, fuzzing and benchmarks too. Does nothing when none is missing.
set -eu

want="gcc make libc6-dev libelf-dev zlib1g-dev libcapstone-dev libseccomp-dev libinih-dev libjansson-dev gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"
[ "$1" = run ] || want="$want check g++ g++-riscv64-linux-gnu clang clang-format clang-tidy cppcheck
    shellcheck qemu-user git tmux llvm tcl python3"

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "noahv: no apt-get here; these Debian packages, or their equals, are taken to be present:" $want >&2
    exit 0
fi

missing=
for p in $want; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "noahv: installing$missing"
root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "noahv: run this as root first: apt-get install$missing" >&2
        exit 1
    }
    root=sudo
fi
$root apt-get -q update

# clang merely recommends the sanitizer and fuzzer runtime of its version.
case $missing in
*clang*)
    runtime=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/libclang-rt-\1-dev/p')
    missing="$missing $runtime"
    ;;
esac
# --no-remove: rather stop than take something away, such as gcc-multilib, which the cross compiler replaces.
$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove install $missing
