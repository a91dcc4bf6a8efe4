#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A word has one access discipline (lesson: L13): what one place of a file changes by an atomic operation, no other place of it
changes by a plain |=, &=, += or ++, which would lose the other's change. (An atomic_t is a struct: with it the compiler sees to
that.) Usage: check_atomics.py [FILE...]; by default all sources of ours.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
NAME = r"((?:\w+(?:\[[^\]]*\])?(?:->|\.))*\w+)(?:\[[^\]]*\])?"
ATOMIC = re.compile(r"__atomic_(?:fetch_\w+|\w+_fetch|exchange_n|compare_exchange_n)\(&" + NAME)
PLAIN = re.compile(r"(?:^|[^\w.>&])" + NAME + r"(?: [-+|&^]= |\+\+|--)|(?:\+\+|--)" + NAME)
QUOTED = re.compile(r"/\*.*?\*/|//.*|\"(?:[^\"\\]|\\.)*\"")


def key(word):
    """What tells a word from others: its name, and that of the member which it is a part of."""
    parts = re.split(r"->|\.", re.sub(r"\[[^\]]*\]", "", word))
    return tuple(parts[1:][-2:] if len(parts) > 1 else parts)


def faults(text):
    """[(line number, word)]"""
    words = set(map(key, ATOMIC.findall(text)))
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        for match in PLAIN.finditer(QUOTED.sub("", line)):
            word = match.group(1) or match.group(2)
            if key(word) in words:
                found.append((number, word))
    return words, found


def self_test():
    text = "x = __atomic_fetch_or(&t->flags, 1, 5);\n/* t->flags |= 2 */ puts(\"t->flags |= 3\");\n%s\n"
    for line, wanted in (("t->flags |= 2;", 1), ("self->flags &= ~1;", 1), ("\tt->flags++;", 1), ("if (a) --t->flags;", 1),
                         ("a[i].flags += 2;", 1), ("a->of[i].flags += 2;", 0), ("t->flags = 0;", 0), ("t->flags == 0;", 0),
                         ("t->myflags |= 2;", 0), ("x = t->flags + 2;", 0)):
        assert len(faults(text % line)[1]) == wanted, line


def main(files):
    self_test()
    if not files:
        own = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                             check=True).stdout.split()
        files = [path for path in own if not path.startswith(("user/", "tools/")) and os.path.exists(os.path.join(ROOT, path))]
    bad = seen = 0
    for path in files:
        with open(os.path.join(ROOT, path)) as file:
            words, found = faults(file.read())
        seen += len(words)
        for number, word in found:
            bad += 1
            print("%s:%d: '%s' is changed plainly here and atomically elsewhere" % (path, number, word))
    if bad or not seen:
        print("%d words are changed atomically, %d places plainly" % (seen, bad))
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
