#!/bin/sh
# Runs Check programs, one per processor: run-units.sh PROGRAM... Prints what failed, then the totals.
set -u

# One program: prints its log if anything failed, and a line "counts PASSED FAILED".
one() {
    log=$(mktemp)
    case $1 in
    */check_fd | */check_jail) # take away what the leak checker works with: descriptors, /proc, ptrace
        export ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
        ;;
    esac
    timeout -k 5 400 "$1" > "$log" 2>&1
    status=$?
    read -r ran wrong crashed <<COUNTS
$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$log" |
        grep . || echo 1 0 1)
COUNTS
    bad=$((wrong + crashed))
    [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
    if [ "$bad" != 0 ]; then
        echo "FAIL $1 (status $status)"
        tail -n 40 "$log"
    fi
    echo "counts $((ran - bad)) $bad"
    rm -f "$log"
}

if [ "$1" = --one ]; then
    one "$2"
    exit 0
fi

export CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-5}" # for sanitizers on a busy machine
all=$(mktemp)
trap 'rm -f "$all"' EXIT
printf '%s\n' "$@" | xargs -P "$(nproc)" -I PROGRAM "$0" --one PROGRAM | tee "$all" | grep -v '^counts '
awk '/^counts / { p += $2; f += $3 } END { print "unit: " p + 0 " passed, " f + 0 " failed"; exit f || !p }' "$all"
