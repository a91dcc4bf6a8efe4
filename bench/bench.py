#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
What the cluster costs, measured, never guessed: writes bench/result.json and a Markdown table (stdout, and result.md) into the
build folder. Medians move by a third from run to run on a busy host; compare only figures of one session.

A part is a function part(rows) of a module beside this file, named in its PARTS: it adds (what, value, unit, note) to the rows.
"""

import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import calls                                    # noqa: E402
import cluster                                  # noqa: E402
import geometry                                 # noqa: E402
import programs                                 # noqa: E402
import rdma                                     # noqa: E402
from measure import OUT, command, host_awake    # noqa: E402
from tangramlib.host import TangramError        # noqa: E402

MODULES = (cluster, calls, programs, geometry, rdma)


def main():
    os.makedirs(OUT, exist_ok=True)
    parts = {part.__name__: part for module in MODULES for part in module.PARTS}
    unknown = [name for name in sys.argv[1:] if name not in parts]
    if unknown:
        sys.exit("bench: no part %s; there are: %s" % (", ".join(unknown), " ".join(parts)))
    rows, failed = [], 0
    for part in [parts[name] for name in sys.argv[1:]] or parts.values():
        try:
            with host_awake():
                part(rows)
        except (RuntimeError, TangramError, OSError, subprocess.SubprocessError, KeyError) as error:
            print("%s: %s" % (part.__name__, error), file=sys.stderr)
            failed += 1
    table = ["`%s`" % command(), "", "| what | measured | unit | wanted, or beside it |", "|---|---|---|---|"]
    table += ["| %s | %.4g | %s | %s |" % row for row in rows]
    table = "\n".join(table) + "\n"
    print(table, end="")
    with open(os.path.join(OUT, "result.md"), "w") as file:
        file.write(table)
    with open(os.path.join(OUT, "result.json"), "w") as file:
        json.dump([dict(zip(("what", "value", "unit", "note"), row)) for row in rows], file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
