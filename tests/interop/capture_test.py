#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""capture.py sees what is wrong: each packet of a recorded capture is spoilt in turn. Needs tshark, no VM."""

import os
import struct
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "scripts")]

import capture                          # noqa: E402

GOLDEN = os.path.join(HERE, "..", "..", "net", "roce", "testdata", "udaddy.pcap")


class CaptureTest(unittest.TestCase):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile(suffix=".pcap")
        self.addCleanup(self.file.close)

    def write(self, frames):
        with open(GOLDEN, "rb") as file:
            head = file.read(24)
        with open(self.file.name, "wb") as file:
            file.write(head)
            for frame in frames:
                file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)

    def refused(self, frames, why):
        self.write(frames)
        with self.assertRaisesRegex(AssertionError, why):
            capture.check(self.file.name)

    @staticmethod
    def resum(frame):
        return frame[:-4] + struct.pack("<I", capture.icrc(frame, 42))

    def test_good(self):
        self.assertEqual(capture.check(GOLDEN), 22)
        with self.assertRaisesRegex(AssertionError, "only 22"):
            capture.check(GOLDEN, 23)

    def test_icrc(self):
        for at in (14 + 20, 42 + 1, 42 + 11, -5, -1):
            frames = list(capture.frames(GOLDEN))
            frame = bytearray(frames[5])
            frame[at] ^= 4
            self.refused(frames[:5] + [bytes(frame)] + frames[6:], "frame 6 .*ICRC")

    def test_malformed(self):
        """Shorter than its headers say, with a right ICRC."""
        frames = list(capture.frames(GOLDEN))
        frame = bytearray(frames[0][:14 + 20 + 8 + 12 + 4 + 4])         # half a DETH
        struct.pack_into(">H", frame, 16, len(frame) - 14)
        struct.pack_into(">H", frame, 38, len(frame) - 34)
        self.refused([self.resum(bytes(frame))] + frames[1:], "frame 1 .*not InfiniBand")


if __name__ == "__main__":
    unittest.main()
