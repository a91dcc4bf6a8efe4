# SPDX-License-Identifier: MIT
"""
System calls with arguments that are nearly right, at random, on the debug kernels: neither they nor those who do nothing wrong may
notice. Seconds in `make check`, ten minutes in `make check-long PART=syscall-fuzz`.
"""

import re

from case_stress import debug_kernels
from cases import each


def fuzz(bed, seconds, seed, cpus, pcache, limit):
    debug_kernels(bed)
    result = bed.run("/bin/syscall_fuzz", str(seconds), str(seed), timeout=limit,
                     options=["--cpus", str(cpus), "--pcache", pcache, "--mem-memory", "1G"])
    done = re.search(rb"(?m)^syscall_fuzz: OK (\d+) calls of (\d+) kinds, (\d+) good", result.out)
    assert done and int(done.group(2)) >= 295 and int(done.group(3)) > 0, result.out


@each({"2": 2}, limit=200)
def syscall_fuzz(bed, cpus):
    fuzz(bed, 5, 1, cpus, "4M", 180)


# Ten minutes of the program's own clock, caches from small to roomy.
LONG = ((2, "1M", 11), (4, "4M", 12), (4, "512K", 13), (1, "16M", 14))


@each({"cpus%d-%s-seed%d" % row: row for row in LONG}, limit=900, part="syscall-fuzz")
def long_syscall_fuzz(bed, row):
    cpus, pcache, seed = row
    fuzz(bed, 150, seed, cpus, pcache, 800)
