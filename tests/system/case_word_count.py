# SPDX-License-Identifier: MIT
"""word_count on remote memory: the counts are those that the host computes."""

from cases import case, each
from testbed import check_word_count, text, text_file

EVERY = 1000000                 # more words than there are: all counts are compared


def whole(path):
    with open(path, "rb") as file:
        return file.read()


@each({"1": 1, "2": 2, "4": 4})
def word_count_cpus(bed, cpus):
    result = bed.run("/bin/word_count", "/data/text", str(EVERY), options=["--cpus", str(cpus)])
    check_word_count(result.out, whole(text_file()), EVERY)
    assert result.facts["guest_seconds"] > 0 and result.facts["footprint"] > 1000


@each({"seq": "word_count-seq", "dyn": "word_count-dyn", "seq-dyn": "word_count-seq-dyn"})
def word_count_program(bed, program):
    result = bed.run("/bin/" + program, "/data/text", "50")
    check_word_count(result.out, whole(text_file()), 50)


@case()
def word_count_mapped(bed):
    """The text in a private file mapping: each page is fetched, then copied on write."""
    result = bed.run("/bin/word_count", "/data/text", str(EVERY), options=["--env", "WC_TEXT=map"])
    check_word_count(result.out, whole(text_file()), EVERY)


@each({"1": 1, "5": 5})
def word_count_threads(bed, threads):
    result = bed.run("/bin/word_count", "/data/text", str(EVERY), options=["--env", "WC_THREADS=%d" % threads])
    check_word_count(result.out, whole(text_file()), EVERY)


# A covering selection: each value of each choice at least once. check-long takes them all. A set of one way lives on the
# progress token, which is slow: these take a smaller text.
@each({
    "lru-v0-w8": ("lru", 0, 8, "1M", 0), "fifo-v1-w1": ("fifo", 1, 1, "2M", 32), "clock-v8-w64": ("clock", 8, 64, "1M", 0),
    "random-v64-w8": ("random", 64, 8, "512K", 0), "lru-v64-w64": ("lru", 64, 64, "2M", 0),
    "clock-v0-w1": ("clock", 0, 1, "2M", 32), "twice": ("lru", 8, 8, "32M", 0),
}, limit=240)
def word_count_cache(bed, choice):
    policy, victim, ways, size, kilobytes = choice
    file = text(kilobytes << 10) if kilobytes else text_file()
    result = bed.run("/bin/word_count", "/data/t", str(EVERY), timeout=200,
                     options=["--policy", policy, "--victim", str(victim), "--ways", str(ways), "--pcache", size,
                              "--add", file + "=/data/t"])
    check_word_count(result.out, whole(file), EVERY)


@each({"1M": 1 << 20, "20M": 20 << 20}, limit=300)
def word_count_text(bed, size):
    data = whole(text(size))
    result = bed.run("/bin/word_count", "/data/big", str(EVERY), options=["--add", text(size) + "=/data/big"],
                     timeout=250)
    check_word_count(result.out, data, EVERY)


@case(limit=240)
def word_count_on_a_bad_wire(bed):
    result = bed.run("/bin/word_count", "/data/text", str(EVERY), timeout=200,
                     options=["--faults", "seed=7,drop=0.002,dup=0.002,reorder=0.005,corrupt=0.001", "--pcache", "4M"])
    check_word_count(result.out, whole(text_file()), EVERY)
