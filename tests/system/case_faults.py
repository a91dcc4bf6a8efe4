# SPDX-License-Identifier: MIT
"""A bad network, and nodes that stand still for a while: programs get right results, or SIGBUS and a line that names the node."""

from cases import case, each
from case_stress_ng import SMALL, stress_ng
from lab import Lab
from testbed import check_word_count, text_file

KINDS = ("drop", "dup", "reorder", "delay", "corrupt", "corrupt-right", "corrupt-wrong")
ALL = ("processor", "memory", "storage")
BOTH = "from=%d,to=%d,cut=0s+%s;from=%d,to=%d,cut=0s+%s"


def each_way(rate, kinds=KINDS):
    return "seed=11," + ",".join("%s=%g%s" % (kind, rate, ":2ms" if kind == "delay" else "") for kind in kinds)


def spoilt(bed, faults, *options, size=128 << 10, stress=0, timeout=100):
    """word_count, and then the stress programs, on a wire with these faults; no node may be called dead."""
    with open(text_file(), "rb") as file:
        text = file.read(size)
    words = ["--add", bed.path("text", text) + "=/data/some", "--pcache", "256K", "--faults", faults, *options]
    result = bed.run("/bin/word_count", "/data/some", "30", options=words, timeout=timeout)
    check_word_count(result.out, text, 30)
    nobody_is_dead(bed)
    if stress:
        stress_programs(bed, [*words, "--cpus", "2"], stress, timeout)
    return result


def nobody_is_dead(bed):
    for role in ALL:
        for run in range(1, bed.runs + 1):
            assert b" is dead" not in bed.read("run%d/%s.log" % (run, role)), role


def stress_programs(bed, options, seconds, timeout):
    """
    On one cluster, one after the other: memory, forks, processes, files. The files are compared again when the memory node has forgotten
    their pages; nothing is held by any node in the end.
    """
    with Lab(bed, *options) as lab:
        lab.run("pcache_stress", str(seconds), "7", seconds=timeout)
        lab.run("fork_cow", "1", "3", "2", seconds=timeout)
        lab.run("processes", "20", seconds=timeout)
        lab.run("file_stress", "/data", str(seconds), "7", seconds=timeout)
        lab.balanced(*ALL)
        read = lab.ask("memory", "counters")["nr_memory_cache_read"]
        lab.run("file_stress", "/data", "0", "7", seconds=timeout)
        assert lab.ask("memory", "counters")["nr_memory_cache_read"] >= read + 6, "storage was not asked"      # a page of each file
        lab.balanced(*ALL)
        lab.never_said(" is dead")


@case()
def faults_together(bed):
    result = spoilt(bed, each_way(0.01))
    assert result.counter("nr_roce_drop_icrc") > 0 and result.counter("nr_net_drop_udp_sum") > 0     # the right cause for each
    assert sum(result.counter("nr_roce_retransmit", role) for role in ALL) > 0


@case()
def faults_short_cuts(bed):
    """Cuts of 0.1 s, of each pair by itself, both directions and one, beneath a cap of the bandwidth."""
    spoilt(bed, size=48 << 10, faults="seed=3,rate=4M,cuts=800ms:100ms;oneway-cuts=900ms:100ms")


@each({"%s-%g" % (kind, percent): (kind, percent) for kind in KINDS + ("together",) for percent in (0.1, 1, 5)}, limit=300, part="faults")
def faults_long(bed, choice):
    kind, percent = choice
    spoilt(bed, each_way(percent / 100, KINDS if kind == "together" else (kind,)), size=256 << 10, stress=6, timeout=280)


@each({"0.1": 0.1, "1": 1, "5": 5}, limit=600, part="faults")
def faults_stress_ng(bed, percent):
    """
    Debian's stressors of processes and memory, which check what they do, under all kinds of faults at once. A round over 8 MiB is two
    thousand fills: at 5 % of everything that is no matter of seconds.
    """
    stress_ng(bed, ("fork", "clone", "vm", "msync", "pipe", "futex"), 2, 2, "4M", SMALL, 500, ["--faults", each_way(percent / 100)],
              {"vm": 2})
    nobody_is_dead(bed)


@each({
    "0.1s": ("seed=%d,cuts=700ms:100ms", ()), "0.1s-oneway": ("seed=%d,oneway-cuts=300ms:100ms", ()),
    "1s": ("seed=%d,cuts=6s:1s", ()), "1s-oneway": ("seed=%d,oneway-cuts=4s:1s", ()),
    "5s": ("seed=%d,cuts=25s:5s", ("--append", "all:fit.dead=10s")),
    "5s-oneway": ("seed=%d,oneway-cuts=20s:5s", ("--append", "all:fit.dead=10s")),
}, limit=400, part="faults")
def cuts_long(bed, choice):
    """
    Outlived, whatever is cut when: the pairs' moments overlap. In the pairs' own time a cut may follow another at once, as long
    as one time fit.dead does not lie between two packets.
    """
    faults, options = choice
    for seed in (1, 2):
        spoilt(bed, faults % seed, *options, size=512 << 10, stress=6, timeout=180)


