#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The system tests: whole clusters, run through scripts/tangram. Each case is a function below; `cases.py NAME` runs one,
`cases.py` all of `make check`, `cases.py --list [PART]` names them (PART: of `make check-long`). TANGRAM_BUILD is the build folder.
"""

import os
import re
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "scripts")]

# How many times slower than the machine that the limits below were chosen on another may be: they are there to end what hangs.
PATIENCE = float(os.environ.get("TANGRAM_PATIENCE", "4"))

_cases = []


class Case:
    def __init__(self, name, function, limit, part):
        self.name, self.function, self.limit, self.part = name, function, limit * PATIENCE, part


def case(limit=120, name=None, part=None):
    """A test; limit: seconds it may take, times PATIENCE; part: of `make check-long`, else it is one of `make check`."""
    def add(function):
        _cases.append(Case(name or function.__name__.replace("_", "-"), function, limit, part))
        return function
    return add


def each(values, limit=120, part=None):
    """One test per value: {suffix: argument}."""
    def add(function):
        for suffix, value in values.items():
            _cases.append(Case("%s-%s" % (function.__name__.replace("_", "-"), suffix),
                               lambda cluster, value=value: function(cluster, value), limit, part))
        return function
    return add


def all_cases(part=None):
    """Those of `make check`, or of a part of `make check-long`."""
    import case_files                       # noqa: F401 (registers them)
    return [one for one in _cases if one.part == part]


def every_case():
    """Those of all parts, too."""
    all_cases()
    return _cases


def ended(number, _):
    """A signal ends the test as an exception does: its clusters go down with it."""
    sys.exit(128 + number)


def main(names):
    known = all_cases()
    if names[:1] == ["--list"]:
        print("\n".join(one.name for one in all_cases(*names[1:2])))
        return 0
    if names:
        known = _cases
    chosen = [one for one in known if not names or any(re.fullmatch(name.replace("*", ".*"), one.name) for name in names)]
    if not chosen:
        print("no case named %s" % " ".join(names), file=sys.stderr)
        return 2
    from testbed import Testbed
    signal.signal(signal.SIGTERM, ended)
    failed = 0
    for one in chosen:
        start = time.monotonic()
        with Testbed(one.name) as bed:
            try:
                one.function(bed)
                print("ok   %s %.1f" % (one.name, time.monotonic() - start), flush=True)
            except Exception:               # noqa: B902 (a test that fails must not end the others)
                traceback.print_exc(file=sys.stdout)
                print("FAIL %s %s" % (one.name, bed.folder), flush=True)
                bed.failed = True
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["cases"] = sys.modules["__main__"]      # the case files import this very module
    sys.exit(main(sys.argv[1:]))
