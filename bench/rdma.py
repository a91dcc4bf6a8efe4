# SPDX-License-Identifier: MIT
"""
What the transport costs, beside Linux: two nodes of ours and two Debian VMs with rdma_rxe on one switch, the same QEMU, one CPU
each, MTU 9000, measured by turns. Ours by the verbs service (net/service/pingpong.c), Linux by perftest over rdma_cm.
"""

import contextlib
import os
import re
import signal
import statistics
import sys
import time

from measure import OUT, ROOT, plugin, run
from tangramlib import nodes, wire
from tangramlib.host import TangramError
from tangramlib.processes import PrivateFolder, stop

sys.path.append(os.path.join(ROOT, "tests", "interop"))

from interop_lab import Node                            # noqa: E402
from linux_vm import LinuxVm                    # noqa: E402

ROUNDS = int(os.environ.get("TANGRAM_BENCH_ROUNDS", "5"))
PERFTEST_PORT = 18515
#        what, ours, perftest's, bytes, how often
LATENCIES = (("READ of 4 KiB", "lat_read", "ib_read_lat", 4096, 1000), ("WRITE of 4 KiB", "lat_write", "ib_write_lat", 4096, 1000),
             ("SEND of 64 bytes", "lat_send", "ib_send_lat", 64, 1000))
BANDWIDTHS = (("READ", "bw_read", "ib_read_bw", 65536, 500), ("WRITE", "bw_write", "ib_write_bw", 65536, 500),
              ("SEND", "bw_send", "ib_send_bw", 65536, 500))


