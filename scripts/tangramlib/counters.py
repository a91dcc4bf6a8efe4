# SPDX-License-Identifier: MIT
"""`tangram counters`: the nodes' counters from the logs of one or more runs, as a table or CSV."""

import csv
import json
import os
import re
import sys

from .host import TangramError
from .nodes import ROLES

# [   12.345678] info processor/1: nr_pgfault: 123
LINE = re.compile(rb"^\[ *[0-9]+\.[0-9]+\] +\S+ +(processor|memory|storage)\S*: +([a-z][a-z0-9_]*): +([0-9]+)\r?$")


def from_log(path):
    """{name: last value} of the lines that are counters. A log may end anywhere: half a line says nothing."""
    out = {}
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return out
    for line in data[:data.rfind(b"\n") + 1].splitlines():
        match = LINE.match(line)
        if match:
            out[match.group(2).decode()] = int(match.group(3))
    return out


def of_run(folder):
    """{(role, name): value}: from each node's log, and from run.json for what a node did not log."""
    if not os.path.isdir(folder):
        raise TangramError("%s is not a folder of logs" % folder)
    out = {}
    try:
        with open(os.path.join(folder, "run.json")) as file:
            for role, node in json.load(file)["nodes"].items():
                out.update({(role, name): value for name, value in node["counters"].items() if isinstance(value, int)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass                            # a run that was cut short has none, or half of one
    for role in ROLES:
        out.update({(role, name): value for name, value in from_log(os.path.join(folder, role + ".log")).items()})
    if not out:
        raise TangramError("no counters in %s" % folder)
    return out


def table(folders, everything):
    """Rows of [node, counter, value of each run..., difference of two]."""
    runs = [of_run(folder) for folder in folders]
    names = []
    for run in runs:
        names += [key for key in run if key not in names]
    names.sort(key=lambda key: ROLES.index(key[0]) if key[0] in ROLES else len(ROLES))      # stable: order of the log
    rows = [["node", "counter"] + [os.path.basename(os.path.normpath(folder)) for folder in folders] +
            (["difference"] if len(folders) == 2 else [])]
    for key in names:
        values = [run.get(key) for run in runs]
        if not everything and not any(values):
            continue
        row = list(key) + ["" if value is None else value for value in values]
        if len(folders) == 2:
            row.append((values[1] or 0) - (values[0] or 0))
        rows.append(row)
    return rows


def main(options):
    rows = table(options.folders, options.all)
    if options.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
        return 0
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) if i < 2 else str(cell).rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
    return 0
