#!/bin/sh
# Runs each argument as a command and adds up the "STAGE: N passed, N failed" lines that they print. The last
# line is the sum. A command that fails without having counted a failure counts as one.
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0
for command in "$@"; do
    { sh -c "$command" 2>&1; echo "status $?"; } | tee "$log" | grep -v '^status [0-9]*$'
    read -r good bad <<COUNTS
$(sed -n 's/^[a-z]*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" |
        awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
COUNTS
    [ "$bad" != 0 ] || tail -n 1 "$log" | grep -q '^status 0$' || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
