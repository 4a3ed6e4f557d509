#!/bin/sh
# Runs Check programs one after the other: run-units.sh PROGRAM... Prints what failed, then the totals.
set -u

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-60}"

for program in "$@"; do
    timeout 300 "$program" > "$log" 2>&1
    status=$?
    counts=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$log")
    read -r ran wrong crashed <<COUNTS
${counts:-1 0 1}
COUNTS
    bad=$((wrong + crashed))
    [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
    passed=$((passed + ran - bad))
    failed=$((failed + bad))
    if [ "$bad" != 0 ]; then
        echo "FAIL $program (status $status)"
        tail -n 40 "$log"
    fi
done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ]
