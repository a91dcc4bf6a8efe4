# SPDX-License-Identifier: MIT
"""
A running cluster: the switch, the nodes' QEMUs, their control ports and logs. Whoever uses it calls wait() for what
should become true; wait() raises ClusterFailed as soon as a node is lost.
"""

import os
import re
import socket
import time

from . import image, nodes, tap, wire
from .host import TangramError
from .loop import Loop
from .ports import Control
from .processes import PrivateFolder, spawn, stop

BOOT_SECONDS = 60           # until the processor node must be ready
ANSWER_SECONDS = 10         # for an answer on a control port
POWEROFF_SECONDS = 15

_STAMP = rb"^\[ *[0-9]+\.[0-9]+\] +"          # then: level role/cpu: text
LOG_PANIC = re.compile(_STAMP + rb"(?:\S+ \S+: panic: ?|panic\S* (?:\S+: )?)(.*)$", re.MULTILINE)
LOG_BAD = re.compile(_STAMP + rb"(?:panic|err|error)\S* (?:\S+: )?(.*)$", re.MULTILINE)


class ClusterFailed(TangramError):
    """The cluster, not the program, is at fault: status 125."""


class Node:
    def __init__(self, role, log):
        self.role, self.log = role, log
        self.state = "starting"         # -> up (hello) -> ready -> gone
        self.process = self.pidfd = self.control = None
        self.answers = {}               # what is being answered: "counters" -> {name: value}
        self.panicked = None
        self.refused = None             # why it will never be ready
        self.waiting = None             # for whom it waits
        self._log_read = 0

    def new_panic(self):
        """The text of a panic in what was added to the log since the last look, or None."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self._log_read)
                data = file.read()
        except OSError:
            return None
        self._log_read += data.rfind(b"\n") + 1
        found = LOG_PANIC.search(data[:data.rfind(b"\n") + 1])
        return found.group(1).decode(errors="replace") if found else None

    def why_not_ready(self):
        return self.last_words(only_bad=True) or (self.waiting and "waiting for " + self.waiting) or self.last_words()

    def last_words(self, only_bad=False):
        """What the log says about an end that nobody asked for: its last error, or else its last line (only_bad: nothing)."""
        try:
            with open(self.log, "rb") as file:
                data = file.read()
        except OSError:
            return ""
        data = data[:data.rfind(b"\n") + 1]              # half a line says nothing
        bad = LOG_BAD.findall(data)
        if only_bad and not bad:
            return ""
        lines = data.strip().splitlines() or [b"its log is empty"]
        text = (bad[-1] if bad else lines[-1]).decode(errors="replace")
        return "".join(c for c in text if c.isprintable()).strip()[:160]


class Cluster:
    def __init__(self, config, log_dir, say, registry=None):
        self.config, self.log_dir, self.say = config, log_dir, say
        self.loop = Loop()
        self.folder = PrivateFolder(registry, also=tap.remove_bridge if config.tap else lambda token: None)
        self.nodes = {role: Node(role, os.path.join(log_dir, role + ".log")) for role in nodes.ROLES}
        self.switch = None
        self.ports = {}                 # the processor's stdin, stdout, stderr
        self.exits = {}                 # id of a program -> the fields of its exit line
        self.started = {}
        self.stopping = False
        self.leaving = False            # a program has powered it off
        self.root_disk = os.path.join(self.folder.path, "root.img")
        self.start_time = self.ready_time = None
        self._listeners = {}
        self._next_log_look = 0

    # Starting

    def prepare_disk(self):
        image.copy_sparse(image.find_image(self.config.image), self.root_disk)
        if self.config.add:
            image.add_files(self.root_disk, self.config.add)

    def start(self):
        self.prepare_disk()
        for role in nodes.ROLES:
            for port in nodes.port_names(role):
                self.listen(role, port)
        disks = [(self.root_disk, False)] + [(file, mode == "ro") for file, _, mode in self.config.disks]
        taps = self._wire_up()
        self.start_time = time.monotonic()
        for role in nodes.ROLES:
            node = self.nodes[role]
            open(node.log, "wb").close()
            fds = taps.open(nodes.NODE_ID[role]) if taps else []
            netdev = nodes.tap_netdev(fds) if taps else nodes.switch_netdev(os.path.join(self.folder.path, "wire"))
            command = nodes.qemu_command(self.config, role, self.folder.path, node.log,
                                         disks if role == "storage" else [], netdev)
            node.process = spawn(command, os.path.join(self.log_dir, role + ".qemu"), fds)
            for fd in fds:
                os.close(fd)
            node.pidfd = os.pidfd_open(node.process.pid)
            self.loop.on_read(node.pidfd, lambda node=node: self._qemu_ended(node))

    def _wire_up(self):
        """The switch, running; or what makes tap devices."""
        if self.config.tap:
            taps = tap.TapWire(self.folder.token, self.config.tap.bridge, self.config.queues)
            with open(os.path.join(self.folder.path, "bridge"), "w") as file:
                file.write(taps.bridge)
            return taps
        self.switch = wire.start(self.folder.path, os.path.join(self.log_dir, "switch.log"), self.config.faults,
                                 self.config.pcap)
        return None

    def listen(self, role, port):
        path = os.path.join(self.folder.path, role + "." + port)
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(1)
        self._listeners[role, port] = sock
        self.loop.on_read(sock, lambda: self._accept(role, port))

    def _accept(self, role, port):
        listener = self._listeners.pop((role, port))
        sock, _ = listener.accept()
        self.loop.forget(listener)
        listener.close()
        os.unlink(os.path.join(self.folder.path, role + "." + port))
        node = self.nodes[role]
        if port == "control":
            node.control = Control(self.loop, sock, lambda words: self._line(node, words))
        else:
            self.ports[port] = sock

    # What nodes say

    def _line(self, node, words):
        verb = words[0]
        if verb == "hello":
            if node.state == "starting":
                node.state = "up"
        elif verb == "ready":
            node.state = "ready"
        elif verb == "note":
            self.say("%s: %s" % (node.role, " ".join(words[1:])))
        elif verb == "waiting" and len(words) > 1:
            node.waiting = words[1]
        elif verb == "leaving":            # a program has called reboot(2)
            self.leaving = True
            self.stopping |= not getattr(self.config, "stays", False)
        elif verb == "panic":
            node.panicked = " ".join(words[1:]) or "panic"
        elif verb == "started" and len(words) > 1:
            self.started[words[1]] = words[2:]
        elif verb == "exit" and len(words) > 1:
            self.exits[words[1]] = words[2:]
        elif verb in ("counter", "acct") and len(words) == 3:
            node.answers.setdefault("counters" if verb == "counter" else "acct", {})[words[1]] = _number(words[2])
        elif verb == "pcache" and len(words) == 3:
            node.answers.setdefault("pcache", {})[words[1]] = int(words[2]) if words[2].isdigit() else words[2]
        elif verb == "cpu-counter" and len(words) == 4 and words[2].isdigit():
            node.answers.setdefault("cpu-counters", {}).setdefault(words[1], {})[int(words[2])] = _number(words[3])
        elif verb == "latency" and len(words) == 5:
            node.answers.setdefault("latency", {})[words[1]] = dict(zip(("calls", "median_ns", "p99_ns"), map(_number, words[2:])))
        elif verb == "end" and len(words) == 2:
            node.answers["end " + words[1]] = True
        elif verb == "error" and words[1:2] == ["ready"]:
            node.refused = " ".join(words[2:])
        elif verb in ("ok", "error") and len(words) > 1:
            node.answers["done " + words[1]] = words

    def _qemu_ended(self, node):
        node.process.wait()
        self.loop.forget(node.pidfd)
        os.close(node.pidfd)
        node.pidfd = None
        node.state = "gone"

    def check(self):
        """Raise ClusterFailed if something is lost that should be there."""
        now = time.monotonic()
        if now >= self._next_log_look:
            self._next_log_look = now + 0.25
            for node in self.nodes.values():
                node.panicked = node.panicked or node.new_panic()
        for node in self.nodes.values():
            if node.panicked:
                raise ClusterFailed("%s node panicked: %s (log: %s)" % (node.role, node.panicked, node.log))
        if self.stopping:
            return
        for node in self.nodes.values():
            if node.refused:
                raise ClusterFailed("%s node cannot start: %s (log: %s)"
                                    % (node.role, node.last_words(only_bad=True) or node.refused, node.log))
            if node.state == "gone":
                raise ClusterFailed("%s node ended unexpectedly%s (log: %s)"
                                    % (node.role, self._why_gone(node), node.log))
        if self.switch is not None and self.switch.poll() is not None:
            raise ClusterFailed("the switch ended unexpectedly (log: %s)" % os.path.join(self.log_dir, "switch.log"))

    def _why_gone(self, node):
        qemu = os.path.join(self.log_dir, node.role + ".qemu")
        with open(qemu, errors="replace") as file:
            said = [line for line in file.read().splitlines() if line.strip() and "warning:" not in line]
        if node.process.returncode < 0:
            return ": QEMU was killed by signal %d" % -node.process.returncode
        if node.process.returncode > 0 and said:
            return ": %s" % said[-1].strip()
        words = node.last_words()
        return ": %s" % words if words else ""

    def wait(self, condition, seconds=None, what=None):
        """Serve everything until condition() holds. After `seconds`: ClusterFailed, saying what did not happen."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not condition():
            self.check()
            left = 0.25 if deadline is None else min(0.25, deadline - time.monotonic())
            if left <= 0:
                raise ClusterFailed("%s in %d s (logs: %s)" % (what, seconds, self.log_dir))
            self.loop.poll(left)

    def pause(self, seconds):
        """Do nothing for a while but serve what comes."""
        deadline = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > deadline)

    def wait_ready(self, progress):
        def condition():
            progress(", ".join("%s %s" % (node.role, node.state) for node in self.nodes.values()))
            return all(node.state == "ready" for node in self.nodes.values())

        def late():
            return ", ".join("%s node is not ready (%s)" % (node.role, node.why_not_ready())
                             for node in self.nodes.values() if node.state != "ready")
        try:
            self.wait(condition, self.config.boot_timeout, "nodes do not become ready")
        except ClusterFailed as error:
            if "do not become ready" in str(error):
                raise ClusterFailed("%s in %g s (logs: %s)" % (late(), self.config.boot_timeout, self.log_dir)) \
                    from None
            raise
        self.ready_time = time.monotonic()

    # Asking nodes

    def ask(self, role, verb, seconds=ANSWER_SECONDS):
        """`counters` or `acct` of a node: {name: value}; `cpu-counters`: {name: {cpu: value}}, without zeros; `latency`:
        {op: {"calls", "median_ns", "p99_ns"}}; `pcache` of the processor node: {name: value}."""
        node = self.nodes[role]
        node.answers.pop("end " + verb, None)
        node.answers.pop("done " + verb, None)
        node.answers[verb] = {}
        node.control.send(verb)
        self.wait(lambda: "end " + verb in node.answers or "done " + verb in node.answers, seconds,
                  "the %s node does not answer '%s'" % (role, verb))
        return dict(node.answers[verb])

    def tell(self, role, verb):
        """A command that is answered by ok or error; returns whether it was ok."""
        node = self.nodes[role]
        node.answers.pop("done " + verb, None)
        node.control.send(verb)
        self.wait(lambda: "done " + verb in node.answers, ANSWER_SECONDS,
                  "the %s node does not answer '%s'" % (role, verb))
        return node.answers["done " + verb][0] == "ok"

    # Ending

    def power_off(self, seconds=POWEROFF_SECONDS):
        """Orderly: the processor node tells the others. Raises ClusterFailed when a node does not go."""
        self.stopping = True
        self.nodes["processor"].control.send("poweroff")
        self.wait_gone(seconds)

    def all_gone(self):
        return all(node.state == "gone" for node in self.nodes.values())

    def wait_gone(self, seconds=POWEROFF_SECONDS):
        """Of a cluster that is powering off."""
        self.wait(self.all_gone, seconds, "nodes do not power off")

    def save_disks(self, seconds):
        """After a failure: let each node that still can write back what it has, as at an orderly end, and in that order."""
        self.stopping = True
        for node in self.nodes.values():
            if node.control is None or node.panicked or node.state in ("starting", "gone"):
                continue
            try:
                node.control.send("poweroff")
                deadline = time.monotonic() + seconds
                while node.state != "gone" and time.monotonic() < deadline:
                    self.loop.poll(0.1)
            except (TangramError, OSError):
                pass

    def kill(self):
        """End every child, whatever state it is in. The folder stays, for what is to be got from the disk."""
        self.stopping = True
        children = [node.process for node in self.nodes.values() if node.process is not None]
        stop(children, 0.5)
        if self.switch is not None:
            stop([self.switch])         # after the nodes: it closes its capture with their last frames in it

    def remove(self):
        self.kill()
        self.folder.remove()


def _number(text):
    try:
        return int(text)
    except ValueError:
        return text


def new_log_dir(given):
    """The folder of a run's logs, made: the one given, or a new one below the build folder (or /tmp)."""
    from .host import BUILD
    if given:
        try:
            os.makedirs(given, exist_ok=True)
        except OSError as error:
            raise TangramError("--log-dir: %s: %s" % (given, error.strerror)) from None
        return os.path.abspath(given)
    name = time.strftime("run-%Y%m%d-%H%M%S-") + str(os.getpid())
    for base in (os.path.join(BUILD, "log"), os.path.join("/tmp", "tangram-log-%d" % os.getuid())):
        try:
            os.makedirs(os.path.join(base, name))
            return os.path.join(base, name)
        except OSError:
            continue            # another user's build folder
    raise TangramError("no folder for the logs: give one with --log-dir")
