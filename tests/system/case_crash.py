# SPDX-License-Identifier: MIT
"""
Nodes that die, at random moments and at each step of the protocol (kernel/crash.h, debug kernels): the others say so, who needs the
dead node ends with SIGBUS, who does not goes on, nothing is held for the dead, and a node that comes back is taken in again.
"""

import os
import random
import re

from cases import case, each
from case_stress import debug_kernels
from lab import Lab
from tangramlib import nodes
from testbed import ROOT

NAME = {"processor": "processor-1", "memory": "memory-2", "storage": "storage-3"}
ALL = tuple(NAME)


class DebugLab(Lab):
    """With the debug build's kernels. dies: a node that may be gone before all are ready."""

    def __init__(self, bed, *words, dies=None):
        self.dies = dies
        super().__init__(bed, *words)

    def start_all(self):
        debug_kernels(self.bed)
        folder, nodes.BUILD = nodes.BUILD, self.bed.env["TANGRAM_BUILD"]
        try:
            super().start_all()
        finally:
            nodes.BUILD = folder

    def wait_started(self):
        if self.dies:
            self.until(lambda: self.is_gone(self.dies) or all(node.state == "ready" for node in self.nodes.values()), "the start or the crash")
        else:
            super().wait_started()

    def start_again(self, role):
        folder, nodes.BUILD = nodes.BUILD, self.bed.env["TANGRAM_BUILD"]
        try:
            super().start_again(role)
        finally:
            nodes.BUILD = folder


def knows(lab, role, name):
    """Whether the node has it up, by what it said."""
    up, dead = (len(re.findall("fit: %s is %s" % (name, what), lab.log(role))) for what in ("up", "dead"))
    return up == dead + 1


def others_say_so(lab, dead):
    """Each of the others that knew it: once, and within the time of detection."""
    for role in ALL:
        if role != dead and re.search(NAME[dead] + " is up", lab.log(role)):
            lab.detected(role, NAME[dead])
            assert len(re.findall("fit: %s is dead" % NAME[dead], lab.log(role))) == 1, lab.log(role)[-2000:]


def said_by_name(lab, dead):
    """Who runs programs reads one line that names the node."""
    if dead != "processor":
        line = "processor: %s is dead" % NAME[dead]
        lab.until(lambda: line in lab.said, "the line that the %s node is dead" % dead)
        assert lab.said.count(line) == 1, lab.said


def nothing_is_held(lab, dead):
    """No program is left: what the others held for the dead node, and for programs that needed it, they hold no more."""
    lab.balanced(*(role for role in ALL if role != dead))


def comes_back(lab, dead, program="memtest", words=("2", "1", "1")):
    """It is taken in again, a program runs that needs all three, and afterwards nothing is held by anybody."""
    lab.start_again(dead)
    lab.until(lambda: all(node.state == "ready" for node in lab.nodes.values()), "all nodes to be ready")
    for role in ALL:
        if role != dead:
            lab.until(lambda role=role: knows(lab, role, NAME[dead]), "%s to be up with the %s node" % (NAME[dead], role))
    lab.run("hello")
    lab.run(program, *words)
    lab.balanced(*ALL)


def kill_memory(lab):
    """The program that needs M ends with SIGBUS and its node's name; P holds nothing for it afterwards."""
    needs = lab.start("memtest", "16", "1", "10000")
    lab.pause(random.uniform(0.5, 2.5))
    lab.kill("memory")
    assert needs.wait() == "signal=7"
    others_say_so(lab, "memory")
    said_by_name(lab, "memory")
    nothing_is_held(lab, "memory")
    comes_back(lab, "memory")


def kill_storage(lab):
    """
    A program that needs no file goes on; one that writes files hears of it, and does not hang; one that touches a page of a file ends
    with SIGBUS.
    """
    lab.run("memtest", "2", "1", "1")           # all of it is in M now
    goes_on = lab.start("memtest", "8", "1", "10000")
    touches = lab.start("map_slowly", "/data/holes", "20000", "20")
    lab.until(lambda: b"mapped" in lab.out, "the file to be mapped")
    needs = lab.start("fill_disk", "/data", "4000")
    lab.pause(random.uniform(0.5, 2.5))
    assert not touches.ended()
    lab.kill("storage")
    others_say_so(lab, "storage")
    said_by_name(lab, "storage")
    how = needs.wait()
    assert how not in ("status=0", "signal=9"), how
    assert touches.wait() == "signal=7", lab.out[-500:]
    lab.pause(1)
    assert not goes_on.ended()
    goes_on.kill()
    assert goes_on.wait() == "signal=9"
    nothing_is_held(lab, "storage")
    comes_back(lab, "storage")


