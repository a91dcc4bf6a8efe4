# SPDX-License-Identifier: MIT
"""
Programs whose memory is larger than the cache, by the size of the cache, beside Linux that swaps to another VM over the same wire.
Sides take turns, round after round, and medians are compared; every figure stands in a CSV file, too, with the host's load.
"""

import collections
import csv
import glob
import os
import re
import statistics

import plots
from calls import intervals, of_machine
from linux_swap import NO_READ_AHEAD, READ_AHEAD, LinuxSwap
from measure import OUT, command, plugin, run
from testbed import roce_packets, text

ROUNDS = int(os.environ.get("TANGRAM_BENCH_ROUNDS", "3"))
MB, PAGE = 1 << 20, 4096
WAYS, VICTIMS, RESERVE = 16, 32, 32             # what Linux may keep beside the cache, too: frames of the other two
TANGRAM, SWAP, SWAP_1, LOCAL = "tangram", "linux-nbd", "linux-nbd-no-read-ahead", "linux-local"


class Samples:
    """What was measured, by what it is of; kept as a CSV file whenever something is added."""

    def __init__(self, name, keys, values):
        self.path, self.keys, self.values, self.all = os.path.join(OUT, name + ".csv"), keys, values, {}
        self.rows = [keys + values + ("load",)]

    def add(self, key, *values):
        self.all.setdefault(key, []).append(values)
        self.rows.append(key + values + ("%.1f" % os.getloadavg()[0],))
        with open(self.path, "w") as file:
            csv.writer(file, lineterminator="\n").writerows(self.rows)

    def median(self, key, value):
        at = self.values.index(value)
        return statistics.median(values[at] for values in self.all[key])

    def load(self):
        loads = [float(row[-1]) for row in self.rows[1:]]
        return "host's load %.0f to %.0f" % (min(loads), max(loads))


# remote_fault

CACHE_MB = int(os.environ.get("TANGRAM_BENCH_CACHE_MB", "8"))
SET_MB = 4 * CACHE_MB
PATTERNS = ("seq", "random", "17")              # 17: a stride in pages
ORDERS = [(pattern, how, threads) for threads in (1, 4) for pattern in PATTERNS for how in ("read", "write")]
BARRED = (("random", "read", 1), ("seq", "read", 1))


def touched(out):
    """(median us, p99 us, pages/s, median us of the touches that waited for another machine) of a line of remote_fault."""
    pages, median, p99, waited = map(int, re.search(r"pages/s (\d+) median (\d+) p99 (\d+) ns remote \d+ median (\d+) ns", out).groups())
    return median / 1000, p99 / 1000, pages, waited / 1000


def remote_fault_words(pattern, how, threads, rounds=1):
    return ["remote_fault", pattern, how, str(SET_MB), str(threads), str(rounds)]


def here(words, options=()):
    return run("/bin/" + words[0], *words[1:], options=["--cpus", "1", "--pcache", "%dM" % CACHE_MB, "--victim", str(VICTIMS), *options],
               timeout=600)


def limit_of(cache):
    """Bytes of memory that a Linux program may use beside a cache of so many bytes."""
    return cache + (VICTIMS + RESERVE) * PAGE


def per_page(order, base):
    """
    (packets, bytes on the wire for each page, shootdowns for each page evicted) of the touches alone: between P and M over the last
    three quarters of the pages, and counters beyond those of a run that touches nothing.
    """
    capture = os.path.join(OUT, "wire.pcap")
    facts = here(remote_fault_words(*order), ["--pcap", capture])[1]
    pages = SET_MB * MB // PAGE * 3 // 4
    between = [packet for packet in roce_packets(capture) if {packet.source, packet.target} == {1, 2}]
    os.unlink(capture)
    fills = [i for i, packet in enumerate(between) if packet.target == 1 and len(packet.payload) >= PAGE][-pages:]
    steady = between[fills[0] + 1:fills[-1] + 1]
    frame = 14 + 20 + 8 + 12 + 4                # Ethernet, IP, UDP, BTH, ICRC; the payload has the other headers
    counters = facts["nodes"]["processor"]["counters"]
    shootdowns, evicted = (counters[name] - base[name] for name in ("nr_tlb_shootdown", "nr_pcache_eviction_succeed"))
    return len(steady) / (len(fills) - 1), sum(frame + len(packet.payload) for packet in steady) / (len(fills) - 1), shootdowns / evicted


