#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests of the switch: this program plays the VMs. Usage: wire_test.py PATH-OF-TANGRAM-WIRE [TEST...]"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SWITCH = None


def mac(node):
    return bytes([0x52, 0x54, 0, 0x77, 0, node])


BROADCAST = b"\xff" * 6


def frame(src, dst, payload):
    """An Ethernet frame from node to node (numbers, or bytes for a special address)."""
    dst = dst if isinstance(dst, bytes) else mac(dst)
    return dst + mac(src) + b"\x88\xb5" + payload


def ip_frame(src, dst, opcode, psn, tos=0):
    """A frame with a RoCEv2 packet of the given opcode, enough of it for the fault rules."""
    bth = bytes([opcode, 0, 0xff, 0xff, 0]) + b"\0\0\1" + struct.pack(">I", psn)
    udp = struct.pack(">HHHH", 0xc000, 4791, 8 + len(bth), 0) + bth
    head = struct.pack(">BBHHHBBH4s4s", 0x45, tos, 20 + len(udp), 1, 0x4000, 64, 17, 0,
                       bytes([10, 77, 0, src]), bytes([10, 77, 0, dst]))
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return mac(dst) + mac(src) + b"\x08\x00" + head + udp


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Vm:
    """One VM's end of the wire."""

    def __init__(self, path, node):
        self.node = node
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.data = b""

    def send(self, *frames):
        self.socket.sendall(b"".join(struct.pack(">I", len(f)) + f for f in frames))

    def receive(self, timeout=20.0):
        """The next frame, or None."""
        deadline = time.monotonic() + timeout
        while True:
            if len(self.data) >= 4:
                size = struct.unpack(">I", self.data[:4])[0]
                if len(self.data) >= 4 + size:
                    got, self.data = self.data[4:4 + size], self.data[4 + size:]
                    return got
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 20)
            except socket.timeout:
                return None
            if not more:
                return None
            self.data += more

    def receive_all(self, quiet=0.5):
        got = []
        while True:
            one = self.receive(quiet)
            if one is None:
                return got
            got.append(one)


