#!/bin/sh
# Unpacks one package of Debian trixie for riscv64 into build/debian/root: fetch-debian.sh PACKAGE.
# Uses apt with a configuration of its own, so that nothing of the machine's changes; the mirrors are those
# that the machine's own sources name, and apt checks signatures with Debian's archive keys.
set -eu

package=$1
top=$PWD/build/debian
apt=$top/apt
keys=/usr/share/keyrings/debian-archive-keyring.gpg

[ ! -e "$top/$package.ok" ] || exit 0
command -v apt-get >/dev/null && [ -r "$keys" ] || exit 1

rm -rf "$apt"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/etc" "$top/root"
: > "$apt/state/status"

private_apt() {
    apt-get -q -q -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status" \
        -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/etc/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o APT::Architecture=riscv64 -o APT::Architectures=riscv64 -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
        -o Acquire::https::Timeout=20 -o APT::Update::Error-Mode=any "$@"
}

for mirror in $(apt-get indextargets --no-release-info --format '$(REPO_URI)' | sort -u); do
    echo "deb [signed-by=$keys] $mirror trixie main" > "$apt/etc/sources.list"
    private_apt update 2> "$apt/log" || continue
    (cd "$apt" && private_apt download "$package" 2>> "$apt/log") || continue
    dpkg-deb -x "$apt/${package}"_*.deb "$top/root"
    touch "$top/$package.ok"
    exit 0
done
exit 1
