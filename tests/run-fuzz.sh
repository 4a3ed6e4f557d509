#!/bin/sh
# Runs libFuzzer programs for a while, one per processor: run-fuzz.sh SECONDS PROGRAM... The corpus kept in
# tests/fuzz/corpus/NAME seeds a scratch folder; as root, the fuzzers run as nobody. What crashes is left in
# build/fuzz/crash.
set -u

if [ "$1" = --one ]; then
    seconds=$2
    program=$3
    name=$(basename "$program")
    scratch=$(mktemp -d)
    mkdir "$scratch/corpus" "$scratch/crash"
    cp "$program" "$scratch/"
    cp tests/fuzz/corpus/"$name"/* "$scratch/corpus/" 2> /dev/null
    drop=
    if [ "$(id -u)" = 0 ]; then
        chown -R 65534:65534 "$scratch"
        drop="setpriv --reuid=65534 --regid=65534 --clear-groups"
    fi
    # shellcheck disable=SC2086  # drop is words
    if (cd "$scratch" && $drop "./$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
            -artifact_prefix=crash/ corpus) > "$scratch/log" 2>&1; then
        echo "ok   $name: $(grep -E '^Done [0-9]+ runs' "$scratch/log")"
    else
        echo "FAIL $name"
        tail -n 40 "$scratch/log"
        mkdir -p build/fuzz/crash
        cp "$scratch"/crash/* build/fuzz/crash/ 2> /dev/null
    fi
    rm -rf "$scratch"
    exit 0
fi

seconds=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%s\n' "$@" | xargs -P "$(nproc)" -I PROGRAM "$0" --one "$seconds" PROGRAM | tee "$log"
passed=$(grep -c '^ok ' "$log")
echo "fuzz: $passed passed, $(($# - passed)) failed"
[ "$passed" = $# ]
