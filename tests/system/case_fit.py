# SPDX-License-Identifier: MIT
"""Calls between the nodes: what they outlive."""

import os
import subprocess
import time

from cases import case
from testbed import TOOL

DEAD = 25       # seconds, fit.dead here


@case(limit=240)
def calls_outlive_a_cut(bed):
    """
    Nothing passes for longer than a queue pair's retries last (7 of them, 4 s), but not as long as fit.dead: calls wait, and the
    program goes on as if nothing had been.
    """
    bed.tangram("up", "--quiet", "--name", "cut", "--pcache", "4M", "--log-dir", bed.path("log"),
                "--append", "all:fit.dead=%ds" % DEAD)
    try:
        program = subprocess.Popen([TOOL, "exec", "--quiet", "--timeout", "170", "cut", "--", "memtest", "8", "2", "6"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env)
        time.sleep(3)
        assert program.poll() is None, program.communicate()
        assert bed.tangram("wire", "cut", "--faults", "drop=1").status == 0
        time.sleep(8)
        assert bed.tangram("wire", "cut", "--faults", "off").status == 0
        out, err = program.communicate(timeout=180)
        assert program.returncode == 0, (program.returncode, out[-300:], err[-300:])
    finally:
        bed.tangram("down", "cut")
    seen = 0
    for name in ("processor", "memory", "storage"):
        with open(os.path.join(bed.path("log"), name + ".log"), errors="replace") as file:
            text = file.read()
        assert " is dead" not in text, text[-2000:]
        seen += "is silent; calls to it wait" in text
    assert seen > 0         # else nothing was cut
    bed.assert_nothing_left()
