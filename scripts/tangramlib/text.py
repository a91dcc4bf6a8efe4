# SPDX-License-Identifier: MIT
"""Texts for word_count: the King James Bible of Debian's bible-kjv, and longer ones made from it by a seed."""

import random
import subprocess

from .host import TangramError, find_program


def bible():
    """The whole text, about 4 MB."""
    done = subprocess.run([find_program("bible"), "-f", "gen1:1-rev22:21"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0 or len(done.stdout) < 1 << 20:
        raise TangramError("bible gave no text: %s" % done.stderr.decode(errors="replace").strip())
    return done.stdout


def scaled(size, seed=1, marker=None):
    """
    A text of `size` bytes: lines of the Bible in random order, every hundredth with words that occur nowhere else, so
    that the tables grow with the text. A marker is put in the middle, to be found on the wire.
    """
    rng = random.Random(seed)
    lines = bible().split(b"\n")
    parts, total = [], 0
    while total < size:
        for i, line in enumerate(rng.choices(lines, k=1000)):
            if i % 100 == 0:
                line += b" " + bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(5, 12)))
            parts.append(line)
            total += len(line) + 1
    data = bytearray(b"\n".join(parts)[:size - 1] + b"\n")
    if marker:
        at = size // 2
        data[at:at + len(marker) + 2] = b"\n" + marker + b"\n"
    return bytes(data[:size])
