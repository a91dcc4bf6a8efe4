#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
What the cluster costs, measured, never guessed: writes bench/result.json and a Markdown table (stdout, and result.md) into the
build folder. Medians move by a third from run to run on a busy host; compare only figures of one session.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tests", "system"), os.path.join(ROOT, "scripts")]
BUILD = os.path.abspath(os.environ.get("TANGRAM_BUILD", os.path.join(ROOT, "build")))
os.environ["TANGRAM_BUILD"] = BUILD

from testbed import roce_packets                # noqa: E402

TOOL = os.path.join(ROOT, "scripts", "tangram")
OUT = os.path.join(BUILD, "bench")
ACK, WRITE_IMM = 0x11, 0x0b


def tangram(*words, timeout=300):
    return subprocess.run([TOOL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, text=True)


def run(*program, options=(), timeout=240):
    facts = os.path.join(OUT, "facts.json")
    done = tangram("run", "--quiet", "--timeout", str(timeout), "--log-dir", os.path.join(OUT, "log"), "--json", facts, *options,
                   "--", *program, timeout=timeout + 60)
    if done.returncode != 0:
        raise RuntimeError("%s: status %d: %s" % (" ".join(program), done.returncode, done.stderr.strip()[-300:]))
    with open(facts) as file:
        return done.stdout, json.load(file)


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
    Between P and M, over the last 3000 fills (a page, RDMA WRITE ONLY WITH IMMEDIATE of 4096 bytes, from M to P) of a capture:
    packets, and acknowledgement packets, for each fill.
    """
    capture = os.path.join(OUT, "wire.pcap")
    run(*program, options=["--cpus", "1", "--pcache", "4M", "--pcap", capture])
    between = [packet for packet in roce_packets(capture) if {packet.source, packet.target} == {1, 2}]
    os.unlink(capture)
    fills = [i for i, packet in enumerate(between) if packet.opcode == WRITE_IMM and len(packet.payload) >= 4096][-3000:]
    steady = between[fills[0] + 1:fills[-1] + 1]
    acks = sum(packet.opcode == ACK for packet in steady)
    return (len(steady) - acks) / (len(fills) - 1), acks / (len(fills) - 1)


def packets(rows):
    """A program of one thread that only misses (it ends by reading more than the cache holds), and one of four that flushes, too."""
    data, acks = packets_per_fill("/bin/fault_time")
    rows.append(("packets per fill, acknowledgements apart: one thread that misses", data, "", "2.0"))
    rows.append(("acknowledgement packets per fill: one thread that misses", acks, "", "<= 0.25"))
    data, acks = packets_per_fill("/bin/word_count", "/data/text")
    rows.append(("acknowledgement packets per fill: word_count", acks, "", "<= 0.25; %.2f other packets" % data))


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


def executed(*program, options=()):
    """{role: instructions that its machine executed from reset to power-off}"""
    for name in os.listdir(OUT):
        if name.startswith("insns-"):
            os.unlink(os.path.join(OUT, name))
    run(*program, options=["--cpus", "1", "--pcache", "4M", "--qemu", "-plugin %s,dir=%s" % (os.path.join(OUT, "insn.so"), OUT),
                           *options])
    counts = {}
    for name in os.listdir(OUT):
        if name.startswith("insns-"):
            with open(os.path.join(OUT, name), "rb") as file:
                data = file.read()
            words = data[8:].split(b"\0")
            counts[words[words.index(b"-name") + 1].decode().replace("tangram-", "")] = int.from_bytes(data[:8], "little")
    return counts


def instructions(rows):
    """
    What an operation costs in instructions of each node, kernel and program: two runs that differ by so many of them, by a plugin
    of QEMU's. Time does not come into it but for timers and idle turns, so it hardly moves with the host's load.
    """
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-o", os.path.join(OUT, "insn.so"),
                    os.path.join(ROOT, "bench", "insn_plugin.c")], check=True)

    def difference(what, less, more, count):
        for role in ("processor", "memory"):
            rows.append(("instructions on the %s node: %s" % (role, what), (more[role] - less[role]) / count, "", ""))

    difference("call that does nothing", executed("/bin/hello"), executed("/bin/hello", options=["--append", "P:fit.probe=4000"]), 4000)
    base = executed("/bin/fault_time", "0", "0", "0")
    difference("zero-fill fault", base, executed("/bin/fault_time", "20", "0", "0"), 20 * 256)
    difference("fill, the evicted page clean", base, executed("/bin/fault_time", "0", "0", "2"), 2 * 4096)
    difference("fill, the evicted page flushed", base, executed("/bin/fault_time", "0", "2", "0"), 2 * 4096)


def main():
    os.makedirs(OUT, exist_ok=True)
    rows, failed = [], 0
    for part in (boot, idle, packets, latency, instructions, word_count):
        if len(sys.argv) > 1 and part.__name__ not in sys.argv[1:]:
            continue
        try:
            part(rows)
        except (RuntimeError, OSError, subprocess.SubprocessError, KeyError) as error:
            print("%s: %s" % (part.__name__, error), file=sys.stderr)
            failed += 1
    table = ["| what | measured | unit | wanted, or beside it |", "|---|---|---|---|"]
    table += ["| %s | %.4g | %s | %s |" % row for row in rows]
    table = "\n".join(table) + "\n"
    print(table, end="")
    with open(os.path.join(OUT, "result.md"), "w") as file:
        file.write(table)
    with open(os.path.join(OUT, "result.json"), "w") as file:
        json.dump([dict(zip(("what", "value", "unit", "note"), row)) for row in rows], file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
