# SPDX-License-Identifier: MIT
"""
The wire as tap devices on a bridge of the host (`--wire tap`), instead of the switch: faster, several queue pairs, other machines can
be on it; needs CAP_NET_ADMIN. A tap device lasts as long as a descriptor of it is open, so it goes with its QEMU.
"""

import errno
import fcntl
import os
import socket
import struct

from .host import TangramError

TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, SIOCGIFINDEX = 0x8913, 0x8914, 0x8922, 0x8933
SIOCBRADDBR, SIOCBRDELBR, SIOCBRADDIF = 0x89a0, 0x89a1, 0x89a2
IFF_UP = 1
MTU = 9000


def _request(name, data=b""):
    return struct.pack("16s24s", name.encode(), data)


def _ioctl(request, argument):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, request, argument)


def _set_up(name, up):
    flags = struct.unpack_from("H", _ioctl(SIOCGIFFLAGS, _request(name)), 16)[0]
    _ioctl(SIOCSIFFLAGS, _request(name, struct.pack("H", flags | IFF_UP if up else flags & ~IFF_UP)))


def bridge_name(token):
    return "tg" + token


def remove_bridge(token):
    """A cluster's own bridge, if there is one."""
    name = bridge_name(token)
    try:
        _set_up(name, False)
        _ioctl(SIOCBRDELBR, struct.pack("16s", name.encode()))
    except OSError:
        pass                        # there is none


class TapWire:
    """token: unique to the cluster; bridge: of the host's, None: an own one, which remove_bridge() removes."""

    def __init__(self, token, bridge, queues):
        self.token, self.queues, self.bridge = token, queues, bridge or bridge_name(token)
        try:
            if not bridge:
                _ioctl(SIOCBRADDBR, struct.pack("16s", self.bridge.encode()))
                _set_up(self.bridge, True)
        except OSError as error:
            raise self._refused(error) from None
        try:
            _ioctl(SIOCGIFINDEX, _request(self.bridge))
        except OSError:
            raise TangramError("--wire tap:%s: there is no such bridge" % bridge) from None

    def _refused(self, error):
        if error.errno in (errno.EPERM, errno.EACCES):
            return TangramError("--wire tap: not permitted here: it needs root, or CAP_NET_ADMIN and access to /dev/net/tun")
        if error.errno == errno.EOPNOTSUPP:
            return TangramError("--wire tap:%s: that is no bridge" % self.bridge)
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return TangramError("--wire tap: the host has no tap devices or bridges (/dev/net/tun, modules tun and bridge)")
        return TangramError("--wire tap: %s" % error.strerror)

    def open(self, number):
        """A node's tap device on the bridge; returns one descriptor for each queue pair, the caller's to close."""
        name, fds = "%s.%d" % (bridge_name(self.token), number), []
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if self.queues > 1 else 0)
        try:
            for _ in range(self.queues):
                fds.append(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
                fcntl.ioctl(fds[-1], TUNSETIFF, _request(name, struct.pack("H", flags)))
            _ioctl(SIOCSIFMTU, _request(name, struct.pack("i", MTU)))
            index = struct.unpack_from("i", _ioctl(SIOCGIFINDEX, _request(name)), 16)[0]
            _ioctl(SIOCBRADDIF, _request(self.bridge, struct.pack("i", index)))
            _set_up(name, True)
        except OSError as error:
            for fd in fds:
                os.close(fd)
            raise self._refused(error) from None
        return fds
