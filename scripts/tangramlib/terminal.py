# SPDX-License-Identifier: MIT
"""
The caller's terminal while a program on the cluster has it: keys go to the program as they are pressed, and what it was set
to before comes back however the tool ends. A process of its own sees to that: it waits for our end of a pipe to close.
"""

import os
import signal
import struct
import termios
import tty
from fcntl import ioctl

from .processes import fork_guardian

SIZE_UNKNOWN = (24, 80)
ESCAPE, ESCAPES = 0x1d, 3       # Ctrl-], so often in a row: the tool is to end, whatever the program does


def size_of(*descriptors):
    """(rows, columns) of the first of these that is a terminal and knows."""
    for fd in descriptors:
        try:
            rows, columns, _, _ = struct.unpack("HHHH", ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
        except OSError:
            continue
        if rows and columns:
            return rows, columns
    return SIZE_UNKNOWN


class Terminal:
    """Raw from the start, until restore(). on_resize(rows, columns) is called from the loop."""

    def __init__(self, loop, fd, on_resize):
        self.loop, self.fd, self.on_resize = loop, fd, on_resize
        self.saved = termios.tcgetattr(fd)
        self.escapes = 0
        self._watch()
        tty.setraw(fd)
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        loop.on_read(self._reading, self._resized)
        self._old_handler = signal.signal(signal.SIGWINCH, self._winch)

    def _watch(self):
        keep = os.dup(self.fd)

        def put_back(said):
            if said != b"r":                    # not said that it has been done: we died
                termios.tcsetattr(keep, termios.TCSADRAIN, self.saved)
        self._guardian, self._guard_pipe = fork_guardian((keep,), put_back)
        os.close(keep)

    def _winch(self, *_):
        try:
            os.write(self._writing, b"w")
        except OSError:
            pass                                # one more in the pipe would say the same

    def _resized(self):
        try:
            os.read(self._reading, 64)
        except BlockingIOError:
            return
        self.on_resize(*size_of(self.fd))

    def keys(self, data):
        """What is typed passes here on its way."""
        for byte in data:
            self.escapes = self.escapes + 1 if byte == ESCAPE else 0
            if self.escapes == ESCAPES:
                os.kill(os.getpid(), signal.SIGINT)

    def restore(self):
        if self.saved is None:
            return
        try:
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self.saved)
        except termios.error:
            pass                                # the terminal itself is gone
        self.saved = None
        try:
            os.write(self._guard_pipe, b"r")
        except OSError:
            pass
        os.close(self._guard_pipe)
        os.waitpid(self._guardian, 0)
        signal.signal(signal.SIGWINCH, self._old_handler)
        self.loop.forget(self._reading)
        os.close(self._reading)
        os.close(self._writing)
