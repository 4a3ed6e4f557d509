#!/bin/sh
# Runs guest programs and compares standard output and exit status with what an oracle says:
# run-guests.sh NOAHV NAME... ENGINES holds options, each guest runs once with each (none: once without).
#
# The oracle is the same source compiled and run natively, unless tests/golden/NAME.out exists, or the source
# says, in its first lines, one of
#     /* expect: oracle=qemu */    qemu-riscv64 is right where the host's hardware differs
#     /* skip-native */            not built natively (needs one of the two above)
#     /* args: a b */              arguments, the same for both
#     /* dynamic */                linked dynamically: it gets the cross compiler's libraries as its root
set -u

here=$PWD
work=$here/build/guest

# Runs a command in an empty folder of its own; $1.out gets its output and status, $1.err its messages.
record() {
    to=$1
    shift
    rm -rf "$to" "$to.out" "$to.err"
    mkdir -p "$to"
    # The last line: without make's descriptors.
    (cd "$to" && exec timeout -k 5 120 "$@" < /dev/null > "$to.out" 2> "$to.err" \
        3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-)
    echo "[exit $?]" >> "$to.out"
}

one() {
    noahv=$1
    name=$2
    run=$work/run/$name
    source=$(ls tests/guest/"$name".c tests/guest/"$name".cc tests/guest/"$name".S 2> /dev/null)
    args=$(sed -n '1,9s;^/\* args: \(.*\) \*/$;\1;p' "$source")
    root=
    if sed 9q "$source" | grep -q '^/\* dynamic \*/$'; then
        root=$(riscv64-linux-gnu-gcc -print-file-name=libc.so.6)
        root="-L $(dirname "$(dirname "$root")")"
    fi
    mkdir -p "$work/run"

    # shellcheck disable=SC2086  # args, root and engine are words
    if [ -e "tests/golden/$name.out" ]; then
        cp "tests/golden/$name.out" "$run.want.out"
    elif sed 9q "$source" | grep -q 'expect: oracle=qemu'; then
        record "$run.want" qemu-riscv64 $root "$work/riscv64/$name" $args
    else
        record "$run.want" "$work/native/$name" $args
    fi
    : > "$run.result"
    # shellcheck disable=SC2086
    for engine in ${ENGINES:-""}; do
        record "$run.got" "$noahv" $engine $root "$work/riscv64/$name" $args
        if cmp -s "$run.want.out" "$run.got.out"; then
            echo passed >> "$run.result"
        else
            echo failed >> "$run.result"
            {
                echo "FAIL $name${engine:+ ($engine)}: expected (-), got (+)"
                diff -a -u "$run.want.out" "$run.got.out" | sed 1,2d | head -n 40
                head -n 10 "$run.got.err"
            } > "$run.report"
            cat "$run.report"
        fi
    done
}

if [ "$1" = --one ]; then
    exec 2> /dev/null # the shell's remarks on guests that die of a signal
    one "$2" "$3"
    exit 0
fi

# A guest may use up the descriptors and processes that the leak checker would need.
export ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
# Guests make threads in children of fork, and end while others of theirs run.
export TSAN_OPTIONS="die_after_fork=0:report_thread_leaks=0${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
noahv=$1
shift
case $noahv in
/*) ;;
*/*) noahv=$here/$noahv ;;
esac
rm -rf "$work/run"
printf '%s\n' "$@" | xargs -P "$(nproc)" -I NAME "$0" --one "$noahv" NAME
passed=$(cat "$work"/run/*.result | grep -c passed)
failed=$(cat "$work"/run/*.result | grep -c failed)
echo "guest: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