class Wire(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="wire-test-")
        self.path = os.path.join(self.folder.name, "wire")
        self.control = os.path.join(self.folder.name, "control")
        self.process = None

    def tearDown(self):
        if self.process is not None:
            self.process.terminate()
            self.assertEqual(self.process.wait(5), 0)
            self.assertFalse(os.path.exists(self.path))
        self.folder.cleanup()

    def start(self, nodes, *options):
        self.process = subprocess.Popen([SWITCH, "--listen", self.path, "--control", self.control, *options])
        deadline = time.monotonic() + 20
        while not os.path.exists(self.path):
            self.assertLess(time.monotonic(), deadline, "the switch does not listen")
            time.sleep(0.005)
        vms = [Vm(self.path, n) for n in range(1, nodes + 1)]
        for vm in vms:
            self.addCleanup(vm.socket.close)
        while self.command("stats").count("port ") < nodes:
            time.sleep(0.005)
        self.assertFalse([name for name in os.listdir(self.folder.name) if name.endswith("~")])    # bound by these names, heard by the others
        for vm in vms:                              # all learn each other
            vm.send(frame(vm.node, BROADCAST, b"hello"))
            for other in vms:
                if other is not vm:
                    self.assertEqual(other.receive(), frame(vm.node, BROADCAST, b"hello"))
        return vms

    def command(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.control)
            s.sendall(line.encode() + b"\n")
            s.settimeout(5)
            text = b""
            while not text.endswith(b"ok\n") and b"error " not in text:
                more = s.recv(65536)
                self.assertTrue(more)
                text += more
            return text.decode()

    def test_learns(self):
        a, b, c = self.start(3)
        a.send(frame(1, 2, b"for b"))
        self.assertEqual(b.receive(), frame(1, 2, b"for b"))
        self.assertEqual(c.receive_all(), [])
        a.send(frame(1, 9, b"unknown"))
        self.assertEqual(b.receive(), frame(1, 9, b"unknown"))
        self.assertEqual(c.receive(), frame(1, 9, b"unknown"))
        self.assertEqual(a.receive_all(), [])

    def test_sizes(self):
        a, b = self.start(2)
        sizes = [0, 1, 46, 1500, 4140, 9000, 9004, 16000, 65000]
        frames = [frame(1, 2, os.urandom(n)) for n in sizes] * 20
        a.send(*frames)
        for f in frames:
            self.assertEqual(b.receive(), f)

    def test_pieces(self):
        a, b = self.start(2)
        f = frame(1, 2, os.urandom(3000))
        record = struct.pack(">I", len(f)) + f
        for i in range(0, len(record), 701):
            a.socket.sendall(record[i:i + 701])
            time.sleep(0.002)
        self.assertEqual(b.receive(), f)

    def test_slow_vm_does_not_block(self):
        a, slow, c = self.start(3, "--queue", "1000000")
        f = frame(1, 2, b"x" * 9000)
        for _ in range(1000):
            a.send(f)
        a.send(frame(1, 3, b"not held up"))
        self.assertEqual(c.receive(), frame(1, 3, b"not held up"))
        self.assertRegex(self.command("stats"), r"queue_drops [1-9]")
        got = slow.receive_all()
        self.assertGreater(len(got), 100)
        self.assertTrue(all(g == f for g in got))       # whole frames, whatever was dropped
        a.send(frame(1, 2, b"again"))
        self.assertEqual(slow.receive(), frame(1, 2, b"again"))

    def test_bad_stream_closes_only_that_port(self):
        a, b, c = self.start(3)
        a.socket.sendall(b"\xff\xff\xff\xff")
        self.assertEqual(a.socket.recv(1), b"")
        b.send(frame(2, 3, b"fine"))
        self.assertEqual(c.receive(), frame(2, 3, b"fine"))
        late = Vm(self.path, 1)                         # the address moves to the new port
        self.addCleanup(late.socket.close)
        late.send(frame(1, 2, b"back"))
        self.assertEqual(b.receive(), frame(1, 2, b"back"))
        b.send(frame(2, 1, b"welcome"))
        self.assertEqual(late.receive(), frame(2, 1, b"welcome"))

    def test_pcap(self):
        capture = os.path.join(self.folder.name, "x.pcap")
        a, b = self.start(2)
        self.assertEqual(self.command("pcap " + capture), "ok\n")
        frames = [frame(1, 2, bytes([i]) * 100) for i in range(10)]
        a.send(*frames)
        for f in frames:
            b.receive()
        time.sleep(0.5)                                 # written without being asked
        with open(capture, "rb") as file:
            data = file.read()
        self.assertEqual(struct.unpack("<IHHiIII", data[:24])[0], 0xa1b23c4d)
        at, seen = 24, []
        while at < len(data):
            seconds, _, captured, length = struct.unpack("<IIII", data[at:at + 16])
            self.assertLess(abs(seconds - time.time()), 60)
            self.assertEqual(captured, length)
            seen.append(data[at + 16:at + 16 + length])
            at += 16 + length
        self.assertEqual(seen, frames)
        self.assertIn("error", self.command("pcap /nonexistent/x"))

    def test_pcap_limit(self):
        capture = os.path.join(self.folder.name, "x.pcap")
        a, b = self.start(2)
        for limit, expected in ((3, 3), (0, 10)):
            self.assertEqual(self.command("pcap-limit %d" % limit), "ok\n")
            self.assertEqual(self.command("pcap " + capture), "ok\n")
            frames = [frame(1, 2, bytes([i]) * 100) for i in range(10)]
            a.send(*frames)
            for f in frames:
                b.receive()
            self.assertEqual(self.command("pcap off"), "ok\n")
            self.assertEqual(os.path.getsize(capture), 24 + expected * (16 + len(frames[0])))

    def test_drop_is_seeded(self):
        a, b = self.start(2)
        frames = [frame(1, 2, struct.pack(">I", i)) for i in range(400)]
        runs = []
        for spec in ("seed=7,drop=0.25", "seed=7,drop=0.25", "seed=8,drop=0.25"):
            self.assertEqual(self.command("faults " + spec), "ok\n")
            a.send(*frames)
            runs.append(b.receive_all())
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])
        self.assertTrue(250 < len(runs[0]) < 350, len(runs[0]))
        self.command("faults off")
        a.send(*frames)
        self.assertEqual(b.receive_all(), frames)

    def test_dup_reorder_delay(self):
        a, b = self.start(2)
        frames = [frame(1, 2, struct.pack(">I", i)) for i in range(200)]
        self.command("faults seed=1,dup=0.2")
        a.send(*frames)
        got = b.receive_all()
        self.assertGreater(len(got), 215)
        self.assertEqual(sorted(set(got)), frames)
        self.command("faults seed=1,reorder=0.1")
        a.send(*frames)
        got = b.receive_all()
        self.assertNotEqual(got, frames)
        self.assertEqual(sorted(got), frames)
        self.command("faults delay=1:50ms")
        start = time.monotonic()
        a.send(*frames)
        self.assertEqual(b.receive(), frames[0])
        self.assertGreater(time.monotonic() - start, 0.045)
        self.assertEqual(b.receive_all(), frames[1:])

    def test_corrupt_and_ecn(self):
        a, b = self.start(2)
        f = ip_frame(1, 2, 4, 7)
        self.command("faults seed=3,corrupt=1")
        a.send(f)
        got = b.receive()
        self.assertEqual(sum(bin(x ^ y).count("1") for x, y in zip(got, f)), 1)
        self.assertEqual(got[:14], f[:14])
        self.command("faults ecn=1")
        a.send(f)
        got = b.receive()
        self.assertEqual(got[15] & 3, 3)
        self.assertEqual(checksum(got[14:34]), 0)
        self.assertEqual(got[34:], f[34:])

    def test_corrupt_under_a_checksum(self):
        a, b = self.start(2)
        f = ip_frame(1, 2, 4, 7)
        for name, right in (("right", True), ("wrong", False)):
            self.command("faults seed=3,corrupt-%s=1" % name)
            a.send(f)
            got = b.receive()
            self.assertEqual(got[:40], f[:40])
            self.assertEqual(sum(bin(x ^ y).count("1") for x, y in zip(got[42:], f[42:])), 1)
            self.assertNotEqual(got[40:42], b"\0\0")
            pseudo = got[26:34] + b"\0\x11" + got[38:40]
            self.assertEqual(checksum(pseudo + got[34:]) == 0, right)
        self.command("faults corrupt=1")
        a.send(frame(1, 2, b"no checksum of its own"))
        self.assertEqual(b.receive_all(), [])

    def test_rate(self):
        a, b = self.start(2)
        frames = [frame(1, 2, struct.pack(">I", i) + bytes(982)) for i in range(100)]
        self.command("faults rate=100k")                # 1000 bytes take 10 ms; what waits for more than 50 is lost
        start = time.monotonic()
        a.send(*frames)
        got = b.receive_all()
        self.assertGreater(time.monotonic() - start, 0.045)
        self.assertEqual(got, frames[:len(got)])
        self.assertTrue(5 <= len(got) < 100, len(got))
        self.assertIn(" rate %d " % (100 - len(got)), self.command("stats"))
        b.send(frames[0])
        for bad in ("rate=0", "rate=x", "rate=1T", "cuts=1s", "cuts=1s:2s", "oneway-cuts=1s:1s", "corrupt-right=2"):
            self.assertIn("error bad fault", self.command("faults " + bad), bad)

    def test_cuts_of_pairs(self):
        a, b, c = self.start(3)
        ends = {1: a, 2: b, 3: c}
        for spec, oneway in (("seed=5,cuts=200ms:100ms", False), ("seed=5,oneway-cuts=200ms:100ms", True)):
            self.command("faults " + spec)
            sent, deadline = 0, time.monotonic() + 2
            while time.monotonic() < deadline:          # ten stretches: half of the time each pair is cut, or one direction of it
                for src, dst in ((1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)):
                    ends[src].send(frame(src, dst, struct.pack(">I", sent)))
                sent += 1
                time.sleep(0.005)
            seen = {}
            for dst, end in ends.items():
                for f in end.receive_all():
                    seen.setdefault((f[11], dst), set()).add(struct.unpack(">I", f[14:18])[0])
            self.assertEqual(len(seen), 6)
            for got in seen.values():
                self.assertTrue(0 < len(got) < sent, (len(got), sent))
            lost = {pair: set(range(sent)) - got for pair, got in seen.items()}
            both = len(lost[1, 2] & lost[2, 1])
            if oneway:
                self.assertLess(both, sent // 4)        # one direction at a time (a loop of ours may straddle a change)
            else:
                self.assertGreater(both, len(lost[1, 2]) // 2)
            self.assertNotEqual(lost[1, 2], lost[1, 3])

    def test_rules(self):
        a, b, c = self.start(3)
        self.command("faults from=1,to=2,drop=1;from=52:54:00:77:00:02,opcode=0x11,drop=1,skip=1,count=2")
        a.send(frame(1, 2, b"lost"), frame(1, 3, b"kept"))
        self.assertEqual(c.receive(), frame(1, 3, b"kept"))
        self.assertEqual(b.receive_all(), [])
        b.send(*[ip_frame(2, 1, 0x11, i) for i in range(5)], ip_frame(2, 1, 4, 9))
        self.assertEqual(a.receive_all(), [ip_frame(2, 1, 0x11, i) for i in (0, 3, 4)] + [ip_frame(2, 1, 4, 9)])
        for bad in ("drop", "drop=2", "drop=x", "delay=1", "cut=3", "from=0", "what=1", "seed=1,,drop=1"):
            self.assertIn("error bad fault", self.command("faults " + bad), bad)

    def test_cut(self):
        a, b = self.start(2)
        self.command("faults cut=0s+300ms")
        a.send(frame(1, 2, b"lost"))
        self.assertIsNone(b.receive(0.1))
        time.sleep(0.3)
        a.send(frame(1, 2, b"through"))
        self.assertEqual(b.receive(), frame(1, 2, b"through"))
        self.assertIn(" cut 1\n", self.command("stats"))

    def test_dies_with_parent(self):
        code = "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); time.sleep(60)"
        parent = subprocess.Popen([sys.executable, "-c", code, SWITCH, "--listen", self.path],
                                  stdout=subprocess.PIPE, text=True)
        pid = int(parent.stdout.readline())
        while not os.path.exists(self.path):
            time.sleep(0.005)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + 20
        while os.path.exists("/proc/%d" % pid) and os.path.exists(self.path):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_round_trip_time(self):
        a, b = self.start(2)
        request, reply = frame(1, 2, b"q" * 60), frame(2, 1, b"r" * 4140)
        times = []
        for _ in range(2000):
            start = time.monotonic()
            a.send(request)
            b.receive()
            b.send(reply)
            a.receive()
            times.append(time.monotonic() - start)
        times.sort()
        print("round trip: median %.0f us, p99 %.0f us" % (times[1000] * 1e6, times[1980] * 1e6), file=sys.stderr)
        self.assertLess(times[1000], 0.1)      # no poll lies between


if __name__ == "__main__":
    SWITCH = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
