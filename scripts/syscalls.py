#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Documentation/syscalls.md from managers/processor/syscall/table.h and the notes beside it. `syscalls.py` writes it,
`syscalls.py --check` fails when it is not what it should be.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
FOLDER = os.path.join(ROOT, "managers", "processor", "syscall")
OUT = os.path.join(ROOT, "Documentation", "syscalls.md")

HEAD = """# System calls

What a program on a processor node finds, made by `scripts/syscalls.py` from `managers/processor/syscall/table.h` and
`managers/processor/syscall/notes.txt`. *full*: as the man page says, as far as we know; *partial*: what is missing stands
beside it; *none*: ENOSYS, logged once by name.

| number | call | | missing, or why it is as it is |
|---|---|---|---|
"""


def rows(text, macro):
    body = re.search(r"#define %s\(X\)((?:.*\\\n)*.*\n)" % macro, text).group(1)
    return [(int(number), name) for number, name in re.findall(r"X\((\d+), (\w+)\)", body)]


def table():
    with open(os.path.join(FOLDER, "table.h")) as file:
        text = file.read()
    with open(os.path.join(FOLDER, "notes.txt")) as file:
        notes = dict(line.rstrip("\n").split(": ", 1) for line in file if line.strip() and not line.startswith("#"))
    there, missing = rows(text, "SYSCALLS"), rows(text, "SYSCALLS_MISSING")
    unknown = set(notes) - {name for _, name in there + missing}
    if unknown:
        sys.exit("syscalls.py: notes.txt speaks of calls that are not in table.h: %s" % ", ".join(sorted(unknown)))
    lines = []
    for number, name in sorted(there + missing):
        state = "none" if (number, name) in missing else "partial" if name in notes else "full"
        lines.append("| %d | %s | %s | %s |\n" % (number, name, state, notes.get(name, "")))
    count = {state: sum("| %s |" % state in line for line in lines) for state in ("full", "partial", "none")}
    return HEAD + "".join(lines) + "\n%(full)d full, %(partial)d partial, %(none)d none.\n" % count


def main():
    text = table()
    if sys.argv[1:] == ["--check"]:
        with open(OUT) as file:
            if file.read() != text:
                sys.exit("syscalls.py: %s is not up to date: run scripts/syscalls.py" % os.path.relpath(OUT, ROOT))
        return
    with open(OUT, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
