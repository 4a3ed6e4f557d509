#!/bin/sh
# Makes a root for `noahv -r`: unpacks packages of Debian trixie for riscv64, and all that they depend on, into a
# folder: debian-root.sh [--only] [--arch ARCH] ROOT PACKAGE... Packages that were unpacked there before are left alone, and
# what was downloaded once is kept in build/debian. --only: not what they depend on. --arch: for another machine.
#
# No maintainer script runs, so links of update-alternatives are missing, and there are no users. The folders
# that a guest shares with its host are taken out again: /dev, /proc, /sys, /run, /tmp, /home, /root.
set -eu

only=
[ "$1" != --only ] || { only=1; shift; }
arch=riscv64
[ "$1" != --arch ] || { arch=$2; shift 2; }
root=$1
shift
top=$PWD/build/debian
apt=$top/apt-$arch
. scripts/private-apt.sh
done=$top/unpacked/$(basename "$root")

missing=
for package in "$@"; do
    [ -e "$done/$package.asked" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
mkdir -p "$apt/none/partial" "$root" "$done"
exec 9> "$apt/lock" # one at a time
flock 9 2> /dev/null || :
private_apt_init

# Downloads what is missing; prints the files' names. An empty cache makes apt name them all.
plan() {
    how='--yes --no-install-recommends install'
    [ -z "$only" ] || how=download
    # shellcheck disable=SC2086  # lists of words
    private_apt --print-uris -o Dir::Cache::archives="$apt/none" $how $missing > "$apt/uris" || return 1
    sed -n "s/^'[^']*' \([^ ]*\) .*/\1/p" "$apt/uris"
    # shellcheck disable=SC2086
    (cd "$apt/cache/archives" && private_apt --download-only $how $missing > "$apt/out")
}

unpack() {
    for deb in $(cat "$apt/debs"); do
        [ ! -e "$done/$deb" ] || continue
        # Links that merge / and /usr stand from the start.
        dpkg-deb --fsys-tarfile "$apt/cache/archives/$deb" | tar -x -C "$root" --keep-directory-symlink \
            --no-same-owner --exclude=./dev --exclude=./proc --exclude=./sys --exclude=./run --exclude=./tmp \
            --exclude=./home --exclude=./root
        touch "$done/$deb"
    done
    for package in $missing; do
        touch "$done/$package.asked"
    done
}

for dir in bin sbin lib; do
    [ -e "$root/$dir" ] || { mkdir -p "$root/usr/$dir" && ln -s "usr/$dir" "$root/$dir"; }
done
# A gcc in there would look here first, and find what a cross compiler left on the host.
[ -e "$root/usr/riscv64-linux-gnu" ] || ln -sfn /nonexistent "$root/usr/riscv64-linux-gnu"
for mirror in $(private_apt_mirrors); do
    echo "deb [signed-by=$keys] $mirror trixie main" > "$apt/etc/sources.list"
    plan > "$apt/debs" || { private_apt update && plan > "$apt/debs"; } || continue
    unpack
    exit 0
done
exit 1
