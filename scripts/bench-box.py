#!/usr/bin/env python3
"""What a box costs: bench-box.py ROUNDS NOAHV [SCALE] compares a native program, noahv run and noahv box.

User and system time, of a process and of those that it waited for, noahv's start and the waiting process included; medians of
interleaved rounds. Writes build/bench-box.md. Programs are those of the other benchmarks; what is not built is left out.
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile

FILES = 3000
KERNELS = ["integer", "sha256", "sorting", "nbody", "bytecode", "calls", "hashing", "text"]
ON_FILES = {
    "find, by name": "find {} -name 'f1*'",
    "find, by size": "find {} -size +3",
    "tar": "tar cf /dev/null {}",
    "ls -lnR": "ls -lnR {}",
    "du": "du {}",
    "find, cat": "find {} -type f -exec cat {{}} +",
}


def make_tree(top):
    for i in range(FILES):
        folder = f"{top}/{i // 150}/{i // 15 % 10}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/f{i}", "w", encoding="ascii") as f:
            f.write("x" * 500)


def cpu_ms(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def program(machine, name):
    return f"build/bench/{machine}/{name}"


def measure(rounds, noahv, name, words, options):
    ways = {
        "native": [program("native", name), *words],
        "run": [noahv, "run", program("riscv64", name), *words],
        "box": [noahv, "box", *options, program("riscv64", name), *words],
    }
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way, command in ways.items():
            taken[way].append(cpu_ms(command))
    return {way: statistics.median(times) for way, times in taken.items()}


def main():
    rounds, noahv = int(sys.argv[1]), sys.argv[2]
    scale = sys.argv[3] if len(sys.argv) > 3 else "10"
    lines = ["| | native | run | box | box / run | box / native |", "|---|---:|---:|---:|---:|---:|"]

    def row(label, ms):
        lines.append(
            f"| {label} | {ms['native']:.1f} | {ms['run']:.1f} | {ms['box']:.1f} "
            f"| {ms['box'] / ms['run']:.2f}x | {ms['box'] / ms['native']:.2f}x |"
        )

    for name in KERNELS:
        if os.path.exists(program("riscv64", name)):
            row(name, measure(rounds, noahv, name, [scale], []))
    with tempfile.TemporaryDirectory() as top:
        make_tree(top)
        for label, words in ON_FILES.items():
            if os.path.exists(program("riscv64", "busybox")):
                command = ["sh", "-c", "busybox=$0; " + words.format(top)]
                row(label, measure(rounds, noahv, "busybox", command, ["--ro-bind", top, top]))
    table = f"Milliseconds, {FILES} files; medians of {rounds} rounds.\n\n" + "\n".join(lines) + "\n"
    with open("build/bench-box.md", "w", encoding="ascii") as f:
        f.write(table)
    print(table, end="")


main()
