# SPDX-License-Identifier: MIT
"""
Clusters that stay: `up`, `exec`, `down`, `list`, `wire`. A process of its own, the keeper, owns such a cluster; clients
find it by name and talk to it over a unix socket, one JSON object a line. For `exec` the keeper lends the client the
processor's ports themselves (SCM_RIGHTS), so that a program's bytes take the same way as under `run`.
"""

import json
import os
import re
import signal
import socket
import sys
import time

from . import balance, image, nodes, wire
from .cluster import Cluster, ClusterFailed, new_log_dir
from .host import TangramError
from .loop import Loop
from .options import check_cluster
from .ports import Control
from .program import Program, report_result
from .run import Interrupted, Reporter, TimedOut, catch_signals, ignore_signals

PORTS = ("control",) + nodes.STD_PORTS
FIRST_FREE_NODE = 10            # the address of a VM that joins: any that no node of ours has


def registry():
    """The folder of the names of this user's clusters."""
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    path = os.path.join(base, "tangram-clusters-%d" % os.getuid())
    os.makedirs(path, mode=0o700, exist_ok=True)        # goes with the last cluster
    if os.stat(path).st_uid != os.getuid():
        raise TangramError("%s belongs to somebody else" % path)
    return path


def entry(name):
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}", name):
        raise TangramError("'%s' is no name for a cluster: letters, digits, '.', '_', '-'" % name)
    return os.path.join(registry(), name)


