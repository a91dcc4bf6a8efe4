# SPDX-License-Identifier: MIT
"""
The long selections, by part: `make check-long PART=word-count`. They are no part of `make check`.

word-count: every combination of policy, victim cache, ways and cache size with a small text; every pair of values of these, of 1, 20
and 100 MB, and of 1, 2 and 4 CPUs. One way (a direct-mapped cache) lives on the progress token, which is slow: a smaller text, and
fewer combinations where the cache is small.
"""

import itertools

from cases import each
from coverage import pairs
from word_count_runs import FRACTIONS, KB, MB, POLICIES, VICTIMS, WAYS, name_of, run_word_count

SMALL = [dict(zip(("policy", "victim", "ways", "cache"), values), cpus=2, text=64 * KB if values[2] == 1 else MB)
         for values in itertools.product(POLICIES, VICTIMS, WAYS, FRACTIONS)
         if values[2] > 1 and values[3] > 1 / 16 or values[3] >= 1 or values[1] in (0, 8)]
LARGE = pairs({"text": (MB, 20 * MB, 100 * MB), "cpus": (1, 2, 4), "policy": POLICIES, "victim": VICTIMS, "ways": WAYS,
               "cache": FRACTIONS}, lambda row: row["ways"] > 1 or row["text"] == MB and row["cache"] >= 1)


@each({name_of(row): row for row in SMALL}, limit=700, part="word-count")
def long_word_count(bed, row):
    run_word_count(bed, row, 650)


@each({name_of(row): row for row in LARGE}, limit=1200, part="word-count")
def long_word_count_pairs(bed, row):
    run_word_count(bed, row, 1100)
