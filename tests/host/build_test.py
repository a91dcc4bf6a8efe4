#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The build of unit tests and fuzzers: whoever changes a header that any source of one includes gets that source compiled again. And the
unit tests' runner: it is CPU time that a test may not use up, not the time that a busy machine gives to others.
Usage: build_test.py BUILD, after `make check-unit-build`.
"""

import os
import re
import subprocess
import sys
import tempfile

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


def runner():
    """What run.sh says of a test that fails, one that spins, one that waits too long, and one that takes longer than its CPU time."""
    wanted = {"good": "sleep 2", "bad": "exit 3", "spins": "while :; do :; done", "waits": "sleep 60"}
    with tempfile.TemporaryDirectory() as folder:
        for name, script in wanted.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write("#!/bin/sh\n%s\n" % script)
            os.chmod(file.name, 0o755)
        env = dict(os.environ, O=folder, UNIT_CPU_SECONDS="1", UNIT_SECONDS="8")
        out = subprocess.run([os.path.join(ROOT, "tests", "host", "run.sh"), *wanted, "none"], env=env, stdout=subprocess.PIPE,
                             text=True, check=False).stdout
    print(out)
    return (re.findall(r"(?m)^ok +unit (.*)$", out) == ["good"] and
            re.findall(r"(?m)^FAIL unit (\w+)", out) == ["bad", "spins", "waits", "none"] and "1 passed, 4 failed" in out)


def main():
    build = sys.argv[1]
    if not runner():
        print("tests/host/run.sh says something else")
        return 1
    tests = subprocess.run(["git", "ls-files", "*_test.c", "tests/fuzz/*_fuzz.c"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    checked = bad = 0
    for test in tests.stdout.split():
        pairs = [(source, own_header(source)) for source in sources(test)]
        pairs = [pair for pair in pairs if pair[1]]
        if len(pairs) < 2:
            continue
        source, header = pairs[0]
        fuzzer = os.path.basename(test)[:-2] if test.endswith("_fuzz.c") else None
        binary = os.path.join(build, "fuzz", fuzzer) if fuzzer else os.path.join(build, "host", test[:-2])
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
