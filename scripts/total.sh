#!/bin/sh
# Runs each argument as a command and adds up the "STAGE: N passed, N failed" lines that they print. The last
# line is the sum. A command that fails without having counted a failure counts as one.
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
tally='s/^[a-z]*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p'
failed=0
for command in "$@"; do
    { sh -c "$command" 2>&1; echo "status: $?"; } | tee -a "$log" | grep -v '^status: [0-9]*$'
    lost=$(sed -n '$s/^status: //p' "$log")
    [ "$lost" = 0 ] || grep -q ', [1-9][0-9]* failed$' "$log" || failed=$((failed + 1))
done
sum=$(sed -n "$tally" "$log" | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
failed=$((failed + ${sum#* }))
echo "${sum% *} passed, $failed failed"
[ "$failed" = 0 ]
