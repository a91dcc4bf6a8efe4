# SPDX-License-Identifier: MIT
"""Runs of word_count with a chosen cache, for the short and the long selection."""

from testbed import check_word_count, text

EVERY = 1000000                 # more words than there are: all counts are compared
POLICIES = ("lru", "fifo", "clock", "random")
VICTIMS = (0, 1, 8, 64)
WAYS = (1, 8, 64)
FRACTIONS = (1 / 16, 1 / 4, 1, 2)       # of the footprint
KB, MB = 1 << 10, 1 << 20
# Pages that word_count touches: some for the text, some for each worker (one a CPU); each run says what it was.
TEXT_PAGES = {64 * KB: 131, MB: 500, 20 * MB: 5700, 100 * MB: 26300}
WORKER_PAGES = 46


def pcache_pages(footprint, fraction, ways):
    """A whole number of sets, no more than the fraction if that can be; at least two pages."""
    return max(int(footprint * fraction) // ways, 2 if ways == 1 else 1) * ways


def name_of(row):
    """{"text": ...} -> a name for a case."""
    size = "%dM" % (row["text"] >> 20) if row["text"] >= MB else "%dK" % (row["text"] >> 10)
    return "%s-%dcpu-%s-v%d-w%d-%s" % (size, row["cpus"], row["policy"], row["victim"], row["ways"],
                                       "1_%d" % round(1 / row["cache"]) if row["cache"] < 1 else "x%d" % row["cache"])


def run_word_count(bed, row, timeout):
    """One run; the counts must be the host's, and the cache the fraction of the footprint that it is said to be."""
    size, footprint = row["text"], TEXT_PAGES[row["text"]] + WORKER_PAGES * row["cpus"]
    pages = pcache_pages(footprint, row["cache"], row["ways"])
    file = text(size)
    result = bed.run("/bin/word_count", "/data/t", str(EVERY), timeout=timeout,
                     options=["--cpus", str(row["cpus"]), "--policy", row["policy"], "--victim", str(row["victim"]),
                              "--ways", str(row["ways"]), "--pcache", "%dK" % (4 * pages), "--memory", "512M",
                              "--add", file + "=/data/t"])
    with open(file, "rb") as opened:
        check_word_count(result.out, opened.read(), EVERY)
    assert 0.75 < result.facts["footprint"] / footprint < 1.35, "the footprint is %d pages" % result.facts["footprint"]
    limit = result.node("processor")["accounting"]["user_frames_limit"]
    assert result.node("processor")["accounting"]["user_frames_max"] <= limit == pages + max(row["victim"], 1) + 32
    return result