class Pairs:
    """
    Two nodes of ours that are each other's peers, two Linux VMs if wanted, one wire. options: QEMU's, of our nodes; cpus: theirs;
    servers: so many that are the client's peers, and not each other's.
    """

    def __init__(self, folder, linux=True, options=(), cpus=1, servers=1):
        self.folder, self.up = PrivateFolder(), []
        path = self.folder.path
        os.makedirs(folder, exist_ok=True)
        self.switch = wire.start(path, os.path.join(folder, "switch.log"))
        try:
            self.numbers = range(2, 2 + servers)
            for role, number, peers in [("processor", 1, self.numbers)] + [("memory", number, (1,)) for number in self.numbers]:
                log_dir = folder if number <= 2 else os.path.join(folder, str(number))
                os.makedirs(log_dir, exist_ok=True)
                self.up.append(Node(path, role, log_dir, ["fit.peers=" + ",".join("%d:%s" % (peer, nodes.node_ip(peer)) for peer in peers)],
                                    number, options, cpus))
            self.client, self.server = self.up[:2]
            self.linux = []
            for number in (10, 11) if linux else ():
                self.linux.append(LinuxVm(path, os.path.join(path, "wire"), number, folder, 9000))
                self.up.append(self.linux[-1])
            for one in self.up[:1 + servers]:
                one.wait_for("hello")
            for one in self.linux:
                one.wait_ready(180)
            for number in self.numbers:
                self._meet(number)
        except BaseException:
            self.close()
            raise

    def _meet(self, number, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.client.null(1, number)
                return
            except TangramError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _perftest_once(self, name, command):
        running = self.linux[1].begin(command)
        try:
            self.linux[1].wait_listening(PERFTEST_PORT)
            return self.linux[0].run("%s %s" % (command, self.linux[1].ip), 180)
        finally:
            self.linux[1].run("i=0; while pidof %s && [ $i -lt 20 ]; do usleep 50000; i=$((i+1)); done; killall -9 %s" % (name, name))
            self.linux[1].end(running, 5)

    def perftest(self, name, size, count):
        """
        The numbers of perftest's result line, behind size and count. Its server listens anew for the second of two connections, and a
        client that is faster than that is rejected: it is tried again.
        """
        command = "%s -R -F -n %d -s %d" % (name, count, size)
        for _ in range(5):
            done = self._perftest_once(name, command)
            if "EVENT_REJECTED" not in done.out:
                break
        found = re.search(r"^ *%d +%d +(.*)$" % (size, count), done.out, re.MULTILINE)
        if done.status != 0 or found is None:
            raise RuntimeError("%s: status %d: %s" % (name, done.status, done.out[-300:]))
        return [float(word) for word in found.group(1).split()]

    @contextlib.contextmanager
    def linux_stands_still(self):
        """Our nodes and the switch are alone on the host; ours, which are idle in Linux's turns, cost it nothing."""
        for one in self.linux:
            one.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for one in self.linux:
                one.process.send_signal(signal.SIGCONT)

    def ours(self, name, size, count):
        with self.linux_stands_still():
            return self.client.measure(name, self.server.ip, "size=%d" % size, "count=%d" % count)

    def faults(self, what):
        wire.command(self.folder.path, "faults " + what)

    def close(self):
        for one in self.up:
            one.close()
        stop([self.switch])
        self.folder.remove()


def ratio(rows, what, ours, linux, wanted):
    rows.append((what + ", ours over Linux's", statistics.median(ours) / statistics.median(linux), "", wanted))


def rdma(rows):
    """Latency (of perftest's kind: half of the way there and back, but for READ) and bandwidth; medians over the rounds."""
    pairs = Pairs(os.path.join(OUT, "rdma"))
    try:
        took = {}
        for _ in range(ROUNDS):
            for what, mine, theirs, size, count in LATENCIES:
                result = pairs.ours(mine, size, count)
                took.setdefault((what, "ours"), []).append((result["median_ns"] / 1000, result["p99_ns"] / 1000))
                numbers = pairs.perftest(theirs, size, count)
                took.setdefault((what, "Linux"), []).append((numbers[2], numbers[5]))
            for what, mine, theirs, size, count in BANDWIDTHS:
                result = pairs.ours(mine, size, count)
                took.setdefault((what, "ours"), []).append(size * count / 1048576 / (result["total_ns"] / 1e9))
                took.setdefault((what, "Linux"), []).append(pairs.perftest(theirs, size, count)[1])
            with pairs.linux_stands_still():
                took.setdefault("null", []).append(pairs.client.null(1000))
                data = run("/bin/fault_time", "0", "0", "1", options=["--cpus", "1", "--pcache", "4M"])[1]
            took.setdefault("fill", []).append(data["nodes"]["processor"]["latency"]["memory_fill"]["median_ns"] / 1000)
        for what, *_ in LATENCIES:
            for side in ("ours", "Linux"):
                rows.append(("%s, median, %s" % (what, side), statistics.median(one[0] for one in took[what, side]), "us", ""))
            ratio(rows, what, *[[one[0] for one in took[what, side]] for side in ("ours", "Linux")], "<= 0.75")
            rows.append((what + ", ours, p99 over median", statistics.median(one[1] / one[0] for one in took[what, "ours"]), "", "<= 2"))
            rows.append((what + ", Linux, p99 over median", statistics.median(one[1] / one[0] for one in took[what, "Linux"]), "", ""))
        for what, *_ in BANDWIDTHS:
            for side in ("ours", "Linux"):
                rows.append(("%s of 64 KiB, bandwidth, %s" % (what, side), statistics.median(took[what, side]), "MiB/s", ""))
            ratio(rows, what + " bandwidth", took[what, "ours"], took[what, "Linux"], ">= 2.5")
        null, fill = statistics.median(took["null"]), statistics.median(took["fill"])
        there_and_back = 2 * statistics.median(one[0] for one in took["SEND of 64 bytes", "ours"])
        rows.append(("call that does nothing, median", null, "us", ""))
        rows.append(("call that does nothing over a SEND of 64 bytes there and back", null / there_and_back, "", "<= 1.2"))
        rows.append(("fill of a page, the call, median", fill, "us", ""))
        rows.append(("fill over a READ of 4 KiB", fill / statistics.median(one[0] for one in took["READ of 4 KiB", "ours"]), "", "<= 1.2"))
    finally:
        pairs.close()


def rdma_loss(rows):
    """One packet in a hundred lost, each round by another seed: the bandwidth without and with, by turns, of two nodes of ours."""
    pairs = Pairs(os.path.join(OUT, "rdma-loss"), False)
    try:
        took, counters = {}, {}
        for seed in range(1, ROUNDS + 1):
            for what, mine, _, size, count in BANDWIDTHS:
                took.setdefault((what, "whole"), []).append(pairs.ours(mine, size, count)["total_ns"])
                pairs.faults("seed=%d,drop=0.01" % seed)
                before = pairs.client.counters()
                took.setdefault((what, "lossy"), []).append(pairs.ours(mine, size, count)["total_ns"])
                pairs.faults("off")
                after = pairs.client.counters()
                for name in ("nr_roce_timeout", "nr_roce_probe", "nr_roce_retransmit"):
                    counters.setdefault((what, name), []).append(after[name] - before[name])
        for what, *_, size, count in BANDWIDTHS:
            whole, lossy = (statistics.median(took[what, how]) for how in ("whole", "lossy"))
            rows.append(("%s of 64 KiB, bandwidth, 1 %% of the packets lost, ours" % what, size * count / 1048576 / (lossy / 1e9), "MiB/s", ""))
            rows.append(("%s: what 1 %% lost costs: bandwidth without over with" % what, lossy / whole, "", "< 2"))
            for name, said in (("nr_roce_timeout", "retransmission timeouts"), ("nr_roce_probe", "probes"),
                               ("nr_roce_retransmit", "request packets sent again, of some 8,000" if what != "READ" else "READs sent again, of 500")):
                rows.append(("%s, 1 %% lost: %s" % (what, said), statistics.median(counters[what, name]), "", ""))
    finally:
        pairs.close()


def rdma_threads(rows):
    """Calls that do nothing, by so many threads at once on a node of so many CPUs, to one of as many."""
    for cpus in (1, 2, 4):
        pairs = Pairs(os.path.join(OUT, "rdma-threads-%d" % cpus), False, cpus=cpus)
        try:
            rates = {}
            for _ in range(ROUNDS):
                for threads in (1, 2, 4):
                    rates.setdefault(threads, []).append(pairs.client.null_rate(2000 // threads, threads))
            for threads, rate in rates.items():
                rows.append(("calls that do nothing, %s, %s" % (several(cpus, "CPU"), several(threads, "thread")),
                             statistics.median(rate), "1/s", ""))
        finally:
            pairs.close()


def rdma_queue_pairs(rows):
    """
    The same by threads that have a queue pair each, to as many nodes, by turns with all threads on one queue pair, to one node. What all
    queue pairs shared while a call is under way would keep four of them from doing more than one.
    """
    for cpus in (1, 2):
        pairs = Pairs(os.path.join(OUT, "rdma-queue-pairs-%d" % cpus), False, cpus=cpus, servers=4)
        try:
            rates = {}
            for _ in range(ROUNDS):
                for threads in (1, 2, 4):
                    for qps in {1, threads}:
                        peers = ",".join(str(number) for number in pairs.numbers[:qps])
                        rates.setdefault((threads, qps), []).append(pairs.client.null_rate(2000 // threads, threads, peers))
            for (threads, qps), rate in sorted(rates.items()):
                rows.append(("calls that do nothing, %s, %s, %s" % (several(cpus, "CPU"), several(threads, "thread"), several(qps, "queue pair")),
                             statistics.median(rate), "1/s", ""))
            rows.append(("four threads with a queue pair each over one, " + several(cpus, "CPU"),
                         statistics.median(rates[4, 4]) / statistics.median(rates[1, 1]), "", ">= 2"))
        finally:
            pairs.close()


def several(number, thing):
    return "%d %s%s" % (number, thing, "s"[number < 2:])


def rdma_instructions(rows):
    """What a message costs, in instructions of each node: a long run less a short one, both within the same boot."""
    folder = os.path.join(OUT, "rdma-insns")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    pair = Pairs(folder, False, ["-plugin", "%s,dir=%s" % (plugin("insn"), folder)])
    try:
        files = {}
        for name in filter(re.compile("insns-").match, os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                words = file.read()[8:].split(b"\0")
                files[words[words.index(b"-name") + 1].decode().replace("tangram-", "")] = file.name

        def executed(*job):
            before = {role: read_count(path) for role, path in files.items()}
            pair.ours(*job)
            return {role: read_count(path) - before[role] for role, path in files.items()}

        for what, mine, _, size, _ in LATENCIES + tuple(("%s of 64 KiB, 16 at once" % one[0], *one[1:]) for one in BANDWIDTHS):
            less, more = executed(mine, size, 200), executed(mine, size, 2200)
            for role, side in (("processor", "client"), ("memory", "server")):
                rows.append(("instructions of the %s: %s%s" % (side, what, ", there and back" if mine in ("lat_send", "lat_write") else ""),
                             (more[role] - less[role]) / 2000, "", ""))
    finally:
        pair.close()


def read_count(path):
    with open(path, "rb") as file:
        return int.from_bytes(file.read(8), "little")


PARTS = (rdma, rdma_loss, rdma_threads, rdma_queue_pairs, rdma_instructions)
