# SPDX-License-Identifier: MIT
"""Terminals, from outside: the tool on a pseudo-terminal of ours, as a person sits before it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from cases import PATIENCE, case
from testbed import TOOL

PROMPT = rb"root@tangram[^#]*# "
# Words of a shell's line; none comes as it is typed out of what the line does.
READY = b'echo re""ady; '              # once it has come, what is typed is for the job, not for the prompt's editing
STOPPED = b"until jobs | grep -q Stopped; do sleep 0.1; done; "
SIZE = b'until [ "$(stty size)" = "%s" ]; do sleep 0.1; done; '         # a window's change takes a way of its own


class Screen:
    """The tool, started on a terminal. Everything is waited for, and only for so long."""

    def __init__(self, bed, *words, rows=24, columns=80):
        self.bed, self.log, self.seen = bed, b"", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(bed.env, TERM="xterm-256color")
            os.execv(TOOL, [TOOL, *words])
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys)

    def _more(self, seconds):
        """Whether anything came; None at the end."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:                     # the tool has gone
            data = b""
        self.log += data
        return bool(data) or None

    def see(self, pattern, seconds=20):
        """Wait until the pattern is shown behind what was seen before; its match."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            found = re.compile(pattern, re.DOTALL).search(self.log, self.seen)
            if found:
                self.seen = found.end()
                return found
            more = self._more(deadline - time.monotonic())
            assert more is not None, "the end came before %r: %r" % (pattern, self.log[self.seen:][-1500:])
            assert more or time.monotonic() < deadline, "no %r in %r" % (pattern, self.log[self.seen:][-1500:])

    def command(self, keys, pattern, seconds=20):
        """A line for the shell; what it shows up to its next prompt has the pattern."""
        self.type(keys + b"\r")
        found = self.see(pattern, seconds)
        self.see(PROMPT, seconds)
        return found

    def end(self, seconds=40):
        """Status of the tool, which ends by itself."""
        deadline = time.monotonic() + seconds * PATIENCE
        while self._more(deadline - time.monotonic()):
            assert time.monotonic() < deadline, "no end: %r" % self.log[-1500:]
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        raise AssertionError("the tool does not end: %r" % self.log[-1500:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bed.path("screen", self.log)
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def shell(bed, *words, **size):
    screen = Screen(bed, "shell", "--timeout", str(100 * PATIENCE), "--log-dir", bed.path("run"), *words, **size)
    screen.see(PROMPT, 60)
    return screen


@case()
def tty_shell(bed):
    """What a person does at a prompt."""
    with shell(bed) as screen:
        screen.command(b"tty; stty size; echo $TERM-$-", rb"/dev/hvc0\r\n24 80\r\nxterm-256color-\w*i\w*m\w*\r\n")
        # readline: cursor keys, kill and yank, completion, history
        screen.command(b"echo helXlo\x1b[D\x1b[D\x7f", rb"\rhello\r\n")
        screen.command(b"echo one two\x17\x01\x1b[C\x1b[C\x1b[C\x1b[C \x19 ", rb"\rtwo one\r\n")
        screen.command(b"ls -d /usr/lib/pyth\t3.11\x7f\x7f\x7f\x7f*", rb"/usr/lib/python3")
        screen.command(b"\x1b[A\x1b[A\x1b[A", rb"\rhello\r\n")
        screen.command(b"\x12one t", rb"\rtwo one\r\n")
        # colours
        screen.command(b"ls --color=auto -d /usr", rb"\x1b\[01;34m/usr\x1b\[0m")
        screen.command(b"ls --color=auto -d /usr | cat", rb"\r/usr\r\n")
        # the terminal's own editing, when no readline does it
        screen.type(READY + b"read line; echo \"<$line>\"\r")
        screen.see(rb"ready\r\n")            # the terminal is no longer readline's
        screen.type(b"wrong\x15rigth\x7f\x7fht x\x17\x7f\r")
        screen.see(rb"<right>\r\n")
        screen.see(PROMPT)
        # end of file
        screen.type(READY + b"cat\r")
        screen.see(rb"ready\r\n")
        screen.type(b"abc\r")
        screen.see(rb"abc\r\nabc\r\n")
        screen.type(b"\x04")
        screen.see(PROMPT)
        screen.type(b"exit 3\r")
        assert screen.end() == 3
    bed.assert_nothing_left()


@case()
def tty_jobs(bed):
    """Ctrl-C, Ctrl-Z, fg, bg, and what hears of them."""
    with shell(bed) as screen:
        # dash loses a SIGINT that meets it between vfork and the child's exec, also on Linux: so nothing that it would run
        screen.type(b"sh -c '" + READY + b"read line'\r")
        screen.see(rb"ready\r\n")
        screen.type(b"\x03")
        screen.see(rb"\^C")
        screen.see(PROMPT)
        screen.command(b"echo $?", rb"\r130\r\n")
        screen.type(READY + b"cat | cat\r")
        screen.see(rb"ready\r\n")
        screen.type(b"first\r")
        screen.see(rb"first\r\nfirst\r\n")
        screen.type(b"\x1a")
        screen.see(rb"Stopped +cat \| cat")
        screen.see(PROMPT)
        screen.command(b"jobs -l", rb"\[1\]\+ +\d+ Stopped.*\| cat")
        screen.type(b"fg\r")
        screen.see(rb"\rcat \| cat\r\n")
        screen.type(b"through\r")
        screen.see(rb"through\r\nthrough\r\n")
        screen.type(b"\x03")
        screen.see(PROMPT)
        # sh waits in vfork for what it runs in the foreground, and hears of no stop meanwhile, nor on Linux: so not that
        screen.type(b"sh -c 'sleep 3 & " + READY + b"wait'\r")
        screen.see(rb"ready\r\n")
        screen.type(b"\x1a")
        screen.see(PROMPT)
        screen.command(b"bg", rb"\[1\]\+ sh -c .*wait' &")
        screen.command(b"wait; echo waited", rb"waited\r\n")
        screen.command(b"cat & " + STOPPED + b"jobs", rb"Stopped")          # a reader in the background
        screen.command(b"kill %1; wait %1; echo $?", rb"\n143\r\n")
        screen.command(b"stty tostop; echo quiet & " + STOPPED + b"jobs; kill %1; stty -tostop", rb"Stopped\(tty output\)|Stopped")
        screen.command(b"trap 'echo got it' INT; kill -INT $$; trap - INT", rb"got it\r\n")
        screen.command(b"python3 -c 'import os, signal; os.kill(os.getpid(), signal.SIGSTOP); print(6 * 7)'", rb"Stopped", 30)
        screen.command(b"fg", rb"\r42\r\n|\n42\r\n")
        # a background job that is left behind does not keep the cluster up
        screen.command(b"sleep 1000 &", rb"\[\d\] \d+")
        screen.type(b"exit\r")
        assert screen.end() == 0
    bed.assert_nothing_left()


@case()
def tty_full_screen(bed):
    """Programs that draw, and a window that changes its size."""
    with shell(bed) as screen:
        screen.type(b"seq 1 1000 | less\r")
        screen.see(rb"\x1b\[\?1049h.*\n?1\r\n2\r\n.*\n?23\r\n:", 30)
        screen.type(b" ")
        screen.see(rb"45\r\n46\r\n")
        screen.type(b"/^777\r")
        screen.see(rb"777.*799\r\n")
        screen.resize(10, 60)
        time.sleep(1)
        screen.type(b"G")
        screen.see(rb"99[0-9]\r\n.*1000\r\n")
        screen.type(b"q")
        screen.see(PROMPT)
        screen.command(SIZE % b"10 60" + b"stty size", rb"10 60\r\n")
        screen.resize(30, 100)
        screen.command(SIZE % b"30 100" + b"stty size", rb"30 100\r\n")
        screen.command(b"echo $LINES $COLUMNS", rb"30 100\r\n")
        screen.type(b"top -d 1\r")
        screen.see(rb"top - .*Tasks:.*%Cpu.*PID USER.*\bbash\b.*\btop\b|top - .*Tasks:.*%Cpu.*PID USER.*\btop\b.*\bbash\b", 40)
        screen.resize(20, 90)
        screen.see(rb"PID USER.*\btop\b", 15)                             # it draws all again
        screen.type(b"q")
        screen.see(PROMPT)
        screen.type(b"\x04")
        assert screen.end() == 0
    bed.assert_nothing_left()


@case()
def tty_of_run(bed):
    """`run -t`: a terminal for any program, and its bytes exactly."""
    raw = "stty raw -echo; printf go; head -c 256 | od -An -v -tu1 -w16"
    with Screen(bed, "run", "-t", "--quiet", "--timeout", str(60 * PATIENCE), "--image", "debian", "--log-dir", bed.path("run"), "--",
                "/bin/bash", "-c", raw, rows=33, columns=77) as screen:
        screen.see(rb"go", 40)
        screen.type(bytes(range(256)))
        shown = screen.see(rb"( +\d+){16}\n.* 255\n").group(0)
        assert [int(n) for n in shown.split()] == list(range(256)), shown
        assert screen.end() == 0
    program = ["/usr/bin/python3", "-c", "import os\nfor n in 0, 1, 2: print(os.isatty(n))\nprint(os.get_terminal_size(0))"]
    with Screen(bed, "run", "-t", "--quiet", "--timeout", str(60 * PATIENCE), "--image", "debian", "--log-dir", bed.path("run"), "--",
                *program, rows=33, columns=77) as screen:
        screen.see(rb"True\r\nTrue\r\nTrue\r\nos.terminal_size\(columns=77, lines=33\)", 40)
        assert screen.end() == 0
    result = bed.run("/usr/bin/python3", "-c", "import os\nfor n in 0, 1, 2: print(os.isatty(n))", options=["--image", "debian"])
    assert result.out == b"False\n" * 3, result.out


@case()
def tty_script(bed):
    """Without a terminal a shell reads its input like any program."""
    result = bed.tangram("shell", "--timeout", str(60 * PATIENCE), "--log-dir", bed.path("run"), stdin=b"tty\necho $((6 * 7))\nexit 5\n")
    assert (result.status, result.out) == (5, b"not a tty\n42\n"), (result.status, result.out, result.err)
