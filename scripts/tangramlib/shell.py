# SPDX-License-Identifier: MIT
"""`tangram shell`: boot a Debian userland and live in it; the end of the shell powers the cluster off."""

import os
import sys

from .options import check_cluster
from .run import Run

PROGRAM = ["/bin/bash", "-l"]


def main(config):
    config.program = config.program or PROGRAM
    config.tty = config.tty or os.isatty(0)
    config.get = []
    check_cluster(config)
    run = Run(config)
    run.report.quiet = not config.verbose
    run.report.live = sys.stderr.isatty()
    return run.main()
