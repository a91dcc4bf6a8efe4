# SPDX-License-Identifier: MIT
"""
What must hold for every capture of an interop test: tshark dissects each RoCE packet as InfiniBand and none as malformed,
and each ICRC is right (tshark does not look at it).
"""

import os
import struct
import subprocess
import tempfile
import zlib

from tangramlib.host import find_program

MAX_FRAMES = 20000
_profile = None
# All other protocols are switched off: tshark guesses at payloads, and a test's bytes that look like one of them are not malformed.
DISSECTED = ("frame", "eth", "ethertype", "ip", "udp", "infiniband")


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


def syndromes(path):
    """Of the acknowledgements."""
    return {frame[bth + 12] for _, frame, bth in roce(path) if frame[bth] == 0x11}


def run_tshark(*words):
    def run(folder, *arguments):
        return subprocess.run([find_program("tshark"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=dict(os.environ, WIRESHARK_CONFIG_DIR=folder))
    if _profile is None:
        globals()["_profile"] = tempfile.TemporaryDirectory()
        lines = run(_profile.name, "-G", "protocols").stdout.splitlines()
        names = [line.split("\t")[2] for line in lines if line.count("\t") >= 2]
        with open(os.path.join(_profile.name, "disabled_protos"), "w") as file:
            file.writelines(name + "\n" for name in names if name not in DISSECTED and not name.startswith("_ws."))
    return run(_profile.name, *words)


def check(path, at_least=1):
    """Raises AssertionError for what is not as it must be; returns the number of RoCE packets."""
    count = 0
    for number, frame, bth in roce(path):
        count += 1
        assert struct.unpack("<I", frame[-4:])[0] == icrc(frame, bth), "frame %d of %s: wrong ICRC" % (number, path)
    assert count >= at_least, "only %d RoCE packets in %s" % (count, path)
    done = run_tshark("-r", path, "-n", "--disable-heuristic", "eth_over_ib", "-Y", "udp.dstport==4791", "-T", "fields", "-e", "frame.number",
                      "-e", "infiniband.bth.opcode", "-e", "_ws.malformed")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == count, "tshark sees %d RoCE packets in %s, not %d" % (len(lines), path, count)
    for line in lines:
        number, opcode, *malformed = line.split("\t")
        assert opcode != "" and malformed in ([], [""]), "frame %s of %s is not InfiniBand to tshark: %s" % (number, path, line)
    return count
