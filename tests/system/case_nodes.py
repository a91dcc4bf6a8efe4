# SPDX-License-Identifier: MIT
"""The nodes themselves: their selftests, their meeting in any order, and what they say of themselves to programs."""

import os
import re

from case_boot import ROLES, log
from cases import case, each


@case(limit=240)
def selftests(bed):
    """The tests that are built into the kernels, on several CPUs of every node that may have several."""
    # lesson: L2, lesson: L8, lesson: L22, lesson: L33, lesson: L34, lesson: L35, lesson: L38, lesson: L39
    bed.run("hello", options=["--cpus", "4", "--mem-cpus", "2", "--append", "all:selftest=1", "--boot-timeout", "150"], timeout=200)
    for role in ROLES:
        said = log(bed, role)
        begun = re.findall(r"selftest (\S+) begins", said)
        ended = re.findall(r"selftest (\S+) ok", said)
        total = int(re.search(r"selftests: (\d+) passed", said).group(1))
        assert begun == ended and len(ended) == total and total > 20, "%s: %d of %d ended" % (role, len(ended), len(begun))


@case()
def other_numbers_and_addresses(bed):
    """Who the nodes are is said at boot: the same images with other numbers, addresses, and the memory node the one that connects to all."""
    # lesson: L26
    who = {"P": (19, "192.168.7.119/16"), "M": (62, "192.168.200.3/16"), "S": (5, "192.168.0.77/16")}
    options = []
    for short, (number, address) in who.items():
        peers = ",".join("%d:%s" % (n, a.split("/")[0]) for n, a in who.values() if n != number)
        options += ["--append", "%s:fit.node=%d fit.ip=%s fit.peers=%s" % (short, number, address, peers)]
    result = bed.run("memtest", "4", "2", "2", options=["--pcache", "2M", *options])
    assert result.counter("nr_pcache_fill_from_memory") > 0
    for role, (number, _) in zip(ROLES, who.values()):
        assert result.node(role)["parameters"]["fit.node"] == str(number)
        for peer, (other, _) in zip(ROLES, who.values()):
            assert peer == role or "%s-%d is up" % (peer, other) in log(bed, role), log(bed, role)[-2000:]


@each({role: role for role in ROLES})
def a_node_comes_late(bed, late):
    """Whichever node boots last, the others wait for it: no call is made of a node that is not there yet."""
    # lesson: L23
    wrapper = bed.path("late-qemu")
    with open(wrapper, "w") as file:
        file.write('#!/bin/sh\ncase "$*" in *tangram-%s*) sleep 3;; esac\nexec qemu-system-x86_64 "$@"\n' % late)
    os.chmod(wrapper, 0o755)
    bed.env["TANGRAM_QEMU"] = wrapper
    bed.run("hello", "late", options=["--quiet"])
    for role in ROLES:
        assert " is up" in log(bed, role) and "dead" not in log(bed, role)


@each({"1": 1, "3": 3})
def machine_is_true(bed, cpus):
    """What /proc and /sys show is what the nodes have."""
    # lesson: L37
    result = bed.run("machine", options=["--cpus", str(cpus), "--mem-memory", "512M"])
    said = dict(line.split(" ", 1) for line in result.out.decode().splitlines() if ": OK" not in line)
    assert int(said["cpus"]) == cpus
    memory = result.facts["nodes"]["memory"]["accounting"]
    assert int(said["memtotal"]) == memory["total_frames"] * 4, (said, memory)
    assert int(said["memtotal"]) > 400 << 10 and int(said["memfree"]) > int(said["memtotal"]) * 3 // 4
    assert said["hostname"] == "tangram"


@each({"calm": "", "lossy": "seed=5,drop=0.1"}, limit=150)
def power_goes_in_order(bed, faults):
    """
    Power-off with data that only the memory node has: M writes it back and says farewell, then S, then P. A farewell that is lost
    on the way is said again: no node takes another for dead, and no data is lost.
    """
    data = b"".join(b"line %d\n" % n for n in range(100000))
    bed.path("words", data)
    up = bed.tangram("up", "--quiet", "--name", "ends", "--image", "debian", "--log-dir", bed.path("run1"),
                     "--add", bed.path("words") + "=/data/words", "--append", "all:fit.dead=20s")
    assert up.status == 0, up.err
    try:
        copied = bed.tangram("exec", "--quiet", "ends", "--", "/usr/bin/cp", "/data/words", "/data/copy")
        assert copied.status == 0, copied.err
        if faults:
            assert bed.tangram("wire", "ends", "--faults", faults).status == 0
    finally:
        down = bed.tangram("down", "ends", "--get", "/data/copy=" + bed.path("copy"))
    assert down.status == 0, down.err
    bed.runs = 1
    assert bed.read("copy") == data
    for role in ROLES:
        assert not re.search(r" is dead|data is lost|does not (go|shut down)", log(bed, role)), log(bed, role)[-2000:]
        assert log(bed, role).count("power off") >= 1, role
    order = re.findall(r"fit: (memory|storage)-\d+ left|(power off)", log(bed, "processor"))
    assert order == [("memory", ""), ("storage", ""), ("", "power off")], order
    assert re.search(r"memory-2 left.*node 1 asks for power-off", log(bed, "storage"), re.DOTALL), log(bed, "storage")[-2000:]


@case()
def trace_rings(bed):
    """What happened last, in order, from every CPU and every part; nothing where nobody asked for it; and in a panic's log."""
    result = bed.run("/usr/bin/cat", "/proc/tangram/trace", options=["--image", "debian", "--append", "all:trace=all"])
    lines = result.out.decode().splitlines()
    found = [re.fullmatch(r"(\d+\.\d{6}) cpu (\d+) ([^:]+): (switch|wake|line|victim|call|serve) .*", line) for line in lines]
    assert all(found), lines[:20]
    times = [float(match.group(1)) for match in found]
    assert times == sorted(times)
    assert {match.group(2) for match in found} == {"0", "1"}
    assert {"switch", "wake", "line", "call"} <= {match.group(4) for match in found}
    assert re.search(r"(?m): call memory_fill of node 2 ends: 0, \d+ ns$", result.out.decode())
    assert bed.run("/usr/bin/cat", "/proc/tangram/trace", options=["--image", "debian"]).out == b""
    bed.run("memtest", "64", "1", "1000", status=125, options=["--append", "M:trace=fit debug.panic=3s"])
    assert re.search(r"panic: debug\.panic=3000ms.* err memory/\d+: trace: \d+\.\d+ cpu 0 [^:]+: serve \w+ to node 1", log(bed, "memory"), re.DOTALL)
