#!/usr/bin/env python3
"""What a box costs: bench-box.py ROUNDS NOAHV [SCALE [TREE]] compares a native program, noahv run and noahv box.

User and system time, of a process and of those that it waited for, noahv's start and the waiting process included; medians of
interleaved rounds. Writes build/bench-box.md. Programs are those of the other benchmarks, and Debian's git for either machine;
what is not there is left out. Files are many small ones, or those of TREE, a git repository.
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile

FILES = 30000 # so many that the start does not count
KERNELS = ["integer", "sha256", "sorting", "nbody", "bytecode", "calls", "hashing", "text"]
ON_FILES = {
    "find, by name": "find {} -name 'f1*'",
    "find, by size": "find {} -size +3",
    "tar": "tar cf /dev/null {}",
    "ls -lnR": "ls -lnR {}",
    "du": "du {}",
    "find, cat": "find {} -type f -print0 | xargs -0 -n 500 cat", # no more, or the environment has no room
}


GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "HOME": "/",
    "LC_ALL": "C",
}
ROOTS = {machine: os.path.abspath(f"build/bench/root-{machine}") for machine in ("amd64", "riscv64")}


def make_tree(top):
    for i in range(FILES):
        folder = f"{top}/{i // 200}/{i // 20 % 10}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/f{i}", "w", encoding="ascii") as f:
            f.write("x" * 500)


def cpu_ms(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=os.environ | GIT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def program(machine, name):
    return f"build/bench/{machine}/{name}"


def ways_of(noahv, name, words, options):
    return {
        "native": [program("native", name), *words],
        "run": [noahv, "run", program("riscv64", name), *words],
        "box": [noahv, "box", *options, program("riscv64", name), *words],
    }


def fetch_git():
    try:
        for machine, root in ROOTS.items():
            packages = ["git", "libc6", "libpcre2-8-0", "zlib1g"]
            subprocess.run(["scripts/debian-root.sh", "--only", "--arch", machine, root, *packages], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def native_git(words):
    usr = ROOTS["amd64"] + "/usr"
    return [f"{usr}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{usr}/lib/x86_64-linux-gnu", f"{usr}/bin/git", *words]


def ways_of_git(noahv, words, options):
    root = ROOTS["riscv64"]
    given = [option for name, value in GIT.items() for option in ("-E", f"{name}={value}")]
    given += ["--ro-bind", f"{root}/usr", "/usr", "--ro-bind", f"{root}/usr/lib", "/lib"]
    return {
        "native": native_git(words),
        "run": [noahv, "run", "-r", root, "git", *words],
        "box": [noahv, "box", "-m", "1G", *given, *options, f"{root}/usr/bin/git", *words],
    }


def measure(rounds, ways):
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way, command in ways.items():
            taken[way].append(cpu_ms(command))
    return {way: statistics.median(times) for way, times in taken.items()}


def make_repository(top):
    make_tree(top)
    if fetch_git():
        for words in (["init", "-q"], ["add", "."], ["-c", "user.name=b", "-c", "user.email=b", "commit", "-qm", "all"]):
            cpu_ms(native_git(["-C", top, *words]))


def main():
    rounds, noahv = int(sys.argv[1]), sys.argv[2]
    scale = sys.argv[3] if len(sys.argv) > 3 else "10"
    tree = sys.argv[4] if len(sys.argv) > 4 else None
    lines = ["| | native | run | box | box / run | box / native |", "|---|---:|---:|---:|---:|---:|"]

    def row(label, ms):
        lines.append(
            f"| {label} | {ms['native']:.1f} | {ms['run']:.1f} | {ms['box']:.1f} "
            f"| {ms['box'] / ms['run']:.2f}x | {ms['box'] / ms['native']:.2f}x |"
        )

    for name in KERNELS:
        if os.path.exists(program("riscv64", name)):
            row(name, measure(rounds, ways_of(noahv, name, [scale], [])))
    with tempfile.TemporaryDirectory() as made:
        top = os.path.abspath(tree or made)
        given = ["--ro-bind", top, top]
        if not tree:
            make_repository(top)
        for label, words in ON_FILES.items():
            if os.path.exists(program("riscv64", "busybox")):
                command = ["sh", "-c", "busybox=$0; " + words.format(top)]
                row(label, measure(rounds, ways_of(noahv, "busybox", command, given)))
        if fetch_git():
            row("git status", measure(rounds, ways_of_git(noahv, ["-C", top, "status"], given)))
        files = sum(len(names) for _, _, names in os.walk(top))
    table = f"Milliseconds, {files} files; medians of {rounds} rounds.\n\n" + "\n".join(lines) + "\n"
    with open("build/bench-box.md", "w", encoding="ascii") as f:
        f.write(table)
    print(table, end="")


main()
