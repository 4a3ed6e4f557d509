#!/bin/sh
# run-unchecked.sh PROGRAM: tests/check_confined.c linked with a JIT that compares no address with the limit. What passes
# there too shows nothing of the comparison.
set -u

log=$("$1" 2>&1)
read -r ran wrong crashed << COUNTS
$(echo "$log" | sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' |
    grep . || echo 1 0 0)
COUNTS
good=$((ran - wrong - crashed))
[ "$good" = 0 ] || echo "FAIL unchecked: $good tests pass without the check that they test"
echo "unchecked: $((wrong + crashed)) passed, $good failed"
[ "$good" = 0 ]
