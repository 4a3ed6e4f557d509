#!/bin/sh
# Runs hostile programs in a box and outside of one: run-hostile.sh NOAHV [NAME...]. In the box none may reach what it
# tries; outside each must reach something, or its box would prove nothing, but for those whose first lines say "outside:
# nothing". A program's first lines may also say
#     /* box: OPTIONS */            options of its box
#     /* box: 0<folder */           a folder (file: a file) outside is its standard input; 7<outside: as descriptor 7
#     /* ends: STATUS TEXT */       how its box ends, and what the one line begins with that noahv says then
# Nothing of a box is left when it has ended.
# Arguments of all: a secret file, a process outside, a folder that is granted, a file that is granted read-only, a port
# where somebody listens, one where nobody does, a socket file outside, a riscv64 program outside.
# Never as root: what is tried outside is harmless only then.
set -u

here=$PWD
if [ "$(id -u)" = 0 ]; then # from a copy: the folder may be closed to others
    copy=$(mktemp -d)
    mkdir -p "$copy/build/guest" "$copy/tests"
    cp -r build/guest/hostile "$copy/build/guest/"
    cp -r tests/hostile "$0" "$copy/tests/"
    cp "$1" "$copy/noahv"
    shift
    chmod -R go+rX "$copy"
    (cd "$copy" && setpriv --reuid=65534 --regid=65534 --clear-groups tests/run-hostile.sh ./noahv "$@")
    status=$?
    rm -rf "$copy"
    exit $status
fi
noahv=$(realpath "$1")
shift
programs=$here/build/guest/hostile
work=$(mktemp -d)
passed=0
failed=0

# What listens: stream, datagram and local sockets. Prints its port when it does.
cat > "$work/listen.py" << 'PY'
import os, socket, sys
tcp = socket.socket(socket.AF_INET6)
tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
tcp.bind(("::", 0))
tcp.listen(64)
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(("::", tcp.getsockname()[1]))
local = socket.socket(socket.AF_UNIX)
local.bind(sys.argv[1])
local.listen(64)
print(tcp.getsockname()[1], flush=True)
sys.stdin.read()
PY
mkfifo "$work/stop" "$work/port"
python3 "$work/listen.py" "$work/socket" < "$work/stop" > "$work/port" &
exec 9> "$work/stop"
read -r port < "$work/port"
sleep 1000 &
outsider=$!
trap 'kill $outsider; exec 9>&-; chmod -R u+w "$work"; rm -rf "$work"' EXIT

fresh() {
    chmod -R u+w "$work/t" 2> /dev/null
    rm -rf "$work/t"
    mkdir -p "$work/t/outside" "$work/t/given/sub" "$work/t/given/low" "$work/t/given/deep/a/b" "$work/t/ro"
    for file in low/file low/second low/other deep/a/b/file $(seq -f deep/a/%g 0 19); do
        echo 'as it was' > "$work/t/given/$file"
    done
    ln -s low/file "$work/t/given/lowlink"
    echo 'the secret' > "$work/t/outside/secret"
    echo 'to be read' > "$work/t/ro/file"
    ln -s "$work/socket" "$work/t/outside/socket"
    cp "$programs/exec_outside" "$work/t/outside/program"
    chmod 444 "$work/t/outside/secret"
}

# What may not change, with all that there is to it, and the folders that are named.
state() {
    set -- "$work/t/outside" "$work/t/ro" "$@"
    find "$@" -printf '%p %y %m %n %s %T@ %C@ %l\n' | sort
    find "$@" -type f -exec sha256sum {} +
}

# try NAME COMMAND...: the program's status, its words in $work/out.
try() {
    name=$1
    shift
    in=/dev/null
    case $(sed -n 's;^/\* box: \(0<.*\) \*/$;\1;p' "$here/tests/hostile/$name.c") in
    '0<folder') in=$work/t/outside ;;
    '0<file') in=$work/t/outside/secret ;;
    esac
    (
        # In a session of its own, by which it is known.
        cd "$work/t" && exec setsid sh -c 'echo $$ > "$0"; exec timeout -k 5 60 "$@"' "$work/session" "$@" \
            "$programs/$name" "$work/t/outside/secret" $outsider "$work/t/given" \
            "$work/t/ro/file" "$port" 1 "$work/socket" "$work/t/outside/program" \
            < "$in" > "$work/out" 2> "$work/err" 7< "$work/t/outside" 9>&-
    )
}

