#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Stands in for a node's QEMU (TANGRAM_QEMU=this file), to test scripts/tangram alone: it takes QEMU's arguments, speaks
the control protocol, and "runs" programs as processes of the host, /bin/X from the folder TANGRAM_FAKE_PROGRAMS.
TANGRAM_FAKE says what goes wrong: ROLE:KIND[,...], KIND one of die (before ready), silent (never ready), panic (while
the program runs), logpanic (the same, in the log only), leak (accounting does not balance), mute (a value of it is missing), stuck (no power off),
killed (dies while the program runs).
"""

import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "scripts"))
sys.dont_write_bytecode = True

from tangramlib.balance import HELD                     # noqa: E402
from tangramlib.ports import decode, encode             # noqa: E402
from tangramlib.processes import die_with_parent        # noqa: E402

POWEROFF = b"\xff" * 6 + b"\x52\x54\x00\x77\x00\x01" + b"\x88\xb5poweroff"


class FakeNode:
    def __init__(self, argv):
        self.argv = argv
        self.append = dict(word.split("=", 1) for word in self.value("-append").split() if "=" in word)
        self.number = int(self.append["fit.node"])
        self.role = self.value("-name").replace("tangram-", "")
        faults = [word.split(":") for word in os.environ.get("TANGRAM_FAKE", "").split(",") if word]
        self.faults = {kind for role, kind in faults if role == self.role}
        self.log_file = open(re.sub("^file:", "", self.value("-serial")), "a", buffering=1)
        self.stdin_lost = threading.Event()
        self.children, self.lock = {}, threading.Lock()
        self.ports = {}
        paths = {}
        for word in self.values("-chardev"):
            fields = dict(part.split("=", 1) for part in word.split(",") if "=" in part)
            paths[fields["id"]] = fields["path"]
            if "reconnect" in fields:
                threading.Thread(target=self.reconnect, args=(fields["path"],), daemon=True).start()
        for word in self.values("-device"):
            if word.startswith("virtserialport"):
                fields = dict(part.split("=", 1) for part in word.split(",") if "=" in part)
                sock = socket.socket(socket.AF_UNIX)
                sock.connect(paths[fields["chardev"]])
                self.ports[fields["name"].replace("tangram.", "")] = sock
        self.wire = socket.socket(socket.AF_UNIX)
        netdev = dict(part.split("=", 1) for part in self.value("-netdev").split(",") if "=" in part)
        self.wire.connect(netdev["addr.path"])

    def values(self, name):
        return [self.argv[i + 1] for i, word in enumerate(self.argv) if word == name]

    def value(self, name):
        return (self.values(name) or [""])[0]

    def log(self, text, level="info"):
        print("[%5d.%06d] %s %s/0: %s" % (time.monotonic() % 1000, 0, level, self.role, text), file=self.log_file)

    def say(self, *words):
        with self.lock:
            self.ports["control"].sendall(b" ".join(encode(word) for word in words) + b"\n")

    def main(self):
        self.log("fake node, %s" % self.value("-append"))
        if "die" in self.faults:
            self.log("there is no disk", "error")
            return 1
        self.say("hello", "role=" + self.role, "node=%d" % self.number)
        time.sleep(0.1)
        if "silent" not in self.faults:
            self.say("ready")
        selector = selectors.DefaultSelector()
        selector.register(self.ports["control"], selectors.EVENT_READ)
        selector.register(self.wire, selectors.EVENT_READ)
        buffer = b""
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(65536)
                if key.fileobj is self.wire:
                    if not data or POWEROFF in data and "stuck" not in self.faults:
                        return self.power_off()
                    continue
                if not data:
                    return 0
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    if self.command([decode(word) for word in line.split(b" ")]) == "off":
                        return self.power_off()

    def power_off(self):
        self.log("power off")
        return 0

    def command(self, words):
        verb = words[0]
        if verb == "exec":
            threading.Thread(target=self.run, args=(words[1:],), daemon=True).start()
        elif verb == "signal":
            child = self.children.get(words[1])
            if child:
                child.send_signal(int(words[2]))
        elif verb == "counters":
            for name, value in (("nr_pgfault", 1000 + self.number), ("nr_pcache_fill_zerofill", 7), ("nr_zero", 0)):
                self.say("counter", name, str(value))
            self.say("end", "counters")
        elif verb == "latency":
            self.say("latency", "memory_fill", "3", "250000", "900000")
            self.say("end", "latency")
        elif verb == "cpu-counters":
            for cpu in (0, 2):
                self.say("cpu-counter", "nr_pgfault", str(cpu), str(500 + cpu))
            self.say("end", "cpu-counters")
        elif verb == "acct":
            self.say("acct", "free_frames", "5000")
            for name in HELD[self.role]:
                if name != "spaces" or "mute" not in self.faults:
                    self.say("acct", name, "3" if name == "spaces" and "leak" in self.faults else "0")
            self.say("end", "acct")
        elif verb == "poweroff":
            if self.role == "processor":
                self.wire.sendall(struct.pack(">I", len(POWEROFF)) + POWEROFF)
            return None if "stuck" in self.faults else "off"
        else:
            self.say("ok", verb)
        return None

    def run(self, words):
        number, args, env, fields = words[0], [], {}, {}
        for word in words[1:]:
            name, value = word.split("=", 1)
            if name == "arg":
                args.append(value)
            elif name == "env":
                env.update([value.split("=", 1)])
            else:
                fields[name] = value
        if "panic" in self.faults:
            self.say("panic", "the fake broke")
            return
        if "logpanic" in self.faults:
            self.log("the fake broke silently", "panic")
            return
        if "killed" in self.faults:
            os.kill(os.getpid(), signal.SIGKILL)
        start = time.monotonic()
        path = os.path.join(os.environ["TANGRAM_FAKE_PROGRAMS"], os.path.basename(args[0]))
        try:
            # What is "inside" this machine ends with it. TMPDIR tells whose it is, to those who look for what was left.
            parent = os.getpid()
            child = subprocess.Popen([path, *args[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     env=dict(env, TMPDIR=os.environ.get("TMPDIR", "")),
                                     preexec_fn=lambda: die_with_parent(parent))
        except OSError:
            self.say("exit", number, "error=ENOENT", "text=no such file")
            return
        self.children[number] = child
        self.say("started", number, "pid=%d" % child.pid, "ns=%d" % time.monotonic_ns())
        threads = [threading.Thread(target=copy, args=(child.stdout, self.ports["stdout"])),
                   threading.Thread(target=copy, args=(child.stderr, self.ports["stderr"]))]
        for thread in threads:
            thread.start()
        threading.Thread(target=self.feed, args=(child,), daemon=True).start()
        status = child.wait()
        for thread in threads:
            thread.join()
        how = "signal=%d" % -status if status < 0 else "status=%d" % status
        self.say("exit", number, how, "seconds=%f" % (time.monotonic() - start), "footprint=123")

    def reconnect(self, path):
        """As a chardev with reconnect= does, for the stdin port."""
        while True:
            self.stdin_lost.wait()
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(path)
            except OSError:
                time.sleep(0.1)
                continue
            self.stdin_lost.clear()
            self.ports["stdin"] = sock

    def feed(self, child):
        sock = self.ports["stdin"]
        while True:
            data = sock.recv(65536)
            try:
                if data:
                    child.stdin.write(data)
                    child.stdin.flush()
                else:
                    child.stdin.close()
            except OSError:             # the child is gone: what comes is thrown away
                pass
            if not data:
                break
        sock.close()
        self.stdin_lost.set()


def copy(pipe, sock):
    while True:
        data = pipe.read1(65536)
        if not data:
            return
        sock.sendall(data)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(FakeNode(sys.argv).main())