def kill_processor(lab):
    """M and S give everything back that they held for it."""
    lab.start("memtest", "16", "1", "10000")
    lab.start("fill_disk", "/data", "4000")
    lab.pause(random.uniform(0.5, 2.5))
    lab.kill("processor")
    others_say_so(lab, "processor")
    nothing_is_held(lab, "processor")
    comes_back(lab, "processor")


KILLS = {"memory": kill_memory, "storage": kill_storage, "processor": kill_processor}


def killed(bed, role, seed):
    random.seed(seed)
    with Lab(bed, "--pcache", "1M") as lab:
        lab.run("hello")
        KILLS[role](lab)


@each({role: role for role in ALL})
def node_is_killed(bed, role):
    killed(bed, role, 1)


@each({"%s-%d" % (role, seed): (role, seed) for role in ALL for seed in range(2, 8)}, part="crash")
def node_is_killed_at_random(bed, choice):
    killed(bed, *choice)


# Where a node dies, and when. STEP.OP of kernel/crash.h, for every op of managers/protocol: who adds one there has cases of it here, and
# the workload has to come to it.
OP_LISTS = (("memory", "memory_ops.h"), ("storage", "storage_ops.h"))
CALLER = ("call", "answer")
CALLEE = ("serve", "reply", "sent")
# At each step, with programs of all kinds around; the others at three: the handler has not begun; it is done, and nobody knows; the caller does.
AT_EACH_STEP = ("memory_fill", "memory_flush", "memory_fork", "memory_map", "memory_changes", "memory_exec_probe", "memory_exec",
                "memory_commit", "memory_space_create", "memory_space_exit", "memory_open", "memory_close", "memory_write", "memory_sync",
                "storage_lookup", "storage_getattr", "storage_create", "storage_read", "storage_write")
AT_THREE_STEPS = ("serve", "reply", "answer")
# What a memory node asks of a storage node; the rest is asked by a processor node. Files are let go by both: one without a name by the latter.
FROM_M = ("storage_read", "storage_write", "storage_truncate", "storage_range", "storage_sync", "storage_hold", "storage_release")
FROM_BOTH = ("storage_release",)
# No program makes a node ask these: how they have cases nevertheless.
OF_THEIR_OWN = {
    "memory_drop_caches": "asked by the host's command alone, between programs: crash_when_told",
    "memory_shutdown": "asked when the cluster is powered off: crash_while_going_off",
    "storage_shutdown": "asked when the cluster is powered off: crash_while_going_off",
    "storage_mounts": "asked by a processor node that boots, once: crash_while_booting, crash_while_asking_for_mounts",
}
# Only an object is mapped by itself, and the workload maps one; some names are looked up before a node is ready, and pages of the first
# program are fetched ahead.
NTH = {"memory_map": 1, "storage_lookup": 20, "memory_fill_ahead": 20}


def ops():
    """(who answers, name) of each op that there is."""
    for role, header in OP_LISTS:
        with open(os.path.join(ROOT, "managers", "protocol", header)) as file:
            text = file.read()
        names = re.findall(r"^\s*X\(0x[0-9a-f]+,\s*(%s_\w+),\s*\w+\)" % role, text, re.M)
        assert names and len(names) == text.count("X(0x"), header
        for name in names:
            yield role, name


def callers_of(op):
    return ("memory",) * (op in FROM_M) + ("processor",) * (op in FROM_BOTH or op not in FROM_M)


def nth(op):
    return NTH.get(op, 2)


