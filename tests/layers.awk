# awk -f tests/layers.awk tests/layers FILE...: prints each #include that tests/layers does not allow.
FILENAME == ARGV[1] {
    if ($0 !~ /^#/) {
        split($0, side, ":")
        allowed[side[1]] = " " side[1] side[2] " "
    }
    next
}
FNR == 1 {
    folder = FILENAME
    sub(/^src\//, "", folder)
    sub(/\/.*/, "", folder)
}
/^#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    n = split(part[2], path, "/")
    if (n == 1 && part[2] != "noahv.h")
        bad = "name the module: \"" folder "/" part[2] "\""
    else if (n > 1 && index(allowed[folder], " " path[1] " ") == 0)
        bad = folder " may not include " part[2]
    else
        next
    print FILENAME ":" FNR ": " bad
    status = 1
}
END { exit status }
