#!/usr/bin/env python3
"""Malformed files from outside: run-malformed.py NOAHV. Programs, dynamic loaders, policies and records that are damaged
in every field. What noahv refuses it refuses with the documented status and nothing but lines of its own, of which the first
names the file and the cause; what it takes, as Linux does, runs or dies of a signal of the program's own. Nothing else ends
a run: no signal of noahv's, no report of a sanitizer."""

import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

EXIT_OK, EXIT_REFUSED, EXIT_NOAHV, EXIT_CANNOT_RUN = 42, 123, 125, 126
PAGE = 4096
TEXT, DATA, LIMIT = 0x10000, 0x20000, 1 << 38

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
EHDR_FIELDS = ("ident type machine version entry phoff shoff flags ehsize phentsize phnum shentsize shnum shstrndx").split()
PHDR = struct.Struct("<IIQQQQQQ")
PHDR_FIELDS = "type flags offset vaddr paddr filesz memsz align".split()
PT_LOAD, PT_INTERP, PT_NOTE, PT_PHDR, PT_TLS = 1, 3, 4, 6, 7
PT_GNU_STACK, PT_GNU_RELRO, PT_GNU_PROPERTY, PT_RISCV_ATTRIBUTES = 0x6474E551, 0x6474E552, 0x6474E553, 0x70000003

# li a0, 42; li a7, 93; ecall
CODE = struct.pack("<III", 0x02A00513, 0x05D00893, 0x00000073)


class Elf:
    """A program that ends with status 42: text, data, and whatever a test adds or changes."""

    def __init__(self, kind=2):
        self.head = dict(zip(EHDR_FIELDS, (b"\x7fELF\2\1\1" + bytes(9), kind, 243, 1, TEXT + 0x800, 64, 0, 5, 64, 56, 0, 0, 0, 0)))
        self.segments = []
        self.add(type=PT_LOAD, flags=5, vaddr=TEXT, filesz=PAGE, memsz=PAGE, align=PAGE)
        self.add(type=PT_LOAD, flags=6, offset=PAGE, vaddr=DATA, filesz=PAGE, memsz=2 * PAGE, align=PAGE)
        self.bytes = {0x800: CODE}
        self.size = 2 * PAGE
        self.count = None

    def add(self, **fields):
        self.segments.append(dict.fromkeys(PHDR_FIELDS, 0) | fields)
        return self

    def interp(self, name):
        self.bytes[0x900] = name
        return self.add(type=PT_INTERP, offset=0x900, filesz=len(name), memsz=len(name))

    def build(self):
        image = bytearray(self.size)
        head = self.head | {"phnum": len(self.segments) if self.count is None else self.count}
        for at, data in [(0, EHDR.pack(*head.values()))] + [
            (64 + 56 * i, PHDR.pack(*s.values())) for i, s in enumerate(self.segments)
        ] + list(self.bytes.items()):
            image[at : at + len(data)] = data
        return bytes(image[: self.size])


def changed(where, value, **more):
    """An Elf with a field of the header ("entry") or of a segment ("1.vaddr") changed, and others."""
    elf = Elf(more.pop("kind", 2))
    for key, v in [(where, value)] + [(k.replace("_", "."), v) for k, v in more.items()]:
        if key[0].isdigit():
            i, field = key.split(".")
            elf.segments[int(i)][field] = v
        elif key == "phnum":
            elf.count = v
        else:
            elf.head[key] = v
    return elf