def steps():
    for callee, op in ops():
        for role, places in (*((caller, CALLER) for caller in callers_of(op)), (callee, CALLEE)):
            for place in places:
                if op in AT_EACH_STEP or op not in OF_THEIR_OWN and place in AT_THREE_STEPS:
                    yield role, "%s.%s:%d" % (place, op, nth(op))
    for role in ALL:
        for place in ("join_ask", "join_accept", "join_up", "link_down", "link_ask", "link_offer", "link_up"):
            if (role, place) not in (("processor", "join_ask"), ("processor", "link_ask"),     # the higher id asks
                                     ("storage", "join_accept"), ("storage", "link_offer")):
                yield role, place if place.startswith("join") else place + ":6"
    yield "memory", "flush_page:5"
    yield "memory", "fork_page:5"


def asleep(lab, role):
    """A program that has all it needs and sleeps for an hour, if there was time for it before the node went; else None."""
    program = lab.start("map_slowly", "/data/asleep", "20000", "3600000")
    lab.until(lambda: b"mapped" in lab.out or program.ended(), "a program that sleeps, or its end")
    lab.pause(0.5)                              # its first page
    return None if lab.is_gone(role) or program.ended() else program


def ended_rightly(lab, program):
    """
    It did what it was to do and says so, or was ended for what is lost (which it may need even when it has said so, to exit), or was told of
    it and says that; what it read was right.
    """
    how, good = program.wait(), ("%s: OK" % program.words[0]).encode()
    if how == "status=0":
        lab.until(lambda: good in lab.out, "%s to say so" % program.words[0])
    elif how != "signal=7":
        assert (how == "status=1" or how.startswith("error=")) and good not in lab.out, (program.words, how, lab.out[-2000:])


def load_for(place):
    """The programs that come to the place, several times."""
    op = place.partition(".")[2].partition(":")[0]
    if op and op not in AT_EACH_STEP:
        return ("every_call", "/data", "3"), ("memtest", "2", "1", "2")
    return ("fork_cow", "2", "2", "2"), ("fill_disk", "/data", "2"), ("memtest", "2", "2", "2"), ("processes", "5"), ("stat_fresh", "/data")


def crash_under_load(lab, role, place):
    """
    The node comes to the place under a load of all kinds, and every program ends, but for one that needs nothing of it. Links break
    by themselves.
    """
    goes_on = asleep(lab, role) if role != "processor" and not place.startswith("link") else None
    programs = [lab.start(*words) for words in load_for(place)]
    for program in programs:
        if role != "processor":
            ended_rightly(lab, program)
    assert b"should be" not in lab.out, lab.out[-2000:]         # pattern_check() of the programs
    lab.until(lambda: lab.is_gone(role) or not place.startswith("link") and all(p.ended() for p in programs), "the crash or the end")
    assert lab.is_gone(role), "it never came to %s" % place
    if goes_on is not None:
        lab.detected("processor", NAME[role])
        assert not goes_on.ended(), lab.exits
        goes_on.kill()
        assert goes_on.wait() == "signal=9"


def crashes(bed, choice):
    """
    The power of one node goes at this place, where nodes join before all are ready. The others say so and every program ends. Whatever
    was lost, nobody holds anything for the dead, the node comes back, and the cluster works.
    """
    role, place = choice
    # Not at once: the sixth time is after 8 s or 12 s, and by then programs run.
    options = ["--append", "all:debug.break_qp=4s"] if place.startswith("link") else []
    with DebugLab(bed, "--pcache", "512K", "--append", "%s:crash=%s" % (role[0].upper(), place), *options,
                  dies=role if place.startswith(("join", "link", "answer.storage_mounts")) else None) as lab:
        ready = not lab.is_gone(role)
        if ready:
            crash_under_load(lab, role, place)
        assert "crash: the power goes at %s" % place.split(":")[0] in lab.log(role)
        others_say_so(lab, role)
        if ready:
            said_by_name(lab, role)
            nothing_is_held(lab, role)
        comes_back(lab, role)


def crash_cases(chosen):
    return {"%s-%s" % (role, place.split(":")[0].replace(".", "-")): (role, place) for role, place in chosen}


@each(crash_cases([one for one in steps() if one == ("memory", "reply.memory_fork:2")]))
def crash_point(bed, choice):
    crashes(bed, choice)


@each(crash_cases(steps()), part="crash")
def crash_points(bed, choice):
    crashes(bed, choice)


