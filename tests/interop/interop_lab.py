# SPDX-License-Identifier: MIT
"""
The interop tests' set-up: one switch, one node of ours without peers, one Linux VM. All tests of a run share it; each test
has a capture of its own, which is looked at when the test is over (capture.py).
"""

import os
import select
import socket
import time

from capture import MAX_FRAMES
from linux_vm import LinuxVm
from tangramlib import nodes, wire
from tangramlib.host import TangramError
from tangramlib.ports import decode, encode
from tangramlib.processes import PrivateFolder, spawn, stop

NODE = 2                        # our node's number, and with it its address
LINUX = 10


class Node:
    """A node of ours, by itself: it has no peers, and its verbs service is on."""

    def __init__(self, folder, role, log_dir, words=(), number=NODE, options=(), cpus=1):
        self.role, self.ip = role, nodes.node_ip(number)
        self.log = os.path.join(log_dir, role + ".log")
        open(self.log, "wb").close()
        path = os.path.join(folder, "control%d" % number)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        command = [nodes.qemu_program(), "-name", "tangram-" + role, "-machine", "q35", "-nodefaults", "-no-reboot",
                   "-accel", "tcg,thread=multi", "-cpu", "max", "-display", "none", "-smp", nodes.smp(cpus), "-m", "256M",
                   "-serial", "file:" + self.log, "-kernel", nodes.kernel_path(role), "-append",
                   " ".join(["fit.node=%d" % number, "fit.ip=%s/24" % self.ip, "rdma.service=1"] + list(words))]
        command += nodes.wire_options(os.path.join(folder, "wire"), number)
        command += ["-device", "virtio-serial-pci,id=ports", "-chardev", "socket,id=control,path=%s,server=off" % path,
                    "-device", "virtserialport,bus=ports.0,chardev=control,name=tangram.control"]
        command += options
        self.process = spawn(command, os.path.join(log_dir, role + ".qemu"))
        listener.settimeout(20)
        self.sock, _ = listener.accept()
        listener.close()
        self.buffer = b""

    def _line(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TangramError("the node does not answer (its log: %s)" % self.log)
            data = self.sock.recv(65536)
            if not data:
                raise TangramError("the node is gone (its log: %s)" % self.log)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return [decode(word) for word in line.split(b" ") if word]

    def wait_for(self, *verbs, seconds=60):
        """The words of the next line that begins with one of the verbs."""
        deadline = time.monotonic() + seconds
        while True:
            words = self._line(deadline)
            if words[0] == "panic":
                raise TangramError("the node panicked: %s" % " ".join(words[1:]))
            if words[0] in verbs:
                return words

    def send(self, *words):
        self.sock.sendall(b" ".join(encode(word) for word in words) + b"\n")

    def rdma(self, *words, seconds=60):
        """Be a client; None when it went well, else what went wrong."""
        self.send("rdma", *words)
        return self.result(seconds)

    def result(self, seconds=60):
        answer = self.wait_for("ok", "error", seconds=seconds)
        return None if answer[0] == "ok" else " ".join(answer[2:])

    def measure(self, *words, seconds=130):
        """Be a client that has something to say: {name: number}."""
        self.send("rdma", *words)
        answer = self.wait_for("ok", "error", seconds=seconds)
        if answer[0] != "ok":
            raise TangramError("rdma %s: %s" % (" ".join(words), " ".join(answer[2:])))
        return {name: int(value) for name, value in (word.split("=") for word in answer[2:])}

    def null(self, count, node=NODE):
        """Calls to a peer that do nothing: the median of all so far, in us."""
        self.send("fit-null", str(node), str(count))
        answer = self.wait_for("ok", "error")
        if answer[0] != "ok":
            raise TangramError("fit-null: " + " ".join(answer[2:]))
        self.send("latency")
        median = None
        while True:
            words = self.wait_for("latency", "end")
            if words[0] == "end":
                return median
            if words[1] == "null":
                median = int(words[3]) / 1000

    def null_rate(self, count, threads, node=NODE):
        """Calls a second to a peer that do nothing, count by each of the threads, one after the other."""
        self.send("fit-null", str(node), str(count), str(threads))
        answer = self.wait_for("took", "error", seconds=120)
        if answer[0] == "error":
            raise TangramError("fit-null: " + " ".join(answer[2:]))
        self.wait_for("ok")
        return count * threads / (int(answer[1]) / 1e9)

    def counters(self):
        self.send("counters")
        out = {}
        while True:
            words = self.wait_for("counter", "end", "error")
            if words[0] == "counter":
                out[words[1]] = int(words[2])
            elif words[1] == "counters":        # else about something else: a storage node says that it has no disk
                return out

    def close(self):
        stop([self.process], 0.5)
        self.sock.close()


class Lab:
    def __init__(self, log_dir, role="memory", mtu=1500, words=()):
        self.log_dir = log_dir
        self.mtu = mtu
        self.folder = PrivateFolder()
        self.switch = wire.start(self.folder.path, os.path.join(log_dir, "switch.log"))
        self.node = self.linux = None
        try:
            self.node = Node(self.folder.path, role, log_dir, words)
            self.linux = LinuxVm(self.folder.path, os.path.join(self.folder.path, "wire"), LINUX, log_dir, mtu)
            self.node.wait_for("hello")
            self.linux.wait_ready()
        except BaseException:
            self.close()
            raise

    def capture(self, path):
        wire.command(self.folder.path, "pcap-limit %d" % MAX_FRAMES)
        wire.command(self.folder.path, "pcap " + path)

    def capture_end(self):
        wire.command(self.folder.path, "pcap off")

    def set_mtu(self, mtu):
        if mtu != self.mtu:
            self.linux.set_mtu(mtu)
            self.mtu = mtu

    def another(self, role, number):
        """One more node of ours on the same wire; the caller closes it."""
        node = Node(self.folder.path, role, self.log_dir, number=number)
        node.wait_for("hello")
        return node

    def tell(self, file):
        """What both ends say of themselves, for the log of a test that failed: the next one, or its second try, writes over their logs."""
        try:
            file.write("\n--- the node's counters since its boot\n")
            for name, value in sorted(self.node.counters().items()):
                if value != 0 and name.startswith(("nr_roce_", "nr_net_", "nr_eth_")):
                    file.write("%s %d\n" % (name, value))
            file.write("--- the switch\n%s\n--- Linux\n" % "\n".join(wire.command(self.folder.path, "stats")))
            file.write(self.linux.run("grep -H . /sys/class/infiniband/*/ports/1/hw_counters/*; cat /proc/net/dev; dmesg | tail -n 20", 5).out)
        except (TangramError, OSError) as error:
            file.write("%s\n" % error)
        with open(self.node.log, errors="replace") as log:
            file.write("--- the end of the node's log\n" + "".join(log.readlines()[-40:]))

    def broken(self):
        """Can a test still be run here?"""
        try:
            self.node.counters()
            return self.linux.run("true").status != 0
        except (TangramError, OSError):
            return True

    def close(self):
        for one in (self.linux, self.node):
            if one is not None:
                one.close()
        stop([self.switch])
        self.folder.remove()