# Has something of the box outlived it?
survives() {
    cat /proc/[0-9]*/stat 2> /dev/null | sed 's/.*) //' | awk -v of="$(cat "$work/session")" '$4 == of && $1 != "Z"' | grep -q .
}

# Did the box end with STATUS and one line, and nothing reached: ends STATUS TEXT? STATUS alone twice: no line matters.
ends() {
    [ "$status" = "$1" ] && ! grep -aq '^reached' "$work/out" || return 1
    [ "$2" = "$1" ] ||
        { grep -a '^noahv: ' "$work/err" > "$work/lines" && [ "$(wc -l < "$work/lines")" = 1 ] &&
            grep -qF "noahv: $2" "$work/lines"; }
}

report() {
    failed=$((failed + 1))
    echo "FAIL hostile: $name $1"
    head -n 20 "$work/out" "$work/err"
}

# Where user namespaces are allowed: a command before noahv that takes from it the mounts that a box makes of what it is given.
bare=
if "$noahv" doctor | grep -q '^mounts *present'; then
    bare=$work/bare
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/sh' 'exec unshare -Ur sh -c "echo 0 > /proc/sys/user/max_mnt_namespaces; exec \"\$@\"" sh "$@"' > "$bare"
    chmod +x "$bare"
fi

# boxed NAME [BEFORE]: is all well when it has run in its box?
boxed() {
    name=$1
    before=${2:-}
    options=$(sed -n '1,3s;^/\* box: \(--*[^<]*\) \*/$;\1;p' "tests/hostile/$name.c")
    fresh
    lower=
    case $options in *--overlay*) lower=$work/t/given ;; esac
    # shellcheck disable=SC2086
    state $lower > "$work/before"
    # shellcheck disable=SC2086
    try "$name" $before "$noahv" box -v "$work/t/given:$work/t/given" --ro-bind "$work/t/ro" "$work/t/ro" $options
    status=$?
    if survives; then
        report 'is not over with its box'
        return 1
    fi
    end=$(sed -n '1,3s;^/\* ends: \(.*\) \*/$;\1;p' "tests/hostile/$name.c")
    if [ -n "$end" ]; then
        ends "${end%% *}" "${end#* }" || {
            report "does not end like this: $end"
            return 1
        }
    elif [ $status != 0 ] && { [ $status != 122 ] || grep -q '^reached' "$work/out"; }; then
        report "in its box: status $status${before:+, without mounts}" # 122: a limit may end it
        return 1
    fi
    # shellcheck disable=SC2086
    if ! state $lower | diff "$work/before" - > "$work/changed"; then
        report 'changed what it was not to'
        head -n 10 "$work/changed"
        return 1
    fi
}

# What names lead to is noahv's to see to as well as the mounts'.
names_files() {
    case $1 in path_* | folder_* | readonly_* | *_swaps | mounts | proc_root) return 0 ;; esac
    return 1
}

# shellcheck disable=SC2046  # names are words
[ $# != 0 ] || set -- $(cd tests/hostile && ls ./*.c | sed 's;^\./\(.*\)\.c$;\1;')
for name; do
    boxed "$name" || continue
    if [ -n "$bare" ] && names_files "$name"; then
        boxed "$name" "$bare" || continue
    fi
    if ! sed 3q "tests/hostile/$name.c" | grep -q 'outside: nothing'; then
        fresh
        try "$name" "$noahv"
        grep -q '^reached' "$work/out" || {
            report 'reaches nothing without a box either'
            continue
        }
    fi
    passed=$((passed + 1))
done
echo "hostile: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