def remote_fault(rows):
    samples = Samples("remote_fault", ("side", "pattern", "how", "threads"), ("median_us", "p99_us", "pages_s", "waited_us"))
    reads = []
    with LinuxSwap() as linux:
        for n in range(ROUNDS):
            for order in ORDERS if n == 0 else BARRED:          # what nothing is asked of is measured once
                words = remote_fault_words(*order)
                if n == 0:
                    samples.add((LOCAL,) + order, *touched(linux.run(" ".join(words))))
                samples.add((TANGRAM,) + order, *touched(here(words)[0]))
                samples.add((SWAP,) + order, *touched(linux.run(" ".join(words), limit_of(CACHE_MB * MB), READ_AHEAD)))
                if order in BARRED:
                    samples.add((SWAP_1,) + order, *touched(linux.run(" ".join(words), limit_of(CACHE_MB * MB), NO_READ_AHEAD)))
            reads.append(min(linux.rdma_read_us(), linux.rdma_read_us(True)))
    base = here(remote_fault_words("seq", "read", 1, 0))[1]["nodes"]["processor"]["counters"]
    wire = {order: per_page(order, base) for order in ORDERS}
    remote_fault_tables(samples, wire)
    random, seq = BARRED
    ours = samples.median((TANGRAM,) + random, "waited_us")
    swap = min(samples.median((side,) + random, "waited_us") for side in (SWAP, SWAP_1))
    read = statistics.median(median for median, _ in reads)
    rows.append(("random remote read fault", ours, "us", "Linux nbd swap-in %.0f: %.2f of it (<= 0.33); %s" % (swap, ours / swap, samples.load())))
    rows.append(("the same beside a READ of 4 KiB of Linux rxe", ours / read, "times", "<= 1; the READ: %.0f us" % read))
    ours, swap = samples.median((TANGRAM,) + seq, "pages_s"), samples.median((SWAP,) + seq, "pages_s")
    rows.append(("sequential remote reads", ours, "pages/s", "Linux nbd, read-ahead of 8: %.0f: %.1f times (>= 4)" % (swap, ours / swap)))


