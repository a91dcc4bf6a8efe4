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


# A covering selection: each value of each choice at least once. check-long takes them all.
@each({
    "lru-v0-w8": ("lru", 0, 8, "1M"), "fifo-v1-w1": ("fifo", 1, 1, "2M"), "clock-v8-w64": ("clock", 8, 64, "1M"),
    "random-v64-w8": ("random", 64, 8, "512K"), "lru-v64-w64": ("lru", 64, 64, "2M"), "clock-v0-w1": ("clock", 0, 1, "4M"),
    "twice": ("lru", 8, 8, "32M"),
}, limit=240)
def word_count_cache(bed, choice):
    policy, victim, ways, size = choice
    result = bed.run("/bin/word_count", "/data/text", str(EVERY),
                     options=["--policy", policy, "--victim", str(victim), "--ways", str(ways), "--pcache", size],
                     timeout=200)
    check_word_count(result.out, whole(text_file()), EVERY)


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
