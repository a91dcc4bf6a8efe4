# SPDX-License-Identifier: MIT
"""The long selection (`make check-long`): word_count over every policy, victim cache, associativity and cache size."""

import itertools

from cases import each
from testbed import check_word_count, text, text_file

POLICIES = ("lru", "fifo", "clock", "random")
VICTIMS = (0, 1, 8, 64)
WAYS = (1, 8, 64)
SIZES = ("512K", "2M", "16M")           # about 1/16 and 1/4 of the footprint, and twice it
EVERY = 1000000


def choices():
    for policy, victim, ways, size in itertools.product(POLICIES, VICTIMS, WAYS, SIZES):
        yield "%s-v%d-w%d-%s" % (policy, victim, ways, size), (policy, victim, ways, size)


@each(dict(choices()), limit=300)
def long_word_count(bed, choice):
    policy, victim, ways, size = choice
    result = bed.run("word_count", "/data/text", str(EVERY), timeout=250,
                     options=["--policy", policy, "--victim", str(victim), "--ways", str(ways), "--pcache", size])
    with open(text_file(), "rb") as file:
        check_word_count(result.out, file.read(), EVERY)


@each({"%dM-%dcpu" % (size, cpus): (size, cpus) for size in (1, 20, 100) for cpus in (1, 2, 4)}, limit=900)
def long_word_count_text(bed, choice):
    size, cpus = choice
    file = text(size << 20)
    result = bed.run("word_count", "/data/big", str(EVERY), timeout=850,
                     options=["--add", file + "=/data/big", "--cpus", str(cpus), "--pcache", "64M"])
    with open(file, "rb") as opened:
        check_word_count(result.out, opened.read(), EVERY)
