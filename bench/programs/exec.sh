# For the shell's row with exec: exec.sh [LAUNCHER] BUSYBOX. Every command is a program of its own, started by the shell.
i=0
while [ $i -lt 20 ]; do
    "$@" echo "$i" | "$@" tr 0-9 a-j
    "$@" expr $i \* $i
    "$@" test $i -lt 30 && "$@" basename "/some/where/$i.c" .c
    i=$((i + 1))
done