def refused_programs():
    """(name, file, words of the cause): refused when they are mapped, or by a rule that needs the whole of a program."""
    yield "ends behind the address space", changed("1.memsz", LIMIT - DATA + 1), "the address space ends at"
    yield "begins behind the address space", changed("1.vaddr", LIMIT), "the address space ends at"
    yield "ends at the top of 64 bits", changed("1.vaddr", (1 << 64) - 2 * PAGE), "wraps around"
    yield "memory of 2^63 bytes", changed("1.memsz", 1 << 63), "the address space ends at"
    yield "memory of 2^64 - 1 bytes", changed("1.memsz", (1 << 64) - 1), "wraps around"
    yield "a pie with memory of 2^38 bytes", changed("1.memsz", LIMIT, kind=3), "the address space ends at"
    yield "a pie aligned to 2^63", changed("0.align", 1 << 63, kind=3), "alignment of 0x8000000000000000"
    yield "a pie aligned to 2^38", changed("1.align", LIMIT, kind=3), "alignment of 0x4000000000"
    yield "a pie whose segments are 2^37 apart, aligned to 2^37", changed("1.vaddr", 1 << 37, **{"1_align": 1 << 37}, kind=3), "alignment of 0x2000000000"
    yield "in page 0", changed("0.vaddr", 0, entry=0x800), "page 0 stays unmapped"
    yield "at the end of page 0", changed("1.vaddr", PAGE - 1, **{"1_offset": 2 * PAGE - 1, "1_filesz": 1}), "page 0 stays unmapped"
    yield "bss in page 0", changed("1.vaddr", 8, **{"1_offset": 0, "1_filesz": 0, "1_memsz": 8}), "page 0 stays unmapped"
    yield "more in the file than in memory", changed("1.memsz", PAGE - 1), "4096 bytes in the file, 4095 in memory"
    yield "no program headers", changed("phnum", 0), "no program headers"
    yield "as many as 65535", changed("phnum", 0xFFFF), "65535 program headers"
    yield "only notes", changed("0.type", PT_NOTE, **{"1_type": PT_NOTE}), "no loadable segment"
    yield "an interpreter without a name", Elf().interp(b"\0"), "the name of its dynamic loader has 1 bytes"
    yield "an interpreter's name that does not end", Elf().interp(b"/lib/ld"), "does not end"
    yield "an interpreter of 4096 bytes that is none", Elf().interp(b"/" + b"a" * 1000 + b"\0"), "File name too long"
    yield "an interpreter that is a folder", Elf().interp(b"/proc\0"), "/proc, which cannot be run: Permission denied"
    yield "an interpreter that is nowhere", Elf().interp(b"/no/such/loader\0"), "needs /no/such/loader, not found"
    yield "an interpreter below a file", Elf().interp(b"/dev/null/loader\0"), "needs /dev/null/loader"
    yield "an interpreter with control characters", Elf().interp(b"/no\n\x1b[2J\0"), "needs /no??[2J"
    yield "an interpreter that is a device", Elf().interp(b"/dev/zero\0"), "/dev/zero, which cannot be run: Permission denied"
    yield "an interpreter by a relative name", Elf().interp(b"no/such\0"), "needs no/such, not found"
    for length in (1, 4, 5, 16, 52, 63, 64, 119, 175):
        elf = Elf()
        elf.size = length
        yield f"cut after {length} bytes", elf, "truncated" if length >= 4 else "is not an ELF file"
    for length in (PAGE - 1, PAGE, 2 * PAGE - 1):
        elf = Elf()
        elf.size = length
        yield f"cut after {length} bytes", elf, f"the file has {length}"
    for machine, name in ((62, "x86-64"), (183, "aarch64"), (8, "mips"), (0, "foreign"), (0xFFFF, "foreign")):
        yield f"of machine {machine}", changed("machine", machine), f"{name} ELF (machine {machine})"
    for kind in (0, 1, 4, 5, 0xFE00, 0xFFFF):
        yield f"of type {kind}", changed("type", kind), "link it" if kind != 4 else "core dump"
    for bits, words in ((b"\0\1", "class 0"), (b"\3\1", "class 3"), (b"\2\0", "byte order 0"), (b"\2\3", "byte order 3"), (b"\1\2", "ELF")):
        yield f"class and order {bits}", changed("ident", b"\x7fELF" + bits + b"\1" + bytes(9)), words
    for size in (0, 1, 32, 55, 57, 0xFFFF):
        yield f"program headers of {size} bytes", changed("phentsize", size), f"a program header has {size} bytes"
    for at in (2 * PAGE - 111, 2 * PAGE, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        yield f"program headers at {at:#x}", changed("phoff", at), "program headers begin at byte"
    for offset in (1, PAGE - 1, 3 * PAGE, 1 << 40, (1 << 63) - PAGE, (1 << 64) - PAGE):
        yield f"data at byte {offset:#x}", changed("1.offset", offset), "segment 1"


def taken_programs():
    """What Linux takes, and no loader needs: these run."""
    yield "garbage at the end", changed("shoff", 1 << 60, shnum=77, shstrndx=99, shentsize=3)
    yield "another version", changed("version", 0xFFFFFFFF)
    yield "a header of another size", changed("ehsize", 1)
    yield "an empty segment outside of everything", Elf().add(type=PT_LOAD, vaddr=1 << 60)
    yield "no power of two as alignment", changed("1.align", 12345)
    yield "alignment 0", changed("0.align", 0)
    yield "alignment 2^63 of a program at fixed addresses", changed("0.align", 1 << 63)
    yield "data over data", Elf().add(type=PT_LOAD, flags=6, offset=PAGE, vaddr=DATA, filesz=PAGE, memsz=PAGE)
    yield "an array of bss", changed("1.memsz", 1 << 28)
    for name, kind in (("note", PT_NOTE), ("phdr", PT_PHDR), ("tls", PT_TLS), ("relro", PT_GNU_RELRO), ("property", PT_GNU_PROPERTY), ("attributes", PT_RISCV_ATTRIBUTES), ("stack", PT_GNU_STACK), ("unknown", 0xDEADBEEF)):
        yield f"a {name} segment outside of the file", Elf().add(type=kind, offset=1 << 62, vaddr=1 << 62, filesz=1 << 62, memsz=3)
        yield f"a {name} segment that wraps", Elf().add(type=kind, offset=(1 << 64) - 1, vaddr=(1 << 64) - 1, filesz=(1 << 64) - 1, memsz=(1 << 64) - 1)
    elf = Elf().add(type=PT_NOTE, offset=0x900, filesz=12, memsz=12)
    elf.bytes[0x900] = b"\xff" * 12
    yield "a note with names of 4 GiB", elf
    elf = Elf().add(type=PT_GNU_PROPERTY, offset=0x900, filesz=32, memsz=32, align=8)
    elf.bytes[0x900] = struct.pack("<III4sIIQ", 4, 0xFFFFFFF0, 5, b"GNU\0", 0xC0000000, 0xFFFFFFFF, 0)
    yield "a property longer than its note", elf


def killed_programs():
    """What Linux takes, and what then dies of itself."""
    for entry in (0, 1, TEXT - 4, TEXT + PAGE, DATA, LIMIT - 4, LIMIT, 1 << 63, (1 << 64) - 2):
        yield f"begins at {entry:#x}", changed("entry", entry)
    yield "code that is not executable", changed("0.flags", 4)
    yield "no rights at all", changed("0.flags", 0, **{"1_flags": 0})
    yield "data over code", changed("1.vaddr", TEXT)


def swept_programs():
    """Every field with every value at some edge; the outcome is for the loader to say."""
    edges = {0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF}
    wide = {n + d for n in (PAGE, TEXT, DATA, 2 * PAGE, LIMIT, 1 << 47, 1 << 63, 1 << 64) for d in (-PAGE, -1, 0, 1, PAGE)}
    for kind in (2, 3):
        for i, field in enumerate(EHDR_FIELDS[1:]):
            top = 1 << (64 if field in ("entry", "phoff", "shoff") else 32 if field in ("version", "flags") else 16)
            for value in sorted(v for v in edges | wide if 0 <= v < top):
                yield f"{kind}: {field} = {value:#x}", changed(field, value, **({} if field == "type" else {"kind": kind}))
        for i in range(2):
            for field in PHDR_FIELDS:
                top = 1 << (32 if field in ("type", "flags") else 64)
                for value in sorted(v for v in edges | wide if 0 <= v < top):
                    yield f"{kind}: {i}.{field} = {value:#x}", changed(f"{i}.{field}", value, kind=kind)


POLICIES = [  # (file, line that is named or None, words of the cause)
    (b"memory\n", 1, "this is no NAME = VALUE"),
    (b"= 3\n", 1, "is no setting"),
    (b"memory =\n", 1, '"" is no size'),
    (b"\n; x\nmemroy = 1M\n", 3, "Is it memory that is meant?"),
    (b"MEMORY = 1M\n", 1, "MEMORY is no setting"),
    (b"memory = 1M\nmemory = 1MM\n", 2, '"1MM" is no size'),
    (b"memory = 0x100\n", 1, "is no size"),
    (b"memory = -1\n", 1, "is no size"),
    (b"memory = 18446744073709551616\n", 1, "is no size"),
    (b"memory = 9007199254740993K\n", 1, "is no size"),
    (b"timeout = 1y\n", 1, "is no duration"),
    (b"timeout = 1.5\n", 1, "is no duration"),
    (b"pids = 0\n", 1, "is not a number from 1 to 1024"),
    (b"fds = 3\n", 1, "is not a number from 4"),
    (b"pids = 99999999999999999999\n", 1, "is not a number"),
    (b"pids = 1 2\n", 1, "is not a number"),
    (b"net = some\n", 1, "is none of none, host and policy"),
    (b"on-deny = ignore\n", 1, "is none of errno, kill and log"),
    (b"require = landlok\n", 1, "is it landlock"),
    (b"allow-connect = 256.1.1.1:80\n", 1, "is no address"),
    (b"allow-connect = [::1:80\n", 1, "is no address"),
    (b"allow-connect = 10.0.0.0/33\n", 1, "is no address"),
    (b"allow-listen = 65536\n", 1, "is no place to listen"),
    (b"ro-bind = /a\n", 1, "is not SRC DST"),
    (b"ro-bind = /a b\n", 1, "is no place in the box"),
    (b"ro-bind = /a /b/../../c\n", 1, "is no place in the box"),
    (b"volume = /a:/b:xx\n", 1, "may follow :ro or :rw"),
    (b"volume = :/b\n", 1, "is not SRC:DST"),
    (b"symlink = /b\n", 1, "is not SRC DST"),
    (b"tmpfs = tmp\n", 1, "is no place in the box"),
    (b"root =\n", 1, "nothing is named"),
    (b"[box]\nmemory = 1M\n", 2, "there are no sections"),
    (b"[box]\n[box]\nmemory = 1M\n", 3, "there are no sections"),
    (b"[box\nmemory = 1M\n", 1, "this is no NAME = VALUE"),
    (b"memory = 1M\0\n", 1, "NUL byte"),
    (b"\0", 1, "NUL byte"),
    (b"\xff\xfe[\0b\0", 1, "NUL byte"),
    (b"\x7fELF\2\1\1" + bytes(57), 1, "NUL byte"),
    (b"\xef\xbb\xbfmemroy = 1\n", 1, "Is it memory"),
    (b"include = /etc\n", 1, "include is no setting"),
    (b"tmpfs = /" + b"a" * 5000 + b"\n", 1, "is no place in the box"),
    (b"tmpfs = /" + b"a" * 100000 + b"\n", 1, "the line is too long"),
    (b"x" * 100000, 1, "the line is too long"),
    (b"".join(b"tmpfs = /%d\n" % i for i in range(65)), 65, "more than 64 places"),
    (b"".join(b"absent = /%d\n" % i for i in range(257)), 257, "more than 256 places"),
    (b"".join(b"allow-connect = 10.0.0.1:%d\n" % (i + 1) for i in range(65)), 65, "more than 64 network rules"),
    (b"\n" * 5000 + b"x\n", 5001, "this is no NAME = VALUE"),
    (b"memory = 1M\r\nmemroy = 2M\r\n", 2, "Is it memory"),
    (b"tmpfs = /a\n   b\n", 2, "is no place in the box"),
]

BOXES = [  # policies that are well formed, and cannot be had
    (b"ro-bind = /no/such /x\n", "cannot give the box /no/such: No such file"),
    (b"root = /dev/null\n", "the root of a box must be a folder"),
    (b"tmpfs = /a\nro-bind = /dev/null /a/b\nro-bind = /dev/null /a/b/c\n", "there is no place for /a/b/c"),
    (b"ro-bind = /proc/version /v\ntmpfs = /v/t\n", "there is no place for /v/t"),
    (b"symlink = /tmp /a\nsymlink = /x /a/b\n", "there is no place for the link /a/b"),
    (b"symlink = /tmp /a\ndir = /a/b\n", "there is no place for /a/b"),
    (b"dir = /a/b\nsymlink = /tmp /a\n", "there is no place for the link /a"),
    (b"symlink = /tmp /a\ntmpfs = /a/b\n", "there is no place for the link /a"),
    (b"symlink = /tmp /a\nsymlink = /x /a\ndir = /a\nsymlink = /y /a/../b\n", "is no place in the box"),
    (b"symlink = /tmp /\n", "there is no place for the link /"),
    (b"workdir = /nowhere\n", "cannot start in /nowhere"),
    (b"ro-bind = /proc /p\ndir = /p/no/such\n", "there is no place for /p/no/such"),
]

RECORDS = [
    (b"{", "1: this is no line of JSON"),
    (b"{}\n", '1: it has no "object"'),
    (b"\n", "1: this is no line of JSON"),
    (b'{"syscall":"openat","object":"/"}\n', '1: it has no "access"'),
    (b"[]\n", '1: it has no "object"'),
    (b'{"access":"read","object":"/"}\n{"access":"write","object":7}\n', '2: it has no "object"'),
    (b'{"access":"reed","object":"/"}\n', '1: "reed" is no access'),
    (b'{"access":"read","object":"\\u1234"}\n', "1: its names are no bytes"),
    (b'{"access":"read","object":"/"}\0\n', "1: this is no line of JSON"),
    (b'{"access":"read","object":"/\xff"}\n', "1: this is no line of JSON"),
    (b"[" * 100000 + b"\n", "1: this is no line of JSON"),
    (b"\x7fELF\2\1\1\0\0", "1: this is no line of JSON"),
]


class Suite:
    def __init__(self, noahv, folder):
        self.noahv, self.folder = noahv, folder
        self.passed, self.failed, self.n = 0, 0, 0

    def file(self, data):
        self.n += 1
        path = f"{self.folder}/file{self.n}"
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o755)
        return path

    def run(self, *args):
        r = subprocess.run([self.noahv, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        return r.returncode, r.stdout, r.stderr.decode("ascii", "replace")

    def verdict(self, name, wrong):
        if wrong:
            self.failed += 1
            print(f"FAIL {name}: {wrong}"[:2000])
        else:
            self.passed += 1


def lines_wrong(err, *words):
    """Only lines of noahv's, printable, and the first has these words."""
    lines = [line for line in err.splitlines() if line != "Try 'noahv --help'."]
    if not lines or not all(line.startswith("noahv: ") and line.isprintable() for line in lines):
        return f"other lines than noahv's own, or none: {err!r}"
    missing = [w for w in words if w not in lines[0]]
    return f"{lines[0]!r} does not say {missing}" if missing else None


def refusal_wrong(result, want, *words):
    status, out, err = result
    if status != want or out:
        return f"status {status}, not {want}: {err!r} {out[:200]!r}"
    return lines_wrong(err, *words)


def outcome_wrong(path, result):
    """Refused in words; or it runs; or it dies as a program may."""
    status, out, err = result
    if status == EXIT_CANNOT_RUN:
        return refusal_wrong(result, EXIT_CANNOT_RUN, path + ": ")
    deaths = (-signal.SIGSEGV, -signal.SIGILL, -signal.SIGBUS, -signal.SIGTRAP)
    if (status != EXIT_OK and status not in deaths) or out or err:
        return f"status {status}: {err!r}"
    return None


def program_checks(suite):
    for name, elf, words in refused_programs():
        path = suite.file(elf.build())
        yield f"program {name}", lambda p=path, w=words: refusal_wrong(suite.run(p), EXIT_CANNOT_RUN, p + ": ", w)
        yield f"boxed program {name}", lambda p=path: refusal_wrong(suite.run("box", p), EXIT_CANNOT_RUN, p + ": ")
    for name, elf in taken_programs():
        path = suite.file(elf.build())
        yield f"program {name}", lambda p=path: outcome_wrong(p, suite.run(p)) or (suite.run(p)[0] != EXIT_OK and "it does not run")
    for name, elf in killed_programs():
        path = suite.file(elf.build())
        yield f"program {name}", lambda p=path: outcome_wrong(p, suite.run(p)) or (suite.run(p)[0] >= 0 and "it does not die")
    for name, elf in swept_programs():
        path = suite.file(elf.build())
        yield f"program {name}", lambda p=path: outcome_wrong(p, suite.run(p))


def loader_checks(suite):
    """The same as dynamic loaders of a program that is well."""
    wanted = [(n, e.build()) for n, e, _ in refused_programs() if not any(s["type"] == PT_INTERP for s in e.segments)]
    for name, image in wanted:
        loader = suite.file(image)
        path = suite.file(Elf(3).interp(loader.encode() + b"\0").build())
        yield f"loader {name}", lambda p=path: refusal_wrong(suite.run(p), EXIT_CANNOT_RUN, p + ": ")


def policy_checks(suite):
    plain = suite.file(Elf().build())
    empty = suite.file(b"")
    for data, line, words in POLICIES:
        path = suite.file(data)
        where = f"{path}:{line}: "
        yield f"policy {data[:40]}", lambda p=path, a=where, w=words: refusal_wrong(suite.run("policy", "check", p), EXIT_NOAHV, a, w)
        yield f"box of policy {data[:40]}", lambda p=path, a=where, w=words: refusal_wrong(suite.run("box", "--policy", p, plain), EXIT_NOAHV, a, w)
    for name, words in ((suite.folder, "directory"), ("/dev/zero", "NUL byte"), ("/no/such", "No such file"), (f"{plain}/x", "Not a directory")):
        yield f"policy {name}", lambda n=name, w=words: refusal_wrong(suite.run("policy", "check", n), EXIT_NOAHV, n, w)
    for data, words in BOXES:
        path = suite.file(data)
        yield f"box {data[:40]}", lambda p=path, w=words: refusal_wrong(suite.run("box", "--policy", p, plain), EXIT_NOAHV, w)
    for data, words in RECORDS:
        path = suite.file(data)
        yield f"record {data[:40]}", lambda p=path, w=words: refusal_wrong(suite.run("policy", "check", empty, p), EXIT_NOAHV, f"{p}:{w}")
    dice = random.Random(5)
    seed = b"; a policy\nmemory = 64M\nro-bind = /a /b\nallow-connect = 10.0.0.0/8:80\nsymlink = x /y\nnet = policy\n"
    for i in range(100):
        data = bytearray(seed)
        for _ in range(dice.randrange(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path = suite.file(bytes(data))
        yield f"policy {bytes(data)}", lambda p=path: garbled_wrong(p, suite.run("policy", "check", p))


def garbled_wrong(path, result):
    status, out, err = result
    if status == 0:
        return (out or err) and f"it says {out!r} {err!r}"
    return refusal_wrong(result, EXIT_NOAHV, path + ":")


def main():
    noahv = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="noahv-malformed.") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        suite = Suite(noahv, folder)
        checks = [*program_checks(suite), *loader_checks(suite), *policy_checks(suite)]
        for (name, _), wrong in zip(checks, pool.map(lambda c: c[1](), checks)):
            suite.verdict(name, wrong)
        print(f"malformed: {suite.passed} passed, {suite.failed} failed")
    return suite.failed != 0


sys.exit(main())
