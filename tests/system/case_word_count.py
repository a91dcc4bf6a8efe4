# SPDX-License-Identifier: MIT
"""word_count on remote memory: the counts are those that the host computes."""

import os
import random

from cases import case, each
from testbed import check_word_count, roce_packets, text, text_file

EVERY = 1000000                 # more words than there are: all counts are compared


def whole(path):
    with open(path, "rb") as file:
        return file.read()


def check_identities(result):
    """The sums that Documentation/counters.md promises, at rest."""
    node = result.node("processor")["counters"]

    def same(total, *parts):
        assert node[total] == sum(node[part] for part in parts), (total, {name: node[name] for name in (total, *parts)})
    same("nr_fit_calls", "nr_fit_replies", "nr_fit_hostdown", "nr_fit_timeouts")
    same("nr_pgfault", "nr_pgfault_set_hit", "nr_pcache_fill_zerofill", "nr_pcache_fill_from_memory",
         "nr_pcache_fill_from_victim", "nr_pgfault_wp", "nr_pgfault_spurious", "nr_pgfault_failed")
    same("nr_pgfault_wp", "nr_pgfault_wp_cow", "nr_pgfault_wp_reuse", "nr_pgfault_wp_shared")
    same("nr_pcache_rmap_alloc", "nr_pcache_rmap_free")
    same("nr_victim_flush_submitted_dirty", "nr_victim_flush_finished_dirty", "nr_clflush_fail")


@each({"1": 1, "2": 2, "4": 4})
def word_count_cpus(bed, cpus):
    result = bed.run("/bin/word_count", "/data/text", str(EVERY), options=["--cpus", str(cpus)])
    check_word_count(result.out, whole(text_file()), EVERY)
    assert result.facts["guest_seconds"] > 0 and result.facts["footprint"] > 1000
    check_identities(result)


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
    check_identities(result)


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


@case(limit=180)
def memory_is_remote(bed):
    """A random marker in the text is seen on the wire from S to M and from M to P, in packets with a right ICRC."""
    marker = bytes(random.SystemRandom().choices(b"abcdefghijklmnopqrstuvwxyz", k=24))
    data = bytearray(whole(text_file())[:1 << 20])
    data[300000:300000 + len(marker) + 2] = b"\n" + marker + b"\n"
    bed.path("text", bytes(data))
    capture = bed.path("wire.pcap")
    result = bed.run("/bin/word_count", "/data/marked", str(EVERY), timeout=150,
                     options=["--add", bed.path("text") + "=/data/marked", "--pcap", capture, "--pcache", "512K"])
    check_word_count(result.out, bytes(data), EVERY)
    seen, packets = set(), 0
    for packet in roce_packets(capture):
        packets += 1
        assert packet.icrc_good, packet[:5]
        if marker in packet.payload:
            seen.add((packet.source, packet.target))
        if marker.upper() in packet.payload:
            seen.add((packet.source, packet.target, "upper"))
    print("%d RoCE packets, marker seen %s" % (packets, sorted(map(str, seen))))
    assert (3, 2) in seen, "not from S to M"
    assert (2, 1) in seen, "not from M to P"
    os.unlink(capture)
