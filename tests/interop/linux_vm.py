# SPDX-License-Identifier: MIT
"""
A Linux VM with rdma_rxe on a wire, made by scripts/make-linux-vm: boots in some seconds, runs what it is told over a port
of its own (tests/interop/init answers). Addresses are those of `scripts/tangram wire`: 10.77.0.N.
"""

import os
import socket
import time

from tangramlib import nodes
from tangramlib.host import BUILD, TangramError
from tangramlib.processes import spawn, stop

FOLDER = os.path.join(BUILD, "linux")


class Done:
    def __init__(self, status, out):
        self.status, self.out = status, out


class LinuxVm:
    def __init__(self, folder, wire, number, log_dir, mtu=1500, memory="384M", cpus=1, initrd="initrd", options=()):
        """
        folder: for the socket; wire: the switch's socket or None; number: the node's, which gives its address; initrd: in FOLDER, or
        an absolute path; options: more of QEMU's.
        """
        self.ip, self.number = nodes.node_ip(number), 0
        self.jobs = {}
        self.console = os.path.join(log_dir, "linux%d.log" % number)
        path = os.path.join(folder, "agent%d" % number)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        self.start = time.monotonic()
        command = [nodes.qemu_program(), "-name", "tangram-linux%d" % number, "-machine", "q35", "-nodefaults", "-no-reboot",
                   "-accel", "tcg,thread=multi", "-cpu", "max", "-display", "none", "-smp", nodes.smp(cpus), "-m", memory,
                   "-kernel", os.path.join(FOLDER, "vmlinux"), "-initrd", os.path.join(FOLDER, initrd),
                   "-append", "console=ttyS0 quiet mitigations=off nopti nokaslr" + (" vm_ip=%s/24 vm_mtu=%d" % (self.ip, mtu) if wire else ""),
                   "-serial", "file:" + self.console,
                   "-device", "virtio-serial-pci", "-chardev", "socket,id=agent,path=%s,server=off" % path,
                   "-device", "virtserialport,chardev=agent,name=agent"]
        command += [*options, *(nodes.wire_options(wire, number) if wire else ())]
        self.process = spawn(command, os.path.join(log_dir, "linux%d.qemu" % number))
        listener.settimeout(10)
        self.sock, _ = listener.accept()
        listener.close()
        self.buffer = b""

    def _line(self, deadline):
        while b"\n" not in self.buffer:
            self._more(deadline)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TangramError("the Linux VM does not answer (its console: %s)" % self.console)
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            data = None
        if data == b"":
            raise TangramError("the Linux VM is gone (its console: %s)" % self.console)
        self.buffer += data or b""

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self._line(deadline) != "ready":
            pass
        self.boot_seconds = time.monotonic() - self.start

    def run(self, command, seconds=60):
        """Run a shell command to its end. What does not end in time is killed, with status 143."""
        self.number += 1
        limited = "timeout %d sh -c '%s'" % (seconds, command.replace("'", "'\\''"))
        return self._ask(limited, seconds + 20)

    def _ask(self, line, seconds):
        self.sock.sendall(b"%d %s\n" % (self.number, line.encode()))
        deadline = time.monotonic() + seconds
        while True:
            words = self._line(deadline).split()
            if len(words) == 3 and words[0] == str(self.number):
                break
        if not (words[1].isdigit() and words[2].isdigit()):         # a test that failed left the port in the middle of an answer
            raise TangramError("the Linux VM answers %s" % " ".join(words))
        status, length = int(words[1]), int(words[2])
        while len(self.buffer) < length:
            self._more(deadline)
        out, self.buffer = self.buffer[:length], self.buffer[length:]
        return Done(status, out.decode(errors="replace"))

    def begin(self, command):
        """Start a program in the background; end() waits for it."""
        self.number += 1
        job = self.number
        self._ask("{ %s; echo $? > /tmp/status%d; } > /tmp/job%d 2>&1 & echo $! > /tmp/pid%d" % (command, job, job, job), 20)
        return job

    def end(self, job, seconds=60):
        text = "i=0; while [ ! -s /tmp/status%d ] && [ $i -lt %d ]; do usleep 50000; i=$((i+1)); done; cat /tmp/job%d; "
        text += "[ -s /tmp/status%d ] && exit $(cat /tmp/status%d); exit 143"
        return self.run(text % (job, 20 * seconds, job, job, job), seconds + 10)

    def wait_listening(self, port, seconds=20):
        """Until a program listens on the port of the RDMA connection manager."""
        done = self.run("i=0; until rdma resource show cm_id | grep -q LISTEN.*:%d; do usleep 100000; i=$((i+1)); "
                        "[ $i -lt %d ] || exit 1; done" % (port, 10 * seconds), seconds + 10)
        if done.status != 0:
            raise TangramError("nobody listens on port %d in the Linux VM" % port)

    def set_mtu(self, mtu):
        """The link's; the soft RoCE device is made anew for it."""
        self.number += 1
        done = self._ask("link %d" % mtu, 20)
        assert done.status == 0, done.out

    def close(self):
        stop([self.process], 0.5)
        self.sock.close()
