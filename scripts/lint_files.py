#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Checks what every source file has in common: the licence line first, no blanks at the ends of lines, a newline at the
end, lines not far longer than anybody reads; and that every lesson has a test. Says each place, and ends with 1.
"""

import os
import re
import subprocess
import sys

LICENCE = "SPDX-License-Identifier: MIT"
SUFFIXES = (".c", ".h", ".S", ".lds", ".py", ".mk", ".sh")
COLUMNS = 200
LESSONS = "Documentation/lessons.md"            # each row of its table has a test with its mark
NOT_OURS = ("net/roce/testdata/",)              # recorded packets


def files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE, text=True)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    return [os.path.join(folder, name)[2:] for folder, _, names in os.walk(".") if not folder.startswith("./build")
            for name in names]


def is_source(path):
    if path.startswith(NOT_OURS) or not os.path.isfile(path):
        return False
    if path.endswith(SUFFIXES) or os.path.basename(path) in ("Makefile", "Kconfig"):
        return True
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def check(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    lines = text.split("\n")
    if not any(LICENCE in line for line in lines[:2]):
        yield 1, "no line '%s'" % LICENCE
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "blanks at the end"
        if len(line.expandtabs(8)) > COLUMNS and not line.rstrip().endswith(("\\", "*/")):
            yield number, "%d columns" % len(line.expandtabs(8))


def lessons(path, pattern):
    """The numbers that the file has where the pattern is."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return set(map(int, re.findall(pattern, file.read())))


def main():
    bad, marked = 0, set()
    known = lessons(LESSONS, r"(?m)^\| L(\d+) ")
    for path in filter(is_source, files()):
        marked |= lessons(path, r"lesson: L(\d+)")
        for number, what in check(path):
            print("%s:%d: %s" % (path, number, what))
            bad += 1
    for number in sorted(known ^ marked):
        print(("no test is marked `lesson: L%d`" if number in known else "there is no lesson L%%d in %s" % LESSONS) % number)
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
