# SPDX-License-Identifier: MIT
"""Selections of combinations: a few that have every pair of values of every two choices."""

import itertools
import random


def pairs(choices, allowed=lambda row: True, seed=1):
    """
    Rows {choice: value} that together have each pair of values of two choices that an allowed row can have. choices: {name: [value]}.
    The same rows each time.
    """
    rng = random.Random(seed)
    names = list(choices)
    rows = [row for row in (dict(zip(names, values)) for values in itertools.product(*choices.values())) if allowed(row)]
    rng.shuffle(rows)

    def pairs_of(row):
        return {((a, row[a]), (b, row[b])) for a, b in itertools.combinations(names, 2)}
    wanted = set().union(*map(pairs_of, rows))
    out = []
    while wanted:
        best = max(rng.sample(rows, min(len(rows), 400)), key=lambda row: len(pairs_of(row) & wanted))
        found = pairs_of(best) & wanted
        if not found:
            best = next(row for row in rows if pairs_of(row) & wanted)
            found = pairs_of(best) & wanted
        wanted -= found
        out.append(best)
    return out
