# SPDX-License-Identifier: MIT
"""
What must hold for every capture of an interop test: tshark dissects each RoCE packet as InfiniBand and none as malformed,
and each ICRC is right (tshark does not look at it).
"""

import struct
import subprocess
import zlib

from tangramlib.host import find_program

MAX_FRAMES = 20000
# What guesses at payloads: bytes of a test's own that look like another protocol are not malformed packets.
GUESSERS = ("smc", "smb_direct", "rpcordma", "nvme-rdma", "lnet", "iser", "infiniband.eoib", "infiniband_sdp", "fcoib")


def frames(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def roce(path):
    """(number, frame without Ethernet's padding, offset of the BTH) of each RoCEv2 packet over IPv4."""
    for number, frame in enumerate(frames(path), 1):
        if len(frame) < 58 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        header = 14 + (frame[14] & 15) * 4
        if struct.unpack_from(">H", frame, header + 2)[0] == 4791:
            yield number, frame[:14 + struct.unpack_from(">H", frame, 16)[0]], header + 8


def icrc(frame, bth):
    masked = bytearray(frame[14:-4])
    masked[1] = masked[8] = 0xff
    masked[10:12] = b"\xff\xff"
    masked[bth - 14 - 2:bth - 14] = b"\xff\xff"
    masked[bth - 14 + 4] = 0xff
    return zlib.crc32(b"\xff" * 8 + bytes(masked)) & 0xffffffff


def opcodes(path):
    return {frame[bth] for _, frame, bth in roce(path)}


def check(path, at_least=1):
    """Raises AssertionError for what is not as it must be; returns the number of RoCE packets."""
    count = 0
    for number, frame, bth in roce(path):
        count += 1
        assert struct.unpack("<I", frame[-4:])[0] == icrc(frame, bth), "frame %d of %s: wrong ICRC" % (number, path)
    assert count >= at_least, "only %d RoCE packets in %s" % (count, path)
    command = [find_program("tshark"), "-r", path, "-n"]
    for name in GUESSERS:
        command += ["--disable-protocol", name]
    done = subprocess.run(command + ["-Y", "udp.dstport==4791", "-T", "fields", "-e", "frame.number", "-e", "infiniband.bth.opcode",
                                     "-e", "_ws.malformed"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == count, "tshark sees %d RoCE packets in %s, not %d" % (len(lines), path, count)
    for line in lines:
        number, opcode, *malformed = line.split("\t")
        assert opcode != "" and malformed in ([], [""]), "frame %s of %s is not InfiniBand to tshark: %s" % (number, path, line)
    return count
