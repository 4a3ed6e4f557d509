#!/bin/sh
# What a program can check of the house rules. Each check is one line of the total; what it finds is printed.
set -u
: "${CC:=gcc}" "${CPPFLAGS:=-Iinclude -Isrc -I. -D_GNU_SOURCE}"
export CPPFLAGS

sources=$(ls src/*.c src/*/*.c syscalls/*.c loader/*.c policy/*.c 2> /dev/null)
headers=$(ls include/*.h src/*/*.h syscalls/*.h loader/*.h policy/*.h)
others=$(ls tests/*.[ch] tests/fuzz/*.c tests/guest/*.[ch] tests/guest/*.cc tests/cli/*.[ch] tests/hostile/*.[ch] bench/*.c bench/guest/*.[ch] \
    examples/*.c 2> /dev/null)
jobs=$(nproc)
passed=0
failed=0

check() {
    if found=$("$@" 2>&1) && [ -z "$found" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL lint: $*"
        printf '%s\n' "$found" | head -n 60
    fi
}

# Every header compiles alone. One without an include guard is a part of another header.
headers_alone() {
    for header in $(grep -l '^#ifndef .*_H$' $headers); do
        echo "#include \"$header\"" |
            $CC $CPPFLAGS -std=gnu11 -Wall -Wextra -Werror -Wno-unused -fsyntax-only -x c - ||
            echo "$header does not compile alone"
    done
}

layers() {
    awk -f tests/layers.awk tests/layers $sources $headers
}

# Only main.c and its cli/ may end the process or print; bug() and the default sink of base/ are the two others.
no_exit_no_print() {
    for file in $sources; do
        case $file in src/main.c | src/cli/* | src/base/*) continue ;; esac
        grep -nHE '(^|[^_[:alnum:].>])(v?f?printf|puts|putchar|perror|exit|_exit|_Exit|abort|assert) *\(' "$file" |
            grep -vE '^[^:]*:[0-9]*: *(/?\*)'
    done
    return 0
}

short_files() {
    wc -l $sources $headers $others | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines" }'
}

format() {
    clang-format --dry-run -Werror $sources $headers $others
}

cpp_check() {
    cppcheck -q -j "$jobs" --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
        --suppressions-list=tests/cppcheck.txt -Iinclude -Isrc -I. -D__x86_64__ -D__linux__ -D_GNU_SOURCE $sources
}

clang_tidy() {
    printf '%s\n' $sources | xargs -P "$jobs" -n 4 sh -c \
        'clang-tidy --quiet "$@" -- -std=gnu11 $CPPFLAGS 2> /dev/null' sh
}

shell_check() {
    shellcheck -S warning scripts/*.sh tests/*.sh .ci/run
}

check headers_alone
check layers
check no_exit_no_print
check short_files
check shell_check
check cpp_check
check format
check clang_tidy
echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
