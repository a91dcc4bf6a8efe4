#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Keeps Documentation's tables true to the sources.

doc_tables.py --write   writes the counters' tables in Documentation/counters.md, below its marker line
doc_tables.py --check   says what differs: counters, accounting values, names of boot parameters, crash points; ends with 1 if anything does
"""

import os
import re
import sys

COUNTERS, PARAMETERS, DEBUGGING = "Documentation/counters.md", "Documentation/parameters.md", "Documentation/debugging.md"
CRASH_POINTS = "kernel/crash.h"
MARKER = "<!-- The tables below are written by scripts/doc_tables.py from the lists in the sources. -->\n"
FOLDERS = (("arch/x86", "every node"), ("kernel", "every node"), ("mm", "every node"), ("drivers", "every node"),
           ("net", "every node"), ("managers/processor", "processor"), ("managers/memory", "memory"),
           ("managers/storage", "storage"))
STRING = r'"((?:[^"\\]|\\.)*)"'


def sources():
    for top, _ in FOLDERS:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".c", ".h")) and not name.endswith("_test.c"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield path, file.read()


def where(path):
    return next(who for top, who in FOLDERS if path.startswith(top + "/"))


def counter_lists():
    """[(path, [(name, meaning)])] of every list of counters."""
    lists = []
    for path, text in sources():
        for match in re.finditer(r"(?m)^#define (\w+_COUNTERS)\(X\)((?:.*\\\n)*.*\n)", text):
            body = match.group(2).replace("\\\n", " ")
            rows = [(name, "".join(re.findall(STRING, words)))
                    for name, words in re.findall(r"X\((\w+),\s*((?:%s\s*)+)\)" % STRING.replace("(", "(?:", 1), body)]
            if len(rows) != len(re.findall(r"\bX\(", body)):
                sys.exit("%s: %s cannot be read" % (path, match.group(1)))
            lists.append((path, rows))
    return lists


def tables():
    out = []
    for path, rows in counter_lists():
        out += ["", "### `%s` (%s)" % (path, where(path)), "", "| counter | meaning |", "|---|---|"]
        out += ["| `%s` | %s |" % (name, meaning.replace("|", "\\|")) for name, meaning in rows]
    return "\n".join(out) + "\n"


def names_in(pattern):
    found = {}
    for path, text in sources():
        for name in re.findall(pattern, text):
            found.setdefault(name, path)
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def first_columns(text):
    return set(re.findall(r"(?m)^\| `([^`]+)`", text))


def compare(path, what, documented, found):
    bad = ["%s: %s `%s` of %s is missing" % (path, what, name, found[name]) for name in sorted(set(found) - documented)]
    return bad + ["%s: there is no %s `%s`" % (path, what, name) for name in sorted(documented - set(found))]


def check():
    head, _, below = read(COUNTERS).partition(MARKER)
    bad = [] if below == tables() else ["%s: not what the sources say: run scripts/doc_tables.py --write" % COUNTERS]
    bad += compare(COUNTERS, "accounting value", first_columns(head), names_in(r'\bacct_register\("([^"]+)"'))
    bad += compare(PARAMETERS, "parameter", first_columns(read(PARAMETERS)),
                   names_in(r'\bparam_(?:str|bool|u64|size|ns|nth)\("([^"]+)"'))
    rows = re.findall(r"(?m)^\tX\((\w+),\s*%s\)" % STRING, read(CRASH_POINTS))
    section = read(DEBUGGING).partition("| crash point |")[2].partition("\n## ")[0]
    if not rows or ["| `%s` | %s |" % row for row in rows] != section.strip().split("\n")[2:]:
        bad.append("%s: the table of crash points is not that of %s" % (DEBUGGING, CRASH_POINTS))
    counters = {}
    for path, rows in counter_lists():
        for name, _ in rows:
            if name in counters:
                bad.append("%s: counter %s is in %s too" % (path, name, counters[name]))
            counters[name] = path
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


def main():
    if sys.argv[1:] == ["--write"]:
        head = read(COUNTERS).partition(MARKER)[0]
        with open(COUNTERS, "w", encoding="utf-8") as file:
            file.write(head + MARKER + tables())
        return 0
    if sys.argv[1:] == ["--check"]:
        return check()
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