class Channel:
    """One JSON object a line, over a unix socket."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def send(self, message, fds=()):
        data = json.dumps(message).encode() + b"\n"
        if fds:
            socket.send_fds(self.sock, [data], fds)
        else:
            self.sock.sendall(data)

    def receive(self, max_fds=0):
        """(message, fds); message None at the end."""
        fds = []
        while b"\n" not in self.buffer:
            if max_fds:
                data, got, _, _ = socket.recv_fds(self.sock, 65536, max_fds)
                fds += got
            else:
                data = self.sock.recv(65536)
            if not data:
                return None, fds
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line), fds


def connect(name):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(os.path.join(os.path.realpath(entry(name)), "keeper"))
    except OSError:
        raise TangramError("no cluster '%s' is up" % name) from None
    return Channel(sock)


def request(name, message):
    channel = connect(name)
    channel.send(message)
    answer, _ = channel.receive()
    if answer is None:
        raise TangramError("the keeper of '%s' is gone" % name)
    if answer.get("error"):
        raise TangramError(answer["error"])
    return answer


class Keeper:
    def __init__(self, config, log_dir, say):
        self.config = config
        self.cluster = Cluster(config, log_dir, say, entry(config.name))
        self.queue = []                 # (channel, message) to be handled outside of callbacks
        self.listener = None
        self.next_id = 1
        self.down = False

    def boot(self, progress, parent):
        if not self.cluster.folder.publish():
            raise TangramError("a cluster '%s' is up already" % self.config.name)

        def on_progress(text):
            if os.getppid() != parent:
                raise TangramError("given up")
            progress("booting: " + text)
        self.cluster.start()
        self.cluster.wait_ready(on_progress)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.cluster.folder.path, "keeper"))
        self.listener.listen(16)
        self.cluster.loop.on_read(self.listener, self._accept)

    def _accept(self):
        sock, _ = self.listener.accept()
        sock.settimeout(5)              # a client that stalls must not stall the cluster
        self.queue.append(Channel(sock))

    def serve(self):
        while not self.down:
            self.cluster.wait(lambda: self.queue)
            channel = self.queue.pop(0)
            try:
                message, _ = channel.receive()
                if message is not None:
                    getattr(self, "do_" + message["command"])(channel, message)
            except (OSError, ValueError, KeyError):
                pass                    # the client is gone, or speaks nonsense
            finally:
                channel.sock.close()

    def do_info(self, channel, _):
        channel.send({"folder": self.cluster.folder.path, "log_dir": self.cluster.log_dir, "pid": os.getpid(),
                      "up_seconds": time.monotonic() - self.cluster.ready_time})

    def do_exec(self, channel, _):
        cluster, control = self.cluster, self.cluster.nodes["processor"].control
        if "stdin" not in cluster.ports:                # QEMU connects again within a second
            cluster.wait(lambda: "stdin" in cluster.ports, 10, "the stdin port does not come back")
        number, self.next_id = str(self.next_id), self.next_id + 1
        cluster.loop.forget(control.sock)
        ended = {}
        channel.send({"id": number}, [control.sock.fileno()] + [cluster.ports[p].fileno() for p in nodes.STD_PORTS])

        def client_speaks():
            try:
                ended["message"] = channel.receive()[0]
            except OSError:
                ended["message"] = None
        cluster.loop.on_read(channel.sock, client_speaks)
        try:
            cluster.wait(lambda: ended)
        except ClusterFailed as error:
            channel.send({"error": str(error)})
            raise
        finally:
            cluster.loop.forget(channel.sock)
            cluster.loop.on_read(control.sock, control._readable)
        cluster.ports.pop("stdin").close()              # what was not read of it goes with it
        cluster.listen("processor", "stdin")
        if ended["message"] is None:                    # killed: its program is ended for it
            control.send("signal", number, "9")
            drains = {port: cluster.ports[port] for port in ("stdout", "stderr")}
            for sock in drains.values():
                cluster.loop.on_read(sock, lambda sock=sock: sock.recv(1 << 18))
            cluster.wait(lambda: number in cluster.exits, 10, "program %s does not end" % number)
            for sock in drains.values():
                cluster.loop.forget(sock)
            return
        channel.send(self._facts())

    def _facts(self):
        facts, wrong = balance.gather(self.cluster, "balance")     # what is cached of closed files stays for the next program
        for role in nodes.ROLES:
            facts[role]["parameters"] = dict(nodes.parameters(self.config, role))
        return {"wrong": wrong, "nodes": facts}

    def do_down(self, channel, message):
        self.down = True
        error = None
        try:
            self.cluster.power_off()
        except TangramError as failure:
            error = str(failure)
        self.cluster.kill()
        for guest, host in message["get"]:
            try:
                image.get_file(self.cluster.root_disk, guest, host)
            except (TangramError, OSError) as failure:
                error = error or str(failure)
        self.cluster.remove()
        channel.send({"error": error})


def up(config):
    config.stays = True
    config.hostname = config.name
    check_cluster(config)
    entry(config.name)
    report = Reporter(config.quiet)
    config.log_dir = new_log_dir(config.log_dir)
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 125
        try:
            os.close(reading)
            status = _keep(config, report, parent, writing)
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    report.clear()
    if text != "ready":
        os.waitpid(pid, 0)
        raise TangramError(text or "the keeper ended")
    report.say("cluster '%s' is up: scripts/tangram exec %s -- PROGRAM; logs: %s"
               % (config.name, config.name, config.log_dir))
    return 0


def _keep(config, report, parent, pipe):
    os.setsid()
    catch_signals()
    keeper = None
    try:
        keeper = Keeper(config, config.log_dir, report.say)
        keeper.boot(report.progress, parent)
        os.write(pipe, b"ready")
        os.close(pipe)
        pipe = None
        log = os.open(os.path.join(config.log_dir, "keeper.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDWR)
        for fd, target in ((0, null), (1, log), (2, log)):
            os.dup2(target, fd)
        report.live = False
        keeper.serve()
        return 0
    except (TangramError, OSError, Interrupted) as error:
        ignore_signals()
        if pipe is not None:
            os.write(pipe, str(error).encode())
        else:
            print("tangram: %s" % error, file=sys.stderr, flush=True)
        return 125
    finally:
        ignore_signals()
        if keeper is not None:
            keeper.cluster.remove()


def execute(options):
    report = Reporter(options.quiet)
    channel = connect(options.name)
    channel.send({"command": "exec"})
    answer, fds = channel.receive(max_fds=len(PORTS))
    if answer is None or len(fds) != len(PORTS):
        raise TangramError((answer or {}).get("error") or "the keeper of '%s' is gone" % options.name)
    loop, exits = Loop(), {}
    sockets = dict(zip(PORTS, (socket.socket(fileno=fd) for fd in fds)))
    lost = []

    def on_line(words):
        if words[0] == "exit" and len(words) > 1:
            exits[words[1]] = words[2:]
        elif words[0] == "note":
            report.say("processor: " + " ".join(words[1:]))
        elif words[0] == "panic":
            lost.append("processor node panicked: " + " ".join(words[1:]))

    def keeper_speaks():
        message, _ = channel.receive()
        lost.append((message or {}).get("error") or "the keeper of '%s' is gone" % options.name)
    control = Control(loop, sockets["control"], on_line, lambda: lost.append("the processor node is gone"))
    loop.on_read(channel.sock, keeper_speaks)
    program = Program(loop, control, sockets, exits, options)
    facts = {"command": options.program, "exit_status": None, "error": None}
    try:
        catch_signals()
        if options.timeout:
            signal.setitimer(signal.ITIMER_REAL, options.timeout)
        program.start(int(answer["id"]))
        while not program.ended():
            if lost:
                raise TangramError(lost[0])
            loop.poll(0.25)
        result = program.finish()
    except TimedOut:
        facts["error"] = "timeout: not done after %g s" % options.timeout
        status = 124
    except Interrupted as error:
        facts["error"] = "interrupted by %s" % signal.Signals(error.number).name
        status = 128 + error.number
    except (TangramError, OSError) as error:
        facts["error"] = str(error)
        status = 125
    else:
        loop.forget(channel.sock)
        report_result(report.say, options, result)
        channel.send({"command": "done"})
        gathered, _ = channel.receive()
        status = result.status
        facts.update(guest_seconds=result.number("seconds"), footprint=result.number("footprint"),
                     nodes=(gathered or {}).get("nodes"))
        if gathered is None or gathered["wrong"]:
            facts["error"] = "not given back at exit: %s" % "; ".join((gathered or {"wrong": ["keeper gone"]})["wrong"])
            status = 125
    finally:
        ignore_signals()
        program.release()
    if facts["error"]:
        report.error(facts["error"])
    facts["exit_status"] = status
    if options.json:
        with open(options.json, "w") as file:
            json.dump(facts, file, indent=1)
    return status


def down(options):
    request(options.name, {"command": "down", "get": [(guest, os.path.abspath(host)) for guest, host in options.get]})
    return 0


def list_clusters(_):
    names = sorted(os.listdir(registry()))
    if not names:
        os.rmdir(registry())
    for name in names:
        try:
            info = request(name, {"command": "info"})
        except TangramError:
            if not os.path.isdir(os.path.join(registry(), name)):
                os.unlink(os.path.join(registry(), name))
            continue
        print("%s  up %d s  keeper %d  logs %s" % (name, info["up_seconds"], info["pid"], info["log_dir"]))
    return 0


def on_wire(options):
    folder = os.path.realpath(entry(options.name))
    if not os.path.isdir(folder):
        raise TangramError("no cluster '%s' is up" % options.name)
    bridge = None
    if os.path.exists(os.path.join(folder, "bridge")):
        with open(os.path.join(folder, "bridge")) as file:
            bridge = file.read()
        if options.pcap or options.faults or options.stats:
            raise TangramError("'%s' is wired by the host's bridge %s: it has no switch that records or drops" % (options.name, bridge))
    if options.pcap:
        wire.command(folder, "pcap " + (options.pcap if options.pcap == "off" else os.path.abspath(options.pcap)))
    if options.faults:
        wire.command(folder, "faults " + options.faults)
    if options.stats:
        print("\n".join(wire.command(folder, "stats")))
    if not (options.pcap or options.faults or options.stats):
        netdev = nodes.bridge_netdev(bridge) if bridge else nodes.switch_netdev(os.path.join(folder, "wire"))
        print(" ".join(nodes.nic_options(netdev, FIRST_FREE_NODE)))
    return 0


def main(options):
    return {"up": up, "exec": execute, "down": down, "list": list_clusters, "wire": on_wire}[options.command](options)
