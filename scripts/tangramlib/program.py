# SPDX-License-Identifier: MIT
"""One program on a cluster: started over the control port, its streams carried, its end understood."""

import os
import sys
import time

from .host import TangramError
from .ports import InputPump, OutputPump, parse_fields
from .terminal import Terminal, size_of

DEFAULT_ENV = ("PATH=/bin:/usr/bin:/sbin:/usr/sbin", "HOME=/root", "LANG=C.UTF-8")
SIGPIPE = 13


class Result:
    """How a program ended: status for the shell, and what the node said of it."""

    def __init__(self, fields):
        self.fields = fields
        self.error = None
        if "error" in fields:
            self.error = "%s: %s" % (fields["error"], fields.get("text", ""))
            self.status = 127 if fields["error"] == "ENOENT" else 126
        elif "signal" in fields:
            self.status = 128 + int(fields["signal"])
        else:
            self.status = int(fields.get("status", 125))

    def number(self, name):
        try:
            return float(self.fields[name]) if "." in self.fields[name] else int(self.fields[name])
        except (KeyError, ValueError):
            return None


def environment(given, has_tty):
    """The program's environment: a small default, and --env over it."""
    out = dict(word.split("=", 1) for word in DEFAULT_ENV)
    if has_tty:
        out["TERM"] = os.environ.get("TERM", "linux")
    out.update(word.split("=", 1) for word in given)
    return ["%s=%s" % item for item in out.items()]


class Program:
    """
    control: the processor's Control; ports: its stdin, stdout, stderr sockets; exits: where the lines of ended programs
    arrive, by id. before_output is called before anything is written to the caller.
    """

    def __init__(self, loop, control, ports, exits, options, before_output=lambda: None):
        self.loop, self.control, self.ports, self.exits, self.options = loop, control, ports, exits, options
        self.before_output = before_output
        self.id = "1"
        self.pumps = []
        self.input = self.opened = self.terminal = None

    def start(self, number=1):
        self.id = str(number)
        options = self.options
        argv = list(options.program)
        if "/" not in argv[0]:
            argv[0] = "/bin/" + argv[0]
        fd = 0
        if options.stdin:
            try:
                fd = self.opened = os.open(options.stdin, os.O_RDONLY)
            except OSError as error:
                raise TangramError("--stdin: %s: %s" % (options.stdin, error.strerror)) from None
        for port, out in (("stdout", 1), ("stderr", 2)):
            self.pumps.append(OutputPump(self.loop, self.ports[port], out, self.before_output, self._output_broken))
        terminal = ["tty=1", "rows=%d" % size_of(0, 1, 2)[0], "cols=%d" % size_of(0, 1, 2)[1]] if options.tty else []
        self.control.send("exec", self.id, "cwd=" + options.cwd, *terminal,
                          *["arg=" + word for word in argv],
                          *["env=" + word for word in environment(options.env, options.tty)])
        if options.tty and not options.stdin and os.isatty(0):
            self.terminal = Terminal(self.loop, 0, self._resized)
        self.input = InputPump(self.loop, fd, self.ports["stdin"], self.terminal.keys if self.terminal else None)

    def _resized(self, rows, columns):
        self.control.send("resize", str(rows), str(columns))

    def _output_broken(self):
        """The caller no longer reads: the program is told as it would be on this machine."""
        if self.id not in self.exits:
            self.control.send("signal", self.id, str(SIGPIPE))

    def ended(self):
        return self.id in self.exits

    def signal(self, number):
        self.control.send("signal", self.id, str(number))

    def finish(self):
        """After ended(): drain the streams, give everything back, say how it ended."""
        deadline = time.monotonic() + 0.05      # its bytes were on their way before the exit line
        while time.monotonic() < deadline:
            self.loop.poll(0.01)
        self.release()
        return Result(parse_fields(self.exits.pop(self.id)))

    def release(self):
        for pump in self.pumps:
            pump.detach()
        if self.input is not None:
            self.input.detach()
        if self.opened is not None:
            os.close(self.opened)
            self.opened = None
        self.restore_tty()

    def restore_tty(self):
        if self.terminal is not None:
            self.terminal.restore()
            self.terminal = None


def report_result(say, options, result):
    if result.error:
        print("tangram: cannot run %s: %s" % (options.program[0], result.error), file=sys.stderr, flush=True)
    elif "signal" in result.fields:
        say("%s was ended by signal %s" % (options.program[0], result.fields["signal"]))
