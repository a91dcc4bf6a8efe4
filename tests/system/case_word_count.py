# SPDX-License-Identifier: MIT
"""word_count on remote memory: the counts are those that the host computes."""

import os
import re

from cases import case, each
from coverage import pairs
from testbed import ROOT, check_word_count, text_file
from word_count_runs import EVERY, FRACTIONS, KB, MB, POLICIES, VICTIMS, WAYS, name_of, run_word_count


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


# A covering selection: each pair of values of any two choices. `make check-long PART=word-count` takes many more. A sixteenth of what is
# touched is less than what each word needs if the sets have one way or eight (16 to 32 lines): there is a miss or more for each word.
COVERING = pairs({"cpus": (1, 2, 4), "policy": POLICIES, "victim": VICTIMS, "ways": WAYS, "cache": FRACTIONS},
                 lambda row: row["ways"] == 64 or row["cache"] > 1 / 16)


@each({name_of(row): row for row in [dict(row, text=64 * KB if row["ways"] == 1 else MB) for row in COVERING]}, limit=200)
def word_count_cache(bed, row):
    run_word_count(bed, row, 150)


@each({"20M": (20 * MB, 1, 1 / 4), "100M": (100 * MB, 4, 1)}, limit=400)
def word_count_text(bed, choice):
    size, cpus, fraction = choice
    run_word_count(bed, {"text": size, "cpus": cpus, "policy": "lru", "victim": 8, "ways": 8, "cache": fraction}, 350)


@case(limit=240)
def word_count_on_a_bad_wire(bed):
    result = bed.run("/bin/word_count", "/data/text", str(EVERY), timeout=200,
                     options=["--faults", "seed=7,drop=0.002,dup=0.002,reorder=0.005,corrupt=0.001", "--pcache", "4M"])
    check_word_count(result.out, whole(text_file()), EVERY)


@case()
def make_run_cache_is_a_quarter(bed):
    """What `make run` does, with the cache that it takes: a quarter of the pages that the program touches."""
    with open(os.path.join(ROOT, "scripts", "check.mk")) as file:
        line = re.search(r"(?m)^RUN \?= (.*)$", file.read()).group(1)
    options, program = line.split(" -- ")
    result = bed.run(*program.split(), options=options.split())
    check_word_count(result.out, whole(text_file()), 10)
    lines = int(re.search(r"--pcache (\d+)K", options).group(1)) // 4
    share = lines / result.facts["footprint"]
    print("footprint %d pages, cache %d: %.3f" % (result.facts["footprint"], lines, share))
    assert 0.22 < share < 0.28
    # How often depends on how the threads share the text out. Each line is lost and wanted again once at least, asked for or ahead.
    fetched = sum(result.counter("nr_pcache_" + name) for name in ("fill_from_memory", "prefetch_useful", "prefetch_late"))
    assert fetched > lines and result.counter("nr_victim_flush_finished_dirty") > lines
