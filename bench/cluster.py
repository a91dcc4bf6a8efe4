# SPDX-License-Identifier: MIT
"""What a cluster costs: its start, its rest, packets, latencies, instructions of its operations, word_count."""

import os
import re
import statistics
import time

from measure import OUT, executed, run, tangram
from testbed import roce_packets

ACK, WRITES = 0x11, range(0x06, 0x0c)       # BTH opcodes of RC: RDMA WRITE FIRST to ONLY WITH IMMEDIATE
P, M = 1, 2                                 # the last bytes of their addresses


def boot(rows):
    seconds = [run("/bin/hello", options=["--boot", "direct"])[1]["boot_seconds"] for _ in range(5)]
    rows.append(("boot: three QEMUs started to the nodes ready (median of 5)", statistics.median(seconds), "s", "< 3"))


def cpu_seconds(marker):
    """CPU time of every process of the cluster that has the marker on its command line."""
    total = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                if marker.encode() not in file.read():
                    continue
            with open("/proc/%s/stat" % entry) as file:
                fields = file.read().rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return total


def idle(rows, seconds=30):                 # lesson: L45
    name, log = "bench%d" % os.getpid(), os.path.join(OUT, "idle-log-%d" % os.getpid())
    done = tangram("up", "--quiet", "--name", name, "--log-dir", log)
    if done.returncode != 0:
        raise RuntimeError("up: " + done.stderr)
    try:
        time.sleep(3)
        before = cpu_seconds(log)
        time.sleep(seconds)
        used = cpu_seconds(log) - before
    finally:
        tangram("down", name)
    rows.append(("idle cluster over %d s, all QEMUs and the switch" % seconds, 100 * used / seconds, "% of a core", "< 2"))


def packets_per_fill(*program):
    """
    Between P and M, over the last 3000 pages (4096 bytes or more in an RDMA WRITE's packet, from M to P) of a capture: packets, and
    acknowledgement packets, for each page, whether it came alone, in a batch ahead of demand or placed by a read().
    """
    capture = os.path.join(OUT, "wire.pcap")
    run(*program, options=["--cpus", "1", "--pcache", "4M", "--pcap", capture])
    between = [packet for packet in roce_packets(capture) if {packet.source, packet.target} == {P, M}]
    os.unlink(capture)
    fills = [i for i, packet in enumerate(between)
             if packet.source == M and packet.opcode in WRITES and len(packet.payload) >= 4096][-3000:]
    steady = between[fills[0] + 1:fills[-1] + 1]
    acks = sum(packet.opcode == ACK for packet in steady)
    return (len(steady) - acks) / (len(fills) - 1), acks / (len(fills) - 1)


def packets(rows):
    """A program of one thread that only misses (it ends by reading more than the cache holds), and one of four that flushes, too."""
    data, acks = packets_per_fill("/bin/fault_time")
    rows.append(("packets per fill, acknowledgements apart: one thread that misses", data, "", "2.0"))
    rows.append(("acknowledgement packets per fill: one thread that misses", acks, "", "<= 0.25"))
    data, acks = packets_per_fill("/bin/word_count", "/data/text")
    rows.append(("acknowledgement packets per page: word_count", acks, "", "<= 0.25; %.2f other packets" % data))


def word_count(rows):
    for size in ("16M", "4M", "2M", "1M"):
        out, facts = run("/bin/word_count", "/data/text", options=["--pcache", size])
        seconds = float(re.search(r"Completed ([0-9.]+) sec", out).group(1))
        counters = facts["nodes"]["processor"]["counters"]
        rows.append(("word_count of the default text, pcache %s" % size, seconds, "s",
                     "%d faults, footprint %d pages" % (counters["nr_pgfault"], facts["footprint"])))


def latency(rows):
    """
    Calls as the processor node measures them (start to completion of the reply, without the caller's wake-up), and page faults as
    a program sees them (user/tests/fault_time.c), in microseconds of the guests' clocks.
    """
    out, facts = run("/bin/fault_time", options=["--cpus", "1", "--pcache", "4M", "--append", "P:fit.probe=2000"])
    calls = facts["nodes"]["processor"]["latency"]
    for op, what in (("null", "call that does nothing"), ("memory_fill", "fill of a page, the call"),
                     ("memory_flush", "flush of up to eight pages, the call")):
        for name in ("median", "p99"):
            rows.append(("%s, %s" % (what, name), calls[op][name + "_ns"] / 1000, "us", "%d calls" % calls[op]["calls"]))
    for line in out.splitlines():
        match = re.match(r"(\S+) median (\d+) p99 (\d+) ns$", line)
        if match:
            for what, value in (("median", match.group(2)), ("p99", match.group(3))):
                rows.append(("page fault %s, %s" % (match.group(1).replace("-", " "), what), int(value) / 1000, "us", ""))


def instructions(rows):
    """
    What an operation costs in instructions of each node, kernel and program: two runs that differ by so many of them, by a plugin
    of QEMU's. Time does not come into it but for timers and idle turns, so it hardly moves with the host's load.
    """
    def difference(what, less, more, count):
        for role in ("processor", "memory"):
            rows.append(("instructions on the %s node: %s" % (role, what), (more[role] - less[role]) / count, "", ""))

    difference("call that does nothing", executed("/bin/hello"), executed("/bin/hello", options=["--append", "P:fit.probe=4000"]), 4000)
    base = executed("/bin/fault_time", "0", "0", "0")
    difference("zero-fill fault", base, executed("/bin/fault_time", "20", "0", "0"), 20 * 256)
    difference("fill, the evicted page clean", base, executed("/bin/fault_time", "0", "0", "2"), 2 * 4096)
    difference("fill, the evicted page flushed", base, executed("/bin/fault_time", "0", "2", "0"), 2 * 4096)


PARTS = (boot, idle, packets, latency, instructions, word_count)
