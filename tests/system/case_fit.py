# SPDX-License-Identifier: MIT
"""Calls between the nodes: what they outlive."""

import os
import re
import subprocess
import time

from cases import case, each
from lab import Lab, Monitors
from tangramlib.nodes import NODE_ID, node_ip
from testbed import TOOL, check_word_count, text_file

DEAD = 25       # seconds, fit.dead here


@case(limit=240)
def calls_outlive_a_cut(bed):
    """
    Nothing passes for longer than a queue pair's retries last (7 of them, 4 s), but not as long as fit.dead: calls wait, and the
    program goes on as if nothing had been.
    """
    bed.tangram("up", "--quiet", "--name", "cut", "--pcache", "4M", "--log-dir", bed.path("log"),
                "--append", "all:fit.dead=%ds" % DEAD)
    try:
        program = subprocess.Popen([TOOL, "exec", "--quiet", "--timeout", "170", "cut", "--", "memtest", "8", "2", "40"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env)
        time.sleep(3)
        assert program.poll() is None, program.communicate()
        assert bed.tangram("wire", "cut", "--faults", "drop=1").status == 0
        time.sleep(8)
        assert bed.tangram("wire", "cut", "--faults", "off").status == 0
        out, err = program.communicate(timeout=180)
        assert program.returncode == 0, (program.returncode, out[-300:], err[-300:])
    finally:
        bed.tangram("down", "cut")
    seen = 0
    for name in ("processor", "memory", "storage"):
        with open(os.path.join(bed.path("log"), name + ".log"), errors="replace") as file:
            text = file.read()
        assert " is dead" not in text, text[-2000:]
        seen += "is silent; calls to it wait" in text
    assert seen > 0         # else nothing was cut
    bed.assert_nothing_left()


@case(limit=240)
def the_link_goes_down(bed):
    """
    A node whose cable is pulled knows: once in its log, once in its counters, and the same when the link is back. The program that
    waited goes on; the other nodes' links never went down.
    """
    with Monitors(bed) as monitors, \
            Lab(bed, "--pcache", "2M", "--append", "all:fit.dead=%ds" % DEAD, *monitors.options()) as lab:
        monitors.meet()
        for role in ("memory", "processor"):
            monitors.ask(role, "set_link", name="wire", up=False)
            lab.until_said(role, "this node's link is down")
            program = lab.start("memtest", "4", "1", "1")
            lab.pause(1)
            assert not program.ended()
            monitors.ask(role, "set_link", name="wire", up=True)
            lab.until_said(role, "this node's link is up again")
            assert program.wait() == "status=0"
        for role in ("processor", "memory", "storage"):
            times = 0 if role == "storage" else 1
            counters = lab.ask(role, "counters")
            assert [int(counters[name]) for name in ("nr_roce_port_err", "nr_roce_port_active")] == [times, times], (role, counters)
            assert len(re.findall("this node's link is", lab.log(role))) == 2 * times, lab.log(role)[-2000:]
        lab.never_said(" is dead")


def break_queue_pairs(bed, words, interval):
    """
    Every node breaks its connections again and again by a fatal NAK: calls in flight get their reply, once, on the next queue
    pair. The result is right, no call ends with an error, and nobody is called dead.
    """
    with open(text_file(), "rb") as file:
        text = file.read(256 << 10)
    result = bed.run(*words, options=["--add", bed.path("text", text) + "=/data/some", "--pcache", "256K", "--cpus", "2",
                                      "--append", "all:debug.break_qp=%dms" % interval], timeout=150)
    if words[0] == "word_count":
        check_word_count(result.out, text, int(words[2]))
    seen = {name: sum(result.counter(name, role) for role in ("processor", "memory", "storage"))
            for name in ("nr_fit_breaks", "nr_fit_remade", "nr_fit_repeats", "nr_fit_io_errors", "nr_fit_deaths", "nr_fit_hostdown")}
    print(seen)
    assert seen["nr_fit_remade"] > 0, seen
    assert seen["nr_fit_io_errors"] == seen["nr_fit_deaths"] == seen["nr_fit_hostdown"] == 0, seen
    return seen


@case(part="faults")
def queue_pairs_break(bed):
    break_queue_pairs(bed, ("word_count", "/data/some", "20"), 200)


@each({"word-count": ("word_count", "/data/some", "20"), "memory": ("memtest", "4", "2", "2"), "processes": ("fork_cow", "2", "3", "2")},
      limit=200, part="faults")
def queue_pairs_break_often(bed, words):
    assert break_queue_pairs(bed, words, 100)["nr_fit_repeats"] > 0         # else none broke under a call


@case()
def congestion_is_told_and_heard(bed):
    """
    A switch that marks packets: each end says so to the other, less often than it sees it, and the other hears it; the program has
    its right results. Nothing of that on a wire that does not mark. (How much slower is net/roce/cc_test.c's: it has the clock.)
    """
    for faults in ("ecn=0.03", "dup=0.0001"):
        result = bed.run("memtest", "4", "1", "1", options=["--pcache", "2M", "--faults", faults], timeout=100)
        assert result.status == 0, result
        counters = [result.facts["nodes"][role]["counters"] for role in ("processor", "memory")]
        print(faults, [{name: one[name] for name in ("nr_roce_rx_marked", "nr_roce_tx_cnp", "nr_roce_cnp", "nr_roce_paced")}
                       for one in counters])
        for here, there in (counters, counters[::-1]):
            if faults.startswith("ecn"):
                assert 0 < there["nr_roce_tx_cnp"] <= there["nr_roce_rx_marked"]
                assert 0 < here["nr_roce_cnp"]
            else:
                assert here["nr_roce_rx_marked"] == here["nr_roce_tx_cnp"] == here["nr_roce_cnp"] == here["nr_roce_paced"] == 0
            assert here["nr_roce_drop_cnp"] == 0


@case()
def congestion_slows_down(bed):
    """
    WRITEs from one node to another through a switch that marks: the sender pauses again and again, and no more when nothing is
    marked. (Each pause takes 0.5 ms and more; times are a busy host's.)
    """
    with Lab(bed, "--append", "all:rdma.service=1") as lab:
        node = lab.nodes["processor"]

        def writes():
            node.answers.pop("done rdma", None)
            node.control.send("rdma", "bw_write", node_ip(NODE_ID["memory"]), "size=65536", "count=200")
            lab.until(lambda: "done rdma" in node.answers, "200 WRITEs")
            assert node.answers["done rdma"][0] == "ok", node.answers["done rdma"]
            counters = lab.ask("processor", "counters")
            took = dict(word.split("=") for word in node.answers["done rdma"][2:])["total_ns"]
            return int(took) / 1e9, int(counters["nr_roce_cnp"]), int(counters["nr_roce_paced"])
        free = writes()
        lab.wire("ecn=0.5")
        slow = writes()
        lab.wire("off")
        lab.pause(2)
        again = writes()
        print(free, slow, again)
        assert free[1:] == (0, 0)
        assert slow[1] > 10 and slow[2] > 10
        assert again[2] == slow[2]
