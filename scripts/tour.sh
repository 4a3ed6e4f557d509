#!/bin/sh
# Run by `make run` inside the guest, by Debian's riscv64 busybox. Each `busybox` below is a RISC-V process.
bb=$1

busybox() {
    "$bb" "$@"
}

show() {
    echo
    echo "\$ $1"
    eval "$1"
}

show 'busybox uname -a'
show 'busybox head -n 6 /proc/cpuinfo'
show 'echo "from RISC-V" | busybox tr a-z A-Z | busybox rev'
show 'busybox seq 100000 | busybox sha256sum'
show 'for i in 1 2 3; do busybox echo "child $i" & wait; done'
show 'busybox sh -c "exit 7"; echo "exit status $?"'
