#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Checks that includes point only down the layers, and never from one role's manager to another's. Says each one that does
not, and ends with 1.
"""

import os
import re
import sys

# From the top down. A file may include from its own layer and from those below.
LAYERS = (
    ("managers/processor", "managers/memory", "managers/storage"),
    ("managers/control",),
    ("managers/protocol",),
    ("net/fit", "net/service"),
    ("net/roce",),
    ("net",),
    ("drivers",),
    ("kernel",),
    ("mm",),
    ("arch/x86",),
    ("lib",),
)
# What may point up, and why. (who, whom): both are beginnings of paths.
EXCEPTIONS = (
    ("arch/x86/", "mm/"),                       # page tables, stacks and FPU areas are made of mm's frames
    ("arch/x86/", "kernel/counter.h"),          # declarations only: counting is an instruction on per-CPU data
    ("kernel/main.c", "drivers/drivers.h"),     # the boot list names all that is started
    ("lib/base/percpu.h", "arch/x86/percpu.h"),     # what lib/base declares and the architecture completes
)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def layer(path):
    """(number from the top, folder) of a path; None: not of the kernel."""
    for number, folders in enumerate(LAYERS):
        for folder in folders:
            if path.startswith(folder + "/"):
                return number, folder
    return None


def sources():
    for top in ("managers", "net", "drivers", "kernel", "mm", "arch", "lib"):
        for path, _, names in os.walk(top):
            for name in names:
                if name.endswith((".c", ".h", ".S")) and not name.endswith("_test.c") \
                        and not name.startswith("selftest"):      # a self-test uses what it wants to test with
                    yield os.path.join(path, name)


def main():
    bad = 0
    for source in sorted(sources()):
        own = layer(source)
        with open(source, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                match = INCLUDE.match(line)
                if not match or own is None:
                    continue
                target = layer(match.group(1))
                if target is None:
                    if "/" not in match.group(1) and os.path.exists(os.path.join(os.path.dirname(source), match.group(1))):
                        print('%s:%d: include "%s" is not relative to the root' % (source, number, match.group(1)))
                        bad += 1
                elif any(source.startswith(who) and match.group(1).startswith(whom) for who, whom in EXCEPTIONS):
                    pass
                elif target[0] < own[0] or target[0] == own[0] and target[1] != own[1]:
                    print("%s:%d: %s must not include %s" % (source, number, own[1], match.group(1)))
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
