# SPDX-License-Identifier: MIT
"""
A cluster under the test's own hands: programs side by side, nodes stopped, killed and started again, the wire spoilt. It is the
tool's Cluster, but for that a node which is gone is the test's business.

    with Lab(bed, "--pcache", "1M") as lab:
        program = lab.start("memtest", "16")
        lab.kill("memory")
        assert program.wait() == "signal=7"
"""

import json
import os
import re
import signal
import socket
import tempfile
import time

from cases import PATIENCE
from tangramlib import balance, nodes, options, wire
from tangramlib.cluster import Cluster
from tangramlib.processes import spawn
from tangramlib.program import environment

SECONDS = 60            # in which what a test waits for must have happened, times PATIENCE
# What a node's word that another is dead may come later than fit.dead: 0.1 s by which its timer may be late before that does not count
# (LATE_NS of net/fit/member.c), the rest for a host that lets it stand between two looks at its clock.
LATE_MS = 500


def held(role, accounting):
    """{name: value} of what the node holds for programs, which are gone."""
    if role == "storage":
        return {name: accounting[name] for name in ("holds",) if accounting[name] != 0}
    return balance.held(role, accounting)


class Running:
    """A program of a Lab."""

    def __init__(self, lab, number, words):
        self.lab, self.number, self.words = lab, number, words

    def ended(self):
        return self.number in self.lab.exits

    def wait(self, seconds=SECONDS):
        """How it ended: "status=0", "signal=7"."""
        self.lab.until(self.ended, "%s to end" % " ".join(self.words), seconds)
        return self.lab.exits[self.number][0]

    def kill(self):
        self.lab.nodes["processor"].control.send("signal", self.number, "9")


