#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The unit tests' build: whoever changes a header that any source of a test includes gets that source compiled again.
Usage: build_test.py BUILD, after `make check-unit-build`.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def sources(test):
    with open(os.path.join(ROOT, test)) as file:
        head = "".join(file.readlines()[:12])
    return [word for words in re.findall(r"SOURCES:([^*]*)\*/", head) for word in words.split()]


def own_header(source):
    """A header that the source includes and that has its name."""
    header = source[:-2] + ".h"
    with open(os.path.join(ROOT, source)) as file:
        return header if '#include "%s"' % header in file.read() else None


def main():
    build = sys.argv[1]
    tests = subprocess.run(["git", "ls-files", "*_test.c"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    checked = bad = 0
    for test in tests.stdout.split():
        pairs = [(source, own_header(source)) for source in sources(test)]
        pairs = [pair for pair in pairs if pair[1]]
        if len(pairs) < 2:
            continue
        source, header = pairs[0]
        binary = os.path.join(build, "host", test[:-2])
        plan = subprocess.run(["make", "--no-print-directory", "-n", "V=1", "O=" + build, "-W", header, binary], cwd=ROOT,
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        checked += 1
        if "-c %s " % source not in plan:
            print("%s: %s is not compiled again when %s changes" % (test, source, header))
            bad += 1
    print("%d tests looked at, %d wrong" % (checked, bad))
    return 1 if bad or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
