# For the shell's row without exec: subshells, pipelines and command substitutions whose parts are all the shell's own.
i=0
sum=0
while [ $i -lt 60 ]; do
    word=$(echo "line $i" | while read -r a b; do echo "$b$a"; done)
    (sum=$((sum + i)); [ "$sum" -ge 0 ] || echo negative)
    sum=$((sum + ${#word}))
    case $word in
    *7line) echo "$word $sum" | (read -r x y; echo "$y:$x") ;;
    esac
    i=$((i + 1))
done
echo "$sum"
