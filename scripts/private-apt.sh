# Apt with a configuration of its own, so that nothing of the machine's changes. To be sourced, with `apt` set to the
# folder for it and `arch` to the Debian architecture. What goes wrong is in $apt/log.
# shellcheck shell=sh disable=SC2154

# Apt checks signatures with Debian's archive keys.
keys=/usr/share/keyrings/debian-archive-keyring.gpg

# An empty configuration; fails where there is no apt.
private_apt_init() {
    command -v apt-get > /dev/null && [ -r "$keys" ] || return 1
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/etc"
    : > "$apt/state/status"
    : > "$apt/log"
}

private_apt() {
    apt-get -q -q -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status" \
        -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/etc/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
        -o Acquire::https::Timeout=20 -o APT::Update::Error-Mode=any "$@" 2>> "$apt/log"
}

# The mirrors that the machine's own sources name.
private_apt_mirrors() {
    apt-get indextargets --no-release-info --format '$(REPO_URI)' | sort -u
}