@case()
def every_op_has_crash_points(bed):
    """
    What the programs of crash_points come to: every op of the protocol, as often as its cases count, from the node that they say, but
    for those that no program asks. An op that is new fails here until every_call asks it.
    """
    names = {name for _, name in ops()}
    named = {*AT_EACH_STEP, *FROM_M, *OF_THEIR_OWN, *NTH}
    assert named <= names and not set(OF_THEIR_OWN) & set(AT_EACH_STEP), named - names
    with Lab(bed, "--pcache", "512K") as lab:
        lab.run("every_call", "/data", "3")
        asked = {role: lab.ask(role, "latency") for role in ("processor", "memory")}
        for role, name in sorted((role, name) for name in names - set(OF_THEIR_OWN) for role in callers_of(name)):
            calls = asked[role].get(name, {"calls": 0})["calls"]
            least = 1 if name in AT_EACH_STEP else nth(name)    # of the former other programs ask more
            assert calls >= least, "%s: asked %d times by the %s node" % (name, calls, role)


@each({role: (role, step) for role, step in (("memory", "serve"), ("processor", "answer"))}, part="crash")
def crash_when_told(bed, choice):
    """A node dies while M drops its caches, as the host's command has it."""
    role, step = choice
    with DebugLab(bed, "--append", "%s:crash=%s.memory_drop_caches" % (role[0].upper(), step)) as lab:
        lab.run("memtest", "2", "1", "1")
        lab.nodes["processor"].control.send("drop-caches")
        lab.wait_gone(role)
        assert "crash: the power goes at %s.memory_drop_caches" % step in lab.log(role)
        others_say_so(lab, role)
        nothing_is_held(lab, role)
        comes_back(lab, role)


@each({"%s-%s" % (role, step.replace(".", "-")): (role, step) for role, step in (
    ("memory", "serve.memory_shutdown"), ("memory", "sent.memory_shutdown"), ("processor", "answer.memory_shutdown"),
    ("storage", "serve.storage_shutdown"), ("storage", "sent.storage_shutdown"), ("processor", "answer.storage_shutdown"))}, part="crash")
def crash_while_going_off(bed, choice):
    """
    A node dies while the cluster is powered off: what the processor node has yet to ask is asked, and the others go, but for a storage
    node that was not asked, which holds nothing for the dead.
    """
    role, step = choice
    with DebugLab(bed, "--append", "%s:crash=%s" % (role[0].upper(), step)) as lab:
        lab.run("stat_fresh", "/data")
        for one in ALL:
            lab.may_go(one)
        lab.nodes["processor"].control.send("poweroff")
        lab.wait_gone(role)
        assert "crash: the power goes at %s" % step in lab.log(role)
        stays = ("storage",) if (role, step) == ("processor", "answer.memory_shutdown") else ()
        for one in ALL:
            if one in stays:
                lab.detected(one, NAME[role])
                lab.balanced(one)
            else:
                lab.wait_gone(one)
        if role != "processor":
            lab.detected("processor", NAME[role])


@each({"processor": "processor"}, part="crash")
def crash_while_asking_for_mounts(bed, role):
    """A processor node dies that has just been told what there is to mount."""
    crashes(bed, (role, "answer.storage_mounts"))


def boots_without(bed, choice):
    """A node dies that a booting processor node has met and needs: that one says so, waits, and is ready when it is back."""
    role, place, word = choice
    with DebugLab(bed, "--append", "%s:crash=%s" % (role[0].upper(), place), "--append", "P:fit.probe=20000", dies=role) as lab:
        assert lab.is_gone(role), "it never came to %s" % place
        processor = lab.nodes["processor"]
        processor.waiting = None
        others_say_so(lab, role)
        lab.until_said("processor", word)
        lab.until(lambda: processor.waiting == NAME[role], "the processor node to wait for the %s node" % role)
        assert processor.state != "ready", lab.log("processor")
        comes_back(lab, role)


BOOT_AGAIN = "a storage node went while its volumes were mounted"


@each({"storage": ("storage", "serve.storage_mounts", BOOT_AGAIN), "memory": ("memory", "serve.null:50", "fit.probe: EHOSTDOWN")})
def crash_while_booting(bed, choice):
    boots_without(bed, choice)


@each({"lookup-%d" % n: ("storage", "serve.storage_lookup:%d" % n, BOOT_AGAIN) for n in (1, 2, 3, 4)}, part="crash")
def crash_while_mounting(bed, choice):
    boots_without(bed, choice)