@case()
def a_long_cut_ends_the_epoch(bed):
    """
    P and M do not hear of each other for 5 s: each says so, the program that needs M ends with SIGBUS, one that does not need it
    goes on, M holds nothing for P any more, and when the wire is whole M is there again for the next.
    """
    with Lab(bed, "--pcache", "1M") as lab:
        lab.run("hello")
        goes_on = lab.start("map_slowly", "/data/holes", "20000", "3600000")    # reads a page, then sleeps for an hour
        lab.until(lambda: b"mapped" in lab.out, "a program that sleeps")
        served = lab.ask("memory", "counters")["nr_fit_served"]
        needs = lab.start("memtest", "16", "1", "10000")
        lab.until(lambda: lab.ask("memory", "counters")["nr_fit_served"] > served + 300, "a program in full swing")
        assert not needs.ended() and not goes_on.ended()
        lab.wire(BOTH % (1, 2, "5s", 2, 1, "5s"))
        assert needs.wait() == "signal=7"
        lab.detected("processor", "memory-2")
        lab.detected("memory", "processor-1")
        assert lab.said.count("processor: memory-2 is dead") == 1, lab.said
        lab.until_said("processor", "memory-2 is up", 2)
        assert not goes_on.ended()
        goes_on.kill()
        assert goes_on.wait() == "signal=9"
        lab.never_said("storage-3 is dead")
        lab.run("memtest", "2", "1", "1")
        lab.balanced("processor", "memory")


@each({"memory": "memory", "processor": "processor"}, part="faults")
def a_long_cut_from_storage(bed, role):
    """
    For 5 s S and one of the others do not hear of each other: both say so, and a program that needs no file goes on. One that reads what
    M has not ends with SIGBUS if it is M that is cut off; if it is P it goes on, too. Then all is as before.
    """
    number, name = ALL.index(role) + 1, "%s-%d" % (role, ALL.index(role) + 1)
    with Lab(bed, "--pcache", "1M") as lab:
        lab.run("memtest", "2", "1", "1")
        goes_on = lab.start("memtest", "8", "1", "10000")
        reads = lab.start("map_slowly", "/data/holes", "20000", "20")
        lab.until(lambda: b"mapped" in lab.out, "the file to be mapped")
        lab.pause(1)
        assert not reads.ended()
        lab.wire(BOTH % (number, 3, "5s", 3, number, "5s"))
        lab.detected(role, "storage-3")
        lab.detected("storage", name)
        if role == "memory":
            assert reads.wait() == "signal=7"
        for one in (role, "storage"):
            lab.until_said(one, "%s is up" % (name if one == "storage" else "storage-3"), 2)
        lab.never_said("memory-2 is dead", ["processor"])
        lab.never_said("processor-1 is dead", ["memory"])
        for program in (goes_on, reads)[:1 if role == "memory" else 2]:
            assert not program.ended()
            program.kill()
            assert program.wait() == "signal=9"
        lab.run("memtest", "2", "1", "1")
        lab.run("file_stress", "/data", "1", "7")
        lab.balanced(*ALL)


def nobody_notices(lab, roles, seconds, megabytes):
    """Nodes stand still under a program, which goes on; nobody is called dead."""
    program = lab.start("memtest", megabytes, "1", "10000")
    lab.pause(1)
    lab.stop(*roles)
    lab.pause(seconds)
    lab.go_on(*roles)
    lab.pause(3)
    assert not program.ended()
    program.kill()
    assert program.wait() == "signal=9"
    lab.never_said(" is dead")
    lab.balanced("processor", "memory")


@each({"processor": "processor", "memory": "memory", "storage": "storage"}, part="faults")
def one_node_stands_still(bed, role):
    """
    For 5 s, with fit.dead=10s: the others wait for it. With the default they call it dead, rightly: they did run, and heard
    nothing. It itself calls nobody silent or dead for the time in which it did not run: it is told that it was given up.
    """
    with Lab(bed, "--pcache", "1M", "--append", "all:fit.dead=10s") as lab:
        nobody_notices(lab, [role], 5, "8")
    with Lab(bed, "--pcache", "1M") as lab:
        program = lab.start("memtest", "16", "1", "10000")
        lab.pause(1)
        lab.stop(role)
        lab.pause(5)
        lab.go_on(role)
        name = "%s-%d" % (role, ALL.index(role) + 1)
        others = [other for other in ALL if other != role]
        for other in others:
            lab.detected(other, name)
            lab.until_said(other, name + " is up", 2)
        lab.never_said("is dead: silent", [role])
        lab.never_said("is silent", [role])
        if role == "storage":
            assert not program.ended()          # it has what it needs
            program.kill()
        else:
            assert program.wait() == "signal=7"
        program.wait()
        lab.run("memtest", "4", "1", "1")
        lab.balanced("processor", "memory")


@case()
def all_nodes_stand_still(bed):
    """As when the host sleeps: 4 s in which nobody ran are nobody's silence."""
    with Lab(bed, "--pcache", "1M") as lab:
        nobody_notices(lab, ALL, 4, "4")
