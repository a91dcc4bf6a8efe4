# SPDX-License-Identifier: MIT
"""
The host's ends of a node's virtio-console ports: the control port with its lines of text, and the program's three
streams, which travel raw.
"""

import os
import select
import socket

from .host import TangramError


def encode(word):
    """A word of the control protocol: bytes up to a blank, DEL and % as %XX."""
    data = os.fsencode(word)
    return b"".join(b"%%%02X" % c if c <= 0x20 or c in (0x7f, 0x25) else bytes([c]) for c in data)


def decode(word):
    out, at = bytearray(), 0
    while at < len(word):
        if word[at] == 0x25 and at + 2 < len(word):
            try:
                out.append(int(word[at + 1:at + 3], 16))
                at += 3
                continue
            except ValueError:
                pass
        out.append(word[at])
        at += 1
    return os.fsdecode(bytes(out))


def parse_fields(words):
    """{'status': '0', ...} of the words that are name=value."""
    return dict(word.split("=", 1) for word in words if "=" in word)


class Control:
    """A node's control port. Lines that come in go to on_line as lists of decoded words."""

    def __init__(self, loop, sock, on_line, on_close=None):
        self.loop, self.sock, self.on_line, self.on_close = loop, sock, on_line, on_close
        self.buffer = b""
        sock.setblocking(False)
        loop.on_read(sock, self._readable)

    def _readable(self):
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.loop.forget(self.sock)
            if self.on_close:
                self.on_close()
            return
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            words = [decode(word) for word in line.split(b" ") if word]
            if words:
                self.on_line(words)

    def send(self, *words):
        try:
            self.sock.sendall(b" ".join(encode(word) for word in words) + b"\n")
        except BlockingIOError:
            raise TangramError("a node takes no commands any more") from None
        except OSError:
            pass                    # it is gone: whoever watches its process says so

    def close(self):
        self.loop.forget(self.sock)
        self.sock.close()


class OutputPump:
    """A program's output port to a descriptor of ours, byte for byte."""

    def __init__(self, loop, sock, fd, before_write, on_broken):
        self.loop, self.sock, self.fd, self.before_write, self.on_broken = loop, sock, fd, before_write, on_broken
        self.broken = False
        sock.setblocking(False)
        loop.on_read(sock, self.readable)

    def readable(self):
        """Take what is there; returns whether there was anything."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.loop.forget(self.sock)
            return False
        if not self.broken:
            self.before_write()
            self._write(data)
        return True

    def _write(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view):]
            except BlockingIOError:             # the caller's descriptor may be a non-blocking one
                select.select([], [self.fd], [])
            except BrokenPipeError:
                self.broken = True
                self.on_broken()
                return

    def detach(self):
        while self.readable():
            pass
        self.loop.forget(self.sock)


class InputPump:
    """A descriptor of ours to a program's input port. Reads no more than the port has taken."""

    def __init__(self, loop, fd, sock, look=None):
        self.loop, self.fd, self.sock, self.look = loop, fd, sock, look
        self.data = memoryview(b"")
        self.always_ready = self.ended = False
        sock.setblocking(False)
        self._want_more()

    def _want_more(self):
        if not self.always_ready:
            try:
                self.loop.on_read(self.fd, self._source_readable)
                return
            except PermissionError:             # a regular file cannot be waited for
                self.always_ready = True
        self.loop.on_write(self.sock, self._port_writable)

    def _fill(self):
        try:
            self.data = memoryview(os.read(self.fd, 65536))
        except BlockingIOError:
            return True
        except OSError:
            self.data = memoryview(b"")
        if not self.data:
            self._end()
        elif self.look is not None:
            self.look(self.data)
        return bool(self.data)

    def _source_readable(self):
        if self._fill() and self.data:
            self.loop.forget(self.fd)
            self.loop.on_write(self.sock, self._port_writable)

    def _port_writable(self):
        if not self.data and not self._fill():
            return
        try:
            self.data = self.data[self.sock.send(self.data):]
        except BlockingIOError:
            return
        except OSError:
            self._end()
            return
        if not self.data:
            self.loop.forget(self.sock)
            self._want_more()

    def _end(self):
        if self.ended:
            return
        self.ended = True
        self.detach()
        try:            # not close(): QEMU would throw away what it has not yet read
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def detach(self):
        if not self.always_ready:
            self.loop.forget(self.fd)
        self.loop.forget(self.sock)
