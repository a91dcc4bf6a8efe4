# SPDX-License-Identifier: MIT
"""What the cache keeps, fetches ahead and does not ask for: seen in the counters of whole runs."""

import json
import struct

from cases import case


def counters_of(bed, cluster, *program, name="exec"):
    facts = bed.path(name + ".json")
    done = bed.tangram("exec", "--quiet", "--timeout", "80", "--json", facts, cluster, "--", *program)
    assert done.status == 0, done.err
    with open(facts) as file:
        nodes = json.load(file)["nodes"]
    return {**nodes["processor"]["counters"], **{"acct_" + name: value for name, value in
                                                 nodes["processor"]["accounting"].items()}}


@case(limit=150)
def text_is_fetched_once(bed):
    """The pages of a program's file stay when it ends: the next run hits them, and the balance holds without dropping them."""
    bed.tangram("up", "--quiet", "--name", "kept", "--log-dir", bed.path("log"))
    try:
        first, second = (counters_of(bed, "kept", "/bin/word_count", "/data/text") for _ in range(2))
    finally:
        bed.tangram("down", "kept")
    came = [run["nr_pcache_fill_from_memory"] + run["nr_pcache_prefetch"] for run in (first, second)]
    fills = [came[0], came[1] - came[0]]
    print("pages from memory", fills, "kept pages hit", second["nr_pcache_kept_hit"], "cached", second["acct_lines_cached"])
    seen = {name: second[name] for name in ("nr_pcache_object_revived", "nr_pcache_kept_hit", "acct_lines_cached", "acct_lines_live")}
    assert seen["nr_pcache_object_revived"] >= 1 and seen["nr_pcache_kept_hit"] >= 30, seen
    assert fills[1] + 40 <= fills[0], fills
    assert seen["acct_lines_cached"] >= 30 and seen["acct_lines_live"] == 0, seen


def touched(bed, mode, *program, pcache="2M"):
    result = bed.run("/bin/remote_fault", *program, options=["--pcache", pcache, "--append", "P:pcache.prefetch=" + mode])
    print(mode, " ".join(program), result.out.decode().strip())
    return {name[10:]: result.counter(name) for name in ("nr_pcache_fill_from_memory", "nr_pcache_prefetch",
                                                         "nr_pcache_prefetch_useful", "nr_pcache_prefetch_late",
                                                         "nr_pcache_prefetch_wasted", "nr_pcache_around",
                                                         "nr_pcache_around_wasted")}


@case(limit=240)
def fetched_ahead(bed):
    """
    4 MB of remote memory through 2 MB of cache: in order most pages are there before they are wanted, at random none is tried; a fixed
    window is asked for in any case, and at random mostly wasted.
    """
    pages = 1024
    for order in ("seq", "3"):
        seen = touched(bed, "adaptive", order, "read", "4")
        print(seen)
        assert seen["prefetch_useful"] + seen["prefetch_late"] > pages // 2, seen
        assert seen["prefetch_wasted"] - seen["around_wasted"] < pages // 10, seen      # the program's own file apart
    seen = touched(bed, "adaptive", "random", "read", "4")
    assert seen["prefetch"] - seen["around"] < pages // 20, seen
    seen = touched(bed, "off", "seq", "read", "4")
    assert seen["prefetch"] == 0 and seen["fill_from_memory"] > pages // 2, seen
    seen = touched(bed, "fixed", "seq", "read", "4")
    assert seen["prefetch_useful"] + seen["prefetch_late"] > pages // 2 and seen["around"] == 0, seen
    seen = touched(bed, "fixed", "random", "read", "4")
    assert seen["prefetch"] > pages and seen["prefetch_wasted"] > seen["prefetch"] // 4, seen


@case(limit=150)
def map_changes_wait_for_nobody(bed):
    """
    word_count changes the rights of its memory again and again: only exec and exit wait for M, and M is told of many
    changes in one message.
    """
    result = bed.run("/bin/word_count", "/data/text")
    queued, merged, sent, waited = (result.counter("nr_space_change_" + name) for name in ("queued", "merged", "sent", "waited"))
    print("map changes: %d, merged %d, in %d messages; waited for: %d" % (queued, merged, sent, waited))
    assert queued >= 20 and 4 * sent <= queued and merged <= queued and waited <= 6, (queued, merged, sent, waited)


@case(limit=150)
def mprotect_costs_no_call(bed):
    """Thousands of changes of rights, as malloc's arenas make them, add no call: those of both runs are the same but for the odd one."""
    calls, queued = {}, {}
    for turns in (20, 2020):
        result = bed.run("/bin/call_cost", str(turns), "mprotect-twice", options=["--cpus", "1"])
        calls[turns], queued[turns] = result.counter("nr_fit_calls"), result.counter("nr_space_change_queued")
    print("calls", calls, "map changes", queued)
    assert queued[2020] - queued[20] >= 4000 and abs(calls[2020] - calls[20]) <= 40, (calls, queued)


@case(limit=200)
def mapped_files(bed):
    """What two processes write into a file through shared mappings, in a cache smaller than it, is on the disk however they leave it."""
    ways = ("msync", "munmap", "exit", "exec", "kill")
    gets = [word for way in ways for word in ("--get", "/data/%s=%s" % (way, bed.path(way)))]
    result = bed.run("/bin/mapped_files", "/data", options=["--pcache", "256K", "--victim", "1", *gets])
    assert result.out == b"mapped_files: OK\n", result.out
    for number, way in enumerate(ways, 1):
        assert bed.read(way) == struct.pack("<%dQ" % (96 * 512), *(number * (i + 1) for i in range(96 * 512))), way


@case(limit=150)
def large_reads(bed):
    """What a program reads of a file into memory that it has not touched, M puts there; what is read is right in any case, in a cache that has room, too."""
    result = bed.run("/bin/large_read", "/data", options=["--pcache", "1536K"])
    assert result.out == b"large_read: OK\n", result.out
    placed, asked = result.counter("nr_space_place_page"), result.counter("nr_space_place")
    print("placed: %d pages, %d requests" % (placed, asked))
    assert 1000 < placed == result.counter("nr_memory_place_page", "memory") and 16 * asked <= placed, (placed, asked)
    roomy = bed.run("/bin/large_read", "/data", options=["--pcache", "64M"])
    assert roomy.out == result.out and roomy.counter("nr_space_place") == 0, roomy.out
