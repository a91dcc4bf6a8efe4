# SPDX-License-Identifier: MIT
"""
What calls, faults and switches cost on the processor node and on Linux, by the same static program (user/tests/call_cost.c) on the
same QEMU, one CPU each: instructions by a plugin, times by a run without it, and the calls to other nodes.
"""

import collections
import glob
import os
import re
import struct

from linux import Linux
from measure import OUT, plugin, run

REPEATS = 10000
ONE_CPU = ["--cpus", "1", "--pcache", "16M"]
HEAD, MARK_INSNS = 16384, 2
# (name that call_cost gives it, in words, stays on the processor node)
OPERATIONS = (
    ("getpid", "getpid", True),
    ("clock-by-vdso", "clock_gettime by the vDSO", True),
    ("clock-by-call", "clock_gettime by a system call", True),
    ("yield-to-another-and-back", "two context switches (sched_yield, to another process and back)", True),
    ("pipe-ping-pong", "a byte through a pipe to another process and one back", True),
    ("signal", "a signal to oneself: sent, handled, returned from", True),
    ("fault-hit", "page fault on a page that is in the cache", True),
    ("mmap-munmap", "mmap and munmap of a page", False),
    ("mmap-touch-munmap", "the same with a write to it", False),
    ("mprotect-twice", "mprotect to read-only and back", False),
    ("mprotect-twice-and-write", "the same with a write after it", False),
    ("fork-exit-wait", "fork, exit and wait", False),
    ("fork-exec-exit-wait", "fork, exec, exit and wait", False),
    ("vfork-exec-exit-wait", "vfork, exec, exit and wait", False),
)


def said(text):
    """{name: (mark, how often, median in ns)} of what call_cost says."""
    found = re.findall(r"^(\S+) (\d+) (\d+) (-?\d+)$", text, re.MULTILINE)
    return {name: (int(mark), int(times), int(ns)) for name, mark, times, ns in found}


def intervals(path):
    """{mark: [instructions]} of a file that bench/marks_plugin.c wrote."""
    out = collections.defaultdict(list)
    with open(path, "rb") as file:
        data = file.read()[HEAD:]
    for mark, insns in struct.iter_unpack("<QQ", data):
        if mark == 0:
            break
        out[mark].append(insns - MARK_INSNS)
    return out


def of_machine(name):
    """The file that the plugin wrote for the QEMU of this name."""
    for path in glob.glob(os.path.join(OUT, "marks-*")):
        with open(path, "rb") as file:
            if name.encode() in file.read(HEAD).split(b"\0"):
                return path
    raise RuntimeError("the plugin wrote nothing for " + name)


def mean(values):
    return sum(values) / len(values)


def on_both(repeats, options):
    """What call_cost says here and on Linux."""
    ours, _ = run("/bin/call_cost", str(repeats), options=ONE_CPU + (["--qemu", " ".join(options)] if options else []), timeout=1500)
    with Linux(*options) as linux:
        theirs = linux.run("call_cost %d" % repeats, 1500)
    return said(ours), said(theirs)


def calls_of(name, repeats):
    """{RPC: how often} on the processor node in a run of so many turns."""
    latency = run("/bin/call_cost", str(repeats), name, options=ONE_CPU)[1]["nodes"]["processor"]["latency"]
    return collections.Counter({op: values["calls"] for op, values in latency.items()})


def rpcs(name, base, turns=400):
    """RPCs of a turn in words: the difference of two runs."""
    more = calls_of(name, turns * 10 if "wait" in name else turns)
    more.subtract(base)
    return ", ".join("%.3g %s" % (n / turns, op) for op, n in sorted(more.items()) if n > turns / 50) or "none"


def calls(rows):
    for path in glob.glob(os.path.join(OUT, "marks-*")):
        os.unlink(path)
    ours, theirs = on_both(REPEATS, ["-plugin", "%s,dir=%s" % (plugin("marks"), OUT)])
    here, there = intervals(of_machine("tangram-processor")), intervals(of_machine("tangram-linux9"))
    base = calls_of("nothing", 0)
    our_times, their_times = on_both(REPEATS, [])
    for name, words, stays in OPERATIONS:
        mine, linux = mean(here[ours[name][0]]), mean(there[theirs[name][0]])
        note = "Linux %.0f: %.2f times; %.1f us, Linux %.1f us" % (linux, mine / linux, our_times[name][2] / 1000, their_times[name][2] / 1000)
        rows.append(("instructions: " + words, mine, "", note + ("; <= 1.0 times" if stays else "; RPCs: " + rpcs(name, base))))


PARTS = (calls,)
