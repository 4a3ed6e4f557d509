#!/bin/bash
# Mixed programs for a long time: soak.sh NOAHV WORKER SECONDS GUEST... Two workers (tests/soak/worker.c) run all the
# while; beside them the guests, again and again, and Debian's programs where tests/run-real.sh has a root. In the end
# nothing hangs, nothing is left over, no child is a zombie, and the workers have as many descriptors, threads and
# mappings and as much memory as after the first rounds.
set -u

noahv=$1 worker=$2 seconds=$3
shift 3
work=$PWD/build/soak
passed=0 failed=0
real='real_bash real_coreutils real_archives real_make real_sqlite real_git real_perl real_python real_openssl'

say() {
    if [ "$1" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL soak: $2"
    fi
}

# until_true COMMAND...: waits for it, two minutes at most.
until_true() {
    for _ in $(seq 1200); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}

stopped() {
    grep -q '^State:.T' "/proc/$1/status" 2> /dev/null
}

gone() {
    ! kill -0 "$1" 2> /dev/null
}

# What a stopped worker has: descriptors, threads, mappings, zombies, KiB of memory.
measure() {
    kill -USR1 "$1"
    until_true stopped "$1" || return 1
    echo "$(find "/proc/$1/fd" | wc -l) $(find "/proc/$1/task" -maxdepth 1 | wc -l) $(wc -l < "/proc/$1/maps")" \
        "$(pgrep -c -r Z -P "$1") $(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status")"
    kill -CONT "$1"
}

compare() {
    # shellcheck disable=SC2086  # lists of numbers
    set -- "$1" $2 $3
    [ $# = 11 ] || { say 1 "$1 does not stop to be measured"; return; }
    echo "$1: descriptors $2 $7, threads $3 $8, mappings $4 $9, zombies $5 ${10}, KiB $6 ${11}"
    [ "$2" = "$7" ]; say $? "$1 has $2 descriptors at first, $7 in the end"
    [ "$3" = "$8" ]; say $? "$1 has $3 threads at first, $8 in the end"
    [ "$9" -le $(($4 + 50)) ]; say $? "$1 has $4 mappings at first, $9 in the end"
    [ "$5${10}" = 00 ]; say $? "$1 has zombies"
    [ "${11}" -le $(($6 + $6 / 8 + 1024)) ]; say $? "$1 has $6 KiB at first, ${11} in the end"
}

rm -rf "$work"
mkdir -p "$work/stays" "$work/execs"
cp "$noahv" "$work/noahv" # so that whatever it runs can be told from other programs
"$work/noahv" "$worker" "$work/stays" &
stays=$!
"$work/noahv" "$worker" "$work/execs" exec &
execs=$!
trap 'kill -9 $stays $execs 2> /dev/null' EXIT

rounds=0 SECONDS=0 # make has put its variable of this name into the environment
until_rounds=$((SECONDS + seconds))
first_stays='' first_execs=''
while [ $SECONDS -lt $until_rounds ]; do
    ENGINES=--engine=jit tests/run-guests.sh "$work/noahv" "$@" > "$work/guests"
    say $? "guests: $(tail -n 30 "$work/guests")"
    if [ -x build/debian/trixie/bin/bash ]; then
        # shellcheck disable=SC2086
        tests/run-real.sh "$work/noahv" $real > "$work/real"
        say $? "Debian's programs: $(tail -n 30 "$work/real")"
    fi
    if [ $rounds = 0 ]; then
        first_stays=$(measure $stays)
        first_execs=$(measure $execs)
    fi
    rounds=$((rounds + 1))
done

compare 'worker that stays' "$first_stays" "$(measure $stays)"
compare 'worker that calls execve' "$first_execs" "$(measure $execs)"
for pid in $stays $execs; do
    kill -TERM "$pid"
    until_true gone "$pid"
    wait "$pid"
    say $? "a worker ended with status $?, or not at all"
done
trap - EXIT
left=$(find /proc -maxdepth 2 -name exe -lname "$work/noahv*" 2> /dev/null)
[ -z "$left" ]; say $? "processes are left: $left"
echo "soak: $rounds rounds in $SECONDS s"
echo "soak: $passed passed, $failed failed"
[ "$failed" = 0 ]