def remote_fault_tables(samples, wire):
    lines = ["`%s`; packets, bytes and shootdowns are Tangram's" % command(), "",
             "| order | threads | median us | p99 us | pages/s | packets a page | bytes a page | shootdowns an evicted page | Linux nbd: median us | p99 us | pages/s | Linux, all local: pages/s |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for order in ORDERS:
        figures = ["%.4g" % samples.median((side,) + order, value) for side in (TANGRAM, SWAP) for value in samples.values[:3]]
        figures.append("%.4g" % samples.median((LOCAL,) + order, "pages_s"))
        figures[3:3] = ["%.3g" % wire[order][0], "%.0f" % wire[order][1], "%.3g" % wire[order][2]]
        lines.append("| %s %s | %d | %s |" % (order + (" | ".join(figures),)))
    with open(os.path.join(OUT, "remote_fault.md"), "w") as file:
        file.write("\n".join(lines) + "\n")
    plots.remote_fault(os.path.join(OUT, "remote_fault.svg"), PATTERNS, ("read", "write"),
                       {key: samples.median(key, "pages_s") for key in samples.all}, (TANGRAM, SWAP))


# word_count

FRACTIONS = (0.125, 0.25, 0.5, 0.75, 1, 2)      # of the footprint
SWAPPED = (0.25, 0.5, 0.75)
TEXTS = [int(size) for size in os.environ.get("TANGRAM_BENCH_TEXTS", "20 100").split()]    # MB
LOCAL_FRACTION = 0                              # Linux without a limit


def counting(out):
    """Seconds that word_count took without reading its text, as it says itself."""
    return float(re.search(r"Completed ([0-9.]+) sec", out).group(1))


def linux_times(out):
    """(seconds from exec to exit, of these without reading the text)"""
    return int(re.search(r"run_time (\d+) 0", out).group(1)) / 1e9, counting(out)


def cache_of(footprint, fraction):
    """Bytes: whole sets, no more than the fraction of so many pages."""
    return int(footprint * fraction) // WAYS * WAYS * PAGE


def count_here(file, cache):
    return run("/bin/word_count", "/data/t", timeout=600, options=["--cpus", "1", "--memory", "640M", "--pcache", "%dK" % (cache >> 10),
                                                                   "--victim", str(VICTIMS), "--add", file + "=/data/t"])


def geometry(rows):
    samples = Samples("word_count", ("text_mb", "side", "of_footprint"), ("seconds", "counting", "fills", "prefetched", "flushed"))
    for size in TEXTS:
        with LinuxSwap(text=text(size * MB)) as linux:
            word_count_size(samples, linux, size)
        word_count_rows(rows, samples, size)
    plots.word_count(os.path.join(OUT, "word_count.svg"), {size: {
        side: [(fraction, samples.median((size, side, fraction), "seconds")) for fraction in FRACTIONS if (size, side, fraction) in samples.all]
        for side in (TANGRAM, SWAP)} for size in TEXTS}, {size: samples.median((size, LOCAL, LOCAL_FRACTION), "seconds") for size in TEXTS})


def word_count_size(samples, linux, size):
    file = text(size * MB)
    footprint = count_here(file, size * 2 * MB)[1]["footprint"]
    for _ in range(ROUNDS):
        for fraction in reversed(FRACTIONS):
            out, facts = count_here(file, cache_of(footprint, fraction))
            counters = facts["nodes"]["processor"]["counters"]
            samples.add((size, TANGRAM, fraction), facts["guest_seconds"], counting(out), counters["nr_pcache_fill_from_memory"],
                        counters["nr_pcache_prefetch"], counters["nr_victim_flush_finished_dirty"])
            if fraction in SWAPPED:
                before = linux.swapped()
                out = linux.run("run_time 1 /usr/bin/word_count /tmp/text", limit_of(cache_of(footprint, fraction)))
                swapped = [after - less for after, less in zip(linux.swapped(), before)]
                samples.add((size, SWAP, fraction), *linux_times(out), swapped[0], 0, swapped[1])
        samples.add((size, LOCAL, LOCAL_FRACTION), *linux_times(linux.run("run_time 1 /usr/bin/word_count /tmp/text")), 0, 0, 0)


def word_count_rows(rows, samples, size):
    def median(side, fraction, what="seconds"):
        return samples.median((size, side, fraction), what)

    def alone(side, fraction):
        return "%.2f without reading the text" % median(side, fraction, "counting")
    whole = median(TANGRAM, 2)
    rows.append(("word_count of %d MB, one thread, from exec to exit, cache 200 %% of its footprint" % size, whole, "s", "%s; Linux, all local: %.2f, %s; %s"
                 % (alone(TANGRAM, 2), median(LOCAL, LOCAL_FRACTION), alone(LOCAL, LOCAL_FRACTION), samples.load())))
    for fraction in reversed(FRACTIONS[:-1]):
        ours = median(TANGRAM, fraction)
        note = "%.2f times that of 200 %%%s; %s" % (ours / whole, " (<= 1.20)" if fraction == 0.25 else "", alone(TANGRAM, fraction))
        if fraction in SWAPPED:
            swap = median(SWAP, fraction)
            note += "; Linux nbd %.2f: %.1f times as fast (>= 2); %s" % (swap, swap / ours, alone(SWAP, fraction))
        rows.append(("the same, cache %.4g %%" % (100 * fraction), ours, "s", note))


# how it scales, and large changes of the map

MAP_MB = 100


def scaling(rows):
    """Misses with as many threads as CPUs, and fork and mremap of much memory, all of it in the cache and a quarter of it."""
    samples = Samples("scaling", ("cpus",), ("median_us", "p99_us", "pages_s", "waited_us"))
    for _ in range(ROUNDS):
        for cpus in (1, 2, 4):
            samples.add((cpus,), *touched(here(remote_fault_words("random", "read", cpus), ["--cpus", str(cpus)])[0]))
    for cpus in (1, 2, 4):
        rows.append(("random remote reads, %d thread%s on as many CPUs" % (cpus, "s"[:cpus > 1]), samples.median((cpus,), "pages_s"), "pages/s",
                     "median %.0f us, p99 %.0f us; %s" % (samples.median((cpus,), "median_us"), samples.median((cpus,), "p99_us"), samples.load())))
    with LinuxSwap() as linux:
        there = map_times(linux.run("map_time %d 3" % MAP_MB))
    for name, size, megabytes in (("fork", MAP_MB, MAP_MB), ("fork-exit-wait", MAP_MB, MAP_MB), ("mremap", 64, 64)):
        whole, quarter = (map_times(run("/bin/map_time", str(size), "3", options=["--cpus", "1", "--memory", "512M", "--pcache", cache])[0])[name]
                          for cache in ("%dM" % (megabytes * 2), "%dM" % (megabytes // 4)))
        rows.append(("%s of %d MB, all in the cache" % (name, size), whole, "ms", "a quarter in the cache: %.3g; Linux, %d MB local: %.3g"
                     % (quarter, MAP_MB, there[name])))


def map_times(out):
    return {name: float(ms) for name, ms in re.findall(r"(?m)^(\S+) median ([0-9.]+) ms$", out)}


KINDS = (("Z", "zeros made here"), ("H", "set hit"), ("V", "victim hit"), ("M", "fetched, with what the CPU executes until then"))


def fault_kinds(rows):
    """Instructions from a touch to its end, by how the fault was answered: user/tests/fault_kinds.c and bench/marks_plugin.c."""
    for path in glob.glob(os.path.join(OUT, "marks-*")):
        os.unlink(path)
    out, _ = run("/bin/fault_kinds", "1024", options=["--cpus", "1", "--pcache", "1M", "--victim", "64", "--append", "P:pcache.prefetch=off",
                                                      "--qemu", "-plugin %s,dir=%s" % (plugin("marks"), OUT)])
    insns = collections.defaultdict(list)
    for kind, count in zip(out.strip(), intervals(of_machine("tangram-processor"))[1]):
        insns[kind].append(count)
    for kind, words in KINDS:
        if not insns[kind]:
            raise RuntimeError("no fault was answered by: " + words)
        rows.append(("instructions on the processor node, a fault: " + words, statistics.median(insns[kind]), "",
                     "median of %d; least %d" % (len(insns[kind]), min(insns[kind]))))


PARTS = (remote_fault, geometry, scaling, fault_kinds)
