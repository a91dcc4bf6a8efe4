# SPDX-License-Identifier: MIT
"""
The pcache's rules, each by a program that sees a wrong byte or is killed without it: `make check-mutants` takes the rule away
and expects the test to fail.
"""

import re

from cases import each

# lesson: L9, lesson: L10, lesson: L14, lesson: L15, lesson: L16, lesson: L30: options of the run, program. The cache is smaller than what the program touches where eviction must be at work.
LESSONS = {
    "L9": (["--cpus", "4", "--pcache", "8M"], "fork_storm 20 2"),          # fork's write protection is in force at once
    "L10": (["--cpus", "4", "--pcache", "1M"], "fork_cow 2 3 2"),           # an eviction unmaps all owners
    "L14": (["--cpus", "2", "--pcache", "8M"], "mremap_test"),              # the frame goes with the page
    "L15": (["--pcache", "256K", "--ways", "1", "--victim", "1"], "memtest 1 2 1"),     # no victim entry: wait, never fail
    "L16": (["--pcache", "256K"], "unmap_test 150 6 2"),                    # munmap drops victim entries
    "L30": (["--cpus", "4", "--pcache", "8M"], "fork_cow 2 3 2"),           # read() into a page shared by fork
}


@each(LESSONS)
def lesson(bed, choice):
    options, line = choice
    words = line.split()
    result = bed.run("/bin/" + words[0], *words[1:], options=options, timeout=60)
    assert re.search(rb"(?m)^%s: OK" % words[0].encode(), result.out), result.out