class Monitors:
    """QEMU's monitors of a Lab's nodes (QMP): all QEMUs get the same options, and say which they are."""

    def __init__(self, bed):
        self.path = os.path.join(bed.tmp, "monitor")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(len(nodes.ROLES))
        self.files = {}

    def options(self):
        return ("--qemu", "-chardev socket,id=monitor,path=%s,server=off -mon chardev=monitor,mode=control" % self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for file in [*self.files.values(), self.listener]:
            file.close()
        os.unlink(self.path)

    def meet(self):
        """Once the nodes run."""
        self.listener.settimeout(SECONDS * PATIENCE)
        while len(self.files) < len(nodes.ROLES):
            connection, _ = self.listener.accept()
            connection.settimeout(SECONDS * PATIENCE)
            file = connection.makefile("rw")
            connection.close()
            json.loads(file.readline())                 # the greeting
            self._ask(file, "qmp_capabilities")
            self.files[self._ask(file, "query-name")["name"].replace("tangram-", "")] = file

    @staticmethod
    def _ask(file, command, **arguments):
        file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        file.flush()
        while True:
            answer = json.loads(file.readline())
            assert "error" not in answer, answer
            if "return" in answer:                      # else an event
                return answer["return"]

    def ask(self, role, command, **arguments):
        return self._ask(self.files[role], command, **arguments)


class Lab(Cluster):
    def __init__(self, bed, *words):
        config = options.parse(["up", "--quiet", "--name", "lab", "--log-dir", bed.path("lab"), *words])
        options.check_cluster(config)
        config.stays, config.hostname = True, "lab"
        os.makedirs(bed.path("lab"), exist_ok=True)
        os.environ["TMPDIR"] = bed.tmp
        tempfile.tempdir = None             # the tool's files go where the test looks for what is left
        self.bed, self.said, self.out, self.numbers, self.away = bed, [], b"", 0, set()
        super().__init__(config, bed.path("lab"), self.said.append)

    def __enter__(self):
        try:
            self.start_all()
        except BaseException:
            self.remove()
            raise
        return self

    def start_all(self):
        super().start()
        self.wait_started()
        self._read_output()

    def wait_started(self):
        self.wait_ready(lambda text: None)

    def _read_output(self):
        for port in ("stdout", "stderr"):
            sock = self.ports[port]
            sock.setblocking(False)
            self.loop.on_read(sock, lambda sock=sock: self._output(sock))

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.loop.poll(0)
                self.check()
        finally:
            self.remove()

    def _output(self, sock):
        try:
            self.out += sock.recv(1 << 18)
        except BlockingIOError:
            pass

    def check(self):
        """A panic is a failure, and so is the loss of a node that nobody took away."""
        gone = {role for role, node in self.nodes.items() if node.state == "gone"}
        for role in gone:
            if "crash: the power goes" in self.log(role):
                self.away.add(role)
        for role in gone & self.away:
            self.nodes[role].state = "away"
        super().check()

    def until(self, condition, what, seconds=SECONDS):
        self.wait(condition, seconds * PATIENCE, "waiting for %s: not" % what)

    # Programs

    def start(self, *words):
        if not words:
            return super().start()
        self.numbers += 1
        argv = [words[0] if "/" in words[0] else "/bin/" + words[0], *words[1:]]
        self.nodes["processor"].control.send("exec", str(self.numbers), "cwd=/", *["arg=" + word for word in argv],
                                             *["env=" + word for word in environment([], False)])
        return Running(self, str(self.numbers), words)

    def run(self, *words, seconds=SECONDS):
        """What a program printed; it must end well."""
        self.out = b""
        how = self.start(*words).wait(seconds)
        self.pause(0.1)
        assert how == "status=0", (words, how, self.out[-300:])
        return self.out

    # Nodes

    def pid(self, role):
        return self.nodes[role].process.pid

    def stop(self, *roles):
        for role in roles:
            os.kill(self.pid(role), signal.SIGSTOP)

    def go_on(self, *roles):
        for role in roles:
            os.kill(self.pid(role), signal.SIGCONT)

    def may_go(self, role):
        """The test knows that this node ends by itself."""
        self.away.add(role)

    def kill(self, *roles):
        if not roles:
            return super().kill()
        self.away.update(roles)
        for role in roles:
            os.kill(self.pid(role), signal.SIGKILL)
        for role in roles:
            self.wait_gone(role)
        return None

    def is_gone(self, role):
        return self.nodes[role].state in ("gone", "away")

    def wait_gone(self, role):
        self.until(lambda: self.is_gone(role), "the %s node to be gone" % role)

    def start_again(self, role):
        """The node boots anew, with the same disk and a log of its own."""
        node = self.nodes[role]
        node.control.close()
        node.log = os.path.join(self.log_dir, role + "-again.log")
        node.panicked = node.refused = node.control = None
        open(node.log, "wb").close()
        if role == "processor":             # the old one's programs are gone with it
            for port in ("stdout", "stderr"):
                self.loop.forget(self.ports[port])
            for sock in self.ports.values():
                sock.close()
            self.ports.clear()
        for port in nodes.port_names(role):
            self.listen(role, port)
        disks = [(self.root_disk, False)] if role == "storage" else []
        config = self.config
        kept, config.append = config.append, [(to, [word for word in words if not word.startswith("crash=")])
                                              for to, words in config.append]
        command = nodes.qemu_command(config, role, self.folder.path, node.log, disks,
                                     nodes.switch_netdev(os.path.join(self.folder.path, "wire")))
        config.append = kept
        self.away.discard(role)
        node.state = "starting"
        node.process = spawn(command, os.path.join(self.log_dir, role + "-again.qemu"), [])
        node.pidfd = os.pidfd_open(node.process.pid)
        self.loop.on_read(node.pidfd, lambda: self._qemu_ended(node))
        self.until(lambda: node.state == "ready", "the %s node to be ready again" % role)
        if role == "processor":
            self._read_output()

    # What they say

    def log(self, role):
        with open(self.nodes[role].log, errors="replace") as file:
            return file.read()

    def until_said(self, role, text, times=1, seconds=SECONDS):
        self.until(lambda: len(re.findall(text, self.log(role))) >= times, "%s to say %r" % (role, text), seconds)

    def never_said(self, text, roles=nodes.ROLES):
        for role in roles:
            assert not re.search(text, self.log(role)), (role, self.log(role)[-2000:])

    def when_said(self, role, text):
        """The node's own time of the first line with the text, seconds."""
        return float(re.search(r"\[ *([0-9.]+)\][^\n]*" + text, self.log(role)).group(1))

    def detected(self, role, name, dead_ms=2000):
        """
        The node calls another dead when that was silent for fit.dead, and no later, by the node's own clock and without the time in
        which it did not run; with that time it depends on the host: from its word that the other is silent on, a few seconds.
        """
        text = name + r" is dead: silent for too long \((\d+) ms\)"
        self.until_said(role, text)
        silent = [int(ms) for ms in re.findall(text, self.log(role))]
        said = re.findall(r"\[ *([0-9.]+)\][^\n]*fit: " + name + " is (silent|dead)", self.log(role))
        print("%s: %s was silent for %s ms; said %s" % (role, name, silent, said))
        assert silent and all(dead_ms <= ms <= dead_ms + LATE_MS for ms in silent), (role, name, silent)
        for (then, what), (now, after) in zip(said, said[1:]):
            assert (what, after) != ("silent", "dead") or (float(now) - float(then)) * 1000 < dead_ms * PATIENCE, said

    def wire(self, spec):
        wire.command(self.folder.path, "faults " + spec)

    def balanced(self, *roles, seconds=SECONDS):
        """Once no program is left the nodes hold nothing for one."""
        if self.nodes["processor"].state == "ready":
            self.tell("processor", "balance")
        for role in roles:
            self.balance_of(role, seconds)

    def balance_of(self, role, seconds=SECONDS):
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            if role == "processor":     # what is kept of closed files may have lines of the reserve
                self.tell(role, "drop-caches")
            left = held(role, self.ask(role, "acct"))
            if not left:
                return
            assert time.monotonic() < deadline, (role, left)
            self.pause(0.2)
